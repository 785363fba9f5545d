"""The API host: `/v1/...` (botify-api.md §1 to §5)."""

import asyncio
import itertools
import random
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Query, Request

from deployments.sandbox import control
from deployments.sandbox.analyses import Analysis
from deployments.sandbox.answers import (
    REFUSALS,
    Here,
    PageNumber,
    PageSize,
    check_token,
    files_url_of,
    json_body,
    link_to_page,
    refused,
    sheet,
)
from deployments.sandbox.behaviour import JobOrder
from deployments.sandbox.faults import FailJob, NeverFinish
from deployments.sandbox.fields import FIELDS
from deployments.sandbox.jobs import DONE, Job
from deployments.sandbox.refusals import Code, RefusalError
from deployments.sandbox.state import ORGANISATION, USER, State

router = APIRouter(prefix="/v1", dependencies=[Depends(check_token)])


@router.get("/authentication/profile")
async def profile() -> dict[str, object]:
    return {"data": {"username": USER}}


# Projects


@router.get("/projects/{username}")
async def list_projects(
    request: Request, state: Here, username: str, name: str = "", page: PageNumber = 1, size: PageSize = 20
) -> dict[str, object]:
    found = [project for project in _projects_of(state, username) if name in project]
    found_page = sheet(request, found, page, size)
    return found_page.filled([_project(project) for project in found_page.items])


@router.get("/users/{username}/projects", response_model=None)
async def list_projects_of_user(
    request: Request, state: Here, username: str, page: PageNumber = 1, size: PageSize = 20
) -> dict[str, object] | list[object]:
    found = _projects_of(state, username)
    if not state.behaviour.projects_enveloped:
        return [_project(project) for project in found]
    found_page = sheet(request, found, page, size)
    return found_page.filled([_project(project) for project in found_page.items])


def _projects_of(state: State, username: str) -> tuple[str, ...]:
    if username != ORGANISATION:
        raise RefusalError(Code.USER_NOT_FOUND)
    return state.projects


def _project(slug: str) -> dict[str, object]:
    return {"name": slug, "slug": slug, "user": {"login": ORGANISATION}}


# Analyses


@router.get("/analyses/{username}/{project}")
async def list_analyses(
    request: Request,
    state: Here,
    username: str,
    project: str,
    page: PageNumber = 1,
    size: PageSize = 20,
    only_success: bool = True,
) -> dict[str, object]:
    limit = state.behaviour.export_limit
    found = sheet(request, _analyses(state, username, project, only_success), page, size)
    return found.filled([item.as_full(username, project, state.urls(project, item), limit) for item in found.items])


@router.get("/analyses/{username}/{project}/light")
async def list_light_analyses(
    request: Request,
    state: Here,
    username: str,
    project: str,
    page: PageNumber = 1,
    size: PageSize = 20,
    only_success: bool = True,
) -> dict[str, object]:
    found = sheet(request, _analyses(state, username, project, only_success), page, size)
    return found.filled([item.as_light(username, project, state.urls(project, item)) for item in found.items])


def _analyses(state: State, username: str, project: str, only_success: bool) -> list[Analysis]:
    state.check_project(username, project)
    return [analysis for analysis in state.analyses(project) if analysis.is_success or not only_success]


@router.get("/analyses/{username}/{project}/{slug}")
async def read_analysis(state: Here, username: str, project: str, slug: str) -> dict[str, object]:
    state.check_project(username, project)
    analysis = state.analysis(project, slug)
    return analysis.as_full(username, project, state.urls(project, analysis), state.behaviour.export_limit)


@router.get("/analyses/{username}/{project}/{slug}/crawl_statistics")
async def read_crawl_statistics(state: Here, username: str, project: str, slug: str) -> dict[str, object]:
    state.check_project(username, project)
    return state.analysis(project, slug).statistics(state.codes(project, slug))


# Collections and queries


@router.get("/projects/{username}/{project}/collections", response_model=None)
async def list_collections(state: Here, username: str, project: str) -> list[dict[str, object]]:
    crawls = [
        {"id": analysis.collection, "name": analysis.name, "date": f"{analysis.launched:%Y-%m-%d}"}
        for analysis in _analyses(state, username, project, only_success=True)
    ]
    return [*({**crawl, "timestamped": False} for crawl in crawls), {"id": "global", "name": "Global"}]


@router.get("/projects/{username}/{project}/collections/{collection}")
async def list_fields(state: Here, username: str, project: str, collection: str) -> dict[str, object]:
    state.check_project(username, project)
    state.crawl(project, collection.removeprefix("crawl."))
    prefix = f"{collection}." if state.behaviour.prefixed_fields else ""
    fields = [field.as_json(prefix) for field in FIELDS.values()]
    return {"datasets": [{"id": "main", "name": "Main", "groups": [], "fields": fields}], "metadata": {}}


@router.post("/projects/{username}/{project}/query")
async def query(
    request: Request,
    state: Here,
    username: str,
    project: str,
    page: PageNumber = 1,
    size: PageSize = 500,
    count: Annotated[str | None, Query()] = None,
) -> dict[str, object]:
    """A page of rows, each with positional `dimensions` and `metrics` (botify-api.md §3.2)."""
    state.check_project(username, project)
    query, crawl = state.query(project, await json_body(request))
    size = min(size, state.behaviour.query_size_limit)
    rows = list(itertools.islice(query.rows(crawl), state.behaviour.query_rows_limit))
    shown, width = rows[(page - 1) * size : page * size], len(query.dimensions)
    body: dict[str, object] = {
        "results": [{"dimensions": row[:width], "metrics": row[width:]} for row in shown],
        "previous": link_to_page(request, page - 1) if page > 1 else None,
        "next": link_to_page(request, page + 1) if page * size < len(rows) else None,
        "page": page,
        "size": size,
    }
    return body if count is None else body | {"count": len(rows)}


# Jobs


@router.post("/jobs", status_code=201)
async def create_job(request: Request, state: Here) -> dict[str, object]:
    body = await json_body(request)
    if not isinstance(body, dict) or body.get("job_type") != "export" or not isinstance(body.get("payload"), dict):
        raise RefusalError(Code.BADLY_FORMATTED_REQUEST, "job_type export and a payload are needed")
    job = state.create_job(body["payload"], body.get("metadata"), _fate_in(request))
    return job.as_json("CREATED", None, state.behaviour)


def _fate_in(request: Request) -> FailJob | NeverFinish | None:
    effect = request.scope.get("sandbox.effect")
    return effect if isinstance(effect, FailJob | NeverFinish) else None


@router.get("/jobs/{number}")
async def read_job(request: Request, state: Here, number: str) -> dict[str, object]:
    job = state.job(number)
    if job is None:
        raise RefusalError(Code.JOB_NOT_FOUND)
    match _fate_in(request):
        case FailJob() as fate:
            job.fail_now(fate)
        case NeverFinish() as fate:
            job.fate = fate
    return await _as_json(request, state, job)


async def _as_json(request: Request, state: State, job: Job) -> dict[str, object]:
    status = job.status(asyncio.get_running_loop().time(), state.behaviour)
    if status != DONE:
        return job.as_json(status, None, state.behaviour)
    results: dict[str, object] = {"download_url": files_url_of(request) + state.link(job).path}
    if state.behaviour.nb_lines:
        await job.export.file()
        results["nb_lines"] = job.export.row_count + state.behaviour.nb_lines_offset
    return job.as_json(status, results, state.behaviour)


@router.get("/jobs")
async def list_jobs(
    request: Request,
    state: Here,
    page: PageNumber = 1,
    size: PageSize = 20,
    project: str | None = None,
    job_type: str = "export",
    analysis: str | None = None,
) -> dict[str, object]:
    """No export job has an analysis, so that filter finds nothing (botify-api.md §5.3)."""
    found = state.look_at_jobs(project, is_first_page=page == 1)
    found = _ordered(found, state.behaviour.job_order) if job_type == "export" and analysis is None else []
    found_page = sheet(request, found, page, size)
    rows = [await _as_json(request, state, job) for job in found_page.items]
    return found_page.filled(rows if state.behaviour.list_payload else [row | {"payload": None} for row in rows])


def _ordered(jobs: list[Job], order: JobOrder) -> list[Job]:
    if order is JobOrder.SHUFFLED:
        return random.Random(0).sample(jobs, len(jobs))  # noqa: S311 - an order, not a secret
    return sorted(jobs, key=lambda job: (job.created, job.number), reverse=order is JobOrder.NEWEST)


api_app = FastAPI(openapi_url=None)
api_app.include_router(router)
api_app.include_router(control.router)
for refusal in REFUSALS:
    api_app.add_exception_handler(refusal, refused)
