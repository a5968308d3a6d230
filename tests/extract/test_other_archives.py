"""Archives beside zip and gzip: members, names, links, limits, what is locked, cut or split."""

from __future__ import annotations

import bz2
import importlib
import io
import lzma
import random
import re
import struct
import tarfile
from collections.abc import Callable
from functools import cache

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from extract import libarchive_reader, worker_main
from extract.protocol import Limits
from extract.registry import EXTRACTORS
from records.errors import ItemError
from records.models import Extraction, Failure
from records.vocabulary import Kind, Reason, WarningCode
from tests.extract import archive_files as made
from tests.extract.samples import SIMPLE, context

needs_library = pytest.mark.skipif(not made.HAS_LIBRARY, reason="libarchive13 is not installed")

NOISE = random.Random(1).randbytes(3_000)
MEMBERS = [("a.txt", b"alpha" * 100), ("sub/é.bin", NOISE), ("mail.eml", SIMPLE)]
HOSTILE = [
    ("../up.txt", b"1"),
    ("/etc/passwd", b"2"),
    ("Plan.txt", b"3"),
    ("C:\\x.txt", b"4"),
    ("Plan.txt", b"5"),
]
DATE = "2025-03-04T18:20:34Z"

KINDS: dict[str, Callable[[made.Members], bytes]] = {
    "tar": made.tar_of,
    "7zip": lambda members: made.written("7zip", members),
    "stored 7zip": lambda members: made.written("7zip", members, "7zip:compression=store"),
    "rar": made.rar4,
    "rar5": made.rar5,
    "cab": made.cab,
    "cpio": lambda members: made.written("cpio_newc", members),
}
OUR_OWN = ("tar",)
"""Read without libarchive."""
EACH = pytest.mark.parametrize(
    "kind", [kind if kind in OUR_OWN else pytest.param(kind, marks=needs_library) for kind in KINDS]
)


def read(data: bytes, name: str | None = None, **more) -> Extraction:
    """Read as a worker does: with the reader that its head chooses."""
    reader = worker_main.choose(EXTRACTORS, None, name, worker_main.head_of(io.BytesIO(data)))
    assert reader is not None
    assert reader.name != "tika"
    return reader.extract(io.BytesIO(data), context(name, **more))


def reason(data: bytes, name: str | None = None, **more) -> tuple[Reason, str]:
    with pytest.raises(ItemError) as raised:
        read(data, name, **more)
    return raised.value.reason, raised.value.detail


def states(got: Extraction) -> list[tuple[str | None, str | None]]:
    return [(c.name, c.failure.reason.value if c.failure else None) for c in got.children]


@EACH
class TestEveryKind:
    def test_members_become_children(self, kind: str) -> None:
        got = read(KINDS[kind](MEMBERS))
        assert [(c.part_path, c.name, c.media_type, c.kind, c.data) for c in got.children] == [
            ("1", "a.txt", "text/plain", Kind.FILE, b"alpha" * 100),
            ("2", "sub/é.bin", "application/octet-stream", Kind.FILE, NOISE),
            ("3", "mail.eml", "message/rfc822", Kind.EMAIL, SIMPLE),
        ]
        assert (got.expected_children, got.warnings, got.failure) == (3, (), None)
        date = "2025-03-04T18:20:40" if kind in ("rar", "cab") else DATE
        assert [dict(c.metadata) for c in got.children] == [
            {"stored_name": name, "modified": date} for name, _ in MEMBERS
        ]

    def test_hostile_names_are_kept_and_warned_of(self, kind: str) -> None:
        got = read(KINDS[kind](HOSTILE))
        names = [c.name for c in got.children]
        if kind not in ("rar", "cab"):
            assert names == [name for name, _ in HOSTILE]
        else:  # the separator of these two
            assert names == [name.replace("\\", "/") for name, _ in HOSTILE]
        assert [c.data for c in got.children] == [data for _, data in HOSTILE]
        assert got.warnings == (WarningCode.NAME_CHANGED,)

    def test_limits(self, kind: str) -> None:
        data = KINDS[kind](MEMBERS)
        assert reason(data, depth=12) == (Reason.BOMB, "archive_depth")
        assert reason(data, limits=Limits(children=2)) == (Reason.BOMB, "archive_children")
        assert reason(data, limits=Limits(children_bytes=1000)) == (Reason.BOMB, "archive_bytes")

    def test_every_cut_is_told(self, kind: str) -> None:
        data = KINDS[kind](MEMBERS)
        whole = dict(MEMBERS)
        end = len(data.rstrip(b"\0")) if kind in ("tar", "cpio") else len(data)
        for cut in (*range(120, end, end // 9), end - 1):
            try:
                got = read(data[:cut], "x." + kind) if kind != "tar" else read(data[:cut])
            except (ItemError, AssertionError):  # nothing came out; too short to be told
                continue
            failure = got.failure
            assert failure is not None
            assert failure.reason is Reason.TRUNCATED
            assert WarningCode.PARTIAL in got.warnings
            assert all(c.data is None or c.data == whole[str(c.name)] for c in got.children)

    @given(at=st.integers(0, 5_000), value=st.integers(0, 255), cut=st.integers(0, 5_000))
    def test_nothing_escapes(self, kind: str, at: int, value: int, cut: int) -> None:
        data = bytearray(_sample(kind))
        data[at % len(data)] = value
        broken = bytes(data[: max(1, cut % (2 * len(data)))])
        reader = next(one for one in EXTRACTORS if one.name == ("tar" if kind == "tar" else "archive"))
        try:
            got = reader.extract(io.BytesIO(broken), context())
        except ItemError as error:
            got = Extraction(failure=Failure(error.reason, error.detail))
        assert got.failure is None or re.fullmatch(r"[a-z0-9_]{3,20}", got.failure.detail)
        assert all((c.data is None) is (c.failure is not None) for c in got.children)


@cache
def _sample(kind: str) -> bytes:
    return KINDS[kind]([("a.txt", b"alpha" * 100), ("b.bin", NOISE[:300])])


@pytest.mark.parametrize(
    ("kind", "checked"),  # a tar and a cpio hold no checksum of a member
    [
        pytest.param("stored 7zip", True, marks=needs_library),
        pytest.param("rar", True, marks=needs_library),
        pytest.param("rar5", True, marks=needs_library),
        ("tar", False),
        pytest.param("cpio", False, marks=needs_library),
    ],
)
def test_a_changed_byte_costs_its_member(kind: str, checked: bool) -> None:
    data = bytearray(KINDS[kind](MEMBERS))
    data[data.index(NOISE[100:120])] ^= 1
    got = read(bytes(data))
    assert states(got) == [("a.txt", None), ("sub/é.bin", "corrupt" if checked else None), ("mail.eml", None)]
    assert got.warnings == ((WarningCode.PARTIAL,) if checked else ())


class TestTar:
    def test_links_are_words_and_never_followed(self) -> None:
        symbolic, hard, device, folder = (tarfile.TarInfo(n) for n in ("s", "h.docx", "d", "f"))
        symbolic.type, symbolic.linkname = tarfile.SYMTYPE, "../../etc/passwd"
        hard.type, hard.linkname = tarfile.LNKTYPE, "a.docx"
        device.type, folder.type = tarfile.CHRTYPE, tarfile.DIRTYPE
        got = read(made.tar_with(symbolic, hard, device, folder))
        assert [(c.name, c.media_type, c.data, dict(c.metadata)) for c in got.children] == [
            ("s", "text/plain", b"../../etc/passwd", {
                "stored_name": "s", "modified": "1970-01-01T00:00:00Z", "link": "true",
                "link_target": "../../etc/passwd",
            }),
            ("h.docx", "text/plain", b"a.docx", {
                "stored_name": "h.docx", "modified": "1970-01-01T00:00:00Z", "link": "hard",
                "link_target": "a.docx",
            }),
            ("d", "application/octet-stream", b"", {
                "stored_name": "d", "modified": "1970-01-01T00:00:00Z", "special": "character_device",
            }),
        ]  # fmt: skip

    def test_an_old_tar_without_magic(self) -> None:
        data = bytearray(made.tar_of(MEMBERS[:1], tarfile.USTAR_FORMAT))
        data[257:265] = bytes(8)
        _signed(data)
        assert read(bytes(data)).children[0].data == b"alpha" * 100

    def test_a_sparse_member_has_its_holes(self) -> None:
        data = bytearray(made.tar_of([("s", b"end!")], tarfile.GNU_FORMAT))
        data[156:157] = b"S"
        data[386:410] = b"%011o\0%011o\0" % (600_000, 4)
        data[483:495] = b"%011o\0" % 600_004
        _signed(data)
        assert read(bytes(data)).children[0].data == bytes(600_000) + b"end!"
        data[386:410] = b"%011o\0%011o\0" % (1 << 32, 4)
        data[483:495] = b"%011o\0" % ((1 << 32) + 4)
        _signed(data)
        assert reason(bytes(data)) == (Reason.BOMB, "archive_ratio")

    def test_a_damaged_header_costs_its_member(self) -> None:
        data = bytearray(made.tar_of([("a", b"1"), ("b", b"2"), ("c", b"3")], tarfile.USTAR_FORMAT))
        data[1024 + 20] = 7
        got = read(bytes(data))
        assert states(got) == [("a", None), ("c", None)]
        assert (got.failure, got.expected_children) == (Failure(Reason.CORRUPT, "tar_header"), None)

    def test_a_name_in_another_charset(self) -> None:
        data = bytearray(made.tar_of([("xa.txt", b"1")], tarfile.USTAR_FORMAT))
        data[0] = 0xE9
        _signed(data)
        assert read(bytes(data)).children[0].name == "éa.txt"

    def test_rubbish_behind_the_magic(self) -> None:
        assert reason(bytes(257) + b"ustar" + bytes(900)) == (Reason.CORRUPT, "tar")


def _signed(data: bytearray) -> None:
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])


COMPRESSED = [
    ("bzip2", bz2.compress, ".bz2", ".tbz2"),
    ("xz", lzma.compress, ".xz", ".txz"),
    ("zstd", zstandard.compress, ".zst", ".tzst"),
]


@pytest.mark.parametrize(("kind", "pack", "ending", "tar"), COMPRESSED, ids=[one[0] for one in COMPRESSED])
class TestCompressed:
    def test_one_child(self, kind: str, pack: Callable[[bytes], bytes], ending: str, tar: str) -> None:
        got = read(pack(b"one") + pack(b"two"), f"log.txt{ending}")
        (child,) = got.children
        assert (child.part_path, child.name, child.media_type, child.data) == (
            "1",
            "log.txt",
            "text/plain",
            b"onetwo",
        )
        assert (got.expected_children, got.failure, got.warnings) == (1, None, ())
        named = {
            outer: read(pack(b"x"), outer).children[0].name
            for outer in (f"a{tar}", f"a.tar{ending}", "odd", None)
        }
        assert named == {f"a{tar}": "a.tar", f"a.tar{ending}": "a.tar", "odd": "odd", None: "content"}

    def test_a_tar_within(self, kind: str, pack: Callable[[bytes], bytes], ending: str, tar: str) -> None:
        (inner,) = read(pack(made.tar_of(MEMBERS)), f"a{tar}").children
        assert inner.data is not None
        assert [c.data for c in read(inner.data, inner.name, depth=1).children] == [
            data for _, data in MEMBERS
        ]

    def test_cut(self, kind: str, pack: Callable[[bytes], bytes], ending: str, tar: str) -> None:
        noise = random.Random(2).randbytes(950_000 if kind == "bzip2" else 150_000)  # more than one block
        data = pack(noise)
        got = read(data[:-9])
        assert got.failure == Failure(Reason.TRUNCATED, kind)
        assert got.warnings == (WarningCode.PARTIAL,)
        (child,) = got.children
        assert child.data is not None
        assert len(child.data) >= 0.8 * len(noise)
        assert noise.startswith(child.data)
        assert read(data[:-9], f"a{ending}.001").failure == Failure(Reason.TRUNCATED, "split_archive")
        assert reason(pack(b"x")[: 9 if kind == "zstd" else 14]) == (Reason.TRUNCATED, kind)

    def test_changed(self, kind: str, pack: Callable[[bytes], bytes], ending: str, tar: str) -> None:
        packer = zstandard.ZstdCompressor(write_checksum=True).compress if kind == "zstd" else pack
        data = bytearray(packer(NOISE * 3))
        data[len(data) // 2] ^= 0x55
        try:
            failure = read(bytes(data)).failure
        except ItemError as error:
            failure = Failure(error.reason, error.detail)
        assert failure == Failure(Reason.CORRUPT, kind)

    def test_bombs(self, kind: str, pack: Callable[[bytes], bytes], ending: str, tar: str) -> None:
        zeros = pack(bytes(3 << 20))
        assert reason(zeros) == (Reason.BOMB, "archive_ratio")
        (inner,) = read(pack(pack(zeros)), "a.x").children  # a bomb in bombs: each is counted when it is read
        assert inner.data == pack(zeros)
        assert reason(pack(b"x" * 2000), limits=Limits(children_bytes=1000)) == (Reason.BOMB, "archive_bytes")
        assert reason(zeros, depth=12) == (Reason.BOMB, "archive_depth")

    @given(at=st.integers(0, 300), value=st.integers(0, 255), cut=st.integers(12, 300))
    def test_nothing_escapes(
        self, kind: str, pack: Callable[[bytes], bytes], ending: str, tar: str, at: int, value: int, cut: int
    ) -> None:
        data = bytearray(pack(b"alpha" * 30 + NOISE[:60]))
        data[at % len(data)] = value
        reader = next(one for one in EXTRACTORS if one.name == kind)
        try:
            failure = reader.extract(io.BytesIO(bytes(data[:cut])), context()).failure
        except ItemError as error:
            failure = Failure(error.reason, error.detail)
        known = (Reason.CORRUPT, Reason.TRUNCATED, Reason.UNSUPPORTED)
        assert failure is None or failure.reason in known


def test_what_zstandard_asks_for_and_is_not_there() -> None:
    words = zstandard.ZstdCompressionDict(b"alpha beta gamma " * 20, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    frame = bytearray(
        zstandard.ZstdCompressor(write_content_size=False, dict_data=words).compress(b"alpha beta")
    )
    frame[4] |= 1  # a dictionary is named
    frame[6:6] = b"\x07"
    assert reason(bytes(frame)) == (Reason.UNSUPPORTED, "zstd_dictionary")
    assert reason(b"\x28\xb5\x2f\xfd\x00\xf8" + bytes(20)) == (Reason.UNSUPPORTED, "zstd_memory")
    skipped = b"\x50\x2a\x4d\x18" + struct.pack("<I", 3) + b"abc"
    assert read(skipped + zstandard.compress(b"x")).children[0].data == b"x"
    assert reason(skipped[:-1]) == (Reason.TRUNCATED, "zstd")


@needs_library
class TestLocked:
    @pytest.mark.parametrize(
        ("data", "detail", "names"),
        [
            (made.LOCKED_7Z, "7zip", ["a.txt", "b/c.eml"]),
            (made.rar4(MEMBERS[:2], flags=4), "rar", ["a.txt", "sub/é.bin"]),
            (made.rar5(MEMBERS[:2], locked=True), "rar5", ["a.txt", "sub/é.bin"]),
        ],
    )
    def test_members(self, data: bytes, detail: str, names: list[str]) -> None:
        got = read(data)
        assert got.failure == Failure(Reason.ENCRYPTED, detail)
        assert [c.name for c in got.children] == names
        assert [c.failure for c in got.children] == [Failure(Reason.ENCRYPTED, detail)] * 2

    @pytest.mark.parametrize(
        ("data", "detail"),
        [
            (made.LOCKED_7Z_NAMES, "7zip_header"),
            (made.rar4(MEMBERS, main=0x80), "rar_header"),
            (made.rar5(MEMBERS, names=True), "rar5_header"),
        ],
    )
    def test_names_too(self, data: bytes, detail: str) -> None:
        assert reason(data) == (Reason.ENCRYPTED, detail)


@needs_library
class TestLibarchive:
    def test_bombs(self) -> None:
        bomb = made.written("7zip", [("zeros", bytes(3 << 20))])
        assert reason(bomb) == (Reason.BOMB, "archive_ratio")
        assert read(made.written("7zip", [("a.7z", bomb)])).children[0].data == bomb

    def test_a_solid_archive_loses_what_lies_behind_the_damage(self) -> None:
        data = bytearray(KINDS["7zip"](MEMBERS))
        data[40] ^= 0xFF
        got = read(bytes(data))
        assert states(got) == [("a.txt", "corrupt"), ("sub/é.bin", "corrupt"), ("mail.eml", "corrupt")]
        assert (got.expected_children, got.warnings) == (3, (WarningCode.PARTIAL,))

    def test_a_damaged_cabinet(self) -> None:
        data = bytearray(made.cab(MEMBERS))
        data[data.index(NOISE[100:120])] ^= 1
        got = read(bytes(data))  # the sum is of the block that holds all three, and told at its end
        assert states(got) == [("a.txt", None), ("sub/é.bin", None), ("mail.eml", "corrupt")]
        assert got.failure == Failure(Reason.CORRUPT, "cab_block")

    def test_a_rar_with_the_same_name_twice_in_a_row(self) -> None:
        got = read(made.rar4([("a", b"1"), ("a", b"2"), ("b", b"3")]))  # which the library takes for one file
        assert states(got) == [("a", None), ("a", "corrupt"), ("b", None)]

    def test_links(self) -> None:
        got = read(
            _cpio("s", 0o120777, b"../../etc/passwd")
            + _cpio("f", 0o010644, b"")
            + _cpio("TRAILER!!!", 0, b"")
        )
        assert [(c.name, c.media_type, c.data) for c in got.children] == [
            ("s", "text/plain", b"../../etc/passwd"),
            ("f", "application/octet-stream", b""),
        ]
        assert [c.metadata.get("link", c.metadata.get("special")) for c in got.children] == ["true", "fifo"]

    def test_an_iso_image(self) -> None:
        got = read(made.written("iso9660", [("a.txt", b"alpha"), ("sub/b.bin", NOISE)]))
        assert [(c.name, c.data) for c in got.children] == [("a.txt", b"alpha"), ("sub/b.bin", NOISE)]

    @pytest.mark.parametrize(
        ("data", "name", "answer"),
        [
            (lambda: made.rar4(MEMBERS, main=1), "a.part1.rar", Reason.UNSUPPORTED),
            (lambda: made.rar5(MEMBERS, main=1), None, Reason.UNSUPPORTED),
            (lambda: made.cab(MEMBERS, flags=2), None, Reason.UNSUPPORTED),
            (lambda: made.written("7zip", MEMBERS)[:-9], "a.7z.001", Reason.TRUNCATED),
        ],
        ids=["rar", "rar5", "cab", "7zip"],
    )
    def test_one_of_several_volumes(
        self, data: Callable[[], bytes], name: str | None, answer: Reason
    ) -> None:
        assert reason(data(), name) == (answer, "split_archive")

    def test_the_library_is_found_once_it_is_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        without_library(monkeypatch)
        monkeypatch.undo()
        libarchive_reader._library.cache_clear()
        assert len(read(made.rar4(MEMBERS)).children) == 3


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    without_library(monkeypatch)
    monkeypatch.undo()
    libarchive_reader._library.cache_clear()


def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    libarchive_reader._library.cache_clear()
    monkeypatch.setattr(importlib, "import_module", missing)
    assert reason(made.rar4(MEMBERS)) == (Reason.UNSUPPORTED, "needs_libarchive")


def _cpio(name: str, mode: int, data: bytes) -> bytes:
    stored = name.encode() + b"\0"
    numbers = (1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(stored), 0)
    head = b"070701" + "".join(f"{number:08x}" for number in numbers).encode() + stored
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


class TestNotOpened:
    @pytest.mark.parametrize(
        "data",
        [
            b"x" * 9000 + b"koly" + bytes(508),
            bytes(9000) + b"conectix" + bytes(504),
            b"conectix" + bytes(5000),
            b"vhdxfile" + bytes(5000),
            b"KDMV" + bytes(5000),
            b"EVF\x09\x0d\x0a\xff\0" + bytes(5000),
            bytes(32_769) + b"BEA01" + bytes(3000),
        ],
    )
    def test_images_of_disks(self, data: bytes) -> None:
        assert read(data).failure == Failure(Reason.UNSUPPORTED, "disk_image")

    @pytest.mark.parametrize(
        "name", ["a.7z.002", "b.ZIP.010", "c.z02", "d.r00", "e.part2.rar", "f.tar.gz.003"]
    )
    def test_volumes_without_marks(self, name: str) -> None:
        assert read(NOISE, name).failure == Failure(Reason.UNSUPPORTED, "split_archive")

    def test_a_text_with_such_a_name_is_a_text(self) -> None:
        reader = worker_main.choose(EXTRACTORS, None, "notes.r01", b"plain words\n" * 20)
        assert reader is not None
        assert reader.name == "text"


def test_split_zips() -> None:
    from tests.extract.samples import zip_of

    whole = zip_of(MEMBERS)
    first = b"PK\x07\x08" + whole[: whole.find(b"mail.eml") + 20]
    got = read(first, "a.z01")
    assert states(got)[:2] == [("a.txt", None), ("sub/é.bin", None)]
    assert got.failure == Failure(Reason.TRUNCATED, "split_archive")
