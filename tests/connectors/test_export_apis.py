"""The export APIs as clients: what is asked for, what each answer means, bytes from any offset."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from datetime import date
from importlib import resources

import pytest

from connectors.export_api import Interrupted, RemoteExport, RemoteFile, State, file_names
from connectors.purview_api import PurviewExports
from connectors.vault_api import EDISCOVERY, STORAGE, VaultExports
from records.errors import AccessError, Retryable, SettingsError
from records.models import SourceContext, Window
from tests.connectors.builders import ALWAYS, SECRET, ZONE
from tests.servers.oauth import CLIENT_SECRET
from tests.servers.purview import CASE, DOWNLOAD_SCOPE, SEARCH, PurviewService
from tests.servers.vault import ACCOUNT, MATTER, SUBJECT, VaultService, new_key
from tests.servers.web import Fault, Served

NAME = "daylight-2026-0001-s1"
WINDOW = Window(date(2025, 1, 1), date(2025, 6, 30), ZONE)
DATA = bytes(range(256)) * 40_000  # more than one block


@pytest.fixture(scope="module")
def key() -> str:
    return new_key()


@pytest.fixture
def vault(key: str) -> Iterator[tuple[VaultService, Served, VaultExports]]:
    service = VaultService(package={"Export1-1.zip": DATA, "Export1-metadata.csv": b"a,b\n"})
    with service.serve() as served:
        client = VaultExports(vault_context(), service.connection(served, key))
        yield service, served, client
        client.close()


@pytest.fixture
def purview() -> Iterator[tuple[PurviewService, Served, PurviewExports]]:
    service = PurviewService(package={"Items.1.001.E.zip": DATA, "Reports-E.zip": b"PK"})
    with service.serve() as served:
        client = PurviewExports(purview_context(), service.connection(served))
        yield service, served, client
        client.close()


def vault_context(**options: str) -> SourceContext:
    asked = {"matter": MATTER} | options
    return SourceContext("s1", "c1", None, ZONE, account="ana@example.org", options=asked)


def purview_context(**options: str) -> SourceContext:
    return SourceContext("s1", "c1", None, ZONE, options={"case": CASE, "search": SEARCH} | options)


def drawn(client, file: RemoteFile, offset: int = 0) -> tuple[int, bytes]:
    with client.blocks(file, offset) as (begin, blocks):
        return begin, b"".join(blocks)


# --- Vault ---------------------------------------------------------------------------------------------


def test_vault_is_asked_for_the_account_in_the_window(vault):
    service, _, client = vault
    created = client.create(NAME, WINDOW)
    assert (created.id, created.state) == ("exportly-1", State.RUNNING)
    assert service.bodies == [
        {
            "name": NAME,
            "query": {
                "corpus": "MAIL", "dataScope": "ALL_DATA", "method": "ACCOUNT",
                "accountInfo": {"emails": ["ana@example.org"]}, "timeZone": "America/Los_Angeles",
                "startTime": "2025-01-01T00:00:00Z", "endTime": "2025-07-01T00:00:00Z",
            },
            "exportOptions": {
                "mailOptions": {
                    "exportFormat": "MBOX", "showConfidentialModeContent": True,
                    "exportLinkedDriveFiles": True,
                }
            },
        }
    ]  # fmt: skip
    claims = service.asked[0]
    assert (claims["iss"], claims["sub"]) == (ACCOUNT, SUBJECT)
    assert set(claims["scope"].split()) == {EDISCOVERY, STORAGE}


@pytest.mark.parametrize("corpus", ["MAIL", "GROUPS", "HANGOUTS_CHAT", "DRIVE", "VOICE"])
def test_what_vault_is_asked_is_in_its_own_description(vault, key, corpus):
    """The client library carries Google's description of the API: every name that is sent is one of its."""
    service, served, _ = vault
    context = vault_context(corpus=corpus, terms="subject:bus", accounts="a@example.org, b@example.org")
    client = VaultExports(context, service.connection(served, key))
    client.create(NAME, WINDOW)
    client.close()
    documents = resources.files("googleapiclient.discovery_cache") / "documents"
    schemas = json.loads((documents / "vault.v1.json").read_text("utf-8"))["schemas"]

    def check(value, schema: str) -> None:
        for name, inner in value.items():
            stated = schemas[schema]["properties"][name]
            if "$ref" in stated:
                check(inner, stated["$ref"])
            elif "enum" in stated:
                assert inner in stated["enum"]

    check(service.bodies[0], "Export")
    assert service.bodies[0]["query"]["accountInfo"]["emails"] == ["a@example.org", "b@example.org"]


def test_vault_export_is_found_by_its_name_on_any_page(vault):
    _service, _, client = vault
    assert client.find(NAME) is None
    for name in ("x", "y", NAME, "z", NAME):
        client.create(name, ALWAYS)
    assert client.find(NAME).id == "exportly-5"  # the newest


@pytest.mark.parametrize("hashes", ["hex", "base64"])
def test_vault_files_have_size_and_sum(vault, hashes):
    service, _, client = vault
    service.hashes, service.looks = hashes, 1
    export = client.create(NAME, ALWAYS)
    assert client.get(export.id).state is State.RUNNING
    done = client.get(export.id)
    assert done.state is State.DONE
    assert [(file.name, file.size_bytes) for file in done.files] == [
        ("Export1-1.zip", len(DATA)),
        ("Export1-metadata.csv", 4),
    ]
    assert [file.md5 for file in done.files] == [hashlib.md5(data).hexdigest() for data in (DATA, b"a,b\n")]
    assert drawn(client, done.files[0]) == (0, DATA)
    assert drawn(client, done.files[0], 1_000_001) == (1_000_001, DATA[1_000_001:])
    assert service.ranges == ["", "bytes=1000001-"]


def test_vault_export_that_is_known_no_more(vault):
    assert vault[2].get("exportly-9") is None


def test_vault_export_that_failed(vault):
    service, _, client = vault
    service.ends = "FAILED"
    assert client.get(client.create(NAME, ALWAYS).id).state is State.FAILED


def test_vault_files_that_are_gone(vault):
    service, _, client = vault
    file = client.get(client.create(NAME, ALWAYS).id).files[0]
    service.expire()
    with pytest.raises(
        AccessError, match=r"^source s1: the files of the export are gone: .* 15 days .*--again"
    ):
        drawn(client, file)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"matter": "other"}, r"no such matter; check `matter` in options \(notFound\)$"),
        ({"terms": "(("}, r"Vault does not take this search; check `terms`.*\(INVALID_ARGUMENT\)$"),
    ],
)
def test_vault_refusals_say_what_to_do(vault, key, options, message):
    service, served, _ = vault
    client = VaultExports(vault_context(**options), service.connection(served, key))
    with pytest.raises(AccessError, match=message) as caught:
        client.create(NAME, ALWAYS)
    client.close()
    assert SECRET not in str(caught.value)


def test_vault_without_the_right(vault):
    _, served, client = vault
    body = b'{"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "zanzibar"}}'
    served.faults.append(Fault(r"^POST /v1/matters", status=403, body=body))
    with pytest.raises(AccessError, match=r"Manage Exports and Manage Matters.*\(PERMISSION_DENIED\)$"):
        client.create(NAME, ALWAYS)


@pytest.mark.parametrize(
    ("delegated", "subject", "message"),
    [
        (False, SUBJECT, r"may not act for `subject`.*Domain-wide delegation.*\(unauthorized_client\)$"),
        (True, "zanzibar@example.org", r"`subject` is no account of this domain.*\(invalid_grant\)$"),
    ],
)
def test_vault_without_a_token(vault, key, delegated, subject, message):
    service, served, _ = vault
    service.delegated = delegated
    client = VaultExports(vault_context(), service.connection(served, key, subject=subject))
    with pytest.raises(AccessError, match=message) as caught:
        client.find(NAME)
    client.close()
    assert SECRET not in str(caught.value)


def test_vault_settings_that_are_missing(vault, key):
    service, served, _ = vault
    connection = service.connection(served, key)
    for wrong, message in (
        (type(connection)("google", served.url, "", "", connection.extra), "lacks the service account's key"),
        (type(connection)("google", served.url, "", connection.secret, {}), "lacks `subject` in extra"),
        (type(connection)("google", served.url, "", "[]", connection.extra), "not that of a service account"),
    ):
        client = VaultExports(vault_context(), wrong)
        with pytest.raises(SettingsError, match=message):
            client.find(NAME)
        client.close()


def test_vault_token_that_expired_is_renewed_once(vault):
    service, _, client = vault
    client.find(NAME)
    service.tokens.clear()
    assert client.find(NAME) is None
    assert len(service.asked) == 2


# --- both: busy, cut off, created once -----------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_waited_for_as_it_asks(vault, status):
    _, served, client = vault
    served.faults.append(Fault(r"^GET /v1/matters", status=status, headers={"Retry-After": "1"}))
    began = time.monotonic()
    assert client.find(NAME) is None
    assert 1.0 <= time.monotonic() - began < 3.0


def test_a_quota_of_google_that_passes_is_waited_for(vault):
    _, served, client = vault
    body = b'{"error": {"code": 403, "errors": [{"reason": "rateLimitExceeded"}]}}'
    served.faults.append(Fault(r"^GET /v1/matters", status=403, body=body))
    assert client.find(NAME) is None


def test_a_service_that_stays_busy_is_said(vault, key):
    service, served, _ = vault
    served.faults.append(Fault(r"^GET /v1/matters", status=429, headers={"Retry-After": "7"}, times=None))
    client = VaultExports(vault_context(), service.connection(served, key, patience_s="0.2"))
    with pytest.raises(Retryable, match=r"busy or away for longer than 0\.2 s") as caught:
        client.find(NAME)
    client.close()
    assert caught.value.retry_after_s == 7.0


@pytest.mark.parametrize("body", [b"", b'{"error": {"code": 500, "message": "zanzibar"}}'])
def test_an_answer_without_a_list_is_no_list_without_exports(vault, purview, body):
    """Else what is there would be asked for a second time."""
    for _, served, client in (vault, purview):
        client.create(NAME, ALWAYS)
        served.faults.append(Fault(r"^GET .*(exports|operations)\b", status=200, body=body))
        assert client.find(NAME) is not None


def test_a_token_service_that_is_away_is_waited_for(vault):
    _, served, client = vault
    served.faults += [
        Fault(r"^POST /token", cut_after=5),
        Fault(r"^POST /token", status=200, body=b"no JSON"),
    ]
    assert client.find(NAME) is None
    assert sum("/token" in line for line in served.requests) == 3


@pytest.mark.parametrize("fault", [{"status": 500}, {"cut_after": 5}])
def test_an_export_is_not_asked_for_again_when_nobody_knows_whether_it_was(vault, fault):
    _service, served, client = vault
    served.faults.append(Fault(r"^POST /v1/matters", **fault))
    with pytest.raises(Interrupted, match="cut off while an export was asked for"):
        client.create(NAME, ALWAYS)
    assert len([line for line in served.requests if line.startswith("POST /v1/matters")]) == 1
    assert (client.find(NAME) is not None) == ("cut_after" in fault)


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 504}])
def test_a_purview_export_is_not_asked_for_again_either(purview, fault):
    _service, served, client = purview
    served.faults.append(Fault(r"^POST .*exportResult", **fault))
    with pytest.raises(Interrupted, match="cut off while an export was asked for"):
        client.create(NAME, ALWAYS)
    assert len([line for line in served.requests if "exportResult" in line]) == 1


def test_a_download_that_is_cut_says_so_after_what_came(vault):
    _service, served, client = vault
    file = client.get(client.create(NAME, ALWAYS).id).files[0]
    served.faults.append(Fault(r"^GET /storage", cut_after=3_000_000))
    got: list[bytes] = []
    with client.blocks(file, 0) as (begin, blocks):
        assert begin == 0
        with pytest.raises(Interrupted):
            got.extend(blocks)
    assert DATA.startswith(b"".join(got))
    assert 0 < len(b"".join(got)) <= 3_000_000


def test_a_service_without_ranges_begins_at_the_start(vault):
    service, _, client = vault
    service.ignores_ranges = True
    file = client.get(client.create(NAME, ALWAYS).id).files[0]
    assert drawn(client, file, 5) == (0, DATA)


# --- Purview -------------------------------------------------------------------------------------------


def test_purview_is_asked_for_single_messages_with_their_places(purview):
    service, _served, client = purview
    created = client.create(NAME, WINDOW)
    assert (created.id, created.state) == (next(iter(service.operations)), State.RUNNING)
    assert service.bodies == [
        {
            "displayName": NAME,
            "exportCriteria": "searchHits",
            "exportFormat": "msg",
            "additionalOptions": "teamsAndYammerConversations, cloudAttachments, htmlTranscripts, "
            "includeFolderAndPath, splitSource, includeReport",
        }
    ]


def test_purview_partially_indexed_items_are_asked_for_everywhere(purview):
    service, served, _ = purview
    client = PurviewExports(
        purview_context(partially_indexed="yes", format="pst"), service.connection(served)
    )
    client.create(NAME, ALWAYS)
    client.close()
    body = service.bodies[0]
    assert (body["exportCriteria"], body["exportFormat"], body["exportLocation"]) == (
        "searchHits, partiallyIndexed",
        "pst",
        "responsiveLocations, nonresponsiveLocations",
    )


def test_purview_format_that_is_not_known(purview):
    service, served, _ = purview
    client = PurviewExports(purview_context(format="eml"), service.connection(served))
    with pytest.raises(SettingsError, match="options: format: not known; known: msg, pst"):
        client.create(NAME, ALWAYS)
    client.close()
    assert service.bodies == []


def test_purview_export_is_found_followed_and_read(purview):
    service, _, client = purview
    service.looks = 1
    assert client.find(NAME) is None
    for name in ("x", "y", NAME, "z"):
        client.create(name, ALWAYS)
    export = client.find(NAME)
    assert export.state is State.RUNNING
    done = client.get(export.id)
    assert (done.state, [(file.name, file.size_bytes, file.md5) for file in done.files]) == (
        State.DONE,
        [("Items.1.001.E.zip", len(DATA), None), ("Reports-E.zip", 2, None)],
    )
    assert done.ended_at.isoformat() == "2026-11-30T01:00:00+00:00"
    assert drawn(client, done.files[0], 77) == (77, DATA[77:])
    assert DOWNLOAD_SCOPE in service.entra.scopes


@pytest.mark.parametrize(
    ("ends", "state"),
    [("partiallySucceeded", State.PARTLY), ("failed", State.FAILED), ("submissionFailed", State.FAILED)],
)
def test_purview_export_that_failed_or_partly(purview, ends, state):
    service, _, client = purview
    service.ends = ends
    found = client.get(client.create(NAME, ALWAYS).id)
    assert (found.state, found.detail) == (state, "ExportPartlyFailed")


def test_purview_files_without_a_link_are_waited_for(purview):
    service, _, client = purview
    known = client.create(NAME, ALWAYS).id
    service.unlinked = 1
    assert client.get(known) == RemoteExport(known, State.RUNNING)
    service.unlinked = 0
    assert len(client.get(known).files) == 2


def test_purview_export_that_is_known_no_more(purview):
    assert purview[2].get("nothing") is None


def test_purview_files_that_are_gone(purview):
    service, _, client = purview
    file = client.get(client.create(NAME, ALWAYS).id).files[0]
    service.gone = True
    with pytest.raises(
        AccessError, match=r"^source s1: the files of the export are gone: .* 14 days.*--again"
    ):
        drawn(client, file)


def test_purview_download_right_that_is_missing(purview):
    service, _, client = purview
    file = client.get(client.create(NAME, ALWAYS).id).files[0]
    service.entra.rights.discard("eDiscovery.Download.Read")
    with pytest.raises(AccessError, match=r"`eDiscovery\.Download\.Read` of MicrosoftPurviewEDiscovery"):
        drawn(client, file)


def test_purview_right_or_billing_that_is_missing(purview):
    service, _, client = purview
    service.billed = False
    with pytest.raises(AccessError, match="pay-as-you-go billing"):
        client.create(NAME, ALWAYS)
    service.entra.rights.clear()
    with pytest.raises(AccessError, match=r"`eDiscovery\.ReadWrite\.All`") as caught:
        client.create(NAME, ALWAYS)
    assert SECRET not in str(caught.value)


def test_purview_search_that_is_not_there(purview):
    service, served, _ = purview
    client = PurviewExports(purview_context(search="other"), service.connection(served))
    with pytest.raises(AccessError, match=r"no such case or search; check `case` and `search` \(NotFound\)"):
        client.create(NAME, ALWAYS)
    client.close()


def test_purview_case_that_is_not_there_or_may_not_be_seen(purview):
    service, served, _ = purview
    client = PurviewExports(purview_context(case="other"), service.connection(served))
    with pytest.raises(
        AccessError,
        match=r"^source s1: no such case or search; check `case` and `search` \(NotFound\), and that",
    ):
        client.find(NAME)
    client.close()
    service.entra.rights.clear()
    client = PurviewExports(purview_context(), service.connection(served))
    with pytest.raises(
        AccessError, match=r"consent, and make its service principal an eDiscovery Manager in"
    ):
        client.find(NAME)
    client.close()


def test_no_token_goes_to_a_link_that_is_not_of_microsoft(purview):
    service, _served, client = purview
    service.link_host = "https://downloads.example.org"
    file = client.get(client.create(NAME, ALWAYS).id).files[0]
    with pytest.raises(AccessError, match="the link of a file is not of Microsoft; no token is sent there"):
        drawn(client, file)


def test_purview_token_that_expired_is_renewed(purview):
    service, _, client = purview
    file = client.get(client.create(NAME, ALWAYS).id).files[1]
    assert drawn(client, file) == (0, b"PK")
    service.entra.forget()
    assert drawn(client, file) == (0, b"PK")


def test_nothing_of_a_service_is_in_logs(purview, caplog):
    caplog.set_level(logging.DEBUG)
    _service, _served, client = purview
    file = client.get(client.create(NAME, ALWAYS).id).files[1]
    drawn(client, file)
    for word in ("proxy", "fake-token", CLIENT_SECRET, CASE):
        assert word not in caplog.text


# --- names ---------------------------------------------------------------------------------------------


def test_names_of_files_are_never_paths_and_never_meet():
    stated = [
        "a/b/Export1.zip",
        "..\\..\\Export1.zip",
        "../..",
        "x:y?.csv",
        "EXPORT1.ZIP",
        "",
        "ü.csv",
        "a\x00b",
    ]
    assert file_names(stated) == [
        "Export1.zip", "Export1 (2).zip", "file", "x_y_.csv", "EXPORT1 (3).ZIP", "file (2)", "ü.csv", "a_b",
    ]  # fmt: skip
