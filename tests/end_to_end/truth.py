"""Holding what daylight made of the fictional district against the district's own truth table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from desk.home import Home
from records import tables as t


def load(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def differences(truth: Iterable[dict[str, Any]], items: Iterable[dict[str, Any]], request: str) -> list[str]:
    """Return one line for each item that is lost, doubled, not expected, or ended in another state."""
    families: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for item in items:
        families.setdefault((item["source"], item["native_id"]), []).append(item)
    out = []
    sources = {source for source, _ in families}
    for row in truth:
        if row["source_id"] not in sources:
            continue
        key = (row["source_id"], row["native_key"])
        members = families.pop(key, None)
        if members is None:
            out.append(f"{key}: lost")
            continue
        out.extend(f"{key}: {line}" for line in _compare(row, members, request))
    out.extend(f"{key}: not in the truth" for key in families)
    return out


def _compare(row: dict[str, Any], members: list[dict[str, Any]], request: str) -> Iterator[str]:
    tops = [m for m in members if m["parent_id"] is None]
    if len(tops) != 1:
        yield f"{len(tops)} top items"
        return
    top = tops[0]
    collection = row.get("collection_by_request", {}).get(request) or row["collection"]
    yield from _states(row, collection, top)
    if collection["state"] == "stored":
        if top["kind"] != row["kind"]:
            yield f"kind {top['kind']}, truth {row['kind']}"
        if row.get("sha256") and top["content_sha256"] != row["sha256"]:
            yield "other bytes"
        yield from _children(row, top, members)


def _states(row: dict[str, Any], collection: dict[str, Any], item: dict[str, Any]) -> Iterator[str]:
    reason = item["excluded"] or (item["failure"] or {}).get("reason")
    if item["state"] != collection["state"]:
        yield f"state {item['state']}/{reason}, truth {collection['state']}/{collection['reason']}"
        return
    if item["state"] != "stored":
        if reason != collection["reason"]:
            yield f"reason {reason}, truth {collection['reason']}"
        return
    text = row["text"]
    if item["text_state"] != text["state"]:
        yield f"text {item['text_state']}/{reason}, truth {text['state']}/{text['reason']}"
    elif text["reason"] not in {None, "needs_ocr", "no_text"} and reason != text["reason"]:
        yield f"text reason {reason}, truth {text['reason']}"


def _children(row: dict[str, Any], parent: dict[str, Any], members: list[dict[str, Any]]) -> Iterator[str]:
    found = [m for m in members if m["parent_id"] == parent["item_id"]]
    expected = row["children"]
    if len(found) != len(expected):
        names = [c["name"] for c in found]
        yield f"{len(found)} children {names}, truth {len(expected)} {[c['name'] for c in expected]}"
        return
    for item, child in zip(found, expected, strict=True):
        if item["name"] != child["name"]:
            yield f"child named {item['name']!r}, truth {child['name']!r}"
        for line in _states(child, child["collection"], item):
            yield f"child {child['name']}: {line}"
        if child["collection"]["state"] == "stored":
            yield from (f"child {child['name']}: {line}" for line in _children(child, item, members))


def copies(truth: Iterable[dict[str, Any]], stored: Mapping[tuple[str, str], str]) -> set[frozenset[str]]:
    """Return which stored records are copies of one message, by the district's own account.

    Args:
        truth: The table.
        stored: Item id of each stored top item, by source id and native key.
    """
    same: dict[str, set[str]] = {}
    for row in truth:
        item_id = stored.get((row["source_id"], row["native_key"]))
        if item_id is not None:
            same.setdefault(row["content_group"], set()).add(item_id)
    return {frozenset(group) for group in same.values() if len(group) > 1}


def grouped(home: Home, request_id: str) -> set[frozenset[str]]:
    """Return which records ``daylight group`` found to be copies of one message."""
    d = t.duplicate_items.c
    found: dict[str, set[str]] = {}
    with home.catalogue.read() as connection:
        for item_id, group_id in connection.execute(
            sa.select(d.item_id, d.group_id).where(d.request_id == request_id)
        ):
            found.setdefault(group_id, set()).add(item_id)
    return {frozenset(group) for group in found.values()}
