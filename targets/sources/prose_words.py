"""How people and abuse desks name what a report tells: the columns of their tables, the keys of their lines,
and addresses that are written so that nobody clicks them."""

from __future__ import annotations

import re
from typing import Final, Literal

Meaning = Literal[
    "address", "port", "time", "name", "version", "databases", "asn", "protocol", "report", "service"
]

_WORDS: Final[dict[Meaning, str]] = {
    "address": "ip|ips|ip address|ip addresses|ip addr|ipaddress|ip_address|ip_str|ipv4|ipv6|address|"
    "addresses|source|source ip|source-ip|source_ip|source address|source.ip|src_ip|affected ip|"
    "affected ip address|affected host|affected system|affected systems|destination ip|dst_ip|host ip|"
    "host_ip|target|target ip|"
    "server|server ip|host|hosts|system|ip-adresse|ip-adressen|ip adresse|adresse|betroffene ip|"
    "betroffene ip-adresse|betroffene systeme|betroffenes system|adresse ip|adresses ip|serveur|ip source|"
    "direccion ip|indirizzo ip",
    "port": "port|ports|tcp port|tcp-port|port/tcp|port number|dst port|dst_port|dport|destination port|"
    "destination-port|source port|source-port|source_port|source.port|src_port|service port|open port|"
    "open ports|server port|portnummer|offener port|port tcp|puerto|porta",
    "time": "timestamp|time|date|date/time|datetime|seen|first seen|last seen|last_seen|observed|observed at|"
    "detected|detected at|detection time|event date|event time|time.source|timestamp utc|time utc|"
    "zeitstempel|zeitpunkt|datum|zeit|horodatage|date et heure|fecha",
    "name": "hostname|host name|host-name|dns|dns name|dns-name|reverse dns|reverse_dns|rdns|ptr|fqdn|domain|"
    "domain name|rechnername|nom d'hote",
    "version": "version|mongodb version|mongodb-version|server version|software version",
    "databases": "databases|database|visible_databases|visible databases|database names|"
    "datenbanken|datenbank",
    "asn": "asn|as|as number",
    "protocol": "protocol|proto|transport|protokoll|protocole",
    "report": "report id|report-id|report_id|incident|incident id|ticket|ticket id|case|case id|case number|"
    "reference|reference number|event id|event_id|vorgangsnummer|ticketnummer",
    "service": "service|application|service name|product|dienst",
}
_MEANS: Final[dict[str, Meaning]] = {
    word: meaning for meaning, words in _WORDS.items() for word in words.split("|")
}
_AROUND = re.compile(r"""^[\s"'*_`#|]+|[\s"'*_`:|]+$""")
_APART = re.compile(r"\s*\([^()]*\)\s*")
_DOT = re.compile(r"[\[({]\s?(?:\.|dot)\s?[\])}]", re.IGNORECASE)
_COLON = re.compile(r"[\[({]:[\])}]")
_SCHEME = re.compile(r"\bh(?:xx|\*\*|XX)p(s?)(?=://|\[:\])", re.IGNORECASE)
_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
_QUOTED = re.compile(r"\s{0,3}>[>\s]*")
LONGEST: Final = 8192  # characters of a line of prose that are read


def meaning(words: str) -> Meaning | None:
    """What a column or key means; None for one that is not known. "Timestamp (UTC)" is a time."""
    if len(words) > 64:
        return None
    bare = _AROUND.sub("", _APART.sub("", words)).lower()
    return _MEANS.get(" ".join(bare.split()))


def readable(line: str) -> str:
    """A line without the marks of a quotation and what hides addresses from mail programs: 10[.]1[.]2[.]3."""
    line = _INVISIBLE.sub("", line[:LONGEST]).replace("\u00a0", " ").replace("\u202f", " ")
    quoted = _QUOTED.match(line)
    line = line[quoted.end() :] if quoted else line
    return _COLON.sub(":", _DOT.sub(".", _SCHEME.sub(r"http\1", line)))


def is_quoted(line: str) -> bool:
    """Whether a line repeats an earlier mail, behind a `>`."""
    return _QUOTED.match(line) is not None
