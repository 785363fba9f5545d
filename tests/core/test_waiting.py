"""Waiting for a job (botify-api.md §5.1, §5.2)."""

import logging

import pytest

from deployments.sandbox import Route, Sandbox
from tasks.botify.jobs import Created, Job, create_job
from tasks.botify.waiting import Look, failure_of, wait_for_job
from tasks.exports.errors import AccessDenied, FileGone, JobStillRunning
from tests.core.conversation import BOOST, client_of, request, requests_to, sandbox

pytestmark = pytest.mark.anyio


async def waited(botify: Sandbox, looks: list[Look] | None = None, **settings: object) -> Job:
    """Create a job and wait for it."""
    async with client_of(botify, **settings) as client:
        outcome = await create_job(client, request().payload("tag"))
        assert isinstance(outcome, Created)
        return await wait_for_job(
            client, BOOST.project, outcome.job.job_id, (looks if looks is not None else []).append
        )


@pytest.mark.parametrize("job_id", ["integer", "string"])
async def test_a_job_is_waited_for_until_it_is_done(job_id: str) -> None:
    """§5.1: CREATED, PROCESSING, DONE; §4.2: the id is a number or a string."""
    looks: list[Look] = []
    job = await waited(sandbox(job_seconds=600, job_id=job_id), looks)
    assert job.is_done
    assert job.results.download_url is not None
    assert {look.status for look in looks} == {"CREATED", "PROCESSING"}


async def test_the_waits_grow_from_two_to_thirty_seconds() -> None:
    """Patient: 20 looks in ten minutes, not 300."""
    looks: list[Look] = []
    await waited(sandbox(job_seconds=600), looks)
    assert 1.5 < looks[0].next_in < 2.5
    assert 20 < looks[-2].next_in <= 30
    assert len(looks) < 35


async def test_an_unknown_word_means_still_running_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """§5.1: DONE and FAILED are final, any other value is not."""
    with caplog.at_level(logging.WARNING, "botify_export"):
        job = await waited(sandbox(job_seconds=300, running_status="SHUFFLING"))
    assert job.is_done
    assert [record.getMessage() for record in caplog.records].count(
        "Job 1001 is 'SHUFFLING', a word not seen before: taken for still running."
    ) == 1


@pytest.mark.parametrize(
    "fault",
    ["answer 429", "answer 502 html", "answer 200 garbage", "answer 200 html", "stall", "drop", "answer 404 code 1000"],
)
async def test_one_bad_look_never_ends_the_wait(fault: str) -> None:
    """§7.3, §8.11: the job goes on, and so does the waiting."""
    job = await waited(sandbox(f"read job 2-3: {fault}", job_seconds=60))
    assert job.is_done


async def test_a_refused_token_ends_the_wait() -> None:
    """A look that says no will say it again."""
    with pytest.raises(AccessDenied):
        await waited(sandbox("read job 2: answer 403 code 1002", job_seconds=60))


async def test_a_job_that_botify_no_longer_knows_is_gone() -> None:
    """A 404 that stays; nothing is paid for again without being asked."""
    with pytest.raises(FileGone, match="no longer knows job 1001") as gone:
        await waited(sandbox("read job 1+: answer 404 code 1000", job_seconds=60))
    assert "--refresh" in gone.value.next_step


async def test_the_deadline_comes_after_one_last_look() -> None:
    """Exit code 4: the job stays known, and goes on at Botify."""
    botify = sandbox("create job 1: never finish")
    with pytest.raises(JobStillRunning, match=r"after 3,60\d s") as running:
        await waited(botify, job_timeout=3600)
    looks = [seen.loop_at for seen in botify.requests if seen.route is Route.READ_JOB]
    assert looks[-1] - looks[0] == pytest.approx(3600, abs=1)
    assert running.value.exit_code == 4


async def test_a_job_that_is_done_at_the_deadline_is_done() -> None:
    """The last look counts."""
    assert (await waited(sandbox(job_seconds=100), job_timeout=100.5)).is_done


async def test_no_patience_means_one_look() -> None:
    """BOTIFY_JOB_TIMEOUT=0."""
    botify = sandbox("create job 1: never finish")
    with pytest.raises(JobStillRunning):
        await waited(botify, job_timeout=0)
    assert requests_to(botify, Route.READ_JOB) == 1


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ("none", "gave no reason"),
        ("error disk full", "disk full"),
        ("failure-reason disk full", "disk full"),
        ("results disk full", "disk full"),
    ],
)
async def test_a_failed_job_says_all_that_botify_said(shape: str, said: str) -> None:
    """§5.2: the body of a FAILED job is not known; every place that others found is read."""
    botify = sandbox(f"create job 1: fail {shape}")
    job = await waited(botify)
    assert job.has_failed
    async with client_of(botify) as client:
        failure = await failure_of(client, request(), job)
    assert said in str(failure)
    assert "The same query is answered without an error." in str(failure)
    assert failure.exit_code == 3


async def test_the_query_of_a_failed_job_is_asked_for_the_real_reason() -> None:
    """§8.10: FAILED comes without a reason; `/query?size=1` gives it."""
    botify = sandbox("create job 1: fail", "query 1: answer 400 code 1029")
    job = await waited(botify)
    async with client_of(botify) as client:
        failure = await failure_of(client, request(), job)
    assert "(1029)" in str(failure)
    assert botify.requests[-1].query["size"] == "1"
