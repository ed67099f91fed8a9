"""Inventories: commands that list which addresses are ours now, and what their answers leave of a scope.

Addresses of clouds change hands within minutes. So an entry with `inventory` is asked only while the newest
answer of that command lists its address, and only until the answer is `max_age` old, counted from the moment
at which its command was started. A command that fails, takes too long, breaks off or lists nothing gives no
answer; what only its answer could have confirmed is withdrawn, and told with the reason.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from results.durations import seconds_of
from results.text import plural, visible
from scanner.clock import SystemClock
from scanner.errors import RefusedError
from scanner.setup.inventory_command import run_command
from targets.entries import Deny
from targets.errors import ScopeError, did_you_mean
from targets.grammar import Span
from targets.scope import Excluded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scanner.clock import Clock
    from scanner.setup.scope_settings import InventorySettings
    from targets.entries import Entry
    from targets.ranges import Ranges
    from targets.scope import Scope


class Answer(NamedTuple):
    """What a command listed. `asked_at`: boot time in seconds at which it was started."""

    listed: Ranges
    asked_at: float
    what: str  # the format that was recognised, and how much of it was left out


class Inventories:
    """The newest usable answer of each [[inventory]], and why the last question had none. Used by one thread
    at a time for each inventory."""

    def __init__(self, settings: Sequence[InventorySettings], clock: Clock | None = None) -> None:
        self._settings = {each.name: each for each in settings}
        self._clock = clock or SystemClock()
        self._answers: dict[str, Answer] = {}
        self._trouble: dict[str, str] = {}
        self.over = threading.Event()  # set: commands that run are ended
        self.unconfirmed: Scope | None = None  # what was to be asked, before anything was withdrawn

    @property
    def asked(self) -> tuple[str, ...]:
        """The names of those that were asked."""
        return tuple(sorted(self._trouble))

    def ask(self, name: str) -> str:
        """Run the command of an inventory, which may take its `timeout`. Returns why there is no usable
        answer, "" when there is; without one an earlier answer still holds until it is too old."""
        settings = self._settings[name]
        asked_at = self._clock.boottime()
        found = run_command(name, settings.command, settings.timeout, self.over)
        self._trouble[name] = found.trouble
        if not found.trouble:
            self._answers[name] = Answer(found.listed, asked_at, found.what)
            if not self.left(name):
                self._trouble[name] = "its command takes longer than max_age"
        return self._trouble[name]

    def left(self, name: str) -> float:
        """For how many seconds its newest answer still holds; 0 when it is too old, or when there is none."""
        answer = self._answers.get(name)
        if answer is None:
            return 0.0
        return max(0.0, answer.asked_at + self.max_age(name) - self._clock.boottime())

    def max_age(self, name: str) -> float:
        """Seconds for which an answer holds."""
        return float(seconds_of(self._settings[name].max_age))

    def why_not(self, name: str) -> str:
        """Why an inventory confirms nothing now; "" when it does."""
        if self.left(name):
            return ""
        return self._trouble.get(name) or (
            f"its newest answer is older than {self._settings[name].max_age}"
            if name in self._answers
            else "it was not asked"
        )

    def unlists(self, name: str, version: int, address: int) -> bool:
        """Whether an answer that holds does not list an address."""
        return self.left(name) > 0 and not self._answers[name].listed.contains(version, address)

    def confirmed(self, scope: Scope) -> Scope:
        """The scope without the addresses of inventories that no answer confirms now. They are told as
        excluded, with the reason, an entry at a time."""
        if not names_in(scope):
            return scope
        wanted: list[tuple[Span, None]] = []
        lost: dict[tuple[Entry, str], int] = {}
        reasons = {name: self.why_not(name) for name in names_in(scope)}
        for version in (4, 6):
            for segment in scope.segments(version):
                span = Span(version, segment.first, segment.last)
                name = segment.entry.inventory
                if not name:
                    wanted.append((span, None))
                    continue
                reason = reasons[name]
                kept = [] if reason else self._answers[name].listed.within(span)
                wanted += ((Span(version, first, last), None) for first, last in kept)
                missing = span.size - sum(last - first + 1 for first, last in kept)
                if missing:
                    key = segment.entry, reason
                    lost[key] = lost.get(key, 0) + missing
        left_out = [_excluded(entry, reason, count) for (entry, reason), count in lost.items()]
        return scope.restrict(wanted, left_out=left_out)

    def tell(self, name: str, before: Scope, after: Scope) -> str:
        """What an inventory said of a scope, in a line for people; `after` is what `confirmed` left."""
        all_of_it, kept = _size(before, name), _size(after, name)
        withdrawn = f"{all_of_it - kept:,} of {plural(all_of_it, 'address', 'addresses')} withdrawn"
        if reason := self.why_not(name):
            return f"inventory {name} confirms nothing: {reason}; {withdrawn}"
        answer = self._answers[name]
        listed = plural(answer.listed.size, "address", "addresses")
        return f"inventory {name} lists {listed} ({answer.what}), {kept:,} of them in the scope; {withdrawn}"


def asked_anew(
    scope: Scope, inventories: Inventories, others: Iterable[str] = ()
) -> tuple[Scope, tuple[str, ...]]:
    """Ask every inventory that a scope names, and `others`; what they leave of the scope, and what was said
    of it, a line each."""
    names = names_in(scope)
    inventories.unconfirmed = scope
    for name in sorted({*names, *others}):
        inventories.ask(name)
    after = inventories.confirmed(scope)
    return after, tuple(inventories.tell(name, scope, after) for name in names)


def require_confirmed(before: Scope, after: Scope, told: Iterable[str]) -> None:
    """Refuse a scope of which inventories left nothing. Raises RefusedError."""
    if before and not after:
        raise RefusedError(
            f"nothing is left to ask: {'; '.join(told)}; run the command of the inventory by hand, and"
            " correct it or its entries"
        )


def names_in(scope: Scope) -> tuple[str, ...]:
    """The inventories that entries of a scope name, of which an address is left."""
    found = {segment.entry.inventory for v in (4, 6) for segment in scope.segments(v)}
    return tuple(sorted(found - {""}))


def without(scope: Scope, name: str) -> Scope:
    """The scope without the addresses of one inventory."""
    return scope.restrict(
        (Span(version, segment.first, segment.last), None)
        for version in (4, 6)
        for segment in scope.segments(version)
        if segment.entry.inventory != name
    )


def require_known(entries: Sequence[Entry], settings: Sequence[InventorySettings]) -> None:
    """Refuse an entry that names an inventory that there is not. Raises ScopeError."""
    known = [each.name for each in settings]
    for entry in entries:
        if entry.inventory and entry.inventory not in known:
            remedy = (
                did_you_mean(entry.inventory, known)
                if known
                else f'write [[inventory]] name = "{visible(entry.inventory, 40)}" with its command'
                " in the configuration"
            )
            reason = f"{visible(entry.text, 60)} is of inventory {entry.inventory!r}, and no [[inventory]] is"
            raise ScopeError(entry.source, entry.line, f"{reason} called so", remedy)


def _excluded(entry: Entry, reason: str, count: int) -> Excluded:
    name = entry.inventory
    why = f"inventory {name} confirms nothing: {reason}" if reason else f"not listed by inventory {name}"
    deny = Deny(
        span=entry.span, text=entry.text, reason=why, inventory=name, source=entry.source, line=entry.line
    )
    return Excluded(deny, count)


def _size(scope: Scope, name: str) -> int:
    return sum(
        segment.last - segment.first + 1
        for version in (4, 6)
        for segment in scope.segments(version)
        if segment.entry.inventory == name
    )
