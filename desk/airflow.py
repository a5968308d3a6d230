"""Running a request under Airflow: the district's own, or one started for this home."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from desk import runlock
from desk.home import Home
from desk.standalone import DAG_ID, AirflowApi, RunView, Standalone, belongs
from desk.status import status
from records.errors import Incomplete, SettingsError

OCR_DAG_ID = "ocr"

QUIET_S = 10.0
"""How often progress is said while nothing changes its step."""


def follow_run(
    home: Home, request_id: str, *, search_only: bool, take_over: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    """Trigger a run and follow it to its end.

    With ``DAYLIGHT_AIRFLOW_URL``, ``_USER`` and ``_PASSWORD`` set, the district's Airflow runs it. Else the
    one that is up for this home does, or one is started here and stopped at the end. Where the run waits for
    a person, the words say where to answer.

    Args:
        home: Open.
        request_id: The request.
        take_over: Put an end to another run of the request that waits for a person or died.
        search_only: End once all is searchable and flagged, without asking for decisions.
        say: Takes words for a person.

    Returns:
        The run's id and state, and counts.

    Raises:
        Incomplete: A step failed; Airflow's log says which, and running again resumes.
        AlreadyRunning: Another run of the request is alive.
    """
    home.request(request_id)
    if not take_over:
        runlock.refuse_leased(home, request_id)
    with _airflow(home, say) as api:
        conf = {"request_id": request_id, "search_only": search_only, "take_over": take_over}
        run_id = api.trigger(DAG_ID, conf)
        say(f"run {run_id} started; watch it at {api.url}")
        last = _follow(home, request_id, api, run_id, say)
    if last.state != "success":
        failed = sorted({task.task_id for task in last.tasks if task.state == "failed"})
        raise Incomplete(
            f"run {run_id} failed in {', '.join(failed)}; look at its log, then run again to resume"
        )
    found = status(home, request_id)
    return {"request_id": request_id, "run": run_id, "state": last.state, "items": found["items"]}


def follow_ocr(
    home: Home, request_id: str, *, languages: str | None, again: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    """Trigger the OCR of a request and follow it to its end; where it runs, ``follow_run`` says.

    Args:
        home: Open.
        request_id: The request.
        languages: Tesseract's codes joined by ``+``; None: the setting of the machine that reads.
        again: Also read pages again that failed for a reason that may pass.
        say: Takes words for a person.

    Returns:
        The run's id and state, and ``desk.ocr.report``.

    Raises:
        Incomplete: A step failed; Airflow's log says which, and running again resumes.
    """
    from desk import ocr

    home.request(request_id)
    with _airflow(home, say) as api:
        api.dag_id = OCR_DAG_ID
        run_id = api.trigger(OCR_DAG_ID, {"request_id": request_id, "languages": languages, "again": again})
        say(f"run {run_id} started; watch it at {api.url}")
        told = ""
        for seen in api.watch(run_id):
            left = ocr.report(home, request_id)["pages_pending"]
            words = f"{_active(seen)}: {left:,} pages wait"
            if words != told:
                say(words)
                told = words
    if seen.state != "success":
        failed = sorted({task.task_id for task in seen.tasks if task.state == "failed"})
        raise Incomplete(
            f"run {run_id} failed in {', '.join(failed)}; look at its log, then run again to resume"
        )
    return {"request_id": request_id, "run": run_id, "state": seen.state, **ocr.report(home, request_id)}


def _active(seen: RunView) -> str:
    return ", ".join(sorted({task.task_id for task in seen.tasks if task.state == "running"})) or seen.state


@contextlib.contextmanager
def _airflow(home: Home, say: Callable[[str], None]) -> Iterator[AirflowApi]:
    url = os.environ.get("DAYLIGHT_AIRFLOW_URL")
    if url:
        names = ("DAYLIGHT_AIRFLOW_USER", "DAYLIGHT_AIRFLOW_PASSWORD")
        missing = [name for name in names if not os.environ.get(name)]
        if missing:
            raise SettingsError(f"set {' and '.join(missing)} beside DAYLIGHT_AIRFLOW_URL")
        with contextlib.closing(AirflowApi(url, *(os.environ[name] for name in names))) as api:
            yield api
    elif (up := running(home)) is not None:
        with contextlib.closing(up):
            yield up
    else:
        say("starting Airflow for this home (about half a minute) …")
        with Standalone(home.settings.home) as own:
            say(f"Airflow is up at {own.url}, user {own.user}, password in {own.folder}/passwords.json")
            yield own


def running(home: Home) -> AirflowApi | None:
    """Return the Airflow that is up for this home, or None."""
    folder = home.settings.home.resolve() / "airflow"
    try:
        session = json.loads((folder / "session.json").read_text("ascii"))
        passwords = json.loads((folder / "passwords.json").read_text("utf-8"))
        if not belongs(int(session["sid"]), folder):
            return None
        return AirflowApi(session["url"], "pro", passwords["pro"])
    except (OSError, ValueError, KeyError):
        return None


def _follow(home: Home, request_id: str, api: AirflowApi, run_id: str, say: Callable[[str], None]) -> RunView:
    told, said_at = "", 0.0
    for seen in api.watch(run_id):
        words = _where(home, request_id, seen)
        if words != told and (
            time.monotonic() - said_at > QUIET_S or words.split(":")[0] != told.split(":")[0]
        ):
            say(words)
            told, said_at = words, time.monotonic()
    return seen


def _where(home: Home, request_id: str, seen: RunView) -> str:
    if seen.questions:
        question = seen.questions[0]
        return f"{question.task_id}: waits for a person, {' or '.join(question.options)} (answer in Airflow)"
    step = _active(seen)
    if not step.startswith("batch.") and ", batch." not in step:
        return step
    found = status(home, request_id)
    left = "" if found["seconds_left"] is None else f", about {found['seconds_left']:.0f} s left"
    return f"{step}: {found['items']['found']:,} items, {found['items_per_s']:,.0f} items/s{left}"
