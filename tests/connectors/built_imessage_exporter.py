"""Conversations in the layouts of imessage-exporter, as a text file and as a web page."""

from __future__ import annotations

from pathlib import Path

from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built, keyed

TEXT = [
    "Mar 04, 2025 10:20:34 AM (Read by you after 26 seconds)\nRosa Delgado\n"
    f"{SECRET}: which gate?\n\nthe north one?\n"
    "Tapbacks:\n    Liked by Me\n    \N{FIRE} by Sam Ito\n"
    "    Mar 04, 2025 10:21:10 AM\n    Me\n    the south one\nby the pool\n    Loved by Rosa Delgado\n\n",
    "Mar 04, 2025 10:21:10 AM\nMe\nthe south one\nby the pool\nTapbacks:\nLoved by Rosa Delgado\n"
    "This message responded to an earlier message.\n\n",
    "Mar 04, 2025  9:22:00 PM\nMe\nuse 4411\nEdited 50 seconds later: use 4412\n"
    "Edited 2 minutes later: use 4413\n\n",
    "Mar 04, 2025  9:23:00 PM\nRosa Delgado\nattachments/3/5.jpg\nattachments/3/6.heic\n"
    "Attachment missing!\n\n",
    "Mar 05, 2025  9:00:00 AM Rosa Delgado renamed the conversation to Trip\n\n",
    "Mar 05, 2025  9:05:00 AM Sam Ito unsent a message!\n\n",
    "Mar 05, 2025  9:06:00 AM\nSam Ito\nok\n\n",
    "Mar 05, 2025  9:06:00 AM\nSam Ito\nok\n\n",
]


def _message(time: str, sender: str, inner: str, kind: str = "received", own: str = "") -> str:
    return (
        f'<div class="message"{own}>\n<div class="{kind}">\n<p><span class="timestamp">{time}</span>\n'
        f'<span class="sender">{sender}</span></p>\n{inner}</div>\n</div>\n'
    )


def _bubble(words: str) -> str:
    return f'<hr><div class="message_part">\n<span class="bubble">{words}</span>\n</div>\n'


HEAD = (
    '<html>\n<meta charset="UTF-8">\n<head><style>\n.message { margin: 1%; }\n</style>\n</head>\n<body>\n'
    '<link rel="stylesheet" href="style.css">\n'
)
PAGE = [
    _message(
        "Mar 04, 2025 10:20:34 AM (Read by you after 5 seconds)", "+14255550102",
        _bubble(f"{SECRET} &lt;buses&gt;<br>at 8")
        + '<div class="reactions"><hr><p>Reactions:</p>\n<div class="reaction"><span class="reaction">'
        "<b>Loved</b> by Me</span></div>\n</div>\n"
        + '<div class="replies">\n<div class="reply" id="G1">'
        + _message("Mar 04, 2025 10:25:00 AM", "Me", _bubble("at nine"), "sent iMessage")
        + '</div>\n<div class="reply" id="G2">'
        + _message("Mar 09, 2025 10:25:00 AM", "Me", _bubble("later then"), "sent iMessage")
        + "</div>\n</div>\n",
    ),
    _message(
        "Mar 04, 2025 10:25:00 AM", "Me",
        _bubble("at nine")
        + '<span class="reply_context">This message responded to an earlier message.</span>\n',
        "sent iMessage", ', id="r-G1"',
    ),
    _message(
        "Mar 04, 2025 10:26:00 AM", "Me",
        '<hr><div class="message_part">\n<div class="edited"><table><tbody><tr><td>'
        '<span class="timestamp"></span></td><td>Gate 1</td></tr></tbody><tfoot><tr><td>'
        '<span class="timestamp">Edited 9 seconds later</span>'
        "</td><td>Gate 2</td></tr></tfoot></table></div>\n</div>\n", "sent SMS",
    ),
    _message(
        "Mar 04, 2025 10:27:00 AM", "+14255550102",
        '<hr><div class="message_part">\n<div class="attachment"><img src="attachments/9/a%20b.png" '
        'loading="lazy"></div>\n<div class="attachment"><video controls> <source src="attachments/9/1.mov" '
        'type="video/quicktime"> <source src="attachments/9/1.mov"> </video></div>\n'
        '<span class="attachment_error">Unable to locate attachment: lost.pdf</span>\n'
        '<div class="app"><a href="https://example.org/x"><img src="https://example.org/x.png">'
        '<div class="name">Example</div></a></div></div>\n',
    ),
    '<div class ="announcement"><p><span class="timestamp">Mar 05, 2025  9:00:00 AM</span> You named the '
    "conversation <b>Trip</b></p></div>\n",
]  # fmt: skip
FOOT = "</body>\n</html>\n"


def natives(parts: list[str], end: str = "") -> list[bytes]:
    """Return messages as the file has them; what ends a page goes with the last."""
    return [part.encode() for part in (*parts[:-1], parts[-1] + end)]


def later_reply() -> bytes:
    """The reply of the page that is printed nowhere else, by its bytes there."""
    page = PAGE[0]
    begin = '<div class="reply" id="G2">'
    return page[page.index(begin) + len(begin) :].encode()


def conversations(root: Path) -> Built:
    """A text file and a page, with the folder of attachments that the program makes."""
    files = {
        "attachments/3/5.jpg": b"\xff\xd8\xff\xe0 " + SECRET.encode(),
        "attachments/9/a b.png": b"\x89PNG",
        "notes.txt": b"Mar 4: not a chat",
    }
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    (root / "Rosa Delgado.txt").write_text("".join(TEXT))
    (root / "Trip - 12.html").write_text(HEAD + "".join(PAGE) + FOOT)
    text, page = keyed(natives(TEXT)), keyed(natives(PAGE, FOOT))
    reply = keyed([later_reply()])
    failed = {
        f"{list(text)[3]}#media1": Reason.NOT_IN_EXPORT,
        f"{list(text)[3]}#media2": Reason.NOT_IN_EXPORT,
        f"{list(page)[3]}#media1": Reason.NOT_IN_EXPORT,
        f"{list(page)[3]}#media2": Reason.NOT_IN_EXPORT,
    }
    return Built(
        str(root), text | page | reply | files, failed, {}, ("Rosa Delgado.txt", "Trip - 12.html", ".")
    )
