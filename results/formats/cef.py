"""CEF, the ArcSight Common Event Format: `CEF:0|vendor|product|version|class id|name|severity|extension`.

Keys and their lengths are those of ArcSight's extension dictionary (CEF implementation standard, 2). What has
no key there bears one of our own, which begins with `mongosweep`, as the standard asks of producers. In the
header a backslash and a pipe are escaped by a backslash; in a value a backslash, an equals sign and line
breaks, and a pipe is not. The server stands in `dst`, `dpt` and `dhost`, or in `src`, `spt` and `shost` as in
the CEF that Shadowserver's reports become; IPv6 has keys of its own, because `dst` and `src` are IPv4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from results.formats.facts import Room, cut, facts_of, line, milliseconds
from results.formats.fields import fields_of
from results.formats.format import Format
from results.formats.severities import SCALES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from results.events.event import Event
    from results.formats.fields import Fields, Sender

VENDOR = PRODUCT = "mongosweep"


class _Ends(NamedTuple):
    """The keys of one end of a connection: the server's."""

    ip: str
    port: str
    host: str
    service: str
    ipv6: str
    ipv6_label: str


_DST: Final = _Ends("dst", "dpt", "dhost", "destinationServiceName", "c6a3", "Destination IPv6 Address")
_SRC: Final = _Ends("src", "spt", "shost", "sourceServiceName", "c6a2", "Source IPv6 Address")

_LABELLED: Final = {
    "databaseCount": "cn1",
    "sizeBytes": "cn2",
    "documents": "cn3",
    "owner": "cs1",
    "serverVersion": "cs2",
    "databaseNames": "cs3",
    "runId": "cs4",
    "exposureId": "cs5",
    "state": "cs6",
    "contact": "flexString1",
    "site": "flexString2",
}
"""Names of facts that go into fields which the standard leaves to the producer, with the name as label."""
_ELSEWHERE: Final = frozenset(
    {"id", "kind", "severity", "ip", "port", "product", "firstSeen", "lastSeen", "lastWrite", "vantage"}
)
"""Facts that have a key of their own, or stand in the header."""
_ROOM: Final = Room(characters=1000)  # under the 1023 of `reason`, the shortest that takes a list


def _document(ends: _Ends) -> Callable[[Event, Sender], bytes]:
    def document(event: Event, sender: Sender) -> bytes:
        """The event's line, UTF-8."""
        fields = fields_of(event, sender)
        head = (VENDOR, PRODUCT, cut(line(fields.version), 31), fields.kind, fields.title)
        header = "|".join(map(_in_header, head))
        extension = " ".join(f"{key}={_in_value(text)}" for key, text in _extension(fields, ends))
        return f"CEF:0|{header}|{SCALES[fields.severity].cef}|{extension}".encode()

    return document


def _extension(fields: Fields, ends: _Ends) -> Iterator[tuple[str, str]]:
    facts = facts_of(fields, _ROOM)
    yield from _times(fields)
    yield "externalId", cut(facts.get("id", ""), 40)
    if fields.run is None:
        yield from _server(fields, facts, ends)
    yield "dvchost", cut(line(fields.host), 100)
    if vantage := facts.get("vantage"):
        yield "deviceExternalId", cut(vantage, 255)
    yield "cat", "server" if fields.run is None else "run"
    if fields.kind == "ended":
        yield "outcome", "success" if fields.state == "complete" else "failure"
    for name, text in facts.items():
        if name in _ELSEWHERE or (name == "hostnames" and len(fields.hostnames) == 1):
            continue
        if name in _LABELLED:
            yield _LABELLED[name], text
            yield f"{_LABELLED[name]}Label", name
        elif name == "reasons":
            yield "reason", text
        else:
            yield f"mongosweep{name[0].upper()}{name[1:]}", text
    yield "msg", line(fields.message, 1023)


def _times(fields: Fields) -> Iterator[tuple[str, str]]:
    for key, at in (
        ("rt", fields.at),
        ("start", fields.first_seen or (fields.run.started_at if fields.run else "")),
        ("end", fields.last_seen),
        ("deviceCustomDate1", fields.newest_write),
    ):
        if (moment := milliseconds(at)) is not None:
            yield key, str(moment)
            if key == "deviceCustomDate1":
                yield "deviceCustomDate1Label", "lastWrite"


def _server(fields: Fields, facts: dict[str, str], ends: _Ends) -> Iterator[tuple[str, str]]:
    if ":" in fields.ip:
        yield ends.ipv6, facts["ip"]
        yield f"{ends.ipv6}Label", ends.ipv6_label
    else:
        yield ends.ip, facts.get("ip", "")
    yield ends.port, facts.get("port", "")
    if fields.hostnames:
        yield ends.host, line(fields.hostnames[0])
    yield "proto", "TCP"
    yield "app", "mongodb"
    if product := facts.get("product"):
        yield ends.service, product


def _in_header(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")


def _in_value(text: str) -> str:
    if "\\" not in text and "=" not in text:
        return text
    return text.replace("\\", "\\\\").replace("=", "\\=")  # line breaks are visible text already


FORMAT = Format(
    name="cef",
    about="ArcSight Common Event Format, the server as destination",
    media_type="text/plain; charset=utf-8",
    document=_document(_DST),
)
FORMAT_SRC = Format(
    name="cef-src",
    about="ArcSight Common Event Format, the server as source, as Shadowserver has it",
    media_type="text/plain; charset=utf-8",
    document=_document(_SRC),
)
