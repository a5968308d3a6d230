"""### A public records request, from its opening to a signed release bundle.

Collects from every source of the request, reads, indexes, adds the ledger up, runs the terms, suggests
retention series, and then waits for a person: once for the decisions, once for the approval. **Nothing is
approved by default or by time-out.** The steps are those of `desk.run`; this file only wires them.

Airflow sees ids and counts: no names, no addresses, no words of the request, no content. It keeps what is
written into the trigger form.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, TriggerRule, dag, get_current_context, task, task_group

from connectors.registry import CONNECTORS
from desk import dag_form

RETRIES = 3
PATIENCE = timedelta(days=90)
"""How long a question waits; then it is asked again, three times. It is never answered by the clock."""

BATCHES = "{{ batches }}"
DECIDED, STOP = "Decisions are in", "Stop"
APPROVE, REJECT = "Approve", "Reject"


ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)"
SECTION = "A further source (optional)"


def optional(kind: str, title: str, description: str, **schema: Any) -> Param:
    """Return a field of the form that may be left blank."""
    blank = None
    return Param(blank, type=["null", kind], title=title, description=description, section=SECTION, **schema)


SOURCE = {
    "source_id": optional("string", "Source", "An id of its own, such as lee-mail.", pattern=ID),
    "connector": optional(
        "string", "Connector", "What reads it; null for no further source.", enum=[None, *sorted(CONNECTORS)]
    ),
    "custodian": optional("string", "Custodian", "Whose records: an id of the request.", pattern=ID),
    "connection": optional(
        "string",
        "Connection",
        "For a service: id of the Airflow connection.",
        pattern=r"^[A-Za-z0-9_.-]{0,200}$(?!\n)",
    ),
    "account": optional(
        "string",
        "Account",
        "Whose account there. Left blank, the custodian's first address, which Airflow then never sees.",
    ),
    "path": optional("string", "Path", "For files: the whole path where tasks run, from / on."),
    "places": optional(
        "array",
        "Places",
        "What of the account, one a line, such as mail; blank for the usual ones.",
        items={"type": "string"},
    ),
    "options": optional(
        "object",
        "Options",
        'Further settings as the connector\'s page has them, such as {"revisions": "yes"}.',
        additionalProperties={"type": "string"},
    ),
    "readers": optional(
        "array",
        "Readers",
        "Who may see its content, one a line; blank for the office.",
        items={"type": "string"},
    ),
    "kept_back": optional(
        "integer", "Kept back", "A personal source: how many records its owner kept back.", minimum=0
    ),
    "declared": optional(
        "boolean", "Declared", "A personal device or account: read as far as a declaration hands it over."
    ),
}
"""The keys of a source, as a request file has them (docs/request.md)."""


def step(function: str, **given: Any) -> dict[str, Any]:
    """Run one step of this run's request; the rooms are imported here, not when the file is parsed."""
    from desk.tasks import run_step

    context = get_current_context()
    return run_step(function, context["params"]["request_id"], context["run_id"], **given)


def named_source(params: dict[str, Any]) -> dict[str, Any]:
    """Return what the form says of a further source, by the keys of a request file."""
    return {"id": params["source_id"]} | {key: params[key] for key in SOURCE if key != "source_id"}


def step_on_batches(function: str, batch_ids: list[str]) -> dict[str, Any]:
    """Run one step on a group of batches, and say in the map's label which."""
    get_current_context()["batches"] = f"{batch_ids[0]} ({len(batch_ids)})"  # type: ignore[typeddict-unknown-key]
    return step(function, batch_ids=batch_ids)


def answer_of(response: dict[str, Any]) -> dict[str, str]:
    """Return what a person answered, who and when, as the record of it takes them."""
    user = response["responded_by_user"]
    return {
        "answer": response["chosen_options"][0],
        "by": str(user["id"]) if user else "",
        "at": response["responded_at"].isoformat(),
    }


@dag(
    dag_id="records_request",
    schedule=None,
    start_date=None,
    catchup=False,
    max_active_runs=256,  # one that waits for a person is active; two of one request are refused by the desk
    max_active_tasks=256,
    tags=["public records"],
    doc_md=__doc__,
    default_args={
        "retries": RETRIES,
        "retry_delay": timedelta(seconds=10),
        "retry_policy": dag_form.BY_ERROR_CLASS,
    },
    params={
        "request_id": dag_form.request_id(),
        "search_only": Param(
            default=False,
            type="boolean",
            title="Search only",
            description="End once everything is searchable and flagged, without asking for decisions.",
        ),
        "take_over": Param(
            default=False,
            type="boolean",
            title="Take over",
            description="Put an end to another run of this request that waits for a person or died.",
        ),
        **SOURCE,
    },
)
def records_request() -> None:
    """Wire the steps."""

    @task(task_id="open", multiple_outputs=False)
    def open_() -> dict[str, Any]:
        context = get_current_context()
        params = context["params"]
        by = context["dag_run"].triggering_user_name or "airflow"
        return step("open_run", take_over=params["take_over"], source=named_source(params), by=by)

    @task
    def plan() -> list[list[str]]:
        return step("plan")["groups"]

    @task_group(group_id="batch")
    def batch(batch_ids: list[str]) -> None:
        @task(multiple_outputs=False, map_index_template=BATCHES)
        def collect(batch_ids: list[str]) -> dict[str, Any]:
            return step_on_batches("collect", batch_ids)

        @task(multiple_outputs=False, map_index_template=BATCHES)
        def extract(batch_ids: list[str]) -> dict[str, Any]:
            return step_on_batches("extract", batch_ids)

        @task(multiple_outputs=False, map_index_template=BATCHES)
        def index(batch_ids: list[str]) -> dict[str, Any]:
            return step_on_batches("index", batch_ids)

        collect(batch_ids) >> extract(batch_ids) >> index(batch_ids)

    # A run with nothing left to collect maps over nothing, which skips the group; what follows still runs.
    @task(multiple_outputs=False, trigger_rule=TriggerRule.NONE_FAILED)
    def reconcile() -> dict[str, Any]:
        return step("reconcile")

    @task(multiple_outputs=False)
    def terms() -> dict[str, Any]:
        return step("terms")

    @task(multiple_outputs=False)
    def flag() -> dict[str, Any]:
        return step("flag")

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def go_on() -> bool:
        return not get_current_context()["params"]["search_only"]

    review = HITLOperator(
        task_id="review",
        subject="Request {{ params.request_id }}: are the decisions in?",
        body=(
            "`daylight sheet {{ params.request_id }} --out sheet.xlsx` writes the coding sheet, "
            "`daylight view {{ params.request_id }}` shows the records, "
            "`daylight decide {{ params.request_id }} sheet.xlsx --by NAME` takes the decisions in.\n\n"
            "**Stop** ends this run; a later run takes up where it ended."
        ),
        options=[DECIDED, STOP],
        response_timeout=PATIENCE,
    )

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def record_review(response: dict[str, Any]) -> bool:
        given = answer_of(response)
        step("record_answer", step="review", **given)
        return given["answer"] == DECIDED

    @task(multiple_outputs=False)
    def draft() -> dict[str, Any]:
        return step("draft")

    @task(multiple_outputs=False)
    def gate() -> dict[str, Any]:
        return step("gate")

    approve = HITLOperator(
        task_id="approve",
        subject="Request {{ params.request_id }}: approve this instalment?",
        body=(
            "The draft has passed the checks. **Approve** makes its numbers permanent and packages it; "
            "**Reject** ends this run and releases nothing."
        ),
        options=[APPROVE, REJECT],
        response_timeout=PATIENCE,
    )

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def record_approval(response: dict[str, Any]) -> bool:
        given = answer_of(response)
        step("record_approval", **given)
        return given["answer"] == APPROVE

    @task(multiple_outputs=False)
    def package() -> dict[str, Any]:
        return step("package")

    # Runs after a stop or a rejection too (they skip what lies between), never after a failure.
    @task(multiple_outputs=False, trigger_rule=TriggerRule.NONE_FAILED)
    def finish() -> dict[str, Any]:
        return step("finish")

    planned = plan()
    batches = batch.expand(batch_ids=planned)
    open_() >> planned
    batches >> reconcile() >> terms() >> flag() >> go_on() >> review
    record_review(review.output) >> draft() >> gate() >> approve
    record_approval(approve.output) >> package() >> finish()


records_request()
