"""``daylight layout``, and the way of a layout into a request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from desk import layouts
from desk.request import load_request
from examples.district.clock import pacific
from examples.district.transcripts import REMIND_LAYOUT, Said, parentsquare_page, remind_history
from records.errors import AccessError, SettingsError, UsageError

ZONE = "America/Los_Angeles"
SAID = [Said(pacific(2026, 3, 4, 9, n), "Rosa Delgado", f"number {n}") for n in range(3)]


def test_a_layout_is_proposed_and_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "h.pdf").write_bytes(remind_history(SAID, owner="Lee Okafor", pictures=[1]).data)
    out = tmp_path / "remind.toml"
    ran = CliRunner().invoke(app, ["layout", str(tmp_path / "h.pdf"), "--app", "remind", "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout.splitlines()[0]) == {
        "layout": str(out), "missing": [], "pages": 2, "pages_without_text": 1,
    }  # fmt: skip
    assert "1 of 2 pages have no text: they need OCR." in ran.stderr
    assert 'head = ["{sender} ({role}) to {recipients}", "{sent_at}"]' in out.read_text()
    with pytest.raises(UsageError, match="is there already; nothing is overwritten"):
        layouts.propose(tmp_path / "h.pdf", "remind", out, ZONE)


def test_what_nothing_can_be_proposed_from_is_told(tmp_path: Path) -> None:
    out = tmp_path / "layout.toml"
    with pytest.raises(AccessError, match="cannot be read"):
        layouts.propose(tmp_path / "none.pdf", "remind", out, ZONE)
    for name, data, says in (
        ("a.csv", b"a,b", "is neither a PDF nor a web page"),
        ("b.html", b"<html></html>", "its pages are pictures"),
        ("c.html", b"<html>", "truncated, html"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SettingsError, match=says):
            layouts.propose(tmp_path / name, "remind", out, ZONE)
    assert not out.exists()


def test_what_a_printout_lacks_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(parentsquare_page([], title="Rosa").data)
    out = tmp_path / "layout.toml"
    ran = CliRunner().invoke(app, ["layout", str(tmp_path / "a.html"), "--app", "ps", "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    assert "Nothing was found for `head`: write in" in ran.stderr


REQUEST = """
text = "Everything"
received_on = 2026-07-01
terms = "terms.csv"
[[custodians]]
id = "lee"
name = "Lee Okafor"
[[sources]]
id = "remind"
connector = "transcripts"
custodian = "lee"
path = "remind"
options = { layout = "remind.toml" }
"""


def test_a_request_keeps_the_text_of_the_layout(tmp_path: Path) -> None:
    (tmp_path / "request.toml").write_text(REQUEST)
    (tmp_path / "terms.csv").write_text("term\nbus\n")
    (tmp_path / "remind").mkdir()
    (tmp_path / "remind.toml").write_text(REMIND_LAYOUT)
    (source,) = load_request(tmp_path / "request.toml").request.sources
    assert source.options == {"layout": REMIND_LAYOUT}


def test_what_a_layout_makes_of_a_printout_is_shown_before_anybody_signs_it(tmp_path: Path) -> None:
    made = remind_history(
        [*SAID, Said(pacific(2026, 3, 5), "Sam", "hi", attachments=("a.png",))], owner="Lee", total=7
    )
    (tmp_path / "h.pdf").write_bytes(made.data)
    unsigned = REMIND_LAYOUT.partition("confirmed_by")[0].replace("Page {number}", "Side {number}")
    (tmp_path / "remind.toml").write_text(unsigned)
    ran = CliRunner().invoke(
        app, ["layout", str(tmp_path / "h.pdf"), "--check", str(tmp_path / "remind.toml")]
    )
    assert ran.exit_code == 0, ran.output
    *messages, shape = map(json.loads, ran.stdout.splitlines())
    assert messages[0] == {
        "page": 1, "line": 5, "sent_at": "Mar 4, 2026 at 9:00 AM", "read_as": "2026-03-04 09:00:00",
        "fields": {"sender": "Rosa Delgado", "role": "Parent", "recipients": "Lee", "body": "number 0"},
        "attachments": [],
    }  # fmt: skip
    assert messages[3]["attachments"] == ["a.png"]
    assert shape == {
        "fits": True, "messages": 4, "expected": 7, "expected_by": "printed total",
        "no_message": ["1:18 Page 1 of 1"], "pages_without_text": 0,
    }  # fmt: skip
    assert "4 messages, and 7 by printed total." in ran.stderr
    (tmp_path / "remind.toml").write_text(unsigned.replace("Remind message", "Other message"))
    ran = CliRunner().invoke(
        app, ["layout", str(tmp_path / "h.pdf"), "--check", str(tmp_path / "remind.toml")]
    )
    assert "one of its `marks` is not on the first page" in ran.stderr


def test_a_command_that_says_too_little_is_told(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["layout", str(tmp_path / "h.pdf"), "--app", "remind"])
    assert isinstance(ran.exception, UsageError)
    assert "give `--app` and `--out` for a proposal" in str(ran.exception)
    with pytest.raises(SettingsError, match="cannot be read as UTF-8 text"):
        layouts.shown(tmp_path / "h.pdf", tmp_path / "none.toml")
