"""Settings: flag > environment (``DAYLIGHT_…``) > default. Secrets never live here."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import SplitResult

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from records.errors import SettingsError


class Settings(BaseSettings):
    """Where things are and how much of the machine to use.

    Attributes:
        home: Folder that holds everything (``DAYLIGHT_HOME``).
        catalogue: Database address; empty for the embedded SQLite file in the home.
        elasticsearch: Address of the search cluster (``DAYLIGHT_ELASTICSEARCH``); empty for the embedded
            index.
        elasticsearch_ca: Certificate of the authority that signed the cluster's, where it is the district's.
        elasticsearch_api_key_file: File with the API key and nothing else; ``DAYLIGHT_ELASTICSEARCH_API_KEY``
            in the environment goes before it. The key itself is no setting.
        tika_server: Address of a Tika server (``DAYLIGHT_TIKA_SERVER``); empty for the embedded Tika.
        tika_server_ca: Certificate of the authority that signed the server's, where it is the district's.
        workers: Worker processes on this machine, however many tasks run.
        batch_items: Most items in a batch.
        batch_bytes: Most native bytes in a batch, where a scope can be cut.
        ocr_languages: Tesseract's codes joined by ``+``, for pages that are pictures.
        ocr_page_s: Wall seconds one such page may take.
        ocr_low_confidence: A page whose words have less on average (0 to 100) is listed for a look by hand.
        otlp: Address of an OpenTelemetry collector (``DAYLIGHT_OTLP``) to which the numbers of a run are
            sent by OTLP over HTTP; empty: they are sent nowhere.
        password_keys: Folder for the keys of passwords of locked files (``DAYLIGHT_PASSWORD_KEYS``), such as
            one on another disk; None for ``keys`` in the home.
        log_level: ``debug``, ``info``, ``warning`` or ``error``.
    """

    model_config = SettingsConfigDict(env_prefix="DAYLIGHT_", extra="ignore", frozen=True)

    home: Path
    catalogue: str = ""
    elasticsearch: str = ""
    elasticsearch_ca: Path | None = None
    elasticsearch_api_key_file: Path | None = None
    tika_server: str = ""
    tika_server_ca: Path | None = None
    workers: int = Field(default_factory=lambda: len(os.sched_getaffinity(0)), ge=1, le=256)
    batch_items: int = Field(default=10_000, ge=1, le=100_000)
    batch_bytes: int = Field(default=256 << 20, ge=1 << 20)
    ocr_languages: str = "eng+spa"
    ocr_page_s: float = Field(default=180.0, ge=0.1, le=3_600)
    ocr_low_confidence: float = Field(default=60.0, ge=0, le=100)
    otlp: str = ""
    password_keys: Path | None = None
    log_level: str = "info"

    @property
    def catalogue_url(self) -> str:
        """The database address in force."""
        return self.catalogue or f"sqlite:///{self.home.resolve()}/catalogue/daylight.sqlite"

    def request_folder(self, request_id: str) -> Path:
        """Return the folder of one request; disposal deletes it."""
        return self.home / "requests" / request_id


def load_settings(home: Path | None = None) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: No home was named, or a value is out of range; the message names the setting.
    """
    given = {} if home is None else {"home": home}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # the environment fills what is not given
    except ValidationError as error:
        names = ", ".join(f"DAYLIGHT_{'_'.join(map(str, e['loc'])).upper()}" for e in error.errors())
        raise SettingsError(f"set {names} (or --home DIR): missing or not a value it can have") from error


def refuse_in_clear(setting: str, address: SplitResult) -> None:
    """Refuse to send a key to another machine without https.

    Args:
        setting: Name of the setting that holds the address, for the message.
        address: The address, split.

    Raises:
        SettingsError: It would cross the network in the clear.
    """
    if address.scheme == "http" and address.hostname not in _LOOPBACK:
        raise SettingsError(f"{setting}: without https the API key would cross the network in the clear")


_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
