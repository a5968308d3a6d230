"""The linters and the type checker, as tests, so that a plain pytest shows them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def _run(*command: str) -> None:
    done = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]


def test_ruff_finds_nothing():
    _run("ruff", "check", ".")


def test_every_file_is_formatted():
    _run("ruff", "format", "--check", ".")


def test_rooms_import_along_the_arrows_only():
    _run("lint-imports")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_types_hold():
    _run("mypy")
