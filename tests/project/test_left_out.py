"""The promise of ``--require-all``: a run that left a test out cannot be green, unless it may be left out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SUITE = """
import pytest

def test_plain(): pass

@pytest.mark.slow
def test_slow(): pass

@pytest.mark.corpus
def test_corpus(): pass

@pytest.mark.live
def test_live(): pass

@pytest.mark.fuzz
def test_fuzz(): pass
"""
SKIPPING = "\ndef test_skipping():\n    pytest.skip('not today')\n"
SETTINGS = "[pytest]\nmarkers =\n    slow: x\n    corpus: x\n    live: x\n    fuzz: x\n"


def run(folder: Path, *arguments: str, suite: str = SUITE, corpus: str = "") -> tuple[int, str]:
    (folder / "test_it.py").write_text(suite, "utf-8")
    (folder / "pytest.ini").write_text(SETTINGS, "utf-8")
    shutil.copy(Path(__file__).parents[1] / "conftest.py", folder / "conftest.py")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"DAYLIGHT_CORPUS": corpus, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "xdist", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = re.search(r"^left out: .*$", done.stdout, re.MULTILINE)
    return done.returncode, said.group() if said else ""


both_ways = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])


def test_corpus_live_and_fuzz_may_be_left_out(tmp_path):
    code, said = run(tmp_path, "-m", "not corpus and not live and not fuzz", "--require-all")
    marked = ", ".join(f"1 deselected (marked {name})" for name in ("corpus", "fuzz", "live"))
    assert (code, said) == (0, f"left out: 3 tests: {marked}")


@both_ways
def test_anything_else_may_not(tmp_path, workers):
    code, said = run(tmp_path, "-m", "not slow and not live", "--require-all", *workers)
    assert code == 1
    assert "1 deselected, 1 deselected (marked corpus), 1 deselected (marked live)" in said


def test_without_the_option_it_is_only_said(tmp_path):
    code, said = run(tmp_path, "-m", "not slow")
    assert (code, said) == (0, "left out: 2 tests: 1 deselected, 1 deselected (marked corpus)")


@both_ways
def test_a_skip_counts_too(tmp_path, workers):
    code, said = run(tmp_path, "--require-all", *workers, suite=SUITE + SKIPPING)
    assert code == 1
    assert "1 skipped" in said


def test_the_corpus_run_demands_the_corpus_tests(tmp_path):
    asked = ("-m", "corpus", "--require-all=corpus")
    assert run(tmp_path, *asked, corpus=str(tmp_path))[0] == 0
    assert run(tmp_path, *asked, corpus="")[0] == 5  # nothing was run: pytest's own refusal
    skipping = SUITE + "\n@pytest.mark.corpus" + SKIPPING
    assert run(tmp_path, *asked, suite=skipping, corpus=str(tmp_path))[0] == 1
