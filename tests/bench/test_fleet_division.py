"""A fleet's bookkeeping over all IPv4 space: every target once, and a checkpoint that does not grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.fleet_division import measured

if TYPE_CHECKING:
    from pathlib import Path


def test_all_of_ipv4_takes_the_checkpoint_of_a_small_scope(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "large").mkdir()
    small, large = measured(20, 1, tmp_path / "small"), measured(32, 1, tmp_path / "large")
    assert (small.targets, large.targets) == (1 << 20, 3_724_474_368)
    assert large.shards > 200 * small.shards
    assert large.checkpoint / large.sites < 1.3 * small.checkpoint / small.sites
    assert large.manifest < 1.3 * small.manifest
