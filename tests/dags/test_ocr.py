"""The Dag of OCR: its wiring, and its tasks called one after another on a request."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest

from desk import ocr
from desk.home import Home
from desk.register import open_request
from desk.run import run_local
from records.errors import Retryable, SettingsError
from records.settings import load_settings
from tests.extract import pages_seen as p
from tests.small_request import request_file

pytestmark = pytest.mark.dag


@pytest.fixture
def dag(bag):
    return bag.dags["ocr"]


def test_arrows(dag):
    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == {
        "plan": {"read"}, "read": {"finish"}, "finish": set()
    }  # fmt: skip
    assert {task.task_id: task.trigger_rule.value for task in dag.tasks} == {
        "plan": "all_success", "read": "all_success", "finish": "none_failed"
    }  # fmt: skip
    assert dag.get_task("read").is_mapped


def test_it_runs_when_it_is_asked_to(dag):
    assert type(dag.timetable).__name__ == "NullTimetable"
    assert dag.catchup is False


@pytest.mark.parametrize(
    ("name", "value"),
    [("request_id", "../etc"), ("request_id", None), ("languages", "eng spa"), ("languages", "-l\n")],
)
def test_a_bad_param_is_refused(dag, name, value):
    from airflow.sdk.exceptions import ParamValidationError

    params = copy.deepcopy(dag.params)
    params["request_id"] = "2026-0001"
    params.validate()

    def give():
        params[name] = value
        params.validate()

    with pytest.raises(ParamValidationError):
        give()


@pytest.mark.parametrize(("error", "action"), [(SettingsError("x"), "fail"), (Retryable("x"), "retry")])
def test_what_is_tried_again(dag, error, action):
    policy = dag.get_task("plan").retry_policy
    assert policy.evaluate(error, 1, 3).action.value == action
    assert policy.evaluate(Retryable("x", retry_after_s=90), 1, 3).retry_delay == timedelta(seconds=90)


def test_its_tasks_read_what_waits(dag, tmp_path, monkeypatch):
    path, log = p.answering(tmp_path / "bin")
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "fax.tif").write_bytes(p.tiff([1201, 1202]))
    for name, value in {
        "PATH": path, "DAYLIGHT_HOME": str(tmp_path / "home"), "DAYLIGHT_WORKERS": "2",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    home = Home.open(settings=load_settings())
    request_id, _ = open_request(home, request_file(tmp_path, folder, "loose_files"), by="pro")
    run_local(home, request_id)
    context = {"params": {"request_id": request_id, "languages": "eng", "again": False}}

    def called(task_id, **given):
        task = dag.get_task(task_id)
        work = task.python_callable
        monkeypatch.setitem(work.__globals__, "get_current_context", lambda: context)
        return work(**given)

    groups = called("plan")
    assert [len(group) for group in groups] == [1]
    assert called("read", batch_ids=groups[0]) == {"pages": 2, "failed": 0, "items": 1}
    assert context["batches"] == f"{groups[0][0]} (1)"
    assert called("finish") == {
        "pages_pending": 0, "pages_done": 2, "pages_failed": 0, "low_confidence": 0
    }  # fmt: skip
    assert called("plan") == []
    assert sorted(log.read_text().split()) == ["1201", "1202"]
    assert ocr.report(home, request_id)["pages_done"] == 2
    home.close()
