"""Requests to export services: waiting as they ask, one new token after a refusal, bytes from any offset."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from connectors.asking import PATIENCE_S, Busy, new_client, out_of_reach, retry_after_s, until_answered
from connectors.export_api import Interrupted

if TYPE_CHECKING:
    import httpx

_RANGE = re.compile(r"bytes (\d+)-")
_CODE = re.compile(r"[A-Za-z0-9_.]{1,60}")
_PASSING = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "RESOURCE_EXHAUSTED"})
"""Codes of a 403 of Google that passes (https://developers.google.com/workspace/vault/limits)."""

T = TypeVar("T")


class Refusal(Exception):  # noqa: N818 - what it means, each service says itself
    """A service refuses a request.

    Attributes:
        status: HTTP status.
        code: The service's own code; empty when it gives none.
    """

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"http_{status}")
        self.status = status
        self.code = code


class ExportHttp:
    """Sends the requests of one export service."""

    def __init__(self, where: str, token: Callable[[bool], str], patience_s: float = PATIENCE_S) -> None:
        """Keep what is needed; nothing is asked yet.

        Args:
            where: Source and connection, for messages.
            token: Returns a token; given True, another one than before.
            patience_s: How long a busy service is waited for, in seconds.
        """
        self._where = where
        self._token = token
        self._patience_s = patience_s
        self._opened: list[httpx.Client] = []

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        once: bool = False,
    ) -> tuple[Mapping[str, str], Mapping[str, Any]]:
        """Send a request; return the answer's headers, by lower-case name, and its JSON object.

        Args:
            method: ``GET`` or ``POST``.
            url: The whole address.
            headers: Further headers.
            body: JSON text.
            once: It creates something. After a fault nobody knows whether it did, so it is not sent again.

        Raises:
            Refusal: The service refuses it.
            Interrupted: It was to be sent once, and there was a fault.
            Retryable: The service is busy or away for longer than the patience.
        """

        def send() -> tuple[Mapping[str, str], Mapping[str, Any]]:
            response = self._sent(method, url, headers, body, once=once)
            try:
                raw = response.read()
                # An error with a status of 200, or nothing at all, is no list without exports or holds: what
                # is there would be asked for a second time.
                found = json.loads(raw) if raw.strip() or method == "GET" else {}
                if not isinstance(found, dict) or set(found) == {"error"}:
                    raise ValueError
            except (_transport_error(), ValueError):
                raise self._unknown() if once else Busy from None
            finally:
                response.close()
            return dict(response.headers), found

        return self._tried(send)

    @contextmanager
    def blocks(
        self, url: str, offset: int, headers: Mapping[str, str] | None = None
    ) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Open an address from an offset; see ``connectors.export_api.ExportService``.

        Raises:
            Refusal: The service refuses it.
            Retryable: As in ``ask``; ``Interrupted`` while bytes are drawn.
        """
        wanted = {**(headers or {}), "Accept-Encoding": "identity"}  # a sum is of what is stored
        if offset:
            wanted["Range"] = f"bytes={offset}-"
        response = self._tried(lambda: self._sent("GET", url, wanted, None, once=False))

        def read() -> Iterator[bytes]:
            try:
                yield from response.iter_raw()  # as they come: what is gathered first is lost by a cut
            except _transport_error():
                raise Interrupted(f"{self._where}: a download was cut off") from None

        try:
            stated = _RANGE.match(response.headers.get("content-range", ""))
            ranged = response.status_code == 206 and stated is not None
            yield (int(stated[1]) if ranged and stated else 0), read()
        finally:
            response.close()

    def close(self) -> None:
        """End its connections."""
        while self._opened:
            self._opened.pop().close()

    def _sent(
        self, method: str, url: str, headers: Mapping[str, str] | None, body: str | None, *, once: bool
    ) -> httpx.Response:
        """Send one request; what is returned is an answer with bytes still to be read."""
        import httpx

        client = self._client()
        for renew in (False, True):
            try:
                token = self._token(renew)
            except httpx.TransportError as error:
                raise out_of_reach(error) from None
            request = client.build_request(method, url, headers=headers, content=body)
            request.headers["Authorization"] = f"Bearer {token}"
            if body is not None:
                request.headers["Content-Type"] = "application/json"
            try:
                response = client.send(request, stream=True)
                if response.status_code != 401 or renew:
                    break
                response.close()  # a token that is refused was not acted on
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                raise out_of_reach(error) from None
            except httpx.TransportError:
                raise self._unknown() if once else Busy from None
        if response.status_code < 300:
            return response
        try:
            raise self._meant(response, once=once)
        finally:
            response.close()

    def _meant(self, response: httpx.Response, *, once: bool) -> Exception:
        """Return what a refusal means."""
        status = response.status_code
        try:
            code = _code(response.read())
        except _transport_error():
            code = ""
        if status in {429, 503} or code in _PASSING:
            return Busy(retry_after_s(response.headers))
        if status >= 500:
            return self._unknown() if once else Busy()
        return Refusal(status, code)

    def _unknown(self) -> Interrupted:
        return Interrupted(
            f"{self._where}: cut off while an export was asked for; fetch again, it is looked for by its name"
        )

    def _tried(self, once: Callable[[], T]) -> T:
        """Try until it is answered, as long as the patience lasts."""
        return until_answered(
            once, self._patience_s, self._where, then="fetch again later, what came is kept", jitter=0.0
        )

    def _client(self) -> httpx.Client:
        if not self._opened:
            self._opened.append(new_client())
        return self._opened[0]


def _transport_error() -> type[Exception]:
    import httpx

    return httpx.TransportError


def _code(data: bytes) -> str:
    """Return the most detailed code that an error gives, and none that is no code."""
    try:
        error = json.loads(data)["error"]
        reasons = [one.get("reason") for one in (*error.get("details", ()), *error.get("errors", ()))]
        code = next((str(one) for one in reasons if one), str(error.get("status") or error.get("code") or ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return code if _CODE.fullmatch(code) else ""
