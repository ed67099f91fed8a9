"""Extended delegated statistics: what a record is, whose a prefix is by them, and what is passed over."""

from __future__ import annotations

import io

import pytest

from targets.delegated import holders_of, known_holders, read_delegated, same_holder
from targets.errors import ScopeError
from targets.grammar import format_span, parse_span

FILE = """\
# a comment
2|ripencc|1780000000|6|19830705|20260527|+0200
ripencc|*|ipv4|*|4|summary
ripencc|*|ipv6|*|1|summary
ripencc|NL|ipv4|11.0.0.0|1024|20111029|allocated|a1b2
ripencc|NL|ipv4|11.0.4.0|768|00000000|assigned|a1b2|e-stats
ripencc|FR|ipv4|11.0.7.0|256|20120101|allocated|c3d4
ripencc||ipv4|11.0.8.0|2048||available|
ripencc|NL|ipv6|2600:100::|32|20130203|allocated|a1b2
ripencc|NL|asn|64496|1|20130203|allocated|a1b2
arin|US|ipv4|12.0.0.0|256|20111029|assigned|a1b2
"""


def delegations(*wanted: str, text: str = FILE) -> list[tuple[str, str, str]]:
    spans = [parse_span(each) for each in wanted]
    found = read_delegated(io.BytesIO(text.encode()), "delegated", spans)
    return [(format_span(each.span), each.holder, each.since) for each in found]


def test_records_that_meet_what_is_wanted() -> None:
    assert delegations("11.0.0.128/25", "2600:100:1::/120") == [
        ("11.0.0.0/22", "ripencc a1b2", "2011-10-29"),
        ("2600:100::/32", "ripencc a1b2", "2013-02-03"),
    ]
    assert delegations("11.0.6.0/23") == [
        ("11.0.4.0-11.0.6.255", "ripencc a1b2", ""),
        ("11.0.7.0/24", "ripencc c3d4", "2012-01-01"),
    ]
    assert delegations("11.0.8.0/24") == delegations("10.0.0.0/8") == []


@pytest.mark.parametrize(
    ("text", "known", "said"),
    [
        ("11.0.4.0/24", "11.0.0.0/24", "held by the same holder as 11.0.0.0/24 (ripencc a1b2)"),
        ("2600:100::/120", "11.0.0.0", "same holder as 11.0.0.0 (ripencc a1b2), since 2013-02-03"),
        ("11.0.0.0/21", "11.0.0.0/24", ""),  # of two holders
        ("11.0.7.0/24", "11.0.0.0/24", ""),  # of another
        ("11.0.8.0/24", "11.0.0.0/24", ""),  # of nobody
        ("12.0.0.0/24", "11.0.0.0/24", ""),  # the same identifier at another registry is another holder
        ("11.0.0.0/24", "13.0.0.0/24", ""),  # nobody knows who that is
        ("10.255.255.0-11.0.0.255", "11.0.0.0/24", ""),  # only a part of it
    ],
)
def test_who_has_our_holder(text: str, known: str, said: str) -> None:
    span, own = parse_span(text), parse_span(known)
    records = read_delegated(io.BytesIO(FILE.encode()), "delegated", [span, own])
    found = same_holder(span, known_holders([own], records), records)
    assert said in found
    assert bool(said) == bool(found)


def test_a_prefix_of_several_records_has_several_holders() -> None:
    span = parse_span("11.0.0.0/21")
    records = read_delegated(io.BytesIO(FILE.encode()), "delegated", [span])
    assert holders_of(span, records) == {"ripencc a1b2", "ripencc c3d4"}


@pytest.mark.parametrize(
    "line",
    [
        "ripencc|NL|ipv4|11.0.0.0|0|20111029|allocated|a",
        "ripencc|NL|ipv4|11.0.0.0|-1|20111029|allocated|a",
        "ripencc|NL|ipv4|255.255.255.0|512|20111029|allocated|a",
        "ripencc|NL|ipv4|11.0.0.0|99999999999|20111029|allocated|a",
        "ripencc|NL|ipv4|2600::|32|20111029|allocated|a",
        "ripencc|NL|ipv6|2600::|129|20111029|allocated|a",
        "ripencc|NL|ipv4|011.0.0.0|256|20111029|allocated|a",
        "ripencc|NL|ipv4|11.0.0.0|256|20111029|allocated|",
        "ripencc|NL|ipv4|11.0.0.0|256|20111029|allocated",
        "x" * 5000,
        "\x00\xff",
    ],
)
def test_what_is_no_record_is_passed_over(line: str) -> None:
    assert delegations("11.0.7.0", text=f"{line}\n{FILE}") == [("11.0.7.0/24", "ripencc c3d4", "2012-01-01")]
    with pytest.raises(ScopeError, match="delegated: holds no record of extended delegated statistics"):
        delegations("11.0.7.0", text=line)
