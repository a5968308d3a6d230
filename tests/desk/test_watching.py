"""What is said of a run in numbers, by the command, to Prometheus and to an OpenTelemetry collector."""

from __future__ import annotations

import csv
import json
import re
import shutil
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from cli.main import app
from desk import metrics, runlock
from desk.failures import failures
from desk.home import Home
from desk.items import items
from desk.register import open_request
from desk.rereading import InLine, failed_items, put_in_line
from desk.run import run_local
from desk.status import status
from desk.watching import figures, lines, slowest
from records import tables as t
from records.attempts import claim
from records.catalogue import Catalogue
from records.errors import AccessError, SettingsError, UsageError
from records.settings import Settings
from records.vocabulary import Reason, Step
from tests.end_to_end.test_faults import GOOD_MAIL
from tests.servers.postgres import postgres
from tests.small_request import request_file

pytestmark = pytest.mark.slow

ID = "2026-0001"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Run a request of three mails, a broken PDF, and a cut zip with an empty part; return its home."""
    folder = tmp_path_factory.mktemp("ran")
    (folder / "drop").mkdir()
    for n in range(3):
        (folder / "drop" / f"{n}.eml").write_text(GOOD_MAIL.format(n=n), "utf-8")
    (folder / "drop" / "=cut.zip").write_bytes(b"PK\x03\x04" + b"\0" * 60)
    (folder / "drop" / "noise.pdf").write_bytes(b"%PDF-1.7\nnothing here")
    home = Home.open(settings=Settings(home=folder / "home", workers=1))
    open_request(home, request_file(folder, "drop", "loose_files"), by="pro")
    run_local(home, ID)
    home.close()
    return folder / "home"


@pytest.fixture
def home(ran, tmp_path):
    shutil.copytree(ran, tmp_path / "home")
    opened = Home.open(settings=Settings(home=tmp_path / "home", workers=1))
    yield opened
    opened.close()


def size_of(home):
    return sum(one["bytes"] for one in items(home, ID, with_text=False) if one["parent_id"] is None)


def command(home, *arguments):
    return CliRunner().invoke(app, ["--home", str(home.settings.home), *arguments])


# --- numbers ------------------------------------------------------------------------------------------------


def test_a_run_that_ended(home):
    at = figures(home.catalogue, ID)
    assert (at.state, at.at_work, at.expected) == ("complete", False, 5)
    assert at.items == {"stored": 5, "failed": 0, "excluded": 0}
    assert at.text == {"searchable": 3, "not_searchable": 3, "pending": 0, "unread": 0}
    assert at.failures == {"corrupt": 1, "truncated": 1}
    assert (at.stored_bytes, at.left_bytes, at.seconds_left) == (size_of(home), 0, None)
    assert at.batches["done"] == at.batches["planned"] > 0
    assert at.ocr_pages == {"pending": 0, "done": 0, "failed": 0}
    a = t.attempts.c
    with home.catalogue.write() as connection:  # ten seconds from the first attempt to the last
        connection.execute(t.runs.update().values(started_at="2026-01-01T00:00:00.000000Z"))
        connection.execute(
            t.attempts.update().values(
                started_at="2026-01-01T00:00:01.000000Z", ended_at="2026-01-01T00:00:11.000000Z"
            )
        )
        collected = connection.execute(
            t.attempts.select().where(a.step == "collect").with_only_columns(a["items"])
        ).scalars()
        assert sum(collected) == 5
    at = figures(home.catalogue, ID)
    assert (at.items_per_s, at.mb_per_s) == (0.5, round(size_of(home) / 1e7, 3))


def test_a_run_at_work_says_what_is_left(home):
    with home.catalogue.write() as connection:
        connection.execute(t.readings.delete())
        connection.execute(t.batches.update().values(extract_state="waiting", index_state="waiting"))
        connection.execute(t.attempts.delete())
        connection.execute(t.runs.delete())
    runlock.begin(home, ID, "scheduled__1", leased=True)
    assert figures(home.catalogue, ID).seconds_left is None  # nothing was read yet
    attempt = claim(home.catalogue, ID, "b000001", Step.EXTRACT)
    with attempt.commit(items=2) as connection:
        attempt.end(connection)
        connection.execute(
            t.runs.update()
            .where(t.runs.c.run_key == "scheduled__1")
            .values(started_at="2026-01-01T00:00:00.000000Z")
        )
        connection.execute(
            t.attempts.update().values(
                started_at="2026-01-01T00:00:00.000000Z", ended_at="2026-01-01T00:00:08.000000Z"
            )
        )
    at = figures(home.catalogue, ID)
    assert (at.at_work, at.text["unread"], at.batches["done"]) == (True, 6, 0)
    assert (at.left_bytes, at.seconds_left) == (size_of(home), 20.0)  # five more, at four seconds each
    runlock.wait_for_person(home, ID, "scheduled__1")
    assert figures(home.catalogue, ID).at_work is False
    b = t.batches.c
    with home.catalogue.write() as connection:  # its bytes are not known before it is collected
        connection.execute(t.batches.update().values(collect_state="waiting", bytes_planned=None))
        connection.execute(t.scopes.update().values(expected=None))
        connection.execute(t.items.delete())
    at = figures(home.catalogue, ID)
    assert (at.expected, at.left_bytes, at.seconds_left) == (None, None, None)
    with home.catalogue.write() as connection:
        connection.execute(t.batches.update().where(b.batch_id == "b000001").values(bytes_planned=7))
        connection.execute(t.batches.update().where(b.batch_id != "b000001").values(bytes_planned=0))
    assert figures(home.catalogue, ID).left_bytes == 7
    with pytest.raises(UsageError, match="there is no request 2026-0009"):
        figures(home.catalogue, "2026-0009")


def test_the_slowest_are_told_with_their_place(home):
    slow = {one["name"]: one["item_id"] for one in items(home, ID, with_text=False)}
    r = t.readings.c
    with home.catalogue.write() as connection:
        times = connection.execute(t.readings.select().with_only_columns(r.read_ms)).scalars()
        assert all(isinstance(ms, int) and 0 <= ms < 60_000 for ms in times)
        connection.execute(t.readings.update().values(read_ms=0))
        for name, ms in (("1.eml", 1_500), ("noise.pdf", 62_000)):
            connection.execute(t.readings.update().where(r.item_id == slow[name]).values(read_ms=ms))
    found = slowest(home.catalogue, ID)
    assert found[0] == {
        "item_id": slow["noise.pdf"], "kind": "file", "seconds": 62.0, "bytes": 21, "reason": "corrupt",
        "source": "s1", "scope": found[0]["scope"], "name": "noise.pdf",
    }  # fmt: skip
    assert [(one["name"], one["seconds"]) for one in found] == [("noise.pdf", 62.0), ("1.eml", 1.5)]
    said = status(home, ID)
    assert (said["slowest"], said["failures"]) == (found, {"corrupt": 1, "truncated": 1})
    assert said["bytes"] == {"stored": size_of(home), "left": 0}
    words = lines(figures(home.catalogue, ID), [{**found[1], "name": "a\x1b[2Jb"}])
    assert words[0] == f"request   {ID}, complete"
    assert words[1] == "items     5 of 5 met: 5 stored, 0 failed, 0 excluded"
    assert words[4] == "left      nothing"
    assert words[7] == "failures  1 corrupt, 1 truncated"
    assert words[8].startswith(f"slowest   1.500 s  email  {slow['1.eml']}  s1 ")
    assert words[8].endswith(" a [2Jb")


@pytest.mark.services
def test_both_databases_count_alike_and_give_items_again(home):
    with postgres() as address:
        server = Home(home.settings, Catalogue(f"{address}/postgres"))
        server.catalogue.migrate()
        for table in t.metadata.sorted_tables:
            with home.catalogue.read() as read, server.catalogue.write() as write:
                if rows := [dict(row._mapping) for row in read.execute(table.select())]:
                    write.execute(table.insert(), rows)
        assert figures(server.catalogue, ID) == figures(home.catalogue, ID)
        assert slowest(server.catalogue, ID) == slowest(home.catalogue, ID)
        assert list(failures(server, ID)) == list(failures(home, ID))
        wanted = failed_items(server, ID, [Reason.CORRUPT, Reason.TRUNCATED])
        assert wanted == failed_items(home, ID, [Reason.CORRUPT, Reason.TRUNCATED])
        put = [put_in_line(one, ID, wanted, by="pro", why="retry") for one in (server, home)]
        assert put[0] == put[1] == InLine(ID, 2, 2, 0, 0)
        assert figures(server.catalogue, ID) == figures(home.catalogue, ID)
        assert figures(home.catalogue, ID).text["unread"] == 2
        server.catalogue.close()


def test_status_watches_until_no_run_is_at_work(home):
    done = command(home, "status", ID, "--watch")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["state"] == "complete"
    assert done.stderr.count(f"request   {ID}, complete\n") == 1
    runlock.begin(home, ID, "scheduled__1", leased=True)
    ended = threading.Timer(0.4, runlock.end, (home, ID, "scheduled__1", "complete"))
    ended.start()
    done = command(home, "status", ID, "--watch", "--every", "0.2")
    ended.join()
    assert done.stderr.splitlines()[0] == f"request   {ID}, complete, a run is at work"
    assert f"request   {ID}, complete\n" in done.stderr
    assert json.loads(done.stdout)["run"]["outcome"] == "complete"
    assert str(command(home, "status", "--watch").exception) == "--watch goes with the id of a request"


# --- failures -----------------------------------------------------------------------------------------------


def test_the_list_of_failures(home, tmp_path):
    by_name = {one["name"]: one for one in items(home, ID, with_text=False)}
    found = list(failures(home, ID))
    assert [(one["name"], one["reason"], one["step"]) for one in found] == [
        ("noise.pdf", "corrupt", "extract"), ("=cut.zip", "truncated", "extract"),
    ]  # fmt: skip
    cut = by_name["=cut.zip"]
    assert {name: found[1][name] for name in ("item_id", "custodian", "bytes", "retryable", "kind")} == {
        "item_id": cut["item_id"], "custodian": "ana", "bytes": 64, "retryable": False, "kind": "file",
    }  # fmt: skip
    assert found[1]["detail"] == cut["failure"]["detail"]
    assert list(failures(home, ID, [Reason.CORRUPT])) == found[:1]
    lost = by_name["0.eml"]["item_id"]
    with home.catalogue.write() as connection:
        connection.execute(t.readings.delete().where(t.readings.c.item_id == lost))
        connection.execute(
            t.items.update().where(t.items.c.item_id == lost).values(state="failed", reason="unreadable")
        )
    (had,) = failures(home, ID, [Reason.UNREADABLE])
    assert (had["item_id"], had["step"], had["retryable"], had["seconds"]) == (lost, "collect", True, None)
    assert figures(home.catalogue, ID).failures == {"corrupt": 1, "truncated": 1, "unreadable": 1}
    out = tmp_path / "failures.csv"
    assert json.loads(command(home, "failures", ID, "--csv", str(out)).stdout) == {
        "out": str(out), "items": 3,
    }  # fmt: skip
    rows = list(csv.DictReader(out.read_text("utf-8-sig").splitlines()))
    assert [row["reason"] for row in rows] == ["corrupt", "truncated", "unreadable"]
    assert rows[1]["name"] == "'=cut.zip"
    assert "is there already" in str(command(home, "failures", ID, "--csv", str(out)).exception)
    listed = command(home, "failures", ID, "--reason", "truncated").stdout.splitlines()
    assert [json.loads(line)["item_id"] for line in listed] == [cut["item_id"]]
    refused = command(home, "failures", "2026-0009")
    assert isinstance(refused.exception, UsageError)


# --- Prometheus ---------------------------------------------------------------------------------------------


def as_read(text):
    """Return the samples of an exposition: {name: {labels without the request: value}}."""
    out = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("request") == ID
            out.setdefault(sample.name, {})[",".join(f"{k}={v}" for k, v in labels.items())] = sample.value
    return out


def expected(home):
    at = figures(home.catalogue, ID)
    return {
        "daylight_run_active": {"": 0},
        "daylight_items": {"state=stored": 5, "state=failed": 0, "state=excluded": 0},
        "daylight_items_expected": {"": 5},
        "daylight_texts": {
            "state=searchable": 3, "state=not_searchable": 3, "state=pending": 0, "state=unread": 0,
        },
        "daylight_failures": {"reason=corrupt": 1, "reason=truncated": 1},
        "daylight_stored_bytes": {"": size_of(home)},
        "daylight_left_bytes": {"": 0},
        "daylight_collected_items_per_second": {"": at.items_per_s},
        "daylight_collected_bytes_per_second": {"": round(at.mb_per_s * 1e6)},
        "daylight_batches": {"state=waiting": 0, "state=done": at.batches["planned"]},
        "daylight_ocr_pages": {"state=pending": 0, "state=done": 0, "state=failed": 0},
    }  # fmt: skip


PLANTED = re.compile(r"ana|ruiz|cedarfalls|noise|cut\.zip|bus route|loose|drop", re.IGNORECASE)


def test_prometheus_reads_the_numbers_and_no_name(home):
    with metrics.served(home, 0) as address:
        with urllib.request.urlopen(address) as answer:
            text = answer.read().decode()
        assert as_read(text) == expected(home)
        with home.catalogue.write() as connection:
            connection.execute(t.runs.update().values(ended_at=None, lease_until=None))
        with urllib.request.urlopen(address) as answer:  # counted anew
            assert as_read(answer.read().decode())["daylight_run_active"] == {"": 1}
        port = int(address.rsplit(":", 1)[1].split("/")[0])
        with (
            pytest.raises(AccessError, match=f"port {port} cannot be listened at"),
            metrics.served(home, port),
        ):
            pass
    assert address.startswith("http://127.0.0.1:")
    assert not PLANTED.search(re.sub(r"^#.*$", "", text, flags=re.MULTILINE))
    with home.catalogue.write() as connection:
        connection.execute(t.requests.update().values(state="closed"))
    with metrics.served(home, 0) as address, urllib.request.urlopen(address) as answer:
        assert as_read(answer.read().decode()) == {}


def test_the_textfile_is_whole_and_replaced(home, tmp_path):
    out = tmp_path / "daylight.prom"
    out.write_text("old")
    assert json.loads(command(home, "metrics", "write", str(out)).stdout) == {"out": str(out), "requests": 1}
    assert as_read(out.read_text()) == expected(home)
    assert out.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir() if "prom" in path.name] == ["daylight.prom"]


# --- OpenTelemetry ------------------------------------------------------------------------------------------


class Collector(ThreadingHTTPServer):
    """An OTLP receiver over HTTP (POST /v1/metrics, protobuf)."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Received)
        self.requests: list[ExportMetricsServiceRequest] = []


class _Received(BaseHTTPRequestHandler):
    def do_POST(self):
        assert (self.path, self.headers["Content-Type"]) == ("/v1/metrics", "application/x-protobuf")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(ExportMetricsServiceRequest.FromString(body))
        answer = ExportMetricsServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def collector():
    server = Collector()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_collector_gets_the_numbers_of_the_request(home, collector, monkeypatch):
    monkeypatch.setenv("DAYLIGHT_OTLP", f"http://127.0.0.1:{collector.server_address[1]}/")
    done = command(home, "retry", ID, "--local")
    assert done.exit_code == 0, done.exception
    (resource,) = collector.requests[-1].resource_metrics
    named = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert named["service.name"] == "daylight"
    (scope,) = resource.scope_metrics
    found = {}
    units = {}
    for metric in scope.metrics:
        units[metric.name] = metric.unit
        for point in metric.gauge.data_points:
            labels = {one.key: one.value.string_value for one in point.attributes}
            assert labels.pop("request") == ID
            value = point.as_int if point.HasField("as_int") else point.as_double
            found.setdefault(metric.name, {})[",".join(f"{k}={v}" for k, v in labels.items())] = value
    names = {gauge.prometheus_name: gauge for gauge in metrics.GAUGES}
    wanted = expected(home)
    assert found == {names[name].name: values for name, values in wanted.items()}
    assert units["daylight.stored"] == "By"
    assert not PLANTED.search(str(collector.requests))


def test_nothing_is_sent_unless_asked_and_a_wrong_address_is_named(home, collector):
    assert home.settings.otlp == ""
    with metrics.sent(home, ID):
        pass
    assert collector.requests == []
    for wrong in ("collector:4318", "http://me:secret@collector:4318"):
        other = Home(home.settings.model_copy(update={"otlp": wrong}), home.catalogue)
        with (
            pytest.raises(SettingsError, match="DAYLIGHT_OTLP is an address") as refused,
            metrics.sent(other),
        ):
            pass
        assert "secret" not in str(refused.value)
