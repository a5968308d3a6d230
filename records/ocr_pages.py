"""How far OCR is: pages that are pictures, as the items have them; what two people hold counts twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sa

from records import canonical
from records import tables as t


@dataclass(frozen=True, slots=True)
class OcrPages:
    """Pages of the stored items of a request that are pictures.

    Attributes:
        pending: Not read, or read and not in the text of their item yet.
        done: Read; blank ones too.
        failed: Could not be read.
        by_reason: These by reason.
        last_at: When an item's text was made anew last, UTC; None where none was.
    """

    pending: int
    done: int
    failed: int
    by_reason: dict[str, int]
    last_at: str | None


def ocr_pages(connection: sa.Connection, request_id: str) -> OcrPages:
    """Count them."""
    r, o = t.readings.c, t.ocr_items.c
    waiting = sa.select(r.ocr_pages).where(r.request_id == request_id, r.ocr_pages != "[]")
    pending = sum(pages.count(",") + 1 for pages in connection.scalars(waiting))
    done, last_at = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(o.done), 0), sa.func.max(o.at)).where(
            o.request_id == request_id
        )
    ).one()
    reasons: Counter[str] = Counter()
    lost = sa.select(o.failed).where(o.request_id == request_id, o.failed != "[]")
    for failed in connection.scalars(lost):
        reasons.update(reason for _, reason, _ in canonical.loads(failed))
    return OcrPages(pending, int(done), sum(reasons.values()), dict(sorted(reasons.items())), last_at)
