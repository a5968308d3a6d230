"""The numbers of ``desk.watching`` as metrics: read by Prometheus, or sent to an OpenTelemetry collector.

Each is a gauge: an item that is read again is not searchable meanwhile, so no number only rises. Labels are
the request's id and closed words (states, reasons); no name, no place and no content is ever one.

Sources: Prometheus, "Exposition formats" and "Metric and label naming"; node_exporter, "Textfile Collector";
OpenTelemetry, "Metrics Data Model" and "OpenTelemetry Protocol Exporter".
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from desk.home import Home
from desk.watching import Figures, Watcher, watched
from records import whole_files
from records.catalogue import Catalogue
from records.errors import AccessError, SettingsError

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

PORT = 9465
_SEND_S = 10.0

Labels = Mapping[str, str]
Sample = tuple[Labels, float]


@dataclass(frozen=True, slots=True)
class Gauge:
    """One metric.

    Attributes:
        name: With dots, as OpenTelemetry writes it; Prometheus has underscores and the unit behind.
        unit: As in UCUM: ``By``, ``s``, ``By/s``, ``{item}``.
        words: What it is.
        read: Returns its samples for one request, without the label ``request``.
    """

    name: str
    unit: str
    words: str
    read: Callable[[Figures], Iterable[Sample]]

    @property
    def prometheus_name(self) -> str:
        """Its name for Prometheus."""
        unit = _UNITS.get(self.unit, "")
        return self.name.replace(".", "_") + (f"_{unit}" if unit else "")


_UNITS = {"By": "bytes", "s": "seconds", "By/s": "bytes_per_second", "{item}/s": "per_second"}


def _by(label: str, values: Mapping[str, float]) -> list[Sample]:
    return [({label: name}, value) for name, value in values.items()]


def _one(value: float | None) -> list[Sample]:
    return [] if value is None else [({}, value)]


def _batches(at: Figures) -> list[Sample]:
    done = at.batches["done"]
    return _by("state", {"waiting": at.batches["planned"] - done, "done": done})


GAUGES = (
    Gauge("daylight.run.active", "1", "1 while a run is at work, else 0.", lambda at: _one(int(at.at_work))),
    Gauge("daylight.items", "{item}", "Top items by state of collection.", lambda at: _by("state", at.items)),
    Gauge(
        "daylight.items.expected",
        "{item}",
        "Top items that all places say they have; absent where one does not say.",
        lambda at: _one(at.expected),
    ),
    Gauge(
        "daylight.texts",
        "{item}",
        "Stored items, attachments too, by state of their text.",
        lambda at: _by("state", at.text),
    ),
    Gauge(
        "daylight.failures", "{item}", "Items that failed, by reason.", lambda at: _by("reason", at.failures)
    ),
    Gauge(
        "daylight.stored",
        "By",
        "Native bytes of the top items that are kept.",
        lambda at: _one(at.stored_bytes),
    ),
    Gauge(
        "daylight.left",
        "By",
        "Native bytes of top items that are not read yet; absent where a place does not say.",
        lambda at: _one(at.left_bytes),
    ),
    Gauge(
        "daylight.collected.items",
        "{item}/s",
        "Top items that the newest run collected, by wall second.",
        lambda at: _one(at.items_per_s),
    ),
    Gauge(
        "daylight.collected",
        "By/s",
        "Native bytes that the newest run collected, by wall second.",
        lambda at: _one(round(at.mb_per_s * 1e6)),
    ),
    Gauge(
        "daylight.time.left",
        "s",
        "Until all is read, at the newest run's pace; absent where nothing is left or nobody can say.",
        lambda at: _one(at.seconds_left),
    ),
    Gauge("daylight.batches", "{batch}", "Batches by whether all three steps are done.", _batches),
    Gauge(
        "daylight.ocr.pages",
        "{page}",
        "Pages that are pictures, by what became of them.",
        lambda at: _by("state", at.ocr_pages),
    ),
)
"""Every metric; docs/watching.md has the same list."""


# --- Prometheus ---------------------------------------------------------------------------------------------


class _Collector:
    """Counts anew whenever Prometheus asks."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._watcher = Watcher(catalogue)

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        found = self._watcher.all()
        for gauge in GAUGES:
            family = GaugeMetricFamily(gauge.prometheus_name, gauge.words)
            for at in found:
                for labels, value in gauge.read(at):
                    family.add_sample(
                        gauge.prometheus_name, {"request": at.request_id, **labels}, float(value)
                    )
            yield family


def _registry(catalogue: Catalogue) -> CollectorRegistry:
    try:
        from prometheus_client import CollectorRegistry
    except ImportError as error:
        raise SettingsError("metrics need their client: install daylight with its extra metrics") from error
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(catalogue))
    return registry


def write(home: Home, out: Path) -> int:
    """Write the metrics into a file for node_exporter's textfile collector; it is there whole or not at all.

    Args:
        home: Open.
        out: File whose name ends in ``.prom``; one that is there is replaced.

    Returns:
        How many requests it is about.

    Raises:
        SettingsError: The extra ``metrics`` is not installed.
        OSError: It cannot be written.
    """
    registry = _registry(home.catalogue)
    from prometheus_client import generate_latest

    whole_files.replace(out, generate_latest(registry), mode=0o644)  # another user's process reads it
    return len(watched(home.catalogue))


@contextmanager
def served(home: Home, port: int, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve the metrics under ``/metrics`` from a thread, and send them where the settings say so.

    Args:
        home: Open.
        port: 0 takes a free one.
        host: Address of this machine to listen at.

    Yields:
        The address.

    Raises:
        AccessError: The port is taken.
        SettingsError: The extra ``metrics`` is not installed, or the collector's address is none.
    """
    registry = _registry(home.catalogue)
    from prometheus_client import start_http_server

    with sent(home):
        try:
            server, thread = start_http_server(port, host, registry)
        except OSError as error:
            raise AccessError(f"port {port} cannot be listened at; name another with --port") from error
        try:
            yield f"http://{host}:{server.server_address[1]}/metrics"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def serve(home: Home, port: int, host: str, ready: Callable[[str], None]) -> None:
    """Serve until interrupted; raises as ``served`` does."""
    with served(home, port, host) as address:
        ready(address)
        threading.Event().wait()


# --- OpenTelemetry ------------------------------------------------------------------------------------------


@contextmanager
def sent(home: Home, *request_ids: str) -> Iterator[None]:
    """Send the metrics to the collector of the settings meanwhile, and once more at the end.

    How often, and with which headers, the variables say that OpenTelemetry itself reads
    (``OTEL_METRIC_EXPORT_INTERVAL``, ``OTEL_EXPORTER_OTLP_HEADERS``). A collector that is away costs nothing
    but these numbers.

    Args:
        home: Open.
        request_ids: Which requests; none: all that are not closed.

    Raises:
        SettingsError: The collector's address is none, or the extra ``metrics`` is not installed.
    """
    address = home.settings.otlp
    if not address:
        yield
        return
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise SettingsError("DAYLIGHT_OTLP is an address, http://host:4318, without a password in it")
    try:
        provider = _provider(f"{address.rstrip('/')}/v1/metrics")
    except ImportError as error:
        raise SettingsError(
            "DAYLIGHT_OTLP needs its client: install daylight with its extra metrics"
        ) from error
    meter = provider.get_meter("daylight", version("daylight"))
    counted = _Counted(Watcher(home.catalogue), request_ids)
    for gauge in GAUGES:
        meter.create_observable_gauge(
            gauge.name, [counted.callback(gauge)], unit=gauge.unit, description=gauge.words
        )
    try:
        yield
    finally:
        provider.shutdown(timeout_millis=_SEND_S * 1000)


def _provider(endpoint: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource

    exporter = OTLPMetricExporter(endpoint=endpoint, timeout=_SEND_S)
    resource = Resource.create({"service.name": "daylight", "service.version": version("daylight")})
    reader = PeriodicExportingMetricReader(exporter)
    return MeterProvider([reader], resource, shutdown_on_exit=False)


class _Counted:
    """Counts once for all gauges of one sending: the first of them is asked first, each time."""

    def __init__(self, watcher: Watcher, request_ids: Iterable[str]) -> None:
        self._watcher = watcher
        self._request_ids = request_ids
        self._found: list[Figures] = []

    def callback(self, gauge: Gauge) -> Callable[[CallbackOptions], Iterable[Observation]]:
        """Return what is asked for a gauge's samples."""

        def observe(_options: CallbackOptions) -> Iterator[Observation]:
            from opentelemetry.metrics import Observation

            if gauge is GAUGES[0]:
                named = [self._watcher.figures(one) for one in self._request_ids]
                self._found = named or self._watcher.all()
            for at in self._found:
                for labels, value in gauge.read(at):
                    yield Observation(value, {"request": at.request_id, **labels})

        return observe
