"""`daylight sample`: JSON on stdout, words on stderr, exit codes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.command import daylight, lines
from tests.end_to_end.test_faults import GOOD_MAIL
from tests.small_request import request_file

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A home with one request of eight mails; its term hits three."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "mail").mkdir()
    for n in range(8):
        mail = GOOD_MAIL.format(n=n)
        (folder / "mail" / f"{n}.eml").write_text(
            mail if n < 3 else mail.lower().replace("bus", "coach"), "utf-8"
        )
    assert daylight(folder / "home", "open", request_file(folder, "mail")).returncode == 0
    done = daylight(folder / "home", "run", "2026-0001", "--local")
    assert done.returncode == 0, done.stderr
    return folder


def test_a_sample_from_the_command_line(place, tmp_path):
    home = place / "home"
    none = daylight(home, "sample", "result", "2026-0001")
    assert (none.returncode, none.stdout) == (2, "")
    assert "has no sample" in none.stderr
    assert lines(daylight(home, "sample", "list", "2026-0001")) == []

    done = daylight(home, "sample", "draw", "2026-0001", "--size", "4", "--seed", "3", "--by", "P. Officer")
    (made,) = lines(done)
    assert (made["sample"], made["size"], made["population"], made["seed"]) == (1, 4, 5, 3)
    assert (made["drawn_by"], made["seed_chosen"], made["confidence"]) == ("P. Officer", True, 0.95)
    assert Path(made["frame"]).read_text("ascii").count("\n") == 5
    assert "Sample 1: 4 of 5 families, drawn with seed 3" in done.stderr

    sheet = tmp_path / "sample.csv"
    assert lines(daylight(home, "sample", "sheet", "2026-0001", "1", "--out", sheet)) == [
        {"request_id": "2026-0001", "sample": 1, "file": str(sheet), "rows": 4}
    ]
    again = daylight(home, "sample", "sheet", "2026-0001", "1", "--out", sheet)
    assert (again.returncode, again.stdout) == (2, "")

    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, answer in zip(rows, ("no", "yes", "perhaps", "no"), strict=True):
        row["responsive"] = answer
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    done = daylight(home, "sample", "code", "2026-0001", "1", sheet, "--by", "K. Lee")
    assert done.returncode == 5
    taken = json.loads(done.stdout)
    assert (taken["applied"], taken["coded"], taken["left"], taken["found"]) == (3, 3, 1, 1)
    assert taken["put_in_review"] == [rows[1]["item_id"].removeprefix("i:")]
    assert taken["refused"] == [
        {"row": 4, "item_id": rows[2]["item_id"], "problem": "responsive is yes or no, not “perhaps”"}
    ]
    assert "1 families were found responsive and are in review now." in done.stderr
    assert "1 rows were refused" in done.stderr

    done = daylight(home, "sample", "result", "2026-0001", "1")
    (found,) = lines(done)
    assert (found["counted"], found["found"], found["provisional"]) == (2, 1, True)
    assert found["elusion"]["estimate"] == 0.5
    assert done.stderr.splitlines() == found["words"]
    assert lines(daylight(home, "sample", "list", "2026-0001")) == [found]

    sheet_of_all = tmp_path / "coding.csv"
    assert daylight(home, "sheet", "2026-0001", "--out", sheet_of_all).returncode == 0
    assert "found responsive by a person in sample 1; no term finds it" in sheet_of_all.read_text("utf-8")
    ledger = json.loads(daylight(home, "ledger", "2026-0001").stdout)
    assert (ledger["balanced"], ledger["review"]["in_review"]) == (True, 4)
    assert daylight(home, "audit", "verify").returncode == 0


def test_a_margin_and_a_random_seed(place):
    home = place / "home"
    (made,) = lines(
        daylight(home, "sample", "draw", "2026-0001", "--margin", "40", "--confidence", "90", "--by", "P")
    )
    assert (made["margin"], made["confidence"], made["seed_chosen"]) == (0.4, 0.9, False)
    assert made["size"] == 3  # z = 1.645: 4.23 for an endless list, 4.23 / (1 + 3.23 / 4 or 5) here
    for wrong in (
        ["--size", "2", "--margin", "2"],
        ["--confidence", "100"],
        ["--size", "0"],
        ["--seed", "-1"],
    ):
        refused = daylight(home, "sample", "draw", "2026-0001", *wrong, "--by", "P")
        assert (refused.returncode, refused.stdout) == (2, "")
    assert daylight(home, "sample", "draw", "2026-0001").returncode == 2  # nobody said who
