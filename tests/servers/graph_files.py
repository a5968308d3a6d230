"""OneDrive and SharePoint of the fake of Microsoft Graph: drives, sites, shared files, earlier versions.

Each route names its page below https://learn.microsoft.com/graph/api/ (v1.0). What the pages leave open is
chosen to be awkward: ``delta`` gives items by id and not by time, gives the first folder of each page again,
tells no path, and pages hold few items. Bytes come by a redirection to an address with a token of its own,
which is good for one request and is refused when the application's token comes along.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.servers.graph import FILES, Graph, error

SITES, SELECTED = "Sites.Read.All", "Sites.Selected"
TOKEN = "tempauth-zanzibar"


def quick_xor(data: bytes) -> str:
    """Return the ``quickXorHash`` of bytes, slowly and by its definition.

    https://learn.microsoft.com/onedrive/developer/code-snippets/quickxorhash
    """
    ring = 0
    for place, byte in enumerate(data):
        for bit in range(8):
            if byte >> bit & 1:
                ring ^= 1 << (place * 11 + bit) % 160
    ring ^= len(data) << 96
    return base64.b64encode(ring.to_bytes(20, "little")).decode()


@dataclass
class Version:
    """An earlier version of a file."""

    id: str
    data: bytes
    modified: str


@dataclass
class Item:
    """A file, a folder or what else lies in a drive.

    Attributes:
        id: Unique in the drive.
        name: As people see it.
        data: Bytes of a file; None for what has none.
        parent: Id of the folder above; ``root`` for the top.
        created: By the service's clock.
        modified: By the service's clock.
        more: Facets and other properties, as Graph shows them; they overlay the rest.
        versions: Earlier ones, oldest first.
        hashed: Whether its sum is told.
        wrong_sum: What is told in place of its sum.
    """

    id: str
    name: str
    data: bytes | None = b""
    parent: str = "root"
    created: str = "2025-03-04T18:20:34Z"
    modified: str = "2025-03-05T18:20:34Z"
    more: dict[str, Any] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)
    hashed: bool = True
    wrong_sum: str = ""

    @property
    def is_folder(self) -> bool:
        return "folder" in self.more and "package" not in self.more


@dataclass
class Drive:
    """A drive, a library of a site among them."""

    id: str
    name: str = "OneDrive"
    items: dict[str, Item] = field(default_factory=dict)

    def add(self, item: Item) -> Item:
        self.items[item.id] = item
        return item

    def folder(self, key: str, name: str, parent: str = "root") -> Item:
        return self.add(Item(key, name, None, parent, more={"folder": {"childCount": 0}}))

    def below(self, parent: str) -> list[Item]:
        return [item for item in self.items.values() if item.parent == parent]


@dataclass
class Site:
    """A SharePoint site.

    Attributes:
        id: Host, collection and web, with commas between.
        path: Host and path of its address.
        name: As people see it.
        drives: Ids of its libraries.
        below: Ids of the sites below.
    """

    id: str
    path: str
    name: str
    drives: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)


@dataclass
class Files:
    """What lies behind; its routes go into ``Graph.more``.

    Attributes:
        graph: The tenant.
        owned: Ids of drives by lower-case address.
        drives: By id.
        sites: By id.
        shared: Drive and item by address.
        granted: Sites that ``Sites.Selected`` was granted on.
        refused: Items whose bytes are refused.
        page: Items a page.
        loads: How many were loaded.
        tags: Whether loads say by a strong tag what they are of.
        parts: Where parts that were asked for began.
    """

    graph: Graph
    owned: dict[str, list[str]] = field(default_factory=dict)
    drives: dict[str, Drive] = field(default_factory=dict)
    sites: dict[str, Site] = field(default_factory=dict)
    shared: dict[str, tuple[str, str]] = field(default_factory=dict)
    granted: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    page: int = 3
    loads: int = 0
    tags: bool = False
    parts: list[int] = field(default_factory=list)
    _tickets: dict[str, bytes] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        one = "/v1.0/drives/{drive}/items/{item}"
        routes = {
            "/v1.0/users/{user}/drives": self._owned,
            "/v1.0/drives/{drive}": self._drive,
            "/v1.0/drives/{drive}/root/delta": self._delta,
            "/v1.0/drives/{drive}/root/search(q='{query}')": self._search,
            f"{one}/search(q='{{query}}')": self._search,
            one: self._item,
            f"{one}/children": self._children,
            f"{one}/content": self._content,
            f"{one}/versions": self._versions,
            f"{one}/versions/{{version}}/content": self._content,
            "/v1.0/sites/{site}/sites": self._below,
            "/v1.0/sites/{site}/drives": self._libraries,
            "/v1.0/sites/{where:path}": self._site,
        }
        self.graph.more += [Route(path, self._guarded(answer)) for path, answer in routes.items()]
        self.graph.more.append(Route("/v1.0/shares/{share}/driveItem", self._share))
        self.graph.more.append(Route("/load/{ticket}", self._load))

    def drive(self, key: str, name: str = "OneDrive", of: str = "") -> Drive:
        made = self.drives[key] = Drive(key, name)
        if of:
            self.owned.setdefault(of.lower(), []).append(key)
        return made

    # -- who may ask ---------------------------------------------------------------------------------

    def _guarded(self, answer: Any) -> Any:
        async def guarded(request: Request) -> Response:
            self.graph.happen(request)
            refused = self._refusal(request)
            return refused if refused is not None else answer(request)

        return guarded

    def _refusal(self, request: Request) -> JSONResponse | None:
        """permissions-selected-overview: one of the rights, or one that was granted on the site."""
        about = request.path_params
        of = {key for key, site in self.sites.items() if about.get("drive") in site.drives}
        of |= {about.get("site", "")}
        if "where" in about:
            of |= {key for key, site in self.sites.items() if site.path == about["where"].replace(":", "", 1)}
        rights = self.graph.entra.rights
        right = next((one for one in (SITES, FILES) if one in rights), SITES)
        if SELECTED in rights and of & self.granted:
            right = SELECTED
        if right == FILES and "sites" in request.url.path.split("/")[2]:
            right = SITES  # Files.Read.All finds no sites
        found = self.graph.refusal(request, right)
        if found is not None and found.status_code == 403:
            return error(403, "accessDenied", "Access denied")
        return found

    # -- drives --------------------------------------------------------------------------------------

    def _owned(self, request: Request) -> Response:
        """drive-list"""
        address = request.path_params["user"].lower()
        if self.graph.store.find(address) is None:
            return error(404, "Request_ResourceNotFound", "Resource does not exist.")
        if address not in self.owned:
            return error(404, "ResourceNotFound", "User's mysite not found.")
        return self._values([self._shown_drive(self.drives[key]) for key in self.owned[address]])

    def _drive(self, request: Request) -> Response:
        """drive-get"""
        found = self.drives.get(request.path_params["drive"])
        return JSONResponse(self._shown_drive(found)) if found else _gone()

    def _shown_drive(self, drive: Drive) -> dict[str, Any]:
        return {"id": drive.id, "name": drive.name, "driveType": "business"}

    def _delta(self, request: Request) -> Response:
        """driveitem-delta: every item, by pages; the last one has a link for the changes to come."""
        drive = self.drives.get(request.path_params["drive"])
        if drive is None:
            return _gone()
        root = Item("root", "root", None, "", more={"folder": {}, "root": {}})
        items = [root, *(drive.items[key] for key in sorted(drive.items))]
        skip = int(request.query_params.get("token", "0"))
        values = items[skip : skip + self.page]
        again = [item for item in items[:skip] if item.is_folder][:1] if skip else []
        shown = [self._shown(drive, item, path=False) for item in [*again, *values]]
        link = skip + self.page if skip + self.page < len(items) else None
        return self._body(request, shown, "token", link, end="@odata.deltaLink")

    def _search(self, request: Request) -> Response:
        """driveitem-search: by name and, here, by bytes; folders too; nothing but whole words of a query."""
        drive = self.drives.get(request.path_params["drive"])
        if drive is None:
            return _gone()
        words = unquote(request.path_params["query"]).replace("''", "'").lower().encode()
        found = [
            item
            for item in drive.items.values()
            if words in item.name.lower().encode() or words in (item.data or b"").lower()
        ]
        skip = int(request.query_params.get("$skiptoken", "0"))
        shown = [self._shown(drive, item, path=False) for item in found[skip : skip + self.page]]
        link = skip + self.page if skip + self.page < len(found) else None
        return self._body(request, shown, "$skiptoken", link)

    def _item(self, request: Request) -> Response:
        """driveitem-get"""
        drive, item = self._find(request)
        return JSONResponse(self._shown(drive, item)) if drive and item else _gone()

    def _children(self, request: Request) -> Response:
        """driveitem-list-children"""
        drive, item = self._find(request)
        if drive is None or item is None:
            return _gone()
        found = sorted(drive.below(item.id), key=lambda one: one.name)
        skip = int(request.query_params.get("$skiptoken", "0"))
        shown = [self._shown(drive, one) for one in found[skip : skip + self.page]]
        link = skip + self.page if skip + self.page < len(found) else None
        return self._body(request, shown, "$skiptoken", link)

    def _versions(self, request: Request) -> Response:
        """driveitem-list-versions: newest first, the file as it is among them."""
        drive, item = self._find(request)
        if drive is None or item is None:
            return _gone()
        now = Version(f"{len(item.versions) + 1}.0", item.data or b"", item.modified)
        shown = [
            {
                "id": one.id,
                "lastModifiedDateTime": one.modified,
                "size": len(one.data),
                "lastModifiedBy": {"user": {"displayName": "Lee Okafor", "email": "lee@example.org"}},
            }
            for one in (now, *reversed(item.versions))
        ]
        return self._values(shown)

    def _content(self, request: Request) -> Response:
        """driveitem-get-content, driveitemversion-get-contents: 302 to an address allowed by itself."""
        drive, item = self._find(request)
        if drive is None or item is None or item.data is None:
            return _gone()
        if item.id in self.refused:
            return error(403, "accessDenied", "Access denied. You do not have permission to this file.")
        data, number = item.data, request.path_params.get("version")
        if number is not None:
            earlier = next((one for one in item.versions if one.id == number), None)
            if earlier is None:  # of the current version there are no bytes here
                return error(400, "invalidRequest", "You cannot get the content of the current version.")
            data = earlier.data
        ticket = f"{TOKEN}-{next(self._numbers)}"
        self._tickets[ticket] = data
        return RedirectResponse(f"{self._here(request)}/load/{ticket}", 302)

    async def _load(self, request: Request) -> Response:
        if "authorization" in request.headers:
            return error(401, "unauthenticated", "A token was sent along.")
        data = self._tickets.pop(request.path_params["ticket"], None)
        if data is None:
            return Response("gone", 401)
        self.loads += 1
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"' if self.tags else 'W/"weak"'
        headers = {"etag": tag}
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        if asked is None or request.headers.get("if-range") != tag:
            return Response(data, media_type="application/octet-stream", headers=headers)
        begin = int(asked[1])
        self.parts.append(begin)
        if begin >= len(data):
            return Response(status_code=416)
        headers["content-range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        return Response(data[begin:], 206, media_type="application/octet-stream", headers=headers)

    def _find(self, request: Request) -> tuple[Drive | None, Item | None]:
        drive = self.drives.get(request.path_params["drive"])
        return drive, drive.items.get(request.path_params["item"]) if drive else None

    def _shown(self, drive: Drive, item: Item, *, path: bool = True) -> dict[str, Any]:
        above: dict[str, Any] = {"driveId": drive.id, "driveType": "business", "id": item.parent}
        if path:
            above["path"] = f"/drives/{drive.id}/root:"
        tag = len(item.data or b"")
        about: dict[str, Any] = {
            "id": item.id,
            "name": item.name,
            "size": len(item.data or b""),
            "createdDateTime": item.created,
            "lastModifiedDateTime": item.modified,
            "eTag": f'"{{{item.id}}},{tag}"',
            "webUrl": f"https://district.sharepoint.example/{drive.id}/{quote(item.name)}",
            "createdBy": {"user": {"displayName": "Ana Ruiz", "email": "ana@example.org"}},
            "lastModifiedBy": {"user": {"displayName": "Lee Okafor", "email": "lee@example.org"}},
            "parentReference": above,
        }
        if item.data is not None:
            about["cTag"] = f'"c:{{{item.id}}},{tag}"'
            about["file"] = {"mimeType": "application/octet-stream"}
            if item.hashed or item.wrong_sum:
                about["file"]["hashes"] = {"quickXorHash": item.wrong_sum or quick_xor(item.data)}
        return about | item.more

    # -- sites and shared files ------------------------------------------------------------------------

    def _site(self, request: Request) -> Response:
        """site-getbypath, site-get"""
        where = request.path_params["where"].replace(":", "", 1)
        found = next((site for site in self.sites.values() if site.path == where), None)
        return JSONResponse(self._shown_site(found)) if found else _gone()

    def _below(self, request: Request) -> Response:
        """site-list-subsites"""
        site = self.sites[request.path_params["site"]]
        return self._values([self._shown_site(self.sites[key]) for key in site.below])

    def _libraries(self, request: Request) -> Response:
        """drive-list, of a site"""
        site = self.sites[request.path_params["site"]]
        return self._values([self._shown_drive(self.drives[key]) for key in site.drives])

    def _shown_site(self, site: Site) -> dict[str, Any]:
        return {"id": site.id, "displayName": site.name, "name": site.name, "webUrl": f"https://{site.path}"}

    async def _share(self, request: Request) -> Response:
        """shares-get; what nobody put here are linked files of messages."""
        coded = request.path_params["share"].partition("!")[2]
        address = base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()
        if address not in self.shared:
            return await self.graph._share(request)
        refused = self.graph.refusal(request, FILES)
        if refused is not None:
            return refused
        drive, item = self.shared[address]
        return JSONResponse(self._shown(self.drives[drive], self.drives[drive].items[item]))

    # -- lists ---------------------------------------------------------------------------------------

    def _values(self, values: list[dict[str, Any]]) -> Response:
        return JSONResponse({"value": values})

    def _body(
        self, request: Request, values: list[dict[str, Any]], name: str, following: int | None, end: str = ""
    ) -> Response:
        query = {key: value for key, value in request.query_params.items() if key != name}
        address = f"{self._here(request)}{quote(request.url.path)}?"
        body: dict[str, Any] = {"value": values}
        if following is not None:
            body["@odata.nextLink"] = address + urlencode({**query, name: str(following)})
        elif end:
            body[end] = address + urlencode({**query, name: "latest"})
        return JSONResponse(body)

    def _here(self, request: Request) -> str:
        return f"{request.url.scheme}://{request.url.netloc}"


def _gone() -> JSONResponse:
    return error(404, "itemNotFound", "The resource could not be found.")
