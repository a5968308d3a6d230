"""What a step's failure tells Airflow: ids and codes, never what a library said."""

import pytest

from desk import run, tasks
from records.errors import Retryable, SettingsError

SECRET = "Dana Whitfield dana@example.org 🚌"


def _fail_with(monkeypatch, tmp_path, error):
    def step(home, request_id, run_key):
        try:
            raise UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET)
        except UnicodeDecodeError as inner:
            raise error from inner

    monkeypatch.setenv("DAYLIGHT_HOME", str(tmp_path))
    monkeypatch.setattr(run, "terms", step)


def test_an_error_of_ours_passes_without_its_cause(monkeypatch, tmp_path):
    _fail_with(monkeypatch, tmp_path, SettingsError("request 2026-0001: wrong"))
    with pytest.raises(SettingsError, match="request 2026-0001: wrong") as caught:
        tasks.run_step("terms", "2026-0001", "manual__1")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_wait_a_service_asked_for_is_kept(monkeypatch, tmp_path):
    _fail_with(monkeypatch, tmp_path, Retryable("busy", retry_after_s=7))
    with pytest.raises(Retryable, match="busy") as caught:
        tasks.run_step("terms", "2026-0001", "manual__1")
    assert caught.value.retry_after_s == 7


def test_any_other_error_gives_types_and_places_only(monkeypatch, tmp_path):
    _fail_with(monkeypatch, tmp_path, ValueError(SECRET))
    with pytest.raises(tasks.UnexpectedError) as caught:
        tasks.run_step("terms", "2026-0001", "manual__1")
    text = str(caught.value)
    assert text.startswith("ValueError from UnicodeDecodeError at ")
    assert "test_leaks.py:" in text
    assert "Dana" not in text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_only_steps_can_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("DAYLIGHT_HOME", str(tmp_path))
    with pytest.raises(KeyError):
        tasks.run_step("run_local", "2026-0001", "manual__1")


def test_a_result_is_cut_to_counts_and_codes():
    given = {
        "groups": [["b000001"]],
        "terms": 7,
        "balanced": True,
        "outcome": "complete",
        "folder": "/x/Dana",
    }
    given |= {"by": "Dana", "refusals": ["Dana"], "expected": None}
    kept = {"groups": [["b000001"]], "terms": 7, "balanced": True, "outcome": "complete", "expected": None}
    assert tasks.counts_only(given) == kept
