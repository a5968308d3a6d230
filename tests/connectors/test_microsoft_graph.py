"""Microsoft Graph: what the service does wrong, what it costs, and what a person is told."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from connectors import graph_mail
from connectors.ahead import drawn_ahead
from connectors.asking import Busy, Refused, retry_after_s
from connectors.governor import Governor
from connectors.graph_calendar import icalendar_of
from connectors.microsoft import Service
from connectors.microsoft_graph import MicrosoftGraph
from extract.calendar import CalendarReader
from extract.protocol import ExtractContext
from records.errors import AccessError, CursorExpired, ItemError, Retryable, SettingsError
from records.models import ExcludedItem, Expected, FoundItem, Part, Scope, Window
from records.vocabulary import Basis, Kind, Reach, Reason, WarningCode
from tests.connectors.builders import ALWAYS, SECRET, ZONE, everything, mail
from tests.connectors.built_graph import (
    ACCOUNT,
    CLOUD,
    SHARED,
    SITE,
    context_of,
    event,
    mailbox_of,
    series,
    tenant,
    with_files,
    with_teams,
)
from tests.connectors.collecting import collected, until_done
from tests.servers.graph import CALENDARS, FILES, MAIL, Attachment, Graph, Limits, large
from tests.servers.oauth import CLIENT, CLIENT_SECRET, TENANT
from tests.servers.web import Fault, Served

INBOX = Scope("mail/F0000", "Inbox", "folder")


@pytest.fixture
def graph():
    return Graph()


@pytest.fixture(scope="module")
def server():
    """Return one server for all tests: each puts its own tenant behind it."""
    with Served(Graph().app()) as made:
        yield made


@pytest.fixture(autouse=True)
def own_locks(tmp_path_factory, monkeypatch):
    """What one test was asked to wait for does not hold the next one off."""
    monkeypatch.setattr("connectors.governor._FOLDERS", (str(tmp_path_factory.mktemp("locks")),))


@pytest.fixture
def served(server, graph):
    server.app = graph.app()
    server.faults.clear()
    server.requests.clear()
    return server


@pytest.fixture
def inbox(graph):
    """Return a function that fills the inbox with so many messages, a minute apart."""

    def fill(count: int, **about: Any) -> list[Any]:
        box = graph.store.mailbox(ACCOUNT)
        folder = next(iter(box.folders.values()), None) or box.folder("Inbox", role="inbox")
        first = datetime(2025, 3, 4, 18, 0, tzinfo=UTC)
        return [
            box.add(folder, mail(number), received=first + timedelta(minutes=number), **about)
            for number in range(count)
        ]

    return fill


def connect(served: Served, **about: Any) -> MicrosoftGraph:
    about.setdefault("places", ("mail",))
    return MicrosoftGraph(context_of(served.url, **about))


def opened(source: MicrosoftGraph, item: FoundItem) -> bytes:
    with source.open(item) as stream:
        return stream.read()


def small_pages(monkeypatch, size: int = 3) -> None:
    monkeypatch.setattr(graph_mail, "PAGE", size)


def run(home: Path, served: Served, **about: Any):
    kill_after, window = about.pop("kill_after", None), about.pop("window", ALWAYS)
    round_no = about.pop("round_no", 0)
    max_items = about.pop("max_items", 10_000)
    about.setdefault("places", ("mail",))
    return collected(
        home, MicrosoftGraph, context_of(served.url, **about), kill_after=kill_after, window=window,
        max_items=max_items, round_no=round_no,
    )  # fmt: skip


# --- what is there ---


def test_every_place_is_listed_and_what_is_not_reached_says_why():
    with Served(tenant().app()) as served:
        source = connect(served, places=("mail", "recoverable"))
        assert [(scope.key, scope.label) for scope in source.scopes()] == [
            ("mail/F0000", "Inbox"),
            ("mail/F0002", f"Inbox/{SECRET} project"),
            ("mail/F0003", f"Inbox/{SECRET} project/Deeper"),
            ("mail/F0001", "Sent Items"),
            ("mail/F0004", "Conversation Action Settings"),
            ("mail/F0005", "Empty"),
            ("recoverable/F0007", "Recoverable Items/Deletions"),
        ]
        assert {place.key: (place.reach, place.detail) for place in source.unreached()} == {
            "mail/archive_mailbox": (Reach.NOT_BY_THIS_ROUTE, "archive_mailbox"),
            "recoverable/purges": (Reach.NOT_BY_THIS_ROUTE, "purges"),
            "recoverable/versions": (Reach.NOT_BY_THIS_ROUTE, "versions"),
            "recoverable/discovery_holds": (Reach.NOT_BY_THIS_ROUTE, "discovery_holds"),
            "recoverable/substrate_holds": (Reach.NOT_BY_THIS_ROUTE, "substrate_holds"),
            "recoverable/archive_recoverable": (Reach.NOT_BY_THIS_ROUTE, "archive_recoverable"),
            "calendar": (Reach.NOT_ASKED, ""),
            "attachments": (Reach.NOT_ASKED, ""),
        } | {
            place: (Reach.NOT_ASKED, "")
            for place in MicrosoftGraph.places
            if place not in {"mail", "recoverable"}
        }


def test_a_message_has_the_facts_the_service_gives(served, graph):
    box = graph.store.mailbox(ACCOUNT)
    folder = box.folder("Drafts", role="drafts")
    box.add(folder, mail(1), labels=("Budget", "Red"), faults=frozenset({"unread"}))
    source = connect(served)
    [item], data = everything(source, next(source.scopes()))
    assert data == {item.native_key: mail(1)}
    assert item == FoundItem(
        native_key=item.native_key,
        kind=Kind.EMAIL,
        cursor=f"t1:2025-03-04T18:20:34Z|{item.native_key}",
        media_type="message/rfc822",
        moment=item.moment,
        metadata={
            "folder": "Drafts",
            "change": "CQAAABYA00000001",
            "labels": "Budget; Red",
            "flags": "draft unread",
            "received": "2025-03-04T18:20:34Z",
        },
        warnings=(WarningCode.DRAFT,),
    )
    assert (item.moment.at, item.moment.basis) == (datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC), Basis.STATED)


def test_listing_asks_for_no_content_and_opening_for_one_message(served, inbox):
    inbox(5)
    source = connect(served)
    [part] = source.parts(INBOX, 100, 1 << 20)
    served.requests.clear()
    assert len(list(source.items(part, ALWAYS))) == 5
    assert not [line for line in served.requests if "$value" in line]
    assert all("%24select=id%2CreceivedDateTime" in line or "$select=id" in line for line in served.requests)


def test_ids_are_the_immutable_ones(served, inbox, graph):
    [message] = inbox(1)
    box = mailbox_of(graph)
    source = connect(served)
    items = source.items(Part(INBOX), ALWAYS)
    item = next(items)
    box.change(box.messages[message.id], folder=box.folder("Elsewhere").id)  # moved after it was listed
    assert item.native_key == message.id
    assert opened(source, item) == message.raw


# --- pages, parts and cursors ---


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("same", [1, 2, 5])
def test_any_page_size_gives_the_same_even_where_many_share_a_second(served, graph, monkeypatch, size, same):
    small_pages(monkeypatch, size)
    box = graph.store.mailbox(ACCOUNT)
    folder = box.folder("Inbox", role="inbox")
    first = datetime(2025, 3, 4, tzinfo=UTC)
    added = [
        box.add(folder, mail(number), received=first + timedelta(seconds=number // same))
        for number in range(9)
    ]
    found = [item.native_key for item in connect(served).items(Part(INBOX), ALWAYS)]
    assert found == [one.id for one in sorted(added, key=lambda one: (one.received, one.id))]


def test_undated_messages_come_first_in_every_cut(served, graph, inbox, monkeypatch):
    small_pages(monkeypatch, 2)
    undated = inbox(3, faults=frozenset({"undated"}))
    dated = inbox(4)
    source = connect(served)
    expected = [*sorted(one.id for one in undated), *(one.id for one in dated)]
    for most in (100, 3, 1):
        parts = list(source.parts(INBOX, most, 1 << 20))
        found = [item for part in parts for item in source.items(part, ALWAYS)]
        assert [item.native_key for item in found] == expected
        assert [WarningCode.NO_DATE in item.warnings for item in found] == [True] * 3 + [False] * 4
    assert source.count(INBOX) == Expected(7, "totalItemCount of the folder")


def test_a_part_of_another_version_and_a_strange_cursor_are_refused(served, inbox):
    inbox(1)
    source = connect(served)
    with pytest.raises(SettingsError, match="plan the run again"):
        next(source.items(Part(INBOX, 0, '{"v": 9}'), ALWAYS))
    for scope in ("mail/F0000", "calendar/X", "attachments/messages"):
        with pytest.raises(CursorExpired):
            next(source.items(Part(Scope(scope, "", "")), ALWAYS, "q7:other"))


@pytest.mark.parametrize("max_items", [100, 3])
def test_a_kill_at_each_item_and_page_loses_and_doubles_nothing(
    tmp_path, served, graph, inbox, monkeypatch, max_items
):
    small_pages(monkeypatch, 2)
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 1)
    messages = inbox(7)
    result = until_done(lambda: run(tmp_path / "home", served, kill_after=1, max_items=max_items))
    assert set(result.items) == {one.id for one in messages}
    assert result.scopes == {"mail/F0000": (7, 7, None, None)}
    assert len({line for line in served.requests if "$value" in line}) == 7


def test_all_places_are_collected_with_a_kill_at_every_few_items_and_topped_up(tmp_path, monkeypatch):
    small_pages(monkeypatch, 2)
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 1)
    graph = tenant()
    with_teams(graph)
    with_files(graph)
    # retained messages have the keys of those of the chats, in a place of their own
    places = tuple(place for place in MicrosoftGraph.places if place != "teams_retained")
    about = {"places": places, "options": {"sites": SITE, "shared": SHARED}}
    with Served(graph.app()) as served:
        result = until_done(lambda: run(tmp_path / "home", served, **about, kill_after=7))
        counted = len(served.requests)
        again = run(tmp_path / "home", served, **about, round_no=1)
        fetched = [line for line in served.requests[counted:] if "$value" in line or "/content" in line]
    assert {key: (expected, found) for key, (expected, found, _, _) in result.scopes.items()} == {
        "mail/F0000": (9, 9),
        "mail/F0001": (1, 1),
        "mail/F0002": (1, 1),
        "mail/F0003": (1, 1),
        "mail/F0004": (1, 1),
        "mail/F0005": (0, 0),
        "recoverable/F0007": (1, 1),
        "calendar/CAL1": (3, 3),
        "calendar/CAL2": (0, 0),
        "attachments/messages": (None, 1),
        "attachments/events": (None, 2),
        "teams_chats": (None, 9),
        "teams_channels/T1": (None, 3),
        "files/b!ana": (None, 8),
        "sites/b!board": (None, 1),
        "sites/b!budget": (None, 1),
        "shared/b!lee/02D": (None, 2),
    }
    assert result.states() == {"stored": 42, "failed": 2}
    # nothing changed: everything is met again, and nothing is fetched
    assert set(again.outcomes.values()) == {"same"}
    assert len(again.outcomes) == 44
    assert fetched == []


# --- a service that is busy ---


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("where", [r"/messages\?", r"\$value", r"/mailFolders/F0000\?", "/token"])
def test_a_busy_service_is_waited_for_as_it_asks(tmp_path, served, inbox, status, where):
    inbox(3)
    served.faults.append(Fault(where, status, {"retry-after": "0.2"}))
    began = time.monotonic()
    result = run(tmp_path / "home", served, extra={"patience_s": "20"})
    assert time.monotonic() - began >= 0.2
    assert result.states() == {"stored": 3}


def test_retry_after_as_a_time_is_measured_by_the_services_clock():
    there = datetime(2031, 1, 1, tzinfo=UTC)  # the two clocks are years apart
    headers = {
        "date": format_datetime(there, usegmt=True),
        "retry-after": format_datetime(there + timedelta(seconds=90), usegmt=True),
    }
    assert retry_after_s(headers) == 90.0
    assert retry_after_s({"retry-after": "17"}) == 17.0
    assert retry_after_s({"retry-after": "-3"}) == 0.0
    assert retry_after_s({"retry-after": "soon"}) is None
    assert retry_after_s({}) is None


def test_a_service_that_stays_busy_ends_the_step_and_the_next_goes_on(tmp_path, served, inbox, monkeypatch):
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 1)
    messages = inbox(4)
    served.faults.append(Fault(r"\$value", 429, {"retry-after": "40"}, skip=2, times=None))
    with pytest.raises(Retryable, match=r"^source s1: connection m365: the service is busy") as caught:
        run(tmp_path / "home", served, extra={"requests_at_once": "1"})
    assert caught.value.retry_after_s == 40.0
    served.faults.clear()
    served.requests.clear()
    result = run(tmp_path / "home", served, extra={"requests_at_once": "1"})
    assert set(result.items) == {one.id for one in messages}
    assert len([line for line in served.requests if "$value" in line]) == 2


def test_an_expired_token_is_renewed_once_and_no_more(served, graph, inbox):
    inbox(2)
    source = connect(served)
    items = source.items(Part(INBOX), ALWAYS)
    assert opened(source, next(items)) == mail(0)
    graph.entra.forget()
    assert opened(source, next(items)) == mail(1)
    assert graph.entra.asked == 2
    graph.entra.lives_s = -1  # the service's clock is ahead: what it gives is over at once
    graph.entra.forget()
    with pytest.raises(AccessError, match="this machine's clock"):
        list(connect(served).items(Part(INBOX), ALWAYS))
    assert graph.entra.asked == 4


def test_a_token_is_asked_for_once_for_many_requests(served, graph, inbox):
    inbox(5)
    source = connect(served)
    source.check()
    everything(source, INBOX)
    assert graph.entra.asked == 1
    assert graph.entra.scopes == [f"{served.url}/.default"]


# --- answers that are not whole ---


@pytest.mark.parametrize("where", [r"/messages\?", r"\$value"])
def test_a_connection_cut_in_the_middle_is_begun_again(tmp_path, served, inbox, where):
    messages = inbox(3)
    served.faults.append(Fault(where, cut_after=20, times=2))
    result = run(tmp_path / "home", served, extra={"patience_s": "30"})
    assert result.states() == {"stored": 3}
    assert {row.size_bytes for row in result.items.values()} == {len(one.raw) for one in messages}


def test_a_message_that_is_always_cut_costs_only_itself(tmp_path, served, inbox):
    messages = inbox(3)
    served.faults.append(Fault(rf"{messages[1].id}/\$value", cut_after=20, times=None))
    result = run(tmp_path / "home", served, extra={"patience_s": "30"})
    assert result.states() == {"stored": 2, "failed": 1}
    row = result.items[messages[1].id]
    assert (row.reason, row.detail) == ("unreadable", "cut_off")


def test_half_a_page_without_a_link_is_not_the_end(tmp_path, served, graph, inbox, monkeypatch):
    small_pages(monkeypatch, 4)
    inbox(9)
    graph.short_pages = True
    assert run(tmp_path / "home", served).scopes == {"mail/F0000": (9, 9, None, None)}


@pytest.mark.parametrize("place", ["mail", "calendar"])
def test_a_page_that_comes_twice_doubles_nothing(tmp_path, served, graph, inbox, monkeypatch, place):
    small_pages(monkeypatch, 2)
    monkeypatch.setattr("connectors.graph_calendar.PAGE", 2)
    box = graph.store.mailbox(ACCOUNT)
    folder = box.folder("Inbox", role="inbox")
    for number in range(5):  # in one second, so that the links of pages are followed
        box.add(folder, mail(number))
    graph.calendars[ACCOUNT] = tenant().calendars[ACCOUNT]
    graph.repeated_pages = True
    result = run(tmp_path / "home", served, places=(place,))
    assert [figures[:2] for figures in result.scopes.values()] == (
        [(5, 5)] if place == "mail" else [(3, 3), (0, 0)]
    )


def test_an_answer_that_is_no_json_is_asked_for_again(tmp_path, served, inbox):
    inbox(2)
    served.faults.append(Fault(r"/messages\?", 200, body=b'{"value": [{"id": "1'))
    assert run(tmp_path / "home", served).states() == {"stored": 2}


def test_an_expired_link_of_a_list_is_taken_up_from_where_it_was(tmp_path, served, graph, monkeypatch):
    small_pages(monkeypatch, 2)
    box = graph.store.mailbox(ACCOUNT)
    folder = box.folder("Inbox", role="inbox")
    for number in range(5):
        box.add(folder, mail(number))
    gone = b'{"error": {"code": "syncStateNotFound", "message": "expired"}}'
    served.faults.append(Fault("skip=2", 410, body=gone))
    assert run(tmp_path / "home", served).scopes == {"mail/F0000": (5, 5, None, None)}
    served.faults.append(Fault("skip=2", 410, body=gone, times=None))
    with pytest.raises(ItemError, match="gone"):
        list(connect(served).items(Part(INBOX), ALWAYS))


def test_the_token_goes_to_no_other_host(served, graph, inbox, monkeypatch):
    small_pages(monkeypatch, 2)
    box = graph.store.mailbox(ACCOUNT)
    folder = box.folder("Inbox", role="inbox")
    for number in range(5):
        box.add(folder, mail(number))
    with Served(Graph().app()) as stranger:
        graph.link_host = stranger.url
        with pytest.raises(ItemError, match="link_to_another_host"):
            list(connect(served).items(Part(INBOX), ALWAYS))
        assert stranger.requests == []


def test_a_list_whose_link_leads_to_itself_is_broken_off(served, inbox):
    inbox(1)
    service = Service("s1", context_of(served.url).connection)
    path = f"{served.url}/v1.0/loop"
    body = f'{{"value": [{{"id": "1"}}], "@odata.nextLink": "{path}"}}'.encode()
    served.faults.append(Fault("loop", 200, body=body, times=None))
    with pytest.raises(Refused, match="page_loop"):
        list(service.pages(path))


# --- items that cannot be had ---


@pytest.mark.parametrize(
    ("fault", "reason", "detail"),
    [
        ("corrupt", "corrupt", "item_corrupt"),
        ("not_convertible", "not_convertible", "mime_conversion"),
        ("broken", "unreadable", "http_500"),
    ],
)
def test_a_bad_message_costs_only_itself(tmp_path, served, inbox, graph, fault, reason, detail):
    messages = inbox(3)
    mailbox_of(graph).change(messages[1], faults=frozenset({fault}))
    result = run(tmp_path / "home", served, extra={"patience_s": "30"})
    assert result.states() == {"stored": 2, "failed": 1}
    row = result.items[messages[1].id]
    assert (row.reason, row.detail) == (reason, detail)
    assert result.scopes == {"mail/F0000": (3, 3, None, None)}


def test_a_wrong_clock_of_a_sender_hides_nothing(served, graph):
    box = graph.store.mailbox(ACCOUNT)
    folder = box.folder("Inbox", role="inbox")
    received = datetime(2025, 3, 4, 18, 0, tzinfo=UTC)
    stated = [
        "Tue, 1 Jan 1901 00:00:00 +0000",
        "Tue, 4 Mar 2036 10:00:00 +0000",
        "Tue, 4 Mar 2025 10:00:00 +0000",
    ]
    for number, text in enumerate(stated):
        box.add(folder, mail(number, text), received=received + timedelta(minutes=number))
    box.add(folder, mail(7, "Tue, 4 Mar 2025 10:00:00 +0000"), received=received + timedelta(days=90))
    box.add(folder, mail(8, "Tue, 3 Jun 2025 10:00:00 +0000"), received=received + timedelta(days=91))
    window = Window(date(2025, 3, 1), date(2025, 3, 31), ZONE)
    found = list(connect(served).items(Part(INBOX), window))
    assert [type(item).__name__ for item in found] == ["FoundItem"] * 4 + ["ExcludedItem"]
    assert [item.moment.at.day if item.moment.at else None for item in found] == [4, 4, 4, 4, 3]
    assert [item.warnings for item in found[:4]] == [(), (WarningCode.NEAR_WINDOW_EDGE,), (), ()]


# --- a mailbox that changes while it is read ---


def test_a_mailbox_that_changes_while_it_is_read(tmp_path, served, graph, inbox, monkeypatch):
    """Deleting what was read pushes nothing out of sight; what is gone before it is fetched is failed."""
    small_pages(monkeypatch, 3)
    messages = inbox(9)
    box = mailbox_of(graph)
    elsewhere = box.folder("Zz elsewhere")

    def change() -> None:
        box.remove(box.messages[messages[0].id])
        box.remove(box.messages[messages[1].id])
        box.change(box.messages[messages[2].id], folder=elsewhere.id)
        box.remove(box.messages[messages[7].id])
        box.add(messages[0].folder, mail(50), received=datetime(2025, 4, 1, tzinfo=UTC))

    graph.happens.append(
        (r"/F0000/messages\?.*ge 2025-03-04T18:02|F0000/messages.*ge%202025-03-04T18%3A02", change)
    )
    result = run(tmp_path / "home", served, extra={"requests_at_once": "1"})
    kept = {one.id for one in messages} - {messages[7].id}
    new = next(key for key, one in box.messages.items() if one.raw == mail(50))
    in_inbox = {key: row.state for key, row in result.items.items() if row.scope_key == "mail/F0000"}
    gone = {messages[0].id, messages[1].id}
    assert {key for key, state in in_inbox.items() if state == "stored"} >= kept - gone - {messages[2].id} | {
        new
    }
    assert not {key for key in kept - gone - {messages[2].id} if in_inbox.get(key) != "stored"}
    assert {row.reason for row in result.items.values() if row.state == "failed"} <= {"refused_by_source"}
    assert messages[7].id not in in_inbox


def test_a_message_deleted_before_it_is_fetched_is_failed_by_name(tmp_path, served, graph, inbox):
    messages = inbox(3)
    graph.happens.append((rf"{messages[0].id}/", lambda: mailbox_of(graph).remove(messages[1])))
    result = run(tmp_path / "home", served, extra={"requests_at_once": "1"})
    assert result.states() == {"stored": 2, "failed": 1}
    row = result.items[messages[1].id]
    assert (row.reason, row.detail) == ("refused_by_source", "gone")


def test_a_folder_that_went_away_is_a_scope_failure(tmp_path, served, graph, inbox):
    inbox(3)

    def vanish() -> None:
        mailbox_of(graph).folders.clear()

    graph.happens.append((r"/messages\?", vanish))
    assert run(tmp_path / "home", served).scopes == {"mail/F0000": (3, 0, "unreadable", "scope_gone")}


def test_a_licence_removed_on_the_way_stops_and_loses_nothing(tmp_path, served, graph, inbox, monkeypatch):
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 1)
    messages = inbox(6)
    graph.happens.append((rf"{messages[3].id}/", lambda: graph.unlicensed.add(ACCOUNT)))
    with pytest.raises(AccessError, match="its licence was removed") as caught:
        run(tmp_path / "home", served)
    assert caught.value.code == "MailboxNotEnabledForRESTAPI"
    graph.unlicensed.clear()
    result = run(tmp_path / "home", served)
    assert set(result.items) == {one.id for one in messages}
    assert result.scopes == {"mail/F0000": (6, 6, None, None)}


# --- what a person is told ---


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"tenant": "elsewhere.example"}, r"no such tenant; check `tenant` in extra .*\(AADSTS90002\)$"),
        ({"login": "0"}, r"the tenant knows no such application; check `login`.*\(AADSTS700016\)$"),
        ({"secret": "wrong"}, r"the secret is not the application's; .*\(AADSTS7000215\)$"),
    ],
)
def test_a_refused_application_is_told_what_to_do(served, graph, wrong, says):
    graph.store.mailbox(ACCOUNT)
    made = context_of(served.url)
    extra = {**made.connection.extra, **({"tenant": wrong["tenant"]} if "tenant" in wrong else {})}
    fields = {key: value for key, value in wrong.items() if key != "tenant"}
    connection = replace(made.connection, extra=extra, **fields)
    with pytest.raises(AccessError, match=f"^source s1: connection m365: {says}") as caught:
        MicrosoftGraph(replace(made, connection=connection)).check()
    for kept in (ACCOUNT, CLIENT_SECRET, TENANT, "elsewhere", "wrong"):
        assert kept not in str(caught.value)


def test_an_expired_secret_is_told_by_name(served, graph):
    graph.entra.expired_secret = True
    with pytest.raises(AccessError, match=r"the secret has expired; make a new one.*AADSTS7000222"):
        connect(served).check()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda graph: graph.store.accounts.clear(), "the service knows no such account; check `account`"),
        (
            lambda graph: graph.unlicensed.add(ACCOUNT),
            "its licence was removed, it is inactive or on a server",
        ),
        (lambda graph: graph.over_quota.add(ACCOUNT), "the mailbox is over its quota"),
        (lambda graph: graph.forbidden.add(ACCOUNT), r"grant the application `Mail\.Read`.*named mailboxes"),
        (lambda graph: graph.entra.rights.clear(), r"grant the application `Mail\.Read`"),
    ],
)
def test_a_refused_mailbox_is_told_what_to_do(served, graph, inbox, spoil, says):
    inbox(1)
    spoil(graph)
    with pytest.raises(AccessError, match=rf"^source s1: connection m365: .*{says}") as caught:
        connect(served, places=()).check()
    assert ACCOUNT not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"extra": {}}, "lacks `tenant` in extra"),
        ({"login": ""}, "lacks `login`"),
        ({"secret": ""}, "lacks `password`"),
        ({"host": "http://graph.example.org"}, "is no https address"),
        ({"extra": {"patience_s": "long"}}, "`patience_s` in extra is no number"),
        ({"extra": {"requests_at_once": "many"}}, "`requests_at_once` in extra is no whole number"),
        (
            {"extra": {"tenant": TENANT, "private_key": "x", "certificate": "y"}},
            "certificate is not well formed",
        ),
    ],
)
def test_a_connection_that_lacks_something_is_told_by_name(served, change, says):
    made = context_of(served.url)
    extra = {"authority": served.url, **change["extra"]} if "extra" in change else made.connection.extra
    connection = replace(made.connection, **{**change, "extra": extra})
    with pytest.raises(SettingsError, match=says):
        MicrosoftGraph(replace(made, connection=connection)).check()


def test_a_certificate_serves_in_place_of_a_secret(served, graph, inbox):
    inbox(1)
    made = context_of(served.url)
    key, certificate = key_and_certificate()
    extra = {**made.connection.extra, "private_key": key, "certificate": certificate}
    connection = replace(made.connection, secret="", extra=extra)
    MicrosoftGraph(replace(made, connection=connection, places=("mail",))).check()
    assert graph.entra.asked == 1


def key_and_certificate() -> tuple[str, str]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "daylight")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode(), made.decode()


def test_a_place_that_nobody_named_may_be_refused_and_is_shown(served, graph, inbox):
    inbox(1)
    graph.entra.rights = {MAIL}
    source = connect(served, places=())
    source.check()
    assert [scope.key for scope in source.scopes() if not scope.key.startswith(("teams", "files"))] == [
        "mail/F0000",
        "attachments/messages",
    ]
    refused = {place.key: place.detail for place in source.unreached() if place.reach is Reach.REFUSED}
    for key in ("calendar", "attachments/events"):
        assert refused[key].startswith(
            "ErrorAccessDenied: refused; grant the application `Calendars.Read` (an application permission), "
        )
    assert refused["recoverable"] == "ErrorItemNotFound"
    with pytest.raises(AccessError, match=r"`Calendars\.Read`"):
        connect(served, places=("mail", "calendar")).check()


def test_what_is_not_reached_is_known_without_listing_first(served, graph, inbox):
    inbox(1)
    graph.entra.rights = {MAIL}
    refused = [place.key for place in connect(served, places=()).unreached() if place.reach is Reach.REFUSED]
    assert "calendar" in refused


def test_nothing_of_account_token_or_secret_is_logged(served, graph, inbox, caplog):
    caplog.set_level(logging.DEBUG)
    inbox(2)
    served.faults.append(Fault(r"\$value", 429, {"retry-after": "0"}))
    source = connect(served)
    source.check()
    everything(source, INBOX)
    for kept in (ACCOUNT, "ana", CLIENT, CLIENT_SECRET, "fake-token", TENANT, SECRET):
        assert kept not in caplog.text


# --- calendars ---


def read_event(about: dict[str, Any]):
    import io

    return CalendarReader().extract(
        io.BytesIO(icalendar_of(about)),
        ExtractContext(media_type="text/calendar", name=None, time_zone=ZONE),
    )


def test_an_event_is_what_the_extract_room_reads():
    read = read_event(event("EV1", categories=["Board"], isCancelled=True))
    assert read.kind is Kind.EVENT
    assert read.fields.subject == f"{SECRET} EV1"
    assert read.fields.moment.at == datetime(2025, 3, 4, 18, 0, tzinfo=UTC)
    assert read.fields.sender.address == ACCOUNT
    assert [(one.name, one.address) for one in read.fields.to] == [("Lee Okafor", "lee@example.org")]
    assert read.fields.message_id == "uid-EV1"
    assert read.text.splitlines() == [
        "Location: Room 4",
        f"agenda {SECRET}",
        "Status: CANCELLED",
        "Categories: Board",
        f"Organizer: Ana Ruiz <{ACCOUNT}>",
        "Attendee: Lee Okafor <lee@example.org>",
    ]


def test_a_series_keeps_its_zone_its_changes_and_its_gaps():
    read = read_event(series("EV2"))
    assert read.metadata["events"] == "2"
    assert read.metadata["rrule"] == "FREQ=WEEKLY;INTERVAL=1;BYDAY=TU;WKST=SU"
    text = icalendar_of(series("EV2")).decode().replace("\r\n ", "")
    assert "DTSTART;TZID=America/Los_Angeles:20250304T100000" in text
    assert "EXDATE;TZID=America/Los_Angeles:20250318T100000" in text
    assert "RECURRENCE-ID;TZID=America/Los_Angeles:20250311T100000" in text
    assert "SUMMARY:moved by a day" in text
    assert icalendar_of(series("EV2")) == icalendar_of(series("EV2"))


@pytest.mark.parametrize(
    ("pattern", "span", "rule"),
    [
        ({"type": "daily", "interval": 2}, {"type": "numbered", "numberOfOccurrences": 5},
         "FREQ=DAILY;COUNT=5;INTERVAL=2"),
        ({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 15}, {"type": "noEnd"},
         "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=15"),
        ({"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["monday"], "index": "last"},
         {"type": "noEnd"}, "FREQ=MONTHLY;INTERVAL=1;BYDAY=-1MO"),
        ({"type": "relativeYearly", "interval": 1, "daysOfWeek": ["monday", "friday"], "index": "first",
          "month": 9}, {"type": "noEnd"}, "FREQ=YEARLY;INTERVAL=1;BYDAY=MO,FR;BYMONTH=9;BYSETPOS=1"),
        ({"type": "absoluteYearly", "interval": 1, "dayOfMonth": 4, "month": 7},
         {"type": "endDate", "endDate": "2026-07-04"},
         "FREQ=YEARLY;UNTIL=20260705T065959Z;INTERVAL=1;BYMONTHDAY=4;BYMONTH=7"),
    ],
)  # fmt: skip
def test_every_pattern_of_recurrence_becomes_a_rule(pattern, span, rule):
    about = event("E", type="seriesMaster", recurrence={"pattern": pattern, "range": span})
    assert read_event(about).metadata["rrule"] == rule


def test_an_all_day_event_is_days_and_what_is_no_event_costs_only_itself(tmp_path, served, graph):
    graph.store.mailbox(ACCOUNT)
    calendar = tenant().calendars[ACCOUNT][0]
    calendar.events.append({**event("EV8"), "x-corrupt": True})
    odd = {"pattern": {"type": "lunar"}, "range": {"type": "noEnd"}}
    calendar.events.append(event("EV9", type="seriesMaster", recurrence=odd))
    graph.calendars[ACCOUNT] = [calendar]
    assert b"DTSTART;VALUE=DATE:20250306" in icalendar_of(calendar.events[2])
    result = run(tmp_path / "home", served, places=("calendar",), extra={"patience_s": "30"})
    assert result.states() == {"stored": 3, "failed": 2}
    assert {row.native_key: row.reason for row in result.items.values() if row.reason} == {
        "EV8": "corrupt",
        "EV9": "not_convertible",
    }
    assert result.warnings("EV1") == ["converted"]
    assert result.facts("EV1")["change"] == "ck-EV1"


@pytest.mark.parametrize(
    ("first", "last", "inside"),
    [
        (date(2025, 3, 4), date(2025, 3, 4), {"EV1", "EV2"}),
        (date(2025, 3, 1), date(2025, 3, 3), set()),
        (date(2030, 1, 1), date(2030, 1, 31), {"EV2"}),
        (date(2025, 5, 1), None, {"EV2"}),
    ],
)
def test_a_series_is_outside_only_when_all_of_it_is(served, graph, first, last, inside):
    graph.store.mailbox(ACCOUNT)
    ended = series("EV7")
    ended["recurrence"]["range"] |= {"type": "endDate", "endDate": "2025-04-01"}
    calendar = tenant().calendars[ACCOUNT][0]
    calendar.events = [calendar.events[0], calendar.events[1], ended]
    graph.calendars[ACCOUNT] = [calendar]
    items = connect(served, places=("calendar",)).items(
        Part(Scope("calendar/CAL1", "", "calendar")), Window(first, last, ZONE)
    )
    found = {item.native_key for item in items if not isinstance(item, ExcludedItem)}
    assert found - {"EV7"} == inside
    assert ("EV7" in found) == (first <= date(2025, 4, 1) and (last is None or last >= date(2025, 3, 4)))


def test_a_calendar_that_loses_an_event_while_it_is_listed_shows_all_others(served, graph, monkeypatch):
    monkeypatch.setattr("connectors.graph_calendar.PAGE", 2)
    graph.store.mailbox(ACCOUNT)
    calendar = tenant().calendars[ACCOUNT][0]
    calendar.events = [event(f"E{number}") for number in range(6)]
    graph.calendars[ACCOUNT] = [calendar]
    graph.happens.append(("skip=2", lambda: calendar.events.pop(0)))  # pushes E2 out of the second page
    items = connect(served, places=("calendar",)).items(Part(Scope("calendar/CAL1", "", "calendar")), ALWAYS)
    assert [item.native_key for item in items] == [f"E{number}" for number in range(6)]


# --- linked files ---


def test_linked_files_are_fetched_as_of_now_or_listed_as_missing(tmp_path, served, graph, inbox):
    messages = inbox(5)
    graph.attached = {
        messages[0].id: [
            Attachment("A", "plan.docx", b"as of now", CLOUD),
            Attachment("B", "gone.docx", None, f"{CLOUD}.gone"),
        ],
        messages[1].id: [Attachment("C", "theirs.docx", b"x", "https://other.example/elsewhere/x.docx")],
        messages[2].id: [Attachment("D", "carried.pdf", b"is in the MIME")],
    }
    result = run(tmp_path / "home", served, places=("attachments",), extra={"patience_s": "30"})
    kept = f"{messages[0].id}/A"
    assert {key: (row.state, row.reason) for key, row in result.items.items()} == {
        kept: ("stored", None),
        f"{messages[0].id}/B": ("failed", "expired_link"),
        f"{messages[1].id}/C": ("failed", "refused_by_source"),
    }
    assert result.items[kept].name == "plan.docx"
    assert result.warnings(kept) == ["as_of_now"]
    assert result.facts(kept) == {"attached": "linked", "folder": "Inbox", "message": messages[0].id}
    # the address that the file is loaded from is asked without the token: the fake refuses one
    assert [line for line in served.requests if "/preauthenticated/" in line]


def test_a_linked_file_without_an_address_is_missing(tmp_path, served, graph, inbox):
    [message] = inbox(1)
    graph.attached = {message.id: [Attachment("A", "plan.docx", b"x", CLOUD)]}
    served.faults.append(Fault("/beta/", 200, body=b'{"id": "A"}'))
    result = run(tmp_path / "home", served, places=("attachments",))
    assert result.items[f"{message.id}/A"].reason == "not_in_export"


def test_linked_files_without_the_right_to_files_are_refused_one_by_one(tmp_path, served, graph, inbox):
    [message] = inbox(1)
    graph.attached = {message.id: [Attachment("A", "plan.docx", b"x", CLOUD)]}
    graph.entra.rights = {MAIL, CALENDARS}
    row = run(tmp_path / "home", served, places=("attachments",)).items[f"{message.id}/A"]
    assert (row.state, row.reason, row.detail) == ("failed", "refused_by_source", "linked_file")
    graph.entra.rights.add(FILES)


# --- limits ---


def test_a_governor_lets_through_what_is_allowed_and_no_more(tmp_path):
    governor = Governor("k", at_once=0, requests=100, period_s=1.0, folder=str(tmp_path))
    times = []
    for _ in range(250):  # more than two periods allow
        with governor.turn():
            times.append(time.monotonic())
    for first in times:
        assert sum(first <= one < first + 0.99 for one in times) <= 100


ASKS = """
import sys, time
from connectors.governor import Governor
governor = Governor("k", at_once=4, requests=100, period_s=1.0, folder=sys.argv[1])
while time.time() < float(sys.argv[2]):
    with governor.turn():
        print(time.time())
"""


def test_several_processes_share_the_limits_of_one_mailbox(tmp_path):
    ended = str(time.time() + 2)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", ASKS, str(tmp_path), ended], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    asked = [[float(line) for line in worker.communicate()[0].split()] for worker in workers]
    assert min(map(len, asked)) > 0
    times = sorted(time for one in asked for time in one)
    # a process may be put off between its turn and the look at the clock, never the other way round
    assert max(sum(first <= one < first + 0.9 for one in times) for first in times) <= 100
    assert len(list(tmp_path.glob("*.due"))) == 1


def test_four_at_a_time_are_under_way_and_never_five(tmp_path):
    governor = Governor("k", at_once=4, requests=0, period_s=1.0, folder=str(tmp_path))
    now, most, lock = [0], [0], threading.Lock()

    def ask() -> None:
        for _ in range(5):
            with governor.turn():
                with lock:
                    now[0] += 1
                    most[0] = max(most[0], now[0])
                time.sleep(0.01)
                with lock:
                    now[0] -= 1

    threads = [threading.Thread(target=ask) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [4]


def test_a_killed_process_gives_its_place_back_and_others_hold_off_when_asked(tmp_path):
    governor = Governor("k", at_once=1, requests=1_000, period_s=1.0, folder=str(tmp_path))
    child = os.fork()
    if child == 0:
        governor.turn().__enter__()
        os._exit(0)  # without giving anything back
    os.waitpid(child, 0)
    with governor.turn():
        pass
    governor.hold_off(0.3)
    began = time.monotonic()
    with Governor("k", at_once=1, requests=1_000, period_s=1.0, folder=str(tmp_path)).turn():
        assert time.monotonic() - began >= 0.29


def test_who_waits_for_its_turn_can_be_interrupted(tmp_path):
    """Waiting for a place, and for the time that is due."""
    governor = Governor("k", at_once=1, requests=0, period_s=1.0, folder=str(tmp_path))
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    with governor.turn(), pytest.raises(Busy), governor.turn(stop):
        pass
    governor.hold_off(60.0)
    began = time.monotonic()
    with pytest.raises(Busy), governor.turn(stop):
        pass
    assert time.monotonic() - began < 10


def test_the_real_limits_are_kept_and_used(tmp_path):
    """So many in so long and four at a time, as the service has it, only faster."""
    graph = large(300)
    graph.latency_s = 0.01
    graph.limits = Limits(300, 1.0, 4)
    with Served(graph.app()) as served:
        source = MicrosoftGraph(
            context_of(
                served.url, "large@example.org", places=("mail",),
                extra={"requests_per_10_minutes": "300", "requests_period_s": "1", "requests_at_once": "4"},
            )
        )  # fmt: skip
        began = time.monotonic()
        items = list(everything(source, next(source.scopes()))[1].values())
        seconds = time.monotonic() - began
    assert len(items) == 300
    assert graph.limits.refused == 0
    assert graph.limits.most_at_once == 4
    allowed = min(300, 4 / graph.latency_s)
    assert 300 / seconds > allowed / 4  # a whole machine's tests run beside this one


def test_a_very_large_mailbox_is_listed_by_ranges_that_meet(monkeypatch):
    graph = large(200_000)
    with Served(graph.app()) as served:
        source = MicrosoftGraph(context_of(served.url, "large@example.org", places=("mail",)))
        scope = next(source.scopes())
        assert source.count(scope).count == 200_000
        part = Part(scope, 20, '{"v": 1, "first": "2025-05-19T10:00:00Z", "before": "2025-05-19T12:00:00Z"}')
        found = [item.native_key for item in source.items(part, ALWAYS)]
    assert found == [f"L{number:012d}" for number in range(199_320, 199_440)]


# --- reading ahead ---


def lines(count: int, failure: Exception | None = None):
    for number in range(count):
        yield FoundItem(str(number), Kind.FILE, str(number))
    if failure:
        raise failure


def test_bytes_are_fetched_ahead_only_for_who_opens(tmp_path):
    asked: list[str] = []

    def opener(item: FoundItem):
        asked.append(item.native_key)
        return io.BytesIO(item.native_key.encode())

    assert [item.native_key for item in drawn_ahead(lines(6), opener, 3)] == list("012345")
    assert asked == []
    got = [item.handle.open().read() for item in drawn_ahead(lines(6), opener, 3)]
    assert got == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert sorted(asked) == list("012345")


def test_who_ends_early_waits_for_nothing_and_leaves_nothing_open(served, inbox):
    """Bytes on their way are let go, and a thread that waits for a busy service ends its waiting."""
    messages = inbox(8)
    served.faults.append(Fault(rf"{messages[4].id}/\$value", 503, times=None))
    before = set(threading.enumerate())
    source = connect(served, extra={"patience_s": "60"})
    items = source.items(Part(INBOX), ALWAYS)
    for _ in range(3):
        opened(source, next(items))
    next(items)
    began = time.monotonic()
    while len([line for line in served.requests if messages[4].id in line]) < 1:
        time.sleep(0.01)
    items.close()
    while [one for one in set(threading.enumerate()) - before if "ahead" in one.name]:
        assert time.monotonic() - began < 20
        time.sleep(0.01)


def test_a_thread_that_begins_as_nobody_draws_any_more_waits_for_nothing(tmp_path):
    closed, ended = threading.Event(), threading.Semaphore(0)
    of_thread = threading.local()

    def heed(over: threading.Event) -> None:
        of_thread.over = over

    def opener(item: FoundItem):
        if int(item.native_key) >= 2:
            assert closed.wait(60)
            assert of_thread.over.wait(60)
            ended.release()
        return io.BytesIO()

    items = drawn_ahead(lines(6), opener, 3, heed)
    for _ in range(2):
        next(items).handle.open()
    next(items)
    items.close()
    closed.set()
    assert all(ended.acquire(timeout=60) for _ in range(3))


def test_what_was_drawn_comes_before_what_went_wrong(tmp_path):
    items = drawn_ahead(lines(2, ItemError(Reason.UNREADABLE, "x")), lambda _: None, 4)
    assert [next(items).native_key, next(items).native_key] == ["0", "1"]
    with pytest.raises(ItemError):
        next(items)
