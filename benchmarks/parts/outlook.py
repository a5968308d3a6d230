"""Outlook data files with their attachments, through the whole of a run, reconciled by counts of others.

What is stored is compared with what the generator wrote and with what ``readpst`` (Debian's pst-utils, which
shares no code with libpff or with this project) takes out of the same files: how many items and attachments,
how many bytes of attachments, and one digest over the digests of all of these.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks import watch
from benchmarks.handed.outlook import Attached, Mailboxes, write_mailboxes
from benchmarks.runs import write_request
from benchmarks.settings import SEED, Bench, BenchmarkError, Figures, daylight
from benchmarks.sheets import Sheet, figure, held
from desk.home import Home
from records import tables as t
from records.settings import Settings

MOST_MIB = 1_536
MOST_GROWTH = 1.2
FILES = 5
TENTH = 10
_ATTACHED = re.compile(r"\d+-.+")
"""How ``readpst -S`` names an attachment: number of the item, and its own name."""


@dataclass(frozen=True, slots=True)
class Count:
    """What somebody finds in the files.

    Attributes:
        items: Letters and appointments.
        attachments: Files on them.
        attached_bytes: Of these files.
        digest: Over the SHA-256 of each of these files, sorted.
    """

    items: int
    attachments: int
    attached_bytes: int
    digest: str


def measure(bench: Bench) -> Figures:
    """Run a tenth of the set and the whole, and reconcile both.

    Raises:
        BenchmarkError: A run failed, or a count differs from another.
    """
    runs = []
    for size in (max(1, bench.sizes.outlook_bytes // TENTH), bench.sizes.outlook_bytes):
        bench.say(f"outlook: {size:,} bytes in {FILES} files …")
        boxes = write_mailboxes(bench.work / "mailboxes", size, FILES, SEED)
        runs.append(_run(bench, boxes))
        shutil.rmtree(bench.work / "mailboxes")
    return {"runs": runs, "files": FILES, "most_mib": MOST_MIB, "most_growth": MOST_GROWTH}


def _run(bench: Bench, boxes: Mailboxes) -> Figures:
    home = bench.work / "home-outlook"
    folder = boxes.files[0].parent
    source = {"id": "mail", "connector": "outlook_data_file", "path": str(folder.resolve())}
    request = write_request(bench.work / "request-outlook", source, ["bus", "boiler AND permit"])
    opened = watch.run(daylight(home, "open", request), work=bench.work)
    request_id = str(json.loads(opened.output)["request_id"])
    load = os.getloadavg()[0]
    run = watch.run(daylight(home, "run", request_id, "--local"), work=bench.work, memory=True)
    expected = Count(boxes.letters + boxes.appointments, *boxes.attached.facts())
    ledger = json.loads(watch.run(daylight(home, "ledger", request_id), work=bench.work).output)
    if unbalanced := [scope["scope"] for scope in ledger["scopes"] if not scope["balanced"]]:
        raise BenchmarkError(f"outlook: {len(unbalanced)} places do not balance: {unbalanced[:3]}")
    if (counted := sum(scope["expected"] for scope in ledger["scopes"])) != expected.items:
        raise BenchmarkError(f"outlook: the count beside libpff has {counted} items, not {expected.items}")
    _same("daylight", _stored(home, request_id), expected)
    (verified,) = json.loads(_lines(watch.run(daylight(home, "store", "verify"), work=bench.work).output))
    if verified["damaged"] or verified["orphans"] or verified["torn"]:
        raise BenchmarkError("outlook: the evidence does not hold what was stored")
    evidence = sum(path.stat().st_size for path in home.rglob("*.seg"))
    shutil.rmtree(home)
    by_readpst = _readpst(bench, boxes)
    if by_readpst is not None:
        _same("readpst", by_readpst, expected)
    return {
        "size_bytes": boxes.size_bytes,
        **asdict(expected),
        "wall_s": run.wall_s,
        "cpu_s": run.cpu_s,
        "peak_pss_bytes": run.peak_pss_bytes,
        "peak_rss_bytes": run.peak_rss_bytes,
        "evidence_bytes": evidence,
        "records": verified["checked"],
        "readpst": by_readpst is not None,
        "load": load,
    }


def _lines(output: str) -> str:
    """Return lines of JSON as one list."""
    return f"[{','.join(output.splitlines())}]"


def _same(who: str, found: Count, expected: Count) -> None:
    if found != expected:
        raise BenchmarkError(f"outlook: {who} finds {found}; there are {expected}")


def _stored(home: Path, request_id: str) -> Count:
    """Count what a run stored: items, and the files below them."""
    opened = Home.open(settings=Settings(home=home))
    i = t.items.c
    wanted = sa.select(i.level, i.blob_sha256, i.size_bytes).where(
        i.request_id == request_id, i.state == "stored"
    )
    items, attached = 0, Attached()
    try:
        with opened.catalogue.read() as connection:
            for level, sha256, size in connection.execution_options(yield_per=1_000).execute(wanted):
                if level:
                    attached.add_digest(bytes.fromhex(sha256), size)
                else:
                    items += 1
    finally:
        opened.close()
    return Count(items, *attached.facts())


def _readpst(bench: Bench, boxes: Mailboxes) -> Count | None:
    """Let ``readpst`` take everything out, a file at a time, and count it; None where it is not installed."""
    if shutil.which("readpst") is None:
        return None
    items, attached = 0, Attached()
    for path in boxes.files:
        out = bench.work / "readpst"
        out.mkdir()
        command = ["readpst", "-S", "-D", "-q", "-j", "0", "-o", str(out), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchmarkError(f"outlook: readpst ended with {done.returncode}: {done.stderr[-500:]}")
        for found in out.rglob("*"):
            if not found.is_file():
                continue
            if _ATTACHED.fullmatch(found.name):
                with found.open("rb") as stream:
                    attached.add_digest(hashlib.file_digest(stream, "sha256").digest(), found.stat().st_size)
            else:
                items += 1
        shutil.rmtree(out)
    return Count(items, *attached.facts())


def sheets(figures: Figures) -> list[Sheet]:
    """Return the table."""
    rows = tuple(_row(run) for run in figures["runs"])
    small, large = figures["runs"]
    ratio = large["peak_pss_bytes"] / small["peak_pss_bytes"]
    peak = large["peak_pss_bytes"] / (1 << 20)
    others = "the generator"
    others += " and readpst" if all(run["readpst"] for run in figures["runs"]) else ""
    notes = (
        f"Items, attachments, their bytes and a digest over the SHA-256 of each are those of {others}; the "
        "count of items beside libpff agrees; every record of the evidence was read again and is what was "
        "stored. Letters and attachments are each kept as they are: what hangs on a letter is there twice.",
        f"Memory below {figures['most_mib']:,} MiB is {held(peak < figures['most_mib'])}; ten times the size "
        f"takes {ratio:.2f} × the memory, at most {figures['most_growth']} × is "
        f"{held(ratio <= figures['most_growth'])}. Load {small['load']:.1f} before the first run, "
        f"{large['load']:.1f} before the second.",
    )
    columns = (
        "data files", "items", "attachments", "attached MB", "wall s", "CPU s", "MB/s", "MB per CPU s",
        "evidence MB", "peak PSS MiB",
    )  # fmt: skip
    return [Sheet("Outlook data files with attachments, all steps of a run", columns, rows, notes)]


def _row(run: dict[str, Any]) -> tuple[str, ...]:
    size = run["size_bytes"] / 1e6
    return (
        f"{size / 1000:.2f} GB",
        f"{run['items']:,}",
        f"{run['attachments']:,}",
        figure(run["attached_bytes"] / 1e6, 0),
        figure(run["wall_s"], 0),
        figure(run["cpu_s"], 0),
        figure(size / run["wall_s"]),
        figure(size / run["cpu_s"]),
        figure(run["evidence_bytes"] / 1e6, 0),
        figure(run["peak_pss_bytes"] / (1 << 20), 0),
    )
