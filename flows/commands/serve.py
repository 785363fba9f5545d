"""`botify-export serve`: the deployments in one process, for a laptop; a team uses deployments/prefect.yaml."""

import argparse
from typing import Any

import prefect
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows.backfill import backfill
from flows.export_crawl import export_crawl
from flows.portfolio import export_portfolio
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


def _deployments(project: str, options: argparse.Namespace) -> list[Any]:
    # By module, not by file: the runs start in whatever folder this process did.
    entrypoint = EntrypointType.MODULE_PATH
    alone = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    schedule = Cron(options.cron or "0 6 * * *", timezone=options.timezone)
    return [
        export_crawl.to_deployment("on-demand", entrypoint_type=entrypoint),
        export_crawl.to_deployment(
            "each-new-crawl",
            schedule=schedule,
            paused=not (options.cron and options.url),
            parameters={"project_url": project, "only_new": True},
            concurrency_limit=alone,
            entrypoint_type=entrypoint,
        ),
        backfill.to_deployment("on-demand", concurrency_limit=alone, entrypoint_type=entrypoint),
        export_portfolio.to_deployment("on-demand", concurrency_limit=alone, entrypoint_type=entrypoint),
    ]
