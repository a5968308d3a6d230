"""What services do that no page of theirs says: answers that lie, lists that loop, places shut on the way."""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors import collect, exchange_ews, graph_mail
from connectors.exchange_ews import ExchangeEws
from connectors.google_auth import Google
from connectors.google_gmail import READ as GMAIL_READ
from connectors.google_workspace import GoogleWorkspace
from connectors.imap_session import _fetched_token
from connectors.microsoft import Service
from connectors.microsoft_graph import MicrosoftGraph
from records import rounds
from records import tables as t
from records.errors import ItemError, Retryable, SettingsError
from records.models import ExcludedItem, FoundItem, Part, Scope, Window
from records.vocabulary import Reach, Reason
from tests.connectors import built_ews, built_google
from tests.connectors.builders import ALWAYS, ZONE, mail
from tests.connectors.built_graph import ACCOUNT, context_of, mailbox_of, series, tenant
from tests.connectors.collecting import Collected, Killed, collected
from tests.records.homes import REQUEST, new_catalogue
from tests.servers.ews import Ews, Trouble
from tests.servers.google import Workspace
from tests.servers.graph import CALENDARS, Attachment, Graph
from tests.servers.web import Fault, Served

INBOX = Scope("mail/F0000", "Inbox", "folder")
ERROR = b'{"error": {"code": "UnknownError", "message": "zanzibar"}}'
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with Served(Graph().app()) as made:
        yield made


@pytest.fixture(autouse=True)
def own_locks(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.governor._FOLDERS", (str(tmp_path_factory.mktemp("locks")),))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between two tries."""
    monkeypatch.setattr("tenacity.nap.sleep", lambda _: None)
    monkeypatch.setattr("tenacity.sleep_using_event", lambda _: lambda _: None)


@pytest.fixture
def graph() -> Graph:
    made = Graph()
    box = made.store.mailbox(ACCOUNT)
    inbox = box.folder("Inbox", role="inbox")
    for number in range(7):
        box.add(inbox, mail(number), received=datetime(2025, 3, 4, 18, number, tzinfo=UTC))
    return made


@pytest.fixture
def served(server: Served, graph: Graph) -> Served:
    return serving(server, graph.app())


def serving(server: Served, app: Any) -> Served:
    server.app = app
    server.faults.clear()
    server.requests.clear()
    return server


def connect(served: Served, *places: str, **about: Any) -> MicrosoftGraph:
    return MicrosoftGraph(context_of(served.url, places=places or ("mail",), **about))


def run(home: Path, served: Served, *places: str, **about: Any) -> Collected:
    context = context_of(served.url, places=places or ("mail",), **about.pop("source", {}))
    return collected(home, MicrosoftGraph, context, **about)


@pytest.fixture(scope="module")
def exchange_port() -> Iterator[Served]:
    with Served(Ews().app()) as made:
        yield made


@pytest.fixture
def exchange(exchange_port: Served) -> Ews:
    made = built_ews.organisation()
    exchange_port.app = made.app()
    return made


@pytest.fixture
def mailbox(exchange: Ews, exchange_port: Served) -> ExchangeEws:
    return ExchangeEws(built_ews.context_of(exchange_port.url, places=("primary",)))


def inbox_of(mailbox: ExchangeEws) -> Scope:
    return next(scope for scope in mailbox.scopes() if scope.label == "Inbox")


# -- lists ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_what_is_no_page_is_never_the_end_of_a_list(
    tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_mail, "PAGE", 3)
    patient = {"extra": {"patience_s": "5"}}
    for body in (ERROR, b'{"value": null}', b""):
        served.faults.append(Fault(r"/messages\?", 200, JSON, body, skip=1))
    assert run(tmp_path / "a", served, source=patient).scopes == {"mail/F0000": (7, 7, None, None)}
    for home, body in (("b", b'{"@odata.context": "x"}'), ("c", b'{"value": [{"subject": "no id"}]}')):
        served.faults[:] = [Fault(r"/messages\?", 200, JSON, body, skip=1, times=None)]
        made = run(tmp_path / home, served)
        assert made.scopes == {"mail/F0000": (7, 2, "unreadable", "half_answer")}
    served.faults.clear()
    assert run(tmp_path / "b", served).scopes == {"mail/F0000": (7, 7, None, None)}


def test_a_folder_that_tells_no_number_is_read_and_counted_as_unknown(tmp_path: Path, served: Served) -> None:
    served.faults.append(Fault(r"/mailFolders/F0000\?", 200, JSON, b'{"id": "F0000"}', times=None))
    assert run(tmp_path / "home", served).scopes == {"mail/F0000": (None, 7, None, None)}


def test_links_that_lead_in_a_circle_are_broken_off(served: Served) -> None:
    links = 3
    base = f"{served.url}/v1.0/users/{ACCOUNT}/mailFolders/F0000/messages"
    for number in range(links):
        following = {"value": [], "@odata.nextLink": f"{base}?page={(number + 1) % links}"}
        body = json.dumps(following).encode()
        served.faults.append(Fault(rf"/messages\?(?:page={number}|\$sel.*)$", 200, JSON, body, times=None))
    with pytest.raises(ItemError) as caught:
        list(connect(served).items(Part(INBOX), ALWAYS))
    assert (caught.value.reason, caught.value.detail) == (Reason.CORRUPT, "page_loop")
    assert len(served.requests) == 1 + links + 2  # the first of the list, the circle, the token's two


def test_a_filter_that_is_not_heeded_is_broken_off(
    tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_mail, "PAGE", 3)
    app = served.app

    async def without_filter(scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        await app({**scope, "query_string": re.sub(rb"%24filter=[^&]*&?", b"", scope["query_string"])
                   .replace(b"$filter", b"x")}, receive, send)  # fmt: skip

    served.app = without_filter
    made = run(tmp_path / "home", served)
    assert made.scopes == {"mail/F0000": (7, 7, "corrupt", "page_order")}


def test_one_second_of_several_pages_that_loses_a_message_meanwhile_shows_all_others(
    tmp_path: Path, served: Served, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_mail, "PAGE", 3)
    box = mailbox_of(graph)
    for message in list(box.messages.values()):
        box.change(message, received=datetime(2025, 3, 4, 18, tzinfo=UTC))
    first = next(iter(box.messages))
    graph.happens.append((r"skip=3", lambda: box.messages.pop(first)))
    made = run(tmp_path / "home", served)
    assert set(box.messages) <= set(made.items)
    assert made.states() == {"stored": 6, "failed": 1}  # the one that went away was seen before


def test_a_calendar_whose_links_end_each_time_is_a_failure(served: Served, graph: Graph) -> None:
    graph.calendars[ACCOUNT] = tenant().calendars[ACCOUNT][:1]
    source = connect(served, "calendar")
    gone = json.dumps({"error": {"code": "resyncRequired"}}).encode()
    served.faults.append(Fault("/events", 410, JSON, gone, times=None))
    with pytest.raises(ItemError) as caught:
        list(source.items(Part(Scope("calendar/CAL1", "", "calendar")), ALWAYS))
    assert caught.value.detail == "gone"


@pytest.mark.parametrize(
    ("zone", "start", "hours", "first", "inside"),
    [
        ("Pacific Standard Time", "2025-03-04T18:00", 1, date(2025, 4, 1), True),
        ("Pacific Standard Time", "2025-03-04T18:00", 1, date(2025, 4, 2), False),
        ("Pacific Standard Time", "2025-03-04T18:00", 72, date(2025, 4, 4), True),  # the last one lasts long
        ("Hawaiian Standard Time", "2025-03-05T08:00", 1, date(2025, 4, 2), True),  # its day ends after ours
        ("Hawaiian Standard Time", "2025-03-05T08:00", 1, date(2025, 4, 3), False),
        ("nowhere", "2025-03-04T18:00", 1, date(2025, 4, 2), True),
    ],
)
def test_a_series_ends_when_its_last_event_does_where_it_is_held(
    served: Served, graph: Graph, zone: str, start: str, hours: int, first: date, *, inside: bool
) -> None:
    ended = series("EV7")
    ended["recurrence"]["range"] |= {"type": "endDate", "endDate": "2025-04-01", "recurrenceTimeZone": zone}
    ended["start"]["dateTime"] = start
    ended["end"]["dateTime"] = (datetime.fromisoformat(start) + timedelta(hours=hours)).isoformat()
    calendar = tenant().calendars[ACCOUNT][0]
    calendar.events = [ended]
    graph.calendars[ACCOUNT] = [calendar]
    (item,) = connect(served, "calendar").items(
        Part(Scope("calendar/CAL1", "", "calendar")), Window(first, None, ZONE)
    )
    assert isinstance(item, ExcludedItem) is not inside


def test_linked_files_are_all_there_once_although_folders_change_places_between_attempts(
    tmp_path: Path, served: Served, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "CHUNK_ITEMS", 1)
    box = mailbox_of(graph)
    wanted = set()
    for number, folder in enumerate(
        [*box.folders.values(), box.folder("A"), box.folder("B"), box.folder("C")]
    ):
        message = box.add(folder, mail(20 + number))
        address = f"https://district.sharepoint.example/{number}.docx"
        graph.attached[message.id] = [Attachment(f"AT{number}", f"{number}.docx", b"PK", address)]
        wanted.add(f"{message.id}/AT{number}")
    for kill_after in (2, 1):
        with pytest.raises(Killed):
            run(tmp_path / "home", served, "attachments", kill_after=kill_after)
        box.folders = dict(reversed(box.folders.items()))  # the service lists them by name, say
    made = run(tmp_path / "home", served, "attachments")
    assert set(made.items) == wanted


# -- bytes ------------------------------------------------------------------------------------------------


class Scripted:
    """Answers each request for bytes as it is told, in turn; tokens as the fake of Entra does."""

    def __init__(self, graph: Graph, *answers: tuple[int, dict[str, str], bytes]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, str]] = []
        self.others = graph.app()

    async def __call__(
        self, scope: dict[str, Any], receive: Callable, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if "/bytes" not in scope["path"]:
            await self.others(scope, receive, send)
            return
        self.asked.append({name.decode(): value.decode() for name, value in scope["headers"]})
        status, headers, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        stated = [(name.encode(), value.encode()) for name, value in headers.items()]
        if "content-length" not in headers:
            stated.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": stated})
        await send({"type": "http.response.body", "body": body, "more_body": "content-length" in headers})


WHOLE = b"0123456789"
TAG = {"etag": '"v1"'}
CUT = (200, {"content-length": "10", **TAG}, WHOLE[:4])


def part(first: int, last: int, total: object = 10, tag: str = '"v1"') -> tuple[int, dict[str, str], bytes]:
    about = {"content-range": f"bytes {first}-{last}/{total}", "etag": tag}
    return 206, about, WHOLE[first : last + 1]


@pytest.mark.parametrize(
    ("answers", "ranges"),
    [
        ([CUT, part(4, 9)], [None, "bytes=4-"]),
        ([CUT, part(4, 6), part(7, 9)], [None, "bytes=4-", "bytes=7-"]),  # less than was asked for
        ([CUT, part(2, 9), (200, TAG, WHOLE)], [None, "bytes=4-", None]),  # another part than was asked for
        ([CUT, (206, {"content-range": "words"}, b"x"), (200, TAG, WHOLE)], [None, "bytes=4-", None]),
        ([CUT, (416, {}, b""), (200, TAG, WHOLE)], [None, "bytes=4-", None]),
        ([part(0, 4), (200, TAG, WHOLE)], [None, "bytes=5-"]),  # a part that nobody asked for
        ([(200, {"content-length": "10"}, WHOLE[:4]), (200, {}, WHOLE)], [None, None]),  # of no known version
        ([(202, {}, b""), (200, TAG, WHOLE)], [None, None]),
        ([(302, {"location": "/elsewhere/bytes"}, b""), (200, TAG, WHOLE)], [None, None]),
    ],
)
@pytest.mark.usefixtures("quick")
def test_bytes_are_whole_however_they_come(
    server: Served, graph: Graph, answers: list[Any], ranges: list[str | None]
) -> None:
    served = serving(server, app := Scripted(graph, *answers))
    service = Service("s1", connection_of(served))
    with service.download("/bytes") as stream:
        assert stream.read() == WHOLE
    assert [one.get("range") for one in app.asked] == ranges
    assert {one["accept-encoding"] for one in app.asked} == {"identity"}
    service.close()


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ((202, {}, b""), "http_202"),
        ((204, {}, b""), "http_204"),
        ((304, {}, b""), "http_304"),
        ((302, {}, b""), "http_302"),
        ((302, {"location": "http://[half"}, b""), "redirections"),
        ((302, {"location": "/bytes"}, b""), "redirections"),
    ],
)
@pytest.mark.usefixtures("quick")
def test_an_answer_without_bytes_is_a_failure_by_name(
    server: Served, graph: Graph, answer: Any, detail: str
) -> None:
    service = Service("s1", connection_of(serving(server, Scripted(graph, answer))))
    with pytest.raises(ItemError) as caught:
        service.download("/bytes")
    assert caught.value.detail == detail
    service.close()


@pytest.mark.usefixtures("quick")
def test_the_halves_of_two_exports_are_never_joined(server: Served, graph: Graph) -> None:
    """A document is exported anew each time, and no sum says of what."""
    fake = Workspace()
    fake.account(ACCOUNT)
    app = Scripted(graph, (200, {"content-length": "10"}, b"old "), (200, {}, b"new export"))
    app.others = fake.app()
    served = serving(server, app)
    google = Google("s1", fake.connection(served, patience_s="5"), ACCOUNT, "drive", (GMAIL_READ,))
    with google.download(f"{served.url}/bytes") as stream:
        assert stream.read() == b"new export"
    assert [one.get("range") for one in app.asked] == [None, None]
    google.close()


@pytest.mark.usefixtures("quick")
def test_a_message_is_never_nothing_or_an_error(tmp_path: Path, served: Served) -> None:
    for number, body in enumerate((b"", ERROR)):
        served.faults.append(Fault(r"\$value", 200, JSON, body, skip=number))
    served.faults.append(Fault(r"\$value", 200, JSON, b"", skip=5, times=4))
    made = run(tmp_path / "a", served, source={"extra": {"requests_at_once": "1", "patience_s": "5"}})
    assert made.states() == {"stored": 6, "failed": 1}
    failed = [(row.reason, row.detail) for row in made.items.values() if row.state == "failed"]
    assert failed == [("unreadable", "half_answer")]
    assert {row.size_bytes for row in made.items.values() if row.state == "stored"} == {len(mail(0))}


def test_bytes_that_are_no_base64_are_a_failure_of_the_item(
    exchange: Ews, mailbox: ExchangeEws, monkeypatch: pytest.MonkeyPatch
) -> None:
    (part,) = mailbox.parts(inbox_of(mailbox), 100, 1 << 40)
    for large in (exchange_ews._LARGE_BYTES, 1):  # many in one answer, and one as it comes
        monkeypatch.setattr(exchange_ews, "_LARGE_BYTES", large)
        for letter in ("*", ""):  # one that is none, one that is missing

            def edit(text: str, letter: str = letter) -> str:
                return re.sub("(<t:MimeContent[^>]*>.{8}).", rf"\g<1>{letter}", text)

            (*_, item) = mailbox.items(part, ALWAYS)
            assert isinstance(item, FoundItem)
            exchange.troubles[:] = [Trouble("GetItem", edit=edit, times=None)]
            with pytest.raises(ItemError) as caught:
                mailbox.open(item)
            assert (caught.value.reason, caught.value.detail) == (Reason.NOT_CONVERTIBLE, "mime_content")
            exchange.troubles.clear()


@pytest.mark.usefixtures("quick")
def test_a_folder_whose_figures_lie_or_are_missing_is_read_or_fails_by_name(
    exchange: Ews, mailbox: ExchangeEws
) -> None:
    scope = inbox_of(mailbox)
    (part,) = mailbox.parts(scope, 100, 1 << 40)
    wanted = [item.native_key for item in mailbox.items(part, ALWAYS)]
    answer = r"(?s)(<m:{0}ResponseMessage .*</m:{0}ResponseMessage>)"
    figures = r'TotalItemsInView="\d+"'

    def spoil(operation: str, pattern: str, to: str) -> None:
        exchange.troubles[:] = [Trouble(operation, edit=lambda text: re.sub(pattern, to, text), times=None)]

    spoil("FindItem", figures, 'TotalItemsInView="0"')
    assert [item.native_key for item in mailbox.items(part, ALWAYS)] == wanted
    spoil("FindItem", figures, "")
    with pytest.raises(ItemError, match="unreadable: half_answer"):
        list(mailbox.items(part, ALWAYS))
    spoil("FindItem", answer.format("FindItem"), "")
    with pytest.raises(ItemError, match="unreadable: half_answer"):
        list(mailbox.items(part, ALWAYS))
    spoil("GetFolder", answer.format("GetFolder"), r"\1\1")
    with pytest.raises(ItemError, match="unreadable: half_answer"):
        mailbox.count(scope)


def connection_of(served: Served) -> Any:
    return context_of(served.url, extra={"patience_s": "5"}).connection


def test_asking_for_a_token_of_imap_leaves_no_line_in_a_log(
    server: Served, graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("httpx", "httpcore"):  # as they are before anything is asked
        logging.getLogger(name).setLevel(logging.NOTSET)
    caplog.set_level(logging.DEBUG)
    served = serving(server, Scripted(graph, (200, JSON, b'{"access_token": "t"}')))
    address = f"{served.url}/bytes/token/zanzibar"
    assert _fetched_token(address, connection_of(served), "source s1") == "t"
    assert "zanzibar" not in caplog.text


def test_a_key_that_is_none_is_in_no_traceback(served: Served) -> None:
    extra = {"private_key": "zanzibar key", "certificate": "zanzibar certificate"}
    with pytest.raises(SettingsError, match="certificate is not well formed") as caught:
        next(connect(served, extra=extra).scopes())
    assert "zanzibar" not in "".join(traceback.format_exception(caught.value))


# -- waiting, and being shut out --------------------------------------------------------------------------


def test_a_service_that_says_at_once_and_is_busy_for_ever_is_not_hammered(served: Served) -> None:
    served.faults.append(Fault("/mailFolders", 429, {"retry-after": "0"}, times=None))
    with pytest.raises(Retryable):
        list(connect(served).scopes())
    assert sum("/mailFolders" in line for line in served.requests) < 12


def test_what_came_before_a_service_went_away_is_kept_however_little_it_is(
    tmp_path: Path, served: Served
) -> None:
    served.faults.append(Fault(r"\$value", 503, skip=3, times=None))
    with pytest.raises(Retryable):
        run(tmp_path / "home", served, source={"extra": {"requests_at_once": "1"}})
    before = len(served.requests)
    served.faults.clear()
    assert run(tmp_path / "home", served).states() == {"stored": 7}
    assert sum("$value" in line for line in served.requests[before:]) == 4


def test_a_place_that_is_refused_by_now_or_left_out_has_not_vanished(
    tmp_path: Path, served: Served, graph: Graph
) -> None:
    graph.calendars[ACCOUNT] = tenant().calendars[ACCOUNT]
    mailbox_of(graph).folder("Deletions", role="recoverableitemsdeletions", root="recoverable")
    home = tmp_path / "home"

    def again(round_no: int, *places: str) -> dict[str, str]:
        context = context_of(served.url, places=places)
        return collected(home, MicrosoftGraph, context, round_no=round_no).outcomes

    places = ("mail", "recoverable", "calendar")
    only = {"teams_chats", "teams_retained", "teams_channels", "files", "sites", "shared", "attachments"}
    for place in only:
        served.faults.append(Fault({"files": "/drives", "sites": "/sites"}.get(place, "getAll|joinedT"), 403,
                                   times=None))  # fmt: skip
    assert again(0, *places) == {}
    graph.entra.rights.discard(CALENDARS)
    met = again(1)
    assert set(met.values()) == {"same"}
    assert not {"EV1", "EV2", "EV3"} & set(met)
    catalogue = new_catalogue(home)
    with catalogue.write() as connection:
        left_out = rounds.left_out(connection, REQUEST)
        assert left_out["s1", "calendar/CAL1"] == left_out["s1", "calendar/CAL2"] == Reach.REFUSED
        missing = connection.scalars(sa.select(t.scopes.c.missing_since)).all()
        assert set(missing) == {None}
    catalogue.close()
    met = again(2, "mail")  # the version in force asks for no calendar
    assert set(met.values()) == {"same"}
    assert "EV1" not in met
    graph.entra.rights.add(CALENDARS)
    met = again(3, *places)
    assert {met[key] for key in ("EV1", "EV2", "EV3")} == {"same"}


def test_a_full_reading_that_is_cut_short_doubles_nothing(
    tmp_path: Path, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a cursor is known no more, what follows an item may be stored or not."""
    monkeypatch.setattr(collect, "CHUNK_ITEMS", 2)
    fake = Workspace(page=3)
    account = fake.account(ACCOUNT)
    first = datetime(2025, 3, 4, tzinfo=UTC)
    keys = [account.mail.add("all", mail(n), received=first + timedelta(days=n)).id for n in range(8)]
    served = serving(server, fake.app())
    home = tmp_path / "home"

    def go(kill_after: int | None = None) -> Collected:
        context = built_google.context_of(fake, served, places=("mail",))
        return collected(home, GoogleWorkspace, context, kill_after=kill_after)

    with pytest.raises(Killed):
        go(4)  # the four newest are safe
    del account.mail.messages[keys[4]]  # the one that the cursor names
    for number in range(3):  # a person moves old mail in, as of its own day
        account.mail.add("all", mail(20 + number), received=first + timedelta(days=6, hours=number + 1))
    with pytest.raises(Killed):
        go(5)  # the newest, which is stored, the three, and one that is stored
    made = go()
    assert set(made.items) == {*keys, *account.mail.messages}
    assert made.states() == {"stored": 11}
