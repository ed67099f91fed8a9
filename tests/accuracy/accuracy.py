"""docs/accuracy.md: real servers beside PyMongo, everything beside nmap, and the hostile suite's table."""

from __future__ import annotations

import asyncio
import platform
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.lab.estate import catalogue
from scanner.lab.personality import Group
from scanner.lab.thread import LabThread
from scanner.network.connect.base import Timeouts
from tests.accuracy import hostile_suite, matrix, nmap
from tests.accuracy.asking import ask_all
from tests.accuracy.pages import table
from tests.support import real
from tests.support.kinds import State, kinds

if TYPE_CHECKING:
    from results.record import Observation
    from scanner.lab.personality import Personality
    from tests.accuracy.asking import Asked, Place

ACCURACY = "docs/accuracy.md"
SECTIONS = ("Beside PyMongo", "Beside nmap", "Hostile servers")
LAB_PORT = 27017
AT_ONCE = 200
USUAL = Timeouts(connect=3.5, reply=3.0, host=20.0)

_HEAD = """\
# How right it is

<!-- Made by `make accuracy`. Change the tests in tests/accuracy, not this page. -->

Everything here was asked on one machine, on 127.0.0.0/8 alone. "Simulated" servers are those of
`mongosweep lab`, whose answers are held against recordings of real MongoDB by tests/lab; their truth is known
because it was written down before anybody asked.
"""
_UNTOLD = """\
## What remains untold

* A server that lists its databases and answers nothing else stays `open`: `access` is `not_told`, its counts
  are null, and no severity is lowered. At `--depth verdict` nobody is asked a second question, so `access` is
  `not_told` there for every server whose list alone decided.
* A validator can only be seen where listCollections gives options unasked, before 4.0: elsewhere it is null,
  because asking for options would bring along what stands in them.
* A random id is known by others of its collection that lie before 2009 or after now. Of one or two ids alone,
  nothing can be said.
* Of a member of a shard, only 3.6 and 4.0 say that it is one; shards of databases and collections are told by
  a router.
* A trap that answers as MongoDB does in every field that is asked for is taken for MongoDB.
* Where listDatabases fails and two other questions are answered, the verdict is `open` and no database is
  named.
"""
_PYMONGO = """\
{servers} real servers and states, {wrong} wrong. Names, sizes in bytes, counts of documents and the newest
write (within a second) are compared with what PyMongo reads from the same server; `-`: there is nothing to
read without a login. The same table is printed at the end of each test run, and holds every mongod in
`$MONGOSWEEP_MONGOD_DIR`.
"""
_NMAP = """\
The same servers, asked by `nmap -sT -Pn -n --script {scripts}`. Of {servers} servers mongosweep was right
about {ours}, nmap about {theirs}.

nmap gives no verdict: it counts as right when what it prints settles the matter (a list of databases: open; a
demand for a login: locked), and, generously, when it claims nothing of a server that is neither. Since
MongoDB 5.1 its question is refused with 352 in the same words by open and by locked servers; these scripts do
not speak TLS to MongoDB, and do not ask members of a set in the way in which secondaries answer.
"""
_HOSTILE = """\
{servers} hostile servers asked at once: {right} right verdicts, {seconds:.1f} s, the resident set grew by
{growth} MiB at most (allowed: 64). Of the honest servers asked afterwards, {honest} of {all_honest} got the
right verdict.

Below, each alone, with deadlines of 2 s for a reply and 6 s for a host. Peak: growth of the resident set in
MiB while it was asked.
"""
_MEASURED = """\
## Real servers at hand

Measured on {day}, on loopback, at `--depth collections`, on a machine that had other things to do:
milliseconds are an order of magnitude.
"""


@dataclass(frozen=True)
class Compared:
    """One server: what is true, and what each of the two said."""

    name: str
    right: frozenset[Verdict]
    version: str
    ours: Observation | None
    theirs: nmap.Told

    @property
    def truth(self) -> str:
        """The right verdict, or verdicts."""
        return " or ".join(sorted(verdict.value for verdict in self.right))

    @property
    def we_are_right(self) -> bool:
        """Verdict, and version where the server tells it before a login."""
        return self.ours is not None and self.ours.verdict in self.right

    @property
    def they_are_right(self) -> bool:
        """What nmap prints settles the matter; where there is no MongoDB to judge, that it claims nothing."""
        settled = self.theirs.settles
        if self.right & {Verdict.OPEN, Verdict.AUTH_REQUIRED}:
            return settled in self.right
        return settled is None

    @property
    def who(self) -> str:
        """Who was right."""
        return {
            (True, True): "both",
            (True, False): "mongosweep",
            (False, True): "nmap",
            (False, False): "neither",
        }[self.we_are_right, self.they_are_right]


@dataclass(frozen=True)
class Real:
    """One real server, measured: its row in the matrix, its comparison, and what asking it cost."""

    row: dict[str, str]
    compared: Compared
    record: Observation


def real_servers(home: Path) -> list[Real]:
    """Start each kind in turn, ask it, ask nmap, and read it with PyMongo."""
    certificates = real.Certificates(home / "certificates")
    return [_real(kind, home / str(kind), certificates) for kind in kinds() if not kind.missing]


def _real(kind: real.Kind, home: Path, certificates: real.Certificates) -> Real:
    server = real.start(kind, home, certificates)
    try:
        readable = kind.state not in (State.AUTH, State.LOCALHOST_EXCEPTION)
        before = server.truth() if readable else None
        place = (server.host, server.port)
        asked = asyncio.run(ask_all([place], timeouts=USUAL))[place]
        after = server.truth() if readable else None
        theirs = nmap.scan([place])[place]
        columns = matrix.row(server, asked.record, before, after)
        right = frozenset({matrix.expected(server, before)})
        version = columns["version"] if columns["version"] != matrix.NONE else ""
    finally:
        server.stop()
    return Real(
        columns,
        Compared(f"{kind.label}, {kind.state}", right, version, asked.observation, theirs),
        asked.record,
    )


def simulated_servers() -> list[Compared]:
    """The lab's estate of MongoDB and of what looks like it."""
    chosen = catalogue((Group.MAIN, Group.OTHER))
    places: dict[Place, Personality] = {
        (f"127.100.{n // 250}.{n % 250 + 1}", LAB_PORT): each for n, each in enumerate(chosen)
    }
    with LabThread(places):
        answers: dict[Place, Asked] = asyncio.run(ask_all(places, timeouts=USUAL))
        theirs = nmap.scan(places)
    return [
        Compared(each.name, each.acceptable, each.truth.version, answers[place].observation, theirs[place])
        for place, each in places.items()
    ]


def accuracy_page(reals: list[Real], simulated: list[Compared]) -> str:
    """The whole page. Runs the hostile suite, each server alone and two hundred at once."""
    return "\n".join(
        [_HEAD, _told_when(), _UNTOLD, _beside_pymongo(reals), _beside_nmap(reals, simulated), _hostile()]
    )


def _told_when() -> str:
    return (
        f"Made on {datetime.now(UTC):%Y-%m-%d} with Python {platform.python_version()} and nmap"
        f" {nmap.installed()}.\n"
    )


def _beside_pymongo(reals: list[Real]) -> str:
    rows = [tuple(each.row.values()) for each in reals]
    wrong = sum(bool(matrix.wrong(each.row)) for each in reals)
    return _section(0, _PYMONGO.format(servers=len(reals), wrong=wrong)) + table(tuple(reals[0].row), rows)


def _beside_nmap(reals: list[Real], simulated: list[Compared]) -> str:
    compared = [each.compared for each in reals] + simulated
    rows = [
        (
            each.name,
            each.truth,
            each.ours.verdict.value if each.ours is not None else "no connection",
            _version(each),
            each.theirs.words,
            each.theirs.version,
            each.who,
        )
        for each in compared
    ]
    text = _NMAP.format(
        scripts=nmap.SCRIPTS,
        servers=len(compared),
        ours=sum(each.we_are_right for each in compared),
        theirs=sum(each.they_are_right for each in compared),
    )
    head = ("Server", "Truth", "mongosweep", "Version", "mongodb-databases", "mongodb-info", "Right")
    return _section(1, text) + table(head, rows)


def _section(number: int, text: str) -> str:
    return f"## {SECTIONS[number]}\n\n{text}\n"


def _version(compared: Compared) -> str:
    if compared.ours is None or compared.ours.server is None:
        return ""
    ours = compared.ours.server.version
    return ours if not compared.version or ours == compared.version else f"{ours} (is {compared.version})"


def _hostile() -> str:
    alone, together = hostile_suite.run("alone"), hostile_suite.run("together", AT_ONCE)
    rows = [
        (
            row.name,
            row.description,
            row.verdict,
            "yes" if row.is_right else "NO",
            f"{row.seconds:.2f}",
            _mib(row.peak),
        )
        for row in alone.rows
        if row.hostile
    ]
    crowd = [row for row in together.rows if row.hostile]
    text = _HOSTILE.format(
        servers=len(crowd),
        right=sum(row.is_right for row in crowd),
        seconds=together.seconds,
        growth=_mib(together.growth),
        honest=sum(row.is_right for row in together.honest_after),
        all_honest=len(together.honest_after),
    )
    head = ("Case", "What it does", "Verdict", "Right", "Seconds", "Peak")
    return _section(2, text) + table(head, rows)


def _mib(size: int) -> str:
    return f"{size / 1024**2:.1f}"


def measured_cost(reals: list[Real]) -> str:
    """The part of docs/cost.md that was measured: real servers."""
    rows = [
        (
            each.row["server"],
            each.row["state"],
            f"{each.record.timing.connections}",
            f"{each.record.timing.messages}",
            f"{each.record.timing.bytes_sent:,}",
            f"{each.record.timing.bytes_received:,}",
            f"{each.record.timing.total_ms:.0f}",
        )
        for each in reals
    ]
    text = _MEASURED.format(day=f"{datetime.now(UTC):%Y-%m-%d}") + "\n"
    head = ("Server", "State", "Connections", "Messages", "Bytes sent", "Bytes received", "Milliseconds")
    return text + table(head, rows)


def gather() -> tuple[list[Real], list[Compared]]:
    """Everything that both pages need. Raises `SystemExit` without nmap."""
    if not nmap.installed():
        raise SystemExit("nmap is not installed; on Debian: apt-get install nmap")
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mongosweep-accuracy-")))
        return real_servers(home), simulated_servers()
