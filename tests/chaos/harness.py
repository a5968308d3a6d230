"""Killing runs at random moments, and comparing what is left with a run that nobody disturbed.

Only processes started here are killed: each run is a session of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from desk import bundle
from desk.declaring import take_in
from desk.home import Home
from desk.items import items
from desk.register import open_request
from records import tables as t
from records.decisions import Decision, Treatment, in_review
from records.ledger import ledger
from records.settings import Settings
from review import decide

SETTINGS = {"DAYLIGHT_WORKERS": "2", "DAYLIGHT_BATCH_ITEMS": "500"}


@dataclass(frozen=True)
class Outcome:
    """Everything that must be the same however often a run was killed."""

    items: str
    count: int
    ledger: str
    hits: str
    bundle: Mapping[str, str]


def district(folder: Path, count: int, seed: int) -> Path:
    """Make sources and return the request file that names all of them."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "examples.district",
            "--items",
            str(count),
            "--seed",
            str(seed),
            "--out",
            folder,
        ],
        check=True,
        capture_output=True,
    )
    return folder / "request-bus.toml"


def settings(home: Path) -> Settings:
    return Settings(home=home, workers=2, batch_items=500)


def entered(home: Home, folder: Path, name: str, *, by: str = "pro") -> str:
    """Enter a request of a district, and what its custodians declared; return its id."""
    request_id, _ = open_request(home, folder / f"request-{name}.toml", by=by)
    take_in(home, request_id, folder / f"declared-{name}.toml", by=by)
    return request_id


def enter(home: Path, request: Path) -> str:
    opened = Home.open(settings=settings(home))
    request_id = entered(opened, request.parent, request.stem.removeprefix("request-"))
    opened.close()
    return request_id


def start(home: Path, request_id: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", "--home", str(home), "run", request_id, "--local"],
        env={**os.environ, **SETTINGS},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def run(home: Path, request_id: str) -> float:
    """Run to the end; return the seconds it took."""
    began = time.monotonic()
    process = start(home, request_id)
    _, words = process.communicate(timeout=1_200)
    assert process.returncode == 0, words.decode()
    return time.monotonic() - began


def run_killed(home: Path, request_id: str, after_s: float) -> bool:
    """Start a run and kill its whole session after some seconds; say whether it was still alive."""
    process = start(home, request_id)
    try:
        process.communicate(timeout=after_s)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True


def run_killed_at_work(home: Path, request_id: str, segments: int = 3) -> None:
    """Start a run and kill its whole session as soon as it has begun some segments of evidence."""
    process = start(home, request_id)
    evidence = home / "requests" / request_id / "evidence"
    while process.poll() is None and len(list(evidence.glob("*.seg"))) < segments:
        time.sleep(0.005)
    assert process.poll() is None, "the run was over before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def outcome(home: Path, request_id: str, package_in: Path) -> Outcome:
    """Decide everything in review alike, package, and take the fingerprint of all that must be the same."""
    opened = Home.open(settings=settings(home))
    try:
        return _outcome(opened, request_id, package_in)
    finally:
        opened.close()


def _outcome(home: Home, request_id: str, package_in: Path) -> Outcome:
    lines = sorted(json.dumps(item, sort_keys=True) for item in items(home, request_id))
    counted = ledger(home.catalogue, request_id)
    version = home.request(request_id).version
    with home.catalogue.read() as connection:
        hits = sorted(
            (row.term_no, row.item_id, row.family_id, row.occurrences)
            for row in connection.execute(t.hits.select().where(t.hits.c.request_id == request_id))
        )
        reviewed = in_review(connection, request_id, version)
    release = Decision(public_record=True, responsive=True, treatment=Treatment.RELEASE)
    decide.record(home.catalogue, request_id, version, dict.fromkeys(reviewed, release), "pro", source="test")
    bundle.draft(home, request_id)
    bundle.approve(home, request_id, by="pro", approved=True)
    bundle.package(home, request_id, package_in)
    return Outcome(
        items=_digest("\n".join(lines)),
        count=len(lines),
        ledger=_digest(
            json.dumps([str(s) for s in counted.scopes]) + json.dumps(counted.text, sort_keys=True)
        ),
        hits=_digest(json.dumps(hits)),
        bundle=_payload(package_in / "release" / "data"),
    )


def _payload(folder: Path) -> dict[str, str]:
    """Return the digest of every payload file; the audit head and the time of approval differ by nature."""
    timed = {"audit-head.txt", "status.json", "index.html"}
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in timed
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
