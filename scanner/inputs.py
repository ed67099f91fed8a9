"""From what a user wrote (a command line, the environment, files) to settings, a scope and options.

Precedence: the command line, then MONGOSWEEP_* variables, then the configuration, then the defaults.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from scanner.config import Settings, SweepOptions
from scanner.config_file import FILE_NAME, ConfigFile, find_config, read_config
from scanner.errors import RefusedError
from targets.grammar import GrammarError
from targets.load import load_scope, require_targets, scope_from_tables
from targets.names import system_resolver
from targets.scope import OutOfScope, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_LISTED = 1_000_000  # TARGETs on standard input
MAX_LINE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked on the command line; None where nothing was said."""

    targets: tuple[str, ...] = ()
    config: str | None = None
    scope_file: str | None = None
    ports: tuple[int, ...] = ()
    rate: float | None = None
    engine: str | None = None
    depth: str | None = None
    loop: str | None = None
    shard: tuple[int, int] = (1, 1)

    @classmethod
    def of(cls, targets: Iterable[str], asked: Mapping[str, Any]) -> Request:
        """From the parsed options of a command; names that are none of ours are left out."""
        ours = {key: value for key, value in asked.items() if key in cls.__dataclass_fields__}
        return cls(targets=tuple(targets), **ours)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Everything that a plan or a sweep needs. The settings hold what the command line overrides."""

    settings: Settings
    scope: Scope
    options: SweepOptions
    config: ConfigFile | None


def load(request: Request, now: float, environment: Mapping[str, str] | None = None) -> Loaded:
    """Read and check everything. `now` is wall time in seconds.

    Raises RefusedError, ScopeError, OutOfScope or GrammarError; each is one line with place and remedy.
    """
    config, settings = load_settings(request, os.environ if environment is None else environment)
    whole, source = full_scope(request, config, settings, now)
    _check_canaries(whole, config, settings)
    scope = narrow_scope(whole, source, expand_targets(request.targets), request.ports)
    sweep = settings.sweep
    options = SweepOptions(
        engine=sweep.engine,
        depth=sweep.depth,
        loop=sweep.loop,
        shard=request.shard,
        config_path=config.path if config else "",
        config_sha256=config.sha256 if config else "",
        reload_scope=lambda at: reload_scope(request, at),
    )
    return Loaded(settings=settings, scope=scope, options=options, config=config)


def load_settings(request: Request, environment: Mapping[str, str]) -> tuple[ConfigFile | None, Settings]:
    """The configuration and the settings with the command line's overrides. Raises RefusedError."""
    path = find_config(request.config, environment)
    if path is None and request.scope_file is None:
        remedy = "run `mongosweep init` to write one, or name an allow-list with --scope FILE"
        raise RefusedError(f"no {FILE_NAME} here; {remedy}")
    config = read_config(path) if path is not None else None
    settings = config.settings if config else Settings()
    asked = {
        "ports": tuple(dict.fromkeys(request.ports)) or None,
        "rate": request.rate,
        "engine": request.engine,
        "depth": request.depth,
        "loop": request.loop,
    }
    changes = {key: value for key, value in asked.items() if value is not None}
    if changes:
        settings = msgspec.structs.replace(settings, sweep=msgspec.structs.replace(settings.sweep, **changes))
    _check_metadata(config, settings)
    return config, settings


def _check_metadata(config: ConfigFile | None, settings: Settings) -> None:
    """A `client` document over the limit would make servers refuse the handshake: every one a miss."""
    from scanner import __version__
    from scanner.mongo.commands import client_metadata

    organisation = settings.organisation
    try:
        client_metadata(organisation.name, organisation.contact, __version__)
    except ValueError as error:
        place = config.place(("organisation", "contact")) if config else "the configuration"
        raise RefusedError(f"{place}: {error}") from None


def full_scope(
    request: Request, config: ConfigFile | None, settings: Settings, now: float, *, allow_empty: bool = False
) -> tuple[Scope, str]:
    """The scope of --scope or else of the configuration, and the file that it came from."""
    sweep = settings.sweep
    how: dict[str, Any] = {
        "ports": sweep.ports,
        "now": now,
        "max_targets": sweep.max_targets,
        "resolver": system_resolver(),
        "allow_empty": allow_empty,
    }
    if request.scope_file is not None:
        return load_scope(request.scope_file, **how), request.scope_file
    assert config is not None
    tables = scope_from_tables(
        settings.allow, settings.deny, source=config.path, line_of=config.lines.line, **how
    )
    return tables, config.path


def narrow_scope(scope: Scope, source: str, targets: tuple[str, ...], ports: tuple[int, ...]) -> Scope:
    """The part of the scope that TARGETs and --port name. Raises RefusedError for whatever is outside."""
    if not targets and not ports:
        return scope
    try:
        narrowed = scope.narrow(targets, ports or None)
    except OutOfScope as error:
        outside = f"{error.target} is outside the scope of {source}: {error.reason}"
        raise RefusedError(f"{outside}; allow it there first, or leave it out") from None
    except GrammarError as error:
        raise RefusedError(f"TARGET {error}") from None
    require_targets(narrowed, source)
    return narrowed


def reload_scope(request: Request, now: float) -> Scope:
    """The whole scope as the files describe it now, for narrowing a running sweep; it may be empty."""
    config, settings = load_settings(request, os.environ)
    return full_scope(request, config, settings, now, allow_empty=True)[0]


def expand_targets(texts: Iterable[str]) -> tuple[str, ...]:
    """TARGETs with `-` replaced by the lines of standard input (blank lines and # comments left out)."""
    expanded: list[str] = []
    for text in texts:
        if text == "-":
            expanded += _listed_targets()
        else:
            expanded.append(text)
    return tuple(expanded)


def _listed_targets() -> list[str]:
    if sys.stdin is None or sys.stdin.isatty():
        raise RefusedError("- reads TARGETs from standard input, which is a terminal; pipe a list into it")
    found: list[str] = []
    for number, raw in enumerate(sys.stdin.buffer, start=1):
        try:
            line = raw.decode("ascii").partition("#")[0].strip(" \t\r\n")
        except UnicodeDecodeError:
            raise RefusedError(f"standard input:{number}: not ASCII; write one address a line") from None
        if len(raw) > MAX_LINE or number > MAX_LISTED:
            raise RefusedError(
                f"standard input:{number}: too long; write at most {MAX_LISTED:,} lines of {MAX_LINE} bytes"
            )
        if line:
            found.append(line)
    if not found:
        raise RefusedError("standard input holds no TARGET; write one address, CIDR or range a line")
    return found


def _check_canaries(scope: Scope, config: ConfigFile | None, settings: Settings) -> None:
    for number, canary in enumerate(settings.canary):
        try:
            scope.target(canary.address, canary.port)
        except OutOfScope as error:
            place = config.place(("canary", number, "address")) if config else "the configuration"
            outside = f"{place}: [[canary]] {error.target} is outside the scope: {error.reason}"
            raise RefusedError(f"{outside}; allow it, or remove the canary") from None
