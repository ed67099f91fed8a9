"""Leads for people and for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from results.leads import KINDS
from results.text import address, plural, visible
from scanner.cli.plan_text import table_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.setup.leads import LeadRow, Leads, Standing

_WORDS: dict[Standing, str] = {
    "outside": "outside",
    "port_not_asked": "other port",
    "not_asked": "not asked",
    "no_address": "no address",
    "no_host": "no host",
    "asked": "asked",
}
_LONGEST = 48  # characters of a name in the table


def json_lines(leads: Leads) -> Iterator[str]:
    """One object a line, as `sweep -` reads them too."""
    for row in leads.rows:
        yield msgspec.json.encode(row).decode()


def text_lines(leads: Leads, width: int | None = None) -> Iterator[str]:
    """A table of `width` columns, the most surprising first, and what can be done."""
    if not leads.rows:
        yield "no server of this run told of another one"
        return
    rows = [
        (_WORDS[row.standing], visible(_place(row), _LONGEST), _how(row), visible(_whose(row), 40), _by(row))
        for row in leads.rows
    ]
    yield from table_lines(("SCOPE", "LEAD", "TOLD AS", "WHOSE", "BY"), rows, width=width)
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
    first = row.told_by[0]
    others = len({(told.ip, told.port) for told in row.told_by}) - 1
    return address(first.ip, first.port) + (f" and {others:,} more" if others else "")
