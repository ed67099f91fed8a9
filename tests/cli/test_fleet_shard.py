"""`mongosweep fleet shard` as a process: stopped, killed, frozen, let go of, and taken up again."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from results.lines import from_line
from scanner.errors import ExitCode
from scanner.fleet.messages import Began, Ended, Going, Refused, Told, digest_of, encode
from scanner.fleet.shard_process import sweep_shard
from scanner.sweep.checkpoint import decode
from tests.support.listening import Listener
from tests.support.processes import workers_of
from tests.support.shards import ALLOW, command, configuration, shard_of, shard_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.fleet.messages import Message, Shard

LEASE = 6.0  # seconds; a process needs one to start, and more beside other tests


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as found:
        yield found


def slow(listener: Listener, attempt: int = 1, rate: float = 25.0) -> Shard:
    """A shard of 128 targets that takes seconds."""
    row = f"127.92.0.0-127.92.0.127:{listener.port}"
    return shard_of(row, rate=rate, attempt=attempt, everything=True, depth="verdict")


def run_of(folder: Path, shard: Shard) -> Path:
    return folder / "spool" / shard.run_id / shard.name / shard.run_id


def count(listener: Listener) -> int:
    return sum(map(len, list(listener.times.values())))


def wait_for(listener: Listener, connections: int) -> None:
    end = time.monotonic() + 30
    while count(listener) < connections:
        assert time.monotonic() < end, "nobody is asked"
        time.sleep(0.01)


def checkpointed(folder: Path, shard: Shard) -> None:
    """Wait until a checkpoint stands."""
    end = time.monotonic() + 30
    while not (run_of(folder, shard) / "checkpoint.json").exists():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_shard_that_is_stopped_is_gone_on_with(tmp_path: Path, listener: Listener) -> None:
    """Every line of both starts is told to the end, those of the first again."""
    config, shard = configuration(tmp_path, listener.port), slow(listener)
    with shard_process(config) as first:
        first.give(shard)
        first.until(Going)
        wait_for(listener, 20)
        first.process.terminate()
        came = first.performed
    assert (came.ended.state, came.code) == ("interrupted", ExitCode.INCOMPLETE)
    assert came.ended.not_reached > 0
    assert (came.ended.lines, came.ended.digest) == (len(came.lines), digest_of(came.lines))
    assert sum(came.ended.outcomes.values()) == 128 - came.ended.not_reached
    asked = set(listener.times)
    with shard_process(config) as second:
        second.give(slow(listener, 2, 5000.0))
        after = second.performed
    assert after.only(Began).resumed
    assert after.ended.state == "degraded", "one program answers at each address, as a middlebox does"
    assert (after.ended.excluded, after.ended.not_reached) == (0, 0)
    assert sum(after.ended.outcomes.values()) == 128
    assert after.lines[: len(came.lines)] == came.lines
    assert (after.ended.lines, after.ended.digest) == (len(after.lines), digest_of(after.lines))
    assert asked < set(listener.times)
    assert len({from_line(line).event_id for line in after.lines}) == 128


@pytest.mark.parametrize("how", ["stop", "end"])
def test_a_shard_that_is_not_wanted_any_more_is_stopped(tmp_path: Path, listener: Listener, how: str) -> None:
    config, shard = configuration(tmp_path, listener.port), slow(listener)
    with shard_process(config) as started:
        started.say(encode(shard))
        wait_for(listener, 10)
        if how == "stop":
            started.say(b"wanted\nstop\n")
        else:
            assert started.process.stdin is not None
            started.process.stdin.close()
        at = time.monotonic()
        came = started.performed
    assert time.monotonic() - at < 15
    assert (came.ended.state, came.code) == ("interrupted", ExitCode.INCOMPLETE)
    assert 0 < len(listener.times) < 128


async def test_who_starts_it_hears_it_out(tmp_path: Path, listener: Listener) -> None:
    """`sweep_shard`, as a worker and ssh use it: wanted for a while, and then not."""
    config, shard = configuration(tmp_path, listener.port), slow(listener)
    said: list[Message] = []
    given = command(config)
    wanted = lambda: not any(isinstance(each, Going) for each in said)  # noqa: E731 - one expression
    async for message in sweep_shard(given, shard, still_wanted=wanted):
        said.append(message)  # noqa: PERF401 - `wanted` looks at it meanwhile
    began, ended = said[0], said[-1]
    assert isinstance(began, Began)
    assert isinstance(ended, Ended)
    assert ended.state == "interrupted"
    assert 0 < len(listener.times) < 128


def test_a_shard_that_was_killed_is_gone_on_with(tmp_path: Path, listener: Listener) -> None:
    """What was in flight is asked again, and has its lines twice, as in any journal."""
    config, shard = configuration(tmp_path, listener.port), slow(listener, rate=12.0)
    with shard_process(config) as first:
        first.give(shard)
        checkpointed(tmp_path, shard)
        wait_for(listener, count(listener) + 5)
        first.process.kill()
        first.join()
    assert json.loads((run_of(tmp_path, shard) / "manifest.json").read_text())["state"] == "running"
    with shard_process(config) as second:
        second.give(slow(listener, 2, 5000.0))
        after = second.performed
    assert after.only(Began).resumed
    assert (after.ended.excluded, after.ended.not_reached) == (0, 0)
    assert (after.ended.lines, after.ended.digest) == (len(after.lines), digest_of(after.lines))
    assert len({from_line(line).event_id for line in after.lines}) == 128
    assert count(listener) < 256, "the checkpoint holds"


def test_nobody_reads_what_is_said(tmp_path: Path, listener: Listener) -> None:
    """The sweep stops, and its spool is kept."""
    config, shard = configuration(tmp_path, listener.port), slow(listener)
    with shard_process(config) as started:
        started.give(shard)
        started.until(Going)
        assert started.process.stdout is not None
        os.dup2(os.open(os.devnull, os.O_RDONLY), started.process.stdout.fileno())
        code = started.process.wait(30)
    assert code == ExitCode.INCOMPLETE
    assert json.loads((run_of(tmp_path, shard) / "manifest.json").read_text())["state"] == "interrupted"


def test_a_lease_that_nobody_renews_runs_out(tmp_path: Path, listener: Listener) -> None:
    """The process ends at once: nothing is said of the rest, and nothing written of it."""
    config, shard = configuration(tmp_path, listener.port), slow(listener, rate=5.0)
    with shard_process(config, "--lease", str(LEASE)) as started:
        started.give(shard)
        started.until(Going)
        time.sleep(LEASE / 2)
        assert started.process.poll() is None, "it was renewed"
        started.renew_no_more()
        at = time.monotonic()
        code = started.join()
        assert LEASE - 1 < time.monotonic() - at < LEASE + 10
        assert code == ExitCode.INCOMPLETE
        assert b"nobody has said for 6 s that this shard is wanted; ended at once" in started.stderr
        assert not [message for _, message in started.said if isinstance(message, Ended)]
    nothing_was_excluded(tmp_path, shard)


def nothing_was_excluded(folder: Path, shard: Shard) -> None:
    path = run_of(folder, shard)
    manifest = json.loads((path / "manifest.json").read_text())
    assert (manifest["state"], manifest["withdrawn"]) == ("running", [])
    checkpoint = path / "checkpoint.json"
    if checkpoint.exists():
        assert decode(checkpoint.read_bytes()).excluded_later == 0


def test_who_was_frozen_for_longer_than_the_lease_sends_nothing_more(
    tmp_path: Path, listener: Listener
) -> None:
    """Words that came meanwhile are read when it wakes, and renew nothing: they were written before somebody
    else took the shard over."""
    config, shard = configuration(tmp_path, listener.port), slow(listener)
    with shard_process(config, "--lease", str(LEASE)) as started:
        started.give(shard)
        wait_for(listener, 10)
        started.process.send_signal(signal.SIGSTOP)
        time.sleep(1.0)  # renewed meanwhile
        started.renew_no_more()
        time.sleep(LEASE + 0.5)
        before = count(listener)
        started.process.send_signal(signal.SIGCONT)
        assert started.join() == ExitCode.INCOMPLETE
        time.sleep(0.2)
        assert count(listener) == before
        assert before < 128
        assert not [message for _, message in started.said if isinstance(message, Ended)]
    nothing_was_excluded(tmp_path, shard)
    with shard_process(config) as second:
        second.give(slow(listener, 2, 5000.0))
        after = second.performed
    assert (after.ended.excluded, after.ended.not_reached) == (0, 0)
    assert set(listener.times) == {f"127.92.0.{number}" for number in range(128)}


def test_who_was_frozen_for_a_moment_goes_on(tmp_path: Path, listener: Listener) -> None:
    config, shard = configuration(tmp_path, listener.port), slow(listener, rate=100.0)
    with shard_process(config, "--lease", str(LEASE)) as started:
        started.give(shard)
        wait_for(listener, 10)
        started.process.send_signal(signal.SIGSTOP)
        time.sleep(1.0)
        started.process.send_signal(signal.SIGCONT)
        came = started.performed
    assert sum(came.ended.outcomes.values()) == 128


def test_workers_end_while_their_parent_stands_still(tmp_path: Path, listener: Listener) -> None:
    """A conversation that a worker has in hand may want another connection: not beside whoever took over."""
    config = configuration(tmp_path, listener.port)
    config.write_text(config.read_text().replace("workers = 1", "workers = 2"))
    with shard_process(config, "--lease", str(LEASE)) as started:
        started.give(slow(listener, rate=5.0))
        wait_for(listener, 3)
        workers = workers_of(started.process.pid)
        assert len(workers) == 2
        started.process.send_signal(signal.SIGSTOP)
        end = time.monotonic() + LEASE + 5
        while time.monotonic() < end and any(map(is_alive, workers)):
            time.sleep(0.05)
        assert not any(map(is_alive, workers))
        assert is_alive(started.process.pid)


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_two_processes_at_one_shard(tmp_path: Path, listener: Listener) -> None:
    config, shard = configuration(tmp_path, listener.port), slow(listener, rate=2.0)
    with shard_process(config) as first, shard_process(config) as second:
        first.give(shard)
        first.until(Began)
        second.give(msgspec.structs.replace(shard, attempt=2))
        refused = second.until(Refused)
        assert (refused.code, second.join()) == ("busy", ExitCode.BUSY)
        assert f"process {first.process.pid}" in refused.why
        assert first.process.poll() is None


def test_a_disk_that_is_full(tmp_path: Path, listener: Listener) -> None:
    """The attempt fails in the middle, says so, and does not hang; it is gone on with when there is room."""
    config = configuration(tmp_path, listener.port, ALLOW.replace("/24", "/22"))
    shard = shard_of(f"127.92.0.0-127.92.3.255:{listener.port}", everything=True, depth="verdict")
    with shard_process(config, prefix="ulimit -f 128") as started:  # KiB
        started.give(shard)
        code = started.join()
        assert code == ExitCode.STORAGE
        told = [message.text for _, message in started.said if isinstance(message, Told)]
        assert any("the attempt failed: " in text for text in told)
        assert b"error: " in started.stderr
    with shard_process(config) as second:
        second.give(msgspec.structs.replace(shard, attempt=2))
        after = second.performed
    assert after.only(Began).resumed
    assert sum(after.ended.outcomes.values()) == 1024


@pytest.mark.parametrize(
    ("given", "why"),
    [(b"", b"standard input is empty"), (b"[[allow]]", b"")],
)
def test_nobody_types_it(tmp_path: Path, given: bytes, why: bytes) -> None:
    with shard_process(configuration(tmp_path, 27)) as started:
        started.say(given)
        assert started.process.stdin is not None
        started.process.stdin.close()
        assert started.join() == ExitCode.REFUSED
        assert why in started.stderr
        assert b"Traceback" not in started.stderr
        assert len(started.said) == bool(given)
