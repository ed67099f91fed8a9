"""Host names in an allow-list: resolved once, at load, and only to addresses that are allowed as addresses.

Afterwards the address is what counts; a name is a label and is never looked up again, so nobody who
controls a zone can move a sweep.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from targets.grammar import GrammarError, Span, parse_address

if TYPE_CHECKING:
    from targets.entries import Entry
    from targets.tables import Named

Resolver = Callable[[str], Sequence[str]]
"""Gives the addresses of a name as text. Raises OSError when it cannot."""

HOSTS = Path("/etc/hosts")
MAX_ADDRESSES = 16


def system_resolver(timeout: float = 5.0, hosts: Path = HOSTS) -> Resolver:
    """The hosts file, else the system's resolver with a deadline in seconds.

    Names are taken as complete: no search list makes another name of one. The dot at the end that says so to
    the system's resolver would hide the hosts file from it, so that is read here.
    """

    def resolve(name: str) -> list[str]:
        answers: list[str] = []
        failures: list[OSError] = []

        def look_up() -> None:
            try:
                answers.extend(named_in(hosts, name))
                if not answers:
                    found = socket.getaddrinfo(name.rstrip(".") + ".", None, type=socket.SOCK_STREAM)
                    answers.extend(str(answer[4][0]) for answer in found)
            except OSError as error:
                failures.append(error)

        # getaddrinfo has no deadline of its own; the thread is left behind when the system's one is longer.
        worker = threading.Thread(target=look_up, daemon=True)
        worker.start()
        worker.join(timeout)
        if worker.is_alive():
            raise TimeoutError(f"no answer within {timeout:g} s")
        if failures:
            raise failures[0]
        return list(dict.fromkeys(answers))

    return resolve


def named_in(hosts: Path, name: str) -> list[str]:
    """The addresses that a hosts file gives to exactly this name; none where there is no such file."""
    wanted = name.rstrip(".").lower()
    try:
        with hosts.open(encoding="utf-8", errors="replace") as file:
            lines = (line.partition("#")[0].lower().split() for line in file)
            return [words[0] for words in lines if wanted in (word.rstrip(".") for word in words[1:])]
    except OSError:
        return []


def leave_out(name: str) -> Sequence[str]:
    """In place of a resolver: names are checked as text and left out. They never allow an address, so what
    remains holds the whole scope: only owners are missing, other ports, and earlier ends."""
    raise OSError(f"{name!r} is left out")


def on_ports_of(names: Sequence[Named], entries: Sequence[Entry], ports: Sequence[int]) -> list[Entry]:
    """The entries, each on the ports of all names too: nobody knows which addresses these are. `ports` are
    those of entries that have none of their own."""
    more = {port for named in names for port in named.entry.ports or ()}
    return [replace(entry, ports=tuple(sorted({*(entry.ports or ports), *more}))) for entry in entries]


def resolve_entry(named: Named, resolver: Resolver | None, entries: Sequence[Entry]) -> list[Entry]:
    """One entry for each address of a name. Raises ScopeError unless all are inside `entries`.

    What the row leaves open (owner, site, …) comes from the entry that allows the address; authorisation and
    expiry can only become stricter.
    """
    row, name = named.row, named.name
    if resolver is None:
        row.refuse("cidr", f"{name!r} is a name, and names are not resolved here", "write its addresses")
    try:
        texts = resolver(name)
    except OSError as error:
        row.refuse(
            "cidr",
            f"{name!r} does not resolve: {error.strerror or error}",
            "write its addresses, or remove it",
        )
    if not texts or len(texts) > MAX_ADDRESSES:
        row.refuse(
            "cidr",
            f"{name!r} resolves to {len(texts)} addresses, not to 1…{MAX_ADDRESSES}",
            "write the addresses that are meant",
        )
    return [_allowed(named, text, entries) for text in texts]


def _allowed(named: Named, text: str, entries: Sequence[Entry]) -> Entry:
    row, name, given = named.row, named.name, named.entry
    try:
        span = parse_address(text)
    except GrammarError as error:
        row.refuse("cidr", f"{name!r} resolves to no address: {error.reason}", "write its addresses")
    holders = [entry for entry in entries if _holds(entry.span, span)]
    if not holders:
        row.refuse(
            "cidr",
            f"{name!r} resolves to {text}, which no entry allows",
            f'write an entry for it, as in cidr = "{text}", if it is yours',
        )
    holder = min(holders, key=lambda entry: entry.span.size)
    return replace(
        holder,
        span=span,
        text=name,
        owner=given.owner or holder.owner,
        contact=given.contact or holder.contact,
        site=given.site or holder.site,
        labels=given.labels or holder.labels,
        authorised_by=given.authorised_by or holder.authorised_by,
        expires=min(given.expires, holder.expires),
        ports=given.ports or holder.ports,
        hostnames=(name.rstrip(".").lower(),),
        source=given.source,
        line=given.line,
    )


def _holds(outer: Span, span: Span) -> bool:
    return outer.version == span.version and outer.first <= span.first <= outer.last
