"""Logs: ids and counts only, and silent until somebody asks for them."""

from __future__ import annotations

import json

import pytest

from records import logs


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
