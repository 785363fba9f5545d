"""`botify-export doctor`: whether an export would get under way, one line per thing that it needs."""

import argparse
import asyncio
import platform
import shutil
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

from prefect.settings import PREFECT_API_URL
from pydantic import BaseModel, ConfigDict

from flows.commands.printing import print_json
from flows.prefect_server import prefect_server, version_of
from tasks.botify.analyses import list_analyses
from tasks.botify.client import BotifyClient
from tasks.botify.profile import read_username
from tasks.exports.errors import DataFolderUnusable, ExportError
from tasks.exports.places import INTERNAL
from tasks.exports.project_address import parse_project_address
from tasks.exports.settings import TOKEN_FILE, Settings, using
from tasks.files.durable import write_durably
from tasks.ledger.object_store import says_its_conditions
from tasks.load_credentials import load_credentials

LEAST_FREE = 2 * 1024**3


class Finding(BaseModel):
    """One thing that was looked at."""

    model_config = ConfigDict(frozen=True)

    name: str
    holds: bool
    says: str


class Diagnosis(BaseModel):
    """What `doctor --json` prints."""

    model_config = ConfigDict(frozen=True)

    checks: tuple[Finding, ...]


Look = Callable[[], Awaitable[str]]


def doctor(options: argparse.Namespace) -> None:
    """Look at everything, say what is found, and raise the first ExportError."""
    with prefect_server() as server:
        found = asyncio.run(_look_at_all(options, server))
    diagnosis = Diagnosis(checks=tuple(finding for finding, _ in found))
    if options.json:
        print_json(diagnosis)
    else:
        print("\n".join(f"{'ok' if f.holds else 'no':<3} {f.name:<12} {f.says}" for f in diagnosis.checks))
    for _, error in found:
        if error:
            raise error


async def _look_at_all(options: argparse.Namespace, server: str | None) -> list[tuple[Finding, ExportError | None]]:
    patient = _Patient(options, server)
    looks: dict[str, Look] = {"versions": patient.versions, "prefect": patient.prefect, "disk": patient.disk}
    if Settings.load(options.output_dir).places.is_shared:
        looks["store"] = patient.store
    looks |= {"credentials": patient.credentials, "user": patient.user}
    if options.url:
        looks["project"] = patient.project
    return [await _look(name, look) for name, look in looks.items()]


async def _look(name: str, look: Look) -> tuple[Finding, ExportError | None]:
    try:
        return Finding(name=name, holds=True, says=await look()), None
    except ExportError as error:
        return Finding(name=name, holds=False, says=str(error)), error


class _Patient:
    """What is looked at, each in one sentence. Every look raises what an export would."""

    def __init__(self, options: argparse.Namespace, server: str | None) -> None:
        self._options = options
        self._server = server

    async def versions(self) -> str:
        parts = ", ".join(f"{name} {version(name)}" for name in ("botify-export", "prefect", "pandas", "pyarrow"))
        return f"{parts}, Python {platform.python_version()}"

    async def prefect(self) -> str:
        if self._server is None:
            return "no server is running: `run` starts a temporary one, without pages"
        named = "named by PREFECT_API_URL" if PREFECT_API_URL.value() else "at its local address"
        return f"server {version_of(self._server)} at {self._server}, {named}"

    async def disk(self) -> str:
        folder = Settings.load(self._options.output_dir).places.work
        write_durably(folder / INTERNAL / "doctor", b"")
        (folder / INTERNAL / "doctor").unlink()
        free = shutil.disk_usage(folder).free
        if free < LEAST_FREE:
            raise DataFolderUnusable(f"{folder} has {free / 1e9:.1f} GB left; a million rows take about 1.")
        return f"{folder} can be written to; {free / 1e9:,.0f} GB are free"

    async def store(self) -> str:
        places = Settings.load(self._options.output_dir).places
        return f"{places.data_dir}: {await asyncio.to_thread(says_its_conditions, places.ledger)}"

    async def credentials(self) -> str:
        if self._options.credentials:
            await load_credentials(self._options.credentials)
            return f"the block botify-credentials/{self._options.credentials}"
        settings = Settings.load().with_token()
        where = "BOTIFY_API_TOKEN" if settings.api_token else str(Path.cwd() / TOKEN_FILE)
        return f"a token in {where}, for {settings.api_url}"

    async def user(self) -> str:
        with using(await load_credentials(self._options.credentials)):
            async with BotifyClient(Settings.load()) as client:
                began = time.monotonic()
                username = await read_username(client)
                took = time.monotonic() - began
        of = f"the token is {username}'s" if username else "the token is not refused; whose it is Botify does not say"
        rate = client.settings.requests_per_second
        return f"{of}; an answer took {took:.2f} s, at most {rate} requests a second are sent"

    async def project(self) -> str:
        address = parse_project_address(self._options.url)
        with using(await load_credentials(self._options.credentials)):
            async with BotifyClient(Settings.load()) as client:
                found = [analysis for analysis in await list_analyses(client, address) if analysis.succeeded]
        return f"{address} is visible: {len(found)} analyses" + (f", the newest {found[0].slug}" if found else "")
