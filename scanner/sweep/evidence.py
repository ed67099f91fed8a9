"""Whether a checkpoint agrees with the journal that it claims to rest on, and with itself.

Its checksum says that it is whole, not that it is true. What it claims of servers that answered stands in
the journal line by line, so one that claims more, or knows of fewer, is not believed.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from results.files import ResultsError
from results.reading import read_lines, segment_number, segments_in
from results.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from results.journal import Position
    from scanner.engine.order import Order
    from scanner.sweep.checkpoint import Checkpoint

ALWAYS_LINES = (
    Verdict.OPEN,
    Verdict.OPEN_NO_DATA,
    Verdict.AUTH_REQUIRED,
    Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED,
)
"""Verdicts of which each outcome has a line; of others, lines may be left out."""


class _Line(Struct):
    event_id: str
    verdict: str = ""  # of an observation's line


def contradiction(checkpoint: Checkpoint, directory: Path, order: Order) -> str:
    """What is wrong with the claims of a checkpoint, as a clause; empty when nothing is."""
    if problem := _of_itself(checkpoint, order):
        return problem
    if checkpoint.journal is None:
        return "it rests on no journal" if checkpoint.taken > len(checkpoint.in_flight) else ""
    try:
        seen = _servers_by_verdict(directory, checkpoint.journal)
    except (ResultsError, msgspec.MsgspecError) as error:
        return f"its journal does not read: {error}"
    claimed = {verdict: checkpoint.outcomes.get(verdict.value, 0) for verdict in Verdict}
    for verdict in ALWAYS_LINES:
        if claimed[verdict] > len(seen[verdict]):
            return f"it claims {claimed[verdict]} {verdict.value}, the journal shows {len(seen[verdict])}"
    for verdicts, what in (((Verdict.OPEN, Verdict.OPEN_NO_DATA), "open servers"), (ALWAYS_LINES, "servers")):
        shown = len(set().union(*(seen[verdict] for verdict in verdicts)))
        known = sum(claimed[verdict] for verdict in verdicts) + len(checkpoint.in_flight)
        if shown > known + checkpoint.excluded_later:
            return f"the journal shows {shown} {what}, it knows of {known} at most"
    return ""


def _of_itself(checkpoint: Checkpoint, order: Order) -> str:
    """Counts, positions and targets must fit each other, whoever wrote them."""
    if unknown := checkpoint.outcomes.keys() - {verdict.value for verdict in Verdict}:
        return f"it counts {min(unknown)!r}, which is no outcome"
    in_flight = checkpoint.in_flight
    if min(*checkpoint.outcomes.values(), checkpoint.excluded_later, 0) < 0:
        return "it counts fewer than none"
    if len(set(in_flight)) != len(in_flight):
        return "it names a target in flight twice"
    if checkpoint.stage is not None:
        if any(not 0 <= index < order.size for index in in_flight) or checkpoint.taken > order.count():
            return f"it accounts for more targets than there are ({order.count()})"
        return ""
    if checkpoint.after >= order.positions:
        return f"it is beyond the end of the order ({order.positions})"
    if any(position > checkpoint.after or order.at(position) is None for position in in_flight):
        return "a target in flight is not among those taken"
    if checkpoint.taken != (taken := order.count_until(checkpoint.after)):
        return f"it accounts for {checkpoint.taken} targets, and {taken} were taken"
    return ""


def _servers_by_verdict(directory: Path, position: Position) -> dict[Verdict, set[int]]:
    """Servers with a line of each verdict, as hashes of their event ids, up to a position of the journal."""
    seen: dict[Verdict, set[int]] = defaultdict(set)
    decoder = msgspec.json.Decoder(_Line)
    last = segment_number(position.segment) or 0
    for segment in segments_in(directory):
        number = segment_number(segment.name) or 0
        if number > last:
            break
        left = position.bytes if number == last else None
        for raw in read_lines(segment, lambda _: None):
            if left is not None:
                left -= len(raw)
                if left < 0:
                    break
            line = decoder.decode(raw)
            if line.verdict:
                seen[Verdict(line.verdict)].add(hash(line.event_id))
    return seen
