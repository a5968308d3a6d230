"""Calendars of one mailbox through Microsoft Graph: each event as an iCalendar file.

Graph gives an event as JSON and has no bytes of it, so the iCalendar form is made here (warning
``converted``), and the JSON goes along in it, so that nothing Graph said is lost. Changed instances of a
series are in the file of their series.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, BinaryIO, ClassVar
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connectors.asking import Refused
from connectors.graph_mail import IMMUTABLE, PAGE, Held, instant
from connectors.microsoft import Service, not_given, user_path
from records.errors import CursorExpired, ItemError
from records.models import (
    NO_MOMENT,
    ExcludedItem,
    Expected,
    FoundItem,
    Moment,
    Part,
    Scope,
    SourceContext,
    Unreached,
    Window,
    Yielded,
)
from records.moments import Place, place_in
from records.vocabulary import Basis, Kind, Reason, WarningCode

_FIELDS = "id,changeKey,start,end,type,recurrence,categories,isCancelled,hasAttachments,lastModifiedDateTime"
_WHOLE = (
    "id,allowNewTimeProposals,attendees,body,cancelledOccurrences,categories,changeKey,createdDateTime,end,"
    "hasAttachments,hideAttendees,iCalUId,importance,isAllDay,isCancelled,isDraft,isOnlineMeeting,isOrganizer,"
    "lastModifiedDateTime,location,locations,onlineMeeting,onlineMeetingUrl,organizer,originalEndTimeZone,"
    "originalStart,originalStartTimeZone,recurrence,responseStatus,sensitivity,seriesMasterId,showAs,start,"
    "subject,type,webLink"
)
"""All there is of an event; ``cancelledOccurrences`` is given only when it is asked for."""

_TEXT = {"Prefer": 'IdType="ImmutableId", outlook.body-content-type="text"'}
_SERIES = {"$expand": "exceptionOccurrences"}
_CURSOR = "i1:"
_LISTINGS = 3
_WEST = timedelta(hours=12)
"""How long a day of UTC is over before it is over everywhere; of a zone that is not known, UTC is assumed."""


def calendars(service: Service, user: str) -> Iterator[tuple[str, str]]:
    """Yield id and name of every calendar (https://learn.microsoft.com/graph/api/user-list-calendars)."""
    seen = set()
    for page in service.pages(f"{user}/calendars", {"$select": "id,name", "$top": "100"}):
        for calendar in page.values:
            if calendar["id"] not in seen:
                seen.add(calendar["id"])
                yield str(calendar["id"]), str(calendar.get("name", ""))


def events(service: Service, user: str, calendar: str, expand: str = "") -> list[Mapping[str, Any]]:
    """Return the events of a calendar, in order of id: single ones, and the masters of series.

    This list knows no order that holds while it is read: an event deleted meanwhile pushes another one out of
    sight. So it is read until its pages agree on their number and as many came
    (https://learn.microsoft.com/graph/api/calendar-list-events), three times at most. A calendar has
    thousands of events, not millions; only ids and times are kept.

    Raises:
        ItemError: The calendar is gone, or broke off each time.
    """
    query = {"$select": _FIELDS, "$top": str(PAGE if not expand else 50), "$count": "true"}
    if expand:
        query["$expand"] = expand
    path = f"{user}/calendars/{quote(calendar, safe='')}/events"
    found: dict[str, Mapping[str, Any]] = {}
    for left in reversed(range(_LISTINGS)):
        seen: set[str] = set()
        totals: set[int] = set()
        try:
            for page in service.pages(path, query, IMMUTABLE):
                found |= {str(value["id"]): value for value in page.values}
                seen |= {str(value["id"]) for value in page.values}
                totals |= {page.total} if page.total is not None else set()
        except Refused as error:
            if error.status == 404:
                raise ItemError(Reason.UNREADABLE, "scope_gone") from error
            if error.status != 410 or not left:  # a link that is too old: the list is begun again
                raise
            continue
        if not totals or totals == {len(seen)}:
            break
    return [found[key] for key in sorted(found)]


def event_time(event: Mapping[str, Any], window: Window) -> tuple[bool, Moment]:
    """Say whether an event is surely outside the window, and when it begins.

    A series is outside when all of it is: one without an end only when it begins after the window.
    """
    start = _moment(event.get("start"))
    last = _last(event, _moment(event.get("end")))
    if start.at is None:
        return False, start
    after = place_in(Window(None, window.last, window.zone), start) is Place.OUTSIDE
    ended = last is not None and place_in(Window(window.first, None, window.zone), last) is Place.OUTSIDE
    return after or ended, start


def _last(event: Mapping[str, Any], end: Moment) -> Moment | None:
    """Return when an event, or the last of a series, ends at the latest; None where that is not known."""
    if event.get("type") != "seriesMaster":
        return end if end.at is not None else None
    span = (event.get("recurrence") or {}).get("range") or {}
    if span.get("type") != "endDate":  # "numbered" has no date; "noEnd" no end
        return None
    start, zone, stated = _moment(event.get("start")), _zone(event), str(span.get("endDate", ""))
    if start.at is None or end.at is None:
        return None
    # The last one begins on that day, at the hour of the first in the zone of the series, and lasts as long.
    hour = start.at.astimezone(zone).time() if zone.key != "UTC" else time(23, 59, 59)
    try:
        last = datetime.combine(date.fromisoformat(stated), hour, zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    late = timedelta() if zone.key != "UTC" else _WEST
    return Moment(last + late + max(end.at - start.at, timedelta()), stated, Basis.STATED)


def _moment(stated: Any) -> Moment:
    """Read ``dateTimeTimeZone``, which is in UTC unless another zone is asked for."""
    if not isinstance(stated, Mapping):
        return NO_MOMENT
    text = str(stated.get("dateTime", ""))
    zone = str(stated.get("timeZone", ""))
    if zone not in {"UTC", ""}:
        return Moment(None, f"{text} {zone}", Basis.NONE)
    return instant(text)


class Calendars:
    """Every calendar of the mailbox."""

    place: ClassVar[str] = "calendar"
    label: ClassVar[str] = "Calendars"
    right: ClassVar[str] = "Calendars.Read"
    options: ClassVar[Mapping[str, str]] = {}
    covers: ClassVar[tuple[str, ...]] = (
        "calendar: every event of every calendar; a series is one item, with its changed instances",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "formatting of an event's text: it is taken as plain text",
        "meeting requests in the mail are mail; group calendars are not the custodian's",
    )

    def __init__(self, service: Service, context: SourceContext) -> None:
        """Keep what is needed; nothing is asked yet."""
        self._service = service.for_right(self.right)
        self._context = context
        self._user = user_path(context.account)

    def check(self) -> None:
        """Prove that calendars can be seen.

        Raises:
            AccessError: Refused; the message says what to do.
        """
        try:
            self._service.get(f"{self._user}/calendars", {"$select": "id", "$top": "1"})
        except Refused as error:
            raise not_given(self._context.source_id, self.place, error) from error

    def scopes(self) -> Iterator[Scope]:
        """List the calendars."""
        for key, name in calendars(self._service, self._user):
            yield Scope(f"{self.place}/{key}", name, "calendar")

    def unreached(self) -> Iterator[Unreached]:
        """Return nothing: what is not covered belongs to others."""
        return iter(())

    def count(self, scope: Scope) -> Expected:
        """Return how many events the calendar says it has.

        Raises:
            ItemError: The calendar is gone.
        """
        path = f"{self._user}/calendars/{quote(scope.key.partition('/')[2], safe='')}/events"
        try:
            body = self._service.get(path, {"$count": "true", "$top": "1", "$select": "id"})
        except Refused as error:
            if error.status == 404:
                raise ItemError(Reason.UNREADABLE, "scope_gone") from error
            raise
        total = body.get("@odata.count")
        return Expected(total, "@odata.count") if isinstance(total, int) else Expected(None, "unknown")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Return one part: a calendar is not cut."""
        del max_items, max_bytes
        yield Part(scope)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the events, in order of id.

        Raises:
            CursorExpired: The cursor is of another version.
            ItemError: The calendar is gone, or broke off.
        """
        if cursor is not None and not cursor.startswith(_CURSOR):
            raise CursorExpired("the cursor of a calendar is of another version")
        after = cursor.removeprefix(_CURSOR) if cursor is not None else ""
        for event in events(self._service, self._user, part.scope.key.partition("/")[2]):
            key = str(event["id"])
            if key > after:
                yield self._item(key, event, part.scope, window)

    def _item(self, key: str, event: Mapping[str, Any], scope: Scope, window: Window) -> Yielded:
        outside, moment = event_time(event, window)
        cursor = f"{_CURSOR}{key}"
        if outside:
            return ExcludedItem(key, Kind.EVENT, cursor, Reason.OUTSIDE_WINDOW, moment=moment)
        facts = {
            "folder": scope.label,
            "change": str(event.get("changeKey") or ""),
            "labels": "; ".join(event.get("categories") or ()),
            "flags": "cancelled" if event.get("isCancelled") else "",
            "converted": "iCalendar from the event's JSON",
        }
        undated = (WarningCode.NO_DATE,) if moment.at is None else ()
        return FoundItem(
            native_key=key,
            kind=Kind.EVENT,
            cursor=cursor,
            media_type="text/calendar",
            moment=moment,
            metadata={name: value for name, value in facts.items() if value},
            warnings=(WarningCode.CONVERTED, *undated),
            handle=Held(
                f"{self._user}/events/{quote(key, safe='')}",
                {"$select": _WHOLE, **(_SERIES if event.get("type") == "seriesMaster" else {})},
            ),
        )

    def open(self, item: FoundItem) -> BinaryIO:
        """Return the event as an iCalendar file.

        Raises:
            ItemError: The event is gone, corrupt, or not one that can be written so.
        """
        event = self._service.get(item.handle.path, item.handle.more, _TEXT)
        try:
            return io.BytesIO(icalendar_of(event))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ItemError(Reason.NOT_CONVERTIBLE, "icalendar") from error


def icalendar_of(event: Mapping[str, Any]) -> bytes:
    """Return an event (https://learn.microsoft.com/graph/api/resources/event) as RFC 5545.

    The same event gives the same bytes.
    """
    import icalendar

    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//daylight//microsoft_graph//EN")
    calendar.add("version", "2.0")
    zone = _zone(event)
    master = _component(event, zone)
    master.add("x-graph-event", json.dumps(_kept(event), ensure_ascii=False, sort_keys=True))
    calendar.add_component(master)
    changed = sorted(event.get("exceptionOccurrences") or (), key=lambda one: str(one.get("id", "")))
    for one in changed:
        part = _component({**one, "iCalUId": event.get("iCalUId"), "recurrence": None}, zone)
        original = instant(one.get("originalStart")).at
        if original is not None:
            part.add("recurrence-id", original.astimezone(zone))
        calendar.add_component(part)
    calendar.add_missing_timezones()
    return bytes(calendar.to_ical())


def _component(event: Mapping[str, Any], zone: ZoneInfo) -> Any:
    import icalendar

    made = icalendar.Event()
    made.add("uid", event.get("iCalUId") or event["id"])
    made.add("summary", event.get("subject") or "")
    for name, stated in (("dtstart", event.get("start")), ("dtend", event.get("end"))):
        at = _moment(stated).at
        if at is not None:
            made.add(name, at.date() if event.get("isAllDay") else at.astimezone(zone))
    for name, key in (("created", "createdDateTime"), ("last-modified", "lastModifiedDateTime")):
        at = instant(event.get(key)).at
        if at is not None:
            made.add(name, at)
    stamp = instant(event.get("lastModifiedDateTime")).at or datetime(1980, 1, 1, tzinfo=UTC)
    made.add("dtstamp", stamp)
    _add_texts(made, event)
    if event.get("organizer"):
        made.add("organizer", _person(event["organizer"]))
    for attendee in event.get("attendees") or ():
        made.add("attendee", _person(attendee), encode=False)
    if event.get("recurrence"):
        made.add("rrule", _rule(event["recurrence"], all_day=bool(event.get("isAllDay")), zone=zone))
        _add_cancelled(made, event, zone)
    return made


def _add_cancelled(made: Any, event: Mapping[str, Any], zone: ZoneInfo) -> None:
    """Leave out the instances that were cancelled: ``OID.`` series ``.`` day."""
    start = _moment(event.get("start")).at
    for stated in event.get("cancelledOccurrences") or ():
        try:
            day = date.fromisoformat(str(stated).rpartition(".")[2])
        except ValueError:
            continue
        if event.get("isAllDay") or start is None:
            made.add("exdate", day)
        else:
            made.add("exdate", datetime.combine(day, start.astimezone(zone).time(), zone))


def _add_texts(made: Any, event: Mapping[str, Any]) -> None:
    body = (event.get("body") or {}).get("content")
    places = [str(place.get("displayName") or "") for place in event.get("locations") or ()]
    location = "; ".join(filter(None, places)) or (event.get("location") or {}).get("displayName")
    online = (event.get("onlineMeeting") or {}).get("joinUrl") or event.get("onlineMeetingUrl")
    for name, value in (("description", body), ("location", location), ("url", online)):
        if value:
            made.add(name, str(value).replace("\r\n", "\n"))
    if event.get("categories"):
        made.add("categories", list(event["categories"]))
    if event.get("isCancelled"):
        made.add("status", "CANCELLED")
    hidden = {"private": "PRIVATE", "personal": "PRIVATE", "confidential": "CONFIDENTIAL"}
    if event.get("sensitivity") in hidden:
        made.add("class", hidden[event["sensitivity"]])
    if event.get("showAs") == "free":
        made.add("transp", "TRANSPARENT")


_ANSWERS = {
    "accepted": "ACCEPTED", "declined": "DECLINED", "tentativelyAccepted": "TENTATIVE",
    "organizer": "ACCEPTED", "none": "NEEDS-ACTION", "notResponded": "NEEDS-ACTION",
}  # fmt: skip
_ROLES = {"required": "REQ-PARTICIPANT", "optional": "OPT-PARTICIPANT", "resource": "NON-PARTICIPANT"}


def _person(stated: Mapping[str, Any]) -> Any:
    import icalendar

    about = stated.get("emailAddress") or {}
    person = icalendar.vCalAddress(f"mailto:{about.get('address') or 'unknown'}")
    if about.get("name"):
        person.params["CN"] = str(about["name"]).replace('"', "'")
    if stated.get("type") in _ROLES:
        person.params["ROLE"] = _ROLES[stated["type"]]
    answer = (stated.get("status") or {}).get("response")
    if answer in _ANSWERS:
        person.params["PARTSTAT"] = _ANSWERS[answer]
    return person


_DAYS = {
    "sunday": "SU", "monday": "MO", "tuesday": "TU", "wednesday": "WE", "thursday": "TH", "friday": "FR",
    "saturday": "SA",
}  # fmt: skip
_WHICH = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}
_FREQUENCIES = {
    "daily": "DAILY", "weekly": "WEEKLY", "absoluteMonthly": "MONTHLY", "relativeMonthly": "MONTHLY",
    "absoluteYearly": "YEARLY", "relativeYearly": "YEARLY",
}  # fmt: skip


def _rule(recurrence: Mapping[str, Any], *, all_day: bool, zone: ZoneInfo) -> dict[str, Any]:
    """Return a recurrence (https://learn.microsoft.com/graph/api/resources/recurrencepattern) as RRULE."""
    pattern, span = recurrence["pattern"], recurrence.get("range") or {}
    kind = pattern["type"]
    rule: dict[str, Any] = {"freq": _FREQUENCIES[kind], "interval": int(pattern.get("interval") or 1)}
    days = [_DAYS[day] for day in pattern.get("daysOfWeek") or ()]
    if kind == "weekly":
        rule["byday"] = days
        rule["wkst"] = _DAYS[pattern.get("firstDayOfWeek") or "sunday"]
    elif kind.startswith("relative"):
        which = _WHICH[pattern.get("index") or "first"]
        rule |= {"byday": days, "bysetpos": which} if len(days) > 1 else {"byday": [f"{which}{days[0]}"]}
    elif kind.startswith("absolute"):
        rule["bymonthday"] = int(pattern["dayOfMonth"])
    if kind.endswith("Yearly"):
        rule["bymonth"] = int(pattern["month"])
    if span.get("type") == "numbered":
        rule["count"] = int(span["numberOfOccurrences"])
    elif span.get("type") == "endDate":
        until = date.fromisoformat(span["endDate"])
        whole = datetime(until.year, until.month, until.day, 23, 59, 59, tzinfo=zone)
        rule["until"] = until if all_day else whole.astimezone(UTC)
    return rule


def _zone(event: Mapping[str, Any]) -> ZoneInfo:
    """Return the zone a series recurs in, by its Windows name or its IANA one; UTC for any other."""
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

    stated = ((event.get("recurrence") or {}).get("range") or {}).get("recurrenceTimeZone")
    name = str(stated or event.get("originalStartTimeZone") or "UTC")
    try:
        return ZoneInfo(WINDOWS_TO_OLSON.get(name, name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _kept(event: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if not key.startswith("@odata")}
