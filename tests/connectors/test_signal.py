"""Exports of Signal: people and chats, timers, media, texts of signal-export, damage, strange content."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import signal_native, signal_text
from connectors.registry import guess
from connectors.signal import Signal
from records import canonical
from records.errors import SettingsError
from records.models import ExcludedItem, Expected, FailedItem, FoundItem, Unreached, Window
from records.vocabulary import Kind, Reach, Reason, WarningCode
from tests.connectors.builders import ALWAYS, SECRET, ZONE, context, everything
from tests.connectors.built_signal import (
    AT,
    FRAMES,
    GROUP,
    ITEMS,
    KEYS,
    LEE,
    LEE_ACI,
    PHOTO,
    export_bytes,
    item,
    line,
    native,
    native_zip,
    pointer,
    said,
    stored,
    texts,
)
from tests.connectors.collecting import Killed, collected


def export(root: Path, frames: list[dict[str, Any]] | bytes, **files: bytes) -> Signal:
    root.mkdir(parents=True, exist_ok=True)
    data = frames if isinstance(frames, bytes) else export_bytes([*FRAMES, *frames])
    (root / "main.jsonl").write_bytes(data)
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return Signal(context(str(root)))


def chat(root: Path, text: str | bytes, name: str = "Lee/chat.md") -> Signal:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return Signal(context(str(root)))


def values_of(source: Signal, key: str = "main.jsonl", window: Window = ALWAYS) -> list:
    scope = next(one for one in source.scopes() if one.key == key)
    values, _ = everything(source, scope, window=window)
    assert source.count(scope).count == len(values)
    return values


def found(values: Iterable) -> list[FoundItem]:
    return [one for one in values if isinstance(one, FoundItem)]


def lost(values: Iterable) -> list[tuple[str, Reason, str, str | None]]:
    return [
        (one.native_key, one.reason, one.detail, one.name) for one in values if isinstance(one, FailedItem)
    ]


# --- the app's own export


def test_what_an_entry_is_told_of_its_chat_and_its_people(tmp_path: Path) -> None:
    first, *_ = found(values_of(Signal(native(tmp_path / "s").context)))
    assert first.metadata == {
        "group": LEE, "frame": "chat_item", "group_name": "Lee Okafor", "group_kind": "contact",
        "owner": "Ana Ruiz <ana.01>", "members": "Lee Okafor <+14255550102>",
        "author": "Lee Okafor <+14255550102>", "author_kind": "contact",
        "names": canonical.dumps({"2": "Ana Ruiz <ana.01>", "3": "Lee Okafor <+14255550102>"}),
    }  # fmt: skip
    assert first.moment.text == str(AT)
    assert first.kind is Kind.CHAT


def test_kinds_marks_and_media_of_entries(tmp_path: Path) -> None:
    values = values_of(Signal(native(tmp_path / "s").context))
    items = {one.native_key: one for one in found(values)}
    assert {key: one.warnings for key, one in items.items() if one.warnings} == {
        KEYS[1]: (WarningCode.EDITED,),
        KEYS[2]: (WarningCode.MISSING_PART,),
        KEYS[3]: (WarningCode.DELETED,),
        KEYS[4]: (WarningCode.MISSING_PART,),
        KEYS[7]: (WarningCode.DISAPPEARING,),
        KEYS[8]: (WarningCode.DELETED,),
        KEYS[9]: (WarningCode.DUPLICATE_ENTRY,),
    }
    assert canonical.loads(items[KEYS[2]].metadata["attachments"]) == [
        {"name": f"{SECRET}.jpg", "native_key": stored(PHOTO)}
    ]
    assert lost(values) == [
        (f"{KEYS[2]}#0", Reason.NOT_IN_EXPORT, "media", "lost.jpg"),
        (f"{KEYS[2]}#1", Reason.NOT_IN_EXPORT, "not_downloaded", "never.jpg"),
        (f"{KEYS[4]}#0", Reason.NOT_IN_EXPORT, "view_once", None),
    ]
    assert [one.kind for one in items.values()].count(Kind.CALL) == 2


def test_an_export_without_media_was_made_so(tmp_path: Path) -> None:
    values = values_of(export(tmp_path, [item(1, "3", {"standardMessage": {"attachments": [
        {"pointer": pointer(PHOTO, "a.jpg")}, {"pointer": pointer(None)}]}})]))  # fmt: skip
    assert [(reason, detail) for _, reason, detail, _ in lost(values)] == [
        (Reason.OMITTED_BY_USER, "media"),
        (Reason.NOT_IN_EXPORT, "not_downloaded"),
    ]


def test_frames_that_are_no_records_are_counted_by_what_they_are(tmp_path: Path) -> None:
    values = values_of(export(tmp_path, [{"stickerPack": {"packId": "AA=="}}, {"newThing": {"x": "y"}}, {}]))
    told = [one.detail for one in values if isinstance(one, ExcludedItem)]
    assert told == [
        "header",
        "account",
        "recipient",
        "recipient",
        "recipient",
        "chat",
        "chat",
        "sticker_pack",
    ]
    assert [one.metadata["frame"] for one in found(values)] == ["new_thing", "empty"]


def test_the_secrets_of_an_account_go_nowhere(tmp_path: Path) -> None:
    for one in values_of(Signal(native(tmp_path / "s").context)):
        assert "svrPin" not in repr(one)
        assert '"masterKey"' not in repr(one)


def test_a_group_with_a_timer_is_a_place_that_is_not_reached(tmp_path: Path) -> None:
    source = Signal(native(tmp_path / "s").context)
    assert list(source.unreached()) == [
        Unreached("main.jsonl#2", f"Trip {SECRET}", "conversation", Reach.NOT_BY_THIS_ROUTE, "disappearing")
    ]
    in_group = [one for one in found(values_of(source)) if one.metadata.get("group") == GROUP]
    assert {one.metadata["disappearing_s"] for one in in_group} == {"3600"}
    chats = [*FRAMES[:5], {"chat": {"id": "1", "recipientId": "3", "expirationTimerMs": "86400000"}}]
    timed = export(tmp_path / "b", export_bytes([*chats, ITEMS[0]]))
    assert [one.key for one in timed.unreached()] == ["main.jsonl#1"]
    assert found(values_of(timed))[0].metadata["disappearing_s"] == "86400"


def test_keys_stay_when_the_numbers_of_the_file_change(tmp_path: Path) -> None:
    text = (
        export_bytes([*FRAMES, ITEMS[0]])
        .decode()
        .replace('"3"', '"30"')
        .replace('"chatId":"1"', '"chatId":"9"')
    )
    text = text.replace('{"chat":{"id":"1"', '{"chat":{"id":"9"')
    assert [one.native_key for one in found(values_of(export(tmp_path, text.encode())))] == [KEYS[0]]


def test_people_that_no_frame_tells_of_are_numbers(tmp_path: Path) -> None:
    (one,) = found(values_of(export(tmp_path, [item(1, "77", said("x"), chat="88")])))
    assert one.native_key == f"chat:88/author:77/{AT + 60_000}"
    assert one.metadata == {"group": "chat:88", "frame": "chat_item"}


def test_a_message_that_reached_nobody_is_marked(tmp_path: Path) -> None:
    failed = {"outgoing": {"sendStatus": [{"recipientId": "3", "failed": {"reason": "NETWORK"}}]}}
    (one,) = found(values_of(export(tmp_path, [item(1, "2", said("x"), **failed)])))
    assert one.warnings == (WarningCode.NOT_SENT,)


@pytest.mark.parametrize(
    ("stated", "warned"),
    [
        ("0", WarningCode.BAD_DATE),
        (None, WarningCode.NO_DATE),
        ("9" * 19, WarningCode.BAD_DATE),
        ("soon", WarningCode.BAD_DATE),
    ],
)
def test_times_that_cannot_be_are_kept_without_one(
    stated: str | None, warned: WarningCode, tmp_path: Path
) -> None:
    (one,) = found(values_of(export(tmp_path, [item(1, "3", said("x"), dateSent=stated)])))
    assert (one.moment.at, one.warnings) == (None, (warned,))


def test_an_epoch_is_one_moment_in_every_zone_and_in_the_autumn_hour(tmp_path: Path) -> None:
    export(tmp_path, [item(1, "3", said("x"), dateSent="1762075800000")])
    for zone in ("America/Los_Angeles", "Asia/Tokyo"):
        (one,) = found(values_of(Signal(replace(context(str(tmp_path)), time_zone=ZoneInfo(zone)))))
        assert one.moment.at is not None
        assert (one.moment.at.isoformat(), one.warnings) == ("2025-11-02T09:30:00+00:00", ())


def test_what_is_outside_the_days_asked_for_is_counted(tmp_path: Path) -> None:
    window = Window(date(2025, 4, 1), None, ZONE)
    values = values_of(Signal(native(tmp_path / "s").context), window=window)
    assert [one.reason for one in values if isinstance(one, ExcludedItem)].count(Reason.OUTSIDE_WINDOW) == 12
    assert found(values) == []


@pytest.mark.parametrize("kind", [native, native_zip, texts])
def test_an_export_is_guessed(kind: Any, tmp_path: Path) -> None:
    built = kind(tmp_path / "s")
    assert guess(built.path) == "signal"
    files = [one for one in Path(built.path).rglob("*") if one.suffix in {".jsonl", ".zip", ".md"}]
    assert {guess(str(one)) for one in files if one.name != "letter.md"} == {"signal"}


# --- broken exports of the app


def test_an_export_that_is_cut_keeps_what_there_is(tmp_path: Path) -> None:
    whole = export_bytes([*FRAMES, *ITEMS[:3]])
    values = values_of(export(tmp_path, whole[:-40]))
    assert [one.native_key for one in found(values)] == KEYS[:2]
    assert [(reason, detail) for _, reason, detail, _ in lost(values)] == [(Reason.TRUNCATED, "line_cut")]


def test_a_zip_that_is_damaged_within_says_so_and_keeps_what_came_before(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    path = tmp_path / "s" / "one.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("main.jsonl", export_bytes([*FRAMES, *[item(1, "3", said("x" * 30_000))] * 100]))
    data = bytearray(path.read_bytes())
    data[-400] ^= 1
    path.write_bytes(data)
    source = Signal(context(str(tmp_path / "s")))
    scope = next(iter(source.scopes()))
    values, _ = everything(source, scope)
    assert source.count(scope) == Expected(None, "unknown")
    assert lost(values)[-1] == ("one.zip!main.jsonl#rest", Reason.CORRUPT, "stream_damaged", None)
    assert len(found(values)) > 50


def test_a_line_that_is_no_json_costs_only_itself(tmp_path: Path) -> None:
    data = export_bytes([*FRAMES, *ITEMS[:2]]).replace(line(ITEMS[0]), b'{"chatItem": nothing}')
    values = values_of(export(tmp_path, data))
    assert [one.native_key for one in found(values)] == [KEYS[1]]
    assert [(reason, detail) for _, reason, detail, _ in lost(values)] == [(Reason.CORRUPT, "json")]


def test_an_export_in_another_charset_and_with_other_line_ends_is_read(tmp_path: Path) -> None:
    data = export_bytes([*FRAMES, item(1, "3", said("caf\u00e9")), item(2, "3", said("x"))])
    items = found(values_of(export(tmp_path, data.decode().encode("cp1252").replace(b"\n", b"\r\n"))))
    assert [one.warnings for one in items] == [(WarningCode.CHARSET_GUESSED,), ()]


def test_equal_lines_are_told_apart_by_their_place(tmp_path: Path) -> None:
    items = found(values_of(export(tmp_path, [ITEMS[0]] * 3)))
    assert [one.native_key for one in items] == [KEYS[0], f"{KEYS[0]}:1", f"{KEYS[0]}:2"]


def test_names_that_point_outside_are_only_names(tmp_path: Path) -> None:
    hostile = pointer(PHOTO, "../../etc/passwd\x00\ud800")
    frame = item(1, "3", {"standardMessage": {"attachments": [{"pointer": hostile}]}})
    values = values_of(export(tmp_path, export_bytes(FRAMES) + json.dumps(frame).encode()))
    assert [name for *_, name in lost(values)] == ["../../etc/passwd?"]


@pytest.mark.parametrize(
    "frame",
    [
        {"chatItem": {"chatId": {}, "authorId": [], "standardMessage": "x", "revisions": 5, "outgoing": 3}},
        {"chatItem": {"standardMessage": {"attachments": [1, {"pointer": 2}], "longText": "x", "text": []}}},
        {"chatItem": {"updateMessage": 7, "stickerMessage": {"sticker": {"data": 1}}}},
        {"chatItem": 5},
        {"recipient": {"id": "9", "contact": {"aci": "%%%", "e164": "x"}}},
        {"recipient": {"id": "9", "group": {"snapshot": {"members": "x", "title": 1}}}},
        {"chat": {"id": "9", "recipientId": "3", "expirationTimerMs": "soon"}},
        {"recipient": "x"},
    ],
)
def test_members_of_a_wrong_kind_cost_nothing(frame: dict[str, Any], tmp_path: Path) -> None:
    assert len(values_of(export(tmp_path, [frame, ITEMS[1]]))) == len(FRAMES) + 2


def test_a_line_that_is_too_long_is_named_and_the_next_ones_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal_native, "_LONGEST", 2 << 20)
    values = values_of(export(tmp_path, [item(1, "3", said("x" * (5 << 20))), ITEMS[1]]))
    assert [one.native_key for one in found(values)] == [KEYS[1]]
    assert [(reason, detail) for _, reason, detail, _ in lost(values)] == [(Reason.TOO_LARGE, "line")]


def test_a_huge_export_is_read_in_little_memory(tmp_path: Path) -> None:
    row = line(item(1, "3", said("x" * 120_000))) + b"\n"
    data = export_bytes(FRAMES) + row * 100
    source = export(tmp_path, data)
    (scope,) = source.scopes()
    (part,) = source.parts(scope, 10_000, 1 << 28)
    tracemalloc.start()
    total = sum(1 for _ in source.items(part, ALWAYS))
    counted = source.count(scope).count
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (total, counted) == (107, 107)
    assert peak < 8 << 20 < len(data)


def test_a_kill_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    built = native(tmp_path / "s")
    with pytest.raises(Killed):
        collected(tmp_path / "home", Signal, built.context, kill_after=12)
    got = collected(tmp_path / "home", Signal, built.context)
    assert set(got.items) == {*built.found, *built.failed, *built.excluded}


def test_an_encrypted_backup_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "signal-2025-03-04-10-20-34.backup").write_bytes(b"\x00" * 50)
    with pytest.raises(
        SettingsError, match=r"^source s1: an encrypted backup of Signal, which only its key opens"
    ):
        Signal(context(str(tmp_path))).check()


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_bytes(b'{"a": 1}\n')
    with pytest.raises(
        SettingsError, match=r"^source s1: no export of Signal \(main.jsonl or chat.md\) at its path"
    ):
        Signal(context(str(tmp_path))).check()


# --- texts


def test_facts_of_a_chat_of_signal_export(tmp_path: Path) -> None:
    source = Signal(texts(tmp_path / "s").context)
    assert [one.label for one in source.scopes()] == ["Lee Okafor", "copied", SECRET, "."]
    values = values_of(source, "Lee Okafor/chat.md")
    items = found(values)
    assert [one.metadata["author"] for one in items] == ["Lee Okafor", "Me", *["Lee Okafor"] * 4]
    assert items[0].moment.at is not None
    assert (items[0].moment.at.isoformat(), items[0].moment.text) == (
        "2025-03-04T18:20:34+00:00",
        "2025-03-04 10:20:34",
    )
    assert canonical.loads(items[2].metadata["attachments"]) == [
        {"name": "2025-03-04_00_bus stop.jpg", "native_key": "Lee Okafor/media/2025-03-04_00_bus stop.jpg"}
    ]
    assert [one.warnings for one in items] == [
        (WarningCode.ASSUMED_ZONE,), (WarningCode.ASSUMED_ZONE,), (WarningCode.ASSUMED_ZONE,),
        (WarningCode.MISSING_PART, WarningCode.ASSUMED_ZONE), (WarningCode.DELETED, WarningCode.ASSUMED_ZONE),
        (WarningCode.ASSUMED_ZONE,),
    ]  # fmt: skip
    assert [name for *_, name in lost(values)] == ["lost.pdf"]


def test_the_autumn_hour_is_marked_and_another_zone_moves_every_time(tmp_path: Path) -> None:
    source = chat(tmp_path, "[2025-11-02, 01:30] Rosa: x\n[2025-11-02, 00:30] Rosa: y\n")
    one, two = found(values_of(source, "Lee/chat.md"))
    assert one.warnings == (WarningCode.ASSUMED_ZONE, WarningCode.AMBIGUOUS_HOUR)
    assert two.warnings == (WarningCode.OUT_OF_ORDER, WarningCode.ASSUMED_ZONE)
    assert one.moment.at is not None
    assert one.moment.at.isoformat() == "2025-11-02T08:30:00+00:00"
    tokyo = Window(None, None, ZoneInfo("Asia/Tokyo"))
    one, _ = found(values_of(source, "Lee/chat.md", window=tokyo))
    assert one.moment.at is not None
    assert one.moment.at.isoformat() == "2025-11-01T16:30:00+00:00"


@pytest.mark.parametrize(
    ("text", "name", "guessed", "read"),
    [
        ("[2019-12-24, 12:23] Jane: x", "a.txt", "signal", True),
        ("[2019-12-24 12:23:10] Jane: x", "chat.md", "signal", True),
        ("[2019-12-24 12:23:10] Jane: x", "a.txt", "loose_files", True),
        ("[2019-12-24, 12:23:10] Jane: x", "a.txt", "whatsapp", True),
        ("[2019-12-24, 12:23] a line of a log", "a.txt", "whatsapp", False),
        ("# a page", "chat.md", "loose_files", False),
        ("12/24/19, 12:23 - Jane: x", "a.txt", "whatsapp", False),
    ],
)
def test_a_text_is_known_by_its_first_line(
    text: str, name: str, guessed: str, read: bool, tmp_path: Path
) -> None:
    source = chat(tmp_path, text, name)
    assert guess(str(tmp_path / name)) == guessed
    assert [one.key for one in source.scopes()] == [name if read else "."]


def test_texts_that_are_damaged_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    whole = "[2025-03-04, 10:20] Rosa: eins\n[2025-03-04, 10:21] Jos\u00e9: zw\u00f6lf".encode()
    cut = found(values_of(chat(tmp_path / "a", whole[: whole.rindex(b"\xc3") + 1]), "Lee/chat.md"))
    assert [one.metadata["charset"] for one in cut] == ["utf-8", "utf-8"]
    other = found(values_of(chat(tmp_path / "b", whole.decode().encode("cp1252")), "Lee/chat.md"))
    assert [one.metadata["author"] for one in other] == ["Rosa", "José"]
    assert all(WarningCode.CHARSET_GUESSED in one.warnings for one in other)
    (bad,) = found(values_of(chat(tmp_path / "c", "[2025-02-31, 10:20] Rosa: x\n"), "Lee/chat.md"))
    assert (bad.moment.at, bad.warnings) == (None, (WarningCode.BAD_DATE,))
    (huge,) = found(
        values_of(chat(tmp_path / "d", "[2025-03-04, 10:20] Rosa: " + "more\n" * 400_000), "Lee/chat.md")
    )
    assert huge.size_bytes == 26 + 5 * 400_000


def test_paths_in_a_text_that_point_outside_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("outside")
    text = (
        "[2025-03-04, 10:20] Rosa: [a](./media/../../../secret.txt)  [b](media/x.jpg)\n"
        "[2025-03-04, 10:21] Rosa: [c](/etc/passwd) [d](https://example.org/media/y)\n"
    )
    values = values_of(chat(tmp_path / "s", text), "Lee/chat.md")
    assert [(detail, name) for _, _, detail, name in lost(values)] == [
        ("media", "secret.txt"),
        ("media", "x.jpg"),
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="[]()2019-:, \r\n\u2028aé", max_size=30), max_size=5))
def test_every_byte_of_a_text_is_in_exactly_one_entry(lines: list[str]) -> None:
    data = ("[2025-03-04, 10:20] Rosa: x\n" + "\n".join(lines)).encode()
    entries = list(signal_text._cut(data, "utf-8"))
    assert b"".join(one.native for one in entries) == data
    assert all(one.native[one.body_at :].decode() == one.body for one in entries)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=6), max_size=6))
def test_lines_are_those_of_the_file(parts: list[bytes]) -> None:
    data = b"\n".join(parts)
    assert [one.data for one in signal_native.lines_of(io.BytesIO(data))] == [
        one.rstrip(b"\r") if number < len(data.split(b"\n")) - 1 else one
        for number, one in enumerate(data.split(b"\n"))
        if one.strip()
    ]


def test_nothing_said_is_in_a_failure(tmp_path: Path) -> None:
    data = export_bytes([*FRAMES, *ITEMS]) + b'{"' + SECRET.encode()
    assert all(SECRET not in f"{one.native_key} {one.detail}" for one in values_of(export(tmp_path, data))
               if isinstance(one, FailedItem))  # fmt: skip
    assert json.loads(line(ITEMS[0]))["chatItem"]["authorId"] == "3"
    assert LEE_ACI.encode() in export_bytes(FRAMES)
