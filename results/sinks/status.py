"""How each sink stands, for people and for metrics: from its state and the files, without asking anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from results.files import ResultsError, StorageError
from results.sinks.backlog import backlog_of
from results.sinks.source import problem_of
from results.sinks.state import SinkFolder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class SinkStatus(NamedTuple):
    """One sink. `backlog` events of `backlog_bytes` are not delivered yet, the oldest of `oldest_at` (RFC
    3339, or ""). `forwarding`: somebody sends to it now. Counts and times are those of its `SinkState`.
    `problem`: why its backlog cannot be told, or where it cannot go on, in one line."""

    name: str
    kind: str = ""
    place: str = ""
    every: bool = False
    forwarding: bool = False
    backlog: int = 0
    backlog_bytes: int = 0
    oldest_at: str = ""
    delivered: int = 0
    passed_over: int = 0
    set_aside: int = 0
    attempts_failed: int = 0
    last_delivered_at: str = ""
    last_failure: str = ""
    last_failure_at: str = ""
    stopped: str = ""
    problem: str = ""


def status(output: Path, names: Sequence[str]) -> list[SinkStatus]:
    """The status of each, in this order. Reads what is not delivered yet once, a piece at a time.

    Raises `StorageError` where this user may not read how a sink stands.
    """
    return [_status(output, name) for name in names]


def _status(output: Path, name: str) -> SinkStatus:
    folder = SinkFolder(output, name)
    forwarding = folder.is_held()
    try:
        state = folder.load()
    except StorageError:
        raise
    except ResultsError as error:
        return SinkStatus(name, forwarding=forwarding, problem=str(error))
    found = SinkStatus(
        name,
        state.kind,
        state.place,
        state.every,
        forwarding,
        delivered=state.delivered,
        passed_over=state.passed_over,
        set_aside=state.set_aside,
        attempts_failed=state.attempts_failed,
        last_delivered_at=state.last_delivered_at,
        last_failure=state.last_failure,
        last_failure_at=state.last_failure_at,
        stopped=state.stopped,
    )
    problem = problem_of(output, state.cursor, every=state.every, name=name)
    try:
        backlog = backlog_of(output, state.cursor, every=state.every)
    except ResultsError as error:
        return found._replace(problem=problem or str(error))
    return found._replace(
        backlog=backlog.events, backlog_bytes=backlog.bytes, oldest_at=backlog.oldest_at, problem=problem
    )
