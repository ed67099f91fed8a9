"""Lines of the journal as they come from a site: held against the shard they belong to, put in order, each
once, an observation together with the lines of its databases.

What an attempt says may come twice, in any order, or from somebody who has lost the shard meanwhile.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from results.ids import event_id, finding_id, packed
from results.lines import MAX_LINE, RecordError, from_line
from results.record import DatabaseLine, Observation
from results.text import visible
from scanner.fleet.messages import line_hash
from scanner.sweep.evidence import ALWAYS_LINES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from results.covered import Covered
    from results.record import Line, Owner
    from results.verdict import Verdict
    from scanner.fleet.messages import Ended, Lines

MOST_HELD = 64  # batches that came before those in front of them; what comes at the end brings all again
MOST_HELD_BYTES = 4 << 20  # of their lines
MOST_GROUP_BYTES = 64 << 20  # of lines of one server: a host may send no more
MOST_BEGINNINGS = 50  # of one attempt
MOST_CHANGES = 100  # of what is said of one target


class StrayLineError(ValueError):
    """A line that does not belong to the shard, or is none; says which and why."""


class Written(NamedTuple):
    """What the journal has of one target: the verdict, and how many lines of its databases are missing."""

    ip: str
    port: int
    verdict: Verdict
    missing: int = 0


@dataclass(slots=True)
class _Group:
    """An observation's lines, until all are there."""

    id: str
    observation: Observation
    lines: list[bytes]
    wanted: int
    bytes: int = 0


@dataclass(slots=True)
class _Stream:
    """What one worker has said in one attempt."""

    next: int = 1  # number of the batch that comes next
    held: dict[int, Lines] = field(default_factory=dict)
    held_bytes: int = 0
    group: _Group | None = None
    count: int = 0
    sum: int = 0
    seen: dict[str, Verdict] = field(default_factory=dict)


class Gathering:
    """The lines of one shard, over all its attempts.

    `covered` are its targets, `owner_of` says whose an address is by the coordinator's own scope: a line has
    that, whatever the worker's says, since it decides who is told of what was found.
    `append` writes lines to the journal; `found` is called for each server that is open, once.
    """

    def __init__(
        self,
        run_id: str,
        vantage: str,
        covered: Covered,
        *,
        owner_of: Callable[[int, int], Owner],
        append: Callable[[Sequence[bytes]], object],
        found: Callable[[Observation], object] = lambda observation: None,
    ) -> None:
        self._run_id = run_id
        self._vantage = vantage
        self._covered = covered
        self._owner_of = owner_of
        self._append = append
        self._found = found
        self.written: dict[str, Written] = {}  # by event id
        self._changes: Counter[str] = Counter()
        self._streams: dict[tuple[int, str], _Stream] = {}
        self._beginnings: tuple[int, int] = (0, 0)  # which attempt, how often

    def begin(self, attempt: int, worker: str) -> bool:
        """A worker begins, or begins again: its batches are counted from one. False: too often."""
        of, times = self._beginnings
        if of != attempt:
            self._streams.clear()  # of attempts that are over
            times = 0
        self._beginnings = attempt, times + 1
        self._streams[attempt, worker] = _Stream()
        return times < MOST_BEGINNINGS

    def take(self, worker: str, batch: Lines) -> int:
        """The next batch, or one that came before its turn, or twice. Returns how many lines were new in the
        journal. Raises StrayLineError; nothing of a batch with such a line is written."""
        stream = self._streams.get((batch.attempt, worker))
        if stream is None or batch.number < stream.next:
            return 0
        if batch.number > stream.next:
            size = _size(batch)
            room = len(stream.held) < MOST_HELD and stream.held_bytes + size <= MOST_HELD_BYTES
            if room and batch.number not in stream.held:
                stream.held[batch.number] = batch
                stream.held_bytes += size
            return 0
        new = self._read(stream, batch)
        while (ready := stream.held.pop(stream.next, None)) is not None:
            stream.held_bytes -= _size(ready)
            new += self._read(stream, ready)
        return new

    def prove(self, worker: str, ended: Ended) -> str:
        """What is wrong with the lines of an attempt that has ended, as a clause; "" when all came whole."""
        stream = self._streams.get((ended.attempt, worker))
        if stream is None:
            return "it ended without having begun"
        if stream.group is not None:
            try:
                self._write(stream)
            except StrayLineError as error:
                return str(error)
        if stream.count != ended.lines:
            return f"{stream.count} of its {ended.lines} lines came"
        if f"{stream.sum:032x}" != ended.digest:
            return "its lines are not those that were written there"
        for verdict, claimed, shown in _compared(stream, ended):
            if claimed > shown:
                return f"it counts {claimed} {verdict.value}, and its lines show {shown}"
        return ""

    def vanished(self, worker: str, ended: Ended) -> int:
        """Servers whose lines earlier attempts wrote, or an earlier start of this one, and that the attempt
        which counts did not find."""
        stream = self._streams[ended.attempt, worker]
        uncounted = sum(max(0, shown - claimed) for _, claimed, shown in _compared(stream, ended))
        return uncounted + sum(
            each.verdict in ALWAYS_LINES and stream.seen.get(name) not in ALWAYS_LINES
            for name, each in self.written.items()
        )

    def _read(self, stream: _Stream, batch: Lines) -> int:
        lines = [bytes(raw) for raw in batch.lines]
        read = [self._check(line) for line in lines]
        stream.next = batch.number + 1
        new = 0
        for line, (record, owner) in zip(lines, read, strict=True):
            stream.count += 1
            stream.sum = (stream.sum + line_hash(line)) % (1 << 128)
            if isinstance(record, Observation):
                if stream.group is not None:
                    new += self._write(stream)
                exposure = record.exposure
                wanted = (exposure.database_lines or 0) if exposure is not None else 0
                record, line = _of_ours(record, line, owner)
                stream.group = _Group(record.event_id, record, [line], wanted)
                stream.seen[record.event_id] = record.verdict
            elif stream.group is not None and stream.group.id == record.event_id:
                stream.group.lines.append(line)
                stream.group.bytes += len(line)
                if stream.group.bytes > MOST_GROUP_BYTES:
                    raise StrayLineError("more lines of one server than there can be")
            if stream.group is not None and len(stream.group.lines) > stream.group.wanted:
                new += self._write(stream)
        return new

    def _write(self, stream: _Stream) -> int:
        """Write a group that the journal has not, or has with another verdict or in part."""
        group = stream.group
        assert group is not None
        stream.group = None
        verdict, missing = group.observation.verdict, group.wanted + 1 - len(group.lines)
        before = self.written.get(group.id)
        if before is not None and before.verdict == verdict and before.missing <= missing:
            return 0
        self._changes[group.id] += 1
        if self._changes[group.id] > MOST_CHANGES:
            raise StrayLineError(f"what it says of {group.observation.target.ip} changes again and again")
        self._append([line + b"\n" for line in group.lines])
        target = group.observation.target
        self.written[group.id] = Written(target.ip, target.port, verdict, missing)
        if verdict.is_open and (before is None or not before.verdict.is_open):
            self._found(group.observation)
        return len(group.lines)

    def _check(self, line: bytes) -> tuple[Line, Owner]:
        """What a line holds, and whose its target is by our own scope. Raises StrayLineError for a line that
        is not of the shard."""
        if len(line) >= MAX_LINE or b"\n" in line or b"\0" in line or not line.isascii():
            raise StrayLineError("a line that no journal has")
        try:
            record = from_line(line)
            ip = ip_address(record.target.ip)
            inside = self._covered.contains(record.target.ip, record.target.port)
        except (RecordError, ValueError) as error:
            raise StrayLineError(f"a line that no journal has: {visible(str(error), 200)}") from error
        place = f"{record.target.ip}:{record.target.port}"
        if not inside:
            raise StrayLineError(f"a line of {place}, which is not in the shard")
        address, owner = packed(record.target.ip), self._owner_of(ip.version, int(ip))
        if record.run_id != self._run_id:
            raise StrayLineError(f"a line of {place} from another run, {visible(record.run_id, 64)}")
        if record.event_id != event_id(self._run_id, address, record.target.port):
            raise StrayLineError(f"a line of {place} with an event id that is not its own")
        if record.finding_id != finding_id(owner.site, address, record.target.port):
            raise StrayLineError(
                f"{place} belongs to site {owner.site or '(none)'!r} here, and to another one by the worker's"
                " own allow-list; write the same `site` in both"
            )
        if not isinstance(record, DatabaseLine) and record.vantage != self._vantage:
            raise StrayLineError(f"a line of {place} from vantage {visible(record.vantage, 40)!r}")
        return record, owner


def _size(batch: Lines) -> int:
    return sum(len(bytes(line)) for line in batch.lines)


def _compared(stream: _Stream, ended: Ended) -> list[tuple[Verdict, int, int]]:
    """Of each verdict that has always a line: how often the account counts it, and how many lines say it."""
    shown = Counter(stream.seen.values())
    return [(each, ended.outcomes.get(each.value, 0), shown[each]) for each in ALWAYS_LINES]


def _of_ours(seen: Observation, line: bytes, owner: Owner) -> tuple[Observation, bytes]:
    """The same with the owner by our own scope."""
    if seen.owner == owner:
        return seen, line
    document = msgspec.json.decode(line)
    document["owner"] = msgspec.to_builtins(owner)
    line = json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode()
    if len(line) >= MAX_LINE:
        raise StrayLineError(f"a line of {seen.target.ip} that is too long with its owner's name")
    return msgspec.structs.replace(seen, owner=owner), line
