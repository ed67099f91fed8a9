"""Nothing that a server can be called moves a cursor, hides, or looks like something else."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.text import cells_of, cut, folded, human_bytes, human_count, visible

any_text = st.text(st.characters(codec=None), max_size=60)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name-1_2", "plain name-1_2"),
        ("café 数据库 данные", "café 数据库 данные"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b31m", r"\x9b31m"),
        ("a\r\nb\tc\0", r"a\x0d\x0ab\x09c\x00"),
        ("\x7f\x85\xa0\xad", r"\x7f\x85\xa0\xad"),
        ("\u202etxt.exe", r"\u202etxt.exe"),
        ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
        ("\u2028\u2029\u3000", r"\u2028\u2029\u3000"),
        ("\ud800", r"\ud800"),
        ("\ue000\uffff", r"\ue000\uffff"),
        ("x\ufe0f\U000e0041\U000e0101", r"x\ufe0f\U000e0041\U000e0101"),
        ("\u3164\u2800\u115f", r"\u3164\u2800\u115f"),
        (r"\x1b", r"\\x1b"),
        ("\u0301a", r"\u0301a"),
        ("e\u0301\u0301\u0301\u0301", "e\u0301\u0301" + r"\u0301\u0301"),
    ],
)
def test_what_is_not_seen_as_itself_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(any_text)
def test_the_result_is_printable_and_ends_no_line(text: str) -> None:
    shown = visible(text)
    assert all(
        unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        for character in shown
    )
    assert len(shown.splitlines()) <= 1
    shown.encode()


@given(any_text, any_text)
def test_different_names_look_different(one: str, other: str) -> None:
    assert (visible(one) == visible(other)) == (one == other)


@given(any_text, st.integers(1, 30))
def test_a_limit_holds(text: str, limit: int) -> None:
    shown = visible(text, limit)
    whole = visible(text)
    assert len(shown) <= limit
    assert shown == whole if len(whole) <= limit else shown == whole[: limit - 1] + "…"


def test_a_megabyte_costs_no_more_than_its_limit() -> None:
    assert visible("\x1b" * (1 << 20), 10) == r"\x1b\x1b\…"


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (None, "?"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (60_000_000_000, "60.0 GB"),
        (2**63, "9223.4 PB"),
    ],
)
def test_sizes_for_people(size: int | None, shown: str) -> None:
    assert human_bytes(size) == shown


def test_counts_for_people() -> None:
    assert (human_count(693_000), human_count(None)) == ("693,000", "?")


WIDE = "数据库 数据库 数据库"


def test_lines_are_folded_by_cells_and_between_words() -> None:
    """Nine wide letters and two blanks are 20 cells, and not 11."""
    assert folded(WIDE, 20) == [WIDE]
    assert folded(WIDE, 19) == ["数据库 数据库", "  数据库"]
    assert folded("one  two", 5, 1, further=0) == [" one ", " two"]
    assert folded("a-word-that-is-long b", 6) == ["a-word-that-is-long", "  b"], "no word is broken"


def test_a_text_is_cut_by_cells() -> None:
    assert cut(WIDE, 20) == WIDE
    assert cut(WIDE, 8) == "数据库 …"
    assert cells_of("e\u0301\u302a") == 1, "marks take none, wide ones neither"
