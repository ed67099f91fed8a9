"""A whole sweep by a fleet whose sites are simulated: who asks what, and how it ends."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from results.covered import Covered, parse_row
from results.ledger.intake import catch_up
from results.ledger.store import Ledger
from results.run import load_manifest
from results.summary import Loss
from results.verdict import Verdict
from scanner.errors import RefusedError
from scanner.fleet import tally
from scanner.fleet.carrier import Failed
from scanner.fleet.messages import Ended
from scanner.setup.fleet_settings import FleetSettings
from targets.entries import Entry
from targets.scope import Scope
from tests.support.fleet_sweeps import SCOPE, SETTINGS, both, expected, is_whole, journal, mixed, sweep
from tests.support.simulated_sites import Sites, changed, honest
from tests.support.sweeps import Watcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.fleet.carrier import Event
    from scanner.fleet.messages import Message, Shard


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once."""
    monkeypatch.setattr(tally, "AGAIN", 0.0)


class TestWhole:
    def test_two_sites_one_run(self, tmp_path: Path) -> None:
        sites, watcher = both(), Watcher()
        result = sweep(tmp_path, sites, watcher=watcher)
        assert (result.state, result.exit_code, result.reasons) == ("complete", 1, ())
        assert is_whole(result)
        assert {shard.site for shard in sites.given} == {"paris", "london"}
        assert all(
            (row.first >> 16 == 0x0A01) == (shard.site == "paris")
            for shard in sites.given
            for row in map(parse_row, shard.rows)
        )
        assert sum(shard.targets for shard in sites.given) == len(SCOPE)
        assert len(watcher.seen) == expected()[Verdict.OPEN]
        manifest, _ = load_manifest(Path(result.run_dir))
        fleet = manifest.configuration["fleet"]
        assert len(fleet.pop("sites")) == 16
        assert fleet == {
            "from": "",
            "default_site": "",
            "per_prefix_lengths": [24, 64],
            "shard_targets": 1200,
        }
        assert manifest.planned.targets == len(SCOPE)
        told = [json.loads(line) for line in (Path(result.run_dir) / "fleet.jsonl").read_text().splitlines()]
        assert Counter(line["event"] for line in told)["ended"] == len(sites.given)
        ends = {line["site"]: line for line in told if line["event"] == "site"}
        assert ends.keys() == {"paris", "london"}
        assert all(line["reached"] == line["targets"] for line in ends.values())
        assert sum(sum(line["shards"].values()) for line in ends.values()) == len(sites.given)
        (said,) = [each for each in watcher.notices if each.startswith("site paris: ")]
        count = f"{ends['paris']['targets']:,}"
        assert said.startswith(f"site paris: {count} of {count} targets reached, by ")
        assert all(f"{name} ({number} shard" in said for name, number in ends["paris"]["shards"].items())

    def test_each_watched_place_goes_with_its_shard_and_the_ledger_knows_who_asked(
        self, tmp_path: Path
    ) -> None:
        watched = {(f"10.1.0.{last}", 27017) for last in range(0, 256, 5)} | {("10.2.7.255", 27017)}
        others = {("10.1.3.7", 27017), ("10.1.0.1", 27018), ("::1", 27017), ("10.9.0.1", 27017)}
        sites = both()
        result = sweep(tmp_path, sites, watched=frozenset(watched | others))
        assert sorted(place for shard in sites.given for place in shard.watched) == sorted(watched)
        assert all(
            Covered(map(parse_row, shard.rows)).contains(*place)
            for shard in sites.given
            for place in shard.watched
        )
        catch_up(tmp_path / "runs")
        with Ledger.open(tmp_path / "runs") as ledger:
            assert ledger.by_fleet(result.run_id)

    def test_no_more_is_under_way_than_a_site_has_room_for(self, tmp_path: Path) -> None:
        sites = Sites({"paris": 3, "london": 1})
        sweep(tmp_path, sites)
        assert sites.at_once == 3

    def test_one_site_asks_everything(self, tmp_path: Path) -> None:
        sites = Sites({"cloud": 1}, act=lambda shard: honest(shard, site=None))

        def act(shard: Shard) -> Sequence[Message]:
            inside = {True: "paris", False: "london"}
            rows = list(map(parse_row, shard.rows))
            sites_of = {inside[row.first >> 16 == 0x0A01] for row in rows}
            if len(sites_of) > 1:
                return mixed(shard)
            return honest(shard, site=sites_of.pop())

        sites.act = act
        result = sweep(tmp_path, sites, from_site="cloud")
        assert is_whole(result)
        assert {shard.site for shard in sites.given} == {"cloud"}

    def test_entries_without_a_site_go_to_the_one_that_is_set(self, tmp_path: Path) -> None:
        scope = Scope([Entry.of("10.1.0.0/22", owner="web"), Entry.of("10.2.0.0/24", owner="web", site="hq")])
        fleet = FleetSettings(default_site="hq")
        settings = msgspec.structs.replace(SETTINGS, fleet=fleet)
        sites = Sites({"hq": 1}, act=lambda shard: mixed(shard, {0x0A01: "", 0x0A02: "hq"}))
        assert is_whole(sweep(tmp_path, sites, scope=scope, settings=settings), scope)

    def test_nobody_knows_who_asks_what_has_no_site(self, tmp_path: Path) -> None:
        scope = Scope([Entry.of("10.1.0.0/22", owner="web")])
        with pytest.raises(RefusedError, match="1,024 addresses of allow entries without a site"):
            sweep(tmp_path, Sites({"hq": 1}), scope=scope)
        assert not (tmp_path / "runs").exists()


class TestHonest:
    """What keeps a run from being complete."""

    def test_a_degraded_shard(self, tmp_path: Path) -> None:
        def act(shard: Shard) -> list[Message]:
            said = honest(shard)
            return [
                *said[:-1],
                changed(said[-1], state="degraded", reasons=["masked by a middlebox: 10.1.0.0/24"]),
            ]

        sites = both(act=act)
        result = sweep(tmp_path, sites)
        assert (result.state, result.exit_code) == ("degraded", 3)
        count = sum(shard.site == "paris" for shard in sites.given)
        assert f"site paris: masked by a middlebox: 10.1.0.0/24 ({count} shards)" in result.reasons

    def test_many_small_doubts_are_one_large_one(self, tmp_path: Path) -> None:
        """Each shard misses a server with 0.8 %: together that is more than 1 %."""

        def act(shard: Shard) -> list[Message]:
            said = honest(shard)
            return [
                *said[:-1],
                changed(said[-1], unheard=0.008, loss=Loss(missed_at_most=1, answered=9, late=2)),
            ]

        result = sweep(tmp_path, both(act=act))
        assert result.state == "degraded"
        assert (
            "servers may have been missed for lost or refused packets: at most 1 (99 % confidence)"
            in result.reasons
        )

    def test_accounts_that_do_not_balance(self, tmp_path: Path) -> None:
        def act(shard: Shard) -> list[Message]:
            said = honest(shard)
            ended = said[-1]
            assert isinstance(ended, Ended)
            return [*said[:-1], changed(ended, outcomes=ended.outcomes | {"filtered": 1})]

        result = sweep(tmp_path, both(act=act))
        assert result.state == "degraded"
        assert result.not_reached == result.planned

    def test_servers_that_only_an_attempt_saw_which_came_to_nothing(self, tmp_path: Path) -> None:
        def act(shard: Shard) -> list[Event | Message]:
            if shard.attempt == 1:
                said = honest(shard, lambda address: Verdict.OPEN if address % 512 == 0 else None)
                return [*said[:-1], Failed(shard.name, 1, "paris-1", "its worker died")]
            return list(honest(shard))

        result = sweep(tmp_path, both(act=act))
        assert result.state == "degraded"
        assert any("answered an attempt that was not finished" in reason for reason in result.reasons)

    def test_a_verdict_that_changed_is_written_again(self, tmp_path: Path) -> None:
        """Nothing takes back what was seen, and the newer line is not dropped as a duplicate."""

        def act(shard: Shard) -> list[Event | Message]:
            if shard.attempt == 1:
                closed = lambda address: Verdict.AUTH_REQUIRED if address % 100 == 0 else None  # noqa: E731
                said = honest(shard, closed)
                return [*said[:-1], Failed(shard.name, 1, "paris-1", "its worker died")]
            return list(honest(shard))

        result = sweep(tmp_path, both(act=act))
        assert result.state == "complete"
        assert sum(line.verdict is Verdict.OPEN for line in journal(result)) == expected()[Verdict.OPEN]


def test_who_begins_is_told(tmp_path: Path) -> None:
    """The plan is that of any sweep, and the progress adds up."""
    watcher = Watcher()
    result = sweep(tmp_path, both(), watcher=watcher)
    assert watcher.plans[0].targets == len(SCOPE)
    assert result.elapsed > 0
    assert replace(watcher.snapshots[-1], elapsed=0.0).planned == len(SCOPE)
