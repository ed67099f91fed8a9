"""What several pages make of a snapshot, made once for each: owners, and what was sent to them."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from results.durations import instant
from results.ledger.action import TOLD
from results.ledger.overlay import ids_of
from results.ledger.told import Message, follow
from results.report.exposure_table import Axis
from results.report.statistics import (
    by_owner,
    over_time,
    overall_time_to_close,
    owner_name,
    time_to_close,
)
from scanner.service.view.closing import closing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.ledger.actions import ActionRecord
    from results.ledger.overlay import Deadlines
    from results.ledger.store import LedgerRun
    from results.report.statistics import OverTime, OwnerOpen, TimeToClose
    from scanner.service.view.closing import Closing
    from scanner.service.view.snapshot import Snapshot

_DAY = 86_400
NOBODY = "(no owner)"
"""As `owner_name` says it."""


class OwnerRow(NamedTuple):
    """One owner. `standing` is None where nothing is open, `closing` where nothing was ever closed;
    `told_at`: when the last message arrived about something that is not closed, "" for never."""

    name: str
    standing: OwnerOpen | None
    unreachable: int
    accepted: int
    closed: int
    closing: TimeToClose | None
    told_at: str

    @property
    def is_named(self) -> bool:
        """Whether the allow-list says whose it is."""
        return self.name != NOBODY


class Derived:
    """Of one snapshot. Each part is made when it is first asked for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._exposures = snapshot.exposures
        self._runs = snapshot.runs
        self._proven = snapshot.actions[: len(snapshot.actions) - snapshot.unproven]
        self._at = snapshot.at
        self._closing: tuple[Deadlines, tuple[list[Closing], list[Closing]]] | None = None

    @cached_property
    def owner_names(self) -> list[str]:
        """Everybody to whom an exposure belongs, or did."""
        return sorted({owner_name(each) for each in self._exposures}, key=str.casefold)

    @cached_property
    def sites(self) -> list[str]:
        """Every site with an exposure."""
        return sorted({each.place.site for each in self._exposures if each.place.site}, key=str.casefold)

    @cached_property
    def is_reach_known(self) -> bool:
        """Whether any exposure tells from where it is open."""
        return any(each.reach != "unknown" for each in self._exposures)

    @cached_property
    def axis(self) -> Axis:
        """From the first exposure that was ever seen to now, for the strips."""
        end = instant(self._at).timestamp()
        times = [spell.first_seen_open for each in self._exposures for spell in each.spells]
        begin = instant(min(times)).timestamp() if times else end
        return Axis(min(begin, end - _DAY), end)

    @cached_property
    def last_sweep(self) -> LedgerRun | None:
        """The newest sweep that does not go on any more, whatever it was worth."""
        stopped = (run for run in reversed(self._runs) if run.ended_at or run.state != "running")
        return next((run for run in stopped if not run.purpose), None)

    @cached_property
    def overall(self) -> TimeToClose | None:
        """How long it takes to close anything; None where nothing was ever closed."""
        return overall_time_to_close(self._exposures)

    @cached_property
    def over_time(self) -> OverTime:
        """Exposures over time."""
        return over_time(self._exposures, self._at)

    @cached_property
    def open_by_owner(self) -> list[OwnerOpen]:
        """What is open by owner."""
        return by_owner(self._exposures)

    def closing(self, deadlines: Deadlines) -> tuple[list[Closing], list[Closing]]:
        """How long closing took, by severity and by owner."""
        if self._closing is None or self._closing[0] != deadlines:
            self._closing = deadlines, closing(self._exposures, deadlines)
        return self._closing[1]

    @cached_property
    def owners(self) -> list[OwnerRow]:
        """Everybody: who has something overdue first, then by what lies open."""
        standing = {each.owner: each for each in self.open_by_owner}
        closing = {each.owner: each for each in time_to_close(self._exposures)}
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        told: dict[str, str] = defaultdict(str)
        for each in self._exposures:
            name = owner_name(each)
            counts[name][each.state] += 1
            told[name] = max(told[name], each.last_warned_at if each.is_open else "")
        rows = [
            OwnerRow(
                name,
                standing.get(name),
                counts[name]["unreachable"],
                counts[name]["accepted"],
                counts[name]["closed"],
                closing.get(name),
                told[name],
            )
            for name in self.owner_names
        ]
        return sorted(rows, key=_urgency)

    def sent_to(self, name: str, most: int) -> list[Message]:
        """The newest messages about what belongs to an owner, newest first, whose place in the chain is
        proven."""
        theirs = {
            exposure_id
            for each in self._exposures
            if owner_name(each) == name
            for exposure_id in ids_of(each)
        }
        messages = reversed(_sent.messages(self._proven).values())
        return list(
            islice((each for each in messages if not theirs.isdisjoint(each.intended.exposure_ids)), most)
        )


class _Sent:
    """Every message, by its id, in the order in which they were first intended; kept from one snapshot to the
    next, whose actions are those of the one before and new ones."""

    def __init__(self) -> None:
        self._messages: dict[str, Message] = {}
        self._taken = 0
        self._last: ActionRecord | None = None

    def messages(self, proven: Sequence[ActionRecord]) -> dict[str, Message]:
        """Of these actions."""
        if self._taken > len(proven) or (self._taken and proven[self._taken - 1] is not self._last):
            self._messages, self._taken = {}, 0  # another file, or a chain that is broken now
        for record in proven[self._taken :]:
            if record.message_id:
                message = follow(self._messages.get(record.message_id), record)
                if message is not None:
                    self._messages[record.message_id] = message
            elif record.kind in TOLD:  # somebody was told by other means, and that was written down
                self._messages[record.hash] = Message(record, "done", record.at, record.detail)
        self._taken = len(proven)
        self._last = proven[-1] if proven else None
        return self._messages


_sent = _Sent()


def _urgency(row: OwnerRow) -> tuple[object, ...]:
    if row.standing is None:
        return (True, 0, 0, 0, row.name.casefold())
    return (False, -row.standing.overdue, -row.standing.bytes, -row.standing.open, row.name.casefold())


_known: WeakKeyDictionary[Snapshot, Derived] = WeakKeyDictionary()


def derived(snapshot: Snapshot) -> Derived:
    """Of this snapshot, kept for as long as it is."""
    found = _known.get(snapshot)
    if found is None:
        found = _known[snapshot] = Derived(snapshot)
    return found
