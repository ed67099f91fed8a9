"""Where findings lead to: names and addresses that servers told. Nobody is asked because of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from results.record import Observation

Kind = Literal["member", "primary", "itself", "certificate", "shard", "reverse"]
"""How a lead was told: as a member of a replica set, as its primary, as the server's own name for itself, in
its certificate, as the name of a shard, or by the reverse zone of a finding's address."""

KINDS: Final[dict[Kind, str]] = {
    "member": "member of its replica set",
    "primary": "primary of its replica set",
    "itself": "what it calls itself",
    "certificate": "name in its certificate",
    "shard": "name of a shard",
    "reverse": "name of its address",
}
MOST: Final = 10_000  # leads of one run; a hostile server can name any number


class Lead(NamedTuple):
    """One name or address that a server told, and where. `port` is 0 where none was told."""

    name: str
    port: int
    kind: Kind
    told_by: tuple[str, int]  # the server's place


def leads_of(observation: Observation) -> Iterator[Lead]:
    """The leads of one record, in its words. A server's place itself is none."""
    place = observation.target.ip, observation.target.port
    for kind, text in _told(observation):
        name, port = _endpoint(text)
        if name and (name, port or place[1]) != place:
            yield Lead(name, port, kind, place)


def _told(observation: Observation) -> Iterator[tuple[Kind, str]]:
    server, tls = observation.server, observation.target.tls
    if server is not None:
        for text in (*server.hosts, *server.passives, *server.arbiters):
            yield "member", text
        if server.primary:
            yield "primary", server.primary
        if server.me:
            yield "itself", server.me
    if tls is not None and tls.certificate is not None:
        for text in tls.certificate.names:
            yield "certificate", text
    if observation.exposure is not None:
        shards = {name for each in observation.exposure.databases for name in each.shards}
        for text in sorted(shards):
            yield "shard", text


def _endpoint(text: str) -> tuple[str, int]:
    """`host:port`, `[v6]:port` or a name alone, as a server wrote it; port 0 where none stands there."""
    name, colon, port = text.rpartition(":")
    if text.startswith("["):
        inside, _, rest = text[1:].partition("]")
        return inside, _port(rest.removeprefix(":"))
    if colon and port.isascii() and port.isdigit() and ":" not in name:
        return name, _port(port)
    return text, 0


def _port(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 65536 else 0


def gather(observations: Iterable[Observation]) -> tuple[dict[tuple[str, int], list[Lead]], bool]:
    """Every lead by name and port, and whether there were more than are kept."""
    found: dict[tuple[str, int], list[Lead]] = {}
    for observation in observations:
        for lead in leads_of(observation):
            key = lead.name.rstrip(".").lower(), lead.port
            if key not in found and len(found) >= MOST:
                return found, True
            told = found.setdefault(key, [])
            if len(told) < 100 and lead not in told:
                told.append(lead)
    return found, False
