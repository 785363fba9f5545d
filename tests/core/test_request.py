"""The request and its fingerprint."""

from typing import Any

import pytest

from tasks.exports.columns import Column, ColumnKind
from tasks.exports.filters import ToDepth
from tasks.exports.request import Expectation
from tests.core.conversation import request


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    """It names files and money: this very value must never change by accident."""
    assert request().fingerprint == "18eaeb49caf9ed44b5fd978cae1df9e65d522e3bcdf5f50186e031381dc178d2"


@pytest.mark.parametrize(
    "change",
    [
        {"api": "https://api.botify.com/v2"},
        {"org": "other"},
        {"project": "other"},
        {"analysis": "20261122"},
        {"filter": ToDepth(max_depth=3)},
        {"max_rows": 1001},
        {"columns": request().columns[:2]},
        {"columns": tuple(reversed(request().columns))},
        {"columns": (*request().columns[:2], Column(name="other name", field="metadata.title.content"))},
    ],
)
def test_any_part_of_the_request_changes_the_fingerprint_and_the_folder(change: dict[str, Any]) -> None:
    """Two exports that differ in any part never share a file."""
    assert request(**change).fingerprint != request().fingerprint
    assert request(**change).name != request().name


def test_what_the_field_list_says_of_a_column_does_not_change_the_fingerprint() -> None:
    """A label that Botify rewords must not make a paid export a stranger."""
    relabelled = tuple(
        column.model_copy(update={"label": "New", "kind": ColumnKind.TEXT}) for column in request().columns
    )
    assert request(columns=relabelled).fingerprint == request().fingerprint


def test_what_is_expected_does_not_change_the_fingerprint() -> None:
    """A count is held against the export; it does not make it another one."""
    assert request(expected=Expectation(rows=1, urls_total=2)).fingerprint == request().fingerprint


def test_every_formatter_option_is_sent() -> None:
    """§4.3: the documents and the server disagree on the defaults."""
    payload = request().payload("a tag")
    assert payload["formatter_config"] == {
        "delimiter": ",",
        "print_delimiter": False,
        "print_header": True,
        "header_format": "slug",
    }
    assert payload["export_job_name"] == "a tag"
    assert "extra_config" not in payload  # gzip is the default of both spellings (§4.7)


def test_the_rows_are_asked_for_in_the_order_of_their_url() -> None:
    """So that the same export is the same file (§9.9)."""
    query = request().payload()["query"]
    assert isinstance(query, dict)
    assert isinstance(query["query"], dict)
    assert query["query"]["sort"] == [{"field": "crawl.20261122-2.url", "order": "asc"}]
