"""Backups: the scanner against a real XML parser, then case by case."""

from __future__ import annotations

import hashlib
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors import xml_elements
from connectors.sms_backup_restore import MEDIA_TYPE, SmsBackupRestore
from connectors.xml_elements import Element, ElementScanner, End, Root, attributes
from records.errors import ItemError, SettingsError
from records.models import NO_MOMENT, FailedItem, FoundItem, Part
from records.vocabulary import Kind, Reason, WarningCode
from tests.connectors.builders import (
    ALWAYS,
    backup_bytes,
    context,
    encrypted_zip,
    everything,
    keyed,
    mms,
    sms,
)
from tests.connectors.test_mbox import Memory

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_characters="\x7f"), max_size=40)
BETWEEN = st.sampled_from(
    ["", "\n  ", "<!-- <sms a='>'/> -->", "<?pi <x ?>", "<![CDATA[<mms>]]>", " text &amp; "]
)


def attribute(name: str, value: str, single: bool) -> str:
    quoted = quoteattr(value)
    if single and quoted.startswith('"'):
        quoted = "'" + value.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;") + "'"
    return f" {name}={quoted}"


ELEMENT = st.one_of(
    st.builds(
        lambda tag, body, single, end: f"<{tag}{attribute('body', body, single)} date='1'{end}",
        st.sampled_from(["sms", "call"]),
        TEXT,
        st.booleans(),
        st.sampled_from(["/>", " />", "></{tag}>"]),
    ),
    st.builds(
        lambda texts, between: (
            "<mms date='1'>"
            + between
            + "<parts>"
            + "".join(f"<part{attribute('text', t, False)}/>" for t in texts)
            + "</parts></mms>"
        ),
        st.lists(TEXT, max_size=3),
        BETWEEN,
    ),
    st.just("<mms><mms/><x><mms></mms></x></mms>"),
).map(lambda text: text.replace("{tag}", text[1:].split()[0]))
DOCUMENT = st.builds(
    lambda head, root, pieces, tail: (
        head + f"<{root} count='1'>" + "".join(b + e for b, e in pieces) + f"{tail}</{root}>\n"
    ),
    st.sampled_from(
        [
            "",
            "<?xml version='1.0' encoding='UTF-8'?>\n",
            '<!DOCTYPE smses [<!ENTITY a "<sms>]>"> <!-- \' > -->]>\n',
            "<!-- c -->",
        ]
    ),
    st.sampled_from(["smses", "calls"]),
    st.lists(st.tuples(BETWEEN, ELEMENT), max_size=6),
    BETWEEN,
)


def scanned(data: bytes) -> list:
    return list(ElementScanner(Memory(data)).elements())


@settings(max_examples=150, deadline=None)
@given(DOCUMENT, st.sampled_from([64, 300, 1 << 20]), st.sampled_from([8, 64 << 10]))
def test_cuts_like_an_xml_parser(document: str, chunk: int, head: int) -> None:
    data = document.encode()
    parsed = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml_elements, "CHUNK", chunk)
        patch.setattr(xml_elements, "_HEAD", head)
        first, *elements, end = scanned(data)
    assert isinstance(first, Root)
    assert first.name == parsed.tag
    assert end == End(closed=True)
    real = [child for child in parsed if isinstance(child.tag, str)]
    assert [element.name for element in elements] == [child.tag for child in real]
    for element, child in zip(elements, real, strict=True):
        assert element.data == data[element.start : element.end]
        again = etree.fromstring(element.data)
        child.tail = None
        assert etree.tostring(again) == etree.tostring(child)


@settings(max_examples=150, deadline=None)
@given(DOCUMENT, st.integers(0, 400))
def test_a_cut_file_gives_what_was_whole(document: str, keep: int) -> None:
    data = document.encode()
    whole = [value for value in scanned(data) if isinstance(value, Element)]
    cut = scanned(data[: min(keep, len(data.rstrip()) - 1)])
    assert cut[-1] == End(closed=False)
    kept = [value for value in cut if isinstance(value, Element)]
    if kept and not kept[-1].whole:
        kept.pop()
    assert kept == whole[: len(kept)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(list(b"<><>/!?-[]'\" =a&x\n")), max_size=200).map(bytes))
def test_garbage_never_raises(data: bytes) -> None:
    for wrapped in (data, b"<smses count='1'>" + data + b"</smses>"):
        values = scanned(wrapped)
        assert isinstance(values[-1], End)
        assert sum(isinstance(value, End) for value in values) == 1


def one(tmp_path: Path, data: bytes, name: str = "sms-1.xml"):
    (tmp_path / name).write_bytes(data)
    source = SmsBackupRestore(context(str(tmp_path / name)))
    (scope,) = source.scopes()
    return source, scope


def test_items(tmp_path: Path) -> None:
    elements = [sms(1), mms(2), sms(3, "call"), sms(1)]
    source, scope = one(tmp_path, backup_bytes(elements))
    values, data = everything(source, scope)
    assert data == keyed(elements)
    assert [value.kind for value in values] == [Kind.MESSAGE, Kind.MESSAGE, Kind.CALL, Kind.MESSAGE]
    assert {value.media_type for value in values} == {MEDIA_TYPE}
    assert values[0].moment.at == datetime(2025, 3, 4, 14, 53, 20, 1_000, UTC)
    assert values[0].moment.text == "1741100000001"
    assert [value.warnings for value in values] == [(), (), (), (WarningCode.DUPLICATE_ENTRY,)]
    assert source.count(scope).count == 4
    assert source.count(scope).by == "count attribute"


@pytest.mark.parametrize(
    ("date", "text", "warning"),
    [
        ("", "", WarningCode.NO_DATE),
        ("date='0'", "", WarningCode.NO_DATE),
        ("date='null'", "", WarningCode.NO_DATE),
        ("date='1'", "1", WarningCode.BAD_DATE),
        ("date='-5'", "-5", WarningCode.BAD_DATE),
        ("date='soon'", "soon", WarningCode.BAD_DATE),
        ("date='" + "9" * 500 + "'", "9" * 40, WarningCode.BAD_DATE),
        ("date_sent='1741100000000' readable_date='Mar 4, 2025'", "", WarningCode.NO_DATE),
    ],
)
def test_no_trustworthy_date_is_kept_and_flagged(
    tmp_path: Path, date: str, text: str, warning: WarningCode
) -> None:
    source, scope = one(tmp_path, f"<smses count='1'><sms {date} body='x'/></smses>".encode())
    ((value,), _) = everything(source, scope)
    assert isinstance(value, FoundItem)
    assert value.moment == NO_MOMENT or value.moment.text == text
    assert value.warnings == (warning,)


def test_a_date_in_a_text_is_not_the_date() -> None:
    assert "date" not in attributes(b"""<sms body='an end that did not come date="1" """)
    assert attributes(b"""<sms body=' date="1" ' x='date="2"' date="3"/>""")["date"] == "3"


def test_old_files_and_unknown_elements(tmp_path: Path) -> None:
    source, scope = one(tmp_path, b"<allsms count='2'><sms date='1'/><rcs what='new'>x</rcs></allsms>")
    values, data = everything(source, scope)
    assert [value.kind for value in values] == [Kind.MESSAGE, Kind.FILE]
    assert data[values[1].native_key] == b"<rcs what='new'>x</rcs>"


def test_a_cut_element_fails_and_the_rest_is_kept(tmp_path: Path) -> None:
    elements = [sms(1), sms(2), mms(3)]
    whole = backup_bytes(elements)
    at = whole.index(b"<parts>") + 9
    source, scope = one(tmp_path, whole[:at])
    values, data = everything(source, scope)
    assert data == keyed(elements[:2])
    piece = whole[whole.index(b"<mms") : at]
    key = hashlib.sha256(piece).hexdigest() + ":0"
    assert values[2] == FailedItem(key, Kind.MESSAGE, values[2].cursor, Reason.TRUNCATED, "element_cut")
    assert source.count(scope).count == 3 == len(values)
    assert list(source.items(Part(scope), ALWAYS, values[1].cursor)) == values[2:]


def test_a_file_cut_between_elements_says_that_more_was_announced(tmp_path: Path) -> None:
    whole = backup_bytes([sms(1), sms(2), sms(3)])
    source, scope = one(tmp_path, whole[: whole.index(b"<sms", whole.index(sms(1)) + 5)])
    values, _ = everything(source, scope)
    assert [type(value) for value in values] == [FoundItem, FailedItem]
    assert (values[1].reason, values[1].detail) == (Reason.TRUNCATED, "root_not_closed")
    assert source.count(scope).count == 3
    assert list(source.items(Part(scope), ALWAYS, values[1].cursor)) == []


def test_entities_are_passed_over_not_resolved(tmp_path: Path) -> None:
    data = (
        b"<?xml version='1.0'?><!DOCTYPE smses [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;'>"
        b"<!ENTITY file SYSTEM 'file:///etc/passwd'>]>"
        b"<smses count='1'><sms date='1741100000000' body='&lol2;&file;'/></smses>"
    )
    source, scope = one(tmp_path, data)
    ((value,), got) = everything(source, scope)
    assert got[value.native_key] == b"<sms date='1741100000000' body='&lol2;&file;'/>"


def test_no_count_attribute_is_unknown(tmp_path: Path) -> None:
    source, scope = one(tmp_path, b"<smses><sms date='1741100000000'/></smses>")
    assert source.count(scope).count is None
    assert len(everything(source, scope)[0]) == 1


def test_utf16_is_a_scope_failure(tmp_path: Path) -> None:
    text = backup_bytes([sms(1)]).decode().replace("UTF-8", "UTF-16")
    source, scope = one(tmp_path, text.encode("utf-16"))
    with pytest.raises(ItemError, match="unsupported: utf16"):
        list(source.items(Part(scope), ALWAYS))


def test_a_huge_attribute_is_streamed(tmp_path: Path) -> None:
    huge = b"<mms date='1741100000000'><parts><part data='" + b"QUJD" * 3_000_000 + b"'/></parts></mms>"
    elements = [sms(1), huge, sms(2)]
    source, scope = one(tmp_path, backup_bytes(elements))
    values, data = everything(source, scope)
    assert data == keyed(elements)
    assert not isinstance(values[1].handle, bytes)
    assert values[1].moment.at is not None
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("sms.xml", backup_bytes(elements))
    source = SmsBackupRestore(context(str(tmp_path / "x.zip")))
    (scope,) = source.scopes()
    assert everything(source, scope)[1] == keyed(elements)


@pytest.mark.slow
def test_a_file_of_any_size_takes_flat_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "sms-big.xml"
    with path.open("wb") as stream:
        stream.write(b"<smses count='1002'>")
        for _ in range(2):
            stream.write(b"<mms date='1741100000000'><parts><part data='")
            for _ in range(150):
                stream.write(b"QUJD" * 500_000)
            stream.write(b"'/></parts></mms>")
        for n in range(1_000):
            stream.write(sms(n))
        stream.write(b"</smses>")
    source = SmsBackupRestore(context(str(path)))
    (scope,) = source.scopes()
    tracemalloc.start()
    count = 0
    for item in source.items(Part(scope), ALWAYS):
        with source.open(item) as native:
            while native.read(1 << 20):
                pass
        count += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 1_002
    assert peak < 24 << 20


def test_an_encrypted_backup_is_a_failed_item(tmp_path: Path) -> None:
    (tmp_path / "backup.zip").write_bytes(encrypted_zip({}, {"sms-1.xml": backup_bytes([sms(1)])}))
    source = SmsBackupRestore(context(str(tmp_path)))
    (scope,) = source.scopes()
    values, _ = everything(source, scope)
    assert values == [
        FailedItem(
            "backup.zip!sms-1.xml", Kind.FILE, values[0].cursor, Reason.ENCRYPTED, "zip_password", "sms-1.xml"
        )
    ]
    assert source.count(scope).count == 1


def test_a_folder_without_a_backup_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"x")
    with pytest.raises(SettingsError, match="source s1: no SMS Backup & Restore file at its path"):
        SmsBackupRestore(context(str(tmp_path))).check()


@pytest.mark.parametrize(
    "head",
    [
        b'<sms date="1" type=\'2\' date="3" />',
        b"<sms date = '1'>",
        b'<sms body="date=&quot;9&quot; date=" date="\xff1"/>',
        b'<sms body="it is cut here',
        b"no tag",
        b"<sms/>",
    ],
)
def test_one_attribute_is_that_of_all_attributes(head: bytes) -> None:
    every = attributes(head)
    for name in ("date", "type", "body", "none"):
        assert xml_elements.attribute(head, name) == every.get(name)
