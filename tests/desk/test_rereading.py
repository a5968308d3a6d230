"""Items that are read again: only these and their families, not while a run is alive, and to the end."""

from __future__ import annotations

import json
import lzma
import shutil

import pytest
from typer.testing import CliRunner

from cli.main import app
from desk import rereading, runlock, searching
from desk.home import Home
from desk.items import items
from desk.register import open_request
from desk.rereading import InLine, failed_items, put_in_line, read_again
from desk.run import run_local
from records import canonical
from records import tables as t
from records.attempts import claim_read
from records.errors import AlreadyRunning, AttemptLost, UsageError
from records.ledger import ledger
from records.settings import Settings
from records.vocabulary import Reason
from tests.end_to_end.test_faults import GOOD_MAIL
from tests.extract import archive_files
from tests.small_request import request_file

pytestmark = pytest.mark.slow

WITH_PART = (
    "From: ana@cedarfalls.example\nSubject: Route\nDate: Mon, 02 Mar 2026 11:00:00 -0800\n"
    'Content-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain\n\nSee the list.\n'
    '--x\nContent-Type: text/plain; name="list.txt"\nContent-Disposition: attachment; filename="list.txt"\n\n'
    "every bus route\n--x--\n"
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Run a request of four mails and one with an attachment; return its folder."""
    folder = tmp_path_factory.mktemp("ran")
    (folder / "mail").mkdir()
    for n in range(4):
        (folder / "mail" / f"{n}.eml").write_text(GOOD_MAIL.format(n=n), "utf-8")
    (folder / "mail" / "part.eml").write_text(WITH_PART, "utf-8")
    home = Home.open(settings=Settings(home=folder / "home", workers=1))
    open_request(home, request_file(folder, "mail"), by="pro")
    run_local(home, "2026-0001")
    home.close()
    return folder / "home"


@pytest.fixture
def home(ran, tmp_path):
    shutil.copytree(ran, tmp_path / "home")
    opened = Home.open(settings=Settings(home=tmp_path / "home", workers=1))
    yield opened
    opened.close()


ID = "2026-0001"


def hurt(home, item_id, reason, detail=""):
    """Make an item one that could not be read, as the extract step would have left it."""
    r = t.readings.c
    failed = {"text_state": "not_searchable", "reason": reason, "detail": detail, "text_sha256": None}
    with home.catalogue.write() as connection:
        connection.execute(t.readings.update().where(r.item_id == item_id).values(failed))


def hits(home):
    with home.catalogue.read() as connection:
        return connection.execute(t.hits.select()).all()


def audited(home):
    with home.catalogue.read() as connection:
        entries = [canonical.loads(row.entry) for row in connection.execute(t.audit.select())]
    return [
        {name: one[name] for name in ("actor", "why", "items", "families")}
        for one in entries
        if one["action"] == "read_again"
    ]


def test_what_failed_is_read_here_and_now_and_found(home):
    before = list(items(home, ID))
    assert len(before) == 6
    found = hits(home)
    assert sum(row.occurrences for row in found) == 9
    part = next(one["item_id"] for one in before if one["name"] == "list.txt")
    other = next(one["item_id"] for one in before if one["subject"] == "Bus route 2")
    hurt(home, part, "timed_out", "time")
    hurt(home, other, "encrypted")
    searching.reindex(home, ID)
    searching.hit_report(home, ID, None, None, by="pro")
    assert sum(row.occurrences for row in hits(home)) == 7
    assert failed_items(home, ID) == [part]
    assert failed_items(home, ID, [Reason.ENCRYPTED]) == [other]
    with home.catalogue.read() as connection:
        first = connection.execute(t.readings.select().where(t.readings.c.item_id == other)).one()
    told = []
    done = read_again(home, ID, [part], by="pro", why="retry", tell=told.append)
    assert {name: done[name] for name in ("items", "families", "produced", "not_collected", "batches")} == {
        "items": 1, "families": 1, "produced": 0, "not_collected": 0, "batches": 1,
    }  # fmt: skip
    assert (done["terms"]["documents"], done["flag"]["items"]) == (5, 6)
    assert [(at.step, at.done, at.expected) for at in told][-1] == ("read again", 1, 1)
    assert sum(row.occurrences for row in hits(home)) == 8  # the other one has its subject alone
    with home.catalogue.read() as connection:  # what was not asked for is as it was
        assert connection.execute(t.readings.select().where(t.readings.c.item_id == other)).one() == first
    assert read_again(home, ID, [other], by="pro", why="passwords")["families"] == 1
    assert list(items(home, ID)) == before
    assert hits(home) == found
    counted = ledger(home.catalogue, ID)
    assert (counted.balanced, counted.text["searchable"]) == (True, 6)
    assert home.engine(ID).state().documents == 6
    assert searching.count(home, ID, "every", by="pro")["documents"] == 1
    assert audited(home) == [
        {"actor": "pro", "why": "retry", "items": 1, "families": 1},
        {"actor": "pro", "why": "passwords", "items": 1, "families": 1},
    ]


def test_a_family_is_in_line_for_the_next_run(home):
    before = list(items(home, ID))
    item = before[2]["item_id"]
    hurt(home, item, "timed_out", "time")
    late = claim_read(home.catalogue, ID, "b000001")
    assert put_in_line(home, ID, failed_items(home, ID), by="pro", why="retry") == InLine(ID, 1, 1, 0, 0)
    with pytest.raises(AttemptLost), late.commit():
        pass
    assert ledger(home.catalogue, ID).balanced is False
    run_local(home, ID)
    assert list(items(home, ID)) == before
    assert ledger(home.catalogue, ID).balanced is True
    assert failed_items(home, ID) == []


def test_a_kill_between_two_families_is_made_good_by_the_same_command(home, monkeypatch):
    before = list(items(home, ID))
    for one in before[:3]:
        hurt(home, one["item_id"], "crashed")
    forget = rereading._forget
    calls = []

    def killed(connection, request_id, families):
        calls.append(families)
        if len(calls) == 2:
            raise KeyboardInterrupt
        forget(connection, request_id, families)

    monkeypatch.setattr(rereading, "_FAMILIES", 1)
    monkeypatch.setattr(rereading, "_forget", killed)
    with pytest.raises(KeyboardInterrupt):
        read_again(home, ID, failed_items(home, ID), by="pro", why="retry")
    monkeypatch.undo()
    left = failed_items(home, ID)
    assert len(left) == 2
    assert read_again(home, ID, left, by="pro", why="retry")["batches"] == 1
    assert list(items(home, ID)) == before
    # cut short after all of it was in line: the next one has nothing to find, and reads it
    put_in_line(home, ID, [before[0]["item_id"]], by="pro", why="retry")
    assert read_again(home, ID, [], by="pro", why="retry")["batches"] == 1
    assert list(items(home, ID)) == before


def test_what_was_produced_or_never_had_stays(home):
    first, second = (one["item_id"] for one in list(items(home, ID))[:2])
    hurt(home, first, "crashed")
    with home.catalogue.write() as connection:
        connection.execute(t.numbers.insert().values(request_id=ID, item_id=first, number=1, installment=1))
        connection.execute(
            t.items.update()
            .where(t.items.c.item_id == second)
            .values(state="failed", reason="unreadable", blob_sha256=None)
        )
    assert failed_items(home, ID) == sorted([first, second])
    assert put_in_line(home, ID, [first, second], by="pro", why="retry") == InLine(ID, 0, 0, 1, 1)
    with home.catalogue.read() as connection:
        assert connection.execute(t.readings.select().where(t.readings.c.item_id == first)).one()


def test_unknown_items_running_and_closed_requests_are_refused(home):
    item = next(items(home, ID))["item_id"]
    with pytest.raises(UsageError, match=f"request {ID} has no item i1, i2, i3, i4, i5 and 1 more$"):
        put_in_line(home, ID, [item, *(f"i{n}" for n in range(1, 7))], by="pro", why="retry")
    with runlock.local_run(home, ID), pytest.raises(AlreadyRunning, match=f"request {ID} is being run"):
        read_again(home, ID, [item], by="pro", why="retry")
    runlock.begin(home, ID, "scheduled__1", leased=True)
    with pytest.raises(AlreadyRunning, match=f"request {ID} is being run as scheduled__1, which is at work"):
        put_in_line(home, ID, [item], by="pro", why="retry")
    runlock.end(home, ID, "scheduled__1", "complete")
    with home.catalogue.write() as connection:
        connection.execute(t.requests.update().values(state="closed"))
    with pytest.raises(UsageError, match=f"request {ID} is closed; nothing in it is read again"):
        put_in_line(home, ID, [item], by="pro", why="retry")
    assert audited(home) == []
    assert ledger(home.catalogue, ID).text["unread"] == 0


def test_the_command_reads_what_is_named(home):
    first, second = (one["item_id"] for one in list(items(home, ID))[:2])
    hurt(home, first, "corrupt", "ValueError")
    hurt(home, second, "crashed")
    place = str(home.settings.home)
    command = CliRunner()

    def retry(*options):
        return command.invoke(app, ["--home", place, "retry", ID, "--by", "pro", *options])

    refused = retry("--reason", "corrupt", "--item", first)
    assert str(refused.exception) == "name reasons or items, not both"
    done = retry("--local", "--item", f"i:{first}")
    assert json.loads(done.stdout)["families"] == 1
    assert failed_items(home, ID, [Reason.CORRUPT]) == []
    put = retry("--reason", "crashed", "--reason", "corrupt")
    assert json.loads(put.stdout) == {
        "request_id": ID, "items": 1, "families": 1, "produced": 0, "not_collected": 0,
    }  # fmt: skip
    assert put.stderr == f"Next: `daylight run {ID}` reads it again.\n"


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
    wanted = failed_items(home, request_id)
    assert wanted == [packed]
    assert put_in_line(home, request_id, wanted, by="pro", why="retry").families == 1
    run_local(home, request_id)
    assert list(items(home, request_id)) == before
    assert failed_items(home, request_id) == []
    home.close()
