"""The command: its JSON, its words, its exit codes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import daylight, in_a_process, lines
from tests.end_to_end.test_faults import GOOD_MAIL
from tests.small_request import request_file

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A home with one request of six mails that has been run."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "mail").mkdir()
    for n in range(6):
        (folder / "mail" / f"{n}.eml").write_text(GOOD_MAIL.format(n=n), "utf-8")
    opened = in_a_process(folder / "home", "open", request_file(folder, "mail"), "--by", "P. Officer")
    assert json.loads(opened.stdout) == {"request_id": "2026-0001", "due_on": "2026-09-15"}
    done = in_a_process(folder / "home", "run", "2026-0001", "--local")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "complete"
    assert "collect, extract, index" in done.stderr
    return folder


def test_status_says_where_a_request_stands(place):
    (row,) = lines(daylight(place / "home", "status"))
    assert (row["request_id"], row["state"], row["due_on"]) == ("2026-0001", "complete", "2026-09-15")
    found = json.loads(daylight(place / "home", "status", "2026-0001").stdout)
    assert found["items"] == {"expected": 6, "found": 6}
    assert found["balanced"] is True
    assert found["exceptions"] == {}
    assert found["seconds_left"] is None


def test_ledger(place):
    found = json.loads(daylight(place / "home", "ledger", "2026-0001").stdout)
    assert found["coverage"]["not_read"] == 0
    assert {one["state"] for one in found["coverage"]["places"]} == {"searched"}
    (scope,) = found["scopes"]
    assert (scope["scope"], scope["expected"], scope["found"], scope["stored"]) == (".", 6, 6, 6)
    assert found["text"]["searchable"] == 6
    assert found["review"]["in_review"] == found["review"]["not_yet_produced"] == 6
    assert found["review"]["awaits"] == {"decision": 6}


def test_items_have_the_documented_shape(place):
    found = lines(daylight(place / "home", "items", "2026-0001"))
    assert [item["native_id"] for item in found] == [f"{n}.eml" for n in range(6)]
    first = found[0]
    assert first["kind"] == "email"
    assert first["from"] == "Ana Ruiz <ana@cedarfalls.example>"
    assert first["to"] == ["Lee Okafor <lee@cedarfalls.example>"]
    assert first["participants"] == [
        "Ana Ruiz <ana@cedarfalls.example>",
        "Lee Okafor <lee@cedarfalls.example>",
    ]
    assert first["sent_at"] == "2026-03-02T18:00:00Z"
    assert first["sent_at_text"] == "Mon, 02 Mar 2026 10:00:00 -0800"
    assert first["sent_at_basis"] == "stated"
    assert first["subject"] == "Bus route 0"
    assert first["text"].strip() == "The bus route change number 0."
    assert first["item_id"] == first["family_id"]
    assert first["parent_id"] is None
    assert first["failure"] is None
    data = (place / "mail/0.eml").read_bytes()
    assert (first["bytes"], first["content_sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert "text" not in lines(daylight(place / "home", "items", "2026-0001", "--no-text"))[0]


def test_get_gives_the_exact_bytes(place):
    item = lines(daylight(place / "home", "items", "2026-0001", "--no-text"))[3]
    command = [sys.executable, "-m", "cli.main", "--home", place / "home", "get", "2026-0001"]
    done = subprocess.run([*command, item["item_id"]], capture_output=True, check=True)
    assert done.stdout == (place / "mail/3.eml").read_bytes()
    text = daylight(place / "home", "get", "2026-0001", item["item_id"], "--text")
    assert (text.returncode, text.stdout.strip()) == (0, "The bus route change number 3.")
    refused = daylight(place / "home", "get", "2026-0001", "0" * 32)
    assert (refused.returncode, refused.stdout) == (2, "")


def test_search(place):
    counted = json.loads(daylight(place / "home", "search", "2026-0001", "bus route", "--count").stdout)
    assert counted == {"documents": 6, "families": 6, "distinct": 6}
    (hit,) = lines(daylight(place / "home", "search", "2026-0001", 'subject:"route 4"', "--snippets"))
    assert hit["subject"] == "Bus route 4"
    assert hit["snippets"] == ["Bus «route 4»"]
    refused = daylight(place / "home", "search", "2026-0001", "bus AND (route")
    assert refused.returncode == 2
    assert "column" in refused.stderr


def test_terms_report_bad_lines_and_never_stop(place, tmp_path):
    listed = tmp_path / "terms.csv"
    listed.write_text("term,note\nbus route,\n(broken AND,\nnothing of the kind,\n", "utf-8")
    out = tmp_path / "hits.csv"
    done = daylight(place / "home", "terms", "2026-0001", listed, "--out", out)
    report = json.loads(done.stdout)
    assert [(row["term"], row["documents"]) for row in report["terms"]] == [
        ("bus route", 6),
        ("nothing of the kind", 0),
    ]
    assert [row["line"] for row in report["bad_lines"]] == [3]
    assert out.read_text("utf-8-sig").startswith("line")
    again = daylight(place / "home", "terms", "2026-0001", listed, "--out", out)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    # A list that was only tried leaves the review as it is.
    assert json.loads(daylight(place / "home", "ledger", "2026-0001").stdout)["review"]["version"] == 1


def test_nothing_goes_out_without_an_approval(place, tmp_path):
    done = daylight(place / "home", "package", "2026-0001", "--out", tmp_path / "bundle")
    assert done.returncode == 2
    assert not (tmp_path / "bundle").exists()
    closed = daylight(place / "home", "close", "2026-0001")
    assert closed.returncode == 2
    assert "6 await a decision" in closed.stderr


def test_reindex_gives_the_same_answers(place):
    assert json.loads(daylight(place / "home", "reindex", "2026-0001").stdout)["documents"] == 6
    counted = json.loads(daylight(place / "home", "search", "2026-0001", "bus route", "--count").stdout)
    assert counted["documents"] == 6


def test_store_and_audit_verify(place):
    (report,) = lines(daylight(place / "home", "store", "verify"))
    assert (report["damaged"], report["torn"]) == ([], 0)
    assert report["checked"] == 12
    head = json.loads(daylight(place / "home", "audit", "verify").stdout)
    assert head["entries"] > 3
    assert len(head["head"]) == 64


def test_doctor_checks_this_machine(place):
    found = {check["check"]: check for check in lines(daylight(place / "home", "doctor"))}
    assert found["text"]["ok"] is True
    assert found["audit"]["ok"] is True
    assert "mail_files" in found["connectors"]["found"]


def test_inspect_needs_no_home(place):
    (item,) = lines(daylight(place / "unused", "inspect", place / "mail/2.eml"))
    assert item["subject"] == "Bus route 2"
    assert item["connector"] == "mail_files"
    assert not (place / "unused").exists()
    missing = daylight(place / "unused", "inspect", place / "nothing.eml")
    assert missing.returncode == 4
