"""How a request comes along, what failed in it, and another try at that."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import By, RequestId, bare_item_id, opened, sending
from cli.output import run_progress, say, show, show_lines, whoami
from records.errors import UsageError
from records.vocabulary import Reason

if TYPE_CHECKING:
    from desk.home import Home

metrics_app = typer.Typer(no_args_is_help=True, help="The numbers of runs, for what watches machines.")

Reasons = Annotated[
    list[Reason] | None,
    typer.Option("--reason", help="Only what failed for this reason; may be repeated."),
]


def status_command(
    context: typer.Context,
    request_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Request id; none lists all.")
    ] = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="First show the numbers on stderr until no run is at work, or Ctrl-C."),
    ] = False,
    every: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=0.2, help="With --watch: how often.")
    ] = 2.0,
) -> None:
    """Show where a request stands; without an id, list every request."""
    from desk.register import list_requests
    from desk.status import status

    home = opened(context)
    if request_id is None:
        if watch:
            raise UsageError("--watch goes with the id of a request")
        show_lines(list_requests(home))
        return
    home.request(request_id)
    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            _watch(home, request_id, every)
    show(status(home, request_id))


def _watch(home: Home, request_id: str, every: float) -> None:
    """Show the numbers again and again: in place on a terminal, else when they change."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from desk.watching import figures, lines, slowest

    terminal = sys.stderr.isatty()
    console = Console(stderr=True, highlight=False)
    said = ""
    with Live(console=console, auto_refresh=False) if terminal else contextlib.nullcontext() as live:
        while True:
            began = time.monotonic()
            at = figures(home.catalogue, request_id)
            words = "\n".join(lines(at, slowest(home.catalogue, request_id)))
            if live is not None:
                live.update(Text(words, no_wrap=True, overflow="ellipsis"), refresh=True)
            elif words != said:
                say(words)
            said = words
            if not at.at_work:
                return
            time.sleep(max(every, 4 * (time.monotonic() - began)))  # counting is no burden on the run


def retry_command(
    context: typer.Context,
    request_id: RequestId,
    reason: Reasons = None,
    item: Annotated[
        list[str] | None,
        typer.Option("--item", metavar="ITEM", help="Only this item and its family; may be repeated."),
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Read it here and now; else the next run reads it.")
    ] = False,
    by: By = "",
) -> None:
    """Put what could not be read in line for another try; by itself, all that failed for a passing reason."""
    from desk import rereading

    if reason and item:
        raise UsageError("name reasons or items, not both")
    home = opened(context)
    home.request(request_id)
    items = list(map(bare_item_id, item or ()))
    wanted = items or rereading.failed_items(home, request_id, reason or ())
    actor = by or whoami()
    if not local:
        put = rereading.put_in_line(home, request_id, wanted, by=actor, why="retry")
        show(put.as_json())
        if put.families:
            say(f"Next: `daylight run {request_id}` reads it again.")
        return
    with sending(home, request_id), run_progress() as tell:
        show(rereading.read_again(home, request_id, wanted, by=actor, why="retry", tell=tell))


def failures_command(
    context: typer.Context,
    request_id: RequestId,
    reason: Reasons = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write them here instead; a new file.")
    ] = None,
) -> None:
    """List the items that failed, with reason, place and name; `daylight retry` reads some again."""
    from desk.failures import failures, write_csv

    found = failures(opened(context), request_id, reason or ())
    if csv is None:
        show_lines(found)
    else:
        show({"out": str(csv), "items": write_csv(found, csv)})


@metrics_app.command("serve")
def metrics_serve_command(
    context: typer.Context,
    port: Annotated[int, typer.Option("--port", help="0 takes a free one.", min=0, max=65535)] = 9465,
    host: Annotated[str, typer.Option("--host", help="Address of this machine to listen at.")] = "127.0.0.1",
) -> None:
    """Serve the numbers of all requests that are not closed to Prometheus until Ctrl-C."""
    from desk.metrics import serve

    with contextlib.suppress(KeyboardInterrupt):  # the way to end it, no interruption
        serve(opened(context), port, host, ready=say)


@metrics_app.command("write")
def metrics_write_command(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="FILE.prom", help="Replaced where it is there.")],
) -> None:
    """Write them into a file for the textfile collector of node_exporter."""
    from desk.metrics import write

    show({"out": str(out), "requests": write(opened(context), out)})
