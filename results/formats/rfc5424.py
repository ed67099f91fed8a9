"""Syslog as RFC 5424 has it: `<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG`.

Facts go into one element of structured data and a sentence into MSG; or MSG is a document of another format
(CEF, LEEF, our own JSON) and there is no structured data. No framing: that is the sink's (RFC 5425, 6587). No
message is longer than `max_bytes`, because a receiver cuts or splits what is longer than it takes: lists are
shortened first, and the parameter `truncated` says so. PROCID is nil: the same event is the same message.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from results.formats.facts import ROOM, Room, cut, facts_of, is_time, line
from results.formats.fields import fields_of
from results.formats.format import Format, UnfitError
from results.formats.severities import SCALES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results.events.event import Event
    from results.formats.fields import Fields, Sender

LEAST_BYTES: Final = 480  # what every receiver must take: RFC 5424, 6.1
SD_ID: Final = r"[!#-<>-\\^-~]{1,32}"
"""Printable ASCII without `=`, `]`, `"` and the space: RFC 5424, 6. A name of one's own is `name@number`,
the number being a private enterprise number of IANA's."""

_BOM: Final = b"\xef\xbb\xbf"
_SENTENCE: Final = 512  # characters of MSG
_ROOMS: Final = (ROOM, Room(20, 500), Room(10, 250), Room(5, 120), Room(2, 60), Room(0, 0))
_CORE: Final = ("id", "kind", "state", "severity", "ip", "port", "runId", "exposureId", "findingId")
_LEAST: Final = ("id", "kind", "ip", "port")
_LISTS: Final = (20, 5, 1, 0)
_UNPRINTABLE: Final = re.compile(r"[^!-~]")


class Syslog(Struct, frozen=True, kw_only=True):
    """How messages look. `facility` 0 to 23, 13 is "log audit"; `sd_id` names the element of structured data;
    `bom`: whether MSG begins with a byte-order mark, as RFC 5424 asks of UTF-8 (another format's document
    never does); `max_bytes` of one message, 480 at the least."""

    facility: int = 13
    sd_id: str = "mongosweep@32473"
    bom: bool = True
    max_bytes: int = 8192

    def __post_init__(self) -> None:
        if not 0 <= self.facility <= 23:
            raise ValueError(f"facility is {self.facility}; write one from 0 to 23")
        if not re.fullmatch(SD_ID, self.sd_id):
            raise ValueError(f"sd_id is {self.sd_id!r}; write a name such as mongosweep@32473")
        if self.max_bytes < LEAST_BYTES:
            raise ValueError(f"max_bytes is {self.max_bytes}; write {LEAST_BYTES} or more")


DEFAULT: Final = Syslog()


def message(
    event: Event, sender: Sender, how: Syslog = DEFAULT, carried: Format | None = None
) -> bytes | None:
    """One message, UTF-8. `carried`: the format of MSG, where it is not the sentence; None where that has no
    place for the event.

    Raises `UnfitError` where it cannot be made as short as `max_bytes`.
    """
    fields = fields_of(event, sender)
    head = _header(fields, how)
    for text in _bodies(fields, how) if carried is None else _carried(event, sender, how, carried):
        if text is None:
            return None
        if len(head) + len(text) <= how.max_bytes:
            return head + text
    raise UnfitError(
        f"it cannot be told in {how.max_bytes:,} bytes; write what the receiver takes as max_bytes"
    )


def _header(fields: Fields, how: Syslog) -> bytes:
    priority = how.facility * 8 + SCALES[fields.severity].syslog
    at = fields.at if is_time(fields.at) else "-"
    host = _UNPRINTABLE.sub("_", fields.host)[:255] or "-"
    return f"<{priority}>1 {at} {host} mongosweep - {fields.kind[:32]} ".encode()


def _bodies(fields: Fields, how: Syslog) -> Iterator[bytes]:
    """Structured data and MSG, all that is known first, then less and less."""
    said = (_BOM if how.bom else b"") + line(fields.message, _SENTENCE).encode()
    for room in _ROOMS:
        facts = facts_of(fields, room)
        if room is not _ROOMS[0]:
            facts["truncated"] = "1"
        yield _element(how.sd_id, facts) + b" " + said
    for names, most in ((tuple(facts), 60), (_CORE, 60), (_LEAST, 45)):
        fewer = {name: cut(text, most) for name in names if (text := facts.get(name))}
        yield _element(how.sd_id, fewer | {"truncated": "1"}) + b" " + said


def _carried(event: Event, sender: Sender, how: Syslog, carried: Format) -> Iterator[bytes | None]:
    """The same where MSG is another format's document."""
    document = carried.document(event, sender)
    yield None if document is None else b"- " + document
    mark = _element(how.sd_id, {"truncated": "1"}) + b" "
    for items in _LISTS:
        document = carried.document(_shortened(event, items), sender)
        yield None if document is None else mark + document


def _element(sd_id: str, facts: dict[str, str]) -> bytes:
    told = "".join(f' {name}="{_in_value(text)}"' for name, text in facts.items())
    return f"[{sd_id}{told}]".encode()


def _in_value(text: str) -> str:
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    return text.replace('"', '\\"').replace("]", "\\]")


def _shortened(record: Any, items: int) -> Any:
    """A record all of whose lists, however deep, hold so many items at most."""
    if isinstance(record, Struct):
        held = {name: getattr(record, name) for name in record.__struct_fields__}
        return replace(record, **{name: _shortened(each, items) for name, each in held.items()})
    if isinstance(record, list):
        return [_shortened(each, items) for each in record[:items]]
    if isinstance(record, dict):
        return {name: _shortened(each, items) for name, each in islice(record.items(), items)}
    return record


FORMAT = Format(
    name="rfc5424",
    about="syslog of RFC 5424 with structured data",
    media_type="text/plain; charset=utf-8",
    document=message,
)
