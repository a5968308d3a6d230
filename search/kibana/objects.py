"""A request's saved objects: a data view, a Discover session, a dashboard; and the file Kibana takes in.

The versions in the objects are such as Kibana 8.19, the oldest supported, knows; a newer one brings them
forward when it takes them in. ``docs/kibana.md`` names the files of Kibana that say what an object may hold.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DASHBOARD = Path(__file__).with_name("dashboard.json")

CORE_VERSION = "8.8.0"
"""The last version at which the form shared by all types changed, in 8.19 as in 9."""

TERM_FILTERS = 50
"""Terms that get a filter of their own in the session; more would be no row of buttons any more."""

INDEX_REFERENCE = "kibanaSavedObjectMeta.searchSourceJSON.index"


@dataclass(frozen=True, slots=True)
class NotCollected:
    """Items of one source that were met and could not be had, for one reason.

    Attributes:
        source: Source id.
        reason: Reason code.
        items: How many; None for a whole place that could not be read.
    """

    source: str
    reason: str
    items: int | None


@dataclass(frozen=True, slots=True)
class Exploration:
    """What the objects are made from.

    Attributes:
        request_id: The request.
        version: Its version, and so that of its term list.
        index: Name of the request's index, or of the alias before it.
        zone: The request's zone by its IANA name, for the face: Kibana shows times in a zone of its own.
        terms: Texts of its terms, in the order of the list.
        not_collected: What is in no figure of the dashboard, because it is in no index.
        at: When this was read, UTC text.
    """

    request_id: str
    version: int
    index: str
    zone: str
    terms: tuple[str, ...]
    not_collected: tuple[NotCollected, ...]
    at: str

    @property
    def data_view_id(self) -> str:
        """Id of the data view; each id is the same at every export, so that a new one replaces the old."""
        return f"daylight-{self.request_id}-items"

    @property
    def session_id(self) -> str:
        """Id of the Discover session."""
        return f"daylight-{self.request_id}-session"

    @property
    def dashboard_id(self) -> str:
        """Id of the dashboard."""
        return f"daylight-{self.request_id}-dashboard"


def saved_objects(of: Exploration) -> tuple[dict[str, Any], ...]:
    """Return the objects, each after those that it refers to."""
    return data_view(of), session(of), dashboard(of)


def ndjson(objects: Sequence[dict[str, Any]]) -> bytes:
    """Return the file: one object a line, members in order, as Kibana exports and takes in."""
    lines = [json.dumps(found, ensure_ascii=False, sort_keys=True) for found in objects]
    return ("\n".join(lines) + "\n").encode()


# -- the data view

COLUMNS = (
    "sent", "kind", "custodian", "source", "subject", "correspondents", "filename_keyword", "attachments",
    "terms", "coding_state", "text_state", "item_url",
)  # fmt: skip
"""Columns of the session."""

_LABELS = {
    "item_url": ("page", "Opens the item's page, while `daylight view` runs on this machine."),
    "sent": ("sent", "In the time zone that is set in Kibana. Attachments have none of their own."),
    "correspondents": ("people", "Everybody in the message, by address in small letters, else by name."),
    "filename_keyword": ("file name", "As stated, whole."),
    "terms": ("terms", "Terms of the request's list that match this very item, as `daylight terms` counted."),
    "coding_state": ("coding", "Where it stands in review."),
    "text_state": ("text", "searchable, not_searchable, pending (waits for OCR) or unread."),
    "failure_reason": ("no text because", "The reason code; see the page of errors and codes."),
    "ocr_pending": ("waits for OCR", "The whole item or some of its pages; that text is in no hit."),
    "series": ("retention series", "Suggested until a person confirms it."),
    "odd": ("the file's own metadata", "Author, application, labels: by name, as the file says."),
}


def data_view(of: Exploration) -> dict[str, Any]:
    """Return the data view.

    It has no time field: Kibana would leave out whatever has no time of its own (every attachment), and show
    the last 15 minutes of the rest.
    """
    formats = {
        "item_url": {"id": "url", "params": {"type": "a", "labelTemplate": "open"}},
        "sent": {"id": "date", "params": {"pattern": "YYYY-MM-DD HH:mm"}},
        "size_bytes": {"id": "bytes"},
    }
    labels = {
        field: {"customLabel": label, "customDescription": says} for field, (label, says) in _LABELS.items()
    }
    attributes = {
        "title": of.index,
        "name": f"daylight {of.request_id}",
        "allowHidden": False,
        "fieldAttrs": json.dumps(labels),
        "fieldFormatMap": json.dumps(formats),
        "fields": "[]",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "typeMeta": "{}",
    }
    return _object("index-pattern", of.data_view_id, "8.0.0", attributes, [])


# -- the Discover session


def session(of: Exploration) -> dict[str, Any]:
    """Return the session: all items, newest first, with the term filters ready and off.

    The first filter is any term of the list; then one a term, for the first ``TERM_FILTERS``. They ask the
    field ``terms``, which holds what ``daylight terms`` found: Kibana's own language cannot say ``w/5``.
    """
    filters = [_filter(0, "hit by any term", "exists", {"exists": {"field": "terms"}}, {"value": "exists"})]
    for term in of.terms[:TERM_FILTERS]:
        query = {"match_phrase": {"terms": term}}
        filters.append(_filter(len(filters), None, "phrase", query, {"params": {"query": term}}))
    source = {
        "filter": filters,
        "indexRefName": INDEX_REFERENCE,
        "query": {"language": "kuery", "query": ""},
    }
    attributes = {
        "title": f"daylight {of.request_id}: items",
        "description": "Exploration. A search counts when it is run by `daylight search`, which logs it.",
        "columns": list(COLUMNS),
        "sort": [["sent", "desc"]],
        "grid": {},
        "hideChart": True,  # a chart over time needs a time field
        "isTextBasedQuery": False,
        "timeRestore": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source, ensure_ascii=False)},
    }
    references = [{"id": of.data_view_id, "name": INDEX_REFERENCE, "type": "index-pattern"}]
    references += [
        {"id": of.data_view_id, "name": found["meta"]["indexRefName"], "type": "index-pattern"}
        for found in filters
    ]
    return _object("search", of.session_id, "10.5.0", attributes, references)


def _filter(
    number: int, alias: str | None, kind: str, query: dict[str, Any], rest: dict[str, Any]
) -> dict[str, Any]:
    return {
        "$state": {"store": "appState"},
        "meta": {
            "alias": alias,
            "disabled": True,
            "field": "terms",
            "indexRefName": f"kibanaSavedObjectMeta.searchSourceJSON.filter[{number}].meta.index",
            "key": "terms",
            "negate": False,
            "type": kind,
            **rest,
        },
        "query": query,
    }


# -- the dashboard


def dashboard(of: Exploration) -> dict[str, Any]:
    """Return the dashboard: the compiled one with the request's ids, title and face."""
    text: str = DASHBOARD.read_text("utf-8")
    for word, value in (
        ("DATA_VIEW_ID", of.data_view_id),
        ("SESSION_ID", of.session_id),
        ("DASHBOARD_ID", of.dashboard_id),
        ("DASHBOARD_TITLE", f"daylight {of.request_id}: exploration"),
    ):
        text = text.replace(word, value)  # ids have no letter that JSON would escape
    made: dict[str, Any] = json.loads(text)["object"]
    panels = json.loads(made["attributes"]["panelsJSON"])
    face = next(panel for panel in panels if panel["panelIndex"] == "face")
    face["embeddableConfig"]["savedVis"]["params"]["markdown"] = face_text(of)
    made["attributes"]["panelsJSON"] = json.dumps(panels, ensure_ascii=False)
    return made


def face_text(of: Exploration) -> str:
    """Return what the dashboard says on its face, as Markdown."""
    lines = [
        f"### Exploration of request {of.request_id}, version {of.version}",
        "",
        "**A search counts when it is run by `daylight search`**, which logs its parsed form, the state of "
        "the index, its exact counts and who ran it. What is typed on this page is not in that log, and "
        "Kibana reads a query in its own way.",
        "",
        "Every copy is an item, and so is every attachment. Terms, coding and series are as they were when "
        f"the index was last brought up to date. Days are those of Kibana's time zone; the request's is "
        f"{of.zone}.",
        "",
    ]
    if not of.not_collected:
        return "\n".join([*lines, f"Nothing that was met failed to be collected (read {of.at})."])
    lines += [
        f"Not collected, so in no figure of this page (read {of.at}):",
        "",
        "| source | reason | items |",
        "|---|---|---|",
    ]
    lines += [
        f"| {row.source} | {row.reason} | {'a whole place' if row.items is None else f'{row.items:,}'} |"
        for row in of.not_collected
    ]
    return "\n".join(lines)


def _object(
    kind: str,
    object_id: str,
    version: str,
    attributes: dict[str, Any],
    references: list[dict[str, str]],
) -> dict[str, Any]:
    return {
        "attributes": attributes,
        "coreMigrationVersion": CORE_VERSION,
        "id": object_id,
        "managed": False,
        "references": references,
        "type": kind,
        "typeMigrationVersion": version,
    }
