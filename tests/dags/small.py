"""A small request with words that must never reach Airflow: names, addresses, subjects, file names, terms."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path
from typing import Any

PLANTED = (
    "Quillon",  # given name of the custodian
    "Braddockson",  # family name
    "qv.braddockson",  # address
    "plantedmail",  # domain
    "Orsolya",  # the requester
    "obsidianferry",  # a word of the request
    "zephyrquartz",  # a word of the term list
    "Marrowgate",  # a subject
    "wexlorian",  # a file name
    "thistlebark",  # a body
)

REQUEST = """\
text = "All records about the obsidianferry"
received_on = 2026-09-08
requester = "Orsolya Marsh"
window = {{ from = 2026-01-01, to = 2026-06-30 }}
terms = "terms.csv"

[[custodians]]
id = "c1"
name = "Quillon Braddockson"
role = "Principal"
emails = ["qv.braddockson@plantedmail.example"]

[[sources]]
id = "s1"
connector = "mail_files"
custodian = "c1"
path = "{mail}"
"""


def make(folder: Path) -> Path:
    """Write the sources, the terms and the request file; return the request file."""
    mail = folder / "mail-quillon"
    mail.mkdir(parents=True)
    for number in range(12):
        message = EmailMessage()
        message["From"] = "Quillon Braddockson <qv.braddockson@plantedmail.example>"
        message["To"] = "Board <board@plantedmail.example>"
        message["Subject"] = f"Marrowgate {number}"
        message["Date"] = f"Mon, {number + 2:02} Mar 2026 09:00:00 -0800"
        message["Message-ID"] = f"<{number}@plantedmail.example>"
        message.set_content(
            f"About the zephyrquartz, number {number}. thistlebark\n" if number < 5 else "Other.\n"
        )
        if number == 0:
            message.add_attachment(b"zephyrquartz list\n", "text", "plain", filename="wexlorian-budget.txt")
        (mail / f"{number:02}.eml").write_bytes(message.as_bytes())
    # One that cannot be read: its failure must not tell its name or content either.
    (mail / "wexlorian-broken.eml").write_bytes(b"")
    (folder / "terms.csv").write_text("term,note\nzephyrquartz,thistlebark\n", "utf-8")
    request = folder / "request.toml"
    request.write_text(REQUEST.format(mail=mail), "utf-8")
    return request


def daylight(home: Path, *arguments: str | Path) -> list[Any]:
    """Run the command; return the JSON lines it prints."""
    command = [Path(sys.executable).with_name("daylight"), "--home", home, *arguments]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def open_request(home: Path, folder: Path) -> str:
    """Make the sources and open the request; return its id."""
    (opened,) = daylight(home, "open", make(folder), "--by", "tester")
    return opened["request_id"]


def decide(home: Path, folder: Path, request_id: str) -> dict[str, Any]:
    """Decide on everything in the sheet: responsive, released; return what was taken in."""
    sheet, filled = folder / "sheet.csv", folder / "filled.csv"
    daylight(home, "sheet", request_id, "--out", sheet)
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        rows, columns = list(reader), list(reader.fieldnames or ())
    for row in rows:
        row.update(public_record="yes", responsive="yes", treatment="release")
    with filled.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    (taken,) = daylight(home, "decide", request_id, filled, "--by", "tester")
    return taken


def leaks(folder: Path) -> list[str]:
    """Return which planted words lie in which file below a folder, whatever the case."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes().lower()
            found += [
                f"{word} in {path.relative_to(folder)}" for word in PLANTED if word.lower().encode() in data
            ]
    return found
