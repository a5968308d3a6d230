"""The Dag under a real scheduler and through the REST API: questions, refusals, an end, nothing leaked."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from desk.home import Home
from desk.standalone import DAG_ID, AirflowApi, RunView, Standalone
from desk.watching import figures
from records import tables as t
from records.errors import AccessError, AlreadyRunning, SettingsError, UsageError
from tests.dags import small

pytestmark = [pytest.mark.dag, pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(900)]

LIMIT_S = 420
"""Of one run up to its next question; about 45 s on a quiet machine."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("scheduler")


@pytest.fixture(scope="module")
def airflow(place):
    with Standalone(place / "home") as running:
        yield running


@pytest.fixture(scope="module")
def request_id(place, airflow):
    return small.open_request(place / "home", place / "sources")


def until(airflow: AirflowApi, run_id: str, task_id: str | None) -> RunView:
    """Follow a run to a question, or (None) to its end."""
    stop_at = time.monotonic() + LIMIT_S
    for view in airflow.watch(run_id, every_s=1.0):
        if view.questions:
            assert view.questions[0].task_id == task_id
            return view
        assert time.monotonic() < stop_at, view
        assert view.finished or view.state in ("queued", "running")
    assert task_id is None, [(x.task_id, x.state) for x in view.tasks if x.state not in ("success", None)]
    return view


def states(view: RunView) -> dict[str, set[str | None]]:
    out: dict[str, set[str | None]] = {}
    for task in view.tasks:
        out.setdefault(task.task_id, set()).add(task.state)
    return out


def audit_entries(home: Path, action: str) -> list[dict]:
    opened = Home.open(home)
    try:
        with opened.catalogue.read() as connection:
            rows = connection.execute(t.audit.select().order_by(t.audit.c.seq)).all()
        return [entry for row in rows if (entry := json.loads(row.entry))["action"] == action]
    finally:
        opened.close()


def test_a_run_from_its_trigger_to_its_bundle(place, airflow, request_id):
    home = place / "home"
    viewer = AirflowApi(airflow.url, "viewer", json.loads(airflow_passwords(airflow))["viewer"])

    for conf in ({}, {"request_id": "nonsense"}, {"request_id": request_id, "search_only": "perhaps"}):
        with pytest.raises(SettingsError, match="Airflow refuses this"):
            airflow.trigger(DAG_ID, conf)

    run_id = airflow.trigger(DAG_ID, {"request_id": request_id})
    asking = until(airflow, run_id, "review")
    assert asking.questions[0].options == ("Decisions are in", "Stop")
    assert asking.questions[0].subject == f"Request {request_id}: are the decisions in?"

    # A second run of the same request is refused, at once and by name, while this one waits.
    second = until(airflow, airflow.trigger(DAG_ID, {"request_id": request_id}), None)
    assert second.state == "failed"
    assert states(second)["open"] == {"failed"}
    assert [task.try_number for task in second.tasks if task.task_id == "open"] == [1]

    taken = small.decide(home, place, request_id)
    assert (taken["applied"], taken["refused"]) == (6, [])

    with pytest.raises(AccessError, match="403"):
        viewer.answer(run_id, "review", ["Decisions are in"])
    with pytest.raises(SettingsError, match="400"):
        airflow.answer(run_id, "review", ["Approve"])
    airflow.answer(run_id, "review", ["Decisions are in"])
    with pytest.raises(UsageError, match="does not ask"):
        airflow.answer(run_id, "review", ["Stop"])

    until(airflow, run_id, "approve")
    bundles = home / "requests" / request_id / "bundles"
    assert not list(bundles.glob("installment-*"))  # nothing is packaged before the approval
    airflow.answer(run_id, "approve", ["Approve"])
    ended = until(airflow, run_id, None)
    assert ended.state == "success"
    assert set().union(*states(ended).values()) == {"success"}
    assert [path.name for path in bundles.glob("installment-*")] == ["installment-01"]

    answers = audit_entries(home, "answered")
    assert [(e["step"], e["answer"], e["actor"], e["request"]) for e in answers] == [
        ("review", "Decisions are in", "pro", request_id),
        ("approve", "Approve", "pro", request_id),
    ]
    viewer.close()


def airflow_passwords(airflow: Standalone) -> str:
    return (airflow.folder / "passwords.json").read_text("utf-8")


def test_a_search_only_run_asks_nobody_and_collects_nothing_twice(airflow, request_id):
    """Nothing is left to collect: the map is empty, and what follows it still runs."""
    view = until(airflow, airflow.trigger(DAG_ID, {"request_id": request_id, "search_only": True}), None)
    assert view.state == "success"
    found = states(view)
    assert {name for name, seen in found.items() if seen == {"success"}} == {
        "open", "plan", "reconcile", "terms", "flag", "go_on", "finish",
    }  # fmt: skip
    assert found["review"] == {"skipped"}
    assert found["package"] == {"skipped"}


def test_stop_ends_the_run_and_releases_nothing(place, airflow, request_id):
    run_id = airflow.trigger(DAG_ID, {"request_id": request_id})
    until(airflow, run_id, "review")
    airflow.answer(run_id, "review", ["Stop"])
    view = until(airflow, run_id, None)
    assert view.state == "success"
    found = states(view)
    assert found["record_review"] == found["finish"] == {"success"}
    assert found["draft"] == found["gate"] == found["approve"] == found["package"] == {"skipped"}
    assert audit_entries(place / "home", "answered")[-1]["answer"] == "Stop"


def test_the_form_names_a_further_source(place, airflow, request_id):
    more = place / "more"
    more.mkdir()
    (more / "one.eml").write_text(
        "From: a@b.example\nTo: c@d.example\nSubject: x\nDate: Mon, 2 Mar 2026 09:00:00 -0800\n\nText.\n"
    )
    source = {
        "request_id": request_id, "search_only": True, "source_id": "s2", "connector": "mail_files",
        "custodian": "c1", "path": str(more),
    }  # fmt: skip
    with pytest.raises(SettingsError, match="Airflow refuses this"):
        airflow.trigger(DAG_ID, source | {"connector": "outlook"})
    # what a request file would be refused for, in the same words
    refused = [
        (airflow.trigger(DAG_ID, source | wrong), message)
        for wrong, message in (
            ({"custodian": "nobody"}, "trigger form: source s2: no custodian has the id nobody"),
            ({"places": ["mail"]}, "source s2: places: mail_files has none to choose from; remove `places`"),
            ({"connection": "x"}, "trigger form: write either `path` (a file or folder) or `connection`"),
            (
                {"connector": "imap", "path": None, "connection": "x", "places": ["x"]},
                "source s2: places: x not known",
            ),
        )
    ]
    for run_id, message in refused:
        view = until(airflow, run_id, None)
        assert (view.state, states(view)["open"]) == ("failed", {"failed"})
        (log,) = (airflow.folder / "logs").rglob(f"run_id={run_id}/task_id=open/*.log")
        assert message in log.read_text("utf-8")
    view = until(airflow, airflow.trigger(DAG_ID, source), None)
    assert view.state == "success"
    opened = Home.open(place / "home")
    with opened.catalogue.read() as connection:
        stored = connection.execute(
            t.items.select().where(t.items.c.source_id == "s2", t.items.c.state == "stored")
        ).all()
        version = connection.execute(
            t.request_versions.select().where(t.request_versions.c.version == 2)
        ).one()
    opened.close()
    assert (len(stored), version.by, version.why) == (1, "pro", "source s2 was named in the trigger form")


def test_one_airflow_at_a_time_for_a_home(place, airflow):
    with pytest.raises(AlreadyRunning, match="another process runs Airflow"), Standalone(place / "home"):
        pass
    assert airflow.run_state(airflow.trigger(DAG_ID, {"request_id": "1999-0001"})) in ("queued", "running")


def test_everything_listens_on_loopback_only(airflow):
    listening = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == os.getsid(airflow.process_id):
                listening |= {c.laddr.ip for c in process.net_connections("inet") if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


def test_secrets_are_for_their_owner_only(airflow):
    for name in ("secrets.json", "passwords.json", "session.json"):
        assert (airflow.folder / name).stat().st_mode & 0o777 == 0o600, name
    assert airflow.folder.stat().st_mode & 0o777 == 0o700
    logs = b"".join(path.read_bytes() for path in airflow.folder.rglob("*.log"))
    assert airflow.password.encode() not in logs


def test_the_page_shows_the_numbers_to_who_may_see_the_dag(place, airflow, request_id):
    opened = Home.open(place / "home")
    at = figures(opened.catalogue, request_id)
    opened.close()
    with httpx.Client(base_url=airflow.url, timeout=60, trust_env=False) as client:
        assert client.get(f"/daylight/{request_id}").status_code == 401
        assert client.get("/daylight/openapi.json").status_code == 401
        viewer = AirflowApi(airflow.url, "viewer", json.loads(airflow_passwords(airflow))["viewer"])
        for user in (airflow, viewer):
            client.headers["Authorization"] = f"Bearer {user.token()}"
            assert client.get(f"/daylight/{request_id}/figures").json() == json.loads(
                json.dumps(at.as_json())
            )
        viewer.close()
        assert client.get("/daylight/1999-0001").status_code == 404
        plugins = client.get("/api/v2/plugins").json()["plugins"]
        assert client.get("/api/v2/plugins/importErrors").json()["total_entries"] == 0
        page = client.get(f"/daylight/{request_id}")
        listed = client.get("/daylight/")
    (plugin,) = [one for one in plugins if one["name"] == "daylight"]
    assert [one["url_prefix"] for one in plugin["fastapi_apps"]] == ["/daylight"]
    assert [one["href"] for one in plugin["external_views"]] == ["/daylight/"]
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    rows = dict(re.findall(r'<th scope="row">(\w+)</th><td class="n">([\d,]+)</td>', page.text))
    wanted = {**at.items, **at.text, **at.ocr_pages, **at.failures}
    assert {name: int(count.replace(",", "")) for name, count in rows.items()} == wanted
    assert f'<a href="/daylight/{request_id}">{request_id}</a>' in listed.text
    for text in (page.text, listed.text):
        assert [word for word in small.PLANTED if word in text] == []


def test_nothing_of_the_request_reached_airflow(airflow, request_id):
    """Database and logs of every run above, the failed ones too; and the words do lie where they belong."""
    assert small.leaks(airflow.folder) == []
    assert small.leaks(airflow.home / "catalogue") != []


def test_what_is_left_running_without_an_owner_is_stopped_by_the_next(place, airflow, monkeypatch):
    """The last test that asks this Airflow; the next one is stopped before it is ready."""
    monkeypatch.setattr(Standalone, "_wait_ready", lambda *_: None)
    left = airflow.process_id
    session = (airflow.folder / "session.json").read_text("ascii")
    process, airflow._process = airflow._process, None  # as if owner and watchdog were killed together
    airflow.stop()
    assert running(left) != []
    assert (airflow.folder / "session.json").read_text("ascii") == session
    with Standalone(place / "home") as again:
        assert again.process_id != left
        mine = again.process_id
        assert running(left) == []
    assert running(mine) == []
    process.wait()


def test_what_a_killed_owner_left_running_is_stopped(place):
    """It is killed when Airflow has begun to start its parts."""
    script = (
        "import sys, pathlib, time, psutil\n"
        "from desk.standalone import Standalone\n"
        "def some_parts(airflow, until):\n"
        "    while len(psutil.Process(airflow.process_id).children(recursive=True)) < 3:\n"
        "        assert time.monotonic() < until\n"
        "        time.sleep(0.2)\n"
        "Standalone._wait_ready = some_parts\n"
        "with Standalone(pathlib.Path(sys.argv[1])) as a:\n"
        "    print(a.process_id, flush=True)\n"
        "    time.sleep(600)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script, place / "home"], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    left = int(owner.stdout.readline())
    assert len(running(left)) > 3
    owner.kill()
    owner.wait()
    owner.stdout.close()
    stop_at = time.monotonic() + 60
    while running(left):
        assert time.monotonic() < stop_at, running(left)
        time.sleep(0.5)


def running(session: int) -> list[int]:
    return [p.pid for p in psutil.process_iter() if _session(p.pid) == session and p.status() != "zombie"]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None
