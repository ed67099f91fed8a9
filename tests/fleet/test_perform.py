"""What a worker does with a shard, whatever the shard says: sweeps over loopback by its own files."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from results.covered import load_covered
from results.ids import event_id
from results.lines import from_line
from results.record import Observation
from results.run import load_manifest
from scanner.clock import SystemClock, timestamp
from scanner.errors import ExitCode
from scanner.fleet.allowed import MOST_TARGETS, Ours, ShardRefusedError, allow
from scanner.fleet.messages import Began, Going, Shard, Told, digest_of, encode
from scanner.fleet.spool import Entry
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from scanner.mongo.tables import digest_of_all
from tests.support.listening import Listener
from tests.support.ports import free_port
from tests.support.shards import ALLOW, configuration, performed, shard_of, shard_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVERS = {"127.92.0.3": "open_8_0", "127.92.0.9": "auth_7_1", "127.92.0.70": "arbiter"}
RUN_ID = "20260301T010203Z-0a1b2c3d"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where simulated servers answer at three addresses."""
    found = free_port()
    with LabThread({(ip, found): find(name) for ip, name in SERVERS.items()}):
        yield found


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as found:
        yield found


def run_of(folder: Path, shard: Shard) -> Path:
    return folder / "spool" / shard.run_id / shard.name / shard.run_id


def observations(lines: list[bytes]) -> dict[str, Observation]:
    found = [from_line(line) for line in lines]
    return {each.target.ip: each for each in found if isinstance(each, Observation)}


def test_a_shard_within_our_scope(tmp_path: Path, port: int) -> None:
    """All of it is asked, under the coordinator's run id, and every line of it is told."""
    shard = shard_of(f"127.92.0.0-127.92.0.127:{port}", vantage="office", attempt=4)
    came = performed(shard, configuration(tmp_path, port))
    began, ended = came.only(Began), came.ended
    assert (began.targets, began.refused, began.resumed, began.attempt) == (128, 0, False, 4)
    assert (began.worker, began.site, began.vantage) == ("paris-1", "paris", "office")
    assert began.tables_sha256 == digest_of_all({})
    assert (ended.state, ended.reasons, came.code) == ("complete", [], ExitCode.CLEAN)
    assert ended.outcomes == {"open": 1, "open_no_data": 1, "auth_required": 1, "refused": 125}
    assert (ended.planned, ended.excluded, ended.not_reached, ended.refused) == (128, 0, 0, 0)
    assert (ended.lines, ended.digest) == (len(came.lines), digest_of(came.lines))
    assert (ended.unheard, ended.attempt) == (0.0, 4)
    found = observations(came.lines)
    assert found.keys() == SERVERS.keys()
    for ip, each in found.items():
        address = b"\0" * 10 + b"\xff\xff" + bytes(map(int, ip.split(".")))
        assert each.event_id == event_id(RUN_ID, address, port)
        assert (each.vantage, each.owner.site) == ("office", "paris")
    manifest, _ = load_manifest(run_of(tmp_path, shard))
    assert (manifest.run_id, manifest.seed, manifest.chain_head) == (RUN_ID, 7, ended.chain_head)
    journal = (run_of(tmp_path, shard) / "observations-0001.jsonl").read_bytes()
    assert journal == b"".join(line + b"\n" for line in came.lines)


def test_how_deep_comes_with_the_shard_and_how_fast_from_both(tmp_path: Path, port: int) -> None:
    shard = shard_of(f"127.92.0.0-127.92.0.15:{port}", depth="verdict", everything=True, rate=1e6)
    config = configuration(tmp_path, port, sweep='depth = "collections"\nreply_timeout = 9')
    came = performed(shard, config)
    assert len(observations(came.lines)) == 16, "a line for each target"
    manifest, _ = load_manifest(run_of(tmp_path, shard))
    asked = manifest.configuration
    assert (asked["depth"], asked["all"], asked["reply_timeout"]) == ("verdict", True, 0.6)
    ours = Ours("paris", "", tmp_path / "spool", str(config))
    assert allow(shard, ours, SystemClock()).settings.sweep.rate == 5000
    slow = msgspec.structs.replace(shard, rate=3.0)
    assert allow(slow, ours, SystemClock()).settings.sweep.rate == 3


def test_what_our_own_scope_has_not_is_told_and_not_asked(tmp_path: Path, listener: Listener) -> None:
    """A coordinator cannot widen it: not an address, and not a port."""
    entries = ALLOW.replace("0.0/24", "0.0/26") + (
        '[[deny]]\ncidr = "127.92.0.16/30"\nreason = "medical devices"\n'
        '[[optout]]\ncidr = "127.92.0.32/31"\nowner = "a"\nreason = "b"\nsince = 2026-01-01\n'
        "expires = 2026-02-01\n"
    )
    entries = entries.replace("2026-01-01", _day(-1)).replace("2026-02-01", _day(9))
    config = configuration(tmp_path, listener.port, entries)
    other = free_port()
    shard = shard_of(f"127.92.0.0-127.92.0.127:{','.join(map(str, sorted((listener.port, other))))}")
    came = performed(shard, config)
    began, ended = came.only(Began), came.ended
    assert (began.targets, began.refused) == (58, 256 - 58)
    assert (ended.refused, ended.planned) == (256 - 58, 256)
    assert sum(ended.outcomes.values()) + ended.excluded + ended.not_reached + ended.refused == 256
    text = "\n".join(began.examples)
    assert f"port {other} is not one of" in text
    assert ended.examples == began.examples
    asked = set(listener.times)
    allowed = {f"127.92.0.{n}" for n in range(64) if not 16 <= n < 20 and n not in (32, 33)}
    assert asked == allowed


def test_no_port_is_asked_that_the_shard_does_not_name(tmp_path: Path, listener: Listener) -> None:
    """Our own scope has two, and a shard is of exactly what it says."""
    with Listener() as second:
        config = configuration(tmp_path, listener.port)
        config.write_text(config.read_text().replace("ports = [", f"ports = [{second.port}, "))
        came = performed(shard_of(f"127.92.0.0-127.92.0.7:{listener.port}"), config)
        assert (came.only(Began).targets, came.ended.refused) == (8, 0)
        assert (len(listener.times), len(second.times)) == (8, 0)


def test_our_own_inventory_is_asked(tmp_path: Path, listener: Listener) -> None:
    """What it does not list is not ours now, whatever the coordinator thinks."""
    entries = ALLOW + 'inventory = "cloud"\n'
    entries += f'[[inventory]]\nname = "cloud"\ncommand = ["cat", "{tmp_path / "listed"}"]\nmax_age = "1m"\n'
    (tmp_path / "listed").write_text("127.92.0.4/30\n")
    shard = shard_of(f"127.92.0.0-127.92.0.15:{listener.port}")
    came = performed(shard, configuration(tmp_path, listener.port, entries))
    assert (came.only(Began).refused, sum(came.ended.outcomes.values())) == (12, 4)
    assert set(listener.times) == {f"127.92.0.{number}" for number in range(4, 8)}
    assert "inventory" in came.only(Began).examples[0]


def _day(ahead: int) -> str:
    return timestamp(time.time() + ahead * 86_400)[:10]


@pytest.mark.parametrize(
    ("entries", "row", "why"),
    [
        (ALLOW, "127.93.0.0-127.93.0.3:{}", "it is loopback space"),
        (ALLOW, "127.92.0.0-127.92.0.3:{other}", "is not one of"),
        (ALLOW, "192.0.2.0-192.0.2.9:{}", "it is documentation space"),
        (ALLOW + '[[deny]]\ncidr = "127.92.0.0/30"\nreason = "lab 3"\n', "127.92.0.0-127.92.0.3:{}", "lab 3"),
        (
            ALLOW
            + '[[optout]]\ncidr = "127.92.0.0/30"\nowner = "a"\nreason = "theirs"\n'
            + f"since = {_day(-1)}\nexpires = {_day(9)}\n",
            "127.92.0.0-127.92.0.3:{}",
            "theirs",
        ),
        ("", "127.92.0.0-127.92.0.3:{}", "it is loopback space"),
    ],
)
def test_nothing_is_sent_for_a_shard_outside_our_scope(
    tmp_path: Path, listener: Listener, entries: str, row: str, why: str
) -> None:
    config = configuration(tmp_path, listener.port, entries)
    came = performed(shard_of(row.format(listener.port, other=free_port())), config)
    assert (came.refused.code, came.code) == ("scope", ExitCode.REFUSED)
    assert why in came.refused.why
    assert came.refused.worker == "paris-1"
    assert not listener.times
    assert not (tmp_path / "spool").exists()


def test_a_scope_of_its_own_file(tmp_path: Path, port: int) -> None:
    """As with --scope of a sweep: it stands in the place of the configuration's."""
    (tmp_path / "scope.txt").write_text("127.92.0.0/30\n")
    config = configuration(tmp_path, port)
    (tmp_path / "scope.toml").write_text('[[allow]]\ncidr = "127.92.0.0/30"\nkind = "lab"\n')
    shard = shard_of(f"127.92.0.0-127.92.0.15:{port}")
    came = performed(shard, config, scope_file=tmp_path / "scope.toml")
    assert came.only(Began).targets == 4


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[sweep\n", "mongosweep.toml:1: "),
        ("[sweep]\nrat = 3\n", "did you mean rate"),
        (ALLOW + "expires = 2020-01-01\n", "expired on 2020-01-01"),
        (ALLOW.replace("127.92.0.0/24", "127.92.0.300"), "mongosweep.toml:"),
        ('[[canary]]\naddress = "127.99.0.1"\nport = 1\nexpect = "open"\n' + ALLOW, "[[canary]]"),
        ('[scope]\nfiles = ["gone.csv"]\n' + ALLOW, "gone.csv"),
        (None, "gone.toml"),
    ],
)
def test_our_own_files_are_broken(tmp_path: Path, text: str | None, why: str) -> None:
    """Whatever it is, it is told in the words that a sweep has for it, and nothing is sent."""
    config = tmp_path / ("gone.toml" if text is None else "mongosweep.toml")
    if text is not None:
        config.write_text(text)
        config.chmod(0o600)
    came = performed(shard_of("127.92.0.0-127.92.0.15:27"), config)
    assert (came.refused.code, came.code) == ("settings", ExitCode.REFUSED)
    assert why in came.refused.why


def tampered(**changes: Any) -> Shard:
    return shard_of("127.92.0.0-127.92.0.15:27", **changes)


@pytest.mark.parametrize(
    ("shard", "code", "why"),
    [
        (b"", "format", "no description of a shard"),
        (b"\xff\xfe", "format", "no description of a shard"),
        (b"[" * 100_000, "format", "no description of a shard"),
        (b'{"run_id": "a", "name": 7}', "format", "no description of a shard"),
        (encode(tampered(format="mongosweep.shard/9")), "format", "this version reads mongosweep.shard/1"),
        (encode(tampered(name="../up")), "format", "$.name"),
        (encode(tampered(run_id="a/b")), "format", "$.run_id"),
        (tampered(version="9.9.9"), "version", "install the same version on both"),
        (tampered(site="london"), "site", "is at 'paris'"),
        (tampered(targets=15), "format", "its rows have 16 targets, and it says 15"),
        (tampered(rows=["127.92.0.8-127.92.0.15:27", "127.92.0.0-127.92.0.7:27"]), "format", "out of order"),
        (tampered(rows=["127.92.0.0-127.92.0.9:27", "127.92.0.9-127.92.0.14:27"]), "format", "out of order"),
        (tampered(rows=["paris"]), "format", "its rows are none"),
        (tampered(rows=["127.92.0.15-127.92.0.0:27"]), "format", "runs backwards"),
        (tampered(targets=MOST_TARGETS + 1), "format", "a shard at most"),
        (tampered(rows=["[::]-[ffff::]:27"], targets=3), "format", "its rows are none"),
        (tampered(seed=1 << 63), "format", "its seed"),
        (tampered(connect_timeout=1e9), "format", "connect_timeout"),
        (tampered(vantage="a b\x1b[2J"), "format", "vantage"),
        (tampered(sent_at=timestamp(time.time() + 7200)), "clock", "ahead of ours; set both"),
        (tampered(sent_at=timestamp(time.time() - 7200)), "clock", "behind ours; set both"),
        (tampered(sent_at="2026-01-02T03:04:05"), "format", "no time zone"),
        (tampered(sent_at="yesterday"), "format", "is no time"),
    ],
)
def test_a_shard_that_cannot_be_right(tmp_path: Path, shard: Shard | bytes, code: str, why: str) -> None:
    came = performed(shard, configuration(tmp_path, 27))
    assert (came.refused.code, came.code) == (code, ExitCode.REFUSED)
    assert why in came.refused.why
    assert came.refused.why.isprintable()
    assert not (tmp_path / "spool").exists()
    if isinstance(shard, Shard):
        assert (came.refused.run_id, came.refused.name, came.refused.attempt) == (RUN_ID, "paris_0-16", 1)


def test_a_clock_that_is_a_little_off_is_none_of_it(tmp_path: Path) -> None:
    ours = Ours("paris", "", tmp_path / "spool", str(configuration(tmp_path, 27)))
    for seconds in (45, -1800):
        shard = tampered(sent_at=timestamp(time.time() + seconds))
        assert len(allow(shard, ours, SystemClock()).scope) == 16


@pytest.mark.parametrize(("own", "run"), [("", "office"), ("", ""), ("office", "office")])
def test_the_vantage_of_a_run_is_that_of_its_workers(tmp_path: Path, own: str, run: str) -> None:
    config = configuration(tmp_path, 27, sweep=f'vantage = "{own}"' if own else "")
    found = allow(tampered(vantage=run), Ours("paris", "", tmp_path, str(config)), SystemClock())
    assert found.settings.sweep.vantage == run


@pytest.mark.parametrize("run", ["internet", ""])
def test_a_worker_that_looks_from_elsewhere_refuses(tmp_path: Path, run: str) -> None:
    config = configuration(tmp_path, 27, sweep='vantage = "office"')
    came = performed(tampered(vantage=run), config)
    assert came.refused.code == "vantage"
    assert "looks from 'office'" in came.refused.why


def test_a_named_address_of_a_wide_ipv6_prefix_is_in_our_scope(tmp_path: Path) -> None:
    """Whoever names it had candidates; nobody sweeps such a prefix, here neither."""
    entries = '[[allow]]\ncidr = "fd00:92::/48"\n[ipv6]\ncandidates = ["hosts.txt"]\n'
    (tmp_path / "hosts.txt").write_text("fd00:92::5\n")
    ours = Ours("paris", "", tmp_path / "spool", str(configuration(tmp_path, 27, entries)))
    row = "[fd00:92::77]:27"
    assert len(allow(shard_of(row), ours, SystemClock()).scope) == 1
    with pytest.raises(ShardRefusedError, match="a shard at most"):
        allow(shard_of("[fd00:92::-fd00:92::ffff:ffff]:27"), ours, SystemClock())


def test_a_scope_that_was_altered_in_between_is_asked_anew(tmp_path: Path, listener: Listener) -> None:
    """What an earlier attempt asked under another scope is put aside."""
    config = configuration(tmp_path, listener.port)
    shard = shard_of(f"127.92.0.0-127.92.0.63:{listener.port}", rate=10.0)
    with shard_process(config) as first:
        first.give(shard)
        first.until(Going)
        first.process.terminate()
        assert first.performed.ended.state == "interrupted"
    deny = '[[deny]]\ncidr = "127.92.0.0/28"\nreason = "x"\n'
    denied = configuration(tmp_path, listener.port, ALLOW + deny)
    listener.times.clear()
    again = performed(msgspec.structs.replace(shard, attempt=2, rate=5000.0), denied)
    assert not again.only(Began).resumed
    assert any("all of it is asked again: the scope changed" in each.text for each in again.all(Told))
    assert (again.ended.planned, again.ended.refused, sum(again.ended.outcomes.values())) == (64, 16, 48)
    assert set(listener.times) == {f"127.92.0.{number}" for number in range(16, 64)}
    assert run_of(tmp_path, shard).with_name(f"{RUN_ID}.before").is_dir()


# --- the spool ------------------------------------------------------------------------------------------


def test_what_has_ended_is_told_again_without_asking(tmp_path: Path, listener: Listener) -> None:
    config = configuration(tmp_path, listener.port)
    shard = shard_of(f"127.92.0.0-127.92.0.7:{listener.port}")
    first = performed(shard, config)
    connections = sum(map(len, listener.times.values()))
    again = performed(msgspec.structs.replace(shard, attempt=2, sent_at=timestamp(time.time())), config)
    assert sum(map(len, listener.times.values())) == connections
    assert again.only(Began).resumed
    assert again.lines == first.lines
    assert again.ended == msgspec.structs.replace(first.ended, attempt=2)
    assert (first.ended.lines, first.ended.digest) == (len(first.lines), digest_of(first.lines))
    # The process may have ended between the seal and what is kept beside it.
    (run_of(tmp_path, shard).parent / "ended.json").unlink()
    third = performed(msgspec.structs.replace(shard, attempt=3), config).ended
    same = msgspec.structs.replace(first.ended, attempt=3, unheard=third.unheard, seconds=third.seconds)
    assert third == same
    assert third.unheard in (None, first.ended.loss and first.ended.loss.missed_at_most)


def test_another_shard_of_that_name_is_asked_anew(tmp_path: Path, port: int) -> None:
    """And so is one of which other things are wanted."""
    config = configuration(tmp_path, port)
    shard = shard_of(f"127.92.0.0-127.92.0.15:{port}")
    performed(shard, config)
    other = performed(msgspec.structs.replace(shard, everything=True, attempt=2), config)
    assert not other.only(Began).resumed
    assert len(observations(other.lines)) == 16
    moved = shard_of(f"127.92.0.64-127.92.0.79:{port}", name=shard.name, attempt=3)
    assert observations(performed(moved, config).lines).keys() == {"127.92.0.70"}


def test_a_spool_that_was_changed_is_not_believed(tmp_path: Path, port: int) -> None:
    config = configuration(tmp_path, port)
    shard = shard_of(f"127.92.0.0-127.92.0.15:{port}")
    first = performed(shard, config)
    journal = run_of(tmp_path, shard) / "observations-0001.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"auth_required", b"open_requiree"))
    again = performed(msgspec.structs.replace(shard, attempt=2), config)
    assert not again.only(Began).resumed
    assert "was changed since, and is asked again" in again.only(Told).text
    assert again.ended.outcomes == first.ended.outcomes
    assert observations(again.lines).keys() == observations(first.lines).keys()


def test_a_spool_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    came = performed(tampered(), configuration(tmp_path, 27))
    assert (came.refused.code, came.code) == ("storage", ExitCode.STORAGE)
    assert "a file stands where a directory is needed" in came.refused.why


def test_somebody_else_has_the_shard(tmp_path: Path) -> None:
    config = configuration(tmp_path, 27)
    with Entry.take(tmp_path / "spool", tampered()):
        came = performed(tampered(), config)
    assert (came.refused.code, came.code) == ("busy", ExitCode.BUSY)
    assert f"process {os.getpid()}" in came.refused.why


def test_a_bug_of_ours_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.fleet.perform.clean", lambda spool, now: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        performed(tampered(), configuration(tmp_path, 27))


def test_how_far_it_is_and_what_a_person_should_know(tmp_path: Path, listener: Listener) -> None:
    """Sent while it goes on, once a second at most."""
    (tmp_path / "stop").write_text("")
    config = configuration(tmp_path, listener.port, f'[pause]\nstop_file = "{tmp_path / "stop"}"\n' + ALLOW)
    shard = shard_of(f"127.92.0.0-127.92.0.7:{listener.port}", rate=4.0)
    threading.Timer(1.5, (tmp_path / "stop").unlink).start()
    came = performed(shard, config)
    going = came.all(Going)
    assert 2 <= len(going) <= 6
    assert going[0].paused_by == "the stop file exists"
    assert going[0].asked == 0
    assert sum(came.ended.outcomes.values()) == 8


def test_what_a_run_covers_is_what_was_allowed(tmp_path: Path, port: int) -> None:
    shard = shard_of(f"127.92.0.0-127.92.1.15:{port}")
    came = performed(shard, configuration(tmp_path, port))
    assert came.only(Began).refused == 16
    path = run_of(tmp_path, shard)
    covered = load_covered(path, load_manifest(path)[0])
    assert covered is not None
    assert [str(row) for row in covered.rows()] == [f"127.92.0.0-127.92.0.255:{port}"]
