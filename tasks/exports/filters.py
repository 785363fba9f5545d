"""Which URLs an export holds, said once for the count and for the job, so that the two cannot drift."""

from pydantic import BaseModel, ConfigDict, JsonValue


class ToDepth(BaseModel):
    """The URLs to a depth, that depth included (botify-api.md §3.2)."""

    model_config = ConfigDict(frozen=True)

    max_depth: int

    def bql(self, collection: str) -> dict[str, JsonValue]:
        return {"field": f"{collection}.depth", "predicate": "lte", "value": self.max_depth}

    def in_words(self) -> str:
        return f"to depth {self.max_depth}"
