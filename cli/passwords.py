"""``daylight passwords``: passwords of locked files, told of by reference, never shown."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.common import ItemId, RequestId, bare_item_id, opened
from cli.output import run_progress, say, show, show_lines
from records.errors import Incomplete, UsageError

app = typer.Typer(
    no_args_is_help=True,
    help="Passwords of locked files, never of accounts: kept encrypted, tried within limits, wiped at "
    "closing; see docs/passwords.md.",
)

Who = Annotated[str, typer.Option("--by", help="Who does this; written into the audit log.")]


@app.command("add")
def add_command(
    context: typer.Context,
    request_id: RequestId,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV: custodian, file_password, given. Mode 0600, yours.")
    ],
    by: Who,
) -> None:
    """Take in the passwords that custodians gave for their files."""
    from desk.passwords import add_file

    made = add_file(opened(context), request_id, file, by=by)
    show(made)
    if made["refs"]:
        say(f"Next: `daylight passwords try {request_id} --by NAME`, and remove the file: they are kept.")
    if made["refused"]:
        lines = ", ".join(str(one["line"]) for one in made["refused"])
        raise Incomplete(f"lines {lines} were refused; correct them and run this again")


@app.command("direct")
def direct_command(
    context: typer.Context,
    request_id: RequestId,
    item: ItemId,
    by: Who,
    why: Annotated[str, typer.Option("--why", help="Where the password was seen, and why it is tried.")],
) -> None:
    """Direct that a password, as one seen in a mail, is tried on one item; it is asked for, or on stdin."""
    from desk.passwords import add_for_item

    home = opened(context)
    show(add_for_item(home, request_id, bare_item_id(item), _asked(), by=by, why=why))
    say(f"Next: `daylight passwords try {request_id} --by NAME`.")


def _asked() -> str:
    """Return a password that a person types without its being shown, or the one line of stdin."""
    if sys.stdin.isatty():
        return getpass.getpass("Password of the file (not shown): ", sys.stderr)
    line = sys.stdin.readline()
    if sys.stdin.read(1):
        raise UsageError("stdin holds more than one line; one password is given for one item")
    return line.rstrip("\r\n")


@app.command("list")
def list_command(context: typer.Context, request_id: RequestId) -> None:
    """Print each password as a JSON line: reference, custodian, where from, what it opened."""
    from desk.passwords import listed

    show_lines(listed(opened(context), request_id))


@app.command("locked")
def locked_command(context: typer.Context, request_id: RequestId) -> None:
    """Print each file that is still locked as a JSON line, with what was tried on it."""
    from desk.passwords import locked

    show_lines(locked(opened(context), request_id))


@app.command("try")
def try_command(context: typer.Context, request_id: RequestId, by: Who) -> None:
    """Read locked files again for which a password came that was not tried; nothing is collected anew."""
    from desk.passwords import try_again

    home = opened(context)
    with run_progress() as tell:
        done = try_again(home, request_id, by=by, tell=tell)
    show(done)
    if done["still_locked"]:
        say(f"`daylight passwords locked {request_id}` lists what is still locked.")


@app.command("remove")
def remove_command(
    context: typer.Context,
    request_id: RequestId,
    refs: Annotated[list[str], typer.Argument(metavar="REF...", help="References, such as p001.")],
    by: Who,
) -> None:
    """Remove passwords from the store; what they opened stays open."""
    from desk.passwords import remove

    show(remove(opened(context), request_id, refs, by=by))


@app.command("wipe")
def wipe_command(context: typer.Context, request_id: RequestId, by: Who) -> None:
    """Destroy the key and every password of a request, as `close` does."""
    from desk.passwords import wipe

    show({"request_id": request_id, "wiped": wipe(opened(context), request_id, by=by)})
