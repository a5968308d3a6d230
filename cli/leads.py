"""``daylight leads``: what in the hits could lead elsewhere, and what was done about it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import By, RequestId, opened
from cli.output import say, show, show_lines, whoami

app = typer.Typer(
    no_args_is_help=True, help="What in the hits could lead to another place or person; see docs/leads.md."
)

Signals = Annotated[
    list[str], typer.Argument(metavar="SIGNAL...", help="Signal ids, as `leads list` has them.")
]
Signal = Annotated[str, typer.Argument(metavar="SIGNAL", help="Signal id, as `leads list` has it.")]
Why = Annotated[str, typer.Option("--why", help="The reason; it goes into the adequacy report.")]
Who = Annotated[str, typer.Option("--by", help="Who decides this; their name stays with it.")]


@app.command("find")
def find_command(context: typer.Context, request_id: RequestId, by: By = "") -> None:
    """Look through the hits of the terms in force; what was answered stays answered."""
    from desk import leads

    show(leads.find_signals(opened(context), request_id, by=by.strip() or whoami()))
    say(f"Next: `daylight leads list {request_id}`")


@app.command("list")
def list_command(
    context: typer.Context,
    request_id: RequestId,
    leads_only: Annotated[
        bool, typer.Option("--leads", help="Only leads: in a responsive item, or promoted.")
    ] = False,
    still_open: Annotated[bool, typer.Option("--open", help="Only what nobody closed.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write them here (.csv or .xlsx), for the office.")
    ] = None,
) -> None:
    """Print the signals as JSON lines, the first to look at first."""
    from desk import leads

    home = opened(context)
    count = show_lines(
        leads.listed(home, request_id, leads=leads_only, still_open=still_open, out=out, by=whoami())
    )
    say(f"{count:,} {'lead' if leads_only else 'signal'}{'' if count == 1 else 's'}")


@app.command("show")
def show_command(context: typer.Context, request_id: RequestId, signal: Signal, by: By = "") -> None:
    """Print the items in which a signal stands as JSON lines, each in its words."""
    from desk import leads

    show_lines(leads.shown(opened(context), request_id, signal, by=by.strip() or whoami()))


@app.command("promote")
def promote_command(
    context: typer.Context, request_id: RequestId, signals: Signals, why: Why, by: Who
) -> None:
    """Make leads of signals: they then hold closing back until they are closed."""
    from desk import leads

    show(leads.promote(opened(context), request_id, signals, why=why, by=by))


@app.command("close")
def close_command(
    context: typer.Context,
    request_id: RequestId,
    why: Why,
    by: Who,
    how: Annotated[
        str,
        typer.Option(
            "--how",
            help="searched, asked_custodian, already_covered, not_district_business, no_such_place, "
            "out_of_scope or other.",
        ),
    ],
    signals: Annotated[
        list[str] | None, typer.Argument(metavar="[SIGNAL]...", help="Signal ids; none with --kind.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="Every open signal of this kind instead of named ones.")
    ] = None,
) -> None:
    """Close signals with one reason: how each was followed, or why it leads nowhere."""
    from desk import leads

    show(leads.close(opened(context), request_id, signals or [], kind=kind, how=how, why=why, by=by))


@app.command("reopen")
def reopen_command(
    context: typer.Context, request_id: RequestId, signals: Signals, why: Why, by: Who
) -> None:
    """Open closed signals again."""
    from desk import leads

    show(leads.reopen(opened(context), request_id, signals, why=why, by=by))
