"""A time zone that does not exist is refused with the name that was meant."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfoNotFoundError

import pytest

from scanner.setup import zones
from scanner.setup.zones import zone_named


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("Paris", "did you mean Europe/Paris?"),
        ("new york", "did you mean America/New_York?"),
        ("Europe/Pris", "did you mean Europe/Paris?"),
        ("europe/paris", "did you mean Europe/Paris?"),
        ("Mars/Olympus", 'write its name, such as "Europe/Paris"'),
        ("CEST", 'write its name, such as "Europe/Paris"'),
        ("", 'write its name, such as "Europe/Paris"'),
        ("../etc/passwd", 'write its name, such as "Europe/Paris"'),
        ("\0", 'write its name, such as "Europe/Paris"'),
    ],
)
def test_the_remedy_is_the_name_that_was_meant(name: str, remedy: str) -> None:
    with pytest.raises(ValueError) as caught:
        zone_named(name)
    assert str(caught.value) == f"{name!r} is not a time zone; {remedy}"


def test_utc_needs_no_database_of_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own stand-in for a container without tzdata."""

    def missing(name: str) -> None:
        raise ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zones, "ZoneInfo", missing)
    monkeypatch.setattr(zones, "available_timezones", set)
    assert zone_named("UTC") is UTC
    with pytest.raises(ValueError, match="install tzdata"):
        zone_named("Europe/Paris")
