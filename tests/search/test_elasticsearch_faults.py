"""What happens when the cluster fails in the middle: readers see what they saw, and the same call resumes.

The read-only block, the flood-stage mark and the dropped index are the real server's; a connection that is
cut, a busy cluster and half an answer are a proxy's between the engine and the real server. The answers that
the proxy makes up follow Elastic's pages "Bulk API" (items with status 429 and
``es_rejected_execution_exception``) and "Rejected requests".
"""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from elasticsearch import Elasticsearch

from examples.servers.elasticsearch import Server, why_not
from examples.servers.temporary import free_port
from records.errors import AccessError, CheckFailed, Incomplete, Retryable
from search.elasticsearch import ElasticsearchEngine
from search.elasticsearch_cluster import Cluster
from search.protocol import Counts, IndexDocument
from search.tree import Word
from tests.search import elastic
from tests.search.district import document

pytestmark = pytest.mark.services

BUSY = {"type": "es_rejected_execution_exception", "reason": "rejected"}
Answer = tuple[int, bytes]
Meddle = Callable[[str, bytes, Callable[[bytes], Answer]], Answer | None]


class Proxy:
    """Passes requests on; ``meddle`` may answer itself, change what is sent, or cut the line (None)."""

    def __init__(self, url: str) -> None:
        self.meddle: Meddle = lambda path, body, send: send(body)
        self.bulks: list[int] = []
        target, proxy = urlsplit(url), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))

                def send(changed: bytes) -> Answer:
                    line = http.client.HTTPConnection(target.hostname or "", target.port)
                    wanted = {
                        n: v
                        for n, v in self.headers.items()
                        if n in {"Content-Type", "content-type", "accept"}
                    }
                    line.request(self.command, self.path, changed, wanted)
                    answer = line.getresponse()
                    self.kind = answer.getheader("Content-Type") or "application/json"
                    data = answer.read()
                    line.close()
                    return answer.status, data

                self.kind = "application/vnd.elasticsearch+json;compatible-with=8"
                if "/_bulk" in self.path:
                    proxy.bulks.append(body.count(b"\n") // 2)
                answer = proxy.meddle(self.path, body, send)
                if answer is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(answer[0])
                self.send_header("X-Elastic-Product", "Elasticsearch")
                self.send_header("Content-Type", self.kind)
                self.send_header("Content-Length", str(len(answer[1])))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer[1])

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass  # noqa: N815 - names of http.server

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def proxy(elastic_server: Server) -> Iterator[Proxy]:
    proxy = Proxy(elastic_server.url)
    yield proxy
    proxy.server.shutdown()
    proxy.server.server_close()


@pytest.fixture
def engine(proxy: Proxy) -> Iterator[ElasticsearchEngine]:
    """An engine behind the proxy, with one batch in it that every test must find unharmed."""
    with elastic.fresh(Cluster(proxy.url, patience_s=2.0)) as engine:
        engine.upsert("b1", documents("before"))
        proxy.bulks.clear()
        yield engine
        proxy.meddle = lambda path, body, send: send(body)


def documents(word: str, start: int = 0) -> list[IndexDocument]:
    return [document(f"d{start + n}", text=word) for n in range(6)]


def unharmed(engine: ElasticsearchEngine) -> None:
    assert engine.count(Word("before")) == Counts(6, 6, 6)
    assert engine.count(Word("after")) == Counts(0, 0, 0)
    assert (engine.state().documents, engine.state().batches) == (6, 1)


def resumes(engine: ElasticsearchEngine, proxy: Proxy) -> None:
    """The same call again ends with both batches whole, and nothing of the failed try beside them."""
    proxy.meddle = lambda path, body, send: send(body)
    assert engine.upsert("b2", documents("after", 10)) == 6
    assert engine.upsert("b1", documents("after")) == 6
    assert engine.count(Word("after")) == Counts(12, 12, 12)
    engine.connection.client().indices.refresh(index=engine.load_alias)
    stored = engine.connection.client().count(index=engine.load_alias, query={"term": {"doc_type": "item"}})
    assert stored["count"] == 12


def test_the_cluster_goes_away_in_the_middle_of_a_load(engine: ElasticsearchEngine, proxy: Proxy) -> None:
    def gone(path: str, body: bytes, send: Callable[[bytes], Answer]) -> Answer | None:
        if "/_bulk" not in path and not gone_now:
            return send(body)
        gone_now.append(path)
        return None

    gone_now: list[str] = []
    proxy.meddle = gone
    for batch, start in (("b1", 0), ("b2", 10)):
        with pytest.raises(Retryable, match="does not answer"):
            engine.upsert(batch, documents("after", start))
        gone_now.clear()
    assert len(proxy.bulks) >= 4  # it tried more than once
    proxy.meddle = lambda path, body, send: send(body)
    unharmed(engine)
    resumes(engine, proxy)


def test_an_answer_that_is_lost_doubles_nothing(engine: ElasticsearchEngine, proxy: Proxy) -> None:
    """Everything is done by the server, and the first answer to each request of a kind never arrives."""
    lost: set[str] = set()

    def lose(path: str, body: bytes, send: Callable[[bytes], Answer]) -> Answer | None:
        answer = send(body)
        kind = next((k for k in ("_bulk", "_doc/batch", "_create/batch", "_refresh") if k in path), "")
        if kind and kind + str(b'"live":2' in body) not in lost:
            lost.add(kind + str(b'"live":2' in body))
            return None
        return answer

    proxy.meddle = lose
    assert engine.upsert("b1", documents("after")) == 6
    assert engine.count(Word("after")) == Counts(6, 6, 6)
    assert {"_bulkFalse", "_refreshFalse"} <= lost
    assert any(name.startswith("_doc/batch") for name in lost)
    resumes(engine, proxy)


def test_items_that_a_busy_cluster_rejects_are_sent_again_alone(
    engine: ElasticsearchEngine, proxy: Proxy
) -> None:
    def half(path: str, body: bytes, send: Callable[[bytes], Answer]) -> Answer | None:
        if "/_bulk" not in path or len(proxy.bulks) > 1:
            return send(body)
        lines = body.splitlines(keepends=True)
        status, taken = send(b"".join(lines[: len(lines) // 2]))
        items = json.loads(taken)["items"]
        refused = [{"index": {"status": 429, "error": BUSY}}] * (len(lines) // 2 - len(items))
        return status, json.dumps({"items": items + refused}).encode()

    proxy.meddle = half
    assert engine.upsert("b2", documents("after", 10)) == 6
    assert proxy.bulks == [6, 3, 1]  # six documents, the rejected three, the words
    assert engine.count(Word("after")) == Counts(6, 6, 6)


def test_a_cluster_that_stays_busy_ends_in_try_again(engine: ElasticsearchEngine, proxy: Proxy) -> None:
    def busy(path: str, body: bytes, send: Callable[[bytes], Answer]) -> Answer | None:
        return (429, json.dumps({"error": BUSY, "status": 429}).encode()) if "/_bulk" in path else send(body)

    proxy.meddle = busy
    with pytest.raises(Retryable, match="overloaded"):
        engine.upsert("b2", documents("after", 10))
    assert len(proxy.bulks) >= 3
    unharmed(engine)
    resumes(engine, proxy)


def test_half_an_answer_is_no_answer(engine: ElasticsearchEngine, proxy: Proxy) -> None:
    def half(path: str, body: bytes, send: Callable[[bytes], Answer]) -> Answer | None:
        status, answer = send(body)
        if "/_bulk" in path:
            answer = json.dumps({"items": json.loads(answer)["items"][:3]}).encode()
        return status, answer

    proxy.meddle = half
    with pytest.raises(Incomplete, match="answered for a part"):
        engine.upsert("b2", documents("after", 10))
    unharmed(engine)
    resumes(engine, proxy)


def test_documents_that_vanish_are_missed_before_they_are_shown(
    engine: ElasticsearchEngine, proxy: Proxy
) -> None:
    """The server is told less than was sent, and says that all is well."""

    def swallow(path: str, body: bytes, send: Callable[[bytes], Answer]) -> Answer | None:
        if "/_bulk" not in path or len(proxy.bulks) > 1:
            return send(body)
        status, answer = send(b"".join(body.splitlines(keepends=True)[:-2]))
        items = json.loads(answer)["items"]
        return status, json.dumps({"items": [*items, items[-1]]}).encode()

    proxy.meddle = swallow
    with pytest.raises(Incomplete, match="holds 5 of 6 records of batch b2"):
        engine.upsert("b2", documents("after", 10))
    unharmed(engine)
    resumes(engine, proxy)


@pytest.mark.parametrize("block", ["read_only", "write", "read_only_allow_delete"])
def test_an_index_that_takes_no_writes_asks_for_room(
    engine: ElasticsearchEngine, proxy: Proxy, block: str
) -> None:
    """``read_only_allow_delete`` is what the server itself sets at the flood-stage mark of a disk."""
    index = f"{engine.alias}-v000001"
    settings = engine.connection.client().indices.put_settings

    def stream() -> Iterator[IndexDocument]:
        settings(index=index, settings={f"index.blocks.{block}": True})
        yield from documents("after", 10)

    with pytest.raises(Incomplete, match="takes no writes"):
        engine.upsert("b2", stream())
    unharmed(engine)
    with pytest.raises(Incomplete, match="takes no writes"):
        engine.upsert("b2", documents("after", 10))  # before anything is sent
    settings(index=index, settings={f"index.blocks.{block}": None})
    resumes(engine, proxy)


def test_an_index_that_is_deleted_meanwhile_is_not_made_again(
    engine: ElasticsearchEngine, proxy: Proxy
) -> None:
    def stream() -> Iterator[IndexDocument]:
        engine.drop()
        yield from documents("after", 10)

    with pytest.raises((CheckFailed, Incomplete)):
        engine.upsert("b2", stream())
    assert dict(engine.connection.client().indices.get(index=f"{engine.alias}*")) == {}
    assert engine.state().documents == 0
    assert engine.upsert("b2", documents("after", 10)) == 6


def test_part_of_a_search_is_no_answer(engine: ElasticsearchEngine, proxy: Proxy) -> None:
    def late(path: str, body: bytes, send: Callable[[bytes], Answer]) -> Answer | None:
        status, answer = send(body)
        if "/_search" in path:
            answer = json.dumps(json.loads(answer) | {"timed_out": True}).encode()
        return status, answer

    proxy.meddle = late
    for ask in (lambda: engine.count(Word("before")), engine.state):
        with pytest.raises(Retryable, match="gave up"):
            ask()


def test_nobody_there() -> None:
    engine = ElasticsearchEngine(Cluster(f"http://127.0.0.1:{free_port()}", patience_s=0.5), "2026-0001")
    for ask in (engine.state, lambda: engine.upsert("b1", []), engine.drop):
        with pytest.raises(Retryable, match="does not answer"):
            ask()


START = """
import dataclasses, json, sys
from examples.servers.elasticsearch import elasticsearch
with elasticsearch(8, secure=True) as server:
    print(json.dumps(dataclasses.asdict(server), default=str), flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def secured() -> Iterator[tuple[Server, subprocess.Popen[str]]]:
    """A server with TLS and users of its own, and the process that started it."""
    missing = why_not(8)
    if missing:
        pytest.skip(missing)
    starter = subprocess.Popen(
        [sys.executable, "-c", START], cwd=Path(__file__).parents[2], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert starter.stdout is not None
    said = json.loads(starter.stdout.readline())
    folder = Path(said["folder"])
    yield Server(**said | {"folder": folder, "ca": Path(said["ca"])}), starter
    if starter.poll() is None:
        starter.communicate("")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_certificates_keys_and_the_two_roles(
    secured: tuple[Server, subprocess.Popen[str]], tmp_path: Path
) -> None:
    """The program's key writes, the readers' key cannot."""
    server, _ = secured
    admin = Elasticsearch(server.url, ca_certs=str(server.ca), basic_auth=(server.user, server.password))
    root, key = Path(__file__).parents[2], tmp_path / "index.key"
    # As docs/install.md pipes the password and the program into a container.
    program = 'read -r ELASTIC_PASSWORD; export ELASTIC_PASSWORD; exec "$0" - --index-key "$1"'
    command = ["sh", "-c", program, sys.executable, str(key)]
    given = {
        "cwd": root,
        "env": {"PYTHONPATH": ".", "DAYLIGHT_ELASTICSEARCH": server.url,
                "DAYLIGHT_ELASTICSEARCH_CA": str(server.ca)},
        "input": server.password + "\n" + (root / "scripts/elasticsearch_keys.py").read_text("utf-8"),
        "capture_output": True, "text": True, "check": False,
    }  # fmt: skip
    made = subprocess.run(command, **given)
    assert made.returncode == 0, made.stderr
    assert key.stat().st_mode & 0o777 == 0o600
    keys = {"index": key.read_text("utf-8").strip(), **json.loads(made.stdout)}
    assert keys.keys() == {"index", "read"}
    assert subprocess.run(command, **given).returncode == 2  # a key is never written over
    assert {"daylight-index", "daylight-read"} <= set(admin.security.get_role().body)
    index = ElasticsearchEngine(Cluster(server.url, server.ca, keys["index"], 20.0), "2026-0001")
    assert index.upsert("b1", documents("before")) == 6
    index.publish(6)
    index.rebuild()
    index.upsert("b1", documents("after"))
    index.publish(6)
    reader = Elasticsearch(server.url, ca_certs=str(server.ca), api_key=keys["read"])
    assert reader.count(index=index.alias)["count"] == 6
    with pytest.raises(AccessError, match="refuses the key"):
        ElasticsearchEngine(Cluster(server.url, server.ca, keys["read"]), "2026-0001").upsert("b1", [])
    with pytest.raises(AccessError, match="refuses the key"):
        ElasticsearchEngine(Cluster(server.url, server.ca, "wrong"), "2026-0001").state()
    with pytest.raises(AccessError, match="DAYLIGHT_ELASTICSEARCH_CA"):
        ElasticsearchEngine(Cluster(server.url, None, keys["index"]), "2026-0001").state()
    index.drop()
    assert "daylight-2026-0001-v000002" not in admin.indices.get(index="daylight-*")


def runs(group: int) -> bool:
    done = subprocess.run(
        ["ps", "-o", "stat=", "-s", str(group)], capture_output=True, text=True, check=False
    )
    return any(not state.startswith("Z") for state in done.stdout.split())


@pytest.mark.slow
def test_a_server_ends_when_its_starter_is_killed(secured: tuple[Server, subprocess.Popen[str]]) -> None:
    """The last test that asks this server."""
    server, starter = secured
    assert runs(server.group)
    starter.kill()
    starter.communicate()
    limit = time.monotonic() + 60
    while runs(server.group) and time.monotonic() < limit:
        time.sleep(0.2)
    assert not runs(server.group)
