"""A home: the folder that holds everything, opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from desk.request import Request
from records import canonical
from records import tables as t
from records.catalogue import Catalogue
from records.errors import UsageError
from records.evidence import EvidenceStore
from records.settings import Settings, load_settings
from search.embedded import EmbeddedEngine


@dataclass(frozen=True)
class Home:
    """Settings and catalogue of a home, with the stores of its requests.

    Attributes:
        settings: In force.
        catalogue: Open.
    """

    settings: Settings
    catalogue: Catalogue
    _stores: dict[str, EvidenceStore] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, folder: Path | None = None, *, settings: Settings | None = None) -> Home:
        """Open a home, making it when it is new and bringing its catalogue to the present form.

        Raises:
            SettingsError: No home was named.
            AccessError: The catalogue cannot be opened.
        """
        found = settings or load_settings(folder)
        found.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        catalogue = Catalogue(found.catalogue_url)
        catalogue.migrate()
        return cls(found, catalogue)

    def store(self, request_id: str) -> EvidenceStore:
        """Return a request's evidence store, opened once."""
        if request_id not in self._stores:
            folder = self.settings.request_folder(request_id) / "evidence"
            self._stores[request_id] = EvidenceStore(folder, self.catalogue, request_id)
        return self._stores[request_id]

    def engine(self, request_id: str) -> EmbeddedEngine:
        """Return a request's search index."""
        return EmbeddedEngine(self.settings.request_folder(request_id) / "index")

    def bundles(self, request_id: str) -> Path:
        """Return the folder of a request's drafts and packages, making it."""
        folder = self.settings.request_folder(request_id) / "bundles"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def request(self, request_id: str) -> OpenRequest:
        """Return a request in its present version.

        Raises:
            UsageError: There is none with this id.
        """
        r, v = t.requests.c, t.request_versions.c
        with self.catalogue.read() as connection:
            row = connection.execute(
                sa.select(r.version, r.state, r.due_on, v.body, v.terms_csv)
                .join(t.request_versions, (v.request_id == r.request_id) & (v.version == r.version))
                .where(r.request_id == request_id)
            ).first()
        if row is None:
            raise UsageError(f"there is no request {request_id}; `daylight status` lists what there is")
        return OpenRequest(
            request_id,
            row.version,
            row.state,
            row.due_on,
            Request.model_validate_json(row.body),
            row.terms_csv,
        )

    def close(self) -> None:
        """Close everything that is open."""
        for store in self._stores.values():
            store.close()
        self._stores.clear()
        self.catalogue.close()


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request as it stands.

    Attributes:
        request_id: Its id.
        version: The scope version in force.
        state: ``open``, ``running``, ``complete`` or ``closed``.
        due_on: Last of the five business days, ``YYYY-MM-DD``.
        body: What the request file said.
        terms: The term list's text, as it was read.
    """

    request_id: str
    version: int
    state: str
    due_on: str
    body: Request
    terms: str

    def as_json(self) -> str:
        """Return the request file's content as canonical JSON."""
        return canonical.dumps(self.body.model_dump(mode="json", by_alias=True))
