"""Shodan: banners one a line (`shodan download`, the export of the site), the API's answers to searches and
on hosts, and the CSV of `shodan convert FILE csv`.

Fields: Shodan's banner specification; columns: shodan-python, shodan/cli/converter/csvc.py. `ip` is a number,
and IPv6 has none, so `ip_str` counts. Times have no zone and are UTC. What stands in `mongodb` is what its
module of that name asked: `authentication`, `serverInfo`, `listDatabases`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from targets.claims import Claim, Said
from targets.sources.fields import items, table
from targets.sources.moments import utc
from targets.sources.records import host_names
from targets.sources.reporters import address_of, each_of, is_tcp, labels, mongodb, plain, port_of
from targets.sources.shapes import ColumnShape, RecordShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from targets.sources.json_stream import Record
    from targets.sources.shapes import Row

_OF_THE_HOST: Final = ("ip_str", "hostnames", "asn")  # in the API's answer on one, which holds its banners


def _claims(record: Record, name: str) -> Iterator[Claim]:
    place, host = f"{name}:{record.line}", record.document
    value = {**{key: host[key] for key in _OF_THE_HOST if key in host}, **record.value}
    banners = items(value.get("data")) or items(value.get("matches"))
    if banners:  # what the API answers on a host, or a search that was written down whole
        yield from each_of(banners, lambda banner: _banner({**value, **table(banner)}, place), "banner")
    elif isinstance(value.get("ports"), list):  # a host without its banners (`minify`)
        yield from each_of(value["ports"], lambda port: _banner({**value, "port": port}, place), "port")
    else:
        yield from _banner(value, place)


def _banner(banner: Mapping[str, Any], place: str) -> Iterator[Claim]:
    span, port = address_of(banner.get("ip_str")), port_of(banner.get("port"))
    if not is_tcp(banner.get("transport")):
        return
    told = Said(
        kind="address",
        seen_at=utc(banner.get("timestamp")),
        finding=_finding(banner),
        labels=labels(asn=banner.get("asn"), id=table(banner.get("_shodan")).get("id")),
    )
    names = banner.get("hostnames")
    listed = names if isinstance(names, list) else re.split(r"[,;\s]+", plain(names, 4096))
    yield Claim(span, port, place, host_names(listed), told)


def _finding(banner: Mapping[str, Any]) -> str:
    asked, module = table(banner.get("mongodb")), table(banner.get("_shodan")).get("module")
    if not asked and module != "mongodb" and plain(banner.get("product")).lower() != "mongodb":
        return ""
    version = table(asked.get("serverInfo")).get("version") or banner.get("version")
    if asked.get("authentication") is True:
        return mongodb("", version, more="asks for a login")
    listed = table(asked.get("listDatabases")).get("databases")
    if isinstance(listed, list):
        return mongodb("open", version, [table(each).get("name") for each in listed])
    return mongodb("open" if asked.get("authentication") is False else "", version)


def _row(row: Row, name: str) -> Iterator[Claim]:
    return _banner(row.cells, f"{name}:{row.line}")


def _fits(record: Record) -> bool:
    value = record.value
    if not isinstance(value, dict):
        return False
    if "ip_str" in value or record.envelope == "matches" or isinstance(value.get("matches"), list):
        return True
    return record.envelope == "data" and "ip_str" in record.document


RECORDS: Final = (RecordShape("Shodan JSON", _fits, _claims, envelopes=frozenset({"data", "matches"})),)
COLUMNS: Final = (
    ColumnShape("Shodan CSV", lambda header: "ip_str" in header and "transport" in header, _row),
)
