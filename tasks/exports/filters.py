"""Which URLs an export holds, said once for the count and for the job, so that the two cannot drift.

Beneath BQL is SQL: a comparison with null is neither true nor false, and `not` leaves it so (botify-api.md §3.1).
Only `exists` tells null apart, so what has no value is always a filter of its own.
"""

import string
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, JsonValue, Tag, model_validator

URL_CHARACTERS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
"""Where `UrlCharacter` can cut, in ASCII order; none of them means anything to a regular expression."""


class _Filter(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def tests(self, collection: str) -> list[dict[str, JsonValue]]:
        """Return the BQL filters that all have to hold, none of them an `and` (botify-api.md §3.5)."""
        raise NotImplementedError

    def bql(self, collection: str) -> dict[str, JsonValue]:
        """Return the filter as BQL has it, for a query and for a job alike."""
        tests = self.tests(collection)
        return tests[0] if len(tests) == 1 else {"and": [*tests]}

    def in_words(self) -> str:
        """Say which URLs these are, as a cell of a table."""
        raise NotImplementedError


class ToDepth(_Filter):
    """The URLs to a depth, that depth included (botify-api.md §3.2).

    Ledgers and fingerprints on users' disks hold it as it is: it can never have another field.
    """

    max_depth: int

    def tests(self, collection: str) -> list[dict[str, JsonValue]]:
        return [{"field": f"{collection}.depth", "predicate": "lte", "value": self.max_depth}]

    def in_words(self) -> str:
        return f"to depth {self.max_depth}"


class Depths(_Filter):
    """The URLs from one depth to another, both included."""

    kind: Literal["depths"] = "depths"
    first_depth: int
    last_depth: int

    def tests(self, collection: str) -> list[dict[str, JsonValue]]:
        return [
            {"field": f"{collection}.depth", "predicate": "between", "value": [self.first_depth, self.last_depth]},
        ]

    def in_words(self) -> str:
        if self.first_depth == self.last_depth:
            return f"depth {self.first_depth}"
        return f"depths {self.first_depth} to {self.last_depth}"


class NoDepth(_Filter):
    """The URLs that no link leads to (botify-api.md §8.8)."""

    kind: Literal["no_depth"] = "no_depth"

    def tests(self, collection: str) -> list[dict[str, JsonValue]]:
        return [_not(_exists(f"{collection}.depth"))]

    def in_words(self) -> str:
        return "no depth"


class NumberRange(_Filter):
    """The URLs whose number is from `at_least` to below `below`: half-open, so that no fraction falls between two."""

    kind: Literal["number_range"] = "number_range"
    field: str
    at_least: int | None
    below: int | None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.at_least is None and self.below is None:
            raise ValueError("a range has at least one bound; WithValue has none")
        return self

    def tests(self, collection: str) -> list[dict[str, JsonValue]]:
        bounds = (("gte", self.at_least), ("lt", self.below))
        field = f"{collection}.{self.field}"
        return [{"field": field, "predicate": word, "value": bound} for word, bound in bounds if bound is not None]

    def in_words(self) -> str:
        return self.field + _bounds_in_words(
            None if self.at_least is None else f"{self.at_least:,}", None if self.below is None else f"{self.below:,}"
        )


class WithValue(_Filter):
    """The URLs whose field has a value."""

    kind: Literal["with_value"] = "with_value"
    field: str

    def tests(self, collection: str) -> list[dict[str, JsonValue]]:
        return [_exists(f"{collection}.{self.field}")]

    def in_words(self) -> str:
        return f"with {self.field}"


class WithoutValue(_Filter):
    """The URLs whose field is null."""

    kind: Literal["without_value"] = "without_value"
    field: str

    def tests(self, collection: str) -> list[dict[str, JsonValue]]:
        return [_not(_exists(f"{collection}.{self.field}"))]

    def in_words(self) -> str:
        return f"without {self.field}"


class UrlCharacter(_Filter):
    """The URLs whose character at a place before the end is from `at_least` to below `below`, in ASCII order.

    Nobody has documented the engine of `re`, so a bound is one pattern, `^.*[c-~]..$`, that a search and a whole
    match read alike, and `below` is the `not` of it. The class of a later character lies within that of an earlier
    one, also where case is ignored: two ranges that meet share no URL and leave none out. A URL that is too short,
    or has a character beyond ASCII there, is below every bound.
    """

    kind: Literal["url_character"] = "url_character"
    before_end: int
    """How many characters follow it: 0 is the last one."""
    at_least: str | None
    below: str | None

    @model_validator(mode="after")
    def _has_literal_bounds(self) -> Self:
        bounds = {self.at_least, self.below} - {None}
        if not bounds or not bounds <= set(URL_CHARACTERS):
            raise ValueError("a range of characters has one bound or two, each an ASCII letter or digit")
        return self

    def tests(self, collection: str) -> list[dict[str, JsonValue]]:
        tests = []
        if self.at_least is not None:
            tests.append(self._from(self.at_least, collection))
        if self.below is not None:
            tests.append(_not(self._from(self.below, collection)))
        return tests

    def _from(self, character: str, collection: str) -> dict[str, JsonValue]:
        pattern = f"^.*[{character}-~]{'.' * self.before_end}$"
        return {"field": f"{collection}.url", "predicate": "re", "value": pattern}

    def in_words(self) -> str:
        place = "last character" if not self.before_end else f"character {self.before_end + 1} from the end"
        return f"the URL's {place}{_bounds_in_words(self.at_least, self.below)}"


def _kind(value: object) -> object:
    return value.get("kind", "to_depth") if isinstance(value, dict) else getattr(value, "kind", "to_depth")


_Single = (
    Annotated[ToDepth, Tag("to_depth")]
    | Annotated[Depths, Tag("depths")]
    | Annotated[NoDepth, Tag("no_depth")]
    | Annotated[NumberRange, Tag("number_range")]
    | Annotated[WithValue, Tag("with_value")]
    | Annotated[WithoutValue, Tag("without_value")]
    | Annotated[UrlCharacter, Tag("url_character")]
)
SingleFilter = Annotated[_Single, Discriminator(_kind)]


class Every(_Filter):
    """The URLs that all the parts let through; `every` makes one."""

    kind: Literal["every"] = "every"
    parts: tuple[SingleFilter, ...]

    def tests(self, collection: str) -> list[dict[str, JsonValue]]:
        return [test for part in self.parts for test in part.tests(collection)]

    def in_words(self) -> str:
        first, *others = self.parts
        joints = (" " if isinstance(part, WithValue | WithoutValue) else ", " for part in others)
        return first.in_words() + "".join(joint + part.in_words() for joint, part in zip(joints, others, strict=True))


Filter = Annotated[_Single | Annotated[Every, Tag("every")], Discriminator(_kind)]
"""Any filter, as pydantic reads it back from JSON: by its `kind`, and without one it is `ToDepth`."""


def every(*filters: Filter) -> Filter:
    """Return what all these filters let through, flat: the filter itself when there is only one."""
    parts = [part for only in filters for part in (only.parts if isinstance(only, Every) else (only,))]
    return parts[0] if len(parts) == 1 else Every(parts=tuple(parts))


def _exists(field: str) -> dict[str, JsonValue]:
    return {"field": field, "predicate": "exists"}


def _not(test: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {"not": test}


def _bounds_in_words(at_least: str | None, below: str | None) -> str:
    words = "" if at_least is None else f" from {at_least}"
    if below is not None:
        words += f" below {below}" if at_least is None else f" to below {below}"
    return words
