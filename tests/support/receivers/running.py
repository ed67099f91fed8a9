"""Programs that receive events: where they are, how one is started and ended, and how it is asked."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from tests.support.real import finish, launch

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

START_SECONDS = 60.0


def ask(url: str, method: str = "GET", body: bytes | None = None) -> Any:
    """What it answers, as JSON; an error of HTTP is an answer too."""
    told = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(told, timeout=30) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return json.loads(error.read() or b"null")


def until(holds: Callable[[], Any], what: str, process: subprocess.Popen[bytes] | None = None) -> Any:
    """Wait until it is true, and return it. A process that ended meanwhile, or a hang, is an error."""
    end = time.monotonic() + START_SECONDS
    while not (told := holds()):
        if (process is not None and process.poll() is not None) or time.monotonic() > end:
            raise TimeoutError(f"waited for {what}")
        time.sleep(0.02)
    return told


def answers(url: str, trust: ssl.SSLContext | None = None) -> bool:
    """Whether it is there."""
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5, context=trust):
        return True
    return False


@contextlib.contextmanager
def running(
    command: list[str | Path], home: Path, *, stdin: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """Start it in its home, and end it; what it said is told where it was waited for in vain."""
    process = launch(command, home, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL)
    try:
        yield process
    except TimeoutError as error:
        raise AssertionError(f"{error}\n{(home / 'log').read_text(errors='replace')[-2000:]}") from error
    finally:
        finish(process)
        if process.stdin is not None:
            process.stdin.close()
