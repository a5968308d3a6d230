"""Microsoft Purview's export API: starts an export of a search, tells how it stands, gives its files.

https://learn.microsoft.com/graph/api/security-ediscoverysearch-exportresult (start),
https://learn.microsoft.com/graph/api/resources/security-ediscoverysearchexportoperation (state, files),
https://learn.microsoft.com/purview/edisc-ref-api-guide (download: another service, with a token of its own).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from connectors.asking import PATIENCE_S, Refused, seconds
from connectors.export_api import Interrupted, RemoteExport, RemoteFile, State, file_names
from connectors.export_http import ExportHttp, Refusal
from connectors.microsoft import Service, Tokens
from records.errors import AccessError, SettingsError
from records.models import Connection, SourceContext, Window

CASES = "/v1.0/security/cases/ediscoveryCases"
RIGHT, DOWNLOAD_RIGHT = "eDiscovery.ReadWrite.All", "eDiscovery.Download.Read"
DOWNLOADS = "b26e684c-5068-4120-a679-64a5d2c909d9/.default"
"""What download tokens are asked for: the application MicrosoftPurviewEDiscovery, alike in every tenant."""

OPTIONS = (
    "teamsAndYammerConversations", "cloudAttachments", "htmlTranscripts", "includeFolderAndPath",
    "splitSource", "includeReport",
)  # fmt: skip
FORMATS = ("msg", "pst")
_ALL_MEMBERS = {"Prefer": "include-unknown-enum-members"}
_STATES = {
    "succeeded": State.DONE,
    "partiallySucceeded": State.PARTLY,
    "failed": State.FAILED,
    "submissionFailed": State.FAILED,
}
_OF_PURVIEW = ", and make its service principal an eDiscovery Manager in Purview"
_HOSTS = (".cloud.microsoft", ".microsoft.com", ".microsoft.us", ".office365.us")
"""Where a download token may go: the services of Microsoft, worldwide and US Government."""


class PurviewExports:
    """The exports of one search."""

    kept_days = 14  # those of a review set: 30
    sums = False

    def __init__(self, context: SourceContext, connection: Connection) -> None:
        """Keep what is needed; nothing is asked yet.

        Args:
            context: The source, whose options name case and search.
            connection: As for every connector of Microsoft's services; ``download_scope`` in extra names what
                download tokens are asked for where it is not the usual.
        """
        self._source = f"source {context.source_id}"
        self._where = f"{self._source}: connection {connection.id}"
        self._options = context.options
        self._service = Service(context.source_id, connection).for_right(RIGHT, _OF_PURVIEW)
        self._tokens = [
            Tokens(context.source_id, connection, scope)
            for scope in (
                f"{self._service.base}/.default",
                connection.extra.get("download_scope") or DOWNLOADS,
            )
        ]
        patience_s = seconds(connection, "patience_s", PATIENCE_S, self._where)
        self._asking, self._downloading = (
            ExportHttp(self._where, lambda renew, tokens=tokens: tokens.get(renew=renew), patience_s)  # type: ignore[misc]
            for tokens in self._tokens
        )
        self._host = urlsplit(connection.host).hostname if connection.host else None

    def find(self, name: str) -> RemoteExport | None:
        """Return the newest export of this name, or None.

        https://learn.microsoft.com/graph/api/security-ediscoverycase-list-operations
        """
        found: list[tuple[str, str]] = []
        try:
            for page in self._service.pages(f"{self._case()}/operations", headers=_ALL_MEMBERS):
                found += [
                    (str(value.get("createdDateTime", "")), str(value["id"]))
                    for value in page.values
                    if value.get("displayName") == name and value.get("id")
                ]
        except Refused as refused:
            raise self._refusal(refused) from None
        return self.get(max(found)[1]) if found else None

    def create(self, name: str, window: Window) -> RemoteExport:
        """Start an export of the search; its window is the search's own, applied when it is read."""
        del window
        format_ = self._options.get("format") or FORMATS[0]
        if format_ not in FORMATS:
            raise SettingsError(f"{self._source}: options: format: not known; known: {', '.join(FORMATS)}")
        partial = self._options.get("partially_indexed", "") == "yes"
        wanted = {
            "displayName": name,
            "exportCriteria": "searchHits, partiallyIndexed" if partial else "searchHits",
            "exportFormat": format_,
            "additionalOptions": ", ".join(OPTIONS),
        }
        if partial:
            wanted["exportLocation"] = "responsiveLocations, nonresponsiveLocations"
        address = f"{self._service.base}{self._case()}/searches/{self._id('search')}/exportResult"
        try:
            headers, _ = self._asking.ask(
                "POST", address, headers=_ALL_MEMBERS, body=json.dumps(wanted), once=True
            )
        except Refusal as refusal:
            raise self._refusal(refusal) from None
        operation = headers.get("location", "").rstrip("/").rpartition("/")[2]
        operation = operation.removeprefix("operations('").removesuffix("')")
        if not operation:
            raise Interrupted(f"{self._where}: an export was started without an id; fetch again")
        return RemoteExport(operation, State.RUNNING)

    def get(self, export_id: str) -> RemoteExport | None:
        """Return an export as it stands now; None when the case knows it no more."""
        path = f"{self._case()}/operations/{quote(export_id, safe='')}"
        try:
            body = self._service.get(path, headers=_ALL_MEMBERS)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise self._refusal(refused) from None
        state = _STATES.get(str(body.get("status")), State.RUNNING)
        stated = list(body.get("exportFileMetadata") or ())
        if state is not State.FAILED and not all(one.get("downloadUrl") for one in stated):
            return RemoteExport(export_id, State.RUNNING)  # a package without them would pass for whole
        names = file_names([str(one.get("fileName") or "") for one in stated])
        files = tuple(
            RemoteFile(name, int(one["size"]) if one.get("size") else None, None, str(one["downloadUrl"]))
            for name, one in zip(names, stated, strict=True)
        )
        detail = _detail(body) if state in {State.FAILED, State.PARTLY} else ""
        return RemoteExport(export_id, state, files, _time(body.get("completedDateTime")), detail)

    @contextmanager
    def blocks(self, file: RemoteFile, offset: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Open a file from ``offset``; see ``connectors.export_api``."""
        self._check_host(file.place)
        try:
            with self._downloading.blocks(file.place, offset, {"X-AllowWithAADToken": "true"}) as opened:
                yield opened
        except Refusal as refusal:
            if refusal.status in {404, 410}:
                raise AccessError(
                    f"{self._source}: the files of the export are gone: Purview keeps those of a search for "
                    f"{self.kept_days} days, those of a review set for 30; fetch with --again to export anew"
                ) from None
            raise AccessError(
                f"{self._where}: the download is refused (http_{refusal.status}); grant the application "
                f"`{DOWNLOAD_RIGHT}` of MicrosoftPurviewEDiscovery, with admin consent"
            ) from None

    def close(self) -> None:
        """End its connections."""
        self._service.close()
        for http in (self._asking, self._downloading):
            http.close()
        for tokens in self._tokens:
            tokens.close()

    def _refusal(self, refusal: Refusal | Refused) -> AccessError:
        said = refusal.code or f"http_{refusal.status}"
        if refusal.status in {400, 404}:  # an id that is none is a bad request
            return AccessError(
                f"{self._source}: no such case or search; check `case` and `search` ({said}), and that the "
                "application's service principal may see the case in Purview"
            )
        if refusal.status == 402:
            return AccessError(f"{self._where}: switch on pay-as-you-go billing of Purview first ({said})")
        return AccessError(
            f"{self._where}: the export is refused ({said}); grant the application `{RIGHT}`, with admin "
            "consent, make its service principal an eDiscovery Manager in Purview, and run the search once"
        )

    def _check_host(self, address: str) -> None:
        """Send a token nowhere but to Microsoft, whatever link an answer held."""
        parts = urlsplit(address)
        host = (parts.hostname or "").lower()
        if host == self._host or (parts.scheme == "https" and host.endswith(_HOSTS)):
            return
        raise AccessError(f"{self._where}: the link of a file is not of Microsoft; no token is sent there")

    def _case(self) -> str:
        return f"{CASES}/{self._id('case')}"

    def _id(self, option: str) -> str:
        if not (stated := self._options.get(option, "")):
            raise SettingsError(f"{self._source}: options: `{option}` is missing")
        return quote(stated, safe="")


def _detail(body: Mapping[str, Any]) -> str:
    """Return the code of an operation's result; its message may hold names."""
    info = body.get("resultInfo")
    code = str(info.get("code", "")) if isinstance(info, dict) else ""
    return code if code.isascii() and code.replace("_", "").isalnum() and len(code) <= 60 else ""


def _time(stated: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(stated))
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
