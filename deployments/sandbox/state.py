"""All that the sandbox knows; no sockets and no HTTP."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from deployments.sandbox.analyses import PUBLISHED, Analysis, newest_first
from deployments.sandbox.behaviour import Behaviour
from deployments.sandbox.bql import Query, read_query
from deployments.sandbox.crawl import Crawl, project_names
from deployments.sandbox.exports import Export, filled_in, read_payload
from deployments.sandbox.faults import Fault, Plan
from deployments.sandbox.jobs import Fate, Job
from deployments.sandbox.ledger import Seen, most_in_one_second
from deployments.sandbox.links import Link, link_path
from deployments.sandbox.refusals import Code, RefusalError
from deployments.sandbox.routes import Route

TOKEN = "sandbox-token"  # noqa: S105 - it opens nothing but the sandbox
ORGANISATION = "sandbox"
USER = "sandbox.user"
FOREIGN_USER = "someone.else"
FORBIDDEN_PROJECT = "forbidden"


def utc_now() -> datetime:
    return datetime.now(UTC)


class State:
    """Analyses, jobs, links, the plan of faults, and the ledger of what was seen."""

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        faults: Iterable[Fault] = (),
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """`now` is the wall clock behind `date_created`; jobs age by the time of the event loop."""
        self.behaviour = behaviour or Behaviour()
        self.plan = Plan(faults)
        self._now = now
        self._analyses = {project: list(PUBLISHED) for project in project_names(self.behaviour.mirrors)}
        self._crawls: dict[tuple[str, str], Crawl] = {}
        self._jobs: list[Job] = []
        self._links: dict[str, Link] = {}
        self._requests: list[Seen] = []
        self._accepted: list[float] = []
        self._looks = 0
        self._foreign_projects: set[str] = set()

    # What tests ask

    @property
    def requests(self) -> tuple[Seen, ...]:
        """Every request that arrived, oldest first, those met by a fault included."""
        return tuple(self._requests)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs that were created here, oldest first; not those of other users."""
        return tuple(job for job in list(self._jobs) if job.user == USER)

    @property
    def credits(self) -> int:
        """One for each data row of each job, whatever became of it (botify-api.md §7.1, §5.4)."""
        return sum(job.export.row_count for job in self.jobs)

    @property
    def most_api_requests_in_one_second(self) -> int:
        """By the loop's time, downloads not counted: Botify allows 5 (botify-api.md §7.1)."""
        return most_in_one_second(seen.loop_at for seen in self.requests if seen.route is not Route.DOWNLOAD)

    def add_fault(self, fault: Fault) -> None:
        """Plan another fault; it counts requests from now on."""
        self.plan.add(fault)

    def publish(self, project: str, analysis: Analysis) -> None:
        """Add an analysis, or replace the one with its slug, as a crawl that goes on or is finished."""
        others = [known for known in self.analyses(project) if known.slug != analysis.slug]
        self._analyses[project] = sorted([*others, analysis], key=newest_first, reverse=True)
        self._crawls.pop((project, analysis.slug), None)

    # What the hosts ask

    def record(self, seen: Seen) -> None:
        self._requests.append(seen)

    def is_too_fast(self, now: float) -> bool:
        """Whether a request comes beyond the rate; one that does not counts from now on (botify-api.md §7.1)."""
        limit = self.behaviour.requests_per_second
        self._accepted = [moment for moment in self._accepted if moment > now - 1]
        if limit is not None and len(self._accepted) >= limit:
            return True
        self._accepted.append(now)
        return False

    def check_project(self, username: str, project: str) -> None:
        """Raises RefusalError unless the project is one that the token may see."""
        if project == FORBIDDEN_PROJECT:
            raise RefusalError(Code.PERMISSION_DENIED)
        if username != ORGANISATION or project not in self._analyses:
            raise RefusalError(Code.PROJECT_NOT_FOUND)

    @property
    def projects(self) -> tuple[str, ...]:
        return tuple(self._analyses)

    def analyses(self, project: str) -> list[Analysis]:
        """Newest first, whatever their status. Raises RefusalError."""
        self.check_project(ORGANISATION, project)
        return self._analyses[project]

    def analysis(self, project: str, slug: str) -> Analysis:
        """Raises RefusalError."""
        for analysis in self.analyses(project):
            if analysis.slug == slug:
                return analysis
        raise RefusalError(Code.ANALYSIS_NOT_FOUND)

    def crawl(self, project: str, slug: str) -> Crawl:
        """The pages of an analysis, made once. Raises RefusalError unless it is a success."""
        analysis = self.analysis(project, slug)
        if not analysis.is_success:
            raise RefusalError(Code.QUERY_CANNOT_BE_EXECUTED, f"the analysis is {analysis.status}")
        return self._pages(project, analysis)

    def codes(self, project: str, slug: str) -> Counter[int]:
        """How often each HTTP code was met, also while the crawl goes on. Raises RefusalError."""
        return Counter(page.http_code for page in self._pages(project, self.analysis(project, slug)))

    def _pages(self, project: str, analysis: Analysis) -> Crawl:
        key = project, analysis.slug
        if key not in self._crawls:
            self._crawls[key] = Crawl(project, analysis.slug, analysis.share, self.behaviour)
        return self._crawls[key]

    def urls(self, project: str, analysis: Analysis) -> int:
        """How many URLs a finished analysis has; 0 for others."""
        return len(self.crawl(project, analysis.slug)) if analysis.is_success else 0

    def query(self, project: str, body: object) -> tuple[Query, Crawl]:
        """Read a query and find its crawl. Raises RefusalError."""
        query = read_query(body)
        return query, self.crawl(project, query.collection.removeprefix("crawl."))

    def create_job(self, sent: Mapping[str, object], metadata: object, fate: Fate) -> Job:
        """Raises RefusalError."""
        created = self._now() + timedelta(seconds=self.behaviour.clock_skew)
        job = self._make_job(sent, USER, created, asyncio.get_running_loop().time())
        job.metadata, job.fate, job.look = metadata, fate, self._looks
        return job

    def _make_job(self, sent: Mapping[str, object], user: str, created: datetime, born: float) -> Job:
        filled = filled_in(sent, self.behaviour)
        payload = read_payload(filled, self.behaviour)
        self.check_project(payload.username, payload.project)
        query, crawl = self.query(payload.project, payload.query)
        export = Export(payload, query, crawl, self.behaviour)
        job = Job(len(self._jobs) + 1001, payload, filled, None, user, created, born, export)
        self._jobs.append(job)
        return job

    def job(self, number: str) -> Job | None:
        return next((job for job in self._jobs if str(job.number) == number), None)

    def look_at_jobs(self, project: str | None, *, is_first_page: bool) -> list[Job]:
        """The jobs that the list shows, oldest first; a first page counts as a look."""
        self._looks += is_first_page
        for name in [project] if project else self.projects:
            self._add_foreign_jobs(name)
        return [job for job in self._jobs if project in (None, job.project) and self._is_listed(job)]

    def _is_listed(self, job: Job) -> bool:
        if job.user != USER:
            return True
        return self.behaviour.listed and self._looks - job.look > self.behaviour.listed_after

    def _add_foreign_jobs(self, project: str) -> None:
        if project in self._foreign_projects or project not in self._analyses:
            return
        self._foreign_projects.add(project)
        newest = next(analysis for analysis in self._analyses[project] if analysis.is_success)
        query = {"dimensions": ["url", f"{newest.collection}.depth"], "metrics": []}
        sent = {"username": ORGANISATION, "project": project, "export_size": 100, "formatter": "csv"}
        sent |= {"connector": "direct_download", "query": {"collections": [newest.collection], "query": query}}
        for minutes in range(1, self.behaviour.foreign_jobs + 1):
            created = self._now() + timedelta(seconds=self.behaviour.clock_skew) - timedelta(minutes=minutes)
            self._make_job(sent, FOREIGN_USER, created, float("-inf"))

    def link(self, job: Job) -> Link:
        """A link to the job's file: another one each time, if links are fresh."""
        if job.links and not self.behaviour.fresh_links:
            return self._links[job.links[0]]
        path = link_path(job, len(job.links))
        self._links[path] = Link(path, job, asyncio.get_running_loop().time())
        job.links.append(path)
        return self._links[path]

    def find_link(self, path: str) -> Link | None:
        return self._links.get(path)
