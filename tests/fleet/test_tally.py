"""What is kept of a site's shards is bounded, and two halves of a prefix are never asked at once."""

from __future__ import annotations

from msgspec.structs import replace

from results.covered import Covered, parse_row, withdrawn_text
from scanner.fleet.division import Division
from scanner.fleet.messages import Ended
from scanner.fleet.tally import ATTEMPTS, MOST_RANGES, Tally
from targets.entries import Entry
from targets.scope import Scope

ENDED = Ended(
    run_id="r", name="", attempt=1, state="complete", reasons=[], planned=1024, outcomes={"refused": 1024}
)


def tally(prefix: str) -> Tally:
    """Shards of 1,024 targets that do not cut a /24."""
    return Tally("paris", Division(Scope([Entry.of(prefix)], ports=[27017]), 1024, (24, 48)), 7)


def test_ranges_that_left_the_scope_become_fewer_and_wider() -> None:
    site, told = tally("10.0.0.0/13"), set[str]()
    while (work := site.next(0.0)) is not None:
        work = site.begin(work, 0.0)
        first = (10 << 24) + work.first
        rows = [
            f"10.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}:27017" for at in range(first, first + 64, 16)
        ]
        told.update(rows)
        site.ended(site.name(work), replace(ENDED, name=site.name(work), withdrawn=rows), 0)
        assert len(site.counts.withdrawn) <= MOST_RANGES
    assert site.finished
    assert len(told) == 2048
    held = sorted(map(parse_row, site.counts.withdrawn))
    kept = Covered(map(parse_row, withdrawn_text(held)))
    assert all(kept.contains(text.partition(":")[0], 27017) for text in told)


def test_one_worker_at_a_time_asks_the_halves_of_a_shard() -> None:
    """A half may cut a prefix, and its cap is each worker's own."""
    site, now = tally("10.0.0.0/22"), 0.0
    for _ in range(ATTEMPTS):
        work = site.next(now)
        assert work is not None
        site.failed(site.name(site.begin(work, now)), "its worker died", now)
        now += 1000
    first = site.next(now)
    assert first is not None
    assert (first.halved, first.last - first.first) == (True, 512)
    begun = site.begin(first, now)
    assert site.next(now) is None
    ended = replace(ENDED, name=site.name(begun), planned=512, outcomes={"refused": 512})
    site.ended(ended.name, ended, 0)
    second = site.next(now)
    assert second is not None
    assert {first.first, second.first} == {0, 512}
