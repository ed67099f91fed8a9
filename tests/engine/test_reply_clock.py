"""How long a server may take: a whole reply earns the wait for the next one, single bytes earn nothing."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from results.verdict import Verdict
from scanner.setup.settings import Settings
from tests.support.replay import Replay, split
from tests.support.sweeps import FAST, found, scope_of, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAUSE = 0.25  # seconds before each piece; shorter than the reply timeout, three of them longer


@contextlib.contextmanager
def dripping(pieces: str) -> Iterator[int]:
    """An open recorded server on 127.91.0.1 that pauses before each reply, or before each byte."""
    replay = Replay("4.0.3", "open_empty")

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, contextlib.suppress(OSError):
                    reply = replay.answer(connection.recv(65536)).reply
                    for piece in list(split(reply)) if pieces == "replies" else [bytes([b]) for b in reply]:
                        time.sleep(PAUSE)
                        connection.sendall(piece)
                    connection.recv(1)

    with socket.create_server(("127.91.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(("pieces", "verdict"), [("replies", Verdict.OPEN), ("bytes", Verdict.UNKNOWN)])
def test_replies_earn_time_and_bytes_do_not(tmp_path: Path, pieces: str, verdict: Verdict) -> None:
    settings = Settings(sweep=msgspec.structs.replace(FAST, reply_timeout=0.6, host_timeout=4.0))
    with dripping(pieces) as port:
        summary, _ = sweep(scope_of(port, "127.91.0.1"), tmp_path, settings, depth="verdict")
    assert found(summary.run_dir)["127.91.0.1"].verdict is verdict
