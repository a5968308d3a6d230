"""What the commands share: the arguments that many have, and opening the home."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import say
from records.settings import load_settings

if TYPE_CHECKING:
    from desk.home import Home
    from desk.request import Request

RequestId = Annotated[str, typer.Argument(metavar="ID", help="Request id, such as 2026-0001.")]
ItemId = Annotated[str, typer.Argument(metavar="ITEM", help="Item id.")]
By = Annotated[str, typer.Option("--by", help="Who does this; written into the audit log.")]


def bare_item_id(item: str) -> str:
    """Return an item id as it is, or as it stands in a coding sheet (``i:…``)."""
    return item.strip().removeprefix("i:")


def opened(context: typer.Context) -> Home:
    """Open the home the command line or the environment names."""
    from desk.home import Home

    settings = load_settings(context.obj)
    home = Home.open(settings=settings)
    context.call_on_close(home.close)
    return home


def sending(home: Home, request_id: str) -> AbstractContextManager[None]:
    """Send the numbers of a request to the collector of the settings meanwhile; nothing where none is set."""
    if not home.settings.otlp:
        return nullcontext()
    from desk.metrics import sent  # slow to load

    return sent(home, request_id)


def say_doubts(body: Request) -> None:
    """Say what in a request is probably a mistake."""
    from desk.request import doubts

    for doubt in doubts(body, datetime.now(body.zone).date()):
        say(doubt)
