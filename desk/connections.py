"""Address and credentials of services, from Airflow connections and from nowhere else.

Airflow's own order: its secrets back ends, the environment (``AIRFLOW_CONN_<ID>``, JSON or URI), its
database. A run without Airflow (``--local`` where it is not installed) reads the environment alone, in the
JSON form of https://airflow.apache.org/docs/apache-airflow/stable/howto/connection.html.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connectors.connection_keys import check_keys
from records.errors import SettingsError
from records.models import Connection

if TYPE_CHECKING:
    from desk.request import Source

_PREFIX = "AIRFLOW_CONN_"


def connection_of(source: Source) -> Connection | None:
    """Return the connection that a source names; None for a source of files.

    Raises:
        SettingsError: It is not defined, or not readable, or its ``extra`` holds what its connector does not
            know; the message says where to define it, or names the keys.
    """
    if not source.connection:
        return None
    try:
        found = connection(source.connection)
        check_keys(source.connector, found)
        return found
    except SettingsError as error:
        raise SettingsError(f"source {source.id}: {error}") from None


def connection(name: str) -> Connection:
    """Return a connection by its id.

    Raises:
        SettingsError: It is not defined, or not readable; the message holds its id and nothing of it.
    """
    variable = _PREFIX + name.upper()
    stated = os.environ.get(variable, "").strip()
    if stated.startswith("{"):
        return _from_json(name, variable, stated)
    if stated.startswith(("'", '"')):  # as a file of settings keeps it, where a shell would take it away
        raise SettingsError(f"connection {name}: {variable} begins with a quote; let it begin with the brace")
    if importlib.util.find_spec("airflow") is None:
        how = "is no JSON, which is what is read without Airflow" if stated else "is not defined"
        raise SettingsError(f"connection {name} {how}; set {variable} to a JSON object")
    return _from_airflow(name, variable)


def _from_json(name: str, variable: str, stated: str) -> Connection:
    try:
        raw = json.loads(stated)
    except ValueError:
        raise SettingsError(f"connection {name}: {variable} is not valid JSON") from None
    extra = raw.get("extra") or {}
    if isinstance(extra, str):
        try:
            extra = json.loads(extra)
        except ValueError:
            raise SettingsError(f"connection {name}: `extra` in {variable} is not valid JSON") from None
    if not isinstance(extra, dict):
        raise SettingsError(f"connection {name}: `extra` in {variable} is no JSON object")
    return Connection(
        id=name,
        host=_address(raw.get("host"), raw.get("schema"), raw.get("port")),
        login=str(raw.get("login") or ""),
        secret=str(raw.get("password") or ""),
        extra=_texts(extra),
    )


def _from_airflow(name: str, variable: str) -> Connection:
    from airflow.sdk import Connection as Stated

    try:
        found: Any = Stated.get(name)
        extra = found.extra_dejson
    except Exception:  # noqa: BLE001 - whatever a secrets back end raises may hold what it keeps
        raise SettingsError(
            f"connection {name} is not defined, or cannot be read; add it in Airflow (Admin, Connections) or "
            f"set {variable}"
        ) from None
    return Connection(
        id=name,
        host=_address(found.host, found.schema, found.port),
        login=found.login or "",
        secret=found.password or "",
        extra=_texts(extra),
    )


def _address(host: Any, schema: Any, port: Any) -> str:
    """Put an address together: Airflow keeps scheme, host and port apart."""
    text = str(host or "")
    if text and "://" not in text and schema in {"http", "https"}:
        text = f"{schema}://{text}"
    return f"{text}:{port}" if text and port else text


def _texts(extra: Mapping[str, Any]) -> dict[str, str]:
    """Return texts as they are and everything else as JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in extra.items()}
