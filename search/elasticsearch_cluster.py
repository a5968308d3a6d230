"""The search cluster: how it is reached, how long it is waited for, who may do what, what its errors mean."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import tenacity
from elasticsearch import ApiError, ConnectionTimeout, Elasticsearch, SSLError, TransportError

from records.errors import AccessError, CheckFailed, Incomplete, Retryable
from search.protocol import INDEX_PREFIX

T = TypeVar("T")

PASSING = frozenset({429, 502, 503, 504})
"""Statuses after which another try may be answered."""

BLOCKED = "the search index takes no writes (read-only, or its disk is full): make room, run it again"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the cluster is and how to enter it; never stored.

    Attributes:
        url: Its address.
        ca: File of the certificate authority that signed its certificate, or None for the system's.
        api_key: Secret, or empty for a cluster without security.
        patience_s: How long a passing fault (no answer, overloaded) is waited out before the work is given
            up to be resumed.
    """

    url: str
    ca: Path | None = None
    api_key: str = field(default="", repr=False)
    patience_s: float = 120.0

    def client(self) -> Elasticsearch:
        """Return a client that never tries again by itself: what may be sent twice is decided here."""
        options: dict[str, Any] = {"request_timeout": 120, "max_retries": 0, "retry_on_timeout": False}
        if self.api_key:
            options["api_key"] = self.api_key
        if self.ca is not None:
            options["ca_certs"] = str(self.ca)
        return Elasticsearch(self.url, **options)


class Connection:
    """A cluster as this process reaches it; safe in threads and over a fork.

    Attributes:
        cluster: Where it is.
    """

    def __init__(self, cluster: Cluster) -> None:
        """Name the cluster; nothing is sent before it is used."""
        self.cluster = cluster
        self._clients: dict[int, Elasticsearch] = {}
        self._lock = threading.Lock()

    def client(self) -> Elasticsearch:
        """Return the client of this process: a forked child leaves its parent's connections alone."""
        with self._lock:
            if os.getpid() not in self._clients:
                self._clients[os.getpid()] = self.cluster.client()
            return self._clients[os.getpid()]

    def patient(self, call: Callable[[], T]) -> T:
        """Call until it is answered; a passing fault is waited out, longer each time, within the patience."""
        trying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_passes),
            wait=tenacity.wait_random_exponential(multiplier=0.25, max=15),
            stop=tenacity.stop_after_delay(self.cluster.patience_s),
            reraise=True,
        )
        return trying(call)

    def close(self) -> None:
        """Close the connections of this process; the next call opens them again."""
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()


def server_version(cluster: Cluster) -> tuple[int, ...]:
    """Ask the server which version it is, once and without patience.

    Raises:
        AccessError: It refuses the key, or its certificate is not trusted.
        Retryable: It does not answer.
    """
    with translated(), cluster.client() as client:
        number = str(client.info()["version"]["number"])
    return tuple(int(part) for part in number.partition("-")[0].split("."))


# -- who may do what

ROLES: dict[str, dict[str, Any]] = {
    "index": {
        "cluster": ["monitor"],
        "indices": [{"names": [f"{INDEX_PREFIX}-*"], "privileges": ["all"]}],
    },
    "read": {
        "cluster": ["monitor"],
        "indices": [{"names": [f"{INDEX_PREFIX}-*"], "privileges": ["read", "view_index_metadata"]}],
    },
}
"""What the program needs, and what people and Kibana need: names and rights of Elastic's page "Security
privileges"."""


def make_roles(admin: Elasticsearch) -> list[str]:
    """Make or renew the roles ``daylight-index`` and ``daylight-read``; return their names.

    Args:
        admin: Connected as somebody who may manage security.
    """
    with translated():
        for name, rights in ROLES.items():
            admin.security.put_role(name=f"{INDEX_PREFIX}-{name}", **rights)
    return [f"{INDEX_PREFIX}-{name}" for name in ROLES]


def make_keys(admin: Elasticsearch) -> dict[str, str]:
    """Make both roles, and an API key with exactly the rights of each; return the keys by role, never stored.

    Args:
        admin: Connected as somebody who may manage security.
    """
    make_roles(admin)
    with translated():
        return {
            name: admin.security.create_api_key(
                name=f"{INDEX_PREFIX}-{name}", role_descriptors={f"{INDEX_PREFIX}-{name}": rights}
            )["encoded"]
            for name, rights in ROLES.items()
        }


# -- what went wrong, sorted by what to do


class Busy(Exception):  # noqa: N818 - a passing state
    """Some of a bulk was refused for now."""


def error_type(error: ApiError) -> str:
    """Return what the cluster calls what went wrong; empty when it does not say."""
    body = error.body if isinstance(error.body, dict) else {}
    found = body.get("error", {})
    return str(found.get("type", "")) if isinstance(found, dict) else ""


def _passes(error: BaseException) -> bool:
    """Say whether another try may be answered; a blocked index stays blocked though it says 429."""
    if isinstance(error, ApiError):
        return error.status_code in PASSING and error_type(error) != "cluster_block_exception"
    if isinstance(error, SSLError):
        return False
    return isinstance(error, TransportError | Busy)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the library's errors into ours; their own texts can hold words of a query or a document."""
    try:
        yield
    except Busy as error:
        raise Retryable("the search cluster is overloaded", retry_after_s=30.0) from error
    except SSLError as error:
        raise AccessError(
            "the search cluster's certificate is not trusted: see DAYLIGHT_ELASTICSEARCH_CA"
        ) from error
    except ConnectionTimeout as error:
        raise Retryable("the search cluster does not answer in time", retry_after_s=30.0) from error
    except TransportError as error:
        raise Retryable("the search cluster does not answer", retry_after_s=30.0) from error
    except ApiError as error:
        raise _sorted(error) from error


def _sorted(error: ApiError) -> Exception:
    kind = error_type(error)
    if kind == "cluster_block_exception":
        return Incomplete(BLOCKED)
    if error.status_code in {401, 403}:
        return AccessError("the search cluster refuses the key: see DAYLIGHT_ELASTICSEARCH_API_KEY")
    if error.status_code in PASSING:
        return Retryable("the search cluster is overloaded or not ready", retry_after_s=30.0)
    if error.status_code == 413:
        return CheckFailed(
            "an item has more text than the search cluster takes: raise http.max_content_length"
        )
    if error.status_code == 404:
        return Incomplete("the search index was deleted meanwhile: rebuild it with reindex")
    return CheckFailed(f"the search cluster answered {error.status_code} {kind}")
