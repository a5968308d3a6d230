"""A request's saved objects against the rules of Kibana's own schemas, and what they show."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from search.kibana.compile_dashboard import MADE, digest
from search.kibana.objects import (
    TERM_FILTERS,
    Exploration,
    NotCollected,
    face_text,
    ndjson,
    saved_objects,
)
from search.kibana_fields import CODING_STATES, KibanaFields
from search.protocol import index_alias
from tests.search import kibana_rules

TERMS = ("bus w/5 route", '"levy" AND “smart”', "Žižka*")
OF = Exploration(
    request_id="2026-0007",
    version=3,
    index="daylight-2026-0007",
    zone="America/Los_Angeles",
    terms=TERMS,
    not_collected=(NotCollected("share", "unreadable", None), NotCollected("mail", "corrupt", 1200)),
    at="2026-11-24T15:00Z",
)


def objects(of: Exploration = OF) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ndjson(saved_objects(of)).decode().splitlines()]


def panels(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {panel["panelIndex"]: panel for panel in json.loads(found["attributes"]["panelsJSON"])}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_object_fits_the_rules(number: int) -> None:
    assert kibana_rules.problems(objects()[number]) == []


def test_the_file_holds_three_objects_each_after_what_it_refers_to() -> None:
    found = objects()
    assert [(one["type"], one["id"], one["typeMigrationVersion"]) for one in found] == [
        ("index-pattern", "daylight-2026-0007-items", "8.0.0"),
        ("search", "daylight-2026-0007-session", "10.5.0"),
        ("dashboard", "daylight-2026-0007-dashboard", "10.2.0"),
    ]
    assert {one["coreMigrationVersion"] for one in found} == {"8.8.0"}
    for end in range(1, len(found) + 1):
        assert kibana_rules.reference_problems(found[:end]) == []


def test_the_same_request_gives_the_same_bytes_and_the_same_ids_for_its_next_version() -> None:
    assert ndjson(saved_objects(OF)) == ndjson(saved_objects(OF))
    later = Exploration("2026-0007", 4, OF.index, OF.zone, (), (), "2026-12-01T00:00Z")
    assert [one["id"] for one in objects(later)] == [one["id"] for one in objects()]


def test_no_word_of_the_template_is_left() -> None:
    text = ndjson(saved_objects(OF)).decode()
    left = [
        word
        for word in ("DATA_VIEW_ID", "SESSION_ID", "DASHBOARD_ID", "DASHBOARD_TITLE", "FACE")
        if word in text
    ]
    assert left == []


def test_the_data_view_has_no_time_field_and_links_items() -> None:
    attributes = objects()[0]["attributes"]
    assert attributes["title"] == index_alias("2026-0007") == "daylight-2026-0007"
    assert "timeFieldName" not in attributes
    assert json.loads(attributes["fieldFormatMap"]) == {
        "item_url": {"id": "url", "params": {"type": "a", "labelTemplate": "open"}},
        "sent": {"id": "date", "params": {"pattern": "YYYY-MM-DD HH:mm"}},
        "size_bytes": {"id": "bytes"},
    }


def test_the_session_has_a_filter_a_term_as_the_index_holds_it_and_all_are_off() -> None:
    session = objects()[1]
    assert session["attributes"]["columns"][-1] == "item_url"
    assert session["attributes"]["sort"] == [["sent", "desc"]]
    filters = json.loads(session["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])["filter"]
    assert [one["query"] for one in filters] == [
        {"exists": {"field": "terms"}},
        *({"match_phrase": {"terms": term}} for term in TERMS),
    ]
    assert {one["meta"]["disabled"] for one in filters} == {True}
    assert len(session["references"]) == 1 + len(filters)


def test_of_a_long_list_the_first_fifty_terms_have_a_filter() -> None:
    many = Exploration("2026-0007", 3, OF.index, OF.zone, tuple(f"t{n}" for n in range(1000)), (), OF.at)
    session = objects(many)[1]
    filters = json.loads(session["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])["filter"]
    assert len(filters) == 1 + TERM_FILTERS == 51
    assert filters[-1]["meta"]["params"] == {"query": "t49"}
    assert kibana_rules.problems(session) == []


def test_the_dashboard_shows_what_was_asked_of_which_fields() -> None:
    shown = {}
    for index, panel in panels(objects()[2]).items():
        if panel["type"] != "lens":
            continue
        state = panel["embeddableConfig"]["attributes"]["state"]
        (layer,) = state["datasourceStates"]["formBased"]["layers"].values()
        fields = [layer["columns"][name]["sourceField"] for name in layer["columnOrder"]]
        shown[index] = (fields, state["query"]["query"])
    items = "___records___"
    assert shown == {
        "items": ([items], ""),
        "families": (["family_id"], ""),
        "not-searchable": ([items], 'text_state : "not_searchable"'),
        "ocr-pending": ([items], "ocr_pending : true"),
        "volume-custodian": (["sent", "custodian", items], ""),
        "volume-source": (["sent", "source", items], ""),
        "kinds": (["kind", items], ""),
        "custodians-sources": (["custodian", "source", items], ""),
        "correspondents": (["correspondents", items], ""),
        "terms-custodian": (["terms", "custodian", items], ""),
        "coding": (["coding_state", items], ""),
        "series": (["series", "series_title", items], ""),
        "failures": (["text_state", "failure_reason", "custodian", items], 'not text_state : "searchable"'),
    }


def test_volume_takes_every_day_whatever_time_the_page_is_set_to() -> None:
    for index in ("volume-custodian", "volume-source"):
        state = panels(objects()[2])[index]["embeddableConfig"]["attributes"]["state"]
        (layer,) = state["datasourceStates"]["formBased"]["layers"].values()
        assert layer["columns"][layer["columnOrder"][0]]["params"] == {
            "interval": "1d",
            "ignoreTimeRange": True,
            "includeEmptyRows": False,
            "dropPartials": False,
        }


def test_the_face_stands_first_and_says_what_counts_and_what_is_missing() -> None:
    found = panels(objects()[2])
    face = found["face"]
    assert (face["gridData"]["x"], face["gridData"]["y"], face["gridData"]["w"]) == (0, 0, 48)
    text = face["embeddableConfig"]["savedVis"]["params"]["markdown"]
    assert text == face_text(OF)
    assert "; the request's is America/Los_Angeles." in text
    assert "**A search counts when it is run by `daylight search`**" in text
    assert text.startswith("### Exploration of request 2026-0007, version 3\n")
    assert text.endswith(
        "Not collected, so in no figure of this page (read 2026-11-24T15:00Z):\n\n"
        "| source | reason | items |\n|---|---|---|\n"
        "| share | unreadable | a whole place |\n| mail | corrupt | 1,200 |"
    )


def test_a_request_without_failures_says_so() -> None:
    clean = Exploration("2026-0007", 1, OF.index, OF.zone, (), (), "2026-11-24T15:00Z")
    assert face_text(clean).endswith("Nothing that was met failed to be collected (read 2026-11-24T15:00Z).")


def test_the_compiled_dashboard_is_of_the_yaml_beside_it() -> None:
    made = json.loads(MADE.read_text("utf-8"))
    assert made["made_from_sha256"] == digest(), (
        "run search/kibana/compile_dashboard.py and commit the result"
    )


def test_the_page_names_every_coding_state_type_and_version() -> None:
    page = (Path(__file__).parents[2] / "docs/kibana.md").read_text("utf-8")
    assert [state for state in CODING_STATES if f"`{state}`" not in page] == []
    assert [version for version in kibana_rules.VERSIONS.values() if version not in page] == []


def test_every_field_that_the_fields_module_computes_is_known_to_the_rules() -> None:
    assert set(KibanaFields.__slots__) <= kibana_rules.FIELDS


# -- the rules themselves: each refuses what it is there for


def _with(number: int, change: Any) -> list[str]:
    found = copy.deepcopy(objects()[number])
    change(found)
    return kibana_rules.problems(found)


def _panel(index: str, change: Any) -> Any:
    def of(found: dict[str, Any]) -> None:
        all_panels = json.loads(found["attributes"]["panelsJSON"])
        change(next(panel for panel in all_panels if panel["panelIndex"] == index))
        found["attributes"]["panelsJSON"] = json.dumps(all_panels)

    return of


@pytest.mark.parametrize(
    ("number", "change", "problem"),
    [
        (0, lambda o: o["attributes"].pop("title"), "attributes.title: missing"),
        (0, lambda o: o["attributes"].update(colour="red"), "attributes.colour: unknown"),
        (0, lambda o: o.update(coreMigrationVersion="7.0.0"), "object.coreMigrationVersion: {'8.8.0'}"),
        (0, lambda o: o.update(typeMigrationVersion="10.5.0"), "typeMigrationVersion 10.5.0"),
        (0, lambda o: o["attributes"].update(fieldAttrs='{"nope":{}}'), "field nope is not in the index"),
        (1, lambda o: o["attributes"].update(tabs=[]), "attributes.tabs: unknown"),
        (1, lambda o: o["attributes"].update(hideChart="yes"), "attributes.hideChart: <class 'bool'>"),
        (1, lambda o: o["attributes"]["columns"].append("nope"), "field nope is not in the index"),
        (1, lambda o: o["references"].pop(), "references are not those used inside"),
        (2, lambda o: o["attributes"].update(sections=[]), "attributes.sections: unknown"),
        (2, lambda o: o["references"].pop(), "references are not those used inside"),
        (
            2,
            _panel("session", lambda p: p.update(panelRefName="session:panel_session")),
            "references are not those used inside",
        ),
        (2, _panel("kinds", lambda p: p["gridData"].update(x=40)), "panel kinds: wider than the page"),
        (2, _panel("kinds", lambda p: p["gridData"].update(y=80)), "panels kinds and series overlap"),
        (2, _panel("kinds", lambda p: p.update(type="map")), "panel.type: "),
    ],
)
def test_the_rules_refuse(number: int, change: Any, problem: str) -> None:
    assert any(found.startswith(problem) for found in _with(number, change))
