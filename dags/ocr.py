"""### Pages that are pictures become text, for a request that has been collected, read and indexed.

Counts what waits, reads it with Tesseract batch by batch at low priority, makes the texts and the index of
each batch anew, and says what is left. Safe to start at any time and as often as one likes: what was read is
not read again, and a run of `records_request` goes on beside it.

Airflow sees ids and counts: no names, no addresses, no words of the request, no content.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, TriggerRule, dag, get_current_context, task

from desk import dag_form


@dag(
    dag_id="ocr",
    schedule=None,
    start_date=None,
    catchup=False,
    max_active_runs=16,
    tags=["public records"],
    doc_md=__doc__,
    default_args={
        "retries": 3,
        "retry_delay": timedelta(seconds=30),
        "retry_policy": dag_form.BY_ERROR_CLASS,
        "priority_weight": 1,
        "weight_rule": "absolute",  # behind the tasks of a run, which have weights by what follows them
    },
    params={
        "request_id": dag_form.request_id(),
        "languages": Param(
            None,
            type=["null", "string"],
            pattern=r"^[A-Za-z0-9_]{2,32}(\+[A-Za-z0-9_]{2,32}){0,7}$(?!\n)",
            title="Languages",
            description="Tesseract's codes joined by +, such as eng+spa; blank for the setting.",
        ),
        "again": Param(
            default=False,
            type="boolean",
            title="Again",
            description="Also read pages again that failed for a reason that may pass.",
        ),
    },
)
def ocr() -> None:
    """Wire the steps."""

    @task
    def plan() -> list[list[str]]:
        from desk import ocr as lane
        from desk import tasks

        params = get_current_context()["params"]
        given = {"languages": params["languages"], "again": params["again"]}
        return tasks.in_home(lambda home: lane.plan(home, params["request_id"], **given))["groups"]

    @task(multiple_outputs=False, map_index_template="{{ batches }}")
    def read(batch_ids: list[str]) -> dict[str, Any]:
        from desk import ocr as lane
        from desk import tasks

        context = get_current_context()
        context["batches"] = f"{batch_ids[0]} ({len(batch_ids)})"  # type: ignore[typeddict-unknown-key]
        params = context["params"]
        return tasks.in_home(
            lambda home: lane.read(home, params["request_id"], batch_ids, languages=params["languages"])
        )

    @task(multiple_outputs=False, trigger_rule=TriggerRule.NONE_FAILED)
    def finish() -> dict[str, Any]:
        from desk import ocr as lane
        from desk import tasks

        request_id = get_current_context()["params"]["request_id"]
        return tasks.in_home(lambda home: lane.finish(home, request_id))

    read.expand(batch_ids=plan()) >> finish()


ocr()
