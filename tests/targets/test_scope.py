"""Scope: equal to allow minus deny on a small universe, densely numbered, and the only maker of a Target."""

from __future__ import annotations

import copy
import math
import pickle
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.entries import Deny, Entry
from targets.grammar import Span
from targets.planning import prefixes_of
from targets.scope import OutOfScope, Scope, Target
from targets.target import OutOfScope as SameError
from tests.targets.universe import BASE, SIZE, deny, entry, members, spans, union
from tests.targets.worlds import many, places

ports = st.sampled_from(((27017,), (27017, 27018), (443, 27017, 27019)))


def naive(allow: list[Entry], denied: list[Span], default: tuple[int, ...]) -> set[tuple[int, int, int]]:
    """Address by address: the narrowest entry that holds it gives the ports, unless a deny holds it."""
    found = set()
    for version, address in union([item.span for item in allow]) - union(denied):
        holders = [
            item
            for item in allow
            if item.span.version == version and item.span.first <= address <= item.span.last
        ]
        governor = min(holders, key=lambda item: item.span.size)
        found |= {(version, address, port) for port in governor.ports or default}
    return found


@given(many, many, ports, st.data())
def test_picking_many_is_picking_each(
    allow: list[Span], denied: list[Span], asked: tuple[int, ...], data: st.DataObject
) -> None:
    scope = Scope([entry(span) for span in allow], [deny(span) for span in denied], ports=asked)
    indices = data.draw(st.lists(st.integers(0, len(scope) - 1), max_size=9)) if len(scope) else []
    assert scope.pick_all(indices) == [scope.pick(index) for index in indices]
    for outside in (-1, len(scope)):
        with pytest.raises(IndexError):
            scope.pick_all([*indices, outside])


@given(many, many, ports)
def test_the_targets_are_allow_minus_deny(
    allow: list[Span], denied: list[Span], asked: tuple[int, ...]
) -> None:
    scope = Scope([entry(span) for span in allow], [deny(span) for span in denied], asked)
    expected = {(*place, port) for place in union(allow) - union(denied) for port in asked}
    assert places(scope) == sorted(expected)
    assert scope.address_count == len(union(allow) - union(denied))


@given(st.lists(st.tuples(spans(), st.one_of(st.none(), ports)), max_size=6), many)
def test_the_narrowest_entry_gives_the_ports(
    allow: list[tuple[Span, tuple[int, ...] | None]], denied: list[Span]
) -> None:
    entries = [entry(span, own) for span, own in allow]
    scope = Scope(entries, [deny(span) for span in denied], (27017,))
    assert places(scope) == sorted(naive(entries, denied, (27017,)))


@given(many, many, st.data())
def test_the_fence_agrees_with_the_model(allow: list[Span], denied: list[Span], data: st.DataObject) -> None:
    """A target of a wide scope passes the fence of a narrow one exactly when the model holds it."""
    whole = Scope([entry(Span(v, BASE[v], BASE[v] + SIZE - 1)) for v in (4, 6)], (), (27017, 27018))
    scope = Scope([entry(span) for span in allow], [deny(span) for span in denied])
    inside, burst = union(allow) - union(denied), scope.filter(0.0)
    for _ in range(20):
        target = whole.pick(data.draw(st.integers(0, len(whole) - 1)))
        expected = (target.version, target.address) in inside and target.port == 27017
        assert burst(target) == expected
        assert scope.permits(target, 0.0) == expected
        if data.draw(st.booleans()):
            burst = scope.filter(0.0)
        if expected:
            assert scope.target(target.ip, target.port) == target
            assert scope.explain(target.version, target.address, target.port) == ""
        else:
            assert scope.explain(target.version, target.address, target.port)
            with pytest.raises(OutOfScope):
                scope.target(target.ip, target.port)


@given(many, many, spans())
def test_another_deny_never_adds_a_target(allow: list[Span], denied: list[Span], more: Span) -> None:
    entries = [entry(span) for span in allow]
    before = Scope(entries, [deny(span) for span in denied])
    after = Scope(entries, [deny(span) for span in [*denied, more]])
    assert set(places(after)) == {
        place for place in places(before) if (place[0], place[1]) not in members(more)
    }


@given(many, many)
def test_what_deny_took_is_counted_once(allow: list[Span], denied: list[Span]) -> None:
    scope = Scope([entry(span) for span in allow], [deny(span) for span in denied])
    assert sum(item.addresses for item in scope.excluded) == len(union(allow) & union(denied))
    assert [item.deny.span for item in scope.excluded] == denied
    assert scope.address_count + sum(item.addresses for item in scope.excluded) == len(union(allow))


@given(many, many, st.randoms(use_true_random=False))
def test_the_digest_is_of_the_targets_not_of_the_lines(
    allow: list[Span], denied: list[Span], random: object
) -> None:
    scope = Scope([entry(span) for span in allow], [deny(span) for span in denied])
    halves = []
    for span in allow:
        middle = (span.first + span.last) // 2
        halves += [Span(span.version, span.first, middle)]
        halves += [Span(span.version, middle + 1, span.last)] if middle < span.last else []
    random.shuffle(halves)  # type: ignore[attr-defined]  # hypothesis declares an object
    other = Scope([entry(span) for span in halves], [deny(span) for span in denied + denied])
    assert places(other) == places(scope)
    assert other.digest == scope.digest
    if len(scope):
        assert Scope([entry(span) for span in allow], [deny(s) for s in denied], (1,)).digest != scope.digest


@given(many, many, many)
def test_intersect_is_what_a_reload_may_leave(a: list[Span], b: list[Span], denied: list[Span]) -> None:
    ours = Scope([entry(span, owner="ours") for span in a], (), (27017, 27018))
    theirs = Scope(
        [entry(span, owner="theirs") for span in b], [deny(span) for span in denied], (27018, 27019)
    )
    both = ours.intersect(theirs)
    expected = {(*place, 27018) for place in (union(a) & union(b)) - union(denied)}
    assert places(both) == sorted(expected)
    assert all(both.owner_of(address, version).owner == "ours" for version, address, _ in places(both))


@given(many, many, st.lists(st.tuples(spans(), st.sampled_from((None, 27017, 27018, 9))), max_size=5))
def test_restrict_is_the_intersection_with_what_is_wanted(
    allow: list[Span], denied: list[Span], wanted: list[tuple[Span, int | None]]
) -> None:
    scope = Scope([entry(span) for span in allow], [deny(span) for span in denied], (27017, 27018))
    expected = {
        place
        for place in places(scope)
        for span, port in wanted
        if (place[0], place[1]) in members(span) and port in (None, place[2])
    }
    assert places(scope.restrict(wanted)) == sorted(expected)
    only = {place for place in expected if place[2] == 27018}
    assert places(scope.restrict(wanted, [27018])) == sorted(only)


@given(many, many)
def test_intervals_and_prefixes_cover_the_targets_exactly(allow: list[Span], denied: list[Span]) -> None:
    scope = Scope([entry(span) for span in allow], [deny(span) for span in denied])
    left = union(allow) - union(denied)
    for version in (4, 6):
        intervals = scope.intervals(version)
        assert {(version, a) for first, last in intervals for a in range(first, last + 1)} == {
            place for place in left if place[0] == version
        }
        assert all(this[1] + 1 < following[0] for this, following in pairwise(intervals))
    if allow:
        again = Scope([Entry.of(text) for text in prefixes_of(scope.ranges())])
        assert places(again) == places(scope)


@given(many)
def test_a_scope_travels_whole(allow: list[Span]) -> None:
    scope = Scope([entry(span) for span in allow], [Deny.of("10.20.0.0/28", "x")]).restrict(
        [(Span(4, BASE[4], BASE[4] + 99), None)]
    )
    other = pickle.loads(pickle.dumps(scope))
    assert places(other) == places(scope)
    assert (other.digest, other.entries, other.excluded) == (scope.digest, scope.entries, scope.excluded)


@given(many, many, many)
def test_more_may_be_denied_afterwards(allow: list[Span], denied: list[Span], more: list[Span]) -> None:
    before = Scope([entry(span) for span in allow], [deny(span) for span in denied])
    after = before.without([deny(span) for span in more])
    at_once = Scope([entry(span) for span in allow], [deny(span) for span in denied + more])
    assert places(after) == places(at_once)
    assert after.denies == at_once.denies
    assert sum(item.addresses for item in after.excluded) == len(union(allow) & union(denied + more))


# -- targets


def test_only_a_scope_makes_a_target() -> None:
    target = Scope([Entry.of("10.20.0.1")]).pick(0)
    for make in (
        lambda: Target(4, 1, 27017),
        lambda: Target((4, 1, 27017)),
        lambda: copy.copy(target),
        lambda: pickle.loads(pickle.dumps(target)),
        lambda: type(target)(),
    ):
        with pytest.raises(TypeError, match="Scope"):
            make()
    with pytest.raises(AttributeError):
        target.port = 1
    with pytest.raises(AttributeError):
        target.other = 1  # type: ignore[attr-defined]  # that is the test


def test_what_a_target_tells() -> None:
    scope = Scope([Entry.of("10.20.0.1"), Entry.of("fd00::a")], ports=[27017])
    four, six = scope.pick(0), scope.pick(1)
    assert (four.version, four.address, four.port, four.ip) == (4, 0x0A140001, 27017, "10.20.0.1")
    assert four.sockaddr == ("10.20.0.1", 27017)
    assert six.sockaddr == ("fd00::a", 27017, 0, 0)
    assert (str(four), str(six), repr(six)) == (
        "10.20.0.1:27017",
        "[fd00::a]:27017",
        "<Target [fd00::a]:27017>",
    )
    assert four.packed.hex() == "00000000000000000000ffff0a140001"
    assert six.packed.hex() == "fd00000000000000000000000000000a"
    assert {four: 1}[scope.target("10.20.0.1", 27017)] == 1


def test_the_fence_lets_nothing_through_that_merely_looks_like_a_target() -> None:
    scope = Scope([Entry.of("10.20.0.1")])
    assert not scope.permits((4, 0x0A140001, 27017), 0.0)  # type: ignore[arg-type]  # that is the test
    assert scope.permits(scope.pick(0), 0.0)
    assert not scope.filter(0.0)((4, 0x0A140001, 27017))  # type: ignore[arg-type]  # that is the test


# -- time


def test_an_entry_is_over_at_its_instant_and_only_there() -> None:
    scope = Scope([Entry.of("10.20.0.0/24", expires=1000.0), Entry.of("10.20.0.0/16")])
    soon, later = scope.target("10.20.0.1", 27017), scope.target("10.20.1.1", 27017)
    assert scope.expires == 1000.0
    assert scope.permits(soon, 999.9)
    assert scope.permits(later, 1000.0)
    assert not scope.permits(soon, 1000.0)
    assert not scope.permits(soon, math.nan)
    assert [scope.filter(now)(soon) for now in (999.9, 1000.0, math.nan)] == [True, False, False]
    with pytest.raises(OutOfScope, match=r"10.20.0.1:27017 is outside .* the entry 10.20.0.0/24 has expired"):
        scope.target("10.20.0.1", 27017, now=1000.0)


def test_the_earlier_expiry_holds_after_a_reload() -> None:
    ours = Scope([Entry.of("10.20.0.0/24", expires=1000.0), Entry.of("10.20.1.0/24")])
    both = ours.intersect(Scope([Entry.of("10.20.0.0/16", expires=2000.0)]))
    assert [segment.expires for segment in both.segments(4)] == [1000.0, 2000.0]


# -- the space that no entry can allow, even when a scope is made without load.py


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "169.254.0.0/16", "127.0.0.0/8", "::1", "2002::/16"])
def test_a_scope_never_holds_special_space(text: str) -> None:
    scope = Scope([Entry.of(text)])
    for inside in ("0.0.0.0", "127.0.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255", "::", "::1"):
        with pytest.raises(OutOfScope):
            scope.target(inside, 27017)
    with pytest.raises(OutOfScope, match=r"the 6to4 form of 10\.0\.0\.1"):
        scope.target("2002:a00:1::1", 27017)


def test_a_lab_entry_holds_loopback_alone() -> None:
    scope = Scope([Entry.of("126.0.0.0-128.0.0.0", kind="lab"), Entry.of("::/64", kind="lab")])
    assert prefixes_of(scope.ranges()) == ["127.0.0.0/8", "::1/128"]


# -- words


def test_reasons() -> None:
    scope = Scope(
        [Entry.of("10.20.0.0/16"), Entry.of("fd00::/120")],
        [Deny.of("10.20.0.0/20"), Deny.of("10.20.3.0/24", "medical devices")],
        [27017, 27018],
    )
    for ip, port, reason in (
        (
            "10.20.3.9",
            27017,
            "10.20.3.9:27017 is outside the scope: denied by 10.20.3.0/24 (medical devices)",
        ),
        ("10.20.4.9", 27017, "10.20.4.9:27017 is outside the scope: denied by 10.20.0.0/20"),
        ("10.21.0.1", 27017, "10.21.0.1:27017 is outside the scope: no allow entry holds it"),
        ("10.20.99.1", 443, "10.20.99.1:443 is outside the scope: port 443 is not one of 27017, 27018"),
        ("9.0.0.1", 27017, "9.0.0.1:27017 is outside the scope: no allow entry holds it"),
        ("127.0.0.1", 27017, "127.0.0.1:27017 is outside the scope: it is loopback space (RFC 1122 3.2.1.3)"),
        (
            "10.20.1",
            27017,
            "'10.20.1' is outside the scope: '10.20.1' is a shortened or numeric form of an address",
        ),
        (
            "::ffff:10.20.99.1",
            27017,
            "[::ffff:a14:6301]:27017 is outside the scope: it is the IPv4-mapped form of 10.20.99.1",
        ),
    ):
        with pytest.raises(OutOfScope) as caught:
            scope.target(ip, port)
        assert reason == str(caught.value)
    assert SameError is OutOfScope
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.target, again.reason) == (reason, caught.value.target, caught.value.reason)


def test_ownership_is_the_most_specific_entry() -> None:
    scope = Scope(
        [Entry.of("10.20.0.0/16", owner="platform"), Entry.of("10.20.5.0/24", owner="payments")],
        [Deny.of("10.20.5.9")],
    )
    assert scope.owner_of(0x0A140501).owner == "payments"
    assert scope.owner_of(0x0A140601, 4).owner == "platform"
    with pytest.raises(OutOfScope, match=r"10.20.5.9 is outside the scope: denied by 10.20.5.9"):
        scope.owner_of(0x0A140509)


@pytest.mark.parametrize("port", [0, 65536, -1, True, "27017"])
def test_ports_are_ports(port: object) -> None:
    with pytest.raises(ValueError, match="is not a port"):
        Scope([Entry.of("10.20.0.1")], ports=[port])  # type: ignore[list-item]  # that is the test


def test_an_empty_scope_permits_nothing() -> None:
    scope = Scope()
    assert (len(scope), scope.address_count, scope.ports, prefixes_of(scope.ranges()), scope.expires) == (
        0,
        0,
        (),
        [],
        math.inf,
    )
    assert scope.denies == ()
    with pytest.raises(IndexError):
        scope.pick(0)
    with pytest.raises(AttributeError, match="immutable"):
        scope.other = 1
    assert repr(scope).startswith("<Scope of 0 targets")


def test_thousands_of_opt_outs_on_both_sides_cost_no_square_of_them() -> None:
    denies = [Deny.of(f"10.{n >> 8}.{n & 255}.7") for n in range(20_000)]
    ours = Scope([Entry.of("10.0.0.0/9")], denies)
    theirs = Scope([Entry.of("10.0.0.0/9")], [*denies, Deny.of("10.100.0.0/16")])
    began = time.process_time()
    both = ours.intersect(theirs)
    assert time.process_time() - began < 5
    assert len(both.denies) == 20_001
