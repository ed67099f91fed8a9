"""When something was seen, in any way programs and people write it, as RFC 3339 in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_EARLIEST: Final = 2000  # before MongoDB nobody saw one; Go writes the year 1 for never
_EPOCH = re.compile(r"[0-9]{9,10}(?:\.[0-9]{1,9})?\Z")
_WRITTEN = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,]\d{1,9})?"
    r"\s*(?:(Z|UTC|GMT|[+-]\d\d:?\d\d)(?: [A-Z]{1,5})?)?\Z",
    re.ASCII | re.IGNORECASE,
)


def moment(said: object) -> str:
    """Seconds since 1970 as a number or text, ISO 8601 with a zone, or Go's `2026-02-01 13:24:26 +0000 UTC`;
    "" for what is no time, and for one without a zone, which nobody knows."""
    if type(said) is int:
        said = str(said)
    return _written(said, numbers=True, zone="") if isinstance(said, str) and len(said) <= 64 else ""


def utc(said: object) -> str:
    """A reporter's time; "" for what is no time of the calendar. Without a zone it is UTC: so Shadowserver,
    Shodan and CERT-Bund write it. A number is none."""
    return _written(said, numbers=False, zone="UTC") if isinstance(said, str) and len(said) <= 64 else ""


@lru_cache(4096)  # a list names the same second many times: a look-up instead of 3 us
def _written(text: str, *, numbers: bool, zone: str) -> str:
    try:
        if numbers and _EPOCH.match(text):
            at = datetime.fromtimestamp(int(float(text)), UTC)
        else:
            found = _WRITTEN.match(text.strip())
            zone = found[3] or zone if found is not None else ""
            if found is None or not zone:
                return ""
            offset = "+00:00" if zone.isalpha() else zone
            at = datetime.fromisoformat(f"{found[1]}T{found[2]}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at.year >= _EARLIEST else ""
