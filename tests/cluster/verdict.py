"""What must be true when the dust has settled."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator

from deployments.sandbox import Route, most_in_one_second
from tests.cluster.services import BIN, Services

MOST_IN_A_SECOND = 5


def verdict(services: Services, exports: int) -> bool:
    """Print a line for each promise, and return whether all were kept."""
    kept = True
    for promise, is_kept in _promises(services, exports):
        print(f"{'kept  ' if is_kept else 'BROKEN'}  {promise}", flush=True)
        kept &= is_kept
    return kept


def _promises(services: Services, exports: int) -> Iterator[tuple[str, bool]]:
    verified = subprocess.run(
        [BIN / "botify-export", "verify", "--json"],
        env=services.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    intact = len(json.loads(verified.stdout.splitlines()[-1])["intact"]) if verified.stdout else 0
    yield f"{intact:,} of {exports:,} exports are published, and every byte of them holds", intact == exports
    jobs = services.created_jobs()
    asked = Counter(json.dumps(job["payload"], sort_keys=True) for job in jobs)
    yield f"{len(jobs):,} jobs were created, {len(asked):,} different ones", len(jobs) == len(asked) == exports
    requests = [seen for seen in services.requests() if seen["route"] != Route.DOWNLOAD]
    most = most_in_one_second(seen["at"] for seen in requests)
    yield f"of {len(requests):,} requests to Botify, at most {most} were in one second", most <= MOST_IN_A_SECOND
    unfinished = services.unfinished_runs()
    yield f"{len(unfinished):,} runs have yet to end", not unfinished
