"""A worker starts threads, and no program."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from records import isolation

CODE = """
import ctypes, os, subprocess, threading
from records import isolation
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
print(isolation.forbid_programs())
thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()
for attempt in (os.fork, lambda: subprocess.run(["/bin/true"]), lambda: os.execv("/bin/true", ["true"]),
                lambda: os.posix_spawn("/bin/true", ["true"], {})):
    try:
        attempt()
        print("started")
    except PermissionError:
        print("refused")
"""


def test_no_program_can_be_started():
    assert platform.machine() in isolation._CALLS, "write the calls of this processor into isolation.py"
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "thread", *["refused"] * 4]


def test_an_unknown_processor_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(platform, "machine", lambda: "pdp11")
    assert isolation.forbid_programs() is False


READ_ONE = r"""
from zoneinfo import ZoneInfo
from extract.protocol import ExtractContext, Limits
from extract.workers import Job, Worker
context = ExtractContext(None, None, ZoneInfo("UTC"), (), 0, Limits(), {})
job = Job(0, b"From: a@b.example\nSubject: s\n\nhi", context, "message/rfc822")
with Worker() as worker:
    print(*[made.extractor_name for made in worker.submit([job])])
"""


def test_a_checkout_in_the_folder_that_workers_do_not_see_works_all_the_same():
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        for room in ("extract", "records"):
            shutil.copytree(root / room, Path(folder, "checkout", room))
        done = subprocess.run(
            [sys.executable, "-c", READ_ONE],
            cwd=Path(folder, "checkout"), capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert Path(folder, "checkout", "extract", "workers.py").is_file()
    assert done.stdout.split() == ["mail"]
