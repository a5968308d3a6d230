"""`daylight plan`, `amend`, `top-up`, `holds`: JSON on stdout, words on stderr, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import daylight, lines
from tests.end_to_end.test_faults import GOOD_MAIL
from tests.small_request import request_file

pytestmark = pytest.mark.slow

ID = "2026-0001"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with three mails and a home with a request for them that was not run yet."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "mail").mkdir()
    for n in range(3):
        (folder / "mail" / f"{n}.eml").write_text(GOOD_MAIL.format(n=n), "utf-8")
    assert daylight(folder / "home", "open", request_file(folder, "mail")).returncode == 0
    return folder


def test_from_the_plan_to_the_release_of_a_hold(place):
    home = place / "home"
    planned = daylight(home, "plan", ID)
    assert planned.returncode == 0, planned.stderr
    estimate = json.loads(planned.stdout)
    assert (estimate["items"], estimate["unknown"]) == (3, [])
    assert f"Finish: {estimate['finish_from']} to {estimate['finish_to']}" in planned.stderr
    adjusted = daylight(home, "plan", ID, "--adjust", "review=3d", "--reason", "away", "--by", "P. Officer")
    assert {one["name"]: one["by"] for one in json.loads(adjusted.stdout)["parts"]}["review"] == "P. Officer"
    assert daylight(home, "plan", ID, "--adjust", "lunch=3d", "--reason", "x", "--by", "y").returncode == 2
    assert daylight(home, "plan", ID, "--reason", "x").returncode == 2

    (memo,) = lines(daylight(home, "holds", "list", ID))
    assert (memo["hold_id"], memo["route"], memo["state"]) == ("h001", "memo", "proposed")
    assert len(lines(daylight(home, "holds", "memo", ID, "--out", place / "memos"))[0]["files"]) == 2
    refused = daylight(home, "holds", "place", ID, "h001", "--by", "P. Officer")
    assert (refused.returncode, refused.stdout) == (2, "")
    placed = daylight(home, "holds", "place", ID, "h001", "--by", "P. Officer", "--proof", "on paper")
    assert lines(placed)[0]["state"] == "placed"
    looked = daylight(home, "holds", "check", ID, "--by", "P. Officer")
    assert (looked.returncode, looked.stdout) == (0, "")  # nothing is at a service

    assert daylight(home, "run", ID, "--local").returncode == 0
    (place / "mail" / "3.eml").write_text(GOOD_MAIL.format(n=3), "utf-8")
    asked = daylight(home, "top-up", "ask", ID, "--by", "P. Officer", "--reason", "a month later")
    assert json.loads(asked.stdout)["round"] == 1
    assert daylight(home, "run", ID, "--local").returncode == 0
    (report,) = lines(daylight(home, "top-up", "report", ID))
    assert (report["total"]["new"], report["total"]["same"]) == (1, 3)
    (item,) = lines(daylight(home, "top-up", "report", ID, "--items", "1"))
    assert (item["outcome"], item["state"]) == ("new", "stored")
    status = json.loads(daylight(home, "status", ID).stdout)
    assert status["top_ups"][0]["total"]["new"] == 1
    assert status["coverage"]["not_read"] == 0
    assert status["estimate"]["finish_to"]

    request = place / "request.toml"
    same = daylight(home, "amend", ID, request, "--by", "P. Officer", "--reason", "x")
    assert (same.returncode, same.stdout) == (2, "")
    text = request.read_text("utf-8")
    request.write_text(text.replace('text = "', 'text = "Also: ', 1), "utf-8")
    amended = daylight(home, "amend", ID, request, "--by", "P. Officer", "--reason", "their letter")
    assert (json.loads(amended.stdout)["version"], json.loads(amended.stdout)["changed"]) == (2, ["text"])

    made = daylight(
        home, "holds", "litigation", "add", "Doe", "--by", "Counsel", "--why", "order", "--from", "2020-01-01"
    )
    assert json.loads(made.stdout) == {"litigation": "l001", "people": "everybody"}
    assert lines(daylight(home, "holds", "litigation", "list"))[0]["from"] == "2020-01-01"
    open_ = daylight(home, "holds", "release", ID, "h001", "--by", "P. Officer", "--why", "x")
    assert (open_.returncode, open_.stdout) == (2, "")
    assert "is not closed" in open_.stderr
    ended = daylight(home, "holds", "litigation", "end", "l001", "--by", "Counsel", "--why", "settled")
    assert json.loads(ended.stdout)["ended"] is True
    assert daylight(home, "audit", "verify").returncode == 0
