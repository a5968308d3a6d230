"""The district is what its truth table says, by readers of the standard library only."""

import csv
import email
import gzip
import hashlib
import json
import re
import tomllib
import unicodedata
import zipfile
from collections import Counter
from datetime import date
from email import policy
from pathlib import Path

import pytest

from examples.district.__main__ import main
from examples.district.asks import CONTRACT_TERMS, Fields, Tokens, make_asks
from examples.district.build import LARGEST, SMALLEST, build
from records.roster import read_roster
from records.vocabulary import CollectionState, Kind, Reason, TextState

ITEMS = 640
SEEDS = (1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow))


@pytest.fixture(scope="module", params=SEEDS)
def district(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("district") / "d"
    build(ITEMS, request.param, out)
    return out


@pytest.fixture(scope="module")
def truth(district):
    return [json.loads(line) for line in (district / "truth.jsonl").read_text("utf-8").splitlines()]


def family(row):
    yield row
    for child in row["children"]:
        yield from family(child)


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def tree(folder):
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def source_path(district, source_id):
    raw = tomllib.loads((district / "request-bus.toml").read_text("utf-8"))
    return district / next(s["path"] for s in raw["sources"] if s["id"] == source_id)


# -- the same seed, any size


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        build(SMALLEST, seed, tmp_path / name)
    first = tree(tmp_path / "a")
    assert tree(tmp_path / "b") == first
    other = tree(tmp_path / "c")
    assert first["truth.jsonl"] != other["truth.jsonl"]
    assert first["staff.csv"] != other["staff.csv"]


@pytest.mark.parametrize("items", [SMALLEST, 499, 501, 1_733])
def test_any_size_is_met_exactly(tmp_path, items):
    assert build(items, 1, tmp_path / "d")["items"] == items
    assert len((tmp_path / "d" / "truth.jsonl").read_text("utf-8").splitlines()) == items


@pytest.mark.parametrize("items", [0, SMALLEST - 1, LARGEST + 1])
def test_a_size_out_of_range_is_refused(tmp_path, items, capsys):
    assert main(["--items", str(items), "--out", str(tmp_path / "d")]) == 2
    assert "--items must be from 300 to 1000000" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_a_folder_that_holds_something_is_refused(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("x")
    assert main(["--items", "300", "--out", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_the_command_prints_its_counts(tmp_path, capsys):
    assert main(["--items", "300", "--seed", "9", "--out", str(tmp_path / "d")]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["items"], shown["seed"]) == (300, 9)
    assert sum(shown["by_source"].values()) == sum(shown["by_state"].values()) == 300


# -- who and what


def test_it_has_the_people_it_promises(district):
    staff = table(district / "staff.csv")
    students = table(district / "students.csv")
    assert sum(p["id"].startswith("s") for p in staff) == 64
    assert sum(p["role"] == "Board Member" for p in staff) == 5
    assert Counter(p["role"] for p in staff)["Superintendent"] == 1
    assert Counter(p["role"] for p in staff)["Attorney"] == 1
    assert len({s["student_id"] for s in students}) == 400
    assert len({s["school"] for s in students}) == 4
    assert all(s["guardian"] for s in students)
    assert any(not p["name"].isascii() for p in staff)
    addresses = [p["email"] for p in staff]
    assert len(set(addresses)) == len(addresses)
    assert all(a.endswith(".example") for a in [*addresses, *(s["guardian_email"] for s in students)])
    assert all(re.fullmatch(r"\+1\d{3}55501\d\d", p["number"]) for p in staff)


def test_every_connector_and_every_kind_of_attachment_is_there(truth):
    assert {row["connector"] for row in truth} == {
        "mail_files",
        "sms_backup_restore",
        "google_takeout",
        "loose_files",
        "imessage",
        "whatsapp",
        "message_table",
        "screenshots",
        "social_media",
        "transcripts",
    }
    names = {(m["name"] or "").rpartition(".")[2].lower() for row in truth for m in family(row)}
    assert {
        "docx",
        "xlsx",
        "pptx",
        "pdf",
        "jpg",
        "png",
        "zip",
        "eml",
        "ics",
        "xml",
        "csv",
        "txt",
        "json",
    } <= names
    tags = {tag for row in truth for m in family(row) for tag in m["tags"]}
    wanted = """
        hidden_sheet speaker_notes scan image archive nested_mail calendar encrypted bomb
        unsafe_names broken empty entities depth_limit hit_subject hit_body hit_html hit_docx
        hit_hidden_sheet hit_notes hit_pdf hit_zip_member hit_nested hit_text mms personal_account
        near_miss false_hit student_data attorney personal undated misdated no_zone outside_window edge
        duplicate truncated_tail broken_mime found_only_after_ocr html_only failed_send draft
        deliberative vendor forward reply quoted latin1 utf8 base64 rfc2231 utf16 nfd_name
        tapback edited unsent recently_deleted autumn_hour missing_media media_absent system_line
        translated transcript screenshot overlap"""
    assert set(wanted.split()) <= tags
    assert {row["kind"] for row in truth} >= {"email", "message", "call", "chat", "post", "file"}


def test_states_and_reasons_are_those_of_the_vocabulary(truth):
    seen = set()
    for row in truth:
        for member in family(row):
            Kind(member["kind"])
            CollectionState(member["collection"]["state"])
            assert (member["collection"]["reason"] is None) == (member["collection"]["state"] == "stored")
            if member["text"] is not None:
                TextState(member["text"]["state"])
                assert (member["text"]["reason"] is None) == (member["text"]["state"] == "searchable")
            for state in (member["collection"], member["text"] or {}):
                if state.get("reason"):
                    seen.add(Reason(state["reason"]))
    assert seen == {
        Reason.ENCRYPTED,
        Reason.CORRUPT,
        Reason.TRUNCATED,
        Reason.BOMB,
        Reason.NO_TEXT,
        Reason.NEEDS_OCR,
        Reason.OUTSIDE_WINDOW,
        Reason.EXPORT_SCAFFOLDING,
        Reason.LAYOUT_PART,
        Reason.NOT_IN_EXPORT,
        Reason.OMITTED_BY_USER,
    }


def test_a_row_is_named_once(truth):
    keys = Counter((row["source_id"], row["scope"], row["native_key"]) for row in truth)
    assert set(keys.values()) == {1}
    assert len({(row["source_id"], row["native_key"]) for row in truth}) == ITEMS


def test_copies_of_a_message_form_one_group(truth):
    groups = Counter(row["content_group"] for row in truth if row["kind"] == "email")
    spread = {row["content_group"] for row in truth if "spread" in row["tags"]}
    assert [groups[g] for g in spread] == [4]  # Maildir, mbox, mbox.gz, zip
    places = {row["connector"] + row["scope"] for row in truth if row["content_group"] in spread}
    assert len(places) >= 4
    twice = [row for row in truth if row["connector"] == "mail_files" and "duplicate" in row["tags"]]
    assert [row["native_key"].rpartition(":")[2] for row in twice] == ["0", "1"]
    assert len({row["sha256"] for row in twice}) == 1


def test_the_roster_names_everybody_and_every_school(district):
    lines = read_roster((district / "roster.csv").read_text("utf-8"))
    guardians = {(s["guardian"], s["guardian_email"]) for s in table(district / "students.csv")}
    assert Counter(line.kind for line in lines) == {
        "staff": 64 + 2, "student": 400 + 1, "guardian": len(guardians) + 1, "school": 4, "office": 3,
        "programme": 2, "vendor": 3 + 2, "board": 5, "counsel": 1, "mailbox": 3,
    }  # fmt: skip
    emails = [email for line in lines for email in line.emails]
    assert len(set(emails)) == len(emails)
    assert {p["email"] for p in table(district / "staff.csv")} <= set(emails)
    whose = Counter(line.guardian_of for line in lines if line.kind == "guardian")
    assert set(whose) == {(line.name,) for line in lines if line.kind == "student"}


def test_the_truth_of_the_policy_is_what_stands_on_the_phones(district, truth):
    """By the words in the backups themselves, read by the standard library."""
    lines = [json.loads(text) for text in (district / "truth-policy.jsonl").read_text("utf-8").splitlines()]
    assert Counter((line["rule"], bool(line["near_miss"])) for line in lines) == {
        ("substantive-business", False): 2, ("substantive-business", True): 1,
        ("password", False): 1, ("password", True): 1,
        ("political-use", False): 1, ("political-use", True): 1,
        ("commercial-use", False): 1, ("commercial-use", True): 1,
        ("student-without-guardian", False): 1, ("student-without-guardian", True): 1,
    }  # fmt: skip
    assert [len(line["items"]) for line in lines] == [1] * 9 + [2, 1]
    stored = {
        (row["source_id"], row["native_key"]) for row in truth if row["collection"]["state"] == "stored"
    }
    for line in lines:
        for item in line["items"]:
            assert (item["source_id"], item["native_key"]) in stored
            (file,) = source_path(district, item["source_id"]).glob("sms-*.xml")
            elements = re.findall(rb"<sms [^>]*/>|<mms .*?</mms>", file.read_bytes(), re.DOTALL)
            digests = {hashlib.sha256(one).hexdigest(): one for one in elements}
            said = digests[item["native_key"].partition(":")[0]]
            pupil = line["rule"] == "student-without-guardian"
            assert (b"+15645550171" in said) is pupil
            assert (b"+15645550172" in said) is (pupil and bool(line["near_miss"]))


# -- the requests


def test_requests_parse_and_name_only_what_is_there(district, truth):
    files = sorted(district.glob("request-*.toml"))
    assert [f.name for f in files] == ["request-bus.toml", "request-contract.toml", "request-staffing.toml"]
    for file in files:
        raw = tomllib.loads(file.read_text("utf-8"))
        assert set(raw) <= {
            "text", "received_on", "requester", "time_zone", "window", "terms", "custodians", "sources",
            "roster", "domains", "ruled_out",
        }  # fmt: skip
        assert set(raw["window"]) == {"from", "to"}
        assert raw["domains"] == ["aldervalley.example"]
        assert (district / raw["roster"]).is_file()
        assert len(raw.get("ruled_out", [])) == {"bus": 2, "contract": 1, "staffing": 0}[file.stem[8:]]
        assert isinstance(raw["received_on"], date)
        custodians = {c["id"] for c in raw["custodians"]}
        for custodian in raw["custodians"]:
            assert set(custodian) == {"id", "name", "role", "emails", "numbers", "aliases"}
        for source in raw["sources"]:
            needed = {"id", "connector", "custodian", "path", "readers"}
            assert set(source) - {"options", "declared"} == needed
            assert source["custodian"] in custodians
            assert (district / source["path"]).exists()
        terms = table(district / raw["terms"])
        assert set(terms[0]) == {"term", "note"}
        assert len(terms) >= 4
    main_sources = {s["id"] for s in tomllib.loads(files[0].read_text("utf-8"))["sources"]}
    assert main_sources == {row["source_id"] for row in truth}
    listed = [r["term"] for r in table(district / "terms-contract.csv")]
    assert listed == [t.query for t in CONTRACT_TERMS]


def test_every_term_finds_something_but_those_that_must_not(district, truth):
    for name in ("bus", "contract", "staffing"):
        listed = [r["term"] for r in table(district / f"terms-{name}.csv")]
        found = {t for row in truth for m in family(row) for t in m["planted"].get(name, ())}
        silent = [t for t in listed if t not in found]
        assert silent == {
            "bus": ['"snow route detour"'],
            "contract": ["(boiler AND", '"asbestos abatement rider"'],
        }.get(name, [])


def test_windows_hold_for_each_request(truth):
    edges = {row["sent_at"]: row for row in truth if "edge" in row["tags"]}
    assert edges["2026-01-01T07:59:59Z"]["collection"] == {"state": "excluded", "reason": "outside_window"}
    assert edges["2026-01-01T08:00:00Z"]["collection"]["state"] == "stored"
    assert edges["2026-07-01T06:59:59Z"]["collection"]["state"] == "stored"
    assert edges["2026-07-01T07:00:00Z"]["collection"]["state"] == "excluded"
    assert edges["2026-01-01T04:00:00Z"]["collection"]["state"] == "stored"  # no zone: in doubt
    for row in truth:
        if "undated" in row["tags"] or "misdated" in row["tags"]:
            assert row["collection"]["state"] == "stored"
    differs = [row for row in truth if "collection_by_request" in row]
    assert differs
    assert {name for row in differs for name in row["collection_by_request"]} == {"contract", "staffing"}


def test_every_member_of_a_family_in_review_has_an_answer(truth):
    codes = {row["code"] for row in table(Path("review/exemptions.csv"))}
    treatments = Counter()
    for row in truth:
        members = list(family(row))
        for name in {n for m in members for n in m["planted"]}:
            for member in members:
                if member["collection"]["state"] == "stored" or member is row:
                    treatments[check_answer(member["review"][name], codes)] += 1
        for name in row["review"]:
            assert any(name in m["planted"] for m in members)
    assert set(treatments) == {"release", "redact", "withhold", "not responsive", "personal"}


def check_answer(answer, codes):
    assert set(answer) == {
        "public_record", "facts", "responsive", "treatment", "exemption_code", "explanation", "hold", "note",
    }  # fmt: skip
    assert answer["hold"] in ("", "notice", "counsel", "second_reader")
    if not answer["public_record"]:
        assert answer["facts"]
        return "personal"
    if not answer["responsive"]:
        assert answer["treatment"] == ""
        return "not responsive"
    claims = answer["treatment"] != "release"
    assert (answer["exemption_code"] in codes) == claims
    assert bool(answer["explanation"]) == claims
    return answer["treatment"]


def test_near_misses_do_not_hit_and_scans_hit_only_after_ocr(truth):
    near = [m for row in truth for m in family(row) if "near_miss" in m["tags"]]
    assert len(near) >= 10
    assert all(not m["planted"] for m in near)
    late = [m for row in truth for m in family(row) if m.get("after_ocr")]
    assert len(late) >= 6
    assert all(m["text"] == {"state": "pending", "reason": "needs_ocr"} for m in late)


def test_every_planted_form_adds_what_no_term_finds(district, truth):
    rows = [json.loads(line) for line in (district / "truth-variants.jsonl").read_text("utf-8").splitlines()]
    assert Counter(row["request"] for row in rows) == {"bus": 10, "contract": 11, "staffing": 7}
    assert {row["way"] for row in rows} == {
        "name", "alias", "acronym", "nickname", "initials", "order", "handle", "phone", "spacing",
        "misspelling", "stem",
    }  # fmt: skip
    families = {(row["source_id"], row["native_key"]): row for row in truth}
    for row in rows:
        assert row["added_documents"] >= row["added_families"] == len(row["families"]) > 0
        for source, key in row["families"]:
            found = families[source, key]
            assert "variant" in found["tags"]
            assert row["request"] not in found["planted"]
    assert all(not row["planted"] for row in truth if "variant" in row["tags"])


# -- the files


def plain_text(message):
    """Text, attachments and names of a message, by the standard library."""
    texts, files = [], []
    for part in message.iter_parts() if message.is_multipart() else [message]:
        if part.get_content_type() == "multipart/alternative":
            inner = [body(p) for p in part.iter_parts()]
            texts.append("\n".join(inner))
        elif part.is_attachment() or part.get("Content-Disposition", "").startswith("inline"):
            files.append(part)
        else:
            texts.append(body(part))
    return "\n".join(texts), files


def body(part):
    text = part.get_payload(decode=True).decode(part.get_content_charset() or "ascii", "replace")
    return (
        re.sub(r"<[^>]+>", "", text).replace("&nbsp;", " ")
        if part.get_content_type() == "text/html"
        else text
    )


def check_message(raw, row, asks):
    if {"broken_mime", "raw_header", "empty"} & {*row["tags"]}:
        return
    message = email.message_from_bytes(raw, policy=policy.default)
    text, files = plain_text(message)
    tokens = Tokens(
        Fields(
            str(message["Subject"]), text, "", f"{message['From']} {message['To']} {message['Cc']}", "email"
        )
    )
    for ask in asks:
        state = row.get("collection_by_request", {}).get(ask.name, row["collection"])["state"]
        if ask.searches(row["source_id"]) and state == "stored":
            assert row["planted"].get(ask.name, []) == ask.hits(tokens), row
    assert len(files) == len(row["children"])
    for part, child in zip(files, row["children"], strict=True):
        assert part.get_filename() == child["name"]
        if child["sha256"]:
            assert hashlib.sha256(part.get_payload(decode=True)).hexdigest() == child["sha256"]


@pytest.fixture(scope="module")
def asks(district):
    used = {}
    for name in ("contract", "staffing"):
        raw = tomllib.loads((district / f"request-{name}.toml").read_text("utf-8"))
        used[name] = frozenset(s["id"] for s in raw["sources"])
    return make_asks(used["contract"], used["staffing"])


def test_maildirs_hold_exactly_the_messages_of_the_table(district, truth, asks):
    for n in range(1, 15):
        rows = {row["native_key"]: row for row in truth if row["source_id"] == f"mail-{n:02}"}
        folder = source_path(district, f"mail-{n:02}")
        files = {str(p.relative_to(folder)).partition(":2,")[0]: p for p in folder.rglob("*") if p.is_file()}
        assert files.keys() == rows.keys()
        for key, path in files.items():
            raw = path.read_bytes()
            assert hashlib.sha256(raw).hexdigest() == rows[key]["sha256"]
            assert len(raw) == rows[key]["bytes"]
            check_message(raw, rows[key], asks)


def messages_of(data, eol=b"\n"):
    """Cut an mbox at its separators; each message up to and without the separator's blank line."""
    starts = [m.start() for m in re.finditer(rb"^From MAILER@.*\r?\n", data, re.MULTILINE)]
    for at, end in zip(starts, [*starts[1:], len(data)], strict=True):
        body_ = data[data.index(b"\n", at) + 1 : end]
        yield body_.removesuffix(eol) if body_.endswith(eol + eol) else body_


def check_mbox(data, rows, asks, eol=b"\n"):
    seen = Counter()
    found = {}
    for message in messages_of(data, eol):
        digest = hashlib.sha256(message).hexdigest()
        found[f"{digest}:{seen[digest]}"] = message
        seen[digest] += 1
    assert found.keys() == rows.keys()
    for key, message in found.items():
        check_message(message.replace(b"\n>From ", b"\nFrom "), rows[key], asks)


def test_mboxes_hold_exactly_the_messages_of_the_table(district, truth, asks):
    plain = source_path(district, "mbox-01").read_bytes()
    assert not plain.endswith(b"\n")
    assert b"\n>From here on" in plain
    assert b"\n>>From the old file" in plain
    check_mbox(plain, {r["native_key"]: r for r in truth if r["source_id"] == "mbox-01"}, asks)
    packed = gzip.decompress(source_path(district, "mbox-02").read_bytes())
    check_mbox(packed, {r["native_key"]: r for r in truth if r["source_id"] == "mbox-02"}, asks)


def test_the_zip_of_mail_holds_exactly_the_messages_of_the_table(district, truth, asks):
    rows = {r["native_key"]: r for r in truth if r["source_id"] == "mailzip-01"}
    folder = source_path(district, "mailzip-01")
    (path,) = folder.iterdir()
    with zipfile.ZipFile(path) as packed:
        assert {f"{path.name}!{name}" for name in packed.namelist()} == rows.keys()
        for name in packed.namelist():
            row = rows[f"{path.name}!{name}"]
            if row["tags"] == ["failed"]:
                assert row["collection"] == {"state": "failed", "reason": "encrypted"}
                with pytest.raises(RuntimeError, match="password required"):
                    packed.read(name)
                continue
            raw = packed.read(name)
            assert b"\r\n" in raw
            check_message(raw, row, asks)


def test_backups_hold_exactly_the_elements_of_the_table(district, truth):
    for n in (1, 2, 3, 4):
        rows = {r["native_key"] for r in truth if r["source_id"] == f"phone-{n:02}"}
        found = set()
        for path in sorted(source_path(district, f"phone-{n:02}").iterdir()):
            data = path.read_bytes()
            elements = re.findall(rb"<(?:sms|call) [^>]*/>|<mms .*?</mms>", data, re.DOTALL)
            assert int(re.search(rb'count="(\d+)"', data)[1]) == len(elements)
            seen = Counter()
            for element in elements:
                digest = hashlib.sha256(element).hexdigest()
                found.add(f"{digest}:{seen[digest]}")
                seen[digest] += 1
        assert found == rows
    older = {r["native_key"]: r for r in truth if r["source_id"] == "phone-04"}
    newer = {r["native_key"]: r for r in truth if r["source_id"] == "phone-01"}
    assert len(older) == 8
    for key, row in older.items():
        assert {**row, "source_id": 0, "scope": 0, "tags": row["tags"][:-1]} == {
            **newer[key],
            "source_id": 0,
            "scope": 0,
        }
    assert b"&#55357;&#56832;" in (source_path(district, "phone-01") / "sms-20260701093000.xml").read_bytes()


def test_exports_hold_exactly_what_the_table_says(district, truth, asks):
    box = "Takeout/Mail/All mail Including Spam and Trash.mbox"
    for source_id, parts, eol in (("takeout-01", 1, b"\n"), ("takeout-02", 2, b"\r\n")):
        rows = {r["native_key"]: r for r in truth if r["source_id"] == source_id}
        zips = sorted(source_path(district, source_id).iterdir())
        assert len(zips) == parts
        members = {}
        for path in zips:
            with zipfile.ZipFile(path) as packed:
                members.update({name: packed.read(name) for name in packed.namelist()})
        mail = {key: row for key, row in rows.items() if row["kind"] == "email"}
        check_mbox(members.pop(box), mail, asks, eol)
        chats = {key: row for key, row in rows.items() if row["kind"] == "chat"}
        folder = f"Takeout/Google Chat/Groups/{next(iter(chats)).partition('/')[0]}"
        check_chat(members.pop(f"{folder}/messages.json"), chats)
        lost = {key for key, row in rows.items() if row["collection"]["reason"] == "not_in_export"}
        if source_id == "takeout-01":
            assert lost == {f"{folder}/list.docx#DM Qx7pAAAAE/t0004/t0004"}
        assert members.keys() == rows.keys() - mail.keys() - chats.keys() - lost
        for name, data in members.items():
            assert hashlib.sha256(data).hexdigest() == rows[name]["sha256"]
            if name.endswith(".json"):
                json.loads(data)
        assert rows["Takeout/archive_browser.html"]["collection"]["reason"] == "export_scaffolding"


def check_chat(data, rows):
    text = data.decode()
    messages = json.loads(text)["messages"]
    assert [m["message_id"] for m in messages] == list(rows)
    for message in messages:
        row = rows[message["message_id"]]
        start = text.rindex('{\n      "creator"', 0, text.index(f'"{message["message_id"]}"'))
        end = json.JSONDecoder().raw_decode(text, start)[1]
        raw = text[start:end].encode()
        assert (hashlib.sha256(raw).hexdigest(), len(raw)) == (row["sha256"], row["bytes"])
        assert ("deleted" in row["tags"]) == (message.get("message_state") == "DELETED")


def test_loose_files_are_exactly_those_of_the_table(district, truth):
    for source_id in ("loose-01", "loose-02"):
        rows = {r["native_key"]: r for r in truth if r["source_id"] == source_id}
        folder = source_path(district, source_id)
        files = {
            unicodedata.normalize("NFC", str(p.relative_to(folder))): p
            for p in folder.rglob("*")
            if p.is_file()
        }
        assert files.keys() == rows.keys()
        for key, path in files.items():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == rows[key]["sha256"]
            assert path.stat().st_mtime == 1_770_742_800


def test_hostile_files_are_as_hostile_as_they_say(district, truth):
    folder = source_path(district, "loose-02") / "mixed"
    bomb = folder / "old backup.zip"
    with zipfile.ZipFile(bomb) as packed:
        assert packed.infolist()[0].file_size > 500 * bomb.stat().st_size
    with zipfile.ZipFile(folder / "from the vendor.zip") as packed:
        assert packed.namelist() == ["../../outside.txt", "/etc/absolute.txt", "inside.txt"]
    assert not zipfile.is_zipfile(folder / "half of it.zip")
    assert (folder / "nothing.txt").stat().st_size == 0
    depth, row = 0, next(r for r in truth if r["name"] == "well.zip")
    while row["children"]:
        (row,) = row["children"]
        depth += 1
    assert depth == 12
    assert row["text"] == {"state": "not_searchable", "reason": "bomb"}
    with zipfile.ZipFile(folder / "closed.zip") as packed, pytest.raises(RuntimeError):
        packed.read("inside.txt")


def test_nothing_of_the_readers_is_imported():
    rooms = r"^\s*(?:from|import) (records|connectors|extract|search|review|release|retention|desk|cli)\b"
    made = (Path("examples/district"), Path("examples/exports"))
    for path in [*(path for folder in made for path in folder.rglob("*.py")), Path("examples/decide.py")]:
        assert not re.search(rooms, path.read_text("utf-8"), re.MULTILINE), path


# -- leads


def test_leads_are_planted_where_there_is_room_for_them(tmp_path):
    for items, kinds, near_misses in ((SMALLEST, 0, 0), (1_000, 8, 12), (2_800, 9, 12)):
        out = tmp_path / str(items)
        assert build(items, 4, out)["items"] == items
        lines = [json.loads(line) for line in (out / "truth-leads.jsonl").read_text("utf-8").splitlines()]
        assert len({line["kind"] for line in lines if "subject" in line}) == kinds
        assert sum("near_miss" in line for line in lines) == near_misses
        stored = {
            (row["source_id"], row["native_key"])
            for row in map(json.loads, (out / "truth.jsonl").read_text("utf-8").splitlines())
            if row["collection"]["state"] == "stored" and row["review"].get("bus", {}).get("responsive")
        }
        for line in lines:
            assert line["items"]
            assert {(item["source_id"], item["native_key"]) for item in line["items"]} <= stored


def test_nothing_is_left_in_the_mailbox_with_the_gap(tmp_path):
    build(2_800, 4, tmp_path / "d")
    rows = [json.loads(line) for line in (tmp_path / "d" / "truth.jsonl").read_text("utf-8").splitlines()]
    (gap,) = [
        line
        for line in map(json.loads, (tmp_path / "d" / "truth-leads.jsonl").read_text("utf-8").splitlines())
        if line["kind"] == "mail_gap"
    ]
    days = sorted(
        row["sent_at"][:10] for row in rows if row["source_id"] == gap["subject"] and row["sent_at"]
    )
    assert [day for day in days if gap["from"] < day <= gap["to"]] == []
    assert days[0] < gap["from"] < gap["to"] < days[-1]
    others = {row["source_id"] for row in rows if (row["sent_at"] or "")[:7] == "2026-05"}
    assert len(others) > 15
