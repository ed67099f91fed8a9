"""Lines read back: whole, torn by a crash, repeated, or without their observation."""

from __future__ import annotations

import pytest

from results.lines import GRAVEST, from_line, put_together, to_lines
from results.record import DatabaseLine, Observation
from tests.results.examples import database, open_server


def several() -> list[Observation]:
    return [open_server(f"127.0.0.{n}", *[database(f"db{each}") for each in range(n)]) for n in range(1, 5)]


def test_observations_come_back_in_the_order_of_writing() -> None:
    lines = [from_line(line) for seen in several() for line in to_lines(seen)]
    assert list(put_together(lines)) == several()


@pytest.mark.parametrize("cut", range(1, 6))
def test_lines_that_a_crash_kept_back_are_missed_and_named(cut: int) -> None:
    """What was asked again after it comes whole, and is the answer that counts."""
    last = open_server("127.0.0.9", *[database(f"db{each}") for each in range(5)])
    lines = to_lines(last)
    torn, whole = put_together([from_line(line) for line in [*lines[:cut], *lines]])
    assert whole == last
    assert torn.exposure is not None
    assert len(torn.exposure.databases) == (cut - 1 or GRAVEST)
    assert torn.truncated == [f"databases: {6 - cut} of 5 lines are missing"]


def test_lines_without_their_observation_and_repeated_ones_change_nothing() -> None:
    first, *rest = [from_line(line) for line in to_lines(several()[3])]
    other = [from_line(line) for line in to_lines(several()[2])][1:]
    assert list(put_together(rest)) == []
    assert list(put_together([*other, first, *rest, *rest, *other])) == [several()[3]]
    assert all(isinstance(line, DatabaseLine) for line in rest)


def test_a_reader_that_takes_only_observations_has_one_line_a_server() -> None:
    lines = [from_line(line) for seen in several() for line in to_lines(seen)]
    only = [line for line in lines if isinstance(line, Observation)]
    assert [line.event_id for line in only] == [seen.event_id for seen in several()]
    assert [line.exposure.total_size_bytes for line in only if line.exposure is not None] == [
        seen.exposure.total_size_bytes for seen in several() if seen.exposure is not None
    ]
