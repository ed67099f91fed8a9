"""Which targets no complete sweep asked, since when and why: against a naive loop, and from runs on disk."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from results.covered import Covered, Row
from results.ledger.intake import catch_up
from results.ledger.store import Ledger
from results.manifest import parse
from scanner.service.view.coverage import CoverageReader, Sweep, Tried, pieces
from targets.entries import Entry
from targets.scope import Scope
from tests.support.ledgers import RunOnDisk

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.service.view.coverage import CoverageView, Part

NOW = "2026-03-20T12:00:00.000Z"
PORTS = (27017, 27018)
FIRST = int(ip_address("10.20.0.0"))


def rows(targets: frozenset[tuple[int, int]]) -> Covered:
    """A set of (address, port) as coverage."""
    return Covered(
        Row(4, FIRST + address, FIRST + address, ports)
        for address in range(12)
        if (ports := tuple(port for port in PORTS if (address, port) in targets))
    )


TARGETS = st.frozensets(st.tuples(st.integers(0, 11), st.sampled_from(PORTS)))
SWEEPS = st.lists(st.tuples(TARGETS, TARGETS, st.booleans()), max_size=6)


@given(TARGETS, SWEEPS)
@settings(max_examples=100, deadline=None)
def test_every_target_is_in_one_piece_with_the_sweeps_that_a_naive_loop_finds(
    whole: frozenset[tuple[int, int]],
    told: list[tuple[frozenset[tuple[int, int]], frozenset[tuple[int, int]], bool]],
) -> None:
    sweeps = [
        Sweep(Tried(runs=[str(number)], began=NOW, state=""), rows(covered), rows(covered - left), complete)
        for number, (covered, left, complete) in enumerate(told)
    ]
    expected: dict[tuple[int, int], tuple[int | None, int | None]] = {}
    for target in whole:
        tried = None
        for number, (covered, left, complete) in enumerate(told):
            if target not in covered:
                continue
            if complete and target not in left:
                expected[target] = (number, tried)
                break
            tried = number if tried is None else tried
        else:
            expected[target] = (None, tried)

    found = [
        ((row.first - FIRST, port), (piece.covered, piece.tried))
        for piece in pieces(rows(whole), sweeps)
        for row in piece.rows.rows()
        for row in (row._replace(first=address, last=address) for address in range(row.first, row.last + 1))
        for port in row.ports
    ]

    assert len(found) == len(whole)
    assert dict(found) == expected


SCOPE = Scope(
    [
        Entry.of("10.20.0.0/25", owner="web", site="paris"),
        Entry.of("10.20.0.128/25", owner="shop", site="lyon"),
    ]
)
PARIS, LYON = "10.20.0.0-10.20.0.127:27017", "10.20.0.128-10.20.0.255:27017"


def run(output: Path, day: int, *covers: str, state: str = "complete", **changes: object) -> RunOnDisk:
    """A sweep of a day of March."""
    began = f"2026-03-{day:02}T04:00:00.000Z"
    made = RunOnDisk(output, f"run-{day:02}", began, covers=covers or (PARIS, LYON), **changes)  # type: ignore[arg-type]  # forwarded
    return made.begin().end(state)  # type: ignore[arg-type]  # a state


def view(output: Path, scope: Scope | None = SCOPE, at: str = NOW) -> CoverageView:
    """What the ledger tells, after everything was taken in."""
    catch_up(output)
    with Ledger.open(output) as ledger:
        runs = ledger.runs()
    return asyncio.run(CoverageReader(output).current(runs, scope, at))


def part(found: CoverageView, site: str) -> Part:
    """The only part of a site."""
    (one,) = [each for each in found.parts if each.site == site]
    return one


def test_a_scope_that_no_sweep_set_out_to_ask_was_never_covered(tmp_path: Path) -> None:
    found = asyncio.run(CoverageReader(tmp_path).current([], SCOPE, NOW))

    assert [(each.site, each.why, each.age, each.targets) for each in found.parts] == [
        ("lyon", "never", "never", 128),
        ("paris", "never", "never", 128),
    ]
    assert found.by_age["never"] == found.targets == 256
    assert found.gaps == found.parts


def test_what_a_later_sweep_did_not_finish_keeps_the_date_of_the_one_that_did(tmp_path: Path) -> None:
    run(tmp_path, 10)
    run(tmp_path, 17, PARIS)
    run(tmp_path, 19, PARIS, state="degraded")

    found = view(tmp_path)

    assert part(found, "lyon").why == ""
    assert part(found, "lyon").covered == Tried(
        runs=["run-10"], began="2026-03-10T04:00:00.000Z", state="complete"
    )
    assert part(found, "lyon").age == "month"
    paris = part(found, "paris")
    assert (paris.why, paris.age) == ("degraded", "week")
    assert paris.covered is not None
    assert paris.tried is not None
    assert (paris.covered.runs, paris.tried.runs) == (["run-17"], ["run-19"])
    assert [each.site for each in found.gaps] == ["paris"]


def test_a_verification_covers_nothing_and_a_dead_sweep_is_unfinished(tmp_path: Path) -> None:
    run(tmp_path, 10, purpose="verify")
    dead = RunOnDisk(tmp_path, "run-11", "2026-03-11T04:00:00.000Z", covers=(PARIS,)).begin()
    dead.let_go()

    found = view(tmp_path)

    assert part(found, "lyon").why == "never"
    assert part(found, "paris").why == "unfinished"
    assert part(found, "paris").age == "never"


def test_a_sweep_that_goes_on_counts_only_where_none_was_before(tmp_path: Path) -> None:
    run(tmp_path, 19, PARIS)
    going = RunOnDisk(tmp_path, "run-20", "2026-03-20T04:00:00.000Z", covers=(PARIS, LYON)).begin()

    found = view(tmp_path)
    going.let_go()

    assert (part(found, "paris").why, part(found, "paris").age) == ("", "week")
    assert (part(found, "lyon").why, part(found, "lyon").age) == ("running", "never")


def test_what_was_asked_from_one_place_was_not_asked_from_another(tmp_path: Path) -> None:
    run(tmp_path, 18, vantage="inside")
    run(tmp_path, 19, PARIS, vantage="outside")
    catch_up(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        runs = ledger.runs()

    async def both() -> list[CoverageView]:
        reader = CoverageReader(tmp_path)
        return [await reader.current(runs, SCOPE, NOW, vantage=each) for each in ("", "inside", "outside")]

    everywhere, inside, outside = asyncio.run(both())

    assert everywhere.vantages == inside.vantages == ["inside", "outside"]
    assert everywhere.gaps == inside.gaps == []
    assert part(inside, "paris").covered is not None
    assert part(inside, "paris").covered.runs == ["run-18"]  # type: ignore[union-attr]  # it is
    assert [(each.site, each.why) for each in outside.gaps] == [("lyon", "never")]


def test_what_left_the_scope_while_a_sweep_went_on_was_not_covered_by_it(tmp_path: Path) -> None:
    made = run(tmp_path, 19)
    rewrite(made, withdrawn=["10.20.0.0-10.20.0.63:27017"])

    found = view(tmp_path)

    assert {(each.targets, each.why) for each in found.parts} == {(64, "withdrawn"), (64, ""), (128, "")}


def test_a_divided_sweep_covers_only_with_all_its_parts(tmp_path: Path) -> None:
    rewrite(run(tmp_path, 18), shard="1/2")
    assert {each.why for each in view(tmp_path).parts} == {"untold"}

    rewrite(run(tmp_path, 19), shard="2/2")
    found = view(tmp_path)

    assert found.gaps == []
    assert part(found, "paris").covered == Tried(
        runs=["run-18", "run-19"], began="2026-03-18T04:00:00.000Z", state="complete"
    )


def test_without_a_scope_all_that_was_ever_set_out_for_stands_for_it(tmp_path: Path) -> None:
    run(tmp_path, 10)
    run(tmp_path, 19, PARIS)

    found = view(tmp_path, None)

    assert not found.scope_known
    assert [(each.age, each.targets) for each in found.parts] == [("month", 128), ("week", 128)]


def rewrite(made: RunOnDisk, **changes: object) -> None:
    """Change fields of a manifest that the builder does not know."""
    from msgspec.structs import replace

    from results.manifest import encode

    path = made.path / "manifest.json"
    path.write_bytes(encode(replace(parse(path.read_bytes()), **changes)))
