"""Purview exports: what each fault of a package costs, and what the reports tell of an item."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from connectors.mail_files import MailFiles
from connectors.purview_export import PurviewExport
from records import canonical
from records.errors import ItemError, SettingsError
from records.models import ExcludedItem, FailedItem, Window
from records.vocabulary import Kind, Reach, Reason, WarningCode
from tests.connectors.builders import ZONE, context, everything
from tests.connectors.built_packages import MSG, purview
from tests.connectors.collecting import collected, until_done
from tests.connectors.packages import (
    ANA,
    ITEM_COLUMNS,
    LEE,
    Mail,
    PurviewItem,
    PurviewPackage,
    VaultPackage,
    csv_bytes,
    write,
    zip_bytes,
)

PART = "Items.1.001.Export1.zip"
INBOX = f"Exchange/{ANA}/Inbox"
TEAMS = f"Exchange/{ANA}/TeamsMessagesData"
REPORTS = "Reports-Case-Search-Export1-2026-03-06_13-23-21.zip"


def source_of(folder: Path, files: dict[str, bytes], **options: str) -> PurviewExport:
    source = PurviewExport(replace(context(str(write(folder / "x", files))), options=options))
    source.check()
    return source


def read(source: PurviewExport) -> tuple[dict[str, object], dict[str, str]]:
    """Return all values by native key, and the failures of scopes by key."""
    values: dict[str, object] = {}
    failures: dict[str, str] = {}
    for scope in source.scopes():
        try:
            values |= {value.native_key: value for value in everything(source, scope)[0]}
        except ItemError as err:
            failures[scope.key] = f"{err.reason} {err.detail}"
    return values, failures


def one(tmp_path: Path, item: PurviewItem) -> object:
    values, failures = read(source_of(tmp_path, PurviewPackage([item]).build()))
    assert failures == {}
    return values[f"{item.part}!{item.path}"]


# --- what the reports tell of an item ------------------------------------------------------------------


def test_folder_holder_ids_and_the_rest_are_joined(tmp_path):
    row = {
        "Item class": "IPM.Note", "Immutable ID": "AAMk1", "Internet message ID": "<m1@example.org>",
        "Location": ANA, "Original path": "/Recoverable Items/Purges", "Categories": "Red",
        "Compliance labels": "Keep 7 years",
    }  # fmt: skip
    found = one(tmp_path, PurviewItem(f"{INBOX}/1.eml", Mail(1).raw, row=row))
    facts = dict(found.metadata)
    assert canonical.loads(facts.pop("report")) == {
        "Compliance labels": "Keep 7 years", "Item status": "Success", "Workload": "Exchange",
    }  # fmt: skip
    assert facts == {
        "account": ANA, "folder": "/Recoverable Items/Purges", "item_class": "IPM.Note", "item_id": "AAMk1",
        "labels": "Red", "message_id": "<m1@example.org>",
    }  # fmt: skip
    assert found.kind is Kind.EMAIL


def test_without_columns_folder_and_holder_are_those_of_the_path(tmp_path):
    found = one(tmp_path, PurviewItem(f"{INBOX}/Deep/1.eml", Mail(1).raw))
    assert (found.metadata["account"], found.metadata["folder"]) == (ANA, "Inbox/Deep")


@pytest.mark.parametrize(
    "stated",
    ["3/4/2025 6:20:34 PM", "2025-03-04T18:20:34Z", "2025-03-04 18:20:34", "2025-03-04T10:20:34-08:00"],
)
def test_an_outlook_message_has_the_time_of_its_row_in_utc(tmp_path, stated):
    found = one(tmp_path, PurviewItem(f"{INBOX}/1.msg", MSG, row={"Sent": stated}))
    assert (found.kind, found.media_type) == (Kind.EMAIL, "application/vnd.ms-outlook")
    assert found.moment.at == datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC)
    assert found.moment.text == stated


def test_an_outlook_message_without_a_time_is_kept_and_marked(tmp_path):
    found = one(tmp_path, PurviewItem(f"{INBOX}/1.msg", MSG))
    assert found.warnings == (WarningCode.NO_DATE,)


def test_the_window_is_that_of_the_header_else_of_the_row(tmp_path):
    old = Mail(1, date="Tue, 4 Mar 2024 10:20:34 -0800").raw
    items = [
        PurviewItem(f"{INBOX}/1.eml", old, row={"Sent": "3/4/2025 1:00 AM"}),
        PurviewItem(f"{INBOX}/2.msg", MSG, row={"Sent": "3/4/2024 6:20:34 PM"}),
        PurviewItem(f"{INBOX}/3.msg", MSG, row={"Sent": "3/4/2025 6:20:34 PM"}),
    ]
    source = source_of(tmp_path, PurviewPackage(items).build())
    window = Window(date(2025, 1, 1), date(2025, 12, 31), ZONE)
    values, _ = everything(source, next(iter(source.scopes())), window=window)
    assert [isinstance(value, ExcludedItem) for value in values] == [True, True, False]


def test_teams_messages_are_chats_with_their_conversation(tmp_path):
    row = {
        "Item class": "IPM.SkypeTeams.Message", "Conversation name": "Bus route", "ConversationId": "19:a",
        "Participants": f"{ANA}; {LEE}", "ContainsEditedMessage": "True", "ContainsDeletedMessage": "Yes",
    }  # fmt: skip
    found = one(tmp_path, PurviewItem(f"{TEAMS}/m.eml", Mail(1).raw, row=row))
    assert found.kind is Kind.CHAT
    assert found.moment.at == datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC)
    assert {name: found.metadata[name] for name in ("group", "group_name", "participants")} == {
        "group": "19:a", "group_name": "Bus route", "participants": f"{ANA}; {LEE}",
    }  # fmt: skip
    assert found.warnings == (WarningCode.EDITED, WarningCode.DELETED)


def test_a_transcript_is_a_chat_that_no_single_day_excludes(tmp_path):
    """It holds a conversation, whatever the time of the row that stands for it."""
    path = f"{TEAMS}/19_a@threadv2-1.html"
    rows = [{"FileClass": "Conversation", "Date": "3/4/2020 6:20:34 PM"}, {"FileClass": "Conversation"}]
    items = [PurviewItem(path, b"<html></html>", row=row) for row in rows]
    items.append(PurviewItem(f"{path}-mimeatt0-1.png", b"\x89PNG"))
    source = source_of(tmp_path, PurviewPackage(items).build())
    scope = next(iter(source.scopes()))
    window = Window(date(2025, 1, 1), date(2025, 12, 31), ZONE)
    values, data = everything(source, scope, window=window)
    transcript, picture = values
    assert (transcript.kind, transcript.media_type) == (Kind.CHAT, "text/html")
    assert transcript.metadata["report_rows"] == "2"
    assert data[transcript.native_key] == b"<html></html>"
    assert (picture.kind, picture.metadata["attached_to"]) == (Kind.FILE, transcript.native_key)
    assert source.count(scope).count == 2  # files, not rows


def test_partially_indexed_items_are_a_place_of_their_own_by_row_or_by_folder(tmp_path):
    items = [
        PurviewItem(f"{INBOX}/1.eml", Mail(1).raw),
        PurviewItem(f"{INBOX}/2.eml", Mail(2).raw, row={"Indexing status": "Partially indexed"}),
        PurviewItem(f"Partially indexed items/{INBOX}/3.eml", Mail(3).raw),
    ]
    source = source_of(tmp_path, PurviewPackage(items).build())
    found = {scope.key: [v.name for v in everything(source, scope)[0]] for scope in source.scopes()}
    assert found[f"exchange/{ANA}"] == ["1.eml"]
    assert found[f"partially_indexed/exchange/{ANA}"] == ["2.eml", "3.eml"]
    marked = read(source)[0][f"{PART}!{INBOX}/2.eml"]
    assert marked.warnings == (WarningCode.PARTLY_INDEXED,)


def test_a_pst_without_a_header_is_stored_with_the_number_of_items_that_the_report_has_in_it(tmp_path):
    part = "PSTs.001.Export1.zip"
    items = [
        PurviewItem(f"Exchange/{LEE}.001.pst", b"!BDN" + bytes(64), part, row=None),
        *(PurviewItem(f"Exchange/{LEE}.001.pst/Inbox/{n}", None, part) for n in range(3)),
    ]
    source = source_of(tmp_path, PurviewPackage(items).build())
    scope = next(iter(source.scopes()))
    (found,) = everything(source, scope)[0]
    assert found.metadata == {
        "container": "pst: stored, cannot be opened here",
        "items_stated": "3",
    }
    assert (scope.key, source.count(scope).count) == (f"exchange/{LEE}", 1)


def test_columns_of_another_release_are_found_by_header(tmp_path):
    items = [PurviewItem(f"{INBOX}/1.eml", Mail(1).raw)]
    package = PurviewPackage(items)
    files = package.build()
    target = f"{PART}/{INBOX}/1.eml"
    reports = package.reports() | {
        f"Items_0_{package.stamp}.csv": csv_bytes(
            ("EXPORTED PATH", "ItemClass", "Zebra"), [(target, "IPM.Note", "z")]
        )
    }
    files[REPORTS] = zip_bytes(reports)
    found = read(source_of(tmp_path, files))[0][f"{PART}!{INBOX}/1.eml"]
    assert found.metadata["item_class"] == "IPM.Note"
    assert canonical.loads(found.metadata["report"]) == {"Zebra": "z"}


# --- what a fault costs --------------------------------------------------------------------------------


def test_an_item_without_its_file_and_an_error_row_are_failed_items(tmp_path):
    items = [
        PurviewItem(f"{INBOX}/1.eml", Mail(1).raw),
        PurviewItem(f"{INBOX}/2.eml", None, row={"Item class": "IPM.Note"}),
        PurviewItem(
            f"{INBOX}/3.eml", None, row={"Error": "zanzibar could not", "Error code": "ItemTooLarge"}
        ),
        PurviewItem(f"{INBOX}/4.eml", Mail(4).raw, row={"Item status": "Failed"}),
    ]
    path = write(tmp_path / "x", PurviewPackage(items).build())
    done = collected(tmp_path / "home", PurviewExport, context(str(path)))
    assert done.scopes[f"exchange/{ANA}"] == (4, 4, None, None)
    low = f"{PART}/{INBOX}".casefold()
    lost = [done.items[f"{low}/{n}.eml#report"] for n in (2, 3)]
    assert [(row.state, row.reason, row.detail, row.kind) for row in lost] == [
        ("failed", "not_in_export", "item", "email"),
        ("failed", "refused_by_source", "itemtoolarge", "file"),
    ]
    there = f"{PART}!{INBOX}/4.eml"
    assert done.items[there].state == "stored"
    assert done.facts(there)["error"] == "item_error"
    assert done.warnings(there) == ["partial"]


def test_a_file_that_no_row_has_is_kept_marked_and_breaks_the_balance(tmp_path):
    items = [PurviewItem(f"{INBOX}/1.eml", Mail(1).raw), PurviewItem(f"{INBOX}/2.eml", Mail(2).raw, row=None)]
    path = write(tmp_path / "x", PurviewPackage(items).build())
    done = collected(tmp_path / "home", PurviewExport, context(str(path)))
    assert done.scopes[f"exchange/{ANA}"] == (1, 2, None, None)
    assert done.warnings(f"{PART}!{INBOX}/2.eml") == ["missing_part"]


def test_a_location_with_an_error_is_a_place_that_failed(tmp_path):
    locations = [
        (ANA, "Completed", ""),
        (LEE, "Completed", "zanzibar mailbox is locked"),
        ("gone@example.org", "Failed", ""),
        ("left@example.org", "Not searched", ""),
        ("old@example.org", "Mailbox not found", "None"),
    ]
    package = PurviewPackage([PurviewItem(f"{INBOX}/1.eml", Mail(1).raw)], locations)
    source = source_of(tmp_path, package.build())
    _, failures = read(source)
    assert sorted(failures.values()) == ["refused_by_source location_error"] * 2
    labels = {scope.label for scope in source.scopes() if scope.kind == "location"}
    assert labels == {LEE, "gone@example.org"}
    assert [(left.label, left.reach) for left in source.unreached()] == [
        ("left@example.org", Reach.NOT_ASKED),
        ("old@example.org", Reach.REFUSED),
    ]


def test_a_summary_that_has_more_than_the_report_is_said(tmp_path):
    package = PurviewPackage([PurviewItem(f"{INBOX}/1.eml", Mail(1).raw)], summary=12)
    _, failures = read(source_of(tmp_path, package.build()))
    assert failures == {"reports/summary": "truncated summary_12_report_1"}


def test_a_summary_of_one_row_is_read_too(tmp_path):
    package = PurviewPackage([PurviewItem(f"{INBOX}/1.eml", Mail(1).raw)])
    files = package.build()
    summary = {f"Summary_{package.stamp}.csv": csv_bytes(("Search", "Item count"), [("s", "1,200")])}
    files[REPORTS] = zip_bytes(package.reports() | summary)
    _, failures = read(source_of(tmp_path, files))
    assert failures == {"reports/summary": "truncated summary_1200_report_1"}


def test_a_part_whose_number_is_missing_is_named(tmp_path):
    items = [PurviewItem(f"{INBOX}/{n}.eml", Mail(n).raw, f"Items.1.00{n}.Export1.zip") for n in (1, 3)]
    values, _ = read(source_of(tmp_path, PurviewPackage(items).build()))
    lost = values["Items.1.002.Export1.zip"]
    assert (lost.reason, lost.detail) == (Reason.NOT_IN_EXPORT, "export_part")


def test_a_zip_that_does_not_open_costs_itself_and_its_items_are_named(tmp_path):
    items = [PurviewItem(f"{INBOX}/{n}.eml", Mail(n).raw, f"Items.1.00{n}.Export1.zip") for n in (1, 2)]
    files = PurviewPackage(items).build()
    files["Items.1.002.Export1.zip"] = files["Items.1.002.Export1.zip"][:-30]
    values, failures = read(source_of(tmp_path, files))
    assert failures == {"Items.1.002.Export1.zip": "truncated zip_directory"}
    lost = values[f"items.1.002.export1.zip/{INBOX}/2.eml#report".casefold()]
    assert lost.reason is Reason.NOT_IN_EXPORT
    assert f"Items.1.001.Export1.zip!{INBOX}/1.eml" in values


def test_a_member_whose_sum_is_wrong_fails_alone(tmp_path):
    items = [PurviewItem(f"{INBOX}/{n}.eml", bytes(range(256)) * 8 + Mail(n).raw) for n in (1, 2)]
    files = PurviewPackage(items).build()
    data = bytearray(files[PART])
    data[80] ^= 0x55
    files[PART] = bytes(data)
    path = write(tmp_path / "x", files)
    done = collected(tmp_path / "home", PurviewExport, context(str(path)))
    assert done.items[f"{PART}!{INBOX}/1.eml"].reason == "corrupt"
    assert done.items[f"{PART}!{INBOX}/2.eml"].state == "stored"


def test_without_an_item_report_the_directories_are_counted(tmp_path):
    items = [PurviewItem(f"{INBOX}/{n}.eml", Mail(n).raw) for n in range(3)]
    files = PurviewPackage(items).build()
    del files[REPORTS]
    source = source_of(tmp_path, files)
    scope = next(iter(source.scopes()))
    assert (source.count(scope).count, source.count(scope).by) == (3, "zip directory")
    assert all(value.warnings == () for value in everything(source, scope)[0])


def test_an_item_report_whose_columns_are_not_known_fails_by_name(tmp_path):
    package = PurviewPackage([PurviewItem(f"{INBOX}/1.eml", Mail(1).raw)])
    files = package.build()
    name = f"Items_0_{package.stamp}.csv"
    files[REPORTS] = zip_bytes(package.reports() | {name: csv_bytes(("Alpha",), [("x",)])})
    values, _ = read(source_of(tmp_path, files))
    found = values[f"{REPORTS}!{name}"]
    assert isinstance(found, FailedItem)
    assert (found.reason, found.detail) == (Reason.UNSUPPORTED, "columns")


def test_a_report_only_run_has_every_item_as_missing(tmp_path):
    package = PurviewPackage([PurviewItem("", None, row={"Item class": "IPM.Note"}) for _ in range(3)])
    files = package.build()
    values, _ = read(source_of(tmp_path, files))
    lost = [value for value in values.values() if isinstance(value, FailedItem)]
    assert [value.reason for value in lost] == [Reason.NOT_IN_EXPORT] * 3


def test_a_file_of_a_site_that_is_named_like_a_report_is_a_record(tmp_path):
    """Paths can be condensed, so that files of a site lie at the top of a part."""
    items = [PurviewItem("Items budget.csv", csv_bytes(ITEM_COLUMNS, []), row={"Workload": "SharePoint"})]
    values, _ = read(source_of(tmp_path, PurviewPackage(items).build()))
    assert values[f"{PART}!Items budget.csv"].kind is Kind.FILE


def test_reports_in_utf16_and_with_tabs(tmp_path):
    package = PurviewPackage([PurviewItem(f"{INBOX}/1.eml", Mail(1).raw, row={"Categories": "Grün"})])
    files = package.build()
    name = f"Items_0_{package.stamp}.csv"
    text = package.reports()[name].decode("utf-8-sig").replace(",", "\t")
    files[REPORTS] = zip_bytes(package.reports() | {name: text.encode("utf-16")})
    found = read(source_of(tmp_path, files))[0][f"{PART}!{INBOX}/1.eml"]
    assert found.metadata["labels"] == "Grün"


def test_a_folder_without_an_export_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"^source s1: no Purview export at its path"):
        source_of(tmp_path, {"a.txt": b"a"})


def test_what_else_a_folder_may_hold_is_told(tmp_path):
    package = PurviewPackage([PurviewItem(f"{INBOX}/1.eml", Mail(1).raw)]).build()

    def said(name, files, **options):
        (tmp_path / name / "x").mkdir(parents=True)
        with pytest.raises(SettingsError) as caught:
            source_of(tmp_path / name, files, **options)
        return str(caught.value)

    assert said("empty", {}) == (
        "source s1: its folder is empty; put the Purview export there, or correct `path`"
    )
    assert said("other", VaultPackage(mails=[Mail(1)]).build()).endswith(
        "check `path` and `connector`; it looks like something for `vault_export`"
    )
    assert said("half", package | {"Items.1.002.Export1.zip.crdownload": b"PK"}).startswith(
        "source s1: 1 downloads in its folder have not ended (.crdownload, .part and the like)"
    )
    assert said("again", {"all.zip": zip_bytes(package)}) == (
        "source s1: its export was packed once more (2 parts in one zip); unpack that zip, and leave the "
        "parts as they are"
    )


@pytest.mark.parametrize(("option", "known"), [("format", "msg, pst"), ("partially_indexed", "no, yes")])
def test_an_option_that_holds_something_else_is_refused_when_the_request_is_opened(option, known):
    options = {"case": "c", "search": "s", option: "true"}
    source = PurviewExport(replace(context(None), options=options))
    with pytest.raises(SettingsError, match=rf"^source s1: options: {option}: not known; known: {known}$"):
        source.check_settings()


def test_an_option_that_only_asks_for_an_export_is_refused_with_a_path(tmp_path):
    write(tmp_path / "x", PurviewPackage([PurviewItem(f"{INBOX}/1.eml", Mail(1).raw)]).build())
    source = PurviewExport(replace(context(str(tmp_path / "x")), options={"case": "c", "accounts": ANA}))
    with pytest.raises(SettingsError, match=r"^source s1: options: case: only for an export that is asked"):
        source.check_settings()


# --- the run -------------------------------------------------------------------------------------------


def test_one_package_serves_several_custodians(tmp_path):
    items = [PurviewItem(f"Exchange/{who}/Inbox/1.eml", Mail(1).raw) for who in (ANA, LEE)]
    package = PurviewPackage(items, [(ANA, "Failed", ""), (LEE, "Completed", "")])
    source = source_of(tmp_path, package.build(), accounts=LEE.upper())
    assert [scope.key for scope in source.scopes()] == [f"exchange/{LEE}", "reports"]
    assert [(left.key, left.detail) for left in source.unreached()] == [(f"exchange/{ANA}", "accounts")]
    (tmp_path / "typo").mkdir()
    typo = source_of(tmp_path / "typo", package.build(), accounts=f"{ANA}, nobody@example.org")
    assert [(left.key, left.reach) for left in typo.unreached() if left.detail != "accounts"] == [
        ("accounts/nobody@example.org", Reach.NOT_BY_THIS_ROUTE)
    ]


@pytest.mark.parametrize("kill_after", [1, 2, 5])
def test_killed_again_and_again_nothing_is_lost_or_doubled(tmp_path, monkeypatch, kill_after):
    monkeypatch.setattr("connectors.collect.CHUNK_ITEMS", 1)
    built = purview(tmp_path / "x")
    whole = collected(tmp_path / "whole", PurviewExport, built.context)
    again = until_done(
        lambda: collected(tmp_path / "home", PurviewExport, built.context, kill_after=kill_after)
    )
    assert again.scopes == whole.scopes
    assert {k: (row.item_id, row.blob_sha256, row.state) for k, row in again.items.items()} == {
        k: (row.item_id, row.blob_sha256, row.state) for k, row in whole.items.items()
    }
    assert whole.states() == {"stored": 9, "failed": 2, "excluded": 4}
    assert all(expected in (None, found) for expected, found, *_ in whole.scopes.values())


def test_parity_a_mail_of_a_package_has_the_bytes_and_time_it_has_elsewhere(tmp_path):
    raw = Mail(1).raw.replace(b"\n", b"\r\n")
    item = PurviewItem(f"{INBOX}/1.eml", raw)
    found = one(tmp_path, item)
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "1.eml").write_bytes(raw)
    plain = MailFiles(context(str(tmp_path / "y")))
    ((other,), data) = everything(plain, next(iter(plain.scopes())))
    assert data == {"1.eml": raw}
    assert (found.kind, found.media_type, found.moment, found.size_bytes) == (
        other.kind, other.media_type, other.moment, other.size_bytes,
    )  # fmt: skip
