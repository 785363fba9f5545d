"""Two machines export the analyses of many projects while everything around them fails: `python -m tests.cluster.soak`.

PostgreSQL, the Prefect server on it, a bucket that loses one request in fifty, and the sandbox Botify are processes of
this machine; the workers' machines have homes and, where the system allows it, networks of their own. All the while,
runs, workers and whole machines are killed, and once the Prefect server. Nobody helps but the automations that
`botify-export set-up` makes, and the same command every two minutes. Ends with 0 if all promises were kept.
"""

import argparse
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.cluster.chaos import Chaos, Pace
from tests.cluster.machine import machines
from tests.cluster.services import BIN, COMPLETED, Services, serving_all
from tests.cluster.verdict import verdict

REAL: Final = ("www.boost.org", "www.postgresql.org")
SHARE: Final = 5  # percent of the real crawl
# Deaths are noticed sooner than as shipped: nine minutes each is too long here.
HEARTBEAT: Final = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
SILENT_FOR: Final = 90
# As often as in compose.yaml.
SET_UP_EVERY: Final = 120
# Seconds without any change of a run after which nothing more will come.
STUCK: Final = 600


def main() -> int:
    """Run it, and say what came of it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that PostgreSQL is stopped as well
    options = _options()
    chance = random.Random(options.seed)
    mirrors = -(-options.projects // len(REAL))
    projects = [f"{number}.{real}" for number in range(1, mirrors + 1) for real in REAL][: options.projects]
    slugs = [f"2025{month:02}{day:02}" for day in (1, 15) for month in range(1, 13)][: options.analyses]
    with (
        TemporaryDirectory(prefix="soak-") as name,
        serving_all(Path(name), ["job_seconds=1", f"mirrors={mirrors}"]) as services,
    ):
        _publish(services, projects, slugs)
        services.make_bucket()
        _set_up(services)
        _notice_sooner(services)
        with machines(["one", "two"], Path(name), services.environment | HEARTBEAT, services.ports) as both:
            _begin(services, projects)
            chaos = Chaos(both, services.server, chance, Pace(options.every, options.failures))
            _watch(services, chaos, options.minutes * 60)
        return 0 if verdict(services, len(projects) * len(slugs)) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.soak", description=__doc__)
    parser.add_argument("--projects", type=int, default=100)
    parser.add_argument("--analyses", type=int, default=10, help="of each project; at most 24")
    parser.add_argument("--every", type=float, default=20, help="seconds between two failures, on average")
    parser.add_argument("--failures", type=int, default=60, help="after which nothing goes wrong any more")
    parser.add_argument("--minutes", type=float, default=90, help="after which it has failed")
    parser.add_argument("--seed", type=int, default=20261122, help="of the failures' order")
    return parser.parse_args()


def _publish(services: Services, projects: Sequence[str], slugs: Sequence[str]) -> None:
    for project in projects:
        for slug in slugs:
            analysis = {"project": project, "slug": slug, "share": SHARE}
            services.sandbox.post("/sandbox/analyses", json=analysis).raise_for_status()


def _set_up(services: Services) -> None:
    """Do what the page on operations says: at the beginning, and again and again."""
    subprocess.run([BIN / "botify-export", "set-up"], env=services.environment, check=True)


def _notice_sooner(services: Services) -> None:
    """Change how long a run may be silent, as an operator may: what set-up does afterwards leaves it so."""
    for automation in services.prefect.post("/automations/filter", json={}).raise_for_status().json():
        if automation["trigger"]["posture"] == "Proactive":
            wanted = {name: automation[name] for name in ("name", "description", "trigger", "actions")}
            wanted["trigger"]["within"] = SILENT_FOR
            services.prefect.put(f"/automations/{automation['id']}", json=wanted).raise_for_status()


def _begin(services: Services, projects: Sequence[str]) -> None:
    """Ask for a backfill of each project, as somebody would on Prefect's pages."""
    deployment = services.prefect.get("/deployments/name/backfill/on-demand").raise_for_status().json()["id"]
    for project in projects:
        asked = {"project_url": f"sandbox/{project}", "since": "2025-01-01", "until": "2025-12-31"}
        run = {"parameters": asked, "state": {"type": "SCHEDULED"}}
        services.prefect.post(f"/deployments/{deployment}/create_flow_run", json=run).raise_for_status()


def _watch(services: Services, chaos: Chaos, seconds: float) -> None:
    """Let things go wrong until every run has ended, or nothing changes any more, or the time is over."""
    began = changed = set_up = time.monotonic()
    before = Counter[str]()
    while time.monotonic() < min(began + seconds, changed + STUCK):
        chaos.strike()
        time.sleep(2)
        states = services.states_of_runs()
        if states != before:
            before, changed = states, time.monotonic()
            print(f"{changed - began:5.0f} s  {dict(states)}, {len(services.created_jobs())} jobs", flush=True)
        if states[COMPLETED] * 2 >= states.total():
            chaos.restart_server_once()
        if time.monotonic() - set_up > SET_UP_EVERY:
            _set_up(services)
            set_up = time.monotonic()
        if states[COMPLETED] == states.total() and not services.unfinished_runs():
            break
    print(f"{time.monotonic() - began:5.0f} s  {chaos}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
