"""Teams messages in a Purview export: chats, although they are mails and pages, read as conversations."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa

from desk.home import Home
from desk.register import open_request
from desk.searching import count
from records import tables as t
from records.settings import Settings
from review.conversation_page import conversation, day_view
from review.page_data import requests
from tests.connectors.packages import ANA, LEE, PurviewItem, PurviewPackage, write
from tests.desk.test_teams_conversation import collect
from tests.small_request import request_file

TEAMS = f"Exchange/{ANA}/TeamsMessagesData"


def said(number: int, group: str, text: str) -> PurviewItem:
    raw = (
        f"From: {(ANA, LEE)[number % 2]}\r\nTo: {ANA}\r\nDate: Wed, 4 Mar 2026 10:{number:02}:00 -0800\r\n"
        f"Content-Type: text/html\r\n\r\n<div>{text}</div>\r\n"
    ).encode()
    row = {
        "Item class": "IPM.SkypeTeams.Message",
        "ConversationId": group,
        "Conversation name": f"On {group}",
    }
    return PurviewItem(f"{TEAMS}/{number}.eml", raw, row=row)


@pytest.fixture
def home(tmp_path):
    items = [
        said(0, "19:a", "the bus route changes"),
        said(1, "19:b", "something else"),
        said(2, "19:a", "when?"),
        PurviewItem(
            f"{TEAMS}/19_a-1.html", b"<html><body>old words</body></html>",
            row={"Item class": "IPM.SkypeTeams.Message", "ConversationId": "19:a"},
        ),
    ]  # fmt: skip
    write(tmp_path / "export", PurviewPackage(items).build())
    home = Home.open(settings=Settings(home=tmp_path / "home", workers=1, batch_items=500))
    request_id, _ = open_request(home, request_file(tmp_path, "export", "purview_export"), by="pro")
    collect(home, request_id)
    yield home, request_id
    home.close()


def test_a_conversation_is_gathered_and_its_messages_are_chats(home):
    made, request_id = home
    i, r = t.items.c, t.readings.c
    with made.catalogue.read() as connection:
        rows = connection.execute(
            sa.select(i.item_id, i.native_key, r.kind, r.content_hash)
            .join(t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
            .where(i.request_id == request_id)
            .order_by(i.native_key)
        ).all()
    # a message has the hash that the same one has by another route
    assert [(row.native_key.rpartition("/")[2], row.kind, row.content_hash is None) for row in rows] == [
        ("0.eml", "chat", False),
        ("1.eml", "chat", False),
        ("19_a-1.html", "chat", True),
        ("2.eml", "chat", False),
    ]
    assert count(made, request_id, "kind:chat", by="pro")["documents"] == 4
    [found] = requests(made.catalogue)
    whole = conversation(made.catalogue, found, rows[3].item_id)
    assert whole is not None
    assert (whole.name, [(one.day, len(one.said), one.hits) for one in whole.slices]) == (
        "On 19:a",
        [(date(2026, 3, 4), 2, 1), (None, 1, 0)],
    )
    store = made.store(request_id)
    try:
        view = day_view(made.catalogue, store, found, whole, 0, None, None, rows[3].item_id)
    finally:
        store.close()
    assert [(line.sender, line.text) for line in view.lines] == [
        (ANA, "the bus route changes"),
        (ANA, "when?"),
    ]
