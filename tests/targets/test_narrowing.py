"""TARGET arguments and claims make a scope smaller, never wider; what is outside is named or counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.claims import Claim
from targets.entries import Deny, Entry
from targets.grammar import GrammarError, Span, parse_span
from targets.planning import narrow, narrow_by_claims
from targets.scope import OutOfScope, Scope
from tests.targets.universe import entry, spans, union
from tests.targets.worlds import many, places


def estate() -> Scope:
    return Scope(
        [Entry.of("10.20.0.0/16"), Entry.of("10.20.7.0/24", ports=(27019,)), Entry.of("fd00::/120")],
        [Deny.of("10.20.30.0/24", "medical devices")],
        [27017, 27018],
    )


@pytest.mark.parametrize(
    ("texts", "asked", "count"),
    [
        ((), None, (65536 - 512) * 2 + 256 + 512),
        ((), (27017,), 65536 - 512 + 256),
        (("10.20.0.1",), None, 2),
        (("10.20.0.1:27018",), None, 1),
        (("10.20.0.1:27018", "10.20.0.1"), None, 2),
        (("10.20.29.0-10.20.31.255",), None, 1024),
        (("10.20.7.1", "10.20.6.1"), None, 3),
        (("10.20.7.1", "10.20.6.1"), (27018,), 1),
        (("[fd00::1]:27017", "fd00::2"), None, 3),
    ],
)
def test_narrowing(texts: tuple[str, ...], asked: tuple[int, ...] | None, count: int) -> None:
    assert len(narrow(estate(), texts, asked)) == count


@pytest.mark.parametrize(
    ("texts", "asked", "message"),
    [
        (("10.21.0.1",), None, "10.21.0.1 is outside the scope: no allow entry holds it"),
        (("10.20.0.1", "10.20.30.7"), None, "10.20.30.7 is outside the scope: denied by 10.20.30.0/24 "),
        (
            ("10.20.0.0/15",),
            None,
            "10.20.0.0/15 is outside the scope: 65,536 of its 131,072 addresses, from 10.21.0.0/16 on: no ",
        ),
        (("127.0.0.1",), None, "127.0.0.1 is outside the scope: it is loopback space"),
        (("10.20.7.1:27017",), None, "10.20.7.1:27017 is outside the scope: port 27017 is not asked there"),
        (("10.20.7.1",), (27017,), "10.20.7.1 is outside the scope: no asked address has an asked port"),
        ((), (443,), "port 443 is outside the scope: it asks ports 27017, 27018, 27019"),
    ],
)
def test_narrowing_never_widens(texts: tuple[str, ...], asked: tuple[int, ...] | None, message: str) -> None:
    with pytest.raises(OutOfScope) as caught:
        narrow(estate(), texts, asked)
    assert str(caught.value).startswith(message)


def test_narrowing_by_what_is_no_target() -> None:
    with pytest.raises(GrammarError, match=r"has host bits set; write 10\.20\.0\.0/16"):
        narrow(estate(), ["10.20.0.1/16"])


@given(many, many)
def test_a_narrowed_scope_is_a_subset(allow: list[Span], wanted: list[Span]) -> None:
    scope = Scope([entry(span) for span in allow])
    narrowed = scope.restrict([(span, None) for span in wanted])
    assert set(places(narrowed)) <= set(places(scope))
    assert all(scope.permits(narrowed.pick(index), 0.0) for index in range(len(narrowed)))


@given(many, st.lists(st.tuples(spans(), st.sampled_from((None, 27017, 9))), max_size=6))
def test_claims_narrow_and_are_counted(allow: list[Span], claimed: list[tuple[Span, int | None]]) -> None:
    scope = Scope([entry(span) for span in allow])
    claims = [Claim(span, port, f"list:{n}") for n, (span, port) in enumerate(claimed, start=1)]
    narrowed = narrow_by_claims(scope, claims)
    assert narrowed.inside + narrowed.outside == len(claims)
    assert set(places(narrowed.scope)) == {
        (*place, 27017) for span, port in claimed if port != 9 for place in union([span]) & union(allow)
    }


def test_names_of_a_list_stay_with_their_hosts() -> None:
    claims = [
        Claim(parse_span("10.20.0.1"), 27017, "list:1", ("db.lan", "db.example.com")),
        Claim(parse_span("10.20.0.1"), 27018, "list:2", ("db.lan", "old.lan")),
        Claim(parse_span("10.20.0.2"), None, "list:3"),
        Claim(parse_span("10.20.30.1"), None, "list:4", ("denied.lan",)),
    ]
    scope = narrow_by_claims(estate(), claims).scope
    first = scope.pick(0)
    names = ("db.lan", "db.example.com", "old.lan")
    assert scope.hostnames_of(first.address) == names
    assert scope.hostnames_of(first.address + 1) == ()
    assert scope.digest == narrow(estate(), ["10.20.0.1", "10.20.0.2"]).digest
    for narrowed in (scope.intersect(estate()), scope.without([Deny.of("10.20.0.2")]), scope.restrict([])):
        assert narrowed.named({}).digest == narrowed.digest
        if len(narrowed):
            assert narrowed.hostnames_of(first.address) == names
    with pytest.raises(OutOfScope):
        scope.hostnames_of(parse_span("10.20.30.1").first)


def test_a_target_that_is_claimed_again_costs_nothing() -> None:
    again = Claim(parse_span("10.20.0.1"), 27017, "list:1", ("db.lan",))
    found = narrow_by_claims(estate(), (again for _ in range(1000)))
    assert (found.inside, len(found.scope)) == (1000, 1)


def test_claims_outside_are_shown_with_their_reason() -> None:
    claims = [
        Claim(parse_span("10.20.0.1"), 27017, "list:1"),
        Claim(parse_span("10.20.0.1"), 443, "list:2"),
        *(Claim(parse_span(f"9.0.0.{n}"), None, f"list:{n}") for n in range(3, 30)),
    ]
    narrowed = narrow_by_claims(estate(), claims)
    assert (narrowed.inside, narrowed.outside, len(narrowed.scope), len(narrowed.examples)) == (1, 28, 1, 10)
    assert narrowed.examples[0] == (claims[1], "port 443 is not one of 27017, 27018")
    assert narrowed.examples[1] == (claims[2], "no allow entry holds it")
