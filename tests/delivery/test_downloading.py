"""From a job that is done to checked files, over real sockets (botify-api.md §3.7, §4.3, §4.6, §4.7, §5.5)."""

import asyncio
import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deployments.sandbox import Route
from tasks.botify.client import BotifyClient
from tasks.botify.jobs import Created, create_job
from tasks.delivery.downloading import Arrival, Download, Downloader
from tasks.exports.columns import Column, ColumnKind
from tasks.exports.errors import DownloadDamaged, FileGone, FileRefused, RowsDiffer
from tasks.exports.request import Expectation, ExportRequest
from tasks.exports.settings import Settings
from tests.core.conversation import request
from tests.served import Serve

pytestmark = pytest.mark.anyio

STAGING = Path("data/.botify-export/staging/x")
ROWS = 494
FIRST = {
    "url": "https://www.boost.org/doc/libs/1_74_0/doc/html/Assignable.html",
    "depth": "2",
    "title": "Concept Assignable",
}


def asked(**changes: Any) -> ExportRequest:
    return request(api=Settings.load().api_url, **changes)


async def download(*, arrival: Arrival | None = None, **changes: Any) -> Download:
    """Create a job and download its file, as the flow's tasks do."""
    wanted = asked(**changes)
    async with BotifyClient(Settings.load()) as client:
        outcome = await create_job(client, wanted.payload("tag"))
        assert isinstance(outcome, Created)
        return await Downloader(client, wanted, STAGING).download(outcome.job.job_id, arrival or Arrival())


def rows_of(done: Download) -> list[dict[str, str]]:
    assert done.staged.csv is not None
    with done.staged.csv.path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("behaviour", "normalised"),
    [
        ({}, ("header renamed",)),
        ({"compression": "gzip-members"}, ("header renamed",)),
        ({"compression": "zip-stored"}, ("header renamed",)),
        ({"compression": "zip-streamed"}, ("header renamed",)),
        ({"compression": "plain"}, ("header renamed",)),
        ({"byte_order_mark": True}, ("BOM removed", "header renamed")),
        ({"separator_line": "always"}, ("sep= line removed", "header renamed")),
        (
            {"byte_order_mark": True, "separator_line": "always", "line_ending": "crlf"},
            ("BOM removed", "sep= line removed", "header renamed"),
        ),
        ({"header": "never"}, ("header added",)),
        ({"header": "never", "separator_line": "always"}, ("sep= line removed", "header added")),
        ({"header_format_ignored": True}, ("header renamed",)),
        ({"docs_csv_defaults": True}, ("header renamed",)),
        ({"nb_lines": True}, ("header renamed",)),
        ({"nb_lines": True, "nb_lines_offset": 1}, ("header renamed",)),
        ({"job_id": "string"}, ("header renamed",)),
        ({"echo_owner": False}, ("header renamed",)),
        ({"fresh_links": False}, ("header renamed",)),
        ({"entity_tag": "absent"}, ("header renamed",)),
        ({"ranges": False}, ("header renamed",)),
    ],
)
async def test_however_botify_answers_the_rows_are_the_same(
    serve: Serve, behaviour: dict[str, Any], normalised: tuple[str, ...]
) -> None:
    """§10: every point that the documents leave open; names and values come out as they were asked for."""
    serve(**behaviour)
    done = await download()
    rows = rows_of(done)
    assert (len(rows), rows[0]) == (ROWS, FIRST)
    assert pq.read_table(STAGING / "pages.parquet").num_rows == ROWS
    assert done.staged.normalised == normalised


@pytest.mark.parametrize("line_ending", ["lf", "crlf"])
async def test_line_endings_stay_as_botify_sent_them(serve: Serve, line_ending: str) -> None:
    """Our header ends as the other lines do."""
    serve(line_ending=line_ending)
    await download()
    content = (STAGING / "pages.csv").read_bytes()
    assert (b"\r\n" in content) == (line_ending == "crlf")
    assert content.count(b"\r\n") in (0, content.count(b"\n"))


@pytest.mark.parametrize(
    ("list_text", "kind"), [("json", pa.list_(pa.string())), ("joined", pa.string()), ("first", pa.string())]
)
async def test_lists_are_lists_where_the_encoding_allows_it(serve: Serve, list_text: str, kind: pa.DataType) -> None:
    """§3.7: how a list stands in a CSV is not documented; what is no JSON stays text, and it is said."""
    serve(list_text=list_text)
    columns = (Column(name="url", field="url"), Column(name="h1", field="metadata.h1.contents", multiple=True))
    done = await download(columns=columns)
    assert pq.read_schema(STAGING / "pages.parquet").field("h1").type == kind
    assert [column.column for column in done.staged.kept_as_text] == ([] if list_text == "json" else ["h1"])


@pytest.mark.parametrize("boolean_text", ["lower", "title"])
async def test_booleans_are_booleans_however_they_are_written(serve: Serve, boolean_text: str) -> None:
    """§3.7: `True` or `true`; both were seen or believed."""
    serve(boolean_text=boolean_text)
    compliant = Column(name="ok", field="compliant.is_compliant", kind=ColumnKind.BOOLEAN)
    await download(columns=(Column(name="url", field="url"), compliant))
    assert pq.read_schema(STAGING / "pages.parquet").field("ok").type == pa.bool_()


@pytest.mark.parametrize(
    "faults",
    [
        ["download 1: cut at 1000"],
        ["download 1-5: cut at 1500"],
        ["download 1: cut at 2000", "download 2: expired 410"],
        ["download 1: cut at 2000", "download 2: answer 503 html", "download 3: drop"],
        ["download 1: answer 503 html"],
        ["download 1: drop"],
        ["download 1: flip at 4000"],
        ["download 1: expired 403"],
        ["download 1: expired 404"],
        ["download 1: redirect"],
        ["download 1: length +5"],
        ["read job 1: answer 502 html"],
    ],
)
async def test_whatever_passes_is_survived(serve: Serve, faults: list[str]) -> None:
    """Cuts, a dead link, a flipped bit: fetched on, or again; always the same bytes, always one job."""
    served = serve()
    undisturbed = await download()
    served = serve(*faults)
    done = await download()
    assert done.staged.csv is not None
    assert undisturbed.staged.csv is not None
    assert (done.staged.csv.sha256, done.staged.rows) == (undisturbed.staged.csv.sha256, ROWS)
    assert len(served.sandbox.jobs) == 1


async def test_a_body_that_stays_damaged_is_given_up_with_exit_code_4(serve: Serve) -> None:
    """Three times from zero; the job keeps its file, so the same command may try again."""
    served = serve("download 1+: flip at 4000")
    with pytest.raises(DownloadDamaged):
        await download()
    assert len([seen for seen in served.sandbox.requests if seen.route is Route.DOWNLOAD]) == 3


async def test_a_file_that_is_gone_says_what_a_new_one_costs(serve: Serve) -> None:
    """§5.5: the fresh link is dead, too."""
    serve("download 1+: expired 410")
    with pytest.raises(FileGone) as gone:
        await download()
    assert "--refresh" in gone.value.next_step


@pytest.mark.parametrize(
    ("behaviour", "rows", "check"),
    [
        ({"export_rows_offset": -3}, ROWS, "rows are those counted with the same filter: expected 494, found 491"),
        ({"export_rows_offset": 4}, ROWS, "rows are those counted with the same filter: expected 494, found 498"),
        ({"nb_lines": True, "nb_lines_offset": -10}, ROWS, "rows are those the job reports: expected 484, found 494"),
        ({"nb_lines": True, "nb_lines_offset": 10}, ROWS, "rows are those the job reports: expected 504, found 494"),
        ({}, ROWS + 1, "rows are those counted with the same filter: expected 495, found 494"),
    ],
)
async def test_every_check_can_fail_and_names_its_figures(
    serve: Serve, behaviour: dict[str, Any], rows: int, check: str
) -> None:
    """§8.7: a cut export looks whole; only counting tells. The evidence is kept."""
    serve(**behaviour)
    with pytest.raises(RowsDiffer, match=check) as failure:
        await download(expected=Expectation(rows=rows, urls_total=3811))
    assert (Path(str(failure.value).rpartition("kept in ")[2].rstrip(".")) / "pages.csv").exists()


async def test_a_file_that_is_no_table_is_kept_and_not_fetched_again(serve: Serve) -> None:
    """A whole answer that is a page: more of the same would come."""
    served = serve("download 1+: answer 200 html")
    with pytest.raises(FileRefused, match=r"What came is kept in .*\.refused\."):
        await download()
    assert len([seen for seen in served.sandbox.requests if seen.route is Route.DOWNLOAD]) == 1


async def test_a_url_that_stands_twice_is_found(serve: Serve) -> None:
    """Each URL of a crawl is one row."""
    serve(duplicate_urls=2)
    with pytest.raises(RowsDiffer, match="no URL stands twice"):
        await download(expected=Expectation(rows=3813, urls_total=3813), max_depth=9, max_rows=100_000)


async def test_an_accepted_difference_is_accepted(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """BOTIFY_ROW_TOLERANCE is a share of the rows predicted."""
    serve(export_rows_offset=-3)
    monkeypatch.setenv("BOTIFY_ROW_TOLERANCE", "0.01")
    assert (await download()).staged.rows == ROWS - 3


async def test_what_an_earlier_process_downloaded_is_not_fetched_again(serve: Serve) -> None:
    """The receipt counts as long as every byte holds."""
    served = serve()
    first = await download()
    async with BotifyClient(Settings.load()) as client:
        downloader = Downloader(client, asked(), STAGING)
        seen = len(served.sandbox.requests)
        assert await downloader.download(first.job_id, Arrival()) == first
        assert len(served.sandbox.requests) == seen
        (STAGING / "pages.csv").write_bytes(b"altered")
        again = await downloader.download(first.job_id, Arrival())
    assert again.staged == first.staged


async def test_the_arrival_is_told_in_bytes_and_rows(serve: Serve) -> None:
    """What the progress shows is what came."""
    serve()
    arrival = Arrival()
    done = await download(arrival=arrival)
    assert arrival.received == arrival.expected == done.staged.archive.bytes
    assert arrival.rows == ROWS


async def test_a_download_that_is_cancelled_stops(serve: Serve) -> None:
    """Even while nothing comes: within two seconds, with no thread left that would go on writing."""
    serve("download 1: stall at 100")
    arrival = Arrival()
    running = asyncio.create_task(download(arrival=arrival))
    while arrival.received < 100:  # noqa: ASYNC110  # written by a thread
        await asyncio.sleep(0.01)
    clock = asyncio.get_running_loop().time
    began = clock()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert clock() - began < 2
