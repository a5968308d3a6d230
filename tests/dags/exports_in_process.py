"""Runs the Dag of exports with ``dag.test()`` against a fake of Vault; prints the run as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from datetime import date
from pathlib import Path

from tests.connectors.packages import ANA, Mail, VaultPackage
from tests.servers.vault import MATTER, VaultService, new_key

SOURCE = {
    "id": "v1", "connector": "vault_export", "custodian": "c1", "connection": "google",
    "options": {"matter": MATTER, "terms": "zanzibar"},
}  # fmt: skip


def main() -> None:
    """Run it."""
    warnings.simplefilter("ignore")
    airflow = Path(sys.executable).with_name("airflow")
    subprocess.run(
        [airflow, "db", "migrate"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    from desk import exports
    from desk.home import Home
    from desk.register import enter
    from desk.request import parse_request

    body = {
        "text": "zanzibar",
        "received_on": date(2026, 9, 8),
        "terms": "",
        "custodians": [{"id": "c1", "name": "Ana", "emails": [ANA]}],
        "sources": [SOURCE],
    }
    home = Home.open(Path(os.environ["DAYLIGHT_HOME"]))
    request_id = enter(home, parse_request(body, "test"), "", by="pro")
    package = VaultPackage("zanzibar", [Mail(n) for n in range(3)]).build(sums=False)
    service = VaultService(package=package, looks=2)
    with service.serve() as served:
        connection = service.connection(served, new_key())
        stated = {"host": connection.host, "password": connection.secret, "extra": dict(connection.extra)}
        os.environ["AIRFLOW_CONN_GOOGLE"] = json.dumps({"conn_type": "generic", **stated})
        from airflow.dag_processing.dagbag import DagBag

        dag = DagBag(dag_folder=os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).dags["exports"]
        dag.get_task("wait").first_s = 0.5  # a look a minute is for real exports
        run = dag.test(run_conf={"request_id": request_id, "source_id": "v1"})
        looked = sum("/exports/exportly-1" in line and line.startswith("GET /v1") for line in served.requests)
    result = {
        "state": str(run.state),
        "tasks": sorted((task.task_id, str(task.state)) for task in run.get_task_instances()),
        "created": len(service.exports),
        "looked": looked - 1,  # once more before the download
        "package": [path.name for path in exports.folder_of(home, request_id, "v1").iterdir()],
        "expected": [*package, exports.SUMS],
    }
    print("\n" + json.dumps(result), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
