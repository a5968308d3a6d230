"""A Tika server: what it does not answer is read without it, and said (``test_tika.py`` runs over both).

The fake answers as "TikaServer in Tika 3.x" of the Tika wiki describes ``/rmeta`` and ``/version``.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from desk.batch import extraction_worker
from desk.doctor import checks
from examples.servers.tika import Server, tika
from extract import tika_server
from extract.protocol import ExtractContext, Limits
from extract.tika_server import ServedWorker
from extract.workers import Job, Result, Worker
from records.errors import SettingsError
from records.models import Failure
from records.settings import Settings
from records.vocabulary import Reason, WarningCode
from tests.extract import samples
from tests.extract.samples import ZONE
from tests.servers.web import Fault, Served

ALONE = (WarningCode.WITHOUT_SERVER,)
DOCX = samples.plain_docx()


def job(number: int, data: bytes | str, name: str = "plan.docx", limits: Limits | None = None) -> Job:
    return Job(number, data, ExtractContext(name, None, ZONE, limits=limits or Limits()), None)


def read(worker: ServedWorker, *jobs: Job) -> list[Result]:
    return list(worker.submit(jobs))


def xhtml(words: str) -> str:
    return f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{words}</body></html>'


class Fake:
    """What it answers, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.answer: object = None
        self.begin()

    def begin(self) -> None:
        """Answer as to a document of one word."""
        self.answer = [{"X-TIKA:content": xhtml("served"), "Content-Type": "application/pdf"}]
        self.asked.clear()

    async def rmeta(self, request: Request) -> Response:
        self.asked.append({**request.headers, "size": str(len(await request.body()))})
        return JSONResponse(self.answer)

    async def version(self, _request: Request) -> Response:
        return PlainTextResponse("Apache Tika 3.3.2")


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    """A real one; who asks for it has ``@pytest.mark.services``."""
    """A real one; who asks for it has ``@pytest.mark.services``."""
    with tika() as server:
        yield server


@pytest.fixture(scope="module")
def set_up() -> Iterator[tuple[Fake, Served, ServedWorker]]:
    fake = Fake()
    routes = [Route("/rmeta/xml", fake.rmeta, methods=["PUT"]), Route("/version", fake.version)]
    with Served(Starlette(routes=routes)) as web:
        worker = ServedWorker(web.url)
        yield fake, web, worker
        worker.close()


@pytest.fixture
def fake(set_up: tuple[Fake, Served, ServedWorker]) -> Fake:
    set_up[0].begin()
    return set_up[0]


@pytest.fixture
def served(set_up: tuple[Fake, Served, ServedWorker]) -> Served:
    set_up[1].faults.clear()
    set_up[1].requests.clear()
    return set_up[1]


@pytest.fixture
def worker(served: Served, fake: Fake, set_up: tuple[Fake, Served, ServedWorker]) -> ServedWorker:
    del served, fake
    return set_up[2]


def test_only_documents_are_sent_each_with_its_limits(
    worker: ServedWorker, fake: Fake, tmp_path: Path
) -> None:
    (tmp_path / "plan.docx").write_bytes(DOCX)
    limits = Limits(time_s=7, time_s_per_mb=0, text_bytes=1 << 20, children=9)
    jobs = [
        job(0, b"From: a@example.org\r\nSubject: bus\r\n\r\nroute", "a.eml"),
        job(1, DOCX, limits=limits),
        job(2, b"words of a note", "note.txt"),
        job(3, samples.picture("PNG"), "logo.png"),
        job(4, str(tmp_path / "plan.docx")),
        job(5, str(tmp_path / "gone.docx")),
        job(6, b"", "empty.docx"),
    ]
    results = read(worker, *jobs)
    assert [result.job_id for result in results] == list(range(7))
    assert [result.extractor_name for result in results] == [
        "mail", "tika_server", "text", "tika_server", "tika_server", "none", "text",
    ]  # fmt: skip
    assert [result.extraction.text for result in results if result.job_id in {1, 4}] == ["served", "served"]
    assert not any(WarningCode.WITHOUT_SERVER in result.extraction.warnings for result in results)
    assert sorted(one["size"] for one in fake.asked) == [str(len(DOCX))] * 2
    asked = next(one for one in fake.asked if one["x-tika-timeout-millis"] == "7000")
    wanted = {
        "accept": "application/json", "content-type": "application/octet-stream", "writelimit": "2162688",
        "maxembeddedresources": "9", "x-tika-ocrskipocr": "true", "x-tika-pdfocrstrategy": "no_ocr",
        "x-tika-pdfextractannotationtext": "true",
    }  # fmt: skip
    assert {name: asked[name] for name in wanted} == wanted
    assert not any("plan" in value for one in fake.asked for value in one.values())  # no name goes out


def test_what_is_embedded_follows_and_its_troubles_are_told(worker: ServedWorker, fake: Fake) -> None:
    fake.answer = [
        {"X-TIKA:content": xhtml("outer"), "dc:title": ["Plan", ""], "Content-Type": "application/pdf"},
        {"X-TIKA:content": xhtml("inner"), "X-TIKA:EXCEPTION:embedded_exception": "a.b.OddException: words"},
        {"Content-Type": "image/png"},
    ]
    (result,) = read(worker, job(1, DOCX))
    got = result.extraction
    assert (got.text, got.warnings, got.metadata["title"]) == ("outer\ninner", (WarningCode.PARTIAL,), "Plan")
    assert "words" not in repr(got)


@pytest.mark.parametrize("answer", [{"X-TIKA:content": "no list"}, [], [{"X-TIKA:content": 5}], "words"])
def test_what_is_no_answer_is_not_taken_for_one(worker: ServedWorker, fake: Fake, answer: object) -> None:
    fake.answer = answer
    (result,) = read(worker, job(1, DOCX))
    assert (result.extraction.text, result.extraction.warnings) == ("nothing hidden here", ALONE)


def test_more_text_than_allowed_is_a_bomb(worker: ServedWorker, fake: Fake) -> None:
    fake.answer = [{"X-TIKA:content": "x", "X-TIKA:EXCEPTION:write_limit_reached": "true"}]
    (result,) = read(worker, job(1, DOCX))
    assert result.extraction.failure == Failure(Reason.BOMB, "text_bytes")
    fake.answer = [{"X-TIKA:content": xhtml("x" * 100)}]
    (result,) = read(worker, job(1, DOCX, limits=Limits(text_bytes=50)))
    assert result.extraction.failure == Failure(Reason.BOMB, "text_bytes")


@pytest.mark.parametrize(
    "fault",
    [
        Fault("PUT", 503, times=None),
        Fault("PUT", 422, body=json.dumps([{"X-TIKA:content": "refused"}]).encode(), times=None),
        Fault("PUT", 302, {"Location": "http://192.0.2.1/rmeta/xml"}, times=None),
        Fault("PUT", cut_after=9, times=2),
    ],
)
def test_without_an_answer_the_embedded_tika_reads(
    worker: ServedWorker, served: Served, fault: Fault
) -> None:
    served.faults.append(fault)
    (result,) = read(worker, job(1, DOCX))
    assert (result.extraction.text, result.extraction.warnings) == ("nothing hidden here", ALONE)


def test_an_answer_that_was_cut_is_asked_for_again(worker: ServedWorker, served: Served) -> None:
    served.faults.append(Fault("PUT", cut_after=9))
    (result,) = read(worker, job(1, DOCX))
    assert (result.extraction.text, result.extraction.warnings) == ("served", ())


def test_a_server_that_hangs_costs_a_time_limit_once(
    worker: ServedWorker, served: Served, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tika_server, "_LONGER_S", 0.2)
    served.faults.append(Fault("PUT", wait_s=3, times=None))
    limits = Limits(time_s=0.3, time_s_per_mb=0)
    # The worker has the same little time: what counts here is that the server was asked once.
    (result,) = read(worker, job(1, DOCX, limits=limits))
    assert result.seconds >= 0.5  # the server's part of it counts too
    assert len(served.requests) == 1
    assert fake.asked == []


def test_a_server_that_is_away_is_left_alone_for_a_while() -> None:
    away = ServedWorker("http://127.0.0.1:1", patience_s=0.2)
    try:
        results = read(away, *(job(number, DOCX) for number in range(12)))
    finally:
        away.close()
    assert [result.extraction.warnings for result in results] == [ALONE] * 12
    assert {result.extraction.text for result in results} == {"nothing hidden here"}


@pytest.mark.services
@pytest.mark.services
def test_documents_are_read_though_the_servers_reading_process_is_killed(running: Server) -> None:
    one = ServedWorker(running.url)
    pdf = samples.text_pdf()
    try:
        got = []
        for result in one.submit([job(number, pdf, "report.pdf") for number in range(40)]):
            got.append(result)
            if result.job_id == 0:
                for process in running.readers():
                    os.kill(process, signal.SIGKILL)
        after = read(one, job(41, pdf, "report.pdf"))
    finally:
        one.close()
    assert [result.job_id for result in got] == list(range(40))
    assert len({result.extraction.text for result in [*got, *after]}) <= 2  # of the server, of the embedded
    assert all("page 2 line 4" in result.extraction.text for result in [*got, *after])
    assert after[0].extraction.warnings == ()


@pytest.mark.parametrize("address", ["tika:9998", "ftp://host", "https://", "http://me:secret@host:9998"])
def test_an_address_is_checked(address: str) -> None:
    with pytest.raises(SettingsError, match="DAYLIGHT_TIKA_SERVER is no address") as caught:
        ServedWorker(address)
    assert "secret" not in str(caught.value)


@pytest.mark.services
@pytest.mark.services
def test_settings_choose(tmp_path: Path, running: Server) -> None:
    assert isinstance(extraction_worker(Settings(home=tmp_path)), Worker)
    settings = Settings(home=tmp_path, tika_server=running.url)
    assert isinstance(extraction_worker(settings), ServedWorker)
    (found,) = [one for one in checks(settings) if one["check"] == "tika_server"]
    assert (found["ok"], found["found"]) == (True, "Apache Tika 3.3.2")
    (found,) = [
        one
        for one in checks(Settings(home=tmp_path, tika_server="http://127.0.0.1:1"))
        if one["check"] == "tika_server"
    ]
    assert not found["ok"]
