"""Cellebrite UFDR: chats, both clocks, files by target, what else was decoded, damage, strange content."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from connectors import ufdr_report
from connectors.bytesource import StreamSource
from connectors.export_paths import tally_of
from connectors.registry import guess
from connectors.ufdr import Ufdr
from connectors.ufdr_report import is_report, pieces_of, survey
from records import canonical
from records.errors import ItemError, SettingsError
from records.models import ExcludedItem, Expected, FailedItem, FoundItem, Window
from records.vocabulary import Basis, Reach, Reason, WarningCode
from tests.connectors.builders import ALWAYS, SECRET, ZONE, context, everything
from tests.connectors.built_ufdr import (
    FILES,
    REPORT,
    attachment,
    chat,
    message,
    model,
    report,
    tagged,
    target,
    unpacked,
    within,
    zipped,
)


def made(root: Path, data: bytes, files: dict[str, bytes] | None = None) -> Ufdr:
    for key, one in {"report.xml": data, **(files or {})}.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(one)
    return Ufdr(context(str(root)))


def values_of(source: Ufdr, window: Window = ALWAYS) -> list:
    scope = next(iter(source.scopes()))
    values, _ = everything(source, scope, window=window)
    assert source.count(scope) in {Expected(len(values), "xml parse"), Expected(None, "unknown")}
    return values


def found(values: list) -> list[FoundItem]:
    return [one for one in values if isinstance(one, FoundItem)]


def failures(values: list) -> list[tuple[str, str, str]]:
    return [(one.native_key, one.reason.value, one.detail) for one in values if isinstance(one, FailedItem)]


def chats(*messages: str, **more: dict[str, str]) -> bytes:
    return report({"Chat": [chat(list(messages), "")]}, **more)


def test_items_keep_their_chat_their_state_and_their_files(tmp_path: Path) -> None:
    values = values_of(Ufdr(zipped(tmp_path / "x").context))
    items = {one.native_key: one for one in found(values)}
    assert list(items) == ["k1", "m1", "m2", "m3", "m1:1", "g1", "e1", "x1", "s1"]
    assert [one.kind.value for one in items.values()] == [
        "call",
        *["chat"] * 5,
        "email",
        "message",
        "message",
    ]
    about = items["m1"].metadata
    assert (about["group"], about["app"], about["group_kind"]) == (
        "WhatsApp:120363@g.us",
        "WhatsApp",
        "Group",
    )
    assert canonical.loads(about["members"]) == [
        {"address": "+14255550100", "name": "Ana", "owner": True},
        {"address": "15551230001@s.whatsapp.net", "name": f"Lee {SECRET}", "owner": False},
        {"address": "15551230002@s.whatsapp.net", "name": "Rosa", "owner": False},
    ]
    assert "group" not in items["s1"].metadata
    assert items["m1"].moment.at == datetime(2025, 3, 4, 18, 20, 34, 567000, UTC)
    assert items["m1"].moment.basis is Basis.STATED
    assert canonical.loads(items["m2"].metadata["attachments"]) == [
        {"name": "bus stop.jpg", "native_key": "phone.ufdr!files/Image/bus stop.jpg"}
    ]
    assert items["m2"].warnings == (WarningCode.MISSING_PART,)
    assert canonical.loads(items["x1"].metadata["attachments"]) == [
        {"name": "map.png", "native_key": "phone.ufdr!email/map.png"}
    ]
    assert items["m3"].warnings == (WarningCode.DELETED,)
    recovery = ("deleted_state", "decoding_confidence", "recovered")
    assert [items["m3"].metadata[name] for name in recovery] == [
        "Deleted", "Medium", "may be a fragment or a duplicate",
    ]  # fmt: skip
    assert "recovered" not in about
    assert items["m1:1"].warnings == (WarningCode.DUPLICATE_ENTRY,)
    assert failures(values) == [
        ("m2#1", "not_in_export", "media"), ("e1#0", "not_in_export", "named_only"),
    ]  # fmt: skip
    assert [one.name for one in values if isinstance(one, FailedItem)] == ["plan.pdf", "gone.docx"]


def test_what_else_was_decoded_is_counted_and_named(tmp_path: Path) -> None:
    source = Ufdr(zipped(tmp_path / "x").context)
    assert [(one.key, one.label, one.reach, one.detail) for one in source.unreached()] == [
        ("phone.ufdr!report.xml#Contact", "Contact", Reach.NOT_BY_THIS_ROUTE, "no_message: 2"),
        ("phone.ufdr!report.xml#Note", "Note", Reach.NOT_BY_THIS_ROUTE, "may_be_records: 1"),
    ]


def test_every_path_has_a_fate(tmp_path: Path) -> None:
    built = unpacked(tmp_path / "x")
    (tmp_path / "x" / "odd.bin").write_bytes(b"x")
    told = tally_of(Ufdr(built.context))
    assert told is not None
    assert (told.paths, told.read, dict(told.ignored), told.unknown) == (6, 4, {"viewer": 1}, 1)
    assert told.names == ("odd.bin",)


def test_is_known_by_its_content(tmp_path: Path) -> None:
    assert guess(zipped(tmp_path / "a").path) == "ufdr"
    assert guess(unpacked(tmp_path / "b").path) == "ufdr"
    folder = tmp_path / "c"
    zipped(folder)
    assert guess(str(folder)) == "ufdr"
    assert not is_report(b'<?xml version="1.0"?><project name="of another tool">')
    assert not is_report(b"<?a?>" * 5_000)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "report.xml").write_bytes(b"<report/>")
    with pytest.raises(SettingsError, match=r"^source s1: no UFDR of Cellebrite"):
        Ufdr(context(str(tmp_path / "d"))).check()


def test_a_window_leaves_out_what_is_surely_outside(tmp_path: Path) -> None:
    source = made(tmp_path, chats(message("a", "x"), message("b", "y", at="2024-01-01T00:00:00+00:00")))
    values = values_of(source, Window(date(2025, 3, 1), date(2025, 3, 31), ZONE))
    assert [(type(one), one.native_key) for one in values] == [(FoundItem, "a"), (ExcludedItem, "b")]


TIMES = {
    "2025-11-02T01:30:00": (datetime(2025, 11, 2, 8, 30, tzinfo=UTC), ["assumed_zone", "ambiguous_hour"]),
    "2025-11-02T01:30:00-08:00": (datetime(2025, 11, 2, 9, 30, tzinfo=UTC), []),
    "2025-03-04T10:20:34.123": (datetime(2025, 3, 4, 18, 20, 34, 123000, tzinfo=UTC), ["assumed_zone"]),
    "2025-03-04T10:20:34.1234567+00:00": (datetime(2025, 3, 4, 10, 20, 34, 123456, tzinfo=UTC), []),
    "2025-03-04T10:20:34+99:00": (None, ["bad_date"]),
    "0001-01-01T00:00:00+00:00": (None, ["bad_date"]),
    "04/03/2025 10:20": (None, ["bad_date"]),
    "": (None, ["no_date"]),
}


@pytest.mark.parametrize("stated", TIMES)
def test_both_clocks(tmp_path: Path, stated: str) -> None:
    at, warnings = TIMES[stated]
    (one,) = found(values_of(made(tmp_path, chats(message("a", "x", at=stated)))))
    assert (one.moment.at, list(one.warnings)) == (at, warnings)
    assert one.moment.text == stated


def cut(data: bytes, mark: bytes, more: int = 0) -> bytes:
    return data[: data.index(mark) + more]


TWO = chats(message("a", "first"), message("b", "second"), message("c", "third"))
LOST = [("report.xml#rest", "truncated", "export_cut")]
BAD = [("report.xml#item2", "corrupt", "xml")]
BROKEN = {
    "cut inside a message": (
        cut(TWO, b"second"), ["a"], [("report.xml#item2", "truncated", "message_cut"), *LOST]),
    "cut inside a tag": (cut(TWO, b'id="b"', 3), ["a"], LOST),
    "cut after the decoded data": (cut(TWO, b"<extraInfos"), ["a", "b", "c"], LOST),
    "another charset": (TWO.replace(b"second", b"caf\xe9"), ["a", "b", "c"], []),
    "a character that XML forbids": (TWO.replace(b"second", b"bell \x07"), ["a", "b", "c"], []),
    "an entity that nobody declared": (
        TWO.replace(b"<![CDATA[second]]>", b"&secret;"), ["a", "c"], BAD),
    "an end that is missing": (
        TWO.replace(b"<![CDATA[second]]></value>", b"x"), ["a", "c"], BAD),
    "a comment that never ends": (TWO.replace(b"</modelType>", b"<!--"), ["a", "b", "c"], LOST),
    "equal ids": (TWO.replace(b'id="b"', b'id="a"'), ["a", "a:1", "c"], []),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_damage_costs_only_itself(tmp_path: Path, name: str) -> None:
    data, keys, failed = BROKEN[name]
    values = values_of(made(tmp_path, data))
    assert [one.native_key for one in found(values)] == keys
    assert failures(values) == failed


def test_a_guessed_character_is_marked(tmp_path: Path) -> None:
    for name in ("another charset", "a character that XML forbids"):
        values = found(values_of(made(tmp_path / name, BROKEN[name][0])))
        assert [one.warnings for one in values] == [(), (WarningCode.CHARSET_GUESSED,), ()]


def test_without_ids_equal_messages_are_told_apart_by_their_order(tmp_path: Path) -> None:
    first, second = found(values_of(made(tmp_path, chats(message("", "x"), message("", "x")))))
    assert second.native_key == f"{first.native_key}:1"
    assert len(first.native_key) == 64


REFUSED = {
    "entities": (
        report({}, before='<!DOCTYPE project [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'),
        "xml_doctype",
    ),
    "outside entities": (report({}, before='<!DOCTYPE p SYSTEM "file:///etc/passwd">'), "xml_doctype"),
    "UTF-16": (TWO.decode().encode("utf-16"), "utf16"),
    "models without end": (report({"Contact": ['<model type="Contact">' * 1_200]}), "xml_depth"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_attack_is_refused_by_name(tmp_path: Path, name: str) -> None:
    data, detail = REFUSED[name]
    source = made(tmp_path, data)
    source.check()
    values = values_of(source)
    assert [(key, told) for key, _, told in failures(values)] == [("report.xml#rest", detail)]
    assert source.count(next(iter(source.scopes()))) == Expected(None, "unknown")


def test_a_message_that_is_too_large_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ufdr_report, "LONGEST", 1 << 20)
    data = chats(message("a", "first"), message("b", "x" * (4 << 20)), message("c", "third"))
    values = values_of(made(tmp_path, data))
    assert [one.native_key for one in found(values)] == ["a", "c"]
    assert failures(values) == [("report.xml#item2", "too_large", "message")]


@pytest.mark.parametrize("size", [1, 7, 64, 1_000])
def test_where_a_chunk_ends_makes_no_difference(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    def pieces() -> list:
        with StreamSource(io.BytesIO(REPORT)) as source:
            return list(pieces_of(source))

    whole, counted = pieces(), survey(io.BytesIO(REPORT), lambda _: True)
    monkeypatch.setattr(ufdr_report, "CHUNK", size)
    assert pieces() == whole
    assert survey(io.BytesIO(REPORT), lambda _: True) == counted
    assert (counted.items, counted.lost, counted.whole) == (9, 1, True)


class Endless(io.RawIOBase):
    """A report of many messages that nobody holds; remembers how far it was read."""

    def __init__(self, head: bytes, one: bytes, times: int, tail: bytes) -> None:
        self._pieces = self._made(head, one, times, tail)
        self._left = b""

    @staticmethod
    def _made(head: bytes, one: bytes, times: int, tail: bytes) -> Iterator[bytes]:
        yield head
        for _ in range(times):
            yield one
        yield tail

    def read(self, size: int = -1) -> bytes:
        while len(self._left) < size and (got := next(self._pieces, None)) is not None:
            self._left += got
        out, self._left = self._left[:size], self._left[size:]
        return out


def endless(times: int) -> BinaryIO:
    one = message("a", "x" * 50_000).encode()
    head, tail = chats(message("a", "x" * 50_000)).split(one)
    return cast("BinaryIO", Endless(head, one * 2, times, tail))


def test_a_report_of_any_size_is_read_in_the_same_memory() -> None:
    import tracemalloc

    peaks = []
    for times in (30, 120):
        tracemalloc.start()
        with StreamSource(endless(times)) as source:
            pieces = sum(not isinstance(one, bool) and one.kind == "item" for one in pieces_of(source))
        assert pieces == 2 * times
        assert survey(endless(times), lambda _: False).items == pieces
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.2


def test_names_that_climb_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_bytes(b"not handed over")
    places = {
        "f1": "..\\secret.txt", "f2": "/etc/passwd", "f3": "C:\\x", "f4": "", "f5": "files\\a\x85b.txt",
        "f6": "report.xml",
    }  # fmt: skip
    data = chats(
        message("a", "x", within("Attachments", *(attachment(f"t{key}", key) for key in places))),
        files=places,
    )
    source = made(tmp_path / "x", data, {"files/a\x85b.txt": b"odd"})
    values = values_of(source)
    (one,) = found(values)
    held = [place["native_key"] for place in canonical.loads(one.metadata["attachments"])]
    assert held == ["files/a\x85b.txt", "report.xml"]
    assert [key for key, _, _ in failures(values)] == ["a#0", "a#1", "a#2", "a#3"]


def test_of_equal_files_the_first_stands_for_all(tmp_path: Path) -> None:
    data = chats(*(message(key, "x", target(key)) for key in ("f9", "f1", "f2", "f3")), files={})
    md5 = "0CC175B9C0F1B6A831C399E269772661"
    listed = tagged({"f9": "files\\none.jpg"}, md5) + tagged({"f1": "files\\a.jpg"}, md5)
    listed += tagged({"f2": "files\\b.jpg"}, md5.lower()) + tagged({"f3": "files\\c.jpg"})
    data = data.replace(b"<taggedFiles>", b"<taggedFiles>" + listed.encode())
    values = values_of(made(tmp_path, data, {"files/a.jpg": b"a"}))
    held = {one.native_key: one.metadata.get("attachments") for one in found(values)}
    same = canonical.dumps([{"name": "a.jpg", "native_key": "files/a.jpg"}])
    assert held == {"f9": None, "f1": same, "f2": same, "f3": None}
    assert [key for key, _, _ in failures(values)] == ["f9#0", "f3#0"]


def test_a_message_in_a_message_is_part_of_it(tmp_path: Path) -> None:
    inner = message("q", "quoted", within("Attachments", attachment("t1", "f1")))
    data = chats(message("a", "answer", within("EmbeddedMessage", inner, many=False), target("zz")))
    values = values_of(made(tmp_path, data, FILES))
    assert [one.native_key for one in values] == ["a", "a#0"]
    assert (
        canonical.loads(found(values)[0].metadata["attachments"])[0]["native_key"]
        == "files/Image/bus stop.jpg"
    )


def test_messages_by_themselves_and_models_of_nobody(tmp_path: Path) -> None:
    data = report({
        "InstantMessage": [message("a", "alone")],
        "Chat": [model("Chat", "c9", within("Photos", message("p", "no")))],
        "": [model("", "")],
    })  # fmt: skip
    source = made(tmp_path, data)
    values = values_of(source)
    assert [(one.native_key, "group" in one.metadata) for one in values] == [("a", False)]
    assert [(one.label, one.detail) for one in source.unreached()] == [("?", "no_message: 1")]


def test_a_report_under_a_password_is_a_place_that_fails(tmp_path: Path) -> None:
    built = zipped(tmp_path / "x")
    data = bytearray(Path(built.path).read_bytes())
    with zipfile.ZipFile(built.path) as archive:
        assert archive.infolist()[0].filename == "report.xml"
    data[data.index(b"PK\x01\x02") + 8] |= 1
    Path(built.path).write_bytes(data)
    source = Ufdr(built.context)
    source.check()
    scope = next(iter(source.scopes()))
    with pytest.raises(ItemError) as caught:
        everything(source, scope)
    assert caught.value.reason is Reason.ENCRYPTED
    assert list(source.unreached()) == []


def test_a_damaged_zip_gives_what_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "phone.ufdr"
    for padding, whole in ((0, 0), (3 << 20, 9)):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("report.xml", REPORT.replace(b"<extraInfos>", b" " * padding + b"<extraInfos>"))
        data = path.read_bytes()
        path.write_bytes(data.replace(b"the same id", b"the some id", 1))  # its checksum does not fit
        values = values_of(Ufdr(context(str(path))))
        assert failures(values)[-1] == ("phone.ufdr!report.xml#rest", "corrupt", "stream_damaged")
        assert len(found(values)) == whole
