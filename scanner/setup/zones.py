"""Time zones by their names: found, or refused with the names that come nearest."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from targets.errors import did_you_mean


def zone_named(name: str) -> tzinfo:
    """The zone of that name. UTC needs no database of zones, which small containers lack. Raises ValueError
    with what to write."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError(_refusal(name)) from None


def _refusal(name: str) -> str:
    # Names with a city: abbreviations mean several zones, and Etc/GMT+1 lies where nobody expects it.
    known = sorted(each for each in available_timezones() if "/" in each and not each.startswith("Etc/"))
    if not known:
        return f'{name!r} cannot be looked up: this machine has no time zones; install tzdata, or write "UTC"'
    text = name.replace(" ", "_")
    cities = {each.rpartition("/")[2].lower(): each for each in reversed(known)}
    guess = f"did you mean {cities[text.lower()]}?" if text.lower() in cities else did_you_mean(text, known)
    if not guess.startswith("did"):
        guess = 'write its name, such as "Europe/Paris"'
    return f"{name!r} is not a time zone; {guess}"
