"""Writes docs/cli.md from the command's own help: `.venv/bin/python scripts/cli_docs.py`.

A test compares the page with what this would write, so no option stays undocumented and the page names none
that is gone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from cli.main import app
from cli.output import Exit

PAGE = Path(__file__).parents[1] / "docs/cli.md"

HEAD = """\
# The command

`daylight --home DIR COMMAND …`, or with `DAYLIGHT_HOME` set, `daylight COMMAND …`. Results go to stdout as
JSON (lines where there are many), words and progress to stderr. Nothing is overwritten without being told.

This page is made from the command's own help (`scripts/cli_docs.py`); a test compares the two.

## Exit codes

| code | means |
|---|---|
"""

MEANINGS = {
    Exit.OK: "well",
    Exit.BUG: "a fault of the program",
    Exit.USAGE: "the command makes no sense, or not in this state",
    Exit.SETTINGS: "a setting or a file a person wrote is wrong",
    Exit.ACCESS: "a path or a service refuses",
    Exit.INCOMPLETE: "something is missing; the same command resumes",
    Exit.FAILED_CHECK: "a check found a difference",
    Exit.INTERRUPTED: "interrupted; the same command resumes",
}


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, with its whole name, in the help's order."""
    if hasattr(command, "commands"):
        for name, sub in command.commands.items():
            yield from commands(sub, f"{path} {name}")
    else:
        yield path, command


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("\n", " ").strip()


def _default(parameter: Any) -> str:
    default = parameter.default
    if parameter.required or default in (None, "", False) or callable(default):
        return ""
    return f" Default: `{default}`."


def _section(path: str, command: Any) -> str:
    parameters = [p for p in command.params if p.name != "help"]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    options = [p for p in parameters if p.param_type_name == "option"]
    usage = " ".join([path, *(_value(p) for p in arguments)])
    if options:
        usage += " [OPTIONS]"
    lines = [f"## {path.removeprefix('daylight ')}", "", f"    {usage}", "", (command.help or "").strip()]
    if parameters:
        lines += ["", "| | |", "|---|---|"]
    lines += [f"| `{_value(p)}` | {_cell(p.help)} |" for p in arguments]
    for p in options:
        value = "" if p.is_flag else f" {_value(p)}"
        needed = " Required." if p.required else ""
        lines.append(f"| `{', '.join(p.opts)}{value}` | {_cell(p.help)}{needed}{_default(p)} |")
    return "\n".join(lines) + "\n"


def _value(parameter: Any) -> str:
    """Return how a value is written in a usage line."""
    if parameter.metavar:
        return str(parameter.metavar)
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    annotation = str(parameter.type_descriptor.annotation)
    return "PATH" if "Path" in annotation else "N" if "int" in annotation else "TEXT"


def render() -> str:
    """Return the page."""
    root = typer.main.get_command(app)
    codes = "".join(f"| {int(code)} | {MEANINGS[code]} |\n" for code in Exit)
    return (
        HEAD
        + codes
        + "\n"
        + "\n".join(_section(path, command) for path, command in commands(root, "daylight"))
    )


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")
