"""Mail of Yahoo and Outlook.com as their owners hand it over: an mbox of Thunderbird, or single EML files.

The header forms are those that both services write (fields, their order, folding, case); names, hosts and
words are made up.
"""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connectors.mail_files import MailFiles
from extract.mail import read_message
from extract.protocol import ExtractContext
from records.models import Address, FoundItem
from records.vocabulary import Basis, Kind
from tests.connectors.builders import context, everything, keyed
from tests.connectors.collecting import collected

OWNER = "ann.lee@mail.example"
TOKEN = "\n ".join(textwrap.wrap("dqXITV9b92O6Cwv1fdJI0Znuzw.JiRKT62YsHZW_JxcnlzT4SKt" * 30, 60))
"""What spam filters write: some two thousand characters, folded."""


def yahoo(body: str, length: int) -> bytes:
    """Return a message as Yahoo stores it; its ``Content-Length`` counts line ends that an mbox has not."""
    return f"""Received: from 10.197.33.204
 by atlas-production.v2-mail-prod1-gq1.omega.mail.example with HTTP; Tue, 4 Mar 2025 18:20:35 +0000
Return-Path: <rosa@school.example>
X-Originating-Ip: [192.0.2.45]
Received-SPF: pass (domain of school.example designates 192.0.2.45 as permitted sender)
Authentication-Results: atlas-production.v2-mail-prod1-gq1.omega.mail.example;
 dkim=pass header.i=@school.example header.s=s1;
 spf=pass smtp.mailfrom=school.example;
 dmarc=unknown header.from=school.example;
X-Apparently-To: {OWNER}; Tue, 4 Mar 2025 18:20:35 +0000
X-YMailISG: {TOKEN}
X-YMail-OSG: {TOKEN[:120]}
MIME-Version: 1.0
From: Rosa Delgado <rosa@school.example>
Date: Tue, 4 Mar 2025 10:20:34 -0800
Message-ID: <CAG+6dK2LBZJe@mail.school.example>
Subject: =?UTF-8?Q?Bus_14_=E2=80=93_Maple?=
To: {OWNER}
Content-Type: multipart/alternative; boundary="000000000000c0332a05dcab29d2"
Content-Length: {length}

--000000000000c0332a05dcab29d2
Content-Type: text/plain; charset="UTF-8"

{body}
--000000000000c0332a05dcab29d2
Content-Type: text/html; charset="UTF-8"

<div dir="ltr">{body}</div>

--000000000000c0332a05dcab29d2--
""".encode()


def outlook(body: str) -> bytes:
    """Return a message as Outlook.com stores it: own fields in small letters, with empty first lines."""
    return f"""Received: from AM6PR03MB5170.eurprd03.prod.outlook.example (2603:10a6:20b:ca::23) by
 HE1EUR04HT222.eop-eur04.prod.protection.outlook.example with HTTPS; Tue, 4 Mar 2025
 18:30:01 +0000
From: Ann Lee <{OWNER}>
To: "usual-list@school.example" <usual-list@school.example>, Rosa Delgado
	<rosa@school.example>
Subject: Re: Bus 14
Thread-Topic: Bus 14
Thread-Index: AQHXLUBcNWaO3nw5lUyQh5p61l61XA==
Date: Tue, 4 Mar 2025 18:30:00 +0000
Message-ID:
 <SY4PR01MB54529EAE048222DD23DADFE29D739@SY4PR01MB5452.ausprd01.prod.outlook.example>
In-Reply-To: <CAG+6dK2LBZJe@mail.school.example>
Accept-Language: en-US, en-GB
Content-Language: en-US
X-MS-Has-Attach:
X-MS-TNEF-Correlator:
x-incomingtopheadermarker:
 OriginalChecksum:1D11F3C52AA20EBC430DB346C09A4699;UpperCasedChecksum:F65111DB;SizeAsReceived:99
x-tmn:  [OcD0NgGcG0JZG4F3xK7jxWsbdT9smler]
x-incomingheadercount: 50
x-eopattributedmessage: 0
x-microsoft-antispam-message-info:
 {TOKEN}
Content-Type: text/plain; charset="Windows-1252"
Content-ID: <3386F6868CEAF14D9BF18D15F4701AD9@eurprd03.prod.outlook.example>
Content-Transfer-Encoding: 8BIT
MIME-Version: 1.0
X-OriginatorOrg: outlook.example

{body}
""".encode("cp1252")


MAILS = [
    # as its author wrote "From" at the start of a line: no separator without a date behind it
    yahoo("The stop moves.\n\nFrom Monday on it is at Maple.", 412),
    outlook("Good \u2013 the café at nine.\n>From the bus.\n"),
    yahoo("again", 9_000_000),  # a length beyond the end of the file
    outlook(""),
]
THUNDERBIRD = b"From - Tue Mar 04 18:20:34 2025\nX-Mozilla-Status: 0001\nX-Mozilla-Status2: 00000000\n"


def mbox(mails: list[bytes], head: bytes = THUNDERBIRD) -> bytes:
    return b"".join(head + mail + b"\n" for mail in mails)


def read(data: bytes):
    return read_message(data, ExtractContext(None, "message/rfc822", ZoneInfo("America/Los_Angeles")))


def test_an_mbox_is_cut_where_its_messages_end(tmp_path: Path) -> None:
    (tmp_path / "Inbox").write_bytes(mbox(MAILS))
    inbox = MailFiles(context(str(tmp_path)))
    (scope,) = [one for one in inbox.scopes() if one.kind == "mbox"]
    values, data = everything(inbox, scope)
    state = THUNDERBIRD.split(b"\n", 1)[1]
    expected = keyed([state + mail for mail in MAILS])
    assert [one.native_key for one in values] == list(expected)
    assert data == expected
    assert inbox.count(scope).count == 4
    assert {one.moment.basis for one in values} == {Basis.STATED}


def test_what_yahoo_writes_is_read() -> None:
    made = read(MAILS[0])
    assert made.fields.subject == "Bus 14 – Maple"
    assert made.fields.sender == Address("Rosa Delgado", "rosa@school.example")
    assert made.fields.to == (Address("", OWNER),)
    assert made.fields.message_id == "<CAG+6dK2LBZJe@mail.school.example>"
    assert made.fields.moment.at.isoformat() == "2025-03-04T18:20:34+00:00"
    assert made.text == "The stop moves.\n\nFrom Monday on it is at Maple."
    assert (made.warnings, made.failure) == ((), None)


def test_what_outlook_com_writes_is_read() -> None:
    made = read(MAILS[1])
    assert made.fields.subject == "Re: Bus 14"
    assert made.fields.sender == Address("Ann Lee", OWNER)
    assert made.fields.to == (
        Address("usual-list@school.example", "usual-list@school.example"),
        Address("Rosa Delgado", "rosa@school.example"),
    )
    assert made.fields.message_id.startswith("<SY4PR01MB54529EAE048222DD23DADFE29D739@")
    assert made.fields.in_reply_to == "<CAG+6dK2LBZJe@mail.school.example>"
    assert made.fields.moment.at.isoformat() == "2025-03-04T18:30:00+00:00"
    assert made.text.strip() == "Good – the café at nine.\n>From the bus."
    assert (made.warnings, made.failure) == ((), None)
    assert read(MAILS[3]).fields.subject == "Re: Bus 14"  # a mail without words


@pytest.mark.parametrize("number", range(4))
def test_the_same_as_single_eml(tmp_path: Path, number: int) -> None:
    (tmp_path / "one.eml").write_bytes(MAILS[number].replace(b"\n", b"\r\n"))
    source = MailFiles(context(str(tmp_path)))
    (scope,) = source.scopes()
    ((one,), data) = everything(source, scope)
    assert isinstance(one, FoundItem)
    assert (one.kind, one.native_key) == (Kind.EMAIL, "one.eml")
    assert read(data["one.eml"]).fields == read(MAILS[number]).fields


def test_a_pst_beside_them_is_a_file_of_its_own(tmp_path: Path) -> None:
    """Outlook.com hands out PST: it is kept whole, and its reader names it (tests/extract/test_tika.py)."""
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "Inbox").write_bytes(mbox(MAILS))
    (tmp_path / "s" / "mailbox.pst").write_bytes(b"!BDN" + bytes(600))
    found = collected(tmp_path / "home", MailFiles, replace(context(str(tmp_path / "s"))))
    assert found.states() == {"stored": 5}
    assert found.items["mailbox.pst"].kind == "file"
