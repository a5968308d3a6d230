"""The words beside the JSON: each says what to do next, and stdout stays JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from cli import main as cli

REQUEST = """
text = "x"
received_on = 2026-09-08
terms = "terms.csv"
custodians = [{id = "a", name = "A"}]
sources = [{id = "s", connector = "CONNECTOR", custodian = "a", path = "drop"}]
"""


@pytest.fixture
def call(tmp_path, monkeypatch, capfd):
    """Run a command in this process; gives its exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["x", "--home", str(tmp_path / "home"), *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        return ended.value.code, out, err.strip()

    return run


@pytest.fixture
def request_file(tmp_path):
    def write(connector="loose_files"):
        (tmp_path / "drop").mkdir(exist_ok=True)
        (tmp_path / "terms.csv").write_text("term,note\nbus,\nbus AND #route,\nbudget,\n", "utf-8")
        file = tmp_path / "request.toml"
        file.write_text(REQUEST.replace("CONNECTOR", connector), "utf-8")
        return file

    return write


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["frob"], "daylight: No such command 'frob'; `daylight --help` shows how"),
        (["run"], "daylight: Missing argument 'ID'; `daylight run --help` shows how"),
        (["approve", "1"], "daylight: Missing option '--by'; `daylight approve --help` shows how"),
        (
            ["run", "1", "--locl"],
            "daylight: No such option: --locl (Possible options: --local); `daylight run --help` shows how",
        ),
    ],
)
def test_a_wrong_line_names_what_is_wrong_and_whose_help_to_read(call, line, said):
    assert call(*line) == (2, "", said)


def test_a_line_without_a_command_is_the_help_and_no_words(monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["x"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capfd.readouterr()
    assert (ended.value.code, err) == (2, "")
    assert "Usage: daylight" in out


def test_opening_says_which_terms_cannot_be_searched(call, request_file):
    code, out, err = call("open", request_file())
    assert (code, json.loads(out)["request_id"]) == (0, "2026-0001")
    first, last = err.splitlines()
    assert first.startswith("terms, line 3: column 9: #")
    assert last.startswith("1 lines of the term list cannot be searched.")
    assert "--adopt" in last


def test_the_same_places_twice_are_said_at_opening(call, request_file):
    file = request_file()
    more = ', {id = "t", connector = "loose_files", custodian = "a", path = "./drop"}]'
    file.write_text(file.read_text("utf-8").replace('"drop"}]', f'"drop"}}{more}'))
    code, out, err = call("open", file)
    assert (code, json.loads(out)["request_id"]) == (0, "2026-0001")
    assert err.splitlines()[0].startswith("Sources s and t read the same places of the same account: what is")


def test_an_unknown_connector_is_said_with_its_source(call, request_file):
    code, out, err = call("open", request_file("mail_file"))
    assert (code, out) == (3, "")
    assert err.startswith("daylight: source s: no connector is called 'mail_file'; known: ")


def test_a_request_that_was_not_run(call, request_file, tmp_path):
    call("open", request_file())
    sheet = tmp_path / "sheet.csv"
    code, out, err = call("sheet", "2026-0001", "--out", sheet)
    assert (code, out, sheet.exists()) == (2, "", False)
    assert "nothing in review" in err
    code, out, err = call("search", "2026-0001", "bus")
    assert (code, out) == (0, "")
    assert err.splitlines()[0] == "0 documents"
    assert "has not been run" in err
    code, out, err = call("draft", "2026-0001")
    assert json.loads(out)["refusals"]
    assert err.startswith("It cannot be approved as it stands: no record is decided and free to go out")


def test_an_item_id_may_be_copied_from_the_sheet(call, request_file):
    call("open", request_file())
    assert call("get", "2026-0001", "i:" + "0" * 32) == call("get", "2026-0001", "0" * 32)


def test_a_folder_that_is_no_bundle_is_not_called_a_failed_one(call, tmp_path):
    (tmp_path / "drop").mkdir()
    code, out, err = call("verify", tmp_path / "drop")
    assert (code, out) == (4, "")
    assert err.endswith("holds no bundle; name the folder with bagit.txt in it, or the one above it")


def test_what_is_left_of_a_bundle_is_verified_and_fails(call, tmp_path):
    (tmp_path / "data").mkdir()
    assert call("verify", tmp_path)[0] == 6


def test_a_port_that_cannot_be_is_a_wrong_line(call):
    code, out, err = call("view", "--port", "99999")
    assert (code, out) == (2, "")
    assert err.startswith("daylight: Invalid value for '--port'")


def test_approving_an_unknown_request_says_that_there_is_none(call):
    code, _, err = call("approve", "2026-0099", "--by", "P. Officer")
    assert (code, err) == (
        2,
        "daylight: there is no request 2026-0099; `daylight status` lists what there is",
    )


def test_a_confirmation_needs_a_reason_in_words(call, request_file):
    call("open", request_file())
    code, _, err = call("retention", "confirm", "2026-0001", "0" * 32, "none", "--why", " ", "--by", "P.")
    assert (code, err) == (2, "daylight: say why: the reason stays with the item")


def test_a_catalogue_that_does_not_open_is_not_called_an_altered_log(call, tmp_path):
    (tmp_path / "home/catalogue/daylight.sqlite").mkdir(parents=True)
    code, out, _ = call("doctor")
    found = {check["check"]: check for check in map(json.loads, out.splitlines())}
    assert code == 6
    assert found["catalogue"]["ok"] is False
    assert found["audit"] == {
        "check": "audit",
        "ok": True,
        "found": "not looked at: the catalogue cannot be opened",
        "do": "",
    }


def test_ctrl_c_says_that_the_command_resumes(call, monkeypatch):
    def interrupted(_settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("desk.doctor.checks", interrupted)
    code, out, err = call("doctor")
    assert (code, out) == (130, "")
    assert err == "daylight: interrupted; run the same command again to resume"


def test_a_service_manager_stops_a_command_as_ctrl_c_does(call, monkeypatch):
    monkeypatch.setattr("desk.doctor.checks", lambda _settings: signal.raise_signal(signal.SIGTERM))
    code, out, err = call("doctor")
    assert (code, out) == (130, "")
    assert err == "daylight: interrupted; run the same command again to resume"


def test_ctrl_c_is_how_the_pages_end(tmp_path):
    command = [sys.executable, "-m", "cli.main", "--home", str(tmp_path / "home"), "view", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as pages:
        assert pages.stderr is not None
        assert pages.stderr.readline().startswith("Open http://127.0.0.1:")
        os.kill(pages.pid, signal.SIGINT)
        assert (pages.wait(20), pages.stderr.read()) == (0, "")
