"""BQL queries over a crawl (botify-api.md §3): read, checked and evaluated."""

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from deployments.sandbox.columns import Column, Reading
from deployments.sandbox.crawl import Page, copies_of, one_by_one
from deployments.sandbox.fields import Value
from deployments.sandbox.filters import Reader, Test, filter_test
from deployments.sandbox.folds import Fold
from deployments.sandbox.refusals import Code, RefusalError
from deployments.sandbox.sorting import SortKey, position_of, sort_keys, sorted_rows

Row: TypeAlias = tuple[Value, ...]


class WrittenQuery(BaseModel):
    """The inner part of the body; unknown keys are refused (botify-api.md §3.1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dimensions: list[object]
    metrics: list[object]
    filters: dict[str, object] = {}
    post_filters: dict[str, object] = {}
    sort: list[object] = []


class WrittenBody(BaseModel):
    """The whole body of a query, as it also stands in an export job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    collections: list[str]
    periods: list[object] = []
    query: WrittenQuery


@dataclass(frozen=True)
class Query:
    """A checked query; rows are dimensions, then metrics, in the order asked for."""

    collection: str
    dimensions: tuple[Column, ...]
    metrics: tuple[Column, ...]
    keeps: Test[Page]
    keeps_row: Test[Row]
    sort: tuple[SortKey, ...]
    looks_into_urls: bool
    """Whether copies of a page may differ in more than their URL column."""

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.dimensions + self.metrics

    def rows(self, pages: Iterable[Page]) -> Iterator[Row]:
        """One row per distinct combination of the dimensions, in the order of `pages` unless sorted.

        Without `sort` the rows stream, if the URL is a dimension: the rows of one URL are neighbours in a crawl.
        """
        kept = filter(self.keeps, one_by_one(pages) if self.looks_into_urls else pages)
        places = [place for place, column in enumerate(self.dimensions) if column.is_url]
        found = filter(self.keeps_row, self._url_rows(kept, places[0]) if places else self._groups(kept))
        return sorted_rows(found, self.sort) if self.sort else found

    def _url_rows(self, pages: Iterable[Page], place: int) -> Iterator[Row]:
        for _, of_one_url in itertools.groupby(pages, key=lambda page: page.url):
            original, *duplicates = of_one_url
            first, *others = self._groups([original._replace(copies=1), *duplicates])
            for url in copies_of(original.url, original.copies):
                yield (*first[:place], url, *first[place + 1 :])
            yield from others

    def _groups(self, pages: Iterable[Page]) -> Iterator[Row]:
        groups: dict[Row, list[Fold]] = {} if self.dimensions else {(): self._folds()}
        for page in pages:
            key = tuple([column.value(page) for column in self.dimensions])
            if key not in groups:
                groups[key] = self._folds()
            for column, fold in zip(self.metrics, groups[key], strict=True):
                fold.add(column.value(page), page.copies)
        return ((*key, *(fold.result for fold in folds)) for key, folds in groups.items())

    def _folds(self) -> list[Fold]:
        return [column.fold() for column in self.metrics if column.fold]


def read_query(body: object) -> Query:
    """Check a body and make it ready. Raises RefusalError with the code of botify-api.md §7.3 that fits."""
    written = _written(body)
    crawls = [collection for collection in written.collections if collection.startswith("crawl.")]
    if len(crawls) != 1:
        raise RefusalError(Code.QUERY_CANNOT_BE_EXECUTED, "one crawl collection is needed")
    reading = Reading(crawls[0])
    dimensions = tuple(map(reading.dimension, written.query.dimensions))
    metrics = tuple(map(reading.metric, written.query.metrics))
    if not dimensions + metrics:
        raise RefusalError(Code.QUERY_CANNOT_BE_EXECUTED, "neither dimensions nor metrics")
    url_readers = [column for column in dimensions + metrics if column.source == "url"]
    keeps, filters_by_url = _page_test(written.query.filters, reading)
    return Query(
        collection=crawls[0],
        dimensions=dimensions,
        metrics=metrics,
        keeps=keeps,
        keeps_row=filter_test(written.query.post_filters, _output_reader(reading, dimensions + metrics)),
        sort=sort_keys(written.query.sort, reading, dimensions, metrics),
        looks_into_urls=filters_by_url or len(url_readers) > 1 or not all(column.is_url for column in url_readers),
    )


def _written(body: object) -> WrittenBody:
    if not isinstance(body, Mapping):
        raise RefusalError(Code.QUERY_NOT_AN_OBJECT)
    if "query" not in body:
        raise RefusalError(Code.QUERY_NOT_FOUND)
    try:
        return WrittenBody.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RefusalError(Code.BADLY_FORMATTED_REQUEST, f"{place}: {first['msg']}") from error


def _page_test(filters: dict[str, object], reading: Reading) -> tuple[Test[Page], bool]:
    """The test of a page, and whether it reads the URL."""
    sources = set()

    def reader_of(field: object) -> Reader[Page]:
        column = reading.dimension(field)
        sources.add(column.source)
        return column.value

    return filter_test(filters, reader_of), "url" in sources


def _output_reader(reading: Reading, columns: tuple[Column, ...]) -> Callable[[object], Reader[Row]]:
    def reader_of(written: object) -> Reader[Row]:
        return operator.itemgetter(position_of(written, reading, columns))

    return reader_of
