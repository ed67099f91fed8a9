"""The guard while whoever wants a sweep is heard, and afterwards."""

from __future__ import annotations

import pytest

from scanner.network.guard import ScopeGuard
from targets.entries import Entry
from targets.scope import Scope
from tests.support.settable import SetClock

SCOPE = Scope([Entry.of("127.91.0.0/29", kind="lab")], ports=[27])
SELF_TEST = Scope([Entry.of("127.0.0.1", kind="lab")], ports=[28])


class Somebody:
    """Wants it until a boot time."""

    stopped = False

    def __init__(self, until: float) -> None:
        self.until = until
        self.let_go = 0

    def over(self) -> None:
        self.let_go += 1


@pytest.fixture
def clock() -> SetClock:
    return SetClock("2026-03-01T00:00:00Z")


def test_nothing_is_permitted_once_nobody_wants_it(clock: SetClock) -> None:
    guard = ScopeGuard(SCOPE, clock, canaries=SCOPE)
    guard.admit_self_test(SELF_TEST)
    somebody = Somebody(clock.boottime() + 20)
    guard.while_wanted(somebody)
    ours = SELF_TEST.target("127.0.0.1", 28)
    clock.wait(19.9)
    assert guard.permits(SCOPE.pick(0))
    somebody.until += 20
    clock.wait(19.9)
    assert guard.permits(SCOPE.pick(0))
    assert guard.permits(ours)
    clock.wait(0.2)
    assert not guard.permits(SCOPE.pick(0)), "neither as a target nor as a canary"
    assert not guard.permits(ours)
    assert somebody.let_go == 1
    assert guard.expired(), "and what is under way is dropped"
    somebody.until += 1000
    assert not guard.permits(SCOPE.pick(0)), "it does not come back"


def test_a_burst_is_looked_at_connect_by_connect(clock: SetClock) -> None:
    """A process that is stopped in the middle of one, and woken much later, does not go on with it."""
    guard = ScopeGuard(SCOPE, clock)
    somebody = Somebody(clock.boottime() + 20)
    guard.while_wanted(somebody)
    inside = guard.filter()
    assert inside(SCOPE.pick(0))
    clock.wait(60)
    assert not inside(SCOPE.pick(1))
    assert somebody.let_go == 1
    somebody.until += 1000
    assert not inside(SCOPE.pick(2)), "nor when somebody is heard again"


def test_without_anybody_a_burst_is_looked_at_once(clock: SetClock) -> None:
    guard = ScopeGuard(SCOPE, clock)
    inside = guard.filter()
    clock.wait(60)
    assert inside(SCOPE.pick(1))
