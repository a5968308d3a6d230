"""Logs: ids and counts only, and silent until somebody asks for them."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from records import logs

ROOT = Path(__file__).parents[2]
ROOMS = (
    "cli", "connectors", "dags", "desk", "extract", "records", "release", "retention", "review", "search",
)  # fmt: skip


@pytest.fixture
def configured(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "_current", None)
    monkeypatch.setattr(logs, "_settings", None)
    logs.configure("info", tmp_path)
    return tmp_path / "logs/daylight.jsonl"


def test_lines_are_json_with_ids_and_counts(configured):
    logs.logger().info("step done", request="2026-0001", items=7)
    logs.logger().debug("not at this level", request="2026-0001")
    (line,) = configured.read_text("utf-8").splitlines()
    found = json.loads(line)
    assert found.pop("timestamp").endswith("Z")
    assert found == {"event": "step done", "items": 7, "level": "info", "request": "2026-0001"}


def test_a_key_that_may_hold_content_is_refused(configured):
    with pytest.raises(ValueError, match="'subject' is not in"):
        logs.logger().info("step done", subject="private")
    assert not configured.exists()


def test_nothing_is_said_unless_asked_for(capsys):
    logs.logger().info("step done", request="2026-0001")
    assert capsys.readouterr() == ("", "")


def test_every_line_that_is_written_has_allowed_keys():
    """A key that is not allowed would stop the step that logs, and only where logs are on."""
    calls = [
        node
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Call)
        and ast.unparse(node.func.value.func).endswith("logger")
        and node.func.attr in {"debug", "info", "warning", "error", "exception"}
    ]
    assert len(calls) >= 4
    assert {word.arg for call in calls for word in call.keywords} <= logs.ALLOWED
