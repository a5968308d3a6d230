"""The pages against the code: whatever a person can meet is documented, and no page names what is gone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.export_paths import IGNORED
from connectors.registry import CONNECTORS
from desk.declaration_file import Answer, PlaceAnswer
from desk.declaring import Missing
from records import vocabulary
from records.declarations import PlaceKind
from records.vocabulary import (
    RETRYABLE,
    Awaits,
    Basis,
    CollectionState,
    Fate,
    Kind,
    Reach,
    Reason,
    ReviewState,
    Sighting,
    TextState,
    WarningCode,
)
from tests.chaos.faults import TABLE

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [*DOCS, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def first_column(text: str, heading: str) -> list[str]:
    """Return the code words of the first column of the table under a heading."""
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    return re.findall(r"`([^`]+)`", " ".join(row.split("|")[1] for row in rows))


@pytest.mark.parametrize(
    ("name", "heading", "members"),
    [
        ("errors.md", "Reasons", list(Reason)),
        ("errors.md", "Warnings", list(WarningCode)),
        ("fields.md", "Kinds", list(Kind)),
        ("fields.md", "How far a time can be trusted", list(Basis)),
        ("fields.md", "Why a place is not read", list(Reach)),
        ("fields.md", "What becomes of a path of an export", list(Fate)),
        ("top-up.md", "What became of an item", list(Sighting)),
        ("declarations.md", "The file", list(Answer.model_fields)),
        ("declarations.md", "Keys of a place", list(PlaceAnswer.model_fields)),
        ("declarations.md", "Kinds of a place", list(PlaceKind)),
        ("declarations.md", "What is missing", list(Missing)),
    ],
)
def test_every_code_has_a_row_and_no_row_is_left_over(name, heading, members):
    assert sorted(first_column(page(name), heading)) == sorted(members)


def test_every_fault_of_the_chaos_suite_has_a_row():
    assert first_column(page("faults.md"), "The table") == [fault.name for fault in TABLE]


def test_every_reason_to_ignore_a_path_has_a_row():
    section = page("connectors.md").split("| ignored as |", 1)[1].split("\n\n", 1)[0]
    assert re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE) == sorted(IGNORED)


@pytest.mark.parametrize("states", [CollectionState, TextState, ReviewState, Awaits])
def test_every_state_is_named(states):
    text = page("fields.md")
    assert [str(state) for state in states if f"`{state}`" not in text] == []


def test_passing_reasons_are_marked():
    rows = [line for line in page("errors.md").splitlines() if "*passing*" in line and line.startswith("|")]
    assert {re.findall(r"`([^`]+)`", row)[0] for row in rows} == set(RETRYABLE)


def error_names() -> set[str]:
    """Return every error class of the project: what subclasses something of ``records/errors.py``."""
    bases, names = {"DaylightError"}, set()
    for path in [ROOT / "records/errors.py", *sorted((ROOT / "desk").glob("*.py"))]:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and {ast.unparse(base) for base in node.bases} & bases:
                bases.add(node.name)
                names.add(node.name)
    return names


def test_every_error_is_documented():
    documented = set(first_column(page("errors.md"), "Errors, by what to do next"))
    assert documented == error_names() - {"Fatal"}
    assert "`Fatal`" in page("errors.md")


def links(path: Path) -> list[Path]:
    """Return what a page links to within the repository."""
    targets = re.findall(r"\]\(([^)#\s]+)", path.read_text("utf-8"))
    return [path.parent / target for target in targets if "://" not in target]


def test_links_lead_somewhere():
    broken = {path.name: [link.name for link in links(path) if not link.exists()] for path in PAGES}
    assert {name: missing for name, missing in broken.items() if missing} == {}


def test_every_page_is_reachable_from_the_index():
    seen, todo = set(), [ROOT / "docs/index.md"]
    while todo:
        path = todo.pop().resolve()
        if path not in seen and path.suffix == ".md" and path.exists():
            seen.add(path)
            todo.extend(links(path))
    assert [str(path.relative_to(ROOT)) for path in DOCS if path.resolve() not in seen] == []


def test_make_targets_on_the_pages_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {
        name for path in PAGES for name in re.findall(r"`?make ([a-z-]+)\b", _code(path.read_text("utf-8")))
    }
    assert named - targets == set()


def _code(text: str) -> str:
    """Return what stands in code spans and indented blocks."""
    blocks = [line for line in text.splitlines() if line.startswith("    ")]
    return "\n".join([*re.findall(r"`[^`]+`", text), *blocks])


def test_environment_variables_on_the_pages_exist():
    code = [path for path in ROOT.glob("[a-z]*/**/*.py") if "tests" not in path.parts]
    source = "\n".join(path.read_text("utf-8") for path in code)
    settings = {f"DAYLIGHT_{name.upper()}" for name in re.findall(r"^    (\w+): ", _settings(), re.MULTILINE)}
    known = settings | {"DAYLIGHT_CORPUS"}
    named = {name for path in PAGES for name in re.findall(r"\bDAYLIGHT_[A-Z_]+\b", path.read_text("utf-8"))}
    assert {name for name in named - known if name not in source} == set()


def _settings() -> str:
    return (ROOT / "records/settings.py").read_text("utf-8")


ROUTES = {
    "exchange_ews", "google_workspace", "imap", "microsoft_graph", "purview_export", "slack_export",
    "social_media", "vault_export", "zoom_files",
}  # fmt: skip
"""Connectors of workplace systems and accounts: what their route cannot give is told apart."""


@pytest.mark.parametrize("name", sorted(CONNECTORS))
def test_the_page_of_a_connector_is_whole(name):
    """What it covers and does not, what it needs, on what it was tried; each place and option by its name."""
    text = page(f"connectors/{name}.md")
    limits = ("Known limits of the route",) if name in ROUTES else ()
    parts = ("Covers", "Does not cover", "Tested on", *limits)
    assert [part for part in parts if f"**{part}" not in text] == []
    assert re.search(r"^(\*\*|## )Permissions", text, re.MULTILINE)
    kind = CONNECTORS[name]
    assert [one for one in (*kind.places, *kind.options) if f"`{one}`" not in text] == []


def test_vocabulary_is_closed():
    """A new enum needs a page and a test here."""
    found = [name for name, value in vars(vocabulary).items() if isinstance(value, type(Kind))]
    named = ["Awaits", "Basis", "CollectionState", "Fate", "Kind", "Reach", "Reason", "ReviewState"]
    assert sorted(set(found) - {"StrEnum"}) == [*named, "Sighting", "Step", "TextState", "WarningCode"]


def test_the_command_page_is_the_help_of_the_command():
    script = "import runpy; print(runpy.run_path('scripts/cli_docs.py')['render'](), end='')"
    made = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert page("cli.md") == made, "run .venv/bin/python scripts/cli_docs.py, review docs/cli.md, commit it"


def test_commands_on_the_pages_exist():
    """Every ``daylight word`` in code on a page is a command, and the options beside it are its own."""
    sections = re.findall(
        r"^## ([a-z -]+)\n\n    daylight [^\n]*\n(.*?)(?=^## |\Z)", page("cli.md"), re.MULTILINE | re.DOTALL
    )
    offered: dict[str, set[str]] = {}
    for name, text in sections:
        offered.setdefault(name.split()[0], set()).update(re.findall(r"`(--[a-z-]+)", text))
    wrong = []
    for path in PAGES:
        code = _code(path.read_text("utf-8"))
        for command, rest in re.findall(r"daylight(?: --home DIR)? ([a-z][a-z-]*)( [^`\n]*)?", code):
            if command not in offered or set(re.findall(r"--[a-z-]+", rest)) - offered[command]:
                wrong.append(f"{path.name}: daylight {command}{rest}")
    assert wrong == []
