"""What a run costs beside the data: the flow on a tiny export, with a sandbox and a Prefect server that are running."""

import os
from pathlib import Path
from typing import Final

from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_ANALYTICS_ENABLED, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from deployments.sandbox import Sandbox, serving
from tests.bench.rounds import Result, rounds, say
from tests.bench.site_runs import SiteRun, site_runs
from tests.bench.table import TINY
from tests.bench.task import Task
from tests.served import BOOST_URL, Served

_FLOW: Final = "a run of the flow"
_QUIET: Final = {"PREFECT_LOGGING_LEVEL": "CRITICAL", "DO_NOT_TRACK": "1"}


def flow_runs(folder: Path, runs: int) -> tuple[Result, list[SiteRun]]:
    """Run the flow so many times, each in a fresh process and for a new export; waits for Botify are hundredths.

    Then export whole sites, in this process.
    """
    say("Starting a Prefect server")
    sandbox = Sandbox()
    os.environ |= _QUIET
    with (
        temporary_settings({PREFECT_SERVER_ANALYTICS_ENABLED: False}),
        prefect_test_harness(server_startup_timeout=180),
        serving(sandbox) as addresses,
    ):
        os.environ |= Served(sandbox, addresses).environment | {"PREFECT_API_URL": str(PREFECT_API_URL.value())}
        task = Task("", BOOST_URL, TINY, str(folder / "run"), archive="", csv="", parquet="")
        return rounds(task, [], [_FLOW], runs)[_FLOW], site_runs(folder, sandbox, 3)
