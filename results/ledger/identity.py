"""Whether two visits met the same server, from what it shows of itself: evidence, strongest first, and
contradictions.

A collection's UUID is kept over a restart, a rename and a move of the data, and is new after drop and
re-creation. So a shared one proves the same data, and that none is shared proves nothing: a wipe changes them
all.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from results.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from results.ledger.visit import Server, Visit

SYSTEM_DATABASES = frozenset({"admin", "local", "config"})
UUIDS_COMPARED = 8
"""Of one visit. The smallest of random values: two visits with most collections in common share one of them.
"""

FEWEST_NAMES = 3
"""Namespaces of users without which a fingerprint is nobody's: many servers hold one collection of the same
name."""

ALIKE = 0.5
"""Two servers with equal names are held for one only where the smaller has this share of the other's
documents."""

UUIDS, CERTIFICATE, SET, NAMES = "collection-uuids", "certificate", "set-members", "database-names"
STRENGTH = {UUIDS: 4, CERTIFICATE: 3, SET: 2, NAMES: 1}
"""Codes of the evidence that two visits met one server."""

_RELEASE = re.compile(r"(\d+)\.(\d+)")
_ANSWERED = (Verdict.OPEN, Verdict.OPEN_NO_DATA, Verdict.AUTH_REQUIRED)


def is_system(namespace: str) -> bool:
    """Whether a database or a namespace is the server's own."""
    return namespace.partition(".")[0] in SYSTEM_DATABASES


def evidence_of(visit: Visit) -> list[tuple[str, str]]:
    """What of a visit may show that another one met the same server: (kind, value), equal values meaning
    equal.

    Only of what was open: an exposure is found again by what it exposes.
    """
    if not visit.verdict.is_open:
        return []
    found = [(UUIDS, uuid) for uuid in sorted(uuids_of(visit))[:UUIDS_COMPARED]]
    server = visit.server
    if server is not None:
        if server.certificate:
            found.append((CERTIFICATE, server.certificate))
        if members := _members(server):
            found.append((SET, members))
    if names := _fingerprint(namespaces_of(visit)):
        found.append((NAMES, names))
    return found


def uuids_of(visit: Visit) -> set[str]:
    """UUIDs of all collections that were told, the server's own among them."""
    if visit.structure is None:
        return set()
    return {names.uuid for held in visit.structure.databases.values() for names in held if names.uuid}


def namespaces_of(visit: Visit) -> set[str]:
    """`database.collection` of all that is the users'; a database without a known collection by its name
    alone."""
    if visit.structure is None:
        return set()
    found: set[str] = set()
    for database, held in visit.structure.databases.items():
        if not is_system(database):
            found |= {f"{database}.{names.name}" for names in held} or {database}
    return found


def _fingerprint(namespaces: set[str]) -> str:
    if len(namespaces) < FEWEST_NAMES:
        return ""
    text = "\0".join(sorted(namespaces)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:32]


def _members(server: Server) -> str:
    hosts = sorted(filter(_is_somewhere, server.hosts))
    return f"{server.set_name}/{','.join(hosts)}" if server.set_name and hosts else ""


def _is_somewhere(host: str) -> bool:
    """Whether a member's address says where it is: under `localhost` every server knows itself."""
    return not host.startswith(("localhost", "127.", "0.0.0.0", "[::1]", "::1"))  # noqa: S104 - compared


@dataclass(slots=True)
class Identity:
    """What one server has shown of itself so far, over any number of visits."""

    uuids: set[str] = field(default_factory=set)
    certificates: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    set_names: set[str] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)  # under which it knows itself
    hosts: set[str] = field(default_factory=set)
    fingerprints: set[str] = field(default_factory=set)
    databases: set[str] = field(default_factory=set)
    starts: set[str] = field(default_factory=set)
    products: set[str] = field(default_factory=set)
    topologies: set[str] = field(default_factory=set)
    release: tuple[int, int] | None = None
    documents: int | None = None

    @classmethod
    def of(cls, visits: Iterable[Visit]) -> Identity:
        """What several visits to the same server show."""
        identity = cls()
        for visit in visits:
            identity.learn(visit)
        return identity

    def learn(self, visit: Visit) -> None:
        """Add what one more visit shows. One that was not answered as MongoDB shows nothing."""
        if visit.verdict not in _ANSWERED:
            return
        server = visit.server
        if server is not None:
            self._learn_server(server)
        if not visit.verdict.is_open:
            return
        self.uuids |= uuids_of(visit)
        if names := _fingerprint(namespaces_of(visit)):
            self.fingerprints.add(names)
        self.databases |= _databases(visit)
        self.documents = visit.documents if visit.documents is not None else self.documents

    def _learn_server(self, server: Server) -> None:
        self.products |= {server.product} - {""}
        self.certificates |= {server.certificate} - {""}
        self.set_names |= {server.set_name} - {""}
        self.topologies |= {server.topology} - {""}
        self.members |= {_members(server)} - {""}
        self.addresses |= {server.me} - {""}
        self.hosts |= set(server.hosts)
        self.starts |= {server.started_at[:16]} - {""}  # to the minute: it is computed from two clocks
        self.release = _release(server.version) or self.release

    def evidence_for(self, visit: Visit) -> str:
        """The code of the strongest evidence that a visit elsewhere met it; "" for none, or where what lies
        there are other data: clones of one image share a certificate, two installations of one application
        all names."""
        server = visit.server
        if self._holds_other_data(visit):
            return ""
        if self.uuids & uuids_of(visit):
            return UUIDS
        if server is not None and server.certificate in self.certificates:
            return CERTIFICATE
        if server is not None and _members(server) in self.members:
            return SET
        if _fingerprint(namespaces_of(visit)) in self.fingerprints and self._as_many(visit.documents):
            return NAMES
        return ""

    def _holds_other_data(self, visit: Visit) -> bool:
        """Whether both told UUIDs and share none, or both hold databases of users and share no name."""
        uuids, databases = uuids_of(visit), _databases(visit)
        return bool(
            (self.uuids and uuids and not self.uuids & uuids)
            or (self.databases and databases and not self.databases & databases)
        )

    def is_other_member(self, visit: Visit) -> bool:
        """Whether a visit met another member of the same set: each knows itself under another address."""
        server = visit.server
        return bool(
            server is not None
            and server.me
            and self.addresses
            and server.me not in self.addresses
            and self.addresses & set(server.hosts)
        )

    def contradicts(self, visit: Visit) -> bool:
        """Whether a visit at the same place met another server: nothing is shared, and something speaks
        against.

        The same address is the strongest sign of all, so what is missing, wiped or changed is not enough.
        """
        if visit.verdict not in _ANSWERED or self._shares(visit):
            return False
        server = visit.server
        if server is not None and self._differs(server):
            return True
        databases = _databases(visit)
        if not (visit.verdict.is_open and databases and self.databases) or visit.ransom_level != "none":
            return False
        return bool(self.uuids and uuids_of(visit)) or (server is not None and self._is_unlike(server))

    def _shares(self, visit: Visit) -> bool:
        server = visit.server
        if self.uuids & uuids_of(visit) or self.databases & _databases(visit):
            return True
        return server is not None and (
            server.started_at[:16] in self.starts
            or server.certificate in self.certificates
            or _members(server) in self.members
            or (server.me in self.addresses and _is_somewhere(server.me))
        )

    def _differs(self, server: Server) -> bool:
        release = _release(server.version)
        return bool(
            (server.product and self.products and server.product not in self.products)
            or (server.set_name and self.set_names and server.set_name not in self.set_names)
            or (release and self.release and release < self.release)
        )

    def _is_unlike(self, server: Server) -> bool:
        """Whether something differs that may change, but seldom does together with the names of all
        databases."""
        release = _release(server.version)
        return bool(
            (server.certificate and self.certificates)
            or (release and self.release and release != self.release)
            or (server.topology and self.topologies and server.topology not in self.topologies)
        )

    def _as_many(self, documents: int | None) -> bool:
        if documents is None or self.documents is None:
            return False
        less, more = sorted((documents, self.documents))
        return less >= more * ALIKE


def _databases(visit: Visit) -> set[str]:
    """Names of the users' databases, without an extortionist's note, and without a name that says nothing."""
    if visit.structure is None:
        return set()
    notes = {name.partition(".")[0] for name in visit.ransom_names if name in visit.structure.databases}
    return {name for name in visit.structure.databases if not is_system(name)} - notes - {"test"}


def _release(version: str) -> tuple[int, int] | None:
    match = _RELEASE.match(version)
    return (int(match[1]), int(match[2])) if match else None
