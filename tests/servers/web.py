"""Fakes of web services: an ASGI application on loopback, with named faults in front of it.

A fake answers the protocol as its published pages say; what goes wrong is put in front of it, so that the
same application serves the tests of the good way and of each fault.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn

Asgi = Callable[[dict[str, Any], Callable, Callable], Awaitable[None]]


@dataclass
class Fault:
    """Something that goes wrong on the way.

    Attributes:
        when: Regular expression, searched in ``METHOD /path?query`` as the client sent it.
        status: Answer with this, without asking the application; None asks it.
        headers: Of that answer.
        body: Of that answer.
        cut_after: Ask the application, send so many bytes of its body, then close the connection.
        wait_s: Wait so long first.
        skip: So many matching requests pass unharmed first.
        times: So many are then harmed; None for all.
    """

    when: str
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_after: int | None = None
    wait_s: float = 0.0
    skip: int = 0
    times: int | None = 1

    def takes(self, line: str) -> bool:
        """Tell whether this request is harmed, and count it."""
        if not re.search(self.when, line):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


class _CutError(Exception):
    """Ends a connection in the middle of an answer."""


@dataclass
class Served:
    """An application on a port of loopback, until ``close``.

    Attributes:
        app: What is asked.
        faults: What goes wrong; may be added to at any time.
        requests: ``METHOD /path?query`` of everything that was asked, in order.
        most_at_once: The most requests that were under way at one time.
    """

    app: Asgi
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    most_at_once: int = 0
    _now: int = 0

    def __post_init__(self) -> None:
        config = uvicorn.Config(
            self._handle, "127.0.0.1", 0, interface="asgi3", lifespan="off", log_level="critical",
            access_log=False, timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the fake did not start"
            time.sleep(0.005)
        self.port: int = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def _run(self) -> None:
        with suppress(SystemExit):
            self._server.run()

    def close(self) -> None:
        """End it; harmless when it has ended."""
        self._server.should_exit = True
        self._thread.join(timeout=10)

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _handle(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        if scope["type"] != "http":
            return
        query = scope["query_string"].decode("latin-1")
        line = f"{scope['method']} {scope['raw_path'].decode('latin-1')}" + (f"?{query}" if query else "")
        self.requests.append(line)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            fault = next((fault for fault in self.faults if fault.takes(line)), None)
            if fault is None:
                await self.app(scope, receive, send)
                return
            await self._harmed(fault, scope, receive, send)
        finally:
            self._now -= 1

    async def _harmed(self, fault: Fault, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        import asyncio

        if fault.wait_s:
            await asyncio.sleep(fault.wait_s)
        if fault.status is not None:
            headers = [(k.lower().encode(), v.encode()) for k, v in fault.headers.items()]
            headers.append((b"content-length", str(len(fault.body)).encode()))
            await send({"type": "http.response.start", "status": fault.status, "headers": headers})
            await send({"type": "http.response.body", "body": fault.body})
            return
        if fault.cut_after is None:
            await self.app(scope, receive, send)
            return
        left = fault.cut_after

        async def cutting(message: dict[str, Any]) -> None:
            nonlocal left
            if message["type"] != "http.response.body":
                await send(message)
                return
            body = message.get("body", b"")[:left]
            left -= len(body)
            await send({"type": "http.response.body", "body": body, "more_body": True})
            if not left:
                raise _CutError

        with suppress(_CutError):
            await self.app(scope, receive, cutting)
        # Ending without the rest makes the server close the connection.
