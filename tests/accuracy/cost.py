"""What a sweep costs a server: docs/cost.md, from recordings, the code's own bounds, and real servers."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import bson

from scanner.engine.memory import BUDGET, LONG_AT_ONCE, MOST_WAITING, SMALL
from scanner.mongo import commands
from scanner.mongo.bson_check import BINARY_COUNTS_AS, COSTLY_COUNTS_AS, MAX_ELEMENTS
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Limits
from scanner.mongo.listing import LONG, SLICE
from scanner.mongo.metadata import MetadataPlan
from scanner.mongo.questions import FIRST_WINDOW
from scanner.mongo.reply_shapes import ALIKE, KEPT, LESSONS
from scanner.mongo.reply_shapes import MAX_BYTES as MAX_SHAPE
from scanner.mongo.wire import Opcode
from tests.accuracy.asking import CLIENT
from tests.accuracy.pages import table
from tests.support.converse import converse
from tests.support.recordings import load
from tests.support.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scanner.mongo.commands import Request

    Doc = dict[str, Any]

COST = "docs/cost.md"
MEASURED = "<!-- What follows was measured on one machine. -->"
VERSIONS = ("2.6.0-rc1", "4.0.3", "7.1.0")

_HEAD = f"""\
# What a sweep costs the servers that it asks

<!-- Made by `make accuracy`. All above the line "measured on one machine" is held to the code by a test. -->

A locked server answers three questions and is left alone. An open one is asked for names, counts, sizes, the
use of the indexes and the newest id of each collection, and once for its own counters, within the bounds
below; no question reads a document, and none writes. What is left out is named in the record under
`truncated`.

More is asked only where something was not told. A listDatabases that failed for another reason than access
costs three questions: the same without arguments, and listCollections and dbStats of `admin`. A handshake
that is refused for the `client` document, as pooling proxies do, is put again without it: two at most.
Statistics that came without a count are asked for in the older forms: two more of a collection. Beside the
newest id of a collection stands its oldest, one key at the other end of the index, because random ids begin
before MongoDB did; a collection of at most 20 documents is asked for an id after now as well.

Operations on a collection come with its statistics; where they do not, as before 3.4, `top` tells them of all
collections at once, unless there are more than {Limits().namespaces_counted:,} of them. The use of indexes is
asked before the newest ids, whose questions use an index. `local.startup_log`, to which each start of a
server writes, is asked for it as well: it tells when the server began to count for what it had.

Where there are more collections than are asked for their newest ids or their indexes, those with the most
documents and those with telling names take turns: names in the lists of hints and of ransom notes, or in a
database with such a name. The record says how many were not asked. Names are compared as they are sent: two
that differ only in case or by a combining mark are two.
"""
_EXAMINED = """\
## Keys and documents examined

By the servers' own profilers, for one collection of 2,000 documents (recordings `open_profile`). `-`: not
asked of this version, or not counted by its profiler, which counts only what can examine keys or documents.
listDatabases and listCollections are in no profile: they read the catalogue; nor are serverStatus and `top`,
which read counters in memory. The same newest-`_id` question put to a view examines all 2,000 documents, so
views are never asked.
"""
_WIRE = """\
## Messages and bytes

Recorded servers with eight or nine databases and about ten collections, asked over one connection. A locked
server costs the same at every depth.
"""
_TIME = """\
## Time limits that the server keeps

Sent as `maxTimeMS` (2.6 and later). Two questions of one kind in a row that run out of time end that kind.
"""
_OURS = f"""\
## What one reply costs the sweep

A reply is checked and decoded in one go by the thread that serves all targets. It holds at most
{MAX_ELEMENTS:,} elements, because honest ones come near: a 2.x server sends up to 4 MiB of names at once,
those of 50,000 collections and their indexes. That many take 0.1 to 0.3 s, in which nobody else is served;
a list of 10,000 databases takes about 20 ms. A list over {LONG // 1024} KiB is decoded {SLICE:,} entries at a
time, for the memory's sake, and what the record cannot hold is dropped. What is costlier to decode than text
counts as more: dates, ids, timestamps,
decimals, regexes and code as {COSTLY_COUNTS_AS} elements each, binaries with a subtype as
{BINARY_COUNTS_AS}. With the bytes that one server may send in all, a hostile one can take some ten seconds
of the thread, a reply at a time.

The answers to dbStats, `$collStats`, `$indexStats` and the questions for newest ids are alike but for numbers
and names.
Of one that was checked and decoded it is kept which bytes are the same in all that are as long, and later
ones with these bytes are read for a seventh of the time: at most {ALIKE} such shapes for each of {KEPT}
lengths of a question and its answer, at most {LESSONS} taught by one connection, none of more than
{MAX_SHAPE} bytes. A list of names is written anew from the names in it, and believed when that is the same.

## What all conversations hold together

{BUDGET:,} bytes ({BUDGET // 1024**2} MiB) is the budget of a run: kept answers, inventories, replies that are
coming in (whole, as soon as their length is known), and observations that wait for a second opinion. A
server that lists 133,000 databases, as many as fit into a reply, takes about 4 MiB of it. Beyond the budget
a server waits: it is not read, so that its window fills. Until its verdict is known, and until it is its
turn to tell metadata, its deadlines stand still meanwhile; afterwards `host_timeout` runs on, and cuts its
metadata. One conversation always goes on, so
the budget is exceeded by what one may hold, and by the {SMALL // 1024} KiB that each other one had just read.
At most {LONG_AT_ONCE} replies over {SMALL // 1024} KiB come in at a time, and a quarter of the budget is for
neither them nor first answers. While three quarters are held, or {MOST_WAITING} servers wait, no new connect
is started. A process takes 50 to 60 MiB beside this, and up to 50 MiB while it decodes one reply.
With workers the budget is divided over them and the main process in equal parts.
"""


def _is(name: str) -> Callable[[Doc], bool]:
    return lambda asked: next(iter(asked), "") == name


def _newest(asked: Doc) -> bool:
    return _is("find")(asked) and "hint" in asked and "$gte" in str(asked.get("filter"))


def _newest_legacy(asked: Doc) -> bool:
    hinted = "$hint" in asked or ("ntoreturn" in asked and "hint" in asked)
    return hinted and "$explain" not in asked


def _stage(name: str) -> Callable[[Doc], bool]:
    return lambda asked: (
        _is("aggregate")(asked) and name in str(asked.get("pipeline")) and "explain" not in asked
    )


QUESTIONS: tuple[tuple[str, Callable[[Doc], bool]], ...] = (
    ("dbStats", _is("dbStats")),
    ("collStats", _is("collStats")),
    ("count without a query", _is("count")),
    ("`$collStats`, projected", _stage("storageStats")),
    ("`$collStats` with operations", _stage("latencyStats")),
    ("`$indexStats`", _stage("$indexStats")),
    ("newest `_id`, find", _newest),
    ("newest `_id` as a date, aggregate", _stage("$toDate")),
    ("newest `_id`, legacy find", _newest_legacy),
)
COLLECTION = "lecteurs.readers"
"""2,000 documents; the profiler ran at level 2."""


@cache
def profiled(version: str) -> tuple[Doc, ...]:
    """The entries of the recorded profile."""
    entries: list[Doc] = []
    for step in load(version, "open_profile"):
        if step.family == "profile" and version.startswith("2."):
            entries += bson.decode_all(step.reply[36:])
        elif step.family == "profile":
            entries += bson.decode(step.reply[21:])["cursor"]["firstBatch"]
    return tuple(entries)


def examined(version: str, is_asked: Callable[[Doc], bool]) -> tuple[int, int] | None:
    """The most keys and documents that this question examined; None when the profiler counted none."""
    found = []
    for entry in profiled(version):
        asked = entry.get("command") or entry.get("query") or {}
        about = entry["ns"] in (COLLECTION, "lecteurs", "lecteurs.$cmd")
        keys = entry.get("keysExamined", entry.get("nscanned"))
        documents = entry.get("docsExamined", entry.get("nscannedObjects"))
        if about and is_asked(asked) and keys is not None:
            found.append((int(keys), int(documents or 0)))
    return max(found) if found else None


def cost_page(measured: str) -> str:
    """The page; `measured` is what stands below the line."""
    return "\n".join([_HEAD, _examined(), _wire(), _bounds(), _time_limits(), _OURS, MEASURED, "", measured])


def held_part(page: str) -> str:
    """The part that a test holds to the code."""
    return page.partition(MEASURED)[0]


def measured_part(page: str) -> str:
    """The rest of it."""
    return page.partition(f"{MEASURED}\n\n")[2]


def _examined() -> str:
    rows = []
    for name, is_asked in QUESTIONS:
        cells = [examined(version, is_asked) for version in VERSIONS]
        rows.append((name, *("-" if cell is None else f"{cell[0]} / {cell[1]}" for cell in cells)))
    return (
        _EXAMINED + "\n" + table(("Question: keys / documents", *(version[:3] for version in VERSIONS)), rows)
    )


SERVERS = (
    ("locked, 2.6", "2.6.0-rc1", "auth_user", ""),
    ("locked, 4.0", "4.0.3", "auth_user", ""),
    ("locked, 7.1", "7.1.0", "auth_user", ""),
    ("open, 2.6", "2.6.0-rc1", "open_data", ""),
    ("open, 4.0", "4.0.3", "open_data", ""),
    ("open, 7.1", "7.1.0", "open_data", ""),
    ("mongos, open, 7.1", "7.1.0", "mongos_open", "router"),
)


def spent(version: str, scenario: str, node: str, depth: Depth) -> tuple[int, int, int]:
    """Messages, bytes sent and bytes received when a recorded server is asked."""
    dialogue = Dialogue(
        client=CLIENT, depth=depth, limits=Limits(), loopback=False, plan_factory=MetadataPlan
    )
    converse(dialogue, Replay(version, scenario, node))
    return dialogue.messages_sent, dialogue.bytes_sent, dialogue.bytes_received


def _wire() -> str:
    rows = [
        (name, str(depth), *(f"{number:,}" for number in spent(version, scenario, node, depth)))
        for name, version, scenario, node in SERVERS
        for depth in (Depth.VERDICT, Depth.DATABASES, Depth.COLLECTIONS)
        if depth is Depth.COLLECTIONS or not name.startswith("locked")
    ]
    return _WIRE + "\n" + table(("Server", "--depth", "Messages", "Bytes sent", "Bytes received"), rows)


def _bounds() -> str:
    limits = Limits()
    rows = [
        ("connections", f"{limits.connections}"),
        ("bytes received in all", f"{limits.host_bytes:,}"),
        ("a first reply, bytes", f"{limits.verdict_reply_bytes:,}"),
        ("a list of names, bytes", f"{limits.names_reply_bytes:,}"),
        ("statistics of one thing, bytes", f"{limits.stats_reply_bytes:,}"),
        ("databases kept", f"{limits.databases_kept:,}"),
        ("databases asked for counts and names", f"{limits.databases_asked:,}"),
        ("collections kept", f"{limits.collections_kept:,}"),
        ("collections asked for statistics", f"{limits.collections_asked:,}"),
        ("of these, collections asked for the ends of their ids", f"{limits.newest_asked:,}"),
        ("of these, collections asked for the use of their indexes", f"{limits.indexes_asked:,}"),
        ("further batches of names", f"{limits.cursor_rounds:,}"),
        ("questions in flight", f"{limits.window:,}"),
        ("questions in flight before one is answered", f"{FIRST_WINDOW:,}"),
    ]
    text = "## Bounds for one server\n\nThe defaults; `[limits]` in the configuration changes them.\n\n"
    return text + table(("What", "At most"), rows)


def _time_limits() -> str:
    before = 1_700_000_000
    asked: Sequence[tuple[str, Request]] = (
        ("listDatabases", commands.list_databases()),
        ("listCollections", commands.list_collections("db")),
        ("getMore of names", commands.get_more("db", 1)),
        ("dbStats", commands.db_stats("db")),
        ("`$collStats`", commands.coll_stats_stage("db", "c")),
        ("collStats", commands.coll_stats("db", "c")),
        ("`$indexStats`", commands.index_stats("db", "c")),
        ("serverStatus", commands.server_status()),
        ("`top`", commands.top()),
        ("count", commands.count("db", "c")),
        ("newest `_id`", commands.newest_id("db", "c", before)),
        ("newest `_id` as a date", commands.newest_date("db", "c", before)),
        ("oldest `_id`", commands.oldest(commands.newest_id("db", "c", before))),
        ("oldest `_id` as a date", commands.oldest(commands.newest_date("db", "c", before))),
    )
    rows = []
    for name, request in asked:
        limit = bson.decode(commands.encode(request, 1, Opcode.OP_MSG)[21:]).get("maxTimeMS")
        rows.append((name, f"{limit} ms" if limit else "none of its own: the reply deadline"))
    return _TIME + "\n" + table(("Question", "maxTimeMS"), rows)
