"""The Dag of exports: its wiring, how it waits, and one whole run by ``dag.test()``."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from records.errors import AccessError, Retryable, UsageError
from tests.dags.conftest import ROOT

LIMIT_S = 240

pytestmark = pytest.mark.dag

ARROWS = {"ask": {"wait"}, "wait": {"download"}, "download": set()}


@pytest.fixture
def dag(bag):
    return bag.dags["exports"]


@pytest.fixture
def looks(monkeypatch):
    """Return what is seen at each look; an exception is raised."""
    from desk import exports, tasks

    answers: list[object] = []
    monkeypatch.setattr(tasks, "in_home", lambda work: work("home"))
    monkeypatch.setattr(exports, "state_of", lambda *_: None)

    def look(home: str, request_id: str, source_id: str) -> dict[str, object]:
        assert (home, request_id, source_id) == ("home", "2026-0001", "v1")
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"outcome": "running", "waited_s": answer} if isinstance(answer, int) else {"outcome": answer}

    monkeypatch.setattr(exports, "look", look)
    return answers


def waiting():
    from desk.export_waiting import WaitForExport

    return WaitForExport(task_id="wait", request_id="2026-0001", source_id="v1")


def deferred(call):
    from airflow.sdk.exceptions import TaskDeferred

    with pytest.raises(TaskDeferred) as caught:
        call()
    return caught.value


def test_arrows(dag):
    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == ARROWS
    assert {task.trigger_rule.value for task in dag.tasks} == {"all_success"}


def test_it_runs_when_it_is_asked_to(dag):
    assert type(dag.timetable).__name__ == "NullTimetable"
    assert dag.catchup is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("request_id", "../etc"),
        ("request_id", None),
        ("source_id", "../etc"),
        ("source_id", ""),
        ("source_id", "a\n"),
    ],
)
def test_a_bad_id_is_refused(dag, name, value):
    from airflow.sdk.exceptions import ParamValidationError

    params = copy.deepcopy(dag.params)

    def give():
        params[name] = value
        params.validate()

    with pytest.raises(ParamValidationError):
        give()


@pytest.mark.parametrize(
    ("error", "action"), [(AccessError("x"), "fail"), (UsageError("x"), "fail"), (Retryable("x"), "retry")]
)
def test_what_is_tried_again(dag, error, action):
    policy = dag.get_task("wait").retry_policy
    assert policy.evaluate(error, 1, 5).action.value == action
    assert policy.evaluate(Retryable("x", retry_after_s=90), 1, 5).retry_delay == timedelta(seconds=90)


@pytest.mark.parametrize(
    ("waited_s", "next_s"), [(0, 60), (59, 60), (200, 200), (899, 899), (5_000, 900), (600_000, 900)]
)
def test_it_waits_in_the_triggerer_ever_longer(looks, waited_s, next_s):
    looks += [waited_s]
    after = deferred(lambda: waiting().execute({}))
    assert after.method_name == "execute"
    path, kwargs = after.trigger.serialize()
    assert path == "airflow.providers.standard.triggers.temporal.DateTimeTrigger"
    assert next_s - 10 < (kwargs["moment"] - datetime.now(UTC)).total_seconds() <= next_s


def test_it_ends_when_the_export_is_done(looks):
    looks += ["done"]
    assert waiting().execute({}, event=datetime.now(UTC)) == {"outcome": "done"}


def test_an_export_that_failed_fails_the_wait(looks):
    looks += [AccessError("source v1: the export failed at the service")]
    with pytest.raises(AccessError, match="failed at the service"):
        waiting().execute({})


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S + 60)
def test_the_whole_dag_runs_in_process(tmp_path):
    airflow, home = tmp_path / "airflow", tmp_path / "home"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    environment = inherited | {
        "AIRFLOW_HOME": str(airflow),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "DAYLIGHT_HOME": str(home),
        "PYTHONWARNINGS": "ignore",
    }
    with (tmp_path / "err").open("wb") as errors, (tmp_path / "out").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.dags.exports_in_process"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        try:
            process.wait(LIMIT_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    said = (tmp_path / "out").read_text("utf-8")
    assert process.returncode == 0, said[-2000:] + (tmp_path / "err").read_text("utf-8", "replace")[-4000:]
    result = json.loads(said.splitlines()[-1])
    assert result["state"] == "success"
    assert {tuple(one) for one in result["tasks"]} == {(name, "success") for name in ARROWS}
    assert (result["created"], result["looked"]) == (1, 3)  # asked once; twice it was not done
    assert sorted(result["package"]) == sorted(result["expected"])
    secrets = ("zanzibar", "ana.ruiz", "PRIVATE KEY", "ya29.", "vault-admin")
    found = [
        f"{word} in {path.relative_to(airflow)}"
        for path in sorted(airflow.rglob("*"))
        if path.is_file()
        for word in secrets
        if word.encode() in path.read_bytes()
    ]
    assert found == []
