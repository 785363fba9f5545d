"""How a run's last state reads on Prefect's pages: what was delivered, or why not, in our own words."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Final, ParamSpec, cast

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from tasks.exports.depth import share
from tasks.exports.errors import ExportError, NotFinished
from tasks.exports.outcome import Outcome, Status
from tasks.skip_caught_up import CAUGHT_UP, skip_caught_up

Asked = ParamSpec("Asked")

NAMES: Final = {Status.COMPLETED: "Completed", Status.REUSED: "Reused", Status.SKIPPED: "Skipped"}


def says_how_it_ended(
    export: Callable[Asked, Awaitable[Outcome]],
) -> Callable[Asked, Coroutine[Any, Any, Outcome]]:
    """End the run in a state with a name and a sentence; whoever calls the flow gets the outcome, or the error.

    Prefect makes the outcome of a state that a flow returns, and raises the error that it holds. A scheduled run that
    another has caught up with ends before it begins; it has no caller.
    """

    @wraps(export)
    async def ending(*arguments: Asked.args, **named: Asked.kwargs) -> Outcome:
        if reason := await skip_caught_up():
            return cast(Outcome, Completed(name=CAUGHT_UP, message=reason))
        try:
            outcome = await export(*arguments, **named)
        except ExportError as error:
            return cast(Outcome, failed(error))
        return cast(Outcome, Completed(name=NAMES[outcome.status], message=_sentence(outcome), data=outcome))

    return ending


def failed(error: ExportError, message: str | None = None) -> State[Any]:
    """Return the state of a run that ended with the error."""
    name = "NotFinished" if isinstance(error, NotFinished) else "Failed"
    return Failed(name=name, message=message or f"{error} {error.next_step}".strip(), data=error)


def _sentence(outcome: Outcome) -> str:
    rows = f"{outcome.rows:,} URLs, {share(outcome.rows, outcome.urls_total)} of the site"
    if outcome.status is Status.SKIPPED:
        return f"{outcome.analysis} was exported already: {rows}"
    return rows
