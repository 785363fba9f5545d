"""How a run's last state reads on Prefect's pages: what was delivered, or why not, in our own words."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Final, ParamSpec, cast

from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed

from flows.run_context import handed_over
from tasks.artifacts.run_labels import label_run
from tasks.exports.depth import share
from tasks.exports.errors import CreditsExceeded, ExportError, NotFinished
from tasks.exports.outcome import Outcome, Status
from tasks.exports.summary import OneOfMany, Summary
from tasks.ledger.credits import counting_credits
from tasks.skip_caught_up import CAUGHT_UP, skip_caught_up

Asked = ParamSpec("Asked")

# An automation begins a run again that was killed: one that its own memory kills would be begun for ever.
MOST_BEGINNINGS: Final = 10
GIVEN_UP: Final = (
    f"It began {MOST_BEGINNINGS} times without an end: its log shows why. A new run goes on where it stopped."
)

NAMES: Final = {Status.COMPLETED: "Completed", Status.REUSED: "Reused", Status.SKIPPED: "Skipped"}


def says_how_it_ended(
    export: Callable[Asked, Awaitable[Outcome]],
) -> Callable[Asked, Coroutine[Any, Any, Outcome]]:
    """End the run in a state with a name and a sentence; whoever calls the flow gets the outcome, or the error.

    Prefect makes the outcome of a state that a flow returns, and raises the error that it holds. A run that
    ends before it begins has no caller.
    """

    @wraps(export)
    async def ending(*arguments: Asked.args, **named: Asked.kwargs) -> Outcome:
        if state := await ended_before_it_began():
            return cast(Outcome, state)
        with counting_credits() as paid:
            try:
                outcome = await export(*arguments, **named)
            except ExportError as error:
                await label_run(OneOfMany(credits=paid.credits).failed(error))
                return cast(Outcome, failed(error))
        await label_run(OneOfMany(credits=paid.credits).delivered(outcome))
        return cast(Outcome, Completed(name=NAMES[outcome.status], message=_sentence(outcome), data=outcome))

    return ending


async def ended_before_it_began() -> State[Any] | None:
    """Return the state of a run that has nothing to do any more, or that something has ended too often; else None."""
    if reason := await skip_caught_up():
        return Completed(name=CAUGHT_UP, message=reason)
    context = FlowRunContext.get()
    if context and context.flow_run and context.flow_run.run_count > MOST_BEGINNINGS:
        return Failed(name="GivenUp", message=GIVEN_UP)
    return None


def failed(error: ExportError, message: str | None = None) -> State[Any]:
    """Return the state of a run that ended with the error, and hand over the error: a busy server loses it."""
    handed_over(error)
    name = "NotFinished" if isinstance(error, NotFinished) else "Failed"
    return Failed(name=name, message=message or f"{error} {error.next_step}".strip(), data=error)


def ended_together(summary: Summary, what: str) -> State[Any]:
    """Return the state of a run that made many exports: as the worst of them ended, or well.

    What was not paid for ends no run badly: that is what max_credits is for.
    """
    words = summary.in_words(what)
    error = summary.error(words)
    if error and not isinstance(error, CreditsExceeded):
        return failed(error, str(error))
    return Completed(message=words, data=summary)


def _sentence(outcome: Outcome) -> str:
    rows = f"{outcome.rows:,} URLs, {share(outcome.rows, outcome.urls_total)} of the site"
    if outcome.status is Status.SKIPPED:
        return f"{outcome.analysis} was exported already: {rows}"
    return rows
