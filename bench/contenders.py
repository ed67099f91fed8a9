"""Who runs, in which contest, with which command, and how its findings are counted."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.far import DATABASES
from bench.network import (
    ALIKE_PORT,
    CLOSED_PORT,
    FAR_PORT,
    FIRST,
    HERE,
    LARGE_PORT,
    PORT,
    PYTHON,
    SMALL_PORT,
    Place,
)

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
    needs: str = ""  # a program that must be there, or an option of ours
    quick: int = 0
    journal: bool = False  # ours: what stands in its journal is looked at

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
    per_server: bool = False  # CPU a server counts, without that of a run with one target
    all_cores: bool = False  # else the scanner has one
    names: bool = False  # the names of collections in the journal are counted
    rounds: int = 0  # so many, whatever was wanted

    def done(self, targets: int, packets: int, found: int) -> int:
        """Targets that count for the rate: what never came to the door, or was not found there, was not
        done."""
        if self.per_server or self.name in ("live", "syn-live"):
            return min(targets, found)
        return targets if self.name == "eight" else min(targets, packets)


CONTESTS = [
    Contest("live", "all", "depth verdict, servers alike", lambda n: n),
    Contest("different", "all", "depth verdict, every server different", lambda n: n, per_server=True),
    Contest(
        "databases",
        "all",
        "depth databases, 4 databases, every server different",
        lambda n: n,
        per_server=True,
    ),
    Contest(
        "databases-alike", "all", "depth databases, 4 databases, servers alike", lambda n: n, per_server=True
    ),
    Contest(
        "collections",
        "all",
        "default depth, 4 databases of 3 collections, every server different",
        lambda n: n,
        per_server=True,
        names=True,
    ),
    Contest(
        "large",
        "all",
        "default depth, 20 databases of 20 collections, every server different",
        lambda n: n,
        per_server=True,
        names=True,
    ),
    Contest(
        "memory",
        "all",
        "default depth, 2,048 servers of 20 databases of 20 collections at once, every one different",
        lambda n: n,
        per_server=True,
        names=True,
        rounds=1,
    ),
    Contest(
        "workers",
        "all",
        "default depth, 20 databases of 20 collections, every server different, on all cores",
        lambda n: n,
        per_server=True,
        all_cores=True,
    ),
    Contest("closed", "all", "closed ports (RST), connects", lambda n: 0),
    Contest("syn-silent", "none", "SYN stage, silent range", lambda n: 0),
    Contest("syn-closed", "all", "SYN stage, closed range", lambda n: 0),
    Contest("syn-live", "all", "SYN stage, live range", lambda n: n),
    Contest("far", "all", "1,000 databases 50 ms away, beside a server with a slow one", lambda n: 0),
    Contest(
        "eight",
        "one in 1024",
        "depth verdict, a whole range with one live host in 1,024, alike",
        lambda n: n // 1024,
        rounds=1,
    ),
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


def _mongosweep(
    engine: str, port: int, *, depth: str = "verdict", more: str = ""
) -> Callable[[Place, int], list[str]]:
    def command(where: Place, count: int) -> list[str]:
        rate = RATE if (engine, port) == ("connect", PORT) else 10_000_000
        # The other contenders know no caps for prefixes; the sweeps of whole ranges keep ours as they are.
        caps = "" if engine == "syn" else "per_prefix_rate = 10000000\n"
        config = where.directory / "mongosweep.toml"
        config.write_text(
            '[organisation]\nname = "bench"\ncontact = "bench@example.com"\n'
            f'[[allow]]\ncidr = "10.0.0.0/8"\nowner = "bench"\n[sweep]\nmax_targets = 20000000\n{caps}'
        )
        words = f"sweep --config {config} --port {port} --rate {rate} --depth {depth} --engine {engine}"
        return [
            *(
                PYTHON,
                "-m",
                "scanner",
                *words.split(),
                *more.split(),
                "--output",
                str(where.directory / "runs"),
            ),
            # What the ledger costs at a sweep's end is measured by itself: see `bench.ledger`.
            *("--quiet", "--json", "--no-ledger", "--fail-on", "never", cidr(count)),
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
        if "verdict" not in line or line["target"]["ip"] != "10.0.0.1":
            continue  # the slow one, or a line that goes on with one before it
        if line["exposure"]["documents"] == DATABASES * 10:
            return int(line["timing"]["total_ms"])
    raise ValueError("the large server was not read to its end")


def _limit(kind: str, port: int) -> Callable[[Place, int], list[str]]:
    rate = 1_000_000 if port == CLOSED_PORT else RATE
    return lambda _, n: [PYTHON, "-m", "bench.limit", kind, *map(str, (FIRST, n, port, SLOTS, rate))]


def _peer(kind: str, at_once: int, port: int = PORT) -> Callable[[Place, int], list[str]]:
    return lambda _, n: [PYTHON, "-m", "bench.peers", kind, *map(str, (FIRST, n, port, at_once))]


def _zgrab2(port: int) -> Callable[[Place, int], list[str]]:
    """Its module for MongoDB: isMaster, listDatabases with sizes by OP_QUERY, buildInfo."""

    def command(where: Place, count: int) -> list[str]:
        (where.directory / "nothing").write_text("")
        (where.directory / "zgrab2.in").write_text(cidr(count) + "\n")
        words = f"zgrab2 mongodb -p {port} -s 500 -b {where.directory}/nothing -f {where.directory}/zgrab2.in"
        return [*words.split(), "-o", f"{where.directory}/zgrab2.json"]

    return command


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


def _sweep(
    contest: str, count: int, port: int, depth: str, *, more: str = "", quick: int = 0, needs: str = ""
) -> Contender:
    """Ours in one of the contests of servers that say more than that they are there."""
    name = f"mongosweep, {more.removeprefix('--').replace(' ', ': ') or 'connect engine'}"
    command = _mongosweep("connect", port, depth=depth, more=more)
    return Contender(contest, name, count, command, _OPEN, needs, quick, journal=True)


COMPILED: Path = HERE.parent / "build" / "compiled"


def compiled(ours: Contender) -> Contender:
    """The same contender with its core compiled: run from the copy that `make native` makes."""

    def command(where: Place, count: int) -> list[str]:
        return ["env", f"--chdir={COMPILED}", f"PYTHONPATH={COMPILED}", *ours.command(where, count)]

    return replace(ours, name=f"{ours.name}, compiled", command=command, needs=str(COMPILED))


_OPEN = _lines_with('"verdict":"open"')
_BY_ZGRAB2 = _file_lines("zgrab2.json", '"status":"success"')
_NONE: Callable[[str, Place], int] = lambda output, where: 0  # noqa: E731 — nothing is to be found there

CONTENDERS = [
    Contender(
        "live", "mongosweep, connect engine", 131_072, _mongosweep("connect", PORT), _OPEN, journal=True
    ),
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
    _sweep("different", 16_384, SMALL_PORT, "verdict"),
    Contender(
        "different",
        "bare epoll, recycled sockets (the limit)",
        16_384,
        _limit("recycled", SMALL_PORT),
        _json("found"),
    ),
    Contender(
        "different",
        "PyMongo-async loop, 200 at once",
        2_048,
        _peer("pymongo", 200, SMALL_PORT),
        _json("found"),
    ),
    _sweep("databases", 16_384, SMALL_PORT, "databases"),
    Contender("databases", "zgrab2, module mongodb", 16_384, _zgrab2(SMALL_PORT), _BY_ZGRAB2, "zgrab2"),
    Contender(
        "databases",
        "PyMongo-async loop, 200 at once",
        1_024,
        _peer("pymongo-databases", 200, SMALL_PORT),
        _json("found"),
    ),
    _sweep("databases-alike", 16_384, ALIKE_PORT, "databases"),
    Contender("databases-alike", "zgrab2, module mongodb", 16_384, _zgrab2(ALIKE_PORT), _BY_ZGRAB2, "zgrab2"),
    _sweep("collections", 4_096, SMALL_PORT, "collections"),
    Contender(
        "collections",
        "PyMongo-async loop, 200 at once",
        512,
        _peer("pymongo-collections", 200, SMALL_PORT),
        _json("found"),
    ),
    _sweep("large", 512, LARGE_PORT, "collections", quick=256),
    Contender(
        "large",
        "PyMongo-async loop, 32 at once",
        32,
        _peer("pymongo-collections", 32, LARGE_PORT),
        _json("found"),
        quick=16,
    ),
    _sweep("memory", 2_048, LARGE_PORT, "collections", quick=2_048),
    _sweep("workers", 512, LARGE_PORT, "collections", more="--workers 1", needs="--workers", quick=256),
    _sweep("workers", 512, LARGE_PORT, "collections", more="--workers 2", needs="--workers", quick=256),
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
