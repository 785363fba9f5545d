"""Which fields an analysis has, and which columns the user's names mean (botify-api.md §3.6)."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from pydantic import BaseModel, ConfigDict, TypeAdapter

from tasks.botify.client import BotifyClient
from tasks.exports.columns import Column, ColumnKind
from tasks.exports.errors import FieldRefused
from tasks.exports.project_address import ProjectAddress

NAMES: Final = {
    "url": "url",
    "depth": "depth",
    "http_code": "http_code",
    "title": "metadata.title.content",
    "meta_description": "metadata.description.content",
    "h1": "metadata.h1.contents",
}


class Field(BaseModel):
    """A field of a collection, as its field list describes it."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str | None = None
    type: str | None = None
    multiple: bool | None = None
    kind: str | None = None


class _Dataset(BaseModel):
    fields: list[Field] = []


class _Collection(BaseModel):
    datasets: list[_Dataset]


_COLLECTION: Final = TypeAdapter(_Collection)


async def list_fields(client: BotifyClient, address: ProjectAddress, analysis: str) -> dict[str, Field]:
    """Return the analysis's fields by id, without the collection's prefix. Raises BotifyRefused."""
    collection = f"crawl.{analysis}"
    path = ("projects", address.org, address.project, "collections", collection)
    answer = await client.read(f"The fields of {address} {analysis}", path, _COLLECTION)
    fields = [field for dataset in answer.datasets for field in dataset.fields]
    return {field.id.removeprefix(f"{collection}."): field for field in fields}


def choose_columns(names: Sequence[str], fields: dict[str, Field], collection: str) -> tuple[Column, ...]:
    """Return the columns that the names mean: `url` first, then the names in their order, each once.

    Raises FieldRefused, with the nearest names, for a field that the analysis lacks or that has no value per URL.
    """
    wanted = dict.fromkeys(["url", *(name.strip() for name in names if name.strip())])
    columns = tuple(_column(name, fields, collection) for name in wanted)
    by_field: dict[str, str] = {}
    for column in columns:
        if (first := by_field.setdefault(column.field, column.name)) != column.name:
            raise FieldRefused(f"{first!r} and {column.name!r} are the same field.")
    return columns


def _column(name: str, fields: dict[str, Field], collection: str) -> Column:
    field_id = NAMES.get(name, name.removeprefix(f"{collection}."))
    field = fields.get(field_id)
    if field is None and field_id == "url":
        field = Field(id="url", type="string")  # of the `global` collection, usable everywhere (§3.1)
    if field is None:
        raise FieldRefused(f"This analysis has no field {name!r}.{_nearest(name, fields)}")
    if field.kind == "metric":
        raise FieldRefused(f"{name!r} is a metric: it counts URLs and has no value for one of them.")
    if ".graph." in field_id:
        raise FieldRefused(f"{name!r} belongs to the graph of links: it has a row for each link, not for each URL.")
    return Column(
        name=name,
        field=field_id,
        label=field.name or "",
        kind=ColumnKind.of(field.type or ""),
        multiple=bool(field.multiple),
    )


def _nearest(name: str, fields: dict[str, Field]) -> str:
    nearest = get_close_matches(name, [*NAMES, *fields], n=3, cutoff=0.5)
    return f" Nearest: {', '.join(nearest)}." if nearest else ""
