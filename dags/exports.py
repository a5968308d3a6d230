"""### An export of Google Vault or Microsoft Purview, asked for, waited for and downloaded.

For a source of a request that names a `connection`. An export is asked for once: one that was asked for
before is found by its name. Waiting holds no worker. The next run of `records_request` reads what came.

Airflow sees ids and counts: no names, no addresses, no words of the request, no content.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

from desk import dag_form
from desk.export_waiting import WaitForExport


@dag(
    dag_id="exports",
    schedule=None,
    start_date=None,
    catchup=False,
    max_active_runs=64,
    tags=["public records"],
    doc_md=__doc__,
    default_args={
        "retries": 5,
        "retry_delay": timedelta(minutes=2),
        "retry_policy": dag_form.BY_ERROR_CLASS,
    },
    params={
        "request_id": dag_form.request_id(),
        "source_id": Param(
            type="string",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)",
            title="Source",
            description="The id that the request file gives the source.",
        ),
        "again": Param(
            default=False,
            type="boolean",
            title="Again",
            description="Ask for another export, because the last failed, expired or is out of date.",
        ),
    },
)
def exports() -> None:
    """Wire the steps."""

    @task(multiple_outputs=False)
    def ask() -> dict[str, Any]:
        from desk import export_waiting

        context = get_current_context()
        params = context["params"]
        return export_waiting.ask(
            params["request_id"], params["source_id"], again=params["again"], run_key=context["run_id"]
        )

    wait = WaitForExport(
        task_id="wait", request_id="{{ params.request_id }}", source_id="{{ params.source_id }}"
    )

    @task(multiple_outputs=False)
    def download() -> dict[str, Any]:
        from desk import export_waiting

        params = get_current_context()["params"]
        return export_waiting.take(params["request_id"], params["source_id"])

    ask() >> wait >> download()


exports()
