"""How long is waited after a failure, and when an event is given up."""

from __future__ import annotations

import random

import pytest

from results.sinks.batch import HOPELESS, PATIENT, Batch, Pace, Piece, pieces_of
from results.sinks.sink import Item


def piece_of(events: int, size: int = 10) -> Piece:
    batch = Batch(1)
    items = [Item(f"e{number}", "", b"x" * size) for number in range(events)]
    (piece,) = pieces_of(batch, items, [item.body for item in items], events * size)
    return piece


def test_a_wait_is_any_part_of_a_span_that_doubles_up_to_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    spans: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        spans.append((low, high))
        return high

    monkeypatch.setattr(random, "uniform", uniform)
    pace = Pace(first=1.0, most=60.0)
    assert [pace.wait(failures, None) for failures in (1, 2, 3, 6, 7, 100, 100_000)] == [
        1, 2, 4, 32, 60, 60, 60,
    ]  # fmt: skip
    assert {low for low, _ in spans} == {0}


def test_what_the_other_side_asks_for_wins_up_to_a_bound() -> None:
    pace = Pace(first=1.0, most=60.0, most_asked=900.0)
    assert [pace.wait(9, asked) for asked in (0.5, 7.0, 600.0, 86_400.0)] == [0.5, 7.0, 600.0, 900.0]


def test_a_batch_is_sent_in_pieces_that_a_receiver_takes() -> None:
    items = [Item(f"e{number}", "", b"x" * size) for number, size in enumerate([4, 4, 4, 9, 1, 1])]
    pieces = list(pieces_of(Batch(1), items, [item.body for item in items], 8))
    assert [[len(item.body) for item in piece.items] for piece in pieces] == [[4, 4], [4], [9], [1, 1]]
    assert sorted(pieces) == pieces


def test_a_piece_that_fails_on_without_a_word_is_halved() -> None:
    piece = piece_of(8)
    for _ in range(PATIENT - 1):
        piece.failed(0, "500", later=False)
    assert piece.suspected() == [piece]
    piece.failed(0, "500", later=False)
    halves = piece.suspected()
    assert [item.event_id for half in halves for item in half.items] == [f"e{n}" for n in range(8)]
    assert [(len(half.items), half.failures) for half in halves] == [(4, PATIENT)] * 2
    passed = [piece.is_passed]
    piece.failed(0, "500", later=True)
    assert [*passed, piece.is_passed] == [True, False]
    assert piece.suspected() == [piece], "it says itself that it will take it: in smaller parts is more work"


@pytest.mark.parametrize(
    ("taken", "reasons", "later", "is_hopeless"),
    [
        ([0] * 50, ["500"] * 50, False, False),  # nothing else was taken: it is down
        ([*range(50)], ["500"] * 50, False, True),
        ([*range(50)], ["503"] * 50, True, False),  # it says itself that it will take it
        ([0, 1, 2, 3, *[3] * 46], ["500"] * 50, False, True),  # nothing else is left to be taken
        ([0, 1, 2, 3, *[3] * 46], ["500"] * 4 + ["no connection"] * 46, False, False),  # and now it is down
        ([0, *[1] * 49], ["500"] * 50, False, False),  # one is chance
    ],
)
def test_only_an_event_that_fails_as_it_does_while_others_are_taken_is_given_up(
    taken: list[int], reasons: list[str], later: bool, is_hopeless: bool
) -> None:
    piece = piece_of(1)
    told = []
    for sendings, reason in zip(taken, reasons, strict=True):
        piece.failed(sendings, reason, later=later)
        told.append(piece.is_hopeless)
    assert told[-1] == is_hopeless
    assert not any(told[: HOPELESS - 1])
