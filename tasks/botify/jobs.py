"""Export jobs: creating one, looking at one, listing a project's (botify-api.md §4, §5)."""

import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Final

import httpx
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    JsonValue,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from tasks.botify.answers import ALREADY_RUNNING, UnreadableAnswer, json_body, refusal, refused
from tasks.botify.client import SUBMIT_TIMEOUT, TRIES, BotifyClient, network_words, retry_after
from tasks.botify.lenient import Count, Date, Word
from tasks.botify.paging import Page, pages

LIST_PAGE_SIZE: Final = 100
# Keys under which a reason for FAILED was looked for by others; none is documented (§5.2).
REASONS: Final = ("error", "failure_reason", "reason", "message", "error_message")


def _object_or_empty(value: object) -> object:
    return value if isinstance(value, dict) else {}


class Results(BaseModel):
    """What a job that is done points at. The address is a secret: whoever holds it can read the data (§5.5)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    download_url: SecretStr | None = None
    nb_lines: Count = None


class Job(BaseModel):
    """An export job as Botify shows it; `status` is final only when it is DONE or FAILED (§5.1)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    job_id: str
    job_status: Word = ""
    date_created: Date = None
    payload: Annotated[dict[str, JsonValue], BeforeValidator(_object_or_empty)] = {}
    results: Annotated[Results, BeforeValidator(_object_or_empty)] = Results()

    @field_validator("job_id", mode="before")
    @classmethod
    def _number_or_word(cls, value: object) -> str:
        """Accept a number or a string (§4.2), but nothing that would change a path."""
        if isinstance(value, bool) or not isinstance(value, int | str) or not re.fullmatch(r"[\w-]{1,100}", str(value)):
            raise ValueError("not a job's id")
        return str(value)

    @property
    def is_done(self) -> bool:
        return self.job_status == "DONE"

    @property
    def has_failed(self) -> bool:
        return self.job_status == "FAILED"

    @property
    def reason(self) -> str:
        """Everything that Botify says about a failure, or an empty string."""
        said: dict[str, object] = {**(self.model_extra or {}), **(self.results.model_extra or {})}
        found = [said[key] for key in REASONS if said.get(key)]
        return "; ".join(text if isinstance(text, str) else json.dumps(text) for text in found)[:1000]


_JOB: Final = TypeAdapter(Job)
_PAGE: Final = TypeAdapter(Page[Job])


class Created(BaseModel):
    """Botify made the job."""

    job: Job


class NotSent(BaseModel):
    """Nothing left this machine, so there is no job: sending again is safe."""

    reason: str


class TurnedAway(BaseModel):
    """Botify made no job now: too many requests, or another export is running. `after` is in seconds."""

    reason: str
    after: float | None = None
    already_running: bool = False


class NoAnswer(BaseModel):
    """The request went out and no readable answer came back: there may be a job, or not."""

    reason: str


Submission = Created | NotSent | TurnedAway | NoAnswer


async def create_job(
    client: BotifyClient, payload: dict[str, JsonValue], before: Callable[[], None] = lambda: None
) -> Submission:
    """Send `POST /jobs` exactly once and say what is known of it (§4.1, §7.3, §8.9).

    `before` is called last of all; what it raises keeps the request from being sent.
    Raises BotifyRefused for a 4xx that no waiting changes: no job was made.
    """
    body: JsonValue = {"job_type": "export", "payload": payload}
    try:
        response = await client.send("POST", ("jobs",), body=body, patience=SUBMIT_TIMEOUT, before=before)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        return NotSent(reason=network_words(error))
    except httpx.RequestError as error:
        return NoAnswer(reason=network_words(error))
    return _submission(response)


def _submission(response: httpx.Response) -> Submission:
    if response.is_success:
        try:
            return Created(job=_JOB.validate_python(json_body(response)))
        except (UnreadableAnswer, ValidationError) as error:
            return NoAnswer(reason=f"an answer that cannot be read ({str(error).splitlines()[0]})")
    answered = f"Botify answered {response.status_code}, {refusal(response)!s}"
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS or refusal(response).code in ALREADY_RUNNING:
        already_running = refusal(response).code in ALREADY_RUNNING
        return TurnedAway(reason=answered, after=retry_after(response), already_running=already_running)
    if response.is_client_error or response.is_redirect:
        raise refused(response, "The export job")
    return NoAnswer(reason=answered)


async def read_job(client: BotifyClient, job_id: str, *, tries: int) -> Job:
    """Look at one job. Raises NotFound when Botify does not know it, BotifyUnavailable when this look failed."""
    return await client.read(f"Job {job_id}", ("jobs", job_id), _JOB, tries=tries)


async def list_jobs(client: BotifyClient, project: str, *, tries: int = TRIES) -> AsyncIterator[list[Job]]:
    """Yield the project's export jobs page by page, in an order that Botify does not document (§5.3)."""
    params: dict[str, str | int] = {"project": project, "job_type": "export", "page": 1, "size": LIST_PAGE_SIZE}
    async for page in pages(client, f"The export jobs of {project}", ("jobs",), _PAGE, params=params, tries=tries):
        yield page
