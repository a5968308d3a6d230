"""Holds at the service itself: Google Vault and Microsoft Purview keep what is in an account from deletion.

A connection allows it when its ``extra`` names where holds go: ``hold_matter`` (a matter of Vault) or
``hold_case`` (an eDiscovery case of Purview). A hold is looked for by its name before one is placed, so that
a try that was cut off never gives two. The matter or case of a hold that is placed is kept with it: the
connection may name another one later.

- https://developers.google.com/workspace/vault/guides/holds and the service's discovery document
- https://learn.microsoft.com/graph/api/security-ediscoverycase-post-legalholds, ``…-list-legalholds`` and
  https://learn.microsoft.com/graph/api/resources/security-ediscoveryholdpolicy (state, sources)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar, Protocol
from urllib.parse import quote

from connectors.asking import PATIENCE_S, Refused, seconds
from connectors.export_api import Interrupted
from connectors.export_http import ExportHttp, Refusal
from connectors.microsoft import Service, Tokens
from connectors.purview_api import CASES, RIGHT
from connectors.vault_api import EDISCOVERY, VaultExports
from records.errors import AccessError, Retryable, SettingsError
from records.models import Connection, SourceContext, Window

VAULT, PURVIEW = "vault", "purview"
_MARGIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Placed:
    """A hold at its service.

    Attributes:
        id: The service's own.
        state: ``in_force``; ``pending`` while the service still spreads it; ``error``; ``off`` when somebody
            switched it off there.
        at: When the service says that it was placed, as the service writes it; empty where it does not say.
    """

    id: str
    state: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class OtherHold:
    """Another hold on the same account: where it stands, by the service's ids."""

    container: str
    id: str


class HoldService(Protocol):
    """One matter or case in which holds are placed.

    Attributes:
        container: Its id.
    """

    container: str

    def find(self, name: str) -> Placed | None:
        """Return the hold of this name, or None."""

    def place(self, name: str, account: str, window: Window, corpus: str) -> Placed:
        """Place a hold on an account; never called while ``find`` knows one of the name.

        Raises:
            AccessError: The service refuses; the message says what to do.
            Retryable: It is busy or away, or nobody knows whether it was placed: ``find`` tells.
        """

    def release(self, hold_id: str) -> bool:
        """Release a hold; return whether it was there.

        Raises:
            AccessError: The service refuses, or the matter or case itself cannot be seen: nobody knows.
        """

    def others(self, account: str, hold_id: str) -> tuple[OtherHold, ...]:
        """Return other holds on the account, as far as this connection may see them."""

    def close(self) -> None:
        """End its connections."""


def route_of(connection: Connection) -> str:
    """Return the route by which a connection places holds; empty where it places none."""
    if connection.extra.get("hold_matter"):
        return VAULT
    return PURVIEW if connection.extra.get("hold_case") else ""


def corpora(connection: Connection) -> tuple[str, ...]:
    """Return what is held apart: services of Vault by ``hold_corpora``; of Purview, all in one.

    Raises:
        SettingsError: ``hold_corpora`` names one that no hold is placed on.
    """
    if route_of(connection) != VAULT:
        return ("",)
    stated = [one.strip() for one in connection.extra.get("hold_corpora", "MAIL").split(",")]
    unknown = sorted(set(stated) - set(_QUERIES))
    if unknown:
        known = ", ".join(sorted(_QUERIES))
        raise SettingsError(f"connection {connection.id}: hold_corpora: {', '.join(unknown)}; known: {known}")
    return tuple(dict.fromkeys(stated))


def hold_service(context: SourceContext, connection: Connection, container: str = "") -> HoldService:
    """Return the service that a connection places holds at.

    Args:
        context: The source.
        connection: Of the source.
        container: The matter or case in which a hold was placed; empty for the one that is named now.

    Raises:
        SettingsError: It places none.
    """
    route = route_of(connection)
    if route == VAULT:
        return VaultHolds(context, connection, container)
    if route == PURVIEW:
        return PurviewHolds(context, connection, container)
    raise SettingsError(
        f"connection {connection.id} places no holds: `hold_matter` or `hold_case` is not in its extra"
    )


# -- Google Vault

_QUERIES: Mapping[str, str] = {
    "MAIL": "mailQuery",
    "DRIVE": "driveQuery",
    "HANGOUTS_CHAT": "hangoutsChatQuery",
}


class VaultHolds(VaultExports):
    """The holds of one matter."""

    scopes: ClassVar[tuple[str, ...]] = (EDISCOVERY,)

    def __init__(self, context: SourceContext, connection: Connection, container: str = "") -> None:
        """Keep what is needed; nothing is asked yet. ``container``: another matter than is named now."""
        super().__init__(context, connection)
        self.container = container or connection.extra.get("hold_matter", "")

    def find(self, name: str) -> Placed | None:  # type: ignore[override]  # holds, not exports
        """Return the hold of this name in the matter, or None."""
        return next((_vault(one) for one in self._holds(self._matter()) if one.get("name") == name), None)

    def place(self, name: str, account: str, window: Window, corpus: str) -> Placed:
        """Place a hold; mail by the days of the window, with a day around them, everything else whole.

        Vault rounds days to midnight GMT, so a day more on each side covers whole days of every zone.
        """
        query: dict[str, Any] = {}
        if corpus == "MAIL":
            query = _days(window)
        elif corpus == "DRIVE":
            query = {"includeSharedDriveFiles": True}
        else:
            query = {"includeRooms": True}
        body = {
            "name": name,
            "corpus": corpus,
            "accounts": [{"email": account}],
            "query": {_QUERIES[corpus]: query},
        }
        holds = self._client("vault").matters().holds()
        try:
            return _vault(self._sent(holds.create(matterId=self._matter(), body=body), once=True))
        except Interrupted:
            raise Retryable(
                f"{self._where}: cut off while a hold was placed; place it again, it is found by its name"
            ) from None
        except _NoMatter as error:  # the matter was listed just now, so it is the account that is not there
            raise AccessError(
                f"{self._where}: Vault knows no such account; correct `account` of the source ({error.said})"
            ) from None

    def release(self, hold_id: str) -> bool:
        """Release a hold; return whether it was there.

        Vault answers 404 for a matter that is not there as well, so the matter is then listed.
        """
        request = self._client("vault").matters().holds().delete(matterId=self._matter(), holdId=hold_id)
        try:
            self._http.ask(request.method, request.uri)
        except Refusal as refusal:
            if refusal.status != 404:
                raise self._refusal(refusal) from None
            return self._gone(hold_id)
        return True

    def _gone(self, hold_id: str) -> bool:
        if any(one.get("holdId") == hold_id for one in self._holds(self._matter())):
            raise AccessError(f"{self._where}: Vault lists the hold and does not find it; release it there")
        return False

    def others(self, account: str, hold_id: str) -> tuple[OtherHold, ...]:
        """Return other holds on the account in open matters that the administrator may see."""
        matters = self._client("vault").matters()
        request = matters.list(state="OPEN", pageSize=100)
        found: list[OtherHold] = []
        while request is not None:
            answer = self._sent(request)
            for matter in answer.get("matters", ()):
                key = str(matter.get("matterId", ""))
                found += [
                    OtherHold(key, str(one.get("holdId", "")))
                    for one in self._holds(key)
                    if one.get("holdId") != hold_id and _holds_account(one, account)
                ]
            request = matters.list_next(request, answer)
        return tuple(found)

    def _holds(self, matter: str) -> Iterator[Mapping[str, Any]]:
        holds = self._client("vault").matters().holds()
        request = holds.list(matterId=matter, pageSize=100, view="FULL_HOLD")
        while request is not None:
            answer = self._sent(request)
            yield from answer.get("holds", ())
            request = holds.list_next(request, answer)

    def _matter(self) -> str:
        return self.container

    def _refusal(self, refusal: Refusal) -> AccessError:
        said = refusal.code or f"http_{refusal.status}"
        if refusal.status == 404:
            return _NoMatter(f"{self._where}: no such matter; check `hold_matter` in extra ({said})", said)
        if refusal.code in {"FAILED_PRECONDITION", "failedPrecondition"}:
            return AccessError(
                f"{self._where}: the matter is closed or deleted; reopen it in Vault, or name another as "
                f"`hold_matter` in extra ({said})"
            )
        if refusal.code == "INVALID_ARGUMENT" or refusal.status == 400:
            return AccessError(f"{self._where}: Vault takes no such hold; check the account ({said})")
        return AccessError(
            f"{self._where}: refused; give `subject` the Vault privileges Manage Holds and Manage Matters, "
            f"and share the matter with it ({said})"
        )


class _NoMatter(AccessError):  # noqa: N818 - named by what happened
    """Vault answers 404."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


def _days(window: Window) -> dict[str, Any]:
    """Return the days, with no bound where the calendar has no day for it."""
    query = {}
    if window.first is not None and window.first - date.min >= _MARGIN:
        query["startTime"] = _midnight(window.first - _MARGIN)
    if window.last is not None and date.max - window.last >= 2 * _MARGIN:
        query["endTime"] = _midnight(window.last + 2 * _MARGIN)  # the end of the day after
    return query


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _holds_account(hold: Mapping[str, Any], account: str) -> bool:
    return any(str(one.get("email", "")).lower() == account.lower() for one in hold.get("accounts", ()))


def _vault(body: Mapping[str, Any]) -> Placed:
    times = [str(one["holdTime"]) for one in body.get("accounts", ()) if one.get("holdTime")]
    return Placed(
        str(body.get("holdId", "")), "in_force", max(times, default=str(body.get("updateTime") or ""))
    )


# -- Microsoft Purview

_STATES = {"success": "in_force", "error": "error"}


class PurviewHolds:
    """The legal holds of one eDiscovery case: mailbox and OneDrive of an account, all that is in them."""

    def __init__(self, context: SourceContext, connection: Connection, container: str = "") -> None:
        """Keep what is needed; nothing is asked yet. ``container``: another case than is named now."""
        self._where = f"source {context.source_id}: connection {connection.id}"
        self.container = container or connection.extra.get("hold_case", "")
        self._case_id = quote(self.container, safe="")
        self._service = Service(context.source_id, connection, right=RIGHT)
        self._tokens = Tokens(context.source_id, connection, f"{self._service.base}/.default")
        patience_s = seconds(connection, "patience_s", PATIENCE_S, self._where)
        self._http = ExportHttp(self._where, lambda renew: self._tokens.get(renew=renew), patience_s)

    def find(self, name: str) -> Placed | None:
        """Return the hold of this name in the case, or None."""
        for body in self._listed(f"{self._case(self._case_id)}/legalHolds"):
            if body.get("displayName") == name:
                return _purview(body)
        return None

    def place(self, name: str, account: str, window: Window, corpus: str) -> Placed:
        """Place a hold on all of an account: a query would let go what nobody foresaw."""
        del window, corpus
        body = {
            "displayName": name,
            "userSources@odata.bind": [
                {"@odata.type": "microsoft.graph.security.userSource", "email": account}
            ],
        }
        address = f"{self._service.base}{self._case(self._case_id)}/legalHolds"
        try:
            _, made = self._http.ask("POST", address, body=json.dumps(body), once=True)
        except Refusal as refusal:
            raise self._refusal(refusal.status, refusal.code) from None
        except Interrupted:
            raise Retryable(
                f"{self._where}: cut off while a hold was placed; place it again, it is found by its name"
            ) from None
        return _purview(made)

    def release(self, hold_id: str) -> bool:
        """Release a hold; return whether it was there.

        Graph answers 404 for a case that is not there as well, so its holds are then listed.
        """
        holds = f"{self._case(self._case_id)}/legalHolds"
        try:
            self._http.ask("DELETE", f"{self._service.base}{holds}/{quote(hold_id, safe='')}")
        except Refusal as refusal:
            if refusal.status != 404:
                raise self._refusal(refusal.status, refusal.code) from None
            if any(one.get("id") == hold_id for one in self._listed(holds)):
                raise AccessError(
                    f"{self._where}: Purview lists the hold and does not find it; release it there"
                ) from None
            return False
        return True

    def others(self, account: str, hold_id: str) -> tuple[OtherHold, ...]:
        """Return other holds on the account in cases that are not closed."""
        found: list[OtherHold] = []
        for case in self._listed(CASES):
            if case.get("status") == "closed":
                continue
            key = str(case["id"])
            path = f"{self._case(quote(key, safe=''))}/legalHolds"
            for hold in self._listed(path):
                if hold.get("id") == hold_id:
                    continue
                sources = self._listed(f"{path}/{quote(str(hold['id']), safe='')}/userSources")
                if any(str(one.get("email", "")).lower() == account.lower() for one in sources):
                    found.append(OtherHold(key, str(hold["id"])))
        return tuple(found)

    def close(self) -> None:
        """End its connections."""
        self._service.close()
        self._http.close()
        self._tokens.close()

    def _listed(self, path: str) -> Iterator[Mapping[str, Any]]:
        try:
            for page in self._service.pages(path):
                yield from page.values
        except Refused as refused:
            raise self._refusal(refused.status, refused.code) from None

    def _case(self, case_id: str) -> str:
        return f"{CASES}/{case_id}"

    def _refusal(self, status: int, code: str) -> AccessError:
        said = code or f"http_{status}"
        if status == 404:
            return AccessError(f"{self._where}: no such case; check `hold_case` in extra ({said})")
        if status == 400:
            return AccessError(f"{self._where}: Purview takes no such hold; check the account ({said})")
        return AccessError(
            f"{self._where}: the hold is refused ({said}); grant the application `{RIGHT}`, with admin "
            "consent, and make its service principal an eDiscovery Manager in Purview"
        )


def _purview(body: Mapping[str, Any]) -> Placed:
    state = _STATES.get(str(body.get("status", "")).lower(), "pending")
    if body.get("isEnabled") is False:
        state = "off"
    return Placed(
        str(body.get("id", "")),
        "error" if body.get("errors") else state,
        str(body.get("createdDateTime") or ""),
    )
