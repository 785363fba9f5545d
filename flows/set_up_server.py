"""Everything that the Prefect server needs to know, created or brought up to date; what people changed there is theirs.

Each function does one thing, says what it is called, and what became of it. Run twice, the second changes nothing.
"""

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import (
    DeploymentUpdate,
    GlobalConcurrencyLimitCreate,
    GlobalConcurrencyLimitUpdate,
    WorkPoolCreate,
)
from prefect.client.schemas.objects import ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture, TriggerTypes
from prefect.exceptions import ObjectNotFound
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker
from pydantic import BaseModel, ConfigDict

from flows.deployment_file import WrittenDeployment, read_deployment_file, read_yaml
from tasks.botify.account_limit import AccountLimit
from tasks.load_credentials import BotifyCredentials


class Change(StrEnum):
    """What became of one thing on the server."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "as it was"


class Done(BaseModel):
    """One thing on the server, and what became of it."""

    model_config = ConfigDict(frozen=True)

    change: Change
    kind: str
    name: str


async def set_up_server(client: PrefectClient, pool: str, limit: AccountLimit) -> AsyncIterator[Done]:
    """Create what is missing and update what is ours, in the order in which one needs the other."""
    yield Done(kind="work pool", name=pool, change=await _work_pool(client, pool))
    yield Done(kind="account limit", name=limit.name, change=await _account_limit(client, limit))
    block = BotifyCredentials.get_block_type_slug()
    yield Done(kind="block type", name=block, change=await _block_type(client, block))
    for written in read_yaml("automations.yaml")["automations"]:
        automation = AutomationCore.model_validate(written)
        yield Done(kind="automation", name=automation.name, change=await _automation(client, automation))
    file = read_deployment_file()
    for deployment in file.deployments:
        name = f"{deployment.flow.name}/{deployment.name}"
        yield Done(kind="deployment", name=name, change=await _deployment(client, deployment, file.pull, pool))


async def _work_pool(client: PrefectClient, name: str) -> Change:
    try:
        await client.read_work_pool(name)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        await client.create_work_pool(WorkPoolCreate(name=name, type=ProcessWorker.type, base_job_template=template))
        return Change.CREATED
    return Change.UNCHANGED


async def _account_limit(client: PrefectClient, wanted: AccountLimit) -> Change:
    numbers = {"limit": wanted.limit, "slot_decay_per_second": wanted.slot_decay_per_second}
    try:
        there = await client.read_global_concurrency_limit_by_name(wanted.name)
    except ObjectNotFound:
        await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=wanted.name, **numbers))
        return Change.CREATED
    if {name: getattr(there, name) for name in numbers} == numbers:
        return Change.UNCHANGED
    await client.update_global_concurrency_limit(wanted.name, GlobalConcurrencyLimitUpdate(**numbers))
    return Change.UPDATED


async def _block_type(client: PrefectClient, slug: str) -> Change:
    before = await _registered(client, slug)
    await BotifyCredentials.aregister_type_and_schema(client=client)
    after = await _registered(client, slug)
    if before is None:
        return Change.CREATED
    return Change.UNCHANGED if before == after else Change.UPDATED


async def _registered(client: PrefectClient, slug: str) -> tuple[Any, ...] | None:
    """Return what the server knows of the block's form: its text, and which version of it is the newest."""
    try:
        known = await client.read_block_type_by_slug(slug)
    except ObjectNotFound:
        return None
    newest = await client.get_most_recent_block_schema_for_block_type(known.id)
    return known.description, newest and newest.checksum


async def _automation(client: PrefectClient, wanted: AutomationCore) -> Change:
    found = await client.read_automations_by_name(wanted.name)
    if not found:
        await client.create_automation(wanted)
        return Change.CREATED
    there = found[0]
    wanted = wanted.model_copy(update={"enabled": there.enabled, "trigger": _as_patient(wanted, there)})
    if AutomationCore.model_validate(there.model_dump()) == wanted:
        return Change.UNCHANGED
    await client.update_automation(there.id, wanted)
    return Change.UPDATED


def _as_patient(wanted: AutomationCore, there: AutomationCore) -> TriggerTypes:
    """Return the trigger that is wanted; how long it waits for a run that is silent is up to whoever runs the server.

    At each update the server forgets which runs are silent already, so none is made without need.
    """
    ours, theirs = wanted.trigger, there.trigger
    if isinstance(ours, EventTrigger) and isinstance(theirs, EventTrigger) and ours.posture is Posture.Proactive:
        return ours.model_copy(update={"within": theirs.within})
    return ours


async def _deployment(client: PrefectClient, written: WrittenDeployment, pull: list[Any], pool: str) -> Change:
    flow, ours = written.flow, _ours(written, pull)
    try:
        there = await client.read_deployment_by_name(f"{flow.name}/{written.name}")
    except ObjectNotFound:
        await client.create_deployment(
            flow_id=await client.create_flow(flow),
            name=written.name,
            parameters=written.parameters,
            schedules=[schedule.for_prefect() for schedule in written.schedules],
            work_pool_name=pool,
            job_variables=written.work_pool.job_variables,
            **ours,
        )
        return Change.CREATED
    if _known(there, ours) == ours:
        return Change.UNCHANGED
    await client.update_deployment(there.id, DeploymentUpdate(**ours))
    return Change.UPDATED


def _ours(written: WrittenDeployment, pull: list[Any]) -> dict[str, Any]:
    """Return what belongs to this version of botify-export.

    Parameters, schedules, the pool and its variables are not in it: they belong to whoever runs it, once created.
    """
    limit = written.concurrency_limit
    return {
        "entrypoint": written.entrypoint,
        "description": written.description,
        "tags": written.tags,
        "pull_steps": pull,
        "parameter_openapi_schema": parameter_schema(written.flow).model_dump(mode="json", exclude_unset=True),
        "enforce_parameter_schema": True,
        "concurrency_limit": limit.limit if limit else None,
        "concurrency_options": ConcurrencyOptions(collision_strategy=limit.collision_strategy) if limit else None,
    }


def _known(there: DeploymentResponse, ours: dict[str, Any]) -> dict[str, Any]:
    known = {name: getattr(there, name) for name in ours}
    limit = there.global_concurrency_limit
    return known | {"concurrency_limit": limit.limit if limit else None}
