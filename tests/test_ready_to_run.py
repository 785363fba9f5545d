"""The image and the compose file: no engine runs them here, so every name in them is held against what it names."""

import re
import shlex
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.server.utilities import encryption
from prefect.settings import Settings as PrefectSettings

from tasks.exports.settings import Settings

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
DOCKERFILE = (ROOT / "deployments" / "Dockerfile").read_text().replace("\\\n", " ")
COMPOSE = yaml.safe_load((ROOT / "deployments" / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"] == "botify-export"]
EXAMPLE = dict(re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", (ROOT / "deployments" / "env.example").read_text(), re.MULTILINE))
# Of botocore, not of ours; its documentation names them.
OF_STORAGE = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"}


def instructions(word: str) -> list[str]:
    """What follows each such instruction of the Dockerfile."""
    return re.findall(rf"^{word} (.*)$", DOCKERFILE, re.MULTILINE)


def image_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for line in instructions("ENV") for pair in shlex.split(line))


def printed(*command: str) -> str:
    """What one of the commands beside this Python says."""
    asked = [str(BIN / command[0]), *command[1:]]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout


def environment(service: str) -> dict[str, str]:
    """What a service's process finds, with somebody's passwords filled in."""

    def filled(match: re.Match[str]) -> str:
        assert match["name"] in EXAMPLE, f"{match['name']} is not in env.example"
        return match["default"] or "somebody:secret1"

    text = yaml.safe_dump(SERVICES[service].get("environment", {}))
    named: dict[str, str] = yaml.safe_load(re.sub(r"\$\{(?P<name>\w+):[-?](?P<default>[^}]*)\}", filled, text))
    return image_environment() | named


def commands(service: str) -> list[list[str]]:
    """What a service runs: its own command or the image's, or ours in its script."""
    (of_image,) = instructions("CMD")
    line: list[str] = SERVICES[service].get("command") or yaml.safe_load(of_image)
    if line[:2] == ["sh", "-c"]:
        return [shlex.split(found) for found in re.findall(r"botify-export [\w -]+", line[2])]
    return [line]


@pytest.mark.parametrize("service", OURS)
def test_every_prefect_setting_is_one_that_prefect_reads(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name, and with a value that it accepts: a server with a wrong one does not start."""
    named = {name: value for name, value in environment(service).items() if name.startswith("PREFECT_")}
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    read = PrefectSettings().to_environment_variables(exclude_unset=True)
    # This one Prefect reads without declaring it.
    by_hand = {name for name in named if f'"{name}"' in Path(encryption.__file__).read_text()}
    assert named.keys() == (read.keys() & named.keys()) | by_hand


@pytest.mark.parametrize("service", OURS)
def test_every_setting_of_ours_is_one(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And with these values an export gets under way."""
    named = environment(service)
    for name in named:
        assert not name.startswith("BOTIFY_") or name.removeprefix("BOTIFY_").lower() in Settings.model_fields
        monkeypatch.setenv(name, named[name])
    Settings.load()
    assert {name for name in named if name.startswith("AWS_")} <= OF_STORAGE


@pytest.mark.parametrize("service", OURS)
def test_every_command_exists_with_its_options(service: str) -> None:
    """As its own help lists them."""
    assert commands(service)
    for line in commands(service):
        words = list(takewhile(lambda word: not word.startswith("-"), line))
        options = {word for word in line if word.startswith("--")}
        assert options <= set(re.findall(r"--[a-z-]+", printed(*words, "--help")))


def test_what_is_copied_is_there_and_let_through() -> None:
    """Every source of a COPY exists and stands in .dockerignore, which lets through nothing else; no token does."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {word for line in instructions("COPY") if "--from" not in line for word in line.split()[:-1]}
    assert copied == let_through
    assert all((ROOT / source).exists() for source in copied)
    assert "*" in ignored
    assert "deployments/.env" in ignored


def test_the_image_holds_the_locked_versions() -> None:
    """Those of requirements.lock, each with its hashes, without the tests' tools."""
    pins = {
        name: set(re.findall(r"^([a-z0-9-]+==[^ ;]+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-image.lock")
    }
    assert pins["requirements-image.lock"] < pins["requirements.lock"]
    assert not [pin for pin in pins["requirements-image.lock"] if pin.startswith(("pytest", "mypy", "ruff"))]
    assert "--require-hashes -r requirements-image.lock" in DOCKERFILE
    assert instructions("USER") == ["botify"]


def test_services_volumes_and_passwords_fit_together() -> None:
    """Whom a service waits for is one, a volume is declared, and the example names each password, and none too many."""
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        assert {mount.partition(":")[0] for mount in service.get("volumes", [])} <= set(COMPOSE["volumes"])
        for name, waited in service.get("depends_on", {}).items():
            assert waited["condition"] != "service_healthy" or "healthcheck" in SERVICES[name]
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "deployments" / "compose.yaml").read_text()))
    assert used == set(EXAMPLE)
    assert SERVICES["server"]["environment"]["PREFECT_SERVER_API_AUTH_STRING"].endswith(":?}")
    assert "/deployments/.env" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_page_on_operations_names_what_there_is() -> None:
    """Settings and commands, as somebody would type them."""
    page = (ROOT / "deployments" / "OPERATIONS.md").read_text()
    of_services = {name for service in OURS for name in environment(service)}
    assert set(re.findall(r"\bPREFECT_[A-Z_]+\b", page)) <= of_services
    assert {name.lower() for name in re.findall(r"\bBOTIFY_([A-Z_]+)\b", page)} <= set(Settings.model_fields)
    commands = set(re.findall(r"(?:^|`)(botify-export [a-z-]+|prefect [a-z-]+ [a-z-]+)", page, re.MULTILINE))
    assert commands
    for command in commands:
        printed(*command.split(), "--help")
