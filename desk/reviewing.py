"""Review at the desk: the coding sheet out, the decisions in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from desk.books import books
from desk.describing import describe_after, in_review
from desk.home import Home
from records import audit
from records.errors import AccessError, UsageError
from review.sheet import apply_sheet, write_sheet


def sheet(home: Home, request_id: str, out: Path, *, split_rows: int | None, by: str) -> dict[str, Any]:
    """Write the coding sheet of everything in review.

    Raises:
        UsageError: ``out`` is neither .xlsx nor .csv, or is there already; or nothing is in review.
    """
    found = home.request(request_id)
    if not books(home, request_id).review["in_review"]:
        raise UsageError(
            f"request {request_id} has nothing in review, so no sheet was written; `daylight status` shows "
            "whether it was run, `daylight terms` what its terms hit"
        )
    files = write_sheet(
        home.catalogue,
        home.store(request_id),
        request_id,
        out,
        found.version,
        zone=found.body.zone,
        split_rows=split_rows,
    )
    with home.catalogue.write() as connection:
        audit.append(connection, action="exported", actor=by, request_id=request_id, what="sheet")
    return {"request_id": request_id, "files": [str(file) for file in files]}


def decide(home: Home, request_id: str, path: Path, *, by: str) -> dict[str, Any]:
    """Read decisions in.

    Returns:
        Counts of rows applied, unchanged and empty, of records that took their family's answer, and every
        refused row with what is wrong and what to do; on a cluster that did not answer, ``kibana`` says so.

    Raises:
        AccessError: The file is not there.
        UsageError: It is no coding sheet, or the request is closed.
    """
    if not path.is_file():
        raise AccessError(f"{path}: there is no such file")
    if home.request(request_id).state == "closed":
        raise UsageError(f"request {request_id} is closed; its decisions no longer change")
    result = apply_sheet(home.catalogue, request_id, path, by)
    behind = describe_after(home, request_id, in_review(home, request_id))
    return {
        "request_id": request_id,
        "applied": result.applied,
        "unchanged": result.unchanged,
        "carried": result.carried,
        "empty": result.empty,
        "refused": [
            {"row": row.row, "item_id": row.item_id, "problem": row.problem} for row in result.refused
        ],
        **({"kibana": behind} if behind else {}),
    }
