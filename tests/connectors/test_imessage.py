"""Messages of phones and Macs: conversations, both clocks, what was deleted or lost, and broken files."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
import tempfile
import zipfile
from datetime import date
from pathlib import Path

import apsw
import pytest

from connectors import imessage, imessage_database
from connectors.export_files import PackageFile
from connectors.imessage import Imessage
from connectors.imessage_database import LAST, opened
from connectors.registry import guess
from examples.exports.imessage import JOIN, NOON, NS, TABLES, Phone, many
from records import canonical
from records.errors import AccessError, ItemError, SettingsError
from records.models import ExcludedItem, Expected, FailedItem, FoundItem, Scope, Window
from records.vocabulary import Basis, Reach, Reason, WarningCode
from tests.connectors import built_imessage as made
from tests.connectors.builders import ALWAYS, SECRET, ZONE, context, encrypted_zip, everything
from tests.connectors.built_imessage import backup_files, talk
from tests.connectors.collecting import Killed, collected

DAY = 86_400


def read(path: Path, key: str = "chat.db", window: Window = ALWAYS) -> dict[str, object]:
    """Return the values of one place by native key."""
    source = Imessage(context(str(path)))
    values, _ = everything(source, scope(source, key), window=window)
    found = {value.native_key: value for value in values}
    assert len(found) == len(values)
    return found


def scope(source: Imessage, key: str = "chat.db") -> Scope:
    return next(one for one in source.scopes() if one.key == key)


def count(path: Path, key: str = "chat.db") -> Expected:
    source = Imessage(context(str(path)))
    return source.count(scope(source, key))


def talked(root: Path) -> Path:
    made.mac(root)
    return root


def edited(path: Path, *statements: str) -> None:
    db = sqlite3.connect(path)
    for one in statements:
        db.execute(one)
    db.commit()
    db.close()


def reasons(values: dict[str, object]) -> dict[str, tuple[Reason, str]]:
    return {key: (one.reason, one.detail) for key, one in values.items() if isinstance(one, FailedItem)}


# --- what a message is told of --------------------------------------------------------------------------


def test_what_a_message_is_told_of(tmp_path: Path) -> None:
    found = read(talked(tmp_path / "s"))
    assert found["M-1"].metadata == {
        "group": "iMessage;-;+14255550101",
        "group_name": "+14255550101",
        "group_kind": "conversation of two",
        "members": "+14255550101",
        "owner": "c1",
    }
    assert found["M-5"].metadata == {
        "group": "iMessage;+;chat77",
        "group_name": "Bus 12",
        "group_kind": "group",
        "group_id": "G-77",
        "members": "+14255550101; lee@example.org",
        "owner": "c1",
    }
    assert found["M-2"].metadata["reactions"] == "like by +14255550101"
    assert found["M-6"].metadata["other_chats"] == "iMessage;+;chat77"
    assert found["M-8"].metadata == {"no_chat": "true", "owner": "c1"}
    assert found["M-1"].moment.at.isoformat() == "2025-03-04T18:20:34+00:00"
    assert (found["M-1"].moment.text, found["M-1"].moment.basis) == (str(NOON), Basis.STATED)


def test_a_row_is_kept_whole_with_what_its_numbers_stand_for(tmp_path: Path) -> None:
    source = Imessage(context(str(talked(tmp_path / "s"))))
    _, data = everything(source, scope(source))
    row = json.loads(data["M-5"])
    assert row["message"] == {
        "ROWID": 5, "guid": "M-5", "date": NOON + 30 * NS, "service": "iMessage", "is_from_me": 0,
        "item_type": 1, "group_action_type": 0, "handle_id": 1, "other_handle": 2,
    }  # fmt: skip
    assert row["handles"]["other_handle"] == {"country": "us", "id": "lee@example.org", "service": "iMessage"}
    assert [chat["guid"] for chat in row["chats"]] == ["iMessage;+;chat77"]
    assert row["schema"] == "imessage-row/1"


def test_recently_deleted_messages_are_marked(tmp_path: Path) -> None:
    gone = read(talked(tmp_path / "s"))["M-7"]
    assert gone.warnings == (WarningCode.DELETED,)
    assert gone.metadata["deleted_at"] == "2025-03-04T18:35:34.000000Z"
    assert gone.metadata["group"] == "iMessage;+;chat77"


def test_a_message_deleted_from_one_of_two_chats_is_not_deleted(tmp_path: Path) -> None:
    phone = Phone(tmp_path / "chat.db")
    one, two = phone.chat("iMessage;+;one", []), phone.chat("iMessage;+;two", [])
    key = phone.message("M", one)
    phone.delete(key, two, 5)
    phone.close()
    found = read(tmp_path)["M"]
    assert found.warnings == ()
    assert (found.metadata["group"], found.metadata["other_chats"]) == ("iMessage;+;one", "iMessage;+;two")


def test_attachments_follow_their_message_and_lost_ones_are_named(tmp_path: Path) -> None:
    found = read(talked(tmp_path / "s"))
    assert list(found)[8:12] == ["M-9", "M-9#at_0_IMG", "M-9#at_1_IMG", "M-9#at_2_big"]
    assert canonical.loads(found["M-9"].metadata["attachments"]) == [
        {"name": f"IMG 1 {SECRET}.HEIC", "native_key": "M-9#at_0_IMG"}
    ]
    assert found["M-9"].warnings == (WarningCode.MISSING_PART,)
    photo = found["M-9#at_0_IMG"]
    assert (photo.name, photo.media_type, photo.moment) == (
        f"IMG 1 {SECRET}.HEIC",
        "image/heic",
        found["M-9"].moment,
    )
    assert photo.metadata == {
        "attached_to": "M-9",
        "group": "iMessage;+;chat77",
        "group_name": "Bus 12",
        "path": "Attachments/ab/11/IMG 1.HEIC",
    }
    assert reasons(found) == {
        "M-9#at_1_IMG": (Reason.NOT_IN_EXPORT, "file"),
        "M-9#at_2_big": (Reason.NOT_IN_EXPORT, "no_file_name"),
    }


def test_reactions_are_rows_and_facts(tmp_path: Path) -> None:
    phone = Phone(tmp_path / "chat.db")
    ana = phone.handle("+14255550101")
    chat = phone.chat("iMessage;+;c", [ana])
    phone.message("M", chat)
    for n, (target, kind, more) in enumerate(
        [
            ("p:0/M", 2000, {"is_from_me": 1}),
            ("bp:M", 3001, {"handle_id": ana}),
            ("M", 2006, {"associated_message_emoji": "\U0001f600", "handle_id": ana}),
            ("p:2/M", 2005, {}),
            ("p:0/OTHER", 2001, {}),
            ("p:0/M", 1000, {}),
        ]
    ):
        phone.message(f"T-{n}", chat, n, associated_message_guid=target, associated_message_type=kind, **more)
    phone.close()
    found = read(tmp_path)
    assert found["M"].metadata["reactions"] == (
        "love by owner; like by +14255550101 (removed); \U0001f600 by +14255550101; question by unknown"
    )
    assert len(found) == 7
    assert count(tmp_path) == Expected(7, "rows by chat, and without one")


@pytest.mark.parametrize(
    ("stated", "at"),
    [
        (762_805_234 * NS, "2025-03-04T18:20:34+00:00"),
        (762_805_234, "2025-03-04T18:20:34+00:00"),
        (384_114_034.5, "2013-03-04T18:20:34.500000+00:00"),
        (762_805_234_123_456_789, "2025-03-04T18:20:34.123456+00:00"),
        (10**12, "2001-01-01T00:16:40+00:00"),
    ],
)
def test_both_clocks(tmp_path: Path, stated: float, at: str) -> None:
    phone = Phone(tmp_path / "chat.db")
    phone.message("M", None, date=stated)
    phone.close()
    moment = read(tmp_path)["M"].moment
    assert (moment.at.isoformat(), moment.text, moment.basis) == (at, str(stated), Basis.STATED)


@pytest.mark.parametrize(
    ("stated", "warning"),
    [
        (0, WarningCode.NO_DATE),
        (None, WarningCode.NO_DATE),
        (LAST, WarningCode.BAD_DATE),
        ("soon", WarningCode.BAD_DATE),
    ],
)
def test_a_message_without_a_time_is_kept(tmp_path: Path, stated: object, warning: WarningCode) -> None:
    phone = Phone(tmp_path / "chat.db")
    phone.message("M", None, date=stated)
    phone.close()
    found = read(tmp_path, window=Window(date(2031, 1, 1), date(2031, 1, 2), ZONE))["M"]
    assert isinstance(found, FoundItem)
    assert (found.moment.at, found.warnings) == (None, (warning,))


def test_the_autumn_hour_that_comes_twice_is_two_instants(tmp_path: Path) -> None:
    phone = Phone(tmp_path / "chat.db")
    for n, at in enumerate((783_765_000, 783_768_600)):  # 01:30 in Seattle, twice
        phone.message(f"M-{n}", None, date=at * NS)
    phone.close()
    found = read(tmp_path, window=Window(date(2025, 11, 2), date(2025, 11, 2), ZONE))
    assert [one.moment.at.isoformat() for one in found.values()] == [
        "2025-11-02T08:30:00+00:00",
        "2025-11-02T09:30:00+00:00",
    ]
    assert {one.moment.at.astimezone(ZONE).strftime("%H:%M") for one in found.values()} == {"01:30"}
    assert [one.warnings for one in found.values()] == [(), ()]


def test_attachments_of_messages_outside_the_window_are_left_out_with_them(tmp_path: Path) -> None:
    found = read(talked(tmp_path / "s"), window=Window(date(2025, 3, 5), date(2025, 3, 6), ZONE))
    assert [key for key, one in found.items() if not isinstance(one, ExcludedItem)] == list(reasons(found))
    assert list(reasons(found)) == ["M-9#at_1_IMG", "M-9#at_2_big"]  # what is not there is said anyhow
    assert found["M-9#at_0_IMG"].moment == found["M-9"].moment
    inside = read(tmp_path / "s", window=Window(date(2025, 3, 4), date(2025, 3, 4), ZONE))
    assert not [one for one in inside.values() if isinstance(one, ExcludedItem)]


def test_the_database_says_how_many_it_forgot(tmp_path: Path) -> None:
    found = read(talked(tmp_path / "s"), ".")
    assert found["chat.db"].media_type == "application/x-imessage-database"
    assert found["chat.db"].metadata == {
        "container": "Messages database: each row is an item of its own",
        "deleted_messages": "2",
    }


# --- how it is handed over ------------------------------------------------------------------------------


def test_an_encrypted_backup_is_refused_with_what_to_do(tmp_path: Path) -> None:
    files, _ = backup_files(tmp_path / "s", encrypted=True)
    for rel, data in (files | {made.DATABASE: b"ciphertext", "Manifest.db": b"ciphertext"}).items():
        (tmp_path / "s" / rel).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "s" / rel).write_bytes(data)
    source = Imessage(context(str(tmp_path / "s")))
    assert guess(str(tmp_path / "s")) == "imessage"
    with pytest.raises(AccessError, match=r"^source s1: the backup is encrypted .*`Encrypt local backup`"):
        source.check()
    with pytest.raises(ItemError) as caught:
        everything(source, scope(source, made.DATABASE))
    assert (caught.value.reason, caught.value.detail) == (Reason.ENCRYPTED, "backup")
    assert list(read(tmp_path / "s", ".")) == ["Info.plist", "Manifest.db", "Manifest.plist", "Status.plist"]


def test_one_encrypted_backup_among_others_costs_only_itself(tmp_path: Path) -> None:
    built = made.backup(tmp_path / "s")
    (tmp_path / "s" / "old").mkdir()
    for name in ("Manifest.plist", "Manifest.db"):
        shutil.copy(tmp_path / "s" / "00008101-UDID" / name, tmp_path / "s" / "old" / name)
    (tmp_path / "s" / "old" / "Manifest.plist").write_bytes(
        b"<plist><dict><key>IsEncrypted</key><true/></dict></plist>"
    )
    source = Imessage(context(built.path))
    source.check()
    assert [one.key for one in source.scopes()] == [*built.scopes[:1], f"old/{made.DATABASE}", "."]
    with pytest.raises(ItemError, match="encrypted"):
        source.count(scope(source, f"old/{made.DATABASE}"))
    assert source.count(scope(source, built.scopes[0])).count == 13


def test_of_a_backup_only_messages_are_read_and_other_apps_are_named(tmp_path: Path) -> None:
    source = Imessage(context(made.backup(tmp_path / "s").path))
    assert [(one.key, one.label, one.reach, one.detail) for one in source.unreached()] == [
        ("00008101-UDID#rest", "all else in the backup", Reach.NOT_ASKED, "rest_of_backup"),
        ("00008101-UDID#AppDomain-net.whatsapp.WhatsApp", "WhatsApp", Reach.NOT_ASKED, "other_app"),
    ]
    keys = read(tmp_path / "s", ".").keys()
    assert (
        f"00008101-UDID/{made.hashed(*('CameraRollDomain', 'Media/DCIM/100APPLE/IMG_0001.HEIC'))}" not in keys
    )
    assert len(keys) == 6


def test_a_backup_without_messages_is_said_to_have_none(tmp_path: Path) -> None:
    made.backup(tmp_path / "s")
    (tmp_path / "s" / "00008101-UDID" / made.DATABASE).unlink()
    source = Imessage(context(str(tmp_path / "s")))
    source.check()
    assert [one.key for one in source.scopes()] == ["."]
    first = next(source.unreached())
    assert (first.key, first.reach, first.detail) == (
        "00008101-UDID#messages",
        Reach.NOT_BY_THIS_ROUTE,
        "messages_not_in_backup",
    )


@pytest.mark.parametrize("build", [made.backup, made.packed_backup])
def test_what_a_person_put_beside_a_backup_is_a_file(build, tmp_path: Path) -> None:
    built = build(tmp_path / "s")
    if build is made.packed_backup:
        with zipfile.ZipFile(built.path, "a") as archive:
            archive.writestr("UDID/about this phone.txt", "x")
            archive.writestr("UDID/more/b.txt", "y")
    else:
        (tmp_path / "s" / "00008101-UDID" / "more").mkdir()
        (tmp_path / "s" / "00008101-UDID" / "about this phone.txt").write_text("x")
        (tmp_path / "s" / "00008101-UDID" / "more" / "b.txt").write_text("y")
    names = [key.rpartition("/")[2] for key in read(Path(built.path), ".")]
    assert {"about this phone.txt", "b.txt"} <= set(names)
    assert len(names) == 8


def test_part_of_a_backup_is_enough(tmp_path: Path) -> None:
    files, built = backup_files(tmp_path / "s")
    for rel, data in files.items():
        if "/" in rel and rel[:2] in {
            "3d",
            made.hashed("MediaDomain", "Library/SMS/Attachments/ab/11/IMG 1.HEIC")[:2],
        }:
            (tmp_path / "s" / rel).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "s" / rel).write_bytes(data)
    assert guess(str(tmp_path / "s")) == "imessage"
    found = read(tmp_path / "s", made.DATABASE)
    assert {key for key, one in found.items() if isinstance(one, FoundItem)} >= {"M-9", "M-9#at_0_IMG"}
    assert reasons(found) == {key: (reason, reasons(found)[key][1]) for key, reason in built.failed.items()}


def test_a_database_and_a_folder_of_attachments_side_by_side(tmp_path: Path) -> None:
    phone = Phone(tmp_path / "copies" / "from the phone.db")
    found, _, files = talk(phone, made.ON_PHONE)
    phone.close()
    for rel, data in files.items():
        (path := tmp_path / rel.removeprefix("SMS/")).parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    values = read(tmp_path, "copies/from the phone.db")
    assert isinstance(values["M-9#at_0_IMG"], FoundItem)
    assert list(read(tmp_path, ".")) == ["copies/from the phone.db"]
    assert set(found) <= set(values)


def test_nothing_is_copied_when_no_log_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_copy(*_: object, **__: object) -> None:
        raise AssertionError

    talked(tmp_path / "s")
    (tmp_path / "s" / "chat.db-wal").write_bytes(b"")  # an empty log is what a closed database leaves
    monkeypatch.setattr(tempfile, "TemporaryFile", no_copy)
    assert len(read(tmp_path / "s")) == 13


def test_rows_that_are_only_in_the_log_are_read(tmp_path: Path) -> None:
    made.mac_with_log(tmp_path / "s")
    assert "M-99" in read(tmp_path / "s")
    (tmp_path / "s" / "chat.db-wal").unlink()
    assert "M-99" not in read(tmp_path / "s")


def test_the_log_of_a_database_that_is_the_source_itself_is_read(tmp_path: Path) -> None:
    made.mac_with_log(tmp_path / "s")
    source = Imessage(context(str(tmp_path / "s" / "chat.db")))
    values, _ = everything(source, scope(source))
    assert "M-99" in {value.native_key for value in values}
    assert {value.native_key for value in everything(source, scope(source, "."))[0]} == {"chat.db"}


def test_two_phones_in_one_folder_do_not_share_attachments(tmp_path: Path) -> None:
    for name in ("a", "b"):
        made.mac(tmp_path / name)
    (tmp_path / "b" / "Attachments" / "ab" / "11" / "IMG 1.HEIC").write_bytes(b"another")
    source = Imessage(context(str(tmp_path)))
    for name, start in (("a", b"\x00\x00\x00\x18"), ("b", b"another")):
        _, data = everything(source, scope(source, f"{name}/chat.db"))
        assert data["M-9#at_0_IMG"].startswith(start)


def test_another_folder_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    edited(tmp_path / "other.db", "CREATE TABLE message (text TEXT)")
    assert guess(str(tmp_path)) == "loose_files"
    with pytest.raises(SettingsError, match=r"^source s1: no database of Messages at its path"):
        Imessage(context(str(tmp_path))).check()


# --- collecting -----------------------------------------------------------------------------------------


def test_a_run_adds_up_and_goes_on_after_kills(tmp_path: Path) -> None:
    made.mac(tmp_path / "s")
    where = context(str(tmp_path / "s"))
    with pytest.raises(Killed):
        collected(tmp_path / "home", Imessage, where, max_items=3, kill_after=10)
    got = collected(tmp_path / "home", Imessage, where, max_items=3)
    assert got.scopes == {"chat.db": (13, 13, None, None), ".": (3, 3, None, None)}
    assert got.states() == {"stored": 13, "failed": 2, "excluded": 1}
    once = collected(tmp_path / "another home", Imessage, where)
    assert got.items.keys() == once.items.keys()


def test_a_large_database_is_cut_by_row_numbers(tmp_path: Path) -> None:
    many(tmp_path / "chat.db", 2_500)
    edited(tmp_path / "chat.db", "DELETE FROM message WHERE ROWID BETWEEN 500 AND 700")
    source = Imessage(context(str(tmp_path)))
    parts = list(source.parts(scope(source), 1_000, 1 << 30))
    assert [part.spec for part in parts] == [
        '{"before":1202,"first":null,"v":1}',
        '{"before":2202,"first":1202,"v":1}',
        '{"before":null,"first":2202,"v":1}',
    ]
    found = [len(list(source.items(part, ALWAYS))) for part in parts]
    assert found == [1_000, 1_000, 299]
    assert source.count(scope(source)) == Expected(2_299, "rows by chat, and without one")


def test_negative_row_numbers_are_rows(tmp_path: Path) -> None:
    phone = Phone(tmp_path / "chat.db")
    phone.message("A", None, ROWID=-7)
    phone.message("B", None, ROWID=0)
    phone.message("C", None, ROWID=LAST)
    phone.close()
    source = Imessage(context(str(tmp_path)))
    values = everything(source, scope(source))[0]
    assert [value.native_key for value in values] == ["A", "B", "C"]
    again = [
        list(source.items(part, ALWAYS, values[0].cursor)) for part in source.parts(scope(source), 9, 1 << 30)
    ]
    assert again == [values[1:]]


# --- broken and hostile ---------------------------------------------------------------------------------


def test_a_file_that_was_cut_gives_what_is_there(tmp_path: Path) -> None:
    many(tmp_path / "chat.db", 3_000)
    whole = (tmp_path / "chat.db").read_bytes()
    (tmp_path / "chat.db").write_bytes(whole[: len(whole) // 2])
    values = read(tmp_path)
    found = [key for key, one in values.items() if isinstance(one, FoundItem)]
    assert 500 < len(found) < 2_500
    assert values[found[8]].warnings == (WarningCode.PARTIAL,)
    assert values[found[8]].metadata == {"not_read": "chats, reactions", "owner": "c1"}
    assert found == [f"{n:08X}-0000-4000-8000-00000000FFFF" for n in range(1, len(found) + 1)]
    lost = reasons(values)
    assert set(lost.values()) <= {(Reason.TRUNCATED, "page"), (Reason.TRUNCATED, "table_damaged")}
    assert lost["rows after damage"] == (Reason.TRUNCATED, "table_damaged")
    assert count(tmp_path) == Expected(None, "unknown")
    assert isinstance(read(tmp_path, ".")["chat.db"], FoundItem)


def test_a_file_that_was_cut_to_its_beginning_fails_by_name(tmp_path: Path) -> None:
    many(tmp_path / "chat.db", 300)
    (tmp_path / "chat.db").write_bytes((tmp_path / "chat.db").read_bytes()[:3_000])
    source = Imessage(context(str(tmp_path)))
    source.check()
    with pytest.raises(ItemError) as caught:
        source.count(scope(source))
    assert caught.value.reason is Reason.TRUNCATED


def page_of(path: Path, table: str, kind: str, place: int) -> tuple[int, int]:
    """Return the number of a page of a table, and the size of pages."""
    db = apsw.Connection(str(path))
    pages = [
        n for (n,) in db.execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = ?", (table, kind))
    ]
    size = db.execute("PRAGMA page_size").get
    db.close()
    return pages[place], size


def overwrite(path: Path, page: int, size: int, data: bytes) -> None:
    with path.open("r+b") as stream:
        stream.seek((page - 1) * size)
        stream.write(data * (size // len(data)))


def test_a_damaged_page_of_messages_costs_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    many(path, 2_000, every=0)
    overwrite(path, *page_of(path, "message", "leaf", 60), b"\xff")
    values = read(tmp_path)
    found = [key for key, one in values.items() if isinstance(one, FoundItem)]
    lost = reasons(values)
    assert len(found) + len(lost) == 2_001
    assert 1 < len(lost) < 30
    assert lost.pop("rows after damage") == (Reason.CORRUPT, "table_damaged")
    assert set(lost.values()) == {(Reason.CORRUPT, "page")}
    assert all(key.startswith("row ") for key in lost)
    source = Imessage(context(str(tmp_path)))
    (part,) = list(source.parts(scope(source), 10_000, 1 << 30))
    everywhere = list(source.items(part, ALWAYS))
    for n in (1, 1_000, 1_500, len(everywhere)):
        assert list(source.items(part, ALWAYS, everywhere[n - 1].cursor)) == everywhere[n:]


def test_a_damaged_value_costs_its_row(tmp_path: Path) -> None:
    phone = Phone(tmp_path / "chat.db")
    for n in range(3):
        phone.message(f"M-{n}", None, n, text="x" * 20_000)
    phone.close()
    page, size = page_of(tmp_path / "chat.db", "message", "overflow", 1)
    with (tmp_path / "chat.db").open("r+b") as stream:
        stream.seek((page - 1) * size)
        stream.write(b"\xff\xff\xff\xff")  # the number of the next page
    values = read(tmp_path)
    assert reasons(values) == {"M-0": (Reason.CORRUPT, "page")}
    assert [key for key, one in values.items() if isinstance(one, FoundItem)] == ["M-1", "M-2"]


def test_text_that_is_no_utf8_is_kept_as_bytes(tmp_path: Path) -> None:
    phone = Phone(tmp_path / "chat.db")
    ana = phone.handle("+14255550101")
    chat = phone.chat("iMessage;-;x", [ana])
    for n in range(3):
        phone.message(f"M-{n}", chat, n, text="words", handle_id=ana)
    phone.db.execute("UPDATE message SET text = CAST(X'63616682E9EDA080' AS TEXT) WHERE ROWID = 2")
    phone.db.execute("UPDATE handle SET id = CAST(X'FF41' AS TEXT)")
    phone.db.execute("UPDATE message SET text = CAST(X'610062' AS TEXT) WHERE ROWID = 3")
    phone.close()
    source = Imessage(context(str(tmp_path)))
    values, data = everything(source, scope(source))
    rows = {key: json.loads(one) for key, one in data.items()}
    kept = rows["M-1"]["message"]["text"]["text_base64"]
    assert base64.b64decode(kept) == b"caf\x82\xe9\xed\xa0\x80"
    assert rows["M-1"]["handles"]["handle_id"]["id"] == {"text_base64": "/0E="}
    assert rows["M-2"]["message"]["text"] == "a\x00b"
    assert rows["M-0"]["message"]["text"] == "words"
    assert values[0].metadata["members"] == "\ufffdA"


def test_equal_guids_are_told_apart_and_marked(tmp_path: Path) -> None:
    phone = Phone(tmp_path / "chat.db", unique=False)
    for n in range(4):
        phone.message("M" if n % 2 else f"N-{n}", None, n)
    phone.db.execute("INSERT INTO message (text) VALUES ('no guid')")
    phone.message("M", None, 9)
    phone.close()
    values = read(tmp_path)
    assert list(values) == ["N-0", "M", "N-2", "M:1", "row 5", "M:2"]
    assert values["M:2"].warnings == (WarningCode.DUPLICATE_ENTRY,)
    source = Imessage(context(str(tmp_path)))
    (part,) = source.parts(scope(source), 2, 1 << 30)
    everywhere = list(source.items(part, ALWAYS))
    assert list(source.items(part, ALWAYS, everywhere[3].cursor)) == everywhere[4:]
    assert source.count(scope(source)).count == 6


def change(path: Path, page: int, size: int, old: bytes, new: bytes) -> None:
    """Change the bytes of a page where they are met first."""
    data = path.read_bytes()
    at = data.index(old, (page - 1) * size, page * size)
    path.write_bytes(data[:at] + new + data[at + len(old) :])


@pytest.mark.parametrize(
    ("pages_lost", "keys"),
    [(0, ["M-0", "row 2", "M-2", "row 4"]), (1, ["M-0", "M-0:1", "M-2", "M-2:1"])],
)
def test_a_damaged_guid_that_is_that_of_another_row_is_no_key(
    tmp_path: Path, pages_lost: int, keys: list[str]
) -> None:
    phone = Phone(tmp_path / "chat.db")
    for n in range(4):
        phone.message(f"M-{n}", None, n)
    phone.db.execute("INSERT INTO _SqliteDatabaseProperties VALUES ('last', ?)", ("x" * 9_000,))
    phone.close()
    path = tmp_path / "chat.db"
    page, size = page_of(path, "message", "leaf", 0)
    for old, new in ((b"M-1", b"M-0"), (b"M-3", b"M-2")):  # the index still has them as they were
        change(path, page, size, old, new)
    path.write_bytes(path.read_bytes()[: path.stat().st_size - pages_lost * size])
    source = Imessage(context(str(tmp_path)))
    (part,) = source.parts(scope(source), 10_000, 1 << 30)
    everywhere = list(source.items(part, ALWAYS))
    assert [one.native_key for one in everywhere] == keys
    for n, one in enumerate(everywhere, 1):
        assert list(source.items(part, ALWAYS, one.cursor)) == everywhere[n:]


def test_the_keys_of_equal_guids_are_those_of_no_other_guid(tmp_path: Path) -> None:
    phone = Phone(tmp_path / "chat.db", unique=False)
    for n, guid in enumerate(["M", "M:1", "M", "M#2"]):
        phone.message(guid, None, n)
    phone.attach(1, "a.txt", None, guid="2")
    phone.close()
    assert list(read(tmp_path)) == ["M", "M#2", "row 2", "M:1", "row 4"]


def test_an_attachment_that_is_listed_twice_has_two_keys(tmp_path: Path) -> None:
    once = "    UNIQUE(message_id, attachment_id));"
    assert TABLES.count(f"attachment_id INTEGER,\n{once}") == 1
    phone = Phone(tmp_path / "chat.db", schema=TABLES.replace(f",\n{once}", ");") + JOIN)
    phone.attach(phone.message("M", None), "a.txt", None)
    phone.db.execute("INSERT INTO message_attachment_join VALUES (1, 1), (1, 1)")
    phone.close()
    gone = (Reason.NOT_IN_EXPORT, "no_file_name")
    assert reasons(read(tmp_path)) == {"M#at_0_a.t": gone, "M#at_0_a.t#2": gone, "M#at_0_a.t#2#2": gone}
    source = Imessage(context(str(tmp_path)))
    assert source.count(scope(source)).count == 4


@pytest.mark.parametrize("number", [1, 2])
def test_a_walk_that_damage_leads_back_ends(tmp_path: Path, number: int) -> None:
    path = tmp_path / "chat.db"
    phone = Phone(path, columns=("guid", "date"), schema=TABLES + JOIN, indexes="")
    chat = phone.chat("iMessage;-;x", [])
    for n in range(6):
        phone.message(f"M-{n}", chat, n)
    phone.close()
    page, size = page_of(path, "message", "leaf", 0)
    row = b"\x0f\x04\x04\x00\x13\x06"  # 15 bytes, number 4, a head of 4: null, a text of 3, a time
    change(path, page, size, row, row[:1] + bytes([number]) + row[2:])
    values = read(tmp_path)
    assert [key for key in values if key.startswith("M")] == ["M-0", "M-1", "M-2", "M-4", "M-5"]
    assert reasons(values) == {"rows after damage": (Reason.CORRUPT, "table_damaged")}


def test_a_value_that_is_too_large_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = Phone(tmp_path / "chat.db")
    phone.message("M-0", None, text="small")
    phone.message("M-1", None, 1, text="x" * 3_000_000)
    phone.message("M-2", None, 2, text="x" * 900_000)
    phone.close()
    monkeypatch.setattr(imessage_database, "VALUE_BYTES", 1 << 20)
    values = read(tmp_path)
    assert list(values) == ["M-0", "M-1", "M-2"]
    assert reasons(values) == {"M-1": (Reason.TOO_LARGE, "value")}
    assert isinstance(values["M-2"], FoundItem)


def test_hostile_names_are_text(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("not handed over")
    root = tmp_path / "s"
    phone = Phone(root / "chat.db")
    chat = phone.chat(f"guid with \x00 and \n {SECRET}", [], display_name="name\x00\n\u202e\U0001f600")
    key = phone.message("M", chat)
    for name, path in {
        "climbs": "~/Library/Messages/../../secret.txt",
        "absolute": str(tmp_path / "secret.txt"),
        "link": "~/Library/Messages/Attachments/link.txt",
        "../../evil\x00name": "~/Library/Messages/Attachments/a.txt",
    }.items():
        phone.attach(key, name, path)
    phone.close()
    (root / "Attachments").mkdir()
    (root / "Attachments" / "a.txt").write_text("a")
    (root / "Attachments" / "link.txt").symlink_to(tmp_path / "secret.txt")
    values = read(root)
    assert values["M"].metadata["group"] == f"guid with and {SECRET}"
    assert values["M"].metadata["group_name"] == "name \u202e\U0001f600"
    assert reasons(values) == {
        "M#at_0_cli": (Reason.NOT_IN_EXPORT, "file"),
        "M#at_1_abs": (Reason.NOT_IN_EXPORT, "file"),
        "M#at_2_lin": (Reason.UNSAFE_NAME, "link"),
    }
    assert values["M#at_3_../"].name == "../../evilname"


def test_what_hangs_in_the_air_is_no_row_and_no_crash(tmp_path: Path) -> None:
    phone = Phone(tmp_path / "chat.db")
    phone.message("M", None)
    phone.db.execute("INSERT INTO chat_message_join VALUES (99, 1), (1, 500)")
    phone.db.execute("INSERT INTO message_attachment_join VALUES (1, 77), (600, 78), (1, NULL)")
    phone.close()
    values = read(tmp_path)
    assert list(values) == ["M", "M#-1", "M#77"]
    assert reasons(values) == dict.fromkeys(("M#-1", "M#77"), (Reason.NOT_IN_EXPORT, "no_row"))
    assert count(tmp_path).count == 3


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW message AS SELECT 1 AS ROWID, 'M' AS guid, 1 AS date",
        "CREATE VIRTUAL TABLE message USING fts5(guid, date)",
        "CREATE TABLE message (guid TEXT PRIMARY KEY, date INTEGER) WITHOUT ROWID",
        "CREATE TABLE message (ROWID TEXT, guid TEXT, date INTEGER)",
        "CREATE TABLE message (text TEXT)",
    ],
)
def test_what_is_no_table_of_messages_is_refused(tmp_path: Path, statement: str) -> None:
    Phone(tmp_path / "chat.db").close()
    db = apsw.Connection(str(tmp_path / "chat.db"))
    db.execute("DROP TABLE message")
    db.execute(statement)
    db.execute("CREATE TABLE IF NOT EXISTS keep (x)")
    db.close()
    source = Imessage(context(str(tmp_path)))
    with pytest.raises(ItemError) as caught:
        list(source.items(next(source.parts(scope(source), 10, 1 << 30)), ALWAYS))
    assert caught.value.reason is Reason.UNSUPPORTED


def test_code_in_a_file_does_not_run(tmp_path: Path) -> None:
    Phone(tmp_path / "chat.db").close()
    edited(
        tmp_path / "chat.db",
        "CREATE TABLE m2 (ROWID INTEGER PRIMARY KEY, guid TEXT UNIQUE, date INTEGER, "
        "bomb TEXT GENERATED ALWAYS AS (hex(zeroblob(90000000))) VIRTUAL)",
        "DROP TABLE message",
        "ALTER TABLE m2 RENAME TO message",
        "INSERT INTO message (guid, date) VALUES ('M', 1)",
    )
    source = Imessage(context(str(tmp_path)))
    _, data = everything(source, scope(source))
    assert json.loads(data["M"])["message"] == {"ROWID": 1, "guid": "M", "date": 1}


def test_a_file_with_the_name_and_nothing_else_fails_by_name(tmp_path: Path) -> None:
    (tmp_path / "chat.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5_000)
    (tmp_path / "sms.db").write_bytes(b"words")
    source = Imessage(context(str(tmp_path)))
    assert [one.key for one in source.scopes()] == ["chat.db", "."]
    with pytest.raises(ItemError) as caught:
        source.count(scope(source))
    assert caught.value.reason is Reason.CORRUPT
    assert sorted(read(tmp_path, ".")) == ["chat.db", "sms.db"]


def test_a_log_that_cannot_be_merged_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made.mac_with_log(tmp_path / "s")
    real = imessage_database._guard

    def broken(connection: apsw.Connection, *, cut: bool) -> None:
        if not connection.readonly("main"):
            raise apsw.CorruptError
        real(connection, cut=cut)

    monkeypatch.setattr(imessage_database, "_guard", broken)
    values = read(tmp_path / "s")
    assert reasons(values)["write-ahead log"] == (Reason.CORRUPT, "log_not_merged")
    assert "M-1" in values
    assert count(tmp_path / "s") == Expected(None, "unknown")


def test_encrypted_and_damaged_zips_are_named(tmp_path: Path) -> None:
    made.mac(tmp_path / "m")
    data = (tmp_path / "m" / "chat.db").read_bytes()
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "a.zip").write_bytes(encrypted_zip({}, {"chat.db": data}))
    (tmp_path / "s" / "b.zip").write_bytes(b"PK\x03\x04 cut")
    source = Imessage(context(str(tmp_path / "s")))
    source.check()
    assert [one.key for one in source.scopes()] == ["b.zip", "."]
    with pytest.raises(ItemError, match="truncated"):
        source.count(scope(source, "b.zip"))
    values, _ = everything(source, scope(source, "."))
    assert reasons({one.native_key: one for one in values}) == {
        "a.zip!chat.db": (Reason.ENCRYPTED, "zip_password")
    }


def test_more_people_and_reactions_than_are_listed(tmp_path: Path) -> None:
    phone = Phone(tmp_path / "chat.db")
    people = [phone.handle(f"p{n:03}@example.org") for n in range(130)]
    chat = phone.chat("iMessage;+;c", people, style=43)
    phone.message("M", chat)
    for n, person in enumerate(people):
        phone.message(
            f"T-{n}", chat, n, handle_id=person, associated_message_guid="p:0/M", associated_message_type=2001
        )
    phone.close()
    about = read(tmp_path)["M"].metadata
    assert len(about["members"].split("; ")) == len(about["reactions"].split("; ")) == 100
    assert (about["members_more"], about["reactions_more"]) == ("true", "true")


def test_a_message_with_more_attachments_than_there_can_be_fails_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imessage_database, "MOST_ATTACHMENTS", 2)
    phone = Phone(tmp_path / "chat.db")
    key = phone.message("M", None)
    for n in range(3):
        phone.attach(key, f"{n}.txt", None)
    phone.message("N", None, 1)
    phone.close()
    values = read(tmp_path)
    assert reasons(values) == {"M#attachments": (Reason.TOO_LARGE, "attachments")}
    assert values["M"].warnings == (WarningCode.MISSING_PART, WarningCode.PARTIAL)
    assert "N" in values


def test_a_database_is_never_written(tmp_path: Path) -> None:
    made.mac(tmp_path / "s")
    with opened(PackageFile("chat.db", str(tmp_path / "s" / "chat.db"))) as database:
        for statement in ("DELETE FROM message", "CREATE TABLE x (y)", "PRAGMA user_version = 7"):
            with pytest.raises((apsw.ReadOnlyError, apsw.SQLError)):
                database.connection.execute(statement).fetchall()


# --- rows that are looked up together


def varied(root: Path) -> Path:
    """A database with everything that other tables can say of a row, and rows that break a look-up."""
    phone = Phone(root / "chat.db")
    people = [phone.handle(f"+1425555{n:04}") for n in range(130)]
    two, group = phone.chat("iMessage;-;a", people[:1]), phone.chat("iMessage;+;g", people, style=43)
    for n in range(1, 61):
        phone.message(f"m{n}", two if n % 3 else group, n, text=f"words {n}", handle_id=people[n % 7])
    phone.join(8, group)
    phone.delete(11, two, 90)
    phone.attach(12, "a.heic", "~/Library/Messages/Attachments/a.heic")
    phone.attach(12, "b.heic", None)
    for n in range(140):
        what = {"associated_message_guid": f"p:{n % 2}/m20", "associated_message_type": 2000 + n % 6}
        phone.message(f"t{n}", two, 100 + n, handle_id=people[n % 130], **what)
    for target, kind in (
        ("p:4/m12", 2000),
        ("bp:m13", 2003),
        ("m14", 3001),
        ("p:2/m15", 2001),
        ("p:9/m16", 2001),
    ):
        phone.message(f"r {target}", two, 300, associated_message_guid=target, associated_message_type=kind)
    phone.db.execute("INSERT INTO recoverable_message_part VALUES (1, 17, 0, 5, x'00ff')")
    phone.db.execute("UPDATE message SET text = CAST(x'66ff' AS TEXT) WHERE ROWID = 18")
    phone.db.execute("UPDATE message SET date_read = 1.5 WHERE ROWID = 19")
    phone.db.execute("DELETE FROM message WHERE ROWID = 23")
    phone.db.execute("UPDATE message SET date_read = 1e300 WHERE ROWID = 33")
    phone.close()
    return root


def natives(path: Path) -> tuple[list[object], dict[str, bytes]]:
    source = Imessage(context(str(path)))
    return everything(source, scope(source))


@pytest.mark.parametrize("block", [1, 7, 250])
def test_rows_looked_up_together_are_those_looked_up_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    varied(tmp_path)
    monkeypatch.setattr(imessage, "BLOCK", block)
    values, data = natives(tmp_path)
    monkeypatch.setattr(imessage_database.Database, "look_ahead", lambda *_: None)
    assert (values, data) == natives(tmp_path)
    about = {value.native_key: value for value in values}
    assert about["m20"].metadata["reactions"].count(" by ") == 100
    assert about["m20"].metadata["reactions_more"] == "true"
    assert [about[f"m{n}"].metadata.get("reactions") for n in range(12, 17)] == [
        "love by unknown", "laugh by unknown", "like by unknown (removed)", "like by unknown", None,
    ]  # fmt: skip
    assert b'"date_read":1.5,' in data["m19"]
    assert b'"date_read":1e+300,' in data["m33"]
    assert b'"text":{"text_base64":"Zv8="}' in data["m18"]
    assert b'"part_text":{"base64":"AP8="}' in data["m17"]


def test_a_message_in_two_chats_is_counted_once(tmp_path: Path) -> None:
    phone = Phone(tmp_path / "chat.db")
    someone = phone.handle("+14255550001")
    one, other = phone.chat("iMessage;-;a", [someone]), phone.chat("iMessage;+;g", [someone])
    phone.join(phone.message("m1", one, text="both"), other)
    phone.message("m2", one, 1, text="one")
    phone.close()
    assert count(tmp_path) == Expected(2, "rows by chat, and without one")
    assert len(read(tmp_path)) == 2


def test_few_statements_are_run_for_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many(tmp_path / "chat.db", 600)
    asked = []
    rows = imessage_database._Select.rows
    monkeypatch.setattr(
        imessage_database._Select,
        "rows",
        lambda self, *given, **more: asked.append(given) or rows(self, *given, **more),
    )
    values, _ = natives(tmp_path)
    assert len(values) == 600
    # the first time that each of 200 chats and addresses is met, and three blocks
    assert len(asked) < 200 * 3 + 3 * 2


def test_a_folder_is_not_listed_anew_for_each_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many(tmp_path / "chat.db", 60)
    listed = []
    listing = imessage.list_handed
    monkeypatch.setattr(imessage, "list_handed", lambda path: listed.append(path) or listing(path))

    def rows() -> int:
        source = Imessage(context(str(tmp_path)))
        place = scope(source)
        parts = list(source.parts(place, 20, 1 << 30))
        assert len(parts) == 3
        return sum(len(list(Imessage(context(str(tmp_path))).items(part, ALWAYS))) for part in parts)

    assert (rows(), len(listed)) == (60, 1)  # by whoever asks for the places
    assert (rows(), len(listed)) == (60, 2)
    (part, *_) = Imessage(context(str(tmp_path))).parts(Scope("chat.db", "chat.db", "export"), 20, 1 << 30)
    (tmp_path / "one more.txt").write_bytes(b"")
    assert len(list(Imessage(context(str(tmp_path))).items(part, ALWAYS))) == 20
    assert len(listed) == 4  # the folder changed since
