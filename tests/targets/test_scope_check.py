"""Every fault of a scope is found at once, with its place, and a sound scope has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.claims import Claim, Said
from targets.entries import Deny, Entry
from targets.errors import ScopeError
from targets.gathered import Gathered
from targets.grammar import parse_span
from targets.load import MAX_TARGETS
from targets.policy import check_allow
from targets.proposal import ImportRules, propose
from targets.scope_check import CODES, Surroundings, check_against, check_scope
from tests.targets.universe import crowded, union

if TYPE_CHECKING:
    from targets.grammar import Span
    from targets.proposal import Proposed

NOW = 1_795_521_600.0  # 2026-11-24
DAY = 86400.0
AROUND = Surroundings(NOW, 30 * DAY, MAX_TARGETS)


def entry(text: str, line: int = 1, **more: object) -> Entry:
    said: dict[str, object] = {"owner": "web", "contact": "web@example.com", "source": "scope.toml"}
    return Entry.of(text, **{**said, "line": line, **more})


def deny(text: str, **more: object) -> Deny:
    return Deny(span=parse_span(text), text=text, source="scope.toml", line=9, **more)  # type: ignore[arg-type]


def found(entries: list[Entry], denies: list[Deny] | None = None, around: Surroundings = AROUND) -> list[str]:
    return [f"{each.line} {each.code}" for each in check_scope(entries, denies or [], around)]


@pytest.mark.parametrize(
    ("entries", "denies", "expected"),
    [
        ([entry("10.20.0.0/24")], [], []),
        ([entry("10.20.0.0/24", expires=NOW)], [], ["1 expired"]),
        ([entry("10.20.0.0/24", expires=NOW + 29 * DAY)], [], ["1 expires-soon"]),
        ([entry("10.20.0.0/24", expires=NOW + 31 * DAY)], [], []),
        ([entry("20.0.0.0/24")], [], ["1 unauthorised"]),
        ([entry("20.0.0.0/24", expires=NOW + 99 * DAY)], [], ["1 unauthorised"]),
        ([entry("20.0.0.0/24", authorised_by="C", expires=NOW + 99 * DAY)], [], []),
        ([entry("20.0.0.0/24", authorised_by="C", expires=NOW - 1)], [], ["1 expired"]),
        ([entry("224.0.0.0/24", expires=NOW - 1)], [], ["1 refused", "1 expired", "1 unauthorised"]),
        ([entry("127.0.0.0/24")], [], ["1 refused"]),
        ([entry("127.0.0.0/24", kind="lab")], [], []),
        ([entry("10.20.0.0/24", owner="", contact="")], [], ["1 no-owner", "1 no-contact"]),
        ([entry("10.20.0.0/24", owner="shop", contact="")], [], []),
        ([entry("10.20.0.0/24", owner="plant", contact="")], [], ["1 no-contact"]),
        ([entry("10.20.0.0/24", 1), entry("10.20.0.0/24", 2)], [], ["2 twice"]),
        ([entry("10.20.0.0/24", 1), entry("10.20.0.0/24", 2, owner="shop")], [], ["2 contradiction"]),
        ([entry("10.20.0.0/24", 1), entry("10.20.0.0/24", 2, ports=(1,))], [], ["2 contradiction"]),
        ([entry("10.20.0.1-10.20.0.9", 1), entry("10.20.0.5-10.20.0.19", 2)], [], []),
        (
            [entry("10.20.0.1-10.20.0.9", 1), entry("10.20.0.5-10.20.0.19", 2, site="x")],
            [],
            ["2 contradiction"],
        ),
        (
            [entry("10.20.0.1-10.20.0.9", 1), entry("10.20.0.2-10.20.0.10", 2, site="x")],
            [],
            ["2 contradiction"],
        ),
        ([entry("10.20.0.0/16", 1), entry("10.20.0.0/24", 2, owner="shop")], [], []),
        ([entry("10.20.0.0/24", inventory="aws")], [], []),
        ([entry("10.20.0.0/24", inventory="gcp")], [], ["1 unknown-inventory"]),
        ([entry("fd00::/64")], [], ["1 no-candidates"]),
        ([entry("10.20.0.0/24")], [deny("10.20.0.5")], []),
        ([entry("10.20.0.0/24")], [deny("10.21.0.5")], ["9 idle-deny"]),
        ([entry("10.20.0.0/24")], [deny("10.20.0.5", expires=NOW)], ["9 expired"]),
        ([entry("10.20.0.0/24")], [deny("10.20.0.5", expires=NOW + DAY)], ["9 expires-soon"]),
        ([entry("10.20.0.0/24")], [deny("::ffff:10.20.0.5")], ["9 refused", "9 idle-deny"]),
    ],
)
def test_each_fault_has_its_code_and_place(
    entries: list[Entry], denies: list[Deny], expected: list[str]
) -> None:
    around = AROUND._replace(told_owners={"shop"}, inventories=("aws",))
    told = [each for each in found(entries, denies, around) if "idle-inventory" not in each]
    assert told == expected


def test_an_inventory_that_nobody_names() -> None:
    (finding,) = check_scope([entry("10.20.0.0/24")], [], AROUND._replace(inventories=("aws",)))
    assert (finding.code, finding.gravity) == ("idle-inventory", "note")


@pytest.mark.parametrize(
    ("left", "right", "denies", "gap"),
    [
        (entry("10.20.0.0/24", site="paris"), entry("10.20.2.0/24", site="paris"), [], "10.20.1.0/24"),
        (entry("10.20.0.0/24", site="paris"), entry("10.20.2.0/24", site="lyon"), [], ""),
        (entry("10.20.0.0/24", site="paris"), entry("10.20.3.0/24", site="paris"), [], ""),
        (entry("10.20.0.0/24"), entry("10.20.2.0/24"), [], ""),
        (entry("10.20.0.0/24", site="paris"), entry("10.20.2.0/24", site="paris"), [deny("10.20.1.9")], ""),
        (entry("10.20.0.1", site="paris"), entry("10.20.0.3", site="paris"), [], ""),
    ],
)
def test_a_gap_is_a_small_hole_in_one_site(left: Entry, right: Entry, denies: list[Deny], gap: str) -> None:
    gaps = [each.text for each in check_scope([left, right], denies, AROUND) if each.code == "gap"]
    assert [text.split(" ")[0] for text in gaps] == ([gap] if gap else [])


OWNERS = st.sampled_from(("", "web", "shop"))
ENTRIES = st.lists(
    st.builds(lambda span, owner: Entry(span=span, text="x", owner=owner), crowded(), OWNERS), max_size=7
)


@given(ENTRIES)
def test_an_error_is_found_exactly_where_loading_refuses(entries: list[Entry]) -> None:
    errors = [each for each in check_scope(entries, [], AROUND) if each.gravity == "error"]
    try:
        check_allow(entries, NOW, MAX_TARGETS)
    except ScopeError:
        assert errors
    else:
        assert not errors


def proposed(*claims: tuple[str, str]) -> tuple[Proposed, ...]:
    held = Gathered()
    for text, owner in claims:
        held.add(Claim(parse_span(text), None, f"list:{text}", said=Said(owner=owner)))
    return propose(held, ImportRules(), (), NOW, MAX_TARGETS).entries


def test_a_source_is_held_against_the_scope() -> None:
    ours = [entry("10.20.0.0/24", 1), entry("10.20.5.0/24", 2), entry("10.20.6.0/24", 3, owner="shop")]
    theirs = proposed(("10.20.0.0/23", "web"), ("10.20.6.0/24", "web"), ("10.20.9.1", ""))
    told = check_against(ours, [deny("10.20.1.0/25")], theirs, "netbox")
    assert [(each.code, each.path, each.line, each.text.split(" is ")[0]) for each in told] == [
        ("not-in-scope", "netbox", None, "10.20.1.128/25 (128) of 'web'"),
        ("not-in-scope", "netbox", None, "10.20.9.1"),
        ("other-owner", "scope.toml", 3, "10.20.6.0/24 (256)"),
        ("not-in-source", "scope.toml", 2, "10.20.5.0/24 (256)"),
    ]
    assert "(list:10.20.0.0/23)" in told[0].text


@given(*(st.lists(crowded(), max_size=most) for most in (5, 5, 3)))
def test_what_a_source_names_is_in_the_scope_denied_or_told(
    ours: list[Span], theirs: list[Span], denied: list[Span]
) -> None:
    held = Gathered()
    for span in theirs:
        held.add(Claim(span, None, "list:1"))
    source = propose(held, ImportRules(), (), NOW, MAX_TARGETS).entries
    entries = [Entry(span=span, text="x") for span in dict.fromkeys(ours)]
    told = check_against(entries, [Deny(span=span, text="x") for span in denied], source, "list")
    missing = [parse_span(each.text.split(" ")[0]) for each in told if each.code == "not-in-scope"]
    assert union(missing) == union(theirs) - union(ours) - union(denied)
    more = [parse_span(each.text.split(" ")[0]) for each in told if each.code == "not-in-source"]
    assert union(more) == union(ours) - union(theirs)


def test_codes_stand_in_the_order_of_their_gravity() -> None:
    assert list(dict.fromkeys(CODES.values())) == ["error", "warning", "note"]
    order = ["error", "warning", "note"]
    assert sorted(CODES, key=lambda code: order.index(CODES[code])) == list(CODES)


def test_public_space_is_imported_with_who_authorised_it() -> None:
    held = Gathered()
    for text in ("10.20.0.0/24", "20.1.2.0/24"):
        held.add(Claim(parse_span(text), None, "list:1"))
    proposal = propose(held, ImportRules(), (), NOW, MAX_TARGETS)
    told = check_against([], [], [*proposal.entries, *proposal.unauthorised], "list")
    assert [each.remedy for each in told] == [
        "import it, or deny it with a reason",
        "import it with --authorised-by and --expires, or deny it with a reason",
    ]
