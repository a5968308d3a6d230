"""``daylight columns``: a column map for an app's table of messages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.output import say, show


def columns_command(
    table: Annotated[Path, typer.Argument(metavar="FILE", help="A table of the app, as it came (CSV).")],
    app: Annotated[str, typer.Option("--app", help="The app's name, such as talkingpoints. Required.")],
    out: Annotated[Path, typer.Option("--out", help="The map to write (TOML). Required.")],
    zone: Annotated[
        str, typer.Option("--zone", help="Time zone of times that state no offset.")
    ] = "America/Los_Angeles",
) -> None:
    """Propose which column of a table says what; a person corrects and confirms it."""
    from desk import columns

    done = columns.propose(table, app, out, zone)
    show(done)
    for name in done["missing"]:
        say(f"No column was found for `{name}`: name it in {out}.")
    say(f"Next: compare {out} with the table, write who confirms it, and name it as `map` in the source.")
