"""The HTML body of a message or an HTML file, made safe to look at.

Scripts, styles, forms, frames, pictures and links are gone before a page holds it; the address of a link and
the description of a picture are shown as words, so that a reviewer sees where they led. The page's content
security policy would stop them all the same.
"""

from __future__ import annotations

import email
import email.policy
import html
import re
from email.message import Message

import nh3

from records.entities import unescaped

LARGEST_NATIVE = 8 << 20
"""Larger natives are shown as text only: the mail parser here runs in the pages' own process."""

LARGEST_HTML = 2 << 20
_MAIL = "message/rfc822"
_DEEPEST = 20
_LONGEST_LINK = 200
# fmt: off
_TAGS = frozenset({
    "a", "abbr", "b", "blockquote", "br", "caption", "center", "cite", "code", "dd", "del", "div", "dl", "dt",
    "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "li", "ol", "p", "pre", "q", "s",
    "small",
    "span", "strike", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt",
    "u", "ul",
})
# fmt: on
_GONE_WHOLE = {
    "script",
    "style",
    "title",
    "noscript",
    "template",
    "iframe",
    "object",
    "svg",
    "math",
    "select",
    "textarea",
}
_CELLS = {"td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}}
_LINK = re.compile(r'<a(?: href="([^"]*)")?>')
_PICTURE = re.compile(r'<img(?: alt="([^"]*)")?>')
_HEADING = re.compile(r"<(/?)h[1-6]>")


def may_have_html(kind: str, media_type: str) -> bool:
    """Say whether a record of a kind and type can have an HTML body."""
    return kind == "email" or _bare(media_type) == _MAIL or "html" in media_type.casefold()


def html_of(native: bytes, *, kind: str, media_type: str) -> str | None:
    """Return the HTML of a native as its sender wrote it, or None when it has none or is too large.

    Args:
        native: The bytes.
        kind: Of the record.
        media_type: As stated or found.
    """
    if len(native) > LARGEST_NATIVE:
        return None
    if kind == "email" or _bare(media_type) == _MAIL:  # a chat may come as mail
        part = _html_part(email.message_from_bytes(native, policy=email.policy.compat32), 0)
        found = _decoded(part) if part is not None else None
    elif _bare(media_type) in {"text/html", "application/xhtml+xml"}:
        found = _text(native, "utf-8")
    else:
        found = None
    return found if found and len(found) <= LARGEST_HTML else None


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().casefold()


def safe(markup: str) -> str:
    """Return sanitised HTML; the sanitiser has the last word on everything that is returned."""
    first = nh3.clean(
        markup,
        tags=set(_TAGS),
        clean_content_tags=_GONE_WHOLE,
        attributes={**_CELLS, "a": {"href"}, "img": {"alt"}},
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel=None,
    )
    words = _LINK.sub(_link_words, first).replace("</a>", "</span>")
    words = _PICTURE.sub(_picture_words, words)
    words = _HEADING.sub(lambda found: "</div>" if found[1] else '<div class="heading">', words)
    return nh3.clean(
        words,
        tags=set(_TAGS) - {"a", "img", "h1", "h2", "h3", "h4", "h5", "h6"},
        clean_content_tags=_GONE_WHOLE,
        attributes={**_CELLS, "span": {"class"}, "div": {"class"}},
        url_schemes=set(),
        link_rel=None,
    )


def _link_words(found: re.Match[str]) -> str:
    target = unescaped(found[1] or "")
    shown = f"[{target[:_LONGEST_LINK]}] " if target else ""
    return f'<span class="link">{html.escape(shown)}'


def _picture_words(found: re.Match[str]) -> str:
    words = unescaped(found[1] or "").strip()
    shown = f"[picture: {words}]" if words else "[picture]"
    return f'<span class="picture">{html.escape(shown)}</span>'


def _html_part(message: Message, depth: int) -> Message | None:
    """Return the first HTML part that is the body: not an attachment, not inside another message."""
    if message.is_multipart():
        if depth >= _DEEPEST or message.get_content_maintype() == "message":
            return None
        for part in message.get_payload():
            found = _html_part(part, depth + 1) if isinstance(part, Message) else None
            if found is not None:
                return found
        return None
    attached = str(message.get("content-disposition") or "").strip().casefold().startswith("attachment")
    return message if message.get_content_type() == "text/html" and not attached else None


def _decoded(part: Message) -> str:
    data = part.get_payload(decode=True)
    return _text(data, part.get_content_charset() or "utf-8") if isinstance(data, bytes) else ""


def _text(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset, "replace")
    except (LookupError, ValueError):  # a charset that does not exist, or is no text encoding
        return data.decode("utf-8", "replace")
