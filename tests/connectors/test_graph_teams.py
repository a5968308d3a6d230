"""Teams through Graph: what of chats and channels is read, what goes wrong, what a person is told."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors import graph_teams
from connectors.microsoft_graph import MicrosoftGraph
from connectors.rights import needed
from extract.teams import MEDIA_TYPE
from records.errors import AccessError, CursorExpired, ItemError, SettingsError
from records.models import (
    Connection,
    ExcludedItem,
    FailedItem,
    FoundItem,
    Part,
    Scope,
    SourceContext,
    Unreached,
    Window,
)
from records.vocabulary import Kind, Reach, WarningCode
from tests.connectors.builders import ALWAYS, SECRET, ZONE, everything
from tests.connectors.built_graph import ACCOUNT, context_of, native_of, with_teams
from tests.connectors.collecting import collected, until_done
from tests.servers.graph import FILES, Attachment, Graph
from tests.servers.graph_teams import (
    ANA,
    CHANNEL,
    CHAT,
    KIM,
    LEE,
    NAMES,
    TEAM,
    Person,
    Teams,
    changed,
    picture,
)
from tests.servers.oauth import CLIENT_SECRET
from tests.servers.web import Fault, Served

CHATS = Scope("teams_chats", "Teams chats", "chat")
BUS = "19:bus@thread.v2"
FILE = "https://district.sharepoint.example/sites/board/plan.xlsx"


@pytest.fixture(scope="module")
def server():
    """Return one server for all tests: each puts its own tenant behind it."""
    with Served(Graph().app()) as made:
        yield made


@pytest.fixture
def graph():
    made = Graph()
    made.store.mailbox(ACCOUNT)
    return made


@pytest.fixture
def served(server, graph):
    server.faults.clear()
    server.requests.clear()
    return server


@pytest.fixture
def teams(served, graph):
    """Return what serves chats and teams; behind the server from now on."""
    made = Teams(graph)
    served.app = graph.app()
    return made


@pytest.fixture
def bus(teams):
    return teams.chat(BUS, "group", "Bus route", ANA, LEE, KIM)


def connect(served: Served, *places: str, **about: Any) -> MicrosoftGraph:
    return MicrosoftGraph(context_of(served.url, places=places or ("teams_chats",), **about))


def run(home: Path, served: Served, *, about: dict[str, Any] | None = None, **given: Any):
    context = context_of(served.url, **{"places": ("teams_chats",), **(about or {})})
    return collected(home, MicrosoftGraph, context, **given)


def found_in(source: MicrosoftGraph, window: Window = ALWAYS, most: int = 10_000):
    return [value for part in source.parts(CHATS, most, 1) for value in source.items(part, window)]


def key_of(message: dict[str, Any]) -> str:
    return f"{message['chatId']}/{message['id']}"


def fill(chat: Any, count: int) -> list[dict[str, Any]]:
    return [chat.say(number, f"{SECRET} {number}") for number in range(count)]


# --- what is there ---


def test_every_place_is_listed_and_what_is_not_reached_says_why(served, graph):
    with_teams(graph)
    served.app = graph.app()
    places = ("teams_chats", "teams_retained", "teams_channels")
    source = connect(served, *places)
    source.check()
    assert [(scope.key, scope.label, scope.kind) for scope in source.scopes()] == [
        ("teams_chats", "Teams chats", "chat"),
        ("teams_retained", "Teams chats, messages kept by retention", "chat"),
        ("teams_channels/T1", f"{SECRET} board", "team"),
    ]
    there = [one for one in source.unreached() if one.key.startswith("teams")]
    assert [(one.key, one.reach, one.detail) for one in there] == [
        ("teams_chats/earlier_words", Reach.NOT_BY_THIS_ROUTE, "substrate_holds"),
        ("teams_retained/channels", Reach.NOT_BY_THIS_ROUTE, "retained_channels"),
        ("teams_channels/left", Reach.NOT_BY_THIS_ROUTE, "left"),
        ("teams_channels/shared_channels", Reach.NOT_BY_THIS_ROUTE, "shared_channels"),
    ]
    # metering ended: no payment model is stated
    assert not [line for line in served.requests if "model=" in line]


def test_a_message_has_the_facts_the_service_gives(served, teams, bus):
    mention = {"id": 0, "mentionText": "Kim", "mentioned": KIM.as_user}
    message = bus.say(0, "<p>hello</p>", LEE, mentions=[mention])
    changed(message, 3, lastEditedDateTime=...)
    [item], data = everything(connect(served), CHATS)
    assert data == {key_of(message): native_of(message)}
    assert item == FoundItem(
        native_key=key_of(message),
        kind=Kind.CHAT,
        cursor=f"m1:2025-03-04T18:20:34.864000Z|{key_of(message)}|1",
        media_type=MEDIA_TYPE,
        size_bytes=len(native_of(message)),
        moment=item.moment,
        metadata={
            "group": BUS,
            "group_name": "Bus route",
            "chat_type": "group",
            "change": f"2025-03-04T18:23:34.864Z {message['etag']}",
            "people": '{"0d7c63d3":"Lee Okafor <lee@example.org>","5c64e248":"Kim Tran <kim@example.org>"}',
            "members_count": "3",
            "members": "Ana Ruiz <ana@example.org>; Kim Tran <kim@example.org>; Lee Okafor <lee@example.org>",
        },
        warnings=(WarningCode.EDITED,),
    )
    assert item.moment.at == datetime(2025, 3, 4, 18, 20, 34, 864_000, tzinfo=UTC)


def test_system_messages_keep_their_type(served, teams, bus):
    bus.happen(1, "callEnded", callDuration="PT1M30S")
    [item], data = everything(connect(served), CHATS)
    assert json.loads(data[item.native_key])["messageType"] == "systemEventMessage"


def test_chats_are_named_by_topic_else_by_who_is_in_them(served, teams):
    many = [Person(f"p{number:02}", f"Person {number:02}", f"p{number}@example.org") for number in range(120)]
    teams.chat("19:a", "oneOnOne", None, ANA, LEE).say(0)
    teams.chat("19:b", "meeting", "Budget", ANA, LEE).say(1)
    teams.chat("19:c", "group", None, ANA, *many).say(2)
    gone = teams.chat("19:d", "group", "Left", KIM)
    gone.left.append(ANA)
    gone.say(3, by=KIM)
    lost = teams.chat("19:e", "group", "Lost", KIM)
    lost.left.append(ANA)
    lost.say(4, by=KIM)
    denied = b'{"error": {"code": "Forbidden"}}'
    served.faults.append(Fault("/v1.0/chats/19%3Ae", 403, body=denied, times=None))
    facts = [item.metadata for item in found_in(connect(served))]
    assert [one.get("group_name") for one in facts] == [
        "Ana Ruiz, Lee Okafor",
        "Budget",
        "Ana Ruiz, Person 00, Person 01, Person 02, Person 03 and 116 more",
        "Left",
        None,
    ]
    assert [one.get("members_count") for one in facts] == ["2", "2", "121", "1", None]
    assert [one.get("members") for one in facts][2:] == [None, "Kim Tran <kim@example.org>", None]
    assert facts[2]["people"] == '{"0b4f1cf6":"Ana Ruiz <ana@example.org>"}'


def test_posts_of_channels_are_told_with_team_and_channel(served, graph):
    _, found = with_teams(graph)
    served.app = graph.app()
    source = connect(served, "teams_channels")
    [scope] = source.scopes()
    values, data = everything(source, scope)
    assert data == {key: data for key, data in found.items() if "tacv2" in key}
    assert [(item.metadata["group_name"], item.metadata["chat_type"]) for item in values] == [
        (f"{SECRET} board / General", "standard"),
        (f"{SECRET} board / General", "standard"),
        (f"{SECRET} board / Closed", "private"),
    ]
    assert values[1].native_key == "/".join((values[0].native_key, values[1].native_key.rpartition("/")[2]))


def test_half_of_a_character_costs_nothing(tmp_path, served, teams, bus):
    bus.topic = "Bus \ud83d"
    message = bus.say(0, "half \ud83d of it")
    result = run(tmp_path / "home", served)
    assert result.states() == {"stored": 1}
    assert result.facts(key_of(message))["group_name"] == "Bus ?"
    [item] = found_in(connect(served))
    with connect(served).open(item) as stream:
        assert b"half \xed\xa0\xbd of it" in stream.read()


def test_one_chat_of_two_holders_is_two_items_of_the_same_bytes(tmp_path, served, teams, bus):
    message = bus.say(0, f"{SECRET} both")
    message["body"]["content"] += picture(message, "aWQx")
    teams.pictures[message["id"], "aWQx"] = b"\x89PNG"
    teams.graph.store.mailbox("lee@example.org")
    first = context_of(served.url, places=("teams_chats",))
    second = replace(first, source_id="s2", custodian_id="c2", account="lee@example.org")
    rows = [
        collected(tmp_path / name, MicrosoftGraph, context).items[key_of(message)]
        for name, context in (("one", first), ("two", second))
    ]
    assert rows[0].blob_sha256 == rows[1].blob_sha256
    assert rows[0].item_id != rows[1].item_id
    assert [row.custodian_id for row in rows] == ["c1", "c2"]


# --- pictures and files ---


def test_inline_pictures_are_kept_in_the_message_or_named_as_missing(served, teams, bus):
    message = bus.say(0)
    pictures = [picture(message, key) for key in ("aWQx", "aWQy", "aWQz", "aWQx")]
    other = bus.say(1, f"forwarded {pictures[0]}")
    message["body"]["content"] = "".join(pictures)
    teams.pictures[message["id"], "aWQx"] = b"\xff\xd8\xff photo"
    denied = b'{"error": {"code": "Forbidden"}}'
    served.faults.append(Fault("aWQz", 403, body=denied, times=None))
    values, data = everything(connect(served), CHATS)
    assert values[0].size_bytes is None
    assert json.loads(data[key_of(message)])["hostedContents"] == [
        {"id": "aWQx", "contentBytes": "/9j/IHBob3Rv", "contentType": "image/jpeg"},
        {"id": "aWQy", "@daylight.missing": "gone"},
        {"id": "aWQz", "@daylight.missing": "Forbidden"},
    ]
    assert data[key_of(other)] == native_of(other)
    assert len([line for line in served.requests if "hostedContents" in line]) == 3


def test_files_are_fetched_as_of_now_or_listed_as_missing(tmp_path, served, graph, teams, bus):
    graph.attached["x"] = [
        Attachment("A", "plan.xlsx", b"as of now", FILE),
        Attachment("B", "gone.xlsx", None, f"{FILE}.gone"),
        Attachment("C", "theirs.xlsx", b"x", f"{FILE}/elsewhere/"),
    ]
    named = [
        {"id": f"f{number}", "contentType": "reference", "contentUrl": address, "name": name}
        for number, (name, address) in enumerate(
            [
                ("plan.xlsx", FILE),
                ("gone.xlsx", f"{FILE}.gone"),
                ("theirs.xlsx", f"{FILE}/elsewhere/"),
                ("no", None),
            ]
        )
    ]
    message = bus.say(0, "see the plan", attachments=[*named, {"id": "q", "contentType": "messageReference"}])
    result = run(tmp_path / "home", served)
    key = key_of(message)
    assert {one: (row.state, row.reason, row.detail) for one, row in result.items.items()} == {
        key: ("stored", None, None),
        f"{key}/file/f0": ("stored", None, None),
        f"{key}/file/f1": ("failed", "expired_link", "linked_file"),
        f"{key}/file/f2": ("failed", "refused_by_source", "linked_file"),
        f"{key}/file/f3": ("failed", "not_in_export", "no_address"),
    }
    assert result.warnings(f"{key}/file/f0") == ["as_of_now"]
    assert result.facts(f"{key}/file/f0") == {"message": key, "attached": "linked"}
    assert result.items[f"{key}/file/f0"].name == "plan.xlsx"
    graph.entra.rights.discard(FILES)
    row = run(tmp_path / "other", served).items[f"{key}/file/f0"]
    assert (row.reason, row.detail) == ("refused_by_source", "linked_file")


# --- pages, parts and cursors ---


@pytest.mark.parametrize("size", [1, 2, 3, 50])
@pytest.mark.parametrize("most", [1, 3, 10_000])
def test_any_page_size_and_cut_gives_the_same(served, teams, bus, monkeypatch, size, most):
    monkeypatch.setattr(graph_teams, "PAGE", size)
    messages = fill(bus, 7)
    changed(messages[0], 90_000)
    changed(messages[2], 3, lastEditedDateTime=...)
    changed(messages[3], 2)
    messages[5]["createdDateTime"] = messages[4]["createdDateTime"]
    found = [item.native_key for item in found_in(connect(served), most=most)]
    assert found == [key_of(one) for one in messages]


def test_a_part_asks_for_its_own_days_and_for_what_was_changed_since(served, teams, bus):
    messages = fill(bus, 6)
    changed(messages[0], 90_000)
    parts = list(connect(served).parts(CHATS, 3, 1))
    at = [datetime(2025, 3, 4, 18, 20 + number, 34, 864_000, tzinfo=UTC) for number in range(6)]
    shown = [f"{one:%Y-%m-%dT%H:%M:%S}.864000Z" for one in at]
    late = f"{at[0] + timedelta(minutes=90_000):%Y-%m-%dT%H:%M:%S}.864000Z"
    assert [part.items for part in parts] == [3, 3]
    assert [json.loads(part.spec) for part in parts] == [
        {
            "v": 1,
            "first": None,
            "before": shown[3],
            "spans": [[None, shown[3]], [late, late], [late, None]],
        },
        {"v": 1, "first": shown[3], "before": None, "spans": [[shown[3], None]]},
    ]


def test_late_changes_are_gathered_into_few_spans():
    begin = datetime(2025, 1, 1, tzinfo=UTC)
    times = [begin + timedelta(days=day) for day in (0, 1, 40, 41, 90, 91, 150, 220, 300, 400, 520, 521)]
    spans = graph_teams._clusters(times)
    assert [((first - begin).days, (last - begin).days) for first, last in spans] == [
        (0, 1), (40, 41), (90, 91), (150, 150), (220, 220), (300, 300), (400, 400), (520, 521),
    ]  # fmt: skip
    assert all(any(first <= at <= last for first, last in spans) for at in times)
    assert graph_teams._clusters([]) == []


def test_a_part_of_another_version_and_a_strange_cursor_are_refused(served, teams, bus):
    fill(bus, 1)
    source = connect(served)
    with pytest.raises(SettingsError, match="plan the run again"):
        next(source.items(Part(CHATS, 0, '{"v": 9}'), ALWAYS))
    with pytest.raises(CursorExpired):
        next(source.items(Part(CHATS), ALWAYS, "q7:other"))


@pytest.mark.parametrize("fault", ["short_pages", "repeated_pages"])
@pytest.mark.parametrize("most", [2, 10_000])
def test_half_a_page_is_not_the_end_and_a_page_that_comes_twice_doubles_nothing(
    served, teams, bus, monkeypatch, fault, most
):
    monkeypatch.setattr(graph_teams, "PAGE", 4)
    messages = fill(bus, 5)
    teams.in_order = True
    setattr(teams, fault, True)
    found = [item.native_key for item in found_in(connect(served), most=most)]
    assert found == [key_of(one) for one in messages]


@pytest.mark.parametrize("max_items", [100, 3])
def test_a_kill_at_each_item_and_page_loses_and_doubles_nothing(
    tmp_path, served, graph, teams, bus, monkeypatch, max_items
):
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 1)
    monkeypatch.setattr(graph_teams, "PAGE", 2)
    messages = fill(bus, 5)
    graph.attached["x"] = [Attachment("A", "plan.xlsx", b"as of now", FILE)]
    messages[1]["attachments"] = [
        {"id": "f", "contentType": "reference", "contentUrl": FILE, "name": "plan.xlsx"}
    ]
    result = until_done(lambda: run(tmp_path / "home", served, kill_after=1, max_items=max_items))
    assert set(result.items) == {*map(key_of, messages), f"{key_of(messages[1])}/file/f"}
    assert result.scopes == {"teams_chats": (None, 6, None, None)}
    assert len([line for line in served.requests if "/content" in line]) == 1


@pytest.mark.parametrize("when", [r"filter=last", r"skiptoken=2"])
@pytest.mark.parametrize("most", [2, 10_000])
@pytest.mark.parametrize("in_order", [False, True])
def test_a_message_that_is_changed_while_it_is_read_comes_once_as_it_is_then(
    served, graph, teams, bus, monkeypatch, when, most, in_order
):
    monkeypatch.setattr(graph_teams, "PAGE", 2)
    teams.in_order = in_order
    messages = fill(bus, 6)
    source = connect(served)
    parts = list(source.parts(CHATS, most, 1))

    def edit() -> None:
        for message in (messages[0], messages[3]):
            changed(message, 500, lastEditedDateTime=..., body={"contentType": "text", "content": "now"})

    graph.happens.append((when, edit))
    items = [item for part in parts for item in source.items(part, ALWAYS)]
    assert [item.native_key for item in items] == [key_of(one) for one in messages]
    assert WarningCode.EDITED in items[3].warnings


def test_what_was_changed_between_plan_and_reading_is_still_found(served, teams, bus):
    messages = fill(bus, 6)
    source = connect(served)
    parts = list(source.parts(CHATS, 2, 1))
    changed(messages[1], 9_000, deletedDateTime=..., body={"contentType": "html", "content": ""})
    new = bus.say(10_000, "new")
    found = [item for part in parts for item in source.items(part, ALWAYS)]
    assert [item.native_key for item in found] == [key_of(one) for one in (*messages, new)]
    assert found[1].warnings == (WarningCode.DELETED,)


def test_an_export_that_is_too_old_to_go_on_with_is_begun_again(served, teams, bus, monkeypatch):
    monkeypatch.setattr(graph_teams, "PAGE", 2)
    messages = fill(bus, 5)
    gone = b'{"error": {"code": "SyncStateNotFound"}}'
    served.faults.append(Fault("skiptoken=2", 410, body=gone))
    items = connect(served).items(Part(CHATS), ALWAYS)
    assert [item.native_key for item in items] == [key_of(one) for one in messages]
    served.faults.append(Fault("skiptoken=2", 410, body=gone, times=None))
    with pytest.raises(ItemError, match="gone"):
        list(connect(served).items(Part(CHATS), ALWAYS))


def test_a_top_up_takes_what_is_new_or_changed_and_tells_what_is_gone(tmp_path, served, teams, bus):
    first, second, third, fourth = fill(bus, 4)
    run(tmp_path / "home", served)
    bus.messages.remove(first)
    changed(second, 600, lastEditedDateTime=..., body={"contentType": "text", "content": "other words"})
    liked = {"reactionType": "like", "user": LEE.as_user, "createdDateTime": "2025-05-01T00:00:00Z"}
    changed(third, 700, reactions=[liked])
    new = bus.say(900, "new")
    result = run(tmp_path / "home", served, round_no=1)
    assert result.outcomes == {
        key_of(first): "vanished",
        key_of(second): "changed",
        key_of(third): "changed",
        key_of(fourth): "same",
        key_of(new): "new",
    }
    assert result.warnings(f"{key_of(second)}#r1") == ["edited"]


# --- the window ---


@pytest.mark.parametrize(
    ("first", "last", "inside"),
    [
        (date(2025, 3, 4), date(2025, 3, 4), True),
        (date(2025, 3, 6), date(2025, 3, 6), True),
        (date(2025, 3, 5), date(2025, 3, 5), False),
        (date(2025, 3, 7), None, False),
        (None, date(2025, 3, 3), False),
    ],
)
def test_a_message_is_outside_when_it_was_neither_written_nor_edited_inside(
    served, graph, teams, bus, first, last, inside
):
    named = {"id": "f", "contentType": "reference", "contentUrl": FILE, "name": "plan.xlsx"}
    message = bus.say(0, attachments=[named])
    changed(message, 2 * 24 * 60, lastEditedDateTime=...)
    changed(message, 9 * 24 * 60)  # a reaction: not the writer's doing
    found = found_in(connect(served), Window(first, last, ZONE))
    assert [type(one) for one in found] == [FoundItem if inside else ExcludedItem] * 2
    assert [one.native_key for one in found] == [key_of(message), f"{key_of(message)}/file/f"]


# --- a service that is busy or breaks off ---


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("where", ["getAllMessages", "hostedContents", r"/chats\?"])
def test_a_busy_service_is_waited_for_as_it_asks(tmp_path, served, teams, bus, status, where):
    message = bus.say(0)
    message["body"]["content"] = picture(message, "aWQx")
    teams.pictures[message["id"], "aWQx"] = b"\x89PNG"
    served.faults.append(Fault(where, status, {"retry-after": "0.05"}))
    result = run(tmp_path / "home", served, about={"extra": {"patience_s": "20"}})
    assert result.states() == {"stored": 1}
    assert len([line for line in served.requests if "hostedContents" in line]) == 1 + (
        where == "hostedContents"
    )


@pytest.mark.parametrize("where", ["getAllMessages", "hostedContents"])
def test_a_connection_cut_in_the_middle_is_begun_again(tmp_path, served, teams, bus, where):
    message = bus.say(0)
    message["body"]["content"] = picture(message, "aWQx")
    teams.pictures[message["id"], "aWQx"] = b"\x89PNG" * 9
    served.faults.append(Fault(where, cut_after=5))
    result = run(tmp_path / "home", served, about={"extra": {"patience_s": "20"}})
    assert result.states() == {"stored": 1}


def test_an_expired_token_is_renewed(served, graph, teams, bus):
    messages = fill(bus, 2)
    source = connect(served)
    list(source.scopes())
    graph.entra.forget()
    assert [item.native_key for item in source.items(Part(CHATS), ALWAYS)] == [
        key_of(one) for one in messages
    ]
    assert graph.entra.asked == 2


def test_a_team_that_went_away_is_a_scope_failure(tmp_path, served, graph):
    teams, _ = with_teams(graph)
    served.app = graph.app()
    graph.happens.append((r"getAllMessages\?%24top=50|getAllMessages.*top=50", teams.teams.clear))
    result = run(tmp_path / "home", served, about={"places": ("teams_channels",)})
    assert result.scopes == {"teams_channels/T1": (None, 0, "unreadable", "scope_gone")}


@pytest.mark.parametrize("refused", ["T0", "T2"])
def test_a_team_that_is_refused_alone_is_a_scope_failure(tmp_path, served, graph, refused):
    """Before the team that can be read, and after it."""
    teams, expected = with_teams(graph)
    teams.team(refused, "refused", ANA).channel("19:r@thread.tacv2", "General")
    served.app = graph.app()
    denied = b'{"error": {"code": "Forbidden", "message": "by policy"}}'
    served.faults.append(Fault(f"/teams/{refused}/", 403, body=denied, times=None))
    result = run(tmp_path / "home", served, about={"places": ("teams_channels",)})
    posts = sum(key.startswith(("19:general@", "19:closed@")) for key in expected)
    assert result.scopes[f"teams_channels/{refused}"] == (None, 0, "refused_by_source", "Forbidden")
    assert result.scopes["teams_channels/T1"] == (None, posts, None, None)


# --- what a person is told ---


@pytest.mark.parametrize(
    ("place", "lacks"),
    [("teams_chats", CHAT), ("teams_retained", CHAT), ("teams_channels", CHANNEL), ("teams_channels", TEAM)],
)
def test_a_missing_right_is_told_by_name_and_that_the_export_is_protected(served, graph, place, lacks):
    with_teams(graph)
    served.app = graph.app()
    graph.entra.rights.discard(lacks)
    with pytest.raises(
        AccessError, match=rf"^source s1: .*grant the application `{lacks}`.*a protected API"
    ) as caught:
        connect(served, place).check()
    assert ACCOUNT not in str(caught.value)


def test_channels_whose_names_are_refused_stop_the_source(served, graph):
    with_teams(graph)
    served.app = graph.app()
    graph.entra.rights.discard(NAMES)
    source = connect(served, "teams_channels")
    for ask in (source.check, lambda: list(source.scopes())):
        with pytest.raises(AccessError, match=rf"grant the application `{NAMES}`"):
            ask()


@pytest.mark.parametrize("right", [CHANNEL, NAMES])
def test_channels_that_nobody_named_and_may_not_be_read_stop_nothing(served, graph, right):
    graph.store.mailbox(ACCOUNT).folder("Inbox", role="inbox")
    with_teams(graph)
    served.app = graph.app()
    graph.entra.rights.discard(right)
    source = MicrosoftGraph(context_of(served.url))
    source.check()
    assert "teams_channels" not in {scope.key.partition("/")[0] for scope in source.scopes()}
    [refused] = [one for one in source.unreached() if one.key == "teams_channels"]
    assert refused.reach is Reach.REFUSED
    assert f"grant the application `{right}`" in refused.detail


def test_a_tenant_that_still_asks_for_a_licence_is_told_what_to_do(served, teams, bus):
    teams.unlicensed.add(ACCOUNT)
    with pytest.raises(
        AccessError, match=r"a licence or a payment, which Microsoft ended for Teams on 25 August 2025"
    ) as caught:
        connect(served).check()
    assert "purview_export" in str(caught.value)
    source = connect(served, "teams_chats", "teams_channels", "mail")
    refused = [one for one in MicrosoftGraph(context_of(served.url)).unreached() if one.key == "teams_chats"]
    assert [(one.label, one.reach) for one in refused] == [("Teams chats", Reach.REFUSED)]
    assert refused[0].detail.startswith("PaymentRequired: the service asks for a licence or a payment, which")
    assert source.places == MicrosoftGraph.places


def test_a_tenant_without_a_retention_policy_is_shown_so(served, teams, bus):
    with pytest.raises(AccessError, match=r"does not give `teams_retained` \(BadRequest\)"):
        connect(served, "teams_retained").check()
    source = MicrosoftGraph(context_of(served.url))
    assert Unreached(
        "teams_retained", "Teams chats, messages kept by retention", "place", Reach.REFUSED, "BadRequest"
    ) in list(source.unreached())


def test_a_limit_that_is_no_number_is_told_by_name(served, teams):
    with pytest.raises(SettingsError, match="`teams_requests_per_second` in extra is no whole number"):
        connect(served, extra={"teams_requests_per_second": "many"}).check()


def test_nothing_of_names_words_or_secrets_is_logged(served, graph, caplog):
    caplog.set_level(logging.DEBUG)
    with_teams(graph)
    served.app = graph.app()
    served.faults.append(Fault("hostedContents", 429, {"retry-after": "0"}))
    source = connect(served, "teams_chats", "teams_channels")
    for scope in source.scopes():
        values, _ = everything(source, scope)
        assert not [value for value in values if isinstance(value, FailedItem)]
    for kept in (ACCOUNT, "Okafor", "thread.v2", CLIENT_SECRET, "fake-token", SECRET):
        assert kept not in caplog.text


@pytest.mark.parametrize(
    ("place", "rights"),
    [
        ("teams_chats", {"Chat.Read.All", "Files.Read.All"}),
        ("teams_channels",
         {"ChannelMessage.Read.All", "Team.ReadBasic.All", "Channel.ReadBasic.All", "Files.Read.All"}),
        ("attachments", {"Files.Read.All", "Mail.Read", "Calendars.Read"}),
        ("mail", {"Mail.Read"}),
    ],
)  # fmt: skip
def test_a_place_says_every_right_that_it_needs(place: str, rights: set[str]) -> None:
    connection = Connection("m365", "", "app", "secret", {"tenant": "t"})
    about = SourceContext("s1", "c1", None, ZONE, connection=connection, account=ACCOUNT, places=(place,))
    (found,) = needed("microsoft_graph", about)
    assert found.names == rights
