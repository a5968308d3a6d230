"""Commands about samples of what is not going to be reviewed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import RequestId, opened
from cli.output import say, show, show_lines, whoami
from records.errors import Incomplete

app = typer.Typer(
    no_args_is_help=True, help="Sample what no term finds: how much that is responsive was left behind."
)

SampleNumber = Annotated[int, typer.Argument(metavar="NO", help="Number of the sample.", min=1)]


@app.command("draw")
def draw_command(
    context: typer.Context,
    request_id: RequestId,
    by: Annotated[str, typer.Option("--by", help="Who draws it.")],
    size: Annotated[
        int | None, typer.Option("--size", help="Families to draw; all when there are fewer.", min=1)
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            help="Percent either way that a share of one half is to be known within; 2 when left out.",
        ),
    ] = None,
    confidence: Annotated[
        float, typer.Option("--confidence", help="Percent confidence of the sample's intervals.")
    ] = 95.0,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Seed to draw with; a random one when left out.", min=0)
    ] = None,
) -> None:
    """Freeze the list of families that no term finds, and draw from it."""
    from desk import sampling
    from desk.sampling_report import described

    made, file = sampling.draw(
        opened(context),
        request_id,
        by=by,
        size=size,
        margin=None if margin is None else margin / 100,
        confidence=confidence / 100,
        seed=seed,
    )
    show({**described(request_id, made), "frame": str(file)})
    say(
        f"Sample {made.number}: {made.size:,} of {made.population:,} families, drawn with seed {made.seed} "
        f"from {file}"
    )
    say(f"Next: `daylight sample sheet {request_id} {made.number} --out sample.xlsx`.")


@app.command("sheet")
def sheet_command(
    context: typer.Context,
    request_id: RequestId,
    number: SampleNumber,
    out: Annotated[Path, typer.Option("--out", help="File to write: .xlsx or .csv.")],
) -> None:
    """Write a sample as a list to answer, in the order drawn."""
    from desk import sampling

    show(sampling.sheet(opened(context), request_id, number, out, by=whoami()))


@app.command("code")
def code_command(
    context: typer.Context,
    request_id: RequestId,
    number: SampleNumber,
    sheet: Annotated[Path, typer.Argument(metavar="FILE", help="The sample's sheet, filled in.")],
    by: Annotated[str, typer.Option("--by", help="Who answered.")],
) -> None:
    """Read answers in, as many as there are; what is responsive is in review from then on."""
    from desk import sampling

    taken = sampling.code(opened(context), request_id, number, sheet, by=by)
    show(taken)
    if taken["put_in_review"]:
        say(f"{len(taken['put_in_review'])} families were found responsive and are in review now.")
    if taken["refused"]:
        raise Incomplete(f"{len(taken['refused'])} rows were refused; correct them and run this again")


@app.command("result")
def result_command(
    context: typer.Context,
    request_id: RequestId,
    number: Annotated[
        int | None, typer.Argument(metavar="[NO]", help="Number of the sample; none: the newest.", min=1)
    ] = None,
) -> None:
    """Show what a sample says: elusion and recall with their intervals, and what they stand on."""
    from desk import sampling
    from desk.sampling_report import as_json

    found = as_json(request_id, sampling.result(opened(context), request_id, number))
    show(found)
    for sentence in found["words"]:
        say(sentence)


@app.command("list")
def list_command(context: typer.Context, request_id: RequestId) -> None:
    """List every sample that was ever drawn, with its result."""
    from desk import sampling
    from desk.sampling_report import as_json

    show_lines(as_json(request_id, one) for one in sampling.series(opened(context), request_id))
