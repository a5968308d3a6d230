"""``daylight policy``: messages that may be exceptions to what the district allows by text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import By, RequestId, opened
from cli.output import say, show, show_lines, whoami

app = typer.Typer(
    no_args_is_help=True,
    help="Messages that may be exceptions to the district's own policy on texting: off until the district "
    "turns it on; marked for a person to judge, never withheld for it, in no bundle; see docs/policy.md.",
)

Why = Annotated[str, typer.Option("--why", help="The reason; it stays with the record.")]
Who = Annotated[str, typer.Option("--by", help="Who does this; their name stays with it.")]


@app.command("rules")
def rules_command(
    out: Annotated[Path, typer.Option("--out", help="File to write (.toml).")],
) -> None:
    """Write the rules that come with the program, for the district to make its own."""
    from desk.policy import write_rules

    show(write_rules(out))
    say(
        f"Compare {out} with the district's procedure and name its approved apps; "
        f"then `daylight policy on {out} --why WHY --by NAME`."
    )


@app.command("on")
def on_command(
    context: typer.Context,
    rules: Annotated[Path, typer.Argument(help="The district's rules (TOML).")],
    why: Why,
    by: Who,
) -> None:
    """Turn the check on for this office, by the district's rules; who did, when and why is kept."""
    from desk import policy

    show(policy.turn_on(opened(context), rules, why=why, by=by))
    say("Next: `daylight policy check ID` looks at the messages of a request.")


@app.command("off")
def off_command(context: typer.Context, why: Why, by: Who) -> None:
    """Turn the check off; what was recorded stays."""
    from desk import policy

    show(policy.turn_off(opened(context), why=why, by=by))


@app.command("check")
def check_command(context: typer.Context, request_id: RequestId, by: By = "") -> None:
    """Mark possible exceptions in the messages of sources that the district runs, never in personal ones."""
    from desk import policy

    show(policy.check(opened(context), request_id, by=by.strip() or whoami()))
    say(f"Next: `daylight policy list {request_id} --open`")


@app.command("list")
def list_command(
    context: typer.Context,
    request_id: RequestId,
    still_open: Annotated[bool, typer.Option("--open", help="Only what nobody judged.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Also write the record here (.csv), as it can be asked for."),
    ] = None,
) -> None:
    """Print the record as JSON lines: rule, exception, item and place, judgement; no content."""
    from desk import policy

    home = opened(context)
    count = show_lines(policy.listed(home, request_id, still_open=still_open, out=out, by=whoami()))
    say(f"{count:,} possible exception{'' if count == 1 else 's'}, for a person to judge")


@app.command("judge")
def judge_command(
    context: typer.Context,
    request_id: RequestId,
    exceptions: Annotated[
        list[str], typer.Argument(metavar="MARK...", help="Exception ids, as `policy list` has them.")
    ],
    judgement: Annotated[str, typer.Option("--as", help="exception, named_exception or no_exception.")],
    why: Why,
    by: Who,
    exception: Annotated[
        str,
        typer.Option("--exception", help="With named_exception: the id of the exception it falls under."),
    ] = "",
) -> None:
    """Write down what a person found; an earlier judgement stays in the record."""
    from desk import policy

    show(
        policy.judge(
            opened(context), request_id, exceptions, judgement=judgement, excuse=exception, why=why, by=by
        )
    )
