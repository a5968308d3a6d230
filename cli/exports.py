"""``daylight exports``: packages of Vault and Purview, asked for and downloaded."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import By, RequestId, opened
from cli.output import say, show, whoami

app = typer.Typer(
    no_args_is_help=True, help="Exports that Google Vault or Microsoft Purview make for a source."
)

SourceId = Annotated[str, typer.Argument(metavar="SOURCE", help="Source id, as the request file has it.")]


@app.callback()
def _exports() -> None:
    """Keep ``fetch`` a word of its own while it is the only one."""


@app.command("fetch")
def fetch_command(
    context: typer.Context,
    request_id: RequestId,
    source_id: SourceId,
    again: Annotated[
        bool, typer.Option("--again", help="Ask for another export: the last failed, expired or is old.")
    ] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="End at once while the service is still making it.")
    ] = False,
    by: By = "",
) -> None:
    """Ask for a source's export unless that was done, wait for it, download it and check it.

    Safe to repeat: nothing is asked for twice, and a download goes on where it broke off.
    """
    from desk import exports

    home = opened(context)
    done = exports.fetch(
        home, request_id, source_id, by=by or whoami(), again=again, wait=not no_wait, say=say
    )
    show(done)
    say(f"Next: `daylight run {request_id}` reads it.")
