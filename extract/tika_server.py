"""Documents read by a Tika server of the district's, through the ``tika`` client.

The server parses apart from this machine, in a process that it starts anew when it dies. Who asks it is the
process that owns the evidence, since an extraction worker reaches no network; what it answers (text and
metadata of the document and of all that is embedded in it, as ``/rmeta/xml`` gives them) goes to the worker
with the bytes, and is looked at there as the embedded Tika's own answer is. Where the server gives no
answer, the embedded Tika reads the item, and the item says so.

Sources: the server's own pages "TikaServer in Tika 3.x" (``/rmeta``, ``writeLimit``,
``X-Tika-Timeout-Millis``) and "Configuring Parsers At Parse Time in tika-server" (``X-Tika-PDF…``,
``X-Tika-OCR…``).
"""

from __future__ import annotations

import io
import logging
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, ClassVar
from urllib.parse import urlsplit

import msgspec

from extract import images
from extract.protocol import ExtractContext, Extractor
from extract.tika import Beside, TikaReader, xhtml_limit
from extract.tika_xhtml import is_picture
from extract.worker_main import choose, head_of
from extract.workers import Job, Result, Worker
from records.errors import ItemError, Retryable, SettingsError
from records.logs import logger
from records.models import Extraction
from records.vocabulary import Reason, WarningCode

REGISTRY = "extract.tika_server:EXTRACTORS"
"""The readers, with the server's in the place of the embedded Tika."""

PATIENCE_S = 20.0
"""How long a server that went away is waited for; it starts its reading process anew in two seconds."""

_AWAY_S = 60.0
"""How long a server that did not come back is left alone."""
_ASKED_AT_ONCE = 2
_AHEAD = 8
_TRIES = 2
"""A document may lose its answer because another one ended the server's reading process."""
_LONGER_S = 15.0
"""Seconds above the server's own time limit before a request is given up."""
_READ = "/rmeta/xml"
"""Text with its marks: where pages end, what is a comment, where links lead."""
_WRITE_LIMIT = "X-TIKA:EXCEPTION:write_limit_reached"
_CONTENT = "X-TIKA:content"
_PATH = "X-TIKA:embedded_resource_path"
_TROUBLE = ("X-TIKA:EXCEPTION", "X-TIKA:warning")


class TikaServerReader(TikaReader):
    """Reads what ``TikaReader`` reads, of the answer of a server."""

    name: ClassVar[str] = "tika_server"
    version: ClassVar[str] = "2"

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read one file; without the server's answer by the embedded Tika, which the item then says.

        Raises:
            ItemError: As ``TikaReader``.
        """
        try:
            return super().extract(stream, context)
        except _NoAnswerError:
            stream.seek(0)
        made = super().extract(stream, replace(context, told=None))
        return replace(made, warnings=tuple(sorted({*made.warnings, WarningCode.WITHOUT_SERVER})))

    def _parse(
        self, data: bytes, context: ExtractContext, beside: Beside
    ) -> tuple[list[str], dict[str, list[str]]]:
        if context.told is None:
            return super()._parse(data, context, beside)
        return _taken_apart(context.told, context.limits.text_bytes, beside)


def _readers() -> tuple[Extractor, ...]:
    from extract.registry import EXTRACTORS as EMBEDDED

    return tuple(TikaServerReader() if isinstance(one, TikaReader) else one for one in EMBEDDED)


EXTRACTORS: tuple[Extractor, ...] = _readers()
"""Every reader there is, of which the last asks the server."""


_Document = dict[str, str | list[str]]
"""Metadata by name, and the text: of the document itself or of one that is embedded in it."""

_answers = msgspec.json.Decoder(list[_Document])


class _NoAnswerError(Exception):
    """What came from the server tells of no document."""


def _documents(told: bytes) -> list[_Document]:
    """Return what an answer tells of, the document itself first."""
    try:
        documents = _answers.decode(told)
    except msgspec.DecodeError:
        raise _NoAnswerError from None
    if not documents:
        raise _NoAnswerError
    return documents


def _taken_apart(told: bytes, text_bytes: int, beside: Beside) -> tuple[list[str], dict[str, list[str]]]:
    """Return XHTML and metadata of an answer: those of the document, with the XHTML of what is embedded.

    Raises:
        ItemError: There is more text than allowed.
        _NoAnswerError: It is no answer.
    """
    documents = _documents(told)
    if any(_WRITE_LIMIT in one for one in documents):
        raise ItemError(Reason.BOMB, "text_bytes")
    counted = [documents[0], *(one for one in documents[1:] if _belongs(one, beside))]
    texts = [text for one in counted for text in _several(one.get(_CONTENT, "")) if text.strip()]
    stated = {name: _several(value) for name, value in documents[0].items() if name != _CONTENT}
    for inner in counted[1:]:  # what could not be read of what is embedded
        for name, value in inner.items():
            if name.startswith(_TROUBLE):
                stated.setdefault(name, []).extend(_several(value))
    if sum(map(len, texts)) >= xhtml_limit(text_bytes):
        raise ItemError(Reason.BOMB, "text_bytes")
    return texts, stated


def _belongs(document: _Document, beside: Beside) -> bool:
    """Tell whether the words of what is embedded are those of the document: not where it is a child."""
    if not beside.children:
        return True
    path = _several(document.get(_PATH, ""))[0].strip("/")
    if beside.modern:
        return "/" not in path and is_picture(path)
    return path.partition("/")[0] not in {child.name for child in beside.children}


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


class ServedWorker:
    """An extraction worker whose documents a Tika server has read; as ``extract.workers.Worker``."""

    def __init__(self, address: str, ca: Path | None = None, patience_s: float = PATIENCE_S) -> None:
        """Prepare; nothing is asked yet.

        Args:
            address: Of the server.
            ca: Certificate of the authority that signed the server's, or None for the system's own.
            patience_s: How long a server that went away is waited for.

        Raises:
            SettingsError: It is no address.
        """
        self._server = _Server(address, ca, patience_s)
        self._worker = Worker(REGISTRY)
        self._served_s: dict[int, float] = {}  # by job, until its result is there

    def warm(self) -> None:
        """Start the process now, without waiting."""
        self._worker.warm()

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def submit(self, jobs: Sequence[Job]) -> Iterator[Result]:
        """Read jobs: documents by the server, and what it answers by the worker; see ``Worker.submit``.

        Raises:
            Retryable: No process can be started.
        """
        self._served_s.clear()
        with ThreadPoolExecutor(_ASKED_AT_ONCE, thread_name_prefix="tika") as asking:
            for result in self._worker.submit(self._told(jobs, asking)):
                seconds = result.seconds + self._served_s.pop(result.job_id, 0.0)
                yield replace(result, seconds=seconds)

    def _told(self, jobs: Iterable[Job], asking: ThreadPoolExecutor) -> Iterator[Job]:
        """Yield jobs in their order, each with the server's answer where it is a document."""
        ahead: deque[Future[Job]] = deque()
        try:
            for job in jobs:
                ahead.append(asking.submit(self._asked, job))
                if len(ahead) >= _AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for waiting in ahead:
                waiting.cancel()

    def _asked(self, job: Job) -> Job:
        if not _is_document(job):
            return job
        began = time.monotonic()
        told = self._server.answer(job)
        self._served_s[job.job_id] = time.monotonic() - began
        return replace(job, context=replace(job.context, told=told))


def _is_document(job: Job) -> bool:
    """Tell whether the server should see an item: one that no other reader takes, and not a bare image."""
    try:
        with io.BytesIO(job.data) if isinstance(job.data, bytes) else Path(job.data).open("rb") as stream:
            head = head_of(stream)
    except OSError:  # the worker says what is wrong with it
        return False
    reader = choose(EXTRACTORS, job.media_type, job.context.name, head)
    if not head or not isinstance(reader, TikaServerReader):
        return False
    return not (isinstance(job.data, bytes) and images.bare_type(job.data))


class _Server:
    """What is asked of the server."""

    def __init__(self, address: str, ca: Path | None, patience_s: float) -> None:
        split = urlsplit(address)
        if split.scheme not in {"http", "https"} or not split.hostname or split.username or split.query:
            raise SettingsError("DAYLIGHT_TIKA_SERVER is no address such as https://host:9998")
        self._address = address.rstrip("/")
        self._verify: bool | str = str(ca) if ca is not None else True
        self._patience_s = patience_s
        self._away_until = 0.0

    def answer(self, job: Job) -> bytes:
        """Return what the server says of an item, as JSON; nothing where it gives no answer."""
        limits = job.context.limits
        time_s = limits.time_for(job.size_bytes)
        headers = {
            "X-Tika-OCRskipOcr": "true",
            "X-Tika-PDFOcrStrategy": "no_ocr",
            "X-Tika-PDFExtractAnnotationText": "true",
            "X-Tika-Timeout-Millis": str(int(time_s * 1000)),
            "writeLimit": str(xhtml_limit(limits.text_bytes)),
            "maxEmbeddedResources": str(limits.children),
            "Accept": "application/json",
            "Content-Type": "application/octet-stream",  # what it is, the server finds by its bytes
        }
        for _ in range(_TRIES):
            if time.monotonic() < self._away_until:
                return b""
            try:
                status, answer = self._asked(job, headers, time_s + _LONGER_S)
            except OSError as error:  # also what the client raises for a connection that was cut
                if "Timeout" in type(error).__name__ or not self._is_back():
                    return b""
                continue
            return answer.encode("utf-8") if status == 200 else b""
        return b""

    def _asked(self, job: Job, headers: dict[str, str], timeout_s: float) -> tuple[int, str]:
        options = {"timeout": timeout_s, "verify": self._verify, "allow_redirects": False}
        if isinstance(job.data, bytes):
            return self._sent(job.data, headers, options)
        with Path(job.data).open("rb") as file:
            return self._sent(file, headers, options)

    def _sent(self, data: object, headers: dict[str, str], options: dict[str, Any]) -> tuple[int, str]:
        answer: tuple[int, str] = _client().callServer(
            "put", self._address, _READ, data, headers, requestOptions=options
        )
        return answer

    def _is_back(self) -> bool:
        """Wait for the server; one that does not come back is left alone for a while."""
        import tenacity

        looking = tenacity.Retrying(
            stop=tenacity.stop_after_delay(self._patience_s),
            wait=tenacity.wait_fixed(0.5),
            retry=tenacity.retry_if_exception_type(OSError),
            reraise=True,
        )
        try:
            looking(server_version, self._address, self._verify, timeout_s=5.0)
        except (OSError, Retryable):
            self._away_until = time.monotonic() + _AWAY_S
            logger().warning("Tika server away: documents are read without it", seconds=_AWAY_S)
            return False
        return True


def server_version(address: str, verify: bool | str = True, timeout_s: float = 10.0) -> str:  # noqa: FBT001, FBT002
    """Return what a server says it is.

    Args:
        address: Of the server.
        verify: Whether its certificate must be good; a path names the authority.
        timeout_s: How long it may take.

    Raises:
        OSError: It cannot be reached.
        Retryable: What answers there is no Tika server.
    """
    options = {"timeout": timeout_s, "verify": verify, "allow_redirects": False}
    status, said = _client().callServer(
        "get", address.rstrip("/"), "/version", None, {}, requestOptions=options
    )
    if status != 200 or not said.startswith("Apache Tika"):
        raise Retryable("what answers at DAYLIGHT_TIKA_SERVER is no Tika server")
    return str(said).strip()


def _client() -> Any:
    """Load the client; left to itself it would fetch and start a server, and write a log of its own."""
    os.environ["TIKA_CLIENT_ONLY"] = "true"
    os.environ["TIKA_LOG_FILE"] = ""
    try:
        from tika import tika as client
    except ImportError as error:
        raise SettingsError(
            'DAYLIGHT_TIKA_SERVER needs the tika client: pip install "daylight[tika-server]"'
        ) from error
    logging.getLogger(client.__name__).setLevel(logging.CRITICAL + 1)
    return client
