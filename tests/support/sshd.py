"""A real OpenSSH server on loopback: a key for each host that a test names, and with it the command that is
forced upon whoever comes with that key."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin")
_PRIVILEGE_SEPARATION = Path("/run/sshd")  # sshd of root wants it; Debian's unit makes it


def needed() -> None:
    """Skip where no sshd is; where all must run, fail."""
    if SSHD and shutil.which("ssh"):
        return
    if os.environ.get("MONGOSWEEP_REQUIRE_SSHD") == "1":
        pytest.fail("openssh-server and openssh-client are required here, and are not installed")
    pytest.skip("needs Debian's openssh-server and openssh-client")


class Sshd:
    """The server, and the configuration of a client that knows it. Each host is one `Host` of that."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._authorized: list[str] = []
        self._hosts: list[str] = []
        self._key("server")
        self._known = folder / "known_hosts"
        public = (folder / "server.pub").read_text().split()
        self._known.write_text(f"[127.0.0.1]:{self.port} {public[0]} {public[1]}\n")

    @property
    def ssh(self) -> tuple[str, ...]:
        """The client, with this configuration and nothing of the machine's or the user's."""
        return ("ssh", "-F", str(self.folder / "ssh_config"))

    def let_in(self, name: str, command: Sequence[str] | str) -> None:
        """A host whose key is authorized for one command, and for nothing else."""
        line = command if isinstance(command, str) else shlex.join(command)
        quoted = line.replace("\\", "\\\\").replace('"', '\\"')
        self._authorized.append(f'command="{quoted}",restrict {self._key(name)}')
        self._host(name)

    def let_in_to_all(self, name: str) -> None:
        """A host whose key may run whatever the client asks for."""
        self._authorized.append(self._key(name))
        self._host(name)

    def refuse(self, name: str) -> None:
        """A host whose key nobody authorized."""
        self._key(name)
        self._host(name)

    def hide(self, name: str) -> None:
        """A host whose own key is not known to the client."""
        self._key(name)
        self._host(name, known="/dev/null")

    def write(self) -> None:
        """Every file as it is to be read now."""
        user = pwd.getpwuid(os.getuid()).pw_name
        common = (
            f"Host *\n  User {user}\n  IdentitiesOnly yes\n  StrictHostKeyChecking yes\n"
            "  GlobalKnownHostsFile /dev/null\n"
        )
        (self.folder / "ssh_config").write_text("".join(self._hosts) + common)
        (self.folder / "authorized_keys").write_text("".join(f"{line}\n" for line in self._authorized))
        (self.folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {self.folder / 'server'}\nPidFile none\n"
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
            "PrintMotd no\nMaxStartups 100\n"
        )

    def _key(self, name: str) -> str:
        place = self.folder / name
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(place)], check=True
        )
        return place.with_suffix(".pub").read_text().strip()

    def _host(self, name: str, known: str = "") -> None:
        self._hosts.append(
            f"Host {name}\n  HostName 127.0.0.1\n  Port {self.port}\n  IdentityFile {self.folder / name}\n"
            f"  UserKnownHostsFile {known or self._known}\n"
        )


@contextmanager
def sshd(folder: Path, forced: Mapping[str, Sequence[str] | str]) -> Iterator[Sshd]:
    """A server that runs, with these hosts and the commands that are forced upon them. Its client knows three
    more: `all` may run anything, the key of `refused` is not authorized, that of `hidden` is not known."""
    assert SSHD is not None
    if os.getuid() == 0:
        _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    server = Sshd(folder)
    for name, command in forced.items():
        server.let_in(name, command)
    server.let_in_to_all("all")
    server.refuse("refused")
    server.hide("hidden")
    server.write()
    log = folder / "sshd.log"
    process = subprocess.Popen(
        [SSHD, "-D", "-f", str(folder / "sshd_config"), "-E", str(log)], stdin=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 60
        while "Server listening" not in (log.read_text() if log.exists() else ""):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, "sshd did not start"
            time.sleep(0.02)
        yield server
    finally:
        process.terminate()
        process.wait(10)


def session_of(pid: int) -> int:
    """The process of sshd that serves the session in which a process runs."""
    while pid > 1:
        place = Path(f"/proc/{pid}")
        if place.joinpath("comm").read_text().strip().startswith("sshd"):
            return pid
        pid = int(place.joinpath("stat").read_text().rpartition(")")[2].split()[1])
    raise AssertionError("it runs in no session of sshd")
