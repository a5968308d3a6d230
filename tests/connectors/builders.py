"""Sources built at test time, one builder a line in ``FIXTURES``: the contract suite runs over them all.

A builder writes a clean source below a folder and says what a correct reader must find: the native bytes
by native key, and what must come out as failed or excluded. Keys are worked out here by their definition,
never by a reader. ``SECRET`` is in contents and in file names: it must never reach a log or an exception.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import io
import json
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from records.models import FoundItem, Scope, SourceContext, Window
from records.vocabulary import Reason

ZONE = ZoneInfo("America/Los_Angeles")
ALWAYS = Window(None, None, ZONE)
SECRET = "zanzibar"
FROM_LINE = b"From x@example.org Tue Mar 04 18:20:34 2025\n"


@dataclass
class Built:
    """What lies there.

    Attributes:
        path: The source's path; empty for a service.
        found: Native bytes by native key.
        failed: Reason by native key.
        excluded: Reason by native key.
        scopes: Keys of all scopes, in order.
        options: What the request file gives beside the path.
        service: For a service: what a connector is given.
        uncounted: Scopes that the service gives no count of.
        undated: For a service: keys of what a window never excludes.
        vanish: For a service: ends its server.
        state: For a service: everything that reading must not change.
    """

    path: str = ""
    found: dict[str, bytes] = field(default_factory=dict)
    failed: dict[str, Reason] = field(default_factory=dict)
    excluded: dict[str, Reason] = field(default_factory=dict)
    scopes: tuple[str, ...] = (".",)
    options: Mapping[str, str] = field(default_factory=dict)
    service: SourceContext | None = None
    uncounted: frozenset[str] = frozenset()
    undated: frozenset[str] = frozenset()
    vanish: Callable[[], None] | None = None
    state: Callable[[], object] | None = None

    @property
    def context(self) -> SourceContext:
        return self.service or replace(context(self.path), options=self.options)


def context(path: str | None) -> SourceContext:
    return SourceContext("s1", "c1", path, ZONE)


def everything(connector, scope: Scope, max_items=10_000, max_bytes=256 << 20, window=ALWAYS):
    """Return all values of a scope, and the native bytes of those found."""
    values, data = [], {}
    for part in connector.parts(scope, max_items, max_bytes):
        for value in connector.items(part, window):
            values.append(value)
            if isinstance(value, FoundItem):
                with connector.open(value) as stream:
                    data[value.native_key] = stream.read()
    return values, data


def mail(number: int, date: str | None = "Tue, 4 Mar 2025 10:20:34 -0800", body: str = "") -> bytes:
    head = f"From: a{number}@example.org\nTo: b@example.org\nSubject: {SECRET} {number}\n"
    if date is not None:
        head += f"Date: {date}\n"
    return f"{head}\n{SECRET} {body or number}\n".encode()


def keyed(messages: list[bytes]) -> dict[str, bytes]:
    equals: Counter[str] = Counter()
    found = {}
    for message in messages:
        digest = hashlib.sha256(message).hexdigest()
        found[f"{digest}:{equals[digest]}"] = message
        equals[digest] += 1
    return found


def mbox_bytes(messages: list[bytes]) -> bytes:
    return b"".join(FROM_LINE + message + b"\n" for message in messages)


def some_mails() -> list[bytes]:
    """Eleven messages; 1, 4 and 9 are equal, and 3 and 10."""
    numbers = (0, 1, 2, 3, 1, 5, 6, 7, 8, 1, 3)
    return [mail(number) for number in numbers]


def maildir(root: Path) -> Built:
    built = Built(str(root), scopes=(".", ".Sent", ".Sent.2025"))
    for box in ("", ".Sent", ".Sent.2025"):
        for place in ("cur", "new", "tmp"):
            (root / box / place).mkdir(parents=True)
    for number in range(7):
        box = ("", ".Sent")[number % 2]
        place, flags = ("cur", ":2,RS") if number % 3 else ("new", "")
        rel = "/".join(filter(None, (box, place, f"17{number:04}.M{number}P1.{SECRET}")))
        (root / (rel + flags)).write_bytes(mail(number))
        built.found[rel] = mail(number)
    (root / "dovecot-uidlist").write_bytes(b"3 V1 N1\n")
    built.excluded["dovecot-uidlist"] = Reason.EXPORT_SCAFFOLDING
    return built


def mail_folder(root: Path) -> Built:
    built = Built(str(root), scopes=(".", "Archive.mbox", "old.zip", "old.zip!in/Inbox.mbox", "deep"))
    (root / "deep").mkdir(parents=True)
    for rel, data in {
        "a.eml": mail(1),
        "b.EML": b"From x@example.org Tue Mar 04 18:20:34 2025\n" + mail(2),
        f"{SECRET}.pdf": b"%PDF-1.4 " + SECRET.encode(),
        "plain": mail(3),
        "deep/é.eml": mail(4).replace(b"\n", b"\r\n"),
        "deep/empty.eml": b"",
    }.items():
        (root / rel).write_bytes(data)
        built.found[rel] = data
    messages = some_mails()
    (root / "Archive.mbox").write_bytes(mbox_bytes(messages))
    built.found |= keyed(messages)
    with zipfile.ZipFile(root / "old.zip", "w") as archive:
        archive.writestr("in/1.eml", mail(20))
        archive.writestr("in/Inbox.mbox", mbox_bytes([mail(21), mail(22)]))
        archive.writestr("in/notes.txt", SECRET)
    built.found |= {"old.zip!in/1.eml": mail(20), "old.zip!in/notes.txt": SECRET.encode()}
    built.found |= keyed([mail(21), mail(22)])
    (root / ".DS_Store").write_bytes(b"Bud1")
    built.excluded[".DS_Store"] = Reason.EXPORT_SCAFFOLDING
    (root / "link.eml").symlink_to("a.eml")
    built.failed["link.eml"] = Reason.UNSAFE_NAME
    os.mkfifo(root / "pipe")
    built.failed["pipe"] = Reason.UNSUPPORTED
    return built


def one_mbox(root: Path) -> Built:
    root.mkdir(parents=True)
    path = root / f"{SECRET}.mbox"
    messages = some_mails()
    path.write_bytes(mbox_bytes(messages))
    return Built(str(path), keyed(messages), scopes=(path.name,))


def packed_mbox(root: Path) -> Built:
    root.mkdir(parents=True)
    path = root / "all.mbox.gz"
    messages = some_mails()
    with gzip.open(path, "wb") as stream:
        stream.write(mbox_bytes(messages))
    return Built(str(path), keyed(messages), scopes=(path.name,))


def sms(number: int, tag: str = "sms") -> bytes:
    return (
        f'<{tag} address="+1425555010{number % 10}" date="{1741100000000 + number}" '
        f'body="{SECRET} &gt; {number}" />'
    ).encode()


def mms(number: int) -> bytes:
    return (
        f'<mms date="{1741100000000 + number}" msg_box="1"><parts><part seq="0" ct="text/plain" '
        f"text='{SECRET} \"{number}\" > ' /></parts><addrs /></mms>"
    ).encode()


def backup_bytes(elements: list[bytes], root: str = "smses") -> bytes:
    lines = [
        b"<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>",
        b"<!-- <sms body='not one'/> -->",
        f'<{root} count="{len(elements)}" backup_set="x">'.encode(),
        *(b"  " + element for element in elements),
        f"</{root}>".encode(),
    ]
    return b"\n".join(lines) + b"\n"


def backups(root: Path) -> Built:
    root.mkdir(parents=True)
    texts = [sms(1), mms(2), sms(3), sms(1), mms(5), sms(1)]
    calls = [sms(7, "call"), sms(8, "call")]
    (root / "sms-1.xml").write_bytes(backup_bytes(texts))
    (root / "readme.txt").write_text(SECRET)
    with zipfile.ZipFile(root / "phone.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("calls-1.xml", backup_bytes(calls, "calls"))
    found = keyed(texts) | keyed(calls) | {"readme.txt": SECRET.encode()}
    return Built(str(root), found, scopes=("phone.zip!calls-1.xml", "sms-1.xml", "."))


MESSAGES = [
    {
        "creator": {"name": "Ana", "email": "ana@example.org"},
        "created_date": "Tuesday, March 4, 2025 at 6:20:34\u202fPM UTC",
        "text": f'{SECRET} {{"not": [an object]}} \\ "',
        "attached_files": [{"original_name": "a b.png", "export_name": "File-1?account_id=3.png"}],
        "message_id": "sp/t1/t1",
    },
    {"created_date": "Wednesday, March 5, 2025 at 6:20:34 AM UTC", "text": "no id"},
    {"created_date": "Wednesday, March 5, 2025 at 6:20:34 AM UTC", "text": "no id"},
    {
        "message_state": "DELETED",
        "created_date": "Friday, March 7, 2025 at 1:00:00 AM UTC",
        "message_id": "sp/t1/m3",
    },
]


def takeout_files() -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return the files of an export, and the found items other than those files."""
    group = "Takeout/Google Chat/Groups/Space sp"
    objects = [
        json.dumps(message, ensure_ascii=n % 2 == 0, indent=2).encode() for n, message in enumerate(MESSAGES)
    ]
    mails = [b"X-GM-THRID: 17\nX-Gmail-Labels: Inbox,Opened\n" + mail(n) for n in (1, 2, 2)]
    files = {
        "Takeout/Mail/Alle Nachrichten.mbox": mbox_bytes(mails),
        f"{group}/messages.json": b'{\n "messages": [ ' + b",\n".join(objects) + b"]\n}",
        f"{group}/group_info.json": json.dumps(
            {"name": "Gym", "members": [{"name": "Ana", "email": "ana@example.org"}]}
        ).encode(),
        f"{group}/File-1_account_id=3.png": b"\x89PNG",
        "Takeout/Drive/Übersicht.docx": b"PK\x03\x04 " + SECRET.encode(),
        "Takeout/archive_browser.html": b"<html></html>",
    }
    found = keyed(mails)
    found |= {"sp/t1/t1": objects[0], "sp/t1/m3": objects[3]}
    for n in (1, 2):
        digest = hashlib.sha256(objects[n]).hexdigest()
        found[f"{digest}:{sum(f'{digest}:' in key for key in found)}"] = objects[n]
    return files, found


def _takeout(path: Path, files: dict[str, bytes], found: dict[str, bytes]) -> Built:
    apart = ("messages.json", ".mbox", "archive_browser.html")
    found = found | {key: data for key, data in files.items() if not key.endswith(apart)}
    excluded = {"Takeout/archive_browser.html": Reason.EXPORT_SCAFFOLDING}
    scopes = ("Takeout/Mail/Alle Nachrichten.mbox", "Takeout", "Takeout/Drive", "Takeout/Google Chat")
    return Built(str(path), found, {}, excluded, scopes)


def takeout_folder(root: Path) -> Built:
    files, found = takeout_files()
    for key, data in files.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)
    return _takeout(root, files, found)


def takeout_zips(root: Path) -> Built:
    root.mkdir(parents=True)
    files, found = takeout_files()
    for number in (1, 2):
        with zipfile.ZipFile(
            root / f"takeout-20250304T182034Z-{number:03}.zip", "w", zipfile.ZIP_DEFLATED
        ) as archive:
            for n, (key, data) in enumerate(files.items()):
                if n % 2 == number - 1:
                    archive.writestr(key, data)
    return _takeout(root, files, found)


def loose(root: Path) -> Built:
    built = Built(str(root))
    for rel in ("b.txt", "a/z.txt", "a/deep/x", "a-b.txt", "a/.hidden", f"{SECRET}.docx", "a.txt", "ä/ö.txt"):
        (root / rel).parent.mkdir(parents=True, exist_ok=True)
        (root / rel).write_bytes(f"{SECRET} {rel}".encode())
        built.found[rel] = f"{SECRET} {rel}".encode()
    (root / "a" / "Thumbs.db").write_bytes(b"x")
    built.excluded["a/Thumbs.db"] = Reason.EXPORT_SCAFFOLDING
    (root / "loop").symlink_to(root)
    built.failed["loop"] = Reason.UNSAFE_NAME
    os.mkfifo(root / "a" / "pipe")
    built.failed["a/pipe"] = Reason.UNSUPPORTED
    (root / "void").mkdir()
    return built


def one_file(root: Path) -> Built:
    root.mkdir(parents=True)
    (root / "only.docx").write_bytes(SECRET.encode())
    (root / "beside.txt").write_bytes(b"not handed over")
    return Built(str(root / "only.docx"), {"only.docx": SECRET.encode()})


def packages(name: str) -> Callable[[Path], Built]:
    """Return a builder of export packages; they build on this module, so they are looked up when needed."""

    def build(root: Path) -> Built:
        from tests.connectors import built_packages

        return getattr(built_packages, name)(root)

    return build


def elsewhere(module: str, name: str) -> Callable[[Path], Built]:
    """Return a builder of another module beside this one, looked up when needed: it builds on this one."""
    return lambda root: getattr(importlib.import_module(f"tests.connectors.{module}"), name)(root)


FIXTURES: dict[str, tuple[str, Callable[[Path], Built]]] = {
    "maildir": ("mail_files", maildir),
    "mail folder": ("mail_files", mail_folder),
    "mbox": ("mail_files", one_mbox),
    "mbox.gz": ("mail_files", packed_mbox),
    "sms backups": ("sms_backup_restore", backups),
    "takeout folder": ("google_takeout", takeout_folder),
    "takeout zips": ("google_takeout", takeout_zips),
    "loose files": ("loose_files", loose),
    "one loose file": ("loose_files", one_file),
    "exchange online": ("exchange_ews", elsewhere("built_ews", "online")),
    "exchange server": ("exchange_ews", elsewhere("built_ews", "server")),
    "imap": ("imap", elsewhere("built_imap", "mailbox")),
    "imessage of a mac": ("imessage", elsewhere("built_imessage", "mac")),
    "imessage of a mac at work": ("imessage", elsewhere("built_imessage", "mac_with_log")),
    "imessage of a mac in a zip": ("imessage", elsewhere("built_imessage", "packed_mac")),
    "imessage of an old phone": ("imessage", elsewhere("built_imessage", "old_phone")),
    "iphone backup": ("imessage", elsewhere("built_imessage", "backup")),
    "iphone backup in a zip": ("imessage", elsewhere("built_imessage", "packed_backup")),
    "imazing": ("imazing", elsewhere("built_known_tables", "imazing")),
    "linkedin": ("linkedin", elsewhere("built_known_tables", "linkedin")),
    "twilio": ("twilio", elsewhere("built_twilio", "account")),
    "twilio log": ("twilio_log", elsewhere("built_known_tables", "twilio")),
    "imessage-exporter": ("imessage_exporter", elsewhere("built_imessage_exporter", "conversations")),
    "discord": ("discord", elsewhere("built_discord", "package")),
    "discord in a zip": ("discord", elsewhere("built_discord", "zipped")),
    "discord of old": ("discord", elsewhere("built_discord", "older")),
    "microsoft graph": ("microsoft_graph", elsewhere("built_graph", "graph_account")),
    "google workspace": ("google_workspace", elsewhere("built_google", "google_workspace")),
    "purview export": ("purview_export", packages("purview")),
    "purview export unpacked": ("purview_export", packages("purview_unpacked")),
    "signal export": ("signal", elsewhere("built_signal", "native")),
    "signal export in a zip": ("signal", elsewhere("built_signal", "native_zip")),
    "signal texts": ("signal", elsewhere("built_signal", "texts")),
    "slack export": ("slack_export", elsewhere("built_slack", "standard")),
    "slack export unpacked": ("slack_export", elsewhere("built_slack", "unpacked")),
    "slack enterprise": ("slack_export", elsewhere("built_slack", "enterprise")),
    "message tables": ("message_table", elsewhere("built_tables", "tables")),
    "message tables with files": ("message_table", elsewhere("built_tables", "with_files")),
    "rsmf": ("rsmf", elsewhere("built_rsmf", "files")),
    "samsung": ("samsung", elsewhere("built_samsung", "unpacked")),
    "samsung in a zip": ("samsung", elsewhere("built_samsung", "zipped")),
    "screenshots": ("screenshots", elsewhere("built_screenshots", "folder")),
    "snapchat": ("snapchat", elsewhere("built_snapchat", "unpacked")),
    "snapchat in zips": ("snapchat", elsewhere("built_snapchat", "zipped")),
    "snapchat of old": ("snapchat", elsewhere("built_snapchat", "older")),
    "telegram chat": ("telegram", elsewhere("built_telegram", "one_chat")),
    "telegram account": ("telegram", elsewhere("built_telegram", "account")),
    "telemessage": ("telemessage", elsewhere("built_telemessage", "deliveries")),
    "outlook data file": ("outlook_data_file", elsewhere("built_outlook", "folder")),
    "outlook data file in a zip": ("outlook_data_file", elsewhere("built_outlook", "zipped")),
    "printed histories": ("transcripts", elsewhere("built_transcripts", "histories")),
    "saved conversations": ("transcripts", elsewhere("built_transcripts", "saved_pages")),
    "whatsapp chats": ("whatsapp", elsewhere("built_whatsapp", "chats")),
    "zoom meetings": ("zoom_files", elsewhere("built_zoom", "meetings")),
    "x archive": ("social_media", elsewhere("built_social", "x_zip")),
    "x archive unpacked": ("social_media", elsewhere("built_social", "x_folder")),
    "facebook page": ("social_media", elsewhere("built_social", "facebook_zip")),
    "facebook page in zips": ("social_media", elsewhere("built_social", "facebook_split")),
    "instagram": ("social_media", elsewhere("built_social", "instagram")),
    "ufdr": ("ufdr", elsewhere("built_ufdr", "zipped")),
    "ufdr unpacked": ("ufdr", elsewhere("built_ufdr", "unpacked")),
    "vault export": ("vault_export", packages("vault")),
    "vault export of old": ("vault_export", packages("vault_of_old")),
    "vault export unpacked": ("vault_export", packages("vault_unpacked")),
}


def encrypted_zip(members: dict[str, bytes], secret: dict[str, bytes]) -> bytes:
    """Return a zip of plain members, and of AES-encrypted ones."""
    import pyzipper

    out = io.BytesIO()
    with pyzipper.AESZipFile(out, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.setpassword(b"x")
        archive.setencryption(pyzipper.WZ_AES, nbits=256)
        for name, data in secret.items():
            archive.writestr(name, data)
    return out.getvalue()
