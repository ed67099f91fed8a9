"""The scope as people read it: whose each entry is, until when, and what is missing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from results.record import Owner
from scanner.service.view.coverage import CoverageReader
from scanner.service.view.scope import scope_view
from scanner.setup.service_settings import ScheduleSettings
from targets.entries import Deny, Entry
from targets.scope import Scope
from tests.support.exposures import exposure

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.service.view.scope import ScopeView

AT = "2026-03-08T12:00:00.000Z"
NOW = datetime(2026, 3, 8, 12, tzinfo=UTC).timestamp()
DAY = 86_400.0
SCOPE = Scope(
    [
        Entry.of(
            "10.20.0.0/16", owner="web", contact="web@example.com", site="paris", expires=NOW + 90 * DAY
        ),
        Entry.of("10.20.7.0/24", owner="shop", site="paris", expires=NOW + 3 * DAY, source="a.toml", line=7),
        Entry.of("10.30.0.0/24", site="lyon", expires=NOW - 1),
        Entry.of("10.40.0.0/30", owner="labs", contact="labs@example.com"),
    ],
    [Deny.of("10.40.0.0/30", reason="fragile"), Deny.of("10.20.1.0/24")],
)
NIGHTLY = ScheduleSettings(name="web-nightly", cron="0 2 * * *", sites=("paris",), owners=("web",))


def view(*places: str, schedules: tuple[ScheduleSettings, ...] = (NIGHTLY,)) -> ScopeView:
    """What is shown where these places are open."""
    return scope_view(SCOPE, [exposure(place) for place in places], schedules, None, AT)


def gaps(found: ScopeView) -> dict[str, list[str]]:
    """What is missing, by its code."""
    return {gap.code: gap.what for gap in found.gaps}


def test_an_entry_governs_what_deny_and_more_specific_entries_leave() -> None:
    found = view()

    assert [(each.entry, each.addresses, each.standing) for each in found.allowed] == [
        ("10.20.0.0/16", 65536 - 512, "in force"),
        ("10.20.7.0/24", 256, "ends soon"),
        ("10.30.0.0/24", 256, "ended"),
        ("10.40.0.0/30", 0, "nothing left"),
    ]
    assert sum(each.targets for each in found.allowed) == found.targets == len(SCOPE)
    assert [(each.entry, each.addresses, each.reason) for each in found.denied] == [
        ("10.40.0.0/30", 4, "fragile"),
        ("10.20.1.0/24", 256, ""),
    ]
    assert found.allowed[1].place == "a.toml:7"


def test_what_is_missing_is_named() -> None:
    assert gaps(view()) == {
        "ended": ["10.30.0.0/24"],
        "ends-soon": ["10.20.7.0/24"],
        "not-scheduled": ["10.20.7.0/24"],
        "no-contact": ["10.20.7.0/24"],
        "nothing-left": ["10.40.0.0/30"],
    }
    assert "not-scheduled" not in gaps(view(schedules=()))  # one sentence says that there is no schedule


def test_an_open_exposure_that_may_not_be_asked_any_more_comes_first() -> None:
    denied, elsewhere, inside = exposure("10.20.1.17"), exposure("192.0.2.7"), exposure("10.20.7.9")
    other_port = exposure("10.20.7.9", 27020)
    shown = [denied, elsewhere, inside, replace(other_port, owner=Owner(owner="shop"))]

    found = scope_view(SCOPE, shown, (), None, AT)

    assert found.gaps[0].code == "open-outside"
    assert found.gaps[0].what == [denied.exposure_id, elsewhere.exposure_id, other_port.exposure_id]
    assert [each.open for each in found.allowed] == [0, 2, 0, 0]


def test_an_entry_that_no_sweep_covered_is_named_and_its_neighbour_of_the_same_owner_is_not(
    tmp_path: Path,
) -> None:
    scope = Scope([Entry.of("10.20.0.0/24", owner="web"), Entry.of("10.20.2.0/24", owner="web")])
    coverage = asyncio.run(CoverageReader(tmp_path).current([], scope, "2026-03-08T12:00:00.000Z"))
    one = replace(coverage, extents=[each for each in coverage.extents if each.first & 0x200])

    found = scope_view(scope, [], (), one, AT)

    assert gaps(found)["never-covered"] == ["10.20.2.0/24"]
