"""The evidence store: what goes in comes out, what is damaged is found, what is removed is gone."""

from __future__ import annotations

import hashlib
import itertools
import os
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from records import tables as t
from records.errors import CheckFailed, Incomplete, ItemError
from records.evidence import IN_MEMORY_BYTES, MAGIC, RECORD_BYTES, BlobRef
from records.rows import insert_missing
from tests.records.homes import new_catalogue, new_store

TURNS = itertools.count()


@pytest.fixture
def catalogue(tmp_path):
    made = new_catalogue(tmp_path)
    yield made
    made.close()


@pytest.fixture
def store(tmp_path, catalogue):
    made = new_store(tmp_path, catalogue)
    yield made
    made.close()


def put(store, catalogue, *values: bytes, name: str = "b000001-0001-collect") -> list[BlobRef]:
    writer = store.writer(name)
    refs = [writer.add(value) for value in values]
    writer.sync()
    writer.close()
    with catalogue.write() as connection:
        insert_missing(connection, t.blobs, store.rows(refs))
    return refs


def test_what_goes_in_comes_out(store, catalogue):
    values = [b"", b"abc", os.urandom(5_000), b"x" * 100_000]
    refs = put(store, catalogue, *values)
    assert [store.read(ref) for ref in refs] == values
    assert store.get(hashlib.sha256(b"abc").hexdigest()) == b"abc"
    assert refs[3].stored_bytes < 200
    assert refs[2].stored_bytes == 5_000


def test_a_large_value_is_streamed_in_and_out(store, catalogue):
    value = os.urandom(1 << 20) * 20
    writer = store.writer("large")
    small = writer.add(b"before")
    ref = writer.add_stream(BytesIO(value))
    after = writer.add(b"after")
    writer.sync()
    writer.close()
    assert ref.size_bytes == len(value) > IN_MEMORY_BYTES
    assert ref.sha256 == hashlib.sha256(value).hexdigest()
    with store.stream(ref) as stream:
        assert stream.read() == value
    assert store.read(small) == b"before"
    assert store.read(after) == b"after"


def test_a_stream_over_the_limit_leaves_no_trace(store):
    writer = store.writer("limit")
    first = writer.add(b"first")
    with pytest.raises(ItemError) as caught:
        writer.add_stream(BytesIO(b"z" * (IN_MEMORY_BYTES + 100)), limit_bytes=IN_MEMORY_BYTES + 50)
    assert str(caught.value) == "too_large: native_limit"
    second = writer.add(b"second")
    writer.sync()
    writer.close()
    assert list(store.scan("limit.seg")) == [first, second]


def test_segments_can_be_walked_without_the_catalogue(store, catalogue):
    refs = put(store, catalogue, b"one", b"two", b"three")
    assert list(store.scan(refs[0].segment)) == refs


def test_every_flipped_byte_is_found(store, catalogue):
    (ref,) = put(store, catalogue, b"a record of the district")
    path = store.folder / ref.segment
    whole = path.read_bytes()
    for place in range(len(MAGIC), len(whole)):
        if len(MAGIC) + 5 <= place < len(MAGIC) + 12:
            continue  # the seven reserved zero bytes are covered by the header checksum below
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        store.close()
        with pytest.raises(ItemError) as caught:
            store.read(ref)
        assert caught.value.reason == "corrupt"
    path.write_bytes(whole[:15] + b"\x01" + whole[16:])
    store.close()
    with pytest.raises(ItemError):
        store.read(ref)


@pytest.mark.slow
def test_a_segment_cut_anywhere_gives_its_whole_records_and_loses_no_other(store, catalogue):
    refs = put(store, catalogue, b"first", b"second" * 40, b"third")
    path = store.folder / refs[0].segment
    whole = path.read_bytes()
    ends = [ref.offset + RECORD_BYTES + ref.stored_bytes for ref in refs]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        assert list(store.scan(path.name)) == [r for r, end in zip(refs, ends, strict=True) if end <= cut]


def test_a_torn_tail_and_orphans_are_counted_and_repaired(store, catalogue):
    kept = put(store, catalogue, b"kept", name="a")
    writer = store.writer("b")  # a killed attempt: records without rows
    writer.add(b"orphan")
    writer.sync()
    writer.close()
    with (store.folder / "a.seg").open("ab") as file:
        file.write(b"RC01 and then the power went")
    report = store.verify()
    assert (report.checked, report.damaged, report.orphans, report.torn) == (1, (), 1, 1)
    repaired = store.repair()
    assert (repaired.checked, repaired.damaged, repaired.orphans, repaired.torn) == (1, (), 0, 0)
    assert store.get(kept[0].sha256) == b"kept"


def test_damage_is_reported_and_never_repaired_away(store, catalogue):
    refs = put(store, catalogue, b"fine", b"damaged later")
    path = store.folder / refs[0].segment
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(whole)
    assert store.verify().damaged == (refs[1].sha256,)
    assert store.repair().damaged == (refs[1].sha256,)
    assert store.get(refs[0].sha256) == b"fine"


def test_a_missing_segment_is_damage(store, catalogue):
    (ref,) = put(store, catalogue, b"gone")
    store.close()
    (store.folder / ref.segment).unlink()
    assert store.verify().damaged == (ref.sha256,)
    with pytest.raises(ItemError) as caught:
        store.read(ref)
    assert str(caught.value) == "unreadable: segment_missing"


def test_remove_rewrites_the_segment_and_leaves_a_tombstone(store, catalogue):
    secret = b"a personal letter that has to be handed back"
    refs = put(store, catalogue, b"before", secret, b"after")
    store.remove(refs[1].sha256, by="pro", why="personal, handed back", authority="RCW 42.56.010(3)")
    assert all(secret not in path.read_bytes() for path in store.folder.iterdir())
    assert store.get(refs[0].sha256) == b"before"
    assert store.get(refs[2].sha256) == b"after"
    with pytest.raises(ItemError):
        store.get(refs[1].sha256)
    with catalogue.read() as connection:
        stone = connection.execute(t.tombstones.select()).one()
    assert (stone.sha256, stone.by, stone.authority) == (refs[1].sha256, "pro", "RCW 42.56.010(3)")
    assert store.verify().damaged == ()
    with pytest.raises(CheckFailed):
        store.remove(refs[1].sha256, by="pro", why="again", authority="none")


def test_removing_the_only_record_deletes_the_segment(store, catalogue):
    (ref,) = put(store, catalogue, b"only")
    store.remove(ref.sha256, by="pro", why="w", authority="a")
    assert list(store.folder.iterdir()) == []


def test_a_writer_never_reuses_a_name(store, catalogue):
    put(store, catalogue, b"one", name="same")
    with pytest.raises(FileExistsError):
        store.writer("same")


def test_an_empty_segment_is_not_kept(store):
    store.writer("empty").close()
    assert list(store.folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_says_what_to_do(store, monkeypatch):
    writer = store.writer("full")

    def no_room(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    writer.add(b"data")
    with pytest.raises(Incomplete, match="No space left on device"):
        writer.sync()
    writer.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.binary(max_size=3_000), min_size=1, max_size=8, unique=True))
def test_any_values_round_trip(store, catalogue, values):
    refs = put(store, catalogue, *values, name=f"turn-{next(TURNS)}")
    assert [store.read(ref) for ref in refs] == values
    assert list(store.scan(refs[0].segment)) == refs


class Breaking:
    """A source that gives a large head and then cannot be read."""

    def __init__(self) -> None:
        self.left = IN_MEMORY_BYTES + 1

    def read(self, size: int) -> bytes:
        if not self.left:
            raise OSError(5, "Input/output error")
        size = min(size, self.left)
        self.left -= size
        return b"z" * size


def test_a_stream_that_breaks_off_is_no_fault_of_the_evidence_folder(store):
    writer = store.writer("breaks")
    with pytest.raises(OSError, match="Input/output error"):  # and not Incomplete, which stops the run
        writer.add_stream(Breaking())
    kept = writer.add(b"kept")
    writer.sync()
    writer.close()
    assert kept.offset == len(MAGIC)
    assert store.read(kept) == b"kept"


# -- what was just written


def spoiled(store, ref: BlobRef) -> None:
    """Change the last byte of a record on disk."""
    path = store.folder / ref.segment
    data = bytearray(path.read_bytes())
    data[ref.offset + RECORD_BYTES + ref.stored_bytes - 1] ^= 1
    path.write_bytes(data)


def test_what_was_just_written_is_given_once_from_memory(store, catalogue):
    store.hold_written()
    kept, large = put(store, catalogue, b"words " * 9, b"x" * (257 << 10))
    for ref in (kept, large):
        spoiled(store, ref)
    assert store.read(kept) == b"words " * 9
    for ref in (kept, large):  # the second time, and what is too large to be kept, comes from the disk
        with pytest.raises(ItemError) as caught:
            store.read(ref)
        assert caught.value.reason == "corrupt"


def test_a_new_batch_lets_go_of_what_was_kept(store, catalogue):
    store.hold_written()
    (ref,) = put(store, catalogue, b"words " * 9)
    spoiled(store, ref)
    store.hold_written()
    with pytest.raises(ItemError):
        store.read(ref)


def test_without_being_told_nothing_is_kept(store, catalogue):
    (ref,) = put(store, catalogue, b"words " * 9)
    spoiled(store, ref)
    with pytest.raises(ItemError):
        store.read(ref)


def test_a_record_that_was_moved_is_read_where_it_lies_now(store, catalogue):
    store.hold_written()
    gone, stays = put(store, catalogue, b"gone " * 9, b"stays " * 9)
    store.remove(gone.sha256, by="pro", why="personal", authority="order")
    moved = store.find([stays.sha256])[stays.sha256]
    assert moved != stays
    assert store.get(stays.sha256) == b"stays " * 9
    with pytest.raises(ItemError):
        store.get(gone.sha256)
