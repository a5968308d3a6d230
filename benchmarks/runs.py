"""A request over one Maildir, opened and run as a person would, with what it cost."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import watch
from benchmarks.datasets import MailSet
from benchmarks.settings import Bench, BenchmarkError, daylight
from desk import searching
from desk.books import books
from desk.home import Home
from records.settings import Settings

ACCOUNT = "ana.alder@falls.example"

REQUEST = """\
text = "Benchmark"
received_on = 2026-09-08
window = {{ to = 2099-12-31 }}
terms = "terms.csv"

[[custodians]]
id = "c1"
name = "Ana Alder"
role = "Principal"
emails = ["{account}"]

[[sources]]
custodian = "c1"
{source}
"""


@dataclass(frozen=True, slots=True)
class LocalRun:
    """One run from an empty home.

    Attributes:
        home: The home, kept.
        request_id: The request.
        opening: Cost of ``daylight open``, which also makes the home.
        running: Cost of ``daylight run --local``.
        ledger: What the ledger says afterwards.
    """

    home: Path
    request_id: str
    opening: watch.Measured
    running: watch.Measured
    ledger: dict[str, Any]


def write_request(
    folder: Path, source: Mapping[str, str | list[str]], terms: Iterable[str], account: str = ACCOUNT
) -> Path:
    """Write a request over one source, and its term list, into a folder; return the request file.

    Args:
        folder: It is made.
        source: Keys of the source but its custodian.
        terms: The list.
        account: Address of the custodian.
    """
    folder.mkdir(exist_ok=True)
    quoted = ['"' + term.replace('"', '""') + '"' for term in terms]
    (folder / "terms.csv").write_text("term,note\n" + "".join(f"{term},\n" for term in quoted), "utf-8")
    path = folder / "request.toml"
    keys = "\n".join(f"{name} = {json.dumps(value)}" for name, value in source.items())
    path.write_text(REQUEST.format(account=account, source=keys), "utf-8")
    return path


def request_file(bench: Bench, mail: MailSet) -> Path:
    """Write the request and its term list; return the request file."""
    source = {"id": "mail", "connector": "mail_files", "path": str(mail.maildir.resolve())}
    return write_request(bench.work / f"request-{mail.name}-{mail.messages}", source, mail.terms)


def open_request(bench: Bench, mail: MailSet, home: Path) -> tuple[str, watch.Measured]:
    """Open the request in a home; return its id and what that cost."""
    opened = watch.run(daylight(home, "open", request_file(bench, mail)), work=bench.work)
    return str(json.loads(opened.output)["request_id"]), opened


def run_local(bench: Bench, mail: MailSet, home: Path, *, memory: bool = False) -> LocalRun:
    """Run a request from an empty home and check that nothing is missing.

    Args:
        bench: Where.
        mail: What.
        home: Removed first if it is there.
        memory: Also sample memory.

    Raises:
        BenchmarkError: A command failed, the ledger does not balance, or a message is not searchable.
    """
    shutil.rmtree(home, ignore_errors=True)
    request_id, opened = open_request(bench, mail, home)
    run = watch.run(daylight(home, "run", request_id, "--local"), work=bench.work, memory=memory)
    return LocalRun(home, request_id, opened, run, check(mail, home, request_id))


def check(mail: MailSet, home: Path, request_id: str) -> dict[str, Any]:
    """Return the ledger of a run, once it was seen to hold every message; nothing of this is measured.

    Raises:
        BenchmarkError: It does not balance, counts other files than there are, or the known word is not found
            where it stands.
    """
    opened = Home.open(settings=Settings(home=home))
    try:
        counted = books(opened, request_id)
        ledger = dataclasses.asdict(counted) | {"balanced": counted.balanced}
        found = sum(scope["found"] for scope in ledger["scopes"])
        if not ledger["balanced"] or found != mail.messages:
            raise BenchmarkError(
                f"{mail.name}: {found} of {mail.messages} messages found, balanced: {ledger['balanced']}"
            )
        children = ledger["children"]
        if mail.attachments is not None and (children["stored"], children["failed"]) != (mail.attachments, 0):
            raise BenchmarkError(f"{mail.name}: of {mail.attachments} attachments it tells {children}")
        for word, expected in mail.known:
            documents = searching.count(opened, request_id, word, by="benchmarks")["documents"]
            if documents != expected:
                raise BenchmarkError(f"{mail.name}: {documents} documents hold a known word, not {expected}")
        return ledger
    finally:
        opened.engine(request_id).close()
        opened.close()


def remember(bench: Bench, run: LocalRun, messages: int) -> None:
    """Keep the home of a run for the parts that query, if it is the largest so far; remove the other."""
    if bench.largest is None or messages > bench.largest[2]:
        if bench.largest is not None:
            shutil.rmtree(bench.largest[0], ignore_errors=True)
        bench.largest = (run.home, run.request_id, messages)
    else:
        shutil.rmtree(run.home, ignore_errors=True)
