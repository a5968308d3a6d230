"""A mailbox as the fakes of mail services share it: folders, messages, ids, and what changed when.

The same store behind every protocol is what lets a test say that each route gives the same messages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime


@dataclass(frozen=True)
class Folder:
    """A folder.

    Attributes:
        id: Unique in the mailbox.
        name: As people see it.
        parent: Id of the folder above; empty at the top of its root.
        role: Well-known name (``inbox``, ``sentitems``, ``recoverableitemsdeletions`` …); empty for others.
        root: ``primary``, ``archive`` or ``public``.
        hidden: Not shown to people.
        kind: ``mail``, ``calendar`` or ``contacts``.
    """

    id: str
    name: str
    parent: str = ""
    role: str = ""
    root: str = "primary"
    hidden: bool = False
    kind: str = "mail"


@dataclass(frozen=True)
class Stored:
    """A message or an event in a folder.

    Attributes:
        id: Immutable, unique in the mailbox.
        folder: Id of its folder.
        raw: RFC 5322 (or iCalendar) bytes.
        received: Aware UTC.
        change: Number of the mailbox's change that made it as it is.
        labels: Categories or labels.
        thread: Conversation id.
        faults: Names of what is wrong with it (``corrupt``, ``not_convertible``), for the fakes.
    """

    id: str
    folder: str
    raw: bytes
    received: datetime
    change: int = 0
    labels: tuple[str, ...] = ()
    thread: str = ""
    faults: frozenset[str] = frozenset()

    @property
    def subject(self) -> str:
        """The decoded subject."""
        return str(message_from_bytes(self.raw, policy=policy.default).get("Subject", ""))


@dataclass
class Mailbox:
    """One account.

    Attributes:
        address: Whose it is.
        folders: By id, parents first.
        messages: By id, in the order they came.
        removed: Id of each message that was removed, and the number of the change.
    """

    address: str
    folders: dict[str, Folder] = field(default_factory=dict)
    messages: dict[str, Stored] = field(default_factory=dict)
    removed: dict[str, tuple[str, int]] = field(default_factory=dict)
    changes: int = 0

    def folder(self, name: str, **about: object) -> Folder:
        """Add a folder."""
        made = Folder(f"F{len(self.folders):04}", name, **about)  # type: ignore[arg-type]
        self.folders[made.id] = made
        return made

    def add(self, folder: Folder | str, raw: bytes, **about: object) -> Stored:
        """Add a message; its time is that of its Date header unless ``received`` is given."""
        self.changes += 1
        where = folder if isinstance(folder, str) else folder.id
        key = hashlib.sha256(f"{self.address}/{self.changes}".encode()).hexdigest()[:24]
        about.setdefault("received", date_of(raw))
        made = Stored(id=key, folder=where, raw=raw, change=self.changes, **about)  # type: ignore[arg-type]
        self.messages[key] = made
        return made

    def change(self, message: Stored, **about: object) -> Stored:
        """Change a message (move it, read it, edit it)."""
        self.changes += 1
        self.messages[message.id] = changed = replace(message, change=self.changes, **about)  # type: ignore[arg-type]
        return changed

    def remove(self, message: Stored) -> None:
        """Take a message away."""
        self.changes += 1
        del self.messages[message.id]
        self.removed[message.id] = (message.folder, self.changes)

    def inside(self, folder: Folder | str) -> list[Stored]:
        """Return the messages of a folder, oldest first."""
        where = folder if isinstance(folder, str) else folder.id
        found = [message for message in self.messages.values() if message.folder == where]
        return sorted(found, key=lambda message: (message.received, message.id))

    def below(self, parent: str = "", *, root: str = "primary") -> Iterator[Folder]:
        """Yield the folders right below one, in order."""
        return (f for f in self.folders.values() if f.parent == parent and f.root == root)


@dataclass
class MailStore:
    """The accounts of a tenant, by lower-case address."""

    accounts: dict[str, Mailbox] = field(default_factory=dict)

    def mailbox(self, address: str) -> Mailbox:
        """Return an account, making it when it is new."""
        return self.accounts.setdefault(address.lower(), Mailbox(address))

    def find(self, address: str) -> Mailbox | None:
        """Return an account, or None."""
        return self.accounts.get(address.lower())


def date_of(raw: bytes) -> datetime:
    """Return the time of a message's Date header; 2025-03-04 for one without."""
    stated = message_from_bytes(raw, policy=policy.compat32).get("Date")
    try:
        found = parsedate_to_datetime(str(stated))
    except ValueError:
        return datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def filled(
    address: str, messages: Iterable[bytes], folders: tuple[str, ...] = ("Inbox", "Sent Items")
) -> Mailbox:
    """Return a mailbox with messages dealt over some folders."""
    box = Mailbox(address)
    roles = {"Inbox": "inbox", "Sent Items": "sentitems", "Deleted Items": "deleteditems", "Drafts": "drafts"}
    made = [box.folder(name, role=roles.get(name, "")) for name in folders]
    for number, raw in enumerate(messages):
        box.add(made[number % len(made)], raw)
    return box
