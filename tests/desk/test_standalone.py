"""Driving Airflow: what is sent and how its answers are read, faked at the wire; and the files of a home."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections import Counter

import httpx
import psutil
import pytest

from desk import standalone
from desk.standalone import AirflowApi, Question, Standalone, TaskView
from records.errors import AccessError, AlreadyRunning, Incomplete, SettingsError, UsageError

RUN = "/api/v2/dags/records_request/dagRuns/manual__1%2B00"
TASK = f"{RUN}/taskInstances/review/-1"


class Wire:
    """Plays Airflow: a list of answers a call, the last of which repeats; keeps what was sent."""

    def __init__(self, answers):
        self.answers = {call: list(given) for call, given in answers.items()}
        self.answers.setdefault(
            "POST /auth/token", [(201, {"access_token": "t1"}), (201, {"access_token": "t2"})]
        )
        self.sent = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        call = f"{request.method} {request.url.raw_path.decode()}"
        body = json.loads(request.content) if request.content else None
        self.sent.append((call, body, request.headers.get("authorization")))
        given = self.answers[call]
        status, content = given.pop(0) if len(given) > 1 else given[0]
        return httpx.Response(status, json=content)

    @property
    def calls(self):
        return Counter(call for call, _, _ in self.sent)


@pytest.fixture
def api(monkeypatch):
    monkeypatch.setattr(standalone, "SETTLE_S", 0.001)
    made = []

    def make(answers):
        wire = Wire(answers)
        found = AirflowApi("http://airflow.test", "pro", "secret")
        found.close()
        found._client = httpx.Client(transport=httpx.MockTransport(wire))
        made.append(found)
        return found, wire

    yield make
    for each in made:
        each.close()


def test_it_logs_in_once(api):
    airflow, wire = api({f"GET {RUN}": [(200, {"state": "running"})]})
    assert [airflow.run_state("manual__1+00") for _ in range(3)] == ["running"] * 3
    assert wire.sent[0] == ("POST /auth/token", {"username": "pro", "password": "secret"}, None)
    assert wire.calls["POST /auth/token"] == 1
    assert wire.sent[1][2] == "Bearer t1"


def test_it_logs_in_anew_when_the_token_ran_out(api):
    airflow, wire = api({f"GET {RUN}": [(401, {"detail": "expired"}), (200, {"state": "success"})]})
    assert airflow.run_state("manual__1+00") == "success"
    assert [auth for call, _, auth in wire.sent if call.startswith("GET")] == ["Bearer t1", "Bearer t2"]


def test_a_wrong_password_is_an_access_error(api):
    airflow, _ = api({"POST /auth/token": [(401, {"detail": "Invalid credentials"})]})
    with pytest.raises(AccessError, match=r"refuses this user \(401\): Invalid credentials"):
        airflow.token()


def test_triggering_sends_the_params_and_returns_the_run(api):
    airflow, wire = api({"POST /api/v2/dags/records_request/dagRuns": [(200, {"dag_run_id": "manual__7"})]})
    assert airflow.trigger("records_request", {"request_id": "2026-0001"}) == "manual__7"
    assert wire.sent[-1][1] == {"conf": {"request_id": "2026-0001"}, "logical_date": None}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, SettingsError),
        (422, SettingsError),
        (403, AccessError),
        (404, UsageError),
        (409, UsageError),
        (500, AccessError),
        (503, AccessError),
    ],
)
def test_refusals_are_sorted_by_what_to_do(api, status, error):
    airflow, _ = api({f"GET {RUN}": [(status, {"detail": "words"})]})
    with pytest.raises(error):
        airflow.run_state("manual__1+00")


def test_no_answer_is_an_access_error(api):
    airflow, _ = api({})

    def refuse(request):
        raise httpx.ConnectError("refused", request=request)

    airflow._client.close()
    airflow._client = httpx.Client(transport=httpx.MockTransport(refuse))
    with pytest.raises(AccessError, match=r"does not answer at http://airflow\.test: ConnectError"):
        airflow.token()


def test_tasks_are_read_page_by_page(api):
    rows = [{"task_id": f"t{n}", "map_index": -1, "state": None, "try_number": 0} for n in range(250)]

    def page(start):
        return [(200, {"task_instances": rows[start : start + 100], "total_entries": 250})]

    airflow, wire = api({f"GET {RUN}/taskInstances?limit=100&offset={n}": page(n) for n in (0, 100, 200)})
    tasks = airflow.tasks("manual__1+00")
    assert len(tasks) == 250
    assert tasks[249] == TaskView("t249", -1, None, 0)
    assert sum(wire.calls.values()) == 4


def detail(state, *, received=False):
    task = {"task_id": "review", "state": state}
    return {"task_instance": task, "subject": "s", "options": ["Yes", "No"], "response_received": received}


def test_only_parked_questions_are_pending(api):
    given = {"hitl_details": [detail("awaiting_input"), detail("running")]}
    airflow, _ = api({f"GET {RUN}/hitlDetails?response_received=false": [(200, given)]})
    assert airflow.pending_hitl("manual__1+00") == (Question("review", "s", ("Yes", "No")),)


def answering(states, details, patches=None):
    return {
        f"GET {TASK}": [(200, {"state": state}) for state in states],
        f"GET {TASK}/hitlDetails": [(200, detail("", received=received)) for received in details],
        f"PATCH {TASK}/hitlDetails": patches or [(200, {})],
    }


def test_an_answer_is_followed_until_the_task_took_it(api):
    airflow, wire = api(answering(["awaiting_input", "scheduled", "running", "success"], [False]))
    airflow.answer("manual__1+00", "review", ["Yes"], {"n": 1})
    patches = [body for call, body, _ in wire.sent if call.startswith("PATCH")]
    assert patches == [{"chosen_options": ["Yes"], "params_input": {"n": 1}}]


def test_a_lost_answer_is_given_again(api):
    """The race: the record says that nothing was received, and the task still asks."""
    airflow, wire = api(answering(["awaiting_input"] * 3 + ["success"], [False, False, True]))
    airflow.answer("manual__1+00", "review", ["Yes"])
    assert wire.calls[f"PATCH {TASK}/hitlDetails"] == 2


def test_asked_again_by_a_retry_it_is_answered_again(api):
    states = ["awaiting_input", "up_for_retry", "queued", "awaiting_input", "success"]
    airflow, wire = api(answering(states, [False, False]))
    airflow.answer("manual__1+00", "review", ["Yes"])
    assert wire.calls[f"PATCH {TASK}/hitlDetails"] == 2


def test_an_answer_that_arrived_after_all_is_fine(api):
    airflow, _ = api(answering(["awaiting_input", "success"], [False], [(409, {"detail": "already"})]))
    airflow.answer("manual__1+00", "review", ["Yes"])


def test_answering_what_does_not_ask_is_refused(api):
    airflow, wire = api(answering(["success"], [False]))
    with pytest.raises(UsageError, match="does not ask"):
        airflow.answer("manual__1+00", "review", ["Yes"])
    assert wire.calls[f"PATCH {TASK}/hitlDetails"] == 0


def test_a_wrong_option_is_refused(api):
    airflow, _ = api(answering(["awaiting_input"], [False], [(400, {"detail": "Invalid options ['x']"})]))
    with pytest.raises(SettingsError, match="Invalid options"):
        airflow.answer("manual__1+00", "review", ["x"])


def test_a_task_that_never_takes_it_is_incomplete(api):
    airflow, _ = api(answering(["awaiting_input"], [True]))
    with pytest.raises(Incomplete, match="did not take the answer"):
        airflow.answer("manual__1+00", "review", ["Yes"], limit_s=0.05)


def test_watching_ends_with_the_finished_view(api):
    tasks = {"task_instances": [], "total_entries": 0}
    airflow, _ = api(
        {
            f"GET {RUN}": [
                (200, {"state": "queued"}),
                (200, {"state": "running"}),
                (200, {"state": "failed"}),
            ],
            f"GET {RUN}/taskInstances?limit=100&offset=0": [(200, tasks)],
            f"GET {RUN}/hitlDetails?response_received=false": [(200, {"hitl_details": []})],
        }
    )
    seen = list(airflow.watch("manual__1+00", every_s=0.001))
    assert [view.state for view in seen] == ["queued", "running", "failed"]
    assert [view.finished for view in seen] == [False, False, True]


# --- the home ------------------------------------------------------------------------------------------


def test_secrets_are_random_private_and_kept(tmp_path):
    first, second = Standalone(tmp_path / "a"), Standalone(tmp_path / "b")
    again = Standalone(tmp_path / "a")
    passwords = {name: each.password for name, each in (("1", first), ("2", second), ("3", again))}
    for each in (first, second, again):
        each.close()
    assert passwords["1"] == passwords["3"] != passwords["2"]
    folder = tmp_path / "a/airflow"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("secrets.json", "passwords.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name
    kept = json.loads((folder / "secrets.json").read_text())
    assert (len(kept["jwt_secret"]), len(kept["secret_key"]), len(kept["fernet_key"])) == (64, 64, 44)


def test_airflow_is_told_everything_and_nothing_is_inherited(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW_CONN_X", "secret")
    airflow = Standalone(tmp_path, extra_env={"AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20"})
    told = airflow._environment(1234)
    airflow.close()
    assert told["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert "AIRFLOW_CONN_X" in told  # connections are how secrets of sources come in
    assert told["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert told["AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT"] == "20"
    assert told["DAYLIGHT_HOME"] == str(tmp_path)
    assert told["PATH"].startswith(f"{tmp_path}/airflow/bin:")


def test_a_second_one_is_refused_while_the_first_holds_the_home(tmp_path):
    first, second = Standalone(tmp_path), Standalone(tmp_path)
    first._take_lock()
    with pytest.raises(AlreadyRunning):
        second.start()
    first.stop()
    second._take_lock()
    second.stop()


def test_a_session_number_that_went_to_a_stranger_is_left_alone(tmp_path):
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        assert standalone.belongs(stranger.pid, tmp_path) is False
        assert stranger.poll() is None
    finally:
        standalone.end_session(stranger.pid)
    stranger.wait()
    assert not standalone._session_members(stranger.pid)


def test_ending_a_session_reaches_processes_with_groups_of_their_own(tmp_path):
    """The children leave the group and ignore SIGTERM; only the session still holds them."""
    child = "import os, signal, time; os.setpgid(0, 0); signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    parent = (
        "import subprocess, sys, time\n"
        f"print(subprocess.Popen([sys.executable, '-c', {child!r}]).pid, flush=True)\n"
        "time.sleep(60)"
    )
    leader = subprocess.Popen(
        [sys.executable, "-c", parent],
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ, AIRFLOW_HOME=str(tmp_path)),
    )
    assert leader.stdout is not None
    pid = int(leader.stdout.readline())
    leader.stdout.close()
    assert standalone.belongs(leader.pid, tmp_path) is True
    standalone.STOP_GRACE_S, kept = 0.5, standalone.STOP_GRACE_S
    try:
        standalone.end_session(leader.pid)
    finally:
        standalone.STOP_GRACE_S = kept
    leader.wait()
    assert standalone._session_members(leader.pid) == []
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
