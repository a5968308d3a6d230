"""The store of passwords: what is put in comes out, by the right key alone, and nothing of it can be seen."""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from records.errors import AccessError, CheckFailed, SettingsError
from records.models import Password
from records.passwords import Kept, Store, candidates, passwords_by_ref, passwords_of, store_of
from records.settings import Settings

text = some.text(some.characters(exclude_categories=["Cs"]), max_size=300)
kept = some.builds(
    Kept, ref=text, custodian_id=text, given=text, item_id=some.none() | text, added_at=text, added_by=text,
    secret=text,
)  # fmt: skip


def one(ref: str, secret: str, custodian: str = "ana", item: str | None = None) -> Kept:
    return Kept(ref, custodian, "said on the phone", item, "2026-12-01T00:00:00.000000Z", "pro", secret)


def store(folder: Path, request_id: str = "2026-0001") -> Store:
    return store_of(Settings(home=folder), request_id)


def put(where: Store, *what: Kept) -> None:
    where.change(lambda _before: (what, None))


@settings(max_examples=20, deadline=None)
@given(what=some.lists(kept, max_size=5), at=some.integers(min_value=0), bit=some.integers(0, 7))
def test_what_goes_in_comes_out_and_a_flipped_bit_opens_nothing(what, at, bit):
    with tempfile.TemporaryDirectory() as folder:
        made = store(Path(folder))
        put(made, *what)
        assert made.read() == tuple(what)
        data = bytearray(made.path.read_bytes())
        data[at % len(data)] ^= 1 << bit
        made.path.write_bytes(data)
        with pytest.raises(CheckFailed):
            made.read()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=some.binary(min_size=32, max_size=32))
def test_another_key_opens_nothing(tmp_path, key):
    made = store(tmp_path)
    put(made, one("p001", "swordfish"))
    made.key.write_text(key.hex(), "ascii")
    with pytest.raises(CheckFailed, match="cannot be opened: their key is another one"):
        made.read()
    made.wipe()


def test_nothing_is_made_before_there_is_something(tmp_path):
    made = store(tmp_path)
    assert (made.exists, made.read(), made.wipe()) == (False, (), False)
    assert list(tmp_path.iterdir()) == []
    assert passwords_of(Settings(home=tmp_path), "2026-0001")("item", "ana") == ()


def test_files_are_the_owners_alone_and_show_nothing(tmp_path):
    made = store(tmp_path)
    put(made, one("p001", "swordfish"), one("p002", "Größe 9"))
    short = made.path.stat().st_size
    for path in (made.path, made.key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert [word for word in (b"swordfish", b"p001", "Größe".encode(), b"phone") if word in everything] == []
    put(made, one("p001", "swordfish and more"), one("p002", "Größe 9"))
    assert made.path.stat().st_size == short  # its length tells nothing
    assert "swordfish" not in repr(made.read())


def test_the_key_lies_apart_where_it_is_set(tmp_path, monkeypatch):
    monkeypatch.setenv("DAYLIGHT_PASSWORD_KEYS", str(tmp_path / "elsewhere"))
    made = store(tmp_path / "home")
    put(made, one("p001", "swordfish"))
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["passwords-2026-0001.key"]
    assert not (tmp_path / "home/keys").exists()


def test_a_store_of_another_request_does_not_fit(tmp_path):
    first, other = store(tmp_path, "2026-0001"), store(tmp_path, "2026-0002")
    put(first, one("p001", "swordfish"))
    put(other, one("p001", "other"))
    other.path.write_bytes(first.path.read_bytes())
    other.key.write_bytes(first.key.read_bytes())
    with pytest.raises(CheckFailed):
        other.read()


def test_a_key_that_is_gone_or_open_to_others_or_none(tmp_path):
    made = store(tmp_path)
    put(made, one("p001", "swordfish"))
    key = made.key.read_bytes()
    made.key.chmod(0o640)
    with pytest.raises(SettingsError, match="can be read by others \\(mode 0640\\)"):
        made.read()
    made.key.chmod(0o600)
    made.key.write_bytes(key[:-1])
    with pytest.raises(SettingsError, match="is no key; put the right one back"):
        made.read()
    made.key.unlink()
    with pytest.raises(SettingsError, match=r"have lost their key \(passwords-2026-0001.key\)"):
        put(made)  # nor is a new key made beside an old store
    assert (made.wipe(), made.path.exists()) == (True, False)


def test_wiping_takes_key_and_store(tmp_path):
    made = store(tmp_path)
    put(made, one("p001", "swordfish"))
    assert made.wipe()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["passwords.lock"]
    assert made.read() == ()


def test_a_folder_in_the_place_of_a_file(tmp_path):
    made = store(tmp_path)
    made.path.mkdir(parents=True)
    with pytest.raises(SettingsError, match="lost their key"):
        made.read()
    put(store(tmp_path, "2026-0002"), one("p001", "x"))
    made.key.write_bytes(store(tmp_path, "2026-0002").key.read_bytes())
    made.key.chmod(0o600)
    with pytest.raises(AccessError, match=r"cannot be read \(Is a directory\)"):
        made.read()


def test_order_of_what_is_tried():
    all_of = [
        one("p001", "a"), one("p002", "b", "lee"), one("p003", "c", "lee", "i1"), one("p004", "d"),
        one("p005", "e", "kim"), one("p006", "f", "ana", "i2"),
    ]  # fmt: skip
    assert [each.ref for each in candidates(all_of, "i1", "ana")] == ["p003", "p004", "p001", "p005", "p002"]
    assert [each.ref for each in candidates(all_of, "i9", "lee")] == ["p002", "p005", "p004", "p001"]


def test_passwords_by_item_and_by_reference(tmp_path):
    put(store(tmp_path), one("p001", "a"), one("p002", "b", item="i1"))
    of = passwords_of(Settings(home=tmp_path), "2026-0001")
    assert of("i1", "ana") == (Password("p002", "b"), Password("p001", "a"))
    assert of("i2", "ana") == (Password("p001", "a"),)
    by_ref = passwords_by_ref(Settings(home=tmp_path), "2026-0001")
    assert by_ref("p002 p009") == (Password("p002", "b"),)


def ended(work) -> int:
    """Do something in a process of its own; return how it ended."""
    child = os.fork()
    if not child:
        try:
            os._exit(work())
        finally:
            os._exit(99)
    return os.waitpid(child, 0)[1]


def test_a_killed_change_leaves_what_there_was(tmp_path):
    made = store(tmp_path)
    put(made, one("p001", "swordfish"))

    def work() -> int:
        os.fsync = lambda _descriptor: os.kill(os.getpid(), signal.SIGKILL)
        made.change(lambda before: (before * 2, None))
        return 0

    assert os.WTERMSIG(ended(work)) == signal.SIGKILL
    assert [each.secret for each in made.read()] == ["swordfish"]


def test_a_process_that_has_read_them_dumps_no_core(tmp_path):
    put(store(tmp_path), one("p001", "swordfish"))
    libc = ctypes.CDLL(None)
    get_dumpable, set_dumpable = 3, 4  # prctl(2)

    def work() -> int:
        libc.prctl(set_dumpable, 1, 0, 0, 0)
        store(tmp_path, "2026-0002").read()  # nothing is kept: nothing changes
        before = libc.prctl(get_dumpable, 0, 0, 0, 0)
        store(tmp_path).read()
        return int(before * 10 + libc.prctl(get_dumpable, 0, 0, 0, 0))

    assert os.waitstatus_to_exitcode(ended(work)) == 10
