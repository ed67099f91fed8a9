"""Leads for people and for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from results.leads import KINDS
from results.text import address, plural
from scanner.cli.listing import Column, Listing, for_programs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.setup.leads import LeadRow, Leads, Standing, Told

_WORDS: dict[Standing, str] = {
    "outside": "outside",
    "port_not_asked": "other port",
    "not_asked": "not asked",
    "no_address": "no address",
    "no_host": "no host",
    "asked": "asked",
}


def leads_listing(leads: Leads) -> Listing[LeadRow]:
    """The leads, the most surprising first, and what can be done. Their JSON lines are what `sweep -` reads,
    too."""
    return Listing(
        rows=leads.rows,
        columns=[
            Column("standing", None, lambda row: _WORDS[row.standing], "scope"),
            Column("lead", _place, widest=48),
            *for_programs("name", "ip", "port"),
            Column("told_as", _how, widest=24),
            Column("whose", _whose, widest=40),
            Column("told_by", lambda row: " ".join(map(_told, row.told_by)), _by, "by"),
            *for_programs("owner", "contact", "site", "reason"),
        ],
        title="Leads",
        foot=list(_foot(leads)) if leads.rows else [],
        empty="no server of this run told of another one",
        document=lambda: leads,
    )


def _foot(leads: Leads) -> Iterator[str]:
    counts = Counter(row.standing for row in leads.rows)
    yield ""
    yield ", ".join(f"{count:,} {_WORDS[standing]}" for standing, count in counts.items())
    if leads.more:
        yield "there were more names than are kept: a server told of too many"
    if counts["outside"]:
        yield (
            "outside: no entry of the allow-list holds the address. If it is yours, add it there; nobody is"
            " asked before"
        )
    if counts["port_not_asked"]:
        yield "other port: the address is in the scope, and that port is not asked; add it to the ports there"
    if counts["not_asked"]:
        yield plural(counts["not_asked"], "lead") + " in the scope that this run did not ask: sweep again"


def _place(row: LeadRow) -> str:
    port = str(row.port) if row.port else ""
    place = address(row.ip, row.port) if row.ip and row.port else row.ip or port
    return place if row.name == row.ip else f"{row.name} {place}".rstrip()


def _how(row: LeadRow) -> str:
    return ", ".join(dict.fromkeys(KINDS[told.how] for told in row.told_by))


def _whose(row: LeadRow) -> str:
    whose = ", ".join(filter(None, (row.owner, row.site)))
    return whose or row.reason


def _by(row: LeadRow) -> str:
    first = _told(row.told_by[0])
    others = len({(told.ip, told.port) for told in row.told_by}) - 1
    return first + (f" and {others:,} more" if others else "")


def _told(told: Told) -> str:
    return address(told.ip, told.port)
