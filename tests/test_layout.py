"""The shape of the project: who may import whom."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ("exports", "files", "botify", "ledger", "delivery")
# Each may import what stands before it, never what stands behind it.
ORDER = (*(f"tasks.{package}" for package in CORE), "tasks.artifacts", "tasks", "flows")


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, also inside its functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield str(node.module)


def files(*folders: str) -> list[Path]:
    return sorted(path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.py"))


def room(module: str) -> str | None:
    """The part of the project that a module belongs to."""
    names = [name for name in (*ORDER, "deployments") if module == name or module.startswith(f"{name}.")]
    return max(names, key=len, default=None)


@pytest.mark.parametrize("path", files("tasks", "flows"), ids=str)
def test_imports_point_one_way(path: Path) -> None:
    """flows → tasks → the Prefect-free packages, and never back."""
    here = room(".".join(path.with_suffix("").parts))
    assert here is not None
    allowed = ORDER[: ORDER.index(here) + 1]
    ours = {other for module in imports(ROOT / path) if (other := room(module))}
    if path.parts[:1] == ("flows",) and path.name in ("sandbox.py", "demo.py"):
        ours.discard("deployments")  # two commands start the sandbox; nothing else knows it
    assert ours <= set(allowed)


@pytest.mark.parametrize("path", files(*(f"tasks/{package}" for package in CORE), "deployments/sandbox"), ids=str)
def test_the_core_knows_nothing_of_prefect(path: Path) -> None:
    """What speaks to Botify and what handles files would work under any other scheduler."""
    assert not [module for module in imports(ROOT / path) if module.split(".")[0] == "prefect"]


@pytest.mark.parametrize("path", files("deployments/sandbox"), ids=str)
def test_the_sandbox_knows_nothing_of_the_client(path: Path) -> None:
    """So that the two cannot agree on a mistake."""
    assert not [module for module in imports(ROOT / path) if module.split(".")[0] in ("tasks", "flows")]


def test_the_lock_file_names_no_index() -> None:
    """Exact versions with their hashes, from wherever they are installed."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "--hash=sha256:" in lock
