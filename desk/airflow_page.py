"""A page in Airflow with the numbers of ``desk.watching``, for who may see the Dag: no name and no content.

Airflow loads ``DaylightPlugin`` by its entry point in each of its processes, so that nothing is imported
here that only its API server needs. Source: Airflow 3.3, "Plugins": ``fastapi_apps`` and ``external_views``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.responses import Response
    from jinja2 import Template

    from desk.watching import Watcher

PREFIX = "/daylight"
_DAG = "records_request"
_AGAIN_S = 5
_SLOW = ("item_id", "kind", "seconds", "bytes", "reason")
"""What is shown of a slow item: neither its place nor its name."""

_NO_CATALOGUE = (
    "daylight's catalogue cannot be read from here. Set DAYLIGHT_HOME, and DAYLIGHT_CATALOGUE where it is on "
    "PostgreSQL, in the environment of Airflow's API server; any daylight command brings it to this version."
)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class DaylightPlugin(AirflowPlugin):
    """What Airflow mounts: the page under ``/daylight/``, and its place in the navigation."""

    name = "daylight"
    external_views: list[Any] = [  # noqa: RUF012 - as Airflow declares it
        {
            "name": "Records requests",
            "href": f"{PREFIX}/",
            "url_route": "daylight",
            "destination": "nav",
            "category": "browse",
        }
    ]

    @property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]  # made where it is asked for
        """The page; only the API server asks for it."""
        return [{"app": app(), "url_prefix": PREFIX, "name": "daylight"}]


@lru_cache(maxsize=1)
def app() -> FastAPI:
    """Return the page as an application of its own, for users who may see the Dag of requests."""
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends, FastAPI

    may_see = Depends(requires_access_dag("GET", param_dag_id=_DAG))
    made = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, dependencies=[may_see])
    for path, page in (("/", _requests), ("/{request_id}", _request), ("/{request_id}/figures", _numbers)):
        made.add_api_route(path, page, methods=["GET"], response_model=None)
    return made


def _requests() -> Response:
    """List the requests that are not closed."""
    return _answer(lambda watcher: _page(listed=watcher.all()))


def _request(request_id: str) -> Response:
    """Show the numbers of a request, anew every few seconds while a run is at work."""
    from desk.watching import slowest

    def page(watcher: Watcher) -> Response:
        at = watcher.figures(request_id)
        slow = [{name: one[name] for name in _SLOW} for one in slowest(watcher.catalogue, request_id)]
        return _page(at=at, slow=slow)

    return _answer(page)


def _numbers(request_id: str) -> Response:
    """Return the numbers of a request as JSON, by the names of ``Figures``."""
    from fastapi.responses import JSONResponse

    return _answer(lambda watcher: JSONResponse(watcher.figures(request_id).as_json(), headers=_HEADERS))


def _answer(page: Callable[[Watcher], Response]) -> Response:
    from sqlalchemy.exc import DatabaseError

    from records.errors import AccessError, SettingsError, UsageError

    try:
        return page(_watcher())
    except UsageError as error:
        return _page(404, problem=str(error))
    except (SettingsError, AccessError, DatabaseError):  # the last can hold a row: its words are not shown
        return _page(503, problem=_NO_CATALOGUE)


@lru_cache(maxsize=1)
def _watcher() -> Watcher:
    """Open the catalogue of the environment; bringing it to this form is for daylight's own commands."""
    from desk.watching import Watcher
    from records.catalogue import Catalogue
    from records.settings import load_settings

    return Watcher(Catalogue(load_settings().catalogue_url))


def _page(status: int = 200, **given: Any) -> Response:
    from fastapi.responses import HTMLResponse

    words = {"listed": None, "at": None, "slow": (), "problem": "", "again_s": _AGAIN_S, **given}
    return HTMLResponse(_template().render(words), status, _HEADERS)


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["time"] = lambda seconds: str(timedelta(seconds=round(seconds)))
    return environment.get_template("airflow_page.html")
