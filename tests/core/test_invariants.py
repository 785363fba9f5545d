"""Never pay twice, never lose a run: whatever happens to however many runs, in whatever order."""

import hashlib
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from upath import UPath

from deployments.sandbox import Behaviour, FailJob, Route, Sandbox, read_fault
from tasks.delivery.manifest import problems
from tasks.exports.errors import ExportError, FileGone
from tasks.exports.outcome import Outcome, Status
from tasks.exports.places import Places
from tasks.exports.wanted import OutputFormat, WantedFiles
from tasks.ledger.ledger import Ledger
from tests.core.conversation import request, requests_to
from tests.core.interleavings import Kill, Killed, Process

ASKED = request()

# What may meet a request of each kind, as often as drawn. No POST makes a job that its answer denies for good.
EFFECTS = {
    Route.CREATE_JOB: (
        "drop",
        "do, then drop",
        "do, then stall",
        "do, then answer 500 json",
        "do, then answer 200 garbage",
        "cut at 9",
        "answer 500 json",
        "answer 429",
        "answer 400 code 1052",
        "do, then answer 400 code 1052",
        "answer 403 code 1002",
        "fail",
    ),
    Route.LIST_JOBS: ("drop", "answer 502 html", "answer 200 garbage", "answer 401"),
    Route.READ_JOB: ("drop", "stall", "answer 502 html", "answer 200 garbage", "answer 404", "answer 401", "fail"),
    Route.DOWNLOAD: (
        "drop",
        "stall at 1000",
        "cut at 1000",
        "flip at 4000",
        "length -5",
        "length +5",
        "answer 503 html",
        "answer 200 html",
        "expired",
        "redirect",
    ),
}
FILES = ("pages.csv", "pages.parquet", "manifest.json")
WANTED = (WantedFiles(), WantedFiles.of(OutputFormat.PARQUET), WantedFiles.of(OutputFormat.CSV, excel=True))


@dataclass(frozen=True)
class Met:
    """A fault: `times` requests of a route, from the `first` on, meet the effect."""

    route: Route
    effect: str
    first: int
    times: int

    def __str__(self) -> str:
        return f"{self.route} {self.first}-{self.first + self.times - 1}: {self.effect}"


@dataclass
class History:
    """An export's past: its folder, Botify, and what was wanted and spoilt so far."""

    data_dir: Path
    botify: Sandbox
    jobs_wanted: int = 1
    is_refreshing: bool = False
    spoilt: set[int] = field(default_factory=set)

    def run(
        self, wanted: WantedFiles = WANTED[0], *, refresh: bool = False, kill: Kill | None = None
    ) -> Outcome | None:
        """Run the command once; None if it did not come to an end with an export."""
        if refresh and not self.is_refreshing:
            self.jobs_wanted += 1
            self.is_refreshing = True
        outcome = None
        try:
            outcome = Process(self.botify, self.data_dir, kill, self.check).run(ASKED, wanted, refresh=refresh)
            self.is_refreshing = False
        except FileGone:
            self.is_refreshing = False  # only another refresh pays again
        except (Killed, ExportError):
            pass
        self.check()
        self.check_ledger()
        return outcome

    def check(self) -> None:
        """What holds at every moment."""
        failed = sum(isinstance(job.fate, FailJob) for job in self.botify.jobs)
        assert len(self.botify.jobs) <= self.jobs_wanted + failed
        for folder in self.published():
            assert folder.stat().st_ino in self.spoilt or problems(folder) == []

    def check_ledger(self) -> None:
        if requests_to(self.botify, Route.CREATE_JOB):
            assert Ledger.in_folder(self.data_dir).find(ASKED) is not None

    def published(self) -> list[UPath]:
        analysis = Places(self.data_dir).analysis(ASKED.org, ASKED.project, ASKED.analysis)
        return list(analysis.iterdir()) if analysis.exists() else []

    def damage_record(self, kept: float) -> None:
        for record in Places(self.data_dir).ledger.glob("*.json"):
            content = record.read_bytes()
            record.write_bytes(content[: int(kept * len(content))])

    def spoil(self, name: str) -> None:
        for folder in self.published():
            (folder / name).write_bytes(b"spoilt")
            self.spoilt.add(folder.stat().st_ino)


@cache
def undisturbed() -> str:
    """The SHA-256 of the CSV of a run that nothing happens to."""
    with tempfile.TemporaryDirectory() as folder:
        return sha256_of_csv(History(Path(folder), Sandbox(Behaviour())).run())


def sha256_of_csv(outcome: Outcome | None) -> str:
    assert outcome is not None
    assert outcome.csv is not None
    return hashlib.sha256(outcome.csv.read_bytes()).hexdigest()


def faults_of(route: Route) -> st.SearchStrategy[Met]:
    times = st.sampled_from([1, 1, 1, 2, 3, 11])
    return st.builds(Met, st.just(route), st.sampled_from(EFFECTS[route]), st.integers(1, 3), times)


FAULTS = st.one_of(*map(faults_of, EFFECTS))
KILLS = st.builds(
    Kill,
    st.sampled_from(["before", "after"]),
    st.sampled_from(["request", "sync", "rename", "unlink"]),
    st.sampled_from([1, 1, 1, 2, 2, 3, 4, 6, 9]),
)
BEHAVIOURS = st.fixed_dictionaries(
    {},
    optional={
        "job_seconds": st.just(40),
        "listed_after": st.just(1),
        "echo_export_job_name": st.just(False),
        "job_order": st.sampled_from(["oldest", "shuffled"]),
        "foreign_jobs": st.just(12),
        "list_size_limit": st.just(5),
        "clock_skew": st.sampled_from([-600, 600]),
    },
)


class AnyHistory(RuleBasedStateMachine):
    """Faults, kills, refreshes and damage in any order: one job for each export wanted, and its bytes in the end."""

    @initialize(behaviour=BEHAVIOURS)
    def begin(self, behaviour: dict[str, object]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.history = History(Path(self.folder.name), Sandbox(Behaviour.model_validate(behaviour)))
        self.faults_left = 0

    @rule(fault=FAULTS)
    def meet(self, fault: Met) -> None:
        self.history.botify.add_fault(read_fault(str(fault)))
        self.faults_left += fault.times

    @rule(
        wanted=st.sampled_from(WANTED),
        refresh=st.sampled_from([False, False, True]),
        kill=st.one_of(st.none(), KILLS, KILLS),
    )
    def run_once(self, wanted: WantedFiles, refresh: bool, kill: Kill | None) -> None:
        self.history.run(wanted, refresh=refresh, kill=kill)

    @rule(kept=st.sampled_from([0, 0.3, 0.99]))
    def damage_record(self, kept: float) -> None:
        self.history.damage_record(kept)

    @rule(name=st.sampled_from(FILES))
    def spoil(self, name: str) -> None:
        self.history.spoil(name)

    def teardown(self) -> None:
        """Run the command until it ends with the export: every failing run meets one of the faults that are left."""
        with self.folder:
            runs = (self.history.run() for _ in range(self.faults_left + 1))
            assert sha256_of_csv(next(filter(None, runs), None)) == undisturbed()
            jobs = self.history.botify.jobs
            again = self.history.run()
            assert again is not None
            assert again.status is Status.REUSED
            assert sha256_of_csv(again) == undisturbed()
            assert self.history.botify.jobs == jobs


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(deadline=None, max_examples=150, stateful_step_count=12)
