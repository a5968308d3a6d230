"""Another try at what was not read for a reason that may pass."""

from __future__ import annotations

import lzma

import pytest

from desk import searching
from desk.care import retry
from desk.home import Home
from desk.items import items
from desk.register import open_request
from desk.run import run_local
from records import tables as t
from records.ledger import ledger
from records.settings import Settings
from tests.end_to_end.test_faults import GOOD_MAIL
from tests.extract import archive_files
from tests.small_request import request_file

pytestmark = pytest.mark.slow


def test_a_family_that_timed_out_is_read_again_and_found(tmp_path):
    (tmp_path / "mail").mkdir()
    for n in range(4):
        (tmp_path / "mail" / f"{n}.eml").write_text(GOOD_MAIL.format(n=n), "utf-8")
    home = Home.open(settings=Settings(home=tmp_path / "home", workers=1))
    request_id, _ = open_request(home, request_file(tmp_path, "mail"), by="pro")
    run_local(home, request_id)
    before = list(items(home, request_id))
    hurt = before[2]["item_id"]
    with home.catalogue.write() as connection:
        connection.execute(
            t.readings.update()
            .where(t.readings.c.item_id == hurt)
            .values(text_state="not_searchable", reason="timed_out", text_sha256=None)
        )
    assert retry(home, request_id, by="pro") == {"request_id": request_id, "families": 1, "not_collected": 0}
    assert ledger(home.catalogue, request_id).balanced is False
    run_local(home, request_id)
    assert list(items(home, request_id)) == before
    assert ledger(home.catalogue, request_id).balanced is True
    assert searching.count(home, request_id, "bus route", by="pro")["documents"] == 4
    assert retry(home, request_id, by="pro")["families"] == 0
    home.close()


@pytest.mark.skipif(not archive_files.HAS_LIBRARY, reason="libarchive13 is not installed")
def test_an_archive_that_waited_for_its_library_is_read_again(tmp_path):
    (tmp_path / "files").mkdir()
    inner = archive_files.written("7zip", [("letter.txt", b"about the bus route"), ("other.txt", b"soup")])
    whole = lzma.compress(archive_files.tar_of([("../plans.7z", inner), ("a.rar", archive_files.rar5([]))]))
    (tmp_path / "files" / "plans.tar.xz").write_bytes(whole)
    home = Home.open(settings=Settings(home=tmp_path / "home", workers=1))
    request_id, _ = open_request(home, request_file(tmp_path, "files", "loose_files"), by="pro")
    run_local(home, request_id)
    before = list(items(home, request_id))
    assert sorted(one["name"] for one in before) == [
        "../plans.7z", "a.rar", "letter.txt", "other.txt", "plans.tar", "plans.tar.xz",
    ]  # fmt: skip
    assert searching.count(home, request_id, "bus route", by="pro")["documents"] == 1
    packed = next(one["item_id"] for one in before if one["name"] == "../plans.7z")
    with home.catalogue.write() as connection:
        connection.execute(
            t.readings.update()
            .where(t.readings.c.item_id == packed)
            .values(text_state="not_searchable", reason="unsupported", detail="needs_libarchive")
        )
    assert retry(home, request_id, by="pro")["families"] == 1
    run_local(home, request_id)
    assert list(items(home, request_id)) == before
    assert retry(home, request_id, by="pro")["families"] == 0
    home.close()
