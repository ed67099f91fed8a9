"""Who runs, in which contest, with which command, and how its findings are counted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.far import DATABASES
from bench.network import CLOSED_PORT, FAR_PORT, FIRST, PORT, PYTHON, Place

if TYPE_CHECKING:
    from collections.abc import Callable

SLOTS, RATE = 500, 40_000  # the rate is above what anybody reaches here; bursts of at most 100 keep recall


@dataclass(frozen=True)
class Contender:
    """One tool in one contest. `count` targets make a round of five to ten seconds; `quick` makes a short
    one."""

    contest: str
    name: str
    count: int
    command: Callable[[Place, int], list[str]]
    found: Callable[[str, Place], int]
    needs: str = ""  # a program that must be there
    quick: int = 0

    def targets(self, quick: bool) -> int:
        """How many in this run."""
        return (self.quick or self.count // 8) if quick else self.count


@dataclass(frozen=True)
class Contest:
    """What the other side does, and how many of the targets there are to be found."""

    name: str
    answers: str
    title: str
    recall: Callable[[int], int]

    def done(self, targets: int, packets: int, found: int) -> int:
        """Targets that count for the rate: what never came to the door, or was not found there, was not
        done."""
        if self.name in ("live", "syn-live"):
            return min(targets, found)
        return targets if self.name == "eight" else min(targets, packets)


CONTESTS = [
    Contest("live", "all", "live hosts, full dialogue", lambda n: n),
    Contest("closed", "all", "closed ports (RST), connects", lambda n: 0),
    Contest("syn-silent", "none", "SYN stage, silent range", lambda n: 0),
    Contest("syn-closed", "all", "SYN stage, closed range", lambda n: 0),
    Contest("syn-live", "all", "SYN stage, live range", lambda n: n),
    Contest("far", "all", "1,000 databases 50 ms away, beside a server with a slow one", lambda n: 0),
    Contest("eight", "one in 1024", "a whole range with one live host in 1,024", lambda n: n // 1024),
]


def cidr(count: int) -> str:
    """The first `count` addresses, a power of two, as a prefix."""
    return f"10.0.0.0/{33 - count.bit_length()}"


def _json(key: str) -> Callable[[str, Place], int]:
    return lambda output, _: int(json.loads(output.strip().splitlines()[-1])[key])


def _lines_with(mark: str) -> Callable[[str, Place], int]:
    return lambda output, _: sum(mark in line for line in output.splitlines())


def _file_lines(name: str, mark: str) -> Callable[[str, Place], int]:
    def count(_: str, where: Place) -> int:
        path = Path(where.directory) / name
        return len({line for line in path.read_text().splitlines() if mark in line}) if path.exists() else 0

    return count


def _mongosweep(engine: str, port: int) -> Callable[[Place, int], list[str]]:
    def command(where: Place, count: int) -> list[str]:
        rate = RATE if (engine, port) == ("connect", PORT) else 10_000_000
        # The other contenders know no caps for prefixes; the sweeps of whole ranges keep ours as they are.
        caps = "" if engine == "syn" else "per_prefix_rate = 10000000\n"
        config = where.directory / "mongosweep.toml"
        config.write_text(
            '[organisation]\nname = "bench"\ncontact = "bench@example.com"\n'
            f'[[allow]]\ncidr = "10.0.0.0/8"\nowner = "bench"\n[sweep]\nmax_targets = 20000000\n{caps}'
        )
        words = f"sweep --config {config} --port {port} --rate {rate} --depth verdict --engine {engine}"
        return [
            *(PYTHON, "-m", "scanner", *words.split(), "--output", str(where.directory / "runs")),
            *("--quiet", "--json", "--fail-on", "never", cidr(count)),
        ]

    return command


def _far(where: Place, count: int) -> list[str]:
    """The large server and its slow neighbour in one sweep, at the full depth."""
    depth = ["--depth", "collections", "--port", str(FAR_PORT)]
    command = _mongosweep("connect", FAR_PORT)(where, count)
    return [*command[:-1], *depth, "10.0.0.1-10.0.0.2"]


def _far_found(output: str, _: Place) -> int:
    """Milliseconds from the connect to the large server to its record, if it knows every database."""
    for line in map(json.loads, output.splitlines()):
        if line["target"]["ip"] == "10.0.0.1" and line["exposure"]["documents"] == DATABASES * 10:
            return int(line["timing"]["total_ms"])
    raise ValueError("the large server was not read to its end")


def _limit(kind: str, port: int) -> Callable[[Place, int], list[str]]:
    rate = RATE if port == PORT else 1_000_000
    return lambda _, n: [PYTHON, "-m", "bench.limit", kind, *map(str, (FIRST, n, port, SLOTS, rate))]


def _peer(kind: str, at_once: int) -> Callable[[Place, int], list[str]]:
    return lambda _, n: [PYTHON, "-m", "bench.peers", kind, *map(str, (FIRST, n, PORT, at_once))]


def _stage(port: int, attempts: int = 1) -> Callable[[Place, int], list[str]]:
    return lambda _, n: [PYTHON, "-m", "bench.stage", *map(str, (FIRST, n, port, attempts))]


def _zmap(port: int) -> Callable[[Place, int], list[str]]:
    def command(where: Place, count: int) -> list[str]:
        (where.directory / "nothing").write_text("")
        words = (
            f"zmap -q -p {port} -i scan0 -G {where.gateway_mac} -S {where.scan.address} -B 10G -T 1 -c 1 -e 7"
        )
        files = f"-b {where.directory}/nothing -o {where.directory}/zmap.csv"
        return [*words.split(), *files.split(), cidr(count)]

    return command


def _masscan(port: int) -> Callable[[Place, int], list[str]]:
    def command(where: Place, count: int) -> list[str]:
        words = f"masscan -p{port} --rate 10000000 --wait 1 --retries 0 --seed 7 -e scan0 --source-port 40000"
        more = f"--adapter-ip {where.scan.address} --router-mac {where.gateway_mac.replace(':', '-')}"
        return [*words.split(), *more.split(), "-oL", f"{where.directory}/masscan.txt", cidr(count)]

    return command


def _nmap(_: Place, count: int) -> list[str]:
    words = (
        f"nmap -n -Pn -T5 --min-hostgroup 256 -p {PORT} --script mongodb-info,mongodb-databases {cidr(count)}"
    )
    return words.split()


_OPEN = _lines_with('"verdict":"open"')
_NONE: Callable[[str, Place], int] = lambda output, where: 0  # noqa: E731 — nothing is to be found there

CONTENDERS = [
    Contender("live", "mongosweep, connect engine", 131_072, _mongosweep("connect", PORT), _OPEN),
    Contender(
        "live", "bare epoll, recycled sockets (the limit)", 131_072, _limit("recycled", PORT), _json("found")
    ),
    Contender("live", "bare epoll, one socket a target", 131_072, _limit("classic", PORT), _json("found")),
    Contender("live", "uvloop create_connection", 65_536, _peer("uvloop", 500), _json("found")),
    Contender("live", "Motor loop, 200 at once", 2_048, _peer("motor", 200), _json("found"), quick=512),
    Contender(
        "live", "PyMongo-async loop, 200 at once", 4_096, _peer("pymongo", 200), _json("found"), quick=512
    ),
    Contender(
        "live", "nmap, two scripts", 2_048, _nmap, _lines_with("| mongodb-databases"), "nmap", quick=512
    ),
    Contender("closed", "mongosweep, connect engine", 524_288, _mongosweep("connect", CLOSED_PORT), _NONE),
    Contender(
        "closed", "bare epoll, recycled sockets (the limit)", 524_288, _limit("recycled", CLOSED_PORT), _NONE
    ),
    Contender("closed", "bare epoll, one socket a target", 262_144, _limit("classic", CLOSED_PORT), _NONE),
    Contender("syn-silent", "mongosweep, SYN stage", 4_194_304, _stage(PORT), _NONE),
    Contender("syn-silent", "zmap", 2_097_152, _zmap(PORT), _NONE, "zmap"),
    Contender("syn-silent", "masscan", 1_048_576, _masscan(PORT), _NONE, "masscan"),
    Contender("syn-closed", "mongosweep, SYN stage", 1_048_576, _stage(CLOSED_PORT), _NONE),
    Contender("syn-closed", "zmap", 1_048_576, _zmap(CLOSED_PORT), _NONE, "zmap"),
    Contender("syn-closed", "masscan", 262_144, _masscan(CLOSED_PORT), _NONE, "masscan"),
    Contender("syn-live", "mongosweep, SYN stage", 524_288, _stage(PORT), _json("found")),
    Contender("syn-live", "zmap", 524_288, _zmap(PORT), _file_lines("zmap.csv", "10."), "zmap"),
    Contender(
        "syn-live", "masscan", 131_072, _masscan(PORT), _file_lines("masscan.txt", "open tcp"), "masscan"
    ),
    Contender("far", "mongosweep, depth collections", 2, _far, _far_found, quick=2),
    Contender(
        "eight", "a /16, mongosweep sweep --engine syn", 65_536, _mongosweep("syn", PORT), _OPEN, quick=65_536
    ),
    Contender(
        "eight",
        "a /8, mongosweep sweep --engine syn",
        16_777_216,
        _mongosweep("syn", PORT),
        _OPEN,
        quick=1_048_576,
    ),
    Contender(
        "eight",
        "a /8, SYN stage alone, every target once",
        16_777_216,
        _stage(PORT),
        _json("found"),
        quick=1_048_576,
    ),
]
