"""Disposable workers: parsers of hostile files run in a process that can be killed without loss.

One ``Worker`` is one process at a time. Items stream in ahead of the answers (so the process never
waits), and answers stream out in the same order. When the process hangs, dies or grows too large, the
item it was at is the first one unanswered: that item alone gets a failure, a new process is started, and
what was behind it is sent again.

Trap: the worker dies with the *thread* that started it (``PR_SET_PDEATHSIG``); use a ``Worker`` in one
thread.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from extract import wire
from extract.protocol import ExtractContext
from records import isolation
from records.errors import Retryable
from records.models import Extraction, Failure
from records.vocabulary import Reason

REGISTRY = "extract.registry:EXTRACTORS"
"""Where the readers are listed."""

_AHEAD_JOBS = 128
_AHEAD_BYTES = 8 << 20
_LOOK_S = 0.01
"""How often a worker that is busy with one item is looked at."""
_NAP_S = 0.001
"""Answers gather for so long while there is nothing else to do: one switch of processes brings several."""
_WRITES = 64
"""Frames given to the kernel at once (it takes 1,024 at most)."""
_START_S = 120.0
_LONGEST_S = 30 * 86_400.0
"""What a process says of its own time is believed up to here, and no NaN."""
_CHUNK = 1 << 20
_RECYCLE_AFTER = 500
_DEATHS = 2
"""Processes that die over one item before it is told to be the cause, where something else may be."""
_PIPE_BYTES = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Job:
    """One item to read.

    Attributes:
        job_id: The caller's number, given back with the result; not negative.
        data: Its bytes, or the path of a file that holds them.
        context: What the reader may know.
        media_type: As the source states it, or None; helps to choose the reader.
    """

    job_id: int
    data: bytes | str
    context: ExtractContext
    media_type: str | None

    @property
    def size_bytes(self) -> int:
        """How large the item is; 0 where its file is gone."""
        return len(self.data) if isinstance(self.data, bytes) else _file_size(self.data)


@dataclass(frozen=True, slots=True)
class Result:
    """One item read.

    Attributes:
        job_id: As in the job.
        extractor_name: The reader that was chosen; ``none`` when each declined or nothing was chosen.
        extractor_version: Its version.
        extraction: What it gave, or why it gave nothing.
        languages: Of its text, as ``extract.languages.told`` gives them.
        seconds: How long it was at work on the item, by the wall; of a reader that was ended, until then.
    """

    job_id: int
    extractor_name: str
    extractor_version: str
    extraction: Extraction
    languages: str = ""
    seconds: float = 0.0


class Worker:
    """A process that reads items; a context manager, for one thread.

    Example:
        with Worker() as worker:
            for result in worker.submit(jobs):
                store(result)
    """

    def __init__(self, registry: str = REGISTRY) -> None:
        """Prepare; the process starts with the first job.

        Args:
            registry: ``module:attribute`` of the readers; tests name faulty ones.
        """
        self._registry = registry
        self._process: _Process | None = None
        self._warming: _Process | None = None

    def warm(self) -> None:
        """Start the process now, without waiting: it gets ready while the caller does something else."""
        if self._process is None and self._warming is None:
            with contextlib.suppress(OSError):  # the first job tries again, and says what is wrong
                self._warming = _Process(self._registry)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, at once if it is busy."""
        for process in (self._process, self._warming):
            if process is not None:
                process.end()
        self._process = self._warming = None

    @property
    def process_id(self) -> int | None:
        """The id of the running process, or None before the first job."""
        return self._process.pid if self._process is not None else None

    def submit(self, jobs: Iterable[Job]) -> Iterator[Result]:
        """Read items; jobs are drawn a little ahead of the results.

        Args:
            jobs: In the order the results are wanted. Drawn lazily.

        Yields:
            One result a job, in the same order, whatever a job does to its process.

        Raises:
            Retryable: No process can be started (for example, no memory is left on the machine).
        """
        ahead = _Ahead(jobs)
        deaths = 0
        try:
            while ahead.draw():
                process = self._running()
                process.send(ahead.jobs)
                asked = time.monotonic()
                answer = process.next_answer(ahead.jobs[0])
                if isinstance(answer, wire.ResultFrame):
                    deaths = 0
                    ahead.drop()
                    seconds = answer.seconds if 0 <= answer.seconds <= _LONGEST_S else 0.0
                    yield Result(
                        answer.job_id,
                        answer.extractor,
                        answer.version,
                        answer.extraction,
                        answer.languages,
                        seconds,
                    )
                    self._recycle(process)
                    continue
                self._process = None
                deaths += 1
                if answer.final or deaths == _DEATHS:
                    deaths = 0
                    made = Extraction(failure=Failure(answer.reason, answer.detail))
                    yield Result(ahead.drop().job_id, "none", "0", made, seconds=time.monotonic() - asked)
        finally:
            if ahead.jobs:
                # The caller stopped half-way (or an error passed): answers in the pipe belong to nobody.
                self.close()

    def _running(self) -> _Process:
        if self._process is None:
            warming, self._warming = self._warming, None
            self._process = _Process.started(self._registry, warming)
        return self._process

    def _recycle(self, process: _Process) -> None:
        """Start afresh now and then: native heaps only grow."""
        if process.answered % _RECYCLE_AFTER == 0 and process.is_large():
            process.end()
            self._process = None


class _Ahead:
    """Jobs that were drawn and have no answer yet, oldest first: enough to keep a process busy, no more."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self.jobs: deque[Job] = deque()
        self._source = iter(jobs)
        self._bytes = 0

    def draw(self) -> bool:
        """Draw what may be under way, many at a time; False when nothing is left to do."""
        if len(self.jobs) > _AHEAD_JOBS // 2 or (len(self.jobs) > 1 and self._bytes > _AHEAD_BYTES // 2):
            return True
        while len(self.jobs) < _AHEAD_JOBS and (self._bytes < _AHEAD_BYTES or len(self.jobs) < 2):
            job = next(self._source, None)
            if job is None:
                break
            self.jobs.append(job)
            self._bytes += _size(job)
        return bool(self.jobs)

    def drop(self) -> Job:
        """Take the oldest job off: it has its answer."""
        job = self.jobs.popleft()
        self._bytes -= _size(job)
        return job


def _size(job: Job) -> int:
    return (len(job.data) if isinstance(job.data, bytes) else 4096) + len(job.context.told or b"")


@dataclass(frozen=True, slots=True)
class _Death:
    """Why a process ended; ``final`` when the item at hand is surely the cause."""

    reason: Reason
    detail: str
    final: bool


class _Process:
    """One worker process and its two pipes."""

    def __init__(self, registry: str) -> None:
        self._scratch = isolation.new_scratch()
        root = str(Path(__file__).resolve().parent.parent)
        code = (
            f"import sys; sys.path.insert(0, {root!r}); from extract.worker_main import main; "
            f"main({registry!r}, {os.getpid()}, {self._scratch!r})"
        )
        self._popen = subprocess.Popen(
            [sys.executable, "-I", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            close_fds=True,
            cwd=self._scratch,
            # No tesseract on PATH: Tika looks for it eight times a file. No secrets of the parent either.
            env={
                "PATH": "/nonexistent",
                "LANG": "C.UTF-8",
                "TZ": "UTC",
                "TMPDIR": self._scratch,
                "HOME": self._scratch,
                "PYTHONHASHSEED": "0",
            },
            bufsize=0,
        )
        self.pid = self._popen.pid
        self.answered = 0
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._in = self._popen.stdin.fileno()
        self._out = self._popen.stdout.fileno()
        for descriptor in (self._in, self._out):
            os.set_blocking(descriptor, False)
            _widen(descriptor)
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._writing = False
        self._pending: deque[memoryview] = deque()
        self._sent = 0
        # The kernel's own peak (ru_maxrss) is useless: it starts with the size of the parent that was forked.
        self._peak = 0
        self._buffer = bytearray()
        self._at = 0

    @classmethod
    def started(cls, registry: str, warming: _Process | None = None) -> _Process:
        """Start a process, or take one that is starting, and wait until it is ready."""
        code = 0
        for _ in range(3):
            try:
                process = warming or cls(registry)
                warming = None
            except OSError:
                time.sleep(0.5)
                continue
            if process._wait_ready():
                return process
            code = process._reap()
            process.end()
        raise Retryable(
            f"no extraction worker can be started (the last ended with {code}): check memory and process "
            "limits, then run again",
            retry_after_s=10.0,
        )

    def _wait_ready(self) -> bool:
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            frame = self._take_frame()
            if frame is not None:
                return frame.job_id == wire.READY
            for descriptor, event in self._poll.poll(1000):
                if descriptor == self._out and not self._read() and event:
                    return False
        return False

    def send(self, jobs: deque[Job]) -> None:
        """Queue every job that was not sent to this process yet; jobs leave ``jobs`` from the left."""
        outstanding = self._sent - self.answered
        for position in range(outstanding, len(jobs)):
            self._pending.append(memoryview(_frame(jobs[position])))
            self._sent += 1
        self._flush()

    def next_answer(self, job: Job) -> wire.ResultFrame | _Death:
        """Return the answer to the oldest job, or how the process ended over it.

        The clock runs only while this waits: time the caller takes between two results is not the item's.
        """
        limits = job.context.limits
        started = time.monotonic()
        until = started + limits.time_for(job.size_bytes)
        while True:
            try:
                frame = self._take(job)
            except ValueError:
                # Not ours: whatever writes this is no longer the reader that was started.
                self.kill()
                return _Death(Reason.CRASHED, "protocol", final=True)
            if frame is not None:
                return frame
            now = time.monotonic()
            if now >= until:
                return self._killed(Reason.TIMED_OUT, "time")
            if not self._writing:
                time.sleep(_NAP_S)
            for descriptor, event in self._poll.poll(_LOOK_S * 1000):
                if descriptor == self._in:
                    self._flush()
                elif event and not self._read():
                    return self._died(limits.memory_bytes)
            if now - started > _LOOK_S:
                self._peak = max(self._peak, self._private_bytes())
                if self._peak > limits.memory_bytes:
                    return self._killed(Reason.OUT_OF_MEMORY, "memory")

    def _take(self, job: Job) -> wire.ResultFrame | None:
        frame = self._take_frame()
        if frame is None:
            return None
        if frame.job_id != job.job_id:
            raise ValueError("answer to another job")
        self.answered += 1
        return frame

    def _take_frame(self) -> wire.ResultFrame | None:
        """Cut one whole frame off the buffer."""
        start = self._at + wire.LENGTH.size
        if len(self._buffer) < start:
            return None
        length = wire.LENGTH.unpack_from(self._buffer, self._at)[0]
        if length > wire.MAX_FRAME:
            raise ValueError("frame too long")
        if len(self._buffer) < start + length:
            return None
        with memoryview(self._buffer) as view, view[start : start + length] as payload:
            frame = wire.decode_result(payload)
        self._at = start + length
        if self._at == len(self._buffer):
            self._buffer.clear()
            self._at = 0
        elif self._at > _CHUNK:
            del self._buffer[: self._at]
            self._at = 0
        return frame

    def _read(self) -> bool:
        """Read what is there; False at the end of the pipe."""
        try:
            data = os.read(self._out, _CHUNK)
        except BlockingIOError:
            return True
        self._buffer += data
        return bool(data)

    def _flush(self) -> None:
        try:
            while self._pending:
                written = os.writev(self._in, list(islice(self._pending, _WRITES)))
                while self._pending and written >= len(self._pending[0]):
                    written -= len(self._pending.popleft())
                if written:
                    self._pending[0] = self._pending[0][written:]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._pending.clear()  # its death is seen at the other pipe
        wanted = bool(self._pending)
        if wanted != self._writing:
            self._writing = wanted
            if wanted:
                self._poll.register(self._in, select.POLLOUT)
            else:
                self._poll.unregister(self._in)

    def _private_bytes(self) -> int:
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_bytes().split()
        except OSError:
            return 0
        return (int(pages[1]) - int(pages[2])) * _PAGE if len(pages) > 2 else 0

    def is_large(self) -> bool:
        """Tell whether the process has grown well beyond its start."""
        return self._private_bytes() > 384 << 20

    def _killed(self, reason: Reason, detail: str) -> _Death:
        fresh = self.answered == 0
        self.kill()
        # What items before it left behind also counts as memory: only a fresh process proves the item guilty.
        return _Death(reason, detail, final=reason is Reason.TIMED_OUT or fresh)

    def _died(self, memory_bytes: int) -> _Death:
        """Read the cause off a process that ended by itself; ``final`` only if this was its first item."""
        fresh = self.answered == 0
        code = self._reap()
        self._close()
        if self._peak > memory_bytes * 0.7:
            return _Death(Reason.OUT_OF_MEMORY, "memory", final=fresh)
        if code == -signal.SIGKILL:  # of the machine's memory guard, which takes any, or of a person
            return _Death(Reason.OUT_OF_MEMORY, "memory", final=False)
        detail = signal.Signals(-code).name.lower() if code < 0 else f"exit_{code}"
        return _Death(Reason.CRASHED, detail, final=fresh)

    def _reap(self) -> int:
        """Collect the dead process and return its exit code."""
        try:
            return self._popen.wait(timeout=0.5)
        except subprocess.TimeoutExpired:  # it closed its pipe and lives on
            self.kill()
            return -signal.SIGSYS

    def kill(self) -> None:
        """End the process and everything it started, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()
        self._close()

    def end(self) -> None:
        """End the process: politely when it is idle, at once when it is not."""
        self.kill()

    def _close(self) -> None:
        for stream in (self._popen.stdin, self._popen.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        shutil.rmtree(self._scratch, ignore_errors=True)


def _frame(job: Job) -> bytearray:
    context = job.context
    return wire.encode(
        wire.JobFrame(
            job_id=job.job_id,
            media_type=job.media_type,
            path=job.data if isinstance(job.data, str) else None,
            name=context.name,
            stated_type=context.media_type,
            zone=context.time_zone.key,
            owner_handles=context.owner_handles,
            depth=context.depth,
            limits=wire.limits_tuple(context.limits),
            metadata=context.metadata,
            told=context.told,
            data=job.data if isinstance(job.data, bytes) else b"",
            passwords=context.passwords,
        )
    )


def _file_size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _widen(descriptor: int) -> None:
    """Ask for a larger pipe: fewer switches between the two processes. A refusal does no harm."""
    import fcntl

    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
