"""What every command shares."""

from __future__ import annotations

import getpass
import os
import sys

import pytest

from cli import main as cli
from cli.output import _in_lines, whoami
from desk.run import Progress


def test_a_user_without_a_name_is_a_number(monkeypatch):
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert whoami() == f"uid-{os.getuid()}"


def test_more_items_than_were_expected_are_no_time_left_below_zero(capfd):
    tell = _in_lines()
    tell(Progress("collect", 0, 3, 0.0))
    tell(Progress("collect", 1, 3, 10.0))
    tell(Progress("collect", 14, 3, 20.0))
    assert capfd.readouterr().err.splitlines() == [
        "collect …",
        "collect: 1 of 3, 0 items/s, 20 s left",
        "collect: 14",
    ]


def test_a_home_that_cannot_be_made_is_one_line_and_exit_4(monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["daylight", "--home", "/proc/nope", "status"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 4
    assert capfd.readouterr().err.strip() == "daylight: /proc/nope: No such file or directory"
