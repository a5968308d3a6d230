"""The request file: one TOML file says what was asked, of whom, when, and where to look.

Unknown keys are refused by name: a mistyped ``custodian`` would otherwise leave a mailbox unsearched.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from datetime import date
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from connectors.registry import CONNECTORS
from records.errors import SettingsError
from records.ids import LEAST_FOOTER, letters_and_digits
from records.models import Connection, SourceContext, Window
from records.roster import read_roster
from records.toml_text import read_toml

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]

Domain = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")]


def _footer(text: str) -> str:
    if len(letters_and_digits(text)) < LEAST_FOOTER:
        raise ValueError(f"a footer has {LEAST_FOOTER} letters and digits at least")
    return text


Footer = Annotated[str, AfterValidator(_footer)]

Email = Annotated[str, StringConstraints(pattern=r"^[^\s@<>\"]+@[^\s@<>\"]+$")]


_USUAL_ZONES = frozenset({"America/Los_Angeles", "UTC"})
"""Part of every time zone database: Washington's, and what programs write."""


@cache
def _is_zone(name: str) -> bool:
    """Say whether a zone is known; to list them all takes the reading of 600 files."""
    return name in _USUAL_ZONES or name in available_timezones()


class Strict(BaseModel):
    """What a person writes in a file: a key that is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


_Model = TypeVar("_Model", bound=Strict)


class Custodian(Strict):
    """A member of staff whose records are searched.

    Attributes:
        id: Short id, used in every report instead of the name.
        name: As people write it.
        role: Job, as the retention rules know it (``superintendent``, ``teacher`` …); may be empty.
        emails: Addresses, district and declared ones.
        numbers: Phone numbers.
        aliases: Nicknames and other spellings.
    """

    id: Id
    name: str
    role: str = ""
    emails: tuple[Email, ...] = ()
    numbers: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


class Source(Strict):
    """A place to look.

    Attributes:
        id: Required and unique in the request; part of every item's id.
        connector: Registry name.
        custodian: Whose records these are.
        path: For connectors of files; relative to the request file.
        connection: For connectors of services: id of the Airflow connection with its address and credentials.
        account: Whose account there; empty: the custodian's first address.
        places: Which of the connector's places to read; empty for those it reads when not told.
        options: Further settings by the names the connector knows.
        readers: Who may see its content; empty for everybody in the office.
        kept_back: A personal source as its owner handed it over: how many records the owner kept back.
        declared: A personal device or account: it is read only as far as a declaration hands it over, which
            also says what was kept back (docs/declarations.md).
    """

    id: Id
    connector: str
    custodian: Id
    path: str = ""
    connection: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{0,200}$")] = ""
    account: str = ""
    places: tuple[str, ...] = ()
    options: dict[str, str] = Field(default_factory=dict)
    readers: tuple[str, ...] = ()
    kept_back: int | None = Field(default=None, ge=0)
    declared: bool = False

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        if bool(self.path) == bool(self.connection):
            raise ValueError("write either `path` (a file or folder) or `connection` (a service)")
        if self.declared and not self.path:
            raise ValueError("a declared source is read from files that were handed over: write `path`")
        if self.declared and self.kept_back is not None:
            raise ValueError("what was kept back of a declared source stands in its declaration, not here")
        return self


class RuledOut(Strict):
    """A place that was considered and is not searched.

    Attributes:
        place: What and where it is.
        why: Why nothing that was asked for is likely to be there.
    """

    place: str = Field(min_length=1)
    why: str = Field(min_length=1)


class WindowFile(Strict):
    """Whole days, both inclusive, in the request's zone; a missing end is the day of receipt."""

    first: date | None = Field(default=None, alias="from")
    last: date | None = Field(default=None, alias="to")

    @model_validator(mode="after")
    def _ordered(self) -> WindowFile:
        if self.first and self.last and self.first > self.last:
            raise ValueError("window: `from` is later than `to`")
        return self


class Request(Strict):
    """What the request file says, checked.

    Attributes:
        text: The request verbatim.
        received_on: Day of receipt; the five business days count from it.
        requester: Optional; purpose is never asked (RCW 42.56.080(2)).
        time_zone: IANA name.
        window: Days asked for.
        terms: Path of the term list, relative to the request file.
        custodians: At least one.
        sources: At least one.
        domains: The district's own mail domains, those below them included; empty: the domain that most
            custodians have an address in.
        roster: Path of the roster, relative to the request file; empty for none.
        footers: What a mail system adds to messages, at their begin or end: copies with it and without are
            the same message.
        ruled_out: Places considered and not searched, each with its reason.
    """

    text: str = Field(min_length=1)
    received_on: date
    requester: str = ""
    time_zone: str = "America/Los_Angeles"
    window: WindowFile = WindowFile()
    terms: str
    custodians: tuple[Custodian, ...] = Field(min_length=1)
    sources: tuple[Source, ...] = Field(min_length=1)
    domains: tuple[Domain, ...] = ()
    roster: str = ""
    footers: tuple[Footer, ...] = ()
    ruled_out: tuple[RuledOut, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Request:
        if not _is_zone(self.time_zone):
            raise ValueError("time_zone: not a known zone; write one such as America/Los_Angeles")
        for what, ids in (
            ("custodians", [c.id for c in self.custodians]),
            ("sources", [s.id for s in self.sources]),
        ):
            twice = sorted({i for i in ids if ids.count(i) > 1})
            if twice:
                raise ValueError(f"{what}: id used twice: {', '.join(twice)}")
        known = {c.id for c in self.custodians}
        for source in self.sources:
            if source.custodian not in known:
                raise ValueError(f"source {source.id}: no custodian has the id {source.custodian}")
        return self

    def district_domains(self) -> tuple[str, ...]:
        """Return the district's own mail domains: those stated, else the one most custodians are in."""
        if self.domains:
            return self.domains
        counts = Counter(
            domain
            for custodian in self.custodians
            for domain in {email.rpartition("@")[2].lower() for email in custodian.emails}
        )
        return tuple(sorted(counts, key=lambda domain: (-counts[domain], domain))[:1])

    @property
    def zone(self) -> ZoneInfo:
        """The request's time zone."""
        return ZoneInfo(self.time_zone)

    def window_days(self) -> Window:
        """Return the window with its default end."""
        return Window(self.window.first, self.window.last or self.received_on, self.zone)

    def source(self, source_id: str) -> Source:
        """Return a source by its id."""
        return next(source for source in self.sources if source.id == source_id)

    def custodian(self, custodian_id: str) -> Custodian:
        """Return a custodian by id."""
        return next(custodian for custodian in self.custodians if custodian.id == custodian_id)

    def context(self, source: Source, connection: Connection | None = None) -> SourceContext:
        """Return what a connector is given for a source.

        Args:
            source: The source.
            connection: Where its connector is to ask a service: address and credentials.
        """
        owner = self.custodian(source.custodian)
        return SourceContext(
            source_id=source.id,
            custodian_id=source.custodian,
            path=source.path or None,
            time_zone=self.zone,
            owner_handles=(*owner.emails, *owner.numbers),
            connection=connection,
            account=source.account or next(iter(owner.emails), ""),
            places=source.places,
            options=source.options,
        )


class RequestFile(NamedTuple):
    """A request file as read, with the files that it names.

    Attributes:
        request: What it says, checked; the paths of its sources are absolute.
        terms: Text of its term list.
        roster: Text of its roster; empty where it names none.
    """

    request: Request
    terms: str
    roster: str


def doubts(request: Request, today: date) -> list[str]:
    """Return what in a request is allowed, and probably a mistake, each in a sentence.

    Args:
        request: Whose paths are absolute.
        today: In the request's zone.
    """
    found = []
    if request.received_on > today:
        found.append(
            f"The day of receipt, {request.received_on}, is still to come; the day to answer counts from it."
        )
    pairs = combinations(request.sources, 2)
    found += [
        f"Sources {one.id} and {other.id} read the same places of the same account: what is there is listed "
        "for each of them. Remove one, unless that is meant."
        for one, other in pairs
        if _same_places(request, one, other)
    ]
    return found


def _same_places(request: Request, one: Source, other: Source) -> bool:
    first, second = (_origin(request, source) for source in (one, other))
    return first == second and (not one.places or not other.places or bool({*one.places} & {*other.places}))


def _origin(request: Request, source: Source) -> tuple[object, ...]:
    """Return what says where a source's records lie, but for its places."""
    account = source.account or next(iter(request.custodian(source.custodian).emails), "")
    asked = (source.connection.casefold(), account.casefold()) if source.connection else ("", "")
    path = os.path.normpath(source.path) if source.path else ""
    return source.connector, path, *asked, tuple(sorted(source.options.items()))


def load_request(path: Path) -> RequestFile:
    """Read and check a request file.

    Args:
        path: The TOML file; paths in it are relative to its folder.

    Raises:
        SettingsError: The file, its term list or its roster is missing or wrong, or it is no TOML, names an
            unknown key or lacks one; the message lists every such place.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
    request = parse_request(read_toml(data, f"{path}:"), str(path))
    folder = path.resolve().parent
    terms = _beside(path, "terms", request.terms)
    roster = _beside(path, "roster", request.roster) if request.roster else ""
    read_roster(roster)
    placed = tuple(_placed(source, path, folder) for source in request.sources)
    return RequestFile(request.model_copy(update={"sources": placed}), terms, roster)


def _placed(source: Source, path: Path, folder: Path) -> Source:
    """Return a source with an absolute path, and with the text of each file that an option names."""
    kind = CONNECTORS.get(source.connector)
    options = dict(source.options)
    for name in kind.named_files if kind is not None else ():
        if options.get(name):
            options[name] = _beside(path, f"source {source.id}: options: {name}", options[name])
    changes: dict[str, Any] = {"options": options}
    if source.path:
        changes["path"] = str(folder / source.path)
    return source.model_copy(update=changes)


def _beside(path: Path, key: str, name: str) -> str:
    """Return the text of a file that the request file names."""
    from search.terms import decoded  # slow to load, and a run reads no file

    file = path.resolve().parent / name
    try:
        return decoded(file.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path}: {key}: {file} cannot be read ({error.strerror})") from error


def parse_request(raw: dict[str, Any], where: str) -> Request:
    """Check what a request file holds.

    Raises:
        SettingsError: Lists every wrong, missing or unknown key.
    """
    return parsed(Request, raw, where)


def parse_source(raw: dict[str, Any], where: str) -> Source:
    """Check what is said of one source, as in a request file.

    Raises:
        SettingsError: Lists every wrong, missing or unknown key.
    """
    return parsed(Source, raw, where)


def parsed(kind: type[_Model], raw: Any, where: str) -> _Model:
    """Check what a file holds.

    Args:
        kind: What it is to be.
        raw: As read.
        where: The file, and the place in it, for the message.

    Raises:
        SettingsError: Lists every wrong, missing or unknown key.
    """
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        # a list of which no entry is valid is called too short beside
        broken = {e["loc"][0] for e in found if len(e["loc"]) > 1}
        told = [e for e in found if not (e["type"] == "too_short" and e["loc"][0] in broken)]
        problems = "; ".join(_problem(e, raw) for e in told)
        raise SettingsError(f"{where}: {problems}") from error


_IN_WORDS = {
    "extra_forbidden": "unknown key; remove it or correct its spelling",
    "missing": "missing",
    "too_short": "missing; name at least one",
    "tuple_type": 'not a list; write it in brackets, such as ["mail"]',
    "string_type": "not a text; write it in quotes",
    "dict_type": 'not a table; write it in braces, such as { name = "value" }',
}
"""What is wrong, by pydantic's own name of it (https://docs.pydantic.dev/latest/errors/validation_errors/)."""

_FORMS = {
    "emails": "no mail address; write it alone, such as ana@falls.example, without a name",
    "connection": "not the id of a connection (letters, digits, `.`, `_`, `-`); its address and its secret "
    "belong into the connection, not here",
    "domains": "no domain; write it in small letters, such as falls.example",
    "id": "not an id: up to 64 letters, digits, `.`, `_`, `-`, a letter or digit first",
}
"""What a text must look like that has a pattern, by key."""

_IDS = re.compile(r"[A-Za-z0-9._-]{1,64}")


def _problem(error: Any, raw: dict[str, Any]) -> str:
    place, kind = _place(error["loc"], raw), str(error["type"])
    said = _IN_WORDS.get(kind) or str(error["msg"]).removeprefix("Value error, ")
    if kind.startswith("date_"):
        said = "no day; write it as 2026-01-31"
    elif kind == "string_pattern_mismatch":
        key = next((str(part) for part in reversed(error["loc"]) if isinstance(part, str)), "")
        said = _FORMS.get(key, _FORMS["id"])
    return f"{place}: {said}" if place and not said.startswith(f"{place}:") else said


def _place(loc: tuple[int | str, ...], raw: dict[str, Any]) -> str:
    """Return where something is wrong; a source or custodian by its id, else by its number from 1 on."""
    if len(loc) < 2 or not isinstance(loc[1], int) or loc[0] not in {"sources", "custodians"}:
        return ".".join(str(part) for part in loc)
    what = str(loc[0]).removesuffix("s")
    try:
        stated = str(raw[str(loc[0])][loc[1]]["id"])
    except (LookupError, TypeError):
        stated = ""
    name = stated if _IDS.fullmatch(stated) else f"number {loc[1] + 1}"
    return ": ".join([f"{what} {name}", *filter(None, [".".join(str(part) for part in loc[2:])])])
