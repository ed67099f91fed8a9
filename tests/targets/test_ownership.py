"""What proves that addresses are ours, what does not, and which questions it takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.grammar import Span, format_span, parse_span
from targets.ownership import MOST_PARTS, Proof, find_proof, judge, public_parts, why_unprovable
from targets.rdap import Entity, Holding, NoRegistrationError, RdapError

OURS = {"ORG-1"}


def held(cidr: str, *registrants: str, name: str = "Example") -> Holding:
    entities = tuple(Entity(handle=each, name=name, roles=("registrant",)) for each in registrants)
    tech = Entity(handle="ORG-1", name="", roles=("technical",))
    return Holding(span=parse_span(cidr), handle="NET-1", name="N", entities=(*entities, tech), url="u")


class Book:
    """A registry as a function: the smallest network that holds what is asked."""

    def __init__(self, *holdings: Holding) -> None:
        self.holdings = holdings
        self.asked: list[str] = []

    async def ask(self, span: Span) -> Holding:
        self.asked.append(format_span(span))
        around = [
            each
            for each in self.holdings
            if each.span.version == span.version
            and each.span.first <= span.first
            and span.last <= each.span.last
        ]
        if not around:
            raise NoRegistrationError("knows no registration")
        return min(around, key=lambda each: each.span.size)

    async def prove(self, text: str) -> Proof:
        return await find_proof(parse_span(text), self.ask, OURS)


async def test_one_registration_that_is_ours_takes_one_question() -> None:
    book = Book(held("11.0.0.0/22", "ORG-1"), held("11.0.1.0/29", "ORG-CUSTOMER"))
    proof = await book.prove("11.0.1.0/24")
    assert proof.proven
    assert proof.detail == "inside 11.0.0.0/22 (NET-1), registered to ORG-1"
    assert book.asked == ["11.0.1.0/24"]


async def test_a_prefix_over_several_registrations_is_walked() -> None:
    book = Book(
        held("11.0.0.0/8", "ARIN"),
        held("11.0.0.0/24", "ORG-1"),
        held("11.0.1.0-11.0.2.255", "ORG-1", "ORG-2"),
        held("11.0.3.0/24", "ORG-1"),
    )
    proof = await book.prove("11.0.0.0/22")
    assert proof.proven
    assert proof.detail == "inside 3 registrations, to ORG-1"
    assert book.asked == ["11.0.0.0/22", "11.0.0.0", "11.0.1.0", "11.0.3.0"]


async def test_the_walk_ends_at_the_first_that_is_not_ours() -> None:
    book = Book(
        held("11.0.0.0/24", "ORG-1"),
        held("11.0.1.0/24", "ORG-ISP1", name="Provider"),
        held("11.0.2.0/23", "x"),
    )
    proof = await book.prove("11.0.0.0/22")
    assert not proof.proven
    assert proof.detail == "11.0.1.0/24 (NET-1) is registered to ORG-ISP1 Provider, not to us"
    assert book.asked == ["11.0.0.0/22", "11.0.0.0", "11.0.1.0"]


async def test_a_hole_proves_nothing() -> None:
    with pytest.raises(NoRegistrationError):
        await Book(held("11.0.0.0/24", "ORG-1"), held("11.0.2.0/23", "ORG-1")).prove("11.0.0.0/22")


async def test_the_walk_is_bounded() -> None:
    book = Book(*(held(f"11.0.0.{number}", "ORG-1") for number in range(256)))
    with pytest.raises(
        RdapError, match=r"11\.0\.0\.0/24 reaches over more than 32 registrations; write narrower"
    ):
        await book.prove("11.0.0.0/24")
    assert len(book.asked) == MOST_PARTS + 1


@pytest.mark.parametrize("text", ["11.0.0.7", "11.0.0.7-11.0.0.9"])
async def test_what_is_no_prefix_is_walked_at_once(text: str) -> None:
    book = Book(held("11.0.0.0/22", "ORG-1"))
    assert (await book.prove(text)).proven
    assert book.asked == ["11.0.0.7"]


async def test_a_server_that_answers_with_too_little_is_walked() -> None:
    async def ask(span: Span) -> Holding:
        return held(f"11.0.0.{span.first & 255 & ~63}/26", "ORG-1")

    assert (await find_proof(parse_span("11.0.0.0/24"), ask, OURS)).proven


@pytest.mark.parametrize(
    ("text", "holdings", "detail"),
    [
        ("11.0.0.0/21", [held("11.0.0.0/22", "ORG-1")], "11.0.4.0/22 of 11.0.0.0/21 is in no registration"),
        ("fd00::1", [held("11.0.0.0/22", "ORG-1")], "fd00::1 of fd00::1 is in no registration"),
        ("11.0.0.0/24", [], "11.0.0.0/24 of 11.0.0.0/24 is in no registration"),
        ("11.0.0.0/24", [held("11.0.0.0/22")], "registered to nobody: the answer names no registrant"),
        ("11.0.0.0/24", [held("11.0.0.0/22", "")], "registered to (no handle) Example, not to us"),
        ("11.0.0.0/24", [held("11.0.0.0/22", "ORG-2", name="ORG-1")], "ORG-2 ORG-1, not to us"),
        ("11.0.0.0/24", [held("11.0.0.0/22", "org-1")], "org-1, and [ownership] handles has ORG-1: write it"),
    ],
)
def test_what_proves_nothing(text: str, holdings: list[Holding], detail: str) -> None:
    proof = judge(parse_span(text), holdings, OURS)
    assert not proof.proven
    assert detail in proof.detail


def test_no_handle_of_ours_proves_nothing() -> None:
    assert not judge(parse_span("11.0.0.0/24"), [held("11.0.0.0/22", "", "ORG-1")], set()).proven
    assert not judge(parse_span("11.0.0.0/24"), [held("11.0.0.0/22", "")], {""}).proven


PARTS = st.lists(st.integers(1, 6), min_size=1, max_size=12)


@given(PARTS, st.lists(st.booleans(), min_size=12, max_size=12), st.integers(0, 20), st.integers(1, 40))
async def test_proven_is_exactly_what_is_ours_to_the_last_address(
    sizes: list[int], ours: list[bool], first: int, size: int
) -> None:
    base, holdings, owned = parse_span("11.0.0.0").first, [], set()
    position = 0
    for length, own in zip(sizes, ours, strict=False):
        span = Span(4, base + position, base + position + length - 1)
        holdings.append(held(format_span(span), "ORG-1" if own else "ORG-2"))
        owned |= set(range(position, position + length)) if own else set()
        position += length
    wanted = Span(4, base + first, base + first + size - 1)
    try:
        proven = (await find_proof(wanted, Book(*holdings).ask, OURS)).proven
    except RdapError:
        proven = False
    assert proven == (set(range(first, first + size)) <= owned)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("11.0.0.0/24", ["11.0.0.0/24"]),
        ("10.0.0.0/8", []),
        ("100.64.0.0/16", []),
        ("198.18.0.0/15", []),
        ("fd00::/120", []),
        ("::1", []),
        ("9.255.255.0-10.0.0.255", ["9.255.255.0/24"]),
        ("172.0.0.0/8", ["172.0.0.0/12", "172.32.0.0-172.255.255.255"]),
    ],
)
def test_public_parts(text: str, parts: list[str]) -> None:
    span = parse_span(text)
    assert [format_span(part) for part in public_parts(span)] == parts
    if not parts:
        assert "which a registry cannot prove ours" in why_unprovable(span)


def test_why_a_registry_knows_nothing() -> None:
    said = why_unprovable(parse_span("100.64.0.0/16"))
    assert said == "carrier-grade NAT (RFC 6598), which a registry cannot prove ours"
