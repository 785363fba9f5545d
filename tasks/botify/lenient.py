"""Values that Botify's contract declares one way and its server sends another, or leaves out (botify-api.md §8.13).

None of them is worth a failure: what cannot be read is None.
"""

from datetime import datetime
from typing import Annotated, Final, TypeVar

from pydantic import BeforeValidator, TypeAdapter, ValidationError

Value = TypeVar("Value")
_DATE: Final = TypeAdapter(datetime)
_COUNT: Final = TypeAdapter(int)


def _or_none(adapter: TypeAdapter[Value], value: object) -> Value | None:
    try:
        return adapter.validate_python(value)
    except ValidationError:
        return None


Date = Annotated[datetime | None, BeforeValidator(lambda value: _or_none(_DATE, value))]
Count = Annotated[int | None, BeforeValidator(lambda value: _or_none(_COUNT, value))]
Word = Annotated[str, BeforeValidator(lambda value: value if isinstance(value, str) else "")]
