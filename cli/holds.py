"""``daylight holds``: what is kept where it lies, until the public records officer releases it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.common import RequestId, opened
from cli.output import say, show, show_lines
from records.errors import Incomplete

app = typer.Typer(
    no_args_is_help=True,
    help="Holds on what a request asks for: proposed, placed by a person, released by one; "
    "see docs/preservation.md.",
)
litigation_app = typer.Typer(no_args_is_help=True, help="Litigation holds of the whole office.")
app.add_typer(litigation_app, name="litigation")

HoldIds = Annotated[list[str], typer.Argument(metavar="HOLD...", help="Hold ids, as `holds list` has them.")]
HoldId = Annotated[str, typer.Argument(metavar="HOLD", help="Hold id, as `holds list` has it.")]
Who = Annotated[str, typer.Option("--by", help="Who does this; their name stays with it.")]
Why = Annotated[str, typer.Option("--why", help="The reason; it stands in the record of the search.")]


@app.command("list")
def list_command(context: typer.Context, request_id: RequestId) -> None:
    """Print every hold as a JSON line: state, scope, proof, and what else covers the same."""
    from desk.hold_covering import listed

    show_lines(listed(opened(context), request_id))


@app.command("memo")
def memo_command(
    context: typer.Context,
    request_id: RequestId,
    out: Annotated[Path, typer.Option("--out", help="Folder for the memos, as text and PDF.")],
) -> None:
    """Write the memo to each custodian that was not handed over yet."""
    from desk.preserving import write_memos

    made = write_memos(opened(context), request_id, out)
    show(made)
    if not made["files"]:
        say(f"No memo waits to be handed over; `daylight holds list {request_id}` shows where each stands.")
        return
    say(f"Hand them over, then `daylight holds place {request_id} HOLD --by NAME --proof HOW`.")


@app.command("place")
def place_command(
    context: typer.Context,
    request_id: RequestId,
    hold_ids: HoldIds,
    by: Who,
    proof: Annotated[str, typer.Option("--proof", help="For a memo: how and when it was handed over.")] = "",
) -> None:
    """Place proposed holds at their services, and record memos that were handed over."""
    from desk.preserving import place

    _shown(place(opened(context), request_id, hold_ids, by=by, proof=proof), "place")


@app.command("check")
def check_command(
    context: typer.Context,
    request_id: RequestId,
    by: Who,
    hold_ids: Annotated[
        list[str] | None, typer.Argument(metavar="HOLD...", help="Hold ids; none for all that were placed.")
    ] = None,
) -> None:
    """Look at holds at their services, and record what differs; one that is gone there is `lost`."""
    from desk.preserving import check

    _shown(check(opened(context), request_id, hold_ids or [], by=by), "place")


@app.command("acknowledge")
def acknowledge_command(
    context: typer.Context,
    request_id: RequestId,
    hold_id: HoldId,
    by: Who,
    proof: Annotated[str, typer.Option("--proof", help="How and when the custodian confirmed it.")],
) -> None:
    """Record that a custodian confirmed a memo."""
    from desk.preserving import acknowledge

    show(acknowledge(opened(context), request_id, hold_id, by=by, proof=proof))


@app.command("release")
def release_command(
    context: typer.Context, request_id: RequestId, hold_ids: HoldIds, by: Who, why: Why
) -> None:
    """Release holds of a closed request; refused while another request or litigation covers the same."""
    from desk.preserving import release

    done = release(opened(context), request_id, hold_ids, by=by, why=why)
    for one in done:
        if one["before_suggested"] and "error" not in one:
            say(f"{one['hold_id']}: released before {one['suggested_release_on']} (RCW 42.56.550(6)).")
    _shown(done, "release")


def _shown(done: list[dict[str, Any]], again: str) -> None:
    """Print what became of each hold; what holds nothing, or could not be asked, makes it incomplete."""
    from desk.holds import FAILED, LOST

    show_lines(done)
    refused = [one["hold_id"] for one in done if "error" in one]
    void = [one["hold_id"] for one in done if one.get("state") in {FAILED, LOST}]
    problems = [f"{one['hold_id']}: {one['error']}" for one in done if "error" in one]
    if void:
        problems.append(f"nothing is held by {', '.join(void)}; look at the service, then place again")
    if refused:
        problems.append(f"when that is mended, `{again}` {', '.join(refused)} again")
    if problems:
        raise Incomplete("; ".join(problems))


@litigation_app.command("list")
def litigation_list_command(context: typer.Context) -> None:
    """Print every litigation hold as a JSON line, those in force first."""
    from desk.litigation import litigation

    show_lines(litigation(opened(context)))


@litigation_app.command("add")
def litigation_add_command(
    context: typer.Context,
    matter: Annotated[str, typer.Argument(metavar="MATTER", help="What the matter is called.")],
    by: Who,
    why: Annotated[str, typer.Option("--why", help="By whose order, and when.")],
    person: Annotated[
        list[str] | None,
        typer.Option("--person", help="Address, number or name; may be repeated. None: everybody."),
    ] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day it covers.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day it covers.")
    ] = None,
) -> None:
    """Enter a litigation hold: nothing that it covers is released while it is in force."""
    from desk.litigation import add_litigation

    days = {"first": first and first.date(), "last": last and last.date()}
    show(add_litigation(opened(context), matter, person or [], **days, by=by, why=why))


@litigation_app.command("end")
def litigation_end_command(
    context: typer.Context,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="As the list has it, such as l001.")],
    by: Who,
    why: Annotated[str, typer.Option("--why", help="By whose order, and when.")],
) -> None:
    """End a litigation hold."""
    from desk.litigation import end_litigation

    show(end_litigation(opened(context), number, by=by, why=why))
