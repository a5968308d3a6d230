"""``daylight kibana export`` and ``import``, from a request file to what arrives."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import main as cli
from desk import kibana
from desk.home import Home
from desk.register import open_request
from records import canonical
from records import tables as t
from records.errors import UsageError
from records.ledger import ledger
from search.kibana_fields import FieldsReader
from tests.command import daylight
from tests.search import kibana_rules
from tests.search.kibana_fake import KEY, running

REQUEST = """
text = "x"
received_on = 2026-09-08
time_zone = "America/Los_Angeles"
terms = "terms.csv"
custodians = [{id = "a", name = "A"}]
sources = [{id = "drop", connector = "loose_files", custodian = "a", path = "drop"}]
"""
ID = "2026-0001"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    (tmp_path / "drop").mkdir()
    (tmp_path / "terms.csv").write_text("term,note\nbus,\nlevy*,\n(bus,unusable\nbus,again\n", "utf-8")
    file = tmp_path / "request.toml"
    file.write_text(REQUEST, "utf-8")
    home = Home.open(tmp_path / "home")
    assert open_request(home, file, by="pro")[0] == ID
    yield home
    home.close()


@pytest.fixture
def call(home: Home, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["x", "--home", str(home.settings.home), *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        return ended.value.code, out, err.strip()

    return run


def noted(home: Home) -> list[dict[str, Any]]:
    with home.catalogue.read() as connection:
        entries = [canonical.loads(row.entry) for row in connection.execute(t.audit.select())]
    return [entry for entry in entries if entry["action"].startswith("kibana")]


def test_export_to_a_file(home: Home, call: Any, tmp_path: Path) -> None:
    out = tmp_path / "request.ndjson"
    code, said, _ = call("kibana", "export", ID, "--out", out, "--by", "pro")
    assert (code, json.loads(said)) == (0, {"request_id": ID, "file": str(out), "objects": 3})
    objects = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [problem for found in objects for problem in kibana_rules.problems(found)] == []
    assert objects[0]["attributes"]["title"] == "daylight-2026-0001"
    source = json.loads(objects[1]["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    assert [one["meta"].get("params") for one in source["filter"]] == [
        None,
        {"query": "bus"},
        {"query": "levy*"},
    ]
    (entry,) = noted(home)
    assert (entry["action"], entry["actor"], entry["objects"]) == ("kibana_exported", "pro", 3)
    assert "levy" not in json.dumps(entry)


def test_export_to_stdout_is_the_file_alone(call: Any) -> None:
    code, said, words = call("kibana", "export", ID)
    assert (code, words) == (0, "")
    assert [json.loads(line)["type"] for line in said.splitlines()] == [
        "index-pattern",
        "search",
        "dashboard",
    ]


def test_a_file_is_never_overwritten_and_ends_as_kibana_wants_it(call: Any, tmp_path: Path) -> None:
    there = tmp_path / "there.ndjson"
    there.write_text("mine")
    assert call("kibana", "export", ID, "--out", there)[0] == 2
    assert there.read_text() == "mine"
    assert call("kibana", "export", ID, "--out", tmp_path / "a.json")[0] == 2
    assert not (tmp_path / "a.json").exists()


def test_no_such_request(home: Home) -> None:
    with pytest.raises(UsageError):
        kibana.export(home, "2026-0002", by="pro")
    assert noted(home) == []


def test_what_could_not_be_collected_is_on_the_face(home: Home) -> None:
    scope = {
        "request_id": ID, "source_id": "drop", "scope_key": "x", "custodian_id": "a",
        "connector": "loose_files", "label": "x", "kind": "folder", "expected": None,
        "expected_by": "", "kept_back": None,
        "failure_reason": "unreadable", "failure_detail": None,
    }  # fmt: skip
    item = {
        "request_id": ID, "batch_id": "b", "source_id": "drop", "scope_key": "y", "custodian_id": "a",
        "connector": "loose_files", "native_key": "k", "family_id": "i", "parent_id": None, "part_path": "",
        "level": 0, "position": 0, "kind": "file", "name": "secret.doc", "media_type": None, "detail": None,
        "blob_sha256": None, "size_bytes": None, "moment_at": None, "facts": "{}",
    }  # fmt: skip
    states = [("failed", "too_large"), ("failed", "encrypted"), ("failed", "too_large"), ("stored", None)]
    with home.catalogue.write() as connection:
        connection.execute(t.scopes.insert(), scope)
        connection.execute(
            t.items.insert(),
            [
                {**item, "item_id": f"i{n}", "state": state, "reason": reason}
                for n, (state, reason) in enumerate(states)
            ],
        )
    dashboard = json.loads(kibana.export(home, ID, by="pro").splitlines()[2])
    face = json.loads(dashboard["attributes"]["panelsJSON"])[0]["embeddableConfig"]["savedVis"]["params"]
    rows = [line for line in face["markdown"].splitlines() if line.startswith("| drop")]
    assert rows == [
        "| drop | unreadable | a whole place |",
        "| drop | encrypted | 1 |",
        "| drop | too_large | 2 |",
    ]
    assert "secret" not in face["markdown"]


def test_import_sends_what_export_writes(home: Home, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as fake:
        monkeypatch.setenv("DAYLIGHT_KIBANA_URL", fake.url)
        monkeypatch.setenv("DAYLIGHT_KIBANA_API_KEY", KEY)
        monkeypatch.setenv("DAYLIGHT_KIBANA_SPACE", "request-7")
        code, said, words = call("kibana", "import", ID)
        assert list(fake.kept) == ["request-7"]
        assert len(fake.kept["request-7"]) == 3
    assert (code, words) == (0, "")
    assert json.loads(said) == {
        "request_id": ID,
        "space": "request-7",
        "success": True,
        "count": 3,
        "objects": [
            "index-pattern:daylight-2026-0001-items",
            "search:daylight-2026-0001-session",
            "dashboard:daylight-2026-0001-dashboard",
        ],
        "refused": [],
    }
    assert [(entry["action"], entry["objects"]) for entry in noted(home)] == [("kibana_imported", 3)]


def test_what_kibana_refuses_is_listed_and_ends_in_exit_code_5(
    call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {"type": "dashboard", "id": "d", "meta": {"title": "levy"}}
    refused["error"] = {"type": "unknown", "message": "levy", "statusCode": 500}
    with running() as fake:
        fake.fault = lambda handler: handler.say(
            200, {"success": False, "successCount": 2, "errors": [refused]}
        )
        monkeypatch.setenv("DAYLIGHT_KIBANA_URL", fake.url)
        monkeypatch.setenv("DAYLIGHT_KIBANA_API_KEY", KEY)
        code, said, words = call("kibana", "import", ID)
    assert code == 5
    assert json.loads(said)["refused"] == [
        {"type": "dashboard", "id": "d", "error": "unknown", "status": 500, "references": []}
    ]
    assert words == "daylight: Kibana refused 1 objects; the list above says which and why"
    assert "levy" not in said + words


def test_import_without_settings_names_them(home: Home, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAYLIGHT_KIBANA_URL", raising=False)
    monkeypatch.delenv("DAYLIGHT_KIBANA_API_KEY", raising=False)
    code, said, words = call("kibana", "import", ID)
    assert (code, said) == (3, "")
    assert "DAYLIGHT_KIBANA_URL and DAYLIGHT_KIBANA_API_KEY" in words
    assert noted(home) == []


@pytest.mark.slow
def test_after_a_run_the_fields_say_what_terms_and_ledger_counted(home: Home, tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    for name, text in {
        "a.txt": "the bus",
        "b.txt": "levy, bus",
        "c.txt": "levies levy",
        "d.txt": "no",
    }.items():
        (drop / name).write_text(text, "utf-8")
    (drop / "e.pdf").write_bytes(b"%PDF-1.4 broken")
    for line in (["run", ID, "--local"], ["terms", ID]):
        done = daylight(home.settings.home, *line)
        assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    with home.catalogue.read() as connection:
        item_ids = list(connection.scalars(t.items.select().with_only_columns(t.items.c.item_id)))
    shown = [fields for _, fields in FieldsReader.open(home.catalogue, ID).fields(item_ids)]
    counted = {row["term"]: row["documents"] for row in report["terms"]}
    assert counted == {"bus": 2, "levy*": 2}
    assert Counter(term for fields in shown for term in fields.terms) == counted
    text = ledger(home.catalogue, ID).text
    assert Counter(fields.text_state for fields in shown) == {"searchable": 4, "not_searchable": 1}
    assert (text["searchable"], text["not_searchable"]) == (4, 1)
    assert Counter(fields.coding_state for fields in shown) == {"undecided": 3, "not_in_review": 2}
