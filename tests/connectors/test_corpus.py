"""Real samples: what SOURCES.md of the sample collection says a correct reader must find."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from connectors.registry import CONNECTORS, guess
from extract.outlook import MsgReader
from extract.protocol import ExtractContext
from records.models import ExcludedItem, FailedItem, FoundItem
from tests.connectors.builders import ZONE, context, everything

pytestmark = pytest.mark.corpus


@pytest.fixture(scope="module")
def corpus() -> Path:
    path = os.environ.get("DAYLIGHT_CORPUS")
    if not path:
        pytest.skip("DAYLIGHT_CORPUS names no folder of samples")
    return Path(path)


def read(name: str, path: Path) -> dict[str, list]:
    source = CONNECTORS[name](context(str(path)))
    source.check()
    got = {}
    for scope in source.scopes():
        values, data = everything(source, scope)
        assert source.count(scope).count == len(values), scope.key
        assert all(len(data[v.native_key]) == v.size_bytes for v in values if isinstance(v, FoundItem))
        got[scope.key] = values
    return got


def times(values: list) -> list[str | None]:
    return [v.moment.at.isoformat() if v.moment.at else None for v in values]


def test_mbox(corpus: Path) -> None:
    got = read("mail_files", corpus / "formats" / "mbox")
    assert {key: len(values) for key, values in got.items()} == {
        ".": 0,
        "suite_messages.mbox": 3,
        "tika_complex.mbox": 3,
        "tika_headers.mbox": 1,
        "tika_multiline.mbox": 1,
        "tika_multiline2.mbox": 1,
        "tika_quoted.mbox": 1,
        "tika_simple.mbox": 2,
        "tika_single_mail.mbox": 1,
        "tika_testMBOX_complex.mbox": 1,
        "tika_testMBOX_lengthy_x-headers.mbox": 1,
    }
    assert times(got["suite_messages.mbox"])[::2] == [
        "2025-05-26T20:18:04+00:00",
        "2025-05-26T20:13:44+00:00",
    ]
    assert times(got["tika_complex.mbox"])[::2] == ["2009-06-01T04:26:31+00:00", "2009-06-01T06:03:13+00:00"]
    assert times(got["tika_headers.mbox"]) == ["2009-06-10T03:58:45+00:00"]
    assert times(got["tika_testMBOX_complex.mbox"])[0].startswith("2015-07-20")
    assert times(got["tika_testMBOX_lengthy_x-headers.mbox"])[0].startswith("2002-01-30")


def test_eml(corpus: Path) -> None:
    got = read("mail_files", corpus / "formats" / "eml")
    assert list(got) == ["."]
    values = got["."]
    assert len(values) == 28
    assert {v.kind.value for v in values} == {"email"}
    assert times(values).count(None) == 5  # four state none, one is no RFC 5322 date
    assert guess(str(corpus / "formats" / "eml")) == "mail_files"


def test_sms_backup_restore(corpus: Path) -> None:
    got = read("sms_backup_restore", corpus / "formats" / "sms-backup-restore")
    assert {key: [v.kind.value for v in values] for key, values in got.items()} == {
        "msgvault_literal_1.xml": ["message", "message"],
        "msgvault_literal_2.xml": ["message"],
        "msgvault_literal_3.xml": ["call"],
        "msgvault_literal_4.xml": ["message"],
    }
    assert [v.moment.text for v in got["msgvault_literal_1.xml"]] == ["1717214400123", "1717214460000"]
    assert got["msgvault_literal_3.xml"][0].moment.text == "1717218000123"


def test_sms_backup_restore_synthetic(corpus: Path) -> None:
    (values,) = read("sms_backup_restore", corpus / "formats" / "synthetic" / "sms-backup-restore").values()
    assert Counter(v.metadata["element"] for v in values) == {"sms": 6, "mms": 3}
    assert [v.native_key.rpartition(":")[2] for v in values].count("1") == 1


def test_google_takeout(corpus: Path) -> None:
    got = read("google_takeout", corpus / "formats" / "synthetic" / "google-takeout")
    mails = got["Takeout/Mail/All mail Including Spam and Trash.mbox"]
    assert [(v.metadata["labels"], v.metadata["thread_id"]) for v in mails] == [
        ("Sent,Opened,R\u00e9unions", "1790120000000000001"),
        ("Trash,Unread", "1790120000000000001"),
    ]
    chats = [v for v in got["Takeout/Google Chat"] if v.kind.value == "chat"]
    assert len(chats) == 4
    assert sorted(times(chats))[0] == "2019-03-05T09:34:00+00:00"
    assert sorted(times(chats))[-1] == "2025-02-10T15:48:00+00:00"
    files = [v.native_key.rpartition("/")[2] for v in got["Takeout/Google Chat"] if v.kind.value == "file"]
    assert files == ["File-4926929847130562072_account_id=3.png", "group_info.json", "user_info.json"]


def test_x_archive(corpus: Path) -> None:
    path = corpus / "formats" / "synthetic" / "x-archive"
    assert guess(str(path)) == "social_media"
    got = read("social_media", path)
    assert {key: len(values) for key, values in got.items()} == {
        "data/direct_messages": 3,  # 2 messages; the photo of one is not there
        "data/direct_messages_group": 2,
        "data/tweets": 1,
        ".": 1,
    }
    assert times(got["data/tweets"]) == ["2024-03-06T20:00:00+00:00"]
    assert got["data/tweets"][0].metadata["account"] == "Coach <@cedar_coach>"
    messages = [v for v in got["data/direct_messages"] if v.kind.value == "chat"]
    assert [v.native_key.rpartition("/")[2] for v in messages] == [
        "1712000000000000002",
        "1712000000000000001",
    ]
    assert times(messages) == ["2024-03-06T17:15:00.120000+00:00", "2024-03-06T17:14:00+00:00"]
    assert times(got["data/direct_messages_group"]) == [
        "2024-03-06T18:00:00+00:00",
        "2024-03-06T17:59:00+00:00",
    ]


def test_facebook_messenger(corpus: Path) -> None:
    root = corpus / "formats" / "facebook-messenger"
    inbox = "your_activity_across_facebook/messages/inbox"
    group = read("social_media", root / "json_group")[f"{inbox}/crew_GRP123"]
    assert [v.moment.text for v in group] == ["1600000000000", "1600000060000", "1600000120000"]
    assert group[0].metadata["members"] == "Test User; Alice Example; Bob Example"
    parts = read("social_media", root / "json_multifile")[f"{inbox}/dave_MULTI"]
    assert [v.moment.text for v in parts] == [
        "1700000060000",
        "1700000000000",
        "1700000120000",
        "1700000180000",
    ]
    media = read("social_media", root / "json_with_media")
    (one,) = media[f"{inbox}/bob_XYZ789"]
    assert f"{inbox}/bob_XYZ789/photos/tiny.png" in one.metadata["attachments"]
    assert [v.native_key for v in media["."]] == [f"{inbox}/bob_XYZ789/photos/tiny.png"]
    pages = root / "html_simple"
    assert guess(str(pages)) == "social_media"
    alice = read("social_media", pages)[f"{inbox}/alice_ABC123"]
    assert [v.moment.text for v in alice] == [
        "Sep 13, 2020, 12:26 PM", "Sep 13, 2020, 12:27 PM", "Sep 13, 2020, 12:28 PM",
    ]  # fmt: skip
    assert {v.metadata["members"] for v in alice} == {"Test User; Alice Example"}
    assert {code.value for v in alice for code in v.warnings} == {"assumed_zone"}


def test_instagram(corpus: Path) -> None:
    got = read("social_media", corpus / "formats" / "instagram" / "chatminer_test_export.json")
    assert {key: times(values) for key, values in got.items()} == {
        "chatminer_test_export": ["2020-01-17T20:49:00+00:00", "2019-12-24T11:23:00+00:00"]
    }


@pytest.mark.parametrize("name", ["mail_files", "loose_files"])
def test_enron(corpus: Path, name: str) -> None:
    (values,) = read(name, corpus / "enron-a").values()
    assert len(values) == 1_160
    assert all(isinstance(v, FoundItem) for v in values)
    if name == "mail_files":
        suffixes = Counter(v.kind.value for v in values)
        assert suffixes == {"email": 1_074, "file": 86}


def test_zoom(corpus: Path) -> None:
    assert guess(str(corpus / "formats" / "zoom" / "meeting001_chat.txt")) == "zoom_files"
    got = read("zoom_files", corpus / "formats" / "zoom")
    assert {key: len(values) for key, values in got.items()} == {"meeting001_chat.txt": 10, ".": 2}
    assert [got["meeting001_chat.txt"][n].moment.text for n in (0, -1)] == ["00:21:14", "00:36:49"]
    assert [value.media_type for value in got["."]] == [None, "text/vtt"]


def test_whatsapp(corpus: Path) -> None:
    for folder in ("whatsapp", "synthetic/whatsapp"):
        assert guess(str(corpus / "formats" / folder)) == "whatsapp"
    got = read("whatsapp", corpus / "formats" / "whatsapp")
    for name in ("chatminer_test_ddmmyy_24hrs.txt", "chatminer_test_mmddyyyy_12hrs.txt"):
        found = got[name]
        assert len(found) == 9
        assert sum(one.metadata.get("system") == "true" for one in found) == 2
        assert times(found)[0] == "2019-01-01T19:25:00+00:00"
        assert times(found)[-1] == "2021-12-31T06:01:00+00:00"
        assert {found[n].metadata["author"] for n in (0, -1)} == {"John Doe"}
        assert found[0].metadata["date_order_by"] == "a number above 12"
    got = read("whatsapp", corpus / "formats" / "synthetic" / "whatsapp")
    trip = got["WhatsApp Chat - Field Trip Leads.zip!_chat.txt"]
    entries = [one for one in trip if isinstance(one, FoundItem)]
    assert len(entries) == 9
    assert sum(one.metadata.get("system") == "true" for one in entries) == 3
    assert sum("attachments" in one.metadata for one in entries) == 1
    warned = Counter(code.value for one in entries for code in one.warnings)
    assert warned == {"assumed_zone": 9, "edited": 1, "deleted": 1, "missing_part": 1}
    assert len(trip) == 10
    lee = got["WhatsApp Chat with Lee Okafor.txt"]
    assert [getattr(one, "reason", None) for one in lee] == [
        None, None, "not_in_export", None, None, "omitted_by_user", None,
    ]  # fmt: skip
    assert lee[0].metadata["system"] == "true"
    assert lee[-1].size_bytes == 98


def test_google_voice(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Takeout" / "Voice" / "Calls"
    folder.mkdir(parents=True)
    for file in sorted((corpus / "formats" / "google-voice").glob("*.html")):
        (folder / file.name).write_bytes(file.read_bytes())
    source = CONNECTORS["google_takeout"](context(str(tmp_path)))
    (scope,) = source.scopes()
    values, _ = everything(source, scope)
    assert source.count(scope).count == len(values)
    found = [one for one in values if isinstance(one, FoundItem)]
    assert Counter(one.kind.value for one in found) == {"call": 3, "message": 15}
    lost = [one.name for one in values if isinstance(one, FailedItem)]
    assert Counter(name.partition(" - ")[0] for name in lost) == {
        "+11025550122": 1, "Joe Smith": 6,
    }  # fmt: skip
    stated = {one.moment.text for one in found}
    assert {
        "2023-08-26T22:13:13.449-04:00", "2024-01-16T09:59:54.250-05:00", "2022-10-24T18:26:52.822-04:00",
        "2024-01-19T00:19:34.863-05:00", "2021-04-20T15:42:39.731-04:00", "2023-08-26T21:57:07.196-04:00",
        "2023-05-12T17:25:09.377-04:00",
    } <= stated  # fmt: skip


def test_rsmf(corpus: Path) -> None:
    formats = corpus / "formats"
    assert guess(str(formats / "synthetic" / "rsmf" / "valid-v2.rsmf")) == "rsmf"
    (found,) = read("rsmf", formats / "synthetic" / "rsmf").values()
    events = [one for one in found if "group" in getattr(one, "metadata", {})]
    assert (len(events), len(found)) == (4, 5)
    assert Counter(code.value for one in events for code in one.warnings) == {"edited": 1, "deleted": 1}
    got = read("rsmf", formats / "rsmf" / "viewer")
    (slack,) = got.values()
    events = [one for one in slack if isinstance(one, FoundItem)]
    assert len(events) == 148
    assert Counter(one.metadata["group"] for one in events) == {
        "rsmf:GHJQZ4YBH": 83, "rsmf:CHLNSU1SA": 40, "rsmf:CHJQA26VD": 8, "rsmf:CHJ9YANLV": 8,
        "rsmf:CHAF1FWN5": 6, "rsmf:CH90YHJ3B": 3,
    }  # fmt: skip
    assert (min(times(events)), max(times(events))) == (
        "2019-04-01T16:08:29+00:00",
        "2019-04-02T19:36:39.004000+00:00",
    )
    warned = Counter(code.value for one in events for code in one.warnings)
    assert (warned["edited"], warned["deleted"]) == (19, 14)
    assert sum(isinstance(one, FailedItem) for one in slack) == 35
    sample = read("rsmf", formats / "rsmf" / "relativity" / "Sample3")
    told = {
        key: [one.media_type for one in values if isinstance(one, FoundItem) and one.kind.value == "chat"]
        for key, values in sample.items()
    }
    assert told == {name: ["application/x-rsmf-event+json"] for name in ("message.eml", "sample.rsmf")}


def test_telemessage(corpus: Path) -> None:
    folder = corpus / "formats" / "synthetic" / "telemessage-smarsh"
    assert guess(str(folder)) == "telemessage"
    (found,) = read("telemessage", folder).values()
    assert [one.kind.value for one in found] == ["message", "message", "file"]
    assert {one.metadata["group"] for one in found if isinstance(one, FoundItem)} == {"th-1"}


def test_imessage_exporter(corpus: Path) -> None:
    folder = corpus / "formats" / "synthetic" / "imessage-exporter"
    assert guess(str(folder)) == "imessage_exporter"
    (found,) = read("imessage_exporter", folder).values()
    messages = [one for one in found if isinstance(one, FoundItem)]
    assert [one.metadata.get("system", "") for one in messages] == ["", "", "", "true"]
    assert times(messages) == [
        "2025-03-04T18:20:34+00:00", "2025-03-04T18:21:10+00:00", "2025-03-04T18:23:00+00:00",
        "2025-03-04T18:25:00+00:00",
    ]  # fmt: skip
    warned = Counter(code.value for one in messages for code in one.warnings)
    assert warned == {"assumed_zone": 4, "edited": 1, "missing_part": 1, "deleted": 1}
    assert [one.name for one in found if isinstance(one, FailedItem)] == ["IMG_0001.HEIC"]


def test_linkedin(corpus: Path) -> None:
    folder = corpus / "formats" / "synthetic" / "linkedin"
    assert guess(str(folder)) == "linkedin"
    (found,) = read("linkedin", folder).values()
    assert times(found) == ["2025-03-04T18:20:34+00:00", "2025-03-04T18:22:00+00:00"]
    assert [one.warnings for one in found] == [(), ()]
    assert [one.metadata.get("html") for one in found] == [None, "true"]


def test_telegram(corpus: Path) -> None:
    assert guess(str(corpus / "formats" / "telegram")) == "telegram"
    got = read("telegram", corpus / "formats" / "telegram")
    assert list(got) == ["chatminer_test_single_export.json"]
    found = got["chatminer_test_single_export.json"]
    assert [one.moment.text for one in found] == ["1544006350", "1544006964"]
    assert times(found) == ["2018-12-05T10:39:10+00:00", "2018-12-05T10:49:24+00:00"]
    assert [one.warnings for one in found] == [(), ()]


def test_signal(corpus: Path) -> None:
    assert guess(str(corpus / "formats" / "signal" / "chatminer_test_export.txt")) == "signal"
    got = read("signal", corpus / "formats" / "signal")
    assert {key: len(values) for key, values in got.items()} == {"chatminer_test_export.txt": 2, ".": 1}
    found = got["chatminer_test_export.txt"]
    assert [(one.moment.text, one.metadata["author"]) for one in found] == [
        ("2019-12-24 12:23", "Jane Doe"),
        ("2020-01-17 21:49", "John Doe"),
    ]
    assert times(found) == ["2019-12-24T20:23:00+00:00", "2020-01-18T05:49:00+00:00"]
    assert [one.size_bytes for one in found] == [42, 42]


def test_data_files_of_outlook(corpus: Path) -> None:
    path = corpus / "formats" / "pst"
    assert guess(str(path)) == guess(str(path / "dist-list.pst")) == "outlook_data_file"
    got = read("outlook_data_file", path)
    assert {key: len(values) for key, values in got.items() if values} == {
        "dist-list.pst!Top of Personal Folders/Calendar": 1,
        "dist-list.pst!Top of Personal Folders/Contacts": 2,
        "dist-list.pst!IPM_COMMON_VIEWS": 3,
        "dist-list.pst!Freebusy Data": 1,
        "testPST_variousBodyTypes.pst!Top of Outlook data file/Inbox/tmp": 4,
    }
    assert (len(got), got["."]) == (23, [])
    excluded = Counter(v.detail for values in got.values() for v in values if isinstance(v, ExcludedItem))
    assert excluded == {"folder_associated": 3, "free_busy": 1}
    mails = got["testPST_variousBodyTypes.pst!Top of Outlook data file/Inbox/tmp"]
    assert times(mails) == [
        "2017-08-30T19:26:03+00:00",
        "2017-08-30T19:26:52+00:00",
        "2017-08-30T19:27:20+00:00",
        "2017-08-30T19:27:50+00:00",
    ]
    assert {v.metadata["item_class"] for v in mails} == {"IPM.Note"}
    (event,) = got["dist-list.pst!Top of Personal Folders/Calendar"]
    people = got["dist-list.pst!Top of Personal Folders/Contacts"]
    assert (event.kind, event.metadata["item_class"]) == ("event", "IPM.Appointment")
    assert [(v.kind, v.metadata["item_class"]) for v in people] == [
        ("contact", "IPM.DistList"),
        ("contact", "IPM.Contact"),
    ]


def test_what_data_files_of_outlook_hold_is_read_as_message_files(corpus: Path) -> None:
    source = CONNECTORS["outlook_data_file"](context(str(corpus / "formats" / "pst")))
    told = {}
    for scope in source.scopes():
        for value in everything(source, scope)[0]:
            if isinstance(value, FoundItem):
                with source.open(value) as stream:
                    found = MsgReader().extract(stream, ExtractContext(None, value.media_type, ZONE))
                assert (found.failure, found.kind, value.warnings) == (None, value.kind, ())
                told[scope.key.rpartition("/")[2], value.native_key] = found
    appointment, people, person, *mails = told.values()
    assert appointment.fields.subject == "Test appointment"
    assert appointment.fields.moment.text == "2016-08-02T15:00:00Z"
    assert [(child.name, child.kind) for child in appointment.children] == [("Untitled", "event")] * 2
    assert people.fields.subject == "test dist list"
    assert [one.address for one in people.fields.participants] == [
        "contact1@rjohnson.id.au", "dist1@rjohnson.id.au", "dist2@rjohnson.id.au",
    ]  # fmt: skip
    assert [one.address for one in person.fields.participants] == ["contact1@rjohnson.id.au"]
    assert [found.fields.subject for found in mails] == ["original email", *["FW: original email"] * 3]
    assert {(found.fields.sender.address, *(one.address for one in found.fields.to)) for found in mails} == {
        ("tallison@mitre.org", "tallison@mitre.org")
    }
    assert mails[0].text.strip() == "This is the original email (html)"
    assert [found.text.count("This is the original email (html)") for found in mails] == [1] * 4
