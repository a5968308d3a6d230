"""What Kibana 8.19 lets a saved object hold, as rules of our own; ``docs/kibana.md`` says where from.

A rule is a type, a set of values, or a function that returns whether a value fits; a member marked ``?`` may
be absent. An unknown member is forbidden, as in the schemas of these versions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any

Rule = type | set[str] | Callable[[Any], bool]

VERSIONS = {"index-pattern": "8.0.0", "search": "10.5.0", "dashboard": "10.2.0"}
"""Versions of the rules below; an 8.19 exports dashboards as 10.3.0, and takes in what is older."""

FIELDS = {
    "item_id", "family_id", "parent_id", "source", "custodian", "kind", "connector", "sent", "day", "has",
    "distinct_key", "filename_keyword", "correspondents", "terms", "coding_state", "series", "series_title",
    "text_state", "failure_reason", "ocr_pending", "attachments", "size_bytes", "item_url", "odd", "subject",
}  # fmt: skip
"""Fields of the index that an object may name."""

GRID_WIDTH = 48


def problems(found: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with one object, in words; empty when it fits."""
    kind = found.get("type")
    if kind not in VERSIONS:
        return [f"type {kind}"]
    return [*_members("object", found, _OBJECT), *_ATTRIBUTES[kind](found)]


def reference_problems(objects: list[Mapping[str, Any]]) -> list[str]:
    """Return references that point to no object of the file."""
    there = {(found["type"], found["id"]) for found in objects}
    return [
        f"{found['id']}: {reference['name']}"
        for found in objects
        for reference in found["references"]
        if (reference["type"], reference["id"]) not in there
    ]


def _members(where: str, value: Any, rules: Mapping[str, Rule]) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: no object"
        return
    for name in value.keys() - {rule.rstrip("?") for rule in rules}:
        yield f"{where}.{name}: unknown"
    for name, rule in rules.items():
        bare = name.rstrip("?")
        if bare not in value:
            if not name.endswith("?"):
                yield f"{where}.{bare}: missing"
        elif not _fits(value[bare], rule):
            yield f"{where}.{bare}: {rule}"


def _fits(value: Any, rule: Rule) -> bool:
    if isinstance(rule, type):
        return type(value) is rule
    if isinstance(rule, set):
        return value in rule
    return rule(value)


def _number(value: Any) -> bool:
    return type(value) in {int, float}


def _strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _reference(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"id", "name", "type"} and _strings([*value.values()])


def _references(value: Any) -> bool:
    if not isinstance(value, list) or not all(map(_reference, value)):
        return False
    names = [one["name"] for one in value]
    return len(names) == len(set(names))


_OBJECT: dict[str, Rule] = {
    "attributes": dict,
    "coreMigrationVersion": {"8.8.0"},
    "id": str,
    "managed?": bool,
    "references": _references,
    "type": set(VERSIONS),
    "typeMigrationVersion": set(VERSIONS.values()),
}


# -- the data view

_DATA_VIEW: dict[str, Rule] = {
    "title": str,
    "type?": str,
    "timeFieldName?": str,
    "sourceFilters?": str,
    "fields?": str,
    "typeMeta?": str,
    "fieldFormatMap?": str,
    "fieldAttrs?": str,
    "allowNoIndex?": bool,
    "runtimeFieldMap?": str,
    "name?": str,
    "allowHidden?": bool,
}
_FIELD: dict[str, Rule] = {
    "customLabel?": str,
    "customDescription?": lambda value: isinstance(value, str) and len(value) <= 300,
    "count?": _number,
}
_FORMAT: dict[str, Rule] = {"id?": str, "params?": dict}
_FORMAT_PARAMS = {
    "url": {"type", "urlTemplate", "labelTemplate"},
    "date": {"pattern"},
    "bytes": set(),
}


def _data_view(found: Mapping[str, Any]) -> Iterator[str]:
    attributes = found["attributes"]
    yield from _version(found)
    yield from _members("attributes", attributes, _DATA_VIEW)
    for name, kind in (
        ("fields", list),
        ("sourceFilters", list),
        ("typeMeta", dict),
        ("runtimeFieldMap", dict),
    ):
        if not isinstance(json.loads(attributes.get(name, "[]" if kind is list else "{}")), kind):
            yield f"attributes.{name}: {kind}"
    for field, value in json.loads(attributes.get("fieldAttrs", "{}")).items():
        yield from _named(field)
        yield from _members(f"fieldAttrs.{field}", value, _FIELD)
    for field, value in json.loads(attributes.get("fieldFormatMap", "{}")).items():
        yield from _named(field)
        yield from _members(f"fieldFormatMap.{field}", value, _FORMAT)
        if value.get("params", {}).keys() - _FORMAT_PARAMS.get(value.get("id"), set()):
            yield f"fieldFormatMap.{field}: params"


def _version(found: Mapping[str, Any]) -> Iterator[str]:
    if found.get("typeMigrationVersion") != VERSIONS[found["type"]]:
        yield f"typeMigrationVersion {found.get('typeMigrationVersion')}"


def _named(field: str) -> Iterator[str]:
    if field not in FIELDS:
        yield f"field {field} is not in the index"


# -- the Discover session


def _sort(value: Any) -> bool:
    return isinstance(value, list) and all(_strings(one) and len(one) <= 2 for one in value)


_SESSION: dict[str, Rule] = {
    "title": str,
    "description?": str,
    "columns?": _strings,
    "sort?": _sort,
    "grid?": dict,
    "rowHeight?": _number,
    "headerRowHeight?": _number,
    "rowsPerPage?": _number,
    "sampleSize?": lambda value: _number(value) and 1 <= value <= 10_000,
    "hideChart?": bool,
    "breakdownField?": str,
    "visContext?": dict,
    "kibanaSavedObjectMeta": lambda value: value.keys() == {"searchSourceJSON"},
    "isTextBasedQuery?": bool,
    "usesAdHocDataView?": bool,
    "timeRestore?": bool,
    "timeRange?": dict,
    "refreshInterval?": dict,
    "viewMode?": {"documents", "patterns", "aggregated"},
    "density?": {"compact", "expanded", "normal"},
    "hideAggregatedPreview?": bool,
    "hits?": _number,
    "version?": _number,
}
_META: dict[str, Rule] = {
    "alias": lambda value: value is None or isinstance(value, str),
    "disabled": bool,
    "negate": bool,
    "field": FIELDS,
    "key": FIELDS,
    "type": {"phrase", "exists"},
    "indexRefName": str,
    "params?": dict,
    "value?": str,
}


def _session(found: Mapping[str, Any]) -> Iterator[str]:
    attributes = found["attributes"]
    yield from _version(found)
    yield from _members("attributes", attributes, _SESSION)
    for column in [*attributes.get("columns", ()), *(one[0] for one in attributes.get("sort", ()))]:
        yield from _named(column)
    source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
    yield from _members("source", source, {"filter": list, "indexRefName": str, "query": _query})
    used = [source["indexRefName"]]
    for found_filter in source["filter"]:
        meta = found_filter["meta"]
        yield from _members("filter.meta", meta, _META)
        used.append(meta["indexRefName"])
        asked = {"phrase": "match_phrase", "exists": "exists"}[meta["type"]]
        expected = (
            {meta["key"]: meta["params"]["query"]} if asked == "match_phrase" else {"field": meta["key"]}
        )
        if found_filter["query"] != {asked: expected}:
            yield "filter.query does not ask what its meta says"
    if sorted(used) != sorted(one["name"] for one in found["references"]):
        yield "references are not those used inside"


def _query(value: Any) -> bool:
    return value.keys() == {"language", "query"} and value["language"] == "kuery"


# -- the dashboard

_DASHBOARD: dict[str, Rule] = {
    "title": str,
    "description?": str,
    "kibanaSavedObjectMeta?": lambda value: value.keys() <= {"searchSourceJSON"},
    "timeRestore?": bool,
    "timeFrom?": str,
    "timeTo?": str,
    "refreshInterval?": dict,
    "controlGroupInput?": dict,
    "panelsJSON?": str,
    "optionsJSON?": str,
    "hits?": _number,
    "version?": _number,
}
_CONTROLS: dict[str, Rule] = {
    "panelsJSON?": str,
    "controlStyle?": str,
    "chainingSystem?": str,
    "ignoreParentSettingsJSON?": str,
    "showApplySelections?": bool,
}
_PANEL: dict[str, Rule] = {
    "type": {"lens", "search", "visualization"},
    "panelIndex": str,
    "panelRefName?": str,
    "gridData": dict,
    "embeddableConfig": dict,
}
_GRID: dict[str, Rule] = {"x": int, "y": int, "w": int, "h": int, "i": str}
_LENS: dict[str, Rule] = {
    "title": str,
    "type": {"lens"},
    "description?": str,
    "visualizationType": {"lnsXY", "lnsDatatable", "lnsMetric"},
    "references": _references,
    "state": dict,
}


def _dashboard(found: Mapping[str, Any]) -> Iterator[str]:
    attributes = found["attributes"]
    yield from _version(found)
    yield from _members("attributes", attributes, _DASHBOARD)
    yield from _members("controlGroupInput", attributes.get("controlGroupInput", {}), _CONTROLS)
    panels = json.loads(attributes["panelsJSON"])
    used: list[str] = []
    for panel in panels:
        yield from _members("panel", panel, _PANEL)
        yield from _members("gridData", panel["gridData"], _GRID)
        if panel["gridData"]["i"] != panel["panelIndex"]:
            yield f"panel {panel['panelIndex']}: another index in its grid"
        if panel["gridData"]["x"] + panel["gridData"]["w"] > GRID_WIDTH:
            yield f"panel {panel['panelIndex']}: wider than the page"
        if panel["type"] == "lens":
            lens = panel["embeddableConfig"]["attributes"]
            yield from _lens(panel["panelIndex"], lens)
            used += [f"{panel['panelIndex']}:{one['name']}" for one in lens["references"]]
        if panel["type"] == "search":  # names are compared without the panel's prefix
            used.append(f"{panel['panelIndex']}:{panel['panelRefName']}")
    for one, other in combinations((panel["gridData"] for panel in panels), 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        if not apart:
            yield f"panels {one['i']} and {other['i']} overlap"
    if sorted(used) != sorted(one["name"] for one in found["references"]):
        yield "references are not those used inside"


def _lens(panel: str, lens: Mapping[str, Any]) -> Iterator[str]:
    yield from _members(panel, lens, _LENS)
    state = lens["state"]
    layers = state["datasourceStates"]["formBased"]["layers"]
    if [f"indexpattern-datasource-layer-{layer}" for layer in layers] != [
        r["name"] for r in lens["references"]
    ]:
        yield f"{panel}: references are not its layers"
    columns: set[str] = set()
    for layer in layers.values():
        columns |= layer["columns"].keys()
        if sorted(layer["columnOrder"]) != sorted(layer["columns"]):
            yield f"{panel}: order of columns"
        for column in layer["columns"].values():
            if column["sourceField"] != "___records___":
                yield from _named(column["sourceField"])
            order = column.get("params", {}).get("orderBy", {})
            if order.get("type") == "column" and order["columnId"] not in layer["columns"]:
                yield f"{panel}: ordered by a column that is not there"
            if column["operationType"] == "terms" and not 1 <= column["params"]["size"] <= 1000:
                yield f"{panel}: Kibana shows at most 1,000 values"
    for accessor in _accessors(state["visualization"]):
        if accessor not in columns:
            yield f"{panel}: draws a column that is not there"


def _accessors(drawn: Mapping[str, Any]) -> Iterator[str]:
    """Yield the columns a picture draws: of a metric, a table, and bars."""
    if "metricAccessor" in drawn:
        yield drawn["metricAccessor"]
    yield from (column["columnId"] for column in drawn.get("columns", ()))
    for layer in drawn.get("layers", ()):
        yield from layer["accessors"]
        yield layer["xAccessor"]
        yield layer["splitAccessor"]


_ATTRIBUTES = {"index-pattern": _data_view, "search": _session, "dashboard": _dashboard}
