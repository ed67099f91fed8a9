"""Ports as people write them: each form, and what is refused with what to write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.grammar import GrammarError
from targets.ports import MOST, USUAL, PortChoice, numbers, read_ports


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("27017", (27017,)),
        ("27017,27018", (27017, 27018)),
        (" 27017 , 27018 ", (27017, 27018)),
        ("27017-27020", (27017, 27018, 27019, 27020)),
        ("27017-27017", (27017,)),
        ("27018,27017,27018", (27018, 27017)),
        ("1,65535", (1, 65535)),
        ("1-64", tuple(range(1, 65))),
        ("mongodb", ("mongodb",)),
        ("mongodb,27117", ("mongodb", 27117)),
    ],
)
def test_forms(text: str, ports: tuple[PortChoice, ...]) -> None:
    assert read_ports(text) == ports


def test_the_word_stands_for_the_usual_ports() -> None:
    assert numbers(("mongodb",)) == USUAL == (27017, 27018, 27019, 27020, 28017)
    assert numbers((27018, "mongodb", 27117)) == (27018, 27017, 27019, 27020, 28017, 27117)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "'' is no list of ports"),
        ("0", "0 is not in the range"),
        ("65536", "65536 is not in the range"),
        ("9" * 5000, "is not in the range"),
        ("27020-27017", "27020-27017 runs backwards"),
        ("27017-", "'27017-' is no list of ports"),
        ("-27017", "'-27017' is no list of ports"),
        ("27017,", "'27017,' is no list of ports"),
        ("27017-27018-27019", "is no list of ports"),
        ("mongo", "'mongo' is no list of ports"),
        ("MongoDB", "'MongoDB' is no list of ports"),
        ("27017 27018", "is no list of ports"),
        ("٢٧٠١٧", "is no list of ports"),
        ("1-65", "1-65 is 65 ports, more than 64"),
        ("1-10000", "1-10000 is 10,000 ports, more than 64"),
        ("1-40,101-140", "80 ports are named, more than 64"),
        ("1-60,mongodb", "65 ports are named, more than 64"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    with pytest.raises(GrammarError) as caught:
        read_ports(text)
    assert caught.value.reason.find(reason) >= 0
    assert caught.value.remedy.startswith(("write ", "name "))
    assert len(str(caught.value)) < 6000


@given(st.text(max_size=30))
def test_any_text_gives_ports_or_a_refusal(text: str) -> None:
    try:
        found = numbers(read_ports(text))
    except GrammarError:
        return
    assert 0 < len(found) == len(set(found)) <= MOST
    assert all(1 <= port <= 65535 for port in found)
