"""Models of a Cellebrite report, as both the connector that finds them and their reader need them.

A report (``report.xml`` in a UFDR, namespace ``http://pa.cellebrite.com/report/2.0``) states each thing that
was decoded as a ``model`` of ``field``s, ``multiField``s, and further models in ``modelField``s and
``multiModelField``s. The layout is as the open readers UFEDLib, IPED and CASE's converter have published it;
Cellebrite has published none.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from lxml import etree

MODEL_TYPE = "application/x-cellebrite-model+xml"
"""What one model is labelled with."""

_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
_ILLEGAL = bytes((*range(9), 11, 12, *range(14, 32)))
_REFERENCE = re.compile(rb"&#(?:0*(\d{1,8})|[xX]0*([0-9A-Fa-f]{1,7}));")


@dataclass(frozen=True, slots=True)
class Value:
    """A field's value.

    Attributes:
        text: As decoded, without the blanks around it.
        shown: A time as the report shows it to people; empty for anything else.
    """

    text: str
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody that a model names.

    Attributes:
        identifier: Number, address or an app's own id.
        name: As the phone's contacts or the app had it.
        role: ``From``, ``To``, ``General`` or another word of the report; empty for none.
        owner: The report says that this is whose phone it is.
    """

    identifier: str
    name: str
    role: str
    owner: bool


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that a model names.

    Attributes:
        targets: Ids of files of the report that it leads to.
        path: Where it lies in the UFDR, if that is stated; empty for none.
        name: Its file name; empty for none.
        title: What the app calls it; empty for none.
        url: Where it was on the network; empty for none.
    """

    targets: tuple[str, ...]
    path: str = ""
    name: str = ""
    title: str = ""
    url: str = ""


def model_of(data: bytes) -> tuple[etree._Element, bool] | None:
    """Return an element that was cut out of a report, and whether its characters were guessed; None for none.

    No entity is resolved and none can be declared. Bytes that are no UTF-8 are read as Windows-1252;
    characters that XML forbids, which decoded data is full of, are left out or replaced by U+FFFD.
    """
    try:
        data.decode("utf-8")
        guessed = False
    except UnicodeDecodeError:
        data, guessed = data.decode("cp1252", "replace").encode(), True
    element = _parsed(data)
    if element is None:
        element, guessed = _parsed(_REFERENCE.sub(_legal, data.translate(None, _ILLEGAL))), True
    if element is None:
        return None
    if "}" in str(element.tag):  # a namespace stated on the element itself
        for one in element.iter():
            if isinstance(one.tag, str):
                one.tag = one.tag.rpartition("}")[2]
    return element, guessed


def _parsed(data: bytes) -> etree._Element | None:
    try:
        return etree.fromstring(data, _PARSER)
    except (etree.XMLSyntaxError, ValueError):
        return None


def _legal(found: re.Match[bytes]) -> bytes:
    """Replace a reference to what is no character of XML 1.0 (section 2.2)."""
    number = int(found[1]) if found[1] else int(found[2], 16)
    legal = (
        number in {9, 10, 13}
        or 32 <= number < 0xD800
        or 0xE000 <= number < 0xFFFE
        or number >> 16 in range(1, 17)
    )
    return found[0] if legal else b"&#65533;"


def fields_of(model: etree._Element) -> dict[str, Value]:
    """Return a model's own fields by name; empty ones are left out, several values are a line each."""
    found: dict[str, Value] = {}
    for one in model.iterchildren("field", "multiField"):
        values = [value for value in map(_value, one.iterchildren("value")) if value.text or value.shown]
        if values:
            text = "\n".join(value.text for value in values)
            found.setdefault(one.get("name", ""), Value(text, values[0].shown))
    return found


def _value(element: etree._Element) -> Value:
    text = "".join(str(part) for part in element.itertext()).strip()
    if element.get("format") == "Base64String":
        with suppress(binascii.Error, ValueError):  # else it stays as it is written
            text = base64.b64decode(text, validate=True).decode("utf-8")
    return Value(text, element.get("formattedTimestamp", ""))


def models_in(model: etree._Element, *names: str) -> Iterator[etree._Element]:
    """Yield the models right within some of a model's fields, in order."""
    for one in model.iterchildren("modelField", "multiModelField"):
        if one.get("name") in names:
            yield from one.iterchildren("model")


def parties_of(model: etree._Element, *names: str) -> list[Party]:
    """Return who is named in some of a model's fields, in order."""
    found = []
    for one in models_in(model, *names):
        fields = fields_of(one)
        identifier, name, role, owner = (
            fields[key].text if key in fields else ""
            for key in ("Identifier", "Name", "Role", "IsPhoneOwner")
        )
        if identifier or name:
            found.append(Party(identifier, name, role, owner.lower() == "true"))
    return found


def attachments_of(model: etree._Element) -> list[Attachment]:
    """Return the files that a model and the models within it name; one that is named twice is there once."""
    found = [Attachment((target,)) for target in _targets(model)]
    for one in model.iter("model"):
        if one is not model and one.get("type") == "Attachment":
            fields = fields_of(one)
            path, name, title, url = (
                fields[key].text if key in fields else ""
                for key in ("attachment_extracted_path", "Filename", "Title", "URL")
            )
            stated = one.get("file_id", "")
            targets = (*((stated,) if stated else ()), *_targets(one))
            found.append(Attachment(targets, path, name, title, url))
    return distinct(found)


def distinct(attachments: list[Attachment]) -> list[Attachment]:
    """Leave out what leads to the same file as one before; what leads to none is kept.

    A message has its first attachment in ``Attachment`` and again among its ``Attachments``, and may lead to
    it by a target of its own; the one that says more is kept.
    """
    found: dict[object, Attachment] = {}
    for number, one in enumerate(attachments):
        key: object = one.targets[0] if one.targets else one.path or number
        if key not in found or (one.name and not found[key].name):
            found[key] = one
    return list(found.values())


def _targets(model: etree._Element) -> list[str]:
    """Return the ids of the files that a model leads to; other targets are models."""
    return [
        text
        for one in model.iterchildren("jumptargets")
        for target in one.iterchildren("targetid")
        if target.get("ismodel", "").lower() != "true"
        and (text := "".join(map(str, target.itertext())).strip())
    ]
