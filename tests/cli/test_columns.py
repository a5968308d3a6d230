"""``daylight columns``, and the way of a map into a request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from desk import columns
from desk.request import load_request
from records.errors import AccessError, SettingsError, UsageError
from tests.connectors.built_tables import FIRST, MAP, ROWS

ZONE = "America/Los_Angeles"


def test_a_map_is_proposed_and_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(FIRST + b"".join(ROWS))
    out = tmp_path / "map.toml"
    ran = CliRunner().invoke(app, ["columns", str(tmp_path / "t.csv"), "--app", "talk", "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout.splitlines()[0]) == {"map": str(out), "missing": []}
    assert 'app = "talk"' in out.read_text()
    with pytest.raises(UsageError, match="is there already; nothing is overwritten"):
        columns.propose(tmp_path / "t.csv", "talk", out, ZONE)


def test_what_is_no_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="cannot be read"):
        columns.propose(tmp_path / "none.csv", "talk", tmp_path / "map.toml", ZONE)
    (tmp_path / "t.csv").write_bytes(b"")
    with pytest.raises(SettingsError, match="is no CSV table with a header; save a copy as CSV in UTF-8"):
        columns.propose(tmp_path / "t.csv", "talk", tmp_path / "map.toml", ZONE)
    (tmp_path / "t.csv").write_bytes(b"%PDF-1.7")
    with pytest.raises(SettingsError, match="is a printout, no table: `daylight layout` proposes"):
        columns.propose(tmp_path / "t.csv", "talk", tmp_path / "map.toml", ZONE)
    assert not (tmp_path / "map.toml").exists()


REQUEST = """
text = "Everything"
received_on = 2025-07-01
terms = "terms.csv"
[[custodians]]
id = "lee"
name = "Ann Lee"
[[sources]]
id = "talk"
connector = "message_table"
custodian = "lee"
path = "talk"
options = { map = "talk.toml" }
"""


def test_a_request_keeps_the_text_of_the_map(tmp_path: Path) -> None:
    (tmp_path / "request.toml").write_text(REQUEST)
    (tmp_path / "terms.csv").write_text("term\nbus\n")
    (tmp_path / "talk").mkdir()
    with pytest.raises(SettingsError, match=r"source talk: options: map: .*talk\.toml cannot be read"):
        load_request(tmp_path / "request.toml")
    (tmp_path / "talk.toml").write_text(MAP)
    (source,) = load_request(tmp_path / "request.toml").request.sources
    assert source.options == {"map": MAP}
    assert source.path == str(tmp_path / "talk")
