"""Archives: members, names, limits, what is locked and what was cut."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.archives import GzipReader, ZipReader
from extract.members import is_unsafe
from extract.protocol import Limits
from records.errors import ItemError
from records.models import Extraction, Failure
from records.vocabulary import Kind, Reason, WarningCode
from tests.extract.samples import SIMPLE, context, docx, flagged_zip, gz, locked_zip, zip_of

MEMBERS = [("a.txt", b"alpha" * 100), ("sub/b.pdf", b"%PDF"), ("mail.eml", SIMPLE)]


def unzip(data: bytes, **more) -> Extraction:
    return ZipReader().extract(io.BytesIO(data), context(**more))


def gunzip(data: bytes, **more) -> Extraction:
    return GzipReader().extract(io.BytesIO(data), context(**more))


def reason(call) -> tuple[Reason, str]:
    with pytest.raises(ItemError) as raised:
        call()
    return raised.value.reason, raised.value.detail


def test_members_become_children() -> None:
    got = unzip(zip_of(MEMBERS))
    assert [(c.part_path, c.name, c.media_type, c.kind, c.data) for c in got.children] == [
        ("1", "a.txt", "text/plain", Kind.FILE, b"alpha" * 100),
        ("2", "sub/b.pdf", "application/pdf", Kind.FILE, b"%PDF"),
        ("3", "mail.eml", "message/rfc822", Kind.EMAIL, SIMPLE),
    ]
    assert (got.expected_children, got.warnings, got.failure, got.text) == (3, (), None, "")


def test_folders_are_no_children() -> None:
    got = unzip(zip_of([("sub/", b""), ("sub/a.txt", b"x")]))
    assert [(c.part_path, c.name) for c in got.children] == [("1", "sub/a.txt")]


def test_an_empty_archive_is_empty() -> None:
    got = unzip(zip_of([]))
    assert (got.children, got.expected_children, got.failure) == ((), 0, None)


@pytest.mark.parametrize(
    "name",
    ["../up.txt", "/etc/passwd", "a/../../b", "C:\\x.txt", "a\\b.txt", "nul\0name", "line\nbreak", ".."],
)
def test_unsafe_names_are_kept_and_warned_of(name: str) -> None:
    assert is_unsafe(name)
    data = zip_of([("placeholder", b"x")]).replace(b"placeholder", name.encode().ljust(11, b"_"))
    got = unzip(data)
    assert got.children[0].name == name.ljust(11, "_").replace("\0", "\ufffd")
    assert got.children[0].data == b"x"
    assert WarningCode.NAME_CHANGED in got.warnings or name == ".."  # "..___" alone is an ordinary name


def test_clashing_names_are_both_kept() -> None:
    got = unzip(zip_of([("Plan.txt", b"1"), ("PLAN.TXT", b"2")]))
    assert [(c.name, c.data) for c in got.children] == [("Plan.txt", b"1"), ("PLAN.TXT", b"2")]
    assert got.warnings == (WarningCode.NAME_CHANGED,)


def test_names_in_utf8_without_the_flag() -> None:
    data = zip_of([("xxxxx.txt", b"1")]).replace(b"xxxxx.txt", "é.txt__".encode()[:9].ljust(9, b"_"))
    assert unzip(data).children[0].name == "é.txt__".encode()[:9].ljust(9, b"_").decode()


@pytest.mark.parametrize(
    ("clock", "extra", "modified"),
    [
        ((2025, 3, 4, 10, 20, 34), b"", "2025-03-04T10:20:34"),
        ((1980, 1, 1, 0, 0, 0), b"", None),
        ((2025, 13, 4, 10, 20, 34), b"", None),
        ((2025, 3, 4, 10, 20, 34), struct.pack("<HHBi", 0x5455, 5, 1, 1741112434), "2025-03-04T18:20:34Z"),
        ((2025, 3, 4, 10, 20, 34), struct.pack("<HHBi", 0x5455, 5, 2, 1741112434), "2025-03-04T10:20:34"),
        (
            (1980, 1, 1, 0, 0, 0),
            struct.pack("<HHIHHQQQ", 10, 32, 0, 1, 24, 133855860340000000, 0, 0),
            "2025-03-04T18:20:34Z",
        ),
        ((2025, 3, 4, 10, 20, 34), struct.pack("<HHI", 10, 4, 0), "2025-03-04T10:20:34"),
    ],
    ids=["dos", "none", "no such month", "extended", "of access alone", "ntfs", "ntfs that is cut"],
)
def test_when_a_member_was_changed(clock, extra: bytes, modified: str | None) -> None:
    info = zipfile.ZipInfo("a.txt", (2025, 1, *clock[2:]) if clock[1] > 12 else clock)
    info.extra = extra
    if clock[1] > 12:
        info.date_time = clock
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, b"x")
    (child,) = unzip(out.getvalue()).children
    told = {} if modified is None else {"modified": modified}
    assert child.metadata == {"stored_name": "a.txt", **told}


def test_names_in_code_page_437() -> None:
    assert unzip(zip_of([("xa.txt", b"1")]).replace(b"xa.txt", b"\x82a.txt")).children[0].name == "éa.txt"


class TestLocked:
    @pytest.mark.parametrize(
        ("data", "detail"), [(locked_zip(MEMBERS), "zip_aes"), (flagged_zip(zip_of(MEMBERS)), "zip_crypto")]
    )
    def test_an_archive_that_is_locked_throughout(self, data: bytes, detail: str) -> None:
        got = unzip(data)
        assert got.failure == Failure(Reason.ENCRYPTED, "zip")
        assert [c.failure for c in got.children] == [Failure(Reason.ENCRYPTED, detail)] * 3
        assert [c.data for c in got.children] == [None] * 3
        assert [c.name for c in got.children] == ["a.txt", "sub/b.pdf", "mail.eml"]

    def test_one_locked_member(self) -> None:
        data = bytearray(zip_of(MEMBERS))
        central = data.find(b"PK\x01\x02")
        data[6] |= 1
        data[central + 8] |= 1
        got = unzip(bytes(data))
        assert [c.failure.reason if c.failure else None for c in got.children] == [
            Reason.ENCRYPTED,
            None,
            None,
        ]
        assert (got.failure, got.warnings) == (None, (WarningCode.PARTIAL,))


class TestBombs:
    def test_ratio(self) -> None:
        data = zip_of([("zeros", b"\0" * (3 << 20))])
        assert reason(lambda: unzip(data)) == (Reason.BOMB, "archive_ratio")

    def test_small_texts_may_shrink_much(self) -> None:
        assert len(unzip(zip_of([("zeros", b"\0" * 900_000)])).children[0].data) == 900_000

    def test_bytes(self) -> None:
        limits = Limits(children_bytes=1000)
        assert reason(lambda: unzip(zip_of([("a", b"ab" * 600)]), limits=limits)) == (
            Reason.BOMB,
            "archive_bytes",
        )

    def test_count(self) -> None:
        limits = Limits(children=2)
        assert reason(lambda: unzip(zip_of(MEMBERS), limits=limits)) == (Reason.BOMB, "archive_children")

    def test_depth(self) -> None:
        assert reason(lambda: unzip(zip_of(MEMBERS), depth=12)) == (Reason.BOMB, "archive_depth")
        assert reason(lambda: gunzip(gz(b"x"), depth=12)) == (Reason.BOMB, "archive_depth")

    def test_a_stated_size_is_not_believed(self) -> None:
        data = bytearray(zip_of([("zeros", b"\0" * (3 << 20))]))
        for sign, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
            at = data.find(sign)
            data[at + offset : at + offset + 4] = (10).to_bytes(4, "little")
        got = unzip(bytes(data))
        assert got.children[0].failure == Failure(Reason.CORRUPT, "zip_member")

    def test_gzip(self) -> None:
        assert reason(lambda: gunzip(gz(b"\0" * (3 << 20)))) == (Reason.BOMB, "archive_ratio")

    def test_a_cut_bomb(self) -> None:
        data = zip_of([("zeros", b"\0" * (8 << 20))])
        assert reason(lambda: unzip(data[:-60])) == (Reason.BOMB, "archive_ratio")


class TestDamage:
    def test_a_changed_byte_costs_its_member(self) -> None:
        data = bytearray(zip_of(MEMBERS))
        data[data.find(b"%PDF")] ^= 0xFF
        at = data.find(b"sub/b.pdf") + 9
        data[at + 1] ^= 0x55
        got = unzip(bytes(data))
        assert [c.failure.reason if c.failure else None for c in got.children] == [None, Reason.CORRUPT, None]
        assert got.warnings == (WarningCode.PARTIAL,)

    def test_a_cut_archive_gives_its_whole_members(self) -> None:
        whole = zip_of(MEMBERS)
        cut = whole[: whole.find(b"mail.eml") + 60]
        got = unzip(cut)
        assert [(c.name, c.data, c.failure) for c in got.children] == [
            ("a.txt", b"alpha" * 100, None),
            ("sub/b.pdf", b"%PDF", None),
            ("mail.eml", None, Failure(Reason.TRUNCATED, "zip_member")),
        ]
        assert got.failure == Failure(Reason.TRUNCATED, "zip_directory")
        assert got.expected_children is None
        assert got.warnings == (WarningCode.PARTIAL,)

    def test_streamed_members_are_recovered_too(self) -> None:
        buffer = io.BytesIO()

        class Pipe(io.RawIOBase):
            def writable(self) -> bool:
                return True

            def write(self, data) -> int:
                return buffer.write(data)

        with zipfile.ZipFile(io.BufferedWriter(Pipe()), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("one.txt", b"first" * 50)
            archive.writestr("two.txt", b"second" * 50)
        data = buffer.getvalue()
        got = unzip(data[: data.find(b"PK\x01\x02")])
        assert [(c.name, c.data) for c in got.children] == [
            ("one.txt", b"first" * 50),
            ("two.txt", b"second" * 50),
        ]

    def test_only_a_start(self) -> None:
        assert reason(lambda: unzip(b"PK\x03\x04" + b"\0" * 10)) == (Reason.TRUNCATED, "zip")

    def test_an_unknown_method_costs_its_member(self) -> None:
        data = bytearray(zip_of(MEMBERS[:1]))
        for sign, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
            at = data.find(sign)
            data[at + offset] = 97
        assert unzip(bytes(data)).children[0].failure == Failure(Reason.UNSUPPORTED, "zip_method_97")


class TestGzip:
    def test_one_child_with_its_stored_name(self) -> None:
        got = gunzip(gz(b"hello", "inner.txt"), name="outer.gz")
        (child,) = got.children
        assert (child.part_path, child.name, child.media_type, child.data) == (
            "1",
            "inner.txt",
            "text/plain",
            b"hello",
        )
        assert (got.expected_children, got.failure) == (1, None)

    @pytest.mark.parametrize(
        ("outer", "inner"), [("log.txt.gz", "log.txt"), ("a.tgz", "a.tar"), ("odd", "odd"), (None, "content")]
    )
    def test_a_name_from_outside(self, outer: str | None, inner: str) -> None:
        assert gunzip(gz(b"x"), name=outer).children[0].name == inner

    def test_several_members_are_one_file(self) -> None:
        assert gunzip(gz(b"one") + gz(b"two") + b"\0" * 100).children[0].data == b"onetwo"

    def test_cut_in_the_middle(self) -> None:
        import random

        noise = random.Random(1).randbytes(100_000)
        got = gunzip(gz(noise)[:60_000])
        assert got.failure == Failure(Reason.TRUNCATED, "gzip")
        assert noise.startswith(got.children[0].data)
        assert len(got.children[0].data) > 50_000
        assert got.warnings == (WarningCode.PARTIAL,)

    def test_rubbish(self) -> None:
        assert reason(lambda: gunzip(b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\xff" * 30)) == (
            Reason.CORRUPT,
            "gzip",
        )
        assert reason(lambda: gunzip(b"\x1f\x8b\x08")) == (Reason.TRUNCATED, "gzip")


def test_documents_are_left_to_another_reader() -> None:
    reader = ZipReader()
    assert reader.score(None, "a.zip", zip_of(MEMBERS)[:4096]) == 85
    assert reader.score("application/octet-stream", None, docx()[:4096]) is None
    assert reader.score(None, "plan.docx", zip_of(MEMBERS)) is None
    assert reader.score("application/zip", "a.zip", b"Rar!") is None


@given(st.integers(0, 600), st.binary(max_size=8))
def test_any_cut_and_any_tail_is_an_answer_or_an_item_error(length: int, tail: bytes) -> None:
    data = zip_of(MEMBERS)[:length] + tail
    try:
        got, failed = unzip(data), Reason.CORRUPT
    except ItemError as error:
        got, failed = Extraction(), error.reason
    assert failed in (Reason.TRUNCATED, Reason.CORRUPT)
    assert all((c.data is None) is (c.failure is not None) for c in got.children)
