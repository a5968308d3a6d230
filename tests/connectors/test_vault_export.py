"""Vault exports: what each fault of a package costs, and what the reports tell of a message."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections import OrderedDict
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from connectors import vault_facts
from connectors.mail_files import MailFiles
from connectors.vault_export import VaultExport
from records import canonical
from records.errors import ItemError, SettingsError
from records.models import ExcludedItem, FailedItem, Unreached, Window
from records.vocabulary import Kind, Reach, Reason, WarningCode
from tests.connectors.builders import ALWAYS, ZONE, context, everything, keyed
from tests.connectors.collecting import collected, until_done
from tests.connectors.packages import (
    ANA,
    LEE,
    Mail,
    PurviewItem,
    PurviewPackage,
    VaultPackage,
    csv_bytes,
    document,
    metadata_xml,
    vault_mbox,
    write,
    zip_bytes,
)


def key(mail: Mail, ordinal: int = 0) -> str:
    return f"{hashlib.sha256(mail.raw).hexdigest()}:{ordinal}"


def read(path: Path, **options: str) -> tuple[dict[str, object], dict[str, str]]:
    """Return all values by native key, and the failures of scopes by key."""
    source = VaultExport(replace(context(str(path)), options=options))
    source.check()
    values: dict[str, object] = {}
    failures: dict[str, str] = {}
    for scope in source.scopes():
        try:
            values |= {value.native_key: value for value in everything(source, scope)[0]}
        except ItemError as err:
            failures[scope.key] = f"{err.reason} {err.detail}"
    return values, failures


# --- what the reports tell of a message ----------------------------------------------------------------


def test_labels_holder_and_ids_are_joined(tmp_path):
    mail = Mail(1, labels='^INBOX,"Staff, all",^OPENED', bcc="c@example.org")
    values, _ = read(write(tmp_path / "x", VaultPackage(mails=[mail]).build()))
    assert values[key(mail)].metadata == {
        "account": ANA,
        "bcc": "c@example.org",
        "gmail_id": "msg-f:1700001",
        "labelname": "Staff",
        "labels": 'INBOX,"Staff, all",OPENED',
        "received": "2025-03-04T18:20:40+00:00",
    }


def test_the_same_message_of_two_holders_has_the_labels_of_each(tmp_path):
    raw = Mail(1).raw
    mails = [Mail(1, ANA, "^INBOX", raw=raw), Mail(1, LEE, "^SENT", raw=raw)]
    source = VaultExport(context(str(write(tmp_path / "x", VaultPackage(mails=mails).build()))))
    found = {
        scope.label: [dict(value.metadata) for value in everything(source, scope)[0]]
        for scope in source.scopes()
        if scope.kind == "mbox"
    }
    assert [facts["labels"] for facts in found[ANA]] == ["INBOX"]
    assert [facts["labels"] for facts in found[LEE]] == ["SENT"]
    assert found[LEE][0]["account"] == LEE


def test_two_rows_of_one_message_give_all_labels(tmp_path):
    mail = Mail(1)
    package = VaultPackage(mails=[mail])
    files = package.build(sums=False)
    package.mails = [Mail(1, labels="^INBOX"), Mail(1, labels="^SENT")]
    files["Export1-metadata.csv"] = package.build()["Export1-metadata.csv"]
    values, _ = read(write(tmp_path / "x", files))
    assert values[key(mail)].metadata["labels"] == "INBOX,SENT"


@pytest.mark.parametrize(
    ("labels", "code"), [("^DRAFT", WarningCode.DRAFT), ("^DELETED,^TRASH", WarningCode.DELETED)]
)
def test_drafts_and_deleted_messages_are_marked(tmp_path, labels, code):
    mail = Mail(1, labels=labels)
    values, _ = read(write(tmp_path / "x", VaultPackage(mails=[mail]).build()))
    assert values[key(mail)].warnings == (code,)


def test_the_older_layout_is_joined_by_its_place(tmp_path):
    """Its messages need no Message-ID, and two equal ones have the labels of each."""
    raw = Mail(0, message_id="").raw
    mails = [Mail(n, message_id="", raw=raw, labels=f"^L{n}") for n in range(2)]
    values, _ = read(write(tmp_path / "x", VaultPackage(mails=mails, old=True).build()))
    assert [values[key(mails[0], n)].metadata["labels"] for n in range(2)] == ["L0", "L1"]


def test_a_message_without_a_row_says_so(tmp_path):
    known, unknown = Mail(1), Mail(2)
    files = VaultPackage(mails=[known, unknown]).build(sums=False)
    files["Export1-metadata.csv"] = VaultPackage(mails=[known]).build()["Export1-metadata.csv"]
    del files["Export1-metadata.xml"]
    values, _ = read(write(tmp_path / "x", files))
    assert values[key(known)].warnings == ()
    assert values[key(unknown)].warnings == (WarningCode.MISSING_PART,)


def test_columns_are_found_by_header_whatever_their_order_and_spelling(tmp_path):
    mail = Mail(1)
    files = VaultPackage(mails=[mail]).build(sums=False)
    del files["Export1-metadata.xml"]
    header = ("labels", "Something new", "ACCOUNT", "rfc822 message id")
    files["Export1-metadata.csv"] = csv_bytes(header, [("^A;^B", "x", ANA, "m1@example.org")], ";").replace(
        b'"^A;^B"', b'"^A,^B"'
    )
    values, _ = read(write(tmp_path / "x", files))
    assert values[key(mail)].metadata == {"account": ANA, "labels": "A,B", "somethingnew": "x"}


def test_linked_files_that_are_not_in_the_package_are_marked(tmp_path):
    mail = Mail(1)
    package = VaultPackage(mails=[mail])
    header = ("Account", "Rfc822MessageId", "DriveUrl", "DriveItemId")
    gone = (ANA, "m1@example.org", "", "gone-012345")
    package.files["Export1-drive-links.csv"] = csv_bytes(
        header,
        [(ANA, "m1@example.org", "https://x", "1AbCdEfGhIjKl"), gone],
    )
    package.files["Export1_Drive_Link_Export_0.zip"] = zip_bytes({"plan_1AbCdEfGhIjKl.docx": b"PK\x03\x04"})
    values, _ = read(write(tmp_path / "x", package.build()))
    found = values[key(mail)]
    native = "Export1_Drive_Link_Export_0.zip!plan_1AbCdEfGhIjKl.docx"
    assert canonical.loads(found.metadata["drive_links"]) == [
        {"id": "1AbCdEfGhIjKl", "native_key": native, "url": "https://x"},
        {"id": "gone-012345"},
    ]
    assert found.warnings == (WarningCode.MISSING_PART,)


def test_files_of_drive_have_the_facts_of_their_document(tmp_path):
    name = "Budget ü_1AbCdEfGhIjKl.xlsx"
    tags = {"#Author": ANA, "#Title": "Budget ü", "#DateModified": "2025-03-04T18:20:34Z", "Viewers": LEE}
    files = {
        "Drive1_1.zip": zip_bytes({name: b"PK\x03\x04 x", "Form_1ZyXwVuTsRqPo.zip": b"PK\x03\x04 y"}),
        "Drive1-metadata.xml": metadata_xml([
            document("d1", tags | {"DocumentType": "SPREADSHEET"}, {"FileName": name, "Hash": "ab"}),
            document("d2", {"DocumentType": "FORM"}, {"FileName": "Form_1ZyXwVuTsRqPo.zip"}),
            document("d3", {"DocumentType": "PDF"}, {"FileName": "lost_1QqQqQqQqQqQq.pdf"}),
        ]),
        "Drive1-custodian-docid.csv": csv_bytes(("Custodian", "DocID"), [(ANA, "d1"), (LEE, "d1")]),
    }  # fmt: skip
    path = write(tmp_path / "x", files)
    values, _ = read(path)
    assert values[f"Drive1_1.zip!{name}"].metadata == {
        "account": f"{ANA}, {LEE}",
        "author": ANA,
        "datemodified": "2025-03-04T18:20:34Z",
        "docid": "d1",
        "documenttype": "SPREADSHEET",
        "drive_id": "1AbCdEfGhIjKl",
        "md5": "ab",
        "title": "Budget ü",
        "viewers": LEE,
    }
    source = VaultExport(context(str(path)))
    scope = next(scope for scope in source.scopes() if scope.key == "Drive1")
    assert (
        source.count(scope).count == 3
    )  # the metadata has one more than the zips: the ledger will not balance
    assert source.count(scope).by == "metadata"
    assert len(everything(source, scope)[0]) == 2


def test_chat_is_chat_and_is_not_expected_by_its_counts(tmp_path):
    """A conversation is exported with 12 hours around a hit, which the counts leave out."""
    mails = [Mail(n) for n in range(3)]
    files = {
        "Chat1-1.zip": zip_bytes({f"Chat1-{ANA}-a1.mbox": vault_mbox(mails)}),
        "Chat1-metadata.csv": csv_bytes(
            ("Rfc822MessageId", "Account", "RoomID", "RoomName"), [("m0@example.org", ANA, "sp1", "Gym")]
        ),
        "Chat1-results-count.csv": csv_bytes(("Account", "Count"), [(ANA, 1)]),
        "Chat1-group-membership.csv": csv_bytes(("Group", "Member"), [("g", ANA)]),
    }
    path = write(tmp_path / "x", files)
    source = VaultExport(context(str(path)))
    scope = next(scope for scope in source.scopes() if scope.kind == "mbox")
    values, _ = everything(source, scope)
    assert {value.kind for value in values} == {Kind.CHAT}
    assert {name: values[0].metadata[name] for name in ("group", "group_name")} == {
        "group": "sp1",
        "group_name": "Gym",
    }
    assert (source.count(scope).count, source.count(scope).by) == (3, "byte scan")


# --- what a fault costs --------------------------------------------------------------------------------


def two_parts() -> tuple[list[Mail], dict[str, bytes]]:
    mails = [Mail(n) for n in range(4)] + [Mail(9, LEE)]
    return mails, VaultPackage(mails=mails).build(per_zip=2)


def test_a_wrong_sum_costs_its_part_only(tmp_path):
    mails, files = two_parts()
    broken = bytearray(files["Export1-1.zip"])
    broken[40] ^= 1
    files["Export1-1.zip"] = bytes(broken)
    path = write(tmp_path / "x", files)
    done = collected(tmp_path / "home", VaultExport, context(str(path)))
    assert done.scopes[f"Export1/{ANA}"] == (4, 2, "corrupt", "md5")
    assert done.scopes[f"Export1/{LEE}"] == (1, 1, None, None)
    assert {key(mail) for mail in mails[2:]} <= set(done.items)
    assert not {key(mail) for mail in mails[:2]} & set(done.items)


def test_the_sum_is_checked_before_anything_is_given_out(tmp_path):
    _, files = two_parts()
    files["Export1-1.zip"] += b"\x00"  # opens all the same
    source = VaultExport(context(str(write(tmp_path / "x", files))))
    scope = next(iter(source.scopes()))
    with pytest.raises(Exception, match=r"^corrupt: md5$"):
        next(source.items(next(source.parts(scope, 10, 1 << 30)), ALWAYS))


def test_metadata_with_a_wrong_sum_is_not_used_and_fails_by_name(tmp_path):
    mails, files = two_parts()
    files["Export1-metadata.csv"] = files["Export1-metadata.csv"].replace(b"INBOX", b"TRASH")
    del files["Export1-metadata.xml"]
    files["Export1.md5"] = b"".join(
        line + b"\n" for line in files["Export1.md5"].splitlines() if b"metadata.xml" not in line
    )
    values, _ = read(write(tmp_path / "x", files))
    assert values["Export1-metadata.csv"] == FailedItem(
        "Export1-metadata.csv", Kind.FILE, values["Export1-metadata.csv"].cursor, Reason.CORRUPT, "md5",
        "Export1-metadata.csv",
    )  # fmt: skip
    assert values[key(mails[0])].metadata == {}


def test_counts_with_a_wrong_sum_leave_a_line_count(tmp_path):
    _, files = two_parts()
    files["Export1-result-counts.csv"] += b" "
    source = VaultExport(context(str(write(tmp_path / "x", files))))
    scope = next(iter(source.scopes()))
    assert (source.count(scope).count, source.count(scope).by) == (4, "byte scan")


def test_a_part_that_is_missing_is_named_even_the_last(tmp_path):
    _, files = two_parts()
    del files["Export1-3.zip"]
    path = write(tmp_path / "x", files)
    values, _ = read(path)
    lost = values["Export1-3.zip"]
    assert (lost.reason, lost.detail) == (Reason.NOT_IN_EXPORT, "export_part")
    (path / "Export1.md5").unlink()
    assert "Export1-3.zip" not in read(path)[0]  # nothing says that there was one
    (path / "Export1-1.zip").unlink()
    assert read(path)[0]["Export1-1.zip"].reason is Reason.NOT_IN_EXPORT  # its number does


def test_a_zip_that_does_not_open_fails_as_a_place(tmp_path):
    mails, files = two_parts()
    files["Export1-1.zip"] = files["Export1-1.zip"][:-30]
    values, failures = read(write(tmp_path / "x", files))
    assert failures == {"Export1-1.zip": "truncated zip_directory"}
    assert {key(mail) for mail in mails[2:]} <= set(values)


def test_a_name_that_a_browser_changed_is_the_same_file(tmp_path):
    mails, files = two_parts()
    files["Export1-1 (1).zip"] = files.pop("Export1-1.zip")
    values, failures = read(write(tmp_path / "x", files))
    assert failures == {}
    assert {key(mail) for mail in mails} <= set(values)
    assert not [value for value in values.values() if isinstance(value, FailedItem)]


def test_every_error_of_a_message_is_a_failed_item(tmp_path):
    package = VaultPackage(
        mails=[Mail(1)], errors=[("msg-f:7", "MESSAGE_ERROR"), ("msg-f:8", "zanzibar said so")]
    )
    path = write(tmp_path / "x", package.build())
    done = collected(tmp_path / "home", VaultExport, context(str(path)))
    assert done.scopes["Export1-errors.xml#errors"] == (2, 2, None, None)
    rows = [done.items[f"Export1-errors.xml#{n}"] for n in (1, 2)]
    assert [(row.state, row.reason, row.detail, row.name) for row in rows] == [
        ("failed", "refused_by_source", "message_error", "msg-f:7"),
        ("failed", "refused_by_source", "vault_error", "msg-f:8"),
    ]


def test_errors_of_an_unknown_layout_are_refused_by_name(tmp_path):
    files = VaultPackage(mails=[Mail(1)]).build(sums=False)
    files["Export1-errors.xml"] = b'<Report><Trouble with="zanzibar"/></Report>'
    _, failures = read(write(tmp_path / "x", files))
    assert failures == {"Export1-errors.xml#errors": "unsupported xml_layout"}


def test_errors_as_csv(tmp_path):
    files = VaultPackage(mails=[Mail(1)]).build(sums=False)
    files["Export1-error.csv"] = csv_bytes(("Document ID", "Error Description"), [("1AbC", "zanzibar")])
    values, _ = read(write(tmp_path / "x", files))
    found = values["Export1-error.csv#1"]
    assert (found.kind, found.reason, found.detail, found.name) == (
        Kind.FILE, Reason.REFUSED_BY_SOURCE, "vault_error", "1AbC",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "detail"), [("AccountError", "account_error"), ("PartialAccountError", "account_partial")]
)
def test_an_account_that_failed_is_a_place_that_failed(tmp_path, status, detail):
    package = VaultPackage(mails=[Mail(1)], status={LEE: status})
    path = write(tmp_path / "x", package.build())
    done = collected(tmp_path / "home", VaultExport, context(str(path)))
    assert done.scopes[f"Export1-result-counts.csv#{LEE}"] == (None, 0, "refused_by_source", detail)
    assert done.scopes[f"Export1/{ANA}"] == (1, 1, None, None)


def test_accounts_of_an_older_list_of_exceptions_failed(tmp_path):
    files = VaultPackage(mails=[Mail(1)], old=True).build(sums=False)
    files["Export1-account-exceptions.csv"] = csv_bytes(("Account", "Exception"), [(LEE, "x")])
    _, failures = read(write(tmp_path / "x", files))
    assert failures == {f"Export1-account-exceptions.csv#{LEE}": "refused_by_source account_error"}


def test_a_message_that_vault_counted_and_did_not_give_breaks_the_balance(tmp_path):
    files = VaultPackage(mails=[Mail(1), Mail(2)]).build(sums=False)
    files["Export1-1.zip"] = VaultPackage(mails=[Mail(1)]).build()["Export1-1.zip"]
    path = write(tmp_path / "x", files)
    done = collected(tmp_path / "home", VaultExport, context(str(path)))
    assert done.scopes[f"Export1/{ANA}"] == (2, 1, None, None)


def test_metadata_that_is_cut_fails_and_what_it_gave_is_kept(tmp_path):
    mails = [Mail(n, message_id="") for n in range(3)]
    files = VaultPackage(mails=mails, old=True).build(sums=False)
    xml = files["Export1-metadata.xml"]
    files["Export1-metadata.xml"] = xml[: xml.index(b"002-")]
    values, _ = read(write(tmp_path / "x", files))
    assert values["Export1-metadata.xml"].reason is Reason.TRUNCATED
    assert values[key(mails[0])].metadata["labels"] == "INBOX,OPENED"
    assert values[key(mails[2])].warnings == (WarningCode.MISSING_PART,)


def test_xml_that_declares_entities_is_not_read(tmp_path):
    files = VaultPackage(mails=[Mail(1)], old=True).build(sums=False)
    files["Export1-metadata.xml"] = files["Export1-metadata.xml"].replace(
        b"<Root", b'<!DOCTYPE Root [<!ENTITY a "aaaaaaaaaa">]><Root', 1
    )
    values, _ = read(write(tmp_path / "x", files))
    assert (values["Export1-metadata.xml"].reason, values["Export1-metadata.xml"].detail) == (
        Reason.CORRUPT,
        "xml_entities",
    )


def test_a_report_whose_columns_are_not_known_fails_by_name(tmp_path):
    files = VaultPackage(mails=[Mail(1)]).build(sums=False)
    files["Export1-result-counts.csv"] = csv_bytes(("Alpha", "Beta"), [(ANA, 1)])
    values, _ = read(write(tmp_path / "x", files))
    found = values["Export1-result-counts.csv"]
    assert (found.reason, found.detail) == (Reason.UNSUPPORTED, "columns")


def test_a_pst_without_a_header_is_stored_and_says_that_it_cannot_be_opened(tmp_path):
    files = VaultPackage(mails=[Mail(1)]).build(sums=False)
    files["Export1-1.zip"] = zip_bytes({f"Export1-{ANA}-a1.pst": b"!BDN" + bytes(100)})
    values, _ = read(write(tmp_path / "x", files))
    found = values[f"Export1-1.zip!Export1-{ANA}-a1.pst"]
    assert (found.kind, found.metadata) == (
        Kind.FILE,
        {"container": "pst: stored, cannot be opened here"},
    )


def test_an_encrypted_member_fails_alone(tmp_path):
    from tests.connectors.builders import encrypted_zip

    files = VaultPackage(mails=[Mail(1)]).build(sums=False)
    files["Drive1_1.zip"] = encrypted_zip({"a_1AbCdEfGhIjKl.txt": b"a"}, {"b_1ZyXwVuTsRqPo.txt": b"b"})
    values, _ = read(write(tmp_path / "x", files))
    assert values["Drive1_1.zip!b_1ZyXwVuTsRqPo.txt"].reason is Reason.ENCRYPTED
    assert values["Drive1_1.zip!a_1AbCdEfGhIjKl.txt"].size_bytes == 1


def test_a_link_beside_the_parts_is_not_followed(tmp_path):
    path = write(tmp_path / "x", VaultPackage(mails=[Mail(1)]).build())
    (path / "more.txt").symlink_to("/etc/hostname")
    assert read(path)[0]["more.txt"].reason is Reason.UNSAFE_NAME


def test_a_folder_without_an_export_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"^source s1: no Vault export at its path"):
        VaultExport(context(str(write(tmp_path / "x", {"a.txt": b"a"})))).check()


def test_what_else_a_folder_may_hold_is_told(tmp_path):
    package = VaultPackage(mails=[Mail(1)]).build()

    def said(name, files):
        with pytest.raises(SettingsError) as caught:
            VaultExport(context(str(write(tmp_path / name, files)))).check()
        return str(caught.value)

    # the zips of Purview are named much like those of Vault
    other = PurviewPackage([PurviewItem(f"Exchange/{ANA}/Inbox/1.eml", Mail(1).raw)]).build()
    assert said("other", other).endswith("; it looks like something for `purview_export`")
    assert "1 downloads in its folder have not ended" in said("half", package | {"Export1-2.zip.part": b"PK"})
    assert "its export was packed once more (1 parts in one zip)" in said(
        "again", {"all.zip": zip_bytes(package)}
    )


# --- the run -------------------------------------------------------------------------------------------


def test_one_package_serves_several_custodians(tmp_path):
    mails, files = two_parts()
    path = write(tmp_path / "x", files)
    values, _ = read(path, accounts=f" {LEE.upper()} ")
    assert key(mails[4]) in values
    assert key(mails[0]) not in values
    source = VaultExport(replace(context(str(path)), options={"accounts": LEE}))
    assert [(one.key, one.reach) for one in source.unreached()] == [(f"Export1/{ANA}", Reach.NOT_ASKED)]
    typo = VaultExport(replace(context(str(path)), options={"accounts": f"{LEE}, nobody@example.org"}))
    assert list(typo.unreached())[1:] == [
        Unreached(
            "accounts/nobody@example.org", "nobody@example.org", "account", Reach.NOT_BY_THIS_ROUTE,
            "not_in_package: nothing there is of that name; check `accounts` in options",
        )
    ]  # fmt: skip


def test_two_exports_in_one_folder_keep_their_metadata_apart(tmp_path):
    one = VaultPackage("One", [Mail(1, labels="^INBOX")]).build()
    two = VaultPackage("Two", [Mail(1, labels="^SENT")]).build()
    source = VaultExport(context(str(write(tmp_path / "x", one | two))))
    labels = {
        scope.key: [value.metadata["labels"] for value in everything(source, scope)[0]]
        for scope in source.scopes()
        if scope.kind == "mbox"
    }
    assert labels == {f"One/{ANA}": ["INBOX"], f"Two/{ANA}": ["SENT"]}


@pytest.mark.parametrize("kill_after", [1, 2, 5])
def test_killed_again_and_again_nothing_is_lost_or_doubled(tmp_path, monkeypatch, kill_after):
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 1)
    from tests.connectors.built_packages import vault

    built = vault(tmp_path / "x")
    whole = collected(tmp_path / "whole", VaultExport, built.context)
    again = until_done(
        lambda: collected(tmp_path / "home", VaultExport, built.context, kill_after=kill_after)
    )
    assert again.scopes == whole.scopes
    assert {k: (row.item_id, row.blob_sha256, row.state) for k, row in again.items.items()} == {
        k: (row.item_id, row.blob_sha256, row.state) for k, row in whole.items.items()
    }
    assert whole.states() == {"stored": 12, "failed": 1, "excluded": 7}
    assert all(scope[0] == scope[1] for scope in whole.scopes.values())


def test_parity_the_same_mbox_gives_the_same_bytes_and_keys(tmp_path):
    mails = [Mail(n) for n in (1, 2, 1)]
    values, _ = read(write(tmp_path / "x", VaultPackage(mails=mails).build()))
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "all.mbox").write_bytes(vault_mbox(mails))
    plain = MailFiles(context(str(tmp_path / "y" / "all.mbox")))
    data = everything(plain, next(iter(plain.scopes())))[1]
    assert data == keyed([mail.raw for mail in mails])
    assert set(data) <= set(values)


def test_the_window_is_that_of_each_message(tmp_path):
    mails = [Mail(1), Mail(2, date="Tue, 4 Mar 2024 10:20:34 -0800")]
    source = VaultExport(context(str(write(tmp_path / "x", VaultPackage(mails=mails).build()))))
    window = Window(date(2025, 1, 1), date(2025, 12, 31), ZONE)
    scope = next(iter(source.scopes()))
    values, _ = everything(source, scope, window=window)
    assert [isinstance(value, ExcludedItem) for value in values] == [False, True]
    assert source.count(scope).count == len(values)


def test_a_name_inside_a_zip_never_becomes_a_path(tmp_path):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("../../evil_1AbCdEfGhIjKl.txt", "x")
    files = VaultPackage(mails=[Mail(1)]).build(sums=False) | {"Drive1_1.zip": data.getvalue()}
    values, _ = read(write(tmp_path / "x", files))
    assert values["Drive1_1.zip!../../evil_1AbCdEfGhIjKl.txt"].warnings == (WarningCode.NAME_CHANGED,)


# --- settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"options": {}}, "needs `path`, or `connection` and options matter$"),
        (
            {"options": {"matter": "m", "colour": "blue"}},
            "options: colour not known; known: accounts, corpus",
        ),
        ({"places": ("inbox",)}, "has none to choose from"),
    ],
)
def test_settings_of_an_export_that_is_still_to_be_fetched(given, message):
    with pytest.raises(SettingsError, match=rf"^source s1: .*{message}"):
        VaultExport(replace(context(None), **given)).check_settings()
    VaultExport(replace(context(None), options={"matter": "m", "terms": "bus"})).check_settings()


# --- the reports are read once, however many parts there are ---------------------------------------------


@pytest.fixture
def readings(monkeypatch):
    """Names of the reports whose rows were read; nothing of another test is known."""
    monkeypatch.setattr(vault_facts, "_INDEXES", OrderedDict())
    usual, names = vault_facts._read_rows, []

    def read_rows(reports):
        names.extend(report.file.name for _, report in reports)
        return usual(reports)

    monkeypatch.setattr(vault_facts, "_read_rows", read_rows)
    return names


def facts_of(path: Path, scratch: Path | None = None) -> dict[str, str]:
    """Return labels by native key, each part of the mail by a connector of its own."""
    given = replace(context(str(path)), scratch=None if scratch is None else str(scratch))
    found = {}
    for scope in VaultExport(given).scopes():
        if scope.kind == "mbox":
            for part in VaultExport(given).parts(scope, 1, 400):
                for value in VaultExport(given).items(part, ALWAYS):
                    found[value.native_key] = value.metadata["labels"]
    return found


def unpacked(path: Path, labels: str = "^INBOX") -> list[Mail]:
    mails = [Mail(number, who, labels) for number in range(4) for who in (ANA, LEE)]
    files = VaultPackage(mails=mails).build()
    for name in [name for name in files if name.endswith(".zip")]:
        with zipfile.ZipFile(io.BytesIO(files.pop(name))) as archive:
            files |= {inner: archive.read(inner) for inner in archive.namelist()}
    write(path, files)
    return mails


def test_the_reports_are_read_once_by_a_process(tmp_path, readings):
    mails = unpacked(tmp_path / "x")
    found = facts_of(tmp_path / "x")
    assert set(found.values()) == {"INBOX"}
    assert len(found) == len({mail.raw for mail in mails})
    assert sorted(readings) == sorted(set(readings))  # for several parts of two holders
    assert "Export1-metadata.csv" in readings


def test_another_process_finds_them_in_the_scratch_folder(tmp_path, readings, monkeypatch):
    unpacked(tmp_path / "x")
    found = facts_of(tmp_path / "x", tmp_path / "scratch")
    (kept,) = (tmp_path / "scratch").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    readings.clear()
    monkeypatch.setattr(vault_facts, "_INDEXES", OrderedDict())  # as it is in another process
    assert facts_of(tmp_path / "x", tmp_path / "scratch") == found
    assert readings == []
    for damage in (b"", kept.read_bytes()[:-1], kept.read_bytes()[:100] + kept.read_bytes()[-24:]):
        kept.write_bytes(damage)
        monkeypatch.setattr(vault_facts, "_INDEXES", OrderedDict())
        assert facts_of(tmp_path / "x", tmp_path / "scratch") == found
        assert len(readings) > 0
        readings.clear()


def test_other_reports_at_the_same_place_are_read_anew(tmp_path, readings):
    unpacked(tmp_path / "x")
    assert set(facts_of(tmp_path / "x", tmp_path / "scratch").values()) == {"INBOX"}
    unpacked(tmp_path / "x", "^SENTS")  # as many bytes
    assert set(facts_of(tmp_path / "x", tmp_path / "scratch").values()) == {"SENTS"}


def test_a_scratch_folder_that_cannot_be_written_costs_nothing(tmp_path, readings):
    unpacked(tmp_path / "x")
    (tmp_path / "scratch").write_text("a file")
    assert set(facts_of(tmp_path / "x", tmp_path / "scratch").values()) == {"INBOX"}
