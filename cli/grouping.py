"""``daylight group`` and ``daylight diff``: which records belong together, and how two texts differ."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import By, ItemId, RequestId, opened
from cli.output import run_progress, say, show, whoami


def group_command(
    context: typer.Context,
    request_id: RequestId,
    duplicates: Annotated[
        str | None,
        typer.Option(
            "--duplicates",
            metavar="MODE",
            help="Where exact duplicates are looked for: global, custodial (among the records of each "
            "custodian) or none. It is kept; without it, as the time before, at first global.",
        ),
    ] = None,
    bcc: Annotated[
        str | None,
        typer.Option(
            "--bcc",
            metavar="WAY",
            help="Copies that differ in blind recipients, which only the sender's has, are other messages "
            "(counted) or the same (left_out). It is kept; without it, as the time before, at first counted.",
        ),
    ] = None,
    by: By = "",
) -> None:
    """Find duplicates, near duplicates, threads and inclusive messages; they order the reading only."""
    from desk import grouping

    home = opened(context)
    with run_progress() as tell:
        made = grouping.group(
            home, request_id, mode=duplicates, bcc=bcc, by=by.strip() or whoami(), tell=tell
        )
    show(made)
    say(
        "Groups order the reading: no record left the ledger, the review or a release by them, and a message "
        "that another one contains is still a record to decide on."
    )
    say(f"Next: `daylight sheet {request_id} --out sheet.xlsx`, or `daylight view {request_id}`.")


def diff_command(
    context: typer.Context,
    request_id: RequestId,
    first: ItemId,
    second: Annotated[str, typer.Argument(metavar="ITEM", help="Item id of the other.")],
    whole: Annotated[bool, typer.Option("--whole", help="Long runs of equal words too.")] = False,
    by: By = "",
) -> None:
    """Show word by word how the texts of two records differ: JSON lines of runs, the figures last."""
    from desk import comparing

    ids = first.removeprefix("i:"), second.removeprefix("i:")
    found = comparing.compare(opened(context), request_id, *ids, whole=whole, by=by.strip() or whoami())
    for run in found["runs"]:
        show(run)
    show(found["figures"])
