"""A portfolio: the projects that are exported together, as a team keeps them in a CSV or YAML file."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from upath import UPath

from tasks.exports.columns import DEFAULT_FIELDS
from tasks.exports.errors import InputRefused, PortfolioRefused
from tasks.exports.project_address import ASK, ProjectAddress, checked_analysis, parse_project_address
from tasks.exports.site import Coverage, check_coverage
from tasks.exports.wanted import OutputFormat


def _words(value: object) -> object:
    """Split what one cell holds; a list stays as it is."""
    return value.replace(",", " ").replace(";", " ").split() if isinstance(value, str) else value


class PortfolioProject(BaseModel):
    """One export of a portfolio. What is left out is as in a single export."""

    # An analysis such as 20260131 is a number to YAML.
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    url: str = Field(description="The project's address, as the browser shows it.")
    analysis: str = Field(
        default="", description="`latest`, or a slug. Empty: the one in the address, else the latest."
    )
    fields: Annotated[tuple[str, ...], BeforeValidator(_words)] = Field(
        default=DEFAULT_FIELDS, description="The columns beside `url`."
    )
    coverage: Coverage = Field(default=Coverage.DEPTH, description="`depth`, or `full` for every URL.")
    max_rows: int = Field(default=1_000_000, ge=1, description="The most rows, which are credits, of a job.")
    max_depth: int | None = Field(default=None, ge=0, description="The deepest depth wanted.")
    file_format: OutputFormat = Field(default=OutputFormat.BOTH, description="The formats of the data.")
    excel: bool = Field(default=False, description="Whether a CSV for Excel is written beside them.")
    group: str = Field(default="", description="The schedule group: a run may export one group only.")
    credentials: str = Field(default="", description="A Botify Credentials block. Empty: that of the whole run.")

    @property
    def address(self) -> ProjectAddress:
        """The project, and the analysis that its address names. Raises ProjectUrlRefused."""
        return parse_project_address(self.url)

    def __str__(self) -> str:
        return str(self.address)

    def parameters(self, credentials: str) -> dict[str, Any]:
        """Return what `export-crawl` is asked, with these credentials where the project names none."""
        asked = self.model_dump(mode="json", exclude={"url", "group"})
        return asked | {"project_url": self.url, "credentials": self.credentials or credentials}


COLUMNS: Final = tuple(PortfolioProject.model_fields)


def read_portfolio(path: str | Path) -> tuple[PortfolioProject, ...]:
    """Read the projects of a file, a path or any address that fsspec reads. Raises PortfolioRefused.

    CSV: a header row with these names; an empty cell means the default. YAML: a list of projects, or a mapping of
    `projects` and, for all of them, `defaults`.
    """
    name = str(path)
    text = _text(name)
    entries = _of_yaml(text) if name.lower().endswith((".yaml", ".yml")) else _of_csv(text)
    try:
        return _checked((where, _project(where, entry)) for where, entry in entries)
    except PortfolioRefused as refusal:
        raise PortfolioRefused(f"{name}: {refusal}") from None


def choose_projects(projects: Sequence[PortfolioProject], path: str | Path, group: str) -> tuple[PortfolioProject, ...]:
    """Return the projects that were given, or those of the file, and of them those of the group if one is named.

    Raises PortfolioRefused.
    """
    if bool(projects) == bool(path):
        raise PortfolioRefused("Give either projects or a file of them.")
    found = (
        read_portfolio(path) if path else _checked((f"project {n}", each) for n, each in enumerate(projects, start=1))
    )
    return _of_group(found, group)


def _checked(projects: Iterable[tuple[str, PortfolioProject]]) -> tuple[PortfolioProject, ...]:
    """Return the projects if each could be exported, once, and there is one. Raises PortfolioRefused."""
    seen: dict[PortfolioProject, str] = {}
    found = []
    for where, project in projects:
        same = _told_apart(where, project)
        if (first := seen.setdefault(same, where)) != where:
            raise PortfolioRefused(f"{where} is the same export of {project} as {first}.")
        found.append(project)
    if not found:
        raise PortfolioRefused("there is no project in it.")
    return tuple(found)


def _of_group(projects: tuple[PortfolioProject, ...], group: str) -> tuple[PortfolioProject, ...]:
    found = tuple(project for project in projects if group in ("", project.group))
    if not found:
        known = ", ".join(sorted({project.group for project in projects} - {""})) or "none"
        raise PortfolioRefused(f"No project is of the group {group!r}; the groups are: {known}.")
    return found


def _told_apart(where: str, project: PortfolioProject) -> PortfolioProject:
    """Return the project with its address in one form. Raises PortfolioRefused."""
    try:
        address = project.address
        analysis = checked_analysis(address.wanted(project.analysis))
        check_coverage(project.coverage, project.max_depth)
    except InputRefused as refusal:
        raise PortfolioRefused(f"{where}: {refusal}") from None
    if analysis == ASK:
        raise PortfolioRefused(f"{where}: a portfolio asks nobody for an analysis; name it, or leave it out.")
    return project.model_copy(update={"url": str(address), "analysis": analysis})


def _text(name: str) -> str:
    try:
        return UPath(name).expanduser().read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PortfolioRefused(f"{name} is not UTF-8 text.") from None
    except Exception as error:  # noqa: BLE001  # whatever the library behind the address raises
        # Over http, fsspec raises the address alone, from what says why.
        reason = getattr(error, "strerror", None) or error.__cause__ or error
        raise PortfolioRefused(f"{name} cannot be read: {reason}.") from None


def _of_csv(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    # Where the comma separates decimals, spreadsheets write another separator.
    heading = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=heading.count), strict=True)
    names: list[str] | None = None
    try:
        for row in rows:
            where = f"line {rows.line_num}"
            cells = _cells(row)
            if not cells:
                continue
            if names is None:
                names = _header(where, cells)
            elif len(cells) > len(names):
                raise PortfolioRefused(f"{where} has {len(cells)} cells, the header {len(names)}.")
            else:
                yield where, dict(zip(names, cells, strict=False))
    except csv.Error as error:
        raise PortfolioRefused(f"line {rows.line_num}: {error}.") from None


def _cells(row: list[str]) -> list[str]:
    """Return what the cells hold, without the empty ones that spreadsheets put behind the last."""
    cells = [cell.strip() for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _header(where: str, names: list[str]) -> list[str]:
    if "url" not in names:
        raise PortfolioRefused(f"{where} is no header: it has no column `url`. {_known()}")
    _refuse_unknown(where, names)
    if doubled := next((name for name in names if names.count(name) > 1), None):
        raise PortfolioRefused(f"{where}: the column {doubled!r} stands there twice.")
    return names


def _of_yaml(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PortfolioRefused(f"this is no YAML: {' '.join(str(error).split())}.") from None
    if isinstance(content, list):
        content = {"projects": content}
    if not isinstance(content, dict) or not isinstance(content.get("projects"), list):
        raise PortfolioRefused("it holds no list of projects.")
    if other := set(content) - {"projects", "defaults"}:
        raise PortfolioRefused(f"{sorted(map(str, other))[0]!r} stands beside `projects`; only `defaults` may.")
    defaults = _mapping("defaults", content.get("defaults") or {})
    for number, entry in enumerate(content["projects"], start=1):
        where = f"project {number}"
        yield where, defaults | _mapping(where, {"url": entry} if isinstance(entry, str) else entry)


def _mapping(where: str, entry: object) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise PortfolioRefused(f"{where} is neither an address nor a mapping. {_known()}")
    _refuse_unknown(where, entry)
    return entry


def _refuse_unknown(where: str, names: Iterable[object]) -> None:
    if unknown := [name for name in names if name not in COLUMNS]:
        raise PortfolioRefused(f"{where}: there is no column {unknown[0]!r}. {_known()}")


def _known() -> str:
    return f"The columns are: {', '.join(COLUMNS)}."


def _project(where: str, entry: dict[str, Any]) -> PortfolioProject:
    given = {name: value for name, value in entry.items() if value not in ("", None)}
    if "url" not in given:
        raise PortfolioRefused(f"{where} has no url.")
    try:
        return PortfolioProject.model_validate(given)
    except ValidationError as refusal:
        first = refusal.errors(include_url=False, include_input=False)[0]
        column = ".".join(str(part) for part in first["loc"])
        raise PortfolioRefused(f"{where}, {column}: {first['msg']}.") from None
