"""A cron expression that cannot be kept is refused with the field, the reason and an example; every other one
is kept."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from cronsim import CronSim, CronSimError

from scanner.setup.cron_check import cron_problem

GOOD = (
    "0 2 * * *",
    "*/15 22-23 * * MON-FRI",
    "0,30 0-6/2 1,15 jan-mar *",
    "0 2 L * *",
    "0 2 LW * *",
    "0 2 * * 5L",
    "0 2 * * mon#2",
    "0 2 * * 7",
    "5/20 * * * *",
    "0 0 29 2 *",
    " 0\t2 * * *\n",
)

BAD = {
    "61 2 * * *": "the field minute, '61', has 61, but it goes from 0 to 59; write for example \"*/15\"",
    "0 24 * * *": "the field hour, '24', has 24, but it goes from 0 to 23; write for example \"22-23\"",
    "0 2 0 * *": "the field day of month, '0', has 0, but it goes from 1 to 31",
    "0 2 * 13 *": "the field month, '13', has 13, but it goes from 1 to 12",
    "0 2 * foo *": "the field month, 'foo', has 'foo', which is no number or a name such as FEB",
    "0 2 * * 8": "the field day of week, '8', has 8, but it goes from 0 to 7",
    "0 2 * * fri-mon": "the field day of week, 'fri-mon', runs backwards from FRI to MON",
    "0 2 * * 8L": "the field day of week",
    "0 2 * * 2#1/3": "the field day of week",
    "*/0 * * * *": "has the step '0', which is no number from 1 on",
    "*/ * * * *": "has no step after its /",
    "1- * * * *": "the field minute, '1-', lacks a number",
    "1,,2 * * * *": "lacks a number",
    "? * * * *": "has '?', which is no number",
    "\u0663 * * * *": "is not ASCII text",
    "* * * *": "has 4 fields; write minute, hour, day of month, month and day of week",
    "0 0 2 * * *": "has 6 fields",
    "": "has 0 fields",
    "@daily": 'write "0 0 * * *"',
    "@reboot": "write five",
    "0 2 30 2 *": "never comes",
    "0 2 31 2,4,6 *": "never comes",
    "9" * 5000 + " * * * *": "longer than 256 characters",
}


@pytest.mark.parametrize("text", GOOD)
def test_what_can_be_kept_is_kept(text: str) -> None:
    assert cron_problem(text) == ""


@pytest.mark.parametrize("text", BAD)
def test_what_cannot_is_refused_with_field_reason_and_example(text: str) -> None:
    problem = cron_problem(text)
    assert BAD[text] in problem
    assert "; write " in problem
    assert "\n" not in problem
    assert len(problem) < 250


def test_nothing_passes_that_the_library_refuses() -> None:
    """Of random texts made of what cron expressions are made of; and next to nothing else is refused."""
    chance = random.Random(20)
    too_strict = 0
    for _ in range(3000):
        fields = ["".join(chance.choices("0123459*,-/L#W", k=chance.randint(1, 3))) for _ in range(2)]
        words = [*fields, *["*"] * 3]
        chance.shuffle(words)
        text = " ".join(words)
        try:
            next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)))
        except (CronSimError, StopIteration, AssertionError):
            assert cron_problem(text), text
        else:
            too_strict += bool(cron_problem(text))
    assert too_strict <= 3
