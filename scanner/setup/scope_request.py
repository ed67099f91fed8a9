"""From the allow-lists that a configuration names to the scope: read, checked, put together, made smaller."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scanner.setup.inventory import Inventories, asked_anew, require_confirmed, require_known
from scanner.setup.ipv6 import may_be_wide, only_candidates
from scanner.setup.optout import without_opted_out
from targets.load import file_rows, require_targets, scope_of, table_rows
from targets.names import leave_out, system_resolver
from targets.ports import numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.setup.config_file import ConfigFile
    from scanner.setup.settings import Settings
    from targets.scope import Scope
    from targets.signatures import Signature
    from targets.tables import TableRow


def full_scope(
    scope_file: str | None,
    config: ConfigFile | None,
    settings: Settings,
    now: float,
    *,
    allow_empty: bool = False,
    names: bool = True,
    candidates: bool = True,
    confirmed: bool = True,
    signed: Callable[[Signature], None] = lambda signature: None,
) -> tuple[Scope, str]:
    """The scope of --scope or else of the configuration and its [scope] files, and where it came from.

    In this order: signatures, before a row is read; the rows; candidates of wide IPv6 prefixes; opt-outs; and
    inventories last, as their answers age from then on. Each step after the rows can only take away.

    `now` is wall time in seconds. Without `names` nothing is resolved: see `leave_out`. Without `candidates`
    IPv6 prefixes that are too wide to sweep are in it as a whole: such a scope allows, and is never swept.
    `confirmed`: the inventories that entries name are asked, and what they do not list is left out; without
    it no command is run, and the addresses are there. `signed` is told of every signature that was asked for
    and found good. Raises ScopeError and RefusedError.
    """
    checked = _check_of_signatures(config, settings, now, signed)
    rows, source = _rows(scope_file, config, settings, checked, allow_empty=allow_empty)
    scope = scope_of(
        rows,
        source=source,
        ports=numbers(settings.sweep.ports),
        now=now,
        max_targets=settings.sweep.max_targets,
        resolver=system_resolver() if names else leave_out,
        allow_empty=allow_empty,
        wide=config is not None and may_be_wide(settings),
    )
    if config is not None and candidates:
        scope, _ = only_candidates(scope, config, settings, allow_empty=allow_empty)
    if config is not None and settings.optout:
        scope = without_opted_out(
            scope, settings.optout, lambda number, key: config.place(("optout", number, key)), now
        )
        if not allow_empty:
            require_targets(scope, source)
    require_known(scope.entries, settings.inventory)
    if confirmed:
        whole = scope
        scope, told = asked_anew(whole, Inventories(settings.inventory))
        if not allow_empty:
            require_confirmed(whole, scope, told)
    return scope, source


def scope_files(config: ConfigFile) -> list[Path]:
    """The files of [scope] files, whose paths are relative to the configuration."""
    return [Path(config.path).parent / name for name in config.settings.scope.files]


def _check_of_signatures(
    config: ConfigFile | None, settings: Settings, now: float, signed: Callable[[Signature], None]
) -> Callable[[Path, bytes], None] | None:
    """What every allow-list passes before it is read; None where the configuration asks for no signature."""
    if config is None or not settings.scope.signers:
        return None
    from targets.signatures import Signers

    signers = Signers(Path(config.path).parent / settings.scope.signers, now)
    return lambda path, raw: signed(signers.check(path, raw))


def _rows(
    scope_file: str | None,
    config: ConfigFile | None,
    settings: Settings,
    checked: Callable[[Path, bytes], None] | None,
    *,
    allow_empty: bool,
) -> tuple[list[TableRow], str]:
    if scope_file is not None:
        return file_rows(Path(scope_file), allow_empty=allow_empty, checked=checked), scope_file
    assert config is not None
    rows = table_rows(settings.allow, settings.deny, source=config.path, line_of=config.lines.line)
    for path in scope_files(config):
        rows += file_rows(path, allow_empty=True, checked=checked)
    return rows, config.path
