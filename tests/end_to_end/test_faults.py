"""Bad input and a bad machine: a clear error, nothing lost, and the same command again resumes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.command import daylight, lines
from tests.small_request import request_file

GOOD_MAIL = (
    "From: Ana Ruiz <ana@cedarfalls.example>\nTo: Lee Okafor <lee@cedarfalls.example>\n"
    "Subject: Bus route {n}\nDate: Mon, 02 Mar 2026 10:00:{n:02d} -0800\n"
    "Message-ID: <{n}@cedarfalls.example>\n\n"
    "The bus route change number {n}.\n"
)


def run_request(folder: Path, path: str, connector: str = "mail_files") -> tuple[str, Path]:
    home = folder / "home"
    opened = daylight(home, "open", request_file(folder, path, connector))
    assert opened.returncode == 0, opened.stderr
    request_id = json.loads(opened.stdout)["request_id"]
    done = daylight(home, "run", request_id, "--local")
    assert done.returncode == 0, done.stderr
    return request_id, home


def test_a_missing_path_is_refused_when_the_request_is_opened(tmp_path):
    done = daylight(tmp_path / "home", "open", request_file(tmp_path, "nowhere"))
    assert done.returncode == 4
    assert "s1" in done.stderr
    assert "request file" in done.stderr


def test_an_unknown_request_is_refused_by_name(tmp_path):
    for command in (("status", "2026-0001"), ("run", "2026-0001", "--local"), ("items", "2026-0001")):
        done = daylight(tmp_path / "home", *command)
        assert done.returncode == 2, done.stderr
        assert "there is no request 2026-0001" in done.stderr


def test_no_home_is_a_setting_to_make(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "DAYLIGHT_HOME"}
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "status"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 3
    assert "DAYLIGHT_HOME" in done.stderr


def test_usage_errors_are_usage_errors(tmp_path):
    assert daylight(tmp_path / "home", "run").returncode == 2
    assert daylight(tmp_path / "home", "no-such-command").returncode == 2
    assert daylight(tmp_path / "home", "status", "--no-such-option").returncode == 2
    helped = daylight(tmp_path / "home", "--help")
    assert helped.returncode == 0
    assert "inspect" in helped.stdout


@pytest.mark.slow
def test_each_bad_file_costs_only_itself(tmp_path):
    drop = tmp_path / "drop"
    drop.mkdir()
    for n in range(5):
        (drop / f"{n}.eml").write_text(GOOD_MAIL.format(n=n), "utf-8")
    (drop / "empty.eml").write_bytes(b"")
    (drop / "noise.pdf").write_bytes(b"%PDF-1.7\n" + os.urandom(2_000))
    (drop / "entities.xml").write_text(
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>gate &x; code</a>', "utf-8"
    )
    with zipfile.ZipFile(drop / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.bin", b"\0" * (300 << 20))
    with zipfile.ZipFile(drop / "dots.zip", "w") as archive:
        archive.writestr("../../outside.txt", "the bus route climbs out")
    whole = (drop / "dots.zip").read_bytes()
    (drop / "cut.zip").write_bytes(whole[: len(whole) // 2])
    request_id, home = run_request(tmp_path, "drop", "loose_files")
    found = {item["name"]: item for item in lines(daylight(home, "items", request_id))}
    assert all(found[f"{n}.eml"]["text_state"] == "searchable" for n in range(5))
    assert found["empty.eml"]["text_state"] == "not_searchable"
    assert found["noise.pdf"]["failure"]["reason"] == "corrupt"
    assert found["bomb.zip"]["failure"]["reason"] == "bomb"
    assert found["cut.zip"]["failure"]["reason"] == "truncated"
    assert found["../../outside.txt"]["text"].strip() == "the bus route climbs out"
    assert "root:" not in found["entities.xml"]["text"]
    assert not (tmp_path / "outside.txt").exists()
    report = json.loads(daylight(home, "ledger", request_id).stdout)
    assert report["balanced"] is True
    assert report["scopes"][0]["found"] == report["scopes"][0]["expected"] == 11


@pytest.mark.slow
def test_an_unreadable_file_is_named_and_costs_only_itself(tmp_path):
    mail = tmp_path / "mail"
    mail.mkdir()
    for n in range(3):
        (mail / f"{n}.eml").write_text(GOOD_MAIL.format(n=n), "utf-8")
    (mail / "1.eml").chmod(0)
    # Root reads everything, unless it gives that right up.
    less = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []

    def restrained(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*less, sys.executable, "-m", "cli.main", "--home", str(tmp_path / "home"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)

    opened = daylight(tmp_path / "home", "open", request_file(tmp_path, "mail"))
    assert opened.returncode == 0, opened.stderr
    request_id = json.loads(opened.stdout)["request_id"]
    done = restrained("run", request_id, "--local")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "complete with 1 exceptions"
    found = {item["native_id"]: item for item in lines(daylight(tmp_path / "home", "items", request_id))}
    assert found["1.eml"]["state"] == "failed"
    assert found["1.eml"]["failure"]["reason"] == "unreadable"
    assert found["1.eml"]["failure"]["retryable"] is True
    assert {name for name, item in found.items() if item["state"] == "stored"} == {"0.eml", "2.eml"}
    assert json.loads(daylight(tmp_path / "home", "ledger", request_id).stdout)["balanced"] is True


FULL_DISK = """
set -e
mount -t tmpfs -o size=64m tmpfs "$HOME_DIR"
D="$PYTHON -m cli.main --home $HOME_DIR"
$D open "$REQUEST" > /dev/null
set +e
$D run 2026-0001 --local > /dev/null 2> "$WORDS"
echo "first $?"
set -e
mount -o remount,size=1g "$HOME_DIR"
$D run 2026-0001 --local > /dev/null 2>> "$WORDS"
echo "second $?"
$D items 2026-0001 --no-text | wc -l
$D ledger 2026-0001
"""


@pytest.mark.slow
def test_a_full_disk_says_what_to_do_and_the_run_resumes(tmp_path):
    """A real full disk: the home is a 64 MB file system of its own, in a mount namespace of its own."""
    mail = tmp_path / "mail"
    mail.mkdir()
    for n in range(60):
        (mail / f"{n:02d}.bin").write_bytes(os.urandom(2 << 20))
    for n in range(40):
        (mail / f"{n:02d}.eml").write_text(GOOD_MAIL.format(n=n), "utf-8")
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        **os.environ,
        "HOME_DIR": str(home),
        "PYTHON": sys.executable,
        "REQUEST": str(request_file(tmp_path, "mail", "loose_files")),
        "WORDS": str(tmp_path / "words"),
    }
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", FULL_DISK],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=280,
    )
    words = (tmp_path / "words").read_text("utf-8")
    assert done.returncode == 0, done.stdout + done.stderr + words
    first, second, count, report = done.stdout.splitlines()
    assert first == "first 5", words
    assert "make room" in words
    assert "run the same command again to resume" in words
    assert (second, count.strip()) == ("second 0", "100")
    assert json.loads(report)["balanced"] is True
