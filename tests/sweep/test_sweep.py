"""A whole sweep over real sockets: what it finds, what it counts, and how it ends when things go wrong."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from results.audit import audit
from results.reading import read_run
from results.run import load_manifest
from results.verdict import Verdict
from scanner.clock import SystemClock
from scanner.lab.channel import ServerConnection
from scanner.lab.data import DataSet, StoredCollection, StoredDatabase
from scanner.lab.honest import mongod
from scanner.lab.profile import Role
from scanner.lab.thread import LabThread
from scanner.mongo.first_answers import FirstAnswers
from scanner.setup.settings import Blackout, CanarySettings, Pause, Settings, SweepOptions
from scanner.sweep.control import RunControl
from scanner.sweep.sweep import run
from targets.entries import Entry
from targets.scope import Scope
from tests.support.sweeps import FAST, Watcher, estate, found, scope_of, sweep

if TYPE_CHECKING:
    from results.record import Observation
    from scanner.lab.personality import Personality
    from scanner.mongo.facts import Own
    from scanner.sweep.progress import ProgressSnapshot


def test_every_personality_gets_its_verdict(tmp_path: Path, port: int) -> None:
    servers = estate()
    settings = Settings(sweep=msgspec.structs.replace(FAST, reply_timeout=4.0, host_timeout=15.0))
    with LabThread({(ip, port): personality for ip, personality in servers.items()}) as lab:
        summary, watcher = sweep(scope_of(port), tmp_path, settings)
        asked = {message.command for server in lab.servers for message in server.record.messages}
    lines = found(summary.run_dir)
    wrong = {
        servers[ip].name: (line.verdict, line.evidence)
        for ip, line in lines.items()
        if line.verdict not in servers[ip].acceptable
    }
    assert not wrong
    assert set(lines) == set(servers)
    assert summary.state == "complete"
    assert summary.exit_code == 1
    assert summary.outcomes["refused"] == 64 - len(servers)
    assert summary.planned == sum(summary.outcomes.values()) == 64
    assert asked <= {
        "isMaster", "hello", "buildInfo", "listDatabases", "listCollections", "dbStats", "collStats",
        "aggregate", "count", "find", "getMore", "top", "serverStatus", "",
    }  # fmt: skip
    assert len(watcher.seen) == sum(personality.verdict.is_open for personality in servers.values())
    assert not audit(Path(summary.run_dir)).edited


def test_the_magazine_is_told_as_it_is(tmp_path: Path, port: int) -> None:
    servers = estate({"magazine"})
    with LabThread({(ip, port): personality for ip, personality in servers.items()}):
        summary, _ = sweep(scope_of(port, "127.91.0.1"), tmp_path)
    line = found(summary.run_dir)["127.91.0.1"]
    truth = servers["127.91.0.1"].truth
    assert line.exposure is not None
    assert line.exposure.total_size_bytes is not None
    assert truth.total_size is not None
    assert 59e9 < line.exposure.total_size_bytes <= truth.total_size  # without the server's own databases
    assert line.exposure.documents == truth.documents
    assert line.exposure.ransom.level == "likely"
    assert set(truth.ransom) & set(line.exposure.ransom.names)
    assert line.exposure.last_write is not None
    assert truth.newest is not None
    assert abs((line.exposure.last_write.at - truth.newest).total_seconds()) <= 1
    assert line.severity.value == "critical"


def test_denied_addresses_are_never_connected_to(tmp_path: Path, port: int) -> None:
    servers = estate({"magazine", "empty", "auth_7_1"})
    with LabThread({(ip, port): personality for ip, personality in servers.items()}) as lab:
        summary, _ = sweep(scope_of(port, "127.91.0.0/30", deny=("127.91.0.2",)), tmp_path)
        connections = {server.host: server.record.connections for server in lab.servers}
    assert connections["127.91.0.2"] == 0
    assert connections["127.91.0.1"] > 0
    assert set(found(summary.run_dir)) == {"127.91.0.1", "127.91.0.3"}
    assert summary.planned == 3


def test_servers_that_answer_alike_get_the_same_record_as_if_asked_at_length(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty locked servers: but for address and times, the short way writes what the long way writes."""
    (locked,) = estate({"auth_7_1"}).values()
    settings = Settings(sweep=msgspec.structs.replace(FAST, rate=200))  # so that the first is known in time

    def records() -> dict[str, dict[str, Any]]:
        summary, _ = sweep(scope_of(port, "127.91.0.0/27"), tmp_path, settings, seed=1)
        lines = found(summary.run_dir)
        return {ip: _without_times(line) for ip, line in lines.items()}

    with LabThread({(f"127.91.0.{number}", port): locked for number in range(1, 31)}) as lab:
        short = records()
        made = sum(server.record.connections for server in lab.servers)
        monkeypatch.setattr("scanner.engine.response_cache.ResponseCache.find", lambda *_: (None, None))
        long = records()
    assert len(short) == 30
    assert short == long
    assert made == 30


@pytest.mark.parametrize(
    ("depth", "shown"), [("verdict", True), ("verdict", False), ("databases", False), ("collections", True)]
)
def test_servers_of_a_kind_get_the_same_record_as_if_each_were_read_at_length(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch, depth: str, shown: bool
) -> None:
    """Open members of one version: sets, hosts and databases have names of their own. Some are watched."""
    usual = msgspec.structs.replace(FAST, rate=200, vantage="internet")  # so that the first is known in time
    settings, watched = Settings(sweep=usual), frozenset((f"127.91.0.{number}", port) for number in (3, 9))
    read_by_kind, known = FirstAnswers.read, 0
    send, waiting = ServerConnection.send, dict[ServerConnection, bytes]()

    async def send_together(channel: ServerConnection, data: bytes) -> None:
        """Replies to requests that came together leave together, as a busy network brings them."""
        waiting[channel] = waiting.get(channel, b"") + data
        if not channel.held:
            await send(channel, waiting.pop(channel))

    def counted(kinds: FirstAnswers, data: bytes, *, loopback: bool) -> Own | None:
        nonlocal known
        own = read_by_kind(kinds, data, loopback=loopback)
        known += own is not None
        return own

    def records() -> dict[str, dict[str, Any]]:
        scope = scope_of(port, "127.91.0.0/28")
        summary, _ = sweep(scope, tmp_path, settings, seed=1, depth=depth, watched=watched)
        assert len(list(read_run(Path(summary.run_dir)))) == 14
        return {ip: _without_times(line) for ip, line in found(summary.run_dir).items()}

    with LabThread({(f"127.91.0.{number}", port): _member(number) for number in range(1, 15)}):
        monkeypatch.setattr(ServerConnection, "send", send_together)
        monkeypatch.setattr(Watcher, "wants_found", shown)
        monkeypatch.setattr(FirstAnswers, "read", counted)
        short = records()
        monkeypatch.setattr(FirstAnswers, "read", lambda *_, **__: None)
        long = records()
    assert len(short) == 14
    assert short == long
    assert known >= 10
    assert short["127.91.0.3"]["server"]["set_name"] == "set3"
    assert short["127.91.0.3"]["vantage"] == "internet"
    assert ("counters" in short["127.91.0.3"]["server"]) == (depth == "collections")
    named = {database["name"] for database in short["127.91.0.3"]["exposure"]["databases"]}
    assert named == {"shop3", "customers"}


def _member(number: int) -> Personality:
    databases = tuple(
        StoredDatabase(name=name, collections=(StoredCollection(name="c", count=number),))
        for name in ("customers", f"shop{number}")
    )
    now = datetime.now(UTC)  # of the last write: the same each time it is asked
    return mongod(
        f"member {number}",
        "",
        role=Role.PRIMARY,
        set_name=f"set{number}",
        hosts=(f"db{number}.example:27017",),
        host=f"db{number}.example:27017",
        data=DataSet(databases=databases),
        now=lambda: now,
    )


def test_each_host_keeps_the_names_that_a_list_gives_it(tmp_path: Path, port: int) -> None:
    """Also among servers that answer alike, whose lines are written from one template."""
    (locked,) = estate({"auth_7_1"}).values()
    settings = Settings(sweep=msgspec.structs.replace(FAST, rate=200))
    base = 0x7F5B0000  # 127.91.0.0
    names = {(4, base + number): (f"db{number}.lan",) for number in range(1, 31, 3)}
    scope = scope_of(port, "127.91.0.0/27").named(names)
    with LabThread({(f"127.91.0.{number}", port): locked for number in range(1, 31)}):
        summary, _ = sweep(scope, tmp_path, settings, seed=1)
    assert {ip: line.target.hostnames for ip, line in found(summary.run_dir).items()} == {
        f"127.91.0.{number}": [f"db{number}.lan"] if number % 3 == 1 else [] for number in range(1, 31)
    }


def _without_times(line: Observation) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(line)
    for name in ("event_id", "run_id", "observed_at"):
        del plain[name]
    for name in ("connect_ms", "total_ms"):
        del plain["timing"][name]
    assert abs(plain["server"].pop("clock_skew_seconds")) < 5
    return plain


def test_no_server_that_a_reply_names_is_contacted(tmp_path: Path, port: int) -> None:
    """A primary advertises hosts; nobody there may ever see a connection."""
    servers = estate({"primary"})
    with LabThread({(ip, port): personality for ip, personality in servers.items()}):
        summary, _ = sweep(scope_of(port, "127.91.0.1"), tmp_path, confirm=True)
    line = found(summary.run_dir)["127.91.0.1"]
    assert line.verdict is Verdict.OPEN
    assert line.confirmation is not None
    assert line.confirmation.agrees is True


def test_all_writes_a_line_for_every_target(tmp_path: Path, port: int) -> None:
    summary, _ = sweep(scope_of(port, "127.91.0.0/28"), tmp_path, everything=True)
    assert {line.verdict for line in found(summary.run_dir).values()} == {Verdict.REFUSED}
    assert len(found(summary.run_dir)) == 16
    assert summary.exit_code == 0


def test_how_far_it_is_can_be_told_before_the_first_target_is_asked(tmp_path: Path, port: int) -> None:
    summary, watcher = sweep(scope_of(port, "127.91.0.0/24"), tmp_path)
    first = watcher.snapshots[0]
    assert (first.done, first.asked, first.in_flight, first.planned) == (0, 0, 0, 256)
    assert summary.outcomes["refused"] == 256


@pytest.mark.parametrize("seed", [None, 5])
def test_shards_cover_everything_once(tmp_path: Path, port: int, seed: int | None) -> None:
    seen: list[str] = []
    for number in (1, 2, 3):
        summary, _ = sweep(
            scope_of(port, "127.91.0.0/27"), tmp_path, everything=True, shard=(number, 3), seed=seed
        )
        seen += found(summary.run_dir)
        manifest, _ = load_manifest(Path(summary.run_dir))
        assert manifest.planned.targets == summary.planned == len(found(summary.run_dir))
    assert sorted(seen, key=lambda ip: int(ip.rsplit(".", 1)[1])) == [f"127.91.0.{n}" for n in range(32)]


def test_a_silent_canary_degrades_the_run(tmp_path: Path, port: int) -> None:
    settings = Settings(
        sweep=FAST, canary=(CanarySettings(address="127.91.0.5", port=port, expect=Verdict.AUTH_REQUIRED),)
    )
    summary, _ = sweep(scope_of(port, "127.91.0.0/29"), tmp_path, settings)
    assert summary.state == "degraded"
    assert summary.exit_code == 3
    assert any("127.91.0.5" in reason for reason in summary.reasons)


def test_a_scope_that_expires_stops_the_connects(tmp_path: Path, port: int) -> None:
    scope = Scope(
        [Entry.of("127.91.0.0/24", owner="web", kind="lab", expires=time.time() + 3.0)], ports=[port]
    )
    slow = Settings(sweep=msgspec.structs.replace(FAST, rate=60))
    summary, _ = sweep(scope, tmp_path, slow)
    assert summary.state == "degraded"
    assert 0 < summary.excluded < 256
    assert summary.excluded + sum(summary.outcomes.values()) == 256


def test_a_stop_file_pauses_and_its_removal_resumes(tmp_path: Path, port: int) -> None:
    stop = tmp_path / "stop"
    settings = Settings(sweep=msgspec.structs.replace(FAST, rate=200), pause=Pause(stop_file=str(stop)))
    paused: list[ProgressSnapshot] = []

    class Stopper(Watcher):
        """Puts the file there in the middle of the sweep, and takes it away when it was seen for a while."""

        def progress(self, snapshot: ProgressSnapshot) -> None:
            if snapshot.paused_by and paused_from:
                paused.append(snapshot)
            if snapshot.done > 60 and not paused_from:
                paused_from.append(snapshot.done)
                stop.touch()
            elif len(paused) == 8:
                stop.unlink(missing_ok=True)

    paused_from: list[int] = []
    watcher = Stopper()
    summary = run(settings, scope_of(port, "127.91.0.0/24"), SweepOptions(output=tmp_path), watcher)
    assert summary.state == "complete"
    assert len(paused) >= 8
    assert len({snapshot.done for snapshot in paused[2:8]}) == 1
    assert paused[2].done < 256


def test_a_stop_file_that_is_there_at_the_start_holds_back_the_first_connect(
    tmp_path: Path, port: int
) -> None:
    stop = tmp_path / "stop"
    stop.touch()
    settings = Settings(sweep=FAST, pause=Pause(stop_file=str(stop)))
    done_while_it_was_there: list[int] = []

    class Remover(Watcher):
        def progress(self, snapshot: ProgressSnapshot) -> None:
            if len(self.snapshots) == 2:
                stop.unlink()
            if stop.exists():
                done_while_it_was_there.append(snapshot.done)
            super().progress(snapshot)

    watcher = Remover()
    summary = run(settings, scope_of(port), SweepOptions(output=tmp_path), watcher)
    assert done_while_it_was_there == [0, 0]
    assert summary.state == "complete"
    assert summary.outcomes["refused"] == 64


class Shifted(SystemClock):
    """A wall clock that a test moves."""

    shift = 0.0

    def wall(self) -> float:
        return super().wall() + self.shift


def test_a_blackout_larger_than_what_is_held_back_makes_the_order_wait(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("engine.launch_queue", "sweep.progress"):
        monkeypatch.setattr(f"scanner.{module}.MAX_HELD", 50)
    monkeypatch.setattr("scanner.engine.launch_queue.HELD_AT_ONCE", 7)
    begin, end = (time.gmtime(time.time() + seconds) for seconds in (-60, 3600))
    window = Blackout(
        cidr="127.91.0.0/24",
        start=f"{begin.tm_hour:02}:{begin.tm_min:02}",
        to=f"{end.tm_hour:02}:{end.tm_min:02}",
    )
    clock = Shifted()

    class Mover(Watcher):
        def progress(self, snapshot: ProgressSnapshot) -> None:
            super().progress(snapshot)
            if sum(bool(seen.paused_by) for seen in self.snapshots) == 2:
                clock.shift = 7200.0

    watcher = Mover()
    settings = Settings(sweep=FAST, blackout=(window,))
    scope = scope_of(port, "127.91.0.0/24")
    summary = run(settings, scope, SweepOptions(output=tmp_path), watcher, clock=clock)
    paused = [snapshot for snapshot in watcher.snapshots if snapshot.paused_by]
    assert {snapshot.paused_by for snapshot in paused[:2]} == {
        f"50 targets wait for the end of a blackout window, at {time.strftime('%Y-%m-%dT%H:%MZ', end)}"
    }
    assert [snapshot.done for snapshot in paused[:2]] == [0, 0]
    assert summary.state == "complete"
    assert summary.outcomes["refused"] == 256


def test_a_chore_that_fails_ends_the_sweep_at_once(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blackouts and the stop file are looked at by a chore: without it nothing more may be asked."""
    looks: list[None] = []

    def look(self: RunControl) -> None:
        looks.append(None)
        if len(looks) == 3:
            raise ValueError("a line of /proc that nobody expected")
        real(self)

    real = RunControl.look
    monkeypatch.setattr(RunControl, "look", look)
    slow = Settings(sweep=msgspec.structs.replace(FAST, rate=20))
    watcher = Watcher()
    with pytest.raises(ValueError, match="nobody expected"):
        run(slow, scope_of(port, "127.91.0.0/24"), SweepOptions(output=tmp_path), watcher)
    assert watcher.snapshots[-1].done < 128


def test_everything_that_accepts_and_says_nothing_is_one_middlebox(tmp_path: Path, port: int) -> None:
    """A box that completes every handshake: few lines, the prefix named, and the run is not called clean."""

    with socket.socket() as box:
        box.bind(("0.0.0.0", port))  # the scope and the guard keep to loopback
        box.listen(4096)  # and nobody ever accepts: the kernel completes the handshakes
        settings = Settings(
            sweep=msgspec.structs.replace(FAST, reply_timeout=0.2, host_timeout=1.5, concurrency=512)
        )
        summary, _ = sweep(scope_of(port, "127.91.7.0/24"), tmp_path, settings)
    assert summary.outcomes == {"unknown": 256}
    assert len(found(summary.run_dir)) == 16
    assert summary.state == "degraded"
    assert any("127.91.7.0/24" in reason and "256 of 256" in reason for reason in summary.reasons)
