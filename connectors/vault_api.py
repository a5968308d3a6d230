"""Google Vault's export API: creates an export in a matter, tells how it stands, gives its files.

https://developers.google.com/workspace/vault/guides/exports, and for the files of a finished export the JSON
API of Cloud Storage: https://cloud.google.com/storage/docs/json_api/v1/objects/get.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from connectors.asking import PATIENCE_S, Busy, new_client, out_of_reach, seconds
from connectors.export_api import RemoteExport, RemoteFile, State, file_names, holders
from connectors.export_http import ExportHttp, Refusal
from connectors.google_auth import sends_with
from records.errors import AccessError, SettingsError
from records.models import Connection, SourceContext, Window
from records.numbers import whole_number

EDISCOVERY = "https://www.googleapis.com/auth/ediscovery"
STORAGE = "https://www.googleapis.com/auth/devstorage.read_only"
_STATES = {"COMPLETED": State.DONE, "FAILED": State.FAILED}
_OPTIONS: Mapping[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    # corpus: name of its options, those of the search, those of the export
    "MAIL": ("mailOptions", {}, {"exportFormat": "MBOX", "showConfidentialModeContent": True,
                                 "exportLinkedDriveFiles": True}),
    "GROUPS": ("groupsOptions", {}, {"exportFormat": "MBOX"}),
    "HANGOUTS_CHAT": ("hangoutsChatOptions", {"includeRooms": True}, {"exportFormat": "MBOX"}),
    "DRIVE": ("driveOptions", {"includeSharedDrives": True}, {"includeAccessInfo": True}),
    "VOICE": ("voiceOptions", {}, {"exportFormat": "MBOX"}),
}  # fmt: skip
_PAGE = 100
_HEX = re.compile(r"[0-9a-fA-F]{32}")


class VaultExports:
    """The exports of one matter."""

    kept_days = 15
    sums = True
    scopes: ClassVar[tuple[str, ...]] = (EDISCOVERY, STORAGE)

    def __init__(self, context: SourceContext, connection: Connection) -> None:
        """Keep what is needed; nothing is asked yet.

        Args:
            context: The source, whose options name the matter.
            connection: ``secret`` holds the key of a service account as JSON (or ``keyfile_dict`` in extra);
                ``subject`` in extra is the Vault administrator it acts for by domain-wide delegation.
        """
        self._source = f"source {context.source_id}"
        self._where = f"{self._source}: connection {connection.id}"
        self._context = context
        self._connection = connection
        self._made: dict[str, Any] = {}
        self._credentials: Any = None
        patience_s = seconds(connection, "patience_s", PATIENCE_S, self._where)
        self._http = ExportHttp(self._where, self._token, patience_s)

    def find(self, name: str) -> RemoteExport | None:
        """Return the newest export of this name in the matter, or None."""
        exports = self._client("vault").matters().exports()
        request = exports.list(matterId=self._matter(), pageSize=_PAGE)
        found: list[dict[str, Any]] = []
        while request is not None:
            answer = self._sent(request)
            found += [one for one in answer.get("exports", ()) if one.get("name") == name]
            request = exports.list_next(request, answer)
        if not found:
            return None
        return _export(max(found, key=lambda one: str(one.get("createTime", ""))))

    def create(self, name: str, window: Window) -> RemoteExport:
        """Start an export of the accounts' data in the window.

        Vault takes whole days in the zone that is given; the last day is asked for to the start of the next.
        """
        corpus = self._context.options.get("corpus") or "MAIL"
        if corpus not in _OPTIONS:
            known = ", ".join(sorted(_OPTIONS))
            raise SettingsError(f"{self._source}: options: corpus: not known; known: {known}")
        accounts = holders(self._context)
        if not accounts:
            raise SettingsError(
                f"{self._source}: whose data? Write `accounts` into options, or give the custodian an address"
            )
        option, searched, exported = _OPTIONS[corpus]
        query: dict[str, Any] = {
            "corpus": corpus,
            "dataScope": "ALL_DATA",
            "method": "ACCOUNT",
            "accountInfo": {"emails": accounts},
            "timeZone": window.zone.key,
        }
        if searched:
            query[option] = searched
        if terms := self._context.options.get("terms"):
            query["terms"] = terms
        if window.first is not None:
            query["startTime"] = f"{window.first.isoformat()}T00:00:00Z"
        if window.last is not None:
            query["endTime"] = f"{(window.last + timedelta(days=1)).isoformat()}T00:00:00Z"
        body = {"name": name, "query": query, "exportOptions": {option: exported}}
        exports = self._client("vault").matters().exports()
        return _export(self._sent(exports.create(matterId=self._matter(), body=body), once=True))

    def get(self, export_id: str) -> RemoteExport | None:
        """Return an export as it stands now; None when the matter knows it no more."""
        exports = self._client("vault").matters().exports()
        request = exports.get(matterId=self._matter(), exportId=export_id)
        try:
            return _export(self._http.ask(request.method, request.uri)[1])
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise self._refusal(refusal) from None

    @contextmanager
    def blocks(self, file: RemoteFile, offset: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Open a file from ``offset``; see ``connectors.export_api``."""
        bucket, _, name = file.place.partition("/")
        request = self._client("storage").objects().get_media(bucket=bucket, object=name)
        try:
            with self._http.blocks(request.uri, offset) as opened:
                yield opened
        except Refusal as refusal:
            if refusal.status in {404, 410}:
                raise AccessError(
                    f"{self._source}: the files of the export are gone: Vault deletes them {self.kept_days} "
                    "days after it was begun; fetch with --again to export anew"
                ) from None
            raise self._refusal(refusal) from None

    def close(self) -> None:
        """End its connections."""
        self._http.close()
        for made in self._made.values():
            made.close()
        self._made.clear()

    def _sent(self, request: Any, *, once: bool = False) -> Mapping[str, Any]:
        """Send a request that the client library made.

        Not by the library itself: what it sends with repeats a request whose connection was reset, and an
        export must not be created twice.
        """
        try:
            return self._http.ask(request.method, request.uri, body=request.body, once=once)[1]
        except Refusal as refusal:
            raise self._refusal(refusal) from None

    def _refusal(self, refusal: Refusal) -> AccessError:
        said = refusal.code or f"http_{refusal.status}"
        if refusal.status == 404:
            return AccessError(f"{self._source}: no such matter; check `matter` in options ({said})")
        return AccessError(f"{self._where}: {_REMEDIES.get(refusal.code, _REMEDIES[''])} ({said})")

    def _token(self, renew: bool) -> str:  # noqa: FBT001 - as ExportHttp calls it
        """Return a token of the service account, acting for the Vault administrator.

        Raises:
            AccessError: Google gives none; the message says what to do.
            Busy: Google's token service is away.
            SettingsError: The connection lacks the key or the subject.
        """
        import google.auth.exceptions
        import httpx

        if self._credentials is None:
            self._credentials = self._account()
        if renew or not self._credentials.valid:
            client = new_client()
            try:
                self._credentials.refresh(sends_with(client))
            except google.auth.exceptions.RefreshError as error:
                if error.retryable:
                    raise Busy from None
                raise self._no_token(error) from None
            except (google.auth.exceptions.TransportError, httpx.HTTPError) as error:
                raise out_of_reach(error) from None
            except (AttributeError, TypeError):  # an answer that is no JSON object
                raise Busy from None
            finally:
                client.close()
        return str(self._credentials.token)

    def _no_token(self, error: Exception) -> AccessError:
        """Say what to do when Google gives no token; its words hold the account."""
        said = " ".join(map(str, error.args))
        code = next((code for code in _NO_TOKEN if code and code in said), "")
        what = _NO_TOKEN[code].format(scopes=" and ".join(self.scopes))
        return AccessError(f"{self._where}: {what}" + (f" ({code})" if code else ""))

    def _client(self, service: str) -> Any:
        """Return a client of the library, from the description that it carries itself; it sends nothing."""
        import httplib2
        from googleapiclient.discovery import build

        if service not in self._made:
            host = self._connection.host
            if service == "storage":
                host = self._connection.extra.get("storage_host", "").rstrip("/")
                host = f"{host}/storage/v1/" if host else ""
            self._made[service] = build(
                service,
                "v1",
                http=httplib2.Http(),
                static_discovery=True,
                cache_discovery=False,
                client_options={"api_endpoint": host} if host else None,
            )
        return self._made[service]

    def _account(self) -> Any:
        from google.oauth2 import service_account

        extra = self._connection.extra
        stated = self._connection.secret or extra.get("keyfile_dict", "")
        subject = extra.get("subject", "")
        if not stated or not subject:
            lacks = "`subject` in extra (a Vault administrator)" if stated else "the service account's key"
            raise SettingsError(f"{self._where} lacks {lacks}")
        try:
            info = json.loads(stated)
            return service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
                info, scopes=list(self.scopes), subject=subject
            )
        except (ValueError, KeyError, TypeError, AttributeError):  # what it says may be of the key
            raise SettingsError(f"{self._where}: the key is not that of a service account (JSON)") from None

    def _matter(self) -> str:
        if not (stated := self._context.options.get("matter", "")):
            raise SettingsError(f"{self._source}: options: `matter` is missing")
        return stated


_NO_TOKEN = {
    "": "no token is given; check the key of the service account, and `subject`",
    "unauthorized_client": "the service account may not act for `subject` with these scopes; in the admin "
    "console under Security, API controls, Domain-wide delegation, add its client id with {scopes}",
    "invalid_grant": "`subject` is no account of this domain, or this machine's clock is wrong",
    "invalid_client": "the service account or its key was deleted; make a new key",
}
_REMEDIES = {
    "": "refused; give `subject` the Vault privileges Manage Exports and Manage Matters, and share the "
    "matter with it",
    "SERVICE_DISABLED": "the API is not switched on in the project of the service account; enable the "
    "Google Vault API there, and the Cloud Storage JSON API",
    "INVALID_ARGUMENT": "Vault does not take this search; check `terms`, `corpus` and the accounts",
}


def _export(body: Mapping[str, Any]) -> RemoteExport:
    state = _STATES.get(str(body.get("status")), State.RUNNING)
    stated = (body.get("cloudStorageSink") or {}).get("files", []) if state is State.DONE else []
    names = file_names([str(one.get("objectName", "")) for one in stated])
    files = tuple(
        RemoteFile(
            name,
            whole_number(str(one.get("size", ""))),
            _md5(str(one.get("md5Hash", ""))),
            f"{one.get('bucketName', '')}/{one.get('objectName', '')}",
        )
        for name, one in zip(names, stated, strict=True)
    )
    return RemoteExport(str(body.get("id", "")), state, files, _time(body.get("createTime")))


def _md5(stated: str) -> str | None:
    """Return a sum in hex; Cloud Storage itself writes it in base64."""
    if _HEX.fullmatch(stated):
        return stated.lower()
    try:
        raw = base64.b64decode(stated, validate=True)
    except (ValueError, binascii.Error):
        return None
    return raw.hex() if len(raw) == 16 else None


def _time(stated: object) -> datetime | None:
    """Return when an export was begun: its files are kept from then on."""
    try:
        return datetime.fromisoformat(str(stated)).astimezone(UTC)
    except ValueError:
        return None
