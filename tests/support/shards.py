"""Shards inside tests: descriptions, a worker's own configuration, and what comes of them, here or in a
process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from results.covered import parse_row
from scanner import __version__
from scanner.clock import SystemClock, timestamp
from scanner.errors import ExitCode
from scanner.fleet.allowed import Ours
from scanner.fleet.lease import Lease
from scanner.fleet.messages import Ended, Lines, Message, Refused, Shard, decode, encode
from scanner.fleet.perform import perform
from scanner.fleet.telling import Output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.clock import Clock

M = TypeVar("M", bound=Message)
ROOT = Path(__file__).resolve().parents[2]
ALLOW = '[[allow]]\ncidr = "127.92.0.0/24"\nkind = "lab"\nowner = "web platform"\nsite = "paris"\n'


def configuration(
    folder: Path, port: int, entries: str = ALLOW, *, sweep: str = "", name: str = "mongosweep.toml"
) -> Path:
    """A worker's own, whose sweeps are quick. `sweep`: more keys of [sweep]."""
    path = folder / name
    path.write_text(
        f"[sweep]\nports = [{port}]\nrate = 5000\nper_prefix_rate = 5000\nworkers = 1\n{sweep}\n{entries}"
    )
    path.chmod(0o600)
    return path


def shard_of(*rows: str, **changes: Any) -> Shard:
    """A shard of these rows for a worker of paris, as a coordinator of now gives it away."""
    targets = sum(parse_row(row).targets for row in rows)
    given: dict[str, Any] = {
        "run_id": "20260301T010203Z-0a1b2c3d",
        "site": "paris",
        "name": f"paris_0-{targets}",
        "first": 0,
        "last": targets,
        "attempt": 1,
        "targets": targets,
        "rows": list(rows),
        "seed": 7,
        "version": __version__,
        "sent_at": timestamp(time.time()),
        "connect_timeout": 0.5,
        "reply_timeout": 0.6,
        "host_timeout": 5.0,
        "rate": 5000.0,
    }
    return Shard(**(given | changes))


class Performed(NamedTuple):
    """What a shard came to."""

    said: list[Message]
    code: ExitCode

    def all(self, kind: type[M]) -> list[M]:
        """The messages of a kind, in order."""
        return [each for each in self.said if isinstance(each, kind)]

    def only(self, kind: type[M]) -> M:
        """The one message of a kind."""
        (found,) = self.all(kind)
        return found

    @property
    def ended(self) -> Ended:
        return self.only(Ended)

    @property
    def refused(self) -> Refused:
        """The refusal, beside which nothing is said."""
        (found,) = self.said
        assert isinstance(found, Refused), found
        return found

    @property
    def lines(self) -> list[bytes]:
        """All lines, in order; the batches are numbered without a gap."""
        batches = self.all(Lines)
        assert [each.number for each in batches] == list(range(1, len(batches) + 1))
        return [bytes(line) for each in batches for line in each.lines]


def performed(
    shard: Shard | bytes,
    config: Path,
    *,
    clock: Clock | None = None,
    site: str = "paris",
    scope_file: Path | None = None,
) -> Performed:
    """Have this process do a shard, with its spool beside the configuration."""
    words, word = os.pipe()
    read, write = os.pipe()
    said: list[bytes] = []
    with os.fdopen(read, "rb") as messages:
        reading = threading.Thread(target=lambda: said.extend(messages))
        reading.start()
        try:
            lease = Lease(words, 60.0, began=SystemClock.boottime(), end=lambda why: None)
            name = str(scope_file) if scope_file is not None else None
            ours = Ours(site, "paris-1", config.parent / "spool", str(config), name)
            given = shard if isinstance(shard, bytes) else encode(shard).rstrip(b"\n")
            code = perform(given, ours, lease, Output(write), clock or SystemClock())
        finally:
            os.close(write)
            reading.join()
            for descriptor in (words, word):
                os.close(descriptor)
    return Performed([decode(line) for line in said], code)


def command(config: Path, *arguments: str, site: str = "paris") -> list[str]:
    """`mongosweep fleet shard` with its spool beside the configuration."""
    words = [sys.executable, "-P", "-m", "scanner", "fleet", "shard", "-c", str(config)]
    return [*words, "--site", site, "--name", "paris-1", "--spool", str(config.parent / "spool"), *arguments]


class ShardProcess:
    """`mongosweep fleet shard` as a process. What it says is in `said`, with when it was heard."""

    def __init__(self, config: Path, *arguments: str, site: str = "paris", prefix: str = "") -> None:
        words = command(config, *arguments, site=site)
        if prefix:
            words = ["bash", "-c", f'{prefix}; exec "$@"', "bash", *words]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MONGOSWEEP_")}
        self.process = subprocess.Popen(
            words,
            cwd=config.parent,
            env=kept | {"PYTHONPATH": str(ROOT), "TMPDIR": str(config.parent)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.said: list[tuple[float, Message]] = []
        self.stderr = b""
        self._renewing = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._listen, self._drain)]
        for thread in self._threads:
            thread.start()

    def give(self, shard: Shard) -> None:
        """Describe the shard, and renew its lease from then on."""
        self.say(encode(shard))
        renewing = threading.Thread(target=self._renew, daemon=True)
        renewing.start()
        self._threads.append(renewing)

    def say(self, data: bytes) -> None:
        """Write to its stdin."""
        assert self.process.stdin is not None
        with suppress(OSError, ValueError):
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def renew_no_more(self) -> None:
        """Say nothing from now on."""
        self._renewing.set()

    def until(self, kind: type[M], seconds: float = 30) -> M:
        """The first message of a kind, waited for."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            over = self.process.poll() is not None
            if over:
                self.join()
            for _, message in list(self.said):
                if isinstance(message, kind):
                    return message
            if over:
                break
            time.sleep(0.01)
        raise AssertionError(f"no {kind.__name__}: {self.said} {self.stderr!r}")

    def join(self, seconds: float = 30) -> int:
        """Its exit code, once everything was read."""
        code = self.process.wait(seconds)
        self.renew_no_more()
        for thread in self._threads:
            thread.join(5)
        return code

    @property
    def performed(self) -> Performed:
        """What it came to, once it has ended."""
        code = self.join()
        return Performed([message for _, message in self.said], ExitCode(code))

    def _renew(self) -> None:
        while not self._renewing.wait(0.3):
            self.say(b"wanted\n")

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with suppress(ValueError):  # a test closed it
            for line in self.process.stdout:
                self.said.append((time.monotonic(), decode(line)))

    def _drain(self) -> None:
        assert self.process.stderr is not None
        self.stderr = self.process.stderr.read()


@contextmanager
def shard_process(config: Path, *arguments: str, **more: str) -> Iterator[ShardProcess]:
    """One that is ended, whatever comes."""
    started = ShardProcess(config, *arguments, **more)
    try:
        yield started
    finally:
        started.renew_no_more()
        if started.process.poll() is None:
            started.process.kill()
        started.join()
        for stream in (started.process.stdin, started.process.stdout, started.process.stderr):
            assert stream is not None
            with suppress(OSError):
                stream.close()
