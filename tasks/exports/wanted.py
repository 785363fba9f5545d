"""Which files of an export are wanted. They are no part of the request: another format is no other job."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final, Self

from pydantic import BaseModel, ConfigDict

CSV: Final = "pages.csv"
PARQUET: Final = "pages.parquet"
EXCEL: Final = "pages.excel.csv"


class OutputFormat(StrEnum):
    """The formats of the data."""

    CSV = "csv"
    PARQUET = "parquet"
    BOTH = "both"

    @property
    def wants_csv(self) -> bool:
        return self is not OutputFormat.PARQUET

    @property
    def wants_parquet(self) -> bool:
        return self is not OutputFormat.CSV


class WantedFiles(BaseModel):
    """The files that the user wants; a CSV for Excel is made from the CSV, and so wants it, too."""

    model_config = ConfigDict(frozen=True)

    names: frozenset[str] = frozenset({CSV, PARQUET})

    @classmethod
    def of(cls, output: OutputFormat, *, excel: bool = False) -> Self:
        wanted = {CSV: output.wants_csv or excel, PARQUET: output.wants_parquet, EXCEL: excel}
        return cls(names=frozenset(name for name, is_wanted in wanted.items() if is_wanted))

    def and_those(self, names: Collection[str]) -> "WantedFiles":
        """Return these and the ones that are there already: a file that somebody reads does not go away."""
        return WantedFiles(names=self.names | ({CSV, PARQUET, EXCEL} & set(names)))

    def are_among(self, names: Collection[str]) -> bool:
        return self.names <= set(names)

    @property
    def output(self) -> OutputFormat:
        if CSV in self.names:
            return OutputFormat.BOTH if PARQUET in self.names else OutputFormat.CSV
        return OutputFormat.PARQUET

    @property
    def excel(self) -> bool:
        return EXCEL in self.names


ALL_FILES: Final = WantedFiles()
