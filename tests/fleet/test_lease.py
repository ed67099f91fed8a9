"""From when a word on stdin renews a lease, and what happens when none comes."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from scanner.clock import SystemClock
from scanner.fleet import lease as leases
from scanner.fleet.lease import Lease, process_began
from scanner.fleet.messages import MessageError
from tests.support.serving import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pipe:
    """One end for the lease, one for whoever speaks."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        self.ended = threading.Event()
        self.why = ""

    def end(self, why: str) -> None:
        """Instead of ending the process."""
        self.why = why
        self.ended.set()

    def lease(self, seconds: float, began: float = 0.0) -> Lease:
        """`began`: seconds ago."""
        return Lease(self.read, seconds, began=SystemClock.boottime() - began, end=self.end)

    def say(self, data: bytes) -> None:
        os.write(self.write, data)

    def close(self) -> None:
        if self.write >= 0:
            os.close(self.write)
            self.write = -1


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    found = Pipe()
    yield found
    found.close()
    found.ended.wait(10)  # the thread is done with it
    os.close(found.read)


def left(lease: Lease) -> float:
    return lease.until - SystemClock.boottime()


def test_words_renew_it_and_silence_ends_it(pipe: Pipe) -> None:
    lease = pipe.lease(2.0)
    pipe.say(b"a shard\n")
    assert lease.description() == b"a shard"
    lease.start()
    for _ in range(10):
        time.sleep(0.25)
        pipe.say(b"wanted\n")
    assert not pipe.ended.is_set()
    assert pipe.ended.wait(20)
    assert left(lease) <= 0
    assert pipe.why == "nobody has said for 2 s that this shard is wanted; ended at once"
    assert not lease.stopped


def test_words_that_waited_renew_nothing(pipe: Pipe) -> None:
    """They may have been written when this process was stopped, which began 2 s ago at the latest."""
    lease = pipe.lease(3.0, began=2.0)
    pipe.say(b"a shard\nwanted\nwanted\n")
    lease.description()
    lease.start()
    time.sleep(0.2)
    assert left(lease) < 1.0
    time.sleep(0.4)
    pipe.say(b"wanted\n")
    time.sleep(0.4)
    assert left(lease) > 1.8, "this one came when it listened"


def test_a_thread_that_stood_still_does_not_believe_what_it_finds(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks at the time before it reads, and counts from when it knew that nothing was there."""
    now = SystemClock.boottime()
    offset = 0.0

    class Clock(SystemClock):
        @staticmethod
        def boottime() -> float:
            return SystemClock.boottime() + offset

    lease = Lease(pipe.read, 30.0, began=now, end=pipe.end, clock=Clock())
    pipe.say(b"a shard\n")
    lease.description()
    lease.start()
    time.sleep(0.6)
    offset = 20.0
    pipe.say(b"wanted\n")
    time.sleep(0.4)
    assert lease.until - Clock.boottime() < 10.5
    offset = 60.0
    pipe.say(b"wanted\n")
    assert pipe.ended.wait(20)


@pytest.mark.parametrize("words", [b"stop\n", b"wanted\nstop\nwanted\n", None])
def test_it_is_to_stop(pipe: Pipe, words: bytes | None) -> None:
    lease = pipe.lease(4.0)
    pipe.say(b"a shard\n")
    lease.description()
    lease.start()
    if words is None:
        pipe.close()
    else:
        pipe.say(words)
    wait_until(lambda: lease.stopped, "it to be stopped")
    assert not pipe.ended.is_set(), "there is time to say how far it came"
    assert pipe.ended.wait(20), "and not for ever"


def test_a_description_that_does_not_come(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MessageError, match=r"no description of a shard came on standard input in 0\.2 s"):
        pipe.lease(0.2).description()
    monkeypatch.setattr(leases, "MOST_BYTES", 1000)
    pipe.say(b"x" * 2000)
    with pytest.raises(MessageError, match="has more than 1,000 bytes"):
        pipe.lease(5.0).description()
    pipe.say(b"the rest")
    pipe.close()
    assert pipe.lease(5.0).description() == b"the rest"
    with pytest.raises(MessageError, match="standard input is empty"):
        pipe.lease(5.0).description()
    pipe.ended.set()


def test_a_long_description_in_pieces(pipe: Pipe) -> None:
    long = os.urandom(300_000).hex().encode()
    writing = threading.Thread(target=pipe.say, args=(long + b"\nwanted\n",))
    writing.start()
    assert pipe.lease(10.0).description() == long
    writing.join()
    pipe.ended.set()


def test_when_a_process_began() -> None:
    assert 0 <= process_began() <= SystemClock.boottime()
