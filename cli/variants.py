"""``daylight variants``: other forms of terms and names, proposed, taken and refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import By, RequestId, opened
from cli.output import say, show, show_lines, whoami
from records.errors import Incomplete

if TYPE_CHECKING:
    from desk.variants import Answer

app = typer.Typer(
    no_args_is_help=True, help="Other forms of the terms and names of a request; see docs/variants.md."
)

Variants = Annotated[
    list[str] | None,
    typer.Argument(metavar="[VARIANT]...", help="Variant ids, as `variants list` has them."),
]
All = Annotated[bool, typer.Option("--all", help="All that are open.")]
WayOption = Annotated[
    str | None, typer.Option("--way", metavar="WAY", help="With --all: only those made in this way.")
]
Why = Annotated[str, typer.Option("--why", help="The reason; it goes into the adequacy report.")]
Who = Annotated[str, typer.Option("--by", help="Who decides this; their name stays with it.")]


@app.command("propose")
def propose_command(context: typer.Context, request_id: RequestId, by: By = "") -> None:
    """Look for forms that add hits to the term list in force; what was answered stays answered."""
    from desk import variants

    made = variants.propose_variants(opened(context), request_id, by=by.strip() or whoami())
    show(made)
    if made["not_run"]:
        say(f"{made['not_run']} forms could not be run: they stand for too many words, or took too long.")
    if made["open"]:
        say(f"Next: `daylight variants list {request_id} --out variants.xlsx`, answer,")
        say(f"`daylight variants answer {request_id} variants.xlsx --by NAME`.")


@app.command("list")
def list_command(
    context: typer.Context,
    request_id: RequestId,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write the sheet to answer here (.csv or .xlsx).")
    ] = None,
) -> None:
    """Print the variants as JSON lines, the open ones first, the likeliest before the others."""
    from desk import variants_sheet

    show_lines(variants_sheet.listed(opened(context), request_id, out, by=whoami()))


@app.command("answer")
def answer_command(
    context: typer.Context,
    request_id: RequestId,
    sheet: Annotated[Path, typer.Argument(metavar="FILE", help="The sheet, filled in.")],
    by: Who,
    why: Annotated[str, typer.Option("--why", help="The reason of rows that give none of their own.")] = "",
) -> None:
    """Read answers in; rows that cannot be placed are refused by row, the others are kept."""
    from desk import variants_sheet

    result = variants_sheet.answer_sheet(opened(context), request_id, sheet, by=by, why=why)
    _show(request_id, result)
    if result["rows_not_accepted"]:
        raise Incomplete(
            f"{len(result['rows_not_accepted'])} rows were not accepted; correct them and run this again"
        )


@app.command("take")
def take_command(
    context: typer.Context,
    request_id: RequestId,
    why: Why,
    by: Who,
    variant_ids: Variants = None,
    everything: All = False,
    way: WayOption = None,
) -> None:
    """Add variants to the term list, all in one new version of the request, and count it anew."""
    from desk.variants import Answer

    _answer(context, request_id, Answer.TAKEN, variant_ids or [], why, by, everything, way)


@app.command("refuse")
def refuse_command(
    context: typer.Context,
    request_id: RequestId,
    why: Why,
    by: Who,
    variant_ids: Variants = None,
    everything: All = False,
    way: WayOption = None,
) -> None:
    """Leave variants out of the term list; they are kept with the reason and not asked again."""
    from desk.variants import Answer

    _answer(context, request_id, Answer.REFUSED, variant_ids or [], why, by, everything, way)


def _answer(
    context: typer.Context,
    request_id: str,
    said: Answer,
    variant_ids: list[str],
    why: str,
    by: str,
    everything: bool,
    way: str | None,
) -> None:
    from desk import variants

    result = variants.answer(
        opened(context), request_id, said, variant_ids, why=why, by=by, everything=everything, way=way
    )
    _show(request_id, result)


def _show(request_id: str, result: dict[str, Any]) -> None:
    show(result)
    if result["taken"]:
        say(f"The term list is now version {result['version']}; its hits are counted.")
        say(f"Next: `daylight variants propose {request_id}` counts what is still open against it.")
