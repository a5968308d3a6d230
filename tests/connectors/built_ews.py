"""A mailbox behind the fake of Exchange Web Services, and what a correct reader must find in it."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from records.models import Connection, SourceContext
from tests.connectors.builders import SECRET, ZONE, Built, mail
from tests.servers.ews import Ews, connection_fields, ews_id
from tests.servers.mailstore import Folder, Mailbox
from tests.servers.web import Served

ACCOUNT = "ana@example.org"
EVERYWHERE = ("primary", "recoverable", "archive", "hidden", "public_folders")
CARD = f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{SECRET}\r\nEND:VCARD\r\n".encode()


def context_of(url: str, account: str = ACCOUNT, **about: Any) -> SourceContext:
    """Return what a connector is given for the fake of Exchange Online at an address."""
    fields = connection_fields(url, **{"patience_s": "0.1", **about.pop("extra", {})})
    connection = Connection("exchange", fields["host"], fields["login"], fields["password"], fields["extra"])
    return SourceContext("s1", "c1", None, ZONE, connection=connection, account=account, **about)


def server_context(url: str, **about: Any) -> SourceContext:
    """Return what a connector is given for the fake of Exchange Server, with basic sign-in."""
    extra = {"auth": "basic", "patience_s": "0.1", **about.pop("extra", {})}
    connection = Connection("exchange", url, "DISTRICT\\svc", "not-a-real-secret", extra)
    return SourceContext("s1", "c1", None, ZONE, connection=connection, account=ACCOUNT, **about)


def event(key: str, day: str = "20250304", rule: str = "") -> bytes:
    """Return an event as Exchange writes it."""
    more = f"RRULE:{rule}\r\n" if rule else ""
    return (
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:{key}\r\nSUMMARY:{SECRET} {key}\r\n"
        f"DTSTART:{day}T180000Z\r\nDTEND:{day}T190000Z\r\n{more}END:VEVENT\r\nEND:VCALENDAR\r\n"
    ).encode()


def organisation(**about: Any) -> Ews:
    """Return an organisation with one mailbox that has something in every place."""
    ews = Ews(**about)
    box = ews.store.mailbox(ACCOUNT)
    inbox = box.folder("Inbox", role="inbox")
    sent = box.folder("Sent Items", role="sentitems")
    project = box.folder(f"{SECRET} project", parent=inbox.id)
    deep = box.folder("Deeper", parent=project.id)
    box.folder("Empty")
    calendar = box.folder("Calendar", kind="calendar")
    contacts = box.folder("Contacts", kind="contacts")
    lost = box.folder("Deletions", root="recoverable")
    versions = box.folder("Versions", root="recoverable")
    box.folder("Weekly digests", root="hidden", role="searchfolder")
    teams = box.folder("TeamsMessagesData", root="hidden")
    old = box.folder("Inbox", root="archive")
    purged = box.folder("Purges", root="archive recoverable")
    board = box.folder("Board", root="public")
    minutes = box.folder("Minutes", root="public", parent=board.id)
    for number in range(7):
        # three within one second, in an order that is not that of their ids
        same = {"received": datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC)} if number in {2, 3, 4} else {}
        date = f"{'Tue' if number < 6 else 'Wed'}, {4 + number // 6} Mar 2025 {10 + number % 6}:20:34 -0800"
        faults = frozenset({"draft", "unread"}) if number == 5 else frozenset()
        labels = ("Budget", "Bus") if number == 1 else ()
        box.add(inbox, mail(number, date), labels=labels, faults=faults, **same)
    for number, folder in enumerate((sent, project, deep, lost, versions, teams, old, purged, minutes), 20):
        box.add(folder, mail(number))
    box.add(inbox, mail(40), faults=frozenset({"undated"}))
    for raw in (event("E1"), event("E2", "20240109", "FREQ=WEEKLY"), event("E3", "20250306")):
        box.add(calendar, raw, received=datetime(2025, 1, 1, tzinfo=UTC))
    box.add(contacts, CARD, received=datetime(2025, 1, 1, tzinfo=UTC))
    return ews


def mailbox_of(ews: Ews) -> Mailbox:
    """Return the one mailbox."""
    box = ews.store.find(ACCOUNT)
    assert box is not None
    return box


def folder_of(ews: Ews, name: str, root: str = "primary") -> Folder:
    """Return a folder by the name people see."""
    return next(one for one in mailbox_of(ews).folders.values() if (one.name, one.root) == (name, root))


def scope_key(ews: Ews, name: str, place: str = "primary", root: str = "") -> str:
    """Return the key of a folder's scope."""
    return f"{place}/{ews_id(folder_of(ews, name, root or place).id)}"


def found_in(ews: Ews, *roots: str) -> dict[str, bytes]:
    """Return native bytes by native key, of all folders of some roots."""
    box = mailbox_of(ews)
    return {
        ews_id(item.id): item.raw for item in box.messages.values() if box.folders[item.folder].root in roots
    }


def _built(
    ews: Ews, served: Served, context: SourceContext, roots: tuple[str, ...], scopes: list[str]
) -> Built:
    box = mailbox_of(ews)
    kept = [item for item in box.messages.values() if "undated" in item.faults or b"RRULE" in item.raw]
    cards = [item for item in box.messages.values() if item.raw == CARD]
    return Built(
        found=found_in(ews, *roots),
        scopes=tuple(scopes),
        service=context,
        undated=frozenset(ews_id(item.id) for item in (*kept, *cards)),
        vanish=served.close,
        state=lambda: copy.deepcopy(ews.store),
    )


def _usual_scopes(ews: Ews) -> list[str]:
    project = f"{SECRET} project"
    names = ("Calendar", "Contacts", "Empty", "Inbox", project, "Deeper", "Sent Items")
    return [
        f"primary/{ews_id('msgfolderroot')}",
        *(scope_key(ews, name) for name in names),
        f"recoverable/{ews_id('recoverableitemsroot')}",
        *(scope_key(ews, name, "recoverable") for name in ("Deletions", "Versions")),
        f"archive/{ews_id('archivemsgfolderroot')}",
        scope_key(ews, "Inbox", "archive"),
        f"archive/{ews_id('archiverecoverableitemsroot')}",
        scope_key(ews, "Purges", "archive", "archive recoverable"),
    ]


def online(root: Path) -> Built:
    """Serve a mailbox of Exchange Online; the usual places are read."""
    del root
    ews = organisation()
    served = Served(ews.app())
    roots = ("primary", "recoverable", "archive", "archive recoverable")
    return _built(ews, served, context_of(served.url), roots, _usual_scopes(ews))


def server(root: Path) -> Built:
    """Serve a mailbox of Exchange Server; every place is read."""
    del root
    ews = organisation(entra=None, users={"DISTRICT\\svc": "not-a-real-secret"})
    served = Served(ews.app())
    roots = ("primary", "recoverable", "archive", "archive recoverable", "hidden", "public")
    scopes = [
        *_usual_scopes(ews),
        f"hidden/{ews_id('root')}",
        scope_key(ews, "TeamsMessagesData", "hidden"),
        f"public_folders/{ews_id('publicfoldersroot')}",
        scope_key(ews, "Board", "public_folders", "public"),
        scope_key(ews, "Minutes", "public_folders", "public"),
    ]
    return _built(ews, served, server_context(served.url, places=EVERYWHERE), roots, scopes)
