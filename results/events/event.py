"""What is sent on, as types: an event is a line of JSON that needs nothing else to be understood.

Times are RFC 3339 text in UTC with milliseconds, "" is not known. Names came from servers and are hostile.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from results.ledger.tracked import CHANGE, Change, ChangeKind, Place, State, TrackedExposure
from results.past import Count
from results.record import DatabaseLine, Observation, Owner, Reason, SeverityNumber
from results.summary import Coverage, Loss
from results.verdict import Severity, Verdict

RUN: Final = "mongosweep.run/1"

RunKind = Literal["started", "resumed", "degraded", "ended", "test"]
"""`degraded`: while it goes on, a reason came up for which it cannot end `complete`. `test`: no run at all;
somebody tries whether a sink takes events."""

RunEnd = Literal["running", "complete", "degraded", "interrupted", "failed", "aborted", "test"]
"""`aborted`: its process is gone and never wrote how the run ended. `test`: of a `test` alone, so that no
rule about states takes it for a run."""


class RunEvent(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=RUN):
    """One thing that happened to a run. `event_id` is the same whenever it is told again.

    `at`: when it started, ended, or was degraded; of an aborted run, its last start. `host` is the machine
    that ran it, `purpose` "verify" where exposures were asked again, "confirm" where the rows of an outside
    report were. `outcomes` counts targets by verdict and `changes` what changed with it by kind; `open`
    counts the servers that it saw open, `exposures_open` those that the ledger holds for open after it;
    null where that is not known. "Swept, nothing open" is an `ended` event of no `purpose` with the state
    `complete` and `open` 0: of the `planned` targets of its `scope`, and where it is a part (`shard`, as
    "1/2"), of that part alone.
    `cut`: fields of which a part was left out, so that the line does not become too long.
    """

    event_id: str
    kind: RunKind
    at: str
    run_id: str
    state: RunEnd
    severity: Severity
    severity_number: SeverityNumber
    reasons: list[str] = []
    organisation: str = ""
    vantage: str = ""
    purpose: str = ""
    host: str = ""
    tool_version: str = ""
    scope: str = ""
    shard: str = ""
    planned: Count = 0
    started_at: str = ""
    coverage: Coverage | None = None
    loss: Loss | None = None
    outcomes: dict[str, int] = {}
    open: Count | None = None
    changes: dict[str, int] = {}
    exposures_open: Count | None = None
    cut: list[str] = []


class Snapshot(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An exposure as it stood with one change, so that whoever gets the change needs nothing else.

    `place` is where it is, and what it holds is of the last look up to the change that saw it open; `verdict`
    is of the look that shows the change, `unknown` where no line does. Bytes and documents leave the server's
    own databases out; `databases` are the gravest, at most 20, users' alone.
    """

    state: State
    place: Place
    organisation: str = ""
    owner: Owner
    hostnames: list[str] = []
    verdict: Verdict
    severity_reasons: list[Reason] = []
    product: str = ""
    version: str = ""
    topology: str = ""
    database_count: Count | None = None
    collection_count: Count | None = None
    documents: Count | None = None
    bytes: Count | None = None
    databases: list[str] = []
    hints: list[str] = []
    ransom_names: list[str] = []
    newest_write: str = ""
    newest_write_method: str = ""
    first_seen_open: str
    last_seen_open: str
    closed_before: str = ""
    closed_how: str = ""


class ChangeEvent(Change, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=CHANGE):
    """A change as it is sent on: with all that its receiver needs. `reminder` says that it is still open.
    `cut` is as in `RunEvent`."""

    kind: ChangeKind | Literal["reminder"]  # type: ignore[assignment]  # one more than the ledger derives
    snapshot: Snapshot
    cut: list[str] = msgspec.field(default_factory=list)


Event = RunEvent | ChangeEvent | Observation | TrackedExposure
"""What a format takes. A sink sends the first two, and the third where every observation is asked for."""

_Line = Event | DatabaseLine
_decoder: Final[msgspec.json.Decoder[_Line]] = msgspec.json.Decoder(_Line)


class EventError(ValueError):
    """A line that is no event; says why."""


def parse(line: bytes) -> Event | DatabaseLine:
    """Read one line. Lines of databases are read too, because journals hold them; no format takes them.

    Raises `EventError`.
    """
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EventError(f"no event: {error}") from error
    except RecursionError as error:
        raise EventError("no event: nested too deeply") from error


def run_event_id(run_id: str, kind: str, *parts: str) -> str:
    """The name of one thing that happened to a run: `mr_` and 24 hex digits."""
    text = "\0".join((RUN, run_id, kind, *parts)).encode("utf-8", "surrogatepass")
    return "mr_" + hashlib.sha256(text).hexdigest()[:24]


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one line of `events.jsonl`. Fields that it does not name are
    allowed."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:mongosweep:schema:event:1",
        "title": "mongosweep.run/1 or mongosweep.change/1",
        **msgspec.json.schema(RunEvent | ChangeEvent),
    }
