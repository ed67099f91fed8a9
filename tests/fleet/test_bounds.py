"""What a broken or hostile worker may cost the coordinator, and for how long one that does nothing is waited
for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec import Raw

from results.covered import Covered, parse_row
from results.files import StorageError
from results.record import Owner
from results.run import load_manifest
from results.summary import Loss
from results.verdict import Verdict
from scanner.fleet import coordinator, gathering, notices, tally
from scanner.fleet.carrier import Failed
from scanner.fleet.gathering import Gathering, StrayLineError
from scanner.fleet.messages import Ended, Lines, MessageError, Told, decode, digest_of, encode
from tests.support.fleet_sweeps import SCOPE, both, is_whole, journal, sweep
from tests.support.shards import shard_of
from tests.support.simulated_sites import Sites, changed, honest, refusal, seen, targets_of
from tests.support.sweeps import Watcher

if TYPE_CHECKING:
    from scanner.fleet.carrier import Event
    from scanner.fleet.messages import Message, Shard


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once."""
    monkeypatch.setattr(tally, "AGAIN", 0.0)
    monkeypatch.setattr("scanner.fleet.attempts.BUSY_WAIT", 0.0)


class TestNothingBegins:
    """There is an end to waiting for workers that are there."""

    def quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(coordinator, "SILENCE", 0.3)
        monkeypatch.setattr(coordinator, "QUEUE", 0.0)

    def test_workers_that_begin_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.quick(monkeypatch)
        watcher = Watcher()
        sites = both(act=lambda shard: honest(shard) if shard.site == "paris" else [])
        result = sweep(tmp_path, sites, watcher=watcher)
        assert (result.state, result.not_reached) == ("degraded", 2048)
        assert result.reasons == (
            "site london: 2,048 targets were not reached: its workers began nothing for 1 s",
        )
        assert "the workers of london begin nothing that they are given" in watcher.notices

    def test_at_no_site(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody's waiting begins anew because another one's is over."""
        self.quick(monkeypatch)
        result = sweep(tmp_path, both(act=lambda shard: []))
        assert (result.state, result.not_reached) == ("degraded", len(SCOPE))

    def test_no_room(self, tmp_path: Path) -> None:
        class Full(Sites):
            def capacity(self, site: str) -> int:
                return 0

        result = sweep(tmp_path, Full({"paris": 1, "london": 1}))
        assert (result.state, result.not_reached) == ("degraded", len(SCOPE))

    @pytest.mark.parametrize("how", ["busy", "lost"])
    def test_what_never_comes_to_anything(self, tmp_path: Path, how: str) -> None:
        """A process that holds the spool for ever; results that nobody can fetch."""

        def act(shard: Shard) -> list[Event | Message]:
            if shard.site == "paris":
                return list(honest(shard))
            if how == "busy":
                return list(refusal(shard, "busy", "another process has it"))
            return [Failed(shard.name, shard.attempt, "", "its result was lost on the way")]

        result = sweep(tmp_path, both(act=act))
        assert (result.state, result.not_reached) == ("degraded", 2048)
        assert "were given up after several attempts" in result.reasons[0]


class TestAccounts:
    """Figures that no shard can have."""

    @pytest.mark.parametrize(
        "lie",
        [
            {"loss": Loss(missed_at_most=0, answered=10**30)},
            {"loss": Loss(missed_at_most=10**30)},
            {"excluded": 0, "link_edges": 5},
            {"blind": (10**9, 0)},
            {"unheard": 1e8 * 100},
            {"withdrawn": ["10.1.0.0/24"]},
            {"outcomes": {"\x1b[2J": 1200}},
        ],
    )
    def test_are_not_believed(self, tmp_path: Path, lie: dict[str, Any]) -> None:
        def act(shard: Shard) -> list[Message]:
            said = honest(shard)
            return [*said[:-1], changed(said[-1], **lie)] if shard.attempt == 1 else said

        watcher = Watcher()
        result = sweep(tmp_path, both(act=act), watcher=watcher)
        assert result.state == "complete"
        assert is_whole(result)
        assert not any("\x1b" in text for text in watcher.notices)

    @pytest.mark.parametrize(
        "field", [{"unheard": -0.5}, {"seconds": -1.0}, {"agreed": (-1, 0, 0)}, {"lines": 1 << 70}]
    )
    def test_are_no_message(self, field: dict[str, Any]) -> None:
        """What one site's worker says may not make up for what another's lacks."""
        ended = Ended(
            run_id="r", name="paris_0-1", attempt=1, state="complete", reasons=[], planned=1, outcomes={}
        )
        with pytest.raises(MessageError):
            decode(encode(msgspec.structs.replace(ended, **field)))

    def test_a_line_that_no_count_has(self, tmp_path: Path) -> None:
        """Of a worker's earlier start: the server was silent when it was asked again."""

        def act(shard: Shard) -> list[Message]:
            said = honest(shard, lambda address: None)
            began, ended = said[0], said[-1]
            address, port = next(targets_of(shard))
            lines = seen(shard, address, port, Verdict.OPEN)
            who: dict[str, Any] = {"run_id": shard.run_id, "name": shard.name, "attempt": shard.attempt}
            batch = Lines(**who, number=1, lines=[Raw(line) for line in lines])
            return [began, batch, changed(ended, lines=len(lines), digest=digest_of(lines))]

        result = sweep(tmp_path, both(act=act))
        assert result.state == "degraded"
        assert any(
            "their lines stand in the journal, and no count has them" in each for each in result.reasons
        )

    def test_long_reasons_are_cut(self, tmp_path: Path) -> None:
        def act(shard: Shard) -> list[Message]:
            said = honest(shard)
            why = ["\x1b[31m" + "x" * 5_000_000] * 1_000
            return [*said[:-1], changed(said[-1], state="degraded", reasons=why)]

        result = sweep(tmp_path, both(act=act))
        assert result.state == "degraded"
        assert max(map(len, result.reasons)) < 1_200
        assert not any("\x1b" in reason for reason in result.reasons)


class TestFloods:
    """What is kept of a worker that says too much."""

    def test_told(self, tmp_path: Path) -> None:
        def act(shard: Shard) -> list[Message]:
            who: dict[str, Any] = {"run_id": shard.run_id, "name": shard.name, "attempt": shard.attempt}
            began, *rest = honest(shard)
            return [began, *(Told(**who, text=f"\x1b]0;{number}\x07") for number in range(300)), *rest]

        watcher = Watcher()
        assert is_whole(sweep(tmp_path, both(act=act), watcher=watcher))
        assert len(watcher.notices) <= notices.MOST + 1 + 2, "those, that there was more, and how sites ended"
        assert not any("\x1b" in text for text in watcher.notices)

    def test_beginnings(self, tmp_path: Path) -> None:
        def act(shard: Shard) -> list[Message]:
            said = honest(shard)
            return [said[0]] * 3_000 if shard.attempt == 1 else said

        sites = both(act=act)
        result = sweep(tmp_path, sites)
        assert is_whole(result)
        log = (Path(result.run_dir) / "fleet.jsonl").read_text().splitlines()
        assert sum(json.loads(line)["event"] == "began" for line in log) <= len(sites.given) * 50

    def gathering(self) -> tuple[Gathering, Shard, list[bytes]]:
        shard, written = shard_of("10.1.0.0-10.1.0.255:27017"), list[bytes]()
        made = Gathering(
            shard.run_id,
            "",
            Covered(map(parse_row, shard.rows)),
            owner_of=lambda version, address: Owner(owner="web platform", site="paris"),
            append=written.extend,
        )
        made.begin(1, "w")
        return made, shard, written

    def test_batches_that_came_early(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gathering, "MOST_HELD_BYTES", 3_000)
        made, shard, _ = self.gathering()
        (line,) = seen(shard, 0x0A010001, 27017, Verdict.AUTH_REQUIRED)
        for number in range(2, 40):
            made.take("w", self.batch(shard, number, line))
        assert sum(len(each.held) for each in made._streams.values()) == 3_000 // len(line)

    def test_one_target_that_changes_again_and_again(self) -> None:
        made, shard, written = self.gathering()
        both_ways = [
            seen(shard, 0x0A010001, 27017, verdict)[0] for verdict in (Verdict.OPEN, Verdict.AUTH_REQUIRED)
        ]
        with pytest.raises(StrayLineError, match="changes again and again"):
            made.take("w", self.batch(shard, 1, *both_ways * 500))
        assert len(written) == gathering.MOST_CHANGES

    @staticmethod
    def batch(shard: Shard, number: int, *lines: bytes) -> Lines:
        who: dict[str, Any] = {"run_id": shard.run_id, "name": shard.name, "attempt": 1}
        return Lines(**who, number=number, lines=[Raw(line) for line in lines])


def test_whose_a_server_is_says_the_coordinator(tmp_path: Path) -> None:
    """Who owns it is told of it: a worker that was broken into may not choose whom."""
    result = sweep(tmp_path, both())
    owners = {(line.owner.site, line.owner.owner) for line in journal(result)}
    assert owners == {("paris", "web"), ("london", "shop")}


def test_a_full_disk_is_told_in_the_run(tmp_path: Path) -> None:
    """Also when it is found by what appends a line."""
    made: list[Path] = []

    def act(shard: Shard) -> list[Message]:
        (run,) = [each for each in (tmp_path / "runs").iterdir() if each.is_dir()]
        made.append(run)
        return list(honest(shard))

    with pytest.MonkeyPatch.context() as patch:

        def full(*_: object) -> None:
            raise StorageError(tmp_path, "no space is left")

        patch.setattr("results.journal.JournalWriter.append_many", full)
        with pytest.raises(StorageError):
            sweep(tmp_path, both(act=act))
    manifest, _ = load_manifest(made[0])
    assert manifest.state == "failed"
    assert "no space is left" in manifest.reasons[0]
