"""What a person is told when no connection to a service comes about at all."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache

import pytest

from connectors.exchange_ews import ExchangeEws
from connectors.google_workspace import GoogleWorkspace
from connectors.microsoft_graph import MicrosoftGraph
from connectors.purview_api import PurviewExports
from connectors.vault_api import VaultExports
from examples.servers.certificates import Authority
from records.errors import AccessError, Retryable
from records.models import Connection, SourceContext
from tests.connectors.builders import ZONE
from tests.servers.purview import CASE, SEARCH
from tests.servers.vault import MATTER, VaultService, new_key
from tests.servers.web import Served

NOWHERE = "https://records.invalid"


def context(connection: Connection, **options: str) -> SourceContext:
    return SourceContext(
        "s1", "c1", None, ZONE, connection=connection, account="ana@example.org", options=options
    )


def graph(host: str) -> Callable[[], object]:
    extra = {"tenant": "t", "authority": host, "patience_s": "3"}
    return MicrosoftGraph(context(Connection("m365", host, "id", "secret", extra))).check


def exchange_server(host: str) -> Callable[[], object]:
    extra = {"auth": "basic", "patience_s": "3"}
    return ExchangeEws(context(Connection("exchange", host, "user", "secret", extra))).check


def exchange_online(host: str) -> Callable[[], object]:
    extra = {"tenant": "t", "authority": host, "patience_s": "3"}
    return ExchangeEws(context(Connection("exchange", host, "id", "secret", extra))).check


def google(host: str) -> Callable[[], object]:
    return GoogleWorkspace(context(_of_google(host))).check


def vault(host: str) -> Callable[[], object]:
    service = VaultExports(context(_of_google(host), matter=MATTER), _of_google(host))
    return lambda: service.find("daylight-2026-0001-s1")


def purview(host: str) -> Callable[[], object]:
    connection = Connection(
        "m365", host, "id", "secret", {"tenant": "t", "authority": host, "patience_s": "3"}
    )
    service = PurviewExports(context(connection, case=CASE, search=SEARCH), connection)
    return lambda: service.find("daylight-2026-0001-s1")


def _of_google(host: str) -> Connection:
    return VaultService().connection(_At(host), _key(), patience_s="3")


@cache
def _key() -> str:
    return new_key()


class _At(Served):
    """Where a fake would be."""

    def __init__(self, url: str) -> None:
        self.url = url


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch):
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)


EACH = pytest.mark.parametrize("ask", [graph, exchange_server, exchange_online, google, vault, purview])


@EACH
def test_a_name_that_nobody_knows_is_told(ask, monkeypatch):
    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(
        AccessError, match=r"^source s1: connection [a-z0-9]+: no server of that name is known"
    ):
        ask(NOWHERE)()


@EACH
def test_a_name_service_that_is_away_may_be_back(ask, monkeypatch):
    def away(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", away)
    with pytest.raises(Retryable, match="busy or away for longer than 3 s"):
        ask(NOWHERE)()


@EACH
def test_a_certificate_that_nobody_vouches_for_is_told(ask, untrusted):
    with pytest.raises(
        AccessError, match=r"^source s1: connection [a-z0-9]+: the server's certificate is not trusted"
    ) as caught:
        ask(untrusted)()
    assert ("REQUESTS_CA_BUNDLE" if ask is exchange_server else "SSL_CERT_FILE") in str(caught.value)


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory) -> Iterator[str]:
    """Serve TLS with a certificate of an authority of its own."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = Authority.new().server("127.0.0.1")
    (folder / "cert.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    with suppress(OSError), client, tls.wrap_socket(client, server_side=True):
                        pass

        threading.Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
