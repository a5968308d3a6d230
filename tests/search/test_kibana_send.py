"""The import on the wire: what is sent, and what becomes of every kind of answer."""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from records.errors import AccessError, DaylightError, Retryable, SettingsError
from search.kibana import send as sending
from search.kibana.objects import Exploration, ndjson, saved_objects
from search.kibana.send import Imported, Kibana, Refused, send
from tests.search.kibana_fake import KEY, Fake, running

OBJECTS = saved_objects(
    Exploration("2026-0007", 1, "daylight-2026-0007", "America/Los_Angeles", ("bus",), (), "now")
)
FILE = ndjson(OBJECTS)
IDS = (
    "index-pattern:daylight-2026-0007-items",
    "search:daylight-2026-0007-session",
    "dashboard:daylight-2026-0007-dashboard",
)


@pytest.fixture
def fake() -> Iterator[Fake]:
    with running() as found:
        yield found


def kibana(fake: Fake, space: str = "", key: str = KEY, authority: Path | None = None) -> Kibana:
    return Kibana(fake.url, space, key, authority)


def test_the_objects_are_taken_in_and_a_second_time_replaced(fake: Fake) -> None:
    for _ in range(2):
        assert send(kibana(fake), "a.ndjson", FILE) == Imported(True, 3, IDS, ())
    assert list(fake.kept) == [""]
    assert list(fake.kept[""].values()) == list(OBJECTS)
    path, headers = fake.calls[0]
    assert path == "/api/saved_objects/_import?overwrite=true"
    assert headers["kbn-xsrf"] == "true"
    assert headers["authorization"] == f"ApiKey {KEY}"
    assert headers["content-type"].startswith("multipart/form-data; boundary=")


def test_a_space_is_named_in_the_path_and_the_default_one_is_not(fake: Fake) -> None:
    assert send(kibana(fake, "request-7"), "a.ndjson", FILE).success
    assert send(kibana(fake, "default"), "a.ndjson", FILE).success
    assert [path.split("?")[0] for path, _ in fake.calls] == [
        "/s/request-7/api/saved_objects/_import",
        "/api/saved_objects/_import",
    ]


def test_an_object_of_another_space_with_the_same_id_gives_it_another(fake: Fake) -> None:
    fake.taken = frozenset({"daylight-2026-0007-dashboard"})
    assert send(kibana(fake), "a.ndjson", FILE).objects == (*IDS[:2], "dashboard:another")


def test_what_is_refused_is_told_object_by_object(fake: Fake) -> None:
    _data_view, session, dashboard = OBJECTS
    worse = {**dashboard, "attributes": {**dashboard["attributes"], "colour": "red"}}
    odd = {**dashboard, "type": "map", "id": "m"}
    imported = send(kibana(fake), "a.ndjson", ndjson([session, worse, odd]))
    missing = ("index-pattern:daylight-2026-0007-items",)
    assert (imported.success, imported.count, imported.objects) == (False, 0, ())
    first, second, third = imported.refused
    assert first.error == second.error == "missing_references"
    assert first.references == missing * 3  # the index of the search, and of two filters
    assert third == Refused("map", "m", "unsupported_type")
    alone = send(kibana(fake), "a.ndjson", ndjson([*OBJECTS[:2], worse]))
    assert alone.refused == (Refused("dashboard", "daylight-2026-0007-dashboard", "unknown", 400),)


def say(status: int, value: Any = b"", **headers: str) -> Callable[[Any], None]:
    return lambda handler: handler.say(status, value, **headers)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (say(401, {"message": "levy"}), AccessError, "Kibana refuses the API key (401)"),
        (say(403, {"message": "levy"}), AccessError, "Kibana refuses the API key (403)"),
        (say(404), SettingsError, "no such space or path (404)"),
        (say(400, {"message": "levy"}), SettingsError, "Kibana refuses the file (400)"),
        (say(413), SettingsError, "maxImportPayloadBytes"),
        (say(429, Retry_After="7"), Retryable, "overloaded or starting (429)"),
        (say(503, b"Kibana server is not ready yet"), Retryable, "overloaded or starting (503)"),
        (say(500), AccessError, "(500)"),
        (say(302, Location="/login"), AccessError, "(302)"),
        (say(200, b"<html>levy</html>"), AccessError, "what answers at"),
        (say(200, ["levy"]), AccessError, "is not Kibana's import"),
        (say(200, {"success": True}), AccessError, "is not Kibana's"),
        (say(200, {"success": False, "successCount": 0, "errors": [{}]}), AccessError, "not Kibana's"),
        (lambda handler: handler.connection.close(), AccessError, "does not answer"),
    ],
)
def test_every_other_answer_is_an_error_that_says_what_to_do_and_quotes_nothing(
    fake: Fake, fault: Callable[[Any], None], kind: type[DaylightError], words: str
) -> None:
    fake.fault = fault
    with pytest.raises(kind) as raised:
        send(kibana(fake), "a.ndjson", FILE)
    assert words in str(raised.value)
    assert "levy" not in str(raised.value)
    assert KEY not in str(raised.value)


def test_the_wait_that_kibana_asks_for_is_kept(fake: Fake) -> None:
    fake.fault = say(429, Retry_After="7")
    with pytest.raises(Retryable) as raised:
        send(kibana(fake), "a.ndjson", FILE)
    assert raised.value.retry_after_s == 7.0


def test_one_that_never_answers_ends_in_time(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "TIME_LIMIT_S", 0.2)
    fake.fault = lambda _handler: time.sleep(1)
    with pytest.raises(AccessError, match="ReadTimeout"):
        send(kibana(fake), "a.ndjson", FILE)


def test_nobody_there() -> None:
    with pytest.raises(AccessError, match=r"Kibana does not answer at http://127\.0\.0\.1:9: ConnectError"):
        send(Kibana("http://127.0.0.1:9", "", KEY), "a.ndjson", FILE)


def test_a_wrong_key_and_a_name_that_kibana_refuses(fake: Fake) -> None:
    with pytest.raises(AccessError, match="401"):
        send(kibana(fake, key="wrong"), "a.ndjson", FILE)
    with pytest.raises(SettingsError, match="400"):
        send(kibana(fake), "a.json", FILE)


# -- TLS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of 127.0.0.1 that signs itself, and the server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kibana")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    public, private = tmp_path / "ca.crt", tmp_path / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


def test_over_tls_with_the_authority_that_was_named(certificate: tuple[Path, ssl.SSLContext]) -> None:
    public, context = certificate
    with running(context) as fake:
        assert send(kibana(fake, authority=public), "a.ndjson", FILE) == Imported(True, 3, IDS, ())


def test_an_unknown_authority_gets_nothing(certificate: tuple[Path, ssl.SSLContext]) -> None:
    with running(certificate[1]) as fake:
        with pytest.raises(AccessError, match="ConnectError"):
            send(kibana(fake), "a.ndjson", FILE)
        assert fake.calls == []


# -- the environment

URL, API_KEY = "DAYLIGHT_KIBANA_URL", "DAYLIGHT_KIBANA_API_KEY"


def test_the_environment_says_where_and_the_key_is_never_shown(tmp_path: Path) -> None:
    authority = tmp_path / "ca.crt"
    authority.write_text("x")
    found = Kibana.from_environment(
        {
            URL: "https://kibana.example:5601/base/",
            API_KEY: f"{KEY}\n",
            "DAYLIGHT_KIBANA_SPACE": "request-7",
            "DAYLIGHT_KIBANA_CA": str(authority),
        }
    )
    assert found == Kibana("https://kibana.example:5601/base", "request-7", KEY, authority)
    assert found.import_url == "https://kibana.example:5601/base/s/request-7/api/saved_objects/_import"
    assert KEY not in repr(found)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, URL),
        ({URL: "https://k.example"}, API_KEY),
        ({API_KEY: KEY}, URL),
        ({URL: "kibana.example", API_KEY: KEY}, URL),
        ({URL: "ftp://kibana.example", API_KEY: KEY}, URL),
        ({URL: "https://k.example:port", API_KEY: KEY}, URL),
        ({URL: "https://user:pass@k.example", API_KEY: KEY}, URL),
        ({URL: "https://k.example?x=1", API_KEY: KEY}, URL),
        ({URL: "http://kibana.example", API_KEY: KEY}, URL),
        ({URL: "https://k.example", API_KEY: "two words"}, API_KEY),
        ({URL: "https://k.example", API_KEY: "schlüssel"}, API_KEY),
        ({URL: "https://k.example", API_KEY: KEY, "DAYLIGHT_KIBANA_SPACE": "../x"}, "DAYLIGHT_KIBANA_SPACE"),
        ({URL: "https://k.example", API_KEY: KEY, "DAYLIGHT_KIBANA_CA": "nowhere.crt"}, "DAYLIGHT_KIBANA_CA"),
    ],
)
def test_a_wrong_setting_is_named_and_never_quoted(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as raised:
        Kibana.from_environment(environ)
    assert [value for value in environ.values() if value in str(raised.value)] == []


@pytest.mark.parametrize("host", ["127.0.0.1:5601", "localhost:5601", "[::1]:5601"])
def test_without_tls_only_on_this_machine(host: str) -> None:
    assert Kibana.from_environment({URL: f"http://{host}", API_KEY: KEY}).url == f"http://{host}"
