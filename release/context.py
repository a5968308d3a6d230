"""What the desk knows and the release room is told: one frozen value, no globals, no environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

WORKING_COPY = "WORKING COPY, NOT FOR DELIVERY"
"""On the index page, in ``bag-info.txt`` and in ``status.json`` of every bundle; ``verify`` repeats it.

Stays until redaction and its checks exist: nothing this room writes is meant to leave the office.
"""


@dataclass(frozen=True, slots=True)
class Unsearchable:
    """A count of records that a word search could not look into.

    Attributes:
        source: Source id of the request file.
        reason: ``records.vocabulary.Reason`` as text.
        count: Records.
    """

    source: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class ReleaseContext:
    """Everything a bundle says that does not lie in this room's tables.

    Attributes:
        request_text: The request verbatim; it is shown to the requester.
        received_on: Day of receipt.
        zone: IANA name of the request's time zone; every time in the bundle is in it, with its offset.
        prefix: Of the permanent numbers (see ``numbering.check_prefix``); the same for a whole request.
        requester_label: How the office addresses the requester; may be empty.
        ledger: Totals as ``daylight ledger`` prints them: ``scopes``, ``children``, ``text``, ``balanced``.
        unsearchable: Counts by reason and source, never single items.
        cleared_terms: The search terms as the PRO cleared them for release; None: they are not included and
            the bundle says so.
        citations: Exemption code to the full citation of its statute; a code that is missing here stops an
            approval, since a refusal must name its exemption (RCW 42.56.210(3)).
        log_people: Address or number (lower case) to the name and role that the exemption log may show. Who
            is not in it is shown as a role only, since a name can itself be exempt.
        agency: The district's name; may be empty.
        unbalanced_because: Why the PRO lets a release go out although the ledger does not balance; empty:
            an unbalanced ledger stops the approval.
        office: Further tables for the office part: name to rows; a name becomes a file name.
    """

    request_text: str
    received_on: date
    zone: str
    prefix: str
    requester_label: str
    ledger: Mapping[str, Any]
    unsearchable: Sequence[Unsearchable] = ()
    cleared_terms: Sequence[str] | None = None
    citations: Mapping[str, str] = field(default_factory=dict)
    log_people: Mapping[str, str] = field(default_factory=dict)
    agency: str = ""
    unbalanced_because: str = ""
    office: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


def frozen_form(context: ReleaseContext) -> dict[str, Any]:
    """Return what of the context is shown in ``release/`` as plain JSON, to be frozen with the instalment."""
    return {
        "request_text": context.request_text,
        "received_on": context.received_on.isoformat(),
        "zone": context.zone,
        "prefix": context.prefix,
        "requester_label": context.requester_label,
        "ledger": public_ledger(context.ledger),
        "unsearchable": sorted(
            (asdict(row) for row in context.unsearchable), key=lambda r: (r["source"], r["reason"])
        ),
        "cleared_terms": None if context.cleared_terms is None else list(context.cleared_terms),
        "agency": context.agency,
        "unbalanced_because": context.unbalanced_because,
    }


_SCOPE_FIGURES = ("found", "stored", "failed", "excluded")
_TEXT_FIGURES = (
    "stored",
    "searchable",
    "not_searchable",
    "pending",
    "unread",
    "ocr_pages",
    "ocr_done",
    "ocr_failed",
)


def public_ledger(ledger: Mapping[str, Any]) -> dict[str, Any]:
    """Reduce a ledger to what may leave the office: totals by source and by reason.

    Scope keys are folder and file names, and a name can disclose what is withheld, so places are added up by
    source. A source whose expected count is unknown anywhere has ``expected`` None.
    """
    sources: dict[str, dict[str, Any]] = {}
    for number, scope in enumerate(ledger.get("scopes", ()), 1):
        name = str(scope.get("source") or f"place {number}")
        total = sources.setdefault(
            name,
            {
                "source": name,
                "places": 0,
                "expected": 0,
                **dict.fromkeys(_SCOPE_FIGURES, 0),
                "balanced": True,
            },
        )
        total["places"] += 1
        for figure in _SCOPE_FIGURES:
            total[figure] += int(scope[figure])
        expected = scope.get("expected")
        known = expected is not None and total["expected"] is not None
        total["expected"] = total["expected"] + int(expected) if known else None
        total["balanced"] = total["balanced"] and bool(scope["balanced"])
    text = ledger.get("text", {})
    return {
        "balanced": bool(ledger.get("balanced", False)),
        "sources": [sources[name] for name in sorted(sources)],
        "children": {k: int(v) for k, v in sorted(ledger.get("children", {}).items())},
        "text": {figure: int(text[figure]) for figure in _TEXT_FIGURES if figure in text},
        "not_searchable_by_reason": {k: int(v) for k, v in sorted(text.get("by_reason", {}).items())},
    }
