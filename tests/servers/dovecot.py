"""Dovecot, as Debian ships it: the real IMAP server that the tests ask.

It runs unprivileged on loopback, with folders of its own, and ends with its parent
(https://doc.dovecot.org/2.3/configuration_manual/howto/rootless/). Accounts are made as they are asked for:
each user has the same password.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from examples.servers.certificates import Authority
from examples.servers.temporary import free_port, private_folder, unprivileged

PASSWORD = "correct-horse"
MASTER, MASTER_PASSWORD = "records", "battery-staple"
TOKEN_KEY = "a key of thirty-two bytes or more, of the tests"
START_LIMIT_S = 30.0

_CONFIG = """
protocols = imap
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login oauthbearer xoauth2
auth_master_user_separator = *
auth_failure_delay = 0
mail_location = maildir:{folder}/mail/%u
mail_plugins = acl
mail_max_userip_connections = {connections}
first_valid_uid = 1
mail_fsync = never
passdb {{
  driver = passwd-file
  master = yes
  args = {folder}/masters
}}
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {folder}/oauth2.conf
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/home/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
namespace public {{
  type = public
  prefix = Public/
  separator = /
  location = maildir:{folder}/public:INDEXPVT={folder}/home/%u/public
  list = yes
  subscriptions = no
}}
plugin {{
  acl = vfile
  acl_defaults_from_inbox = yes
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {tls_port}
  }}
}}
"""
_OAUTH = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={folder}/keys/
username_attribute = email
"""


@dataclass
class Dovecot:
    """A running server.

    Attributes:
        port: Without encryption, and for STARTTLS.
        tls_port: Encrypted from the start.
        authority: File of the authority that signed its certificate.
    """

    folder: Path
    port: int
    tls_port: int
    authority: str
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def add(
        self,
        user: str,
        folder: str,
        messages: list[bytes],
        *,
        flags: tuple[str, ...] = (),
        received: datetime | None = None,
    ) -> list[int]:
        """Put messages into a folder, as a mail program does; returns their UIDs."""
        from imapclient import IMAPClient

        uids = []
        with IMAPClient("127.0.0.1", self.port, ssl=False, timeout=20) as client:
            client.login(user, PASSWORD)
            if not client.folder_exists(folder):
                client.create_folder(folder)
            for message in messages:
                answer = client.append(folder, message, flags, received)
                uids.append(int(re.search(rb"APPENDUID \d+ (\d+)", answer)[1]))  # type: ignore[index]
        return uids

    @contextmanager
    def client(self, user: str) -> Iterator:
        """Give a client of a user, for what a test changes."""
        from imapclient import IMAPClient

        with IMAPClient("127.0.0.1", self.port, ssl=False, timeout=20) as client:
            client.login(user, PASSWORD)
            yield client

    def where(self, user: str, folder: str = "") -> Path:
        """Return where a folder of a user lies (Maildir++)."""
        name = folder.replace("/", ".")
        return self.folder / "mail" / user / (f".{name}" if name else "")

    def files(self, user: str) -> dict[str, bytes]:
        """Return all messages of a user by name with flags: what reading must not change."""
        root = self.where(user)
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.parent.name in {"new", "cur"}
        }

    def renumber(self, user: str, folder: str = "") -> None:
        """Give a folder another UIDVALIDITY, as a restored or rebuilt mailbox has."""
        where = self.where(user, folder)
        listed = (where / "dovecot-uidlist").read_text("utf-8")
        changed = re.sub(r"V(\d+)", lambda found: f"V{int(found[1]) + 1}", listed, count=1)
        (where / "dovecot-uidlist").write_text(changed, "utf-8")
        for index in where.glob("dovecot.index*"):
            index.unlink()

    def refuse(self, user: str, folder: str) -> None:
        """Let a folder be seen and not be read (RFC 4314: the right ``l`` alone)."""
        (self.where(user, folder) / "dovecot-acl").write_text("owner l\n", "utf-8")

    def allow(self, user: str, login: str) -> None:
        """Let another login read all folders of a user, and change nothing (RFC 4314: ``lr``)."""
        (self.where(user) / "dovecot-acl").write_text(f"user={login} lr\n", "utf-8")

    def drop(self) -> int:
        """End all sessions at once, as a server that restarts does; returns how many there were."""
        return self._signal("imap")

    def _signal(self, name: str) -> int:
        ended = 0
        for child in _children(self._process.pid if self._process else 0):
            with suppress(OSError):  # it may end by itself meanwhile
                if Path(f"/proc/{child}/comm").read_text("utf-8").strip() == name:
                    os.kill(child, signal.SIGKILL)
                    ended += 1
        return ended

    def start(self) -> None:
        """Start it, and wait until it answers."""
        user = unprivileged()
        as_user = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"] if user else []
        program = shutil.which("dovecot", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "Dovecot is not installed; as root: scripts/system-packages test"
        with (self.folder / "out.log").open("ab") as out:
            self._process = subprocess.Popen(
                [
                    "setpriv",
                    "--pdeathsig=TERM",
                    *as_user,
                    program,
                    "-F",
                    "-c",
                    str(self.folder / "dovecot.conf"),
                ],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            )
        deadline = time.monotonic() + START_LIMIT_S
        while not self._answers():
            log = (self.folder / "out.log").read_text("utf-8", "replace")[-3000:]
            assert self._process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as probe:
                return probe.recv(4) == b"* OK"
        except OSError:
            return False

    def stop(self) -> None:
        """End it with all its processes; harmless when it has ended."""
        if self._process is None:
            return
        children = list(_children(self._process.pid))
        self._process.kill()  # asked kindly, it waits a second for its clients
        self._process.wait()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._process = None


def _children(parent: int) -> Iterator[int]:
    try:
        listed = Path(f"/proc/{parent}/task/{parent}/children").read_text("utf-8")
    except OSError:
        return
    for child in listed.split():
        yield int(child)


def token(address: str, *, expired: bool = False) -> str:
    """Return a token that the server takes for the user of an address."""
    import jwt

    now = int(time.time())
    claims = {"email": address, "sub": address, "iat": now, "exp": now - 60 if expired else now + 3600}
    return jwt.encode(claims, TOKEN_KEY, "HS256", headers={"kid": "default", "azp": "default"})


def server(*, connections: int = 30) -> tuple[Dovecot, ExitStack]:
    """Start a server; returns it, and what ends it and removes its folder."""
    import base64

    ending = ExitStack()
    folder = ending.enter_context(private_folder("dl-dc-"))
    user = unprivileged()
    name, group = folder.owner(), folder.group()
    authority = Authority.new()
    certificate, key = authority.server("127.0.0.1")
    made = Dovecot(folder, free_port(), free_port(), str(folder / "ca.pem"))
    config = _CONFIG.format(
        folder=folder, user=name, group=group, port=made.port, tls_port=made.tls_port, password=PASSWORD,
        connections=connections,
    )  # fmt: skip
    files = {
        "dovecot.conf": config.encode(),
        "oauth2.conf": _OAUTH.format(folder=folder).encode(),
        "public/dovecot-acl": b"anyone lrwstipekxa\n",
        "masters": f"{MASTER}:{{PLAIN}}{MASTER_PASSWORD}\n".encode(),
        "cert.pem": certificate,
        "key.pem": key,
        "ca.pem": authority.certificate,
        "keys/default/HS256/default": base64.b64encode(TOKEN_KEY.encode()),
    }
    for folder_name in ("run", "state", "mail", "home", "public", "keys/default/HS256"):
        (folder / folder_name).mkdir(parents=True)
    for rel, data in files.items():
        (folder / rel).write_bytes(data)
    for path in (folder, *folder.rglob("*")):
        if user is not None:
            os.chown(path, user.pw_uid, user.pw_gid)
    ending.callback(made.stop)
    made.start()
    return made, ending


@dataclass
class Wire:
    """Stands between a client and the server, without encryption, and cuts.

    Attributes:
        port: Where clients connect.
        pattern: What the server sends when a connection is to be cut: all up to its end still gets through.
        times: How often; each cut counts it down.
        commands: Lines that clients sent, without their tags.
    """

    to_port: int
    pattern: bytes = b""
    times: int = 0
    port: int = 0
    commands: list[bytes] = field(default_factory=list)
    _listening: socket.socket | None = field(default=None, repr=False)
    _open: list[socket.socket] = field(default_factory=list, repr=False)

    def __enter__(self) -> Wire:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._listening is not None:
            with suppress(OSError):
                self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
        for one in self._open:
            _shut(one)

    def _accept(self) -> None:
        assert self._listening is not None
        while True:
            try:
                client, _ = self._listening.accept()
                server_side = socket.create_connection(("127.0.0.1", self.to_port))
            except OSError:
                return
            self._open += [client, server_side]
            for run, pair in ((self._forth, (client, server_side)), (self._back, (server_side, client))):
                threading.Thread(target=run, args=pair, daemon=True).start()

    def _forth(self, client: socket.socket, server_side: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                self.commands += [line.partition(b" ")[2] for line in data.split(b"\r\n") if line]
                server_side.sendall(data)
        _shut(client, server_side)

    def _back(self, server_side: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server_side.recv(1 << 16):
                at = data.find(self.pattern) if self.times else -1
                if at >= 0:
                    self.times -= 1
                    client.sendall(data[: at + len(self.pattern)])
                    break
                client.sendall(data)
        _shut(client, server_side)


def _shut(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
