"""What Exchange Web Services are asked with: exchangelib's services, held in.

exchangelib writes the requests, reads the answers, agrees on a version and signs in with NTLM. Here it is
kept from what a collector must not have: it never waits by itself, takes no half answer for a whole one, and
what it raises is a code without the message beside it, which may hold an address
(https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode).

This module needs exchangelib, so it is imported when a server is first asked.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests
from exchangelib.extended_properties import ExtendedProperty
from exchangelib.fields import ExtendedPropertyField, FieldPath
from exchangelib.folders import Folder
from exchangelib.items import ID_ONLY, CalendarItem, Item, Message
from exchangelib.properties import ItemId
from exchangelib.protocol import FailFast, Protocol
from exchangelib.services import FindFolder, FindItem, GetFolder, GetItem
from exchangelib.util import (
    ENS,
    TNS,
    ElementNotFound,
    StreamingBase64Parser,
    StreamingContentHandler,
    get_xml_attr,
    is_xml,
)

from connectors.asking import retry_after_s
from connectors.ews_answers import Broken, Coded, Http
from records.numbers import whole_number

_TIMEOUT_S = 120
_VERSION_CODES = frozenset({
    "ErrorInvalidServerVersion", "ErrorIncorrectSchemaVersion", "ErrorInvalidRequest",
    "ErrorInvalidSchemaVersionForMailboxVersion",
})  # fmt: skip
_FAULT = re.compile(rb"ResponseCode[^>]*>\s*(\w+)\s*<")
_BACK_OFF = re.compile(rb"BackOffMilliseconds[^>]*>\s*(\d+)\s*<")


@dataclass(frozen=True, slots=True)
class Entry:
    """An item as a list has it: ids, times and flags, nothing that was written.

    Attributes:
        created: When the store made it, whole seconds (``2025-03-04T18:20:34Z``).
        key: Its id.
        tag: Element name (``Message``, ``CalendarItem`` …).
        facts: Other fields by element name; absent ones are not in it.
        categories: As the owner set them.
    """

    created: str
    key: str
    tag: str
    facts: dict[str, str]
    categories: tuple[str, ...]

    @property
    def place(self) -> tuple[str, str]:
        """Where it stands in its folder."""
        return self.created, self.key


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """A folder.

    Attributes:
        key: Its id.
        name: As people see it.
        parent: Id of the folder above.
        total: Items in it, hidden associated ones not counted.
        size_bytes: Of all items as the store counts them; None when it does not say.
        below: Folders right below it.
        search: It shows items of other folders.
    """

    key: str
    name: str
    parent: str
    total: int
    size_bytes: int | None
    below: int
    search: bool


class Policy(FailFast):  # type: ignore[misc] # exchangelib has no types; so for all classes below
    """Leaves it to ``Exchange`` to wait; see https://ecederstrand.github.io/exchangelib/#fault-tolerance."""

    streaming = False

    def raise_response_errors(self, response: Any) -> None:
        """Raise what is no answer of the service."""
        if response.status_code == 200:
            return
        if response.status_code == 500 and is_xml(response.content):  # a SOAP fault
            if not self.streaming:
                return
            raise _fault(response.content)
        raise Http(response.status_code, retry_after_s(response.headers))


class Bearer(requests.auth.AuthBase):
    """Adds a token to a request."""

    token = ""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add it."""
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class OneConnection(Protocol):  # type: ignore[misc]
    """One connection to a server, with our own sign-in."""

    RETRY_WAIT = 0
    TIMEOUT = _TIMEOUT_S
    USERAGENT = "daylight"
    bearer: Bearer | None = None

    def create_session(self) -> Any:
        """Return a session; asks nothing."""
        if self.bearer is None:
            return super().create_session()
        session = self.raw_session(self.service_endpoint)
        session.auth = self.bearer
        session.session_id, session.usage_count = 0, 0
        return session


class _Whole:
    """A response as exchangelib's parser takes it: in one piece, not byte by byte."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def iter_content(self) -> bytes:
        return self._content


class _Strict:
    """For services: answers are whole, and errors are codes without their messages."""

    ERRORS_TO_CATCH_IN_RESPONSE: tuple[type[Exception], ...] = ()
    WARNINGS_TO_CATCH_IN_RESPONSE: tuple[type[Exception], ...] = ()

    @classmethod
    def _get_soap_parts(cls, response: Any) -> Any:
        content = response.content
        # The parser forgives what is missing: half an answer would be a short list, and nobody would know.
        if not content.rstrip().endswith(b"Envelope>"):
            raise Broken
        return super()._get_soap_parts(_Whole(content))  # type: ignore[misc]

    @classmethod
    def _raise_soap_errors(cls, fault: Any) -> None:
        detail = fault.find("detail")
        code = (get_xml_attr(detail, f"{{{ENS}}}ResponseCode") or "") if detail is not None else ""
        if code.strip() in _VERSION_CODES or not code:
            super()._raise_soap_errors(fault)  # type: ignore[misc]
        raise Coded(code.strip(), _back_off_s(detail))

    @staticmethod
    def _get_exception(code: str, text: str, msg_xml: Any = None, rule_errors: Any = None) -> Exception:
        del text, rule_errors
        inner = _values(msg_xml).get("InnerErrorResponseCode")
        return Coded(inner or code or "no_code", _back_off_s(msg_xml))


class _Paged(_Strict):
    """For services that page: one request a page, and what the server says of it is kept and checked."""

    total = 0
    last = True
    next_offset: int | None = None

    def _get_page(self, message: Any) -> tuple[Any, None]:
        """Return what a page holds, even where the server says that there is nothing at all."""
        page = self._get_element_container(message=message, name=self.paging_container_name)  # type: ignore[attr-defined]
        if isinstance(page, Exception):
            return page, None
        self._get_paging_values(page)
        held = page.find(self.element_container_name)  # type: ignore[attr-defined]
        return (page if held is not None and len(held) else None), None

    def _get_paging_values(self, elem: Any) -> tuple[int, None]:
        self.total = int(elem.get("TotalItemsInView"))
        self.last = elem.get("IncludesLastItemInRange", "").lower() in {"true", "1"}
        stated = elem.get("IndexedPagingOffset")
        self.next_offset = None if stated is None else int(stated)
        return self.total, None

    def check(self, offset: int, given: int) -> None:
        """Raise Broken when the page is not what the server says it is."""
        reached = offset + given
        short = reached < self.total if self.last else not given
        if short or (not self.last and self.next_offset is not None and self.next_offset != reached):
            raise Broken


class ItemPages(_Paged, FindItem):  # type: ignore[misc]
    """Lists the items of a folder."""

    def _elem_to_obj(self, elem: Any) -> Entry:
        facts: dict[str, str] = {}
        categories: tuple[str, ...] = ()
        key = ""
        for field in elem:
            name = _local(field)
            if name == "ItemId":
                key, facts["ChangeKey"] = field.get("Id"), field.get("ChangeKey") or ""
            elif name == "Categories":
                categories = tuple(one.text or "" for one in field)
            elif field.text:
                facts[name] = field.text.strip()
        # to whole seconds: a server that gives parts of them must not change the order
        created = facts.get("DateTimeCreated", "")[:19]
        return Entry(f"{created}Z" if created else "", key, _local(elem), facts, categories)


class FolderPages(_Paged, FindFolder):  # type: ignore[misc]
    """Lists the folders below one."""

    def _elem_to_obj(self, elem: Any) -> FolderFacts:
        return _folder(elem)


class OneFolder(_Strict, GetFolder):  # type: ignore[misc]
    """Gives a folder."""

    def _elems_to_objs(self, elems: Any) -> Iterator[FolderFacts]:
        return (_folder(elem) for elem in elems)


class MimeOfSome(_Strict, GetItem):  # type: ignore[misc]
    """Gives each item's bytes, or the code of its error."""

    ERRORS_TO_CATCH_IN_RESPONSE = (Coded,)

    def _elem_to_obj(self, elem: Any) -> bytes | Coded:
        text = get_xml_attr(elem, f"{{{TNS}}}MimeContent")
        if not text:
            return Coded("ErrorUnsupportedMimeConversion")
        try:
            return _decoded(text)
        except Coded as coded:
            return coded


class _Base64Parser(StreamingBase64Parser):  # type: ignore[misc]
    """Decodes as it reads, as its base does, which passes over what is no base64 and drops what is left.

    Attributes:
        rest: What was read and not decoded yet; at the end, of an item that is cut.
    """

    buffer: list[str]
    rest = ""

    def _decode_buffer(self) -> Iterator[bytes]:
        text = self.rest + "".join("".join(self.buffer).split())
        whole = len(text) // 4 * 4
        self.buffer, self.rest = [], text[whole:]
        if whole:
            yield _decoded(text[:whole])


class MimeOfOne(GetItem):  # type: ignore[misc]
    """Gives one item's bytes as they come, for those too large to be held."""

    def _get_soap_parts(self, response: Any) -> Any:
        return None, response

    def _get_soap_messages(self, body: Any) -> Any:
        parser = _Base64Parser()
        field = Item.get_field_by_fieldname("mime_content")
        parser.setContentHandler(
            StreamingContentHandler(parser=parser, ns=field.namespace, element_name="MimeContent")
        )
        yield from parser.parse(body)
        if parser.rest:
            raise Coded("ErrorMimeContentInvalid")

    def blocks(self, key: str) -> Iterator[bytes]:
        """Yield its bytes, decoded.

        Raises:
            Coded: They cannot be had.
        """
        self.streaming = True
        try:
            yield from self._get_response_xml(self.get_payload([ItemId(id=key)], [MIME], ID_ONLY))
        except ElementNotFound as none:
            service = MimeOfSome(account=self.account)
            _, body = service._get_soap_parts(_Answer(none.data))
            for found in service._get_elements_in_response(service._get_soap_messages(body)):
                raise found if isinstance(found, Coded) else Coded("ErrorUnsupportedMimeConversion") from None
            raise Broken from None
        finally:
            self.stop_streaming()
            self.streaming = False


@dataclass(frozen=True, slots=True)
class _Answer:
    content: bytes


class _Size(ExtendedProperty):  # type: ignore[misc]
    """PidTagMessageSizeExtended of a folder ([MS-OXPROPS] section 2.797): bytes of its items."""

    property_tag = 0x0E08
    property_type = "Long"


MIME = FieldPath(field=Item.get_field_by_fieldname("mime_content"))
CREATED = FieldPath(field=Item.get_field_by_fieldname("datetime_created"))
OF_ITEMS = (
    *(
        FieldPath(field=Item.get_field_by_fieldname(name))
        for name in (
            "datetime_created", "datetime_sent", "datetime_received", "item_class", "size", "is_draft",
            "categories",
        )
    ),
    FieldPath(field=Message.get_field_by_fieldname("is_read")),
    *(FieldPath(field=CalendarItem.get_field_by_fieldname(name)) for name in ("start", "end", "type")),
)  # fmt: skip
OF_FOLDERS = (
    *(
        FieldPath(field=Folder.get_field_by_fieldname(name))
        for name in ("name", "parent_folder_id", "total_count", "child_folder_count")
    ),
    FieldPath(field=ExtendedPropertyField("size", value_cls=_Size)),
)


def _folder(elem: Any) -> FolderFacts:
    size = elem.find(f"{{{TNS}}}ExtendedProperty/{{{TNS}}}Value")
    parent = elem.find(f"{{{TNS}}}ParentFolderId")
    return FolderFacts(
        key=elem.find(f"{{{TNS}}}FolderId").get("Id"),
        name=get_xml_attr(elem, f"{{{TNS}}}DisplayName") or "",
        parent="" if parent is None else parent.get("Id"),
        total=int(get_xml_attr(elem, f"{{{TNS}}}TotalCount") or 0),
        size_bytes=None if size is None or not size.text else int(size.text),
        below=int(get_xml_attr(elem, f"{{{TNS}}}ChildFolderCount") or 0),
        search=_local(elem) == "SearchFolder",
    )


def _decoded(text: str) -> bytes:
    """Return the bytes of base64; raises Coded for what is none, of which half would be left out unsaid."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise Coded("ErrorMimeContentInvalid") from None


def _local(elem: Any) -> str:
    return str(elem.tag).rpartition("}")[2]


def _values(elem: Any) -> dict[str, str]:
    """Return the named values of a ``MessageXml``."""
    if elem is None:
        return {}
    return {one.get("Name") or "": (one.text or "").strip() for one in elem.iter(f"{{{TNS}}}Value")}


def _back_off_s(elem: Any) -> float | None:
    stated = whole_number(_values(elem).get("BackOffMilliseconds", ""))
    return stated / 1_000 if stated is not None else None


def _fault(content: bytes) -> Coded:
    code, wait = _FAULT.search(content), _BACK_OFF.search(content)
    return Coded(code[1].decode() if code else "no_code", int(wait[1]) / 1_000 if wait else None)
