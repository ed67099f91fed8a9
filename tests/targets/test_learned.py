"""Learned ports: never outside the allowed addresses, never against an entry's ports, always a bijection."""

from __future__ import annotations

import pickle
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets import learning
from targets.claims import Claim, Said
from targets.entries import Deny, Entry
from targets.errors import ScopeError
from targets.grammar import Span, parse_endpoint
from targets.learned import Learned
from targets.learning import MOST_OF_ADDRESS, Learner, Listed, count_within
from targets.planning import narrow
from targets.scope import Scope, Target
from tests.targets.universe import BASE, SIZE, deny, entry, spans, union
from tests.targets.worlds import many, places

if TYPE_CHECKING:
    from collections.abc import Sequence

PORTS = (443, 27017, 27018, 27117)
Pair = tuple[int, int, int]
own_ports = st.one_of(st.none(), st.sampled_from(((27017,), (443, 27018), (27117,))))
owned = st.lists(st.tuples(spans(), own_ports), max_size=6)


@st.composite
def pairs(draw: st.DrawFn) -> list[Pair]:
    """Open ports in and around the universe, near each other and far apart."""
    found: list[Pair] = []
    for _ in range(draw(st.integers(0, 12))):
        version = draw(st.sampled_from((4, 6)))
        first = draw(st.integers(-2, SIZE + 1))
        steps = range(draw(st.sampled_from((1, 1, 3, 20))))
        found += [(version, BASE[version] + first + step, draw(st.sampled_from(PORTS))) for step in steps]
    return found


def claims(found: list[Pair]) -> list[Claim]:
    return [Claim(Span(version, at, at), port, "a list") for version, at, port in found]


def learned_by(scope: Scope, found: list[Pair]) -> tuple[Learned, Listed]:
    learner = Learner(scope)
    listed = learner.take(claims(found), "a list")
    return learner.learned(), listed


@given(owned, many, pairs())
def test_what_is_learned_is_within_the_scope_and_the_entries_ports(
    allow: list[tuple[Span, tuple[int, ...] | None]], denied: list[Span], found: list[Pair]
) -> None:
    """Against a model that goes address by address; whether a list was sifted before makes no difference."""
    entries = [entry(span, own) for span, own in allow]
    scope = Scope(entries, [deny(span) for span in denied], (27017,))
    before = set(places(scope))
    expected = set(before)
    inside = union([span for span, _ in allow]) - union(denied)
    for version, address, port in found:
        if (version, address) in inside:
            own = scope.owner_of(address, version).ports
            if own is None or port in own:
                expected.add((version, address, port))
    sifted, listed = learned_by(scope, found)
    for learned in (sifted, Learned.of(found)):
        taught = scope.with_learned(learned)
        asked = places(taught)
        assert asked == sorted(expected)  # each once, and `pick` in order: a bijection
        assert len(taught) == len(expected)
        assert all(taught.permits(taught.pick(index), 0.0) for index in range(len(taught)))
        assert taught.address_count == scope.address_count
    assert count_within(sifted, scope.with_learned(sifted)).total() == len(expected - before) == len(sifted)
    assert listed.outside == sum((version, at) not in inside for version, at, _ in found)
    assert listed.claims == len(found)


@given(owned, many, pairs(), st.data())
def test_no_other_target_passes_the_fence(
    allow: list[tuple[Span, tuple[int, ...] | None]],
    denied: list[Span],
    found: list[Pair],
    data: st.DataObject,
) -> None:
    scope = Scope([entry(span, own) for span, own in allow], [deny(span) for span in denied], (27017,))
    taught = scope.with_learned(Learned.of(found))
    asked = set(places(taught))
    everywhere = Scope([entry(Span(v, BASE[v], BASE[v] + SIZE - 1)) for v in (4, 6)], (), PORTS)
    burst = taught.filter(0.0)
    for _ in range(20):
        target = everywhere.pick(data.draw(st.integers(0, len(everywhere) - 1)))
        assert taught.permits(target, 0.0) == burst(target) == (tuple(target) in asked)


@given(owned, pairs(), st.sampled_from(((27017,), (443, 27018))))
def test_only_narrows_what_the_scope_asks_and_not_what_is_learned(
    allow: list[tuple[Span, tuple[int, ...] | None]], found: list[Pair], only: tuple[int, ...]
) -> None:
    scope = Scope([entry(span, own) for span, own in allow], (), PORTS)
    learned = Learned.of(found)
    whole = set(places(scope.with_learned(learned)))
    assert set(places(scope.with_learned(learned, only))) == {
        place for place in whole if place[2] in only or place in set(found)
    }


@given(owned, many, pairs(), many)
def test_what_is_taken_away_takes_what_was_learned_there(
    allow: list[tuple[Span, tuple[int, ...] | None]], denied: list[Span], found: list[Pair], more: list[Span]
) -> None:
    """A deny, a reload and a narrowing hold for learned targets as for all."""
    scope = Scope([entry(span, own) for span, own in allow], [deny(span) for span in denied], (27017,))
    taught, gone = scope.with_learned(Learned.of(found)), union(more)
    kept = {place for place in places(taught) if place[:2] not in gone}
    assert set(places(taught.without([deny(span) for span in more]))) == kept
    reloaded = scope.without([deny(span) for span in more]).with_learned(Learned.of(found))
    assert set(places(taught.intersect(reloaded))) == kept
    inside = taught.restrict((span, None) for span in more)
    assert set(places(inside)) == set(places(taught)) - kept


@given(owned, pairs())
def test_the_digest_is_of_the_targets(
    allow: list[tuple[Span, tuple[int, ...] | None]], found: list[Pair]
) -> None:
    """A resumed run with another list has another scope; with the same ports in another order, the same."""
    scope = Scope([entry(span, own) for span, own in allow], (), (27017,))
    taught = scope.with_learned(Learned.of(found))
    assert scope.with_learned(Learned.of(reversed(found))).digest == taught.digest
    assert (taught.digest == scope.digest) == (places(taught) == places(scope))
    copied = pickle.loads(pickle.dumps(taught))
    assert places(copied) == places(taught)


def test_a_target_is_found_on_its_learned_port() -> None:
    scope = Scope([Entry.of("10.0.0.0/8"), Entry.of("10.1.0.0/16", ports=(27017,))])
    taught = scope.with_learned(Learned.of([(4, 0x0A000001, 27117), (4, 0x0A010001, 27117)]))
    assert taught.target("10.0.0.1", 27117).port == 27117
    assert taught.explain(4, 0x0A000002, 27117) == "port 27117 is not one of 27017"
    assert taught.explain(4, 0x0A010001, 27117) == "port 27117 is not one of 27017"
    assert places(narrow(taught, ["10.0.0.1:27117"])) == [(4, 0x0A000001, 27117)]


def listed(*texts: str, seen_at: str = "") -> list[Claim]:
    return [Claim(*parse_endpoint(text), "a list", (), Said(seen_at=seen_at)) for text in texts]


def test_each_claim_is_counted_once() -> None:
    scope = Scope(
        [Entry.of("10.0.0.0/24"), Entry.of("10.0.0.128/25", ports=(27017,))],
        [Deny.of("10.0.0.64/26", "pumps")],
    )
    learner = Learner(scope)
    told = learner.take(
        [
            *listed("10.0.0.1:27117", "10.0.0.1:27117", "10.0.0.1:27017", "10.0.0.2", "10.0.0.0/30"),
            *listed("10.0.0.200:27117", "10.0.0.200:27017", "10.0.0.65:27117", "10.9.9.9:27117"),
            *listed("10.0.0.3:80", seen_at="2026-01-02T00:00:00Z"),
        ],
        "a list",
    )
    assert told[:5] == (10, 2, 2, 1, 2)
    assert [why for _, why in told.examples] == ["denied by 10.0.0.64/26 (pumps)", "no allow entry holds it"]
    assert told.newest == "2026-01-02T00:00:00Z"
    assert list(learner.learned()) == [(4, 0x0A000001, 27117), (4, 0x0A000003, 80)]


def crowd(ports: Sequence[int]) -> list[Claim]:
    return claims([(version, BASE[version], port) for port in ports for version in (4, 6)])


def test_an_address_that_claims_too_many_ports_teaches_the_usual_ones_alone() -> None:
    scope = Scope([entry(Span(v, BASE[v], BASE[v] + 9)) for v in (4, 6)])
    learner = Learner(scope)
    learner.take(crowd(range(1000, 1000 + MOST_OF_ADDRESS)), "a list")
    assert len(learner.learned()) == 2 * MOST_OF_ADDRESS
    assert not learner.learned().crowded
    learner.take(crowd(range(1, 65536)), "another")
    learned = learner.learned()
    assert learned.crowded == ((4, BASE[4]), (6, BASE[6]))
    assert [port for version, _, port in learned if version == 4] == [27018, 27019, 27020, 28017]
    learner.take(crowd([5, 28017]), "a third")
    assert list(learner.learned()) == list(learned)


def test_more_than_can_be_kept_is_refused_and_crowds_are_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "MOST", 200)
    scope = Scope([Entry.of("10.0.0.0/8")])
    learner = Learner(scope)
    learner.take(claims([(4, 0x0A000000 + at % 9, port) for at in range(50) for port in range(1, 400)]), "a")
    assert len(learner.learned().crowded) == 9
    with pytest.raises(ScopeError, match="b: it names more than 200 open ports in the scope; give a list"):
        learner.take(claims([(4, 0x0A100000 + at, 80) for at in range(500)]), "b")


def test_a_million_learned_ports_on_a_slash_8() -> None:
    """Bounded memory, by the bytes of each: the worst case, in which no two are neighbours."""
    scope = Scope([Entry.of("10.0.0.0/8")])
    count = 50_000
    learned = Learned({4: [(0x0A000000 + 16 * n) << 16 | 27018 + n % 3 for n in range(count)], 6: ()})
    tracemalloc.start()
    taught = scope.with_learned(learned)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(taught) == 2**24 + count
    assert used / count < 700
    for index in range(0, len(taught), 99_991):
        target = taught.pick(index)
        assert isinstance(target, Target)
        assert taught.permits(target, 0.0)
