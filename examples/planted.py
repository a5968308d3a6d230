"""What the fictional district's truth table planted, told by the items of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def planted(
    truth: Iterable[Mapping[str, Any]],
    found: Iterable[Mapping[str, Any]],
    request_name: str,
    told: str = "planted",
) -> dict[str, dict[str, str]]:
    """Return, by term, the items that hold it by their words, each with the source that it lies in.

    Args:
        truth: Rows of ``truth.jsonl``.
        found: What ``daylight items`` prints: each parent before its children, children in order.
        request_name: ``bus`` for ``request-bus.toml``.
        told: ``planted``, or ``after_ocr`` for those that only OCR can find.

    Raises:
        ValueError: An item has another number of children than the table says.
    """
    families: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for item in found:
        families.setdefault((item["source"], item["native_id"]), []).append(item)
    out: dict[str, dict[str, str]] = {}

    def visit(row: Mapping[str, Any], item: Mapping[str, Any], members: list[Mapping[str, Any]]) -> None:
        for term in row.get(told, {}).get(request_name, ()):
            out.setdefault(term, {})[item["item_id"]] = item["source"]
        children = [member for member in members if member["parent_id"] == item["item_id"]]
        for child_row, child in zip(row["children"], children, strict=True):
            visit(child_row, child, members)

    for row in truth:
        members = families.get((row["source_id"], row["native_key"]))
        if members and members[0]["state"] == "stored":
            visit(row, members[0], members)
    return out
