"""Notify, killed at any of its writes and begun again: nobody is told twice, and nobody is forgotten."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from results.ledger.actions import Actions
from results.ledger.told import messages

if TYPE_CHECKING:
    from tests.support.mail import Authority, MailServer

ROOT = Path(__file__).resolve().parents[3]
OWNERS = 3
EXHAUSTIVE = pytest.mark.exhaustive


def command(output: Path, die_at: int, *way: str) -> list[str]:
    """One run of notify in a process of its own."""
    words = ["-m", "tests.support.notifying", str(output), str(OWNERS), str(die_at), *way]
    return [sys.executable, *words]


def run(output: Path, die_at: int, *way: str) -> bool:
    """Whether it came to its end."""
    done = subprocess.run(
        command(output, die_at, *way), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode in (0, -9), done.stderr
    return done.returncode == 0


def rows(first: list[int], last: int) -> list[object]:
    """Some at every change, and every other one up to `last` with the exhaustive ones; each kills twice."""
    wanted = sorted({*first, *range(1, last, 2)})
    return [n if n in first else pytest.param(n, marks=EXHAUSTIVE) for n in wanted]


@pytest.mark.parametrize("die_at", rows([1, 7, 12, 17, 21, 33], 80))
def test_a_folder_is_exact(tmp_path: Path, die_at: int) -> None:
    """Killed, killed again at the same distance, and begun until it ends: each letter is there once."""
    for attempt in (die_at, die_at, 0):
        run(tmp_path, attempt, "folder")
    folder = tmp_path / "notices"
    assert Counter(path.suffix for path in folder.iterdir() if path.name != "lock") == {
        ".md": OWNERS,
        ".txt": OWNERS,
    }
    actions = Actions.open(tmp_path)
    assert actions.broken is None
    told = messages(actions.proven).values()
    assert [message.stage for message in told] == ["done"] * OWNERS
    assert len({ids for message in told for ids in message.intended.exposure_ids}) == 2 * OWNERS
    for message in told:
        name = message.intended.message_id.partition("@")[0]
        text = (folder / f"{name}.txt").read_text(encoding="utf-8")
        assert all(each in text for each in message.intended.exposure_ids)


def outcome(output: Path, mail: MailServer) -> set[str]:
    """The stages of all messages, after every rule was held against what the server has."""
    copies = Counter(message["Message-ID"].strip("<>") for message in mail.taken)
    assert set(copies.values()) <= {1}, copies
    actions = Actions.open(output)
    assert actions.broken is None
    told = messages(actions.proven)
    assert len(told) == OWNERS
    for message_id, message in told.items():
        assert message.stage in ("done", "unclear"), (message_id, message.stage)
        if message.stage == "done":
            assert copies[message_id] == 1
    return {message.stage for message in told.values()}


@pytest.mark.parametrize("die_at", rows([1, 6, 11, 13, 16], 50))
def test_a_mail_server_gets_no_second_copy(
    tmp_path: Path, mail: MailServer, authority: Authority, die_at: int
) -> None:
    for attempt in (die_at, die_at, 0, 0):
        run(tmp_path, attempt, "smtp", str(mail.port), str(authority.file))
    outcome(tmp_path, mail)


@pytest.mark.parametrize("seed", rows([1, 2], 40))
def test_killed_from_outside_at_any_moment(
    tmp_path: Path, mail: MailServer, authority: Authority, seed: int
) -> None:
    chance = random.Random(seed)
    mail.slow = 0.05
    way = ("smtp", str(mail.port), str(authority.file))
    for _ in range(2):
        child = subprocess.Popen(
            command(tmp_path, 0, *way), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while (
            not (tmp_path / "actions.jsonl").exists() and child.poll() is None and time.monotonic() < deadline
        ):
            time.sleep(0.005)
        time.sleep(chance.random() * 0.4)
        child.kill()
        child.wait(60)
    mail.slow = 0
    assert run(tmp_path, 0, *way)
    outcome(tmp_path, mail)
