"""Compound files: a second reader finds every stream again, and the tables hold what MS-CFB asks of them."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping

import olefile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from records.compound_files import SIGNATURE, Storage, write
from records.errors import ItemError
from records.vocabulary import Reason

_NONE = 0xFFFFFFFF


def read_back(data: bytes) -> dict[tuple[str, ...], bytes | None]:
    """Return what olefile finds: streams with their bytes, storages with None."""
    with olefile.OleFileIO(data, raise_defects=olefile.DEFECT_POTENTIAL) as ole:
        assert [str(text) for _, text in ole.parsing_issues] == []
        streams = {tuple(path): ole.openstream(path).read() for path in ole.listdir()}
        return streams | {tuple(path): None for path in ole.listdir(streams=False, storages=True)}


def flat(
    entries: Mapping[str, bytes | Storage], above: tuple[str, ...] = ()
) -> dict[tuple[str, ...], bytes | None]:
    found: dict[tuple[str, ...], bytes | None] = {}
    for name, what in entries.items():
        here = (*above, name)
        if isinstance(what, Storage):
            found |= {here: None} | flat(what.entries, here)
        else:
            found[here] = what
    return found


def entries_of(data: bytes) -> list[tuple[str, int, int, int, int, int, int]]:
    """Return the directory as it lies there: name, kind, colour, left, right, child, size."""
    (at,) = struct.unpack_from("<I", data, 48)
    rows = []
    fat = fat_of(data)
    while at != 0xFFFFFFFE:
        sector = data[512 * (at + 1) :][:512]
        for place in range(0, 512, 128):
            entry = sector[place : place + 128]
            (length, kind, colour, left, right, child) = struct.unpack_from("<HBBIII", entry, 64)
            (size,) = struct.unpack_from("<Q", entry, 120)
            name = entry[: max(0, length - 2)].decode("utf-16-le")
            rows.append((name, kind, colour, left, right, child, size))
        at = fat[at]
    return rows


def fat_of(data: bytes) -> list[int]:
    (difat_at, difat_count) = struct.unpack_from("<2I", data, 68)
    named = list(struct.unpack_from("<109I", data, 76))
    for _ in range(difat_count):
        *more, difat_at = struct.unpack_from("<128I", data, 512 * (difat_at + 1))
        named += more
    assert difat_at == 0xFFFFFFFE
    return [n for at in named if at != _NONE for n in struct.unpack_from("<128I", data, 512 * (at + 1))]


NAMES = st.text(
    st.characters(min_codepoint=1, exclude_categories=["Cs"], exclude_characters="/\\:!"),
    min_size=1,
    max_size=15,
)
SIZES = st.sampled_from([0, 1, 63, 64, 65, 511, 512, 513, 4095, 4096, 4097, 9000])
BYTES = st.builds(lambda seed, size: bytes([seed]) * size, st.integers(1, 255), SIZES)


def unlike(name: str) -> str:
    """Fold more than MS-CFB does, and as olefile does: what differs here is another name to every reader."""
    return name.upper().lower().casefold()


def storages(within: st.SearchStrategy[bytes | Storage]) -> st.SearchStrategy[Storage]:
    pairs = st.lists(st.tuples(NAMES, within), max_size=9, unique_by=lambda pair: unlike(pair[0]))
    return st.builds(lambda found: Storage(dict(found)), pairs)


@settings(max_examples=30, deadline=None)
@given(storages(st.recursive(BYTES, storages, max_leaves=12)))
def test_every_stream_is_read_back(root: Storage) -> None:
    data = write(root)
    assert len(data) % 512 == 0
    assert read_back(data) == flat(root.entries)
    assert write(Storage(dict(reversed(root.entries.items())))) == data


@pytest.mark.parametrize(("size", "more"), [(7_000_000, 0), (7_143_000, 1), (17_000_000, 2)])
def test_streams_beyond_what_the_header_lists(size: int, more: int) -> None:
    # 109 sectors of the FAT describe 7,143,424 bytes, themselves included.
    large = hashlib.shake_128(b"large").digest(size)
    data = write(Storage({"large": large, "small": b"x" * 100}))
    assert read_back(data) == {("large",): large, ("small",): b"x" * 100}
    fat = fat_of(data)
    sectors = len(data) // 512 - 1
    assert fat.count(0xFFFFFFFD) == struct.unpack_from("<I", data, 44)[0] == -(-sectors // 128)
    assert fat.count(0xFFFFFFFC) == struct.unpack_from("<I", data, 72)[0] == more
    assert all(number == _NONE for number in fat[sectors:])
    assert _NONE not in fat[:sectors]


def test_thousands_of_entries_in_one_storage_and_a_long_mini_stream() -> None:
    entries = {f"__substg1.0_{n:08X}": n.to_bytes(4, "little") * (n % 40) for n in range(2_500)}
    data = write(Storage(entries))
    assert read_back(data) == {(name,): value for name, value in entries.items()}
    rows = entries_of(data)
    assert rows[0][0] == "Root Entry"
    assert rows[0][6] == sum(-(-len(value) // 64) * 64 for value in entries.values()) > 65_536


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 8, 100, 1_023, 1_024])
def test_the_directory_is_a_red_black_tree_in_order(count: int) -> None:
    names = [f"{'n' * (n % 7)}{n:x}" for n in range(count)]
    rows = entries_of(write(Storage(dict.fromkeys(names, b""))))
    seen: list[str] = []

    def walk(at: int, *, red_above: bool) -> int:
        """Return how many black entries each way down holds."""
        if at == _NONE:
            return 0
        name, _, colour, left, right, _, _ = rows[at]
        assert not (red_above and colour == 0)
        below = walk(left, red_above=colour == 0)
        seen.append(name)
        assert walk(right, red_above=colour == 0) == below
        return below + colour

    assert walk(rows[0][5], red_above=True) >= 1
    assert seen == sorted(names, key=lambda name: (len(name), name.upper()))


def test_deep_storages() -> None:
    deep: bytes | Storage = b"bottom"
    for level in range(300):
        deep = Storage({f"level{level}": deep})
    assert isinstance(deep, Storage)
    rows = entries_of(write(deep))
    assert [row[0] for row in rows[:3]] == ["Root Entry", "level299", "level298"]
    assert rows[300][6] == len(b"bottom")


def test_the_header_is_that_of_version_3() -> None:
    clsid = bytes.fromhex("0b0d020000000000c000000000000046")
    data = write(Storage({"Ünïcode 名": b"a" * 5000}, clsid))
    assert data[:8] == SIGNATURE
    assert struct.unpack_from("<5H", data, 24) == (0x3E, 3, 0xFFFE, 9, 6)
    assert struct.unpack_from("<I", data, 56) == (4096,)
    assert entries_of(data)[1][0] == "Ünïcode 名"
    with olefile.OleFileIO(data) as ole:
        assert ole.root.clsid == "00020D0B-0000-0000-C000-000000000046"
    assert read_back(write(Storage())) == {}


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", "a:b", "a!b", "a\0", "x" * 32, "\U0001f600" * 16])
def test_names_that_no_compound_file_holds(name: str) -> None:
    with pytest.raises(ItemError) as raised:
        write(Storage({name: b"x"}))
    assert (raised.value.reason, raised.value.detail) == (Reason.CORRUPT, "compound_name")


def test_two_names_that_differ_in_case_alone() -> None:
    with pytest.raises(ItemError, match="compound_name_twice"):
        write(Storage({"__Attach": b"", "__aTTACH": Storage()}))


def test_what_is_too_large_for_any_reader_is_refused() -> None:
    class Pretended(bytes):
        def __len__(self) -> int:
            return 1 << 31

    with pytest.raises(ItemError) as raised:
        write(Storage({"huge": Pretended(b"")}))
    assert raised.value.reason is Reason.TOO_LARGE
