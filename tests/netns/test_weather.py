"""Firewalls and lossy links between two namespaces: a run finds every server, or it does not say `complete`.

What the rules of `weather.py` do to packets is done by nft, in the kernel, on the way of a real sweep. Only
the test knows where the servers stand.
"""

from __future__ import annotations

import random
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.netns.oracle import CORP, Program, estate, serving, until
from tests.netns.weather import Weather
from tests.support import netns

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(500)

SETTINGS = """
[sweep]
rate = {rate}
per_prefix_rate = {prefix_rate}
depth = "verdict"
connect_timeout = {connect}
reply_timeout = {reply}
"""


@dataclass(frozen=True, kw_only=True)
class Estate:
    """Servers, hosts that refuse and addresses without a host: (third, fourth) octets of 10.77.0.0/16."""

    servers: frozenset[str]
    closed: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    everywhere: bool = False  # each address of the /16 has a server

    @classmethod
    def drawn(cls, servers: int, closed: int, silent: int, *, lone: bool, seed: int) -> Estate:
        """So many of each, one in each /24 or all side by side, in a random order."""
        count = servers + closed + silent
        places = [
            f"10.77.{n % 250}.{1 + n // 250}" if lone else f"10.77.{n // 250}.{1 + n % 250}"
            for n in range(count)
        ]
        random.Random(seed).shuffle(places)
        end = servers + closed
        return cls(
            servers=frozenset(places[:servers]),
            closed=frozenset(places[servers:end]),
            silent=frozenset(places[end:]),
        )

    @property
    def targets(self) -> list[str]:
        """All of them."""
        return sorted(self.servers | self.closed | self.silent)


@dataclass(frozen=True)
class Ending:
    """How a run ended."""

    code: int
    manifest: dict[str, Any]
    found: set[str] = field(default_factory=set)
    said: str = ""

    @property
    def complete(self) -> bool:
        return bool(self.manifest["state"] == "complete")

    @property
    def reasons(self) -> str:
        return "\n".join(self.manifest["reasons"])


def swept(
    home: Path,
    made: Estate,
    weather: Weather,
    *,
    rate: int = 600,
    prefix_rate: int = 300,
    connect: float = 1.5,
    reply: float = 1.5,
    fence: str = "",
    arguments: tuple[str, ...] = (),
    places: tuple[str, ...] = ("*=quick",),
) -> Ending:
    """Sweep the estate in this weather. `fence`: nft rules of the scanning side itself."""
    home.mkdir(exist_ok=True)
    with estate(local=[CORP]) as (scan, corp), serving(corp, *places):
        for name, addresses, verdict in (
            ("closed", made.closed, "reject with tcp reset"),
            ("silent", made.silent, "drop"),
        ):
            if addresses:
                elements = ", ".join(sorted(addresses))
                corp.nft(
                    f"table inet {name} {{\nset here {{ type ipv4_addr; elements = {{ {elements} }} }}\n"
                    f"chain c {{\ntype filter hook input priority 10\n"
                    f"ip daddr @here tcp dport 27017 {verdict}\n}}\n}}\n"
                )
        weather.install(corp)
        if fence:
            scan.nft(fence)
        program = Program(scan, home)
        entries = "".join(f'[[allow]]\ncidr = "{address}"\nowner = "x"\n' for address in made.targets)
        program.configure(
            entries + SETTINGS.format(rate=rate, prefix_rate=prefix_rate, connect=connect, reply=reply)
        )
        done = program.run(*arguments, timeout=480)
        found = {
            line["target"]["ip"] for line in program.lines if line["verdict"] in ("auth_required", "open")
        }
        return Ending(done.returncode, program.manifest, found, done.stderr)


def honest(ending: Ending, made: Estate) -> bool:
    """Whether every server was found, or the run says that it may not have been."""
    return ending.found == made.servers or (not ending.complete and ending.code == 3)


DENSE = Estate.drawn(240, 40, 0, lone=False, seed=1)
LONE = Estate.drawn(80, 30, 30, lone=True, seed=1)
FEW = Estate.drawn(5, 136, 0, lone=False, seed=1)

slow = pytest.mark.exhaustive
long = pytest.mark.long


@netns.required
class TestFirewalls:
    @pytest.mark.parametrize(
        "how",
        ["reset", *(pytest.param(how, marks=slow) for how in ("prohibited", "unreachable", "dropped"))],
    )
    def test_a_limit_that_rejects_is_waited_out(self, tmp_path: Path, how: str) -> None:
        """100 SYNs a second pass, at 600 asked: most servers are refused at first, all are found at last."""
        ending = swept(tmp_path, DENSE, Weather(limit=100, how=how))
        assert ending.found == DENSE.servers, ending
        assert ending.complete, ending.reasons
        assert ending.manifest["loss"]["answered_again"] > 50 or how == "dropped"

    @slow
    @pytest.mark.parametrize("how", ["reset", "prohibited", "dropped"])
    def test_a_quota_is_no_end_of_the_estate(self, tmp_path: Path, how: str) -> None:
        ending = swept(tmp_path, DENSE, Weather(quota=150, how=how))
        assert ending.found < DENSE.servers
        assert ending.code == 3, ending
        assert "shut this machine out" in ending.reasons
        assert ending.manifest["loss"]["missed_at_most"] is None

    @pytest.mark.parametrize("how", ["dropped", pytest.param("prohibited", marks=slow)])
    def test_being_shunned_is_seen_by_who_had_answered(self, tmp_path: Path, how: str) -> None:
        """Five servers among 141, shut out after 30 SYNs: without anybody configuring a canary."""
        ending = swept(tmp_path, FEW, Weather(ban_after=30, how=how), connect=0.7)
        assert ending.code == 3, ending
        assert "shut this machine out" in ending.reasons

    @slow
    def test_a_server_behind_a_greylist_is_found(self, tmp_path: Path) -> None:
        """Two connections to each address are dropped before one passes."""
        made = Estate.drawn(1, 0, 40, lone=False, seed=1)
        ending = swept(tmp_path, made, Weather(grey=2))
        assert ending.found == made.servers, ending
        assert ending.code == 0, ending

    def test_a_run_that_nobody_answered_is_not_complete(self, tmp_path: Path) -> None:
        made = Estate.drawn(0, 0, 30, lone=False, seed=1)
        ending = swept(tmp_path, made, Weather(), connect=0.7)
        assert ending.code == 3
        assert "nobody beyond this machine answered (30 were silent, 0 unreachable)" in ending.reasons

    def test_a_firewall_of_this_machine_that_is_one_scope_behind_is_told(self, tmp_path: Path) -> None:
        """It drops what leaves for half of the servers, which looks like a firewall over there."""
        made = Estate.drawn(60, 20, 0, lone=False, seed=1)
        behind = ", ".join(sorted(made.targets)[::2])
        fence = (
            f"table inet fence {{\nset gone {{ type ipv4_addr; elements = {{ {behind} }} }}\n"
            "chain out {\ntype filter hook output priority 0\nip daddr @gone drop\n}\n}\n"
        )
        ending = swept(tmp_path, made, Weather(), fence=fence)
        assert ending.found < made.servers
        assert ending.code == 3, ending
        assert "this machine itself dropped" in ending.reasons

    @pytest.mark.parametrize("place", ["http", "ssh", "closing"])
    def test_a_prefix_in_which_every_address_says_the_same_is_masked(
        self, tmp_path: Path, place: str
    ) -> None:
        made = Estate(servers=frozenset(f"10.77.3.{n}" for n in range(1, 101)))
        ending = swept(tmp_path, made, Weather(), places=(f"*={place}",))
        assert ending.code == 3
        assert "masked by a middlebox: 10.77.3.0/24: 100 of 100 accepted" in ending.reasons
        assert ending.manifest["loss"]["lines_left_out"] == 84
        assert "84 lines that would have said the same were left out" in " ".join(ending.said.split())

    def test_a_run_that_is_stopped_before_it_has_asked_again_is_not_complete(self, tmp_path: Path) -> None:
        """Every target has an outcome by then; a resume asks again."""
        with estate(local=[CORP]) as (scan, corp):
            corp.count_syns(asked="10.77.0.0/16")
            program = Program(scan, tmp_path)
            program.configure(
                '[[allow]]\ncidr = "10.77.0.0/22"\nowner = "x"\n'
                + SETTINGS.format(rate=4000, prefix_rate=4000, connect=0.7, reply=0.7)
            )
            with program.running() as process:
                until(lambda: corp.counters()["asked"] > 1040)
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 3
            assert program.manifest["state"] == "interrupted", program.manifest["reasons"]
            assert program.manifest["loss"]["missed_at_most"] is None
            done = program.run("--resume", program.run_dir.name)
        assert done.returncode == 0, done.stderr
        assert program.manifest["state"] == "complete"
        assert program.manifest["loss"]["asked_again"] >= 2 * 1024

    @slow
    @pytest.mark.parametrize("engine", ["connect", "syn"])
    def test_both_engines_say_that_they_were_shut_out(self, tmp_path: Path, engine: str) -> None:
        ending = swept(tmp_path, DENSE, Weather(ban_after=120), arguments=("--engine", engine))
        assert ending.found < DENSE.servers
        assert ending.code == 3, ending


@netns.required
class TestLoss:
    @pytest.mark.parametrize("percent", [10, *(pytest.param(percent, marks=slow) for percent in (5, 20, 30))])
    @pytest.mark.parametrize("made", [LONE, DENSE], ids=["lone", "dense"])
    def test_lost_packets_cost_time_and_no_server(self, tmp_path: Path, made: Estate, percent: int) -> None:
        """Both ways, with the timeouts that users have."""
        ending = swept(tmp_path, made, Weather(lost=percent), connect=3.5, reply=3.0)
        assert honest(ending, made), (len(made.servers - ending.found), ending)
        if percent <= 10:
            assert ending.found == made.servers

    @slow
    @pytest.mark.parametrize(
        ("percent", "engine"),
        [
            (10, "connect"),
            *(pytest.param(*row, marks=long) for row in ((10, "syn"), (30, "connect"), (30, "syn"))),
        ],
    )
    def test_many_lone_servers(self, tmp_path: Path, percent: int, engine: str) -> None:
        made = Estate.drawn(1500, 100, 100, lone=True, seed=percent)
        ending = swept(
            tmp_path, made, Weather(lost=percent), connect=3.5, reply=3.0, arguments=("--engine", engine)
        )
        assert honest(ending, made), (len(made.servers - ending.found), ending.reasons)


@pytest.mark.exhaustive
@netns.required
class TestMany:
    """Hundreds of runs, several at a time: most of each is waiting."""

    AT_ONCE = 10

    def endings(self, home: Path, rows: list[tuple[Estate, Weather]]) -> list[Ending]:
        def one(number: int) -> Ending:
            made, weather = rows[number]
            return swept(
                home / str(number), made, weather, rate=2400, prefix_rate=1200, connect=1.1, reply=0.8
            )

        with ThreadPoolExecutor(self.AT_ONCE) as pool:
            return list(pool.map(one, range(len(rows))))

    @pytest.mark.parametrize(
        "batch", [*range(2), *(pytest.param(batch, marks=long) for batch in range(2, 10))]
    )
    def test_seeded_weathers_are_never_falsely_complete(self, tmp_path: Path, batch: int) -> None:
        """20 of 200 combinations. What nothing can show is left out: a reset that a firewall sends for a host
        from before any server was heard, as docs/reliability.md says."""
        rows = []
        for seed in range(20 * batch, 20 * batch + 20):
            draw = random.Random(seed)
            how = draw.choice(("dropped", "dropped", "prohibited", "unreachable", "reset"))
            resets = how == "reset"
            made = Estate.drawn(
                40 if resets else draw.choice((1, 5, 20, 40)),
                draw.choice((5, 20, 40)),
                draw.choice((0, 10)),
                lone=draw.random() < 0.5,
                seed=seed,
            )
            weather = Weather(
                lost=draw.choice((0, 0, 5, 10, 20, 30)),
                limit=draw.choice((0, 0, 60, 200)),
                ban_after=0 if resets else draw.choice((0, 0, 0, 20, 40)),
                grey=draw.choice((0, 0, 0, 1, 2)),
                how=how,
            )
            rows.append((made, weather))
        endings = self.endings(tmp_path, rows)
        wrong = [
            (str(weather), len(made.servers - ending.found), ending.reasons)
            for (made, weather), ending in zip(rows, endings, strict=True)
            if not honest(ending, made)
        ]
        assert wrong == []

    @pytest.mark.parametrize("seeds", [range(20), pytest.param(range(20, 50), marks=long)], ids=["20", "30"])
    @pytest.mark.parametrize("size", [1, 40, 200])
    def test_clean_runs_are_complete(self, tmp_path: Path, size: int, seeds: range) -> None:
        """50 of each size, which differ in the order of their addresses alone: hosts that answer, hosts that
        refuse, addresses without one."""
        rows = [
            (
                Estate.drawn(max(1, size // 4), size // 2, size // 4, lone=bool(seed % 2), seed=seed),
                Weather(),
            )
            for seed in seeds
        ]
        endings = self.endings(tmp_path, rows)
        assert [ending.reasons for ending in endings if not ending.complete] == []
        assert all(
            ending.found == made.servers and ending.code == 0
            for (made, _), ending in zip(rows, endings, strict=True)
        )
