"""Publication in a bucket, where nothing can be renamed: whole with its manifest, or not there."""

import pytest

from tasks.botify.client import BotifyClient
from tasks.delivery.downloading import Arrival, Download, Downloader
from tasks.delivery.manifest import MANIFEST, manifests_below, problems
from tasks.delivery.publishing import find_published, publish
from tasks.exports.errors import DataFolderUnusable
from tasks.exports.outcome import JobUsed, Outcome
from tasks.exports.places import Places
from tasks.exports.request import ExportRequest
from tasks.exports.settings import Settings
from tasks.exports.wanted import ALL_FILES, OutputFormat, WantedFiles
from tasks.ledger.ledger import Ledger
from tasks.ledger.submission import Submission
from tests.bucket import Loss, Store
from tests.core.conversation import request
from tests.served import Serve

pytestmark = pytest.mark.anyio

FOREVER = 100


async def downloaded(places: Places, wanted: WantedFiles = ALL_FILES) -> tuple[ExportRequest, JobUsed, Download]:
    """Bring an export to its staged files, as the flow's tasks do."""
    asked = request(api=Settings.load().api_url)
    async with BotifyClient(Settings.load()) as client:
        record = await Submission(client, Ledger.in_folder(places.data_dir), asked).job()
        assert record.job_id is not None
        job = JobUsed(job_id=record.job_id, decision="submitted")
        return (
            asked,
            job,
            await Downloader(client, asked, places.staging(asked), wanted).download(job.job_id, Arrival()),
        )


def found(asked: ExportRequest, places: Places) -> Outcome | None:
    return find_published(asked, places, ALL_FILES, refresh=False)


async def test_what_one_machine_published_another_finds(serve: Serve, shared_places: Places, tmp_path: object) -> None:
    """Every byte of it, and nothing is left on the disk of the first."""
    serve()
    outcome = publish(*await downloaded(shared_places), shared_places)
    assert str(outcome.csv).startswith("s3://")
    assert not any(shared_places.work.rglob("pages.*"))
    other = Settings.load().model_copy(update={"work_dir": tmp_path}).places
    again = found(request(api=Settings.load().api_url), other)
    assert again is not None
    assert again.manifest == outcome.manifest
    assert problems(outcome.manifest.parent) == []


@pytest.mark.parametrize("name", ["pages.parquet", MANIFEST])
async def test_an_upload_that_stops_publishes_nothing(
    serve: Serve, shared_places: Places, store: Store, name: str
) -> None:
    """Whichever file it stops at; what is staged stays, and the next attempt uploads it without another download."""
    served = serve()
    asked, job, download = await downloaded(shared_places)
    store.lose(Loss.REQUEST, "PUT", name, times=FOREVER)
    with pytest.raises(DataFolderUnusable, match="cannot be used"):
        publish(asked, job, download, shared_places)
    assert found(asked, shared_places) is None
    assert manifests_below(shared_places.data_dir, "*/*/*/*") == []
    store.faults.clear()
    downloads = len(served.sandbox.requests)
    outcome = publish(*await downloaded(shared_places), shared_places)
    assert len(served.sandbox.requests) == downloads
    assert problems(outcome.manifest.parent) == []


async def test_what_replaces_a_published_export_is_whole_or_not_there(
    serve: Serve, shared_places: Places, store: Store
) -> None:
    """Its manifest goes first: a reader never sees one that speaks of other files."""
    serve()
    csv = WantedFiles.of(OutputFormat.CSV)
    first = publish(*await downloaded(shared_places, csv), shared_places)
    again = await downloaded(shared_places)
    store.lose(Loss.REQUEST, "PUT", "pages.parquet", times=FOREVER)
    with pytest.raises(DataFolderUnusable):
        publish(*again, shared_places)
    assert problems(first.manifest.parent) == [f"{first.manifest} is missing"]
    store.faults.clear()
    outcome = publish(*again, shared_places)
    assert found(again[0], shared_places) is not None
    (kept,) = (path for path in first.manifest.parent.parent.iterdir() if ".replaced-" in path.name)
    assert problems(kept) == []
    assert outcome.parquet is not None


@pytest.mark.parametrize("loss", Loss)
async def test_a_store_that_fails_now_and_then_is_asked_again(
    serve: Serve, shared_places: Places, store: Store, loss: Loss
) -> None:
    """Each kind of request once."""
    serve()
    staged = await downloaded(shared_places)
    for name in ("pages.csv", "pages.parquet", MANIFEST, "ledger/"):
        store.lose(loss, "PUT", name)
    store.lose(loss, "HEAD", MANIFEST)
    outcome = publish(*staged, shared_places)
    assert store.faults == []
    assert problems(outcome.manifest.parent) == []
    assert found(staged[0], shared_places) is not None
