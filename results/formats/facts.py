"""An event as names and texts, for the formats that are a line of text: each text is one line and visible.

What came from a server is escaped by `results.text.visible` here, once: no control, no line break, no mark
that turns the direction of text is left. Each format escapes its own separators beside that. A backslash is
`\\x5c`, so that the name can be had back, and so that no text ends in one, nor has two in a row: many readers
look a single character back to tell whether a quotation mark is escaped, and a server may choose its names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from results.durations import instant
from results.text import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from results.events.event import RunEvent
    from results.formats.fields import Fields

LONGEST: Final = 256
"""Characters of one text; a longer one ends in an ellipsis."""
_CUT: Final = "…"
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


class Room(NamedTuple):
    """How much of a list is told: items, and characters with their commas."""

    items: int = 100
    characters: int = 1000


ROOM: Final = Room()


def line(text: str, most: int = LONGEST) -> str:
    """A text as one visible line of at most so many characters."""
    shown = visible(text, most) if text else ""
    return cut(shown.replace("\\\\", "\\x5c"), most) if "\\\\" in shown else shown


def cut(text: str, most: int) -> str:
    """A text that is visible already, as at most so many characters."""
    return text if len(text) <= most else text[: most - 1] + _CUT


def listed(names: Sequence[str], room: Room = ROOM) -> str:
    r"""Names with commas between them, a comma in one as `\x2c`; `…` at the end where some are left out."""
    if not names:
        return ""
    told: list[str] = []
    left = room.characters
    for name in names[: room.items]:
        text = line(name).replace(",", "\\x2c")
        text = "\\u2026" if text == _CUT else text
        left -= len(text) + 1
        if left < len(_CUT):
            break
        told.append(text)
    if len(told) < len(names):
        told.append(_CUT)
    return ",".join(told)


def counted(counts: Mapping[str, int], room: Room = ROOM) -> str:
    """Counts by word: `open:3,refused:250`."""
    return listed([f"{word}:{count}" for word, count in counts.items()], room)


def milliseconds(at: str) -> int | None:
    """A time of ours in milliseconds since 1970; None for "" and for what is no time."""
    if not is_time(at):
        return None
    moment = instant(at)
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def is_time(at: str) -> bool:
    """Whether a text is a time as events have it: RFC 3339 in UTC with milliseconds."""
    if not _TIME.fullmatch(at):
        return False
    try:
        instant(at)
    except ValueError:
        return False
    return True


def facts_of(fields: Fields, room: Room = ROOM) -> dict[str, str]:
    """What is known, in the order in which it is told. Names are letters and digits, 32 at most (RFC 5424,
    6.3.3); texts are never empty. `firstSeen` and `lastSeen`: open."""
    open_then = fields.kind != "observation" or fields.state == "open"
    told: dict[str, str | int | None] = {
        "id": line(fields.id),
        "kind": fields.kind,
        "state": line(fields.state),
        "severity": fields.severity.value,
        "score": fields.score,
        "ip": line(fields.ip),
        "port": fields.port,
        "hostnames": listed(fields.hostnames, room),
        "site": line(fields.site),
        "owner": line(fields.owner),
        "contact": line(fields.contact),
        "organisation": line(fields.organisation),
        "vantage": line(fields.vantage),
        "reach": line(fields.reach),
        "openFrom": listed(fields.open_from, room),
        "notOpenFrom": listed(fields.not_open_from, room),
        "runId": line(fields.run_id),
        "exposureId": line(fields.exposure_id),
        "findingId": line(fields.finding_id),
        "verdict": line(fields.verdict),
        "reasons": listed(fields.reasons, room),
        "techniques": listed([technique.id for technique in fields.techniques], room),
        "product": line(fields.product),
        "serverVersion": line(fields.server_version),
        "topology": line(fields.topology),
        "tls": None if fields.tls is None else str(fields.tls).lower(),
        "databaseCount": fields.database_count,
        "collectionCount": fields.collection_count,
        "documents": fields.documents,
        "sizeBytes": fields.size,
        "databaseNames": listed(fields.databases, room),
        "names": listed(fields.names, room),
        "hints": listed(fields.hints, room),
        "ransomNames": listed(fields.ransom_names, room),
        "lastWrite": line(fields.newest_write),
        "lastWriteMethod": line(fields.newest_write_method),
        "firstSeen": line(fields.first_seen) if open_then else "",
        "lastSeen": line(fields.last_seen) if open_then else "",
        "closedBefore": line(fields.closed_before),
        "closedHow": line(fields.closed_how),
        "after": line(fields.after),
        "dated": line(fields.dated),
        "dueAt": line(fields.due_at),
        "labels": listed([f"{name}={value}" for name, value in fields.labels.items()], room),
    }
    if fields.run is not None:
        told |= _of_run(fields.run, room)
    return {name: str(text) for name, text in told.items() if text not in ("", None)}


def _of_run(run: RunEvent, room: Room) -> dict[str, str | int | None]:
    told: dict[str, str | int | None] = {
        "purpose": line(run.purpose),
        "scope": line(run.scope),
        "shard": line(run.shard),
        "startedAt": line(run.started_at),
        "planned": run.planned,
        "openServers": run.open,
        "exposuresOpen": run.exposures_open,
        "verdicts": counted(run.outcomes, room),
        "changes": counted(run.changes, room),
    }
    if (covered := run.coverage) is not None:
        told |= {
            "asked": covered.outcomes,
            "excluded": covered.excluded,
            "notReached": covered.not_reached,
        }
    if run.loss is not None:
        told["missedAtMost"] = run.loss.missed_at_most
    return told
