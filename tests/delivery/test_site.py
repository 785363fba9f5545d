"""The slices of a site become one export: whole, checked, in the order of the plan, or not at all."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from upath import UPath

from tasks.botify.client import BotifyClient
from tasks.botify.jobs import Created, create_job
from tasks.delivery.downloading import Arrival, Downloader
from tasks.delivery.manifest import problems, read_manifest
from tasks.delivery.publishing import publish
from tasks.delivery.site import (
    OF_A_SLICE,
    SlicePart,
    downloaded_part,
    find_published_site,
    publish_site,
    published_part,
)
from tasks.exports.errors import DataFolderUnusable, RowsDiffer
from tasks.exports.filters import Depths, Filter, NoDepth, ToDepth
from tasks.exports.outcome import JobUsed, Outcome, Status
from tasks.exports.places import INTERNAL, Places
from tasks.exports.request import ExportRequest
from tasks.exports.settings import Settings
from tasks.exports.site import SiteRequest
from tasks.exports.slices import Slice, SlicePlan
from tasks.exports.wanted import ALL_FILES, OutputFormat, WantedFiles
from tasks.ledger.ledger import Ledger
from tasks.ledger.record import ExportRecord, State
from tasks.ledger.sites import SiteLedger, SiteRecord
from tests.core.conversation import request
from tests.served import Serve

pytestmark = pytest.mark.anyio

ONE = ToDepth(max_depth=2)
REST = Depths(first_depth=3, last_depth=7)
SLICES: dict[Filter, int] = {ONE: 494, REST: 3317, NoDepth(): 5}


@pytest.fixture(params=["folder", "bucket"])
def places(tmp_path: Path, request: pytest.FixtureRequest) -> Places:
    """A data folder on this machine, and one in a bucket: what is promised of one is promised of the other."""
    return request.getfixturevalue("shared_places") if request.param == "bucket" else Places(tmp_path / "data")


def planned(places: Places, slices: dict[Filter, int] = SLICES, urls_total: int | None = None) -> SiteRecord:
    """A site in these slices, written down as a run does before its first job."""
    one = request(api=Settings.load().api_url)
    facts = one.model_dump(include={"api", "org", "project", "analysis"})
    site = SiteRequest(**facts, columns=one.columns, max_rows=5000)
    plan = SlicePlan(
        slices=tuple(Slice(filter=only, rows=rows) for only, rows in slices.items()),
        urls_total=sum(slices.values()) if urls_total is None else urls_total,
        urls_without_depth=slices.get(NoDepth(), 0),
        max_rows=5000,
    )
    sites = SiteLedger.in_folder(places.data_dir)
    return sites.write(sites.planned(site, plan, refresh=False))


async def downloaded(asked: ExportRequest, places: Places, wanted: WantedFiles = OF_A_SLICE) -> SlicePart:
    """Bring one slice to its part, as the flow's tasks do."""
    ledger = Ledger.in_folder(places.data_dir)
    async with BotifyClient(Settings.load()) as client:
        intent = ledger.write(ExportRecord.intent(asked, ledger.find(asked)))
        outcome = await create_job(client, asked.payload(intent.tag))
        assert isinstance(outcome, Created)
        job = JobUsed(job_id=outcome.job.job_id, decision="submitted")
        ledger.advance(asked, State.SUBMITTED, job.job_id)
        download = await Downloader(client, asked, places.staging(asked), wanted).download(job.job_id, Arrival())
    ledger.advance(asked, State.DOWNLOADED, job.job_id)
    if wanted != OF_A_SLICE:
        publish(asked, job, download, places)
    return downloaded_part(asked, job, download, places)


async def parts_of(record: SiteRecord, places: Places) -> list[SlicePart]:
    return [await downloaded(each, places) for each in record.slices]


async def published(places: Places, wanted: WantedFiles = ALL_FILES) -> tuple[SiteRecord, Outcome]:
    record = planned(places)
    return record, publish_site(record, await parts_of(record, places), places, wanted)


def body_of(path: UPath) -> bytes:
    return path.read_bytes().partition(b"\n")[2]


def states(record: SiteRecord, places: Places) -> list[str | None]:
    found = [Ledger.in_folder(places.data_dir).find(each) for each in record.slices]
    return [each.state if each else None for each in found]


def nothing_is_published(places: Places) -> bool:
    return [path.name for path in places.data_dir.iterdir()] == [".botify-export"]


async def test_the_files_are_the_slices_one_after_another(serve: Serve, places: Places) -> None:
    """The header, then every slice's rows in the order of the plan, byte for byte; the Parquet file the same."""
    serve(null_depth_rows=5)
    record = planned(places)
    parts = await parts_of(record, places)
    assert len({part.csv for part in parts}) == 3
    expected = b"url,depth,title\n" + b"".join(body_of(part.csv) for part in parts)
    outcome = publish_site(record, parts, places, ALL_FILES)
    assert outcome.csv is not None
    assert outcome.csv.read_bytes() == expected
    assert (outcome.status, outcome.rows, outcome.urls_total, outcome.max_depth) == (Status.COMPLETED, 3816, 3816, None)
    assert [job.job_id for job in outcome.jobs] == ["1001", "1002", "1003"]
    assert outcome.parquet is not None
    urls = pq.read_table(BytesIO(outcome.parquet.read_bytes())).column("url").to_pylist()
    assert [url.encode() for url in urls] == [line.split(b",")[0] for line in expected.splitlines()[1:]]
    assert problems(outcome.manifest.parent) == []


async def test_the_slices_are_forgotten_once_they_are_published(serve: Serve, places: Places) -> None:
    """Their records stay, their files are not kept twice."""
    serve(null_depth_rows=5)
    record, outcome = await published(places)
    assert states(record, places) == [State.MERGED] * 3
    assert list((places.work / INTERNAL / "staging").iterdir()) == []
    found = SiteLedger.in_folder(places.data_dir).find(record.request)
    assert found is not None
    assert found.is_published
    assert outcome.manifest.parent == places.published(record.request, found.name)


async def test_the_manifest_names_every_job_and_every_check(serve: Serve, places: Places) -> None:
    """What was asked of Botify in each slice, what came, and why the whole is believed."""
    served = serve(null_depth_rows=5)
    record, outcome = await published(places)
    manifest = read_manifest(outcome.manifest.parent)
    sent = [json.loads(seen.body)["payload"] for seen in served.sandbox.requests if seen.method == "POST"]
    assert [job.request for job in manifest.jobs] == sent
    assert [(job.job_id, job.decision, job.filter, job.rows_predicted, job.rows) for job in manifest.jobs] == [
        ("1001", "submitted", "to depth 2", 494, 494),
        ("1002", "submitted", "depths 3 to 7", 3317, 3317),
        ("1003", "submitted", "no depth", 5, 5),
    ]
    assert all(check.passed for job in manifest.jobs for check in job.checks)
    assert [(check.name, check.expected, check.found, check.passed) for check in manifest.checks] == [
        ("rows are the sum of the slices", 3816, 3816, True),
        ("rows are all URLs of the analysis", 3816, 3816, True),
        ("no URL stands in two slices", None, None, True),
    ]
    assert (manifest.max_depth, manifest.rows_predicted, manifest.rows) == (None, 3816, 3816)
    assert (manifest.urls_total, manifest.urls_without_depth, manifest.generation) == (3816, 5, 1)
    assert manifest.fingerprint == record.request.fingerprint
    assert [column.name for column in manifest.columns] == ["url", "depth", "title"]
    assert list(manifest.times) == ["planned", "published"]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (WantedFiles.of(OutputFormat.CSV), {"pages.csv"}),
        (WantedFiles.of(OutputFormat.PARQUET), {"pages.parquet"}),
        (WantedFiles.of(OutputFormat.BOTH, excel=True), {"pages.csv", "pages.parquet", "pages.excel.csv"}),
    ],
)
async def test_the_files_that_are_wanted_are_made(
    serve: Serve, places: Places, wanted: WantedFiles, names: set[str]
) -> None:
    """Of the whole; the slices themselves are only ever CSV."""
    serve(null_depth_rows=5)
    _, outcome = await published(places, wanted)
    assert {path.name for path in outcome.manifest.parent.iterdir()} == names | {"manifest.json"}
    assert problems(outcome.manifest.parent) == []


async def test_a_url_that_stands_in_two_slices_is_refused(serve: Serve, places: Places) -> None:
    """Nothing is published; what came, the slices and their jobs are kept."""
    served = serve(duplicate_urls=1)
    record = planned(places, {ToDepth(max_depth=0): 1, Depths(first_depth=1, last_depth=7): 3811})
    parts = await parts_of(record, places)
    for tolerance in (0.0, 0.5):
        with pytest.raises(RowsDiffer, match="no URL stands in two slices: expected None, found https://") as refusal:
            publish_site(record, parts, places, ALL_FILES, tolerance=tolerance)
    assert "support" in refusal.value.next_step
    kept = Path(str(refusal.value).rpartition("kept in ")[2].rstrip("."))
    assert kept.joinpath("pages.csv").read_bytes().count(b"/doc/html/index.html,") == 2
    assert nothing_is_published(places)
    assert [part.csv.exists() for part in parts] == [True, True]
    assert states(record, places) == [State.DOWNLOADED] * 2
    found = SiteLedger.in_folder(places.data_dir).find(record.request)
    assert found is not None
    assert not found.is_published
    assert len(served.sandbox.jobs) == 2


async def test_rows_that_are_not_the_sum_of_the_slices_are_refused(serve: Serve, places: Places) -> None:
    """A slice that was checked and then lost a row on the disk; no tolerance covers that."""
    serve(null_depth_rows=5)
    record = planned(places)
    parts = await parts_of(record, places)
    parts[1].csv.write_bytes(b"".join(parts[1].csv.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(RowsDiffer, match="rows are the sum of the slices: expected 3816, found 3815"):
        publish_site(record, parts, places, ALL_FILES, tolerance=0.5)
    assert nothing_is_published(places)


async def test_a_slice_that_is_missing_is_refused(serve: Serve, places: Places) -> None:
    """Whatever lost it."""
    serve(null_depth_rows=5)
    record = planned(places)
    parts = await parts_of(record, places)
    with pytest.raises(RowsDiffer, match="rows are all URLs of the analysis: expected 3816, found 3811"):
        publish_site(record, parts[:2], places, ALL_FILES)
    assert nothing_is_published(places)


@pytest.mark.parametrize(
    ("urls_total", "tolerance", "passes"), [(3820, 0.0, False), (3820, 0.01, True), (4000, 0.01, False)]
)
async def test_the_tolerance_is_a_share_of_all_urls(
    serve: Serve, places: Places, urls_total: int, tolerance: float, passes: bool
) -> None:
    """BOTIFY_ROW_TOLERANCE, for who knows why."""
    serve(null_depth_rows=5)
    record = planned(places, urls_total=urls_total)
    parts = await parts_of(record, places)
    if not passes:
        with pytest.raises(RowsDiffer, match=f"all URLs of the analysis: expected {urls_total}, found 3816"):
            publish_site(record, parts, places, ALL_FILES, tolerance=tolerance)
        assert nothing_is_published(places)
        return
    outcome = publish_site(record, parts, places, ALL_FILES, tolerance=tolerance)
    assert (outcome.rows, outcome.urls_total) == (3816, urls_total)


async def test_slices_that_cannot_be_read_are_an_error_of_the_disk(serve: Serve, places: Places) -> None:
    """Exit code 4; nothing is published."""
    serve(null_depth_rows=5)
    record = planned(places)
    parts = await parts_of(record, places)
    parts[2].csv.unlink()
    with pytest.raises(DataFolderUnusable, match="No such file"):
        publish_site(record, parts, places, ALL_FILES)
    assert nothing_is_published(places)


async def test_what_a_killed_merge_left_is_begun_again(serve: Serve, places: Places) -> None:
    """Half a file in the site's staging folder, and an old receipt."""
    serve(null_depth_rows=5)
    record = planned(places)
    parts = await parts_of(record, places)
    staging = places.staging(record.request)
    staging.mkdir()
    for name in ("pages.csv", "pages.parquet", "pages.excel.csv", "receipt.json"):
        (staging / name).write_bytes(b"half")
    outcome = publish_site(record, parts, places, ALL_FILES)
    assert {path.name for path in outcome.manifest.parent.iterdir()} == {"pages.csv", "pages.parquet", "manifest.json"}
    assert problems(outcome.manifest.parent) == []


async def test_a_kill_between_the_publication_and_its_record_is_found_out(serve: Serve, places: Places) -> None:
    """The folder stands, the ledgers know nothing of it yet: found as published, the slices forgotten."""
    serve(null_depth_rows=5)
    record = planned(places)
    parts = await parts_of(record, places)
    internals = {UPath(places.work) / INTERNAL, places.data_dir / INTERNAL}
    for internal in internals:
        internal.fs.copy(internal.path, f"{internal.path}-before", recursive=True)
    outcome = publish_site(record, parts, places, ALL_FILES)
    for internal in internals:
        internal.fs.rm(internal.path, recursive=True)
        internal.fs.copy(f"{internal.path}-before", internal.path, recursive=True)
    found = find_published_site(record.request, places, ALL_FILES, refresh=False)
    assert found is not None
    of_the_run = {"status", "jobs"}
    assert found.model_dump(exclude=of_the_run) == outcome.model_dump(exclude=of_the_run)
    assert [(job.job_id, job.decision) for job in found.jobs] == [(f"100{n}", "reused") for n in (1, 2, 3)]
    assert states(record, places) == [State.MERGED] * 3
    assert list((places.work / INTERNAL / "staging").iterdir()) == []
    known = SiteLedger.in_folder(places.data_dir).find(record.request)
    assert known is not None
    assert known.is_published


async def test_what_is_published_is_found_and_left_as_it_is(serve: Serve, places: Places) -> None:
    """Its record keeps its date, and what another run has staged of a slice's own export stays."""
    serve(null_depth_rows=5)
    record, outcome = await published(places)
    sites = SiteLedger.in_folder(places.data_dir)
    before = sites.find(record.request)
    Ledger.in_folder(places.data_dir).advance(record.slices[0], State.DONE, "1001")
    (other := places.staging(record.slices[0])).mkdir()
    found = find_published_site(record.request, places, ALL_FILES, refresh=False)
    assert found is not None
    assert (found.status, found.manifest) == (Status.REUSED, outcome.manifest)
    assert sites.find(record.request) == before
    assert other.exists()
    assert states(record, places)[0] == State.DONE


@pytest.mark.parametrize("name", ["pages.csv", "pages.parquet", "manifest.json"])
@pytest.mark.parametrize("damage", ["altered", "deleted"])
async def test_what_no_longer_holds_is_not_found(serve: Serve, places: Places, name: str, damage: str) -> None:
    """One changed byte; published again, it is kept beside the new one."""
    serve(null_depth_rows=5)
    record, outcome = await published(places)
    assert outcome.csv is not None
    before = outcome.csv.read_bytes()
    file = outcome.manifest.with_name(name)
    if damage == "altered":
        file.write_bytes(b"X" + file.read_bytes()[1:])
    else:
        file.unlink()
    assert find_published_site(record.request, places, ALL_FILES, refresh=False) is None
    again = publish_site(record, await parts_of(record, places), places, ALL_FILES)
    assert again.csv == outcome.csv
    assert outcome.csv.read_bytes() == before
    kept = list(outcome.manifest.parent.parent.glob("*.replaced-*"))
    # In a bucket, what has no manifest is not there: it may be what an upload left that did not come to its end.
    assert len(kept) == (0 if places.is_shared and (damage, name) == ("deleted", "manifest.json") else 1)


@pytest.mark.parametrize(
    ("first", "then", "found"),
    [
        (ALL_FILES, WantedFiles.of(OutputFormat.CSV), True),
        (WantedFiles.of(OutputFormat.CSV), WantedFiles.of(OutputFormat.PARQUET), False),
        (ALL_FILES, WantedFiles.of(OutputFormat.BOTH, excel=True), False),
    ],
)
async def test_all_that_is_wanted_must_be_there(
    serve: Serve, places: Places, first: WantedFiles, then: WantedFiles, found: bool
) -> None:
    """More is welcome; whatever was published before is made again with what was missing."""
    serve(null_depth_rows=5)
    record, _ = await published(places, first)
    assert bool(find_published_site(record.request, places, then, refresh=False)) == found
    if not found:
        outcome = publish_site(record, await parts_of(record, places), places, then)
        names = {path.name for path in outcome.manifest.parent.iterdir()}
        assert names == first.names | then.names | {"manifest.json"}


async def test_a_refresh_finds_nothing_published_but_its_own(serve: Serve, places: Places) -> None:
    """Of the generation that is under way, and not the one before."""
    serve(null_depth_rows=5)
    record, first = await published(places)
    assert find_published_site(record.request, places, ALL_FILES, refresh=True) is None
    sites = SiteLedger.in_folder(places.data_dir)
    newer = sites.write(sites.planned(record.request, record.plan, refresh=True))
    assert find_published_site(record.request, places, ALL_FILES, refresh=True) is None
    folder = first.manifest.parent
    folder.fs.copy(folder.path, places.published(record.request, newer.name).path, recursive=True)
    found = find_published_site(record.request, places, ALL_FILES, refresh=True)
    assert found is not None
    assert found.manifest.parent.name == f"{first.manifest.parent.name}-r2"


@pytest.mark.parametrize("output", [OutputFormat.BOTH, OutputFormat.CSV])
async def test_an_export_to_a_depth_is_a_slice_that_is_there(
    serve: Serve, places: Places, output: OutputFormat
) -> None:
    """Its published rows are merged from where they stand, and stay there."""
    serve(null_depth_rows=5)
    record = planned(places)
    own = places.published(record.slices[0], record.slices[0].name)
    await downloaded(record.slices[0], places, WantedFiles.of(output, excel=True))
    first = published_part(record.slices[0], places, refresh=False)
    assert first is not None
    assert (first.csv, first.job.decision, first.facts.rows) == (own / "pages.csv", "reused", 494)
    assert published_part(record.slices[0], places, refresh=True) is None
    assert published_part(record.slices[1], places, refresh=False) is None
    others = [await downloaded(each, places) for each in record.slices[1:]]
    outcome = publish_site(record, [first, *others], places, ALL_FILES)
    assert (outcome.rows, [job.decision for job in outcome.jobs]) == (3816, ["reused", "submitted", "submitted"])
    assert problems(own) == []
    assert states(record, places) == [State.PUBLISHED, State.MERGED, State.MERGED]


@pytest.mark.parametrize("damage", ["altered", "no CSV"])
async def test_an_export_to_a_depth_that_cannot_be_merged_is_no_part(serve: Serve, places: Places, damage: str) -> None:
    """Its rows are fetched again, from the same job."""
    serve()
    record = planned(places)
    wanted: dict[str, Any] = {"altered": ALL_FILES, "no CSV": WantedFiles.of(OutputFormat.PARQUET)}
    await downloaded(record.slices[0], places, wanted[damage])
    if damage == "altered":
        file = places.published(record.slices[0], record.slices[0].name) / "pages.csv"
        file.write_bytes(b"X" + file.read_bytes()[1:])
    assert published_part(record.slices[0], places, refresh=False) is None
