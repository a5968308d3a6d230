"""A home: the folder that holds everything, opened."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import sqlalchemy as sa

from desk.request import Request, Source
from records import canonical
from records import tables as t
from records.catalogue import Catalogue
from records.errors import SettingsError, UsageError
from records.evidence import EvidenceStore
from records.roster import RosterLine, read_roster
from records.settings import Settings, load_settings, refuse_in_clear

if TYPE_CHECKING:
    from search.elasticsearch import ElasticsearchEngine
    from search.elasticsearch_cluster import Cluster
    from search.elasticsearch_loading import Describe
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
    _engines: dict[str, ElasticsearchEngine] = field(default_factory=dict, repr=False)

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

    def engine(self, request_id: str) -> EmbeddedEngine | ElasticsearchEngine:
        """Return a request's search index: on the cluster of the settings, else the embedded one.

        Raises:
            SettingsError: The cluster's settings are wrong, or its client is not installed.
        """
        if not self.settings.elasticsearch:
            from search.embedded import EmbeddedEngine

            return EmbeddedEngine(self.settings.request_folder(request_id) / "index")
        if request_id not in self._engines:
            found = cluster(self.settings)
            from search.elasticsearch import ElasticsearchEngine

            self._engines[request_id] = ElasticsearchEngine(
                found, request_id, describer=lambda: self._describer(request_id)
            )
        return self._engines[request_id]

    def _describer(self, request_id: str) -> Describe:
        """Return what gives the fields of items that Kibana shows, as the catalogue has them now."""
        from search.kibana_fields import FieldsReader

        reader = FieldsReader.open(self.catalogue, request_id)
        return lambda items: ((item, fields.as_fields()) for item, fields in reader.fields(items))

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

    def source(self, request_id: str, source_id: str) -> tuple[Request, Source]:
        """Return a source with the newest version of the request that names it.

        Raises:
            UsageError: No version names it.
        """
        v = t.request_versions.c
        with self.catalogue.read() as connection:
            bodies = connection.execute(
                sa.select(v.body).where(v.request_id == request_id).order_by(v.version.desc())
            ).scalars()
            for body in bodies:
                request = Request.model_validate_json(body)
                for source in request.sources:
                    if source.id == source_id:
                        return request, source
        raise UsageError(f"request {request_id} names no source {source_id}")

    def roster(self, request_id: str) -> tuple[RosterLine, ...]:
        """Return the roster of a request in its present version; empty where it came with none."""
        r = t.rosters.c
        with self.catalogue.read() as connection:
            text = connection.scalar(
                sa.select(r.roster_csv)
                .join(
                    t.requests,
                    (t.requests.c.request_id == r.request_id) & (t.requests.c.version >= r.version),
                )
                .where(r.request_id == request_id)
                .order_by(r.version.desc())
                .limit(1)
            )
        return read_roster(text or "")

    def close(self) -> None:
        """Close everything that is open."""
        for store in self._stores.values():
            store.close()
        self._stores.clear()
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()
        self.catalogue.close()


def cluster(settings: Settings) -> Cluster:
    """Return the search cluster of the settings, with its key from the environment or the file named.

    Raises:
        SettingsError: A setting is wrong, or the client is not installed; the message names it.
    """
    try:
        from search.elasticsearch_cluster import Cluster
    except ImportError as error:
        raise SettingsError(
            "DAYLIGHT_ELASTICSEARCH needs the client: install daylight with its extra elastic"
        ) from error
    parts = urlsplit(settings.elasticsearch)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise SettingsError(
            "DAYLIGHT_ELASTICSEARCH is an address, https://host:port, without a password in it"
        )
    key = os.environ.get("DAYLIGHT_ELASTICSEARCH_API_KEY", "")
    file = settings.elasticsearch_api_key_file
    if not key and file is not None:
        try:
            key = file.read_text("utf-8").strip()
        except OSError as error:
            raise SettingsError("DAYLIGHT_ELASTICSEARCH_API_KEY_FILE cannot be read") from error
    if key:
        refuse_in_clear("DAYLIGHT_ELASTICSEARCH", parts)
    authority = settings.elasticsearch_ca
    if authority is not None and not authority.is_file():
        raise SettingsError("DAYLIGHT_ELASTICSEARCH_CA names no file")
    return Cluster(settings.elasticsearch, authority, key)


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
