"""A plan's arithmetic: shares, exclusions, the densest prefix and which cap decides."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.cli.plan_text import duration, plan_lines, plan_listing
from scanner.engine.order import Order
from scanner.setup.settings import Blackout, Organisation, Pause, Settings, SweepOptions, SweepSettings
from scanner.sweep.begin import seed_of
from scanner.sweep.duration import densest_prefix, estimate
from scanner.sweep.plan import make_plan
from targets.entries import Deny, Entry
from targets.scope import Scope
from tests.support.listings import written

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_795_521_600.0  # 2026-11-24 12:00 UTC
SETTINGS = Settings(organisation=Organisation(contact="soc@example.com"))


def allow(text: str, owner: str = "web", **more: object) -> Entry:
    """An allow entry with an owner."""
    return Entry.of(text, owner=owner, **more)


def test_each_owner_gets_what_no_narrower_entry_and_no_deny_takes() -> None:
    scope = Scope(
        [allow("10.20.0.0/16"), allow("10.20.1.0/24", "archive", ports=(27017, 27018))],
        [Deny.of("10.20.1.0/25", "medical devices"), Deny.of("192.168.0.0/24", "elsewhere")],
    )
    plan = make_plan(SETTINGS, scope, SweepOptions(), NOW)
    assert [(share.owner, share.addresses, share.targets) for share in plan.owners] == [
        ("web", 65280, 65280),
        ("archive", 128, 256),
    ]
    assert plan.targets == 65536 == sum(share.targets for share in plan.owners)
    assert plan.excluded_addresses == 128
    assert [(item.cidr, item.addresses) for item in plan.excluded] == [
        ("10.20.1.0/25", 128),
        ("192.168.0.0/24", 0),
    ]
    assert plan.overlapping_addresses == 256
    assert plan.ports == (27017, 27018)


@given(st.integers(1, 300), st.integers(1, 9), st.none() | st.integers(0, 2**63 - 1))
def test_a_shard_is_planned_as_it_is_swept(size: int, shards: int, seed: int | None) -> None:
    """The walk steps over a few positions, and those are not shared out evenly."""
    scope = Scope([allow(f"10.20.0.0-{_text(0x0A140000 + size - 1)}")])
    planned, swept = [], []
    for part in range(1, shards + 1):
        options = SweepOptions(shard=(part, shards), seed=seed)
        plan = make_plan(SETTINGS, scope, options, NOW)
        planned.append(plan.targets)
        assert plan.scope_targets == size
        begun = seed_of(scope, options)
        swept.append(sum(1 for _ in Order(size, begun, part - 1, shards).walk()))
    assert planned == swept
    assert sum(planned) == size


@pytest.mark.parametrize(
    ("sweep", "seconds", "cap"),
    [
        (SweepSettings(), 65536 / 1000, "rate"),
        (SweepSettings(per_prefix_rate=1), 256, "per_prefix_rate"),
        (SweepSettings(rate=1e6, per_prefix_rate=1e6), 65536 * 3.5 / 4096, "half_open_limit"),
        (SweepSettings(rate=1e6, per_prefix_rate=1e6, concurrency=100), 65536 * 3.5 / 100, "concurrency"),
        (SweepSettings(rate=1e6, per_prefix_rate=1e6, concurrency=100, engine="syn"), 65536 / 1e6, "rate"),
    ],
)
def test_the_slowest_cap_decides(sweep: SweepSettings, seconds: float, cap: str) -> None:
    found, by = estimate(sweep, Scope([allow("10.20.0.0/16")]), 65536)
    assert found == pytest.approx(seconds + sweep.connect_timeout)
    assert by.startswith(cap)


_spans = st.lists(
    st.tuples(st.integers(0x0A000000, 0x0A000800), st.integers(0, 700)).map(
        lambda pair: (pair[0], pair[0] + pair[1])
    ),
    min_size=1,
    max_size=6,
)


def _text(address: int) -> str:
    return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))


@given(_spans, st.integers(22, 32))
def test_the_densest_prefix_is_that_of_a_plain_count(spans: list[tuple[int, int]], length: int) -> None:
    scope = Scope([allow(f"{_text(first)}-{_text(last)}") for first, last in spans])
    counts: dict[int, int] = {}
    for address in {a for first, last in spans for a in range(first, last + 1)}:
        counts[address >> (32 - length)] = counts.get(address >> (32 - length), 0) + 1
    assert densest_prefix(scope, length, 64) == max(counts.values())


def test_blackouts_ahead_are_those_that_touch_the_scope() -> None:
    settings = msgspec.structs.replace(
        SETTINGS,
        blackout=(
            Blackout(cidr="10.20.0.0/24", start="08:00", to="18:00", days=("wed",), reason="trading"),
            Blackout(cidr="10.99.0.0/24", start="08:00", to="18:00"),
        ),
    )
    plan = make_plan(settings, Scope([allow("10.20.0.0/16")]), SweepOptions(), NOW)
    assert [window.text for window in plan.blackouts] == [
        "10.20.0.0/24 from Wed 2026-11-25 08:00 to Wed 18:00 UTC (08:00 UTC) (trading)"
    ]


def test_what_keeps_a_sweep_waiting_is_a_warning_beside_its_time(tmp_path: Path) -> None:
    """A window that is open when it would begin or opens before it would end, and a stop file."""
    stop = tmp_path / "stop"
    always = Blackout(cidr="10.20.0.0/24", start="00:00", to="24:00", reason="trading")
    settings = msgspec.structs.replace(SETTINGS, blackout=(always,), pause=Pause(stop_file=str(stop)))
    scope = Scope([allow("10.20.0.0/24")])
    (waits,) = make_plan(settings, scope, SweepOptions(), NOW).warnings
    assert "waits for the end of 10.20.0.0/24 from" in waits
    stop.touch()
    assert any(str(stop) in text for text in make_plan(settings, scope, SweepOptions(), NOW).warnings)
    elsewhere = msgspec.structs.replace(
        SETTINGS, blackout=(msgspec.structs.replace(always, cidr="10.9.9.9"),)
    )
    assert make_plan(elsewhere, scope, SweepOptions(), NOW).warnings == ()


@pytest.mark.parametrize(
    ("settings", "entry", "warning"),
    [
        (Settings(), allow("10.20.0.0/16"), "no contact"),
        (SETTINGS, allow("10.20.0.0/16", expires=NOW + 10), "expires before"),
        (
            msgspec.structs.replace(SETTINGS, sweep=SweepSettings(connect_timeout=0.8)),
            allow("10.20.0.0/16"),
            "lost packet",
        ),
        (
            msgspec.structs.replace(SETTINGS, sweep=SweepSettings(connect_timeout=3.0)),
            allow("10.20.0.0/16"),
            "connect_timeout = 3.5",
        ),
    ],
)
def test_a_plan_warns(settings: Settings, entry: Entry, warning: str) -> None:
    plan = make_plan(settings, Scope([entry]), SweepOptions(), NOW)
    assert any(warning in text for text in plan.warnings)


def test_a_good_plan_warns_of_nothing() -> None:
    assert make_plan(SETTINGS, Scope([allow("10.20.0.0/16")]), SweepOptions(), NOW).warnings == ()


def test_a_slash_eight_is_planned_without_counting_its_addresses() -> None:
    began = time.process_time()
    plan = make_plan(SETTINGS, Scope([allow("10.0.0.0/8")]), SweepOptions(), NOW)
    assert plan.targets == 2**24
    assert time.process_time() - began < 5  # millions of steps would take longer on any machine


def test_the_texts_say_the_same() -> None:
    scope = Scope([allow("10.20.0.0/16", "we\x1bb")], [Deny.of("10.20.30.0/24", "medical devices")])
    plan = make_plan(SETTINGS, scope, SweepOptions(), NOW)
    document = json.loads(written(plan_listing(plan), "json"))
    text = "\n".join(plan_lines(plan))
    assert document["targets"] == 65280
    assert "65,280 targets" in text
    assert "medical devices" in text
    assert "nothing was sent" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59, "59 s"), (60, "1 min"), (69, "1 min 9 s"), (16777, "4 h 39 min"), (90000, "1 d 1 h")],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_table_fits_its_terminal() -> None:
    """Owners, sites and contacts are as long as people write them; the numbers stay whole."""
    owner, contact = "department of long names and reading rooms", "web-oncall@subsidiary.example.com"
    long = Entry.of("10.20.0.0/16", owner=owner, contact=contact, site="Saint-Denis, second hall")
    plan = make_plan(SETTINGS, Scope([long]), SweepOptions(), NOW)
    [head, row, *whole] = plan_lines(plan, width=80)[3:7]
    assert len(head) == len(row) == 80
    assert row.startswith("department of l")
    assert row.endswith(" 65,536")
    assert row.count("…") == 3
    below = " ".join(" ".join(whole).split())
    assert below.startswith(f"owner: {owner}, site: Saint-Denis, second hall, contact: {contact}")
    assert owner in "\n".join(plan_lines(plan))
