"""Data files of Outlook in other exports: Purview, Vault, loose folders, and zips in them."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from connectors import data_files, loose_files
from connectors.loose_files import LooseFiles
from connectors.purview_export import PurviewExport
from connectors.vault_export import VaultExport
from examples.outlook_data.mailbox import Folder
from examples.outlook_data.mailbox import write as write_pst
from records.errors import ItemError
from records.models import ExcludedItem, Expected, FoundItem, Window
from records.vocabulary import Kind, Reason, WarningCode
from tests.connectors.builders import ZONE, context, everything
from tests.connectors.built_outlook import as_msg, mail
from tests.connectors.packages import (
    ANA,
    LEE,
    Mail,
    PurviewItem,
    PurviewPackage,
    VaultPackage,
    write,
    zip_bytes,
)

PART = "PSTs.001.Export1.zip"
BOTH = Expected(2, "content count and node tree")


@pytest.fixture(scope="module")
def pst(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("made") / "a.pst"
    write_pst(path, [Folder("Inbox", [mail(1), mail(2)])])
    return path.read_bytes()


def read(source, window=None):
    """Return counts and values by place, and why places failed; each place adds up or failed."""
    source.check()
    values, failures, counts = {}, {}, {}
    for scope in source.scopes():
        try:
            more = {} if window is None else {"window": window}
            values[scope.key], _ = everything(source, scope, **more)
            counts[scope.key] = source.count(scope)
            if counts[scope.key].count is not None:
                assert counts[scope.key].count == len(values[scope.key]), scope.key
        except ItemError as error:
            failures[scope.key] = (error.reason, error.detail)
    return values, counts, failures


def purview(tmp_path: Path, data: bytes, stated: int, name: str = f"Exchange/{LEE}.001.pst", row=None):
    items = [
        PurviewItem(name, data, PART, row=row),
        *(PurviewItem(f"{name}/Top/Inbox/{n}", None, PART) for n in range(stated)),
    ]
    return PurviewExport(context(str(write(tmp_path / "x", PurviewPackage(items).build()))))


def test_a_pst_of_purview_is_opened_and_stands_where_it_lies_as_what_was_opened(tmp_path: Path, pst: bytes):
    values, counts, failures = read(purview(tmp_path, pst, stated=2))
    place = f"{PART}!Exchange/{LEE}.001.pst!Inbox"
    assert list(values) == [f"exchange/{LEE}", place, "reports"]
    assert (counts[place], failures) == (BOTH, {})
    (itself,) = values[f"exchange/{LEE}"]
    assert isinstance(itself, ExcludedItem)
    assert (itself.reason, itself.detail) == (Reason.EXPORT_SCAFFOLDING, "data_file")
    assert [one.kind for one in values[place]] == [Kind.EMAIL, Kind.EMAIL]
    first = values[place][0]
    assert first.handle == as_msg(mail(1), [])
    assert {name: first.metadata[name] for name in ("folder", "container")} == {
        "folder": "Inbox", "container": f"{PART}!Exchange/{LEE}.001.pst",
    }  # fmt: skip


def test_fewer_items_than_the_report_has_is_a_place_that_failed(tmp_path: Path, pst: bytes):
    _, _, failures = read(purview(tmp_path, pst, stated=5))
    assert failures == {f"{PART}!Exchange/{LEE}.001.pst#items": (Reason.TRUNCATED, "stated_5_there_2")}


def test_items_of_a_partly_indexed_pst_say_so_and_whose_they_are(tmp_path: Path, pst: bytes):
    name = f"Partially indexed items/Exchange/{ANA}/a.pst"
    values, _, _ = read(purview(tmp_path, pst, stated=0, name=name))
    found = values[f"{PART}!{name}!Inbox"]
    assert [one.warnings for one in found] == [(WarningCode.PARTLY_INDEXED,)] * 2


def test_places_that_accounts_leaves_out_are_not_opened(tmp_path: Path, pst: bytes):
    source = purview(tmp_path, pst, stated=2)
    source = PurviewExport(replace(source._context, options={"accounts": ANA}))
    assert [scope.key for scope in source.scopes()] == ["reports"]


def test_a_pst_of_vault_is_opened_where_the_sum_of_its_part_fits(tmp_path: Path, pst: bytes):
    package = VaultPackage(mails=[Mail(1)])
    files = package.build(sums=False)
    files["Export1-1.zip"] = zip_bytes({f"Export1-{ANA}-a1.pst": pst})
    values, counts, failures = read(VaultExport(context(str(write(tmp_path / "x", files)))))
    place = f"Export1-1.zip!Export1-{ANA}-a1.pst!Inbox"
    assert (counts[place], failures) == (BOTH, {})
    assert [one.handle for one in values[place]] == [as_msg(mail(1), []), as_msg(mail(2), [])]
    files["Export1.md5"] = b"0" * 32 + b" Export1-1.zip\n"
    _, _, failures = read(VaultExport(context(str(write(tmp_path / "y", files)))))
    assert failures[place] == (Reason.CORRUPT, "md5")


def loose(tmp_path: Path, pst: bytes) -> LooseFiles:
    root = tmp_path / "drop"
    (root / "deep").mkdir(parents=True)
    (root / "deep" / "b.OST").write_bytes(pst)
    (root / "bad.pst").write_bytes(b"!BDN" + bytes(600))
    (root / "letter.txt").write_bytes(b"x")
    with zipfile.ZipFile(root / "old.zip", "w") as archive:
        archive.writestr("in/a.pst", pst)
        archive.writestr("note.txt", b"y")
    return LooseFiles(context(str(root)))


def test_loose_data_files_are_opened_and_those_in_zips(tmp_path: Path, pst: bytes):
    values, counts, failures = read(loose(tmp_path, pst))
    assert list(values) == [".", "deep/b.OST!Inbox", "old.zip!in/a.pst!Inbox"]
    assert (counts["."], failures) == (Expected(4, "folder walk"), {})
    states = {one.native_key: type(one) for one in values["."]}
    assert states == {
        "bad.pst": FoundItem, "deep/b.OST": ExcludedItem, "letter.txt": FoundItem, "old.zip": FoundItem,
    }  # fmt: skip
    for place in ("deep/b.OST!Inbox", "old.zip!in/a.pst!Inbox"):
        assert counts[place] == BOTH
        assert [one.handle for one in values[place]] == [as_msg(mail(1), []), as_msg(mail(2), [])]


def test_items_of_a_loose_data_file_have_their_times(tmp_path: Path, pst: bytes):
    values, _, _ = read(loose(tmp_path, pst), Window(date(2031, 1, 1), None, ZONE))
    assert [one.reason for one in values["old.zip!in/a.pst!Inbox"]] == [Reason.OUTSIDE_WINDOW] * 2


def test_without_libpff_a_data_file_stays_a_stored_file(
    tmp_path: Path, pst: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loose_files, "is_there", lambda: False)
    monkeypatch.setattr(data_files, "is_there", lambda: False)
    values, _, _ = read(loose(tmp_path, pst))
    assert {key: {type(one) for one in found} for key, found in values.items()} == {".": {FoundItem}}
    values, _, _ = read(purview(tmp_path, pst, stated=2))
    (itself,) = values[f"exchange/{LEE}"]
    assert itself.size_bytes == len(pst)


def test_a_member_is_unpacked_once_where_the_run_has_a_folder_for_it(tmp_path: Path, pst: bytes):
    source = loose(tmp_path, pst)
    scratch = tmp_path / "scratch"
    for _ in range(2):
        again = LooseFiles(replace(source._context, scratch=str(scratch)))
        assert len(read(again)[0]["old.zip!in/a.pst!Inbox"]) == 2
        (kept,) = [path for path in scratch.iterdir() if path.suffix != ".lock"]
        stamp = kept.stat().st_ino, kept.stat().st_mtime_ns
        assert kept.read_bytes() == pst
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == stamp


def test_a_member_that_does_not_unpack_is_a_place_that_fails(tmp_path: Path, pst: bytes):
    source = loose(tmp_path, pst)
    path = tmp_path / "drop" / "old.zip"
    data = bytearray(path.read_bytes())
    at = data.index(b"in/a.pst") + len(b"in/a.pst") + 2000
    data[at] ^= 1
    path.write_bytes(bytes(data))
    _, _, failures = read(source)
    assert failures == {"old.zip!in/a.pst": (Reason.CORRUPT, "stream_damaged")}
