"""The command that writes the adequacy report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import RequestId, opened
from cli.output import say, show


def adequacy_command(
    context: typer.Context,
    request_id: RequestId,
    out: Annotated[Path, typer.Option("--out", help="New or empty folder for the files.")],
    by: Annotated[str, typer.Option("--by", help="Who asks for it; the report names them.")],
) -> None:
    """Write the record of the search (PDF, JSON), a masked copy, and the draft of a declaration."""
    from desk.adequacy.report import write_report  # typst is slow to load

    show(write_report(opened(context), request_id, out, by=by))
    say(
        "The office's copy holds names: give out the masked one only, and read it first. The declaration is "
        "a draft for the public records officer."
    )
