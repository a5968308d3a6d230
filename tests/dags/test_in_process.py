"""One whole run by ``dag.test()``, both questions answered, nothing else started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.dags import small
from tests.dags.conftest import ROOT
from tests.dags.test_shape import ARROWS

LIMIT_S = 420
"""About 40 s on a quiet machine."""

pytestmark = [pytest.mark.dag, pytest.mark.slow, pytest.mark.timeout(LIMIT_S + 60)]


def test_the_whole_dag_runs_in_process(tmp_path):
    airflow, home = tmp_path / "airflow", tmp_path / "home"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    environment = inherited | {
        "AIRFLOW_HOME": str(airflow),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "pro:admin",
        "AIRFLOW__API_AUTH__JWT_SECRET": "0123456789abcdef" * 4,
        "DAYLIGHT_HOME": str(home),
        "PYTHONWARNINGS": "ignore",
    }
    with (tmp_path / "err").open("wb") as errors, (tmp_path / "out").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.dags.in_process", tmp_path],
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
    assert result["problems"] == []
    assert result["state"] == "success"
    assert {(task_id, state) for task_id, _, state in result["tasks"]} == {
        (name, "success") for name in ARROWS
    }
    bundles = home / "requests" / result["request_id"] / "bundles"
    assert [path.name for path in bundles.glob("installment-*")] == ["installment-01"]
    assert small.leaks(airflow) == []
