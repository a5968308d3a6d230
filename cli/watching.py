"""How a request comes along, what failed in it, and another try at that."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import By, RequestId, opened
from cli.output import run_progress, say, show, whoami
from records.errors import UsageError
from records.vocabulary import Reason

Reasons = Annotated[
    list[Reason] | None,
    typer.Option("--reason", help="Only what failed for this reason; may be repeated."),
]


def retry_command(
    context: typer.Context,
    request_id: RequestId,
    reason: Reasons = None,
    item: Annotated[
        list[str] | None,
        typer.Option("--item", metavar="ITEM", help="Only this item and its family; may be repeated."),
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Read it here and now; else the next run reads it.")
    ] = False,
    by: By = "",
) -> None:
    """Put what could not be read in line for another try; by itself, all that failed for a passing reason."""
    from desk import rereading

    if reason and item:
        raise UsageError("name reasons or items, not both")
    home = opened(context)
    home.request(request_id)
    items = [one.strip().removeprefix("i:") for one in item or ()]
    wanted = items or rereading.failed_items(home, request_id, reason or ())
    actor = by or whoami()
    if not local:
        put = rereading.put_in_line(home, request_id, wanted, by=actor, why="retry")
        show(put.as_json())
        if put.families:
            say(f"Next: `daylight run {request_id}` reads it again.")
        return
    with run_progress() as tell:
        show(rereading.read_again(home, request_id, wanted, by=actor, why="retry", tell=tell))
