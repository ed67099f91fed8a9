"""An owner's opt-out: a deny with a name, a reason and an end, counted in every plan and every manifest.

An opt-out hides risk, so it lasts 90 days at most and is refused once it is over: somebody has to look again.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from scanner.errors import RefusedError
from targets.entries import Deny
from targets.grammar import GrammarError, parse_span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scanner.setup.settings import OptOut
    from targets.scope import Scope

LONGEST = timedelta(days=90)


def without_opted_out(
    scope: Scope, optouts: Sequence[OptOut], place: Callable[[int, str], str], now: float
) -> Scope:
    """The scope without what owners have taken out of it. `place(number, key)` is `file:line` of a key.

    Raises RefusedError for one that is over, that has not begun, or that lasts too long.
    """
    if not optouts:
        return scope
    denies = []
    for number, item in enumerate(optouts):
        try:
            span = parse_span(item.cidr)
        except GrammarError as error:
            raise RefusedError(f"{place(number, 'cidr')}: [[optout]] {error}") from None
        key, problem = _problem(item, datetime.fromtimestamp(now, UTC).date())
        if problem:
            raise RefusedError(f"{place(number, key)}: [[optout]] {item.cidr} of {item.owner} {problem}")
        denies.append(
            Deny(
                span=span,
                text=item.cidr,
                reason=f"opt-out of {item.owner} from {item.since} to {item.expires}: {item.reason}",
                expires=_begin(item.expires),
                opt_out=True,
            )
        )
    return scope.without(denies)


def _problem(item: OptOut, today: date) -> tuple[str, str]:
    """The key that is wrong, and what is wrong with it and what to do; two empty texts when nothing is."""
    if item.expires <= today:
        return "expires", f"ended on {item.expires}; ask the owner and renew it, or remove it"
    if item.since > today:
        return "since", f"begins on {item.since}, in the future; write the day on which the owner asked"
    if item.expires - item.since > LONGEST:
        latest = item.since + LONGEST
        return "expires", f"lasts more than {LONGEST.days} days; write {latest} or earlier, and renew it then"
    return "", ""


def opted_out_addresses(scope: Scope) -> int:
    """How many addresses owners have taken out of the scope."""
    return sum(item.addresses for item in scope.excluded if item.deny.opt_out)


def _begin(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()
