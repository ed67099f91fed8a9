"""Workers that die, refuse, are silent, or are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from results.covered import parse_row
from scanner.fleet import coordinator, tally
from scanner.fleet.carrier import Failed, WorkersChanged
from scanner.fleet.messages import Began, Ended
from scanner.mongo.tables import digest_of_all
from tests.support.fleet_sweeps import both, is_whole, sweep
from tests.support.simulated_sites import Sites, changed, honest, refusal
from tests.support.sweeps import Watcher

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.fleet.carrier import Event
    from scanner.fleet.messages import Message, Shard


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once."""
    monkeypatch.setattr(tally, "AGAIN", 0.0)


class TestWorkers:
    """Workers that die, refuse, or are not there."""

    def test_a_dead_worker(self, tmp_path: Path) -> None:
        def act(shard: Shard) -> list[Event | Message]:
            said = honest(shard, batch=2)
            if shard.attempt < 3:
                return [*said[:3], Failed(shard.name, shard.attempt, "paris-1", "its worker died")]
            return list(said)

        result = sweep(tmp_path, both(act=act))
        assert result.state == "complete"
        assert is_whole(result)

    def test_a_shard_that_kills_its_workers_is_halved_and_then_given_up(self, tmp_path: Path) -> None:
        """One address of it is to blame: all but the piece that has it is asked."""
        poison = 0x0A020105

        def act(shard: Shard) -> list[Event | Message]:
            if any(row.first <= poison <= row.last for row in map(parse_row, shard.rows)):
                return [honest(shard)[0], Failed(shard.name, shard.attempt, "london-1", "its worker died")]
            return list(honest(shard))

        result = sweep(tmp_path, both(act=act))
        assert result.state == "degraded"
        assert result.exit_code == 3
        assert 0 < result.not_reached <= 1200
        assert any("were given up after several attempts: 10.2." in reason for reason in result.reasons)
        assert sum(result.outcomes.values()) + result.not_reached == result.planned

    def test_the_way_was_lost(self, tmp_path: Path) -> None:
        """A scheduler that goes again and again is nothing that counts against a shard."""

        def act(shard: Shard) -> list[Event | Message]:
            if shard.attempt < 12:
                return [Failed(shard.name, shard.attempt, "", "the scheduler was lost")]
            return list(honest(shard))

        sites = both(act=act)
        result = sweep(tmp_path, sites)
        assert result.state == "complete"
        assert is_whole(result)

    def test_a_site_without_workers_is_told_and_not_waited_for(self, tmp_path: Path) -> None:
        result = sweep(tmp_path, Sites({"paris": 1}))
        assert (result.state, result.exit_code) == ("degraded", 3)
        assert result.not_reached == 2048
        assert result.reasons == ("site london: 2,048 targets were not reached: it had no worker for 1 s",)

    def test_a_worker_that_comes_late(self, tmp_path: Path) -> None:
        sites = Sites({"paris": 1})

        def act(shard: Shard) -> list[Event | Message]:
            if len(sites.given) == 2:
                sites.working["london"] = 1
                return [WorkersChanged(("london-1 came",)), *honest(shard)]
            return list(honest(shard))

        sites.act = act
        result = sweep(tmp_path, sites)
        assert result.state == "complete"
        assert is_whole(result)

    def test_a_shard_outside_a_worker_s_scope(self, tmp_path: Path) -> None:
        def act(shard: Shard) -> list[Event | Message]:
            if shard.site == "london":
                return list(refusal(shard, "scope", "10.2.0.0-10.2.7.255: no allow entry holds it"))
            return list(honest(shard))

        result = sweep(tmp_path, both(act=act))
        assert (result.state, result.exit_code, result.not_reached) == ("degraded", 3, 2048)
        (reason,) = result.reasons
        assert reason.startswith("site london: 2,048 targets were refused by a worker, whose own copy")
        assert "no allow entry holds it" in reason

    def test_a_part_of_a_shard_outside(self, tmp_path: Path) -> None:
        def act(shard: Shard) -> list[Message]:
            said = honest(shard)
            ended = said[-1]
            assert isinstance(ended, Ended)
            outcomes = ended.outcomes | {"filtered": ended.outcomes["filtered"] - 10}
            return [*said[:-1], changed(ended, outcomes=outcomes, refused=10)]

        sites = both(act=act)
        result = sweep(tmp_path, sites)
        assert result.state == "degraded"
        assert result.not_reached == 10 * len(sites.given)

    @pytest.mark.parametrize("code", ["version", "settings", "clock", "vantage"])
    def test_a_worker_that_is_not_fit(self, tmp_path: Path, code: str) -> None:
        """Another one is asked; where all of a site refuse, that is told."""

        def act(shard: Shard) -> list[Event | Message]:
            if shard.site == "london":
                return list(refusal(shard, code, "it is older"))
            return list(honest(shard))

        watcher, sites = Watcher(), both(act=act)
        result = sweep(tmp_path, sites, watcher=watcher)
        assert (result.state, result.not_reached) == ("degraded", 2048)
        assert any("it is older" in reason for reason in result.reasons)
        assert [each for each in watcher.notices if "it is older" in each][1:] == [], "told once"
        assert sum(shard.site == "london" for shard in sites.given) == 1, "no shard after the other"

    def test_a_worker_with_other_tables_is_told(self, tmp_path: Path) -> None:
        def act(shard: Shard) -> list[Message]:
            began, *others = honest(shard)
            assert isinstance(began, Began)
            theirs = "0" * 64 if shard.site == "london" else digest_of_all()
            return [changed(began, tables_sha256=theirs), *others]

        watcher = Watcher()
        result = sweep(tmp_path, both(act=act), watcher=watcher)
        assert result.state == "complete"
        (said,) = (each for each in watcher.notices if "tables" in each)
        assert said.startswith("london-1 judges by other tables than this machine")

    def test_workers_that_are_mended_meanwhile(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Refusals by a worker's fault count against no shard, and the site is tried again."""
        monkeypatch.setattr(coordinator, "REFUSED_WAIT", 0.0)

        def act(shard: Shard) -> list[Event | Message]:
            if shard.site == "london" and shard.attempt < 9:
                return list(refusal(shard, "vantage", "it looks from elsewhere"))
            return list(honest(shard))

        result = sweep(tmp_path, both(act=act))
        assert result.state == "complete"
        assert is_whole(result)

    def test_busy_is_asked_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("scanner.fleet.attempts.BUSY_WAIT", 0.0)

        def act(shard: Shard) -> list[Event | Message]:
            if shard.attempt < 8:
                return list(refusal(shard, "busy", "another process has it"))
            return list(honest(shard))

        assert is_whole(sweep(tmp_path, both(act=act)))

    def test_a_silent_worker_is_let_go(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(coordinator, "SILENCE", 0.5)
        sites = both(act=lambda shard: honest(shard)[: 1 if shard.attempt == 1 else None])
        result = sweep(tmp_path, sites)
        assert result.state == "complete"
        assert is_whole(result)
        assert len(sites.withdrawn) == len(sites.given) // 2
