from __future__ import annotations

import hashlib
import stat
import threading

import pytest

from records.errors import AccessError, SettingsError
from release.keys import KEY_FILE, fingerprint, home_key
from release.verifier import ed25519_valid


def test_it_is_made_once_and_read_by_its_owner_only(tmp_path):
    first = home_key(tmp_path)
    path = tmp_path / "keys" / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert home_key(tmp_path).public == first.public
    assert [p.name for p in path.parent.iterdir()] == [KEY_FILE]


def test_it_signs_what_the_verifier_accepts(tmp_path):
    key = home_key(tmp_path)
    assert ed25519_valid(key.public, b"message", key.sign(b"message"))
    assert key.sign(b"message") == key.sign(b"message")
    assert key.fingerprint == fingerprint(key.public) == hashlib.sha256(key.public).hexdigest()


def test_nothing_shows_the_private_key(tmp_path):
    key = home_key(tmp_path)
    secret = (tmp_path / "keys" / KEY_FILE).read_text().split("\n")[1]
    for shown in (repr(key), str(key)):
        assert secret not in shown
        assert "PRIVATE" not in shown
        assert "_private" not in shown


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path, mode):
    home_key(tmp_path)
    (tmp_path / "keys" / KEY_FILE).chmod(mode)
    with pytest.raises(SettingsError, match="0600"):
        home_key(tmp_path)


PUBLIC = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA7Bcrk61eVjv0kyxw4SRQNMNUZ+8u/U1k6/gZaDRn4r8=
-----END PUBLIC KEY-----
"""


@pytest.mark.parametrize("text", ["", "not a key", PUBLIC])
def test_another_file_in_its_place_is_refused_without_quoting_it(tmp_path, text):
    path = tmp_path / "keys" / KEY_FILE
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(SettingsError) as caught:
        home_key(tmp_path)
    assert caught.value.__cause__ is None
    assert not text or text not in str(caught.value)


def test_a_home_that_cannot_be_written(tmp_path):
    (tmp_path / "keys").write_text("a file where the folder should be")
    with pytest.raises(AccessError):
        home_key(tmp_path)


def test_processes_at_once_get_one_key(tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(home_key(tmp_path).public)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [KEY_FILE]
