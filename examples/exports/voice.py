"""Google Voice: texts and calls as a Takeout export has them, HTML files without a published layout.

They are those of the samples of https://github.com/moshekaplan/google-voice-takeout-parser. Used for the
fictional district and by the tests of the connector.
"""

from __future__ import annotations

from collections.abc import Sequence

CALLS = "Takeout/Voice/Calls"


def me(number: str) -> str:
    """Return the owner of the account, as files name him or her."""
    return f'<a class="tel" href="tel:{number}"><abbr class="fn" title="">Me</abbr></a>'


def person(number: str, name: str = "") -> str:
    """Return somebody else; a number that is in no contacts stands in both places."""
    return f'<a class="tel" href="tel:{number}"><span class="fn">{name or number}</span></a>'


def text(sender: str, words: str, at: str, media: str = "") -> str:
    """Return one text.

    Args:
        sender: As ``me`` or ``person`` has it.
        words: HTML.
        at: ISO 8601 with milliseconds and an offset.
        media: As ``image`` has it.
    """
    return (
        f'<div class="message"><abbr class="dt" title="{at}">Mar 4</abbr>:\n<cite class="sender vcard">'
        f"{sender}</cite>:\n<q>{words}</q>\n{media}</div>"
    )


def image(name: str) -> str:
    """Return a picture of a text; it is named without the end of its file's name."""
    return f'<div><img src="{name}" alt="Image MMS Attachment" /></div>'


def page(title: str, *messages: str, people: str = "", deleted: str = "False") -> bytes:
    """Return a file of texts.

    Args:
        title: The contact, or ``Group Conversation``.
        messages: As ``text`` has them.
        people: Who is in the group; empty for a conversation of two.
        deleted: Whether the owner deleted the conversation: ``True`` or ``False``.
    """
    among = f'<div class="participants">Group conversation with:\n{people}</div>' if people else ""
    return (
        f'<?xml version="1.0" ?>\n<html><head><title>{title}</title></head>\n<body>'
        f'<div class="hChatLog hfeed">{among}\n{" ".join(messages)}</div>\n\n<div class="tags">Labels:\n'
        f'<a rel="tag" href="http://www.google.com/voice#sms">Text</a></div>\n'
        f'<div class="deletedStatusContainer">User Deleted:\n{deleted}</div></body></html>'
    ).encode()


def natives(messages: Sequence[str]) -> list[bytes]:
    """Return the bytes of each text in a page: from its ``div`` to the next, or to the labels."""
    return [f"{one} ".encode() for one in messages[:-1]] + [f"{messages[-1]}</div>\n\n".encode()]


def call(title: str, who: str, label: str, at: str, media: str = "", words: str = "") -> bytes:
    """Return a call or a voicemail; ``words`` is the transcript that Google made of it."""
    said = f'<span class="full-text">{words}</span>' if words else ""
    return (
        f'<?xml version="1.0" ?>\n<html><head><title>{title}</title></head><body><div class="haudio">'
        f'<div class="contributor vcard">{title}\n{who}</div>'
        f'<abbr class="published" title="{at}">Mar 4</abbr>{said}{media}'
        f'<div class="tags">Labels:\n<a rel="tag" href="#">{label}</a></div></div></body></html>'
    ).encode()
