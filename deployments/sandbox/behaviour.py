"""The switches: every point where the documents are silent or disagree (botify-api.md §9 and §10)."""

from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo


class Scalar(StrEnum):
    """How a number that identifies something is written in JSON."""

    INTEGER = "integer"
    STRING = "string"


class Compression(StrEnum):
    """How a file is packed, whatever was asked for."""

    AS_ASKED = "as-asked"
    GZIP = "gzip"
    GZIP_MEMBERS = "gzip-members"
    """Several gzip members one after another, as parallel writers make them."""
    ZIP_STORED = "zip-stored"
    ZIP_STREAMED = "zip-streamed"
    """Deflated, the sizes only in data descriptors behind the data (botify-api.md §4.7)."""
    PLAIN = "plain"


class ListText(StrEnum):
    """How a list stands in a CSV cell (not documented: botify-api.md §3.7)."""

    JSON = "json"
    JOINED = "joined"
    """The items with " | " between them."""
    FIRST = "first"
    """The first item alone."""


class BooleanText(StrEnum):
    """How a boolean stands in a CSV cell (not documented: botify-api.md §3.7)."""

    LOWER = "lower"
    TITLE = "title"


class LineEnding(StrEnum):
    """What ends a line of the CSV file."""

    LF = "lf"
    CRLF = "crlf"


class Printed(StrEnum):
    """Whether the file has its `sep=` line, or its header."""

    AS_ASKED = "as-asked"
    ALWAYS = "always"
    NEVER = "never"


class OverLimit(StrEnum):
    """What an `export_size` above the limit meets (botify-api.md §9.8)."""

    CLAMP = "clamp"
    REFUSE = "refuse"


class JobOrder(StrEnum):
    """The order of `GET /jobs` (not documented: botify-api.md §5.3)."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SHUFFLED = "shuffled"


class RowOrder(StrEnum):
    """The order of an export without `sort`, and so which rows survive a cut (botify-api.md §9.9)."""

    CRAWL = "crawl"
    SHUFFLED = "shuffled"


class EntityTag(StrEnum):
    """The ETag header of a file."""

    STABLE = "stable"
    CHANGING = "changing"
    """Another one with each answer, as behind hosts that do not share their state."""
    ABSENT = "absent"


class BehaviourTextError(ValueError):
    """A `name=value` text that names no switch, or a value that the switch does not take."""


class Behaviour(BaseModel):
    """How this sandbox behaves where Botify's documents leave it open; the defaults are what §10 believes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Jobs
    job_seconds: float = Field(default=0, ge=0, description="from creation to DONE; 0 = DONE on the first look")
    job_id: Scalar = Scalar.INTEGER
    running_status: str = Field(default="PROCESSING", description="the word between CREATED and DONE (§5.1)")
    nb_lines: bool = Field(default=False, description="whether the results of a job name its rows (§5.2)")
    nb_lines_offset: int = Field(default=0, description="how far nb_lines is from the truth")
    clock_skew: float = Field(default=0, description="seconds added to date_created")
    echo_owner: bool = Field(default=True, description="whether username and project come back in the payload (§4.3)")
    echo_export_job_name: bool = Field(default=True, description="whether it comes back, or as null (§9.6)")
    echo_metadata: bool = Field(default=True, description="whether it comes back, or as null (§9.6)")
    strict_payload: bool = Field(default=False, description="whether unknown payload keys are refused (§9.6)")
    export_limit: int = Field(default=1_000_000, gt=0, description="rows of one export (§7.1)")
    over_limit: OverLimit = OverLimit.CLAMP

    # The list of jobs
    job_order: JobOrder = JobOrder.NEWEST
    foreign_jobs: int = Field(default=0, ge=0, description="jobs of another user on the list of each project")
    listed: bool = Field(default=True, description="whether created jobs ever come on the list")
    listed_after: int = Field(default=0, ge=0, description="how many looks at the list miss a new job")
    list_payload: bool = Field(default=True, description="whether list rows hold the payload (§5.3)")
    list_size_limit: int = Field(default=100, gt=0, description="largest page of any list")

    # Queries
    query_size_limit: int = Field(default=2_000, gt=0, description="largest page of a query (§3.4)")
    query_rows_limit: int | None = Field(default=None, description="rows of all pages together (§9.12)")
    prefixed_fields: bool = Field(default=True, description="whether the field list names crawl.SLUG.field or field")
    projects_enveloped: bool = Field(default=False, description="/users/{u}/projects as pages, not an array (§8.16)")
    foreign_next: bool = Field(default=False, description="`next` of the lists points at the download host")

    # The crawl
    mirrors: int = Field(default=0, ge=0, description="further projects with each real crawl: 1.www.boost.org, ...")
    scale: int = Field(default=1, ge=1, description="how often each real URL appears, as itself and with ?copy=k")
    null_depth_rows: int = Field(default=0, ge=0, description="additional URLs without a depth (§8.8)")
    duplicate_urls: int = Field(default=0, ge=0, description="URLs that come again, deeper and with another title")

    # The file
    compression: Compression = Compression.AS_ASKED
    filetype_works: bool = Field(default=False, description="whether extra_config.filetype is obeyed (§9.11)")
    docs_csv_defaults: bool = Field(default=False, description="header and `sep=` on unless switched off (§8.1)")
    separator_line: Printed = Printed.AS_ASKED
    header: Printed = Printed.AS_ASKED
    header_format_ignored: bool = Field(default=False, description="verbose headers whatever was asked for")
    byte_order_mark: bool = Field(default=False, description="whether the text starts with one (§9.10)")
    line_ending: LineEnding = LineEnding.LF
    list_text: ListText = ListText.JSON
    boolean_text: BooleanText = BooleanText.LOWER
    null_text: str = Field(default="", description="how null stands in a cell (§3.7)")
    row_order: RowOrder = RowOrder.CRAWL
    export_rows_offset: int = Field(default=0, description="rows in the file beyond, or short of, those counted")

    # The download host
    ranges: bool = Field(default=True, description="whether Range is served, or ignored (§9.3)")
    entity_tag: EntityTag = EntityTag.STABLE
    link_downloads: int | None = Field(default=None, ge=0, description="downloads after which a link expires")
    link_seconds: float | None = Field(default=None, ge=0, description="seconds after which a link expires")
    fresh_links: bool = Field(default=True, description="whether reading a job again gives a new link (§9.3)")
    expired_status: int = Field(default=403, description="the answer of an expired link")

    # The doorman
    requests_per_second: int | None = Field(default=None, gt=0, description="429 beyond it; None = only recorded")
    retry_after: float | None = Field(default=None, description="seconds in the Retry-After of those 429")
    error_code: Scalar = Scalar.STRING

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> "Behaviour":
        """Read `name=value` texts; hyphens and underscores are the same. Raises BehaviourTextError."""
        values: dict[str, str] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if not equals:
                raise BehaviourTextError(f"{text!r} is not name=value")
            values[name.strip().replace("-", "_")] = value.strip()
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise BehaviourTextError(_first_complaint(error)) from error

    @classmethod
    def described(cls) -> str:
        """A line for each switch: its name, its default, its values or its meaning."""
        return "\n".join(_line(name, about) for name, about in cls.model_fields.items())


def _line(name: str, about: FieldInfo) -> str:
    default = about.default
    meaning = " | ".join(type(default)) if isinstance(default, StrEnum) else about.description
    return f"    {name}={default}".ljust(36) + f" {meaning}"


def _first_complaint(error: ValidationError) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        return f"no switch is called {name!r}; there are: {', '.join(Behaviour.model_fields)}"
    return f"{name}={first['input']}: {first['msg'].lower()}"
