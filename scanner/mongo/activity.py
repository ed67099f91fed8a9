"""When a server was last written to: which method says so, what each proves, and what it does not.

"Inactive" is never said: an old date proves that no newer one was seen by that method, and no more.
Methods by letter are those of the protocol notes: A the replica set's last operation, B the newest ObjectId
`_id`, E and H the start of the process, I the server's clock. Each letter's reply is asked for elsewhere.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from results.record import LastWrite
from scanner.mongo.answers import succeeded
from scanner.mongo.values import moment, sub, time_of, time_told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.mongo.facts import Document, Facts

NEWEST_ID = "newest_object_id"
REPLICA_SET = "replica_set_last_operation"
PROCESS_START = "process_start"
COLLECTION_MADE = "collection_made"
WRITE_OPERATIONS = "write_operations"
INDEX_USE = "index_use"

FIRST_RELEASE = datetime(2009, 2, 11, tzinfo=UTC)  # no server existed before it
FUTURE_AFTER = timedelta(hours=1)
TRUSTED_SKEW = timedelta(days=1)
MENTIONED_SKEW_SECONDS = 60
IDS_UP_TO = timedelta(days=1)
LAST_OBJECT_ID = 2**32 - 1
MADE_AFTER = timedelta(minutes=1)  # until then a server opens what it has, and counts from there


class ServerClock(NamedTuple):
    """What time it is there. `now` judges ages; `skew_seconds` is the server's clock minus ours. `started`:
    when the process began that counts for collections, where it is known and the one that was asked;
    `opened`: when it began to count for what it had, which is later where it had to recover first."""

    now: datetime | None
    skew_seconds: float | None
    started: datetime | None = None
    opened: datetime | None = None

    def label(self, at: datetime) -> str:
        """ "implausible", "future", or "" for a time that can be right."""
        if at < FIRST_RELEASE:
            return "implausible"
        if self.now is not None and at > self.now + FUTURE_AFTER:
            return "future"
        return ""

    def made_later(self, since: datetime) -> bool:
        """True where what is counted since then was made then: the process had started long before."""
        if self.started is None or self.label(since):
            return False
        return since - max(self.started, self.opened or self.started) > MADE_AFTER


def with_start(there: ServerClock, facts: Facts, opened: datetime | None = None) -> ServerClock:
    """The same with the start of the process. A router counts for no collection itself.

    The later of what two methods say, so that a clock that was set meanwhile makes nothing young. `opened`:
    since when the server counts for what was there before the process.
    """
    hello = hello_of(facts)
    if hello.get("msg") == "isdbgrid":
        return there
    started: datetime | None = None
    for at in (facts.process_started, time_of(sub(hello, "topologyVersion", "processId"))):
        if at is not None and (started is None or at > started) and not there.label(at):
            started = at
    if opened is not None and there.label(opened):
        opened = None
    return ServerClock(there.now, there.skew_seconds, started, opened)


def copies(facts: Facts) -> bool:
    """Whether this is a member of a replica set that takes its data from another one."""
    hello = hello_of(facts)
    return bool(hello.get("setName")) and not (hello.get("ismaster") or hello.get("isWritablePrimary"))


def clock(facts: Facts) -> ServerClock:
    """The server's clock where it is within a day of ours, else ours: it must not excuse forged ids."""
    return clock_of(moment(hello_of(facts).get("localTime")), moment(facts.observed_at))


def clock_of(local: datetime | None, ours: datetime | None) -> ServerClock:
    """The same by what the server's clock says and what ours does."""
    if local is None or ours is None:
        return ServerClock(ours or _plausible(local), None)
    skew = local - ours
    return ServerClock(local if abs(skew) <= TRUSTED_SKEW else ours, skew.total_seconds())


def newest_id_bound(facts: Facts) -> int:
    """Unix seconds below which ids are asked for: a day from now, which passes over forged future ones."""
    now = clock(facts).now
    if now is None:
        return LAST_OBJECT_ID
    # Summed as numbers: a day after a clock that stands at the end of the year 9999 is no date.
    return max(1, min(LAST_OBJECT_ID, int(now.timestamp() + IDS_UP_TO.total_seconds())))


def newest_id(at: datetime, where: str, clock_there: ServerClock) -> LastWrite:
    """Method B for one collection: the time part of its newest ObjectId (seconds)."""
    label = clock_there.label(at)
    return LastWrite(at=at, method=NEWEST_ID, where=where, cautions=[label] if label else [])


def from_hello(facts: Facts, there: ServerClock | None = None) -> list[LastWrite]:
    """Methods A and H: what the handshake alone gives away, without a login. `there`: `clock(facts)`."""
    there = there or clock(facts)
    seen = _of_set(facts, there)
    started = process_start(facts, there)
    if started is not None:
        seen.append(LastWrite(at=started, method=PROCESS_START))
    return seen


def process_start(facts: Facts, there: ServerClock | None = None) -> datetime | None:
    """Methods E and H: the server's clock less its uptime (ms), or else `topologyVersion.processId` (4.4+),
    an ObjectId made when the process started (seconds)."""
    there = there or clock(facts)
    told = _start(facts.process_started, there)
    return told or _start(time_of(sub(hello_of(facts), "topologyVersion", "processId")), there)


def start_of(process: bytes | None, there: ServerClock) -> datetime | None:
    """Method H by the bytes of that ObjectId."""
    return _start(time_told(None, process), there)


def _start(at: datetime | None, there: ServerClock) -> datetime | None:
    return None if at is None or there.label(at) else at


def best(
    collection_writes: Sequence[LastWrite],
    facts: Facts,
    there: ServerClock | None = None,
    counted: Sequence[LastWrite] = (),
) -> tuple[LastWrite | None, list[LastWrite]]:
    """The answer for the whole server, and what the other methods say beside it.

    The newest plausible id or the making of a collection comes first, whichever is later: they speak of data.
    Then what was `counted`. The replica set's last operation is at most ten seconds old on any idle set,
    because a primary writes no-ops, so it stands in only where there is nothing else.
    """
    there = there or clock(facts)
    of_set = _of_set(facts, there)  # the start stands with the server
    if not collection_writes and not counted:
        if of_set and not there.label(of_set[0].at):
            return of_set[0], []
        return None, of_set
    plausible: LastWrite | None = None
    doubtful: dict[str, LastWrite] = {}
    for write in collection_writes:
        if plausible is not None and FIRST_RELEASE <= write.at <= plausible.at:
            continue  # it can be right, and is not the newest
        label = there.label(write.at)
        if label:
            if label not in doubtful or write.at > doubtful[label].at:
                doubtful[label] = write
        elif plausible is None or write.at > plausible.at:
            plausible = write
    ids = [plausible] if plausible is not None else []
    dated = ids + [write for write in counted if write.method == COLLECTION_MADE]
    written = [write for write in counted if write.method == WRITE_OPERATIONS]
    answers = sorted(dated, key=lambda write: write.at, reverse=True) + written
    answers += [write for write in of_set if not there.label(write.at)]
    answer = answers[0] if answers else None
    others = [write for write in [*ids, *counted, *of_set] if write is not answer]
    return answer, others + [doubtful[label] for label in sorted(doubtful)]


def hello_of(facts: Facts) -> Document:
    """The handshake's document, or an empty one."""
    if facts.hello is None or not succeeded(facts.hello):
        return {}
    return facts.hello.document or {}


def _of_set(facts: Facts, there: ServerClock) -> list[LastWrite]:
    """Method A: the last operation of the set, as at most one entry."""
    hello = hello_of(facts)
    if "lastWrite" not in hello:
        return []
    applied = moment(sub(hello, "lastWrite", "lastWriteDate"))
    return of_set(applied, there, arbiter=hello.get("arbiterOnly") is True)


def of_set(at: datetime | None, there: ServerClock, *, arbiter: bool) -> list[LastWrite]:
    """Method A by the time that the handshake told, as at most one entry."""
    if at is None:
        return []
    label = there.label(at)
    cautions = [label] if label else []
    if there.skew_seconds is not None and abs(there.skew_seconds) >= MENTIONED_SKEW_SECONDS:
        cautions.append("clock-skew")
    if arbiter:
        cautions.append("arbiter")
    return [LastWrite(at=at, method=REPLICA_SET, cautions=cautions)]


def _plausible(at: datetime | None) -> datetime | None:
    return at if at is not None and at >= FIRST_RELEASE else None
