"""A Kibana on the wire, as far as its import goes.

It follows Elastic's page "Import saved objects" (elastic.co/docs/api/doc/kibana/v8/operation/
operation-importsavedobjectsdefault): the path with and without a space, the header ``kbn-xsrf``, the
multipart member ``file`` whose name ends in ``.ndjson``, and the forms of a good, a partly refused and a bad
answer. What it takes in it checks by ``kibana_rules``.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.search import kibana_rules

KEY = "a2V5LWlkOnNlY3JldA=="
SPACES = {"", "request-7"}


@dataclass
class Fake:
    """What it was sent, and how it is to fail.

    Attributes:
        url: Where it is.
        calls: Path with query and headers of every call.
        kept: Objects taken in, by space.
        fault: Called instead of an answer, with the handler; None answers well.
        taken: Ids that an object of another space has already: the new one gets another.
    """

    url: str = ""
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    fault: Callable[[Any], None] | None = None
    taken: frozenset[str] = frozenset()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        place = urlsplit(path)
        space = place.path.removesuffix("/api/saved_objects/_import").removeprefix("/s/")
        if not place.path.endswith("/api/saved_objects/_import") or space not in SPACES:
            return 404, {"statusCode": 404, "error": "Not Found", "message": "Not Found"}
        if headers.get("authorization") != f"ApiKey {KEY}":
            return 401, {"statusCode": 401, "error": "Unauthorized", "message": "[security_exception]"}
        if "kbn-xsrf" not in headers:
            return _bad("Request must contain a kbn-xsrf header.")
        name, data = _file(headers["content-type"], body)
        if not name.endswith(".ndjson"):
            return _bad(f"Invalid file extension .{name.rsplit('.')[-1]}")
        objects = [json.loads(line) for line in data.splitlines()]
        return 200, self._take(space, objects, overwrite=parse_qs(place.query) == {"overwrite": ["true"]})

    def _take(self, space: str, objects: list[dict[str, Any]], *, overwrite: bool) -> dict[str, Any]:
        kept = self.kept.setdefault(space, {})
        errors = []
        for found in objects:
            failure = self._failure(found, {*kept, *(one["id"] for one in objects)}, kept, overwrite)
            if failure is not None:
                errors.append(
                    {"type": found["type"], "id": found["id"], "meta": {"title": "t"}, "error": failure}
                )
        if errors:
            return {"success": False, "successCount": 0, "errors": errors}
        results = []
        for found in objects:
            kept[found["id"]] = found
            result = {"type": found["type"], "id": found["id"], "meta": {"title": "t"}, "managed": False}
            if found["id"] in self.taken:
                result["destinationId"] = "another"
            results.append(result)
        return {"success": True, "successCount": len(objects), "successResults": results, "warnings": []}

    def _failure(
        self, found: dict[str, Any], there: set[str], kept: dict[str, Any], overwrite: bool
    ) -> dict[str, Any] | None:
        if found["type"] not in kibana_rules.VERSIONS:
            return {"type": "unsupported_type"}
        missing = [
            {"type": one["type"], "id": one["id"]} for one in found["references"] if one["id"] not in there
        ]
        if missing:
            return {"type": "missing_references", "references": missing}
        if problems := kibana_rules.problems(found):
            return {"type": "unknown", "message": problems[0], "statusCode": 400}
        if found["id"] in kept and not overwrite:
            return {"type": "conflict"}
        return None


def _bad(message: str) -> tuple[int, Any]:
    return 400, {"statusCode": 400, "error": "Bad Request", "message": message}


def _file(content_type: str, body: bytes) -> tuple[str, bytes]:
    message = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    (part,) = message.get_payload()
    assert part.get_param("name", header="content-disposition") == "file"
    return part.get_filename(), part.get_payload(decode=True)


@contextmanager
def running(context: ssl.SSLContext | None = None) -> Iterator[Fake]:
    """Run one on a free port of the loopback interface, with TLS where a context is given."""
    fake = Fake()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            fake.calls.append((self.path, headers))
            if fake.fault is not None:
                fake.fault(self)
                return
            self.say(*fake.answer(self.path, headers, body))

        def say(self, status: int, value: Any, **headers: str) -> None:
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            for name, text in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name.replace("_", "-"), text)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            return  # a client that hangs up in the handshake is what the test is about

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    fake.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        with contextlib.suppress(OSError):
            server.server_close()
