"""Data files of Outlook: written by the generator, damaged in many ways, read in a process of their own."""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import olefile
import pytest

from connectors import data_files, outlook_data_reader, outlook_data_worker
from connectors.outlook_data_count import DataFile
from connectors.outlook_data_file import OutlookDataFile
from connectors.registry import guess
from examples.outlook_data.encoding import CYCLIC, NONE, PERMUTE, checksum
from examples.outlook_data.mailbox import APPOINTMENT, TASK, Attachment, Folder, Message, write
from examples.outlook_data.nodes import ANSI, OST_2013, UNICODE, Layout
from extract.protocol import ExtractContext
from extract.registry import EXTRACTORS
from extract.worker_main import choose
from records.errors import ItemError, SettingsError
from records.models import ExcludedItem, Expected, FailedItem, FoundItem, Window
from records.vocabulary import Kind, Reason, WarningCode
from tests.connectors.builders import ALWAYS, SECRET, ZONE, context, everything
from tests.connectors.built_outlook import AT, KEYWORDS, as_msg, attached, mail, within
from tests.extract.test_workers import can_withdraw


@contextmanager
def inside(path: str, job: dict, runs: Sequence = ()) -> Iterator[tuple[None, Iterator]]:
    yield None, outlook_data_worker.frames({**job, "file": path}, runs)


@pytest.fixture(autouse=True)
def _in_this_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in this process, which is faster; the contract suite and the tests of faults start another."""
    if "apart" not in request.fixturenames:
        monkeypatch.setattr(outlook_data_reader, "_worker", inside)


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in a process of its own, as always, in which a word of a message brings it to grief."""
    monkeypatch.setattr(outlook_data_reader, "WORKER", "tests.connectors.outlook_faults")


def of(path: Path) -> OutlookDataFile:
    source = OutlookDataFile(context(str(path)))
    source.check()
    return source


def read(path: Path, window: Window = ALWAYS) -> dict[str, tuple[list, dict[str, bytes]]]:
    """Return values and bytes by scope; what breaks off is its error."""
    source = of(path)
    found = {}
    for scope in source.scopes():
        try:
            found[scope.key] = everything(source, scope, window=window)
        except ItemError as error:
            found[scope.key] = error
    return found


def only(path: Path, *messages: Message, **more: object) -> tuple[list, dict[str, bytes]]:
    """Write messages into one folder and read it."""
    write(path, [Folder("Inbox", messages)], **more)
    return read(path)[f"{path.name}!Inbox"]


def opened(data: bytes) -> dict[str, bytes]:
    with olefile.OleFileIO(io.BytesIO(data)) as ole:
        return {"/".join(path): ole.openstream(path).read() for path in ole.listdir()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file of forty mails in two folders: its trees have more than one page."""
    path = tmp_path_factory.mktemp("plain") / "plain.pst"
    write(path, [Folder("A", [mail(n) for n in range(30)]), Folder("B", [mail(n) for n in range(30, 40)])])
    return path.read_bytes()


# --- what comes out ----------------------------------------------------------------------------------------


def test_unicode_and_ansi_in_each_encoding_give_the_same_items(tmp_path: Path):
    messages = [mail(1), mail(2, attachments=[attached("a.bin", bytes(range(256)) * 200), within(mail(3))])]
    got: dict[Layout, list[dict[str, bytes]]] = {UNICODE: [], ANSI: []}
    for layout in (UNICODE, ANSI):
        for method in (NONE, PERMUTE, CYCLIC):
            path = tmp_path / f"{layout.version}-{method}.pst"
            values, data = only(path, *messages, layout=layout, method=method)
            assert [value.metadata["encoding"] for value in values] == [
                ["none", "permute", "cyclic"][method]
            ] * 2
            assert [value.metadata.get("code_page") for value in values] == [
                None if layout is UNICODE else "65001 by the item"
            ] * 2
            got[layout].append(data)
    assert got[UNICODE] == [{"00200024": as_msg(messages[0], []), "00200044": as_msg(messages[1], [])}] * 3
    assert got[ANSI][0] == got[ANSI][1] == got[ANSI][2]
    streams = opened(got[ANSI][0]["00200044"])
    assert streams["__substg1.0_1000001E"] == f"{SECRET} body 2".encode()
    assert streams["__attach_version1.0_#00000000/__substg1.0_37010102"] == bytes(range(256)) * 200
    assert (
        streams["__attach_version1.0_#00000001/__substg1.0_3701000D/__substg1.0_1000001E"]
        == b"zanzibar body 3"
    )


def test_text_without_a_code_page_has_the_one_that_is_assumed(tmp_path: Path):
    letter = Message({0x001A001F: "IPM.Note", 0x0037001F: "Café", 0x00390040: AT, 0x0E070003: 1})
    (value,), data = only(tmp_path / "a.pst", letter, layout=ANSI)
    assert value.metadata["code_page"] == "1252 assumed"
    assert opened(data["00200024"])["__substg1.0_0037001E"] == b"Caf\xe9"


def test_each_kind_of_item_with_its_time(tmp_path: Path):
    def item(class_: str, **times: datetime) -> Message:
        tags = {
            "sent": 0x00390040,
            "got": 0x0E060040,
            "start": ((APPOINTMENT, 0x820D), 0x40),
            "due": ((TASK, 0x8105), 0x40),
        }
        return Message({0x001A001F: class_, 0x0E070003: 1} | {tags[name]: at for name, at in times.items()})

    later = AT + timedelta(days=1)
    values, _ = only(
        tmp_path / "a.pst",
        item("IPM.Note", sent=AT, got=later),
        item("ipm.note.smime.multipartsigned", got=later),
        item("IPM.Schedule.Meeting.Request", sent=AT),
        item("REPORT.IPM.Note.NDR", sent=AT),
        item("IPM.Appointment", start=later),
        item("IPM.Contact"),
        item("IPM.DistList"),
        item("IPM.Task.Weekly", due=AT),
        item("IPM.TaskRequest", sent=AT),
        item("IPM.StickyNote"),
        item("IPM.Activity"),
        item("IPM.Post", sent=AT),
        item("IPM.Document.Word"),
        item("IPM.SkypeTeams.Message", sent=AT),
        item("", sent=AT),
    )
    day, next_day = AT.date().isoformat(), later.date().isoformat()
    assert [(v.kind.value, v.moment.text[:10]) for v in values] == [
        ("email", day),
        ("email", next_day),
        ("email", day),
        ("email", day),
        ("event", next_day),
        ("contact", ""),
        ("contact", ""),
        ("task", ""),
        ("email", day),
        ("note", ""),
        ("note", ""),
        ("post", day),
        ("file", ""),
        ("chat", day),
        ("email", day),
    ]
    assert values[0].metadata["received"] == "2025-03-05T18:20:34.0000000Z"


def test_the_window_takes_mail_by_both_times_and_a_series_until_its_end(tmp_path: Path):
    start, end, until, recurs = (
        ((APPOINTMENT, number), kind)
        for number, kind in ((0x820D, 0x40), (0x820E, 0x40), (0x8236, 0x40), (0x8223, 0x0B))
    )
    event = {0x001A001F: "IPM.Appointment", 0x0E070003: 1}
    early, late = datetime(2024, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    messages = [
        mail(1),
        mail(2, properties={0x00390040: early}),
        mail(3, properties={0x00390040: early, 0x0E060040: early}),
        Message({**event, start: AT, end: AT}),
        Message({**event, start: early, end: early}),
        Message({**event, start: early, end: early, recurs: True}),
        Message({**event, start: early, end: early, recurs: True, until: AT}),
        Message({**event, start: early, end: early, recurs: True, until: early}),
        Message({**event, start: late, recurs: True}),
    ]
    write(tmp_path / "a.pst", [Folder("Inbox", messages)])
    march = Window(date(2025, 3, 1), date(2025, 3, 31), ZONE)
    values, _ = read(tmp_path / "a.pst", march)["a.pst!Inbox"]
    assert [isinstance(value, FoundItem) for value in values] == [
        True,
        True,
        False,
        True,
        False,
        True,
        True,
        False,
        False,
    ]
    assert values[1].warnings == (WarningCode.NEAR_WINDOW_EDGE,)
    assert {v.reason for v in values if isinstance(v, ExcludedItem)} == {Reason.OUTSIDE_WINDOW}


def test_a_subject_reads_without_its_mark_and_its_prefix_is_kept(tmp_path: Path):
    values, data = only(
        tmp_path / "a.pst", mail(1, "\x01\x05RE: buses"), mail(2, "\x01\x01buses"), mail(3, "\x01")
    )
    assert len(values) == 3
    first, second, third = (opened(data[key]) for key in ("00200024", "00200044", "00200064"))
    assert first["__substg1.0_0037001F"].decode("utf-16-le") == "RE: buses"
    assert first["__substg1.0_003D001F"].decode("utf-16-le") == "RE: "
    assert second["__substg1.0_0037001F"].decode("utf-16-le") == "buses"
    assert "__substg1.0_003D001F" not in second
    assert third["__substg1.0_0037001F"].decode("utf-16-le") == "\x01"


def test_facts_drafts_labels_and_a_password_that_protects_nothing(tmp_path: Path):
    letter = mail(1, properties={0x0E070003: 8, (KEYWORDS, 0x101F): ["Red", "Staff only"]})
    (value,), _ = only(tmp_path / "a.pst", letter, password=0x1234ABCD)
    assert value.warnings == (WarningCode.DRAFT,)
    assert value.metadata == {
        "folder": "Inbox",
        "item_class": "IPM.Note",
        "labels": "Red; Staff only",
        "flags": "unread",
        "received": "2025-03-04T18:20:34.0000000Z",
        "search_key": f"{1:032x}",
        "store": value.metadata["store"],
        "password": "one is set, which protects nothing",
        "encoding": "none",
    }
    assert len(value.metadata["store"]) == 32


def test_attachments_of_every_method(tmp_path: Path):
    ole = b"\xd0\xcf\x11\xe0 an object" * 1000
    letter = mail(
        1,
        attachments=[
            attached("a.txt", b"bus"),
            Attachment({0x37050003: 7, 0x370D001F: "https://example.org/plan"}),
            Attachment({0x37050003: 6, 0x3001001F: "a sheet"}, ole=ole),
            within(mail(2, attachments=[attached("b.txt", b"stop")])),
        ],
    )
    (value,), data = only(tmp_path / "a.pst", letter)
    assert value.warnings == ()
    assert data["00200024"] == as_msg(letter, [])
    streams = opened(data["00200024"])
    assert streams["__attach_version1.0_#00000002/__substg1.0_37010102"] == ole
    inner = "__attach_version1.0_#00000003/__substg1.0_3701000D/__attach_version1.0_#00000000"
    assert streams[f"{inner}/__substg1.0_37010102"] == b"stop"


def test_messages_twenty_deep(tmp_path: Path):
    letter = mail(20)
    for number in range(19, -1, -1):
        letter = mail(number, attachments=[within(letter)])
    (value,), data = only(tmp_path / "a.pst", letter)
    assert (value.warnings, data["00200024"]) == ((), as_msg(letter, []))


def test_beyond_sixty_four_levels_the_rest_is_left_out_and_that_is_said(tmp_path: Path):
    letter = mail(70)
    for number in range(69, -1, -1):
        letter = mail(number, attachments=[within(letter)])
    (value,), data = only(tmp_path / "a.pst", letter)
    assert (value.warnings, value.metadata["lost_parts"]) == ((WarningCode.MISSING_PART,), "1")
    assert max(name.count("3701000D") for name in opened(data["00200024"])) == 64


def test_names_of_folders_are_no_paths_and_equal_ones_are_told_apart(tmp_path: Path):
    names = ["..", "a/b", "a\0b", "a\\b", "", "Same", "Same", "orphan items", "\ud800", "Ä" * 200]
    write(tmp_path / "a.pst", [Folder(name, [mail(n)]) for n, name in enumerate(names)], orphans=[mail(99)])
    got = read(tmp_path / "a.pst")
    assert [key.removeprefix("a.pst!") for key in got] == [
        "..",
        "a\\x2fb",
        "a\\x00b",
        "a\\b",
        "80a2",
        "Same",
        "Same#80e2",
        "orphan items#8102",
        "\ufffd",
        "Ä" * 200,
        "orphan items",
    ]
    assert [len(values) for values, _ in got.values()] == [1] * 11


def test_two_copies_of_a_message_are_two_items(tmp_path: Path):
    _, data = only(tmp_path / "a.pst", mail(1), mail(1))
    assert sorted(data) == ["00200024", "00200044"]
    assert data["00200024"] == data["00200044"]


def test_a_number_that_two_messages_have_is_one_item_and_does_not_balance(tmp_path: Path):
    write(tmp_path / "a.pst", [Folder("Inbox", [mail(2, nid=0x300004), mail(3, nid=0x300004)])])
    source = of(tmp_path / "a.pst")
    (scope,) = source.scopes()
    assert [value.native_key for value in everything(source, scope)[0]] == ["00300004"]
    assert source.count(scope).count == 2


def test_a_search_folder_shows_items_of_others_and_counts_none(tmp_path: Path):
    write(tmp_path / "a.pst", [Folder("Inbox", [mail(1)]), Folder("Unread", search=True, stated=1)])
    source = of(tmp_path / "a.pst")
    assert [(scope.key, source.count(scope).count) for scope in source.scopes()] == [("a.pst!Inbox", 1)]


def test_a_large_folder_is_cut_and_every_item_comes_once(tmp_path: Path):
    write(tmp_path / "a.pst", [Folder("Inbox", (mail(n) for n in range(250)))], method=PERMUTE)
    source = of(tmp_path / "a.pst")
    (scope,) = source.scopes()
    parts = list(source.parts(scope, 100, 1 << 30))
    assert [part.items for part in parts] == [100, 100, 50]
    assert [json.loads(part.spec)["runs"] for part in parts] == [
        [[["r", 2, 0], 0, 100]],
        [[["r", 2, 0], 100, 100]],
        [[["r", 2, 0], 200, 50]],
    ]
    keys = [value.native_key for part in parts for value in source.items(part, ALWAYS)]
    assert keys == [f"{0x200004 + 0x20 * n:08x}" for n in range(1, 251)]
    assert source.count(scope) == Expected(250, "content count and node tree")


def test_a_part_is_cut_anew_when_the_file_changed_meanwhile(tmp_path: Path):
    write(tmp_path / "a.pst", [Folder("Inbox", [mail(1), mail(2)])])
    source = of(tmp_path / "a.pst")
    (scope,) = source.scopes()
    (part,) = source.parts(scope, 100, 1 << 30)
    write(tmp_path / "a.pst", [Folder("Before", [mail(3)]), Folder("Inbox", [mail(4), mail(5)])])
    keys = [value.native_key for value in of(tmp_path / "a.pst").items(part, ALWAYS)]
    assert keys == ["00200044", "00200064"]


def test_a_copy_of_a_mailbox_with_large_pages(tmp_path: Path):
    """As Outlook 2013 and later make OST files, by libpff's description of that form."""
    letter = mail(200, attachments=[attached("a.bin", bytes(range(256)) * 200), within(mail(3))])
    path = tmp_path / "a.ost"
    write(path, [Folder("Inbox", [*(mail(n) for n in range(200)), letter])], layout=OST_2013)
    source = of(path)
    (scope,) = source.scopes()
    values, data = everything(source, scope)
    assert source.count(scope) == Expected(len(values), "content count and node tree")
    assert (len(values), data["00201924"]) == (201, as_msg(letter, []))
    assert (data["00200024"], guess(str(path))) == (as_msg(mail(0), []), "outlook_data_file")


# --- counts ------------------------------------------------------------------------------------------------


def test_the_larger_figure_is_what_is_expected(tmp_path: Path):
    write(
        tmp_path / "a.pst",
        [Folder("More", [mail(1)], stated=5), Folder("Less", [mail(2), mail(3)], stated=0)],
    )
    source = of(tmp_path / "a.pst")
    assert [source.count(scope).count for scope in source.scopes()] == [5, 2]
    assert [len(everything(source, scope)[0]) for scope in source.scopes()] == [1, 2]


# --- what is wrong with a file -----------------------------------------------------------------------------


def edited(data: bytes, at: int, new: bytes, *, summed: int | None = None) -> bytes:
    """Return a file with other bytes somewhere; ``summed``: a page that has the right sum again."""
    changed = bytearray(data)
    changed[at : at + len(new)] = new
    if summed is not None:
        changed[summed + 500 : summed + 504] = struct.pack(
            "<I", checksum(bytes(changed[summed : summed + 496]))
        )
    return bytes(changed)


def trees(data: bytes) -> tuple[int, int]:
    """Return where the roots of the tree of nodes and of that of blocks lie."""
    _, nodes, _, blocks = struct.unpack_from("<4Q", data, 216)
    return nodes, blocks


def child(data: bytes, root: int, number: int) -> int:
    """Return where a page below the root of a tree lies."""
    return struct.unpack_from("<Q", data, root + 24 * number + 16)[0]


def place_of(data: bytes, word: str) -> int:
    return data.index(word.encode("utf-16-le"))


@pytest.mark.parametrize(
    ("damage", "failed", "partial"),
    [
        (lambda data: edited(data, child(data, trees(data)[0], 1) + 5, b"\xff"), 0, 0),
        (lambda data: edited(data, place_of(data, "body 5") - 200, bytes(400)), 1, 0),
        (lambda data: edited(data, child(data, trees(data)[1], 2) + 5, b"\xff"), 7, 0),
        (
            lambda data: edited(
                data, child(data, trees(data)[1], 1) + 8, b"\xff" * 8, summed=child(data, trees(data)[1], 1)
            ),
            0,
            1,
        ),
        (lambda data: data + b"x" * 1000, 0, 0),
    ],
    ids=[
        "sum of a page of nodes",
        "block",
        "sum of a page of blocks",
        "place of a block",
        "bytes behind the end",
    ],
)
def test_damage_costs_the_items_that_it_hits(tmp_path: Path, plain: bytes, damage, failed: int, partial: int):
    (tmp_path / "a.pst").write_bytes(damage(plain))
    got = read(tmp_path / "a.pst")
    values = [value for values, _ in got.values() for value in values]
    assert len(values) == 40
    assert [value.reason for value in values if isinstance(value, FailedItem)] == [Reason.CORRUPT] * failed
    marked = [
        value
        for value in values
        if isinstance(value, FoundItem) and WarningCode.MISSING_PART in value.warnings
    ]
    assert len(marked) == partial


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[: len(data) // 2], Reason.TRUNCATED),
        (lambda data: data[:-1], Reason.TRUNCATED),
        (lambda data: edited(data, 4, b"\0\0\0\0"), Reason.CORRUPT),
        (lambda data: edited(data, trees(data)[0] + 488, b"\xff", summed=trees(data)[0]), Reason.CORRUPT),
    ],
    ids=["half", "a byte short", "sum of the header", "number of entries"],
)
def test_a_file_that_is_damaged_too_much_is_a_failed_place(
    tmp_path: Path, plain: bytes, damage, reason: Reason
):
    (tmp_path / "a.pst").write_bytes(damage(plain))
    got = read(tmp_path / "a.pst")
    assert {key: (error.reason, error.detail) for key, error in got.items()} == {
        "a.pst": (reason, "data_file")
    }


def test_a_hole_in_the_tree_of_nodes_costs_what_hangs_on_it_and_the_folder_says_how_much(
    tmp_path: Path, plain: bytes
):
    (tmp_path / "a.pst").write_bytes(edited(plain, child(plain, trees(plain)[0], 1), bytes(512)))
    source = of(tmp_path / "a.pst")
    got = read(tmp_path / "a.pst")
    assert {key: len(values) for key, (values, _) in got.items()} == {"a.pst!A": 15, "a.pst!B": 10}
    assert [source.count(scope) for scope in source.scopes()] == [
        Expected(30, "content count"),
        Expected(10, "content count"),
    ]
    damage = {value.metadata["damage"] for values, _ in got.values() for value in values}
    assert damage == {"pages of the file's trees cannot be read"}
    assert got["a.pst!B"][1]["002004c4"] == as_msg(mail(37), [])


def test_what_a_lost_page_held_of_folders_leaves_their_messages_as_orphans(tmp_path: Path, plain: bytes):
    root = trees(plain)[0]
    (tmp_path / "a.pst").write_bytes(edited(plain, root + 16, struct.pack("<Q", root), summed=root))
    source = of(tmp_path / "a.pst")
    (scope,) = source.scopes()
    assert (scope.key, source.count(scope)) == ("a.pst!orphan items", Expected(None, "unknown"))
    assert len(everything(source, scope)[1]) == 39


def test_the_count_ends_in_a_tree_that_bites_its_tail(plain: bytes):
    root = trees(plain)[0]
    loop = DataFile(io.BytesIO(edited(plain, root + 16, struct.pack("<Q", root), summed=root)))
    assert (loop.counts().whole, loop.cut) == (False, False)
    blocks = trees(plain)[1]
    looped = DataFile(
        io.BytesIO(edited(plain, blocks + 24 * 6 + 16, struct.pack("<Q", blocks), summed=blocks))
    )
    counts = looped.counts()
    assert (counts.whole, {looped.stated(block) for block in counts.folders.values()}) == (
        True,
        {30, None},
    )


@pytest.mark.parametrize(
    ("data", "reason", "detail"),
    [
        (b"!BDN", Reason.TRUNCATED, "header"),
        (b"!BDN" + bytes(600), Reason.UNSUPPORTED, "version_0"),
        (b"!BDN" + bytes(6) + b"\x25\0" + bytes(600), Reason.ENCRYPTED, "windows_information_protection"),
        (b"!BDN" + bytes(6) + b"\x17\0" + bytes(600), Reason.CORRUPT, "data_file"),
    ],
)
def test_a_file_that_does_not_open_is_a_failed_place(
    tmp_path: Path, data: bytes, reason: Reason, detail: str
):
    (tmp_path / "a.pst").write_bytes(data)
    got = read(tmp_path / "a.pst")
    assert {key: (error.reason, error.detail) for key, error in got.items()} == {"a.pst": (reason, detail)}


def test_a_file_that_does_not_open_is_tried_once(
    tmp_path: Path, plain: bytes, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []
    real = outlook_data_reader.listing

    def counted(path: str, library_path: str):
        asked.append(path)
        return real(path, library_path)

    monkeypatch.setattr(data_files, "listing", counted)
    path = tmp_path / "a.pst"
    path.write_bytes(plain[:4096])
    for _ in range(2):
        assert read(path)["a.pst"].reason is Reason.TRUNCATED
    assert asked == [str(path)]
    path.write_bytes(plain)
    assert [scope.key for scope in of(path).scopes()] == ["a.pst!A", "a.pst!B"]


def test_what_is_no_data_file_is_refused_by_name(tmp_path: Path):
    (tmp_path / "a.pst").write_bytes(b"")
    with pytest.raises(SettingsError, match=r"^source s1: no Outlook data file \(PST, OST\) at its path"):
        of(tmp_path / "a.pst")


def test_one_broken_file_stops_no_other(tmp_path: Path, plain: bytes):
    (tmp_path / "a.pst").write_bytes(plain[: len(plain) // 2])
    (tmp_path / "b.pst").write_bytes(plain)
    got = read(tmp_path)
    assert (got["a.pst"].reason, got["a.pst"].detail) == (Reason.TRUNCATED, "data_file")
    assert {key: len(values[0]) for key, values in got.items() if key != "a.pst"} == {
        "b.pst!A": 30,
        "b.pst!B": 10,
        ".": 0,
    }


def test_a_package_that_is_not_installed_is_named(
    tmp_path: Path, plain: bytes, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a.pst").write_bytes(plain)
    monkeypatch.setattr(outlook_data_reader, "MODULE", "no_such_module")
    with pytest.raises(
        SettingsError,
        match=r"^source s1: .* pip install 'daylight\[outlook\]' \(package libpff-python, LGPL\)$",
    ):
        of(tmp_path / "a.pst")


def test_a_guess(tmp_path: Path, plain: bytes):
    (tmp_path / "a.pst").write_bytes(plain)
    assert guess(str(tmp_path / "a.pst")) == guess(str(tmp_path)) == "outlook_data_file"


# --- a process that comes to grief -------------------------------------------------------------------------


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("crash", Reason.CRASHED),
        ("hang", Reason.TIMED_OUT),
        ("swell", Reason.OUT_OF_MEMORY),
        ("babble", Reason.CRASHED),
    ],
)
def test_a_fault_costs_its_item_alone(tmp_path: Path, word: str, reason: Reason):
    values, data = only(tmp_path / "a.pst", mail(1), mail(2, word), mail(3))
    assert [value.native_key for value in values] == ["00200024", "00200044", "00200064"]
    assert isinstance(values[1], FailedItem)
    assert (values[1].reason, values[1].detail, sorted(data)) == (reason, "item", ["00200024", "00200064"])


@pytest.mark.usefixtures("apart")
def test_the_process_starts_nothing_writes_nothing_and_reaches_nothing(tmp_path: Path):
    (value,), _ = only(tmp_path / "a.pst", mail(1, "break out"))
    started, written, reached = value.detail.split()
    assert (started, written) == ("EPERM", "EFBIG")
    assert reached == ("ENETUNREACH" if can_withdraw() else "ECONNREFUSED")


@pytest.mark.usefixtures("apart")
def test_a_folder_that_kills_again_and_again_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outlook_data_reader, "MOST_DEATHS", 2)
    values, _ = only(tmp_path / "a.pst", mail(0), *(mail(n, "crash") for n in range(9)))
    assert [(type(value).__name__, getattr(value, "detail", "")) for value in values] == [
        ("FoundItem", ""),
        ("FailedItem", "item"),
        ("FailedItem", "item"),
        ("FailedItem", "rest_of_folder"),
    ]


# --- another reader ----------------------------------------------------------------------------------------


@pytest.mark.services
@pytest.mark.parametrize("layout", [UNICODE, ANSI], ids=["Unicode", "ANSI"])
def test_readpst_finds_as_many(tmp_path: Path, layout: Layout):
    """The program of Debian's pst-utils shares no code with libpff, nor with what writes the files."""
    if shutil.which("readpst") is None:
        pytest.skip("readpst is not installed (Debian: pst-utils)")
    path, out = tmp_path / "a.pst", tmp_path / "out"
    inner = Folder("Inbox", [mail(n, attachments=[attached("a.txt", b"bus")]) for n in range(40)])
    write(path, [Folder("Top", folders=[inner, Folder("Sent", [mail(99)])])], layout=layout, method=PERMUTE)
    out.mkdir()
    subprocess.run(["readpst", "-D", "-e", "-q", "-o", out, path], check=True, capture_output=True)
    files = [file for file in out.rglob("*.eml") if file.is_file()]
    bodies = sorted(
        line for file in files for line in file.read_text().splitlines() if SECRET in line and "body" in line
    )
    assert len(files) == sum(len(values) for values, _ in read(path).values()) == 41
    assert bodies == sorted(f"{SECRET} body {n}" for n in (*range(40), 99))


def test_an_item_is_read_by_the_extract_room_as_any_message_file(tmp_path: Path):
    letter = mail(1, "\x01\x05RE: buses", attachments=[attached("plan.txt", b"stop 4"), within(mail(2))])
    _, data = only(tmp_path / "a.pst", letter)
    reader = choose(EXTRACTORS, "application/vnd.ms-outlook", None, data["00200024"][:4096])
    assert reader is not None
    found = reader.extract(
        io.BytesIO(data["00200024"]), ExtractContext(None, "application/vnd.ms-outlook", ZONE)
    )
    assert (found.kind, found.failure, found.text) == (Kind.EMAIL, None, f"{SECRET} body 1")
    assert found.fields is not None
    assert (found.fields.subject, found.fields.moment.at) == ("RE: buses", AT)
    assert [(one.name, one.address) for one in found.fields.to] == [("Lee Okafor", "lee@example.org")]
    assert [(child.name, child.kind) for child in found.children] == [
        ("plan.txt", Kind.FILE),
        ("a message", Kind.EMAIL),
    ]
