"""A process that speaks as one that sweeps a shard, and sends nothing: FOLDER LEASE WORKER are its arguments.

What it does is in the shard's name: `quick-…` speaks and ends, `slow-…` waits for FOLDER/NAME.go in between,
and so does `lazy-…`, which takes its time to stop; `refused-…`, `failing-…` and `nonsense-…` say it.
It notes what it does in FOLDER/notes.
"""

from __future__ import annotations

import os
import select
import sys
import time
from pathlib import Path

import msgspec

from scanner.fleet.messages import Going, Lines, Refused, Shard, decode_shard
from tests.support.speaking import began, ended, say, say_bytes, whose


def main(folder: Path, lease: float, worker: str) -> int:
    """Speak until it has ended, or its lease has."""
    shard = decode_shard(sys.stdin.buffer.readline())
    kind = shard.name.partition("-")[0]
    note = Notes(folder / "notes", shard, worker)
    note("began")
    if kind == "failing":
        sys.exit("it is out of order")
    if kind == "nonsense":
        say_bytes(b"I never said that\n")
    if kind == "refused":
        say(Refused(**whose(shard), code="scope", why="not in its scope", worker=worker))
        return 0
    say(began(shard, worker, shard.site))
    lines = [b'{"worker":"%s","line":%d}' % (worker.encode(), number) for number in range(6)]
    for number in range(3):
        two = [msgspec.Raw(line) for line in lines[2 * number : 2 * number + 2]]
        say(Lines(**whose(shard), number=number + 1, lines=two))
        if number == 0:
            say(Going(**whose(shard), asked=1, done=1))
            if kind in ("slow", "lazy") and not waited(folder / f"{shard.name}.go", lease, note):
                return 1
    say(ended(shard, lines))
    note("ended")
    return 0


class Notes:
    """Lines in a file that several processes write to: what, shard, attempt, worker, process, when."""

    def __init__(self, file: Path, shard: Shard, worker: str) -> None:
        self._file, self._who = file, f"{shard.name} {shard.attempt} {worker} {os.getpid()}"

    def __call__(self, what: str) -> None:
        with self._file.open("a") as file:
            file.write(f"{what} {self._who} {time.monotonic():.3f}\n")


def waited(go: Path, lease: float, note: Notes) -> bool:
    """Until the file is there; False when the lease ended before, or nobody wants the shard any more."""
    until = time.monotonic() + lease
    while not go.exists():
        if select.select([sys.stdin], [], [], 0.05)[0]:
            word = os.read(sys.stdin.fileno(), 100)
            if not word or b"stop" in word:
                time.sleep(4 if go.name.startswith("lazy") else 0)
                note("stopped" if word else "left")
                return False
            until = time.monotonic() + lease
        if time.monotonic() > until:
            note("lapsed")
            return False
    return True


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]))
