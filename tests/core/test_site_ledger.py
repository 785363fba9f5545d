"""The ledger of whole-site exports: one plan, kept, and what each slice still has to be."""

import json
from pathlib import Path

import pytest

from tasks.exports.errors import DataFolderUnusable
from tasks.exports.filters import Depths, NoDepth, ToDepth
from tasks.exports.request import ExportRequest
from tasks.exports.site import SiteRequest
from tasks.exports.slices import Slice, SlicePlan
from tasks.ledger.ledger import Ledger
from tasks.ledger.record import ExportRecord, State
from tasks.ledger.sites import SiteLedger, SiteRecord, SiteState
from tests.core.conversation import request

DATA = Path("data")
FOLDER = DATA / ".botify-export" / "sites"
ONE = request()
SITE = SiteRequest(
    api=ONE.api, org=ONE.org, project=ONE.project, analysis=ONE.analysis, columns=ONE.columns, max_rows=ONE.max_rows
)
PLAN = SlicePlan(
    slices=(
        Slice(filter=ToDepth(max_depth=2), rows=494),
        Slice(filter=Depths(first_depth=3, last_depth=7), rows=900),
        Slice(filter=NoDepth(), rows=5),
    ),
    urls_total=1399,
    urls_without_depth=5,
    max_rows=1000,
)
OTHER_PLAN = PLAN.model_copy(update={"slices": (Slice(filter=Depths(first_depth=0, last_depth=7), rows=1399),)})


def sites() -> SiteLedger:
    return SiteLedger.in_folder(DATA)


def path_of(site: SiteRequest = SITE) -> Path:
    return FOLDER / f"{site.fingerprint}.json"


def slice_is(number: int, state: State, generation: int = 1, job_id: str | None = "7") -> None:
    """Write down how far a slice is."""
    asked = SITE.slices(PLAN)[number]
    record = ExportRecord.intent(asked, None).model_copy(update={"generation": generation})
    Ledger.in_folder(DATA).write(record.now(state, job_id=job_id))


def state_of(asked: ExportRequest) -> State:
    record = Ledger.in_folder(DATA).find(asked)
    assert record is not None
    return record.state


def begun() -> SiteRecord:
    return sites().write(sites().planned(SITE, PLAN, refresh=False))


def published(*, generation: int = 1) -> SiteRecord:
    """A site whose slices are all merged, in this generation."""
    for number in range(3):
        slice_is(number, State.DOWNLOADED, generation)
    return sites().published(begun().model_copy(update={"generation": generation}))


def wanted_anew(record: SiteRecord) -> list[int]:
    return [number for number in range(3) if sites().needs_refresh(record, number)]


def test_a_record_comes_back_as_it_was_written() -> None:
    """Request, plan and all."""
    record = begun()
    assert sites().find(SITE) == record
    assert list(sites().all()) == [record]
    assert [each.filter for each in record.slices] == [each.filter for each in PLAN.slices]
    assert [each.expected.rows for each in record.slices] == [494, 900, 5]


def test_planning_writes_nothing() -> None:
    """What the limit of credits refuses leaves no trace."""
    for refresh in (False, True):
        sites().planned(SITE, PLAN, refresh=refresh)
    assert not DATA.exists()
    before = begun()
    for refresh in (False, True):
        sites().planned(SITE, OTHER_PLAN, refresh=refresh)
    assert sites().find(SITE) == before


@pytest.mark.parametrize("refresh", [False, True])
def test_the_first_plan_is_kept(refresh: bool) -> None:
    """Other slices would be other jobs, and the ones paid for would be lost."""
    begun()
    assert sites().planned(SITE, OTHER_PLAN, refresh=refresh).plan == PLAN


def test_another_site_has_a_record_of_its_own() -> None:
    """Another limit, other columns: another export."""
    begun()
    assert sites().find(SITE.model_copy(update={"max_rows": 999})) is None
    assert sites().find(SITE.model_copy(update={"columns": ONE.columns[:1]})) is None


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b'{"version": 1}', b"\xff\xfe", b'{"version": "x"}'])
def test_a_damaged_record_is_set_aside_and_named(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Every byte of it is kept; the site is sliced anew, into the slices whose jobs the other ledger knows."""
    begun()
    path_of().write_bytes(content)
    assert list(sites().all()) == [SITE.fingerprint]
    assert sites().find(SITE) is None
    (aside,) = FOLDER.iterdir()
    assert aside.read_bytes() == content
    assert str(aside) in caplog.text
    assert sites().planned(SITE, OTHER_PLAN, refresh=False).plan == OTHER_PLAN


def test_a_record_of_a_newer_version_is_left_alone() -> None:
    """An older program must neither read it its own way nor call it damaged."""
    begun()
    newer = json.dumps(json.loads(path_of().read_text()) | {"version": 2, "unheard": "of"})
    path_of().write_text(newer)
    with pytest.raises(DataFolderUnusable, match="written by a newer botify-export") as refusal:
        sites().find(SITE)
    assert "Update" in refusal.value.next_step
    assert path_of().read_text() == newer


def test_a_record_that_cannot_be_read_is_an_error_and_not_a_miss() -> None:
    """Else the site would be sliced, and paid for, again (a folder stands for an I/O error)."""
    path_of().mkdir(parents=True)
    with pytest.raises(DataFolderUnusable, match="cannot be read"):
        sites().planned(SITE, PLAN, refresh=False)


def test_what_is_published_is_merged_in_every_slice() -> None:
    """But for an export to a depth that stands published by itself."""
    slice_is(0, State.PUBLISHED)
    slice_is(1, State.DOWNLOADED)
    slice_is(2, State.DONE)
    record = sites().published(begun())
    assert record.state is SiteState.PUBLISHED
    assert record.published_at is not None
    assert [state_of(each) for each in record.slices] == [State.PUBLISHED, State.MERGED, State.MERGED]
    assert sites().find(SITE) == record


def test_a_site_that_was_never_begun_wants_nothing_anew() -> None:
    """Each slice's first export is enough, also one that was made before the site was asked for."""
    slice_is(0, State.PUBLISHED)
    record = sites().planned(SITE, PLAN, refresh=False)
    assert (record.generation, wanted_anew(record)) == (1, [])


def test_a_refresh_of_a_published_site_wants_every_slice_anew() -> None:
    """Another folder, and each slice one generation more than it has."""
    published()
    slice_is(1, State.MERGED, generation=4)
    record = sites().planned(SITE, PLAN, refresh=True)
    assert (record.state, record.generation, record.published_at) == (SiteState.PLANNED, 2, None)
    assert record.name == f"{SITE.name}-r2"
    assert record.slice_generations == (2, 5, 2)
    assert wanted_anew(record) == [0, 1, 2]


def test_a_refresh_of_what_was_only_exported_to_a_depth_wants_that_depth_anew() -> None:
    """The first export of the site, but not of its first slice; what has no job yet is made once."""
    slice_is(0, State.PUBLISHED)
    record = sites().planned(SITE, PLAN, refresh=True)
    assert (record.generation, record.slice_generations, wanted_anew(record)) == (1, (2, 1, 1), [0])


@pytest.mark.parametrize("refresh", [False, True])
def test_an_interrupted_refresh_pays_for_each_slice_once(refresh: bool) -> None:
    """With `--refresh` again, or without it: what is made is made, what is not is wanted still."""
    published()
    sites().write(sites().planned(SITE, PLAN, refresh=True))
    slice_is(0, State.DOWNLOADED, generation=2)
    slice_is(1, State.SUBMITTED, generation=2)
    again = sites().planned(SITE, PLAN, refresh=refresh)
    assert (again.generation, wanted_anew(again)) == (2, [2])


def test_a_refresh_of_what_is_under_way_wants_only_what_is_gone() -> None:
    """The other slices were paid for, and can be had."""
    begun()
    slice_is(0, State.GONE)
    slice_is(1, State.SUBMITTED)
    slice_is(2, State.FAILED)
    assert wanted_anew(sites().planned(SITE, PLAN, refresh=False)) == []
    record = sites().write(sites().planned(SITE, PLAN, refresh=True))
    assert (record.generation, wanted_anew(record)) == (1, [0])
    slice_is(0, State.SUBMITTED, generation=2)
    assert wanted_anew(sites().planned(SITE, PLAN, refresh=True)) == []
    slice_is(0, State.GONE, generation=2)
    assert wanted_anew(sites().planned(SITE, PLAN, refresh=True)) == [0]


def test_a_refresh_joins_one_of_a_slice_that_is_under_way() -> None:
    """`run --refresh` of the depth was interrupted: its job is new enough."""
    published()
    slice_is(0, State.SUBMITTED, generation=2)
    record = sites().planned(SITE, PLAN, refresh=True)
    assert (record.slice_generations, wanted_anew(record)) == ((2, 2, 2), [1, 2])


@pytest.mark.parametrize("damage", ["deleted", "damaged"])
def test_a_slice_whose_record_was_lost_is_paid_for_once_more_and_not_twice(damage: str) -> None:
    """It begins anew; the run that makes its job may be killed, and the next one has it."""
    published()
    record = sites().write(sites().planned(SITE, PLAN, refresh=True))
    lost = DATA / ".botify-export" / "ledger" / f"{record.slices[1].fingerprint}.json"
    if damage == "deleted":
        lost.unlink()
    else:
        lost.write_text("{")
    for refresh in (False, True):
        again = sites().write(sites().planned(SITE, PLAN, refresh=refresh))
        assert wanted_anew(again) == [0, 2]
    slice_is(1, State.SUBMITTED)
    assert wanted_anew(sites().planned(SITE, PLAN, refresh=False)) == [0, 2]


def test_a_published_site_that_has_to_be_made_again_is_under_way() -> None:
    """Its files do not hold: whoever asks for a refresh now pays only for what Botify has lost."""
    published()
    record = sites().write(sites().planned(SITE, PLAN, refresh=False))
    assert (record.state, record.generation, record.published_at) == (SiteState.PLANNED, 1, None)
    slice_is(1, State.GONE)
    again = sites().planned(SITE, PLAN, refresh=True)
    assert (again.generation, wanted_anew(again)) == (1, [1])


def test_finding_a_site_by_name() -> None:
    """Its folder's name, its fingerprint, or the beginning of that: six characters or more."""
    record = begun()
    for name in (record.name, SITE.fingerprint, SITE.fingerprint[:6]):
        assert sites().named(name) == record
    for name in (SITE.fingerprint[:5], "", "site", "nothing"):
        assert sites().named(name) is None
