"""Takeout: packing, labels, chats, and what is missing."""

from __future__ import annotations

import json
import tracemalloc
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import json_objects
from connectors.google_takeout import CHAT_TYPE, GoogleTakeout, gmail_facts, gmail_labels
from connectors.json_objects import Cut, objects_of
from records.errors import AccessError, ItemError, SettingsError
from records.models import ExcludedItem, FailedItem, FoundItem, Part, Window
from records.vocabulary import Kind, Reason, WarningCode
from tests.connectors.builders import (
    ALWAYS,
    ZONE,
    context,
    encrypted_zip,
    everything,
    mail,
    mbox_bytes,
    takeout_files,
    takeout_folder,
    takeout_zips,
)
from tests.connectors.test_mbox import Memory

GROUP = "Takeout/Google Chat/Groups/Space sp"


def read(path: Path | str) -> dict[str, list]:
    source = GoogleTakeout(context(str(path)))
    return {scope.key: everything(source, scope)[0] for scope in source.scopes()}


def chat_export(root: Path, messages: bytes, **files: bytes) -> Path:
    folder = root / GROUP
    folder.mkdir(parents=True)
    (folder / "messages.json").write_bytes(messages)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return root


# --- packing


def test_folder_and_split_zips_give_the_same_keys_and_bytes(tmp_path: Path) -> None:
    folder, zips = takeout_folder(tmp_path / "f"), takeout_zips(tmp_path / "z")
    one, two = GoogleTakeout(context(folder.path)), GoogleTakeout(context(zips.path))
    assert [s.key for s in one.scopes()] == [s.key for s in two.scopes()]
    for scope in one.scopes():
        assert everything(one, scope)[1] == everything(two, scope)[1]


def test_the_takeout_folder_itself_gives_the_same_keys(tmp_path: Path) -> None:
    built = takeout_folder(tmp_path)
    outer, inner = read(built.path), read(Path(built.path) / "Takeout")
    assert {k: [v.native_key for v in vs] for k, vs in outer.items()} == {
        k: [v.native_key for v in vs] for k, vs in inner.items()
    }


@pytest.mark.parametrize("named", ["takeout-20250304T182034Z-*.zip", "takeout-20250304T182034Z-001.zip"])
def test_a_pattern_or_one_part_names_them_all(tmp_path: Path, named: str) -> None:
    built = takeout_zips(tmp_path / "z")
    source = GoogleTakeout(context(f"{built.path}/{named}"))
    source.check()
    assert tuple(scope.key for scope in source.scopes()) == built.scopes


def test_a_pattern_that_names_nothing(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="source s1: nothing at its path"):
        GoogleTakeout(context(f"{tmp_path}/takeout-*.zip")).check()


def test_a_missing_part_fails_by_name(tmp_path: Path) -> None:
    for number in (1, 3):
        with zipfile.ZipFile(tmp_path / f"takeout-x-{number:03}.zip", "w") as archive:
            archive.writestr(f"Takeout/Drive/{number}.txt", b"x")
    source = GoogleTakeout(context(str(tmp_path)))
    missing, drive = source.scopes()
    values, _ = everything(source, missing)
    assert values == [
        FailedItem(
            "takeout-x-002.zip", Kind.FILE, "n1:1", Reason.NOT_IN_EXPORT, "export_part", "takeout-x-002.zip"
        )
    ]
    assert source.count(missing).count == 1
    assert list(source.items(Part(missing), ALWAYS, "n1:1")) == []
    assert [v.native_key for v in everything(source, drive)[0]] == [
        "Takeout/Drive/1.txt",
        "Takeout/Drive/3.txt",
    ]


def test_a_part_that_does_not_open_is_a_scope_that_fails(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "takeout-x-001.zip", "w") as archive:
        archive.writestr("Takeout/Drive/1.txt", b"x")
    (tmp_path / "takeout-x-002.zip").write_bytes(b"PK\x03\x04 cut")
    source = GoogleTakeout(context(str(tmp_path)))
    broken, drive = source.scopes()
    assert broken.key == "takeout-x-002.zip"
    for call in (lambda: everything(source, broken), lambda: source.count(broken)):
        with pytest.raises(ItemError, match="truncated: zip_directory"):
            call()
    assert len(everything(source, drive)[0]) == 1


def test_two_exports_in_one_folder_keep_apart(tmp_path: Path) -> None:
    for stem in ("takeout-1", "takeout-2"):
        with zipfile.ZipFile(tmp_path / f"{stem}-001.zip", "w") as archive:
            archive.writestr("Takeout/Drive/a.txt", stem)
    got = read(tmp_path)
    assert {k: [v.native_key for v in vs] for k, vs in got.items()} == {
        "takeout-1/Takeout/Drive": ["takeout-1/Takeout/Drive/a.txt"],
        "takeout-2/Takeout/Drive": ["takeout-2/Takeout/Drive/a.txt"],
    }


def test_encrypted_and_doubled_members(tmp_path: Path) -> None:
    (tmp_path / "takeout-1-001.zip").write_bytes(
        encrypted_zip(
            {"Takeout/Drive/a.txt": b"1"}, {"Takeout/Drive/b.txt": b"2", "Takeout/Mail/x.mbox": b"3"}
        )
    )
    with zipfile.ZipFile(tmp_path / "takeout-1-002.zip", "w") as archive:
        archive.writestr("Takeout/Drive/a.txt", b"4")
    got = read(tmp_path)
    assert {k: [(v.native_key, getattr(v, "reason", None)) for v in vs] for k, vs in got.items()} == {
        "Takeout/Drive": [
            ("Takeout/Drive/a.txt", None),
            ("Takeout/Drive/a.txt#2", None),
            ("Takeout/Drive/b.txt", Reason.ENCRYPTED),
        ],
        "Takeout/Mail": [("Takeout/Mail/x.mbox", Reason.ENCRYPTED)],
    }


def test_other_files_in_the_drop_folder_are_items(tmp_path: Path) -> None:
    takeout_zips(tmp_path / "z")
    (tmp_path / "z" / "letter.txt").write_bytes(b"what I handed over")
    assert [v.native_key for v in read(tmp_path / "z")["."]] == ["letter.txt"]


# --- mail


@pytest.mark.parametrize(
    ("stated", "labels"),
    [
        (b" Inbox,Opened", ["Inbox", "Opened"]),
        (b"Sent,Opened,=?UTF-8?Q?R=C3=A9unions?=", ["Sent", "Opened", "R\u00e9unions"]),
        (b"=?UTF-8?Q?Sent,R=C3=A9unions,?=\r\n =?UTF-8?Q?Bus_14?=", ["Sent", "R\u00e9unions", "Bus 14"]),
        (b"=?UTF-8?Q?caf=C3?=\r\n =?UTF-8?Q?=A9?=", ["caf\u00e9"]),
        (b'Inbox,"Smith, John",Unread', ["Inbox", "Smith, John", "Unread"]),
        (b"=?UTF-8?B?UsOpdW5pb25zLFRyYXNo?=", ["R\u00e9unions", "Trash"]),
        (b"=?no-such-set?Q?a=E9?=", ["a\ufffd"]),
        (b"r\xc3\xa9union", ["r\u00e9union"]),
        (b"", []),
    ],
)
def test_labels(stated: bytes, labels: list[str]) -> None:
    assert gmail_labels(stated) == labels


def test_facts_of_a_mail() -> None:
    head = b'X-GM-THRID: 1790120000000000001\nX-Gmail-Labels: Drafts,"Smith, John"\nSubject: x\n'
    assert gmail_facts(head, len(head)) == (
        {"thread_id": "1790120000000000001", "labels": 'Drafts,"Smith, John"'},
        (WarningCode.DRAFT,),
    )
    assert gmail_facts(b"Subject: x\n\nX-GM-THRID: 5\n", 11) == ({}, ())


def test_an_unpacked_mbox_is_cut_into_parts(tmp_path: Path) -> None:
    (tmp_path / "Takeout" / "Mail").mkdir(parents=True)
    (tmp_path / "Takeout" / "Mail" / "Tous les messages.mbox").write_bytes(
        mbox_bytes([mail(n % 5) for n in range(20)])
    )
    source = GoogleTakeout(context(str(tmp_path)))
    (scope,) = source.scopes()
    parts = list(source.parts(scope, 6, 1 << 30))
    assert [part.items for part in parts] == [6, 6, 6, 2]
    assert len({v.native_key for part in parts for v in source.items(part, ALWAYS)}) == 20


# --- chats


def test_messages_and_what_belongs_to_them(tmp_path: Path) -> None:
    built = takeout_folder(tmp_path)
    values = {v.native_key: v for v in read(built.path)["Takeout/Google Chat"]}
    first = values["sp/t1/t1"]
    assert (first.kind, first.media_type, first.name) == (Kind.CHAT, CHAT_TYPE, None)
    assert first.moment.at == datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC)
    assert dict(first.metadata) == {
        "group": "Space sp",
        "group_name": "Gym",
        "members": "Ana <ana@example.org>",
        "attachments": json.dumps(
            [{"name": "a b.png", "native_key": f"{GROUP}/File-1_account_id=3.png"}], separators=(",", ":")
        ),
    }
    assert values["sp/t1/m3"].metadata["state"] == "DELETED"
    attached = values[f"{GROUP}/File-1_account_id=3.png"]
    assert dict(attached.metadata) == {"original_name": "a b.png", "attached_to": "sp/t1/t1"}
    again = [v for v in values.values() if WarningCode.DUPLICATE_ENTRY in v.warnings]
    assert [v.native_key[-2:] for v in again] == [":1"]


def test_an_attachment_that_is_not_there_fails_and_its_message_says_so(tmp_path: Path) -> None:
    message = {
        "message_id": "m1",
        "created_date": "Tuesday, March 4, 2025 at 6:20:34 PM UTC",
        "attached_files": [{"original_name": "plan.pdf", "export_name": "File-9.pdf"}],
    }
    root = chat_export(tmp_path, json.dumps({"messages": [message]}).encode())
    source = GoogleTakeout(context(str(root)))
    (scope,) = source.scopes()
    values, _ = everything(source, scope)
    assert values[0].warnings == (WarningCode.MISSING_PART,)
    assert (values[1].native_key, values[1].reason) == (f"{GROUP}/plan.pdf#m1", Reason.NOT_IN_EXPORT)
    assert source.count(scope).count == 2


def test_a_localised_folder_is_found_by_content(tmp_path: Path) -> None:
    for name, data in {
        "Chat/Gruppen/DM 1": b'{"messages": [{"message_id": "a"}]}',
        "Drive/x": b'{"other": 1}',
    }.items():
        (tmp_path / "Takeout" / name).mkdir(parents=True)
        (tmp_path / "Takeout" / name / "messages.json").write_bytes(data)
    got = read(tmp_path)
    assert {key: [(v.native_key, v.kind) for v in values] for key, values in got.items()} == {
        "Takeout/Chat": [("a", Kind.CHAT)],
        "Takeout/Drive": [("Takeout/Drive/x/messages.json", Kind.FILE)],
    }


def test_repeated_ids_and_odd_dates(tmp_path: Path) -> None:
    root = chat_export(
        tmp_path,
        b'{"messages": [{"message_id": "a", "created_date": "4 mars 2025"}, {"message_id": "a"}, null, '
        b'{"text": "\\ud83d"}]}',
    )
    values = read(root)["Takeout/Google Chat"]
    assert [v.native_key for v in values][:2] == ["a", "a:1"]
    assert [v.warnings for v in values] == [
        (WarningCode.BAD_DATE,),
        (WarningCode.NO_DATE, WarningCode.DUPLICATE_ENTRY),
        (WarningCode.NO_DATE,),
    ]


@pytest.mark.parametrize(
    ("tail", "reasons"),
    [
        (b', {"message_id": "b", "te', [None, Reason.TRUNCATED]),
        (b', {"message_id": "b"}', [None, None, Reason.TRUNCATED]),
        (b', {"message_id": }, {"message_id": "c"}]}', [None, Reason.CORRUPT, None]),
    ],
)
def test_a_broken_conversation_keeps_what_was_whole(tmp_path: Path, tail: bytes, reasons: list) -> None:
    root = chat_export(tmp_path, b'{"messages": [{"message_id": "a"}' + tail)
    source = GoogleTakeout(context(str(root)))
    (scope,) = source.scopes()
    values, _ = everything(source, scope)
    assert [getattr(v, "reason", None) for v in values] == reasons
    assert source.count(scope).count is None
    for n, value in enumerate(values, 1):
        assert list(source.items(Part(scope), ALWAYS, value.cursor)) == values[n:]


def test_the_window(tmp_path: Path) -> None:
    built = takeout_folder(tmp_path)
    source = GoogleTakeout(context(built.path))
    scope = list(source.scopes())[-1]
    values, _ = everything(source, scope, window=Window(date(2025, 3, 6), date(2025, 3, 31), ZONE))
    outside = [v.native_key for v in values if isinstance(v, ExcludedItem)]
    assert len(outside) == 3
    assert "sp/t1/t1" in outside
    assert [v.warnings for v in values if isinstance(v, FoundItem) and v.kind is Kind.FILE] == [
        (WarningCode.NO_DATE,)
    ] * 2


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(['"', "\\", "{", "]", "messages"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "messages", "}"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["a", "b"]), VALUES, max_size=2),
    st.lists(VALUES, max_size=6),
    st.booleans(),
    st.sampled_from([1, 7, 1 << 20]),
)
def test_objects_are_cut_like_a_json_parser(
    before: dict, messages: list, ascii_only: bool, chunk: int
) -> None:
    data = json.dumps(before | {"messages": messages, "z": 1}, ensure_ascii=ascii_only, indent=1).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_objects, "CHUNK", chunk)
        *cuts, closed = objects_of(Memory(data), b"messages")
        assert closed is True
        assert [json.loads(cut.data) for cut in cuts] == [m for m in messages if isinstance(m, dict)]
        for end in range(0, len(data), 1 + len(data) // 12):
            *some, closed = objects_of(Memory(data[:end]), b"messages")
            assert [cut for cut in some if cut.whole] == cuts[: len([cut for cut in some if cut.whole])]


def test_no_messages_array() -> None:
    assert list(objects_of(Memory(b'{"a": {"messages": [{}]}}'), b"messages")) == [False]
    assert list(objects_of(Memory(b'{"messages": [{"x": 1}, [ {"y": 2} ]]}'), b"messages")) == [
        Cut(b'{"x": 1}'),
        True,
    ]


def test_takeout_files_are_what_the_contract_suite_says() -> None:
    files, found = takeout_files()
    assert len(files) == 6
    assert len(found) == 7


def test_an_empty_folder_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="source s1: no Takeout export at its path"):
        GoogleTakeout(context(str(tmp_path))).check()


def test_a_very_long_id_is_no_key(tmp_path: Path) -> None:
    message = {"message_id": "x" * 5_000, "created_date": "y" * 5_000}
    root = chat_export(tmp_path, json.dumps({"messages": [message]}).encode())
    (value,) = read(root)["Takeout/Google Chat"]
    assert len(value.native_key) == 66
    assert len(value.moment.text) == 200


# --- counting a conversation of any size


def counted(root: Path) -> int | None:
    source = GoogleTakeout(context(str(root)))
    (one,) = [scope for scope in source.scopes() if scope.kind == "export"]
    return source.count(one).count


def test_a_large_conversation_is_counted_a_message_at_a_time(tmp_path: Path) -> None:
    """A parser that held all of them would take some ten times the size of the file."""
    said = b",\n".join(
        b'{"message_id": "m%d", "text": "%s"}' % (n, b"wort \xc3\xa9 " * 400) for n in range(6_000)
    )
    chat_export(tmp_path, b'{\n "messages": [\n' + said + b'\n ],\n "more": {"a": [1]}\n}\n')
    tracemalloc.start()
    try:
        assert counted(tmp_path) == 6_000
        assert tracemalloc.get_traced_memory()[1] < 12 << 20 < len(said)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (b'{"messages": []}', 0),
        (b'\xef\xbb\xbf{"messages": [{}, {}\n]}', 2),
        (b'{"messages": [{"text": "\\ud83d\\ude00 ]}"}]}', 1),
        (b'{"messages": [{"attached_files": [{"export_name": "a.jpg"}]}, {"attached_files": []}]}', 3),
        (b'{"messages": [{} {}]}', None),
        (b'{"messages": [{},]}', None),
        (b'{"messages": [{}', None),
        (b'{"messages": [{}]', None),
        (b'{"messages": [{}]} more', None),
        (b'{"messages": [{"text": "\xff"}]}', None),
        (b'{"messages": [7]}', None),
    ],
)
def test_what_is_no_whole_conversation_has_no_count(
    tmp_path: Path, messages: bytes, expected: int | None
) -> None:
    assert counted(chat_export(tmp_path, messages)) == expected


def test_a_message_that_is_cut_between_two_readings_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat_export(tmp_path, b'{"messages" : [ {"text": "one"} , {"text": "two"} ] , "n": 1 }')
    for size in range(24, 40):  # so that each place between two characters is an edge once
        monkeypatch.setattr("connectors.google_takeout._BUFFER", size)
        assert counted(tmp_path) == 2
