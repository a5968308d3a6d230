"""A request that takes Teams chats of two custodians through Graph, up to the page that shows one of them."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from desk.batch import batch_runner
from desk.home import Home
from desk.register import open_request
from desk.run import finish, open_run, plan, reconcile, terms, waiting_batches
from records import tables as t
from records.settings import Settings
from review.conversation_page import GapView, conversation, day_view
from review.page_data import requests
from tests.servers.graph import Graph, connection_fields
from tests.servers.graph_teams import ANA, KIM, LEE, Teams, changed, picture
from tests.servers.web import Served

REQUEST = """
text = "All records about the bus route"
received_on = 2025-09-08
terms = "terms.csv"
window = { from = 2025-03-01, to = 2025-03-05 }
[[custodians]]
id = "ana"
name = "Ana Ruiz"
emails = ["ana@example.org"]
[[custodians]]
id = "lee"
name = "Lee Okafor"
emails = ["lee@example.org"]
"""
SOURCE = """
[[sources]]
id = "{id}-365"
connector = "microsoft_graph"
custodian = "{id}"
connection = "m365"
places = ["teams_chats"]
"""
BUS = "19:bus@thread.v2"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch):
    graph = Graph()
    for who in (ANA, LEE):
        graph.store.mailbox(who.address)
    teams = Teams(graph)
    bus = teams.chat(BUS, "group", "Bus", ANA, LEE, KIM)
    first = bus.say(0, "<p>the bus route changes</p>")
    first["body"]["content"] += picture(first, "aWQx")
    teams.pictures[first["id"], "aWQx"] = PNG
    changed(bus.say(1, "when?", LEE), 1, lastEditedDateTime=...)
    bus.happen(2, "membersAdded", members=[{"id": KIM.id, "displayName": "Kim Tran"}])
    bus.say(60 * 24 * 9, "after the window", KIM)
    teams.chat("19:other@thread.v2", "oneOnOne", None, ANA, LEE).say(1, "something else")
    (tmp_path / "terms.csv").write_text("term\nbus route\n", "utf-8")
    text = REQUEST + SOURCE.format(id="ana") + SOURCE.format(id="lee")
    (tmp_path / "request.toml").write_text(text, "utf-8")
    with Served(graph.app()) as served:
        monkeypatch.setenv("AIRFLOW_CONN_M365", json.dumps(connection_fields(served.url)))
        home = Home.open(settings=Settings(home=tmp_path / "home", workers=1, batch_items=500))
        request_id, _ = open_request(home, tmp_path / "request.toml", by="pro")
        collect(home, request_id)
        yield home, request_id
        home.close()


def collect(home: Home, request_id: str, key: str = "local-test") -> None:
    """Run the steps up to the terms in this process, where the fake is."""
    open_run(home, request_id, key)
    plan(home, request_id, key)
    with batch_runner(home, request_id, key) as runner:
        for batch_id, _ in sorted(waiting_batches(home, request_id)):
            runner.collect(batch_id)
            runner.extract(batch_id)
            runner.index(batch_id)
    reconcile(home, request_id, key)
    terms(home, request_id, key)
    finish(home, request_id, key)


def test_a_chat_of_two_holders_is_read_as_a_conversation_of_each(home):
    made, request_id = home
    i = t.items.c
    with made.catalogue.read() as connection:
        rows = connection.execute(
            sa.select(t.items).where(i.request_id == request_id).order_by(i.source_id, i.level, i.position)
        ).all()
    [found] = requests(made.catalogue)
    tops = [row for row in rows if row.level == 0]
    assert [(row.source_id, row.state, row.reason) for row in tops if row.native_key.startswith(BUS)] == [
        (source, state, reason)
        for source in ("ana-365", "lee-365")
        for state, reason in (("stored", None),) * 3 + (("excluded", "outside_window"),)
    ]
    # each holder's copy is an item of its own, and has the same bytes
    by_key: dict[str, list[sa.Row]] = {}
    for row in tops:
        by_key.setdefault(row.native_key, []).append(row)
    assert all(len({row.item_id for row in copies}) == 2 for copies in by_key.values())
    assert all(len({row.blob_sha256 for row in copies}) == 1 for copies in by_key.values())
    pictures = [row for row in rows if row.level == 1]
    assert [row.size_bytes for row in pictures] == [len(PNG)] * 2
    first = next(row for row in tops if row.native_key.startswith(BUS) and row.custodian_id == "lee")
    whole = conversation(made.catalogue, found, first.item_id)
    assert whole is not None
    assert (whole.name, whole.custodian_id, whole.unplaced) == ("Bus", "lee", {})
    assert [(one.day, len(one.said), one.hits) for one in whole.slices] == [
        (date(2025, 3, 4), 3, 1),
        (date(2025, 3, 13), 1, 0),
    ]
    store = made.store(request_id)
    try:
        view = day_view(made.catalogue, store, found, whole, 0, None, None, first.item_id)
    finally:
        store.close()
    shown = [line for line in view.lines if not isinstance(line, GapView)]
    assert [(line.clock, line.sender, line.text, line.hit, line.carries) for line in shown] == [
        ("10:20:34 -08:00", "Ana Ruiz <ana@example.org>", "the bus route changes\nimage", True, 1),
        ("10:21:34 -08:00", "Lee Okafor <lee@example.org>", "when?", False, 0),
        ("10:22:34 -08:00", "not stated", "Members added: Kim Tran (by Ana Ruiz)", False, 0),
    ]
    assert found.zone == ZoneInfo("America/Los_Angeles")
    assert "Kim Tran" in view.people
