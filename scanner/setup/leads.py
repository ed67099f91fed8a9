"""What a run's findings lead to, held against the scope: whose it would be, and whether it was asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal, get_args

from msgspec import Struct

from results.leads import Kind, Lead, gather
from targets.dns import Answer, open_dns
from targets.grammar import GrammarError, looks_like_name, parse_address
from targets.names import HOSTS, named_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from results.covered import RunCoverage
    from results.record import Observation
    from targets.scope import Scope

Standing = Literal["outside", "port_not_asked", "not_asked", "no_address", "no_host", "asked"]
"""`outside`: no allow entry holds it. `port_not_asked`: its address is in the scope, its port is not asked.
`not_asked`: in the scope, and this run did not ask it. `asked`: this run did. `no_address`: the name has
none. `no_host`: no name of a host, as a wildcard or the name of a shard. The most surprising first."""

_ORDER: Final = get_args(Standing)


class Told(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who told a lead, and as what."""

    ip: str
    port: int
    how: Kind


class LeadRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One lead at one address. `port` 0: none was told. `owner`, `contact` and `site` are those of the allow
    entry that holds it. `reason` says why it is where it stands."""

    name: str
    ip: str = ""
    port: int = 0
    standing: Standing
    reason: str = ""
    owner: str = ""
    contact: str = ""
    site: str = ""
    told_by: list[Told] = []


class Leads(Struct, frozen=True, kw_only=True):
    """All of a run. `more`: there were more than are kept; `faults`: names that could not be looked up."""

    rows: list[LeadRow]
    more: bool = False
    faults: int = 0


def find_leads(
    observations: Iterable[Observation],
    scope: Scope,
    coverage: RunCoverage | None,
    *,
    dns: bool = True,
    servers: Sequence[str] = (),
) -> Leads:
    """Every lead of a run's observations. `dns`: whether resolvers are asked; the hosts file always is."""
    open_places: list[tuple[str, int]] = []

    def kept() -> Iterable[Observation]:
        for observation in observations:
            if observation.verdict.is_open:
                open_places.append((observation.target.ip, observation.target.port))
            yield observation

    found, more = gather(kept())
    answers: dict[str, Answer]
    if dns:
        answers = asyncio.run(_look_up(found, open_places, servers))
    else:
        answers = {name: Answer(tuple(named_in(HOSTS, name))) for name in _names(found)}
    judge = _Judge(scope, coverage)
    rows = [row for key, told in found.items() for row in judge.rows(key[0], key[1], told, answers)]
    rows.sort(key=lambda row: (_ORDER.index(row.standing), row.owner, row.name, row.ip, row.port))
    return Leads(rows=rows, more=more, faults=sum(1 for answer in answers.values() if answer.fault))


def _names(found: Iterable[tuple[str, int]]) -> list[str]:
    return list(dict.fromkeys(name for name, _ in found if looks_like_name(name)))


async def _look_up(
    found: dict[tuple[str, int], list[Lead]], open_places: Sequence[tuple[str, int]], servers: Sequence[str]
) -> dict[str, Answer]:
    """The addresses of every name; the names of what is open become leads on the way."""
    async with open_dns(servers) as client:
        reverse = await client.names(ip for ip, _ in open_places)
        for place in open_places:
            for name in reverse[place[0]].found:
                found.setdefault((name, 0), []).append(Lead(name, 0, "reverse", place))
        return await client.addresses(_names(found))


class _Judge:
    """Holds leads against the scope and what the run asked."""

    def __init__(self, scope: Scope, coverage: RunCoverage | None) -> None:
        self._scope = scope
        self._coverage = coverage

    def rows(
        self, name: str, port: int, told: Sequence[Lead], answers: dict[str, Answer]
    ) -> Iterable[LeadRow]:
        """A row for each address of a lead, or one that says why it has none."""
        by = [Told(ip=lead.told_by[0], port=lead.told_by[1], how=lead.kind) for lead in told]
        if _is_address(name):
            yield self._row(name, name, port, by)
            return
        answer = answers.get(name)
        if answer is None:
            yield LeadRow(name=name, port=port, standing="no_host", told_by=by)
        elif not answer.found:
            reason = answer.fault or "it has no address"
            yield LeadRow(name=name, port=port, standing="no_address", reason=reason, told_by=by)
        else:
            for address in filter(_is_address, answer.found):
                yield self._row(name, address, port, by)

    def _row(self, name: str, address: str, port: int, by: list[Told]) -> LeadRow:
        version, number, _ = parse_address(address)
        why = self._scope.explain(version, number)
        if why:
            return LeadRow(name=name, ip=address, port=port, standing="outside", reason=why, told_by=by)
        entry = self._scope.owner_of(number, version)
        standing: Standing = "not_asked"
        reason = ""
        if port and (reason := self._scope.explain(version, number, port)):
            standing = "port_not_asked"
        elif self._was_asked(address, port, by):
            standing = "asked"
        return LeadRow(
            name=name,
            ip=address,
            port=port,
            standing=standing,
            reason=reason,
            owner=entry.owner,
            contact=entry.contact,
            site=entry.site,
            told_by=by,
        )

    def _was_asked(self, address: str, port: int, by: Sequence[Told]) -> bool:
        if self._coverage is None:
            return False
        ports = [port] if port else {each.port for each in by}
        return any(self._coverage.covered.contains(address, each) for each in ports)


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except GrammarError:
        return False
    return True
