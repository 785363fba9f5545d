"""Names for cached task results, made of what decides them and a version that we control."""

import hashlib
import json

from pydantic import BaseModel


def cache_key(step: str, version: int, *facts: BaseModel | str | int | None) -> str:
    """Return a file name that is equal for equal facts, in every process. Raise the version when a result changes."""
    plain = [fact.model_dump(mode="json") if isinstance(fact, BaseModel) else fact for fact in facts]
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
    return f"{step}-v{version}-{digest[:40]}"
