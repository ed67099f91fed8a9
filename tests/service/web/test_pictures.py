"""The coverage map: each cell as old as the worst in it, and small however scattered a scope is."""

from __future__ import annotations

import re
import time
from ipaddress import IPv4Address

from msgspec.structs import replace

from scanner.service.view.coverage import CoverageView, Extent
from scanner.service.web.pictures import AGE_ORDER, age_bar, coverage_map
from tests.support.exposures import exposure
from tests.support.swept import AT

BASE = int(IPv4Address("10.20.0.0"))


def view(*extents: Extent) -> CoverageView:
    """A coverage of these."""
    by_age = {
        age: sum(each.last - each.first + 1 for each in extents if each.age == age) for age in AGE_ORDER
    }
    return CoverageView(at=AT, targets=sum(by_age.values()), by_age=by_age, extents=sorted(extents))


def drawn(picture: str) -> dict[str, str]:
    """The path of each age on a map."""
    return {age: path for path, age in re.findall(r'<path d="([^"]*)" class="a-(\w+)"', picture)}


def test_a_cell_with_several_ages_shows_the_worst() -> None:
    size = 1 << 20  # a cell is 256 addresses
    one_address = Extent(4, BASE + 5, BASE + 5, "never")
    around = [Extent(4, BASE, BASE + 4, "day"), Extent(4, BASE + 6, BASE + size - 1, "day")]

    picture = coverage_map(view(one_address, *around), [])

    assert picture is not None
    assert re.findall(r"h(\d+)v(\d+)", drawn(picture)["never"]) == [("1", "1")]
    covered = sum(int(w) * int(h) for w, h in re.findall(r"h(\d+)v(\d+)", drawn(picture)["day"]))
    assert covered == 64 * 64 - 1


def test_what_is_open_is_a_dot_in_its_cell_and_counted_in_words() -> None:
    places = [
        exposure("10.20.0.7"),
        exposure("10.20.0.7", 27018),
        exposure("10.20.0.250"),
        exposure("10.9.9.9"),
    ]

    picture = coverage_map(view(Extent(4, BASE, BASE + 255, "week")), places)

    assert picture is not None
    (dots,) = re.findall(r'<path d="([^"]*)" class="m-dots"', picture)
    assert dots.count("h0") == 2
    assert "Something is open in 2 cells" in picture
    assert "within a week 256" in picture


def test_a_scattered_scope_of_all_ages_stays_small_and_quick() -> None:
    ages = (*AGE_ORDER, *AGE_ORDER[:3])
    extents = [
        Extent(4, BASE + 512 * number, BASE + 512 * number + 200, ages[number * 7 % len(ages)])
        for number in range(16_000)
    ]

    begun = time.process_time()
    picture = coverage_map(view(*extents), [])
    seconds = time.process_time() - begun

    assert picture is not None
    assert len(picture) < 60_000
    assert seconds < 3


def test_without_ipv4_there_is_nothing_to_draw() -> None:
    assert coverage_map(view(Extent(6, 1 << 100, (1 << 100) + 255, "day")), []) is None
    assert coverage_map(replace(view(), targets=0), []) is None


def test_a_bar_shows_a_part_too_small_to_be_seen_and_is_never_longer_than_itself() -> None:
    bar = age_bar({"day": 1_000_000, "never": 1})

    parts = [(float(x), float(width)) for x, width in re.findall(r'x="([\d.]+)%" width="([\d.]+)%"', bar)]
    assert len(parts) == 2
    assert parts[1][1] >= 0.4
    assert all(x + width <= 100.01 for x, width in parts)
