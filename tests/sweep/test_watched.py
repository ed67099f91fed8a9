"""Places that were open before: a line each, whatever they say; none more for anybody else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from results.reading import read_run
from results.summary import unique
from results.verdict import Verdict
from scanner.engine.middlebox import MASK_LINES, MiddleboxWatch
from scanner.engine.observe import RunContext, silence
from scanner.engine.watched import Watched
from scanner.lab.thread import LabThread
from scanner.setup.settings import CanarySettings, Settings
from tests.support.servers import jammed, mute
from tests.support.sweeps import FAST, estate, found, scope_of, sweep

if TYPE_CHECKING:
    from collections.abc import Iterable

    from results.record import Observation

BOX = "127.91.6.{}"


def codes(line: Observation) -> list[str]:
    return [reason.code for reason in line.evidence]


def places(port: int, *addresses: str) -> frozenset[tuple[str, int]]:
    return frozenset((address, port) for address in addresses)


def how_often(lines: Iterable[Observation]) -> Counter[str]:
    return Counter(line.target.ip for line in lines)


@pytest.mark.parametrize("workers", [1, 2])
def test_watched_places_have_a_line_each_and_others_have_none_more(
    tmp_path: Path, port: int, workers: int
) -> None:
    """One that is closed now, one locked, one outside the scope, one whose port nobody asks."""
    servers = estate({"auth_7_1", "magazine"})
    watched = places(port, "127.91.0.1", "127.91.0.9", "127.92.0.1") | {("127.91.0.10", port - 1)}
    with LabThread({(ip, port): personality for ip, personality in servers.items()}):
        summary, watcher = sweep(scope_of(port), tmp_path, workers=workers, watched=watched)
        plain, _ = sweep(scope_of(port), tmp_path, workers=workers)
    lines = found(summary.run_dir)
    assert set(lines) == {*servers, "127.91.0.9"}
    assert set(found(plain.run_dir)) == set(servers)
    assert set(how_often(read_run(Path(summary.run_dir))).values()) == {1}
    closed = lines["127.91.0.9"]
    assert (closed.verdict.value, codes(closed)) == ("refused", ["refused", "reset"])
    assert closed.owner.owner == "web platform"
    assert summary.outcomes == plain.outcomes
    assert {seen.target.ip for seen in watcher.seen} <= set(servers)  # nobody is alarmed by a closed port


def test_what_nobody_answers_has_a_line(tmp_path: Path, port: int) -> None:
    with jammed("127.91.0.4", port):
        summary, _ = sweep(scope_of(port, "127.91.0.4/31"), tmp_path, watched=places(port, "127.91.0.4"))
    lines = found(summary.run_dir)
    assert {ip: (line.verdict.value, codes(line)) for ip, line in lines.items()} == {
        "127.91.0.4": ("filtered", ["filtered"])
    }


def test_a_masked_prefix_takes_no_watched_line_and_is_named_in_it(tmp_path: Path, port: int) -> None:
    """A box completes every handshake but one, and one real server stands behind it."""
    settings = Settings(sweep=msgspec.structs.replace(FAST, reply_timeout=0.3, host_timeout=1.0))
    (locked,) = estate({"auth_7_1"}).values()
    real, closed = BOX.format(20), BOX.format(30)
    box = [BOX.format(number) for number in range(64) if number not in (20, 30)]
    watched = places(port, real, closed, *box[:40])
    with mute(*((ip, port) for ip in box)), LabThread({(real, port): locked}):
        summary, _ = sweep(scope_of(port, BOX.format("0/26")), tmp_path, settings, watched=watched)
    lines = {line.target.ip: line for line in unique(read_run(Path(summary.run_dir)))}
    assert {real, closed, *box[:40]} <= set(lines)
    assert len(lines) <= 42 + MASK_LINES
    assert "masked-prefix" not in codes(lines[real])
    assert codes(lines[closed]) == ["refused", "reset", "masked-prefix"]
    for ip in box[:40]:
        assert codes(lines[ip])[-1] == "masked-prefix"
        assert lines[ip].evidence[-1].detail.startswith("127.91.6.0/24: 62 of 63 accepted")
    assert summary.state == "degraded"


def test_what_a_resume_finds_stands_after_what_was_written_before(tmp_path: Path, port: int) -> None:
    """A canary's silence leaves the run to be resumed. What was silent is asked again then."""
    canary = CanarySettings(address="127.91.0.6", port=port, expect=Verdict.AUTH_REQUIRED)
    settings, watched = Settings(sweep=FAST, canary=(canary,)), places(port, "127.91.0.9", "127.91.0.3")
    (locked,) = estate({"auth_7_1"}).values()
    with jammed("127.91.0.3", port):
        first, _ = sweep(scope_of(port, "127.91.0.0/28"), tmp_path, settings, watched=watched)
    assert how_often(read_run(Path(first.run_dir))) == {"127.91.0.9": 1, "127.91.0.3": 1}
    with LabThread({("127.91.0.3", port): locked}):
        sweep(scope_of(port, "127.91.0.0/28"), tmp_path, settings, watched=watched, resume=first.run_id)
    lines = unique(read_run(Path(first.run_dir)))
    assert how_often(lines) == {"127.91.0.9": 1, "127.91.0.3": 1}
    assert {line.target.ip: line.verdict.value for line in lines} == {
        "127.91.0.9": "refused",
        "127.91.0.3": "auth_required",
    }


def test_a_server_that_spoke_after_its_silence_is_not_called_silent_again() -> None:
    """Else the line of the silence, written once more for its masked prefix, would be the last word."""
    box, scope = MiddleboxWatch(), scope_of(27017, BOX.format("0/24"))
    targets = [scope.pick(index) for index in range(40)]
    for target in targets[3:]:
        box.note(target, "said nothing")
    context = RunContext("r", scope)
    silent = [silence(context, target, Verdict.FILTERED, "", 0.0) for target in targets[:3]]
    watched = Watched(frozenset(targets))
    for target, seen in zip(targets, silent, strict=False):
        watched.note(target, seen)
    watched.note(targets[0], None)
    watched.speak(targets[1:2])
    assert [seen.target.ip for seen in watched.masked(box)] == [BOX.format(2)]
    assert not list(watched.masked(box))
