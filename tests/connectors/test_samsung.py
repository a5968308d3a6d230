"""Samsung's download: maps, groups, media by their ids, broken tables, and backups that are encrypted."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connectors import message_table
from connectors.column_maps import proposed, read_map
from connectors.export_paths import tally_of
from connectors.message_table import MESSAGE_TYPE
from connectors.registry import guess
from connectors.samsung import Samsung
from extract.message_table import MessageTableReader
from extract.protocol import ExtractContext
from records import canonical
from records.errors import ItemError, SettingsError
from records.models import ExcludedItem, Expected, Extraction, FailedItem, FoundItem, Scope, Window
from records.vocabulary import Basis, Kind, Reason, WarningCode
from tests.connectors.builders import ALWAYS, ZONE, context, everything
from tests.connectors.built_samsung import (
    FILES,
    FIRST,
    GROUPS,
    HEADER,
    LOG_FIRST,
    LOG_MAP,
    MAP,
    OPTIONS,
    PICTURE,
    PLAN,
    ROSA,
    SAM,
    log,
    message,
    record,
    unpacked,
    zipped,
)
from tests.connectors.collecting import collected

LIST, HISTORY = "MessagesList.csv", "CallAndMessageHistoryList.csv"
AT = "2025-03-04T18:20:34Z"


def download(root: Path, files: dict[str, bytes], options: dict[str, str] = OPTIONS) -> Samsung:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return Samsung(replace(context(str(root)), options=options))


def read(source: Samsung, key: str = LIST, window: Window = ALWAYS) -> list:
    values, _ = everything(source, Scope(key, key, "conversation"), window=window)
    assert source.count(Scope(key, key, "conversation")).count == len(values)
    return values


def messages(root: Path, *rows: bytes, window: Window = ALWAYS) -> list:
    return read(download(root, {LIST: FIRST + b"".join(rows)}), window=window)


def extracted(item: FoundItem) -> Extraction:
    told = ExtractContext(None, MESSAGE_TYPE, ZoneInfo("America/Los_Angeles"), metadata=item.metadata)
    return MessageTableReader().extract(io.BytesIO(item.handle), told)


@pytest.mark.parametrize(("build", "before"), [(unpacked, ""), (zipped, "cmc.zip!")])
def test_rows_have_their_group_and_their_media(build, before: str, tmp_path: Path) -> None:
    source = Samsung(build(tmp_path).context)
    plain, picture, group, again, missing = read(source, f"{before}{LIST}")
    assert "attachments" not in plain.metadata
    assert canonical.loads(picture.metadata["attachments"]) == [
        {"name": PICTURE, "native_key": f"{before}{PICTURE}"}  # by the id in its name
    ]
    assert canonical.loads(group.metadata["attachments"]) == [{"name": PLAN, "native_key": f"{before}{PLAN}"}]
    assert (group.metadata["group"], group.metadata["group_name"]) == ("samsung:g1", "Bus line 4")
    told = extracted(group)
    assert (told.kind, told.text, told.fields.subject) == (Kind.MESSAGE, "ok", "Bus line 4")
    assert [person.address for person in told.fields.to] == [ROSA, SAM]  # the row names nobody
    assert again.warnings == (WarningCode.DUPLICATE_ENTRY, WarningCode.MISSING_PART)
    assert isinstance(missing, FailedItem)
    assert (missing.native_key, missing.reason, missing.detail) == (
        "c3:1#0", Reason.NOT_IN_EXPORT, "attachment",
    )  # fmt: skip
    found = tally_of(source)
    assert (found.paths, found.read, found.unknown) == (6 + bool(before), 6 + bool(before), 0)


def test_both_clocks_and_calls(tmp_path: Path) -> None:
    source = Samsung(unpacked(tmp_path).context)
    assert [one.moment.basis for one in read(source)[:2]] == [Basis.STATED, Basis.STATED]
    call, text = read(source, HISTORY)
    assert [(one.kind, one.moment.basis, one.moment.at.isoformat()) for one in (call, text)] == [
        (Kind.CALL, Basis.ASSUMED_ZONE, "2025-03-04T18:30:00+00:00"),
        (Kind.MESSAGE, Basis.ASSUMED_ZONE, "2025-03-04T18:20:34+00:00"),
    ]
    assert extracted(call).metadata["Call-Disposition"] == "MISSED"
    (numbered,) = messages(tmp_path / "two", message("x", "1741112434567", key="a"))
    assert (numbered.moment.at.isoformat(), numbered.moment.basis) == (
        "2025-03-04T18:20:34.567000+00:00", Basis.STATED,
    )  # fmt: skip


def test_what_is_proposed_for_the_fields_that_samsung_describes() -> None:
    sample = dict(zip(HEADER, ["", "1741112434567", *HEADER[2:]], strict=True))
    text = proposed("samsung", tuple(HEADER), [sample], "America/Los_Angeles")
    assert 'time_formats = ["epoch"]' in text
    signed = text.replace('confirmed_by = ""', 'confirmed_by = "A"\nconfirmed_on = 2026-01-31')
    assert dict(read_map(signed, "x").columns) == {
        "sent_at": "Date", "sender": "From", "recipients": "To", "body": "TextContent",
        "thread": "Conversation-Id",
    }  # fmt: skip
    # attributes that stand together leave nothing that a map could name
    assert proposed("samsung", ("Flags", "Attributes"), [], ZONE.key).count("# name its column") == 3


def test_a_group_told_in_two_ways_names_nothing(tmp_path: Path) -> None:
    twice = GROUPS + record(["1741112500000", "1", "2", ROSA, "1741112400000", "Other", "g1"])
    row = message("x", AT, key="a", thread="g1")
    (one,) = read(download(tmp_path, {LIST: FIRST + row, "RCSGroupChatInfoList.csv": twice}))
    assert one.metadata["group"] == "samsung:g1"
    assert "group_name" not in one.metadata


def test_tables_without_their_map_are_failed_places(tmp_path: Path) -> None:
    other = {**FILES, LIST: FIRST.replace(b"TextContent", b"Body")}
    source = download(tmp_path / "s", other, {"map": MAP})
    found = collected(tmp_path / "home", Samsung, source._context)
    assert found.scopes == {
        HISTORY: (None, 0, "unsupported", "no_map"),
        LIST: (None, 0, "unsupported", "columns"),
        ".": (4, 4, None, None),
    }
    for options, says in (
        ({}, "needs `map` in options"),
        ({"map": MAP.replace("confirmed_by", "#")}, "nobody has confirmed the column map"),
        ({"map": MAP, "history_map": LOG_MAP.replace('sender = "From"', "")}, "columns: sender missing"),
    ):
        with pytest.raises(SettingsError, match=says):
            download(tmp_path / "s", {}, options).check_settings()
    download(tmp_path / "s", {}).check_settings()


def test_cut_in_the_middle(tmp_path: Path) -> None:
    """What came before the cut stays; the place says that it broke off."""
    rows = [message(f"room {n}", AT, key=f"a{n}") for n in range(3)]
    cut = message('say "nine"', AT, key="a9")
    source = download(tmp_path / "s", {LIST: FIRST + b"".join(rows) + cut[: cut.index(b"nine") - 2]})
    found = collected(tmp_path / "home", Samsung, source._context)
    assert found.scopes[LIST][1:] == (3, "truncated", "quote")
    bare = message("x", AT)
    (short,) = messages(tmp_path / "two", bare[: bare.index(b"IN")])
    assert WarningCode.HEADER_DEFECT in short.warnings


def test_wrong_charset(tmp_path: Path) -> None:
    (one,) = messages(tmp_path, message("café – 4", AT).decode().encode("cp1252"))
    made = extracted(one)
    assert (made.text, made.warnings) == ("café – 4", (WarningCode.CHARSET_GUESSED,))
    source = download(tmp_path / "two", {LIST: (FIRST + message("x", AT)).decode().encode("utf-16")})
    with pytest.raises(ItemError) as wide:
        read(source)
    assert (wide.value.reason, wide.value.detail) == (Reason.UNSUPPORTED, "utf16")


def test_wrong_zone(tmp_path: Path) -> None:
    (odd,) = messages(tmp_path, message("x", "2025-03-04 10:20:34 PST"))
    assert (odd.warnings, odd.moment.at) == ((WarningCode.BAD_DATE,), None)
    window = Window(date(2025, 3, 5), None, ZONE)
    (edge,) = messages(tmp_path / "two", message("x", "2025-03-04 20:00:00"), window=window)
    assert edge.warnings == (WarningCode.ASSUMED_ZONE, WarningCode.NEAR_WINDOW_EDGE)
    (out,) = messages(tmp_path / "three", message("x", AT), window=window)
    assert (type(out), out.reason) == (ExcludedItem, Reason.OUTSIDE_WINDOW)


def test_the_hour_that_comes_twice_in_autumn(tmp_path: Path) -> None:
    rows = log("x-call-log", "2025-11-02 01:30:00")
    (one,) = read(download(tmp_path, {HISTORY: LOG_FIRST + rows}), HISTORY)
    assert one.moment.at.isoformat() == "2025-11-02T08:30:00+00:00"  # the first of the two
    assert one.warnings == (WarningCode.ASSUMED_ZONE, WarningCode.AMBIGUOUS_HOUR)
    (two,) = messages(tmp_path / "two", message("x", "2025-11-02T09:30:00Z"))
    assert two.warnings == ()


def test_ids_and_rows_that_are_there_twice(tmp_path: Path) -> None:
    row, bare = message("x", AT, key="a"), message("x", AT)
    values = messages(tmp_path, row, row, bare, bare)
    assert [one.native_key for one in values[:2]] == ["a", "a:1"]
    assert WarningCode.DUPLICATE_ENTRY in values[1].warnings
    assert len({one.native_key for one in values}) == 4


def test_a_huge_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = messages(tmp_path, message("x" * 300_000, AT))
    assert len(extracted(one).text) == 300_000
    monkeypatch.setattr(message_table, "_RECORD_BYTES", 1 << 12)
    rows = message("room 4", AT, key="a") + b'"' + b"x\n" * 4_000
    source = download(tmp_path / "s", {LIST: FIRST + rows})
    found = collected(tmp_path / "home", Samsung, source._context)
    assert found.scopes[LIST][1:] == (1, "too_large", "record")


def test_hostile_names(tmp_path: Path) -> None:
    """Names are text: nothing is opened by one, and each that is not there fails under its own."""
    named = ("../../etc/passwd", "=cmd|' /C calc'!A0", "\u202egpj.exe", "https://files.example/1")
    one, *failed = messages(tmp_path, message("x", AT, key="a", file=";".join(named)))
    assert [(two.native_key, two.detail, two.name) for two in failed] == [
        (f"a#{n}", "link" if n == 3 else "attachment", name) for n, name in enumerate(named)
    ]
    assert one.warnings == (WarningCode.MISSING_PART,)
    with zipfile.ZipFile(tmp_path / "cmc.zip", "w") as archive:
        archive.writestr("../MessagesList.csv", FIRST + message("y", AT))
    source = download(tmp_path, {})
    assert [one.key for one in source.scopes()] == [LIST, "cmc.zip!../MessagesList.csv"]
    assert extracted(read(source, "cmc.zip!../MessagesList.csv")[0]).text == "y"


def test_a_zip_that_does_not_open_is_a_failed_place(tmp_path: Path) -> None:
    built = zipped(tmp_path)
    whole = (tmp_path / "cmc.zip").read_bytes()
    (tmp_path / "cmc.zip").write_bytes(whole[: len(whole) // 2])
    source = Samsung(built.context)
    source.check()
    assert [(one.key, one.kind) for one in source.scopes()] == [("cmc.zip", "archive")]
    with pytest.raises(ItemError) as broken:
        source.count(Scope("cmc.zip", "cmc.zip", "archive"))
    assert broken.value.reason is Reason.TRUNCATED


BACKUP = {
    "SmartSwitchBackup.json": b'{"DisplayName": "phone"}',
    "MESSAGE/Message.smem": b"\x00sealed",
    "CONTACT/Contact.bk": b"\x00sealed",
    "CALLLOG/CallLog.exml": b"\x00sealed",
}


def test_a_backup_of_smart_switch_is_refused_by_name(tmp_path: Path) -> None:
    source = download(tmp_path, BACKUP)
    assert guess(str(tmp_path)) == "samsung"
    with pytest.raises(SettingsError, match=r"Smart Switch, which is encrypted .* SMS Backup & Restore"):
        source.check()


def test_beside_a_download_each_sealed_file_fails(tmp_path: Path) -> None:
    source = download(tmp_path, FILES | BACKUP)
    source.check()
    values, _ = everything(source, Scope(".", ".", "folder"))
    assert source.count(Scope(".", ".", "folder")) == Expected(len(values), "file list")
    failed = [one for one in values if isinstance(one, FailedItem)]
    assert {(one.native_key, one.reason, one.detail) for one in failed} == {
        (name, Reason.ENCRYPTED, "smart_switch") for name in BACKUP if not name.endswith(".json")
    }
    assert Counter(type(one) for one in values) == {FoundItem: 5, FailedItem: 3}
    found = tally_of(source)
    assert (found.paths, found.read, found.unknown) == (10, 6, 4)


def test_what_is_no_such_download_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no MessagesList\.csv of Samsung's download .* at its path"):
        download(tmp_path, {"note.txt": b"x"}).check()
    download(tmp_path / "bk", {"notes.bk": b"x", LIST: FIRST})
    values, _ = everything(download(tmp_path / "bk", {}), Scope(".", ".", "folder"))
    assert [type(one) for one in values] == [FoundItem]  # a name alone is no Smart Switch


def test_the_guess(tmp_path: Path) -> None:
    assert guess(unpacked(tmp_path / "a").path) == "samsung"
    zipped(tmp_path / "b")
    assert guess(str(tmp_path / "b" / "cmc.zip")) == "samsung"
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / LIST).write_bytes(FIRST)
    assert guess(str(tmp_path / "c")) == "loose_files"  # a name that anybody gives
