"""A real systemd-journald in a namespace of its own, beside the machine's, read by journalctl."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.real import finish, launch
from tests.support.receivers.installed import installed, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACES = ("/run/log/journal", "/var/log/journal")


class Journal:
    """One journal, made anew. `socket` is where entries go."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._journald = installed("systemd-journald", "systemd")
        self._journalctl = installed("journalctl", "systemd")
        if os.geteuid() != 0:
            missing("root, who may start systemd-journald")
        self._namespace = f"mongosweep-{secrets.token_hex(6)}"
        self._run = Path(f"/run/systemd/journal.{self._namespace}")
        self.socket = self._run / "socket"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Journal:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._run, ignore_errors=True)
        for place in _PLACES:
            for kept in Path(place).glob(f"*.{self._namespace}"):
                shutil.rmtree(kept, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until its socket is there."""
        self.socket.unlink(missing_ok=True)
        self._process = launch([self._journald, self._namespace], self._home)
        end = time.monotonic() + 30
        while not self.socket.exists():
            assert self._process.poll() is None, (self._home / "log").read_text()
            assert time.monotonic() < end, "it has no socket"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it; what it has read is in its files."""
        if self._process is not None:
            finish(self._process)
            self._process = None

    def entries(self, count: int, *matches: str) -> list[dict[str, Any]]:
        """What journalctl shows, as soon as it is so many entries; as it is after some seconds."""
        end = time.monotonic() + 20
        while len(found := list(self._read(matches))) < count and time.monotonic() < end:
            time.sleep(0.05)
        return found

    def _read(self, matches: tuple[str, ...]) -> Iterator[dict[str, Any]]:
        command = [self._journalctl, f"--namespace={self._namespace}", "-o", "json", "--all", "--no-pager"]
        read = subprocess.run(
            [*command, "SYSLOG_IDENTIFIER=mongosweep", *matches], capture_output=True, check=False
        )
        for line in read.stdout.splitlines():
            yield {name: _text(value) for name, value in json.loads(line).items()}


def _text(value: Any) -> Any:
    """journalctl gives what is no plain text as a list of bytes, and several values of a field as a list."""
    if isinstance(value, list) and value and all(isinstance(each, int) for each in value):
        return bytes(value).decode()
    if isinstance(value, list):
        return [_text(each) for each in value]
    return value
