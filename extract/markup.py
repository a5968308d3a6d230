"""HTML to text: what a reader could see, words kept apart where the page keeps them apart.

Text that styles hide stays (a record holds it); scripts, styles and comments go. Targets of ``mailto:``
links stay, as a link often shows only a name; so do, apart, those that lead to a file kept elsewhere.
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from records.entities import unescaped
from records.links import file_link, names_a_place

_DROPPED = "x-dropped"
_BLOCKS = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "center",
    "dd",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "legend",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "select",
    "summary",
    "table",
    "tbody",
    "textarea",
    "tfoot",
    "thead",
    "title",
    "tr",
    "ul",
    "caption",
]
_CELLS = ("td", "th")
_NO_TEXT = ("script", "style", "noembed")

_SHEET = f"""<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="text" encoding="UTF-8"/>
<xsl:template match="{"|".join(_BLOCKS)}">
<xsl:text>&#13;</xsl:text><xsl:apply-templates/><xsl:text>&#13;</xsl:text></xsl:template>
<xsl:template match="br"><xsl:text>&#13;</xsl:text></xsl:template>
<xsl:template match="pre//text()|textarea//text()">
<xsl:value-of select="translate(., '&#10;', '&#13;')"/></xsl:template>
<xsl:template match="{"|".join(_CELLS)}"><xsl:apply-templates/><xsl:text>&#9;</xsl:text></xsl:template>
<xsl:template match="{"|".join(_NO_TEXT)}"/>
<xsl:template match="comment()|processing-instruction()"/>
<xsl:template match="img[@alt]|area[@alt]"><xsl:text> </xsl:text><xsl:value-of select="@alt"/>
<xsl:text> </xsl:text></xsl:template>
<xsl:template match="input[@value]"><xsl:text> </xsl:text><xsl:value-of select="@value"/>
<xsl:text> </xsl:text></xsl:template>
<xsl:template match="a[starts-with(translate(@href,'MAILTO','mailto'),'mailto:')]"><xsl:apply-templates/>
<xsl:if test="not(contains(., substring-before(concat(substring(@href,8),'?'),'?')))">
<xsl:text> &lt;</xsl:text><xsl:value-of select="substring-before(concat(substring(@href,8),'?'),'?')"/>
<xsl:text>&gt; </xsl:text></xsl:if></xsl:template>
</xsl:stylesheet>"""

_DENY_ALL: Any = getattr(etree.XSLTAccessControl, "DENY_ALL")  # noqa: B009 - unknown to the stubs
_TRANSFORM = etree.XSLT(etree.XML(_SHEET), access_control=_DENY_ALL)
_META = re.compile(rb"<meta\b[^>]{0,400}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.\-]{2,40})", re.IGNORECASE)
_SKIP = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<(/?[a-zA-Z!][^<>]*)>")
_TARGET = re.compile(
    r"<(?:a|area)\s[^<>]{0,4000}?\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE
)
_OPEN_CLOSE = re.compile(r"<(/)?([a-zA-Z][a-zA-Z0-9]*)")
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "wbr"]
)
_INLINE = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "big",
        "cite",
        "code",
        "del",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "mark",
        "q",
        "s",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "tt",
        "u",
        "wbr",
    ]
)
_PARSER = etree.HTMLParser(
    encoding="utf-8",
    no_network=True,
    remove_comments=True,
    remove_pis=True,
    huge_tree=True,
    collect_ids=False,  # no index of identifiers: nobody looks one up
)
_DEEPEST = 1_000
"""libxslt gives up without a word near 3,000 levels; deeper pages go the plain way."""


def declared_charset(data: bytes) -> str | None:
    """Return the charset that an HTML text names in its first 4,096 bytes, or None."""
    found = _META.search(data[:4096])
    return found.group(1).decode("ascii") if found else None


def html_to_text(source: str) -> str:
    """Return the words of an HTML text; block elements and line breaks become newlines.

    Args:
        source: Decoded HTML, however broken.
    """
    if "<" not in source:
        return _squeeze(unescaped(source))
    source = source.replace("\0", "")
    if source.count("<") - source.count("</") > _DEEPEST and _depth(source) > _DEEPEST:
        return _squeeze(_strip_tags(source))
    try:
        root = etree.fromstring(source.encode("utf-8", "replace"), _PARSER)
        text = "" if root is None else str(_TRANSFORM(root))
    except (etree.LxmlError, ValueError, AssertionError):
        text = _strip_tags(source)  # nothing libxml2 accepts: the words still count
    return _squeeze(text)


_WORD = re.compile(r"\w+")
_WRITTEN_DOT = re.compile(r"&#(?:0*46|x0*2e);?", re.IGNORECASE)
"""A dot written as a character reference, which hides a host from a quick look."""


def file_links(source: str, text: str) -> tuple[str, ...]:
    """Return the targets of an HTML text's links that name a file kept elsewhere.

    Args:
        source: Decoded HTML.
        text: What a reader sees; an address that is written out there is left out.
    """
    if not names_a_place(_WRITTEN_DOT.sub(".", source)):
        return ()
    found = dict.fromkeys(
        file_link(unescaped(next(filter(None, at.groups()), "")))
        for at in _TARGET.finditer(_SKIP.sub(" ", source))
    )
    # Only words with such a host can hold one: a long text is not gone through once a link.
    written = {word for word in text.split() if names_a_place(word)}
    joined = " ".join(written)
    addresses = {word.partition("://")[2] for word in written}

    def stands(link: str) -> bool:
        address = link.partition("://")[2]
        return address in addresses or address in joined

    return tuple(link for link in found if link and not stands(link))


def _depth(source: str) -> int:
    """Return how far opening tags outnumber closing ones at most: an upper bound of the depth."""
    deepest = level = 0
    for found in _OPEN_CLOSE.finditer(source):
        if found.group(1):
            level = max(0, level - 1)
        elif found.group(2).lower() not in _VOID:
            level += 1
            deepest = max(deepest, level)
    return deepest


def _strip_tags(source: str) -> str:
    return unescaped(_TAG.sub(_tag_gap, _SKIP.sub(" ", source)))


def _tag_gap(found: re.Match[str]) -> str:
    words = found.group(1).lstrip("/").split(None, 1)
    return "" if words and words[0].lower() in _INLINE else "\r"


def _squeeze(text: str) -> str:
    """Turn runs of white space into one space; a carriage return marks a line of the page."""
    lines: list[str] = []
    for line in text.split("\r"):
        words = " ".join(line.split())
        if words or (lines and lines[-1]):
            lines.append(words)
    return "\n".join(lines).rstrip("\n")


def holds_words(plain: str, text: str) -> bool:
    """Tell whether every word of one text is also in another.

    Args:
        plain: The text that may hold them all.
        text: The text whose words are looked for.
    """
    if plain.replace("\n", " ").rstrip() == text.replace("\n", " ").rstrip():
        return True  # the usual pair: one letter, its lines broken elsewhere
    if not plain:
        return _WORD.search(text) is None
    given, have = text.split(), plain.split()
    if given == have:
        return True
    missing = set(given).difference(have)
    if not missing:
        return True
    words = set(_WORD.findall(plain.casefold()))
    return all(word in words for chunk in missing for word in _WORD.findall(chunk.casefold()))


def drop(node: etree._Element) -> None:
    """Take an element out; what follows it stays.

    By the parser's own function: lxml gives control characters that stand in a page, and takes none back.
    """
    parent = node.getparent()
    if parent is not None:
        node.tag = _DROPPED
        etree.strip_elements(parent, _DROPPED, with_tail=False)
