"""Lines that come twice, in any order, torn, or from elsewhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec import Raw

from results.covered import parse_row
from results.verdict import Verdict
from scanner.fleet import tally
from scanner.fleet.carrier import Heard
from scanner.fleet.messages import Ended, Lines
from tests.support.fleet_sweeps import both, is_whole, sweep
from tests.support.simulated_sites import changed, honest, seen
from tests.support.sweeps import Watcher

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.fleet.carrier import Event
    from scanner.fleet.messages import Message, Shard


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once."""
    monkeypatch.setattr(tally, "AGAIN", 0.0)


class TestBatches:
    """Lines that come twice, in any order, torn, or from elsewhere."""

    def test_twice(self, tmp_path: Path) -> None:
        result = sweep(tmp_path, both(act=lambda s: [each for each in honest(s, batch=3) for _ in range(2)]))
        # Began twice in a row is one beginning; an end that comes again is passed over.
        assert result.state == "complete"
        assert is_whole(result)

    def test_out_of_order(self, tmp_path: Path) -> None:
        def act(shard: Shard) -> list[Message]:
            began, *lines, going, ended = honest(shard, batch=2)
            return [began, *reversed(lines), going, ended]

        result = sweep(tmp_path, both(act=act))
        assert result.state == "complete"
        assert is_whole(result)

    def test_some_early_and_all_at_the_end(self, tmp_path: Path) -> None:
        """As Dask brings them: what was sent ahead may be lost in part, and the end brings all."""

        def act(shard: Shard) -> list[Message]:
            said = honest(shard, batch=2)
            return [said[0], *(each for each in said[2:4] if isinstance(each, Lines)), *said]

        result = sweep(tmp_path, both(act=act))
        assert result.state == "complete"
        assert is_whole(result)

    @pytest.mark.parametrize("harm", ["missing", "torn", "other", "not written"])
    def test_what_did_not_come_whole_is_asked_again(self, tmp_path: Path, harm: str) -> None:
        def act(shard: Shard) -> list[Message]:
            said = honest(shard, batch=2)
            batches = [each for each in said if isinstance(each, Lines)]
            if shard.attempt > 1 or not batches:
                return said
            first = batches[0]
            if harm == "missing":
                return [each for each in said if each is not batches[-1]]
            if harm == "torn":
                torn = changed(first, lines=[Raw(bytes(first.lines[0])[:-9]), *first.lines[1:]])
            elif harm == "other":
                torn = changed(
                    first, lines=[Raw(bytes(first.lines[0]).replace(b"web platform", b"web platfors"))]
                )
            else:
                (ended,) = [each for each in said if isinstance(each, Ended)]
                return [*said[:-1], changed(ended, lines=ended.lines + 1)]
            return [torn if each is first else each for each in said]

        sites, watcher = both(act=act), Watcher()
        result = sweep(tmp_path, sites, watcher=watcher)
        assert result.state == "complete"
        assert max(shard.attempt for shard in sites.given) == 2
        assert is_whole(result) or harm == "other"
        assert any("a shard failed" in notice for notice in watcher.notices)

    @pytest.mark.parametrize("harm", ["elsewhere", "other run", "other id", "other site", "other vantage"])
    def test_a_line_that_is_not_of_the_shard_reaches_no_journal(self, tmp_path: Path, harm: str) -> None:
        def act(shard: Shard) -> list[Message]:
            said = honest(shard, batch=2)
            if shard.attempt > 1 or not isinstance(said[1], Lines):
                return said
            address = parse_row(shard.rows[0]).first
            if harm == "elsewhere":
                (line,) = seen(shard, 0x08080808, 27017, Verdict.OPEN)
            elif harm == "other run":
                (line,) = seen(changed_shard(shard, run_id="another"), address, 27017, Verdict.OPEN)
            elif harm == "other id":
                (line,) = seen(shard, address, 27017, Verdict.OPEN)
                document = json.loads(line)
                document["event_id"] = "0" * 32
                line = json.dumps(document).encode()
            elif harm == "other vantage":
                (line,) = seen(changed_shard(shard, vantage="moon"), address, 27017, Verdict.OPEN)
            else:
                (line,) = seen(shard, address, 27017, Verdict.OPEN, "atlantis")
            return [said[0], changed(said[1], lines=[Raw(line)]), *said[2:]]

        sites = both(act=act)
        result = sweep(tmp_path, sites)
        assert result.state == "complete"
        assert is_whole(result)
        assert sites.withdrawn

    def test_of_another_run_or_an_attempt_that_is_over(self, tmp_path: Path) -> None:
        def act(shard: Shard) -> list[Event | Message]:
            said = honest(shard)
            stray = [changed(each, run_id="an-older-run") for each in said]
            late = [changed(each, attempt=each.attempt + 7) for each in said]
            return [*stray, *late, *said, *said]

        result = sweep(tmp_path, both(act=act))
        assert result.state == "complete"
        assert is_whole(result)

    def test_two_workers_with_one_attempt(self, tmp_path: Path) -> None:
        """A frozen worker wakes and finishes what another has begun again: either may bring it to its end."""

        def act(shard: Shard) -> list[Event | Message]:
            one, two = honest(shard, worker="a", batch=2), honest(shard, worker="b", batch=2)
            mixed = [Heard("a", each) for each in one[:-1]] + [Heard("b", each) for each in two[:3]]
            return [*mixed, Heard("a", one[-1]), *(Heard("b", each) for each in two[3:])]

        result = sweep(tmp_path, both(act=act))
        assert result.state == "complete"
        assert is_whole(result)


def changed_shard(shard: Shard, **fields: Any) -> Shard:
    return msgspec.structs.replace(shard, **fields)
