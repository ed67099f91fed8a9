"""Whether a cron expression can be kept, and if not: which field is wrong, why, and what to write."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from cronsim import CronSim, CronSimError

MOST = 256  # characters
_EXAMPLE = 'such as "0 2 * * *" for every night at 2'
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_A_DAY = datetime(2026, 1, 1, tzinfo=UTC)  # any will do
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]


class _Field(NamedTuple):
    name: str
    least: int
    most: int
    names: list[str]
    example: str
    special: str = ""  # what else it takes, as a pattern


_FIELDS = (
    _Field("minute", 0, 59, [], '"*/15" for every quarter of an hour'),
    _Field("hour", 0, 23, [], '"22-23" for ten and eleven at night'),
    _Field("day of month", 1, 31, [], '"1,15", or "L" for the last day', "LW?"),
    _Field("month", 1, 12, _MONTHS, '"1-6", or "JAN"'),
    _Field(
        "day of week", 0, 7, _DAYS, '"1-5" for Monday to Friday, or "SUN"', "[0-7]L|([0-7]|[A-Z]{3})#[1-5]"
    ),
)


def cron_problem(text: str) -> str:
    """Why this cannot be kept as a cron expression, with what to write; "" when it can."""
    if len(text) > MOST:
        return f"it is longer than {MOST} characters; write a shorter one, {_EXAMPLE}"
    if text.strip().startswith("@"):
        meant = _NICKNAMES.get(text.strip().lower())
        return f"{text!r} has no five fields; write " + (f'"{meant}"' if meant else f"five, {_EXAMPLE}")
    words = text.split()
    if not text.isascii() or len(words) != len(_FIELDS):
        what = f"{text!r} has {len(words)} fields" if text.isascii() else f"{text!r} is not ASCII text"
        return f"{what}; write minute, hour, day of month, month and day of week, {_EXAMPLE}"
    for field, word in zip(_FIELDS, words, strict=True):
        for term in word.upper().split(","):
            if reason := _term(field, term):
                return f"the field {field.name}, {word!r}, {reason}; write for example {field.example}"
    try:
        next(CronSim(text, _A_DAY))
    except (StopIteration, CronSimError):
        return f"{text!r} never comes: no such month has such a day; write a day that exists, {_EXAMPLE}"
    return ""


def _term(field: _Field, term: str) -> str:
    """What is wrong with one of the terms that commas part, as a clause; "" for nothing."""
    if field.special and re.fullmatch(field.special, term):
        day = term.partition("#")[0].rstrip("LW")
        return _number(field, day)[1] if day else ""
    body, slash, step = term.partition("/")
    if slash and not (step.isdigit() and int(step)):
        return f"has the step {step!r}, which is no number from 1 on" if step else "has no step after its /"
    if body == "*":
        return ""
    first, dash, last = body.partition("-")
    (begin, wrong), (end, wrong_too) = _number(field, first), _number(field, last if dash else first)
    if wrong or wrong_too:
        return wrong or wrong_too
    return f"runs backwards from {first} to {last}" if end < begin else ""


def _number(field: _Field, text: str) -> tuple[int, str]:
    """A number of a field, and what is wrong with it."""
    if text in field.names:
        return field.names.index(text) + field.least, ""
    if not text:
        return 0, "lacks a number"
    if not text.isdigit():
        names = f" or a name such as {field.names[1]}" if field.names else ""
        return 0, f"has {text.lower()!r}, which is no number{names}"
    value = int(text)
    if not field.least <= value <= field.most:
        return 0, f"has {value}, but it goes from {field.least} to {field.most}"
    return value, ""
