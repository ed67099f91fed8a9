"""The scope read leniently, for who wants to know every fault of it and not the first one alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scanner.errors import RefusedError
from scanner.setup.ipv6 import may_be_wide
from scanner.setup.optout import without_opted_out
from scanner.setup.scope_import import read_sources
from scanner.setup.scope_request import full_scope, scope_files
from targets.errors import ScopeError
from targets.load import file_rows, table_rows
from targets.proposal import ImportRules, propose
from targets.scope import Scope
from targets.scope_check import Finding, Surroundings, by_gravity, check_against, check_scope
from targets.tables import read_allow, read_deny

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from scanner.setup.config_file import ConfigFile
    from scanner.setup.settings import Settings
    from targets.entries import Deny, Entry
    from targets.tables import TableRow


class Checked(NamedTuple):
    """What was found, of how much. `names`: entries that are host names, which are not looked up."""

    findings: list[Finding]
    entries: int
    denies: int
    names: int
    source: str


def check(
    scope_file: str | None,
    config: ConfigFile | None,
    settings: Settings,
    now: float,
    within: float,
    against: Sequence[str],
    environment: Mapping[str, str],
    tell: Callable[[str], None],
) -> Checked:
    """Every finding of the scope, the gravest first. `now`: wall time in seconds; `within`: seconds;
    `against`: sources as of an import. Raises RefusedError and ScopeError for one that cannot be read."""
    entries: list[Entry] = []
    denies: list[Deny] = []
    found: list[Finding] = []
    names = 0
    for row in _rows(scope_file, config, settings, found):
        try:
            if row.kind == "deny":
                denies += read_deny(row)
            else:
                spans, named = read_allow(row)
                entries += spans
                names += len(named)
        except ScopeError as error:
            found.append(Finding.of_error(error))
    if config is not None and scope_file is None:
        found += _optouts(config, settings, now)
    around = Surroundings(
        now,
        within,
        settings.sweep.max_targets,
        inventories=tuple(each.name for each in settings.inventory),
        told_owners=frozenset(each.owner for each in settings.recipient),
        has_candidates=config is not None and may_be_wide(settings),
    )
    found += check_scope(entries, denies, around)
    if not any(each.gravity == "error" for each in found):
        found += _not_loaded(scope_file, config, settings, now)
    if against:
        gathered = read_sources(against, settings, environment, tell).gathered
        rules = ImportRules(
            lab=any(entry.kind == "lab" for entry in entries),
            wide=config is not None and may_be_wide(settings),
        )
        proposal = propose(gathered, rules, (), now, settings.sweep.max_targets)
        known = [*proposal.entries, *proposal.unauthorised]
        found += check_against(entries, denies, known, ", ".join(against))
    source = scope_file or (config.path if config is not None else "")
    return Checked(by_gravity(found), len(entries), len(denies), names, source)


def _rows(
    scope_file: str | None, config: ConfigFile | None, settings: Settings, found: list[Finding]
) -> Iterator[TableRow]:
    if scope_file is not None:
        files = [Path(scope_file)]
    else:
        assert config is not None
        files = scope_files(config)
        try:
            yield from table_rows(
                settings.allow, settings.deny, source=config.path, line_of=config.lines.line
            )
        except ScopeError as error:
            found.append(Finding.of_error(error))
    for path in files:
        try:
            yield from file_rows(path, allow_empty=True)
        except ScopeError as error:
            found.append(Finding.of_error(error))


def _optouts(config: ConfigFile, settings: Settings, now: float) -> Iterator[Finding]:
    for number, item in enumerate(settings.optout):
        place = config.lines.line(("optout", number))
        try:
            without_opted_out(Scope(), [item], lambda _, key: f"{key}", now)
        except RefusedError as error:
            reason, _, remedy = str(error).partition(": ")[2].partition("; ")
            yield Finding("refused", config.path, place, reason, remedy)


def _not_loaded(
    scope_file: str | None, config: ConfigFile | None, settings: Settings, now: float
) -> Iterator[Finding]:
    """What keeps the scope from being loaded as a whole, where each of its entries might stand."""
    try:
        full_scope(scope_file, config, settings, now, names=False)
    except ScopeError as error:
        yield Finding.of_error(error, "refused")
    except RefusedError as error:
        reason, _, remedy = str(error).partition("; ")
        yield Finding("refused", scope_file or "", None, reason, remedy)
