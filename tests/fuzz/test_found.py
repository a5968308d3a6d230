"""What fuzzing found and was mended: the smallest input of each, and what comes of it now."""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from lxml import html

from connectors import social_pages, zips
from connectors.bytesource import PlainSource
from connectors.google_takeout import GoogleTakeout
from connectors.imessage_exporter import ImessageExporter
from connectors.mbox import split
from connectors.mbox_count import count_messages
from connectors.outlook_data_count import MAGIC, DataFile
from connectors.screenshots import pictures
from connectors.sms_backup_restore import SmsBackupRestore
from extract import worker_main
from extract.calendar import CalendarReader
from extract.google_voice import GoogleVoiceReader
from extract.headers import file_name
from extract.libarchive_reader import LibarchiveReader
from extract.mail import MailReader, read_message
from extract.markup import drop, html_to_text
from extract.protocol import ExtractContext, Limits
from extract.smime import CmsReader
from extract.social import SocialReader
from extract.teams import TeamsReader
from records.errors import ItemError
from records.models import NO_MOMENT, Child, Expected, Extraction, FailedItem, FoundItem, Moment
from records.moments import apple_moment
from records.vocabulary import Basis, Kind, Reason
from release.leaks import views
from tests.connectors.builders import ALWAYS, ZONE, context
from tests.extract import archive_files


def extract_context(name: str | None = None, media_type: str | None = None) -> ExtractContext:
    return ExtractContext(name, media_type, ZONE)


def test_a_from_line_whose_sender_looks_like_a_date_is_counted() -> None:
    line = b"From Tue Mar 4 8:20:34 Tue Mar 4 1:34 2025\n"
    assert count_messages(io.BytesIO(b"s\n\n" + line + b"\n"), can_seek=True) == 2
    line = b"From Tue, 4 Mar 2025 8:20:34 x Tue, 4 Mar 2025 1:34\n"
    assert count_messages(io.BytesIO(line + b"A: b\n\n"), can_seek=True) == 1


@pytest.mark.parametrize(
    "line",
    [b"From x Tue Mar \r4 18:20:34 2025\n", b"From x Tue Mar 4\f18:20:34 2025\n", b"From -\v\n"],
)
def test_a_from_line_is_parted_by_spaces_and_tabs_alone(line: bytes, tmp_path: Path) -> None:
    data = b"From x Tue Mar 4 18:20:34 2025\nA: b\n\nc\n\n" + line + b"A: b\n\n"
    (tmp_path / "one.mbox").write_bytes(data)
    with PlainSource(str(tmp_path / "one.mbox")) as source:
        assert len(list(split(source))) == 1
    assert count_messages(io.BytesIO(data), can_seek=True) == 1


@pytest.mark.parametrize("digits", [14, 15])
def test_a_length_that_no_file_can_have_is_none(digits: int, tmp_path: Path) -> None:
    data = b"From x Tue Mar 4 18:20:34 2025\nContent-Length: " + b"9" * digits + b"\n\nc\n"
    path = tmp_path / "one.mbox"
    path.write_bytes(data)
    with PlainSource(str(path)) as source:
        assert len(list(split(source))) == 1
    with path.open("rb") as stream:
        assert count_messages(stream, can_seek=True) == 1


@pytest.mark.parametrize("first", [b"Content-Length: ,", b"content-length: 7", b"Content-length: 99999"])
def test_of_several_lengths_the_first_counts(first: bytes, tmp_path: Path) -> None:
    start = b"From x Tue Mar 4 18:20:34 2025\n"
    inside = b"c\n\n" + start + b"A: b\n\nd\n\n"
    data = start + first + b"\nContent-Length: %d\n\n" % len(inside) + inside
    (tmp_path / "one.mbox").write_bytes(data)
    with PlainSource(str(tmp_path / "one.mbox")) as source:
        assert len(list(split(source))) == 2
    assert count_messages(io.BytesIO(data), can_seek=True) == 2


def test_a_length_that_ends_in_a_form_feed_counts_on_neither_route(tmp_path: Path) -> None:
    start = b"From x Tue Mar 4 18:20:34 2025\n"
    inside = b"c\n\n" + start + b"A: b\n\nd\n\n"
    data = start + b"Content-Length: %d\f\n\n" % len(inside) + inside
    (tmp_path / "one.mbox").write_bytes(data)
    with PlainSource(str(tmp_path / "one.mbox")) as source:
        assert len(list(split(source))) == 2
    assert count_messages(io.BytesIO(data), can_seek=True) == 2


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_a_number_that_is_no_time_is_none(number: float) -> None:
    assert apple_moment(number, "") == NO_MOMENT


def test_a_remark_in_a_saved_message_is_no_part_of_it() -> None:
    page = (
        b"<div><!--x--><div>Ana</div><div><p>hello</p></div><!-- y --><div>Sep 13, 2020, 12:26 PM</div></div>"
    )
    got = SocialReader().extract(io.BytesIO(page), extract_context(None, "application/x-social-record+html"))
    assert (got.text, got.fields and got.fields.sender and got.fields.sender.name) == ("hello", "Ana")


def test_control_characters_behind_what_is_taken_out_of_a_page_stay() -> None:
    page = (
        b"<div><div>Ana</div><div>one<!--x-->\x01two<ul><li>b</li></ul>\x02three</div><div>Sep 13</div></div>"
    )
    got = SocialReader().extract(io.BytesIO(page), extract_context(None, "application/x-social-record+html"))
    assert got.text == "one\x01two\x02three"
    tree = html.fragment_fromstring("<p>a<i>b</i>\x01c</p>")
    drop(tree[0])
    assert tree.text_content() == "a\x01c"


def test_the_type_of_an_inline_picture_is_in_small_letters() -> None:
    picture = b'{"id": "x", "contentBytes": "iVBORw0KGgo=", "contentType": "Image/PNG"}'
    message = b'{"id": "1", "hostedContents": [' + picture + b"]}"
    got = TeamsReader().extract(
        io.BytesIO(message), extract_context(None, "application/x-teams-message+json")
    )
    assert [child.media_type for child in got.children] == ["image/png"]


@pytest.mark.skipif(not archive_files.HAS_LIBRARY, reason="an optional library of the system")
def test_a_mode_of_all_bits_is_a_member_that_is_no_file() -> None:
    whole = next(data for _, _, data in archive_files.samples(b"x" * 9) if data.startswith(b"070701"))
    got = LibarchiveReader().extract(
        io.BytesIO(whole[:14] + b"FFFFFFFF" + whole[22:]), extract_context("a.cpio")
    )
    assert dict(got.children[0].metadata)["stored_name"] == "Zyzzyva.txt"


@pytest.mark.parametrize("zone", ["America", "America/" + "x" * 300])
def test_a_zone_that_is_a_folder_or_too_long_a_name_is_a_failure_with_a_code(zone: str) -> None:
    lines = [
        "BEGIN:VCALENDAR",
        "BEGIN:VEVENT",
        f"DTSTART;TZID={zone}:20250304T102034",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    with pytest.raises(ItemError) as caught:
        CalendarReader().extract(io.BytesIO("\r\n".join(lines).encode()), extract_context("a.ics"))
    assert (caught.value.reason, caught.value.detail) == (Reason.CORRUPT, "icalendar")


def test_armour_without_its_words_has_line_ends_of_one_kind() -> None:
    got = CmsReader().extract(io.BytesIO(b"-----BEGIN PGP x\ry\r\nz"), extract_context("a.asc"))
    assert got.text == "-----BEGIN PGP x\ny\nz"


def test_a_name_with_a_zero_byte_is_stored_without_it() -> None:
    mail = b"From: a@example.org\nDate: Tue, 4 Mar 2025 10:20:34 -0800\n\n"
    mail += b"begin 644 no\0te.txt\n%:&5L;&\\\n`\nend\n"
    (child,) = MailReader().extract(io.BytesIO(mail), extract_context("a.eml")).children
    assert child.name == "note.txt"


def test_a_charset_with_a_zero_byte_costs_no_mail() -> None:
    head = b"From: a@example.org\nContent-Type: multipart/mixed; boundary=b\n"
    part = b'\n--b\nContent-Type: text/plain; charset="utf-8\0"\nContent-Transfer-Encoding: 8bit\n\ncaf\xe9\n'
    got = read_message(head + part + b"--b--\n", extract_context("a.eml"), reader="stdlib")
    assert "caf" in got.text


def test_a_fact_with_a_zero_byte_is_stored_without_it() -> None:
    whole = Extraction(
        metadata={"a\0": "b\0c"}, children=(Child("1", "d\0", "x/y\0", Kind.FILE, b"", None, {"e": "\0"}),)
    )
    got = worker_main._within(whole, Limits(), 0)
    assert got.metadata == {"a": "bc"}
    assert got.children == (Child("1", "d", "x/y", Kind.FILE, b"", None, {"e": ""}),)


def test_control_characters_beside_a_line_end_of_google_voice_are_words() -> None:
    page = (
        b'<div class="message"><cite class="sender vcard"><a class="tel" href="tel:+1"><i class="fn">A</i>'
        b"</a></cite><q>one<br>\x01two<!-- no -->three</q></div>"
    )
    got = GoogleVoiceReader().extract(
        io.BytesIO(page), extract_context(None, "application/x-google-voice+html")
    )
    assert got.text == "one\n\x01twothree"


def test_a_data_file_that_ends_in_its_header_is_truncated() -> None:
    head = MAGIC + bytes(6) + struct.pack("<H", 23) + bytes(501)
    with pytest.raises(ItemError) as caught:
        DataFile(io.BytesIO(head))
    assert (len(head), caught.value.reason, caught.value.detail) == (513, Reason.TRUNCATED, "header")


def test_a_member_with_two_names_of_which_one_is_no_text_is_corrupt() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("caf\u00e9.txt", "x")
    data = out.getvalue().replace("caf\u00e9".encode(), b"caf\xff\xff", 1)
    with zips.open_archive(io.BytesIO(data)) as archive:
        (member,) = zips.members(archive)
        with pytest.raises(ItemError) as caught:
            zips.open_member(archive, member)
    assert (caught.value.reason, caught.value.detail) == (Reason.CORRUPT, "stream_damaged")


def test_a_conversation_that_does_not_unpack_has_no_count(tmp_path: Path) -> None:
    name = "Takeout/Google Chat/Groups/Space sp/messages.json"
    path = tmp_path / "takeout.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, b'{"messages": []}' + bytes(range(256)) * 40)
    whole = bytearray(path.read_bytes())
    at = whole.index(name.encode()) + len(name)
    whole[at : at + 40] = b"\xff" * 40
    path.write_bytes(bytes(whole))
    with pytest.raises(zlib.error), zipfile.ZipFile(path) as archive:
        archive.read(name)
    source = GoogleTakeout(context(str(tmp_path)))
    (scope,) = [one for one in source.scopes() if one.key.endswith("Google Chat")]
    assert source.count(scope) == Expected(None, "unknown")


MANY = "9" * 5000
"""More digits than ``int`` takes."""


def test_a_reference_of_thousands_of_digits_costs_no_page() -> None:
    assert html_to_text(f"<p>one</p>&#{MANY};two") == "one\n\ufffdtwo"
    assert html_to_text(f"one&#{MANY};two") == "one\ufffdtwo"
    assert [*views(f"<i>x</i>&#{MANY};y".encode())][1] == "<i>x</i>\ufffdy"


def test_a_piece_of_a_name_has_a_number_of_few_digits() -> None:
    assert file_name("", f"attachment; filename=a.txt; filename*{MANY}=b.txt") == "a.txt"
    assert file_name("", "attachment; filename*0=a; filename*1=.txt") == "a.txt"


def test_a_duration_of_thousands_of_digits_is_none() -> None:
    stated = {"@odata.type": "#microsoft.graph.callEndedEventMessageDetail", "callDuration": f"PT{MANY}S"}
    message = json.dumps({"id": "1", "eventDetail": stated}).encode()
    got = TeamsReader().extract(
        io.BytesIO(message), extract_context(None, "application/x-teams-message+json")
    )
    assert got.text == "Call ended"


@pytest.mark.parametrize("date", ["\u00b2", MANY])
def test_a_time_in_other_digits_is_no_time(tmp_path: Path, date: str) -> None:
    (tmp_path / "sms.xml").write_text(f'<smses count="1"><sms date="{date}" body="x"/></smses>', "utf-8")
    source = SmsBackupRestore(context(str(tmp_path)))
    (scope,) = [one for one in source.scopes() if one.key == "sms.xml"]
    (value,) = [one for part in source.parts(scope, 9, 9) for one in source.items(part, ALWAYS)]
    assert value.moment == Moment(None, date[:40], Basis.NONE)


def test_numbers_in_names_of_pictures_are_any(tmp_path: Path) -> None:
    names = ["1.png", "1\u00b22.png", "2.png", "10.PNG", "A1.png", "a2.png"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    assert pictures(str(tmp_path)) == names


@pytest.mark.parametrize(
    ("name", "body", "carried"),
    [
        ("c.txt", b"attachments/" + b" " * 1_000_000 + b"x\n", 1),
        ("c.txt", b"/" + b"attachments/" * 80_000 + b" \rx\n", 0),
        ("c.txt", b"<" * 1_000_000 + b"\n", 0),
        ("c.html", b'<span class="sender">' * 50_000, 0),
        ("c.html", b"<" * 1_000_000, 0),
    ],
)
def test_a_long_line_of_an_exported_chat_is_gone_through_once(
    tmp_path: Path, name: str, body: bytes, carried: int
) -> None:
    """Each took hours: such a line was gone through again from every place in it."""
    at = b"Mar 04, 2025 10:20:34 AM"
    begin = at + b"\nAna\n"
    if name.endswith(".html"):
        begin = b'<div class="message"><p><span class="timestamp">' + at + b"</span></p>"
    (tmp_path / name).write_bytes(begin + body)
    source = ImessageExporter(context(str(tmp_path)))
    (scope,) = [one for one in source.scopes() if one.key == name]
    found = [one for part in source.parts(scope, 9, 1 << 30) for one in source.items(part, ALWAYS)]
    assert [type(one) for one in found] == [FoundItem] + [FailedItem] * carried
    assert source.count(scope) == Expected(1 + carried, "pattern scan")


@pytest.mark.parametrize(
    ("body", "start", "left"),
    [
        (b"<" * 500_000, 0, 500_000),
        (b"<a " * 200_000, 0, 200_000),
        (b"<div></p>" * 50_000, 18 + 9 * 50_000 - 8, 0),
        (b">Participants: " * 9_000, 0, 0),
    ],
)
def test_a_long_page_of_a_download_is_gone_through_once(body: bytes, start: int, left: int) -> None:
    """The tags, the open elements and the people of a page were looked for again from every place in it."""
    page = b"<div><div>Ana</div>" + body + b"<p>hello</p><div>Sep 13, 2020, 12:26 PM</div></div>"
    assert [*social_pages._messages(page)] == [(start, len(page))]
    assert social_pages._plain(body).count("<") == left
    found = social_pages._PEOPLE.search(page + b"<i>Participants: Ana, Lee</i>")
    assert found is not None
    assert found["names"] == b"Ana, Lee"
