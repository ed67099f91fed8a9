"""What a run covered: the same for the same targets, compared exactly, and nothing claimed beyond it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.audit import audit
from results.covered import (
    MOST_WITHDRAWN,
    Covered,
    Row,
    RunCoverage,
    encode,
    load_coverage,
    load_covered,
    parse_row,
    withdrawn_text,
)
from results.files import CorruptError
from results.manifest import COVERED_FILE, Manifest, genesis_of
from results.manifest import encode as encode_manifest
from results.run import RunDirectory, load_manifest
from results.summary import Coverage
from tests.results.examples import START, manifest
from tests.results.runs import finish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NET = 0xC0000200  # 192.0.2.0
PORTS = (27017, 27018, 27019)
Target = tuple[int, int, int]  # family, offset, port


def rows_of(targets: set[Target]) -> Iterator[Row]:
    """Single addresses, each with its ports."""
    for version, offset in sorted({target[:2] for target in targets}):
        ports = tuple(sorted(port for v, at, port in targets if (v, at) == (version, offset)))
        yield Row(version, NET + offset, NET + offset, ports)


def targets_of(covered: Covered) -> set[Target]:
    return {
        (row.version, address - NET, port)
        for row in covered.rows()
        for address in range(row.first, row.last + 1)
        for port in row.ports
    }


targets = st.sets(st.tuples(st.sampled_from((4, 6)), st.integers(0, 12), st.sampled_from(PORTS)))


@given(targets, targets)
def test_coverages_are_compared_as_sets_are(left: set[Target], right: set[Target]) -> None:
    one, other = Covered(rows_of(left)), Covered(rows_of(right))
    assert (one.targets, targets_of(one)) == (len(left), left)
    assert targets_of(Covered(one.minus(other))) == left - right
    compared = one.compare(other)
    assert (compared.only_self.targets, compared.only_other.targets) == (len(left - right), len(right - left))
    assert compared.both == len(left & right)
    assert bool(compared.only_self.examples) == bool(left - right)
    for example in compared.only_self.examples:
        assert targets_of(Covered([parse_row(example)])) <= left - right
    assert Covered(map(parse_row, map(str, one.rows()))) == one
    for version, ip in ((4, "192.0.2.{}"), (6, "::c000:2{:02x}")):
        for offset in range(13):
            for port in PORTS:
                assert one.contains(ip.format(offset), port) == ((version, offset, port) in left)


def test_ranges_are_canonical_and_read_well() -> None:
    """Neighbours with the same ports are one; nothing depends on the entries that they come from."""
    pieces = [Row(4, NET, NET + 9, (27017,)), Row(4, NET + 10, NET + 255, (27017,))]
    pieces += [Row(4, NET + 256, NET + 256, (27017, 27018)), Row(6, 1 << 32, (1 << 32) + 255, (27017,))]
    covered = Covered(pieces)
    assert list(map(str, covered.rows())) == [
        "192.0.2.0-192.0.2.255:27017",
        "192.0.3.0:27017,27018",
        "[::1:0:0-::1:0:ff]:27017",
    ]
    assert covered == Covered(covered.rows())
    with pytest.raises(ValueError, match="out of order"):
        Covered(reversed(pieces))
    with pytest.raises(ValueError, match="address"):
        covered.contains("localhost", 27017)


@pytest.mark.parametrize("text", ["192.0.2.9-192.0.2.1:1", "192.0.2.1", "192.0.2.1:0", "x:1", "[::1:1", ""])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_row(text)


def run_with(output: Path, rows: list[Row]) -> Path:
    """A run directory that covered these."""
    begun = manifest("run-1")
    begun.covered, data = encode(rows)
    with RunDirectory.create(output, "run-1", begun, covered=data) as run:
        finish(run)
    return run.path


def test_a_run_directory_tells_what_it_covered(tmp_path: Path) -> None:
    path = run_with(tmp_path, [Row(4, NET, NET + 3, (27017,))])
    found, _ = load_manifest(path)
    assert found.covered is not None
    assert (found.covered.targets, found.covered.ranges) == (4, 1)
    assert json.loads((path / COVERED_FILE).read_bytes())["ranges"] == ["192.0.2.0-192.0.2.3:27017"]
    covered = load_covered(path, found)
    assert covered is not None
    assert covered.contains("192.0.2.3", 27017)
    assert not covered.contains("192.0.2.4", 27017)
    coverage = load_coverage(path, found)
    assert coverage is not None
    assert coverage.asked("192.0.2.3", 27017) is True
    assert not audit(path).edited


@pytest.mark.parametrize("damage", [b"", b'{"schema":"mongosweep.covered/1","ranges":[]}', None])
def test_a_changed_file_is_named_and_not_believed(tmp_path: Path, damage: bytes | None) -> None:
    path = run_with(tmp_path, [Row(4, NET, NET + 3, (27017,))])
    if damage is None:
        (path / COVERED_FILE).unlink()
    else:
        (path / COVERED_FILE).write_bytes(damage)
    found, _ = load_manifest(path)
    with pytest.raises(CorruptError):
        load_covered(path, found)
    assert [finding.file for finding in audit(path).edited] == [COVERED_FILE]


@pytest.mark.parametrize("withdrawn", [["nothing"], ["192.0.2.9:1", "192.0.2.1:1"]])
def test_withdrawn_ranges_that_are_none_are_damage(tmp_path: Path, withdrawn: list[str]) -> None:
    path = run_with(tmp_path, [Row(4, NET, NET + 3, (27017,))])
    found, _ = load_manifest(path)
    with pytest.raises(CorruptError):
        load_coverage(path, msgspec.structs.replace(found, withdrawn=withdrawn))


def test_an_older_run_covers_neither_nothing_nor_all(tmp_path: Path) -> None:
    """It is resumed as it was: its manifest gets no field that the genesis of its chain does not know."""
    older = manifest("run-1")
    assert b"covered" not in encode_manifest(older)
    with RunDirectory.create(tmp_path, "run-1", older) as run:
        began = genesis_of((run.path / "manifest.json").read_bytes())
        run.finish(
            "degraded", ended_at="x", coverage=Coverage(planned=0, outcomes=0), outcomes={}, reasons=[]
        )
    with RunDirectory.open(run.path, START) as again:
        finish(again)
    found, data = load_manifest(run.path)
    assert genesis_of(data) == began
    assert load_covered(run.path, found) is None
    assert load_coverage(run.path, found) is None
    assert not audit(run.path).edited


@pytest.mark.parametrize(
    ("changes", "inside", "withdrawn"),
    [
        ({}, True, None),
        ({"state": "degraded"}, True, None),
        ({"shard": "1/2"}, None, None),
        ({"ended_at": ""}, None, None),
        ({"coverage": None}, None, None),
        ({"coverage": Coverage(planned=256, outcomes=255, not_reached=1)}, None, None),
    ],
)
def test_only_what_was_asked_for_certain_is_claimed(
    changes: dict[str, Any], inside: bool | None, withdrawn: bool | None
) -> None:
    ended: Manifest = msgspec.structs.replace(
        manifest("run-1"),
        ended_at="2026-03-01T09:00:00.000Z",
        coverage=Coverage(planned=256, outcomes=250, excluded=6),
        withdrawn=["192.0.2.16-192.0.2.31:27017"],
    )
    of = RunCoverage(Covered([Row(4, NET, NET + 255, (27017,))]), msgspec.structs.replace(ended, **changes))
    assert of.asked("192.0.2.1", 27017) is inside
    assert of.asked("192.0.2.20", 27017) is withdrawn
    assert of.asked("192.0.3.1", 27017) is False
    assert of.asked("192.0.2.1", 27018) is False


def test_much_that_is_withdrawn_is_told_in_few_ranges_that_hold_all_of_it() -> None:
    rows = [Row(4, NET + 2 * n, NET + 2 * n, (PORTS[n % 3],)) for n in range(5000)]
    rows += [Row(6, NET + 2 * n, NET + 2 * n, PORTS) for n in range(7)]
    texts = withdrawn_text(rows)
    told = Covered(map(parse_row, texts))
    assert len(texts) <= MOST_WITHDRAWN
    assert not list(Covered(rows).minus(told))
    assert withdrawn_text(rows[:3]) == [str(row) for row in rows[:3]]
    assert withdrawn_text([]) == []
