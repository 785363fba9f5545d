import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deployments.sandbox import (
    TOKEN,
    Addresses,
    Behaviour,
    BehaviourTextError,
    Sandbox,
    read_fault,
    serve_until_interrupted,
    serving,
)
from tests.sandbox.conversation import URLS_AT_DEPTH_1, export, table

HEADERS = {"authorization": f"Token {TOKEN}"}


def has_ipv6_loopback() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(Behaviour(compression="plain"))


@pytest.fixture
def addresses(sandbox: Sandbox) -> Iterator[Addresses]:
    with serving(sandbox) as found:
        yield found


def link_over(addresses: Addresses) -> str:
    """Create a job over the socket and give its download URL."""
    job = httpx.post(f"{addresses.api_url}/jobs", headers=HEADERS, json=export()).json()
    read = httpx.get(f"{addresses.api_url}/jobs/{job['job_id']}", headers=HEADERS).json()
    return str(read["results"]["download_url"])


def raw_answer(addresses: Addresses, request: str) -> bytes:
    """All bytes that come until the connection is closed."""
    port = httpx.URL(addresses.api_url).port
    with socket.create_connection(("127.0.0.1", port or 0), timeout=5) as connection:
        connection.sendall(f"{request} HTTP/1.1\r\nhost: x\r\nauthorization: Token {TOKEN}\r\n\r\n".encode())
        received = b""
        while chunk := connection.recv(4096):
            received += chunk
    return received


def test_both_hosts_are_served_on_loopback(addresses: Addresses) -> None:
    """§10: the download host is another host."""
    link = link_over(addresses)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", addresses.api_url)
    assert link.startswith(f"{addresses.files_url}/collection_exports/")
    assert re.fullmatch(r"http://localhost:\d+", addresses.files_url)
    assert addresses.project_urls[0] == "https://app.botify.com/sandbox/www.boost.org/"
    assert len(table(httpx.get(link).content)) == URLS_AT_DEPTH_1


@pytest.mark.skipif(not has_ipv6_loopback(), reason="no ::1 here")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_localhost_is_both_of_its_addresses(addresses: Addresses, host: str) -> None:
    """§10: localhost is ::1 to some, 127.0.0.1 to others."""
    link = link_over(addresses)
    assert httpx.get(link.replace("localhost", host)).status_code == 200


def test_nothing_is_left_when_the_block_ends(sandbox: Sandbox) -> None:
    """§10: neither threads nor open ports, even with a request that stalls."""
    sandbox.add_fault(read_fault("profile: stall"))
    with serving(sandbox) as addresses:
        port = httpx.URL(addresses.api_url).port or 0
        stalled = socket.create_connection(("127.0.0.1", port), timeout=5)
        stalled.sendall(b"GET /v1/authentication/profile HTTP/1.1\r\nhost: x\r\n\r\n")
        while not sandbox.requests:
            threading.Event().wait(0.001)
    with stalled, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    assert "sandbox" not in {thread.name for thread in threading.enumerate()}


def test_a_port_that_is_taken_is_an_error(addresses: Addresses, sandbox: Sandbox) -> None:
    """§10: two sandboxes cannot share a port."""
    with pytest.raises(OSError, match="in use"), serving(sandbox, api_port=httpx.URL(addresses.api_url).port or 0):
        pass


def test_a_state_outlives_its_sockets(sandbox: Sandbox) -> None:
    """§5.3: jobs are there for a client that comes back."""
    with serving(sandbox) as addresses:
        link_over(addresses)
    with serving(sandbox) as addresses:
        listed = httpx.get(f"{addresses.api_url}/jobs", headers=HEADERS).json()
    assert listed["count"] == 1


@pytest.mark.parametrize(("effect", "jobs"), [("drop", 0), ("do, then drop", 1)])
def test_a_drop_closes_the_connection_without_a_byte(
    addresses: Addresses, sandbox: Sandbox, effect: str, jobs: int
) -> None:
    """§8.9: the client cannot know whether the job was made."""
    sandbox.add_fault(read_fault(f"list jobs: {effect}"))
    sandbox.add_fault(read_fault(f"create job: {effect}"))
    assert raw_answer(addresses, "GET /v1/jobs") == b""
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{addresses.api_url}/jobs", headers=HEADERS, json=export())
    assert len(sandbox.jobs) == jobs
    assert httpx.get(f"{addresses.api_url}/jobs", headers=HEADERS).status_code == 200


@pytest.mark.parametrize(
    ("effect", "error", "length"),
    [
        ("cut at 100", httpx.RemoteProtocolError, 100),
        ("length +5", httpx.RemoteProtocolError, None),
        ("stall at 100", httpx.ReadTimeout, 100),
    ],
)
def test_a_body_breaks_on_its_way(
    addresses: Addresses, sandbox: Sandbox, effect: str, error: type[Exception], length: int | None
) -> None:
    """§5.5: the same exceptions as in process, after the same bytes."""
    sandbox.add_fault(read_fault(f"download 2: {effect}"))
    link, received = link_over(addresses), b""
    whole = httpx.get(link).content
    with pytest.raises(error), httpx.stream("GET", link, timeout=0.2) as answer:  # noqa: PT012
        for chunk in answer.iter_raw():
            received += chunk
    assert received == whole[:length]


def test_a_body_may_be_short_without_a_sign(addresses: Addresses, sandbox: Sandbox) -> None:
    """§5.5: a Content-Length that is too small hides the end of the file."""
    sandbox.add_fault(read_fault("download 2: length -7"))
    link = link_over(addresses)
    assert httpx.get(link).content[:-7] == httpx.get(link).content


def test_a_stall_lasts_until_the_client_gives_up(addresses: Addresses, sandbox: Sandbox) -> None:
    """§10: read timeout after the job was made."""
    sandbox.add_fault(read_fault("create job: do, then stall"))
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{addresses.api_url}/jobs", headers=HEADERS, json=export(), timeout=0.2)
    assert len(sandbox.jobs) == 1


def test_a_delayed_answer_arrives(addresses: Addresses, sandbox: Sandbox) -> None:
    """§4.8: POST can be slow."""
    sandbox.add_fault(read_fault("create job: delay 0.01"))
    assert httpx.post(f"{addresses.api_url}/jobs", headers=HEADERS, json=export()).status_code == 201


def test_a_redirected_download_arrives(addresses: Addresses, sandbox: Sandbox) -> None:
    """§5.5: the other name of the download host is served too."""
    sandbox.add_fault(read_fault("download 1: redirect"))
    answer = httpx.get(link_over(addresses), follow_redirects=True)
    assert (answer.url.host, answer.status_code) == ("127.0.0.1", 200)


# The command line


def test_the_command_serves_until_it_is_interrupted() -> None:
    """§10: it prints what to set and what to paste."""
    command = [
        sys.executable,
        "-m",
        "deployments.sandbox",
        "--api-port",
        "0",
        "--files-port",
        "0",
        "--job-seconds",
        "0",
    ]
    command += ["--behaviour", "nb-lines=true", "job_id=string", "--fault", "list jobs: answer 429"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        printed = [process.stdout.readline() for _ in range(8)]
        api_url = next(line.partition("=")[2].strip() for line in printed if "BOTIFY_API_URL=" in line)
        assert httpx.get(f"{api_url}/jobs", headers=HEADERS).status_code == 429
        job = httpx.post(f"{api_url}/jobs", headers=HEADERS, json=export()).json()
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=5)
    assert (process.returncode, complaints, job["job_id"]) == (0, "", "1001")
    assert f"  export BOTIFY_API_TOKEN={TOKEN}\n" in printed
    assert "  https://app.botify.com/sandbox/www.postgresql.org/\n" in printed


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--fault", "explode"], "is not ROUTE WHEN: EFFECT"),
        (["--behaviour", "colour=blue"], "no switch is called 'colour'; there are: job_seconds"),
        (["--behaviour", "scale=0"], "scale=0: input should be greater than or equal to 1"),
        (["--behaviour", "compression=rar"], "compression=rar: input should be 'as-asked', 'gzip'"),
        (["--behaviour", "scale"], "'scale' is not name=value"),
    ],
)
def test_a_wrong_option_is_explained(options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """§10: every switch has a name and its values."""
    assert serve_until_interrupted(options) == 2
    assert complaint in capsys.readouterr().err


def test_the_help_lists_switches_and_effects(capsys: pytest.CaptureFixture[str]) -> None:
    """§10: the ambiguous points, by name."""
    with pytest.raises(SystemExit):
        serve_until_interrupted(["--help"])
    printed = capsys.readouterr().out
    assert all(f" {name}=" in printed for name in Behaviour.model_fields)
    assert "do, then drop" in printed


def test_ports_that_are_taken_are_explained(addresses: Addresses, capsys: pytest.CaptureFixture[str]) -> None:
    """§10: another sandbox may be running."""
    port = str(httpx.URL(addresses.api_url).port)
    assert serve_until_interrupted(["--api-port", port, "--files-port", "0"]) == 2
    assert "are not both free" in capsys.readouterr().err


def test_switches_are_read_from_text() -> None:
    """§10: hyphens and underscores are the same."""
    assert Behaviour.from_texts(["nb-lines=yes", "list_text=joined", "link-downloads=2"]) == Behaviour(
        nb_lines=True, list_text="joined", link_downloads=2
    )
    with pytest.raises(BehaviourTextError):
        Behaviour.from_texts(["nb_lines=perhaps"])
