"""How the tests talk to a sandbox: plain HTTP, spelled out once."""

import csv
import gzip
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import httpx

from deployments.sandbox import API_URL, TOKEN, Behaviour, Fault, Sandbox, read_fault

Json: TypeAlias = Any
"""What `json.loads` gives."""

PROJECT = "www.boost.org"
CRAWL = "crawl.20261122-2"
DEPTH = f"{CRAWL}.depth"
TITLE = f"{CRAWL}.metadata.title.content"
H1 = f"{CRAWL}.metadata.h1.contents"
COUNT = f"{CRAWL}.count_urls_crawl"
URLS = 3811
AT_DEPTH_1 = {"field": DEPTH, "value": 1}
URLS_AT_DEPTH_1 = 53


def bql(dimensions: list[Json], metrics: list[Json] | None = None, **others: Json) -> dict[str, Json]:
    """The body of a query on the newest analysis."""
    return {"collections": [CRAWL], "query": {"dimensions": dimensions, "metrics": metrics or [], **others}}


def export(query: dict[str, Json] | None = None, **others: Json) -> dict[str, Json]:
    """The body of an export job; the 53 URLs at depth 1 unless told otherwise."""
    payload = {"username": "sandbox", "project": PROJECT, "export_size": 1000, "formatter": "csv"}
    payload |= {"connector": "direct_download", "query": query or bql(["url", DEPTH], filters=AT_DEPTH_1)}
    return {"job_type": "export", "payload": payload | others}


def table(text: bytes) -> list[list[str]]:
    """The rows of a CSV file."""
    return list(csv.reader(io.StringIO(text.decode(), newline="")))


class Conversation:
    """A client with the token, and a sandbox to look into."""

    def __init__(self, sandbox: Sandbox, client: httpx.AsyncClient) -> None:
        self.sandbox = sandbox
        self.client = client

    async def get(self, path: str, **query: str | int) -> Json:
        """The JSON of a 200."""
        answer = await self.client.get(API_URL + path, params=query or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Json, **query: str | int) -> httpx.Response:
        return await self.client.post(API_URL + path, json=body, params=query or None)

    async def rows(self, body: dict[str, Json], **query: str | int) -> list[list[Json]]:
        """The rows of a query, dimensions before metrics."""
        answer = await self.post(f"/projects/sandbox/{PROJECT}/query", body, **query)
        assert answer.status_code == 200, answer.text
        return [row["dimensions"] + row["metrics"] for row in answer.json()["results"]]

    async def refusal(self, body: dict[str, Json]) -> tuple[int, str]:
        """Status and code of a query that is refused."""
        answer = await self.post(f"/projects/sandbox/{PROJECT}/query", body)
        return answer.status_code, answer.json()["error"]["error_code"]

    async def create(self, body: dict[str, Json] | None = None) -> Json:
        """The JSON of a new job."""
        answer = await self.post("/jobs", body or export())
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def status(self, job: Json) -> str:
        return str((await self.get(f"/jobs/{job['job_id']}"))["job_status"])

    async def link(self, job: Json) -> str:
        """The download URL of a job that is done."""
        return str((await self.get(f"/jobs/{job['job_id']}"))["results"]["download_url"])

    async def download(self, link: str, **headers: str) -> httpx.Response:
        """Without the token."""
        return await self.client.get(link, headers={"authorization": "", **headers})

    async def file(self, body: dict[str, Json] | None = None) -> bytes:
        """The bytes of the file that an export makes."""
        return (await self.download(await self.link(await self.create(body)))).content

    async def text(self, body: dict[str, Json] | None = None) -> bytes:
        """The unpacked file."""
        return gzip.decompress(await self.file(body))


@asynccontextmanager
async def talking(*faults: str | Fault, **behaviour: object) -> AsyncIterator[Conversation]:
    """Talk in process to a sandbox with these switches and faults."""
    planned = [read_fault(fault) if isinstance(fault, str) else fault for fault in faults]
    sandbox = Sandbox(Behaviour.model_validate(behaviour), planned)
    headers = {"authorization": f"Token {TOKEN}"}
    async with httpx.AsyncClient(transport=sandbox.transport(), headers=headers) as client:
        yield Conversation(sandbox, client)
