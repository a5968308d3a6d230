"""An Airflow of our own: started for a home, driven through its REST API, stopped with everything it started.

The embedded default of the project is ``airflow standalone`` on SQLite with the LocalExecutor, on loopback. A
district's own Airflow is driven by the same ``AirflowApi``. Nothing here knows what a records request is: it
starts, triggers, watches, answers for a person who told it to, and stops.

Airflow itself is never imported here: it is a program beside us, and importing it costs seconds.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import quote

import httpx
import psutil

from desk.watchdog import Watchdog
from records.errors import AccessError, AlreadyRunning, Incomplete, SettingsError, UsageError

DAG_ID = "records_request"
PRO = "pro"
"""The user who may answer: the public records officer. ``viewer`` may look and is refused answers."""

START_LIMIT_S = 300.0
"""Ready in 19 to 33 s on two quiet cores; the limit allows for a busy machine."""

STOP_GRACE_S = 10.0
SETTLE_S = 2.0
"""Airflow 3.3.2 can lose an answer given in the first two seconds after the question appears (measured)."""

PAGE = 100
"""Airflow's own upper limit of rows a page."""

PARALLELISM = 4
"""Tasks at once; SQLite with the LocalExecutor gave no lock errors at four."""

LAUNCHER = """#!/bin/sh
# The log servers that Airflow's parts start listen on every interface, and nobody here needs them: logs are
# read from their folder. Everything else listens on loopback.
case "$1" in scheduler | triggerer) set -- "$@" --skip-serve-logs ;; esac
exec {python} -m airflow "$@"
"""

FINISHED = frozenset({"success", "failed"})
ON_THE_WAY = frozenset({None, "scheduled", "queued", "running", "up_for_retry", "restarting", "deferred"})
"""States of a task that may yet ask, or is taking its answer."""


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task of a run as Airflow sees it.

    Attributes:
        task_id: Its name, with the group's (``batch.collect``).
        map_index: Its place in a map, or -1.
        state: Airflow's word (``running``, ``success``, ``awaiting_input`` …); None before it is scheduled.
        try_number: 1 for the first try; 0 before.
    """

    task_id: str
    map_index: int
    state: str | None
    try_number: int


@dataclass(frozen=True, slots=True)
class Question:
    """A task that waits for a person.

    Attributes:
        task_id: Its name.
        subject: What is asked, in one line.
        options: The answers it takes.
    """

    task_id: str
    subject: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunView:
    """A run at one moment.

    Attributes:
        run_id: Airflow's name of the run.
        state: ``queued``, ``running``, ``success`` or ``failed``.
        tasks: Every task that exists so far, in Airflow's order.
        questions: What waits for a person now.
    """

    run_id: str
    state: str
    tasks: tuple[TaskView, ...]
    questions: tuple[Question, ...]

    @property
    def finished(self) -> bool:
        """Whether nothing will run any more."""
        return self.state in FINISHED

    def count(self, task_id: str, *states: str) -> int:
        """Return how many instances of a task are in one of the states (or exist, with no state named)."""
        return sum(task.task_id == task_id and (not states or task.state in states) for task in self.tasks)


class AirflowApi:
    """Airflow's REST API, version 2, for the runs of one Dag.

    Attributes:
        url: Address without a path.
        user: Who we are to Airflow.
        dag_id: The Dag all calls are about.
    """

    def __init__(self, url: str, user: str, password: str, *, dag_id: str = DAG_ID) -> None:
        self.url = url
        self.user = user
        self.dag_id = dag_id
        self._password = password
        self._token: str | None = None
        self._client = httpx.Client(timeout=60, trust_env=False, transport=httpx.HTTPTransport(retries=3))

    def close(self) -> None:
        """Close the connections; the object cannot be used again."""
        self._client.close()

    def token(self) -> str:
        """Return a bearer token, logging in the first time.

        Raises:
            AccessError: Airflow refuses the user, or does not answer.
        """
        if self._token is None:
            answer = self._send(
                "POST", "/auth/token", {"username": self.user, "password": self._password}, login=True
            )
            self._token = str(answer["access_token"])
        return self._token

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run.

        Args:
            dag_id: The Dag.
            conf: Its params: ids and options, since Airflow keeps and shows them.

        Returns:
            The run id.

        Raises:
            SettingsError: A param is refused; the message is Airflow's own.
            AccessError: Airflow refuses or does not answer.
        """
        body = {"conf": dict(conf), "logical_date": None}
        return str(self._send("POST", f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns", body)["dag_run_id"])

    def run_state(self, run_id: str) -> str:
        """Return ``queued``, ``running``, ``success`` or ``failed``."""
        return str(self._send("GET", self._run_path(run_id))["state"])

    def tasks(self, run_id: str) -> tuple[TaskView, ...]:
        """Return every task of a run that exists so far."""
        rows: list[dict[str, Any]] = []
        while True:
            path = f"{self._run_path(run_id)}/taskInstances?limit={PAGE}&offset={len(rows)}"
            answer = self._send("GET", path)
            rows += answer["task_instances"]
            if not answer["task_instances"] or len(rows) >= answer["total_entries"]:
                return tuple(
                    TaskView(row["task_id"], row["map_index"], row["state"], row["try_number"])
                    for row in rows
                )

    def pending_hitl(self, run_id: str) -> tuple[Question, ...]:
        """Return what waits for a person in a run."""
        answer = self._send("GET", f"{self._run_path(run_id)}/hitlDetails?response_received=false")
        return tuple(
            Question(detail["task_instance"]["task_id"], detail["subject"], tuple(detail["options"]))
            for detail in answer["hitl_details"]
            if detail["task_instance"]["state"] == "awaiting_input"
        )

    def view(self, run_id: str) -> RunView:
        """Return a run as it stands."""
        state = self.run_state(run_id)
        questions = () if state in FINISHED else self.pending_hitl(run_id)
        return RunView(run_id, state, self.tasks(run_id), questions)

    def watch(self, run_id: str, *, every_s: float = 2.0) -> Iterator[RunView]:
        """Yield a run as it stands, again and again, until it is finished; the last view is the finished one.

        Large maps have thousands of tasks to list, so the pause grows to as long as a look takes.
        """
        while True:
            began = time.monotonic()
            seen = self.view(run_id)
            yield seen
            if seen.finished:
                return
            time.sleep(max(every_s, time.monotonic() - began))

    def answer(
        self,
        run_id: str,
        task_id: str,
        options: Sequence[str],
        params: Mapping[str, Any] | None = None,
        *,
        limit_s: float = 180.0,
    ) -> None:
        """Answer a question as this user, and see to it that the task took the answer.

        Args:
            run_id: The run.
            task_id: The task that asks.
            options: One of its options.
            params: Values of its form, if it has one.
            limit_s: How long the task may take to go on.

        Raises:
            UsageError: The task takes no such option, or does not ask.
            AccessError: This user may not answer.
            Incomplete: The task did not go on within the limit.
        """
        path = f"{self._run_path(run_id)}/taskInstances/{quote(task_id, safe='')}/-1"
        body = {"chosen_options": list(options), "params_input": dict(params or {})}
        until, answered = time.monotonic() + limit_s, False
        while time.monotonic() < until:
            time.sleep(SETTLE_S)
            state = self._send("GET", path)["state"]
            if state == "awaiting_input":
                # Asked again after a lost answer: the record then says that none was received.
                if not self._send("GET", f"{path}/hitlDetails")["response_received"]:
                    self._send("PATCH", f"{path}/hitlDetails", body, conflict_is_fine=True)
                    answered = True
            elif state not in ON_THE_WAY:
                if not answered:
                    raise UsageError(f"{task_id} of run {run_id} does not ask (it is {state})")
                return
        raise Incomplete(f"{task_id} of run {run_id} did not take the answer; look at it in Airflow")

    def _run_path(self, run_id: str) -> str:
        return f"/api/v2/dags/{quote(self.dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        login: bool = False,
        conflict_is_fine: bool = False,
    ) -> dict[str, Any]:
        """Send one call, logging in anew once when the token ran out."""
        for first in (True, False):
            headers = {} if login else {"Authorization": f"Bearer {self.token()}"}
            try:
                response = self._client.request(method, self.url + path, json=body, headers=headers)
            except httpx.HTTPError as error:
                raise AccessError(f"Airflow does not answer at {self.url}: {type(error).__name__}") from error
            if response.status_code == 401 and first and not login:
                self._token = None
                continue
            break
        return _read(response, conflict_is_fine=conflict_is_fine)


def _read(response: httpx.Response, *, conflict_is_fine: bool) -> dict[str, Any]:
    """Turn Airflow's refusals into ours; its own words help with a refused param or option, which are ids."""
    status = response.status_code
    if status < 300:
        found: dict[str, Any] = response.json()
        return found
    if status == 409 and conflict_is_fine:
        return {}
    words = _words(response)
    if status in (401, 403):
        raise AccessError(f"Airflow refuses this user ({status}): {words}")
    if status in (400, 422):
        raise SettingsError(f"Airflow refuses this ({status}): {words}")
    if status in (404, 409):
        raise UsageError(f"Airflow says ({status}): {words}")
    raise AccessError(f"Airflow failed ({status}); look at its log")


def _words(response: httpx.Response) -> str:
    try:
        detail = response.json().get("detail", "")
    except (ValueError, AttributeError):
        return ""
    return str(detail)[:500]


class Standalone(AirflowApi):
    """``airflow standalone`` for one home: a context manager that stops everything it started.

    One at a time: a lock in the home dies with its process. When that is killed, a watchdog stops what it
    left running; what even that left, the next one stops.
    """

    def __init__(
        self,
        home: Path,
        *,
        dags_folder: Path | None = None,
        dag_id: str = DAG_ID,
        user: str = PRO,
        extra_env: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            home: DAYLIGHT_HOME; Airflow lives in ``home/airflow``.
            dags_folder: Where the Dags are; default: this project's.
            dag_id: The Dag to wait for and to drive.
            user: Whose answers these are: ``pro`` or ``viewer``.
            extra_env: Further settings (``AIRFLOW__…``), for tests.
        """
        self.home = home.resolve()
        self.folder = self.home / "airflow"
        self.dags_folder = (dags_folder or Path(__file__).parents[1] / "dags").resolve()
        self._extra_env = dict(extra_env or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._watchdog: Watchdog | None = None
        self._prepare()
        super().__init__("", user, self._secrets["passwords"].get(user, ""), dag_id=dag_id)

    @property
    def log_path(self) -> Path:
        """Where Airflow's own words go."""
        return self.folder / "standalone.log"

    @property
    def process_id(self) -> int:
        """The id of Airflow's first process, which is also that of its session.

        Raises:
            UsageError: It is not running.
        """
        if self._process is None:
            raise UsageError("Airflow is not running for this home")
        return self._process.pid

    @property
    def password(self) -> str:
        """The password of this user, for a person who opens Airflow in a browser."""
        return self._password

    def __enter__(self) -> Self:
        """Start; what was started is stopped again when starting fails."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        self.stop()

    def start(self) -> None:
        """Start Airflow and wait until all its parts are healthy and the Dag is known.

        Raises:
            AlreadyRunning: Another process runs Airflow for this home.
            AccessError: It ended, or was not ready in time; the message names its log.
        """
        self._take_lock()
        left = self._left_behind()
        if left is not None and belongs(left, self.folder):
            end_session(left)
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "airflow", "standalone"],
                env=self._environment(port),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        ending = "import sys; from desk.standalone import end_session; end_session(int(sys.argv[1]))"
        self._watchdog = Watchdog([sys.executable, "-c", ending, str(self._process.pid)])
        session = {"sid": self._process.pid, "url": self.url}
        _write_private(self.folder / "session.json", json.dumps(session))
        self._wait_ready(time.monotonic() + START_LIMIT_S)

    def stop(self) -> None:
        """Stop Airflow and every process of its session; harmless when it is not running."""
        if self._process is not None:
            end_session(self._process.pid)
            self._process.wait()
            self._process = None
            (self.folder / "session.json").unlink(missing_ok=True)
        if self._watchdog is not None:
            self._watchdog.dismiss()
            self._watchdog = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        self.close()

    # --- the home ---------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        path = self.folder / "secrets.json"
        if not path.exists():
            _write_private(path, json.dumps(_new_secrets()))
        self._secrets: dict[str, Any] = json.loads(path.read_text("utf-8"))
        _write_private(self.folder / "passwords.json", json.dumps(self._secrets["passwords"]))
        (self.folder / "bin").mkdir(exist_ok=True)
        _write_private(
            self.folder / "bin/airflow", LAUNCHER.format(python=shlex.quote(sys.executable)), 0o700
        )

    def _take_lock(self) -> None:
        self._lock = (self.folder / "lock").open("w", encoding="ascii")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            self._lock = None
            raise AlreadyRunning("another process runs Airflow for this home; stop it first") from error

    def _left_behind(self) -> int | None:
        try:
            return int(json.loads((self.folder / "session.json").read_text("ascii"))["sid"])
        except (OSError, ValueError, KeyError):
            return None

    def _environment(self, port: int) -> dict[str, str]:
        """Everything Airflow is told: quiet, local, private, the same every time."""
        # Connections (AIRFLOW_CONN_…) pass: they are how the secrets of sources come in. Settings do not.
        ours = ("AIRFLOW__", "AIRFLOW_HOME", "AIRFLOW_CONFIG")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        # Standalone starts its parts as `airflow …` by name.
        path = os.pathsep.join(
            [str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        )
        settings = {
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__DAGS_FOLDER": str(self.dags_folder),
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": str(PARALLELISM),
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__AUTH_MANAGER": (
                "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
            ),
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{PRO}:admin,viewer:viewer",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.folder / "passwords.json"),
            "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "CORE__FERNET_KEY": self._secrets["fernet_key"],
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.folder / 'airflow.db'}",
            "API__HOST": "127.0.0.1",
            "API__PORT": str(port),
            "API__BASE_URL": f"http://127.0.0.1:{port}",
            "API__SECRET_KEY": self._secrets["secret_key"],
            "API_AUTH__JWT_SECRET": self._secrets["jwt_secret"],
            "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "LOGGING__BASE_LOG_FOLDER": str(self.folder / "logs"),
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",  # a second, the default, is paid at every step
            "USAGE_DATA_COLLECTION__ENABLED": "False",
        }
        return (
            inherited
            | {"PATH": path, "AIRFLOW_HOME": str(self.folder), "DAYLIGHT_HOME": str(self.home)}
            | {f"AIRFLOW__{name}": value for name, value in settings.items()}
            | self._extra_env
        )

    def _wait_ready(self, until: float) -> None:
        while time.monotonic() < until:
            if self._process is None or self._process.poll() is not None:
                raise AccessError(f"Airflow ended while starting; see {self.log_path}")
            if self._healthy() and self._knows_dag():
                return
            time.sleep(0.5)
        raise AccessError(f"Airflow was not ready in {START_LIMIT_S:.0f} s; see {self.log_path}")

    def _healthy(self) -> bool:
        try:
            answer = self._client.get(f"{self.url}/api/v2/monitor/health", timeout=10)
        except httpx.HTTPError:
            return False
        if answer.status_code != 200:
            return False
        parts = answer.json()
        return all(
            parts.get(part, {}).get("status") == "healthy"
            for part in ("metadatabase", "scheduler", "dag_processor")
        )

    def _knows_dag(self) -> bool:
        try:
            self._send("GET", f"/api/v2/dags/{quote(self.dag_id, safe='')}")
        except UsageError:
            return False
        return True


def _new_secrets() -> dict[str, Any]:
    return {
        "jwt_secret": secrets.token_hex(32),
        "secret_key": secrets.token_hex(32),
        "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii"),
        "passwords": {PRO: secrets.token_urlsafe(18), "viewer": secrets.token_urlsafe(18)},
    }


def _write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as out:
        out.write(text)
    new.replace(path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _session_members(sid: int) -> list[psutil.Process]:
    """Return the living processes of a session; its group is not all: tasks have groups of their own."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == sid and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return members


def belongs(sid: int, folder: Path) -> bool:
    """Say whether a session is that of this home's Airflow: its number may have gone to a stranger since.

    One member that says so is enough: parts that show a title of their own have overwritten what they say.
    """
    for process in _session_members(sid):
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get("AIRFLOW_HOME") == str(folder):
                return True
    return False


def end_session(sid: int) -> None:
    """End a session: SIGTERM to its group, ten seconds, then SIGKILL whatever still carries its id."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(sid, signal.SIGTERM)
    psutil.wait_procs(_session_members(sid), timeout=STOP_GRACE_S)
    for _ in range(50):  # a process that was being started while we looked turns up in the next round
        left = _session_members(sid)
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=0.2)
