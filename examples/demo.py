"""A whole request of a fictional district, by a real Airflow run: ``make demo``, ``make demo-ui``.

Everything a records office does, in the order it does it, with the commands it would type. The person who
decides and approves is played by the generator's truth table and by this file; all else is the real thing.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from desk.home import Home
from desk.searching import search
from desk.standalone import DAG_ID, AirflowApi, Question, RunView, Standalone
from desk.status import status
from examples.planted import planted
from records.errors import DaylightError
from release.keys import home_key

ROOT = Path(__file__).parents[1]
MARKER = ".daylight-demo"
"""Says that a folder is a demonstration's and may be removed by the next one."""

PRO_NAME = "Public Records Officer (demo)"
REQUEST = "bus"
STAGES = {
    "open": "Entering the run",
    "plan": "Listing every place to search, and how much should be there",
    "batch.collect": "Collecting, reading and indexing",
    "batch.extract": "Collecting, reading and indexing",
    "batch.index": "Collecting, reading and indexing",
    "reconcile": "Adding the ledger up",
    "terms": "Searching for the terms of the request",
    "flag": "Suggesting retention series",
    "go_on": "Suggesting retention series",
    "review": "Asking for decisions",
    "record_review": "Writing the answer to the audit log",
    "draft": "Building the draft bundle",
    "gate": "Looking for everything that must not be in the draft",
    "approve": "Asking for approval",
    "record_approval": "Writing the approval to the audit log",
    "package": "Packaging and signing",
    "finish": "Ending the run",
}
DONE = frozenset({"success", "skipped"})
PLACES = {
    "mail": "mailboxes (Maildir)",
    "mbox": "old mailboxes (mbox)",
    "mailzip": "a zip of mail",
    "loose": "shared folders",
    "takeout": "Google Takeout: mail, chat, Drive",
    "voice": "Google Takeout: Voice",
    "phone": "Android backups: texts, calls",
    "iphone": "an iPhone's messages",
    "whatsapp": "WhatsApp chats",
    "talkingpoints": "TalkingPoints, a table",
    "remind": "a Remind history as PDF",
    "parentsquare": "ParentSquare messages as PDF",
    "facebook": "a Facebook page",
    "screenshots": "screenshots",
}
"""Kinds of places, by what the ids of their sources begin with."""

SAMPLE_SIZE, SAMPLE_SEED = 100, 42_56
ANSWERS_TO_LEADS = {
    "missing_attachment": "The sender opened the sent copy with us: nothing was attached to it.",
    "mail_gap": "On leave in those weeks, as the leave calendar shows.",
}
"""What custodians say when they are asked; the other leads stay open in the demonstration."""

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)


class DemoError(Exception):
    """Something the demonstration did not expect; the message says what to look at."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the demonstration keeps its things.

    Attributes:
        top: Everything; removed and made anew by the next demonstration.
        district: The generated sources, the request file, the truth table.
        home: DAYLIGHT_HOME.
        desk: What a person on the desk has before them: hit report, coding sheets.
    """

    top: Path
    district: Path
    home: Path
    desk: Path


def prepare(top: Path) -> Folders:
    """Make the folders anew.

    Raises:
        DemoError: The folder holds something that is not a demonstration's.
    """
    if top.exists() and any(top.iterdir()) and not (top / MARKER).is_file():
        raise DemoError(f"{top} was not made by a demonstration; name another folder with --home")
    shutil.rmtree(top, ignore_errors=True)
    top = top.resolve()
    folders = Folders(top, top / "district", top / "home", top / "desk")
    folders.desk.mkdir(parents=True)
    (top / MARKER).write_text("made by `make demo`; the next one removes this folder\n", "utf-8")
    return folders


def heading(number: int, text: str) -> None:
    """Print the heading of a part."""
    console.print(f"\n[bold]{number}. {text}[/bold]")


def tell(text: str) -> None:
    """Print a line of words."""
    console.print(f"   {text}", markup=False)


class Desk:
    """The records office: runs ``daylight`` as a person would, and shows what was typed.

    Attributes:
        folders: Where everything is.
        command: ``daylight`` with its home, as a list of arguments.
    """

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.command = [str(Path(sys.executable).with_name("daylight")), "--home", str(folders.home)]

    def daylight(self, *arguments: str | Path, into: Path | None = None) -> list[Any]:
        """Run a command and return the JSON lines it printed (or write them to a file).

        Raises:
            DemoError: It failed; with its own words.
        """
        typed = shlex.join(["daylight", *(_short(argument, self.folders.top) for argument in arguments)])
        console.print(f"   [dim]$ {typed}[/dim]" + (f" [dim]> {into.name}[/dim]" if into else ""))
        command = [*self.command, *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folders.top, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DemoError(f"`{typed}` ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
        if into is not None:
            into.write_text(done.stdout, "utf-8")
            return []
        return [json.loads(line) for line in done.stdout.splitlines()]


def _short(argument: str | Path, top: Path) -> str:
    return str(argument.relative_to(top)) if isinstance(argument, Path) else argument


def example(module: str, *arguments: str | Path) -> dict[str, Any]:
    """Run one of the example programs and return the JSON object it prints.

    Raises:
        DemoError: It failed; with its own words.
    """
    command = [sys.executable, "-m", f"examples.{module}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoError(f"examples.{module} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def make_district(folders: Folders, items: int, seed: int) -> None:
    """Make the district's sources, request files and truth table."""
    made = example("district", "--items", str(items), "--seed", str(seed), "--out", folders.district)
    tell(f"{made['items']:,} records in {len(made['by_source'])} places: mailboxes, an old mbox,")
    tell("shared folders, personal accounts as their owners handed them over, Android backups,")
    tell("an iPhone's, WhatsApp chats, Google Voice, a Facebook page, a table of TalkingPoints,")
    tell("histories of Remind and ParentSquare as PDF, screenshots")


def confirm_columns(desk: Desk) -> None:
    """Have a column map proposed for the table of an app, compare it with the table, and sign it.

    Raises:
        DemoError: The proposal is not what the person of the demonstration finds in the table.
    """
    tell("No vendor says what the columns of its tables are: a person does, once for each layout.")
    map_file = desk.folders.district / "maps" / "talkingpoints-1.toml"
    compared = tomllib.loads(map_file.read_text("utf-8"))
    map_file.unlink()  # what the district brings is how the person reads the table
    (table,) = (desk.folders.district / "sources" / "talkingpoints-01").glob("*.csv")
    (made,) = desk.daylight("columns", table, "--app", "talkingpoints", "--out", map_file)
    proposal = map_file.read_text("utf-8")
    stated = tomllib.loads(proposal)
    same = all(stated[name] == compared[name] for name in ("columns", "header", "time_formats"))
    if made["missing"] or not same:
        raise DemoError(f"the proposal {map_file} is not what the table says")
    for name, column in stated["columns"].items():
        tell(f"  {name:<16} {column}")
    unread = [column for column in stated["header"] if column not in stated["columns"].values()]
    tell(f"  kept as a fact   {', '.join(unread)}")
    signed = proposal.replace('confirmed_by = ""', f"confirmed_by = {json.dumps(PRO_NAME)}")
    map_file.write_text(signed.replace("# confirmed_on = 2026-01-31", "confirmed_on = 2026-09-09"), "utf-8")
    tell("compared with the table and signed; without that no request would take it")


def confirm_layout(desk: Desk) -> None:
    """Have a layout proposed for a printout of Remind, correct it, look at what it makes of it, and sign it.

    Raises:
        DemoError: With it, not every message of the printout is read.
    """
    tell("The same for a history of Remind, which it gives as PDF only:")
    layout = desk.folders.district / "layouts" / "remind-1.toml"
    compared = tomllib.loads(layout.read_text("utf-8"))
    layout.unlink()  # what the district brings is how the person reads the pages
    (printout,) = (desk.folders.district / "sources" / "remind-01").glob("*.pdf")
    desk.daylight("layout", printout, "--app", "remind", "--out", layout)
    proposal = layout.read_text("utf-8")
    said = json.dumps(compared["attachment"])
    corrected = proposal.replace("attachment = []", f"attachment = {said}")
    tell(f"  corrected by a person: attachment = {said}")
    layout.write_text(corrected, "utf-8")
    *_, shape = desk.daylight("layout", printout, "--check", layout)
    if not shape["fits"] or shape["messages"] != shape["expected"] or shape["no_message"]:
        raise DemoError(f"the layout {layout} does not read every message of {printout}")
    tell(f"  {shape['messages']} messages are read, {shape['expected']} by {shape['expected_by']}: signed")
    signed = corrected.replace('confirmed_by = ""', f"confirmed_by = {json.dumps(PRO_NAME)}")
    layout.write_text(signed.replace("# confirmed_on = 2026-01-31", "confirmed_on = 2026-09-09"), "utf-8")
    tell("for ParentSquare the office has one from an earlier request")


def declare(desk: Desk, request_id: str) -> None:
    """Take in what custodians declared of their own devices and accounts, and show it.

    Raises:
        DemoError: Something that was declared is missing.
    """
    answers = desk.folders.district / f"declared-{REQUEST}.toml"
    desk.daylight("declare", request_id, answers, "--by", PRO_NAME)
    (listed,) = desk.daylight("declare", request_id)
    table = Table(title="What people declared", title_justify="left")
    for name in ("custodian", "own device or account", "handed over"):
        table.add_column(name, overflow="fold")
    for name in ("receipts", "kept back"):
        table.add_column(name, justify="right")
    for one in listed["declarations"]:
        for place in one["places"]:
            words = (one["custodian"], place["which"], place["handed_over"])
            table.add_row(*words, f"{len(place['receipts']):,}", f"{place['kept_back']:,}")
    console.print(table)
    unused = sum(not one["used"] for one in listed["declarations"])
    tell(f"{unused} answered that they used none; not answered yet: {', '.join(listed['unanswered'])}")
    if listed["gaps"]:
        raise DemoError(f"{len(listed['gaps'])} of what was declared is missing")


class Progress:
    """Says what a run is doing: one line a stage, and for the long one its rate and the time left."""

    def __init__(self, home: Home, request_id: str) -> None:
        self._home, self._request_id = home, request_id
        self._stage, self._said_at, self._began = "", 0.0, time.monotonic()

    def show(self, view: RunView) -> None:
        """Show a run as it stands."""
        stage = _stage(view)
        now = time.monotonic()
        if stage != self._stage:
            if stage:
                tell(f"{now - self._began:4.0f} s  {stage}")
            self._stage, self._said_at = stage, now
        elif stage == STAGES["batch.collect"] and now - self._said_at >= 4:
            self._said_at = now
            tell(f"{now - self._began:4.0f} s    {self._collected()}")

    def _collected(self) -> str:
        at = status(self._home, self._request_id)
        found, expected, batches = at["items"]["found"], at["items"]["expected"], at["batches"]
        searchable = f"{batches['done']} of {batches['planned']} batches searchable"
        if expected is not None and found >= expected:
            return f"all {found:,} records collected, reading and indexing: {searchable}"
        of = "" if expected is None else f" of {expected:,}"
        left = f", about {at['seconds_left']:.0f} s left" if at["seconds_left"] else ""
        return f"{found:,}{of} records collected, {at['items_per_s']:,.0f} a second{left}; {searchable}"


def _stage(view: RunView) -> str:
    """Return the words for the last stage that has begun."""
    waiting = {None, "scheduled", "skipped", "upstream_failed", "removed"}
    begun = {task.task_id for task in view.tasks if task.state not in waiting}
    return next((words for task_id, words in reversed(STAGES.items()) if task_id in begun), "")


def follow(airflow: AirflowApi, run_id: str, progress: Progress) -> Question | None:
    """Follow a run until it asks a person or ends; return the question, or None when it ended well.

    Raises:
        DemoError: The run failed.
    """
    for view in airflow.watch(run_id, every_s=1.5):
        progress.show(view)
        if view.questions:
            return view.questions[0]
        if view.state == "failed":
            failed = sorted({task.task_id for task in view.tasks if task.state == "failed"})
            raise DemoError(f"the run failed at {', '.join(failed)}; see airflow/logs in the home")
    return None


def show_hits(report: dict[str, Any]) -> None:
    """Print the hit report."""
    table = Table(title="Hit report", title_justify="left")
    table.add_column("term", min_width=36, overflow="fold")
    for name in ("documents", "with family", "only this term", "occurrences", "distinct"):
        table.add_column(name, justify="right")
    for term in report["terms"]:
        figures = ("documents", "with_family", "unique", "occurrences", "distinct")
        table.add_row(term["term"], *(f"{term[name]:,}" for name in figures))
    totals = report["totals"]
    table.add_section()
    table.add_row(
        "all terms",
        f"{totals['documents']:,}",
        f"{totals['with_family']:,}",
        "",
        f"{totals['occurrences']:,}",
        f"{totals['distinct']:,}",
    )
    console.print(table)
    for bad in report["bad_lines"]:
        tell(f"line {bad['line']} could not be used: {bad['problem']}")


def show_ledger(ledger: dict[str, Any]) -> None:
    """Print the ledger in words."""
    scopes = ledger["scopes"]
    found, stored, failed, excluded = (
        sum(scope[name] for scope in scopes) for name in ("found", "stored", "failed", "excluded")
    )
    text = ledger["text"]
    tell(f"found {found:,} = stored {stored:,} + failed {failed:,} + excluded {excluded:,}")
    tell(
        f"text, attachments included: stored {text['stored']:,} = searchable {text['searchable']:,} "
        f"+ not searchable {text['not_searchable']:,} + waits for OCR {text['pending']:,}"
    )
    tell("the ledger balances" if ledger["balanced"] else "THE LEDGER DOES NOT BALANCE")


def show_review(review: dict[str, Any]) -> None:
    """Print what became of everything in review."""
    states = ("released_in_full", "released_in_part", "withheld_in_full", "not_responsive", "personal_matter")
    parts = [f"{name.replace('_', ' ')} {review[name]:,}" for name in (*states, "not_yet_produced")]
    tell(f"in review {review['in_review']:,} = {' + '.join(parts)}")
    waits = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in review["awaits"].items())
    if waits:
        tell(f"not yet produced awaits: {waits}")


def show_planted(desk: Desk, home: Home, request_id: str) -> None:
    """Show by kind of place what was found, and that every planted record is hit by its terms.

    Raises:
        DemoError: One is not.
    """
    listed = desk.folders.desk / "items.jsonl"
    desk.daylight("items", request_id, "--no-text", into=listed)
    with listed.open(encoding="utf-8") as file, (desk.folders.district / "truth.jsonl").open("rb") as truth:
        items = [json.loads(line) for line in file]
        wanted = planted(map(json.loads, truth), items, REQUEST)
    hits = {
        term: {hit["item_id"] for hit in search(home, request_id, term, by=PRO_NAME, snippets=False)}
        for term in wanted
    }
    tops = [item for item in items if item["parent_id"] is None]
    table = Table(title="By kind of place", title_justify="left")
    for name in ("place", "stored", "failed", "outside the days", "planted", "found by its terms"):
        table.add_column(name, justify="left" if name == "place" else "right")
    for kind, words in PLACES.items():
        here = Counter(item["state"] for item in tops if kind_of(item["source"]) == kind)
        pairs = [
            item_id in hits[term]
            for term, ids in wanted.items()
            for item_id, source in ids.items()
            if kind_of(source) == kind
        ]
        states = (here["stored"], here["failed"], here["excluded"])
        table.add_row(words, *(f"{number:,}" for number in (*states, len(pairs), sum(pairs))))
        if not all(pairs):
            lost = len(pairs) - sum(pairs)
            raise DemoError(f"{words}: {lost} planted records are not found by their terms")
    console.print(table)
    tell("planted: what the district's truth table says a term must find; what is in pictures waits for OCR")


def kind_of(source: str) -> str:
    """Return what kind of place a source of the district is."""
    return source.rpartition("-")[0]


def widen(desk: Desk, request_id: str) -> None:
    """Show other forms of terms and names with what each adds; take those of terms, refuse bare names."""
    desk.daylight("variants", "propose", request_id, "--by", PRO_NAME)
    found = desk.daylight("variants", "list", request_id, "--out", desk.folders.desk / "variants.xlsx")
    table = Table(title="Other forms that add hits", title_justify="left")
    for name in ("of", "form", "way"):
        table.add_column(name, overflow="fold")
    table.add_column("adds", justify="right")
    for one in found:
        table.add_row(one["base"], one["form"], one["way"], f"{one['added_documents']:,}")
    console.print(table)
    taken = [one["variant_id"] for one in found if one["base_kind"] == "term"]
    why = "written so in this district's own mail"
    (now,) = desk.daylight("variants", "take", request_id, *taken, "--why", why, "--by", PRO_NAME)
    if len(taken) < len(found):
        why = "a name alone is not what was asked for"
        desk.daylight("variants", "refuse", request_id, "--all", "--why", why, "--by", PRO_NAME)
    tell(f"{now['taken']} taken: version {now['version']} of the list finds {now['documents']:,} documents")


def group(desk: Desk, request_id: str) -> None:
    """Put together what belongs together, so that it is read once; nothing is left out for it."""
    (made,) = desk.daylight("group", request_id, "--by", PRO_NAME)
    figures = {kind: made[kind]["groups"] for kind in ("duplicates", "near")}
    tell(f"{figures['duplicates']:,} groups of copies, {figures['near']:,} of near duplicates")
    tell(f"{made['threads']['threads']:,} threads; the sheet stands in their order, and leaves nothing out")


def look_further(desk: Desk, request_id: str) -> None:
    """Show where the hits point; close what the demonstration's person can close."""
    (found,) = desk.daylight("leads", "find", request_id, "--by", PRO_NAME)
    leads = desk.daylight("leads", "list", request_id, "--out", desk.folders.desk / "leads.xlsx")
    table = Table(title="Where the hits point", title_justify="left")
    for name in ("kind", "what", "messages"):
        table.add_column(name, overflow="fold", justify="right" if name == "messages" else "left")
    table.add_column("lead")
    for one in leads:
        kind = one["kind"].replace("_", " ")
        table.add_row(kind, one["subject"], f"{one['messages']:,}", "yes" if one["lead"] else "")
    console.print(table)
    tell(f"{found['signals']} signals; a lead stands in a responsive record, and closing waits for each")
    for kind, why in ANSWERS_TO_LEADS.items():
        if any(one["kind"] == kind and one["open"] for one in leads):
            how = ("--how", "asked_custodian", "--why", why, "--by", PRO_NAME)
            desk.daylight("leads", "close", request_id, "--kind", kind, *how)


def sample(desk: Desk, request_id: str) -> None:
    """Draw from what no term found, read it as the truth table says, show what that tells."""
    folders = desk.folders
    sheet, filled = folders.desk / "sample-1.csv", folders.desk / "sample-1-coded.csv"
    size = ("--size", str(SAMPLE_SIZE), "--seed", str(SAMPLE_SEED))
    desk.daylight("sample", "draw", request_id, *size, "--by", PRO_NAME)
    desk.daylight("sample", "sheet", request_id, "1", "--out", sheet)
    truth = folders.district / "truth.jsonl"
    example("decide", "--sample", sheet, folders.desk / "items.jsonl", truth, REQUEST, filled)
    desk.daylight("sample", "code", request_id, "1", filled, "--by", PRO_NAME)
    (result,) = desk.daylight("sample", "result", request_id, "1")
    for line in result["words"]:
        tell(line)


def decide(desk: Desk, request_id: str) -> None:
    """Write the coding sheet, fill it in as the truth table says, take it in."""
    folders = desk.folders
    sheet, filled = folders.desk / "coding-sheet.csv", folders.desk / "coding-sheet-decided.csv"
    items = folders.desk / "items.jsonl"
    desk.daylight("sheet", request_id, "--out", folders.desk / "coding-sheet.xlsx")
    desk.daylight("sheet", request_id, "--out", sheet)
    made = example("decide", sheet, items, folders.district / "truth.jsonl", REQUEST, filled)
    tell(f"{made['planned'] + made['unplanned']:,} records decided in the sheet, by a person the demo plays")
    (taken,) = desk.daylight("decide", request_id, filled, "--by", PRO_NAME)
    tell(f"{taken['applied']:,} decisions taken in, {len(taken['refused'])} rows refused")


def verify(home: Home, request_id: str) -> Path:
    """Verify the packaged bundle with its own verifier, as a process of its own; return the bundle.

    Raises:
        DemoError: It does not verify, or has no page of a conversation.
    """
    bundles = sorted((home.settings.request_folder(request_id) / "bundles").glob("installment-*"))
    if not bundles:
        raise DemoError("the run wrote no bundle")
    release = bundles[-1] / "release"
    fingerprint = home_key(home.settings.home).fingerprint
    command = [sys.executable, "-I", str(release / "verify.py"), str(release), "--fingerprint", fingerprint]
    console.print(f"   [dim]$ python3 verify.py . --fingerprint {fingerprint[:16]}…[/dim]")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in done.stderr.strip().splitlines():
        tell(line)
    if done.returncode:
        raise DemoError(f"the bundle does not verify (exit code {done.returncode})")
    if not json.loads(done.stdout)["conversations"]["pages"]:
        raise DemoError("the bundle holds no page of a conversation, and texts and chats were released")
    return bundles[-1]


def answer(airflow: AirflowApi, run_id: str, question: Question | None, task_id: str, option: str) -> None:
    """Answer one question of a run as the public records officer, through Airflow's API.

    Raises:
        DemoError: The run asked something else.
    """
    if question is None or question.task_id != task_id or option not in question.options:
        raise DemoError(f"the run was expected to ask `{task_id}`; it did not")
    tell(f"Airflow asks: {question.subject}")
    airflow.answer(run_id, task_id, [option])
    tell(f"{airflow.user} answers: {option}")


def summary(folders: Folders, request_id: str, bundle: Path, seconds: float) -> None:
    """Say where everything is."""
    rows = {
        "the bundle, for a browser": bundle / "release" / "data" / "index.html",
        "the office's own part": bundle / "office",
        "record of the search": folders.desk / "adequacy" / "adequacy.pdf",
        "hit report": folders.desk / "hit-report.html",
        "other forms, leads": folders.desk,
        "coding sheet": folders.desk / "coding-sheet.xlsx",
        "the home (DAYLIGHT_HOME)": folders.home,
        "the district's sources": folders.district / "sources",
    }
    console.print(f"\n[bold]Done in {seconds:.0f} s.[/bold] Where everything is:")
    for what, where in rows.items():
        tell(f"{what:28}{where}")
    view = shlex.join([str(Path(sys.executable).with_name("daylight")), "--home", str(folders.home)])
    console.print("To look around:")
    tell(f"{'read the records':28}{view} view {request_id}")
    tell(f"{'search them':28}{view} search {request_id} '\"route 14\"' --snippets")
    tell(f"{'Airflow and the pages':28}make demo-ui  (runs again, and leaves both open until Ctrl-C)")


def keep_running(stack: ExitStack, airflow: Standalone, desk: Desk, request_id: str) -> None:
    """Leave Airflow and the reading pages open until Ctrl-C.

    Raises:
        DemoError: The pages did not open.
    """
    said = desk.folders.desk / "pages.log"
    log = stack.enter_context(said.open("w", encoding="utf-8"))
    pages = subprocess.Popen([*desk.command, "view", request_id], stderr=log)
    stack.callback(pages.wait)
    stack.callback(pages.terminate)
    for _ in range(300):
        address = re.search(r"http://\S+", said.read_text("utf-8"))
        if address or pages.poll() is not None:
            break
        time.sleep(0.1)
    if not address:
        raise DemoError(f"the reading pages did not open; see {said}")
    console.print("\n[bold]Both are open on this machine until you press Ctrl-C:[/bold]")
    tell(f"Airflow   {airflow.url}/dags/{DAG_ID}   user {airflow.user}, password {airflow.password}")
    tell(f"records   {address.group()}")
    with suppress(KeyboardInterrupt):
        pages.wait()


def run(folders: Folders, items: int, seed: int, *, leave_open: bool) -> None:
    """Run the whole demonstration."""
    began = time.monotonic()
    desk = Desk(folders)
    with ExitStack() as stack:
        heading(1, "A fictional school district")
        make_district(folders, items, seed)

        heading(2, "A request arrives")
        confirm_columns(desk)
        confirm_layout(desk)
        (opened,) = desk.daylight("open", folders.district / f"request-{REQUEST}.toml", "--by", PRO_NAME)
        request_id = opened["request_id"]
        tell(f"request {request_id}; an answer is due on {opened['due_on']} (RCW 42.56.520)")
        declare(desk, request_id)
        home = Home.open(folders.home)
        stack.callback(home.close)

        heading(3, "Airflow starts, and runs it")
        airflow = stack.enter_context(Standalone(folders.home))
        tell(f"Airflow is ready at {airflow.url} after {time.monotonic() - began:.0f} s")
        run_id = airflow.trigger(DAG_ID, {"request_id": request_id})
        progress = Progress(home, request_id)
        question = follow(airflow, run_id, progress)

        heading(4, "What was found")
        (counted,) = desk.daylight("ledger", request_id)
        show_ledger(counted)
        (report,) = desk.daylight("terms", request_id, "--out", folders.desk / "hit-report.html")
        show_hits(report)
        show_planted(desk, home, request_id)

        heading(5, "Other ways to write it")
        widen(desk, request_id)

        heading(6, "People decide")
        group(desk, request_id)
        decide(desk, request_id)

        heading(7, "Where the hits point, and what no term found")
        look_further(desk, request_id)
        sample(desk, request_id)
        answer(airflow, run_id, question, "review", "Decisions are in")
        question = follow(airflow, run_id, progress)

        heading(8, "The public records officer approves")
        answer(airflow, run_id, question, "approve", "Approve")
        if follow(airflow, run_id, progress) is not None:
            raise DemoError("the run asks again after its approval")
        (counted,) = desk.daylight("ledger", request_id)
        show_review(counted["review"])

        heading(9, "The requester verifies the bundle")
        bundle = verify(home, request_id)

        heading(10, "The record of the search")
        desk.daylight("adequacy", request_id, "--out", folders.desk / "adequacy", "--by", PRO_NAME)
        tell("every place, term, form, lead and sample with its figures, and the draft of a declaration")
        summary(folders, request_id, bundle, time.monotonic() - began)
        if leave_open:
            keep_running(stack, airflow, desk, request_id)


def _stop(_signal: int, _frame: object) -> None:
    raise SystemExit(143)


def main(arguments: list[str] | None = None) -> int:
    """Run as a command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo")
    parser.add_argument("--home", type=Path, default=ROOT / "demo-home", help="folder to use; made anew")
    parser.add_argument("--items", type=int, default=3300, help="records of the district")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same district")
    parser.add_argument("--keep-running", action="store_true", help="leave Airflow and the pages open")
    args = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)  # so that everything started is stopped then, too
    try:
        run(prepare(args.home), args.items, args.seed, leave_open=args.keep_running)
    except (DemoError, DaylightError) as error:
        console.print(f"\nThe demonstration stopped: {error}", markup=False, style="bold red")
        return 5
    except KeyboardInterrupt:
        console.print("\nStopped; everything that was started has ended.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
