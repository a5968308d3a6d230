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
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
from tests.chaos.tally import KEY

STATES = (
    "item_id", "family_id", "parent_id", "part", "scope", "content_sha256", "state", "text_state", "excluded",
)  # fmt: skip
Record = Callable[[str, object], None]
SETTINGS = {"DAYLIGHT_WORKERS": "2", "DAYLIGHT_BATCH_ITEMS": "500"}


@dataclass(frozen=True)
class Outcome:
    """Everything that must be the same however often a run was killed.

    Attributes:
        ids: Of the items, sorted.
        states: Digest of what each is and what became of it: hashes, families, states, reasons.
        items: Digest of all that is known of them, texts too.
        documents: In the index.
        ledger: Digest of the counts of every place, and of the texts.
        hits: Digest of the items that each term found.
        bundle: Digest of each file of the bundle.
    """

    ids: tuple[str, ...]
    states: str
    items: str
    documents: int
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


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody disturbed.

    Attributes:
        request_file: Of its district.
        seconds: It took.
        segments: Of evidence that it wrote.
        outcome: Its end.
    """

    request_file: Path
    seconds: float
    segments: int
    outcome: Outcome


def undisturbed(folder: Path, count: int) -> Undisturbed:
    """Make a district of so many items, and run its request to its end."""
    request_file = district(folder / "district", count, seed=3)
    request_id = enter(folder / "home", request_file)
    seconds = run(folder / "home", request_id)
    written = segments(folder / "home", request_id)
    made = outcome(folder / "home", request_id, folder / "bundle")
    assert len(made.ids) == len(set(made.ids)) > count // 2
    return Undisturbed(request_file, seconds, written, made)


@dataclass(frozen=True)
class Difference:
    """What a disturbed run has less and more than the undisturbed one: both are zero."""

    lost: int
    doubled: int


def difference(expected: Outcome, made: Outcome) -> Difference:
    """Count items that are missing, and those that are there too often or should not be."""
    wanted, there = Counter(expected.ids), Counter(made.ids)
    lost, doubled = (wanted - there).total(), (there - wanted).total()
    indexed = made.documents - expected.documents
    return Difference(lost + max(0, -indexed), doubled + max(0, indexed))


def compare(
    record: Record,
    kind: str,
    seed: int,
    expected: Outcome,
    made: Outcome,
    but: Collection[str] = (),
) -> None:
    """Compare a disturbed run with the undisturbed one; it is counted before anything can fail.

    Args:
        record: The test's ``record_property``: its values also reach the controller of several workers.
        kind: ``kill`` or ``fault``.
        seed: Of the moment.
        expected: The end of the undisturbed run.
        made: The end of the disturbed one.
        but: What may be another.
    """
    found = difference(expected, made)
    record(KEY, {"kind": kind, "seed": seed, **asdict(found)})
    assert found == Difference(0, 0)
    same, also = asdict(expected), asdict(made)
    differing = [name for name in same if also[name] != same[name] and name not in but]
    assert not differing, f"not as undisturbed: {', '.join(differing)}"


def segments(home: Path, request_id: str) -> int:
    """Count the segments of evidence that a run has begun."""
    return sum(1 for _ in (home / "requests" / request_id / "evidence").glob("*.seg"))


def settings(home: Path, **more: str) -> Settings:
    return Settings(home=home, workers=2, batch_items=500, **more)


def entered(home: Home, folder: Path, name: str, *, by: str = "pro") -> str:
    """Enter a request of a district, and what its custodians declared; return its id."""
    request_id, _ = open_request(home, folder / f"request-{name}.toml", by=by)
    take_in(home, request_id, folder / f"declared-{name}.toml", by=by)
    return request_id


def enter(home: Path, request: Path, **more: str) -> str:
    opened = Home.open(settings=settings(home, **more))
    request_id = entered(opened, request.parent, request.stem.removeprefix("request-"))
    opened.close()
    return request_id


def start(
    home: Path, request_id: str, *, env: Mapping[str, str] | None = None, within: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start a run.

    Args:
        home: Its home.
        request_id: The request.
        env: More of its environment.
        within: The command that starts it, such as ``strace``.
    """
    return subprocess.Popen(
        [*within, sys.executable, "-m", "cli.main", "--home", str(home), "run", request_id, "--local"],
        env={**os.environ, **SETTINGS, **(env or {})},
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


def run_killed_at_work(home: Path, request_id: str, count: int = 3) -> None:
    """Start a run and kill its whole session as soon as it has begun some segments of evidence."""
    process = start(home, request_id)
    while process.poll() is None and segments(home, request_id) < count:
        time.sleep(0.005)
    assert process.poll() is None, "the run was over before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def outcome(home: Path, request_id: str, package_in: Path, **more: str) -> Outcome:
    """Decide everything in review alike, package, and take the fingerprint of all that must be the same."""
    opened = Home.open(settings=settings(home, **more))
    try:
        return _outcome(opened, request_id, package_in)
    finally:
        opened.close()


def _outcome(home: Home, request_id: str, package_in: Path) -> Outcome:
    found = list(items(home, request_id))
    lines = sorted(json.dumps(item, sort_keys=True) for item in found)
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
        ids=tuple(sorted(item["item_id"] for item in found)),
        states=_digest(json.dumps(sorted(_state(item) for item in found))),
        items=_digest("\n".join(lines)),
        documents=home.engine(request_id).state().documents,
        ledger=_digest(
            json.dumps([str(s) for s in counted.scopes]) + json.dumps(counted.text, sort_keys=True)
        ),
        hits=_digest(json.dumps(hits)),
        bundle=_payload(package_in / "release" / "data"),
    )


def _state(item: Mapping[str, Any]) -> list[Any]:
    return [*(item[name] for name in STATES), (item["failure"] or {}).get("reason")]


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
