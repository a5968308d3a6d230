"""For every connector of chats: media that is not there fails, and overlapping exports lose nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.registry import CONNECTORS
from records.models import FailedItem, FoundItem
from records.vocabulary import Reason, WarningCode
from tests.connectors.builders import FIXTURES, everything

MEDIA = {
    "imazing": "media/2025-03-04 10 20 34 - Rosa Delgado - IMG_1 2.jpg",
    "imessage-exporter": "attachments/3/5.jpg",
    "imessage of a mac": "Attachments/ab/11/IMG 1.HEIC",
    "instagram": "media/posts/202503/1.jpg",
    "message tables with files": "plan.pdf",
    "printed histories": "map.png",
    "rsmf": "unpacked/plan.pdf",
    "samsung": "Image_2_p1_29fa7e75-0000-4000-8000-00000000a002.jpg",
    "screenshots": "IMG_2.png",
    "signal export": "files/93/93f873cab847c20c87d505829655e4770c25f1c0409b58f0a0c7da8061e60657.jpg",
    "signal texts": "Lee Okafor/media/2025-03-04_00_bus stop.jpg",
    "slack export unpacked": "__uploads/F0UPLOADED/plan.txt",
    "snapchat": "chat_media/2025-03-04_b~AAA.jpg",
    "telegram chat": "photos/photo_1@04-03-2025_10-23-34.jpg",
    "takeout folder": "Takeout/Google Chat/Groups/Space sp/File-1_account_id=3.png",
    "ufdr unpacked": "files/Image/bus stop.jpg",
    "whatsapp chats": "IMG-20250314-WA0003.jpg",
    "x archive unpacked": "twitter-2025/data/tweets_media/1700000000000000102-AbC.jpg",
}
"""A file that a message of the fixture names."""

NAME_NO_FILES = {
    "discord": "a message names attachments by address only: tests/connectors/test_discord.py",
    "linkedin": "a message names attachments by address only: tests/connectors/test_known_tables.py",
    "twilio_log": "a log says how many files a message had: tests/connectors/test_known_tables.py",
    "sms_backup_restore": "what a message carries lies in its element: tests/extract/test_sms.py",
    "telemessage": "a mail carries its files; the manifest names mails: tests/connectors/test_telemessage.py",
    "zoom_files": "a chat names no file of the folder",
}
OF_MAIL = {
    "google_workspace",
    "loose_files",
    "mail_files",
    "outlook_data_file",
    "purview_export",
    "vault_export",
}


def read(name: str, built) -> tuple[dict[str, bytes], dict[str, FailedItem], dict[str, FoundItem]]:
    """Return native bytes, failures and items by key."""
    source = CONNECTORS[FIXTURES[name][0]](built.context)
    data: dict[str, bytes] = {}
    failed: dict[str, FailedItem] = {}
    items: dict[str, FoundItem] = {}
    for scope in source.scopes():
        values, got = everything(source, scope)
        data |= got
        failed |= {one.native_key: one for one in values if isinstance(one, FailedItem)}
        items |= {one.native_key: one for one in values if isinstance(one, FoundItem)}
        expected = source.count(scope).count
        assert expected is None or expected == len(values), scope.key
    return data, failed, items


def test_every_connector_of_chats_is_here():
    services = {"exchange_ews", "google_workspace", "imap", "microsoft_graph", "twilio"}
    told = {FIXTURES[name][0] for name in MEDIA} | set(NAME_NO_FILES) | OF_MAIL | services
    assert told == set(CONNECTORS)


@pytest.mark.parametrize("name", sorted(MEDIA))
def test_media_that_a_message_names_and_that_is_not_there_is_a_failed_item(name, tmp_path):
    built = FIXTURES[name][1](tmp_path / "source")
    before, failed_before, _ = read(name, built)
    (tmp_path / "source" / MEDIA[name]).unlink()
    after, failed, items = read(name, built)
    assert len(set(before) - set(after)) == 1
    assert set(after) < set(before)  # and every message is there
    (new,) = set(failed) - set(failed_before)
    # Slack's own files are links in an export; one that a program put there is missed as such a link
    hosted = FIXTURES[name][0] == "slack_export"
    assert failed[new].reason is (Reason.EXPIRED_LINK if hosted else Reason.NOT_IN_EXPORT)
    marked = [key for key, one in items.items() if key in new and WarningCode.MISSING_PART in one.warnings]
    assert len(marked) == (0 if name == "screenshots" else 1)  # there the picture is the record


OVERLAPPING = {
    "discord",
    "imazing", "imessage of a mac", "imessage-exporter", "instagram", "message tables",
    "printed histories", "rsmf", "samsung", "signal export", "signal texts", "slack export unpacked",
    "sms backups", "snapchat", "takeout zips", "telegram chat", "telemessage", "ufdr unpacked",
    "whatsapp chats", "x archive unpacked", "zoom meetings",
}  # fmt: skip
"""Fixtures of which two exports may lie in one source; a folder of screenshots has one sheet."""


def twice(name: str, root: Path) -> None:
    """Write an export twice, as two that were made of the same phone or account lie beside each other."""
    build = FIXTURES[name][1]
    for number in (1, 2):
        build(root / f"export {number}")
    if name in {"sms backups", "takeout zips", "telemessage", "whatsapp chats"}:  # zips lie at the top
        for number in (1, 2):
            for one in sorted((root / f"export {number}").iterdir()):
                one.rename(
                    root
                    / (
                        f"{number} {one.name}"
                        if name != "takeout zips"
                        else one.name.replace("-2025", f"{number}-2025")
                    )
                )
            (root / f"export {number}").rmdir()


@pytest.mark.parametrize("name", sorted(OVERLAPPING))
def test_two_exports_of_the_same_are_two_items_each_with_the_same_bytes(name, tmp_path):
    once = FIXTURES[name][1](tmp_path / "once")
    kind = CONNECTORS[FIXTURES[name][0]]

    def natives(path: str) -> Counter[bytes]:
        source = kind(replace(once.context, path=path))
        found: Counter[bytes] = Counter()
        for scope in source.scopes():
            values, got = everything(source, scope)
            assert len(got) == sum(isinstance(one, FoundItem) for one in values)
            found.update(got.values())
        return found

    twice(name, tmp_path / "both")
    alone = natives(once.path)
    both = natives(str(tmp_path / "both"))
    print(
        name,
        alone.total(),
        both.total(),
        [k[:60] for k in (both - alone - alone)][:4],
        [k[:60] for k in (alone + alone - both)][:4],
    )
    assert both == alone + alone
