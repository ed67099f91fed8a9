"""A process that sweeps a shard, and what becomes of one that does not do as it should."""

from __future__ import annotations

import sys
import time

import pytest

from scanner.fleet import shard_process
from scanner.fleet.messages import MessageError
from scanner.fleet.shard_process import ShardProcessError, describe

pytestmark = pytest.mark.both_loops


def shell(line: str) -> list[str]:
    return ["sh", "-c", line]


async def test_a_process_says_who_it_is(tmp_path: object) -> None:
    command = [sys.executable, "-m", "tests.support.ssh_speaker", str(tmp_path), "works", "paris"]
    described = await describe(command, 60)
    assert (described.name, described.site, described.problem) == ("speaker", "paris", "")
    assert abs(described.clock - time.time()) < 60


@pytest.mark.parametrize(
    ("line", "error", "says"),
    [
        ("echo 'Welcome\033[2J'; exec cat", MessageError, r"Welcome\\\\x1b\[2J"),
        ("exec tr '\\0' x </dev/zero", MessageError, "a line of more than 65,536 bytes"),
        ("exec yes", MessageError, "'y'"),
        ("echo no >&2; exit 7", ShardProcessError, "it ended with code 7: no"),
        ("exec sleep 100", TimeoutError, None),
        ("head -c 10000000 /dev/zero >&2; echo no >&2; exit 7", ShardProcessError, "ended with code 7"),
        ("sleep 100 & exit 3", TimeoutError, None),  # a child of it holds what we read from
    ],
)
async def test_a_process_that_does_not_is_ended(
    line: str, error: type[Exception], says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_process, "STOPPING", 0.2)
    begun = time.monotonic()
    with pytest.raises(error, match=says):
        await describe(shell(line), 0.5 if error is TimeoutError else 30)
    assert time.monotonic() - begun < 20
