"""A temporary Tika server: real, on loopback, gone with its session.

The server is ``org.apache.tika:tika-server-standard`` of Maven Central (see ``examples.servers.java``), with
the configuration that the deployment gives it (``docker/tika-config.xml``). It needs a Java 17 or newer.

``python -m examples.servers.tika`` fetches it beforehand, and says where it lies.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from examples.servers.java import cache_folder, java_home, kept
from examples.servers.temporary import free_port

VERSION = "3.3.2"
_SHA256 = "cdbe7fde72583dec8528f9c0ed962cacb7f6624f9900b1f733df638410f77540"
_JAVA = 17
_CONFIG = Path(__file__).parents[2] / "docker" / "tika-config.xml"
_START_LIMIT_S = 240.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers.

    Attributes:
        url: Its address.
        group: Its process group: the server, and the process of its own in which it reads.
    """

    url: str
    group: int

    def readers(self) -> list[int]:
        """Return the ids of the processes in which it reads; they are started anew when they die."""
        found = subprocess.run(
            ["pgrep", "--pgroup", str(self.group), "--full", "TikaServerProcess"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return [int(number) for number in found.stdout.split()]


def why_not() -> str:
    """Say what this machine lacks to run a server, or nothing."""
    if java_home(_JAVA) is None:
        return f"Tika server {VERSION} needs a JDK {_JAVA} or newer"
    if not _jar().is_file() and not shutil.which("mvn"):
        return f"Tika server {VERSION} is fetched by Maven (mvn), which is not installed"
    return ""


def fetch() -> Path:
    """Return the server's jar, fetching it first when it is not in the cache."""
    return kept(_jar(), f"org.apache.tika:tika-server-standard:{VERSION}:jar", _SHA256, shutil.move)


def _jar() -> Path:
    return cache_folder() / f"tika-server-{VERSION}.jar"


@contextmanager
def tika(heap: str = "256m") -> Iterator[Server]:
    """Start a server and give it once it answers.

    Args:
        heap: Java's heap, of the process that reads.
    """
    java = java_home(_JAVA)
    assert java is not None, why_not()
    folder = Path(tempfile.mkdtemp(prefix="dl-tika-"))
    port = free_port()
    config = folder / "config.xml"
    reading = f"<forkedJvmArgs><arg>-Xmx{heap}</arg><arg>-XX:TieredStopAtLevel=1</arg></forkedJvmArgs>"
    config.write_text(
        _CONFIG.read_text("utf-8").replace("<taskTimeoutMillis>", f"{reading}<taskTimeoutMillis>")
    )
    command = [
        # The server ends when the process that started it is killed, and could not end it.
        "setpriv", "--pdeathsig", "TERM", str(java / "bin" / "java"), "-Xmx64m", "-XX:TieredStopAtLevel=1",
        f"-Djava.io.tmpdir={folder}", "-jar", str(fetch()), "--host", "127.0.0.1", "--port", str(port),
        "--config", str(config),
    ]  # fmt: skip
    try:
        with (folder / "output.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}, start_new_session=True,
            )  # fmt: skip
        try:
            server = Server(f"http://127.0.0.1:{port}", process.pid)
            _await(server, process, folder)
            yield server
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _await(server: Server, process: subprocess.Popen[bytes], folder: Path) -> None:
    limit = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < limit and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{server.url}/version", timeout=5):  # noqa: S310
            return
        time.sleep(0.2)
    log = (folder / "output.log").read_text("utf-8", "replace")
    raise AssertionError(f"Tika server {VERSION} did not start: {log[-3000:]}")


if __name__ == "__main__":
    print(why_not() or fetch())
