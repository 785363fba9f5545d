"""What a run is called on Prefect's pages, and the events that others may react to."""

import logging
from typing import Final
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.runtime import flow_run
from pydantic import JsonValue

from tasks.artifacts.guarded import guarded
from tasks.exports.project_address import ProjectAddress

LOGGER = logging.getLogger("botify_export")

TAG: Final = "botify-export"


async def name_run(name: str, address: ProjectAddress | None = None) -> None:
    """Call the current run by what it does, once that is known; tag it with the organisation and the project."""
    if flow_run.id:
        tags = [TAG, address.org, str(address)] if address else [TAG]
        await guarded(_update(UUID(flow_run.id), name, tags), "The run's name")


async def _update(run_id: UUID, name: str, tags: list[str]) -> None:
    async with get_client() as client:
        await client.update_flow_run(run_id, name=name, tags=sorted({*(flow_run.tags or []), *tags}))


def announce(what: str, org: str, project: str, **facts: JsonValue) -> None:
    """Emit the event `botify-export.WHAT` about the project, `botify.project.ORG.PROJECT`; returns at once.

    Prefect adds the run that it happened in.
    """
    resource = {"prefect.resource.id": f"botify.project.{org}.{project}", "prefect.resource.name": f"{org}/{project}"}
    try:
        emit_event(f"botify-export.{what}", resource, payload=facts)
    except Exception as error:  # noqa: BLE001  # whatever the server does, the export goes on
        LOGGER.debug("The event %s is not recorded: %r", what, error)
