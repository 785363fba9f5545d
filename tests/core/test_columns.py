"""Columns and their names and types."""

import pyarrow as pa
import pytest

from tasks.exports.columns import Column, ColumnKind, parquet_names


@pytest.mark.parametrize(
    ("botify_type", "kind"),
    [
        ("string", ColumnKind.TEXT),
        ("int", ColumnKind.INTEGER),
        ("INTEGER", ColumnKind.INTEGER),
        ("float", ColumnKind.NUMBER),
        ("bool", ColumnKind.BOOLEAN),
        ("date", ColumnKind.DATE),
        ("datetime", ColumnKind.DATETIME),
        ("tree", ColumnKind.TEXT),
        ("", ColumnKind.TEXT),
    ],
)
def test_a_botify_type_has_a_kind_and_an_unknown_one_is_text(botify_type: str, kind: ColumnKind) -> None:
    """A field list may hold words that nobody has documented."""
    assert ColumnKind.of(botify_type) is kind


def test_every_kind_has_a_parquet_type() -> None:
    """And a field with several values is a list of texts, whatever its kind."""
    assert {str(kind.arrow_type) for kind in ColumnKind} == {
        "string",
        "int64",
        "double",
        "bool",
        "date32[day]",
        "timestamp[us, tz=UTC]",
    }
    assert Column(name="h1", field="h1", kind=ColumnKind.INTEGER, multiple=True).arrow_type == pa.list_(pa.string())


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("title", "title"),
        ("Meta description", "Meta_description"),
        ("metadata.h1.contents", "metadata_h1_contents"),
        ("404s", "_404s"),
        ("größe", "gr__e"),
        ("", "_"),
        ("x" * 400, "x" * 300),
        ("1" * 400, "_" + "1" * 299),
    ],
)
def test_a_parquet_name_is_one_that_bigquery_takes(name: str, legal: str) -> None:
    """Letters, digits and underscores, no digit first, 300 at most."""
    assert Column(name=name, field="f").parquet_name == legal


def test_parquet_names_are_unique_without_regard_to_case() -> None:
    """BigQuery takes `Title` and `title` for one name, and a made name must not meet a given one."""
    names = ["title", "Title", "title_2", "ti tle", "ti.tle", "x" * 301, "x" * 302]
    unique = parquet_names([Column(name=name, field="f") for name in names])
    assert unique == ("title", "Title_2", "title_2_2", "ti_tle", "ti_tle_2", "x" * 300, "x" * 298 + "_2")
