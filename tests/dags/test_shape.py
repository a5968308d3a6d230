"""The Dag as Airflow reads it: it imports, wires the desk's steps in order, and approves nothing itself."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest

from connectors.registry import CONNECTORS
from desk.home import Home
from desk.request import Source
from desk.run import STEPS
from desk.tasks import FUNCTIONS
from records import tables as t
from records.errors import AccessError, Retryable, SettingsError

pytestmark = pytest.mark.dag

RECORDING = {"go_on", "record_review", "record_approval"}
"""Tasks that are no steps: they act on an answer or an option."""

ARROWS = {
    "open": {"plan"},
    "plan": {"batch.collect", "batch.extract", "batch.index"},  # all three take its batch ids
    "batch.collect": {"batch.extract"},
    "batch.extract": {"batch.index"},
    "batch.index": {"reconcile"},
    "reconcile": {"terms"},
    "terms": {"flag"},
    "flag": {"go_on"},
    "go_on": {"review"},
    "review": {"record_review"},
    "record_review": {"draft"},
    "draft": {"gate"},
    "gate": {"approve"},
    "approve": {"record_approval"},
    "record_approval": {"package"},
    "package": {"finish"},
    "finish": set(),
}


@pytest.fixture
def dag(bag):
    return bag.dags["records_request"]


def test_every_file_imports(bag):
    assert bag.import_errors == {}
    assert set(bag.dags) == {"exports", "ocr", "records_request"}


def test_arrows(dag):
    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == ARROWS


def test_steps_are_those_of_the_desk_in_their_order(dag):
    ordered = [task.task_id.removeprefix("batch.") for task in dag.topological_sort()]
    assert [name for name in ordered if name not in RECORDING] == [step.name for step in STEPS]


def test_mapped_steps_are_mapped(dag):
    mapped = {step.name for step in STEPS if step.mapped}
    assert {task.task_id for task in dag.tasks if task.task_id.startswith("batch.")} == {
        f"batch.{name}" for name in mapped
    }
    for task in dag.tasks:
        groups = [group.group_id for group in task.iter_mapped_task_groups()]
        assert groups == (["batch"] if task.task_id.startswith("batch.") else []), task.task_id


def test_steps_for_a_person_ask_a_person(dag):
    from airflow.providers.standard.operators.hitl import HITLOperator

    asking = {task.task_id for task in dag.tasks if isinstance(task, HITLOperator)}
    assert asking == {step.name for step in STEPS if step.person}


@pytest.mark.parametrize(
    ("task_id", "options"),
    [("review", ["Decisions are in", "Stop"]), ("approve", ["Approve", "Reject"])],
)
def test_a_question_has_no_answer_of_its_own(dag, task_id, options):
    """No default, so that running out of time asks again or fails; it never answers."""
    task = dag.get_task(task_id)
    assert task.options == options
    assert task.defaults is None
    assert task.multiple is False
    assert task.response_timeout == timedelta(days=90)


def test_no_question_is_approved_by_another_trigger_rule(dag):
    """Only ``reconcile`` and ``finish`` run after something was skipped; nothing runs after a failure."""
    rules = {task.task_id: task.trigger_rule.value for task in dag.tasks}
    assert {task_id for task_id, rule in rules.items() if rule != "all_success"} == {"reconcile", "finish"}
    assert {rules["reconcile"], rules["finish"]} == {"none_failed"}


def test_skipping_stops_at_the_next_task(dag):
    """The rest follows by trigger rule, so that ``finish`` still ends the run."""
    for task_id in RECORDING:
        assert dag.get_task(task_id).ignore_downstream_trigger_rules is False


def test_schedule_and_limits(dag):
    assert type(dag.timetable).__name__ == "NullTimetable"
    assert dag.catchup is False
    assert dag.max_active_runs == 256


SOURCE = {
    "source_id", "connector", "custodian", "path", "connection", "account", "places", "options", "readers",
    "kept_back", "declared",
}  # fmt: skip


def test_the_form_asks_for_an_id_two_options_and_a_source(dag):
    assert set(dag.params) == {"request_id", "search_only", "take_over"} | SOURCE
    assert dag.params["search_only"] is False
    assert dag.params["take_over"] is False
    assert {name: dag.params[name] for name in SOURCE} == dict.fromkeys(SOURCE)


def test_the_form_names_a_source_as_a_request_file_does(dag):
    assert {"id" if name == "source_id" else name for name in SOURCE} == set(Source.model_fields)
    enum = dag.params.get_param("connector").schema["enum"]
    assert enum == [None, *sorted(CONNECTORS)]
    assert {dag.params.get_param(name).schema["section"] for name in SOURCE} == {
        "A further source (optional)"
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("connector", "outlook"), ("source_id", "a b"), ("source_id", "a\n"), ("custodian", "../x"),
        ("connection", "a b"), ("places", "mail"), ("places", [1]), ("options", {"x": 1}), ("options", "x"),
        ("kept_back", -1), ("kept_back", "3"), ("readers", "x"), ("account", 5), ("path", ["x"]),
        ("declared", "yes"),
    ],
)  # fmt: skip
def test_a_bad_key_of_a_source_is_refused_by_the_form(dag, name, value):
    from airflow.sdk.exceptions import ParamValidationError

    params = copy.deepcopy(dag.params)
    params["request_id"] = "2026-0001"

    def give():
        params[name] = value
        params.validate()

    with pytest.raises(ParamValidationError):
        give()


NOT_AN_ID = [
    None,
    "",
    "2026",
    "2026-1",
    "26-0001",
    "2026-0001 ",
    "2026-0001\n",
    "../etc",
    "2026-0001; rm",
    20260001,
]


@pytest.mark.parametrize("value", NOT_AN_ID)
def test_a_bad_request_id_is_refused(dag, value):
    from airflow.sdk.exceptions import ParamValidationError

    params = copy.deepcopy(dag.params)

    def give():
        params["request_id"] = value
        params.validate()

    with pytest.raises(ParamValidationError):
        give()


def test_a_missing_request_id_is_refused(dag):
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        copy.deepcopy(dag.params).validate()


@pytest.mark.parametrize("value", ["2026-0001", "1999-123456789"])
def test_a_good_request_id_is_taken(dag, value):
    params = copy.deepcopy(dag.params)
    params["request_id"] = value
    given = {"request_id": value, "search_only": False, "take_over": False}
    assert params.validate() == given | dict.fromkeys(SOURCE)


def test_a_bad_option_is_refused(dag):
    from airflow.sdk.exceptions import ParamValidationError

    params = copy.deepcopy(dag.params)
    params["request_id"] = "2026-0001"

    def give():
        params["search_only"] = "perhaps"
        params.validate()

    with pytest.raises(ParamValidationError):
        give()


def test_it_serialises(dag):
    from airflow.serialization.serialized_objects import DagSerialization

    again = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert {task.task_id for task in again.tasks} == set(ARROWS)


def test_every_task_retries_by_error_class(dag):
    policies = {task.task_id: task.retry_policy for task in dag.tasks}
    assert all(type(policy).__name__ == "ByErrorClass" for policy in policies.values()), policies
    assert {task.retries for task in dag.tasks} == {3}


@pytest.mark.parametrize(
    ("error", "action", "delay"),
    [
        (SettingsError("x"), "fail", None),
        (AccessError("x"), "fail", None),
        (Retryable("x"), "retry", None),
        (Retryable("x", retry_after_s=90), "retry", timedelta(seconds=90)),
        (OSError("x"), "default", None),
    ],
)
def test_retries_follow_the_error(dag, error, action, delay):
    decision = dag.get_task("terms").retry_policy.evaluate(error, 1, 3)
    assert (decision.action.value, decision.retry_delay) == (action, delay)


def test_tasks_call_functions_that_exist():
    import desk.run

    assert {name for name in FUNCTIONS if not callable(getattr(desk.run, name, None))} == set()


def test_the_page_of_numbers_without_a_catalogue_and_with_one(bag, tmp_path, monkeypatch):
    from desk import airflow_page as page

    def asked(answer):
        page._watcher.cache_clear()
        return answer.status_code, answer.body.decode()

    page._watcher.cache_clear()
    monkeypatch.delenv("DAYLIGHT_HOME", raising=False)
    status, text = asked(page._requests())
    assert (status, "Set DAYLIGHT_HOME, and DAYLIGHT_CATALOGUE" in text) == (503, True)
    monkeypatch.setenv("DAYLIGHT_HOME", str(tmp_path))
    monkeypatch.setenv("DAYLIGHT_CATALOGUE", f"sqlite:///{tmp_path}/none.sqlite")
    status, text = asked(page._requests())  # a database without a table
    assert (status, "DatabaseError" in text, "no such table" in text) == (503, False, False)
    monkeypatch.delenv("DAYLIGHT_CATALOGUE")
    home = Home.open(tmp_path)
    assert asked(page._requests())[1].count("No request is open.") == 1
    with home.catalogue.write() as connection:
        row = dict.fromkeys(("received_on", "due_on", "time_zone", "opened_at"), "2026-09-08")
        connection.execute(t.requests.insert(), {"request_id": "<i>", "version": 1, "state": "open", **row})
    home.close()
    assert '<a href="/daylight/&lt;i&gt;">&lt;i&gt;</a>' in asked(page._requests())[1]
    status, text = asked(page._request("2026-0009"))
    assert (status, "there is no request 2026-0009" in text) == (404, True)
    status, text = asked(page._request("<i>"))
    assert (status, "<h1>Request &lt;i&gt;</h1>" in text, 'http-equiv="refresh"' in text) == (
        200,
        True,
        False,
    )
