"""A process that speaks as `mongosweep fleet shard` does, without sweeping: what ssh carries, under control.

`python -m tests.support.ssh_speaker FOLDER HOW [SITE]`; it writes into the folder what befell it.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path

from msgspec import Raw

from scanner import __version__
from scanner.fleet.messages import Description, Lines, Refused, decode_shard
from scanner.fleet.shard_process import DESCRIBE, STOP
from tests.support.speaking import began, ended, say, whose

LINE = b'{"kind":"observation","event_id":"%s"}'


def main() -> None:
    folder, how, site = Path(sys.argv[1]), sys.argv[2], (*sys.argv[3:], "")[0]
    note(folder, "asked-for", os.environ.get("SSH_ORIGINAL_COMMAND", ""))
    if how == "prints":
        os.write(1, b"Welcome to\x1b[31m a\n")
    first = sys.stdin.buffer.readline()
    if first == DESCRIBE:
        say(
            Description(
                name="speaker",
                site=site,
                host=platform.node(),
                version="9.9.9" if how == "other-version" else __version__,
                python=platform.python_version(),
                clock=time.time() + {"ahead": 3600, "behind": -3600}.get(how, 0),
                problem="its scope is damaged" if how == "problem" else "",
            )
        )
        return
    shard = decode_shard(first)
    if how == "refuses":
        say(Refused(**whose(shard), code="busy", why="another shard is under way here"))
        return
    say(began(shard, "speaker", site, **{"name": "another"} if how == "other-shard" else {}))
    note(folder, "pid", str(os.getpid()))
    lines = [LINE % shard.name.encode()]
    say(Lines(**whose(shard), number=1, lines=[Raw(line) for line in lines]))
    if how == "fails":
        os.write(2, b"the disk is full\n")
        raise SystemExit(4)
    if how == "nonsense":
        os.write(1, b"Segmentation fault\n")
    if how == "chatters":
        for number in range(2, 302):
            lines.append(b'{"text":"%s"}' % (b"x" * (64 << 10)))
            say(Lines(**whose(shard), number=number, lines=[Raw(lines[-1])]))
        note(folder, "said-all", "")
    stopped = how in ("waits", "nonsense") and wait(folder)
    say(ended(shard, lines, stopped=stopped))


def wait(folder: Path) -> bool:
    """Until nobody wants it; what is read then says how it learnt that."""
    while line := sys.stdin.buffer.readline():
        if line == STOP:
            note(folder, "ended-by", "stop")
            return True
    note(folder, "ended-by", "end of stdin")
    return True


def note(folder: Path, name: str, text: str) -> None:
    part = folder / f"{name}.part"
    part.write_text(text)
    part.replace(folder / name)


if __name__ == "__main__":
    main()
