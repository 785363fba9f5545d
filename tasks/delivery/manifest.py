"""The manifest of a published export: what was asked, what came, and how to prove it again."""

import hashlib
from datetime import datetime
from io import BufferedIOBase
from pathlib import Path
from typing import Final, Literal, cast

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from upath import UPath

from tasks.exports.columns import Column
from tasks.exports.places import INTERNAL
from tasks.files.archive import ArchiveFacts
from tasks.files.reached import reached
from tasks.files.staged import KeptAsText

MANIFEST: Final = "manifest.json"
VERSION: Final = 1


class PublishedFile(BaseModel):
    """A file beside the manifest; `size` in bytes."""

    model_config = ConfigDict(frozen=True)

    name: str
    size: int
    sha256: str


class Check(BaseModel):
    """One reason to trust the files: what was expected, and what was found."""

    model_config = ConfigDict(frozen=True)

    name: str
    expected: JsonValue
    found: JsonValue
    passed: bool


class JobFacts(BaseModel):
    """One job of an export: what was asked, what came of it, and the reasons to trust its file."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    decision: str
    filter: str
    request: dict[str, JsonValue]
    rows_predicted: int
    rows: int
    checks: tuple[Check, ...]
    archive: ArchiveFacts
    normalised: tuple[str, ...]


class Manifest(BaseModel):
    """Everything that is known of one published export. Holds no address that data could be fetched from.

    An export to a depth has one job and no checks but that job's; one of the whole site has a job per slice.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = VERSION
    org: str
    project: str
    analysis: str
    max_depth: int | None
    urls_total: int
    urls_without_depth: int
    fingerprint: str
    generation: int
    jobs: tuple[JobFacts, ...]
    rows_predicted: int
    rows: int
    columns: tuple[Column, ...]
    files: tuple[PublishedFile, ...]
    checks: tuple[Check, ...]
    kept_as_text: tuple[KeptAsText, ...]
    versions: dict[str, str]
    times: dict[str, datetime]

    @property
    def file_names(self) -> tuple[str, ...]:
        return tuple(file.name for file in self.files)


def read_manifest(folder: UPath | Path) -> Manifest:
    """Read the folder's manifest. Raises FileNotFoundError, ValidationError, DataFolderUnusable."""
    with reached(folder / MANIFEST):
        content = (folder / MANIFEST).read_bytes()
    return Manifest.model_validate_json(content)


def manifests_below(folder: UPath | Path, pattern: str) -> list[UPath]:
    """Return the manifests of published exports that `pattern` finds in the folder, in the order of their names.

    Left out is what was replaced. Raises DataFolderUnusable.
    """
    with reached(folder):
        found = [UPath(path) for path in folder.glob(f"{pattern}/{MANIFEST}") if INTERNAL not in path.parts]
    return sorted((path for path in found if ".replaced-" not in path.parent.name), key=str)


def problems(folder: UPath | Path) -> list[str]:
    """Prove a published folder against its manifest; return what does not hold, in words. Reads every byte."""
    try:
        manifest = read_manifest(folder)
    except FileNotFoundError:
        return [f"{folder / MANIFEST} is missing"]
    except ValidationError:
        return [f"{folder / MANIFEST} is damaged"]
    return [problem for file in manifest.files if (problem := _problem(folder / file.name, file))]


def is_intact(path: UPath | Path, sha256: str) -> bool:
    """Tell whether the file is there, byte for byte. Raises DataFolderUnusable."""
    try:
        with reached(path), path.open("rb") as content:
            # A file of fsspec has the method that the digest asks for; its annotation has not.
            return hashlib.file_digest(cast(BufferedIOBase, content), "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False


def _problem(path: UPath | Path, file: PublishedFile) -> str | None:
    if is_intact(path, file.sha256):
        return None
    return f"{path} is not the file that was published" if path.exists() else f"{path} is missing"
