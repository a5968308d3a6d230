"""Asking a service until it answers: how long and how often, and what a refusal is called.

What the connectors of services share beside their settings (``connectors.service``). A service that is busy
or away is waited for as it asks, as long as the connection's patience lasts; a request that fails by itself,
while others do not, is tried a few times only.
"""

from __future__ import annotations

import logging
import random
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin, urlsplit

from records.errors import AccessError, ItemError, Retryable, SettingsError
from records.models import Connection
from records.vocabulary import Reason

if TYPE_CHECKING:
    import httpx
    import tenacity

PATIENCE_S = 300.0
FAULTS = 4
"""Tries in a row of a request that fails by itself (500, cut off), while others do not."""

_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 30.0
_JITTER = 0.25
_TIMEOUT_S = 120.0
_CONNECT_S = 20.0
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

T = TypeVar("T")


class Denied(AccessError):  # noqa: N818 - named by what happened
    """The service refuses an account or a place altogether; the message says what to do.

    Attributes:
        code: The service's own code, or ``http_403``.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Refused(ItemError):  # noqa: N818 - named by what happened
    """The service refuses one request.

    Attributes:
        status: HTTP status; 0 for a refusal that has none.
        code: The service's own code; empty when it gives none.
    """

    def __init__(self, reason: Reason, detail: str, status: int = 0, code: str = "") -> None:
        super().__init__(reason, detail)
        self.status = status
        self.code = code


class Nowhere(AccessError):  # noqa: N818 - named by what happened
    """No server that can be trusted is at an address; ``until_answered`` says of which source."""


class Busy(Exception):  # noqa: N818 - named by what to do; never leaves ``until_answered``
    """Try again.

    Attributes:
        after_s: Seconds the service asks to wait, or None.
        final: What it means when it does not pass; None while the service as a whole is busy or away.
    """

    def __init__(self, after_s: float | None = None, final: Refused | Nowhere | None = None) -> None:
        super().__init__()
        self.after_s = after_s
        self.final = final


def until_answered(
    once: Callable[[], T],
    patience_s: float,
    where: str,
    *,
    who: str = "the service is",
    then: str = "run again later, what is collected is kept",
    first_wait_s: float = _FIRST_WAIT_S,
    longest_wait_s: float = _LONGEST_WAIT_S,
    jitter: float = _JITTER,
    interrupted: threading.Event | None = None,
) -> T:
    """Ask until it is answered, as long as patience lasts.

    Waits as the service asks, else, or where that is no time at all, twice as long each time, with some
    jitter.

    Args:
        once: Asks; raises ``Busy`` to be tried again.
        patience_s: Seconds.
        where: Source and connection, for the message.
        who: Who is busy, for the message.
        then: What to do, for the message.
        first_wait_s: Seconds before the second try.
        longest_wait_s: Most seconds between two tries.
        jitter: Share by which a wait is made longer or shorter.
        interrupted: Ends the waiting when it is set, as if patience were over.

    Raises:
        AccessError: No server that can be trusted is there, after ``FAULTS`` tries, or when patience ends.
        Refused: What ``Busy.final`` says, likewise: a request at which a server hangs costs no others.
        Retryable: The service is busy or away for longer.
    """
    import tenacity

    faults = 0  # in a row: while the service is away, nothing is known of the request

    def wait_s(state: tenacity.RetryCallState) -> float:
        after_s = _busy(state).after_s
        if after_s:  # one that says "at once" and is busy again would be asked without a pause
            return after_s
        wait = min(longest_wait_s, first_wait_s * 2.0 ** (state.attempt_number - 1))
        return wait * random.uniform(1 - jitter, 1 + jitter)  # noqa: S311

    def enough(state: tenacity.RetryCallState) -> bool:
        nonlocal faults
        faults = faults + 1 if _busy(state).final is not None else 0
        if faults >= FAULTS or (interrupted is not None and interrupted.is_set()):
            return True
        return (state.seconds_since_start or 0.0) + state.upcoming_sleep >= patience_s

    trying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Busy),
        wait=wait_s,
        stop=enough,
        sleep=tenacity.nap.sleep if interrupted is None else tenacity.sleep_using_event(interrupted),
        reraise=True,
    )
    try:
        return trying(once)
    except Busy as busy:
        if isinstance(busy.final, Nowhere):
            raise AccessError(f"{where}: {busy.final}") from None
        if busy.final is not None:
            raise busy.final from None
        raise Retryable(
            f"{where}: {who} busy or away for longer than {patience_s:g} s; {then}",
            retry_after_s=busy.after_s,
        ) from None


def _busy(state: tenacity.RetryCallState) -> Busy:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, Busy) else Busy()


def heard(once: Callable[[], T]) -> T:
    """Ask over httpx; a service that is not there is busy, a connection that is cut off a fault.

    Raises:
        Busy: As the service, or as this one request.
    """
    import httpx

    try:
        return once()
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise out_of_reach(error) from error
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise Busy(final=Refused(Reason.UNREADABLE, "cut_off", 0)) from error


def out_of_reach(error: BaseException) -> Busy:
    """Return what it means that no connection was made.

    A server that is down, or a name service that does not answer, may be back soon. A name that nobody knows
    and a certificate that nobody vouches for stay so until a person mends something.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Busy(final=Nowhere(_UNTRUSTED))
        if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME:
            return Busy(final=Nowhere(_NO_SUCH_NAME))
        cause = cause.__cause__ or cause.__context__
    return Busy()


_NO_SUCH_NAME = (
    "no server of that name is known; check the addresses in the connection, and that this machine reaches "
    "the network"
)
_UNTRUSTED = (
    "the server's certificate is not trusted; check the addresses in the connection, or where an authority "
    "or a proxy of your own signs it, set SSL_CERT_FILE to the file of all trusted authorities (PEM)"
)


def new_client() -> httpx.Client:
    """Return a client that follows nothing by itself and keeps silent: its lines would hold addresses."""
    import httpx

    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return httpx.Client(timeout=httpx.Timeout(_TIMEOUT_S, connect=_CONNECT_S), verify=_trusted())


def close_all(opened: list[Any]) -> None:
    """Close clients, and let go of them."""
    while opened:
        opened.pop().close()


@cache
def _trusted() -> Any:
    """Return the certificates to trust, which take long to read."""
    import httpx

    return httpx.create_ssl_context()


def followed(response: httpx.Response) -> str:
    """Return the address that an answer leads on to.

    Raises:
        Refused: It is none.
    """
    import httpx

    try:
        return str(httpx.URL(urljoin(str(response.url), response.headers["location"])))
    except (ValueError, httpx.InvalidURL):
        response.close()
        raise Refused(Reason.UNREADABLE, "redirections", response.status_code) from None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long a service asks to wait (RFC 9110 section 10.2.3); None when it does not say.

    A time of day is measured from the answer's own ``Date``, since the two clocks may differ.
    """
    stated = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(stated))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(stated)
        now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return None


def is_safe(address: str) -> bool:
    """Tell whether a secret can be sent to an address: over https, or to this machine."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def check_address(address: str, where: str) -> None:
    """Raise SettingsError for an address that would show a secret on the way; ``where`` names it."""
    if not is_safe(address):
        raise SettingsError(
            f"{where}: an address of the service is no https address; let it begin with https:// (`host`, "
            "`authority` and the like)"
        )


def seconds(connection: Connection, name: str, default: float, where: str) -> float:
    """Return a number that the connection's ``extra`` may hold.

    Raises:
        SettingsError: It is no number above zero.
    """
    stated = connection.extra.get(name, "")
    try:
        found = float(stated) if stated else default
    except ValueError:
        found = -1.0
    if not 0 < found < float("inf"):
        raise SettingsError(f"{where}: `{name}` in extra is no number above zero")
    return found
