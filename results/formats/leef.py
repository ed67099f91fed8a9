"""LEEF 2.0, IBM QRadar's Log Event Extended Format: `LEEF:2.0|vendor|product|version|event id|^|attributes`.

Predefined keys are those of IBM's "LEEF event components" and "predefined LEEF event attributes"; further
ones are free. No escaping is defined, so what would end a value is replaced: the delimiter by `\\x5e` and, in
the header, the pipe by `\\x7c`. A name that reads so has two backslashes there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from results.formats.facts import Room, facts_of, is_time, line
from results.formats.fields import fields_of
from results.formats.format import Format
from results.formats.severities import SCALES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results.events.event import Event
    from results.formats.fields import Fields, Sender

DELIMITER: Final = "^"
_TIME_FORMAT: Final = "yyyy-MM-dd'T'HH:mm:ss.SSSX"  # of Java's SimpleDateFormat, as QRadar takes it
_KEYS: Final = {"ip": "dst", "port": "dstPort"}
_ROOM: Final = Room(items=20, characters=500)  # QRadar cuts a payload at 4,096 bytes unless told otherwise


def document(event: Event, sender: Sender) -> bytes:
    """The event's line, UTF-8."""
    fields = fields_of(event, sender)
    head = "|".join(_in_header(text) for text in (line(fields.version), fields.kind))
    attributes = DELIMITER.join(f"{key}={_in_value(text)}" for key, text in _attributes(fields))
    return f"LEEF:2.0|mongosweep|mongosweep|{head}|{DELIMITER}|{attributes}".encode()


def _attributes(fields: Fields) -> Iterator[tuple[str, str]]:
    yield "cat", "server" if fields.run is None else "run"
    yield "sev", str(SCALES[fields.severity].leef)
    if is_time(fields.at):
        yield "devTime", fields.at
        yield "devTimeFormat", _TIME_FORMAT
    if fields.run is None:
        yield "proto", "TCP"
        if fields.hostnames:
            yield "identHostName", line(fields.hostnames[0])
        if fields.product:
            yield "resource", line(f"{fields.product} {fields.server_version}".rstrip())
    yield "name", fields.title
    yield "sensor", line(fields.host)
    for name, text in facts_of(fields, _ROOM).items():
        if name in ("kind", "severity") or (name == "hostnames" and len(fields.hostnames) == 1):
            continue
        yield _KEYS.get(name, name), text
    yield "msg", line(fields.message, 1023)


def _in_header(text: str) -> str:
    return text.replace("|", "\\x7c")


def _in_value(text: str) -> str:
    return text.replace(DELIMITER, "\\x5e")


FORMAT = Format(
    name="leef",
    about="Log Event Extended Format 2.0, for QRadar",
    media_type="text/plain; charset=utf-8",
    document=document,
)
