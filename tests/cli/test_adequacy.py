"""The command that writes the adequacy report."""

from __future__ import annotations

import json
import sys

import pytest

from cli import main
from tests.desk.adequacy_home import make

pytestmark = pytest.mark.slow


def run(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["daylight", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main.main()
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


def test_it_writes_and_is_refused_twice(tmp_path, monkeypatch, capsys):
    home, request_id = make(tmp_path)
    home.close()
    out = tmp_path / "out"
    call = ("--home", tmp_path / "home", "adequacy", request_id, "--out", out, "--by", "pat")
    code, printed, said = run(monkeypatch, capsys, *call)
    assert code == 0, said
    made = json.loads(printed)
    assert made["files"] == [
        "SHA256SUMS", "adequacy.json", "adequacy.pdf", "declaration.pdf", "declaration.txt",
        "masked/adequacy.json", "masked/adequacy.pdf",
    ]  # fmt: skip
    assert "give out the masked one only" in said
    assert (out / "adequacy.pdf").read_bytes().startswith(b"%PDF-")
    code, printed, said = run(monkeypatch, capsys, *call)
    assert (code, printed) == (2, "")
    assert "not empty" in said
    code, printed, said = run(monkeypatch, capsys, *call[:-2])
    assert (code, printed) == (2, "")
    assert "--by" in said


def test_a_request_that_was_not_run_yet_has_a_report(tmp_path, monkeypatch, capsys):
    for name in ("mail", "drop"):
        (tmp_path / name).mkdir()
    (tmp_path / "terms.csv").write_text("term\nbus\na AND b OR c\n", "utf-8")
    (tmp_path / "request.toml").write_text(
        'text = "All"\nreceived_on = 2026-09-08\nterms = "terms.csv"\n'
        '[[custodians]]\nid = "a"\nname = "A"\n'
        '[[sources]]\nid = "s"\nconnector = "mail_files"\ncustodian = "a"\npath = "mail"\n',
        "utf-8",
    )
    home = ("--home", tmp_path / "home")
    code, printed, _ = run(monkeypatch, capsys, *home, "open", tmp_path / "request.toml")
    request_id = json.loads(printed)["request_id"]
    out = tmp_path / "out"
    code, printed, said = run(monkeypatch, capsys, *home, "adequacy", request_id, "--out", out, "--by", "pat")
    assert code == 0, said
    made = json.loads((out / "adequacy.json").read_text("utf-8"))
    (listed,) = made["terms"]["lists"]
    assert (listed["counted_at"], listed["listed"], len(listed["bad_lines"])) == (None, 2, 1)
    assert made["exceptions"]["unplanned"] == ["s"]
    assert made["unsearched"]["gaps"][0]["kind"] == "place_not_listed"
    assert made["places"]["places"][0]["collected_from"] is None
