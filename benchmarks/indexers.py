"""Programs that index a Maildir, each a peer: ``mu``, ``notmuch`` and ``recollindex``.

Each starts from nothing, with its own settings as it comes; only places are set, and for notmuch what its
set-up would ask a person.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import watch
from benchmarks.settings import Bench, BenchmarkError

PACKAGES = {"mu": "maildir-utils", "notmuch": "notmuch", "recollindex": "recollcmd"}
"""The Debian package of each program."""

_NOTMUCH = """\
[database]
path={database}
mail_root={maildir}
[user]
name=benchmark
primary_email=benchmark@falls.example
[new]
tags=
[search]
exclude_tags=
[maildir]
synchronize_flags=false
"""

_RECOLL_PATH = {"PATH": "/usr/bin:/bin"}
"""Its helpers ask for ``python3``: that of the system, which has the modules that they need."""

_RESULTS = re.compile(r"^(\d+) results", re.M)


@dataclass(frozen=True, slots=True)
class Indexed:
    """What a peer made of a Maildir.

    Attributes:
        indexing: What its indexing cost.
        messages: How many it has afterwards.
        setting_up: What the command before that cost; None where there is none.
    """

    indexing: watch.Measured
    messages: int
    setting_up: watch.Measured | None = None


def left_out(program: str) -> str | None:
    """Return why a program is no peer here, or None when it is."""
    if shutil.which(program) is not None:
        return None
    return f"{program} is not installed (Debian package {PACKAGES[program]})"


def mu(bench: Bench, maildir: Path) -> Indexed:
    """Index with mu.

    Raises:
        BenchmarkError: It failed, or does not say how many messages it has.
    """
    home = _empty(bench.work / "mu")
    place = f"--muhome={home}"
    made = watch.run(["mu", "init", place, f"--maildir={maildir.resolve()}"], work=bench.work)
    indexed = watch.run(["mu", "index", place, "--quiet"], work=bench.work)
    said = watch.run(["mu", "info", place], work=bench.work).output
    shutil.rmtree(home)
    found = re.search(r"messages in store\s*\|\s*(\d+)", said)
    if found is None:
        raise BenchmarkError(f"mu does not say how many messages it has: {said[-300:]}")
    return Indexed(indexed, int(found.group(1)), made)


def notmuch_config(folder: Path, maildir: Path) -> Path:
    """Write what ``notmuch setup`` would ask for into a folder, which then holds the database; return it."""
    folder.mkdir(exist_ok=True)
    config = folder / "config"
    config.write_text(_NOTMUCH.format(database=folder.resolve(), maildir=maildir.resolve()), "utf-8")
    return config


def notmuch(bench: Bench, maildir: Path) -> Indexed:
    """Index with notmuch.

    Raises:
        BenchmarkError: It failed.
    """
    folder = _empty(bench.work / "notmuch-indexed")
    environment = {"NOTMUCH_CONFIG": str(notmuch_config(folder, maildir).resolve())}
    indexed = watch.run(["notmuch", "new", "--quiet"], work=bench.work, environment=environment)
    command = ["notmuch", "count", "--output=files", "*"]  # messages of one id are one message of many files
    counted = watch.run(command, work=bench.work, environment=environment).output
    shutil.rmtree(folder)
    return Indexed(indexed, int(counted))


@dataclass(frozen=True, slots=True)
class Recolled:
    """What recoll made of a Maildir.

    Attributes:
        indexing: What its indexing cost.
        messages: Mails it has.
        found: Documents that it finds for each word.
        missing: Helpers that it says it lacked, in its own words; empty when none.
    """

    indexing: watch.Measured
    messages: int
    found: dict[str, int]
    missing: str


def recoll(bench: Bench, maildir: Path, words: Iterable[str]) -> Recolled:
    """Index with recollindex, then ask for words.

    Raises:
        BenchmarkError: It failed.
    """
    folder = _empty(bench.work / "recoll")
    folder.mkdir()
    (folder / "recoll.conf").write_text(f'topdirs = "{maildir.resolve()}"\n', "utf-8")
    place = ["-c", str(folder.resolve())]
    indexed = watch.run(["recollindex", *place], work=bench.work, environment=_RECOLL_PATH)

    def documents(query: str) -> int:
        said = watch.run(["recollq", *place, "-n", "1", query], work=bench.work, environment=_RECOLL_PATH)
        found = _RESULTS.search(said.output)
        if found is None:
            raise BenchmarkError(f"recollq does not say how many documents match: {said.output[-300:]}")
        return int(found[1])

    messages, found = documents("mime:message/rfc822"), {word: documents(word) for word in words}
    missing = folder / "missing"
    lacked = " ".join(missing.read_text("utf-8", "replace").split()) if missing.exists() else ""
    shutil.rmtree(folder)
    return Recolled(indexed, messages, found, lacked)


def _empty(folder: Path) -> Path:
    """Remove what lies in the place of a folder; return it."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder
