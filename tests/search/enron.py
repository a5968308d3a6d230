"""The Enron sample as documents of an index: read by the whole pipeline, then told apart for the queries.

The sample (credit and licence: SOURCES.md beside it) is one custodian's mail, every file alone, without blind
copies. So that every field has something to find, and something to leave, three things are dealt out here by
what the files are called (``00054_14-Demand Note15.doc`` is number 54, and was carried by message 14):

- a file that follows its message in the list is its attachment;
- families are dealt to three custodians and three sources by their message's number;
- of messages with an odd number the copied people are blind copied.

Nothing of the sample is kept here but counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from desk.home import Home
from desk.register import open_request
from desk.run import run_local
from records import tables as t
from records.settings import Settings
from search.indexing import documents
from search.protocol import IndexDocument, SearchEngine
from tests.small_request import request_file

CUSTODIANS = ("lee", "ann-lee", "okafor")
SOURCES = ("mail", "mail-2", "drive")
_NAME = re.compile(r"(\d+)_(\d+)(\.eml|-.*)")


def folder() -> Path:
    return Path(os.environ["DAYLIGHT_CORPUS"]) / "enron-a"


def read(scratch: Path) -> list[IndexDocument]:
    """Run a request over the sample in a scratch folder; return what it indexes, dealt out as said above."""
    one = ("one", "One", "one@falls.example")
    file = request_file(scratch, folder(), text="The sample", term="isda", people=(one,), source="enron")
    home = Home.open(settings=Settings(home=scratch / "home", workers=2))
    try:
        request_id, _ = open_request(home, file, by="pro")
        run_local(home, request_id)
        with home.catalogue.read() as connection:
            item_ids = list(connection.scalars(sa.select(t.items.c.item_id)))
        zone = home.request(request_id).body.zone
        return dealt(documents(home.catalogue, home.store(request_id), request_id, item_ids, zone))
    finally:
        home.close()


def dealt(everything: Iterable[IndexDocument]) -> list[IndexDocument]:
    """Put families together and deal them out; in the order of the files' names."""
    found: list[IndexDocument] = []
    carrier, carried = "", ""
    parents: dict[str, IndexDocument] = {}
    for one in sorted(everything, key=lambda one: one.filename):
        named = _NAME.fullmatch(one.filename)
        assert named is not None, one.filename
        if named[3] == ".eml":
            carrier, carried = one.item_id, named[2]
            parents[carrier] = one
        parent = carrier if named[3] != ".eml" and named[2] == carried else None
        top = parents[parent] if parent else one
        number = int(top.filename[:5])
        found.append(
            replace(
                one,
                family_id=top.item_id,
                parent_id=parent,
                custodian_id=CUSTODIANS[number % 3],
                source_id=SOURCES[number % 3],
                cc="" if number % 2 else one.cc,
                bcc=one.cc if number % 2 else "",
            )
        )
    carriers = {one.parent_id for one in found}
    return [replace(one, has=("attachment", *one.has)) if one.item_id in carriers else one for one in found]


def fill(engine: SearchEngine, everything: list[IndexDocument]) -> None:
    """Load it in four batches, no family in two."""
    families = {name: number for number, name in enumerate({one.family_id: None for one in everything})}
    for batch in range(4):
        mine = [one for one in everything if families[one.family_id] % 4 == batch]
        assert engine.upsert(f"b{batch:06d}", mine) == len(mine)
