"""The OCR lane: what only a picture shows is found by its words, page by page, and nothing is read twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from cli.main import app
from desk import ocr, rereading, runlock
from desk.batch import BatchRunner
from desk.care import verify_stores
from desk.home import Home
from desk.items import items
from desk.register import open_request
from desk.run import run_local
from desk.searching import count, hit_report, reindex
from examples.district import documents as d
from records import canonical
from records import tables as t
from records.errors import AlreadyRunning, SettingsError, UsageError
from records.ledger import ledger
from records.settings import Settings
from tests.extract import pages_seen as p
from tests.extract.test_ocr import pdf
from tests.small_request import request_file

real = pytest.mark.skipif(shutil.which("tesseract") is None, reason="no tesseract on this machine")


@pytest.fixture
def home(tmp_path):
    opened = Home.open(settings=Settings(home=tmp_path / "home", workers=2, ocr_languages="eng"))
    yield opened
    opened.close()


@pytest.fixture
def fast(tmp_path, monkeypatch):
    """Put a program in Tesseract's place that says of a page how wide it is; return what it read."""
    path, log = p.answering(tmp_path / "bin")
    monkeypatch.setenv("PATH", path)
    return lambda: log.read_text().split() if log.exists() else []


@pytest.fixture(autouse=True)
def _language(monkeypatch):
    monkeypatch.setenv("DAYLIGHT_OCR_LANGUAGES", "eng")


def run(home, tmp_path, files):
    folder = tmp_path / "files"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    request_id, _ = open_request(home, request_file(tmp_path, folder, "loose_files"), by="pro")
    run_local(home, request_id)
    return request_id


def found(home, request_id, query):
    return count(home, request_id, query, by="t")["documents"]


def command(home, *arguments):
    told = CliRunner().invoke(app, ["--home", str(home.settings.home), *arguments])
    assert told.exit_code == 0, told.stderr
    return told


def by_name(home, request_id):
    return {item["name"]: item for item in items(home, request_id)}


@real
@pytest.mark.services
def test_a_scan_is_found_by_its_words_after_ocr(home, tmp_path):
    scan = d.scan_file("order.pdf", ["Order", "bus route change approved"]).data
    request_id = run(home, tmp_path, {"order.pdf": scan})
    asked = '"route change approved"'
    assert found(home, request_id, asked) == 0
    done = ocr.run_local(home, request_id)
    assert done == {
        "request_id": request_id, "pages_pending": 0, "pages_done": 1, "pages_failed": 0,
        "failed_by_reason": {}, "low_confidence": 0, "tools": done["tools"], "lists_counted_before": [1],
        "read_now": 1, "failed_now": 0,
    }  # fmt: skip
    assert found(home, request_id, asked) == 1
    assert found(home, request_id, "has:ocr_pending") == 0
    item = by_name(home, request_id)["order.pdf"]
    assert (item["text"], item["text_state"]) == ("Order\nbus route change approved", "searchable")


def test_a_scanned_page_comes_to_its_place_and_the_earlier_text_stays(home, tmp_path, fast):
    mixed = pdf("page one says this", p.picture(["x"], width=300), "page three says that")
    request_id = run(home, tmp_path, {"mixed.pdf": mixed})
    before = by_name(home, request_id)["mixed.pdf"]
    assert (before["ocr_pages"], before["warnings"]) == ([2], ["needs_ocr", "no_date"])
    ocr.run_local(home, request_id)
    item = by_name(home, request_id)["mixed.pdf"]
    assert [page.strip() for page in item["text"].split("\f")] == [
        "page one says this", "page1250", "page three says that"
    ]  # fmt: skip
    assert (item["ocr_pages"], item["warnings"], item["failure"]) == ([], ["no_date"], None)
    r, o = t.readings.c, t.ocr_items.c
    with home.catalogue.read() as connection:
        version = connection.scalar(t.readings.select().with_only_columns(r.extractor_version))
        kept = connection.scalar(t.ocr_items.select().with_only_columns(o.before))
    assert version.endswith(" + tesseract 9.9.9 eng")
    digest = canonical.loads(kept)["text_sha256"]
    assert home.store(request_id).get(digest).decode() == before["text"]
    assert [one["damaged"] for one in verify_stores(home, repair=False, by="t")] == [[]]
    assert found(home, request_id, "page1250 AND three") == 1
    reindex(home, request_id)
    assert found(home, request_id, "page1250 AND three") == 1


def test_every_page_ends_somewhere_and_a_file_that_two_hold_is_read_once(home, tmp_path, fast):
    logo = p.saved(p.picture(["x"], width=1100), "PNG")
    files = {
        "a.png": logo, "b.png": logo, "fax.tif": p.tiff([1201, 1202, 1203]),
        "blank.png": p.saved(p.picture([], width=1300), "PNG"),
        "broken.png": p.broken_png(1400),
        "odd.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
    }  # fmt: skip
    request_id = run(home, tmp_path, files)
    waiting = {item["name"]: item["ocr_pages"] for item in items(home, request_id)}
    done = ocr.run_local(home, request_id)
    assert sorted(fast()) == ["1100", "1201", "1202", "1203"]
    after = by_name(home, request_id)
    assert all(item["ocr_pages"] == [] for item in after.values())
    assert after["a.png"]["text"] == after["b.png"]["text"] == "page1100"
    assert after["fax.tif"]["text"] == "page1201\n\npage1202\n\npage1203"
    blank, broken = after["blank.png"], after["broken.png"]
    assert (blank["text_state"], blank["text"], blank["failure"]) == ("not_searchable", "", None)
    assert (broken["text_state"], broken["failure"]["reason"]) == ("not_searchable", "corrupt")
    pages = sum(map(len, waiting.values()))
    assert (done["pages_pending"], done["pages_done"] + done["pages_failed"]) == (0, pages)
    failed = {one["item_id"]: one["reason"] for one in ocr.failed_pages(home, request_id)}
    assert failed == {broken["item_id"]: "corrupt", after["odd.heic"]["item_id"]: "unsupported"}
    counted = ledger(home.catalogue, request_id)
    assert counted.balanced
    text = counted.text
    assert (text["pending"], text["ocr_pages"], text["ocr_done"]) == (0, 0, done["pages_done"])
    assert text["ocr_failed"] == 2
    assert ocr.run_local(home, request_id)["read_now"] == 0
    assert len(fast()) == 4


def test_a_limit_reads_so_many_pages_and_an_item_waits_for_its_last(home, tmp_path, fast):
    request_id = run(home, tmp_path, {"fax.tif": p.tiff([1201, 1202, 1203])})
    told = command(home, "ocr", request_id, "--local", "--limit", "2")
    done = json.loads(told.stdout)
    assert told.stderr.startswith("ocr: 2 of 2 pages, ")
    assert (done["read_now"], done["pages_pending"], done["pages_done"]) == (2, 3, 0)
    assert by_name(home, request_id)["fax.tif"]["text_state"] == "pending"
    told = command(home, "ocr", request_id, "--local")
    done = json.loads(told.stdout)
    assert (done["read_now"], done["pages_pending"], done["pages_done"]) == (1, 0, 3)
    assert f"`daylight terms {request_id}` or the next run counts it again" in told.stderr
    assert sorted(fast()) == ["1201", "1202", "1203"]


def test_a_page_that_hangs_costs_itself_and_can_be_read_again(home, tmp_path, monkeypatch):
    (tmp_path / "slow").mkdir()
    body = 'read -r magic width rest; [ "$width" = 1202 ] && sleep 300; cat >/dev/null; echo level\n'
    body += "printf '5\\t1\\t1\\t1\\t1\\t1\\t10\\t10\\t50\\t20\\t30\\tpage%s\\n' \"$width\""
    monkeypatch.setenv("PATH", p.fake(tmp_path / "slow", body))
    request_id = run(home, tmp_path, {"fax.tif": p.tiff([1201, 1202])})
    short = Home.open(settings=home.settings.model_copy(update={"ocr_page_s": 2.0}))
    done = ocr.run_local(short, request_id)
    assert (done["pages_done"], done["failed_by_reason"]) == (1, {"timed_out": 1})
    item = by_name(home, request_id)["fax.tif"]
    assert (item["text"], item["text_state"], item["warnings"]) == (
        "page1201", "searchable", ["no_date", "partial"]
    )  # fmt: skip
    assert item["failure"] == {"reason": "timed_out", "retryable": True, "detail": "tesseract"}
    assert [(one["page"], one["confidence"]) for one in ocr.unsure_pages(short, request_id)] == [(1, 30.0)]
    path, log = p.answering(tmp_path / "bin")
    monkeypatch.setenv("PATH", path)
    assert ocr.run_local(short, request_id)["read_now"] == 0
    done = ocr.run_local(short, request_id, again=True)
    assert (done["read_now"], done["pages_done"], done["pages_failed"]) == (1, 2, 0)
    item = by_name(home, request_id)["fax.tif"]
    assert (item["text"], item["warnings"], item["failure"]) == (
        "page1201\n\npage1202", ["no_date"], None
    )  # fmt: skip
    assert log.read_text().split() == ["1202"]
    assert found(home, request_id, "page1202") == 1
    short.close()


def test_what_retry_reads_anew_waits_for_ocr_again(home, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", p.fake(tmp_path / "dies", "cat >/dev/null; kill -SEGV $$"))
    request_id = run(home, tmp_path, {"a.png": p.saved(p.picture(["x"], width=1100), "PNG")})
    assert ocr.run_local(home, request_id)["failed_by_reason"] == {"crashed": 1}
    item = by_name(home, request_id)["a.png"]
    assert (item["text_state"], item["failure"]["detail"]) == ("not_searchable", "sigsegv")
    crashed = rereading.failed_items(home, request_id)
    assert rereading.put_in_line(home, request_id, crashed, by="pro", why="retry").families == 1
    run_local(home, request_id)
    assert by_name(home, request_id)["a.png"]["text_state"] == "pending"
    assert ocr.report(home, request_id)["pages_failed"] == 0
    monkeypatch.setenv("PATH", p.answering(tmp_path / "bin")[0])
    assert ocr.run_local(home, request_id)["read_now"] == 1
    assert by_name(home, request_id)["a.png"]["text"] == "page1100"


def test_an_item_that_is_read_again_here_has_its_pages_without_reading_them(home, tmp_path, fast):
    request_id = run(home, tmp_path, {"a.png": p.saved(p.picture(["x"], width=1100), "PNG")})
    ocr.run_local(home, request_id)
    before = by_name(home, request_id)["a.png"]
    assert before["text"] == "page1100"
    again = [before["item_id"]]
    assert rereading.read_again(home, request_id, again, by="pro", why="retry")["batches"] == 1
    assert by_name(home, request_id)["a.png"] == before
    assert found(home, request_id, "page1100") == 1
    assert fast() == ["1100"]


def test_without_tesseract_everything_stays_pending(home, tmp_path, monkeypatch):
    request_id = run(home, tmp_path, {"fax.tif": p.tiff([1201, 1202])})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="no tesseract on this machine"):
        ocr.run_local(home, request_id)
    assert by_name(home, request_id)["fax.tif"]["ocr_pages"] == [1, 2]
    assert ocr.report(home, request_id)["pages_pending"] == 2


def test_a_list_counted_before_is_counted_again_when_asked(home, tmp_path, fast):
    request_id = run(home, tmp_path, {"a.png": p.saved(p.picture(["x"], width=1100), "PNG")})
    assert ocr.report(home, request_id)["lists_counted_before"] == []
    done = ocr.run_local(home, request_id)
    assert done["lists_counted_before"] == [1]
    hit_report(home, request_id, None, None, by="pro")
    assert ocr.report(home, request_id)["lists_counted_before"] == []


def test_a_closed_request_is_not_read(home, tmp_path, fast):
    request_id = run(home, tmp_path, {"a.png": p.saved(p.picture(["x"], width=1100), "PNG")})
    with home.catalogue.write() as connection:
        connection.execute(t.requests.update().values(state="closed"))
    with pytest.raises(UsageError, match="is closed"):
        ocr.run_local(home, request_id)
    assert fast() == []


def test_texts_wait_for_the_end_of_a_run_and_pages_do_not(home, tmp_path, fast):
    request_id = run(home, tmp_path, {"a.png": p.saved(p.picture(["x"], width=1100), "PNG")})
    told = []
    held = runlock.local_run(home, request_id)
    held.__enter__()

    def tell(at):
        told.append(at)
        if at.waits:
            assert fast() == ["1100"]
            assert by_name(home, request_id)["a.png"]["text_state"] == "pending"
            held.__exit__(None, None, None)

    ocr.run_local(home, request_id, tell=tell)
    assert [at.waits for at in told] == [False, True]
    assert by_name(home, request_id)["a.png"]["text"] == "page1100"


def test_two_at_once_are_refused(home, tmp_path, fast):
    request_id = run(home, tmp_path, {"a.png": p.saved(p.picture(["x"], width=1100), "PNG")})
    with runlock.local_ocr(home, request_id), pytest.raises(AlreadyRunning, match="its pictures read"):
        ocr.run_local(home, request_id)


def test_what_a_killed_command_left_out_of_the_index_comes_in(home, tmp_path, fast, monkeypatch):
    request_id = run(home, tmp_path, {"a.png": p.saved(p.picture(["x"], width=1100), "PNG")})

    class Killed(BaseException):
        pass

    def killed(*_args):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(BatchRunner, "index", killed)
        with pytest.raises(Killed):
            ocr.run_local(home, request_id)
    assert found(home, request_id, "page1100") == 0
    assert ocr.run_local(home, request_id)["read_now"] == 0
    assert found(home, request_id, "page1100") == 1
    assert found(home, request_id, "has:ocr_pending") == 0


def test_a_kill_in_the_middle_loses_and_doubles_nothing(home, tmp_path, monkeypatch):
    widths = list(range(1101, 1141))
    path, log = p.answering(tmp_path / "bin", pause_s=0.05)
    request_id = run(home, tmp_path, {"fax.tif": p.tiff(widths)})
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "--home", str(home.settings.home), "ocr", request_id, "--local"],
        env={**os.environ, "PATH": path, "DAYLIGHT_WORKERS": "2", "DAYLIGHT_OCR_LANGUAGES": "eng"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    p_ = t.ocr_texts.c

    def kept():
        with home.catalogue.read() as connection:
            return len(connection.execute(t.ocr_texts.select().with_only_columns(p_.page)).all())

    while process.poll() is None and not kept():
        time.sleep(0.01)
    assert process.poll() is None, "it was over before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = kept()
    assert 0 < before < len(widths)
    monkeypatch.setenv("PATH", path)
    done = None
    until = time.monotonic() + 60
    while done is None:
        try:
            done = ocr.run_local(home, request_id)
        except AlreadyRunning:  # what it was just starting has its lock for a moment, until it is a program
            assert time.monotonic() < until
            time.sleep(0.05)
    assert (done["read_now"], done["pages_done"]) == (len(widths) - before, len(widths))
    item = by_name(home, request_id)["fax.tif"]
    assert item["text"] == "\n\n".join(f"page{width}" for width in widths)
    assert {str(width) for width in widths} == set(log.read_text().split())
    assert ledger(home.catalogue, request_id).balanced
