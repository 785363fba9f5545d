"""Dimensions and metrics: what a query asks for, ready to be read from pages (botify-api.md §3.1, §3.5, §3.6)."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from deployments.sandbox.crawl import Page
from deployments.sandbox.fields import COUNT, FIELDS, GLOBAL_PREFIXES, CrawlField, Value
from deployments.sandbox.folds import FOLDS, Fold
from deployments.sandbox.refusals import Code, RefusalError

Functions: TypeAlias = dict[str, Callable[[Value], Value] | None]
"""What a function does to its argument's value; None when it aggregates instead."""


@dataclass(frozen=True)
class Column:
    """One column of a result, with the three spellings that a header may have (botify-api.md §4.6)."""

    verbose: str
    slug: str
    collection_slug: str
    value: Callable[[Page], Value]
    source: str
    """The id of the field that it reads."""
    fold: Callable[[], Fold] | None = None
    """Only metrics have one."""

    @property
    def is_url(self) -> bool:
        return self.slug == "url"


@dataclass(frozen=True)
class Reading:
    """How written fields are read where one crawl collection is queried."""

    collection: str

    def dimension(self, written: object) -> Column:
        """A dimension, or the left side of a filter. Raises RefusalError."""
        column = self._column(written, DIMENSION_FUNCTIONS)
        if column.fold:
            raise RefusalError(Code.QUERY_CANNOT_BE_EXECUTED, f"{written!r} is a metric")
        return column

    def metric(self, written: object) -> Column:
        """A metric. Raises RefusalError."""
        column = self._column(written, METRIC_FUNCTIONS)
        if not column.fold:
            raise RefusalError(Code.QUERY_CANNOT_BE_EXECUTED, f"{written!r} is not a metric")
        return column

    def output(self, written: object) -> Column:
        """Either of them, as `sort` and `post_filters` name them. Raises RefusalError."""
        return self._column(written, DIMENSION_FUNCTIONS | METRIC_FUNCTIONS)

    def _column(self, written: object, functions: Functions) -> Column:
        match written:
            case str(field):
                return self._plain(field)
            case {"name": str(name), **unnamed}:
                return replace(self._column(unnamed, functions), verbose=name)
            case {"field": str(field), **others} if not others:
                return self._plain(field)
            case {"function": str(function), "args": list(arguments), **others} if not others and function in functions:
                return self._called(function, arguments, functions)
        raise RefusalError(Code.BADLY_FORMATTED_QUERY, f"not a field: {written!r}")

    def _plain(self, written: str) -> Column:
        found = self._find(written)
        fold = FOLDS["count"] if found is COUNT else None
        return Column(found.name, found.id, f"{self.collection}.{found.id}", found.value, found.id, fold)

    def _find(self, written: str) -> CrawlField:
        prefixed = written.startswith(f"{self.collection}.")
        field = FIELDS.get(written.removeprefix(f"{self.collection}."))
        if field is None or not (prefixed or written.startswith(GLOBAL_PREFIXES)):
            raise RefusalError(Code.FIELD_DOES_NOT_EXIST, written)
        return field

    def _called(self, function: str, arguments: list[object], functions: Functions) -> Column:
        if len(arguments) != 1:
            raise RefusalError(Code.BADLY_FORMATTED_QUERY, f"{function} takes one argument")
        inner = self.dimension(arguments[0])
        label = f"{function}({inner.slug})"
        outer = Column(label, label, label, inner.value, inner.source, FOLDS.get(function))
        if (change := functions[function]) is None:
            return outer
        return replace(outer, value=lambda page: change(inner.value(page)))


def _first(value: Value) -> Value:
    if isinstance(value, tuple):
        return value[0] if value else None
    return value


def _http_code_family(value: Value) -> Value:
    return f"{value // 100}xx" if isinstance(value, int) else None


DIMENSION_FUNCTIONS: Functions = {
    "first": _first,
    "to_json_string": lambda value: json.dumps(value, ensure_ascii=False),
    "http_code_family": _http_code_family,
}

METRIC_FUNCTIONS: Functions = dict.fromkeys(FOLDS)
