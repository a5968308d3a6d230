"""What the dashboard and the session ask, asked of a real Elasticsearch under the request's own mapping.

No Kibana runs here: each panel's columns become the aggregations that a chart of these columns asks for, and
its KQL is run by the server's own ``kql`` query. So every field exists, can be grouped by, and gives the
right figure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from examples.servers.elasticsearch import Server
from records.decisions import Standing
from records.vocabulary import Awaits, ReviewState
from search.elasticsearch import ElasticsearchEngine
from search.elasticsearch_cluster import Cluster
from search.elasticsearch_index import MAPPING
from search.kibana.objects import COLUMNS, Exploration, dashboard, session
from search.kibana_fields import ItemFacts, kibana_fields
from search.protocol import index_alias
from tests.search import kibana_rules

INDEX = "daylight-2026-4444"
OF = Exploration("2026-4444", 1, INDEX, "America/Los_Angeles", ("bus w/5 route", '"levy" "x\\"'), (), "now")
OPEN = Standing(ReviewState.NOT_YET_PRODUCED, Awaits.DECISION, None, None)
LEE, BO = ("Ann Lee", "Lee@falls.example"), ("Bo", "bo@falls.example")

ITEMS = (
    (
        "lee", "email", "m1", "m1",
        ItemFacts(
            "m1", "mail_files", 10, "2026-01-05T20:30:00.000000Z", (LEE,), (BO,), "searchable", children=1,
            terms=OF.terms, standing=OPEN, series="GS1", series_title="Letters",
        ),
    ),
    (
        "lee", "file", "a1", "m1",
        ItemFacts("a1", text_state="pending", reason="needs_ocr", ocr_pages=1, standing=OPEN),
    ),
    (
        "bo", "email", "m2", "m2",
        ItemFacts(
            "m2", "mail_files", 5_000_000_000, "2026-01-05T21:00:00.000000Z", (BO,), (LEE,), "searchable",
            ocr_pages=1, terms=OF.terms[:1], standing=OPEN,
        ),
    ),
    (
        "bo", "file", "f1", "f1",
        ItemFacts("f1", "loose_files", 1, text_state="not_searchable", reason="encrypted"),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def client(elastic_server: Server) -> Iterator[Elasticsearch]:
    with Elasticsearch(elastic_server.url, request_timeout=60) as found:
        mapping = json.loads(MAPPING.read_text("utf-8"))
        for field in mapping["properties"].values():
            for name in ("analyzer", "search_analyzer"):  # words are no matter here
                field.pop(name, None)
        found.indices.create(index=INDEX, mappings=mapping)
        for custodian, kind, item_id, family_id, facts in ITEMS:
            document = {
                "item_id": item_id,
                "family_id": family_id,
                "source": f"of-{custodian}",
                "custodian": custodian,
                "kind": kind,
                "subject": "About a bus",
                "filename_keyword": f"{item_id}.txt",
                **kibana_fields(facts, OF.request_id).as_fields(),
            }
            found.index(index=INDEX, id=item_id, document=document)
        found.indices.refresh(index=INDEX)
        yield found
        found.indices.delete(index=INDEX)


def answer(client: Elasticsearch, panel: dict[str, Any]) -> dict[Any, Any] | int:
    """Return what a chart shows: a figure, or figures by the values of its bucketed columns."""
    state = panel["embeddableConfig"]["attributes"]["state"]
    (layer,) = state["datasourceStates"]["formBased"]["layers"].values()
    columns = [layer["columns"][name] for name in layer["columnOrder"]]
    query = {"kql": {"query": state["query"]["query"]}} if state["query"]["query"] else {"match_all": {}}
    if columns[0]["operationType"] == "unique_count":
        asked = {"n": {"cardinality": {"field": columns[0]["sourceField"]}}}
        return client.search(index=INDEX, size=0, aggs=asked)["aggregations"]["n"]["value"]
    buckets = [column for column in columns if column["isBucketed"]]
    aggregations: dict[str, Any] = {}
    for column in reversed(buckets):
        aggregations = {"by": {**_by(column), **({"aggs": aggregations} if aggregations else {})}}
    found = client.search(index=INDEX, size=0, query=query, aggs=aggregations or None, track_total_hits=True)
    return _figures(found["aggregations"]["by"]) if buckets else found["hits"]["total"]["value"]


def _by(column: dict[str, Any]) -> dict[str, Any]:
    params = column["params"]
    if column["operationType"] == "date_histogram":
        return {
            "date_histogram": {
                "field": column["sourceField"],
                "fixed_interval": params["interval"],
                "time_zone": OF.zone,
                "min_doc_count": 0 if params["includeEmptyRows"] else 1,
                "format": "yyyy-MM-dd",
            }
        }
    asked = {"field": column["sourceField"], "size": params["size"]}
    return {"terms": asked | ({"missing": "__missing__"} if params["missingBucket"] else {})}


def _figures(by: dict[str, Any]) -> dict[Any, Any]:
    return {
        bucket.get("key_as_string", bucket["key"]): _figures(bucket["by"])
        if "by" in bucket
        else bucket["doc_count"]
        for bucket in by["buckets"]
    }


@pytest.mark.services
def test_every_chart_shows_the_right_figures(client: Elasticsearch) -> None:
    panels = json.loads(dashboard(OF)["attributes"]["panelsJSON"])
    shown = {panel["panelIndex"]: answer(client, panel) for panel in panels if panel["type"] == "lens"}
    assert shown == {
        "items": 4,
        "families": 3,
        "not-searchable": 1,
        "ocr-pending": 2,
        "volume-custodian": {"2026-01-05": {"bo": 1, "lee": 1}},
        "volume-source": {"2026-01-05": {"of-bo": 1, "of-lee": 1}},
        "kinds": {"email": 2, "file": 2},
        "custodians-sources": {"bo": {"of-bo": 2}, "lee": {"of-lee": 2}},
        "correspondents": {"bo@falls.example": 2, "lee@falls.example": 2},
        "terms-custodian": {OF.terms[0]: {"bo": 1, "lee": 1}, OF.terms[1]: {"lee": 1}},
        "coding": {"undecided": 3, "not_in_review": 1},
        "series": {"__missing__": {"__missing__": 3}, "GS1": {"Letters": 1}},
        "failures": {
            "not_searchable": {"encrypted": {"bo": 1}},
            "pending": {"needs_ocr": {"lee": 1}},
        },
    }


@pytest.mark.services
def test_each_filter_of_the_session_finds_its_term_and_each_column_is_there(client: Elasticsearch) -> None:
    made = session(OF)["attributes"]
    filters = json.loads(made["kibanaSavedObjectMeta"]["searchSourceJSON"])["filter"]
    found = [
        sorted(hit["_id"] for hit in client.search(index=INDEX, query=one["query"])["hits"]["hits"])
        for one in filters
    ]
    assert found == [["m1", "m2"], ["m1", "m2"], ["m1"]]
    ((field, order),) = made["sort"]
    hits = client.search(index=INDEX, sort=[{field: {"order": order}}], fields=list(COLUMNS))["hits"]["hits"]
    assert [hit["_id"] for hit in hits][:2] == ["m2", "m1"]
    assert hits[1]["fields"].keys() == set(COLUMNS)
    assert hits[1]["fields"]["item_url"] == ["http://127.0.0.1:8421/r/2026-4444/i/m1"]


def test_the_mapping_has_every_field_that_an_object_may_name_and_the_alias_is_the_engines() -> None:
    properties = json.loads(MAPPING.read_text("utf-8"))["properties"]
    assert kibana_rules.FIELDS - properties.keys() == set()
    engine = ElasticsearchEngine(Cluster("http://127.0.0.1:9"), "2026-0007")
    assert index_alias("2026-0007") == engine.alias == "daylight-2026-0007"
