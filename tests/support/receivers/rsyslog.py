"""A real rsyslog on loopback: over TLS, TCP and UDP, what it took in a file, one line of JSON a message."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.support.ports import free_port
from tests.support.real import finish, launch
from tests.support.receivers.installed import installed, missing

if TYPE_CHECKING:
    import subprocess

_START_SECONDS = 30.0
# Each property as JSON has it, so that what was received is what is read: quotes, blanks, everything.
_TEMPLATE = "".join(
    f'{"," if number else ""}\\"{name}\\":\\"%{source}%\\"'
    for number, (name, source) in enumerate(
        {
            "priority": "pri",
            "time": "timestamp:::date-rfc3339",
            "host": "hostname:::json",
            "app": "app-name:::json",
            "kind": "msgid:::json",
            "data": "structured-data:::json",
            "text": "msg:::json",
        }.items()
    )
)
_CONFIGURATION = """
global(workDirectory="{home}" maxMessageSize="64k" {keys})
{module}
template(name="lines" type="string" string="{{{template}}}\\n")
ruleset(name="in") {{
  action(type="omfile" file="{home}/taken.jsonl" template="lines")
}}
input(type="{input}" port="{port}" address="127.0.0.1" ruleset="in")
"""
_KEYS = """defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="{ca}"
  defaultNetstreamDriverCertFile="{certificate}" defaultNetstreamDriverKeyFile="{certificate}\""""
_TLS = (
    'module(load="imtcp" streamdriver.name="gtls" streamdriver.mode="1" streamdriver.authmode="{mode}"{peer})'
)


def needed() -> None:
    """Skip where rsyslog is not installed; where all must run, fail."""
    installed("rsyslogd", "rsyslog")
    if not list(Path("/usr/lib").glob("*/rsyslog/lmnsd_gtls.so")):
        missing("rsyslog-gnutls of Debian")


class Pem(NamedTuple):
    """Files of a receiver over TLS: the authority that it trusts, and its own certificate with the key."""

    ca: Path
    certificate: Path


class Rsyslog:
    """One receiver. `tls` makes it speak TLS, by GnuTLS: its other driver, ossl (8.2302), closes a socket
    twice, and so at times the file that another thread has just opened: what was taken is then never written.
    `peer` is the only name that a client's certificate may have."""

    def __init__(self, home: Path, tls: Pem | None = None, peer: str = "", *, udp: bool = False) -> None:
        home.mkdir(exist_ok=True)
        self.port = free_port()
        self._home, self._udp = home, udp
        self._process: subprocess.Popen[bytes] | None = None
        keys, module = "", f'module(load="{"imudp" if udp else "imtcp"}")'
        if tls is not None:
            keys = _KEYS.format(ca=tls.ca, certificate=tls.certificate)
            mode, allowed = ("x509/name", f' permittedPeer=["{peer}"]') if peer else ("anon", "")
            module = _TLS.format(mode=mode, peer=allowed)
        (home / "rsyslog.conf").write_text(
            _CONFIGURATION.format(
                home=home,
                keys=keys,
                module=module,
                template=_TEMPLATE,
                input="imudp" if udp else "imtcp",
                port=self.port,
            )
        )

    def __enter__(self) -> Rsyslog:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command: list[str | Path] = [
            installed("rsyslogd", "rsyslog"),
            "-n",
            "-f",
            "rsyslog.conf",
            "-i",
            str(self._home / "pid"),
        ]
        self._process = launch(command, self._home)
        end = time.monotonic() + _START_SECONDS
        while not self._listens():
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < end, f"rsyslog does not listen: {self.said()}"
            time.sleep(0.02)

    def _listens(self) -> bool:
        """By the kernel's own table: a connection to try it would be one that rsyslog complains of."""
        table = Path("/proc/net/udp" if self._udp else "/proc/net/tcp").read_text()
        states = "07" if self._udp else "0A"
        return any(
            line.split()[1].endswith(f":{self.port:04X}") and line.split()[3] == states
            for line in table.splitlines()[1:]
        )

    def stop(self) -> None:
        """End it in good order: it writes what it has read."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            finish(self._process)
            self._process = None

    def hold(self) -> None:
        """From now on it reads nothing, while its kernel goes on taking."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """It reads again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """It is gone, with whatever it has not read."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def said(self) -> str:
        """What it complained of."""
        return (self._home / "log").read_text(errors="replace")

    def taken(self, count: int) -> list[dict[str, str]]:
        """What stands in its file, as soon as it is so many messages; as they are after some seconds."""
        file, end = self._home / "taken.jsonl", time.monotonic() + 20
        while True:
            lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
            whole = [json.loads(line) for line in lines if line.endswith(b"\n")]
            if len(whole) >= count or time.monotonic() > end:
                return whole
            time.sleep(0.02)
