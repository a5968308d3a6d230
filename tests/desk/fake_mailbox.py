"""A connector of mailboxes that are lists in this process: what the desk does with each of its answers.

Test code changes the lists between runs. ``opened`` counts each fetch of bytes, so that a test can say that a
run fetched nothing twice.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, ClassVar

from connectors.registry import CONNECTORS
from connectors.service import ServiceConnector
from desk.batch import batch_runner
from desk.home import Home
from desk.register import open_request
from desk.run import finish, open_run, plan, reconcile, waiting_batches
from records.errors import ItemError
from records.models import (
    ExcludedItem,
    Expected,
    FailedItem,
    FoundItem,
    Moment,
    Part,
    Scope,
    Unreached,
    Window,
    Yielded,
)
from records.settings import Settings
from records.vocabulary import Basis, Kind, Reason


@dataclass
class Message:
    """A message of the service: its immutable key, when, its words and its change key."""

    key: str
    at: str
    words: str = "bus route"
    change: str = "1"
    gone: bool = False  # listed, but its bytes are not to be had

    def data(self) -> bytes:
        return (
            f"From: A <a@falls.example>\nTo: B <b@falls.example>\nSubject: {self.key}\n"
            f"Date: {datetime.fromisoformat(self.at):%a, %d %b %Y %H:%M:%S +0000}\n"
            f"Message-ID: <{self.key}@falls.example>\n\n{self.words}\n"
        ).encode()


@dataclass
class Service:
    """What the service holds, by account; and how it behaves."""

    folders: dict[str, dict[str, list[Message]]] = field(default_factory=dict)
    unreached: dict[str, list[Unreached]] = field(default_factory=dict)
    refuses: dict[str, Exception] = field(default_factory=dict)  # account: what check() raises
    broken: dict[str, tuple[int, ItemError]] = field(default_factory=dict)  # folder: after how many items
    totals: dict[str, int | None] = field(default_factory=dict)  # folder: what its own count says
    opened: list[str] = field(default_factory=list)
    sizes: bool = True


SERVICE = Service()


class FakeMailbox(ServiceConnector):
    """See above."""

    name: ClassVar[str] = "fake_mailbox"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = ("lists",)
    does_not_cover: ClassVar[tuple[str, ...]] = ()
    tested_on: ClassVar[tuple[str, ...]] = ()

    def check(self) -> None:
        error = SERVICE.refuses.get(self._context.account)
        if error is not None:
            raise error

    @property
    def _folders(self) -> dict[str, list[Message]]:
        return SERVICE.folders.get(self._context.account, {})

    def scopes(self) -> Iterator[Scope]:
        for name in self._folders:
            yield Scope(name, name.title(), "folder")

    def unreached(self) -> Iterator[Unreached]:
        yield from SERVICE.unreached.get(self._context.account, [])

    def count(self, scope: Scope) -> Expected:
        total = SERVICE.totals.get(scope.key, len(self._folders[scope.key]))
        return Expected(total, "folder total" if total is not None else "unknown")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        del max_bytes
        messages = len(self._folders[scope.key])
        for number, first in enumerate(range(0, max(messages, 1), max_items)):
            spec = json.dumps({"first": first, "before": first + max_items})
            yield Part(scope, number, spec, min(max_items, messages - first))

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        spec = json.loads(part.spec)
        messages = self._folders[part.scope.key]
        breaks, error = SERVICE.broken.get(part.scope.key, (len(messages), None))
        for number in range(spec["first"], min(spec["before"], len(messages))):
            if error is not None and number >= breaks:
                raise error
            if cursor is None or number > int(cursor):
                yield self._item(messages[number], str(number), window)

    def _item(self, message: Message, cursor: str, window: Window) -> Yielded:
        at = datetime.fromisoformat(message.at)
        moment = Moment(at, message.at, Basis.STATED)
        day = at.astimezone(window.zone).date()
        if (window.first and day < window.first) or (window.last and day > window.last):
            return ExcludedItem(message.key, Kind.EMAIL, cursor, Reason.OUTSIDE_WINDOW, moment=moment)
        if message.gone:
            return FailedItem(message.key, Kind.EMAIL, cursor, Reason.REFUSED_BY_SOURCE, "http_404")
        return FoundItem(
            message.key, Kind.EMAIL, cursor, media_type="message/rfc822", moment=moment,
            size_bytes=len(message.data()) if SERVICE.sizes else None,
            metadata={"change": message.change}, handle=message,
        )  # fmt: skip

    def open(self, item: FoundItem) -> BinaryIO:
        SERVICE.opened.append(item.native_key)
        return io.BytesIO(item.handle.data())


def register(monkeypatch) -> Service:
    """Put the connector into the registry, before a service that is empty."""
    monkeypatch.setattr("tests.desk.fake_mailbox.SERVICE", Service())
    monkeypatch.setitem(CONNECTORS, FakeMailbox.name, FakeMailbox)
    monkeypatch.setenv("AIRFLOW_CONN_DISTRICT", '{"login": "app", "password": "swordfish"}')
    return SERVICE


def messages(count: int, first: str = "2026-01-05T18:00:00+00:00", prefix: str = "m") -> list[Message]:
    """Return messages, one a day."""
    start = datetime.fromisoformat(first)
    return [
        Message(f"{prefix}{n:03d}", (start + timedelta(days=n)).isoformat(), f"bus route {n}")
        for n in range(count)
    ]


def day(number: int) -> str:
    """Return a morning of a day of January 2026."""
    return datetime(2026, 1, number, 18, tzinfo=UTC).isoformat()


REQUEST = """
text = "All records about the bus route"
received_on = 2026-09-08
terms = "terms.csv"
window = {{ from = 2026-01-01, to = {to} }}
{people}
"""
PERSON = '[[custodians]]\nid = "{id}"\nname = "{name}"\nemails = ["{id}@falls.example"]\n'
SOURCE = '[[sources]]\nid = "{id}-mail"\nconnector = "fake_mailbox"\ncustodian = "{id}"\n'


def request_file(folder: Path, *people: str, to: str = "2026-06-30", more: str = "") -> Path:
    """Write a request for the mailboxes of people; one with a ``!`` behind has no source."""
    listed = [
        PERSON.format(id=one.rstrip("!"), name=one.rstrip("!").title())
        + ("" if one.endswith("!") else SOURCE.format(id=one) + 'connection = "district"\n')
        for one in people
    ]
    folder.mkdir(exist_ok=True)
    (folder / "terms.csv").write_text("term\nbus route\n", "utf-8")
    path = folder / "request.toml"
    path.write_text(REQUEST.format(to=to, people="\n".join(listed) + more), "utf-8")
    return path


def opened_home(folder: Path, *people: str, catalogue: str = "", **given: str) -> tuple[Home, str]:
    """Open a home, and in it a request for the mailboxes of people."""
    settings = Settings(home=folder / "home", catalogue=catalogue, workers=1, batch_items=500)
    home = Home.open(settings=settings)
    request_id, _ = open_request(home, request_file(folder, *people, **given), by="pro")
    return home, request_id


def run(home: Home, request_id: str, key: str = "local-test") -> dict[str, object]:
    """Run the steps up to the flags in this process, where the fake is."""
    open_run(home, request_id, key)
    plan(home, request_id, key)
    with batch_runner(home, request_id, key) as runner:
        for batch_id, _ in sorted(waiting_batches(home, request_id)):
            runner.collect(batch_id)
            runner.extract(batch_id)
            runner.index(batch_id)
    reconcile(home, request_id, key)
    return finish(home, request_id, key)
