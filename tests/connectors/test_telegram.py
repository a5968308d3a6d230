"""Exports of Telegram: media and why it is not there, times, accounts, web pages, damage, strange content."""

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

from connectors.bytesource import StreamSource
from connectors.json_objects import Piece, pieces_of
from connectors.registry import guess
from connectors.telegram import Telegram, is_export, is_page
from records import canonical
from records.errors import AccessError, SettingsError
from records.models import Expected, FailedItem, FoundItem, Window
from records.vocabulary import Basis, Kind, Reason, WarningCode
from tests.connectors.builders import ALWAYS, SECRET, ZONE, context, everything
from tests.connectors.built_telegram import (
    ALONE,
    DIALOGUE,
    FILES,
    JPEG,
    PAGE,
    account,
    dumped,
    group_bytes,
    message,
    one_chat,
    service,
)
from tests.connectors.collecting import Killed, collected


def export(root: Path, data: bytes | list[dict[str, Any]], name: str = "result.json") -> Telegram:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(group_bytes(data) if isinstance(data, list) else data)
    return Telegram(context(str(root)))


def values_of(source: Telegram, key: str = "result.json", window: Window = ALWAYS) -> list:
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


def test_media_that_is_there_goes_along_and_each_that_is_not_says_why(tmp_path: Path) -> None:
    values = values_of(Telegram(one_chat(tmp_path / "s").context))
    photo = found(values)[2]
    assert canonical.loads(photo.metadata["attachments"]) == [
        {"name": "photo_1@04-03-2025_10-23-34.jpg", "native_key": "photos/photo_1@04-03-2025_10-23-34.jpg"}
    ]
    assert lost(values) == [
        ("777/4#0", Reason.OMITTED_BY_USER, "export_settings", None),
        ("777/5#0", Reason.OMITTED_BY_USER, "size_setting", None),
        ("777/6#0", Reason.NOT_IN_EXPORT, "unavailable", None),
        ("777/7#0", Reason.NOT_IN_EXPORT, "media", "photo_lost.jpg"),
        ("777/12", Reason.NOT_IN_EXPORT, "unsupported_by_app", None),
    ]
    warned = {one.native_key: one.warnings for one in found(values) if one.warnings}
    assert warned == {
        **dict.fromkeys(("777/4", "777/5", "777/6", "777/7"), (WarningCode.MISSING_PART,)),
        "777/8": (WarningCode.EDITED,),
        "777/10": (WarningCode.DISAPPEARING,),
        "777/2:1": (WarningCode.DUPLICATE_ENTRY,),
    }


def test_facts_times_and_kinds_of_a_chat(tmp_path: Path) -> None:
    items = found(values_of(Telegram(one_chat(tmp_path / "s").context)))
    assert items[0].metadata == {
        "group": "777", "group_name": f"Trip {SECRET}", "group_kind": "private_group",
        "at": "2025-03-04T18:21:34.000000Z", "at_text": "1741112494", "at_basis": "stated",
    }  # fmt: skip
    assert [one.native_key for one in items if one.kind is Kind.CALL] == ["777/11"]


def test_an_account_with_its_owner_and_the_chats_it_left(tmp_path: Path) -> None:
    built = account(tmp_path / "s")
    values = values_of(Telegram(built.context), built.scopes[0])
    messages = [one for one in found(values) if one.kind is Kind.CHAT]
    owner = {"owner": "Ana Ruiz", "owner_id": "user5550101"}
    told = [
        {name: one.metadata.get(name) for name in ("group_name", "group_kind", "left", *owner)}
        for one in messages
    ]
    lee = {"group_name": "Lee Okafor", "group_kind": "personal_chat", "left": None, **owner}
    assert told == [
        lee,
        lee,
        {"group_name": "private channel", "group_kind": "private_channel", "left": "true", **owner},
    ]
    stories = found(values)[1]
    assert (stories.name, stories.media_type, stories.kind) == ("stories.json", "application/json", Kind.FILE)
    place = "DataExport.zip!DataExport/stories/story_1.jpg"
    assert canonical.loads(stories.metadata["attachments"]) == [{"name": "story_1.jpg", "native_key": place}]


def test_an_old_export_states_local_times_only(tmp_path: Path) -> None:
    rows = [
        message(1, date="2025-11-02T01:30:00"),
        message(2, date="2025-07-01T09:00:00"),
        message(3, date="x"),
    ]
    for row in rows:
        del row["date_unixtime"]
    items = found(values_of(export(tmp_path, rows)))
    assert [one.moment.at and one.moment.at.isoformat() for one in items] == [
        "2025-11-02T08:30:00+00:00", "2025-07-01T16:00:00+00:00", None,
    ]  # fmt: skip
    assert [one.moment.basis for one in items] == [Basis.ASSUMED_ZONE, Basis.ASSUMED_ZONE, Basis.NONE]
    assert [one.warnings for one in items] == [
        (WarningCode.ASSUMED_ZONE, WarningCode.AMBIGUOUS_HOUR),
        (WarningCode.ASSUMED_ZONE,),
        (WarningCode.BAD_DATE,),
    ]  # fmt: skip


def test_a_computer_in_another_zone_moves_no_time(tmp_path: Path) -> None:
    """The local time is that of where the export was made; the epoch decides."""
    rows = [message(1, date="2025-11-02T10:30:00", date_unixtime="1762072200")]
    for zone in ("America/Los_Angeles", "Asia/Tokyo"):
        source = export(tmp_path, rows)
        source = Telegram(replace(context(str(tmp_path)), time_zone=ZoneInfo(zone)))
        (one,) = found(values_of(source))
        assert one.moment.at is not None
        assert (one.moment.at.isoformat(), one.warnings) == ("2025-11-02T08:30:00+00:00", ())


def test_what_is_outside_the_days_asked_for_is_counted(tmp_path: Path) -> None:
    rows = [message(1), message(2, photo="gone.jpg")]
    window = Window(date(2025, 4, 1), None, ZONE)
    assert [type(one).__name__ for one in values_of(export(tmp_path, rows), window=window)] == [
        "ExcludedItem", "ExcludedItem", "FailedItem",
    ]  # fmt: skip


# --- what is an export


@pytest.mark.parametrize(
    ("data", "is_one"),
    [
        (dumped(ALONE), True),
        (b'{"name": "a", "type": "personal_chat", "id": 1, "messages": []}', True),
        (b'\xef\xbb\xbf{"messages": [{"type": "message", "date": "2019-01-01T10:00:00"}]}', True),
        (b'{"messages": [{"date_unixtime": "1544006350"}]}', True),
        (b'{"about": "Hier die \\" Daten", "chats": {"about": "x", "list": []}}', True),
        (b'{"about": "a page", "title": "x"}', False),
        (b'{"messages": [{"creator": {"name": "Ana"}}]}', False),
        (b'{"messages": []}', False),
        (b'{"participants": [], "messages": [{"sender_name": "a"}]}', False),
        (b"[]", False),
        (b"", False),
    ],
)
def test_an_export_is_known_by_how_it_begins(data: bytes, is_one: bool, tmp_path: Path) -> None:
    assert is_export(data) is is_one
    (tmp_path / "other name.json").write_bytes(data)
    assert (guess(str(tmp_path / "other name.json")) == "telegram") is is_one
    assert (guess(str(tmp_path)) == "telegram") is is_one


def test_an_export_in_a_zip_is_guessed(tmp_path: Path) -> None:
    assert guess(str(Path(account(tmp_path / "s").path) / "DataExport.zip")) == "telegram"


def test_an_export_as_web_pages_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "chats" / "chat_001").mkdir(parents=True)
    (tmp_path / "chats" / "chat_001" / "messages.html").write_bytes(PAGE)
    assert is_page(PAGE)
    assert guess(str(tmp_path)) == "telegram"
    with pytest.raises(
        SettingsError, match=r"^source s1: an export of Telegram as web pages \(HTML\)"
    ) as caught:
        Telegram(context(str(tmp_path))).check()
    assert "Machine-readable JSON" in str(caught.value)


@pytest.mark.parametrize("place", ["", "new/"])
def test_web_pages_beside_another_export_are_a_failed_place(place: str, tmp_path: Path) -> None:
    source = tmp_path / "s"
    one_chat(source / place)
    (source / "old" / "lists").mkdir(parents=True)
    for name in ("old/messages.html", "old/lists/chats.html"):
        (source / name).write_bytes(PAGE)
    got = collected(tmp_path / "home", Telegram, context(str(source)))
    assert got.scopes["old/"] == (None, 0, "unsupported", "html_export")
    assert got.scopes[f"{place}result.json"] == (18, 18, None, None)
    assert [got.items[one].state for one in ("old/messages.html", "old/lists/chats.html")] == ["stored"] * 2
    assert got.items[f"{place}messages.html"].state == "excluded"


@pytest.mark.parametrize("what", [b'{"a": 1}', dumped(ALONE).decode().encode("utf-16")])
def test_what_is_no_export_is_refused(what: bytes, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^source s1: no result.json of Telegram Desktop at its path"):
        export(tmp_path, what).check()
    with pytest.raises(AccessError):
        Telegram(context(str(tmp_path / "nothing"))).check()


# --- broken exports


def test_an_export_that_is_cut_keeps_what_there_is(tmp_path: Path) -> None:
    whole = group_bytes([message(1), message(2), message(3)])
    values = values_of_any(export(tmp_path / "a", whole[: whole.rindex(b'"text"')]))
    assert [one.native_key for one in found(values)] == ["777/1", "777/2"]
    assert [(reason, detail) for _, reason, detail, _ in lost(values)] == [
        (Reason.TRUNCATED, "message_cut"),
        (Reason.TRUNCATED, "export_cut"),
    ]
    source = export(tmp_path / "b", whole.removesuffix(b"\n ]\n}"))
    (scope,) = source.scopes()
    values, _ = everything(source, scope)
    assert (source.count(scope).count, len(values)) == (3, 4)  # one too many: it does not balance
    assert lost(values)[-1] == ("result.json#rest", Reason.TRUNCATED, "export_cut", None)


def values_of_any(source: Telegram, key: str = "result.json") -> list:
    """Return the values of an export of which nobody knows how many there were."""
    scope = next(one for one in source.scopes() if one.key == key)
    assert source.count(scope) == Expected(None, "unknown")
    return everything(source, scope)[0]


def test_a_zip_that_is_damaged_within_says_so_and_keeps_what_came_before(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    path = tmp_path / "s" / "one.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("result.json", group_bytes([message(n, "x" * 2_000) for n in range(1_500)]))
    data = bytearray(path.read_bytes())
    data[-400] ^= 1
    path.write_bytes(data)
    values = values_of_any(Telegram(context(str(tmp_path / "s"))), "one.zip!result.json")
    assert lost(values)[-1] == ("one.zip!result.json#rest", Reason.CORRUPT, "stream_damaged", None)
    assert len(found(values)) > 500


def test_a_zip_that_does_not_open_is_a_scope_failure_and_the_others_are_read(tmp_path: Path) -> None:
    built = account(tmp_path / "s")
    whole = (Path(built.path) / "DataExport.zip").read_bytes()
    (Path(built.path) / "Cut.zip").write_bytes(whole[:100])
    got = collected(tmp_path / "home", Telegram, context(built.path))
    assert got.scopes["Cut.zip"] == (None, 0, "truncated", "zip_directory")
    assert got.scopes[built.scopes[0]] == (7, 7, None, None)


def test_a_message_that_is_no_json_costs_only_itself(tmp_path: Path) -> None:
    data = group_bytes([message(1), message(2), message(3)]).replace(b'"id": 2', b'"id": 2x')
    values = values_of(export(tmp_path, data))
    assert [one.native_key for one in found(values)] == ["777/1", "777/3"]
    assert [(reason, detail) for _, reason, detail, _ in lost(values)] == [(Reason.CORRUPT, "json")]


def test_an_export_in_another_charset_is_read_and_marked(tmp_path: Path) -> None:
    data = group_bytes([message(1, "caf\u00e9"), message(2, "plain")]).decode().encode("cp1252")
    items = found(values_of(export(tmp_path, data)))
    assert [one.warnings for one in items] == [(WarningCode.CHARSET_GUESSED,), ()]


def test_control_characters_as_the_program_writes_them_cost_nothing(tmp_path: Path) -> None:
    data = group_bytes([message(1, "a?b")]).replace(b"a?b", rb"a\x1Fb")
    values = values_of(export(tmp_path, data))
    assert [one.native_key for one in found(values)] == ["777/1"]


def test_names_that_point_outside_are_only_names(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("outside")
    rows = [
        message(1, file="../secret.txt"),
        message(2, file="/etc/passwd"),
        message(3, photo="a\x00b/\ud800.jpg"),
    ]
    values = values_of(export(tmp_path / "s", json.dumps({**ALONE, "messages": rows}).encode()))
    assert [(key, detail) for key, _, detail, _ in lost(values)] == [
        ("777/1#0", "media"), ("777/2#0", "media"), ("777/3#0", "media"),
    ]  # fmt: skip
    for one in values:
        one.native_key.encode()


def test_ids_that_are_strange_are_kept_apart(tmp_path: Path) -> None:
    rows = [
        message(1),
        message(1),
        message(1, "other"),
        {**message(1), "id": "1"},
        {**message(2), "id": None},
    ]
    items = found(values_of(export(tmp_path, rows)))
    assert [one.native_key for one in items[:3]] == ["777/1", "777/1:1", "777/1:2"]
    assert [len(one.native_key) for one in items[3:]] == [64, 64]


def test_two_chats_of_one_number_and_a_chat_without_one(tmp_path: Path) -> None:
    chats = [{**DIALOGUE, "messages": [message(1)]}, {**DIALOGUE, "messages": [message(1, "two")]},
             {"type": "private_group", "messages": [message(1, "three")]}]  # fmt: skip
    data = dumped({"about": "x", "chats": {"about": "x", "list": chats}})
    items = found(values_of(export(tmp_path, data)))
    assert [one.native_key for one in items] == ["5550102/1", "5550102/1:1", "1"]
    assert [one.metadata["group"] for one in items] == ["5550102", "5550102", "result.json"]


def test_a_huge_export_is_read_in_little_memory(tmp_path: Path) -> None:
    row, end = dumped(message(7, "x" * 120_000), 2), b"\n ]\n}"
    data = group_bytes([message(1)]).removesuffix(end) + (b",\n  " + row) * 100 + end
    (tmp_path / "result.json").write_bytes(data)
    source = Telegram(context(str(tmp_path)))
    (scope,) = source.scopes()
    (part,) = source.parts(scope, 10_000, 1 << 28)
    tracemalloc.start()
    total = sum(1 for _ in source.items(part, ALWAYS))
    counted = source.count(scope).count
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (total, counted) == (101, 101)
    assert peak < 8 << 20 < len(data)


def test_a_message_of_many_megabytes_is_one_item(tmp_path: Path) -> None:
    (one,) = found(values_of(export(tmp_path, [message(1, "long " * 600_000)])))
    assert one.size_bytes > 3_000_000


def test_a_message_that_nests_without_end_costs_only_itself(tmp_path: Path) -> None:
    data = group_bytes([message(1), message(2, "DEEP"), message(3)])
    data = data.replace(b'"DEEP"', b"[" * 100_000 + b"]" * 100_000)
    values = values_of(export(tmp_path, data))
    assert [one.native_key for one in found(values)] == ["777/1", "777/3"]
    assert [(reason, detail) for _, reason, detail, _ in lost(values)] == [(Reason.CORRUPT, "json")]


def test_a_kill_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 2)
    built = one_chat(tmp_path / "s")
    with pytest.raises(Killed):
        collected(tmp_path / "home", Telegram, built.context, kill_after=5)
    got = collected(tmp_path / "home", Telegram, built.context)
    assert set(got.items) == {*built.found, *built.failed, *built.excluded}


def test_a_file_that_nothing_names_is_an_item_all_the_same(tmp_path: Path) -> None:
    built = one_chat(tmp_path / "s")
    source = Telegram(built.context)
    items = {one.native_key: one for one in found(values_of(source, "."))}
    assert set(items) == set(FILES)
    with source.open(items["photos/photo_1@04-03-2025_10-23-34.jpg"]) as stream:
        assert stream.read() == JPEG


def test_a_zip_that_somebody_sent_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    with zipfile.ZipFile(tmp_path / "files" / "sent.zip", "w") as archive:
        archive.writestr("result.json", group_bytes())
    source = export(tmp_path, [message(1, file="files/sent.zip")])
    assert [one.key for one in source.scopes()] == ["result.json", "."]
    assert [one.native_key for one in values_of(source)] == ["777/1"]
    assert [one.native_key for one in values_of(source, ".")] == ["files/sent.zip"]


def test_nothing_said_is_in_a_failure(tmp_path: Path) -> None:
    data = group_bytes([message(1), service(2, "x")]).replace(b'"id": 1', b'"id": 1x')
    assert all(
        SECRET not in str(one) for one in values_of(export(tmp_path, data)) if isinstance(one, FailedItem)
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet='{}[]"\\\\,: \u00e9', max_size=12), max_size=4))
def test_every_value_is_cut_out_by_its_exact_bytes(texts: list[str]) -> None:
    value = {"v": texts, "w": {text: [texts] for text in texts}}
    whole = {"a": 1, "messages": [{"id": 1, **value}, {"id": 2}], "rest": value}
    data = json.dumps(whole, ensure_ascii=False).encode()
    with StreamSource(io.BytesIO(data)) as source:
        taken = {("messages", ""), ("rest",)}
        *pieces, ended = pieces_of(source, lambda path: path in taken, lambda path: not path)
    assert ended is True
    head, *others = (one for one in pieces if isinstance(one, Piece))
    assert (head.head, head.data) == (True, b'{"a": 1, "messages": [')
    assert [json.loads(one.data) for one in others] == [*whole["messages"], value]
