"""The ``daylight`` command: one thin shell over functions that tests call directly."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from cli import (
    exports,
    grouping,
    holds,
    leads,
    passwords,
    planning,
    policy,
    sampling,
    topping_up,
    variants,
    watching,
)
from cli.adequacy import adequacy_command
from cli.columns import columns_command
from cli.common import By, ItemId, RequestId, bare_item_id, opened, say_doubts, sending
from cli.declaring import declare_command
from cli.layouts import layout_command
from cli.ocr import ocr_command
from cli.output import Exit, exit_code, run_progress, say, show, show_lines, whoami
from cli.screenshots import screenshots_command
from records.errors import DaylightError, Incomplete
from records.settings import load_settings

_COLLECT_AFTER = 50_000
"""Objects made between two looks for cycles: what a command makes first are modules, and they stay."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Answer public records requests of a Washington school district (RCW 42.56).",
)
store_app = typer.Typer(no_args_is_help=True, help="Care for the evidence store.")
audit_app = typer.Typer(no_args_is_help=True, help="Check the audit log.")
retention_app = typer.Typer(no_args_is_help=True, help="Retention schedules and flags.")
kibana_app = typer.Typer(
    no_args_is_help=True, help="A request's saved objects for Kibana, to explore its index."
)
app.add_typer(store_app, name="store")
app.add_typer(audit_app, name="audit")
app.add_typer(retention_app, name="retention")
app.add_typer(kibana_app, name="kibana")
app.add_typer(exports.app, name="exports")
app.add_typer(holds.app, name="holds")
app.add_typer(topping_up.app, name="top-up")
app.add_typer(leads.app, name="leads")
app.add_typer(variants.app, name="variants")
app.add_typer(sampling.app, name="sample")
app.add_typer(policy.app, name="policy")
app.add_typer(watching.metrics_app, name="metrics")
app.add_typer(passwords.app, name="passwords")


@app.callback()
def _home(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(
            "--home", envvar="DAYLIGHT_HOME", help="Folder that holds everything.", show_default=False
        ),
    ] = None,
) -> None:
    context.obj = home


@app.command("open")
def open_command(
    context: typer.Context,
    request: Annotated[Path, typer.Argument(help="The request file (TOML); docs/request.md has its keys.")],
    by: By = "",
) -> None:
    """Enter a request; prints its id and the last of the five business days to answer."""
    from desk.register import entered_alike, open_request
    from desk.searching import unusable_terms

    home = opened(context)
    request_id, due = open_request(home, request, by=by or whoami())
    show({"request_id": request_id, "due_on": due})
    say_doubts(home.request(request_id).body)
    alike = entered_alike(home, request_id)
    if alike:
        say(f"The same request was entered before, as {', '.join(alike)}; this is another one.")
    bad_lines = unusable_terms(home, request_id)
    for bad in bad_lines:
        say(f"terms, line {bad.line}: {bad.problem}")
    if bad_lines:
        say(
            f"{len(bad_lines)} lines of the term list cannot be searched. Correct the list, then "
            f"`daylight terms {request_id} TERMS.csv --adopt`, before or after the run."
        )


app.command("amend")(topping_up.amend_command)
app.command("declare")(declare_command)
app.command("columns")(columns_command)
app.command("layout")(layout_command)
app.command("screenshots")(screenshots_command)
app.command("ocr")(ocr_command)
app.command("plan")(planning.plan_command)


@app.command("run")
def run_command(
    context: typer.Context,
    request_id: RequestId,
    local: Annotated[
        bool, typer.Option("--local", help="Run the steps in this process, no Airflow.")
    ] = False,
    search_only: Annotated[
        bool, typer.Option("--search-only", help="With Airflow: end once all is searchable and flagged.")
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="End another run of it that waits for a person or died."),
    ] = False,
) -> None:
    """Collect, read, index, count and flag; resumes what an earlier run left."""
    if local:
        from desk.run import run_local

        gc.freeze()  # what is loaded stays, to the end of the command
        home = opened(context)
        with sending(home, request_id), run_progress() as tell:
            counts = run_local(home, request_id, tell, take_over=take_over)
        show(counts)
        if counts["outcome"].startswith("partial"):
            say(f"Not everything was read: {counts['outcome']}; `daylight status {request_id}` lists each.")
        if counts["terms"]["bad_lines"]:
            say(
                f"{counts['terms']['bad_lines']} lines of the term list were not searched; "
                f"`daylight terms {request_id}` says why."
            )
        say(
            f"Next: `daylight sheet {request_id} --out sheet.xlsx`, decide, "
            f"`daylight decide {request_id} sheet.xlsx --by NAME`."
        )
        return
    from desk.airflow import follow_run

    home = opened(context)
    show(follow_run(home, request_id, search_only=search_only, take_over=take_over, say=say))


app.command("retry")(watching.retry_command)
app.command("status")(watching.status_command)
app.command("failures")(watching.failures_command)


@app.command("inspect")
def inspect_command(
    path: Annotated[Path, typer.Argument(help="A file, a folder or an export.")],
    connector: Annotated[
        str | None,
        typer.Option(
            "--connector", help="Read it with this connector (docs/connectors.md); else it is found out."
        ),
    ] = None,
    time_zone: Annotated[
        str, typer.Option("--time-zone", help="For local times without a zone.")
    ] = "America/Los_Angeles",
    owner: Annotated[str, typer.Option("--owner", help="The owner's own address or number.")] = "",
) -> None:
    """Read one file or export with no request; prints one JSON object an item."""
    from desk.inspect import inspect

    show_lines(inspect(path, connector=connector, time_zone=time_zone, owner=owner))


@app.command("search")
def search_command(
    context: typer.Context,
    request_id: RequestId,
    query: Annotated[str, typer.Argument(help="In the search language; see docs/search.md.")],
    count: Annotated[bool, typer.Option("--count", help="Only count.")] = False,
    snippets: Annotated[bool, typer.Option("--snippets", help="Show each hit in its words.")] = False,
    by: By = "",
) -> None:
    """Search a request; every search is logged with its parsed form and counts."""
    from desk import searching

    home = opened(context)
    if count:
        show(searching.count(home, request_id, query, by=by or whoami()))
    else:
        documents = show_lines(
            searching.search(home, request_id, query, by=by or whoami(), snippets=snippets)
        )
        say(f"{documents:,} documents")
    if home.request(request_id).state == "open":
        say(f"Request {request_id} has not been run to its end: what is not collected yet is not found.")


@app.command("terms")
def terms_command(
    context: typer.Context,
    request_id: RequestId,
    terms: Annotated[
        Path | None, typer.Argument(metavar="[TERMS.csv]", help="A term list; none: the request's own.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write the report here (.csv, .xlsx or .html).")
    ] = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Make it the request's list: a new version of the request.")
    ] = False,
    compare: Annotated[
        int | None,
        typer.Option(
            "--compare", metavar="VERSION", min=1, help="Show what changed since this version's list."
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option("--samples", min=0, help="Hits a term to show in their words, in an office copy."),
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Another number draws other samples.")] = 1,
) -> None:
    """Run a term list and print its hit report; a bad line is reported and never stops the rest."""
    from desk import searching

    home = opened(context)
    report = searching.hit_report(
        home,
        request_id,
        terms,
        out,
        by=whoami(),
        adopt=adopt,
        compare=compare,
        samples=samples,
        seed=seed,
    )
    show(report)
    for bad in report["bad_lines"]:
        say(f"line {bad['line']} was not searched: {bad['problem']}")
        if bad["repaired"]:
            say(f"  perhaps meant: {bad['repaired']}")


@app.command("ledger")
def ledger_command(context: typer.Context, request_id: RequestId) -> None:
    """Print the three-state ledger; exit code 6 when it does not balance."""
    from desk.books import books
    from desk.coverage import coverage
    from desk.makeup import makeup

    home = opened(context)
    counted = books(home, request_id)
    whole = {"balanced": counted.balanced, **_without(dataclasses.asdict(counted), "balanced")}
    made_of = makeup(
        home.catalogue, request_id, home.request(request_id).version, home.settings.ocr_languages
    )
    show(
        {
            **whole,
            "coverage": coverage(home, request_id, counted).as_json(),
            "documents": dataclasses.asdict(made_of),
        }
    )
    if not counted.balanced:
        raise typer.Exit(Exit.FAILED_CHECK)


def _without(value: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: kept for name, kept in value.items() if name != key}


@app.command("items")
def items_command(
    context: typer.Context,
    request_id: RequestId,
    no_text: Annotated[bool, typer.Option("--no-text", help="Leave the text out.")] = False,
) -> None:
    """Print every item as JSON lines."""
    from desk.items import items

    home = opened(context)
    home.request(request_id)
    show_lines(items(home, request_id, with_text=not no_text))


@app.command("get")
def get_command(
    context: typer.Context,
    request_id: RequestId,
    item: ItemId,
    text: Annotated[bool, typer.Option("--text", help="The extracted text instead of the native.")] = False,
    by: By = "",
) -> None:
    """Write the exact native bytes of an item to stdout."""
    from desk.items import native

    sys.stdout.buffer.write(
        native(opened(context), request_id, bare_item_id(item), by=by or whoami(), text=text)
    )


app.command("group")(grouping.group_command)
app.command("diff")(grouping.diff_command)


@app.command("sheet")
def sheet_command(
    context: typer.Context,
    request_id: RequestId,
    out: Annotated[Path, typer.Option("--out", help="File to write: .xlsx or .csv.")],
    split_rows: Annotated[
        int | None,
        typer.Option("--split-rows", help="Cut into files of about so many rows, at families.", min=1),
    ] = None,
) -> None:
    """Write the coding sheet of everything in review."""
    from desk.groups import later_records
    from desk.reviewing import sheet

    home = opened(context)
    show(sheet(home, request_id, out, split_rows=split_rows, by=whoami()))
    later = later_records(home, request_id)
    if later:
        say(f"{later:,} records came after the groups were made: `daylight group {request_id}`.")


@app.command("decide")
def decide_command(
    context: typer.Context,
    request_id: RequestId,
    sheet: Annotated[Path, typer.Argument(help="The coding sheet, filled in.")],
    by: Annotated[str, typer.Option("--by", help="Who decided.")],
) -> None:
    """Read decisions in; rows that cannot be placed are refused by row, the others are kept."""
    from desk.reviewing import decide

    result = decide(opened(context), request_id, sheet, by=by)
    show(result)
    if result["refused"]:
        raise Incomplete(f"{len(result['refused'])} rows were refused; correct them and run this again")


@app.command("draft")
def draft_command(context: typer.Context, request_id: RequestId) -> None:
    """Build the draft of the next instalment and check it for what must not be in it."""
    from desk import bundle

    home = opened(context)
    made = bundle.draft(home, request_id)
    show({**made, **bundle.gate(home, request_id)})
    if made["refusals"]:
        say(f"It cannot be approved as it stands: {'; '.join(made['refusals'])}")
    else:
        say(f"Look through {home.bundles(request_id) / 'draft'}")
        say(f"and then `daylight approve {request_id} --by NAME`.")


@app.command("accept-unbalanced")
def accept_unbalanced_command(
    context: typer.Context,
    request_id: RequestId,
    why: Annotated[str, typer.Option("--why", help="The reason; it goes into every report.")],
    by: Annotated[str, typer.Option("--by", help="Who accepts it.")],
) -> None:
    """Let a release go out although the ledger does not balance, for a stated reason."""
    from desk import bundle

    show(bundle.accept_unbalanced(opened(context), request_id, by=by, why=why))


@app.command("approve")
def approve_command(
    context: typer.Context,
    request_id: RequestId,
    by: Annotated[str, typer.Option("--by", help="Who approves; their name stays with the instalment.")],
) -> None:
    """Approve the draft as it stands: its numbers become permanent."""
    from desk import bundle

    show(bundle.approve(opened(context), request_id, by=by, approved=True))


@app.command("package")
def package_command(
    context: typer.Context,
    request_id: RequestId,
    out: Annotated[Path, typer.Option("--out", help="New folder for the bundle.")],
) -> None:
    """Write the approved bundle; refused without an approval."""
    from desk import bundle

    show(bundle.package(opened(context), request_id, out))


@app.command("verify")
def verify_command(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    fingerprint: Annotated[
        str | None, typer.Option("--fingerprint", help="The signing key's fingerprint, got another way.")
    ] = None,
) -> None:
    """Verify a bundle, as a requester can with the verifier inside it."""
    from desk.bundle import verify

    raise typer.Exit(verify(bundle, fingerprint))


@app.command("view")
def view_command(
    context: typer.Context,
    request_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Request to start with.")] = None,
    port: Annotated[
        int, typer.Option("--port", help="Port on loopback; 0 takes a free one.", min=0, max=65535)
    ] = 8421,
) -> None:
    """Serve read-only pages on this machine until Ctrl-C."""
    from desk.viewing import view

    with contextlib.suppress(KeyboardInterrupt):  # the way to end it, no interruption
        view(opened(context), request_id, port=port, who=whoami(), ready=say)


app.command("adequacy")(adequacy_command)


@app.command("close")
def close_command(context: typer.Context, request_id: RequestId, by: By = "") -> None:
    """Close a request; refused while anything is undecided or awaits something."""
    from desk.closing import close_request, unfinished
    from desk.holds import holds as holds_of

    home = opened(context)
    left = unfinished(home, request_id)
    if left:
        say(f"Begun and not ended, and not changed any more once it is closed: {'; '.join(left)}.")
    close_request(home, request_id, by=by or whoami())
    show({"request_id": request_id, "state": "closed"})
    held = sum(one.in_force for one in holds_of(home, request_id))
    if held:
        say(
            f"{held} holds stay in force: closing releases none. `daylight holds list {request_id}` has "
            "them, each with the day from which it could be released."
        )


@app.command("reindex")
def reindex_command(context: typer.Context, request_id: RequestId) -> None:
    """Rebuild the search index from the evidence."""
    from desk.searching import reindex

    show(reindex(opened(context), request_id))


@store_app.command("verify")
def store_verify_command(
    context: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="Also remove what killed runs left behind.")
    ] = False,
) -> None:
    """Read every stored record and compare its digest; exit code 6 when one is damaged."""
    from desk.care import verify_stores

    reports = verify_stores(opened(context), repair=repair, by=whoami())
    show_lines(reports)
    if any(report["damaged"] for report in reports):
        raise typer.Exit(Exit.FAILED_CHECK)


@audit_app.command("verify")
def audit_verify_command(context: typer.Context) -> None:
    """Walk the hash chain of the audit log; exit code 6 when it was altered."""
    from records import audit

    found = audit.verify(opened(context).catalogue)
    show({"entries": found.seq, "head": found.entry_hash})


@retention_app.command("import")
def retention_import_command(
    context: typer.Context,
    schedule: Annotated[Path, typer.Argument(help="A schedule of the State Archives, PDF or DOCX.")],
    in_force: Annotated[bool, typer.Option("--in-force", help="Work on it from now on.")] = False,
    by: By = "",
) -> None:
    """Read a retention schedule; shows what could not be placed and the difference to the one before."""
    from desk.retaining import import_schedule

    show(import_schedule(opened(context), schedule, by=by or whoami(), in_force=in_force))


@retention_app.command("confirm")
def retention_confirm_command(
    context: typer.Context,
    request_id: RequestId,
    item: ItemId,
    series: Annotated[str, typer.Argument(metavar="SERIES", help="Series id, or `none`.")],
    why: Annotated[str, typer.Option("--why", help="The reason.")],
    by: Annotated[str, typer.Option("--by", help="Who confirms.")],
) -> None:
    """Confirm or change an item's retention series."""
    from desk.retaining import confirm

    show(confirm(opened(context), request_id, bare_item_id(item), series, by=by, why=why))


@retention_app.command("freezes")
def retention_freezes_command(context: typer.Context) -> None:
    """List what is frozen, and by which request."""
    from desk.retaining import freezes

    show_lines(freezes(opened(context)))


@kibana_app.command("export")
def kibana_export_command(
    context: typer.Context,
    request_id: RequestId,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write (.ndjson); without it they go to stdout.")
    ] = None,
    by: By = "",
) -> None:
    """Write a request's data view, Discover session and dashboard as Kibana takes them in."""
    from desk import kibana

    home = opened(context)
    if out is None:
        sys.stdout.buffer.write(kibana.export(home, request_id, by=by or whoami()))
    else:
        show(kibana.export_to(home, request_id, out, by=by or whoami()))


@kibana_app.command("import")
def kibana_import_command(context: typer.Context, request_id: RequestId, by: By = "") -> None:
    """Send them to the Kibana that DAYLIGHT_KIBANA_URL names; see docs/kibana.md."""
    from desk import kibana

    sent = kibana.send(opened(context), request_id, os.environ, by=by or whoami())
    show(sent)
    if not sent["success"]:
        raise Incomplete(f"Kibana refused {len(sent['refused'])} objects; the list above says which and why")


@app.command("doctor")
def doctor_command(context: typer.Context) -> None:
    """Check this machine, home and the services of open requests: what to do; exit code 6 when one fails."""
    from desk.doctor import checks

    found = checks(load_settings(context.obj))
    show_lines(found)
    if any(not check["ok"] for check in found):
        raise typer.Exit(Exit.FAILED_CHECK)


def main() -> None:
    """Run the command; every expected error becomes one line of words and its exit code."""
    gc.set_threshold(_COLLECT_AFTER)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(standalone_mode=False, prog_name="daylight")
    except DaylightError as error:
        say(f"daylight: {error}")
        sys.exit(exit_code(error))
    except (typer.Abort, KeyboardInterrupt):
        code = Exit.INTERRUPTED
    except TyperException as error:
        _say_usage(error)
        sys.exit(Exit.USAGE)
    except BrokenPipeError:
        sys.exit(Exit.OK)
    except OSError as error:
        say(f"daylight: {error.filename or 'a file'}: {error.strerror or type(error).__name__}")
        sys.exit(Exit.ACCESS)
    if code == Exit.INTERRUPTED:  # the library turns Ctrl-C into this code by itself, without a word
        say("daylight: interrupted; run the same command again to resume")
    sys.exit(code if isinstance(code, int) else Exit.OK)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does, in order: a service manager that stops the command sends SIGTERM."""
    raise KeyboardInterrupt


def _say_usage(error: TyperException) -> None:
    """Say what is wrong with a command line; a line without a command has shown the help already."""
    what = " ".join(error.format_message().split()).rstrip(".")
    command = getattr(getattr(error, "ctx", None), "command_path", "daylight")
    if what:
        say(f"daylight: {what}; `{command} --help` shows how")


if __name__ == "__main__":
    main()
