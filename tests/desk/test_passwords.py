"""Locked files from their custodians' passwords to hits: what opens, what is told, what is left of it."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib

import pikepdf
import pytest
from typer.testing import CliRunner

from cli.main import app
from desk import ocr, passwords
from desk.bundle import accept_unbalanced
from desk.closing import close_request
from desk.home import Home
from desk.items import items
from desk.register import open_request
from desk.rereading import put_in_line
from desk.run import run_local
from desk.searching import count
from examples.district.build import build
from examples.district.documents import FILE_PASSWORD
from records import tables as t
from records.errors import AccessError, AlreadyRunning, SettingsError, UsageError
from records.ledger import ledger
from records.passwords import store_of
from records.settings import Settings
from tests.extract import pages_seen as p
from tests.extract import samples
from tests.small_request import ANA, LEE, request_file

RIGHT, WRONG, DIRECTED = 'swordfish 7,"x"', "not this one", "from-a-mail-5"
SCAN = "the scanner's 9"
PLANTED = (RIGHT, WRONG, DIRECTED, SCAN)


def pdf(password: str) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(samples.text_pdf())) as document:
        document.save(out, encryption=pikepdf.Encryption(user=password, owner="owner-7x"))
    return out.getvalue()


def zip_of(password: str, *members: tuple[str, bytes]) -> bytes:
    import pyzipper

    out = io.BytesIO()
    with pyzipper.AESZipFile(out, "w", encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(password.encode())
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def mail_with(name: str, data: bytes) -> bytes:
    from email.message import EmailMessage

    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = ANA[2], LEE[2], "Two files"
    mail["Date"] = "Mon, 02 Mar 2026 10:00:00 -0800"
    mail.set_content("The word is the usual one.")
    mail.add_attachment(data, maintype="application", subtype="zip", filename=name)
    return mail.as_bytes()


@pytest.fixture
def home(tmp_path):
    opened = Home.open(settings=Settings(home=tmp_path / "home", workers=1, ocr_languages="eng"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def run_before(tmp_path_factory):
    """Run a request of locked files once; each test takes a copy of its home."""
    base = tmp_path_factory.mktemp("run")
    folder = base / "files"
    folder.mkdir()
    (folder / "plan.pdf").write_bytes(pdf(RIGHT))
    (folder / "other.pdf").write_bytes(pdf(DIRECTED))
    (folder / "scan.pdf").write_bytes(samples.locked_pdf(SCAN))
    inner = zip_of(RIGHT, ("inner.txt", b"the innermost word"))
    packed = zip_of(RIGHT, ("notes.txt", b"about the zipped otter"), ("deep.zip", inner))
    (folder / "letter.eml").write_bytes(mail_with("notes.zip", packed))
    (folder / "open.txt").write_text("an open letter", "utf-8")
    made = Home.open(settings=Settings(home=base / "home", workers=1))
    request, _ = open_request(made, request_file(base, folder, "loose_files", people=(ANA, LEE)), by="pro")
    run_local(made, request)
    made.close()
    return base / "home", request


@pytest.fixture
def request_id(home, run_before):
    done, request = run_before
    home.close()
    shutil.copytree(done, home.settings.home, dirs_exist_ok=True)
    home.catalogue.migrate()
    return request


def written(tmp_path, *lines, mode=0o600, head="custodian,file_password,given"):
    path = tmp_path / "file-passwords.csv"
    path.write_text("\n".join([head, *lines]) + "\n", "utf-8")
    path.chmod(mode)
    return path


def quoted(password):
    return '"' + password.replace('"', '""') + '"'


def given(tmp_path):
    return written(
        tmp_path,
        f"ana,{WRONG},by phone",
        f"lee,{quoted(RIGHT)},handed over on paper",
        "",
        "nobody,x,by phone",
    )


def by_name(home, request_id):
    return {one["name"]: one for one in items(home, request_id)}


def found(home, request_id, query):
    return count(home, request_id, query, by="t")["documents"]


def log_of(home, action):
    with home.catalogue.read() as connection:
        entries = [
            json.loads(row[0])
            for row in connection.execute(t.audit.select().with_only_columns(t.audit.c.entry))
        ]
    return [entry for entry in entries if entry["action"] == action]


def everything(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.slow
def test_from_a_custodians_file_to_hits(home, request_id, tmp_path):
    before = by_name(home, request_id)
    closed = {
        "plan.pdf": "pdf_password",
        "other.pdf": "pdf_password",
        "notes.zip": "zip",
        "notes.txt": "zip_aes",
    }
    for name, detail in closed.items():
        assert before[name]["failure"] == {"reason": "encrypted", "retryable": False, "detail": detail}
    assert (found(home, request_id, "quick"), found(home, request_id, "otter")) == (0, 0)

    made = passwords.add_file(home, request_id, given(tmp_path), by="pro")
    assert made == {
        "request_id": request_id, "refs": ["p001", "p002"], "known": 0,
        "refused": [{"line": 5, "problem": "its custodian is none of the request"}],
    }  # fmt: skip
    done = passwords.try_again(home, request_id, by="pro")
    assert done.pop("terms") == {"terms": 1, "documents": 0, "bad_lines": 0}  # counted again
    assert done.pop("flag")["items"] == 0
    assert done == {
        "request_id": request_id, "items": 4, "families": 4, "produced": 0, "not_collected": 0, "batches": 1,
        "opened": 3, "still_locked": 2,
    }  # fmt: skip
    after = by_name(home, request_id)
    assert {name: after[name]["item_id"] for name in before} == {
        name: one["item_id"] for name, one in before.items()
    }  # nothing is collected anew, and every id stays
    assert sorted(set(after) - set(before)) == ["inner.txt"]
    assert (found(home, request_id, "quick"), found(home, request_id, "otter")) == (1, 1)
    assert found(home, request_id, "innermost") == 1
    told = {name: one["metadata"].get("opened_by") for name, one in after.items()}
    assert {name for name, refs in told.items() if refs == "p002"} == {
        "plan.pdf", "notes.zip", "notes.txt", "deep.zip", "inner.txt",
    }  # fmt: skip
    assert after["other.pdf"]["failure"] == before["other.pdf"]["failure"]
    assert after["other.pdf"]["metadata"]["passwords_tried"] == "p001 p002"
    assert ledger(home.catalogue, request_id).balanced
    opened = sorted(after[name]["item_id"] for name in ("plan.pdf", "notes.zip", "deep.zip"))
    assert sorted((e["item"], e["password"]) for e in log_of(home, "unlocked")) == [
        (i, "p002") for i in opened
    ]
    rows = list(passwords.listed(home, request_id))
    assert [row.pop("added_at")[-1] for row in rows] == ["Z", "Z"]
    same = {"kept": True, "only_item": None, "added_by": "pro"}
    assert rows == [
        {"ref": "p001", "custodian": "ana", "given": "by phone", "opened": [], **same},
        {"ref": "p002", "custodian": "lee", "given": "handed over on paper", "opened": opened, **same},
    ]
    again = passwords.try_again(home, request_id, by="pro")
    assert (again["items"], again["batches"], again["still_locked"]) == (0, 0, 2)  # nothing new to try


@pytest.mark.slow
def test_a_password_seen_in_a_mail_is_tried_on_the_one_item_that_is_directed(home, request_id, tmp_path):
    item = by_name(home, request_id)["other.pdf"]["item_id"]
    runner = CliRunner()
    base = ["--home", str(home.settings.home), "passwords"]
    direct = [*base, "direct", request_id, item, "--by", "pro", "--why", "in the letter of 2 March"]
    told = runner.invoke(app, direct, input=f"{DIRECTED}\n")
    assert (told.exit_code, json.loads(told.stdout)) == (
        0, {"request_id": request_id, "refs": ["p001"], "item": item},
    )  # fmt: skip
    done = json.loads(runner.invoke(app, [*base, "try", request_id, "--by", "pro"]).stdout)
    assert (done["items"], done["opened"], done["still_locked"]) == (1, 1, 3)
    after = by_name(home, request_id)
    assert after["other.pdf"]["metadata"]["opened_by"] == "p001"
    assert "passwords_tried" not in after["plan.pdf"]["metadata"]
    (entry,) = log_of(home, "password_added")
    assert (entry["item"], entry["password"], entry["actor"]) == (item, "p001", "pro")
    (row,) = map(json.loads, runner.invoke(app, [*base, "list", request_id]).stdout.splitlines())
    assert (row["ref"], row["only_item"], row["opened"]) == ("p001", item, [item])
    two = runner.invoke(app, direct, input="a\nb\n")
    assert isinstance(two.exception, UsageError)
    member = by_name(home, request_id)["notes.txt"]["item_id"]  # a member: it is tried on its archive
    made = passwords.add_for_item(home, request_id, member, RIGHT, by="pro", why="directed")
    assert made["item"] == after["notes.zip"]["item_id"]
    assert passwords.try_again(home, request_id, by="pro")["opened"] == 1  # the zip in it was not directed
    locked = {one["name"]: one for one in passwords.locked(home, request_id)}
    assert sorted(locked) == ["deep.zip", "plan.pdf", "scan.pdf"]
    assert (locked["deep.zip"]["members"] != [], locked["deep.zip"]["openable"]) == (True, True)
    for wrong, message in (("nothing", "has no locked item"), (item, "has no locked item")):
        with pytest.raises(UsageError, match=message):
            passwords.add_for_item(home, request_id, wrong, "x", by="pro", why="y")
    with pytest.raises(SettingsError, match="there is no password"):
        passwords.add_for_item(home, request_id, member, " ", by="pro", why="y")


@pytest.mark.slow
def test_no_password_is_in_any_file_of_the_home_or_in_what_is_printed(home, request_id, tmp_path, capfd):
    path = given(tmp_path)
    runner = CliRunner()
    base = ["--home", str(home.settings.home), "passwords"]
    said = []
    for verb, *words in (
        ("add", str(path), "--by", "pro"), ("list",), ("locked",), ("try", "--by", "pro"), ("list",),
        ("remove", "p001", "--by", "pro"), ("remove", "p009", "--by", "pro"),
    ):  # fmt: skip
        told = runner.invoke(app, [*base, verb, request_id, *words])
        said.append(told.stdout + told.stderr + repr(told.exception))
    path.unlink()
    shown = "".join(said) + "".join(capfd.readouterr())
    whole = everything(home.settings.home)
    assert (tmp_path / "home/requests" / request_id / "passwords.bin").exists()
    for secret in PLANTED:
        assert secret not in shown
        assert json.dumps(secret)[1:-1] not in shown
        for form in (secret.encode(), secret.encode("utf-16-le"), json.dumps(secret)[1:-1].encode()):
            assert form not in whole
    assert sorted(one["ref"] for one in passwords.listed(home, request_id)) == ["p002"]
    assert passwords.wipe(home, request_id, by="pro")
    left = list(passwords.listed(home, request_id))
    assert [(one["ref"], one["kept"], len(one["opened"])) for one in left] == [("p002", False, 3)]
    assert not passwords.wipe(home, request_id, by="pro")
    added = passwords.add_file(home, request_id, written(tmp_path, "ana,new,by mail"), by="pro")
    assert added["refs"] == ["p003"]  # a reference is never used again
    assert [entry["password"] for entry in log_of(home, "password_removed")] == ["p001"]


def test_files_that_are_refused_by_name(home, tmp_path):
    request, _ = open_request(home, request_file(tmp_path, tmp_path), by="pro")
    line = f"ana,{WRONG},by phone"

    def refused(path, kind, message):
        with pytest.raises(kind, match=message) as error:
            passwords.add_file(home, request, path, by="pro")
        assert WRONG not in str(error.value)

    refused(written(tmp_path, line, mode=0o640), SettingsError, r"read by others \(mode 0640\)")
    refused(
        written(tmp_path, line, head="custodian,password"),
        SettingsError,
        "lacks the column file_password and given",
    )
    refused(written(tmp_path, f'ana,"{WRONG}'), SettingsError, "is no CSV behind line 1")
    refused(tmp_path / "missing.csv", AccessError, "cannot be opened")
    refused(tmp_path, SettingsError, "is no regular file")
    link = tmp_path / "link.csv"
    link.symlink_to(written(tmp_path, line))
    refused(link, AccessError, "cannot be opened")
    latin = tmp_path / "latin.csv"
    latin.touch(0o600)
    latin.write_bytes("custodian,file_password,given\nana,größe,x\n".encode("latin-1"))
    refused(latin, SettingsError, "is not UTF-8")
    latin.write_bytes(b"x" * (1 << 20) + b"y")
    refused(latin, SettingsError, "larger than 1 MB")
    if os.geteuid() == 0:
        theirs = written(tmp_path, line)
        os.chown(theirs, 12345, -1)
        refused(theirs, AccessError, "belongs to somebody else")
    assert not store_of(home.settings, request).exists


def test_lines_that_are_refused_cost_themselves(home, tmp_path):
    request, _ = open_request(home, request_file(tmp_path, tmp_path), by="pro")
    path = written(
        tmp_path, "ana,,by phone", "ana,good,", f"ana,{'x' * 256},by phone", "ana,a\tb,by phone", "ana,a,b,c",
        "ana, spaced ,by phone", "ana, spaced ,by phone", "ana,größe,by phone",
    )  # fmt: skip
    made = passwords.add_file(home, request, path, by="pro")
    assert (made["refs"], made["known"]) == (["p001", "p002"], 1)
    assert [(one["line"], one["problem"]) for one in made["refused"]] == [
        (2, "there is no password"),
        (3, "it does not say where the password came from"),
        (4, "a password has 255 characters at most"),
        (5, "a password has no line break and no control character"),
        (6, "it has more cells than the first line"),
    ]
    assert [one.secret for one in store_of(home.settings, request).read()] == [" spaced ", "größe"]
    again = passwords.add_file(home, request, path, by="pro")
    assert (again["refs"], again["known"]) == ([], 3)
    with pytest.raises(UsageError, match="keeps no password p009"):
        passwords.remove(home, request, ["p001", "p009"], by="pro")
    assert passwords.remove(home, request, ["p001"], by="pro")["kept"] == 1


@pytest.mark.slow
def test_a_run_reads_what_was_locked_with_passwords_that_were_there_before(home, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "plan.pdf").write_bytes(pdf(RIGHT))
    request, _ = open_request(
        home, request_file(tmp_path, folder, "loose_files", people=(ANA, LEE)), by="pro"
    )
    passwords.add_file(home, request, given(tmp_path), by="pro")
    run_local(home, request)
    (one,) = items(home, request)
    assert (one["failure"], one["metadata"]["opened_by"]) == (None, "p002")
    key = store_of(home.settings, request).key
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(SettingsError, match="have lost their key"):
        passwords.try_again(home, request, by="pro")
    key.write_bytes(kept)
    key.chmod(0o600)


@pytest.mark.slow
def test_a_kill_in_the_middle_is_made_up(home, request_id, tmp_path):
    passwords.add_file(home, request_id, given(tmp_path), by="pro")

    code = (
        "import os, signal\nfrom desk import rereading\n"
        "rereading._read = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from cli.main import main\nmain()"
    )
    words = ["--home", str(home.settings.home), "passwords", "try", request_id, "--by", "pro"]
    ended = subprocess.run([sys.executable, "-c", code, *words], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL
    assert not ledger(home.catalogue, request_id).balanced  # what was forgotten is not told to be read
    done = passwords.try_again(home, request_id, by="pro")
    assert (done["opened"], done["still_locked"], done["batches"]) == (3, 2, 1)
    assert (found(home, request_id, "quick"), found(home, request_id, "otter")) == (1, 1)
    assert ledger(home.catalogue, request_id).balanced
    assert len(log_of(home, "unlocked")) == 3


@pytest.mark.slow
def test_a_family_of_which_a_record_was_produced_stays_as_it_went_out(home, request_id, tmp_path):
    passwords.add_file(home, request_id, given(tmp_path), by="pro")
    before = list(items(home, request_id))
    with home.catalogue.write() as connection:
        for number, one in enumerate((one for one in before if one["parent_id"] is None), 1):
            row = {"request_id": request_id, "item_id": one["item_id"], "number": number, "installment": 1}
            connection.execute(t.numbers.insert(), row)
    done = passwords.try_again(home, request_id, by="pro")
    assert (done["items"], done["produced"], done["batches"]) == (0, 4, 0)
    assert list(items(home, request_id)) == before


def test_closing_wipes_key_and_passwords(home, tmp_path):
    request, _ = open_request(home, request_file(tmp_path, tmp_path, people=(ANA, LEE)), by="pro")
    passwords.add_file(home, request, given(tmp_path), by="pro")
    with pytest.raises(UsageError, match="has not been run"):
        close_request(home, request, by="pro")
    kept = store_of(home.settings, request)
    assert (kept.path.exists(), kept.key.exists()) == (True, True)
    with home.catalogue.write() as connection:
        connection.execute(t.requests.update().values(state="complete"))
    accept_unbalanced(home, request, by="pro", why="nothing was collected")
    close_request(home, request, by="pro")
    assert (kept.path.exists(), kept.key.exists()) == (False, False)
    assert [entry["actor"] for entry in log_of(home, "passwords_wiped")] == ["pro"]
    for work in (
        lambda: passwords.add_file(home, request, given(tmp_path), by="pro"),
        lambda: passwords.try_again(home, request, by="pro"),
    ):
        with pytest.raises(UsageError, match=f"request {request} is closed"):
            work()


def test_another_process_at_work_is_not_disturbed(home, tmp_path):
    from desk import runlock

    request, _ = open_request(home, request_file(tmp_path, tmp_path), by="pro")
    with runlock.local_run(home, request), pytest.raises(AlreadyRunning):
        passwords.try_again(home, request, by="pro")


@pytest.mark.slow
def test_pages_of_an_opened_scan_are_read_and_stay_read(home, request_id, tmp_path, monkeypatch):
    path, log = p.answering(tmp_path / "bin")
    monkeypatch.setenv("PATH", path)
    passwords.add_file(home, request_id, written(tmp_path, f"ana,{SCAN},by phone"), by="pro")
    assert passwords.try_again(home, request_id, by="pro")["opened"] == 1
    done = ocr.run_local(home, request_id)
    assert (done["read_now"], done["failed_now"]) == (2, 0)
    first = by_name(home, request_id)["scan.pdf"]
    assert (first["ocr_pages"], first["metadata"]["opened_by"]) == ([], "p001")
    passwords.add_file(home, request_id, given(tmp_path), by="pro")
    put_in_line(home, request_id, [first["item_id"]], by="pro", why="retry")
    assert passwords.try_again(home, request_id, by="pro")["still_locked"] == 1
    again = by_name(home, request_id)["scan.pdf"]
    assert {name for name in first if again[name] != first[name]} == {"metadata"}
    assert again["metadata"]["passwords_tried"] == "p002"  # of its custodian, the newer one first
    assert len(log.read_text().split()) == 2  # no page was read twice


@pytest.mark.slow
def test_the_locked_files_of_the_district(home, tmp_path):
    district = tmp_path / "district"
    build(300, 11, district)
    rows = [json.loads(line) for line in (district / "truth.jsonl").read_text("utf-8").splitlines()]
    kept = ("loose-02", "mail-02", "mail-04")
    planted = sorted(
        child["name"].rpartition("/")[2]
        for row in rows
        if row["source_id"] in kept
        for child in (row, *row["children"])
        if (child.get("text") or {}).get("reason") == "encrypted"
    )
    assert planted == ["closed.pdf", "closed.zip", "driver list.pdf", "drivers.zip", "locked.pdf"]
    text = (district / "request-bus.toml").read_text("utf-8")
    head, *sources = text.split("[[sources]]\n")
    wanted = [one for one in sources if any(f'id = "{name}"' in one for name in kept)]
    request_toml = district / "request-locked.toml"
    request_toml.write_text("[[sources]]\n".join([head, *wanted]), "utf-8")
    assert len(tomllib.loads(request_toml.read_text("utf-8"))["sources"]) == 3
    request, _ = open_request(home, request_toml, by="pro")
    run_local(home, request)
    assert found(home, request, "body:locked") == 0
    closed = {one["item_id"]: one["name"] for one in passwords.locked(home, request)}
    assert sorted(closed.values()) == planted
    assert passwords.try_again(home, request, by="pro")["items"] == 0  # without a password nothing is tried
    made = passwords.add_file(home, request, district / "file-passwords.csv", by="pro")
    assert (made["refs"], made["refused"]) == (["p001", "p002"], [])
    done = passwords.try_again(home, request, by="pro")
    assert (done["items"], done["opened"], done["still_locked"]) == (5, 5, 0)
    now = {one["item_id"]: one for one in items(home, request)}
    assert {now[item]["metadata"]["opened_by"] for item in closed} == {"p002"}
    # three PDFs and one text in each of two archives, found by the word in them
    assert found(home, request, "body:locked") == 5
    assert ledger(home.catalogue, request).balanced
    assert FILE_PASSWORD.encode() not in everything(home.settings.home)
