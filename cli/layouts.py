"""``daylight layout``: a layout for an app's printouts of messages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.output import say, show, show_lines
from records.errors import UsageError


def layout_command(
    printout: Annotated[
        Path, typer.Argument(metavar="FILE", help="A printout of the app, as it came (PDF or HTML).")
    ],
    app: Annotated[str, typer.Option("--app", help="The app's name, such as remind.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="The layout to write (TOML).")] = None,
    zone: Annotated[
        str, typer.Option("--zone", help="Time zone of times that state none.")
    ] = "America/Los_Angeles",
    check: Annotated[
        Path | None,
        typer.Option("--check", help="Write nothing: show what this layout makes of it, signed or not."),
    ] = None,
) -> None:
    """Propose how an app prints its messages; a person corrects and confirms it."""
    from desk import layouts

    if check is not None:
        messages, shape = layouts.shown(printout, check)
        show_lines(messages)
        show(shape)
        if not shape["fits"]:
            say(f"This is no printout of {check}: one of its `marks` is not on the first page.")
        if shape["expected"] not in {None, shape["messages"]}:
            say(f"{shape['messages']} messages, and {shape['expected']} by {shape['expected_by']}.")
        return
    if not app or out is None:
        raise UsageError("give `--app` and `--out` for a proposal, or `--check` to look at a layout")
    done = layouts.propose(printout, app, out, zone)
    show(done)
    for name in done["missing"]:
        say(f"Nothing was found for `{name}`: write in {out} how it is printed.")
    if done["pages_without_text"]:
        say(f"{done['pages_without_text']} of {done['pages']} pages have no text: they need OCR.")
    say(
        f"Next: look at it by `daylight layout {printout} --check {out}`, correct it, write who confirms it, "
        "and name it as `layout` in the source."
    )
