"""``daylight amend`` and ``daylight top-up``: a request as it is now, and what was listed again for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import RequestId, opened, say_doubts
from cli.output import say, show, show_lines

app = typer.Typer(
    no_args_is_help=True,
    help="List places again and fetch what is new; what came, changed and vanished; see docs/top-up.md.",
)

Reason = Annotated[str, typer.Option("--reason", help="Why; it goes into the record of the search.")]
Who = Annotated[str, typer.Option("--by", help="Who does this; their name stays with it.")]


def amend_command(
    context: typer.Context,
    request_id: RequestId,
    request: Annotated[Path, typer.Argument(help="The whole request file (TOML) as it is to be.")],
    by: Who,
    reason: Reason,
) -> None:
    """Add a version of a request: other words, days, people or places; the term list stays."""
    from desk.topping_up import amend

    home = opened(context)
    made = amend(home, request_id, request, by=by, why=reason)
    show(made)
    say_doubts(home.request(request_id).body)
    if made["terms_kept"]:
        say(
            "The term list in force stays, and the file's is another one: "
            f"`daylight terms {request_id} TERMS.csv --adopt` takes it over."
        )
    if made["round"] is not None:
        say(f"Next: `daylight run {request_id}` fetches what is new.")


@app.command("ask")
def ask_command(context: typer.Context, request_id: RequestId, by: Who, reason: Reason) -> None:
    """Let the next run list every place again, though the request stays as it is."""
    from desk.topping_up import ask

    show(ask(opened(context), request_id, by=by, why=reason))
    say(f"Next: `daylight run {request_id}` fetches what is new.")


@app.command("report")
def report_command(
    context: typer.Context,
    request_id: RequestId,
    items: Annotated[
        int | None,
        typer.Option(
            "--items", metavar="ROUND", min=1, help="Print this round's items that are not as they were."
        ),
    ] = None,
) -> None:
    """Print each round of listing as a JSON line: what came, changed and vanished in it."""
    from desk.topping_up import listed, report

    home = opened(context)
    show_lines(report(home, request_id) if items is None else listed(home, request_id, items))
