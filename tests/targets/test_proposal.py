"""What is proposed of claims: the file loads, allows exactly what was taken, and does not depend on order."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.allow_diff import difference
from targets.allow_file import allow_text
from targets.claims import Claim, Said
from targets.entries import Entry
from targets.errors import ScopeError
from targets.gathered import Gathered
from targets.grammar import Span, format_span, parse_span
from targets.load import MAX_TARGETS, scope_of, toml_rows
from targets.proposal import ImportRules, Proposal, propose
from targets.tables import read_allow
from tests.targets.universe import crowded, members, union

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from targets.scope import Scope

NOW = 1_795_521_600.0  # 2026-11-24
NONE = ImportRules()


def gathered(claims: Iterable[Claim], **settings: tuple[str, ...]) -> Gathered:
    found = Gathered(**settings)
    for claim in claims:
        found.add(claim)
    return found


def proposed(claims: Iterable[Claim], rules: ImportRules = NONE, old: Sequence[Entry] = ()) -> Proposal:
    return propose(gathered(claims), rules, old, NOW, MAX_TARGETS)


def claim(text: str, provenance: str = "list:1", **said: object) -> Claim:
    return Claim(parse_span(text), None, provenance, said=Said(**said))  # type: ignore[arg-type]  # as it is


def loaded(text: str) -> Scope:
    return scope_of(list(toml_rows(text, "t.toml")), source="t.toml", now=NOW, allow_empty=True)


def entries_of(text: str) -> list[Entry]:
    return [entry for row in toml_rows(text, "t.toml") for entry in read_allow(row)[0]]


def shown(proposal: Proposal) -> list[tuple[str, str]]:
    return [(each.entry.text, each.entry.owner) for each in proposal.entries]


OWNERS = st.sampled_from(("", "", "a", "b", "c"))
CLAIMS = st.lists(
    st.builds(
        lambda span, kind, owner, site, number: Claim(
            span, None, f"list:{number}", said=Said(kind=kind, owner=owner, site=site)
        ),
        crowded(),
        st.sampled_from(("", "prefix", "range", "address", "container")),
        OWNERS,
        st.sampled_from(("", "paris", "lyon")),
        st.integers(1, 9),
    ),
    max_size=12,
)


@given(CLAIMS, st.sampled_from(("needed", "all", "none")), st.randoms(use_true_random=False))
def test_whatever_is_claimed_the_file_allows_exactly_what_was_taken(
    claims: list[Claim], addresses: str, random: object
) -> None:
    rules = ImportRules(addresses=addresses)  # type: ignore[arg-type]  # one of the three
    proposal = proposed(claims, rules)
    text = allow_text(proposal, ["list"])
    scope = loaded(text)
    owners: dict[Span, set[str]] = defaultdict(set)
    single: dict[tuple[int, int], set[str]] = defaultdict(set)
    for span, _, _, _, said in claims:
        if said.kind == "container":
            continue
        if span.size == 1 or said.kind == "address":
            for place in members(span):
                single[place] |= {said.owner}
        else:
            owners[span] |= {said.owner}
    blocks = [span for span, named in owners.items() if len(named - {""}) < 2]
    expected = union(blocks)
    if addresses != "none":
        expected |= {place for place, named in single.items() if len(named - {""}) < 2}
    assert union(list(scope.allowed.spans())) == expected
    if addresses != "none":
        for (version, address), named in single.items():
            if len(named - {""}) == 1 and parse_blocks(blocks, version, address):
                assert scope.owner_of(address, version).owner == min(named - {""})
    again = proposed(claims, rules, entries_of(text))
    assert allow_text(again, ["list"]) == text
    assert not difference(entries_of(text), [each.entry for each in again.entries]).rows
    mixed = list(claims)
    random.shuffle(mixed)  # type: ignore[attr-defined]  # hypothesis gives a Random
    assert allow_text(proposed(mixed, rules), ["list"]) == text


def parse_blocks(blocks: list[Span], version: int, address: int) -> bool:
    """Whether no block of that very address and none of its run stands in its way."""
    return not any(b.version == version and b.size == 1 and b.first == address for b in blocks)


def test_addresses_are_covered_by_the_prefix_of_their_owner() -> None:
    proposal = proposed(
        [
            claim("10.20.0.0/24", owner="web"),
            claim("10.20.0.7", owner="web"),
            claim("10.20.0.8"),
            claim("10.20.0.9", owner="shop"),
            claim("10.20.5.1"),
            claim("10.20.5.2"),
        ]
    )
    assert shown(proposal) == [("10.20.0.0/24", "web"), ("10.20.0.9", "shop"), ("10.20.5.1-10.20.5.2", "")]
    assert proposal.covered == 2


def test_two_owners_of_one_prefix_cost_that_prefix_alone() -> None:
    proposal = proposed(
        [
            claim("10.20.0.0/24", "netbox:prefix/1", owner="web"),
            claim("10.20.0.0/24", "netbox:prefix/2", owner="shop"),
            claim("10.20.1.0/24", owner="shop"),
        ]
    )
    assert shown(proposal) == [("10.20.1.0/24", "shop")]
    count, (left,) = proposal.left["owners"]
    assert count == 1
    assert left.reason == "has several owners: 'shop' (netbox:prefix/2) and 'web' (netbox:prefix/1)"


def test_what_sources_say_of_one_prefix_is_put_together_in_any_order() -> None:
    claims = [
        claim("10.20.0.0/24", "list:1", owner="web", site="paris", labels=(("env", "test"),)),
        claim("10.20.0.0/24", "list:2", contact="web@example.com", site="lyon", labels=(("env", "prod"),)),
    ]
    for given_ in (claims, claims[::-1]):
        (each,) = proposed(given_).entries
        assert (each.entry.owner, each.entry.contact, each.entry.site) == ("web", "web@example.com", "lyon")
        assert each.entry.labels == (("env", "prod"),)
        assert (each.voice.provenance, each.voice.claims) == ("list:1", 2)


def test_what_a_prefix_leaves_open_is_said_by_those_around_it() -> None:
    proposal = proposed(
        [
            claim("10.0.0.0/8", kind="container", owner="network", contact="net@example.com"),
            claim("10.20.0.0/16", kind="prefix", site="paris"),
            claim("10.20.1.0/24", kind="prefix", owner="web"),
            claim("10.20.2.0/24", kind="prefix", contact="other@example.com"),
            claim("10.99.0.1"),
        ]
    )
    found = {each.entry.text: each.entry for each in proposal.entries}
    assert (found["10.20.0.0/16"].owner, found["10.20.0.0/16"].contact) == ("network", "net@example.com")
    assert (found["10.20.1.0/24"].owner, found["10.20.1.0/24"].contact) == ("web", "")
    assert found["10.20.1.0/24"].site == "paris"
    assert found["10.20.2.0/24"].contact == "other@example.com"
    assert found["10.99.0.1"].owner == "network"
    assert "10.0.0.0/8" not in found
    assert proposal.left["container"][0] == 1


def test_crossing_ranges_are_cut_and_the_narrower_one_keeps_what_both_name() -> None:
    proposal = proposed([claim("10.20.0.0-10.20.0.20", owner="a"), claim("10.20.0.15-10.20.0.99", owner="b")])
    assert shown(proposal) == [("10.20.0.0-10.20.0.20", "a"), ("10.20.0.21-10.20.0.99", "b")]


@pytest.mark.parametrize(
    ("text", "why", "words"),
    [
        ("127.0.0.0/30", "loopback", "is loopback"),
        ("224.0.0.0/24", "refused", "multicast"),
        ("0.0.0.0/0", "refused", "the whole Internet"),
        ("fe80::/64", "refused", "link-local"),
        ("2002:c000:204::/64", "refused", "6to4"),
    ],
)
def test_what_is_never_probed_is_left_out_with_its_reason(text: str, why: str, words: str) -> None:
    proposal = proposed([claim(text), claim("10.20.0.0/24")])
    assert shown(proposal) == [("10.20.0.0/24", "")]
    left = proposal.left[why][1][0]  # type: ignore[index]  # one of the reasons
    assert words in left.reason
    assert left.remedy != "remove the entry"  # a source has none


def test_loopback_is_taken_where_it_was_asked_for() -> None:
    proposal = proposed([claim("127.0.0.0/30")], ImportRules(lab=True))
    assert [each.entry.kind for each in proposal.entries] == ["lab"]
    assert len(loaded(allow_text(proposal, []))) == 4


def test_public_space_waits_for_somebody_who_authorises_it() -> None:
    claims = [claim("20.0.0.0/24", owner="shop"), claim("20.0.0.7", owner="shop"), claim("10.20.0.0/24")]
    proposal = proposed(claims)
    assert shown(proposal) == [("10.20.0.0/24", "")]
    text = allow_text(proposal, ["netbox"])
    assert (
        '# [[allow]]\n# cidr = "20.0.0.0/24"\n# owner = "shop"\n# authorised_by = ""\n# expires = ""\n'
        in text
    )
    block = text[text.index("# [[allow]]") :].replace("# ", "")
    signed = text + block.replace('authorised_by = ""', 'authorised_by = "CHG-1"').replace(
        'expires = ""', "expires = 2027-01-01"
    )
    again = proposed(claims, old=entries_of(signed))
    assert shown(again) == [("10.20.0.0/24", ""), ("20.0.0.0/24", "shop")]
    assert again.entries[1].entry.authorised_by == "CHG-1"
    assert not again.unauthorised
    moved = proposed([claim("20.0.0.0/24", owner="web")], old=entries_of(signed))
    assert not moved.entries, "what was authorised for one owner is not for another"


def test_the_block_to_be_completed_is_refused_while_it_is_not() -> None:
    text = allow_text(proposed([claim("20.0.0.0/24")]), [])
    with pytest.raises(ScopeError, match="public address space without authorisation"):
        loaded(text[text.index("# [[allow]]") :].replace("# ", ""))


def test_the_command_line_authorises_what_nobody_else_does() -> None:
    rules = ImportRules(authorised_by="CHG-2", expires=NOW + 86400)
    old = Entry.of("20.0.0.0/24", authorised_by="CHG-1", expires=NOW + 9)
    over = Entry.of("20.0.1.0/24", authorised_by="CHG-1", expires=NOW - 9)
    found = proposed([claim(f"20.0.{n}.0/24") for n in range(3)], rules, [old, over])
    assert [each.entry.authorised_by for each in found.entries] == ["CHG-1", "CHG-2", "CHG-2"]
    assert proposed([claim("10.0.0.0/24")], rules).entries[0].entry.expires == math.inf


def test_private_space_that_somebody_let_expire_is_not_allowed_again_unasked() -> None:
    old = [Entry.of("10.20.0.0/24", expires=NOW - 9, source="scope.toml", line=7)]
    for again in (claim("10.20.0.0/24"), claim("10.20.0.0/24", owner="web"), claim("10.20.0.128/25")):
        with pytest.raises(ScopeError, match=r"scope\.toml:7: the entry 10\.20\.0\.0/24 has expired"):
            proposed([again], old=old)


def test_ports_stay_and_are_told_where_they_cannot() -> None:
    old = [Entry.of("10.20.0.0/24", ports=(27018,)), Entry.of("10.20.9.0/24", ports=(27019,))]
    proposal = proposed([claim("10.20.0.0/24")], old=old)
    assert proposal.entries[0].entry.ports == (27018,)
    assert [entry.text for entry in proposal.dropped] == ["10.20.9.0/24"]
    moved = proposed([claim("10.20.0.0/24", owner="web")], old=old)
    assert [entry.text for entry in moved.dropped] == ["10.20.0.0/24", "10.20.9.0/24"]


def test_an_entry_that_an_inventory_is_to_confirm_stays_so() -> None:
    old = [Entry.of("10.20.0.0/24", inventory="aws"), Entry.of("10.20.9.0/24", inventory="aws")]
    proposal = proposed([claim("10.20.0.0/24")], old=old)
    assert proposal.entries[0].entry.inventory == "aws"
    assert [entry.text for entry in proposal.dropped] == ["10.20.9.0/24"]
    other = proposed([claim("10.20.0.0/24")], ImportRules(inventory="cloud"), old)
    assert other.entries[0].entry.inventory == "cloud"


def test_vrfs_and_statuses_are_told_apart() -> None:
    held = Gathered(("", "office"), ("active",))
    for each in (
        claim("10.20.0.0/24", vrf="office", status="active"),
        claim("10.20.1.0/24", vrf="plant", status="active"),
        claim("10.20.2.0/24", status="deprecated"),
    ):
        held.add(each, by_status=True)
    proposal = propose(held, NONE, (), NOW, MAX_TARGETS)
    assert shown(proposal) == [("10.20.0.0/24", "")]
    assert (
        proposal.left["vrf"][1][0].reason
        == "is in the VRF 'plant', which [scope] vrfs does not name; name it there"
        " if it is reached from here"
    )
    assert proposal.left["status"][0] == 1


def test_texts_of_a_source_cannot_write_entries_of_their_own() -> None:
    hostile = 'web"\n[[allow]]\ncidr = "10.66.0.0/16"\x1b[2J\u202e'
    proposal = proposed(
        [
            claim("10.20.0.0/24", hostile, owner=hostile, contact=hostile, labels=((hostile, hostile),)),
            claim("20.0.0.0/24", hostile, owner=hostile),
            claim("224.0.0.1", hostile, owner=hostile),
        ]
    )
    text = allow_text(proposal, [hostile])
    scope = loaded(text)
    assert [format_span(span) for span in scope.allowed.spans()] == ["10.20.0.0/24"]
    assert text.replace("\n", "").isprintable()
    assert loaded(text).entries[0].terms == proposal.entries[0].entry.terms


def test_known_addresses_of_wide_ipv6_are_entries_of_their_own() -> None:
    claims = [claim("fd00::/64", owner="web"), claim("fd00::5"), claim("fd00:0:0:1::5")]
    assert shown(proposed(claims)) == [("fd00::5", ""), ("fd00:0:0:1::5", "")]
    wide = proposed(claims, ImportRules(wide=True))
    assert shown(wide) == [("fd00::/64", "web"), ("fd00::5", "web"), ("fd00:0:0:1::5", "")]
    assert "1 of them IPv6 of which only known addresses are asked" in allow_text(wide, [])
    assert "allows 2 addresses in 3 entries" in allow_text(wide, [])


def test_a_long_list_of_neighbours_costs_one_run() -> None:
    held = gathered(Claim(Span(4, 0x0A000000 + n, 0x0A000000 + n), None, f"l:{n}") for n in range(100_000))
    assert len(list(held.addresses())) == 1
    assert shown(propose(held, NONE, (), NOW, MAX_TARGETS)) == [("10.0.0.0-10.1.134.159", "")]
