"""``daylight screenshots``: begin the sheet of a folder of screenshots."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.output import say, show


def screenshots_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the pictures are.")],
) -> None:
    """Write a sheet in which the employee says what each picture shows."""
    from desk import screenshot_sheet

    done = screenshot_sheet.begin(folder)
    show(done)
    say(
        f"Next, in {done['sheet']}: order the rows, name app and contact, give the days that a picture does "
        "not show, and say where something is missing."
    )
