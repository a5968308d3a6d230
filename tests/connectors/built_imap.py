"""A mailbox on a real Dovecot, and what a correct reader must find in it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from records.models import Connection, SourceContext
from tests.connectors.builders import SECRET, ZONE, Built, mail
from tests.servers.dovecot import PASSWORD, Dovecot, server

ACCOUNT = "ana@example.org"
ARCHIVE = f"Archive/{SECRET}"
UMLAUT = "Überblick & mehr"


def crlf(message: bytes) -> bytes:
    """Return a message with the line ends that IMAP has (RFC 3501 section 2.3)."""
    return message.replace(b"\n", b"\r\n")


def context_of(where: Dovecot, account: str = ACCOUNT, **about: object) -> SourceContext:
    """Return what a connector is given for a server: TLS, a password, little patience.

    ``host``, ``login``, ``secret`` and what else the connection has may be given; so may ``places``.
    """
    host = str(about.pop("host", f"127.0.0.1:{where.tls_port}"))
    login, secret = str(about.pop("login", account)), str(about.pop("secret", PASSWORD))
    places = about.pop("places", ())
    extra = {"ca_file": where.authority, "patience_s": "0.5", **about}
    kept = {key: str(value) for key, value in extra.items() if value is not None}
    connection = Connection("post", host, login, secret, kept)
    return SourceContext("s1", "c1", None, ZONE, connection=connection, account=account, places=places)  # type: ignore[arg-type]


def received(day: int) -> datetime:
    """Return a time of receipt in March 2025."""
    return datetime(2025, 3, day, 18, 20, 34, tzinfo=UTC)


def keyed_by_guid(where: Dovecot, user: str, folder: str = "") -> dict[str, bytes]:
    """Return messages by Dovecot's own id, which for a Maildir is the name of the file without its flags."""
    files = [path for place in ("new", "cur") for path in (where.where(user, folder) / place).iterdir()]
    return {path.name.partition(":2,")[0]: crlf(path.read_bytes()) for path in files}


def mailbox(root: Path) -> Built:
    """Start a server with one mailbox: five folders that are read, one that is refused, one of all."""
    del root
    where, ending = server()
    for number in range(7):  # the order of arrival is not that of receipt, as after a move
        where.add(ACCOUNT, "INBOX", [crlf(mail(number))], received=received(1 + 3 * number % 5))
    where.add(ACCOUNT, "INBOX", [crlf(mail(20, None))], received=received(4))
    where.add(ACCOUNT, ARCHIVE, [crlf(mail(8))], flags=("\\Seen", "$Forwarded"))
    where.add(ACCOUNT, "Drafts", [crlf(mail(9)), crlf(mail(9))], flags=("\\Draft",))
    where.add(ACCOUNT, UMLAUT, [crlf(mail(10, "nonsense"))], received=received(2))
    where.add(ACCOUNT, "Empty", [])
    where.add(ACCOUNT, "Private", [crlf(mail(11))])
    where.refuse(ACCOUNT, "Private")
    scopes = ("&ANw-berblick &- mehr", ARCHIVE, "Drafts", "Empty", "INBOX")
    found = {}
    for folder in ("", ARCHIVE, "Drafts", "&ANw-berblick &- mehr"):
        found |= keyed_by_guid(where, ACCOUNT, folder)
    return Built(
        found=found,
        scopes=scopes,
        service=context_of(where),
        vanish=ending.close,
        state=lambda: where.files(ACCOUNT),
    )
