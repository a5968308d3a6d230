"""Airflow for the Dag tests: a home of its own before anything of Airflow is imported."""

import os
import tempfile
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def bag():
    """Every Dag of the folder, parsed as Airflow's own processor parses it; needs no database."""
    with tempfile.TemporaryDirectory(prefix="dl-airflow-") as folder:
        before = dict(os.environ)
        os.environ |= {"AIRFLOW_HOME": folder, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Airflow's own, at import
                from airflow.dag_processing.dagbag import DagBag

                yield DagBag(dag_folder=ROOT / "dags")
        finally:
            os.environ.clear()
            os.environ.update(before)
