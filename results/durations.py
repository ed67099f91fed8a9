"""Lengths of time as people write them in settings and options, `36h` or `14d`; and moments as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

PATTERN = r"^[1-9][0-9]{0,4}[smhdw]\Z"
"""Seconds, minutes, hours, days or weeks."""
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def seconds_of(text: str) -> int:
    """Seconds of a length such as `90m`, `36h`, `14d`, `2w`. Raises `ValueError` with what to write."""
    if not re.match(PATTERN, text):
        raise ValueError(f"{text!r} is no length of time; write one such as 36h, 14d or 2w")
    return int(text[:-1]) * _SECONDS[text[-1]]


def instant(text: str) -> datetime:
    """RFC 3339 text with its zone as a moment. Raises `ValueError`."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no zone; write a time in UTC, such as 2026-03-01T09:00:00Z")
    return moment


def as_text(moment: datetime) -> str:
    """A moment as records write it: UTC with milliseconds, so that text order is time order."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def plus(at: str, seconds: int) -> str:
    """A time in a record's form, that many seconds later."""
    return as_text(instant(at) + timedelta(seconds=seconds))


def between(earlier: str, later: str) -> int:
    """Whole seconds from one time to another, 0 where a clock went back."""
    return max(0, int((instant(later) - instant(earlier)).total_seconds()))


def end_of(text: str) -> str:
    """When a day (`2026-05-01`: at its end in UTC) or a moment as written is over. Raises `ValueError`."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return as_text(datetime.fromisoformat(text + "T00:00:00+00:00") + timedelta(days=1))
    return as_text(instant(text))
