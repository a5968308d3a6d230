"""Tables in the columns of iMazing, LinkedIn and Twilio, with what lies beside them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built, keyed

BOM = b"\xef\xbb\xbf"
MESSAGES = (
    "Chat Session,Message ID,Message Date,Delivered Date,Read Date,Edited Date,Deleted Date,Service,"
    "Type,Sender ID,"
    "Sender Name,Status,Replying to,Subject,Text,Reactions,Attachment,Attachment type\r\n"
)
ROWS = [
    "Rosa Delgado,A1,2025-03-04 10:20:34,,2025-03-04 10:21:00,,,iMessage,Incoming,+14255550102,"
    "Rosa Delgado,Read,,,"
    f'"{SECRET}, gate 4\r\nat nine",Loved by Me,,\r\n',
    "Rosa Delgado,A1,2025-03-04 10:20:34,,,,,iMessage,Incoming,+14255550102,Rosa Delgado,Read,,,,,"
    "IMG_1.HEIC,Image\r\n",
    "Rosa Delgado,A2,2025-03-04 10:20:34,,,,,iMessage,Incoming,+14255550102,Rosa Delgado,Read,,,,,"
    "IMG_1.HEIC,Image\r\n",
    "Rosa Delgado,A3,2025-03-04 10:22:00,,,2025-03-04 10:23:00,,SMS,Outgoing,,,Read,at nine,Gate,"
    "use 4412,,,\r\n",
    "Rosa Delgado,A4,2025-03-04 10:24:00,,,,2025-03-04 10:25:00,SMS,Outgoing,,,Failed,,,,,lost.pdf,File\r\n",
    "Trip,A5,2025-03-04 10:26:00,,,,,iMessage,Notification,,,,,,Rosa left the conversation,,,\r\n",
]
WHATSAPP = (
    "Chat Session,Message Date,Sent Date,Type,Sender ID,Sender Name,Status,Forwarded,Replying to,Text,"
    "Reactions,"
    "Attachment,Attachment type,Attachment info\n"
)
CHATS = [
    "Sam Ito,2025-03-05 09:00:00,,Notification,,,,,,Messages are end-to-end encrypted,,,,\n",
    "Sam Ito,2025-03-05 09:00:00,2025-03-05 08:59:59,Incoming,+14255550104,Sam Ito,Read,,,ok,,,,\n",
    "Sam Ito,2025-03-05 09:00:00,2025-03-05 08:59:59,Incoming,+14255550104,Sam Ito,Read,,,ok,,,,\n",
]
PICTURES = {
    "media/2025-03-04 10 20 34 - Rosa Delgado - IMG_1.jpg": b"\xff\xd8 one",
    "media/2025-03-04 10 20 34 - Rosa Delgado - IMG_1 2.jpg": b"\xff\xd8 two",
    "media/2025-03-04 10 22 00 - Rosa Delgado - Web link.url": b"[InternetShortcut]\n",
}

LINKED = (
    "CONVERSATION ID,CONVERSATION TITLE,FROM,SENDER PROFILE URL,TO,RECIPIENT PROFILE URLS,DATE,SUBJECT,"
    "CONTENT,FOLDER,"
    "ATTACHMENTS,IS MESSAGE DRAFT,IS CONVERSATION DRAFT\n"
)
IN = "https://www.linkedin.com/in/"
LINKS = [
    f'c1,,Ana Ruiz,{IN}ana,"Lee Okafor, PhD",{IN}lee,2025-03-04 18:20:34 UTC,Buses,"{SECRET},'
    f'\nsee ""plan""",INBOX,,No,No\n',
    f"c1,,Lee Okafor,{IN}lee,Ana Ruiz,{IN}ana,2025-03-04 18:22:00 UTC,,<p>ok</p><p>&amp; thanks</p>,INBOX,"
    "https://www.linkedin.com/dms/D1/plan.pdf?x=1,No,No\n",
    f'c2,Trip,Ana Ruiz,{IN}ana,"Lee Okafor,Sam Ito","{IN}lee,{IN}sam",2025-03-04 18:25:00 UTC,,if 3 < 4,'
    f"INBOX,,Yes,No\n",
]

LOG = (
    "From,To,Body,Status,SentDate,ApiVersion,NumSegments,ErrorCode,AccountSid,Sid,Direction,Price,"
    "PriceUnit,NumMedia\n"
)
TEXTS = [
    f"+14255550100,+14255550102,{SECRET} bus 4 is late,delivered,2025-03-04T18:20:34Z,2010-04-01,1,,AC1,SM1,"
    "outbound-api,-0.0079,USD,0\n",
    "+14255550102,+14255550100,thanks,received,2025-03-04 18:21:34 UTC,2010-04-01,1,,AC1,MM2,inbound,,,1\n",
    "+14255550100,+14255550103,bus 4,undelivered,\"Tue, 04 Mar 2025 18:22:34 +0000\",2010-04-01,1,30003,"
    "AC1,SM3,"
    "outbound-api,,,0\n",
    "+14255550100,+14255550102,bus 4 is late,delivered,2025-03-04T18:20:34Z,2010-04-01,1,,AC1,SM1,"
    "outbound-api,,,0\n",
]  # fmt: skip


def natives(rows: list[str]) -> list[bytes]:
    """Return rows as a table has them."""
    return [row.encode() for row in rows]


def _write(root: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def imazing(root: Path) -> Built:
    """Messages with their media in a folder, and a chat of WhatsApp."""
    _write(root, PICTURES)
    tables = {
        "csv/Messages - Rosa Delgado.csv": BOM + (MESSAGES + "".join(ROWS)).encode(),
        "csv/WhatsApp - Sam Ito.csv": (WHATSAPP + "".join(CHATS)).encode(),
    }
    _write(root, tables)
    messages, chats = keyed(natives(ROWS)), keyed(natives(CHATS))
    failed = {f"{list(messages)[4]}#media0": Reason.NOT_IN_EXPORT}
    return Built(str(root), messages | chats | PICTURES, failed, {}, (*tables, "."))


def linkedin(root: Path) -> Built:
    """The zip that a member downloads."""
    root.mkdir(parents=True, exist_ok=True)
    others = {"Connections.csv": b"Notes:\n\n\nFirst Name,Last Name\n", "Profile.csv": b"First Name\nAna\n"}
    name = "Complete_LinkedInDataExport_03-05-2025.zip"
    with zipfile.ZipFile(root / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, data in (others | {"messages.csv": (LINKED + "".join(LINKS)).encode()}).items():
            archive.writestr(key, data)
    rows = keyed(natives(LINKS))
    failed = {f"{list(rows)[1]}#media0": Reason.EXPIRED_LINK}
    found = rows | {f"{name}!{key}": data for key, data in others.items()}
    return Built(str(root), found, failed, {}, (f"{name}!messages.csv", "."))


def twilio(root: Path) -> Built:
    """The log of an account."""
    _write(root, {"sms-log.csv": (LOG + "".join(TEXTS)).encode(), "calls.csv": b"From,To,Duration\n"})
    found = dict(zip(("SM1", "MM2", "SM3", "SM1:1"), natives(TEXTS), strict=True))
    return Built(
        str(root), found | {"calls.csv": b"From,To,Duration\n"}, {"MM2#media0": Reason.NOT_IN_EXPORT}, {},
        ("sms-log.csv", "."),
    )  # fmt: skip
