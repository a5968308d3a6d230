"""``daylight view``: read-only pages on loopback, so that a person can read what a decision is about.

Requests, an overview of each, the families in review, and a family in order: what a record says, its body
made safe, its text, its native to download, why it is here, what was decided and by whom, its retention flag.
The pages change nothing but the audit log: every record that is opened is written there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from records import audit, canonical
from records.catalogue import Catalogue
from records.conversations import KINDS
from records.errors import ItemError
from records.evidence import BlobRef, EvidenceStore
from records.settings import Settings
from review import conversation_page, page_data
from review.difference import shortened
from review.exemptions import load as load_exemptions
from review.families import Member, terms_of
from review.guard import Guard
from review.page_data import FAMILIES_A_PAGE, MARKS, MEMBERS_A_PAGE, Filter, RequestRow, Snippets

__all__ = ["DEFAULT_PORT", "MARKS", "make_app"]

DEFAULT_PORT = 8421
"""Where the links of a coding sheet lead (``review.sheet.DEFAULT_VIEW_URL``)."""

_HERE = Path(__file__).parent
_CHUNK = 1 << 16
_UNSAFE_NAME = re.compile(r"[^\w .()+-]+", re.ASCII)
_AUDIT_PIECE = 500

Overview = Callable[[str], Mapping[str, Any]]
"""Request id to its ledger, in the form that ``daylight ledger`` prints."""


class _Pages:
    """The handlers, with what they share."""

    def __init__(
        self, catalogue: Catalogue, settings: Settings, snippets: Snippets, who: str, overview: Overview
    ) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._snippets = snippets
        self._who = who
        self._overview = overview
        self._lists = page_data.Lists(catalogue)
        self._templates = _environment()

    # -- pages

    def requests(self, _request: Request) -> Response:
        return self._page("requests.html", requests=page_data.requests(self._catalogue))

    def request(self, request: Request) -> Response:
        found = self._found(request)
        return self._page(
            "request.html",
            request=found,
            ledger=self._overview(found.request_id),
            report=page_data.hit_report(self._catalogue, found),
            families=len(self._lists.entries(found)),
        )

    def families(self, request: Request) -> Response:
        found = self._found(request)
        query = request.query_params
        term = query.get("term", "")
        narrowed = Filter(
            int(term) if re.fullmatch(r"[0-9]{1,9}", term) else None,
            query.get("custodian") or None,
            query.get("state") or None,
        )
        page = _number(query.get("page", ""))
        store = self._store(found.request_id)
        try:
            shown, total = self._lists.page(store, found, narrowed, page)
        finally:
            store.close()
        entries = self._lists.entries(found)
        with self._catalogue.read() as connection:
            terms = terms_of(connection, found.request_id, found.version)
        kept = {"term": narrowed.term, "custodian": narrowed.custodian, "state": narrowed.state}
        return self._page(
            "families.html",
            request=found,
            families=shown,
            total=total,
            page=page,
            pages=max(1, -(-total // FAMILIES_A_PAGE)),
            narrowed=narrowed,
            query=urlencode({name: value for name, value in kept.items() if value is not None}),
            terms=terms,
            custodians=sorted({entry.custodian for entry in entries}),
            states=sorted({state for entry in entries for state in entry.states}),
        )

    def family(self, request: Request) -> Response:
        found = self._found(request)
        family_id = request.path_params["family_id"]
        members = page_data.family(self._catalogue, found.request_id, family_id)
        if not members:
            raise HTTPException(404, "This request has no such family.")
        pages = -(-len(members) // MEMBERS_A_PAGE)
        page = min(_number(request.query_params.get("page", "")), pages)
        shown = members[(page - 1) * MEMBERS_A_PAGE : page * MEMBERS_A_PAGE]
        self._audit("read", found.request_id, [member.item_id for member in shown if member.stored])
        store = self._store(found.request_id)
        try:
            views = page_data.views(
                self._catalogue, store, found, members, shown, self._snippets, self._lists.standings(found)
            )
        finally:
            store.close()
        before, here, after = self._neighbours(found, family_id)
        return self._page(
            "family.html",
            request=found,
            members=members,
            views=views,
            page=page,
            pages=pages,
            page_of={m.item_id: no // MEMBERS_A_PAGE + 1 for no, m in enumerate(members)},
            before=before,
            here=here,
            after=after,
            total=len(self._lists.entries(found)),
        )

    def item(self, request: Request) -> Response:
        """Lead to an item's place in its family; the coding sheet's links come here."""
        found = self._found(request)
        item_id = request.path_params["item_id"]
        family_id = page_data.family_of(self._catalogue, found.request_id, item_id)
        if family_id is None:
            raise HTTPException(404, "This request has no such record.")
        members = page_data.family(self._catalogue, found.request_id, family_id)
        place = next(no for no, member in enumerate(members) if member.item_id == item_id)
        page = place // MEMBERS_A_PAGE + 1
        address = f"/r/{quote(found.request_id)}/f/{family_id}"
        return RedirectResponse(f"{address}{f'?page={page}' if page > 1 else ''}#i-{item_id}", 303)

    def conversation(self, request: Request) -> Response:
        """Show the day of a conversation that a message is in, or another day of it."""
        found = self._found(request)
        item_id, query = request.path_params["item_id"], request.query_params
        whole = conversation_page.conversation(self._catalogue, found, item_id)
        place = whole.place_of(item_id) if whole is not None else None
        if whole is None or place is None:
            raise HTTPException(404, "This request has no such message of a conversation.")
        asked = _number(query["day"]) - 1 if "day" in query else place
        if asked >= len(whole.slices):
            raise HTTPException(404, "The conversation has no such day.")
        around = query.get("around", "all")
        contexts = dict(conversation_page.CONTEXTS)
        page = _number(query.get("page", "")) if "page" in query or asked != place else None
        store = self._store(found.request_id)
        try:
            view = conversation_page.day_view(
                self._catalogue, store, found, whole, asked, contexts.get(around), page, item_id
            )
        finally:
            store.close()
        self._audit("read", found.request_id, [member.item_id for member in view.members])
        return self._page(
            "conversation.html",
            request=found,
            whole=whole,
            view=view,
            item_id=item_id,
            place=asked,
            around=around if around in contexts else "all",
            contexts=conversation_page.CONTEXTS,
            before=whole.near(asked, -1),
            after=whole.near(asked, 1),
            hit_before=whole.near(asked, -1, with_hits=True),
            hit_after=whole.near(asked, 1, with_hits=True),
        )

    def compare(self, request: Request) -> Response:
        """Show word by word how the text of a record differs from another's."""
        found, one = self._member(request)
        _, other = self._member(request, "other_id")
        store = self._store(found.request_id)
        try:
            made = page_data.compared(store, one, other)
        finally:
            store.close()
        if made is None:
            raise HTTPException(404, "One of the two has no text that can be read.")
        self._audit("read", found.request_id, [one.item_id, other.item_id])
        return self._page(
            "compare.html", request=found, one=one, other=other, made=made, runs=list(shortened(made))
        )

    # -- files

    def native(self, request: Request) -> Response:
        """Give the exact native bytes, always as a file to save, never to be shown by the browser."""
        found, member = self._member(request)
        name = _file_name(member)
        disposition = f"attachment; filename=\"{name}\"; filename*=UTF-8''{quote(name)}"
        headers = {"content-disposition": disposition}
        return self._bytes(
            found, member, member.blob_sha256, "downloaded", "application/octet-stream", headers
        )

    def text(self, request: Request) -> Response:
        """Give the whole stored text as plain text."""
        found, member = self._member(request)
        return self._bytes(found, member, member.text_sha256, "read", "text/plain; charset=utf-8", {})

    def _bytes(
        self,
        found: RequestRow,
        member: Member,
        digest: str | None,
        action: str,
        media_type: str,
        headers: dict[str, str],
    ) -> Response:
        store = self._store(found.request_id)
        try:
            ref = store.find([digest]).get(digest) if digest else None
            if ref is None:
                raise HTTPException(404, "There is nothing stored here: it was never had, or it was removed.")
            self._audit(action, found.request_id, [member.item_id])
            stream = _stream(store, ref)
            first = next(stream, b"")  # a damaged record is found out before the answer starts
        except ItemError as error:
            store.close()
            raise HTTPException(500, f"The stored bytes are damaged ({error.reason.value}).") from error
        except HTTPException:
            store.close()
            raise
        headers["content-length"] = str(ref.size_bytes)
        return StreamingResponse(_chained(first, stream), media_type=media_type, headers=headers)

    # -- shared

    def _page(self, template: str, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._templates.get_template(template).render(who=self._who, **values))

    def refusal(self) -> str:
        return self._templates.get_template("refusal.html").render(who="")

    def problem(self, _request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        detail = error.detail if isinstance(error, HTTPException) and error.detail else "This did not work."
        page = self._templates.get_template("problem.html").render(
            who=self._who, status=status, detail=detail
        )
        return HTMLResponse(page, status)

    def _found(self, request: Request) -> RequestRow:
        found = page_data.request(self._catalogue, request.path_params["request_id"])
        if found is None:
            raise HTTPException(404, "There is no such request.")
        return found

    def _member(self, request: Request, name: str = "item_id") -> tuple[RequestRow, Member]:
        found = self._found(request)
        item_id = request.path_params[name]
        family_id = page_data.family_of(self._catalogue, found.request_id, item_id)
        members = page_data.family(self._catalogue, found.request_id, family_id) if family_id else []
        for member in members:
            if member.item_id == item_id:
                return found, member
        raise HTTPException(404, "This request has no such record.")

    def _store(self, request_id: str) -> EvidenceStore:
        """Open the evidence for one answer: its open files are not for several threads at once."""
        return EvidenceStore(
            self._settings.request_folder(request_id) / "evidence", self._catalogue, request_id
        )

    def _audit(self, action: str, request_id: str, item_ids: list[str]) -> None:
        for start in range(0, len(item_ids), _AUDIT_PIECE):
            with self._catalogue.write() as connection:
                for item_id in item_ids[start : start + _AUDIT_PIECE]:
                    audit.append(
                        connection, action=action, actor=self._who, request_id=request_id, item=item_id
                    )

    def _neighbours(self, found: RequestRow, family_id: str) -> tuple[str | None, int | None, str | None]:
        """Return the families before and after in reading order, and this one's place."""
        entries = self._lists.entries(found)
        for number, entry in enumerate(entries):
            if entry.family.family_id == family_id:
                before = entries[number - 1].family.family_id if number else None
                after = entries[number + 1].family.family_id if number + 1 < len(entries) else None
                return before, number + 1, after
        return None, None, None


def make_app(
    catalogue: Catalogue,
    settings: Settings,
    *,
    token: str,
    snippets: Snippets,
    who: str,
    overview: Overview,
) -> Starlette:
    """Return the pages as an ASGI application, to be served on loopback only.

    Args:
        catalogue: The catalogue of the home.
        settings: Where the evidence lies.
        token: Random text of 128 bits or more; the first address a person opens carries it as ``?token=``.
        snippets: Called with request id, item id and term number; gives excerpts of the stored text with
            ``MARKS`` around each match. They are escaped here.
        who: Who reads, for the audit log.
        overview: Called with a request id; gives its ledger as ``daylight ledger`` prints it.
    """
    pages = _Pages(catalogue, settings, snippets, who, overview)
    item = "/r/{request_id}/i/{item_id}"
    routes = [
        Route("/", pages.requests),
        Route("/r/{request_id}", pages.request),
        Route("/r/{request_id}/families", pages.families),
        Route("/r/{request_id}/f/{family_id}", pages.family),
        Route(item, pages.item),
        Route(f"{item}/conversation", pages.conversation),
        Route(f"{item}/compare/{{other_id}}", pages.compare),
        Route(f"{item}/native", pages.native),
        Route(f"{item}/text", pages.text),
        Route("/static/daylight.css", _style),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, token=token, refusal=pages.refusal())],
        exception_handlers={HTTPException: pages.problem},
    )


def _style(_request: Request) -> Response:
    return FileResponse(_HERE / "static" / "daylight.css", media_type="text/css")


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["words"] = lambda text: str(text).replace("_", " ")
    made.filters["number"] = lambda value: f"{value:,}" if isinstance(value, int) else value
    made.filters["bytes"] = _size
    made.filters["utc"] = lambda text: f"{canonical.utc_time(text):%Y-%m-%d %H:%M} UTC"
    made.globals["state_key"] = page_data.state_key
    made.globals["conversation_kinds"] = KINDS
    made.globals["exemption_rules"] = load_exemptions()
    return made


def _size(count: int | None) -> str:
    if count is None:
        return "unknown size"
    size = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _number(text: str) -> int:
    return max(1, int(text)) if re.fullmatch(r"[0-9]{1,9}", text) else 1


def _file_name(member: Member) -> str:
    """Return a name that is safe to save under: what the source said, without paths and odd characters."""
    endings = {"email": ".eml", "message": ".bin", "chat": ".bin"}
    stated = (member.name or "").replace("\\", "/").rpartition("/")[2]
    name = _UNSAFE_NAME.sub("_", stated).strip(" .")[-100:]
    return name or f"{member.item_id}{endings.get(member.kind, '.bin')}"


def _stream(store: EvidenceStore, ref: BlobRef) -> Iterator[bytes]:
    try:
        with store.stream(ref) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    finally:
        store.close()


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest
