"""What a pass loads, and where its memory comes from: seen in a fresh process."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

ROOT = Path(__file__).parents[2]
PASS = """
import sys
from pathlib import Path
import pyarrow as pa
from tasks.files.staging import Limits, stage
from tests.files.sample_export import COLUMNS, header, lines
stage(iter([header(), *lines(10)]), COLUMNS, Path(sys.argv[1]), limits=Limits())
print(pa.default_memory_pool().backend_name, "pandas" in sys.modules)
"""


@pytest.mark.skipif("jemalloc" not in pa.supported_memory_backends(), reason="this pyarrow was built without jemalloc")
@pytest.mark.parametrize(
    ("setting", "backend"), [({}, "jemalloc"), ({"ARROW_DEFAULT_MEMORY_POOL": "system"}, "system")]
)
def test_a_pass_is_lean(tmp_path: Path, setting: dict[str, str], backend: str) -> None:
    """No pandas, which Arrow loads where it makes a Python value its own; jemalloc, unless Arrow's setting differs."""
    environment = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    ended = subprocess.run(
        [sys.executable, "-c", PASS, str(tmp_path)],
        cwd=ROOT,
        env=environment | setting,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert ended.stdout.split() == [backend, "False"]
