"""``daylight declare``: what custodians answered about personal devices and accounts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.common import By, RequestId, opened
from cli.output import say, show, whoami


def declare_command(
    context: typer.Context,
    request_id: RequestId,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Declarations (.toml or .csv); none: list what was declared."),
    ] = None,
    template: Annotated[
        bool,
        typer.Option("--template", help="Write an empty FILE to fill in; without FILE to stdout, as TOML."),
    ] = False,
    by: By = "",
) -> None:
    """Take in what custodians declared of personal devices and accounts, with a receipt for each file."""
    from desk import declaration_file, declaring

    home = opened(context)
    if template:
        body = home.request(request_id).body
        if file is None:
            sys.stdout.buffer.write(declaration_file.template(request_id, body))
        else:
            declaration_file.write_template(request_id, body, file)
            say(f"Fill {file} in, then `daylight declare {request_id} {file} --by NAME`.")
    elif file is None:
        show(declaring.listed(home, request_id))
    else:
        show(declaring.take_in(home, request_id, file, by=by or whoami()))
        for gap in declaring.standing(home, request_id).gaps:
            say(f"Missing: {declaring.words_of(gap)}.")
