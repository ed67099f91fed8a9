"""The SYN engine is killed and resumed: nobody is lost, nobody is counted twice, little is asked again.

What was asked is counted by the other end's kernel, what is durable is read from the checkpoint.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from results.progress import read_progress
from tests.netns.oracle import NOWHERE, Program, estate, outside, serving, until, watch
from tests.support import netns
from tests.torture.launch import LEAST_WAIT, SNAPSHOT_INTERVAL

if TYPE_CHECKING:
    from results.progress import Progress
    from tests.support.netns import Namespace

pytestmark = pytest.mark.timeout(110)

RATE = 400
SERVERS = ("10.77.0.5", "10.77.0.200", "10.77.1.9", "10.77.1.10", "10.77.3.254")
SCOPE = '[[allow]]\ncidr = "10.77.0.0/22"\nowner = "x"\n'
ON_LINK = '[[allow]]\ncidr = "10.78.0.4/30"\nowner = "y"\n'
SWEEP = f"""
[sweep]
rate = {RATE}
per_prefix_rate = 100000
connect_timeout = 0.4
reply_timeout = 2.0
"""
SILENT = 515  # addresses, behind a rule that drops what comes for them
QUICKLY = ("--rate", "8000")  # for the rounds at the end, each of which is slower than the one before
WINDOW = SNAPSHOT_INTERVAL + LEAST_WAIT * 9 / 8


@dataclass
class Quick(Program):
    """A sweep with the SYN engine and short intervals."""

    def command(self, *arguments: str) -> list[str]:
        """See `Program.command`."""
        words = super().command("--engine", "syn", *arguments)
        assert words[:3] == [sys.executable, "-m", "scanner"]
        return [*words[:2], "tests.torture.launch", *words[3:]]

    @property
    def started_once(self) -> bool:
        """Whether there is a run."""
        return (self.home / "runs").exists()

    @property
    def checkpoint(self) -> dict[str, Any]:
        """The one on the disk; an empty one when there is none yet."""
        try:
            data = (self.run_dir / "checkpoint.json").read_bytes()
        except (FileNotFoundError, ValueError):
            return {}
        found: dict[str, Any] = json.loads(data.partition(b"\n")[0])
        return found

    @property
    def settled(self) -> int:
        """SYNs that need not be sent again."""
        stage = self.checkpoint.get("stage")
        return sum(stage["progress"]["sent_by_round"]) if stage else 0

    @property
    def share(self) -> float:
        """How far the run said last, once a second, that its first round is."""
        told = read_progress(self.run_dir)
        return told.position / told.positions if told is not None else 0.0

    def kill_at(
        self, corp: Namespace, syns: int, *arguments: str, settled: int = 1, share: float = 0.0
    ) -> int:
        """Run until so many SYNs have come, so many are settled and so much was said, and kill -9. How many
        had come."""
        with self.running(*arguments) as process:
            until(lambda: came(corp) >= syns and self.settled >= settled and self.share >= share, 40)
            process.kill()
            process.wait()
        until(lambda: not self.stages(), 10)
        return came(corp)

    def stages(self) -> list[str]:
        """Processes of the stage that are alive in the namespace."""
        found = self.scan.run(["ip", "netns", "pids", self.scan.name]).stdout.split()
        return [pid for pid in found if b"scanner.network.syn.process" in words_of(pid)]


def words_of(pid: str) -> bytes:
    """The command line of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def came(corp: Namespace) -> int:
    """SYNs that reached the targets behind the gateway."""
    return corp.counters()["inside"]


def in_rounds(program: Program) -> int:
    """SYNs of the rounds at the end, at most: two askings of each that did not accept, and the witnesses."""
    asked = int(program.manifest["loss"]["asked_again"])
    assert 0 < asked <= 2 * program.manifest["coverage"]["planned"]
    return asked + 2 * 3 * 5  # three of each prefix


def network(scan: Namespace, corp: Namespace) -> None:
    """Counters, and half of the targets that say nothing."""
    scan.run(["ip", "address", "add", "10.78.0.1/28", "dev", scan.device])
    for last in range(4, 8):
        corp.run(["ip", "address", "add", f"10.78.0.{last}/28", "dev", corp.device])
    watch(scan, corp, "10.77.0.0/22, 10.78.0.4/30")
    corp.count_syns(inside="10.77.0.0/22")
    corp.nft(
        "table inet quiet {\nchain c {\ntype filter hook input priority 0\n"
        "ip daddr 10.77.2.0/24 tcp dport 27017 drop\n"
        "ip daddr 10.77.3.0/24 ip daddr != 10.77.3.254 tcp dport 27017 drop\n"
        "ip daddr 10.77.1.0/30 tcp dport 27017 drop\n}\n}\n"
    )


def whole(program: Program) -> None:
    """Every server has lines that are one event, and the accounts have everybody."""
    events = {line["event_id"]: line["target"]["ip"] for line in program.lines}
    assert sorted(events.values()) == sorted(SERVERS), "each once, and nobody else"
    coverage = program.manifest["coverage"]
    assert coverage["planned"] == coverage["outcomes"] + coverage["excluded"] + coverage["not_reached"]
    assert sum(program.manifest["outcomes"].values()) == coverage["outcomes"] == coverage["planned"]
    assert program.manifest["outcomes"]["auth_required"] == len(SERVERS)


@netns.required
class TestResume:
    @pytest.mark.fault(
        "F01", "kill -9 of the SYN engine in both of its rounds, resumed, with counters in the kernel"
    )
    def test_killed_in_both_rounds(self, tmp_path: Path) -> None:
        """Targets on our own link, which the connect engine asks, are in the scope as well."""
        with estate() as (scan, corp), serving(corp, *(f"{ip}=auth_7_1" for ip in SERVERS)):
            network(scan, corp)
            program = Quick(scan, tmp_path)
            program.configure(SCOPE + ON_LINK + SWEEP)
            repeated = 0
            told: list[Progress | None] = []
            for syns, settled, share in ((350, 1, 0.01), (800, 500, 0.5), (1250, 1030, 1.0)):
                resume = ("--resume", program.run_dir.name) if program.started_once else ()
                before = program.kill_at(corp, syns + repeated, *resume, settled=settled, share=share)
                told.append(read_progress(program.run_dir))
                window = before - repeated - program.settled
                assert window <= RATE * (WINDOW + 2.0), "of a disk that takes two seconds, at most"
                repeated = before - program.settled
            assert program.checkpoint["stage"]["progress"]["attempt"] == 1
            shares = [each.position / each.positions for each in told if each is not None]
            assert 0 < shares[0] < shares[1] <= shares[2] == 1, "how far the stage's first round is"
            outcomes = sum(program.checkpoint["outcomes"].values())
            assert outcomes + len(program.checkpoint["in_flight"]) >= 4, "those on our own link"
            done = program.run("--resume", program.run_dir.name, *QUICKLY)
            assert done.returncode == 0, done.stderr
            assert "asked again" not in done.stderr
            assert outside(scan, corp) == NOWHERE
            last = came(corp)
        whole(program)
        assert program.manifest["state"] == "complete"
        assert program.manifest["outcomes"]["filtered"] == SILENT
        # From the last kill to the end: the rest of the stage's work, connects to those that are live, and
        # the rounds.
        assert last - repeated <= 1024 + SILENT + 3 * len(SERVERS) + in_rounds(program)

    @pytest.mark.exhaustive
    def test_interrupted_and_resumed(self, tmp_path: Path) -> None:
        """Ctrl-C: the stage says where it was, so the next one repeats only what still waited for answers."""
        with estate() as (scan, corp), serving(corp, *(f"{ip}=auth_7_1" for ip in SERVERS)):
            network(scan, corp)
            program = Quick(scan, tmp_path)
            program.configure(SCOPE + SWEEP)
            with program.running() as process:
                until(lambda: came(corp) > 500)
                process.send_signal(signal.SIGINT)
                assert process.wait(timeout=30) == 3
            assert program.manifest["state"] == "interrupted"
            coverage = program.manifest["coverage"]
            assert coverage["planned"] == sum(coverage[k] for k in ("outcomes", "excluded", "not_reached"))
            stage = program.checkpoint["stage"]
            assert stage["progress"]["position"] > 0
            assert (program.run_dir / stage["marks"]["name"]).exists()
            program.configure(SCOPE.replace("/22", "/23") + SWEEP)
            refused = program.run("--resume", program.run_dir.name)
            assert refused.returncode == 2
            assert "cannot resume" in refused.stderr
            assert "scope" in refused.stderr
            program.configure(SCOPE + SWEEP)
            before = came(corp)
            assert program.run("--resume", program.run_dir.name, *QUICKLY).returncode == 0
            left = 1024 + SILENT - sum(stage["progress"]["sent_by_round"])
            assert came(corp) - before <= left + 3 * len(SERVERS) + in_rounds(program)
            assert outside(scan, corp) == NOWHERE
        whole(program)
        assert not list(program.run_dir.glob("stage-*")), "a complete run needs no marks"

    @pytest.mark.parametrize(
        "harm",
        [
            "marks",
            *(pytest.param(harm, marks=pytest.mark.exhaustive) for harm in ("no capability", "routes")),
        ],
    )
    @pytest.mark.fault(
        "F11", "the SYN stage's marks are damaged, it may not run any more, or the routes are others"
    )
    def test_when_it_cannot_go_on_everything_is_asked_again(self, tmp_path: Path, harm: str) -> None:
        with estate() as (scan, corp), serving(corp, *(f"{ip}=auth_7_1" for ip in SERVERS)):
            network(scan, corp)
            program = Quick(scan, tmp_path)
            program.configure(SCOPE + SWEEP)
            program.kill_at(corp, 600, settled=200)
            before = came(corp)
            arguments = program.command("--resume", program.run_dir.name, *QUICKLY)
            if harm == "marks":
                for path in program.run_dir.glob("stage-*.marks"):
                    path.write_bytes(path.read_bytes()[:-1])
            elif harm == "routes":
                scan.run(["ip", "route", "add", "10.77.1.0/28", "dev", scan.device])
            else:
                arguments = ["setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw", *arguments]
            done = scan.run(arguments, check=False, timeout=60)
            assert done.returncode == 0, done.stderr
            assert "every target is asked again" in done.stderr
            assert came(corp) - before >= 1024
            assert outside(scan, corp) == NOWHERE
        whole(program)

    @pytest.mark.exhaustive
    def test_the_stage_alone_is_killed(self, tmp_path: Path) -> None:
        """The sweep ends degraded and keeps the last snapshot, from which the next start goes on."""
        with estate() as (scan, corp), serving(corp, *(f"{ip}=auth_7_1" for ip in SERVERS)):
            network(scan, corp)
            program = Quick(scan, tmp_path)
            program.configure(SCOPE + SWEEP)
            with program.running() as process:
                until(lambda: program.settled > 200)
                os.kill(int(program.stages()[0]), signal.SIGKILL)
                assert process.wait(timeout=30) == 3
            assert "the SYN stage broke off" in program.said
            assert program.manifest["state"] == "degraded"
            coverage = program.manifest["coverage"]
            assert coverage["planned"] == sum(coverage[k] for k in ("outcomes", "excluded", "not_reached"))
            before, settled = came(corp), program.settled
            done = program.run("--resume", program.run_dir.name, *QUICKLY)
            assert done.returncode == 0, done.stderr
            left = 1024 + SILENT - settled
            assert came(corp) - before <= left + 3 * len(SERVERS) + in_rounds(program)
        whole(program)
        assert program.manifest["state"] == "complete"

    @pytest.mark.exhaustive
    def test_killed_when_only_conversations_were_left(self, tmp_path: Path) -> None:
        """The stage had asked everything: none runs again, and who was talked to is asked again, twice as
        it does not answer. Then the rounds follow."""
        with estate() as (scan, corp), serving(corp, "10.77.0.5=auth_7_1", "10.77.0.9=mute"):
            network(scan, corp)
            program = Quick(scan, tmp_path)
            program.configure(
                SCOPE.replace("/22", "/26") + SWEEP.replace("reply_timeout = 2.0", "reply_timeout = 0.6")
            )
            with program.running():
                until(lambda: (program.checkpoint.get("stage") or {}).get("last_word"))
            before = came(corp)
            done = program.run("--resume", program.run_dir.name)
            assert done.returncode == 3, done.stderr
            assert "asked again" not in done.stderr
            assert 1 <= came(corp) - before - program.manifest["loss"]["asked_again"] <= 8 + 2 * 3
            assert outside(scan, corp) == NOWHERE
        assert program.manifest["reasons"] == [
            "1 servers accepted and did not answer in time: they are unknown"
        ]
        assert program.manifest["outcomes"] == {"auth_required": 1, "refused": 62, "unknown": 1}
