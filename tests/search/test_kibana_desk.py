"""What Kibana shows of a request on a real server: after a run, after people's answers, after a new index.

One request is run, and the tests go on with it in their order: what is shown must always be what is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from elasticsearch import Elasticsearch

from desk import kibana, retaining, reviewing, searching
from desk.books import books
from desk.describing import REMEDY, describe
from desk.home import Home
from desk.items import items
from desk.run import run_local
from examples import decide
from examples.district.build import build
from examples.servers.elasticsearch import Server
from examples.servers.temporary import free_port
from records import canonical
from records import tables as t
from records.settings import Settings
from search.elasticsearch_cluster import Cluster
from search.kibana_fields import FieldsReader
from search.protocol import index_alias
from search.terms import load_report
from tests.chaos.harness import entered

ALIAS = index_alias("2026-0001")
FIELDS = (
    "connector", "sent", "correspondents", "terms", "coding_state", "series", "series_title", "text_state",
    "failure_reason", "ocr_pending", "attachments", "size_bytes", "item_url", "odd",
)  # fmt: skip

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("district")
    build(300, 5, folder)
    return folder


@pytest.fixture(scope="module")
def client(elastic_server: Server) -> Iterator[Elasticsearch]:
    with Elasticsearch(elastic_server.url, request_timeout=60) as found:
        yield found
        for name in found.indices.get(index=f"{ALIAS}-v*"):
            found.indices.delete(index=name)


@pytest.fixture(scope="module")
def home(
    elastic_server: Server, client: Elasticsearch, district: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Home]:
    """A home in which the request about the bus was run; its index is gone when it is closed."""
    place = tmp_path_factory.mktemp("kibana") / "home"
    home = Home.open(settings=Settings(home=place, elasticsearch=elastic_server.url))
    request_id = entered(home, district, "bus", by="P. Officer")
    assert request_id == "2026-0001"
    run_local(home, request_id)
    yield home
    home.close()


def shown(client: Elasticsearch) -> dict[str, dict[str, Any]]:
    """Return what people see of every item."""
    client.indices.refresh(index=ALIAS)
    found = client.search(index=ALIAS, size=10_000)["hits"]["hits"]
    return {hit["_source"]["item_id"]: {name: hit["_source"].get(name) for name in FIELDS} for hit in found}


def known(home: Home) -> dict[str, dict[str, Any]]:
    """Return what the catalogue says of every stored item."""
    with home.catalogue.read() as connection:
        stored = list(connection.scalars(sa.select(t.items.c.item_id).where(t.items.c.state == "stored")))
    reader = FieldsReader.open(home.catalogue, "2026-0001")
    found = {
        item_id: canonical.loads(canonical.dumps(fields.as_fields()))
        for item_id, fields in reader.fields(stored)
    }
    assert len(found) == len(stored) == books(home, "2026-0001").text["stored"]
    return found


def carrying(home: Home, run: dict[str, dict[str, Any]]) -> tuple[str, list[str]]:
    """Return a mail with a series, and what it carries that has the same one."""
    i = t.items.c
    with home.catalogue.read() as connection:
        rows = connection.execute(
            sa.select(i.family_id, i.item_id).where(i.level > 0).order_by(i.item_id)
        ).all()
    found = [
        (top, child)
        for top, child in rows
        if child in run and run[top]["series"] and run[child]["series"] == run[top]["series"]
    ]
    return found[0][0], [child for top, child in found if top == found[0][0]]


def states(client: Elasticsearch) -> Counter[str]:
    return Counter(fields["coding_state"] for fields in shown(client).values())


def answer(home: Home, district: Path, folder: Path) -> None:
    """Decide everything as the district's truth table says."""
    sheet, listed, filled = folder / "sheet.csv", folder / "items.jsonl", folder / "filled.csv"
    reviewing.sheet(home, "2026-0001", sheet, split_rows=None, by="P. Officer")
    lines = [canonical.dumps(one) + "\n" for one in items(home, "2026-0001", with_text=False)]
    listed.write_text("".join(lines), "utf-8")
    decide.fill(sheet, listed, district / "truth.jsonl", "bus", filled)
    assert "kibana" not in reviewing.decide(home, "2026-0001", filled, by="P. Officer")


def test_the_index_shows_what_the_catalogue_knows(
    home: Home, client: Elasticsearch, district: Path, tmp_path: Path
) -> None:
    run = known(home)
    assert shown(client) == run
    report = load_report(home.catalogue, "2026-0001", 1)
    assert report is not None
    assert Counter(term for fields in run.values() for term in fields["terms"]) == {
        row.term: row.documents for row in report.terms if row.documents
    }
    review = books(home, "2026-0001").review
    assert states(client) == {"undecided": review["in_review"], "not_in_review": review["not_in_review"]}
    text = books(home, "2026-0001").text
    assert Counter(fields["text_state"] for fields in run.values()) == {
        name: text[name] for name in ("searchable", "not_searchable", "pending")
    }
    assert any(fields["series"] for fields in run.values())
    assert any("x-gmail-labels" in fields["odd"] for fields in run.values())

    answer(home, district, tmp_path)
    assert shown(client) == known(home)
    review = books(home, "2026-0001").review
    after = states(client)
    assert (after["personal"], after["not_responsive"]) == (
        review["personal_matter"],
        review["not_responsive"],
    )
    assert after["undecided"] == review["awaits"].get("decision", 0)
    assert after["release"] > 0
    assert after["redact"] == review["awaits"]["redaction"]

    item_id, followers = carrying(home, run)
    assert {run[child]["series"] for child in followers} == {run[item_id]["series"]}
    retaining.confirm(home, "2026-0001", item_id, "none", by="P. Officer", why="it fits none")
    now = shown(client)
    assert {now[one]["series"] for one in (item_id, *followers)} == {None}
    assert describe(home, "2026-0001") == 0  # nothing is behind

    searching.reindex(home, "2026-0001")
    assert client.indices.exists(index=f"{ALIAS}-v000002")
    assert shown(client) == known(home)
    assert describe(home, "2026-0001") == 0  # each batch was loaded with what is known

    client.update_by_query(
        index=f"{ALIAS}-v000002", refresh=True, query={"exists": {"field": "coding_state"}},
        script={"source": "ctx._source.coding_state = 'lost'; ctx._source.described = 'lost'"},
    )  # fmt: skip
    assert set(states(client)) == {"lost"}
    kibana.export(home, "2026-0001", by="P. Officer")
    assert shown(client) == known(home)


def test_another_list_in_force_is_shown_and_one_that_is_only_tried_is_not(
    home: Home, client: Elasticsearch, tmp_path: Path
) -> None:
    before = shown(client)
    other = tmp_path / "other.csv"
    other.write_text("term,note\nschool,\n", "utf-8")
    searching.hit_report(home, "2026-0001", other, None, by="P. Officer")
    assert shown(client) == before
    report = searching.hit_report(home, "2026-0001", other, None, by="P. Officer", adopt=True)
    after = shown(client)
    assert after == known(home) != before
    assert report["totals"]["documents"] > 0
    assert Counter(term for fields in after.values() for term in fields["terms"]) == {
        "school": report["totals"]["documents"]
    }


def test_decisions_stay_taken_in_where_the_cluster_is_away(
    home: Home, client: Elasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = home.engine("2026-0001")
    before = shown(client)
    item_id, followers = carrying(home, before)
    with monkeypatch.context() as patch:
        patch.setattr(
            engine.connection, "cluster", Cluster(f"http://127.0.0.1:{free_port()}", patience_s=0.1)
        )
        engine.close()
        answered = retaining.confirm(home, "2026-0001", item_id, "none", by="P. Officer", why="it fits none")
        assert answered["kibana"] == REMEDY
        engine.close()
    assert shown(client) == before
    assert known(home)[item_id]["series"] is None
    assert describe(home, "2026-0001") == 1 + len(followers)
    assert shown(client) == known(home)
