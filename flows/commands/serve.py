"""`botify-export serve`: the deployments in one process, for a laptop; a team uses deployments/prefect.yaml."""

import argparse
from typing import cast

import prefect
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows.deployment_file import WrittenDeployment, read_deployment_file
from flows.prefect_server import prefect_server
from tasks.exports.errors import PrefectUnavailable
from tasks.exports.project_address import parse_project_address


def serve(options: argparse.Namespace) -> None:
    """Serve until interrupted. Raises PrefectUnavailable, ProjectUrlRefused."""
    address = parse_project_address(options.url) if options.url else None
    with prefect_server() as server:
        if server is None:
            raise PrefectUnavailable("No Prefect server is running, and a deployment needs one.")
        prefect.serve(*_deployments(str(address) if address else "ORG/PROJECT", options), limit=options.limit)


def _deployments(project: str, options: argparse.Namespace) -> list[RunnerDeployment]:
    return [_deployment(written, project, options) for written in read_deployment_file().deployments]


def _deployment(written: WrittenDeployment, project: str, options: argparse.Namespace) -> RunnerDeployment:
    schedule = next(iter(written.schedules), None)
    of_project = "project_url" in written.parameters
    cron = options.cron if of_project else None
    made = written.flow.to_deployment(
        written.name,
        description=written.description,
        tags=written.tags,
        parameters=written.parameters | ({"project_url": project} if of_project else {}),
        schedule=Cron(cron or schedule.cron, timezone=options.timezone) if schedule else None,
        paused=schedule is not None and not (cron and options.url),
        concurrency_limit=written.concurrency_limit,
        # The runs start in whatever folder this process did.
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return cast(RunnerDeployment, made)  # a coroutine only where there is an event loop
