"""Runs the Dag with ``dag.test()``: no scheduler, no server; both questions are answered in this process.

``python -m tests.dags.in_process FOLDER`` in an environment that names AIRFLOW_HOME and DAYLIGHT_HOME; prints
the run as JSON. A program of its own: ``dag.test()`` ignores SIGTERM while it waits, so the test kills it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.dags import small

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

ANSWERS = {"review": "Decisions are in", "approve": "Approve"}


def make_client() -> tuple[TestClient, dict[str, str]]:
    """Return Airflow's own API application, without a server, and what signs one in."""
    from airflow.api_fastapi.app import create_app
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    app = create_app()
    token = app.state.auth_manager.generate_jwt(SimpleAuthManagerUser(username="pro", role="admin"))
    return TestClient(app, base_url="http://testserver"), {"Authorization": f"Bearer {token}"}


def answer_questions(
    client: TestClient,
    headers: dict[str, str],
    folder: Path,
    home: Path,
    request_id: str,
    problems: list[str],
) -> None:
    """Answer each question once."""
    try:
        waiting = dict(ANSWERS)
        while waiting:
            time.sleep(0.5)
            path = "/api/v2/dags/records_request/dagRuns/~/hitlDetails?response_received=false"
            for detail in client.get(path, headers=headers).json().get("hitl_details", []):
                asking: dict[str, Any] = detail["task_instance"]
                if asking["task_id"] == "review":
                    small.decide(home, folder, request_id)
                option = waiting.pop(asking["task_id"])
                place = f"{asking['dag_run_id']}/taskInstances/{asking['task_id']}/-1/hitlDetails"
                sent = client.patch(
                    f"/api/v2/dags/records_request/dagRuns/{place}",
                    json={"chosen_options": [option], "params_input": {}},
                    headers=headers,
                )
                if sent.status_code != 200:
                    problems.append(f"{asking['task_id']}: {sent.status_code}")
    except Exception as error:  # noqa: BLE001 - the main thread would wait for ever
        problems.append(f"{type(error).__name__}: {error}")
        print(json.dumps({"problems": problems}), flush=True)
        os._exit(1)


def main() -> None:
    """Run it."""
    warnings.simplefilter("ignore")
    folder, home = Path(sys.argv[1]), Path(os.environ["DAYLIGHT_HOME"])
    airflow = Path(sys.executable).with_name("airflow")
    subprocess.run(
        [airflow, "db", "migrate"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    request_id = small.open_request(home, folder / "sources")

    from airflow.dag_processing.dagbag import DagBag
    from sqlalchemy.orm import configure_mappers

    dag = DagBag(dag_folder=os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).dags["records_request"]
    problems: list[str] = []
    # Before there is a second thread: loading models in two threads at once locks both for ever.
    client, headers = make_client()
    configure_mappers()
    arguments = (client, headers, folder, home, request_id, problems)
    threading.Thread(target=answer_questions, args=arguments, daemon=True).start()
    run = dag.test(run_conf={"request_id": request_id})
    tasks = sorted((task.task_id, task.map_index, str(task.state)) for task in run.get_task_instances())
    result = {"state": str(run.state), "tasks": tasks, "problems": problems, "request_id": request_id}
    print("\n" + json.dumps(result), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
