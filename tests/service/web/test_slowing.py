"""How fast passwords can be guessed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher

from scanner.service.admission import passwords
from scanner.service.admission.access import Access
from scanner.service.admission.roles import Role
from scanner.service.web.signing_in import OF_A_NAME, OF_AN_ADDRESS, SigningIn, TooManyTriesError
from scanner.service.web.slowing import Patience, Slowing
from tests.support.set_clock import SetClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "a sentence is a good one"


def tries_in(seconds: float, patience: Patience) -> int:
    """How many tries are heard of somebody who never rests."""
    clock, heard = SetClock(), 0
    slowing, end = Slowing(patience, clock), clock.at + seconds
    while clock.at < end:
        wait = slowing.wait("key")
        if wait > 0:
            clock.pass_(wait + 0.001)
            continue
        slowing.begin("key")
        heard += 1
        clock.pass_(0.05)
    return heard


def test_a_day_of_guessing_is_a_few_tries() -> None:
    assert tries_in(86_400, OF_A_NAME) < 3000
    assert tries_in(86_400, OF_AN_ADDRESS) < 330


def test_some_mistakes_cost_nothing() -> None:
    clock = SetClock()
    slowing = Slowing(Patience(free=2, longest=8), clock)
    waits = []
    for _ in range(7):
        waits.append(slowing.wait("key"))
        slowing.begin("key")
    assert waits == [0, 0, 1, 2, 4, 8, 8]


def test_tries_at_the_same_moment_are_counted() -> None:
    slowing = Slowing(Patience(free=5, longest=30), SetClock())
    heard = 0
    for _ in range(1000):  # none of them has been answered
        if not slowing.wait("key"):
            slowing.begin("key")
            heard += 1
    assert heard == 5


def test_an_hour_without_a_failure_is_forgotten() -> None:
    clock = SetClock()
    slowing = Slowing(Patience(free=1, longest=30), clock)
    for _ in range(9):
        slowing.begin("key")
    clock.pass_(3600)
    assert slowing.wait("key") == 0
    slowing.begin("key")
    assert slowing.wait("key") == 1, "and counting begins anew"


def test_others_do_not_wait_and_nobody_is_driven_out() -> None:
    """However many other names are tried, the failures of one stay where they are."""
    clock = SetClock()
    slowing = Slowing(Patience(free=1, longest=30), clock)
    for _ in range(9):
        slowing.begin("victim")
    assert sum(slowing.wait(f"name {number}") == 0 for number in range(200)) > 180
    for number in range(20_000):
        slowing.begin(f"name {number}")
    assert slowing.wait("victim") > 0


@pytest.fixture
def access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Access]:
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda: cheap)
    monkeypatch.setattr(passwords, "_of_nobody", lambda: cheap.hash("of nobody"))
    opened = Access(tmp_path, SetClock())
    opened.add_user("web-oncall", Role.VIEW, PASSWORD)
    opened.add_user("stranger", Role.VIEW, PASSWORD)
    yield opened
    opened.close()


async def test_a_name_is_slowed_for_all_addresses(access: Access) -> None:
    """Even the right password is not heard then, so that nobody learns which one it was; half a minute
    later it is."""
    clock = SetClock()
    signing_in = SigningIn(access, clock)
    for number in range(9):
        clock.pass_(30)
        assert await signing_in.verify("Web-OnCall", "a guess of mine", f"192.0.2.{number}") is None
    for client in ("192.0.2.1", "198.51.100.1"):
        with pytest.raises(TooManyTriesError) as refused:
            await signing_in.verify("web-oncall", PASSWORD, client)
        assert 1 <= refused.value.seconds <= 30
    assert await signing_in.verify("stranger", PASSWORD, "198.51.100.1") is not None
    clock.pass_(30)
    assert await signing_in.verify("web-oncall", PASSWORD, "198.51.100.1") is not None
    assert await signing_in.verify("web-oncall", PASSWORD, "198.51.100.1") is not None, "and all is forgiven"


@pytest.mark.parametrize("client", ["192.0.2.1", "2001:db8::{:x}"])
async def test_an_address_is_slowed_whatever_names_it_tries(access: Access, client: str) -> None:
    """Signing in with one's own password in between does not help; of IPv6, all of a /64 is one."""
    clock, heard = SetClock(), 0
    signing_in = SigningIn(access, clock)
    for number in range(60):
        try:
            await signing_in.verify(f"name{number}", "a guess of mine", client.format(number))
            await signing_in.verify("stranger", PASSWORD, client.format(number))
        except TooManyTriesError:
            continue
        heard += 1
    assert heard <= OF_AN_ADDRESS.free
    assert await signing_in.verify("web-oncall", PASSWORD, "198.51.100.1") is not None, "others do not wait"


async def test_few_passwords_are_compared_at_a_time(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs 64 MiB: a thousand at once cost no more than two, and most of them are turned away."""
    at_once, most = 0, 0

    def verify(name: str, password: str) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.01)
        at_once -= 1

    monkeypatch.setattr(access, "verify", verify)
    signing_in = SigningIn(access, SetClock())
    tries = [signing_in.verify(f"n{n}", "a guess", f"192.0.{n // 200}.{n % 200}") for n in range(1000)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert most <= 2
    assert sum(isinstance(answer, TooManyTriesError) for answer in answers) > 900
