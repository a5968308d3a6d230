"""Exchange Web Services: what each fault does, and that nothing is lost, doubled or told."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import certifi
import pytest

from connectors import ews_client
from connectors.exchange_ews import ExchangeEws
from records.errors import AccessError, DaylightError, ItemError, Retryable, SettingsError
from records.models import Connection, ExcludedItem, FoundItem, Part, Scope, Unreached, Window
from records.vocabulary import Kind, Reach, Reason, WarningCode
from tests.connectors.builders import ALWAYS, SECRET, ZONE, everything, mail
from tests.connectors.built_ews import (
    ACCOUNT,
    CARD,
    context_of,
    event,
    folder_of,
    found_in,
    mailbox_of,
    organisation,
    scope_key,
    server_context,
)
from tests.connectors.collecting import collected, until_done
from tests.servers.ews import PATH, Budget, Ews, LargeMailbox, Trouble, ews_id, large, letter
from tests.servers.web import Fault, Served

USUAL = ("primary", "recoverable", "archive", "archive recoverable")


class Running:
    """The fake of Exchange Online, served."""

    def __init__(self, ews: Ews, served: Served) -> None:
        self.ews = ews
        self.served = served

    def source(self, **about: Any) -> ExchangeEws:
        return ExchangeEws(context_of(self.served.url, **about))

    def collected(self, home: Path, **about: Any) -> Any:
        extra = {"patience_s": "5"}
        return collected(home, ExchangeEws, context_of(self.served.url, extra=extra), **about)

    def scope(self, name: str, place: str = "primary", root: str = "") -> Scope:
        return Scope(scope_key(self.ews, name, place, root), name, "folder")


@pytest.fixture(scope="module")
def port() -> Iterator[Served]:
    with Served(Ews().app()) as served:
        yield served


@pytest.fixture
def running(port: Served) -> Running:
    ews = organisation()
    port.app = ews.app()
    port.faults.clear()
    port.requests.clear()
    return Running(ews, port)


@pytest.fixture(scope="module")
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Reading the whole list of authorities for each client takes longer than most tests here."""
    file = tmp_path_factory.mktemp("authorities") / "one.pem"
    bundle = Path(certifi.where()).read_text()
    end = "-----END CERTIFICATE-----\n"
    file.write_text(bundle[bundle.index("-----BEGIN") : bundle.index(end)] + end)
    return str(file)


@pytest.fixture(autouse=True)
def quick(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, one_authority: str
) -> None:
    # what one test was asked to wait for does not hold the next one off
    monkeypatch.setattr("connectors.governor._FOLDERS", (str(tmp_path_factory.mktemp("locks")),))
    monkeypatch.setattr(ews_client, "_FIRST_WAIT_S", 0.005)
    monkeypatch.setenv("SSL_CERT_FILE", one_authority)


def alone(running: Running) -> list[Any]:
    """Leave nothing but the inbox, and return its items."""
    box, inbox = mailbox_of(running.ews), folder_of(running.ews, "Inbox")
    for key in [key for key, item in box.messages.items() if item.folder != inbox.id]:
        del box.messages[key]
    for key in [key for key in box.folders if key != inbox.id]:
        del box.folders[key]
    return box.inside(inbox)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ews_client, "PAGE", 3)


def refusal(act: Callable[[], object], kind: type[Exception] = AccessError) -> str:
    """Return the message, after looking that nothing of it or behind it tells who or what."""
    with pytest.raises(kind) as caught:
        act()
    told = "".join(traceback.format_exception(caught.value))
    assert not re.search(f"{SECRET}|{ACCOUNT}|not-a-real-secret|fake-token", told)
    return str(caught.value)


# -- who may read -----------------------------------------------------------------------------------------


def test_wrong_tenant_application_and_secret_are_named(running: Running) -> None:
    wrong = running.source(extra={"tenant": "11111111-2222-3333-4444-555555555555"})
    assert refusal(wrong.check) == (
        "source s1: connection exchange: no such tenant; check `tenant` in extra (the directory's "
        "id, or a domain of it) (AADSTS90002)"
    )
    context = context_of(running.served.url)
    assert context.connection is not None
    stranger = replace(context.connection, login="0f0f0f0f-0000-4000-8000-000000000000")
    assert "the tenant knows no such application" in refusal(
        ExchangeEws(replace(context, connection=stranger)).check
    )


def test_unknown_mailbox(running: Running) -> None:
    assert refusal(running.source(account="nobody@example.org").check) == (
        "source s1: connection exchange: the server knows no such mailbox; check `account` in the "
        "request file (its primary address), and that the mailbox is on this server and "
        "not in the cloud, or the "
        "other way round"
    )


def test_missing_right_to_impersonate(running: Running) -> None:
    running.ews.impersonates = {"lee@example.org"}
    assert refusal(running.source().check) == (
        "source s1: connection exchange: the right to impersonate this mailbox is missing; give the "
        "account the role ApplicationImpersonation for a scope that holds the mailbox (Exchange "
        "Server), or the application `Application EWS.AccessAsApp` for one (Exchange Online); "
        "a change takes up to two hours"
    )


def test_switched_off(running: Running) -> None:
    running.ews.switched_off = True
    message = refusal(running.source().check)
    assert message.startswith("source s1: connection exchange: Exchange Web Services are refused (HTTP 403).")
    for remedy in ("microsoft_graph", "purview_export", "-EwsAllowedAppIDs", "1 April 2027", "EwsEnabled"):
        assert remedy in message


def test_switched_off_in_the_middle_loses_nothing(
    running: Running, tmp_path: Path, small_pages: None
) -> None:
    running.ews.happens.append(("FindItem", 4, lambda: setattr(running.ews, "switched_off", True)))
    # the request under way is still answered
    assert "HTTP 403" in refusal(lambda: running.collected(tmp_path / "home"))
    running.ews.switched_off = False
    done = running.collected(tmp_path / "home")
    assert set(done.items) == set(found_in(running.ews, *USUAL))
    assert done.states() == {"stored": len(done.items)}


def test_a_token_that_is_always_refused(running: Running) -> None:
    running.ews.troubles.append(Trouble("GetFolder", status=401, times=None))
    message = refusal(running.source().check)
    assert (
        "refuses a token it was just given (HTTP 401); grant the application `full_access_as_app`" in message
    )
    assert running.ews.entra is not None
    assert running.ews.entra.asked == 2


def test_no_service_at_the_address(running: Running) -> None:
    context = context_of(running.served.url)
    assert context.connection is not None
    elsewhere = replace(context.connection, host=f"{running.served.url}/owa")
    message = refusal(ExchangeEws(replace(context, connection=elsewhere)).check)
    assert "no Exchange Web Services at the address (HTTP 404)" in message


def test_a_server_that_knows_no_version_we_speak(running: Running) -> None:
    running.ews.troubles.append(Trouble("GetFolder", "ErrorInvalidServerVersion", times=None))
    assert "the server is older than Exchange 2013 SP1" in refusal(running.source().check)
    assert len(running.ews.asked) > 3  # others were tried


def test_an_older_version_is_agreed_on(running: Running) -> None:
    running.ews.troubles.append(Trouble("GetFolder", "ErrorInvalidServerVersion"))
    running.source().check()
    header = running.ews.seen["GetFolder"][0]
    assert header[0].get("Version") not in {None, "Exchange2013_SP1"}


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"host": "http://mail.example.org"}, "`host` is no https address"),
        ({"host": "", "extra": {}}, "needs `host`, the address that Get-WebServicesVirtualDirectory shows"),
        ({"login": ""}, "lacks `login`"),
        ({"extra": {"auth": "kerberos"}}, "`auth` in extra is none of ntlm, basic"),
        ({"extra": {"access": "owner"}}, "`access` in extra is none of impersonation, delegate"),
        ({"extra": {"patience_s": "long"}}, "`patience_s` in extra is no number"),
    ],
)
def test_settings_that_cannot_be(about: dict[str, Any], message: str) -> None:
    connection = Connection(
        "exchange", **({"host": "mail.example.org", "login": "svc", "secret": "s"} | about)
    )
    source = ExchangeEws(replace(server_context(""), connection=connection))
    assert refusal(source.check, SettingsError) == f"source s1: connection exchange: {message}"


def test_an_account_that_is_no_address() -> None:
    with pytest.raises(SettingsError, match="`account` is no mail address"):
        ExchangeEws(replace(server_context(""), account="ana")).check_settings()


def test_basic_sign_in_and_a_wrong_password() -> None:
    ews = organisation(entra=None, users={"DISTRICT\\svc": "not-a-real-secret"})
    with Served(ews.app()) as served:
        ExchangeEws(server_context(served.url)).check()
        ews.users["DISTRICT\\svc"] = "another"
        message = refusal(ExchangeEws(server_context(served.url)).check)
        assert message == (
            "source s1: connection exchange: the server refuses user and password (HTTP 401); check "
            "`login` and `password`, that the account is not locked, and `auth` in extra (ntlm or basic)"
        )


def test_ntlm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = tmp_path / "users"
    users.write_text("DISTRICT:svc:not-a-real-secret\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))
    ews = organisation(entra=None, ntlm=True)
    with Served(ews.app()) as served:
        source = ExchangeEws(server_context(served.url, extra={"auth": "ntlm"}))
        source.check()
        data: dict[str, bytes] = {}
        for scope in source.scopes():
            data |= everything(source, scope)[1]
        assert data == found_in(ews, *USUAL)
        users.write_text("DISTRICT:svc:another\n")
        wrong = ExchangeEws(server_context(served.url, extra={"auth": "ntlm"}))
        assert "refuses user and password" in refusal(wrong.check)


def test_delegate_access() -> None:
    ews = organisation(entra=None, users={"DISTRICT\\svc": "not-a-real-secret"}, opens={ACCOUNT})
    with Served(ews.app()) as served:
        source = ExchangeEws(server_context(served.url, extra={"access": "delegate"}))
        source.check()
        assert ews.seen["GetFolder"].find(".//{*}ExchangeImpersonation") is None
        assert len(list(source.scopes())) == 15
        ews.opens.clear()
        assert refusal(source.check) == (
            "source s1: connection exchange: the server does not give `primary` (ErrorAccessDenied): "
            "the right to read it is missing; grant it, or leave it out in `places`"
        )


def test_what_is_sent(running: Running) -> None:
    source = running.source()
    source.check()
    for scope in source.scopes():
        source.count(scope)
        everything(source, scope)
    assert set(running.ews.asked) == {"GetFolder", "FindFolder", "FindItem", "GetItem"}
    paths = {line for line in running.served.requests if "oauth" not in line and "openid" not in line}
    assert paths == {f"POST {PATH}"}  # nothing is discovered
    for envelope in running.ews.seen.values():
        assert envelope.find(".//{*}ConnectingSID/{*}PrimarySmtpAddress").text == ACCOUNT
    asked = {one.get("FieldURI") for one in running.ews.seen["FindItem"].iter("{*}FieldURI")}
    assert asked == {
        "item:DateTimeCreated", "item:DateTimeSent", "item:DateTimeReceived", "item:ItemClass", "item:Size",
        "item:IsDraft", "item:Categories", "message:IsRead", "calendar:Start", "calendar:End",
        "calendar:CalendarItemType",
    }  # fmt: skip
    assert running.ews.entra is not None
    assert running.ews.entra.asked == 1
    assert running.ews.entra.scopes == [f"{running.served.url}/.default"]


# -- places -----------------------------------------------------------------------------------------------


def test_places_that_are_not_read_are_named(running: Running) -> None:
    assert list(running.source().unreached()) == [
        Unreached(
            "hidden", "Folders that programs keep beside those people see", "place", Reach.NOT_ASKED
        ),
        Unreached("public_folders", "Public folders", "place", Reach.NOT_ASKED),
        Unreached(
            "auxiliary_archives", "Further parts of an auto-expanding archive", "mailbox",
            Reach.NOT_BY_THIS_ROUTE, "auxiliary_archives",
        ),
    ]  # fmt: skip


def test_a_refused_place_is_named_and_the_rest_is_read(running: Running) -> None:
    running.ews.refused_roots = {"recoverableitemsroot"}
    source = running.source()
    source.check()
    assert {scope.key.partition("/")[0] for scope in source.scopes()} == {"primary", "archive"}
    [refused] = [one for one in source.unreached() if one.reach is Reach.REFUSED]
    assert refused == Unreached(
        "recoverable", "Recoverable items", "place", Reach.REFUSED,
        "the server does not give `recoverable` (ErrorAccessDenied): the right to read it is missing; grant "
        "it, or leave it out in `places`",
    )  # fmt: skip
    asked = running.source(places=("primary", "recoverable"))
    assert "does not give `recoverable` (ErrorAccessDenied): the right to read it is missing" in refusal(
        asked.check
    )
    assert "does not give `recoverable`" in refusal(lambda: list(asked.scopes()))


def test_a_mailbox_without_an_archive(running: Running) -> None:
    box = mailbox_of(running.ews)
    for key in [key for key, folder in box.folders.items() if folder.root.startswith("archive")]:
        del box.folders[key]
    source = running.source()
    source.check()
    assert {scope.key.partition("/")[0] for scope in source.scopes()} == {"primary", "recoverable"}
    assert "archive" not in {place.key for place in source.unreached()}
    message = refusal(running.source(places=("archive",)).check)
    assert "does not give `archive` (ErrorFolderNotFound): the mailbox has none" in message


def test_folders_over_several_pages(running: Running, small_pages: None) -> None:
    assert len(list(running.source().scopes())) == 15
    assert list(running.ews.asked).count("FindFolder") == 3 + 1 + 1 + 1


def test_folders_that_change_while_they_are_listed(running: Running, small_pages: None) -> None:
    box = mailbox_of(running.ews)
    running.ews.happens.append(("FindFolder", 1, lambda: box.folders.pop(folder_of(running.ews, "Inbox").id)))
    labels = [scope.label for scope in running.source().scopes()]
    assert "Sent Items" in labels
    assert "Inbox" not in labels


def test_half_a_page_of_folders_is_not_taken_for_all(running: Running) -> None:
    without_one = Trouble(
        "FindFolder", edit=lambda text: re.sub("<t:CalendarFolder>.*?</t:CalendarFolder>", "", text)
    )
    running.ews.troubles.append(without_one)
    assert len(list(running.source(extra={"patience_s": "5"}).scopes())) == 15
    assert without_one.times == 0


# -- items ------------------------------------------------------------------------------------------------


def test_what_is_told_of_an_item(running: Running) -> None:
    values, data = everything(running.source(), running.scope("Inbox"))
    found = {data[value.native_key]: value for value in values}
    labelled = found[mail(1, "Tue, 4 Mar 2025 11:20:34 -0800")]
    assert labelled.kind is Kind.EMAIL
    assert labelled.media_type == "message/rfc822"
    assert labelled.moment.at == datetime(2025, 3, 4, 19, 20, 34, tzinfo=UTC)
    assert labelled.metadata == {
        "folder": "Inbox",
        "change": "CQAAAB00000002",
        "labels": "Budget; Bus",
        "received": "2025-03-04T19:20:34Z",
        "item_class": "IPM.Note",
    }
    assert labelled.warnings == ()
    draft = found[mail(5, "Tue, 4 Mar 2025 15:20:34 -0800")]
    assert draft.metadata["flags"] == "draft unread"
    assert draft.warnings == (WarningCode.DRAFT,)
    undated = found[mail(40)]
    assert undated.moment.at is None
    assert undated.warnings == (WarningCode.NO_DATE,)


def test_events_and_contacts(running: Running) -> None:
    source = running.source()
    window = Window(date(2025, 3, 4), date(2025, 3, 5), ZONE)
    values, data = everything(source, running.scope("Calendar"), window=window)
    assert sorted(data.values()) == sorted([event("E1"), event("E2", "20240109", "FREQ=WEEKLY")])
    assert {value.kind for value in values} == {Kind.EVENT}
    assert [type(value) for value in values if value.native_key not in data] == [ExcludedItem]
    one = next(value for value in values if data.get(value.native_key) == event("E1"))
    assert one.media_type == "text/calendar"
    assert one.moment.at == datetime(2025, 3, 4, 18, tzinfo=UTC)
    assert one.warnings == (WarningCode.CONVERTED,)
    after = Window(date(2023, 1, 1), date(2023, 12, 31), ZONE)  # the series begins later
    assert {type(value) for value in everything(source, running.scope("Calendar"), window=after)[0]} == {
        ExcludedItem
    }
    (card,), data = everything(source, running.scope("Contacts"), window=window)
    assert (card.kind, card.media_type) == (Kind.CONTACT, "text/vcard")
    assert data[card.native_key] == CARD


def test_the_window_is_counted(running: Running) -> None:
    values, data = everything(
        running.source(), running.scope("Inbox"), window=Window(date(2025, 3, 5), None, ZONE)
    )
    assert len(values) == 8
    assert sorted(data.values()) == sorted([mail(6, "Wed, 5 Mar 2025 10:20:34 -0800"), mail(40)])
    left = [value for value in values if isinstance(value, ExcludedItem)]
    assert {value.reason for value in left} == {Reason.OUTSIDE_WINDOW}
    assert len(left) == 6


def test_parts_are_cut_by_time_and_never_within_a_second(running: Running) -> None:
    source, scope = running.source(), running.scope("Inbox")
    parts = list(source.parts(scope, 2, 1 << 30))
    second = datetime(2025, 3, 4, 19, 20, 34, tzinfo=UTC)  # of creation; three items and two more
    seen = []
    for part in parts:
        created = [value.cursor[3:23] for value in source.items(part, ALWAYS)]
        assert all(one > seen[-1] for one in created[:1] if seen)
        seen += created
    assert len(seen) == 8
    assert seen.count(f"{second:%Y-%m-%dT%H:%M:%SZ}") == 5
    assert [part.items for part in parts] == [None] * len(parts)
    assert len(parts) == 4
    whole = list(source.parts(scope, 8, 1 << 30))
    assert [(part.spec, part.items, part.size_bytes) for part in whole] == [
        ("", 8, sum(len(one.raw) for one in mailbox_of(running.ews).inside(folder_of(running.ews, "Inbox"))))
    ]
    assert len(list(source.parts(scope, 8, 600))) > 1  # by bytes


def test_a_part_of_another_version_is_refused(running: Running) -> None:
    part = Part(running.scope("Inbox"), 0, '{"v": 2}')
    with pytest.raises(SettingsError, match="plan the run again"):
        next(running.source().items(part, ALWAYS))


def test_bytes_are_fetched_many_at_a_time_and_only_when_opened(running: Running) -> None:
    source, scope = running.source(), running.scope("Inbox")
    (part,) = source.parts(scope, 100, 1 << 30)
    assert len(list(source.items(part, ALWAYS))) == 8
    assert "GetItem" not in running.ews.asked
    everything(source, scope)
    assert list(running.ews.asked).count("GetItem") == 1
    assert len(running.ews.seen["GetItem"].findall(".//{*}ItemId")) == 8


def test_bytes_fetched_together_have_a_limit(running: Running) -> None:
    box = mailbox_of(running.ews)
    folder = box.folder("Heavy")
    raws = [mail(number, body="x" * (3 << 20)) for number in range(5)]
    for raw in raws:
        box.add(folder, raw)
    _, data = everything(running.source(), running.scope("Heavy"))
    assert sorted(data.values()) == sorted(raws)
    assert list(running.ews.asked).count("GetItem") == 3


# -- large items ------------------------------------------------------------------------------------------


@pytest.fixture
def huge(running: Running) -> bytes:
    raw = mail(7, body="0123456789abcdef\n" * (10 << 16))
    box = mailbox_of(running.ews)
    box.add(box.folder("Huge"), raw)
    return raw


def test_a_large_item_is_streamed_alone(running: Running, huge: bytes) -> None:
    _, data = everything(running.source(), running.scope("Huge"))
    assert list(data.values()) == [huge]


@pytest.mark.parametrize(
    ("trouble", "asked"),
    [
        (Trouble("GetItem", "ErrorServerBusy", back_off_ms=10), 2),
        (Trouble("GetItem", status=503, headers={"retry-after": "0"}), 2),
        (Trouble("GetItem", status=401), 2),
        (Trouble("GetItem", edit=lambda text: text[: len(text) // 2]), 2),
    ],
)
def test_a_large_item_is_asked_for_again(running: Running, huge: bytes, trouble: Trouble, asked: int) -> None:
    running.ews.troubles.append(trouble)
    _, data = everything(running.source(extra={"patience_s": "5"}), running.scope("Huge"))
    assert list(data.values()) == [huge]
    assert list(running.ews.asked).count("GetItem") == asked


def test_a_large_item_cut_off_in_its_middle_is_never_given_in_part(running: Running, huge: bytes) -> None:
    source, scope = running.source(extra={"patience_s": "5"}), running.scope("Huge")
    (part,) = source.parts(scope, 100, 1 << 40)
    (item,) = source.items(part, ALWAYS)
    running.served.faults.append(Fault(PATH, cut_after=1 << 20))
    assert isinstance(item, FoundItem)
    with source.open(item) as stream:
        assert stream.read() == huge
    running.served.faults.append(Fault(PATH, cut_after=1 << 20, times=None))
    with pytest.raises(ItemError) as caught:
        source.open(item)
    assert (caught.value.reason, caught.value.detail) == (Reason.UNREADABLE, "cut_off")


def test_a_large_item_that_is_corrupt_or_has_no_bytes(running: Running, huge: bytes) -> None:
    box = mailbox_of(running.ews)
    (item,) = box.inside(folder_of(running.ews, "Huge"))
    for faults, reason in ((frozenset({"corrupt"}), Reason.CORRUPT), (frozenset(), Reason.NOT_CONVERTIBLE)):
        box.change(item, faults=faults)
        if not faults:
            without = Trouble("GetItem", edit=lambda text: re.sub("<t:Mime.*?</t:MimeContent>", "", text))
            running.ews.troubles.append(without)
        with pytest.raises(ItemError) as caught:
            everything(running.source(), running.scope("Huge"))
        assert caught.value.reason is reason


# -- busy -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_message", [False, True])
@pytest.mark.parametrize("operation", ["GetFolder", "FindFolder", "FindItem", "GetItem"])
def test_a_busy_server_is_waited_for_as_it_asks(running: Running, operation: str, in_message: bool) -> None:
    running.ews.troubles.append(Trouble(operation, "ErrorServerBusy", 300, in_message=in_message))
    source = running.source(extra={"patience_s": "5"})
    began = time.monotonic()
    assert len(list(source.scopes())) == 15
    _, data = everything(source, running.scope("Inbox"))
    assert time.monotonic() - began >= 0.3
    assert len(data) == 8
    assert running.ews.troubles[0].times == 0


def test_a_server_that_stays_busy_ends_the_step_with_its_own_time(running: Running) -> None:
    running.ews.troubles.append(Trouble("FindItem", "ErrorServerBusy", 297_749, times=None))
    scope = running.scope("Inbox")
    with pytest.raises(Retryable) as caught:
        everything(running.source(), scope)
    assert caught.value.retry_after_s == 297.749
    assert str(caught.value) == (
        "source s1: connection exchange: the server is busy or away for longer than 0.1 s; run again "
        "later, what is collected is kept"
    )
    assert list(running.ews.asked).count("FindItem") == 1  # it was not asked again before its time


def test_busy_without_a_time(running: Running) -> None:
    running.ews.troubles.append(Trouble("FindItem", "ErrorExceededConnectionCount", times=2))
    _, data = everything(running.source(extra={"patience_s": "5"}), running.scope("Inbox"))
    assert len(data) == 8


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(running: Running, status: int) -> None:
    running.ews.troubles.append(Trouble("FindItem", status=status, headers={"retry-after": "0.3"}))
    began = time.monotonic()
    _, data = everything(running.source(extra={"patience_s": "5"}), running.scope("Inbox"))
    assert time.monotonic() - began >= 0.3
    assert len(data) == 8
    running.ews.troubles.append(Trouble("FindItem", status=status, headers={"retry-after": "120"}))
    with pytest.raises(Retryable) as caught:
        everything(running.source(), running.scope("Inbox"))
    assert caught.value.retry_after_s == 120.0


def test_clocks_that_differ() -> None:
    """A time of day to wait until is measured by the server's clock, which is two hours ahead."""
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)

    class Ahead(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(503)
            self.send_header("Retry-After", format_datetime(now + timedelta(seconds=7), usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return format_datetime(now, usegmt=True)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Ahead) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(Retryable) as caught:
            ExchangeEws(server_context(f"http://127.0.0.1:{server.server_port}")).check()
        server.shutdown()
    assert caught.value.retry_after_s == 7.0


def test_a_token_that_ends_by_the_servers_clock(running: Running, small_pages: None) -> None:
    entra = running.ews.entra
    assert entra is not None
    for skip in (0, 2):  # the first page, and the last, before the bytes are asked for
        running.ews.happens.append(("FindItem", skip, entra.forget))
    _, data = everything(running.source(), running.scope("Inbox"))
    assert len(data) == 8
    assert running.ews.happens == []
    assert entra.asked == 3


def test_a_token_endpoint_that_is_away(running: Running, tmp_path: Path) -> None:
    running.served.faults.append(Fault("oauth2/v2.0/token", 503, times=1))
    running.source(extra={"patience_s": "5"}).check()
    running.served.faults.append(Fault("oauth2/v2.0/token", 503, times=None))
    with pytest.raises(Retryable):
        running.source().check()


def test_a_server_that_is_away() -> None:
    source = ExchangeEws(server_context("http://127.0.0.1:9"))
    message = refusal(source.check, Retryable)
    assert message.startswith("source s1: connection exchange: the server is busy or away")


# -- broken answers ---------------------------------------------------------------------------------------


def _half(text: str) -> str:
    return text[: len(text) // 2]


def _fewer(text: str) -> str:
    """Leave the last item out, and say nothing of it."""
    return re.sub(r"<t:Message>(?:(?!<t:Message>).)*</t:Message></t:Items>", "</t:Items>", text)


@pytest.mark.parametrize("edit", [_half, _fewer])
def test_half_a_page_is_asked_for_again(
    running: Running, small_pages: None, edit: Callable[[str], str]
) -> None:
    for skip in (0, 1):
        running.ews.troubles.append(Trouble("FindItem", edit=edit, skip=skip))
    _, data = everything(running.source(extra={"patience_s": "5"}), running.scope("Inbox"))
    assert len(data) == 8
    assert [trouble.times for trouble in running.ews.troubles] == [0, 0]


@pytest.mark.parametrize("edit", [_half, _fewer])
def test_half_a_page_for_ever_is_a_failure_of_the_place(
    running: Running, small_pages: None, tmp_path: Path, edit: Callable[[str], str]
) -> None:
    keys = {ews_id(item.id) for item in alone(running)}
    good = 1 + 3  # the one of the root, and three of the inbox
    running.ews.troubles.append(Trouble("FindItem", edit=edit, skip=good, times=None))
    done = running.collected(tmp_path / "home")
    key = scope_key(running.ews, "Inbox")
    expected, got, *failure = done.scopes[key]
    assert (expected, failure) == (8, ["unreadable", "half_answer"])
    assert 0 < got < 8  # what came before is kept, and the ledger says by how much it does not balance
    running.ews.troubles.clear()
    again = running.collected(tmp_path / "home")
    assert again.scopes[key] == (8, 8, None, None)
    assert set(again.items) == keys


_ITEMS = re.compile("<t:Items>.*</t:Items>")


def _repeating(*, figures: bool) -> Callable[[str], str]:
    """Return an edit that gives the first page again, with the figures of the page asked for or without."""
    pages: list[str] = []

    def edit(text: str) -> str:
        pages.append(text)
        first = _ITEMS.search(pages[0])
        assert first is not None
        return _ITEMS.sub(lambda _: first[0], text) if figures else pages[0]

    return edit


@pytest.mark.parametrize("figures", [True, False])
def test_a_page_that_comes_twice(running: Running, small_pages: None, figures: bool) -> None:
    running.ews.troubles.append(Trouble("FindItem", edit=_repeating(figures=figures), times=2))
    source = running.source(extra={"patience_s": "5"})
    values, data = everything(source, running.scope("Inbox"))
    assert len(values) == len(data) == 8
    assert len({value.native_key for value in values}) == 8


@pytest.mark.parametrize(("figures", "detail"), [(True, "folder_changes"), (False, "half_answer")])
def test_a_page_that_comes_for_ever_ends(
    running: Running, small_pages: None, figures: bool, detail: str
) -> None:
    running.ews.troubles.append(Trouble("FindItem", edit=_repeating(figures=figures), times=None))
    with pytest.raises(ItemError) as caught:
        everything(running.source(extra={"patience_s": "5"}), running.scope("Inbox"))
    assert (caught.value.reason, caught.value.detail) == (Reason.UNREADABLE, detail)


@pytest.mark.parametrize("skip", [1, 2])
def test_cut_off_in_the_middle_of_a_list_or_of_bytes(running: Running, skip: int) -> None:
    source, scope = running.source(extra={"patience_s": "5"}), running.scope("Inbox")
    running.served.faults.append(Fault(PATH, cut_after=500, skip=skip))
    _, data = everything(source, scope)
    assert len(data) == 8
    times = running.served.faults[0].times
    assert times is not None
    assert times <= 0


def test_bytes_that_are_always_cut_off_fail_alone(running: Running, tmp_path: Path) -> None:
    bad = mailbox_of(running.ews).inside(folder_of(running.ews, "Inbox"))[3]
    marker = ews_id(bad.id)

    def cut(text: str) -> str:
        return text[: text.index(marker)] if marker in text else text

    running.ews.troubles.append(Trouble("GetItem", edit=cut, times=None))
    done = running.collected(tmp_path / "home")
    assert done.states() == {"stored": len(found_in(running.ews, *USUAL)) - 1, "failed": 1}
    assert (done.items[marker].reason, done.items[marker].detail) == ("unreadable", "half_answer")


def test_items_that_cannot_be_had_cost_only_themselves(running: Running, tmp_path: Path) -> None:
    box = mailbox_of(running.ews)
    inbox = alone(running)
    faults = {
        "not_convertible": ("not_convertible", "mime_conversion"),
        "corrupt": ("corrupt", "item_corrupt"),
        "unsupported": ("not_convertible", "mime_unsupported"),
        "strange": ("refused_by_source", "ErrorSomethingNew"),
    }
    for item, fault in zip(inbox, faults, strict=False):
        box.change(item, faults=frozenset({fault}))
    gone = inbox[5]
    running.ews.happens.append(("GetItem", 0, lambda: box.remove(gone)))
    done = running.collected(tmp_path / "home")
    assert done.scopes[scope_key(running.ews, "Inbox")] == (8, 8, None, None)
    states = {
        item.id: (done.items[ews_id(item.id)].state, done.items[ews_id(item.id)].reason) for item in inbox
    }
    details = {row.detail for row in done.items.values() if row.state == "failed"}
    assert states == {
        **{item.id: ("failed", reason) for item, (reason, _) in zip(inbox, faults.values(), strict=False)},
        inbox[4].id: ("stored", None),
        gone.id: ("failed", "refused_by_source"),
        inbox[6].id: ("stored", None),
        inbox[7].id: ("stored", None),
    }
    assert details == {*(detail for _, detail in faults.values()), "gone"}
    assert all(scope[0] == scope[1] and scope[2] is None for scope in done.scopes.values())


def test_one_item_that_breaks_the_answer_for_many(running: Running, tmp_path: Path) -> None:
    running.ews.troubles.append(Trouble("GetItem", "ErrorInternalServerError", times=4))
    done = running.collected(tmp_path / "home")
    assert done.states() == {"stored": len(found_in(running.ews, *USUAL))}


# -- change and resumption --------------------------------------------------------------------------------


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("victim", [0, 2, 3, 7])
def test_a_mailbox_that_loses_items_while_it_is_read(
    running: Running, small_pages: None, at: int, victim: int
) -> None:
    box = mailbox_of(running.ews)
    folder = folder_of(running.ews, "Inbox")
    lost = box.inside(folder)[victim]
    running.ews.happens.append(("FindItem", at, lambda: box.remove(lost)))
    keys = _listed(running, "Inbox")
    assert len(set(keys)) == len(keys)
    assert set(keys) >= {ews_id(item.id) for item in box.inside(folder)}  # whoever stayed is there


def _listed(running: Running, name: str) -> list[str]:
    return [value.native_key for value in running.source().items(Part(running.scope(name)), ALWAYS)]


@pytest.mark.parametrize("at", range(4))
def test_a_mailbox_that_gains_items_while_it_is_read(running: Running, small_pages: None, at: int) -> None:
    box = mailbox_of(running.ews)
    folder = folder_of(running.ews, "Inbox")
    before = {ews_id(item.id) for item in box.inside(folder)}

    def gain() -> None:
        box.add(folder, mail(80), received=datetime(2025, 1, 1, tzinfo=UTC))  # moved in, in front of all
        box.add(folder, mail(81), received=datetime(2025, 9, 1, tzinfo=UTC))

    running.ews.happens.append(("FindItem", at, gain))
    keys = _listed(running, "Inbox")
    assert len(set(keys)) == len(keys)
    assert set(keys) >= before


def test_a_folder_that_goes_away_is_a_failure_of_the_place(
    running: Running, small_pages: None, tmp_path: Path
) -> None:
    box = mailbox_of(running.ews)
    inbox = folder_of(running.ews, "Inbox")
    key = scope_key(running.ews, "Inbox")

    def vanish() -> None:
        for item in box.inside(inbox):
            box.remove(item)
        del box.folders[inbox.id]

    asked_before = 3 + 1  # pages of the folders in front of it, and its first
    running.ews.happens.append(("FindItem", asked_before, vanish))
    done = running.collected(tmp_path / "home")
    assert done.scopes[key][2:] == ("unreadable", "scope_gone")


@pytest.mark.parametrize("kill_after", range(1, 8))
@pytest.mark.parametrize("max_items", [100, 3])
def test_a_kill_at_any_item_loses_and_doubles_nothing(
    running: Running,
    small_pages: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kill_after: int,
    max_items: int,
) -> None:
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 1)
    keys = {ews_id(item.id) for item in alone(running)}
    done = until_done(
        lambda: running.collected(tmp_path / "home", kill_after=kill_after, max_items=max_items)
    )
    assert {key: row.state for key, row in done.items.items()} == dict.fromkeys(keys, "stored")
    assert all(scope[0] == scope[1] and scope[2] is None for scope in done.scopes.values())


@pytest.mark.parametrize("page", range(4))
def test_a_kill_at_any_page(running: Running, small_pages: None, page: int) -> None:
    source, scope = running.source(), running.scope("Inbox")
    whole = list(source.items(Part(scope), ALWAYS))
    running.ews.troubles.append(Trouble("FindItem", "ErrorServerBusy", 300_000, skip=page, times=None))
    drawn: list[Any] = []

    def draw() -> None:
        drawn.extend(running.source().items(Part(scope), ALWAYS))

    with pytest.raises(Retryable):
        draw()
    running.ews.troubles.clear()
    cursor = drawn[-1].cursor if drawn else None
    assert drawn + list(running.source().items(Part(scope), ALWAYS, cursor)) == whole


# -- silence ----------------------------------------------------------------------------------------------


def test_nothing_is_logged_started_or_kept(caplog: pytest.LogCaptureFixture) -> None:
    from exchangelib.protocol import CachingProtocol

    caplog.set_level(logging.DEBUG)
    ews = organisation()
    running = Running(ews, Served(ews.app()))
    before = threading.active_count()
    source = running.source()
    running.ews.troubles += [
        Trouble("FindItem", "ErrorServerBusy", 10),
        Trouble("GetItem", status=500, times=1),
        Trouble("GetItem", edit=_half),
    ]
    for scope in source.scopes():
        everything(running.source(extra={"patience_s": "5"}), scope)
    running.served.close()
    with pytest.raises(DaylightError):
        source.check()
    assert threading.active_count() < before  # the fake's own has ended
    assert CachingProtocol._protocol_cache == {}
    for word in (SECRET, ACCOUNT, "fake-token", "not-a-real-secret", "Envelope"):
        assert word not in caplog.text


def test_the_library_is_loaded_only_when_a_server_is_asked() -> None:
    code = "import sys, connectors.registry; print({'exchangelib', 'requests', 'msal'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


# -- the fake of a very large mailbox ---------------------------------------------------------------------


def test_a_large_mailbox_is_cut_and_read_in_full() -> None:
    ews = large(2_503)
    with Served(ews.app()) as served:
        source = ExchangeEws(context_of(served.url, account="large@example.org"))
        box = ews.store.find("large@example.org")
        assert isinstance(box, LargeMailbox)
        scope = next(scope for scope in source.scopes() if scope.label == "Inbox")
        assert source.count(scope).count == 2_503
        parts = list(source.parts(scope, 1_000, 1 << 40))
        assert len(parts) == 4  # the first is half as large
        assert len(list(source.items(parts[0], ALWAYS))) == 498  # items of one second are never parted
        keys = [value.native_key for part in parts for value in source.items(part, ALWAYS)]
        assert len(keys) == len(set(keys)) == 2_503
        first = next(iter(source.items(parts[2], ALWAYS)))
        assert isinstance(first, FoundItem)
        with source.open(first) as stream:
            got = stream.read()
        place = box.shelf.place(first.native_key)
        assert place == 1_502  # of the three of its second, by id
        assert got == letter(place, box.shelf.one(place).received)


# --- the server's limits ---


def test_the_next_groups_are_on_their_way_while_one_is_stored_and_only_for_who_opens() -> None:
    ews = large(400)
    ews.latency_s = 0.05
    with Served(ews.app()) as served:
        source = ExchangeEws(context_of(served.url, "large@example.org", places=("primary",)))
        part = Part(Scope(f"primary/{ews_id('F0000')}", "Inbox", "folder"))
        assert len(list(source.items(part, ALWAYS))) == 400
        assert "GetItem" not in ews.asked
        ews.most_at_once = 0
        items = source.items(part, ALWAYS)
        read = []
        for number, item in enumerate(items):
            assert isinstance(item, FoundItem)
            with source.open(item) as stream:
                read.append(stream.read())
            if number == 60:  # the second lot of 50 is being stored
                time.sleep(0.3)
                assert ews.asked.count("GetItem") == 4
        assert len(set(read)) == 400
        assert ews.asked.count("GetItem") == 8
        assert ews.most_at_once == 3


def test_who_ends_early_waits_for_no_busy_server() -> None:
    ews = large(400)
    ews.troubles.append(Trouble("GetItem", "ErrorServerBusy", back_off_ms=50_000, skip=1, times=None))
    with Served(ews.app()) as served:
        source = ExchangeEws(
            context_of(served.url, "large@example.org", places=("primary",), extra={"patience_s": "60"})
        )
        part = Part(Scope(f"primary/{ews_id('F0000')}", "Inbox", "folder"))
        before = set(threading.enumerate())
        items = source.items(part, ALWAYS)
        for number in range(51):
            item = next(items)
            assert isinstance(item, FoundItem)
            if number < 50:
                source.open(item).close()
        began = time.monotonic()
        while ews.asked.count("GetItem") < 2:
            assert time.monotonic() - began < 20
            time.sleep(0.01)
        items.close()
        while [one for one in set(threading.enumerate()) - before if "ahead" in one.name]:
            assert time.monotonic() - began < 20
            time.sleep(0.01)


def test_while_the_server_asks_to_wait_no_process_of_this_machine_asks_it(running: Running) -> None:
    running.ews.troubles.append(Trouble("GetFolder", "ErrorServerBusy", back_off_ms=400))
    first, other = (running.source(extra={"patience_s": "5"}) for _ in range(2))
    scope = running.scope("Inbox")
    waiting = threading.Thread(target=first.count, args=(scope,))
    waiting.start()
    began = time.monotonic()
    while running.ews.asked.count("GetFolder") < 1:
        time.sleep(0.005)
    assert other.count(scope).count == 8
    assert time.monotonic() - began >= 0.35
    waiting.join()
    assert running.ews.asked.count("GetFolder") == 3


def test_a_mailbox_that_has_used_its_time_up_is_waited_for_and_nothing_is_lost(tmp_path: Path) -> None:
    """A balance of 2 s and cut off at 3 s more: all takes 18.75 s, so that 55 s must pass."""
    ews = large(400)
    ews.budget = Budget(burst_s=2.0, cutoff_s=3.0, shut_s=10.0, faster=20.0)
    with Served(ews.app()) as served:
        context = context_of(served.url, "large@example.org", extra={"patience_s": "10"})
        began = time.monotonic()
        found = collected(tmp_path, ExchangeEws, context)
        seconds = time.monotonic() - began
    assert found.states() == {"stored": 400}
    least = (ews.budget.used_s - 5.0) / 0.25 / 20.0
    # eight lots of 50, one list, 36 questions about folders
    assert ews.budget.used_s == pytest.approx(8 * 2.05 + 0.55 + 36 * 0.05)
    assert ews.budget.refused >= 2
    assert least * 0.8 < seconds < 4 * least  # a whole machine's tests run beside this one
