"""The call that gives saved objects to Kibana: ``POST /api/saved_objects/_import``.

As Elastic publishes it: "Import saved objects", elastic.co/docs/api/doc/kibana/v8/operation/
operation-importsavedobjectsdefault.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from records.errors import AccessError, Retryable, SettingsError
from records.settings import refuse_in_clear

TIME_LIMIT_S = 60.0
"""For each of connecting, sending and waiting for an answer."""

_SPACE = re.compile(r"[a-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Kibana:
    """Where Kibana is and how it is entered.

    Attributes:
        url: Scheme, host, port and base path, without a slash at the end.
        space: Id of the space; empty for the default one.
        api_key: In its encoded form; never shown.
        authority: Certificate file of the authority that signed Kibana's; None for the system's authorities.
    """

    url: str
    space: str
    api_key: str = field(repr=False)
    authority: Path | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Kibana:
        """Read ``DAYLIGHT_KIBANA_URL``, ``_SPACE``, ``_API_KEY`` and ``_CA``.

        Raises:
            SettingsError: One is missing, or cannot be right; the message names it and never says its value.
        """
        url = environ.get("DAYLIGHT_KIBANA_URL", "").rstrip("/")
        key = environ.get("DAYLIGHT_KIBANA_API_KEY", "").strip()
        space = environ.get("DAYLIGHT_KIBANA_SPACE", "")
        authority = environ.get("DAYLIGHT_KIBANA_CA", "")
        if not url or not key:
            raise SettingsError("set DAYLIGHT_KIBANA_URL and DAYLIGHT_KIBANA_API_KEY")
        if not key.isascii() or any(letter.isspace() for letter in key):
            raise SettingsError("DAYLIGHT_KIBANA_API_KEY is no API key: give it in its encoded form")
        _check_url(url)
        if space and not _SPACE.fullmatch(space):
            raise SettingsError("DAYLIGHT_KIBANA_SPACE is the space's id: small letters, digits, - and _")
        if authority and not Path(authority).is_file():
            raise SettingsError("DAYLIGHT_KIBANA_CA names no file")
        return cls(url, space, key, Path(authority) if authority else None)

    @property
    def import_url(self) -> str:
        """The address of the call; ``default`` is reached without naming it, as Kibana itself does."""
        space = f"/s/{self.space}" if self.space not in {"", "default"} else ""
        return f"{self.url}{space}/api/saved_objects/_import"


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise SettingsError("DAYLIGHT_KIBANA_URL is no address") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise SettingsError("DAYLIGHT_KIBANA_URL begins with https:// or http:// and a host")
    if parts.username is not None or parts.query or parts.fragment:
        raise SettingsError("DAYLIGHT_KIBANA_URL is an address alone, without a name, a password or a query")
    refuse_in_clear("DAYLIGHT_KIBANA_URL", parts)


@dataclass(frozen=True, slots=True)
class Refused:
    """An object Kibana did not take in.

    Attributes:
        type: Of the object.
        id: Of the object.
        error: Kibana's code: ``missing_references``, ``unsupported_type``, ``conflict``,
            ``ambiguous_conflict``, ``unknown``.
        status: Status code of an ``unknown`` error, else None.
        references: Missing references as ``type:id``.
    """

    type: str
    id: str
    error: str
    status: int | None = None
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """What Kibana says it did.

    Attributes:
        success: Everything was taken in.
        count: Objects taken in.
        objects: Those by ``type:id``, under the id they have there: another one where the id was taken by an
            object of another space.
        refused: The others; a refusal of one may keep back all.
    """

    success: bool
    count: int
    objects: tuple[str, ...]
    refused: tuple[Refused, ...]


def send(kibana: Kibana, name: str, data: bytes) -> Imported:
    """Send a file of saved objects; those with the same ids are replaced.

    Args:
        kibana: Where to.
        name: Of the file; it ends in ``.ndjson``, or Kibana refuses it.
        data: The file.

    Raises:
        AccessError: Kibana does not answer, refuses the key, or fails.
        SettingsError: The space or address is wrong, or Kibana refuses the file as a whole.
        Retryable: It is overloaded or starting.
    """
    trusted = ssl.create_default_context(cafile=kibana.authority)
    try:
        with httpx.Client(verify=trusted, timeout=TIME_LIMIT_S, trust_env=False) as client:
            response = client.post(
                kibana.import_url,
                params={"overwrite": "true"},
                headers={"kbn-xsrf": "true", "Authorization": f"ApiKey {kibana.api_key}"},
                files={"file": (name, data, "application/x-ndjson")},
            )
    except httpx.HTTPError as error:
        raise AccessError(f"Kibana does not answer at {kibana.url}: {type(error).__name__}") from error
    _check(kibana, response)
    return _read(kibana, response)


def _check(kibana: Kibana, response: httpx.Response) -> None:
    """Raise for any status but 200; Kibana's own words may quote an object and are not passed on."""
    status = response.status_code
    if status == 200:
        return
    if status in {401, 403}:
        raise AccessError(
            f"Kibana refuses the API key ({status}): it needs the right to manage saved objects in this space"
        )
    if status == 404:
        raise SettingsError(
            "Kibana has no such space or path (404): look at DAYLIGHT_KIBANA_URL and DAYLIGHT_KIBANA_SPACE"
        )
    if status == 413:
        raise SettingsError(
            "the file is larger than savedObjects.maxImportPayloadBytes in Kibana's settings (413)"
        )
    if status == 400:
        raise SettingsError("Kibana refuses the file (400); it may be older than 8.19")
    if status in {429, 502, 503, 504}:
        after = response.headers.get("retry-after", "")
        raise Retryable(
            f"Kibana is overloaded or starting ({status}); try again later",
            retry_after_s=float(after) if after.isdigit() else None,
        )
    raise AccessError(f"Kibana at {kibana.url} failed or is something else ({status}); look at its log")


def _read(kibana: Kibana, response: httpx.Response) -> Imported:
    try:
        said: dict[str, Any] = response.json()
        refused = tuple(_refused(error) for error in said.get("errors", ()))
        objects = tuple(
            f"{found['type']}:{found.get('destinationId', found['id'])}"
            for found in said.get("successResults", ())
        )
        return Imported(bool(said["success"]), int(said["successCount"]), objects, refused)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AccessError(f"what answers at {kibana.url} is not Kibana's import") from error


def _refused(said: Mapping[str, Any]) -> Refused:
    error = said["error"]
    return Refused(
        type=said["type"],
        id=said["id"],
        error=error["type"],
        status=error.get("statusCode"),
        references=tuple(f"{found['type']}:{found['id']}" for found in error.get("references", ())),
    )
