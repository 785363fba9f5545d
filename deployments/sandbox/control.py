"""`/sandbox/...`: what a test in another process asks and changes. Not Botify's; without a token; not recorded."""

from dataclasses import asdict

from fastapi import APIRouter
from pydantic import BaseModel

from deployments.sandbox.analyses import Analysis
from deployments.sandbox.answers import Here
from deployments.sandbox.fault_text import read_fault
from deployments.sandbox.refusals import Code, RefusalError

PREFIX = "/sandbox"

router = APIRouter(prefix=PREFIX)


class WrittenFault(BaseModel):
    """A fault in its text form: `read job 2: answer 502 html`."""

    fault: str


class WrittenAnalysis(BaseModel):
    """An analysis to publish."""

    project: str
    slug: str
    share: int = 100
    status: str = "success"


@router.get("/requests")
async def list_requests(state: Here) -> list[dict[str, object]]:
    return [asdict(seen) | {"body": seen.body.decode(errors="replace")} for seen in state.requests]


@router.get("/jobs")
async def list_created_jobs(state: Here) -> dict[str, object]:
    jobs = [{"job_id": job.number, "payload": job.filled, "rows": job.export.row_count} for job in state.jobs]
    return {"jobs": jobs, "credits": state.credits}


@router.post("/faults", status_code=201)
async def add_fault(state: Here, written: WrittenFault) -> dict[str, str]:
    try:
        state.add_fault(read_fault(written.fault))
    except ValueError as error:
        raise RefusalError(Code.BADLY_FORMATTED_REQUEST, str(error)) from error
    return {"fault": written.fault}


@router.post("/analyses", status_code=201)
async def publish_analysis(state: Here, written: WrittenAnalysis) -> dict[str, str]:
    try:
        state.publish(written.project, Analysis(written.slug, written.share, written.status))
    except ValueError as error:
        raise RefusalError(Code.BADLY_FORMATTED_REQUEST, str(error)) from error
    return {"collection": f"crawl.{written.slug}"}
