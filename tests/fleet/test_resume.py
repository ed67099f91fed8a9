"""A coordinator that stops, or is killed, and goes on."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from results.files import AlreadyCompleteError, StorageRefusedError
from results.manifest import Manifest, differences
from results.run import load_manifest
from scanner.fleet import keeping, tally
from scanner.setup.settings import SweepOptions, SweepSettings
from scanner.sweep.sweep import run
from targets.entries import Deny, Entry
from targets.scope import Scope
from tests.support.fleet_sweeps import SCOPE, SETTINGS, both, is_whole, journal, sweep
from tests.support.simulated_sites import Sites, honest
from tests.support.sweeps import Watcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.fleet.carrier import Event
    from scanner.fleet.keeping import FleetCheckpoint
    from scanner.fleet.messages import Message, Shard
    from scanner.sweep.progress import RunSummary


DENIED = [Deny.of("10.1.3.0/24", reason="a printer")]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once."""
    monkeypatch.setattr(tally, "AGAIN", 0.0)


class Slow(Sites):
    """Each event takes a moment to come."""

    async def next(self) -> Event:
        """The next one."""
        await asyncio.sleep(0.02)
        return await super().next()


class TestResume:
    """A coordinator that stops, or is killed, and goes on."""

    def interrupted(self, home: Path, after: int, **more: Any) -> tuple[RunSummary, Sites]:
        sites = both()

        def act(shard: Shard) -> Sequence[Event | Message]:
            said = honest(shard, batch=2)
            return said if len(sites.given) <= after else said[:2]

        sites.act = act
        return sweep(home, sites, stop_after=1.0, **more), sites

    def test_what_is_done_is_not_asked_again(self, tmp_path: Path) -> None:
        first, before = self.interrupted(tmp_path, 2)
        assert (first.state, first.exit_code) == ("interrupted", 3)
        assert 0 < first.not_reached < first.planned
        done = {shard.name for shard in before.given[:2]}
        sites = both()
        result = sweep(tmp_path, sites, resume=Path(first.run_dir).name)
        assert result.state == "complete"
        assert is_whole(result)
        assert done.isdisjoint(shard.name for shard in sites.given)
        assert result.run_id == first.run_id

    def test_without_a_checkpoint_nothing_is_written_twice(self, tmp_path: Path) -> None:
        """As after a SIGKILL within the first seconds."""
        first, _ = self.interrupted(tmp_path, 2)
        for path in Path(first.run_dir).glob("checkpoint*"):
            path.unlink()
        sites = both()
        result = sweep(tmp_path, sites, resume=Path(first.run_dir).name)
        assert result.state == "complete"
        assert is_whole(result)
        assert sum(shard.targets for shard in sites.given) == len(SCOPE)

    @pytest.mark.parametrize("kept", [0, 1, 3])
    def test_lines_of_shards_begun_after_the_checkpoint_are_known(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
    ) -> None:
        """A coordinator that is killed leaves a journal that is ahead of its checkpoint: here the last one is
        of the time when no more than `kept` shards had ended."""
        monkeypatch.setattr(keeping, "SYNC_INTERVAL", 0.02)
        monkeypatch.setattr(keeping, "CHECKPOINT_EVERY", 1)
        write = keeping.Keeper._write

        believed = [0]  # shards that ended, by each checkpoint that stays

        def until_then(self: keeping.Keeper, checkpoint: FleetCheckpoint | None) -> None:
            ended = sum(site.counts.shards for site in checkpoint.sites) if checkpoint is not None else 0
            if checkpoint is not None and ended <= kept:
                believed.append(ended)
            write(self, checkpoint if ended <= kept else None)

        with monkeypatch.context() as killed:
            killed.setattr(keeping.Keeper, "_write", until_then)
            sites = Slow({"paris": 2, "london": 1}, act=lambda shard: honest(shard, batch=2))
            first = sweep(tmp_path, sites, stop_after=0.9)
        before = {line.event_id for line in journal(first)}
        again = both()
        result = sweep(tmp_path, again, resume=first.run_id)
        assert result.state == "complete"
        assert is_whole(result)
        assert before <= {line.event_id for line in journal(result)}
        if believed[-1]:  # several may have ended between two checkpoints
            assert sum(shard.targets for shard in again.given) < len(SCOPE)

    def test_what_only_the_journal_remembers_is_not_forgotten(self, tmp_path: Path) -> None:
        """A server that the killed start saw, and that is silent now: no count has it, so it is told."""
        first, _ = self.interrupted(tmp_path, 2)
        for path in Path(first.run_dir).glob("checkpoint*"):
            path.unlink()
        silent = both(act=lambda shard: honest(shard, lambda address: None))
        result = sweep(tmp_path, silent, resume=Path(first.run_dir).name)
        assert result.state == "degraded"
        assert any("and no count has them" in reason for reason in result.reasons)

    def test_another_division_or_another_scope_is_refused(self, tmp_path: Path) -> None:
        first, _ = self.interrupted(tmp_path, 1)
        name = Path(first.run_dir).name
        with pytest.raises(StorageRefusedError, match="--from was not set, is paris; undo"):
            sweep(tmp_path, both(), resume=name, from_site="paris")
        manifest, _ = load_manifest(Path(first.run_dir))
        alone = msgspec.convert(msgspec.to_builtins(manifest), Manifest)
        del alone.configuration["fleet"]
        assert differences(manifest, alone) == ["it is a fleet's, so write --fleet or --ssh as at its start"]
        assert "leave --fleet and --ssh out" in differences(alone, manifest)[0]
        for site in ("oslo", "paris"):  # the same targets, and others who ask them
            moved = Scope([SCOPE.entries[0], Entry.of("10.2.0.0/21", owner="shop", site=site)], DENIED)
            with pytest.raises(StorageRefusedError, match="the allow entries had other sites"):
                sweep(tmp_path, both(), resume=name, scope=moved)
        smaller = Scope(SCOPE.entries[:1])
        with pytest.raises(StorageRefusedError, match="the scope changed"):
            sweep(tmp_path, both(), resume=name, scope=smaller)
        coarser = msgspec.structs.replace(SETTINGS.sweep, per_prefix_length=23)
        with pytest.raises(StorageRefusedError, match="per_prefix_length"):  # it would cut shards elsewhere
            sweep(tmp_path, both(), resume=name, settings=msgspec.structs.replace(SETTINGS, sweep=coarser))
        faster = msgspec.structs.replace(SETTINGS, sweep=SweepSettings(rate=90.0))
        assert sweep(tmp_path, both(), resume=name, settings=faster).state == "complete"

    def test_neither_does_a_machine_alone_go_on_with_it(self, tmp_path: Path) -> None:
        first, _ = self.interrupted(tmp_path, 1)
        options = SweepOptions(output=tmp_path / "runs", resume=Path(first.run_dir).name)
        with pytest.raises(StorageRefusedError, match="it is a fleet's, so write --fleet"):
            run(SETTINGS, SCOPE, options, Watcher())

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_second_signal_takes_nothing_from_it(self, tmp_path: Path, number: int) -> None:
        """One while it is being sealed, or while the carrier leaves."""

        class Leaving(Sites):
            async def __aexit__(self, *_: object) -> None:
                os.kill(os.getpid(), number)
                await asyncio.sleep(0.05)

        def act(shard: Shard) -> list[Message]:
            os.kill(os.getpid(), number)
            return []

        result = sweep(tmp_path, Leaving({"paris": 2, "london": 1}, act))
        assert (result.state, result.exit_code, result.interrupted) == ("interrupted", 3, True)

    def test_a_complete_run_is_not_taken_up(self, tmp_path: Path) -> None:
        result = sweep(tmp_path, both())
        with pytest.raises(AlreadyCompleteError):
            sweep(tmp_path, both(), resume=Path(result.run_dir).name)

    def test_the_stop_file_takes_everything_back_until_it_is_gone(self, tmp_path: Path) -> None:
        stop = tmp_path / "stop"
        pause = msgspec.structs.replace(SETTINGS.pause, stop_file=str(stop))
        settings = msgspec.structs.replace(SETTINGS, pause=pause)
        sites = both()

        def act(shard: Shard) -> Sequence[Event | Message]:
            if len(sites.given) == 3:
                stop.touch()
                return honest(shard)[:1]
            return honest(shard)

        class Waiting(Watcher):
            def progress(self, snapshot: Any) -> None:
                super().progress(snapshot)
                if snapshot.paused_by and stop.exists() and len(self.snapshots) > 4:
                    stop.unlink()

        sites.act = act
        watcher = Waiting()
        result = sweep(tmp_path, sites, settings=settings, watcher=watcher)
        assert result.state == "complete"
        assert is_whole(result)
        assert sites.withdrawn
        assert "paused: the stop file exists" in watcher.notices
