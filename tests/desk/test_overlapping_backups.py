"""Two backups of one phone overlap: each message is an item of each, and the two are known to be the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from desk.home import Home
from desk.register import open_request
from desk.searching import count
from records import tables as t
from records.settings import Settings
from tests.connectors.builders import backup_bytes
from tests.connectors.built_imessage import Phone, archived
from tests.connectors.built_ufdr import chat, message, report
from tests.desk.fake_mailbox import run

REQUEST = """
text = "All texts about the gate"
received_on = 2026-09-08
terms = "terms.csv"
[[custodians]]
id = "lee"
name = "Ann Lee"
numbers = ["+14255550100"]
[[sources]]
id = "android"
connector = "sms_backup_restore"
custodian = "lee"
path = "android"
[[sources]]
id = "iphone"
connector = "imessage"
custodian = "lee"
path = "iphone"
[[sources]]
id = "examined"
connector = "ufdr"
custodian = "lee"
path = "examined"
"""
SMS = '<sms address="+14255550101" date="{at}" type="1" read="{read}" contact_name="{name}" body="{body}" />'


def backups(folder: Path) -> None:
    """Write what a person hands over: a first backup, and one of a week later."""
    (folder / "android").mkdir(parents=True)
    said = ((1741100000123, "gate one"), (1741100000456, "gate two"))
    for name, read, person, more in (
        ("sms-1", 0, "(Unknown)", ()),
        ("sms-2", 1, "Rosa", ((9, "gate three"),)),
    ):
        texts = [
            SMS.format(at=at if at > 9 else 1741100009000, read=read, name=person, body=body).encode()
            for at, body in (*said, *more)
        ]
        (folder / "android" / f"{name}.xml").write_bytes(backup_bytes(texts))
    for number, name in enumerate(("before", "after")):
        phone = Phone(folder / "iphone" / f"{name}.db")
        rosa = phone.handle("+14255550101")
        talk = phone.chat("iMessage;-;+14255550101", [rosa])
        if number:  # the older ones have other row numbers, and were read
            phone.message("M-0", talk, -60, text="gate zero", handle_id=rosa)
        phone.message("M-1", talk, 0, text="gate four", handle_id=rosa, is_read=number)
        phone.message("M-2", talk, 9, attributedBody=archived("gate five"), is_from_me=1)
        phone.message("M-3", talk, 12, text="gate six, now" if number else "gate six", is_from_me=1)
        phone.close()
        reading = folder / "examined" / name  # an examiner's tool gives each model a new id with each reading
        reading.mkdir(parents=True)
        texts = [
            message(f"{name}-{one}", f"bus {one}").replace(f"WA-{name}-", "WA-") for one in "ab"[: 2 - number]
        ]
        (reading / "report.xml").write_bytes(report({"Chat": [chat(texts, "")]}))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("overlap")
    backups(folder)
    (folder / "terms.csv").write_text("term\ngate\n", "utf-8")
    (folder / "request.toml").write_text(REQUEST, "utf-8")
    opened = Home.open(settings=Settings(home=folder / "home", workers=1))
    request_id, _ = open_request(opened, folder / "request.toml", by="pro")
    run(opened, request_id)
    yield opened
    opened.close()


def hashes(home: Home, source: str, kind: str = "message") -> dict[str, list[str | None]]:
    """Return the content hashes of messages by their words."""
    i, r = t.items.c, t.readings.c
    store = home.store("2026-0001")
    found: dict[str, list[str | None]] = {}
    with home.catalogue.read() as connection:
        rows = connection.execute(
            sa.select(r.text_sha256, r.content_hash)
            .join_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
            .where(i.source_id == source, r.kind == kind)
            .order_by(i.scope_key)
        ).all()
    for text, digest in rows:
        found.setdefault(store.get(text).decode(), []).append(digest)
    return found


def test_a_text_that_was_read_meanwhile_is_the_same_in_both(home):
    found = hashes(home, "android")
    assert {words: (len(one), len(set(one))) for words, one in found.items()} == {
        "gate one": (2, 1), "gate two": (2, 1), "gate three": (1, 1),
    }  # fmt: skip
    assert len({digest for one in found.values() for digest in one}) == 3
    assert None not in {digest for one in found.values() for digest in one}


def test_a_message_keeps_its_id_whatever_its_row_and_an_edited_one_is_another(home):
    found = hashes(home, "iphone")
    assert {words: (len(one), len(set(one))) for words, one in found.items()} == {
        "gate zero": (1, 1), "gate four": (2, 1), "gate five": (2, 1), "gate six": (1, 1),
        "gate six, now": (1, 1),
    }  # fmt: skip


def test_two_readings_of_a_phone_hold_the_same_message(home):
    found = hashes(home, "examined", "chat")
    assert {words: (len(one), len(set(one))) for words, one in found.items()} == {
        "bus a": (2, 1),
        "bus b": (1, 1),
    }
    assert None not in {digest for one in found.values() for digest in one}


def test_a_report_counts_every_copy_and_each_content_once(home):
    assert count(home, "2026-0001", "gate", by="pro") == {"documents": 12, "families": 12, "distinct": 8}
