"""What every command shares."""

from __future__ import annotations

import getpass
import os
import sys

import pytest

from cli import main as cli
from cli.output import whoami


def test_a_user_without_a_name_is_a_number(monkeypatch):
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert whoami() == f"uid-{os.getuid()}"


def test_a_home_that_cannot_be_made_is_one_line_and_exit_4(monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["daylight", "--home", "/proc/nope", "status"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 4
    assert capfd.readouterr().err.strip() == "daylight: /proc/nope: No such file or directory"
