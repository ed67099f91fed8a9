"""httpx's lists: JSON, CSV, and URLs with what it saw in brackets behind them.

Fields: httpx runner/types.go. `host_ip`, and before it `host`, is the address that was asked; `port` is text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from targets.claims import Claim
from targets.grammar import GrammarError, parse_address, parse_port
from targets.sources.json_stream import Record
from targets.sources.moments import moment
from targets.sources.records import claims_of, host_names, said_at
from targets.sources.shapes import ColumnShape, LineShape, RecordShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from targets.grammar import Span
    from targets.sources.shapes import Row

_STATUS = ("status_code", "status-code", "failed")  # it was renamed
_PORTS = {"http": 80, "https": 443}
_URL = re.compile(
    r"(https?)://(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(?::([0-9]{1,5}))?(?:[/?#]\S*)?(?: +\[.*\])?\Z"
)


def _fits(found: Record) -> bool:
    value = found.value
    return type(value) is dict and "url" in value and any(key in value for key in _STATUS)


def _read(found: Record, name: str) -> Iterator[Claim]:
    value: dict[str, Any] = found.value
    said = said_at(moment(value.get("timestamp")))
    place = f"{name}:{found.line}"
    if value.get("failed") in (True, "true"):
        return
    url = _URL.match(str(value["url"]))
    if url is None:
        yield from claims_of(found, name, said)
        return
    port = value.get("port") or url[3] or str(_PORTS[url[1]])
    host = url[2]
    names = () if host == value.get("host") and host[0].isdigit() else _names(value, host)
    yield Claim(_address_of(value, host), parse_port(str(port)), place, names, said)


def _names(value: dict[str, Any], host: str) -> tuple[str, ...]:
    return host_names([value.get("host"), value.get("input"), host])


def _address_of(value: dict[str, Any], host: str) -> Span:
    for said in (value.get("host_ip"), value.get("host"), host.strip("[]")):
        if said:
            try:
                return parse_address(said)
            except GrammarError as error:
                fault = error
    raise fault


def _fits_columns(header: Sequence[str]) -> bool:
    return "url" in header and any(key in header for key in _STATUS)


def _read_row(row: Row, name: str) -> Iterator[Claim]:
    return _read(Record(row.line, row.cells), name)


def _read_url(found: re.Match[str], place: str) -> Iterator[Claim]:
    scheme, host, port = found.groups()
    if host.startswith("[") != (":" in host):
        raise GrammarError(f"{host!r} is no host of a URL", "write [fd00::1]:27017")
    yield Claim(parse_address(host.strip("[]")), parse_port(port) if port else _PORTS[scheme], place)


JSON: Final = RecordShape("httpx JSON", _fits, _read)
CSV: Final = ColumnShape("httpx CSV", _fits_columns, _read_row)
URLS: Final = LineShape("httpx URLs", _URL, _read_url)
