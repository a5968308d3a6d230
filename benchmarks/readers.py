"""The common open reader of each export, as a separate program: fetched from its registry, never linked.

What was fetched is kept in the cache folder, in an environment of its own. A reader that cannot be had is
said, with why, and its rows are left out.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.settings import Bench, clean_environment
from examples.district.takeout import MBOX

PACKAGES = (
    "HPI==0.7.20250911",
    "lxml",
    "google-takeout-parser==0.1.13",
    "google-voice-takeout-parser==0.1.5",
    "mbox-to-sqlite==0.1a0",
)
CRATE, CRATE_VERSION = "imessage-exporter", "5.0.1"
_FETCH_S = 1_200


class NotHadError(Exception):
    """A reader cannot be had here; says why."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A program that reads one kind of export.

    Attributes:
        name: Its name and version.
        what: What of the export it reads, for people.
        scope: The places of daylight that hold the same begin so; empty for all.
        does: What it makes of it, and what not.
        made: Gives its command, given what was handed over and an empty folder for what it writes.
    """

    name: str
    what: str
    scope: str
    does: str
    made: Callable[[Path, Path], list[str]]


_SMS = """
from collections import Counter
from my.smscalls import calls, messages, mms
print(Counter(type(one).__name__ for read in (calls, messages, mms) for one in read()))
"""
_ACTIVITY = """
import sys
from collections import Counter
from google_takeout_parser.path_dispatch import TakeoutParser
parser = TakeoutParser(sys.argv[1], error_policy="yield")
print(Counter(type(one).__name__ for one in parser.parse(cache=False)))
"""
_VOICE = """
import sys
from google_voice_takeout_parser import google_voice_takeout_parser as reader
print(len(reader.process_directory(sys.argv[1])))
"""


def of_messages(bench: Bench) -> list[Reader]:
    """Return the reader of a Mac's messages.

    Raises:
        NotHadError: The program cannot be built here.
    """
    program = _cargo(bench)

    def made(handed: Path, out: Path) -> list[str]:
        where = ["-p", str(handed / "chat.db"), "-a", "macOS", "-o", str(out / "exported")]
        return [str(program), "-f", "txt", "-c", "disabled", *where]

    does = (
        "a text file for each conversation, tapbacks, edits and replies in their places; no original rows, "
        "no hashes, no account of what was left out"
    )
    return [Reader(f"{CRATE} {CRATE_VERSION}", "all messages", "chat.db", does, made)]


def of_sms(bench: Bench) -> list[Reader]:
    """Return the reader of SMS Backup & Restore.

    Raises:
        NotHadError: It cannot be had here.
    """
    python = _python(bench)

    def made(handed: Path, out: Path) -> list[str]:
        (out / "my").mkdir()
        (out / "my/config.py").write_text(f"class smscalls:\n    export_path = {str(handed)!r}\n", "utf-8")
        return [str(python), "-c", f"import os\nos.environ['MY_CONFIG'] = {str(out)!r}\n{_SMS}"]

    does = (
        "each text, multimedia message and call as a Python value; a file's whole tree in memory, "
        "that of the messages made twice; equal times of one sender are one message; nothing is kept"
    )
    return [Reader("HPI 0.7.20250911 (my.smscalls)", "all messages", "", does, made)]


def of_takeout(bench: Bench) -> list[Reader]:
    """Return the readers of a Takeout, each of one product.

    Raises:
        NotHadError: They cannot be had here.
    """
    python = _python(bench)

    def mail(handed: Path, out: Path) -> list[str]:
        return [str(python.parent / "mbox-to-sqlite"), "mbox", str(out / "mail.db"), str(handed / MBOX)]

    return [
        Reader(
            "mbox-to-sqlite 0.1a0", "mail", MBOX,
            "a row for each mail with its body as text, attachments as the words of a Python value; no "
            "original bytes, mails of one Message-ID are one",
            mail,
        ),
        Reader(
            "google-voice-takeout-parser 0.1.5", "Voice", "Takeout/Voice",
            "each text and call as a Python value by html5lib; nothing is kept",
            lambda handed, _: [str(python), "-c", _VOICE, str(handed / "Takeout/Voice/Calls")],
        ),
        Reader(
            "google-takeout-parser 0.1.13", "activity", "Takeout/My Activity",
            "activity as Python values (daylight keeps it as one file); all else is named in its log and "
            "passed over: mail, "
            "Voice, Chat, Drive and photos",
            lambda handed, _: [str(python), "-c", _ACTIVITY, str(handed / "Takeout")],
        ),
    ]  # fmt: skip


def _python(bench: Bench) -> Path:
    """Return the interpreter of an environment with the readers from PyPI, made the first time."""
    folder = bench.cache / "readers"
    python = folder / "bin/python"
    if not (folder / "made").exists():
        bench.say(f"fetching {', '.join(PACKAGES)} with pip …")
        shutil.rmtree(folder, ignore_errors=True)
        _fetched([sys.executable, "-m", "venv", str(folder)])
        _fetched([str(python), "-m", "pip", "install", "--quiet", *PACKAGES])
        (folder / "made").touch()
    return python


def _cargo(bench: Bench) -> Path:
    """Return the program that cargo builds, built the first time."""
    root = bench.cache / f"{CRATE}-{CRATE_VERSION}"
    program = root / "bin" / CRATE
    if not program.exists():
        cargo = shutil.which("cargo")
        if cargo is None:
            raise NotHadError(f"cargo is not installed here, and {CRATE} is not in {bench.cache}")
        bench.say(f"building {CRATE} {CRATE_VERSION} with cargo …")
        _fetched([cargo, "install", "--quiet", CRATE, "--version", CRATE_VERSION, "--root", str(root)])
    return program


def _fetched(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_FETCH_S, check=False, env=clean_environment()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotHadError(f"{Path(command[0]).name}: {type(error).__name__}") from error
    if done.returncode:
        raise NotHadError(
            f"{Path(command[0]).name} ended with {done.returncode}: {done.stderr.strip()[-300:]}"
        )
