"""What lies in the folder of a Purview export, sorted: parts, places, reports, what they lack."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from connectors.export_files import Archive, Package, PackageFile, missing_numbers
from connectors.export_tables import HashSet, Table, normal, read_table
from connectors.purview_paths import PART, PARTIAL, bare_key, inner_path, key_of, name_of, place_in
from connectors.purview_reports import (
    CODE,
    ERROR,
    LOCATION,
    NOTHING,
    STATUS,
    ItemReader,
    ItemRow,
    Report,
    code_of,
    report_of,
    summary_figure,
)
from records.errors import ItemError
from records.vocabulary import Reach, Reason

_LEFT_OUT = {
    "skipped": Reach.NOT_ASKED,
    "excluded": Reach.NOT_ASKED,
    "notsearched": Reach.NOT_ASKED,
    "notfound": Reach.REFUSED,
    "unsupported": Reach.REFUSED,
    "unavailable": Reach.REFUSED,
}


@dataclass(frozen=True, slots=True)
class _Location:
    """A place that Purview could not search or export, or left out."""

    key: str
    location: str
    detail: str
    reach: Reach = Reach.REFUSED


@dataclass(slots=True)
class _Index:
    """What the item reports say as a whole.

    Attributes:
        placed: They name the file of each item.
        targets: Different files by place.
        partial: Files of partially indexed items.
        inside: Items by the PST they are in.
        placeless: Rows that name no file.
        rows: Rows.
    """

    placed: bool = False
    targets: dict[str, HashSet] = field(default_factory=dict)
    partial: HashSet = field(default_factory=HashSet)
    inside: dict[str, int] = field(default_factory=dict)
    placeless: int = 0
    rows: int = 0


class Export:
    """Everything at a path, sorted by what it is.

    Attributes:
        zips: All zips, those too that do not open.
        broken: The zips that do not open, and why.
        missing: Names of zips that the numbers say are missing.
        reports: The reports, in the order of their keys.
        named: A zip or a folder is named as a part is.
        places: By place, the keys of the zips that have something of it (empty: files beside them).
        index: What the item reports say.
        failed: Places with an error.
        left_out: Places that were not searched.
        located: Places that the reports of locations name, with or without a result, in lower case.
        summary_differs: How the summary's figure differs from the item reports; empty when it does not.
    """

    def __init__(self, package: Package) -> None:
        """Sort what was listed, and read the reports once."""
        self.zips = tuple(package.archives.values())
        self.broken: dict[str, ItemError] = {}
        self.reports: list[Report] = []
        self.failed: list[_Location] = []
        self.left_out: list[_Location] = []
        self.located: set[str] = set()
        self._archives: dict[str, Archive] = {}
        self._loose: list[PackageFile] = []
        contents: list[str] = []
        for archive in package.archives.values():
            try:
                files = archive.files()
            except ItemError as err:
                self.broken[archive.key] = err
                continue
            self._archives[archive.key] = archive
            found = [report for file in files if (report := report_of(file)) is not None]
            self.reports += found
            if len(found) < len(files):
                contents.append(archive.key)
        for file in package.loose.values():
            if (report := report_of(file)) is not None:
                self.reports.append(report)
            else:
                self._loose.append(file)
        self.reports.sort(key=lambda one: one.file.key)
        self._report_keys = {report.file.key for report in self.reports}
        names = [archive.name for archive in package.archives.values()]
        folders = {file.key.split("/")[0] for file in self._loose if "/" in file.key}
        self.named = any(PART.fullmatch(name) or name.startswith("Reports-") for name in [*names, *folders])
        self.missing = frozenset(missing_numbers([name for name in names if name.endswith(".zip")], PART))
        self.index = self._read_index()
        places: dict[str, list[str]] = {key: [] for key in self.index.targets}
        for key in [*contents, *([""] if self._loose else [])]:
            for place in {self.place_of(file) for file in self.files_in(key)}:
                places.setdefault(place, []).append(key)
        self.places = dict(sorted(places.items()))
        self._read_locations()
        self.summary_differs = self._compare_summary()

    def archives(self) -> list[Archive]:
        """Return the zips that open."""
        return list(self._archives.values())

    def of(self, role: str) -> list[Report]:
        """Return the reports of a kind that can be used."""
        return [report for report in self.reports if report.role == role and report.problem is None]

    def place(self, key: str) -> list[str]:
        """Return the zips of a place; raises ItemError (``unreadable``, ``scope_gone``)."""
        if (found := self.places.get(key)) is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        return found

    def files_in(self, key: str) -> list[PackageFile]:
        """Return the files of a zip, or those beside the zips for an empty key; reports left out."""
        if not key:
            return self._loose
        if (archive := self._archives.get(key)) is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        return [file for file in archive.files() if file.key not in self._report_keys]

    @property
    def opening(self) -> list[str]:
        """Keys of the zips that open."""
        return list(self._archives)

    def is_placed(self, file: PackageFile) -> bool:
        """Say whether a file beside the zips lies in a part that was unpacked, or an item report names it."""
        if PART.fullmatch(file.inner.partition("/")[0]) is not None:
            return True
        return any(bare_key(file) in targets for targets in self.index.targets.values())

    def size_of(self, key: str) -> int | None:
        """Return the packed bytes of a zip; None for the files beside the zips."""
        return self._archives[key].size() if key in self._archives else None

    @contextmanager
    def opened(self, key: str) -> Iterator[tuple[zipfile.ZipFile | None, list[PackageFile]]]:
        """Open a zip; give it and what ``files_in`` gives."""
        if (archive := self._archives.get(key)) is None:
            yield None, self.files_in(key)
            return
        with archive.opened() as (opened, files):
            yield opened, [file for file in files if file.key not in self._report_keys]

    def place_of(self, file: PackageFile) -> str:
        """Return the place of a file: mailbox or site, and whether it is partially indexed."""
        place, partial = place_in(inner_path(file))
        partial = partial or key_of(file) in self.index.partial or bare_key(file) in self.index.partial
        return f"{PARTIAL}{place}" if partial else place

    def raise_if_gone(self, key: str) -> None:
        """Raise the reason why a zip does not open."""
        if (error := self.broken.get(key)) is not None:
            raise ItemError(error.reason, error.detail)

    def item_rows(self) -> Iterator[ItemRow]:
        """Yield the rows of the item reports; one that cannot be read further ends, and fails by name."""
        for report in self.of("items"):
            try:
                with report.file.stream() as stream:
                    table = read_table(stream)
                    reader = ItemReader(table)
                    for row in table.rows:
                        yield reader.read(row)
            except ItemError as err:
                report.problem = err

    def _read_index(self) -> _Index:
        index = _Index()
        for row in self.item_rows():
            index.rows += 1
            if not row.target:
                index.placeless += 1
                continue
            index.placed = True
            index.targets.setdefault(row.place, HashSet()).add(row.target)
            if row.partial:
                index.partial.add(row.target)
            if row.within and row.target.endswith(".pst"):
                index.inside[row.target] = index.inside.get(row.target, 0) + 1
        return index

    def _read_locations(self) -> None:
        for report in self.of("locations"):
            try:
                with report.file.stream() as stream:
                    table = read_table(stream)
                    name = table.column(*LOCATION)
                    assert name is not None, "a report without it is not used"
                    for number, row in enumerate(table.rows, 1):
                        self.located.add(name_of(row[name]))
                        self._take_location(f"{report.file.key}#{number}", row[name], table, row)
            except ItemError as err:
                report.problem = err

    def _take_location(self, key: str, location: str, table: Table, row: Mapping[str, str]) -> None:
        status = normal(row.get(table.column(*STATUS, "Location status") or "", ""))
        said = normal(row.get(table.column(*ERROR, "Location error", "Failure reason") or "", ""))
        code = row.get(table.column(*CODE) or "", "")
        left = next((reach for word, reach in _LEFT_OUT.items() if word in status), None)
        if said not in NOTHING or "fail" in status or "error" in status.replace("noerror", ""):
            self.failed.append(_Location(key, location, code_of(code, "location_error")))
        elif left is not None:
            self.left_out.append(_Location(key, location, code_of(status, "location_left_out"), left))

    def _compare_summary(self) -> str:
        """Say how many items the summary has and how many the item reports; empty where both agree."""
        if not self.of("items"):
            return ""
        for report in self.of("summary"):
            try:
                stated = summary_figure(report)
            except ItemError as err:
                report.problem = err
                continue
            files = sum(len(found) for found in self.index.targets.values()) + self.index.placeless
            if stated is not None and stated not in {self.index.rows, files}:
                return f"summary_{stated}_report_{self.index.rows}"
        return ""
