"""What the services of Microsoft Graph allow an application, each service by itself.

The processes of one machine keep to a limit together (``connectors.governor``). A connection can lower each
where another program uses the same application, and raise it where Microsoft allows the tenant more.
"""

from __future__ import annotations

from dataclasses import dataclass

from connectors.governor import Governor
from connectors.microsoft import Service
from records.errors import SettingsError
from records.models import SourceContext
from records.numbers import whole_number

_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Limit:
    """Of one service.

    Attributes:
        name: Of the service, within this program.
        setting: What a connection's ``extra`` calls the number of requests.
        requests: That may begin within a period.
        period_s: Seconds.
        period: What ``extra`` calls other seconds than those; empty where they are always the same.
        of_account: Whether each account has a limit of its own; else the whole tenant has one.
    """

    name: str
    setting: str
    requests: int
    period_s: int
    period: str = ""
    of_account: bool = False


OUTLOOK = Limit("graph", "requests_per_10_minutes", 10_000, 600, "requests_period_s", of_account=True)
"""https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits"""

FILES = Limit("graph files", "file_requests_per_minute", 1_000, 60)
"""A tenant of up to 1,000 licences has 1,200 resource units a minute; a download costs one, a page of a list
two (https://learn.microsoft.com/sharepoint/dev/general-development/how-to-avoid-getting-throttled-or-blocked-in-sharepoint-online)."""

TEAMS = Limit("graph teams", "teams_requests_per_second", 25, 1)
"""The export of messages is allowed 200 a second, members and inline pictures 30
(https://learn.microsoft.com/graph/throttling-limits#microsoft-teams-service-limits)."""


def governor(context: SourceContext, limit: Limit) -> Governor:
    """Return what holds this machine within a limit.

    Raises:
        SettingsError: The connection states something else than a whole number.
    """
    connection = context.connection
    assert connection is not None
    whose = context.account.lower() if limit.of_account else connection.extra.get("tenant", "")
    period_s = _whole(context, limit.period, limit.period_s) if limit.period else limit.period_s
    return Governor(
        f"{limit.name} {connection.host} {connection.login} {whose}",
        at_once=at_once(context),
        requests=_whole(context, limit.setting, limit.requests),
        period_s=max(1, period_s),
    )


def within(service: Service, context: SourceContext, limit: Limit) -> Service:
    """Return a service held to another limit."""
    return service.within(governor(context, limit))


def at_once(context: SourceContext) -> int:
    """Return how many requests may be under way together."""
    return max(1, _whole(context, "requests_at_once", _AT_ONCE))


def _whole(context: SourceContext, name: str, default: int) -> int:
    assert context.connection is not None
    stated = whole_number(context.connection.extra.get(name, str(default)))
    if stated is None:
        raise SettingsError(
            f"source {context.source_id}: connection {context.connection.id}: `{name}` in extra is "
            "no whole number"
        )
    return stated
