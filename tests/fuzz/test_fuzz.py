"""``make fuzz``: every reader of ours against changed samples; nothing but documented errors may come out."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(0)]


@pytest.mark.parametrize("name", TARGETS)
def test_only_documented_errors_come_out(request: pytest.FixtureRequest, name: str) -> None:
    minutes = request.config.getoption("--fuzz-minutes")
    seed = request.config.getoption("--fuzz-seed")
    folder = Path(request.config.getoption("--fuzz-out") or Path(tempfile.gettempdir()) / "daylight-fuzz")
    seed = time.time_ns() % 1_000_000 if seed is None else seed
    print(f"\n{name}: seed {seed}", flush=True)
    asked = [name, f"--minutes={minutes}", f"--seed={seed}", f"--out={folder}"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *asked],
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    print(done.stdout.splitlines()[-1] if done.stdout else "", flush=True)
    assert done.returncode == 0, done.stderr[-6000:]
