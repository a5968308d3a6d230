"""One signed-in connection to an IMAP server (RFC 3501), kept alive: it opens folders to read only.

A connection that breaks is opened again, and the folder in it; a server that is busy or away is waited for.
What a server refuses is told by its response code (RFC 5530), never by its words, which may hold names.
"""

from __future__ import annotations

import imaplib
import logging
import re
import socket
import ssl
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from connectors.asking import (
    LOOPBACK,
    PATIENCE_S,
    Busy,
    Refused,
    check_address,
    new_client,
    seconds,
    until_answered,
)
from records.errors import AccessError, DaylightError, ItemError, SettingsError
from records.models import Connection
from records.numbers import whole_number
from records.vocabulary import Reason

if TYPE_CHECKING:
    from imapclient import IMAPClient

TIMEOUT_S = 120.0
_PORTS = {"tls": 993, "starttls": 143, "none": 143}
_AUTHS = ("login", "plain", "oauthbearer", "xoauth2")
_CODE = re.compile(r"\[([A-Z][A-Z0-9-]*)[\] ]")
_PASSING = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "EXPUNGEISSUED", "THROTTLED"})
"""RFC 5530 section 3; THROTTLED is Gmail's and Yahoo's own. After EXPUNGEISSUED the folder is opened anew."""

_GONE = frozenset({"NONEXISTENT", "TRYCREATE"})

T = TypeVar("T")


class Renumbered(ItemError):  # noqa: N818 - named by what happened
    """A folder has another UIDVALIDITY than before: its numbers mean other messages now."""

    def __init__(self) -> None:
        super().__init__(Reason.UNREADABLE, "uidvalidity_changed")


@dataclass(frozen=True, slots=True)
class Opened:
    """A folder that is open.

    Attributes:
        validity: Its UIDVALIDITY: while it stays, a UID never means another message.
        exists: Messages in it when it was opened.
    """

    validity: int
    exists: int


@dataclass(frozen=True, slots=True)
class _Settings:
    """What the connection says."""

    host: str
    port: int
    security: str
    auth: str
    ca_file: str | None
    patience_s: float


class Session:
    """What one source asks of a server, over one connection at a time."""

    def __init__(self, source_id: str, connection: Connection, account: str) -> None:
        """Keep what is needed; nothing is asked yet.

        Args:
            source_id: For messages.
            connection: See ``docs/connectors/imap.md``.
            account: Whose mailbox.

        Raises:
            SettingsError: The connection lacks something, or it may read somebody else's mailbox.
        """
        self._where = f"source {source_id}: connection {connection.id}"
        self._connection = connection
        self._account = account
        self._settings = _settings(connection, self._where)
        self._login = _login_of(connection, account, self._settings.auth, self._where)
        self._clients: list[IMAPClient] = []
        self._folder: tuple[bytes, Opened] | None = None
        weakref.finalize(self, _end, self._clients)

    def close(self) -> None:
        """End the connection; it is opened again when something is asked."""
        self._folder = None
        _end(self._clients)

    def capabilities(self) -> frozenset[str]:
        """Return what the server says it can do, in upper case."""
        return self.ask(
            lambda client: frozenset(name.decode("ascii").upper() for name in client.capabilities())
        )

    @property
    def selected(self) -> object:
        """What changes each time a folder is opened: message numbers of before mean nothing then."""
        return self._folder

    def opened(self, folder: bytes) -> Opened:
        """Open a folder to read only, and say what it is.

        Raises:
            Refused: It is not there, or may not be read.
        """
        self._folder = None
        return self._tried(lambda: self._examined(folder))

    def ask(
        self,
        command: Callable[[IMAPClient], T],
        folder: bytes | None = None,
        validity: int | None = None,
    ) -> T:
        """Ask something; again after a connection that broke, for as long as the patience lasts.

        Args:
            command: What is asked; it may be asked again from its start.
            folder: The folder that must be open, or None.
            validity: The UIDVALIDITY that it must have, or None.

        Raises:
            AccessError: The server refuses the account.
            Refused: It refuses this command.
            Renumbered: The folder has another UIDVALIDITY.
            Retryable: It is busy or away for too long.
        """

        def once() -> T:
            if folder is not None:
                if self._folder is None or self._folder[0] != folder:
                    self._examined(folder)
                if validity is not None and self._folder is not None and self._folder[1].validity != validity:
                    raise Renumbered
            client = self._client()
            try:
                return command(client)
            except (imaplib.IMAP4.abort, OSError, EOFError) as error:
                self._drop()
                raise Busy(final=Refused(Reason.UNREADABLE, "cut_off")) from error

        return self._tried(once)

    def _examined(self, folder: bytes) -> Opened:
        answer = self._client().select_folder(folder, readonly=True)
        opened = Opened(int(answer.get(b"UIDVALIDITY", 0)), int(answer.get(b"EXISTS", 0)))
        self._folder = (folder, opened)
        return opened

    def _tried(self, once: Callable[[], T]) -> T:
        """Try until it is answered."""
        return until_answered(
            lambda: self._judged(once), self._settings.patience_s, self._where, first_wait_s=0.05, jitter=0
        )

    def _judged(self, once: Callable[[], T]) -> T:
        """Turn what a server or a network does into what it means."""
        try:
            return once()
        except DaylightError:
            raise
        except ssl.SSLCertVerificationError:
            raise AccessError(
                f"{self._where}: the server's certificate is not trusted; check `host`, or name the "
                "authority that signed it as `ca_file` in extra"
            ) from None
        except socket.gaierror as error:
            self._drop()
            if error.errno != socket.EAI_NONAME:
                raise Busy from error
            raise AccessError(f"{self._where}: no server of that name is known; check `host`") from None
        except (imaplib.IMAP4.abort, OSError, EOFError) as error:
            self._drop()
            raise Busy from error
        except imaplib.IMAP4.error as error:
            code = _code(error)
            if code in _PASSING:
                self._drop()
                raise Busy from error
            if code in _GONE:
                raise Refused(Reason.UNREADABLE, "scope_gone") from None
            if not code and _is_garbled(error):
                self._drop()
                raise Refused(Reason.CORRUPT, "imap_answer") from None
            raise Refused(Reason.REFUSED_BY_SOURCE, f"imap_{code.lower() or 'no'}", 0, code) from None

    def _drop(self) -> None:
        """Forget a connection that is of no use any more, without a word to the server."""
        self._folder = None
        while self._clients:
            _shut(self._clients.pop())

    def _client(self) -> IMAPClient:
        if not self._clients:
            self._clients.append(self._signed_in())
        return self._clients[0]

    def _signed_in(self) -> IMAPClient:
        client = self._connected()
        try:
            self._sign_in(client)
        except BaseException:
            _shut(client)
            raise
        client.normalise_times = False  # keep the zone that the server states
        client.folder_encode = False  # names are the server's own bytes; people see them decoded
        return client

    def _connected(self) -> IMAPClient:
        from imapclient import IMAPClient

        # Its debug lines are whole answers: subjects, addresses, texts.
        logging.getLogger("imapclient").setLevel(logging.CRITICAL + 1)
        settings = self._settings
        context = None
        if settings.security != "none":
            try:
                context = ssl.create_default_context(cafile=settings.ca_file)
            except OSError:
                raise SettingsError(f"{self._where}: `ca_file` in extra cannot be read") from None
        encrypted = settings.security == "tls"
        try:
            client = IMAPClient(
                settings.host, port=settings.port, ssl=encrypted, ssl_context=context, timeout=TIMEOUT_S
            )
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLError as error:
            if "EOF" in type(error).__name__:  # it went away
                raise
            raise AccessError(
                f"{self._where}: what answers there speaks no TLS; check the port, or write `security` = "
                "`starttls` in extra"
            ) from None
        if settings.security == "starttls":
            try:
                client.starttls(ssl_context=context)
            except imaplib.IMAP4.error:
                client.shutdown()
                raise AccessError(
                    f"{self._where}: the server offers no STARTTLS; write `security` = `tls` in extra"
                ) from None
            except OSError:
                client.shutdown()
                raise
        return client

    def _sign_in(self, client: IMAPClient) -> None:
        """Sign in.

        Raises:
            AccessError: The server refuses; the message says what to do.
        """
        auth, secret = self._settings.auth, self._connection.secret
        try:
            if auth == "login" and f"{self._login}{secret}".isascii():
                client.login(self._login, secret)
            elif auth == "login":  # LOGIN takes ASCII alone (RFC 3501 section 9, quoted)
                client.plain_login(self._login, secret)
            elif auth == "plain":
                client.plain_login(self._login, secret, self._account)
            elif auth == "oauthbearer":
                client.oauthbearer_login(self._account, self._token_now())
            else:
                client.oauth2_login(self._account, self._token_now())
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            code = _code(error)
            if code in _PASSING:
                raise
            raise AccessError(f"{self._where}: {_remedy(code, auth)}") from None

    def _token_now(self) -> str:
        """Return an access token: the connection's secret, or one that its ``token_url`` gives."""
        address = self._connection.extra.get("token_url", "")
        # Asked for anew at each sign-in: one that was kept may have run out.
        return _fetched_token(address, self._connection, self._where) if address else self._connection.secret


def _end(clients: list[IMAPClient]) -> None:
    while clients:
        client = clients.pop()
        try:
            client.logout()
        except (OSError, imaplib.IMAP4.error):  # the server is away: its socket is ours all the same
            _shut(client)


def _shut(client: IMAPClient) -> None:
    with suppress(OSError, imaplib.IMAP4.error):
        client.shutdown()


def _code(error: Exception) -> str:
    """Return the response code of an answer; empty when it has none."""
    found = _CODE.search(str(error))
    return found[1] if found else ""


def _is_garbled(error: Exception) -> bool:
    from imapclient.exceptions import ProtocolError

    return isinstance(error, ProtocolError)


def _remedy(code: str, auth: str) -> str:
    """Say what to do when a server refuses to sign somebody in (RFC 5530 section 3)."""
    if code == "AUTHORIZATIONFAILED":
        return (
            "the server knows the login and does not let it read this account; let its administrator grant "
            "that, and check `account` in the request file"
        )
    if code == "EXPIRED":
        return "the password has expired; set a new one, and put it into the connection"
    if code in {"PRIVACYREQUIRED", "CANNOT"}:
        return "the server wants encryption; write `security` = `tls` or `starttls` in extra"
    if auth in {"oauthbearer", "xoauth2"}:
        return (
            "the server takes no token for this account; check the connection's secret or `token_url`, its "
            "`scope`, and `account` in the request file"
        )
    return (
        "the server refuses login or password; check both in the connection (many services want an app "
        "password, or `auth` = `oauthbearer` in extra)"
    )


def _settings(connection: Connection, where: str) -> _Settings:
    """Read the connection.

    Raises:
        SettingsError: Something is missing, unknown or unsafe; the message names it.
    """
    extra: Mapping[str, str] = connection.extra
    security, auth = extra.get("security", "tls"), extra.get("auth", "login")
    for name, value, known in (("security", security, tuple(_PORTS)), ("auth", auth, _AUTHS)):
        if value not in known:
            raise SettingsError(f"{where}: `{name}` in extra is none of {', '.join(known)}")
    host, port = _host_and_port(connection.host, _PORTS[security], where)
    if security == "none" and host not in LOOPBACK:
        raise SettingsError(f"{where}: a password without encryption is sent to this machine only; use `tls`")
    if not connection.secret and not extra.get("token_url"):
        raise SettingsError(f"{where}: has no password (a token, or `token_url` in extra, for OAuth)")
    patience_s = seconds(connection, "patience_s", PATIENCE_S, where)
    return _Settings(host, port, security, auth, extra.get("ca_file"), patience_s)


def _host_and_port(stated: str, usual: int, where: str) -> tuple[str, int]:
    host, port = stated, ""
    if stated.startswith("["):  # an address of IPv6
        host, _, port = stated[1:].partition("]")
        port = port.removeprefix(":")
    elif stated.count(":") == 1:
        host, _, port = stated.partition(":")
    if not host or "/" in host or (port and whole_number(port, 5) is None):
        raise SettingsError(f"{where}: `host` is no name of a server (imap.example.org, without https)")
    return host, int(port or usual)


def _login_of(connection: Connection, account: str, auth: str, where: str) -> str:
    """Return whom to sign in as.

    A login that is its own mailbox reads that mailbox, whoever the request file names: a second custodian
    under the same connection would be given the first one's mail. So the two must be known to be one.
    """
    if auth in {"oauthbearer", "xoauth2"}:
        return account
    login = connection.login
    if not login:
        raise SettingsError(f"{where}: has no login")
    if auth == "plain" or "{account}" in login:
        return login.replace("{account}", account)
    stated = connection.extra.get("mailbox", login)
    if account.casefold() in {stated.casefold(), login.casefold()}:
        return login
    if "@" not in stated and account.casefold().partition("@")[0] == stated.casefold():
        return login
    raise SettingsError(
        f"{where}: signs in to one mailbox, and it is not known to be that of the source's `account`; write "
        "`mailbox` in extra, or `{account}` in the login where the server lets it read other mailboxes"
    )


def _fetched_token(address: str, connection: Connection, where: str) -> str:
    """Ask for an access token, by a refresh token or the application's own secret (RFC 6749 sections 4.4, 6).

    Raises:
        AccessError: The token is refused.
        SettingsError: The address is not safe to send a secret to.
    """
    import httpx

    check_address(address, f"{where}: `token_url` in extra")
    fields = {"client_id": connection.login, "client_secret": connection.secret}
    refresh = connection.extra.get("refresh_token", "")
    fields |= {"grant_type": "refresh_token", "refresh_token": refresh} if refresh else {
        "grant_type": "client_credentials"
    }  # fmt: skip
    if scope := connection.extra.get("scope", ""):
        fields["scope"] = scope
    try:
        with new_client() as client:
            answer = client.post(address, data={k: v for k, v in fields.items() if v})
    except httpx.TransportError as error:
        raise Busy from error
    if answer.status_code == 429 or answer.status_code >= 500:
        raise Busy
    try:
        token = answer.json().get("access_token")
    except (ValueError, AttributeError):
        token = None
    if answer.status_code != 200 or not isinstance(token, str) or not token:
        raise AccessError(
            f"{where}: no token is given (http_{answer.status_code}); check login, password, `token_url`, "
            "`scope` and `refresh_token` of the connection"
        )
    return token
