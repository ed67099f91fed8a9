"""The rows of an outside report beside the scope: which of them are ours, and which are not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from targets.errors import ScopeError
from targets.grammar import format_address, format_span
from targets.learned import Learned
from targets.scope import OutOfScope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from targets.claims import Claim
    from targets.grammar import Span
    from targets.scope import Scope, Target

WIDEST: Final = 1024  # addresses of a row; one that names more is no finding
MOST: Final = 65_536  # places that a report may ask for; more is a sweep
MOST_NAMED: Final = 4 * MOST  # the same, where rows overlap: each is answered by itself
KEPT: Final = 1000  # distinct rows that are not asked, of each kind; the others are counted
LINES: Final = 10  # places of a row in the report that are kept
_TOLD: Final = 10  # rows that are too wide and are told one by one


@dataclass(slots=True)
class Row:
    """What a report names, once or several times: addresses, and a port or none, which is every port of ours.

    `lines`: where it stands, at most LINES of them. `seen_first`, `seen_last`: when the reporter saw it, as
    the report's reader has it, "" where it does not say. `finding` and `labels`: what it says first of it.
    """

    span: Span
    port: int | None
    times: int = 0
    lines: list[str] = field(default_factory=list)
    seen_first: str = ""
    seen_last: str = ""
    finding: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def named(self) -> str:
        """As people write it: `10.20.1.17:27017`, `[fd00::1]:27017`, `10.20.1.0/28`."""
        text = format_span(self.span)
        if self.port is None:
            return text
        return f"[{text}]:{self.port}" if self.span.version == 6 else f"{text}:{self.port}"

    def take(self, claim: Claim) -> None:
        """Note that the report names it, once more."""
        self.times += 1
        if len(self.lines) < LINES:
            self.lines.append(claim.provenance)
        self.finding = self.finding or claim.said.finding
        self.labels = self.labels or claim.said.labels
        seen = claim.said.seen_at
        if seen:
            self.seen_first = min(self.seen_first or seen, seen)
            self.seen_last = max(self.seen_last, seen)


class Rows:
    """Rows of one kind, each once, in the order of the report. `count`: how often the report names them, with
    those that are not kept."""

    def __init__(self, most: int) -> None:
        self.count = 0
        self._most = most
        self._rows: dict[tuple[Span, int | None], Row] = {}

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def adopt(self, row: Row) -> None:
        """Take a whole row that another kind has held."""
        self.count += row.times
        self._rows[row.span, row.port] = row

    def take(self, claim: Claim) -> None:
        """One more."""
        self.count += 1
        row = self._rows.get((claim.span, claim.port))
        if row is None:
            if len(self._rows) >= self._most:
                return
            row = self._rows[claim.span, claim.port] = Row(claim.span, claim.port)
        row.take(claim)

    @property
    def left_out(self) -> int:
        """How often the report names those that are not kept."""
        return self.count - sum(row.times for row in self._rows.values())


class Reported:
    """A report sorted by whose its rows are. Holds what is ours, and a bounded part of what is not.

    `asked`: something of it is in the scope, or is once its port is `learned`. `kept_out`: an allow entry
    holds it, and a deny entry or the ports of an entry keep it from being asked. `foreign`: no allow entry
    holds it. `too_wide` are counted.
    """

    def __init__(self) -> None:
        self.asked = Rows(MOST + 1)
        self.kept_out = Rows(KEPT)
        self.foreign = Rows(KEPT)
        self.too_wide = 0
        self.learned = Learned({4: (), 6: ()})  # ports that it names, at addresses that are asked on others

    @property
    def count(self) -> int:
        """Rows that can be answered."""
        return self.asked.count + self.kept_out.count + self.foreign.count


def sort_rows(claims: Iterable[Claim], scope: Scope, name: str, warn: Callable[[str], None]) -> Reported:
    """Read the claims of the report `name` and sort them. `warn` gets a line for a row that is too wide.

    A port that it names is learned: it says where MongoDB listens. Where a report tells findings from other
    services of a host, only the ports of findings are. An entry with `ports` is asked on these alone.

    Raises ScopeError for a report that asks for more than MOST places, and what reading raises.
    """
    found, elsewhere, tells = Reported(), Rows(MOST + 1), False
    for claim in claims:
        tells = tells or bool(claim.said.finding)
        claim = claim._replace(span=_unmapped(claim.span))
        span, port = claim.span, claim.port
        if span.size > WIDEST:
            found.too_wide += 1
            _tell_wide(claim, found.too_wide, warn)
            continue
        segments = scope.segments_over(span)
        if segments and (port is None or any(port in segment.ports for segment in segments)):
            found.asked.take(claim)
        elif any(segment.entry.ports is None for segment in segments):
            elsewhere.take(claim)
        elif scope.allowed.within(span):
            found.kept_out.take(claim)
        else:
            found.foreign.take(claim)
        if len(found.asked) + len(elsewhere) > MOST:
            raise too_many(name)
    for row in elsewhere:
        (found.asked if row.finding or not tells else found.kept_out).adopt(row)
    found.learned = _learned(found.asked, scope, name)
    if found.too_wide > _TOLD:
        warn(f"{name}: {found.too_wide:,} rows in all name more than {WIDEST:,} addresses and are left out")
    return found


def _learned(rows: Rows, scope: Scope, name: str) -> Learned:
    places: set[tuple[int, int, int]] = set()
    for row in rows:
        (version, first, last), port = row.span, row.port
        if port is None:
            continue
        for segment in scope.segments_over(row.span):
            if port not in segment.ports and segment.entry.ports is None:
                addresses = range(max(first, segment.first), min(last, segment.last) + 1)
                places.update((version, address, port) for address in addresses)
        if len(places) > MOST_NAMED:
            raise too_many(name)
    return Learned.of(places)


def _unmapped(span: Span) -> Span:
    """IPv4 that a reporter's sockets of IPv6 show as ::ffff:192.0.2.1 (RFC 4291 2.5.5.2), as IPv4: one of
    ours is not to be called somebody else's for it."""
    version, first, last = span
    if version == 4 or first >> 32 != 0xFFFF or last >> 32 != 0xFFFF:
        return span
    return span._replace(version=4, first=first & 0xFFFFFFFF, last=last & 0xFFFFFFFF)


def too_many(name: str) -> ScopeError:
    """The error of a report that names too much of the scope."""
    return ScopeError(
        name,
        None,
        f"it names more than {MOST:,} places of the scope, which is no report of findings",
        "sweep them with `mongosweep sweep -`, or split it",
    )


def _tell_wide(claim: Claim, number: int, warn: Callable[[str], None]) -> None:
    if number <= _TOLD:
        warn(
            f"{claim.provenance}: {format_span(claim.span)} names {claim.span.size:,} addresses, which is no "
            f"finding; name at most {WIDEST:,}, or sweep them (left out)"
        )


def targets_of(row: Row, scope: Scope, now: float) -> tuple[list[Target], str]:
    """Everything of a row that may be asked at wall time `now` (seconds), and why something may not that the
    scope holds: a clause, "" where all may."""
    found: list[Target] = []
    why = ""
    version = row.span.version
    for segment in scope.segments_over(row.span):
        ports = [port for port in segment.ports if row.port in (None, port)]
        first, last = max(segment.first, row.span.first), min(segment.last, row.span.last)
        for address in range(first, last + 1):
            for port in ports:
                try:
                    found.append(scope.target(format_address(version, address), port, now))
                except OutOfScope as error:
                    why = why or error.reason
    return found, why


def addresses_outside(row: Row, scope: Scope) -> int:
    """How many addresses of a row the scope does not hold."""
    inside = sum(
        min(segment.last, row.span.last) - max(segment.first, row.span.first) + 1
        for segment in scope.segments_over(row.span)
    )
    return row.span.size - inside
