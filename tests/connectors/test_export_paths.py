"""Each path of an export is read, ignored for a stated reason, or unknown; their sum is that of a walk."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from connectors.export_paths import IGNORED, NAMED, tally_of
from connectors.plan import plan_source
from connectors.registry import CONNECTORS
from connectors.service import ServiceConnector
from records import canonical
from records import tables as t
from records.errors import ItemError
from records.models import ExportPath
from records.vocabulary import Fate
from tests.connectors.builders import FIXTURES, Built, backup_bytes, sms
from tests.records.homes import REQUEST, new_catalogue

NO_EXPORT = {"loose_files", "mail_files", "outlook_data_file"}
"""Connectors of folders in which every file is an item, or a mailbox, by itself."""

EXPORTS = sorted(
    name
    for name, (kind, _) in FIXTURES.items()
    if kind not in NO_EXPORT and not issubclass(CONNECTORS[kind], ServiceConnector)
)
STRAY = "zz-stray.bin"


def listed(name: str, built: Built) -> list[ExportPath]:
    found = CONNECTORS[FIXTURES[name][0]](built.context).paths()
    assert found is not None
    return list(found)


def on_disk(root: Path) -> Counter[str]:
    """Return every file by a walk of this module's own, and what every zip at the top holds."""
    files = (
        [root] if root.is_file() else [one for one in root.rglob("*") if one.is_symlink() or one.is_file()]
    )
    base = root.parent if root.is_file() else root
    found = Counter(str(one.relative_to(base)) for one in files)
    for one in files:
        if one.parent == base and one.suffix in {".zip", ".ufdr"}:
            with zipfile.ZipFile(one) as archive:
                names = [info.filename for info in archive.infolist() if not info.filename.endswith("/")]
            found += Counter(f"{one.name}!{name}" for name in names)
    return found


@pytest.mark.parametrize("name", EXPORTS)
def test_each_path_has_one_fate_and_the_sum_is_that_of_a_walk(name, tmp_path):
    built = FIXTURES[name][1](tmp_path / "source")
    paths = listed(name, built)
    expected = on_disk(Path(built.path))
    assert Counter(re.sub(r"#\d+$", "", one.path) for one in paths) == expected
    found = tally_of(CONNECTORS[FIXTURES[name][0]](built.context))
    assert found is not None
    assert found.paths == expected.total() == found.read + sum(found.ignored.values()) + found.unknown
    assert found.read == sum(one.fate is Fate.READ for one in paths) > 0
    assert set(found.ignored) <= set(IGNORED)
    assert all(bool(one.reason) == (one.fate is Fate.IGNORED) for one in paths)


@pytest.mark.parametrize("name", EXPORTS)
def test_a_file_that_does_not_belong_there_is_unknown_and_changes_nothing_else(name, tmp_path):
    built = FIXTURES[name][1](tmp_path / "source")
    before = listed(name, built)
    root = Path(built.path)
    if root.is_dir():
        (root / STRAY).write_bytes(b"\x00stray")
        stray = [ExportPath(STRAY, Fate.UNKNOWN)]
    elif root.suffix != ".zip":  # one file is the source: what lies beside it was not handed over
        (root.parent / STRAY).write_bytes(b"\x00stray")
        assert listed(name, built) == before
        return
    else:
        with zipfile.ZipFile(root, "a") as archive:
            archive.writestr(STRAY, b"\x00stray")
        stray = [ExportPath(f"{root.name}!{STRAY}", Fate.UNKNOWN, "", str(root))]
    after = listed(name, built)
    assert Counter(after) - Counter(before) == Counter(stray)
    assert Counter(before) - Counter(after) == Counter()
    assert STRAY in "".join(tally_of(CONNECTORS[FIXTURES[name][0]](built.context)).names)


COUNTS_TELL = {"imazing", "message tables with files", "samsung", "twilio log", "whatsapp chats"}
"""Exports whose count looks for the files that messages name."""


@pytest.mark.parametrize("name", EXPORTS)
def test_paths_are_the_same_when_the_places_were_counted_before(name, tmp_path, monkeypatch):
    built = FIXTURES[name][1](tmp_path / "source")
    if (root := Path(built.path)).is_dir():
        (root / STRAY).write_bytes(b"\x00stray")
    before = listed(name, built)
    source = CONNECTORS[FIXTURES[name][0]](built.context)
    for scope in source.scopes():
        with suppress(ItemError):  # the stray file is no table
            source.count(scope)
    if name in COUNTS_TELL:  # no chat is read again
        monkeypatch.setattr(type(source), "_read_chat", None, raising=False)
        monkeypatch.setattr(type(source), "_table", None, raising=False)
    assert list(source.paths()) == before


def tell(name: str, built: Built) -> dict[str, str]:
    """Return the fate of each path, by its last part; ignored ones with their reason."""
    return {one.path.rpartition("/")[2]: one.reason or str(one.fate) for one in listed(name, built)}


def test_what_the_zoo_of_exports_says_of_its_paths(tmp_path):
    built = {
        name: FIXTURES[name][1](tmp_path / name)
        for name in ("whatsapp chats", "iphone backup", "screenshots")
    }
    assert tell("screenshots", built["screenshots"])["other.png"] == "unknown"  # the sheet does not name it
    assert Counter(tell("iphone backup", built["iphone backup"]).values()) == {
        "read": 4, "backup_list": 3, "not_of_messages": 2,
    }  # fmt: skip
    assert Counter(tell("whatsapp chats", built["whatsapp chats"]).values()) == {"read": 5, "unknown": 1}


def test_a_zip_that_does_not_open_is_a_path_of_which_nothing_is_known(tmp_path):
    built = FIXTURES["sms backups"][1](tmp_path / "source")
    whole = (tmp_path / "source" / "phone.zip").read_bytes()
    (tmp_path / "source" / "phone.zip").write_bytes(whole[: len(whole) // 2])
    found = tally_of(CONNECTORS["sms_backup_restore"](built.context))
    assert (found.paths, found.read, found.unknown, found.names) == (3, 1, 2, ("phone.zip", "readme.txt"))
    takeout = FIXTURES["takeout zips"][1](tmp_path / "takeout")
    second = next(Path(takeout.path).glob("*-002.zip"))
    second.write_bytes(second.read_bytes()[:100])
    found = tally_of(CONNECTORS["google_takeout"](takeout.context))
    assert (found.paths, found.unknown, found.names) == (5, 1, (second.name,))


def test_only_the_first_unknown_paths_are_named(tmp_path):
    built = FIXTURES["sms backups"][1](tmp_path / "source")
    for number in range(NAMED + 5):
        (tmp_path / "source" / f"a{number:03}.bin").write_bytes(b"")
    found = tally_of(CONNECTORS["sms_backup_restore"](built.context))
    assert (found.unknown, len(found.names)) == (NAMED + 6, NAMED)


@pytest.mark.parametrize("name", ["maildir", "loose files", "imap"])
def test_folders_of_single_files_and_services_are_no_exports(name, tmp_path):
    built = FIXTURES[name][1](tmp_path / "source")
    assert tally_of(CONNECTORS[FIXTURES[name][0]](built.context)) is None
    if built.vanish is not None:
        built.vanish()


def test_the_plan_keeps_the_paths_and_those_of_a_later_listing(tmp_path):
    built = FIXTURES["sms backups"][1](tmp_path / "source")
    catalogue = new_catalogue(tmp_path)
    source = CONNECTORS["sms_backup_restore"]
    limits = {"max_items": 10, "max_bytes": 1 << 20}

    def kept() -> list[tuple[int | None, str]]:
        plan_source(catalogue, REQUEST, source(built.context), built.context, **limits)
        with catalogue.read() as connection:
            return connection.execute(sa.select(t.export_paths.c.paths, t.export_paths.c.body)).all()

    first = kept()
    body = {"read": 3, "ignored": {}, "unknown": 1, "names": ["readme.txt"]}
    assert first == [(4, canonical.dumps(body))]
    assert kept() == first
    (tmp_path / "source" / "calls-9.xml").write_bytes(backup_bytes([sms(9, "call")], "calls"))
    assert kept() == [(5, canonical.dumps(body | {"read": 4}))]
    catalogue.close()
