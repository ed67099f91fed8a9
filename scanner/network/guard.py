"""The scope guard: every connect of every engine asks it, and nobody else asks the scope while a sweep runs.

A reload may narrow the scope and never widen it; the narrowed scope holds for the very next connect. What is
only ours while an inventory says so is held by a lease, and goes by itself when nobody renews it; all of it
goes when whoever wants the sweep says nothing any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from targets.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scanner.clock import Clock
    from targets.entries import Deny
    from targets.scope import Target

REFRESH = 0.25  # seconds; how old the cached wall clock may be, so that expiry holds within a second


class Part(NamedTuple):
    """What is left of a scope, and of its canaries, by a new one."""

    of: Scope
    left: Scope
    canaries: Scope | None


class Wanted(Protocol):
    """Somebody's word, renewed again and again, that a sweep is wanted."""

    @property
    def until(self) -> float:
        """Boot time in seconds up to which the last word holds."""
        ...

    @property
    def stopped(self) -> bool:
        """Whether the word was that it is to stop."""
        ...

    def over(self) -> None:
        """That time has passed: called before anything else happens, in whatever thread. Need not return."""
        ...


class ScopeGuard:
    """The scope as it stands now, plus the self-test's own address and the canaries', which may lie outside
    the part that is swept; less the `edges` of our own links. One object for all who connect."""

    __slots__ = (
        "_boot_start",
        "_canaries",
        "_checked",
        "_clock",
        "_edges",
        "_expiries",
        "_lapsed",
        "_leases",
        "_now",
        "_scope",
        "_self_test",
        "_wall_start",
        "_wanted",
        "narrowed",
        "unlisted",
    )

    def __init__(
        self,
        scope: Scope,
        clock: Clock,
        canaries: Scope | None = None,
        edges: Sequence[Deny] = (),
        began: tuple[float, float] | None = None,
    ) -> None:
        """`began`: see `ScopeGuard.began`, for the copy of a guard in another process."""
        self._scope = scope.without(edges) if edges else scope
        self._edges = frozenset(deny.span.first for deny in edges)
        self._canaries = canaries
        self._self_test: Scope | None = None
        self._clock = clock
        self._wall_start, self._boot_start = began or (clock.wall(), clock.boottime())
        self._now = self._wall_start
        self._checked = self._boot_start
        self.narrowed = 0
        self.unlisted: Callable[[Target], bool] = lambda target: False  # no longer, by its inventory
        scopes = [scope] if canaries is None else [scope, canaries]
        ends = {segment.expires for each in scopes for v in (4, 6) for segment in each.segments(v)}
        self._expiries = sorted(ends, reverse=True)
        self._leases: dict[str, tuple[float, Scope]] = {}  # until when, and what is left then
        self._lapsed = False
        self._wanted: Wanted | None = None

    @property
    def scope(self) -> Scope:
        """What may be probed now."""
        return self._scope

    @property
    def began(self) -> tuple[float, float]:
        """Wall time and boot time from which the passing of time is judged."""
        return self._wall_start, self._boot_start

    def admit_self_test(self, scope: Scope) -> None:
        """Let the sweep's own loopback server be probed as well."""
        self._self_test = scope

    def part(self, scope: Scope) -> Part:
        """What a new scope leaves of this one, for `narrow`: for large ones that takes long, and may be done
        in another thread."""
        canaries = self._canaries
        return Part(
            self._scope,
            self._scope.intersect(scope),
            canaries.intersect(scope) if canaries is not None else None,
        )

    def narrow(self, scope: Scope | Part) -> int:
        """Keep only what the new scope allows too. Returns how many targets that took away."""
        part = scope if isinstance(scope, Part) else self.part(scope)
        before = len(self._scope)
        self._scope = part.left if part.of is self._scope else self._scope.intersect(part.left)
        if self._canaries is not None and part.canaries is not None:
            self._canaries = self._canaries.intersect(part.canaries)
        taken = before - len(self._scope)
        self.narrowed += taken
        return taken

    def lease(self, name: str, seconds: float, left: Scope) -> None:
        """In so many seconds narrow to `left`, unless this is called for `name` again before."""
        self._leases[name] = self.now() + seconds, left

    def while_wanted(self, wanted: Wanted) -> None:
        """Permit something only as long as `wanted` holds. Looked at for each single connect: a process that
        was stopped in the middle of a burst, and is woken when somebody else has taken its work over, sends
        not one packet more of it."""
        self._wanted = wanted

    def permits(self, target: Target) -> bool:
        """Whether this target may be connected to now. Asked immediately before every connect."""
        now = self.now()
        if self._scope.permits(target, now):
            return True
        if self._canaries is not None and self._canaries.permits(target, now):
            return True
        return self._self_test is not None and self._self_test.permits(target, now)

    def is_edge(self, target: Target) -> bool:
        """Whether it is an edge of one of our own links, which is in the scope and never asked."""
        return target.version == 4 and target.address in self._edges

    def filter(self) -> Callable[[Target], bool]:
        """`permits` for one burst of connects to targets of the scope, with the clock read once. Whoever
        connects asks it immediately before each of them, and takes another for the next burst."""
        now = self.now()  # first: a lease that ends makes the scope another one
        inside, wanted = self._scope.filter(now), self._wanted
        if wanted is None:
            return inside
        boottime = self._clock.boottime

        def permitted(target: Target) -> bool:
            if boottime() >= wanted.until:
                self.now()  # lets go
            return self._wanted is wanted and inside(target)

        return permitted

    def expired(self) -> bool:
        """Whether a part of the scope, or a lease, has expired since this was last asked."""
        before = len(self._expiries)
        while self._expiries and self._expiries[-1] <= self.now():
            self._expiries.pop()
        lapsed, self._lapsed = self._lapsed, False
        return lapsed or len(self._expiries) < before

    def now(self) -> float:
        """Wall time for judging expiry: the later (stricter) of the wall clock and the time that has passed
        since the start by a clock that nobody can set back."""
        boot = self._clock.boottime()
        if self._wanted is not None and boot >= self._wanted.until:
            self._let_go(self._wanted)
        if boot - self._checked > REFRESH:
            self._checked = boot
            self._now = max(self._clock.wall(), self._wall_start + boot - self._boot_start)
            if self._leases:
                self._end_leases()
        return self._now

    def _let_go(self, wanted: Wanted) -> None:
        wanted.over()
        self._wanted, self._self_test, self._lapsed = None, None, True
        self.narrow(Scope())

    def _end_leases(self) -> None:
        for name, (until, left) in list(self._leases.items()):
            if self._now >= until:
                del self._leases[name]
                self._lapsed = True
                self.narrow(left)
