"""Do our verdict and the official driver's agree? A table, and a sentence where they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.record import Confirmation, Server
from results.verdict import Verdict
from scanner.network.driver.driver import NAME_LENGTH, OLDEST_WIRE, DriverOpinion

if TYPE_CHECKING:
    from collections.abc import Iterable

_SAME: dict[Verdict, frozenset[str]] = {
    Verdict.OPEN: frozenset({"open"}),
    Verdict.OPEN_NO_DATA: frozenset({"empty_list", "not_ready", "open"}),
    Verdict.AUTH_REQUIRED: frozenset({"auth_required"}),
}
_NO_OPINION = frozenset({"unsupported", "not_asked"})


def confirm(
    verdict: Verdict,
    names: Iterable[str],
    opinion: DriverOpinion,
    *,
    complete: bool = True,
    server: Server | None = None,
) -> Confirmation:
    """Compare our verdict and database names with the driver's. Says how they differ; picks no winner.

    `complete` is False where `names` were cut. `agrees` is None where the driver has no opinion: it speaks to
    no server that old (`server` tells), or could not ask.
    """
    detail = opinion.error
    agrees: bool | None = opinion.verdict in _SAME.get(verdict, frozenset({"no_answer", "garbled"}))
    if opinion.verdict in _NO_OPINION:
        agrees = None
    elif server is not None and server.status_page is not None:
        agrees, detail = None, "the driver does not speak to a status page"
    elif not agrees and opinion.verdict in ("no_answer", "garbled") and _too_old(server):
        agrees, detail = None, f"the driver does not speak to servers that old: {opinion.error}"
    elif not agrees:
        reason = f" ({opinion.error})" if opinion.error else ""
        detail = f"we say {verdict.value}, the driver says {opinion.verdict}{reason}"
    elif opinion.verdict == "open" and verdict is Verdict.OPEN:
        detail = _difference(set(map(_comparable, names)), opinion, complete=complete)
        agrees = not detail
    return Confirmation(
        driver=driver_version(),
        verdict=opinion.verdict,
        agrees=agrees,
        detail=detail,
        databases=opinion.databases if agrees is False else [],
    )


def _comparable(name: str) -> str:
    """A name as far as both readers keep it: ours ends one that it has cut with an ellipsis."""
    return name[: NAME_LENGTH - 1]


def _too_old(server: Server | None) -> bool:
    """Whether the server said that it is older than what the driver speaks to; MongoDB 2.4 says nothing."""
    return server is not None and (server.max_wire_version or 0) < OLDEST_WIRE


def _difference(ours: set[str], opinion: DriverOpinion, *, complete: bool) -> str:
    """The names that only one of both lists holds, as a sentence; empty when the lists are equal."""
    theirs = set(map(_comparable, opinion.databases))
    only_theirs = theirs - ours if complete else set()
    only_ours = ours - theirs if not opinion.truncated else set()
    parts = [
        f"only {who} lists {len(names)}: {', '.join(sorted(names)[:5])}" + (", ..." if len(names) > 5 else "")
        for who, names in (("the driver", only_theirs), ("our reader", only_ours))
        if names
    ]
    return "; ".join(parts)


def driver_version() -> str:
    """Name and version of the driver, read from its package data without importing it."""
    from importlib.metadata import version  # 20 ms that only a confirmation needs

    return f"motor {version('motor')} / pymongo {version('pymongo')}"
