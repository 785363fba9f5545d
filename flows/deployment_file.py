"""What is deployed: deployments/prefect.yaml, the one place where it is written down."""

from importlib.resources import files
from typing import Any

import yaml
from prefect import Flow
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import load_flow_from_entrypoint
from pydantic import BaseModel, ConfigDict

FOLDER = files("deployments")


class _Part(BaseModel):
    # What this file may say is what is read of it: a word that nobody reads would be a schedule that never runs.
    model_config = ConfigDict(frozen=True, extra="forbid")


class WrittenSchedule(_Part):
    """When a deployment runs by itself."""

    cron: str
    timezone: str
    active: bool
    slug: str | None = None
    parameters: dict[str, Any] = {}

    def for_prefect(self) -> DeploymentScheduleCreate:
        return DeploymentScheduleCreate(
            schedule=CronSchedule(cron=self.cron, timezone=self.timezone),
            active=self.active,
            slug=self.slug,
            parameters=self.parameters,
        )


class WrittenPool(_Part):
    """Where a deployment's runs wait for a worker, and what it is told beside."""

    name: str
    job_variables: dict[str, Any] = {}


class WrittenDeployment(_Part):
    """One deployment, as the file describes it."""

    name: str
    entrypoint: str
    description: str
    tags: list[str]
    work_pool: WrittenPool
    parameters: dict[str, Any] = {}
    schedules: list[WrittenSchedule] = []
    concurrency_limit: ConcurrencyLimitConfig | None = None

    @property
    def flow(self) -> Flow[..., Any]:
        return load_flow_from_entrypoint(self.entrypoint)


class DeploymentFile(_Part):
    """The whole file; `definitions` only names what the others repeat."""

    name: str
    pull: list[dict[str, Any]]
    definitions: dict[str, Any] = {}
    deployments: list[WrittenDeployment]


def read_deployment_file() -> DeploymentFile:
    """Read the file that was installed with this version."""
    return DeploymentFile.model_validate(read_yaml("prefect.yaml"))


def read_yaml(name: str) -> dict[str, Any]:
    """Read a file of the folder `deployments`."""
    return dict(yaml.safe_load(FOLDER.joinpath(name).read_text(encoding="utf-8")))
