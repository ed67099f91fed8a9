"""When the next connect may leave: a rate for the whole sweep, a cap for each prefix, and backing off.

Congestion is concluded from the network alone. When it is our own loop that is late, the rate becomes what
this machine has just managed, once, and what it was as soon as the loop keeps up again.

Pure arithmetic on a monotonic time that the caller passes in. Nothing is ever saved up: after a pause the
bucket holds one burst and no more, so a resumed sweep does not jump.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from targets.target import prefix_key, prefix_keys, prefix_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from targets.target import PrefixKey

SHORTEST_DELAY = 0.001  # seconds; a rounding error added to a clock is no delay, and would be asked for ever
BURST_SECONDS = 0.1  # how much of a second's rate may leave at once
LOSS_COUNT, LOSS_SHARE = 8, 0.2  # so many, and this share of a window's answers, show that a prefix suffers
MAX_SLOWDOWN = 64.0
CAREFUL = 20.0  # connects a second into one prefix
BUSY_SHARE = 0.75  # of a window, for which our own loop is late: then this machine is the limit
BUSY = "this machine is busy"
MAX_BURST = 100  # more in one go overruns the 1,000-packet queue of a network device


class Bucket:
    """A token bucket: at most `rate` a second, at most one burst at once."""

    __slots__ = ("_burst", "_last", "_rate", "_tokens", "taken")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._burst = min(max(1.0, rate * BURST_SECONDS), MAX_BURST)
        self._tokens = 1.0
        self._last = now
        self.taken = 0  # connects, in all

    @property
    def rate(self) -> float:
        """Connects a second, as set now."""
        return self._rate

    def set_rate(self, rate: float) -> None:
        """Change the rate; what was saved is cut to the new burst."""
        self._rate = rate
        self._burst = min(max(1.0, rate * BURST_SECONDS), MAX_BURST)
        self._tokens = min(self._tokens, self._burst)

    def available(self, now: float) -> int:
        """How many connects may leave now."""
        elapsed = now - self._last
        if elapsed > 0:
            self._tokens = min(self._burst, self._tokens + elapsed * self._rate)
            self._last = now
        return int(self._tokens)

    def take(self, count: int) -> None:
        """Use up `count` of what `available` promised."""
        self._tokens -= count
        self.taken += count


class PrefixCaps:
    """At most `rate` connects a second into any one prefix, whatever the sweep's rate is.

    Each prefix keeps one number, the time from which it is free again (a generic cell rate algorithm with
    a tolerance of one burst). Prefixes that have been quiet are forgotten, so that memory follows the rate
    and not the scope.

    A prefix in which many answers needed a second SYN, or in which hosts fall silent, drops packets: a
    policing firewall, a full state table. Its cap is halved until that ends, then raised by a tenth a window.
    """

    __slots__ = (
        "_free_at",
        "_given",
        "_interval",
        "_lengths",
        "_lost",
        "_recent",
        "_seen",
        "_slowed",
        "_tolerance",
        "halvings",
    )

    def __init__(self, rate: float, length4: int = 24, length6: int = 64) -> None:
        self._given = self._interval = 1.0 / rate
        self._tolerance = max(BURST_SECONDS, self._interval)
        self._lengths = length4, length6
        self._free_at: dict[int, float] = {}
        self._recent: deque[tuple[float, int]] = deque()
        self._slowed: dict[int, float] = {}  # prefix -> by what its interval is multiplied
        self._seen: Counter[int] = Counter()  # answers in this window
        self._lost: Counter[int] = Counter()  # signs of loss among them
        self.halvings = 0

    def key(self, version: int, address: int) -> PrefixKey:
        """The prefix that an address is in."""
        return prefix_key(version, address, *self._lengths)

    def keys(self, targets: Iterable[tuple[int, int, int]]) -> list[PrefixKey]:
        """The prefix of each target."""
        return prefix_keys(targets, *self._lengths)

    def is_loopback(self, key: PrefixKey) -> bool:
        """Whether a prefix lies in 127.0.0.0/8, or holds ::1."""
        length4 = self._lengths[0]
        return key >> (length4 - 8) == 127 if prefix_of(key)[0] == 4 else key == self.key(6, 1)

    def slow_down(self, factor: float) -> None:
        """Let so many times fewer connects into each prefix than was set down, but not fewer than a sweep
        does that was set down with care."""
        self._interval = max(self._given, min(self._given * factor, 1.0 / CAREFUL))
        self._tolerance = max(BURST_SECONDS, self._interval)

    def can_bind(self, rate: float) -> bool:
        """Whether a sweep that never exceeds `rate` could come into the way of any cap now."""
        return bool(self._slowed) or rate * self._interval > 1.0

    def delay(self, key: int, now: float) -> float:
        """0.0 and the connect is booked; or the seconds after which to ask again."""
        free_at = self._free_at.get(key)
        if free_at is None:
            self._recent.append((now, key))
            if len(self._recent) > 1024:
                self._forget(now)
            free_at = now
        elif free_at - now > self._tolerance:
            return max(free_at - now - self._tolerance, SHORTEST_DELAY)
        interval = self._interval * self._slowed[key] if key in self._slowed else self._interval
        self._free_at[key] = (free_at if free_at > now else now) + interval
        return 0.0

    def observe(self, key: int, lost: bool) -> None:
        """One target of the prefix answered; `lost` when it took a second SYN, or fell silent afterwards."""
        self._seen[key] += 1
        if lost:
            self._lost[key] += 1

    def observe_many(self, keys: list[int]) -> None:
        """So many targets answered without a sign of loss, each with its prefix."""
        self._seen.update(keys)

    def note_loss(self, key: int) -> None:
        """One of the answers that were observed was to a second SYN."""
        self._lost[key] += 1

    def review(self) -> None:
        """At the end of a window: slow suffering prefixes down, let the others recover."""
        suffering = {
            key
            for key, lost in self._lost.items()
            if lost >= LOSS_COUNT and lost > LOSS_SHARE * self._seen[key]
        }
        for key in suffering:
            self._slowed[key] = min(MAX_SLOWDOWN, 2 * self._slowed.get(key, 1.0))
            self.halvings += 1
        for key in self._slowed.keys() - suffering:
            self._slowed[key] /= 1.1
            if self._slowed[key] <= 1.0:
                del self._slowed[key]
        self._seen.clear()
        self._lost.clear()

    @property
    def note(self) -> str:
        """Which part of the sweep is slowed down, in words; empty when none is."""
        return f"{len(self._slowed)} prefixes drop packets" if self._slowed else ""

    def _forget(self, now: float) -> None:
        """Drop prefixes that are free; look at a few only, so that the cost is spread."""
        for _ in range(64):
            if not self._recent:
                return
            seen, key = self._recent.popleft()
            if self._free_at.get(key, now) > now - 1.0:
                self._recent.append((now, key))
            else:
                self._free_at.pop(key, None)
            if seen > now - 1.0:
                return


@dataclass(slots=True)
class Stress:
    """Signs, in one window, that the network or this machine suffers."""

    answered: int = 0
    refused: int = 0
    timeouts_after_answers: int = 0  # silence from hosts that had just accepted
    rtt_sum: float = 0.0
    unreachable: int = 0
    local_drops: int = 0


@dataclass(slots=True)
class Pace:
    """The sweep's rate: from the one set down, never above; halved under stress, recovered slowly; and not
    above what this machine manages while it is busy.

    `note` says in words why it is slow now; it stands in the progress line.
    """

    ceiling: float
    now: float
    window: float = 5.0
    note: str = ""
    bucket: Bucket = field(init=False)
    stress: Stress = field(default_factory=Stress)
    _baseline_rtt: float = 0.0
    _window_ends: float = 0.0
    _limit: float = 0.0
    _rate: float = 0.0  # that the network bears
    _managed: float = math.inf  # that this machine does; without a bound while it is not busy
    _is_busy: bool = False
    _taken: int = 0  # connects before this window
    _late: float = 0.0  # seconds by which our loop was late before this window
    halvings: int = 0
    times_busy: int = 0

    def __post_init__(self) -> None:
        self.bucket = Bucket(self.ceiling, self.now)
        self._limit = self._rate = self.ceiling
        self._window_ends = self.now + self.window

    def slow_down(self, factor: float) -> None:
        """So many times slower than was set down, from now on."""
        self._limit = self.ceiling / factor
        self._rate = min(self._rate, self._limit)
        self._set_rate()

    def observe_round_trip(self, seconds: float) -> None:
        """One connect was answered (accepted or refused) after this time."""
        self.stress.answered += 1
        self.stress.rtt_sum += seconds

    def observe_round_trips(self, all_seconds: Sequence[float]) -> None:
        """The same for several connects."""
        self.stress.answered += len(all_seconds)
        self.stress.rtt_sum += sum(all_seconds)

    def review(self, now: float, late: float = 0.0) -> bool:
        """At the end of a window, which is told: slow down on a sign of stress, else recover by a tenth.
        `late`: seconds by which our own loop has been late until now, in all."""
        if now < self._window_ends:
            return False
        reason = self._reason()
        if reason:
            self._rate = max(1.0, self.ceiling / 64, self._rate / 2)
            self.halvings += 1
        elif self._rate < self._limit:
            self._rate = min(self._limit, self._rate + self.ceiling * 0.1)
        self._look_at_ourselves(now - self._window_ends + self.window, late)
        self._set_rate()
        if reason or self._rate >= self._limit:
            self.note = reason
        if self._is_busy and not self.note:
            self.note = BUSY
        self.stress = Stress()
        self._window_ends = now + self.window
        return True

    def _look_at_ourselves(self, seconds: float, late: float) -> None:
        """Whether this machine was the limit in a window of so many seconds. Its connects a second then are
        what it manages; it is not asked for less because it stays busy."""
        was_busy, self._is_busy = self._is_busy, late - self._late > BUSY_SHARE * seconds
        if not self._is_busy:
            self._managed = math.inf
        elif not was_busy:
            self._managed = max(1.0, self.ceiling / 64, (self.bucket.taken - self._taken) / seconds)
            self.times_busy += 1
        self._late, self._taken = late, self.bucket.taken

    def _set_rate(self) -> None:
        self.bucket.set_rate(min(self._rate, self._managed))

    def _reason(self) -> str:
        s = self.stress
        if s.local_drops:
            return f"this machine dropped packets ({s.local_drops})"
        if s.answered >= 50:
            mean = s.rtt_sum / s.answered
            if not self._baseline_rtt:
                self._baseline_rtt = mean
            elif mean > max(3 * self._baseline_rtt, self._baseline_rtt + 0.05):
                return f"round trips grew from {self._baseline_rtt * 1000:.0f} to {mean * 1000:.0f} ms"
            if s.timeouts_after_answers > 0.1 * s.answered:
                return f"{s.timeouts_after_answers} hosts fell silent after they had answered"
        if s.unreachable > 20 and s.unreachable > s.answered + s.refused:
            return f"routers refused {s.unreachable} connects"
        return ""
