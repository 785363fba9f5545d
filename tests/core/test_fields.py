"""From the user's names to columns (botify-api.md §3.6)."""

import pytest

from tasks.botify.fields import Field, choose_columns, list_fields
from tasks.exports.columns import ColumnKind
from tasks.exports.errors import FieldRefused, NotFound
from tests.core.conversation import BOOST, NEWEST, client_of, sandbox

pytestmark = pytest.mark.anyio

COLLECTION = f"crawl.{NEWEST}"
KNOWN = {
    field.id: field
    for field in (
        Field(id="url", type="string"),
        Field(id="depth", name="Depth", type="integer"),
        Field(id="metadata.title.content", name="Title", type="string"),
        Field(id="metadata.h1.contents", name="H1", type="string", multiple=True),
        Field(id="outlinks_internal.graph.url", type="string"),
        Field(id="count_urls_crawl", type="integer", kind="metric"),
    )
}


@pytest.mark.parametrize("prefixed", [True, False])
async def test_the_field_list_is_read_with_or_without_the_prefix(prefixed: bool) -> None:
    """§3.6 shows no id of a field list; both forms mean the same."""
    async with client_of(sandbox(prefixed_fields=prefixed)) as client:
        fields = await list_fields(client, BOOST, NEWEST)
    assert fields["metadata.h1.contents"].multiple
    assert ColumnKind.of(fields["depth"].type or "") is ColumnKind.INTEGER


async def test_a_collection_that_botify_does_not_know_is_a_refusal() -> None:
    """§9.17: the collection of a suffixed analysis is never shown anywhere."""
    async with client_of(sandbox()) as client:
        with pytest.raises(NotFound):
            await list_fields(client, BOOST, "19990101")


@pytest.mark.parametrize(
    ("names", "fields"),
    [
        ([], ["url"]),
        (["title"], ["url", "metadata.title.content"]),
        (["title", "url", "depth"], ["url", "metadata.title.content", "depth"]),
        ([" title ", "", "title"], ["url", "metadata.title.content"]),
        (["metadata.title.content"], ["url", "metadata.title.content"]),
        ([f"{COLLECTION}.depth"], ["url", "depth"]),
    ],
)
def test_url_comes_first_and_every_column_once(names: list[str], fields: list[str]) -> None:
    """Names of ours, ids of Botify's, with the collection or without."""
    columns = choose_columns(names, KNOWN, COLLECTION)
    assert [column.field for column in columns] == fields


def test_a_column_knows_its_name_label_and_type() -> None:
    """The type is Botify's, never guessed."""
    _, depth, h1 = choose_columns(["depth", "h1"], KNOWN, COLLECTION)
    assert (depth.name, depth.label, depth.kind, depth.multiple) == ("depth", "Depth", ColumnKind.INTEGER, False)
    assert (h1.name, h1.field, h1.kind, h1.multiple) == ("h1", "metadata.h1.contents", ColumnKind.TEXT, True)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["titel"], "This analysis has no field 'titel'. Nearest: title."),
        (["metadata.h1.content"], "Nearest: metadata.h1.contents"),
        (["xyzzy"], "This analysis has no field 'xyzzy'."),
        (["http_code"], "This analysis has no field 'http_code'."),
        (["count_urls_crawl"], "'count_urls_crawl' is a metric"),
        (["outlinks_internal.graph.url"], "has a row for each link"),
        (["title", "metadata.title.content"], "'title' and 'metadata.title.content' are the same field."),
    ],
)
def test_a_field_that_cannot_be_a_column_is_refused_before_it_costs(names: list[str], sentence: str) -> None:
    """§8.12: one unknown field kills the whole export; the nearest names help."""
    with pytest.raises(FieldRefused) as refusal:
        choose_columns(names, KNOWN, COLLECTION)
    assert sentence in str(refusal.value)


def test_url_needs_no_entry_in_the_list() -> None:
    """§3.1: it belongs to the `global` collection and is usable with every crawl."""
    assert choose_columns([], {}, COLLECTION)[0].field == "url"
