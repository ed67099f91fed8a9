"""Lines read back: whole, torn by a crash, repeated, or without their observation."""

from __future__ import annotations

import pytest

from results.lines import GRAVEST, from_line, put_together, to_lines
from results.record import Collection, Database, DatabaseLine, Hint, Observation, Reason
from tests.results.examples import database, exposure, open_server


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


def test_hints_stand_in_the_line_of_the_database_whose_names_they_are() -> None:
    """A hostile server has databases with a dot in their names, one the beginning of the other."""
    held = [
        Database(name=name, collections=[Collection(name=collection, documents=1)])
        for name, collection in (("a", "x"), ("a.b", "users"), ("a.b.c", "email"), ("b", "patients"))
    ]
    hints = [
        Hint(name=name, word=name, category="person", language="en")
        for name in ("a.b.users", "a.b.c.email", "b.patients")
    ]
    seen = open_server("127.0.0.1", exposure=exposure(*held, hints=hints))
    _, *rest = [from_line(line) for line in to_lines(seen)]
    told = [[hint.name for hint in line.hints] for line in rest if isinstance(line, DatabaseLine)]
    assert told == [[], ["a.b.users"], ["a.b.c.email"], ["b.patients"]]
    assert list(put_together([from_line(line) for line in to_lines(seen)])) == [seen]


def test_notes_of_a_database_of_many_lines_are_not_repeated_in_each() -> None:
    """A server chooses them: 10 kB in each of 50,000 lines were half a gigabyte for one server."""
    notes = [Reason(code="command-failed", detail=f"{number} " + "\U0001f512" * 190) for number in range(4)]
    names = [Collection(name="\U0001f512" * 200 + str(number)) for number in range(60)]
    seen = open_server("127.0.0.1", exposure=exposure(Database(name="d", collections=names, notes=notes)))
    lines = to_lines(seen)
    assert sum(map(len, lines)) < 60 * 2_600 + 4 * 2_600 + 20_000
    assert list(put_together([from_line(line) for line in lines])) == [seen]
