"""What became of an export, as labels of its run: whoever started the run elsewhere reads it there."""

from typing import Any, Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.context import FlowRunContext
from pydantic import ValidationError

from tasks.artifacts.guarded import guarded
from tasks.exports.errors import BotifyRefused, ExportError, NotFinished
from tasks.exports.summary import A_BUG, ExportStatus, OneOfMany

PREFIX: Final = "botify-export."
# Whoever waits for the run knows its rows and credits by them alone: a server that is busy gets more time.
PATIENCE: Final = 60.0
NO_WORKER: Final = "No worker has taken its run yet: is one started for its work pool, and is that not paused?"
# How Prefect's message begins where a run ended otherwise than by a state of ours.
UNFORESEEN: Final = "Flow run encountered an exception"
# What the run's state says by itself, where its labels did not reach the server.
BY_STATE_NAME: Final = {
    "Completed": ExportStatus.COMPLETED,
    "Reused": ExportStatus.REUSED,
    "Skipped": ExportStatus.SKIPPED,
    "NotFinished": ExportStatus.NOT_FINISHED,
    "GivenUp": ExportStatus.NOT_FINISHED,
}
UNFINISHED: Final = {
    StateType.SCHEDULED: ExportStatus.SCHEDULED,
    StateType.PENDING: ExportStatus.SCHEDULED,
}


async def label_run(export: OneOfMany) -> None:
    """Label the current run, if it is a deployment's: a run in this process hands over its outcome itself."""
    run = FlowRunContext.get()
    if run and run.flow_run and run.flow_run.deployment_id:
        facts = export.model_dump(mode="json", exclude_none=True, exclude={"seconds", "flow_run_id"})
        labels = {f"{PREFIX}{name}": fact for name, fact in facts.items()}
        await guarded(_label(run.flow_run, labels), "The labels", PATIENCE)


async def _label(run: FlowRun, labels: dict[str, Any]) -> None:
    async with get_client() as client:
        await client.update_flow_run_labels(run.id, labels)


def read_run(export: OneOfMany, run: FlowRun) -> OneOfMany:
    """Return what became of the export in this run so far."""
    state = run.state
    assert state is not None
    here: dict[str, object] = {"flow_run_id": str(run.id), "project": export.project}
    if not state.is_final():
        says = NO_WORKER if state.name == "Late" else ""
        return export.now(UNFINISHED.get(state.type, ExportStatus.RUNNING), flow_run_id=str(run.id), says=says)
    here["seconds"] = round(run.total_run_time.total_seconds(), 1)
    told = _by_labels(run) if run.labels else None
    return (told if told and _agree(told, state) else _by_state(export, state)).model_copy(update=here)


def _by_labels(run: FlowRun) -> OneOfMany | None:
    labels = {name.removeprefix(PREFIX): fact for name, fact in run.labels.items() if name.startswith(PREFIX)}
    try:
        return OneOfMany.model_validate(labels)
    except ValidationError:
        return None


def _agree(told: OneOfMany, state: State[Any]) -> bool:
    """Whether the labels are about this end: those of an attempt before it stay where the last one left none."""
    if state.is_crashed() or state.is_cancelled():
        return False
    by_name = BY_STATE_NAME.get(str(state.name), ExportStatus.FAILED)
    return told.status is by_name or (told.status, by_name) == (ExportStatus.NOT_PAID_FOR, ExportStatus.FAILED)


def _by_state(export: OneOfMany, state: State[Any]) -> OneOfMany:
    says = state.message or f"The run is {state.name}."
    status = BY_STATE_NAME.get(str(state.name), ExportStatus.FAILED)
    if state.is_crashed() or state.is_cancelled() or status is ExportStatus.NOT_FINISHED:
        return export.failed(NotFinished(says))
    if status is ExportStatus.FAILED and says.startswith(UNFORESEEN):
        return export.now(status, says=says, next_step=A_BUG, exit_code=ExportError.exit_code)
    if status is ExportStatus.FAILED:
        return export.now(status, says=says, exit_code=BotifyRefused.exit_code)
    return export.now(status, says=says)
