"""What is asked of IPv6 prefixes too wide to sweep: what somebody names, and the lowest of known /64s."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from targets.candidates import Candidates, Considered, only, wide_space
from targets.claims import Claim, Said
from targets.entries import Deny, Entry
from targets.grammar import format_span, parse_span
from targets.policy import is_swept_whole
from targets.scope import Scope

WIDE = [Entry.of("fd00:1::/48", owner="web platform"), Entry.of("fd00:2::/64"), Entry.of("fd00:3::/120")]


def claim(text: str, **said: object) -> Claim:
    """A claim for any port."""
    return Claim(parse_span(text), None, "in:1", (), Said(**said))  # type: ignore[arg-type]  # as they are


def named(candidates: Candidates) -> list[str]:
    """The candidates as text."""
    return [format_span(span) for span in candidates.spans()]


def test_what_a_source_names_inside_is_a_candidate_and_the_rest_is_counted() -> None:
    candidates = Candidates(wide_space(WIDE))
    candidates.add(
        "net.json",
        lambda: "NetBox",
        [claim("fd00:1::7"), claim("fd00:1::7"), claim("fd00:9::1"), claim("10.0.0.1"), claim("fd00:3::1")],
    )
    assert named(candidates) == ["fd00:1::7"]  # fd00:3::/120 is swept whole: no candidate is needed there
    assert candidates.considered == [Considered("net.json", "NetBox", 1, 2)]


def test_a_prefix_names_no_address_but_makes_its_subnet_known() -> None:
    candidates = Candidates(wide_space(WIDE))
    candidates.add(
        "net.json", lambda: "NetBox", [claim("fd00:1:0:5::/64", kind="prefix"), claim("fd00:1::/48")]
    )
    assert named(candidates) == []
    candidates.add_lowest(2)
    # An entry of one /64 is known by itself; of the /48 only what a source knows.
    assert named(candidates) == ["fd00:1:0:5::1-fd00:1:0:5::2", "fd00:2::1-fd00:2::2"]


def test_the_lowest_of_a_subnet_that_holds_a_candidate() -> None:
    candidates = Candidates(wide_space(WIDE[:1]))
    candidates.add("neighbours.txt", lambda: "neighbour table", [claim("fd00:1:0:9:aaaa::1")])
    candidates.add_lowest(3)
    assert named(candidates) == ["fd00:1:0:9::1-fd00:1:0:9::3", "fd00:1:0:9:aaaa::1"]
    assert candidates.considered[1].source == "the lowest 3 of each known /64"
    assert candidates.addresses == 4


def test_the_lowest_never_leave_the_entry() -> None:
    entry = Entry.of("fd00:4::1:0:0/96")
    candidates = Candidates(wide_space([entry]))
    candidates.add_lowest(65536)
    assert candidates.addresses == 0  # the lowest of that /64 are outside of the entry


def test_only_candidates_of_wide_space_and_all_of_the_rest() -> None:
    scope = Scope(
        [*WIDE, Entry.of("10.0.0.0/30"), Entry.of("fd00:1::700/120", owner="archive")],
        [Deny.of("fd00:1::9")],
        (27017, 27018),
    )
    candidates = Candidates(wide_space(scope.entries))
    candidates.add("list", lambda: "plain list", [claim("fd00:1::8-fd00:1::a")])
    asked = only(scope, candidates.spans())
    assert [format_span(span) for span in asked.ranges().spans()] == [
        "10.0.0.0/30",
        "fd00:1::8",
        "fd00:1::a",
        "fd00:1::700/120",
        "fd00:3::/120",
    ]
    assert asked.ports == (27017, 27018)
    assert asked.owner_of(parse_span("fd00:1::8").first, 6).owner == "web platform"


_wide_entries = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([40, 48, 64, 80, 96, 107, 108, 120])).map(
        lambda pair: Entry.of(f"fd00:{pair[0]}::/{pair[1]}", owner="a")
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda entry: entry.span,
)
_claims = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 2**20), st.integers(0, 300)).map(
        lambda c: Claim(
            parse_span(f"fd00:{c[0]}:0:{c[1]}::/64")._replace(
                first=parse_span(f"fd00:{c[0]}:0:{c[1]}::").first + c[2],
                last=parse_span(f"fd00:{c[0]}:0:{c[1]}::").first + c[2] + c[3],
            ),
            None,
            "in:1",
        )
    ),
    max_size=8,
)


def test_what_carries_ipv4_is_no_candidate() -> None:
    candidates = Candidates(wide_space(WIDE))
    candidates.add("list", str, [claim("fd00:2::5efe:a14:7"), claim("fd00:2::8")])
    assert named(candidates) == ["fd00:2::8"]


@given(_wide_entries, _claims, st.integers(0, 400))
def test_nothing_outside_the_entries_and_no_prefix_whole(
    entries: list[Entry], claims: list[Claim], low: int
) -> None:
    scope = Scope(entries)
    candidates = Candidates(wide_space(entries))
    candidates.add("in", lambda: "", claims)
    candidates.add_lowest(low)
    asked = only(scope, candidates.spans())
    assert asked.ranges() & scope.ranges() == asked.ranges()
    for entry in entries:
        if not is_swept_whole(entry.span):
            inside = sum(last - first + 1 for first, last in asked.ranges().within(entry.span))
            assert inside <= sum(c.span.size for c in claims) + low * (len(claims) + 1) + sum(
                other.span.size for other in entries if is_swept_whole(other.span)
            )
        else:
            assert asked.ranges().within(entry.span) == [(entry.span.first, entry.span.last)]
