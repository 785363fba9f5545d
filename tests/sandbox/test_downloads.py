import asyncio

import httpx
import pytest

from tests.sandbox.conversation import Conversation, talking

pytestmark = pytest.mark.anyio


async def made(botify: Conversation) -> tuple[str, bytes]:
    """A link, and the file behind it."""
    job = await botify.create()
    return await botify.link(job), (await botify.download(await botify.link(job))).content


async def test_no_token_is_needed_and_one_that_came_is_on_record() -> None:
    """§5.5, §8.17: downloads need no auth; a token sent to the CDN host is a leak that the ledger shows."""
    async with talking() as botify:
        link, _ = await made(botify)
        assert (await botify.download(link)).status_code == 200
        await botify.client.get(link)
        assert [seen.authorization for seen in botify.sandbox.requests[-2:]] == ["", "Token sandbox-token"]


async def test_only_the_hash_opens_a_file() -> None:
    """§5.5: secrecy rests on the hash."""
    async with talking() as botify:
        link, _ = await made(botify)
        assert (await botify.download(link.replace("collection_exports", "exports"))).status_code == 403


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=100-", 100, None), ("bytes=0-99", 0, 100), ("bytes=-50", -50, None), ("bytes=100-999999", 100, None)],
)
async def test_a_range_is_served(asked: str, start: int, stop: int | None) -> None:
    """§5.5: CloudFront and S3 serve Range, ETag and Content-Length."""
    async with talking() as botify:
        link, content = await made(botify)
        answer = await botify.download(link, range=asked)
    first, last = start % len(content), (stop or len(content)) - 1
    assert (answer.status_code, answer.content) == (206, content[start:stop])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(content)}"
    assert answer.headers["content-length"] == str(last - first + 1)


async def test_a_range_beyond_the_end_is_not_satisfiable() -> None:
    """§5.5: as S3 answers when a file is already whole."""
    async with talking() as botify:
        link, content = await made(botify)
        answer = await botify.download(link, range=f"bytes={len(content)}-")
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(content)}")


async def test_if_range_serves_the_rest_only_of_the_same_file() -> None:
    """§5.5: with another tag the whole file comes."""
    async with talking() as botify:
        link, content = await made(botify)
        tag = (await botify.download(link)).headers["etag"]
        same = await botify.download(link, range="bytes=9-", **{"if-range": tag})
        other = await botify.download(link, range="bytes=9-", **{"if-range": '"other"'})
    assert (same.status_code, same.content) == (206, content[9:])
    assert (other.status_code, other.content) == (200, content)


async def test_ranges_may_be_ignored() -> None:
    """§9.3: Range support is unknown."""
    async with talking(ranges=False) as botify:
        link, content = await made(botify)
        answer = await botify.download(link, range="bytes=9-")
    assert (answer.status_code, answer.content, "accept-ranges" in answer.headers) == (200, content, False)


async def test_tags_may_change_or_be_absent() -> None:
    """§9.3: ETag support is unknown."""
    async with talking(entity_tag="changing") as botify:
        link, content = await made(botify)
        tag = (await botify.download(link)).headers["etag"]
        assert (await botify.download(link, range="bytes=9-", **{"if-range": tag})).content == content
    async with talking(entity_tag="absent") as botify:
        link, content = await made(botify)
        answer = await botify.download(link, range="bytes=9-")
        assert (answer.content, "etag" in answer.headers) == (content[9:], False)


async def test_a_link_expires_after_some_downloads() -> None:
    """§9.3: lifetime unknown; reading the job again may renew the link."""
    async with talking(link_downloads=1, expired_status=410) as botify:
        job = await botify.create()
        link = await botify.link(job)
        assert [(await botify.download(link)).status_code for _ in range(2)] == [200, 410]
        assert (await botify.download(await botify.link(job))).status_code == 200


async def test_a_link_expires_after_some_seconds() -> None:
    """§9.3: in the time of the loop."""
    async with talking(link_seconds=60) as botify:
        link = await botify.link(await botify.create())
        await asyncio.sleep(59)
        assert (await botify.download(link)).status_code == 200
        await asyncio.sleep(1)
        assert (await botify.download(link)).status_code == 403


async def test_the_link_may_always_be_the_same() -> None:
    """§5.5: whether the URL is renewed is unknown; then an expired one stays so."""
    async with talking(fresh_links=False, link_downloads=1) as botify:
        job = await botify.create()
        assert await botify.link(job) == await botify.link(job)
        assert [(await botify.download(await botify.link(job))).status_code for _ in range(2)] == [200, 403]


async def test_a_host_that_is_not_the_sandbox_cannot_be_reached() -> None:
    """§1.1: a test that leaves the sandbox by mistake must not reach Botify."""
    async with talking() as botify:
        with pytest.raises(httpx.ConnectError):
            await botify.client.get("https://api.botify.com/v1/jobs")
