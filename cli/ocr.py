"""``daylight ocr``: pages that are pictures of text are read, and found by their words from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import RequestId, opened, sending
from cli.output import say, show, show_lines
from records.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from desk.ocr import Progress

_QUIET_S = 10.0


def ocr_command(
    context: typer.Context,
    request_id: RequestId,
    local: Annotated[bool, typer.Option("--local", help="Read in this process, no Airflow.")] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Read this many pages at most.")
    ] = None,
    languages: Annotated[
        str | None,
        typer.Option(
            "--languages",
            help="Tesseract's codes joined by +, for what is read now; else `DAYLIGHT_OCR_LANGUAGES`.",
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also read pages again that failed for a reason that may pass.")
    ] = False,
    unsure: Annotated[
        bool, typer.Option("--unsure", help="Read nothing; list pages whose words are not sure.")
    ] = False,
    failed: Annotated[
        bool, typer.Option("--failed", help="Read nothing; list pages that could not be read, and why.")
    ] = False,
) -> None:
    """Read the pages that are pictures, with Tesseract; resumes what an earlier one left. See docs/ocr.md."""
    from desk import ocr

    if limit is not None and not local:
        raise UsageError("--limit goes with --local; under Airflow all that waits is read")
    home = opened(context)
    if unsure or failed:
        show_lines(ocr.unsure_pages(home, request_id) if unsure else ocr.failed_pages(home, request_id))
        return
    if local:
        with sending(home, request_id):
            done = ocr.run_local(
                home, request_id, languages=languages, limit=limit, again=again, tell=_in_lines()
            )
    else:
        from desk.airflow import follow_ocr

        done = follow_ocr(home, request_id, languages=languages, again=again, say=say)
    show(done)
    if done["lists_counted_before"]:
        say(
            "The term list was counted before these texts were there: "
            f"`daylight terms {request_id}` or the next run counts it again."
        )


def _in_lines() -> Callable[[Progress], None]:
    said = -_QUIET_S

    def tell(at: Progress) -> None:
        nonlocal said
        if at.seconds - said < _QUIET_S:
            return
        said = at.seconds
        if at.waits:
            say("ocr: waits for the end of a run, then makes the texts anew")
            return
        left = "" if at.seconds_left is None else f", {at.seconds_left / 60:,.0f} min left"
        failed = f", {at.failed:,} failed" if at.failed else ""
        say(f"ocr: {at.done:,} of {at.total:,} pages, {at.pages_per_min:,.0f} pages/min{left}{failed}")

    return tell
