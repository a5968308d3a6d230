"""``daylight plan``: what a request will take, from counts and headers alone."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import By, RequestId, opened
from cli.output import say, show, whoami
from records.errors import UsageError

if TYPE_CHECKING:
    from desk.estimating import Counted


def plan_command(
    context: typer.Context,
    request_id: RequestId,
    adjust: Annotated[
        list[str] | None,
        typer.Option(
            "--adjust",
            metavar="PART=DAYS",
            help="Set a part of the estimate in force, such as review=12d; may be repeated.",
        ),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why a part is adjusted.")] = "",
    by: By = "",
) -> None:
    """Ask each source for counts and headers, and estimate the time the request takes; fetches nothing."""
    from desk import estimating

    home = opened(context)
    if adjust:
        made = estimating.adjust(home, request_id, adjust, by=by, why=reason)
    elif reason:
        raise UsageError("--reason goes with --adjust")
    else:
        made = estimating.estimate(home, request_id, by=by or whoami(), tell=_tell)
    show(dataclasses.asdict(made))
    for line in estimating.table(made):
        say(line)


def _tell(one: Counted) -> None:
    say(f"{one.source}: {'counted' if one.answered else 'did not answer'}")
