"""Draft, approval, package: what is in a bundle, what is refused, and that it comes out the same again."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import stat
import threading
from dataclasses import replace

import bagit
import pytest

from records import audit
from records import tables as t
from records.decisions import Exemption
from records.errors import CheckFailed, DaylightError, SettingsError, UsageError
from release.package import present_draft
from release.verifier import verify
from tests.release.world import LEDGER, RELEASE, REQUEST, WITHHOLD, context


def table(folder, name):
    text = (folder / "release" / "data" / name).read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def load(folder, name):
    return json.loads((folder / "release" / "data" / name).read_text())


def snapshot(folder):
    """Every file's bytes, mode and time."""
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            stat.S_IMODE(path.stat().st_mode),
            int(path.stat().st_mtime),
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def approved(scenario, tmp_path, name="draft", **changes):
    draft = scenario.draft(tmp_path / name, **changes)
    assert draft.refusals == ()
    return scenario.approve(draft.manifest_sha256)


def test_the_whole_way(scenario, tmp_path):
    draft = scenario.draft(tmp_path / "draft")
    assert draft.installment == 1
    assert draft.counts == {
        "records": 11,
        "released": 7,
        "withheld_in_full": 4,
        "natives": 7,
        "texts": 6,
        "families": 7,
        "log_entries": 4,
        "conversation_pages": 0,
        "not_yet_produced": 6,
    }
    given = scenario.approve(draft.manifest_sha256)
    assert (given.installment, given.first_number, given.last_number) == (1, 1, 11)
    made = scenario.package(tmp_path / "out")
    assert made.counts == draft.counts
    report = verify(tmp_path / "out", scenario.key.fingerprint)
    assert report.ok, report.words()
    assert bagit.Bag(str(tmp_path / "out" / "release")).is_valid()
    manifest = (tmp_path / "out" / "release" / "tagmanifest-sha256.txt").read_bytes()
    assert hashlib.sha256(manifest).hexdigest() == made.manifest_sha256
    assert (tmp_path / "out" / "office" / "FINGERPRINT.txt").read_text().split("\n")[2] == made.fingerprint


def test_the_index(scenario, tmp_path):
    approved(scenario, tmp_path)
    scenario.package(tmp_path / "out")
    rows = table(tmp_path / "out", "index.csv")
    assert [row["number"] for row in rows] == [f"CFS{n:07d}" for n in range(1, 12)]
    first = rows[0]
    assert first == {
        "number": "CFS0000001",
        "family": "F00001",
        "family_numbers": "CFS0000001",
        "treatment": "released",
        "record_type": "e-mail",
        "date_time": "2026-01-03 09:04:05 -0800",
        "date_basis": "as stated",
        "from": "A. Clerk <clerk@cedarfalls.example>",
        "to": "parent@home.example",
        "cc": "",
        "bcc": "",
        "participants": "",
        "subject": "Bus route change",
        "file_name": "",
        "bytes": first["bytes"],
        "sha256": first["sha256"],
        "native": "natives/CFS0000001.eml",
        "text": "text/CFS0000001.txt",
        "custodian": "Ada Clerk",
        "duplicate_holders": "",
        "retention_series": "GS2010-001",
        "log_no": "",
        "conversation": "",
    }
    parent, part = rows[1], rows[2]
    assert parent["family_numbers"] == part["family_numbers"] == "CFS0000002 to CFS0000003"
    assert part["record_type"] == "file, attached"
    assert part["native"] == "natives/CFS0000003.pdf"
    withheld = [row for row in rows if row["treatment"] == "withheld in full"]
    assert len(withheld) == 4
    for row in withheld:
        shown = {key for key, value in row.items() if value}
        assert shown == {"number", "family", "family_numbers", "treatment", "record_type", "log_no"}
    for row in rows:
        if row["native"]:
            data = (tmp_path / "out" / "release" / "data" / row["native"]).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (int(row["bytes"]), row["sha256"])


def test_the_log_tells_who_only_where_it_may(scenario, tmp_path):
    approved(scenario, tmp_path)
    scenario.package(tmp_path / "out")
    log = table(tmp_path / "out", "exemption-log.csv")
    assert [row["log_no"] for row in log] == [f"{REQUEST}-{n:04d}" for n in range(1, 5)]
    first = log[0]
    assert first["author"] == "A. Clerk, school office"
    assert first["recipients"] == "name not shown"
    assert first["description"] == "E-mail"
    assert first["treatment"] == "withheld in full"
    assert first["exemption_code"] == "student-any-record"
    assert first["exemption_citation"] == "RCW 42.56.230(2)(a)(iii)"
    assert first["explanation"] == "It tells the grades of one pupil who is named throughout."
    assert first["privilege_basis"] == ""
    assert first["reviewer"] == "R. Officer"
    assert first["rule_or_human"] == "human"
    assert log[1]["privilege_basis"] == "RCW 5.60.060(2)(a); RCW 42.56.070(1)"
    assert log[2]["description"] == "File, attached"
    index = {row["number"]: row for row in table(tmp_path / "out", "index.csv")}
    for row in log:
        assert index[row["begin_no"]]["log_no"] == row["log_no"]


def test_two_claims_are_two_rows_of_one_entry(scenario, tmp_path):
    both = replace(
        WITHHOLD, exemptions=(*WITHHOLD.exemptions, Exemption("attorney-client", "Advice inside it."))
    )
    scenario.world.decide(scenario.withheld["grades"], both)
    approved(scenario, tmp_path, log_people={"clerk@cedarfalls.example": "B. Law, district counsel"})
    scenario.package(tmp_path / "out")
    log = table(tmp_path / "out", "exemption-log.csv")
    assert len(log) == 5
    assert log[0]["log_no"] == log[1]["log_no"]
    assert [row["attorney"] for row in log[:2]] == ["", "B. Law, district counsel"]
    assert verify(tmp_path / "out").ok


def test_counts_and_small_files(scenario, tmp_path):
    approved(scenario, tmp_path)
    scenario.package(tmp_path / "out")
    counts = load(tmp_path / "out", "counts.json")
    assert counts["review"] == {
        "stored": 21,
        "not_in_review": 1,
        "in_review": 20,
        "released_in_full": 7,
        "released_in_part": 0,
        "withheld_in_full": 4,
        "not_responsive": 2,
        "personal_matter": 1,
        "not_yet_produced": 6,
        "awaits": {
            "carries_withheld": 2,
            "decision": 1,
            "later_installment": 1,
            "notice": 1,
            "redaction": 1,
        },
        "decided_anew": 0,
    }
    assert counts["ledger"]["sources"] == [
        {
            "source": "mail",
            "places": 1,
            "expected": 4,
            "found": 4,
            "stored": 3,
            "failed": 1,
            "excluded": 0,
            "balanced": True,
        }
    ]
    assert table(tmp_path / "out", "unsearchable.csv") == [
        {"source": "mail", "reason": "encrypted", "count": "1"}
    ]
    assert table(tmp_path / "out", "terms.csv") == [{"note": "Search terms are not included in this bundle."}]
    (flag,) = table(tmp_path / "out", "retention.csv")
    assert (flag["number"], flag["series"], flag["title"]) == (
        "CFS0000001",
        "GS2010-001",
        "Staff communications",
    )
    status = load(tmp_path / "out", "status.json")
    assert status["working_copy"] is True
    assert status["statement"] == "WORKING COPY, NOT FOR DELIVERY"
    assert status["draft"] is False
    head = (tmp_path / "out" / "release" / "data" / "audit-head.txt").read_text()
    row = scenario.world.row(t.installments, installment=1)
    assert f"entry: {row.audit_seq}\nhash: {row.audit_head}\n" in head


def test_terms_only_as_cleared(scenario, tmp_path):
    approved(scenario, tmp_path, cleared_terms=("bus route", "=route*"))
    scenario.package(tmp_path / "out")
    assert table(tmp_path / "out", "terms.csv") == [{"term": "bus route"}, {"term": "'=route*"}]


def test_a_draft_has_draft_numbers_and_no_signature(scenario, tmp_path):
    scenario.draft(tmp_path / "draft")
    rows = table(tmp_path / "draft", "index.csv")
    assert [row["number"] for row in rows] == [f"DRAFT-{n:04d}" for n in range(1, 12)]
    assert rows[1]["family_numbers"] == "DRAFT-0002 to DRAFT-0003"
    assert not (tmp_path / "draft" / "release" / "signature.json").exists()
    report = verify(tmp_path / "draft")
    failed = [check["check"] for check in report.checks if not check["ok"]]
    assert failed == ["signature"]
    assert "DRAFT-0001.eml" in {
        p.name for p in (tmp_path / "draft" / "release" / "data" / "natives").iterdir()
    }
    with scenario.world.catalogue.read() as connection:
        assert connection.execute(t.numbers.select()).all() == []


def test_a_draft_comes_out_the_same_again(scenario, tmp_path):
    first, second = scenario.draft(tmp_path / "a"), scenario.draft(tmp_path / "b")
    assert first == second
    assert snapshot(tmp_path / "a") == snapshot(tmp_path / "b")
    with scenario.world.catalogue.read() as connection:
        assert len(connection.execute(t.drafts.select()).all()) == 1
    assert present_draft(scenario.world.catalogue, REQUEST) == first.manifest_sha256


def test_a_package_comes_out_the_same_again_whatever_is_decided_elsewhere(scenario, tmp_path):
    approved(scenario, tmp_path)
    first = scenario.package(tmp_path / "a")
    scenario.world.decide(scenario.kept["undecided"].item, RELEASE)
    scenario.world.flag(scenario.released["map"], 1, "GS7", title="Confirmed later")
    changed = context(requester_label="somebody else", unsearchable=(), agency="Another")
    second = scenario.package(tmp_path / "b", context=changed)
    assert first == second
    assert snapshot(tmp_path / "a" / "release") == snapshot(tmp_path / "b" / "release")


def test_the_second_instalment_goes_on(scenario, tmp_path):
    approved(scenario, tmp_path, "draft-1")
    scenario.package(tmp_path / "one")
    scenario.world.decide(scenario.kept["undecided"].item, RELEASE)
    scenario.world.decide(scenario.kept["redact"].item, WITHHOLD)
    given = approved(scenario, tmp_path, "draft-2")
    assert (given.installment, given.first_number, given.last_number) == (2, 12, 14)
    scenario.package(tmp_path / "two")
    assert verify(tmp_path / "two", scenario.key.fingerprint).ok
    rows = table(tmp_path / "two", "index.csv")
    assert [row["number"] for row in rows] == ["CFS0000012", "CFS0000013", "CFS0000014"]
    (log,) = table(tmp_path / "two", "exemption-log.csv")
    assert log["log_no"] == f"{REQUEST}-0005"
    again = scenario.package(tmp_path / "one-again", installment=1)
    assert snapshot(tmp_path / "one" / "release") == snapshot(tmp_path / "one-again" / "release")
    assert again.installment == 1


def test_a_family_produced_in_two_instalments_shows_both(scenario, tmp_path):
    later = scenario.world.add(
        parent=scenario.withheld["grades"], kind="file", text="late part", name="l.txt"
    )
    approved(scenario, tmp_path, "draft-1")
    scenario.package(tmp_path / "one")
    page = (tmp_path / "one" / "release" / "data" / "index.html").read_text()
    assert page.count("1 more member of this family is not yet produced.") == 3  # and the two containers
    scenario.world.decide(later, RELEASE)
    scenario.world.decide(scenario.kept["undecided"].item, RELEASE)
    approved(scenario, tmp_path, "draft-2")
    draft = {row["file_name"]: row for row in table(tmp_path / "draft-2", "index.csv")}
    assert draft["l.txt"]["family_numbers"] == "CFS0000007; DRAFT-0001"
    scenario.package(tmp_path / "two")
    final = {row["file_name"]: row for row in table(tmp_path / "two", "index.csv")}
    assert final["l.txt"]["family_numbers"] == "CFS0000007; CFS0000012"


def test_a_part_that_turns_up_later_stops_the_package_of_its_container(scenario, tmp_path):
    approved(scenario, tmp_path)
    scenario.world.add(WITHHOLD, parent=scenario.released["parent"], kind="file", text="late part")
    with pytest.raises(CheckFailed, match="CFS0000002"):
        scenario.package(tmp_path / "out")


def test_everything_is_on_disk_before_the_folder_has_its_name(scenario, tmp_path, monkeypatch, real_fsync):
    approved(scenario, tmp_path)
    synced, renamed = set(), []

    def fsync(descriptor):
        synced.add(os.fstat(descriptor).st_ino)

    def rename(self, target):
        inside = {p.stat().st_ino for p in self.rglob("*")}
        renamed.append((target.name, inside <= synced, self.stat().st_ino in synced))
        return os.rename(self, target)  # noqa: PTH104 - the method itself is replaced here

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(type(tmp_path), "rename", rename)
    scenario.package(tmp_path / "out")
    assert renamed == [("out", True, True)]
    assert tmp_path.stat().st_ino in synced


def test_package_without_an_approval_is_refused(scenario, tmp_path):
    with pytest.raises(UsageError, match="no draft"):
        scenario.package(tmp_path / "out")
    draft = scenario.draft(tmp_path / "draft")
    with pytest.raises(UsageError, match=f"{draft.manifest_sha256[:12]}.*is not approved"):
        scenario.package(tmp_path / "out")
    scenario.approve(draft.manifest_sha256, answer="rejected")
    with pytest.raises(UsageError, match="was rejected"):
        scenario.package(tmp_path / "out")
    with pytest.raises(UsageError, match="instalment 1 is not approved"):
        scenario.package(tmp_path / "out", installment=1)
    assert not (tmp_path / "out").exists()


def test_a_rejection_numbers_nothing(scenario, tmp_path):
    draft = scenario.draft(tmp_path / "draft")
    given = scenario.approve(draft.manifest_sha256, answer="rejected")
    assert (given.answer, given.first_number, given.frozen_at) == ("rejected", None, None)
    with scenario.world.catalogue.read() as connection:
        assert connection.execute(t.numbers.select()).all() == []
        assert connection.execute(t.installments.select()).all() == []
        assert [row.answer for row in connection.execute(t.approvals.select())] == ["rejected"]
    assert scenario.approve(draft.manifest_sha256).first_number == 1


@pytest.mark.parametrize(
    ("by", "answer"), [("", "approved"), ("  ", "approved"), ("R", ""), ("R", "yes"), ("R", "Approved")]
)
def test_an_answer_is_never_guessed(scenario, tmp_path, by, answer):
    draft = scenario.draft(tmp_path / "draft")
    with pytest.raises(UsageError):
        scenario.approve(draft.manifest_sha256, by, answer)
    with scenario.world.catalogue.read() as connection:
        assert connection.execute(t.approvals.select()).all() == []


def test_another_draft_than_the_present_one_is_refused_by_name(scenario, tmp_path):
    with pytest.raises(UsageError, match="no draft"):
        scenario.approve("0" * 64)
    old = scenario.draft(tmp_path / "old")
    scenario.world.decide(scenario.kept["undecided"].item, RELEASE)
    new = scenario.draft(tmp_path / "new")
    with pytest.raises(
        UsageError, match=f"{old.manifest_sha256[:12]} is not the present.*{new.manifest_sha256[:12]}"
    ):
        scenario.approve(old.manifest_sha256)
    scenario.approve(new.manifest_sha256)
    with pytest.raises(UsageError, match="not the present one"):
        scenario.approve(old.manifest_sha256)


def test_a_draft_that_no_longer_fits_the_catalogue_is_refused(scenario, tmp_path):
    draft = scenario.draft(tmp_path / "draft")
    scenario.world.decide(scenario.released["mail"], WITHHOLD)
    with pytest.raises(UsageError, match="has changed since the draft"):
        scenario.approve(draft.manifest_sha256)
    with scenario.world.catalogue.read() as connection:
        assert connection.execute(t.numbers.select()).all() == []


def test_the_package_names_a_newer_draft_of_the_same_instalment(scenario, tmp_path):
    approved(scenario, tmp_path)
    with scenario.world.catalogue.write() as connection:
        row = connection.execute(t.drafts.select()).one()
        connection.execute(t.drafts.insert(), {**row._mapping, "seq": 2, "draft_sha256": "e" * 64})
    with pytest.raises(UsageError, match="the present draft is eeeeeeeeeeee"):
        scenario.package(tmp_path / "out")
    scenario.package(tmp_path / "out", installment=1)


def test_a_decision_after_the_approval_stops_the_package(scenario, tmp_path):
    approved(scenario, tmp_path)
    scenario.world.decide(scenario.released["mail"], WITHHOLD)
    with pytest.raises(CheckFailed, match="CFS0000001"):
        scenario.package(tmp_path / "out")
    assert list(tmp_path.glob("*out*")) == []


def test_approving_again_changes_nothing(scenario, tmp_path):
    draft = scenario.draft(tmp_path / "draft")
    first = scenario.approve(draft.manifest_sha256)
    assert scenario.approve(draft.manifest_sha256, by="Somebody Else") == first
    with scenario.world.catalogue.read() as connection:
        assert len(connection.execute(t.approvals.select()).all()) == 1
        assert len(connection.execute(t.installments.select()).all()) == 1


def test_two_people_approving_at_once_number_once(scenario, tmp_path):
    draft = scenario.draft(tmp_path / "draft")
    given, failed = [], []

    def work(by):
        try:
            given.append(scenario.approve(draft.manifest_sha256, by))
        except DaylightError as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(f"P{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # one that was between its two looks may be told to look again; nobody gets other numbers
    assert len(set(given)) == 1
    assert all("changed while" in str(error) or "approved already" in str(error) for error in failed)
    with scenario.world.catalogue.read() as connection:
        assert len(connection.execute(t.installments.select()).all()) == 1
        assert len(connection.execute(t.numbers.select()).all()) == 11


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"citations": {}}, "has no citation"),
        (
            {"citations": {"student-any-record": " ", "attorney-client": "x"}},
            "student-any-record has no citation",
        ),
        ({"ledger": {**LEDGER, "balanced": False}}, "does not balance"),
    ],
)
def test_what_cannot_be_approved_says_why(scenario, tmp_path, changes, said):
    draft = scenario.draft(tmp_path / "draft", **changes)
    assert any(said in reason for reason in draft.refusals)
    with pytest.raises(CheckFailed, match=said):
        scenario.approve(draft.manifest_sha256)
    assert said in (tmp_path / "draft" / "office" / "CANNOT-BE-APPROVED.txt").read_text()


def test_an_unbalanced_ledger_with_a_reason_can_go(scenario, tmp_path):
    ledger = {
        **LEDGER,
        "balanced": False,
        "scopes": [{**LEDGER["scopes"][0], "expected": 9, "balanced": False}],
    }
    approved(
        scenario, tmp_path, ledger=ledger, unbalanced_because="Five messages were lost before the request."
    )
    scenario.package(tmp_path / "out")
    report = verify(tmp_path / "out")
    assert report.ok
    assert any("does not balance" in note for note in report.notes)
    assert "Five messages were lost" in (tmp_path / "out" / "release" / "data" / "index.html").read_text()


def test_a_withheld_record_needs_its_exemption_and_explanation(scenario, tmp_path):
    scenario.world.decide(scenario.withheld["grades"], replace(WITHHOLD, exemptions=()))
    blank = replace(WITHHOLD, exemptions=(Exemption("student-any-record", " "),))
    scenario.world.decide(scenario.withheld["advice"], blank)
    draft = scenario.draft(tmp_path / "draft")
    assert sorted(reason.split(" is ")[1] for reason in draft.refusals) == [
        "withheld without an exemption (RCW 42.56.210(3))",
        "withheld without an explanation (RCW 42.56.210(3))",
    ]


def test_an_empty_instalment_cannot_be_approved(world, tmp_path):
    from release.package import approve, build_draft

    draft = build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=context())
    assert draft.refusals == ("no record is decided and free to go out",)
    with pytest.raises(CheckFailed):
        approve(world.catalogue, REQUEST, draft.manifest_sha256, "R", "approved")


def test_nothing_is_overwritten(scenario, tmp_path):
    (tmp_path / "draft").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        scenario.draft(tmp_path / "draft")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="exists already"):
        scenario.draft(tmp_path / "link")
    assert list((tmp_path / "draft").iterdir()) == []


def test_a_failed_run_leaves_nothing_that_looks_finished(scenario, tmp_path, monkeypatch):
    approved(scenario, tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    reads = scenario.world.store.stream

    def breaks(ref):
        breaks.left -= 1
        if breaks.left == 0:
            raise OSError(28, "No space left on device")
        return reads(ref)

    for left in (1, 5, 12):
        breaks.left = left
        monkeypatch.setattr(scenario.world.store, "stream", breaks)
        with pytest.raises(DaylightError, match="No space left"):
            scenario.package(tmp_path / "out")
        assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_a_damaged_native_stops_it_by_item(scenario, tmp_path):
    approved(scenario, tmp_path)
    item = scenario.world.row(t.items, item_id=scenario.released["mail"])
    ref = scenario.world.store.find([item.blob_sha256])[item.blob_sha256]
    path = scenario.world.store.folder / ref.segment
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CheckFailed, match=item.item_id):
        scenario.package(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_prefix_that_ends_in_a_digit_or_changes_is_refused(scenario, tmp_path):
    with pytest.raises(SettingsError):
        scenario.draft(tmp_path / "draft", prefix="CFS1")
    approved(scenario, tmp_path, "draft-1")
    scenario.world.decide(scenario.kept["undecided"].item, RELEASE)
    draft = scenario.draft(tmp_path / "draft-2", prefix="OTHER")
    with pytest.raises(UsageError, match="prefix"):
        scenario.approve(draft.manifest_sha256)


def test_who_did_what_is_in_the_audit_log(scenario, tmp_path):
    draft = scenario.draft(tmp_path / "draft")
    scenario.approve(draft.manifest_sha256)
    scenario.package(tmp_path / "out")
    audit.verify(scenario.world.catalogue)
    with scenario.world.catalogue.read() as connection:
        entries = [
            json.loads(row.entry) for row in connection.execute(t.audit.select().order_by(t.audit.c.seq))
        ]
    assert [(e["action"], e["actor"]) for e in entries] == [
        ("drafted", "daylight"),
        ("approved", "R. Officer"),
        ("packaged", "daylight"),
    ]
    assert entries[1]["draft"] == draft.manifest_sha256
    assert (entries[1]["first"], entries[1]["last"]) == (1, 11)


def test_the_office_part(scenario, tmp_path):
    approved(scenario, tmp_path)
    scenario.package(tmp_path / "out")
    office = tmp_path / "out" / "office"
    names = sorted(path.name for path in office.iterdir())
    assert names == [
        "FINGERPRINT.txt",
        "costs.csv",
        "decisions.csv",
        "failures.csv",
        "hidden-in-natives.csv",
        "not-yet-produced.csv",
        "retention-suggestions.csv",
        "searches.csv",
        "working-copies.csv",
    ]
    assert stat.S_IMODE(office.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in office.iterdir()} == {0o600}
    waiting = (office / "not-yet-produced.csv").read_text("utf-8-sig")
    assert f"{scenario.kept['carrier'].item},carries_withheld\n" in waiting
    assert "The officer noted this thing" in (office / "decisions.csv").read_text("utf-8-sig")


def test_the_office_is_told_what_released_natives_give_away(world, tmp_path):
    from release.package import build_draft

    seen = world.add(RELEASE, native=b"plain", kind="file", name="a.docx", text="plain")
    told = world.add(
        RELEASE, native=b"marked", kind="file", name="b.docx", text="marked",
        warnings=("comments", "needs_ocr", "tracked_changes"),
    )  # fmt: skip
    world.add(WITHHOLD, native=b"kept", kind="file", name="c.docx", text="kept", warnings=("comments",))
    draft = build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=context())
    assert (draft.hidden_in_natives, draft.refusals) == (1, ())
    lines = (tmp_path / "draft" / "office" / "hidden-in-natives.csv").read_text("utf-8-sig").splitlines()
    assert lines == ["number,item_id,holds", f"DRAFT-0002,{told},comments; tracked_changes"]
    assert seen not in "".join(lines)


@pytest.mark.parametrize("name", ["decisions", "../x", "A", "", "a b", "a/b"])
def test_an_office_table_has_a_plain_name_of_its_own(scenario, tmp_path, name):
    with pytest.raises(SettingsError):
        scenario.draft(tmp_path / "draft", office={name: [{"a": 1}]})


def test_duplicates_name_their_holders(world, tmp_path):
    from release.package import build_draft

    for custodian in ("c1", "c2"):
        world.add(RELEASE, native=b"same", kind="file", name="same.txt", text="same", custodian=custodian)
    world.add(RELEASE, content_hash="cd" * 32, custodian="c1")
    world.add(RELEASE, content_hash="cd" * 32, custodian="c2")
    build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=context())
    rows = table(tmp_path / "draft", "index.csv")
    assert [(row["custodian"], row["duplicate_holders"]) for row in rows] == [
        ("Ada Clerk", "Ben Driver"),
        ("Ben Driver", "Ada Clerk"),
    ] * 2


def test_hostile_names_and_formulas_do_no_harm(world, tmp_path):
    from release.package import build_draft

    world.add(
        RELEASE,
        kind="file",
        name="../../etc/<img src=x onerror=alert(1)>.exe/../x.html",
        subject='=HYPERLINK("http://evil.example")',
        text="hostile",
        sender=(("<script>alert(1)</script>", "a@b.example"),),
    )
    world.add(RELEASE, kind="file", name="a.b.c.verylongextension", text="x")
    world.add(RELEASE, kind="file", name=None, media_type="text/plain; charset=x", text="y")
    world.add(RELEASE, kind="email", name="cur/123:2,S")
    world.add(RELEASE, kind="email", name="Re: v2.0 plan", media_type="application/vnd.ms-outlook")
    world.add(RELEASE, kind="event", name=None, media_type="application/ms-tnef")
    build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=context())
    rows = table(tmp_path / "draft", "index.csv")
    assert [row["native"] for row in rows] == [
        "natives/DRAFT-0001.html",
        "natives/DRAFT-0002.bin",
        "natives/DRAFT-0003.txt",
        "natives/DRAFT-0004.eml",
        "natives/DRAFT-0005.msg",
        "natives/DRAFT-0006.tnef",
    ]
    assert rows[0]["subject"].startswith("'=HYPERLINK")
    page = (tmp_path / "draft" / "release" / "data" / "index.html").read_text()
    assert "<script" not in page
    assert "onerror=alert(1)>" not in page
    assert sorted(p.name for p in (tmp_path / "draft").iterdir()) == ["office", "release"]
