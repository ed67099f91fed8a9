"""From what a user wrote (a command line, the environment, files) to settings, a scope and options.

Precedence: the command line, then MONGOSWEEP_* variables, then the configuration, then the defaults.
"""

from __future__ import annotations

import fcntl
import os
import stat
import termios
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from scanner.errors import RefusedError
from scanner.setup.config_file import FILE_NAME, ConfigFile, find_config, read_config
from scanner.setup.data_tables import newer_tables
from scanner.setup.inventory import Inventories, asked_anew, names_in, require_confirmed
from scanner.setup.ipv6 import only_candidates
from scanner.setup.learned_ports import learn_ports
from scanner.setup.scope_request import full_scope
from scanner.setup.settings import Settings, SweepOptions
from targets.errors import did_you_mean
from targets.grammar import GrammarError, parse_span
from targets.load import require_targets
from targets.planning import narrow, part_of
from targets.ports import MONGODB, check_number, numbers
from targets.scope import OutOfScope, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scanner.setup.learned_ports import Taught
    from targets.candidates import Considered
    from targets.learned import Learned
    from targets.ports import PortChoice
    from targets.signatures import Signature

LIST = "-"  # a TARGET that stands for a list on standard input
_PIPED = (
    "nothing is read from standard input, where something waits; write - as a TARGET to ask what it lists"
)
_NO_PARTS = (
    "--shard: entries of the scope are of an [[inventory]], whose answers may differ from part to part, so"
    " that targets would be missed; sweep them in one part, or make the parts by TARGETs or --site"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRequest:
    """What was asked on the command line; None where nothing was said."""

    targets: tuple[str, ...] = ()
    config: str | None = None
    scope_file: str | None = None
    sites: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    ports: tuple[PortChoice, ...] = ()
    ports_from: tuple[str, ...] = ()
    rate: float | None = None
    engine: str | None = None
    depth: str | None = None
    loop: str | None = None
    workers: int | str | None = None
    vantage: str | None = None
    shard: tuple[int, int] = (1, 1)
    by_program: bool = False  # no command line: no configuration is looked for
    notices: tuple[str, ...] = ()  # what the user should know of the command line itself

    @classmethod
    def of(cls, targets: Iterable[str], asked: Mapping[str, Any]) -> SweepRequest:
        """From the parsed options of a command that takes TARGETs; names that are none of ours are left out.

        Raises RefusedError where standard input is a list that no TARGET asks for.
        """
        targets = tuple(targets)
        forgotten = () if LIST in targets else _forgotten_list()
        ours = {key: value for key, value in asked.items() if key in cls.__dataclass_fields__}
        ours["ports"] = tuple(chain.from_iterable(ours.get("ports", ())))  # each option is several
        return cls(targets=targets, notices=forgotten, **ours)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRequest:
    """Everything that a plan or a sweep needs. The settings hold what the command line overrides."""

    settings: Settings
    scope: Scope
    options: SweepOptions
    config: ConfigFile | None
    notices: tuple[str, ...] = ()  # what the user should know of the lists that were read, one line each
    considered: tuple[Considered, ...] = ()  # for IPv6 prefixes that are too wide to sweep
    learned: Learned | None = None  # where else lists of open ports say to look, in the whole scope


def load(request: SweepRequest, now: float, environment: Mapping[str, str] | None = None) -> LoadedRequest:
    """Read and check everything. `now` is wall time in seconds.

    In this order: what the files allow (`full_scope`: signatures before their rows, then opt-outs), with the
    ports that lists teach; of that what is named; of wide IPv6 prefixes only candidates, of which what was
    named is one; and inventories last, as their answers age from then on. Only learned ports add anything,
    and only at addresses that the files allow.

    Raises RefusedError, ScopeError, OutOfScope or GrammarError; each is one line with place and remedy.
    """
    environment = os.environ if environment is None else environment
    config, settings = load_settings(request, environment)
    signatures: list[Signature] = []
    allowed, source = full_scope(
        request.scope_file,
        config,
        settings,
        now,
        candidates=False,
        confirmed=False,
        signed=signatures.append,
    )
    check_canaries(allowed, config, settings)
    if config is not None and request.scope_file is None:
        check_schedules(allowed, config)
    only = () if MONGODB in request.ports else numbers(request.ports)  # the word adds to what entries say
    taught = learn_ports(request.ports_from, config, settings, allowed, source, now, only or None)
    named, notices = _named(request, allowed, source, taught, only)
    candidates, considered, warnings = _candidates(request, named, config, settings)
    inventories = Inventories(settings.inventory)
    asked, whole, told = _confirmed(request, candidates, allowed, settings, inventories)
    check_canaries(whole, config, settings)
    learned = taught.learned if taught is not None else None
    sweep = settings.sweep
    options = SweepOptions(
        engine=sweep.engine,
        depth=sweep.depth,
        loop=sweep.loop,
        workers=sweep.workers,
        shard=request.shard,
        whole_scope=whole,
        signatures=tuple(signatures),
        tables=newer_tables(config, environment),
        inventories=inventories if inventories.asked else None,
        reload_scope=lambda at, names: reload_scope(request, at, inventories, names=names, learned=learned),
    )
    return LoadedRequest(
        settings=settings,
        scope=asked,
        options=options,
        config=config,
        notices=(
            *request.notices,
            *(taught.notices if taught is not None else ()),
            *notices,
            *warnings,
            *told,
        ),
        considered=considered,
        learned=learned,
    )


def _named(
    request: SweepRequest, allowed: Scope, source: str, taught: Taught | None, only: tuple[int, ...]
) -> tuple[Scope, tuple[str, ...]]:
    """What TARGETs, --port, --site and --owner leave of what is allowed, and what to tell of a list."""
    if taught is None:
        scope, notices = narrow_scope(allowed, source, request.targets, only)
    else:  # what was learned is asked beside the ports of --port
        learned = allowed.with_learned(taught.learned, only or None)
        scope, notices = narrow_scope(learned, source, request.targets, ())
    if request.sites or request.owners:
        scope = _narrow_to_part(scope, source, request.sites, request.owners)
    return scope, notices


def _candidates(
    request: SweepRequest, named: Scope, config: ConfigFile | None, settings: Settings
) -> tuple[Scope, tuple[Considered, ...], list[str]]:
    """The scope without what is too wide to sweep, what was considered for that, and what to tell of it."""
    if config is None:
        return named, (), []
    warnings: list[str] = []
    scope, considered = only_candidates(
        named, config, settings, named=bool(request.targets), warn=warnings.append
    )
    return scope, considered, warnings


def _confirmed(
    request: SweepRequest, scope: Scope, allowed: Scope, settings: Settings, inventories: Inventories
) -> tuple[Scope, Scope, tuple[str, ...]]:
    """What the inventories of its entries, asked now, leave of a scope and of all that is allowed, and what
    they said. Those of canaries are asked, too."""
    if names_in(scope) and request.shard[1] > 1:
        raise RefusedError(_NO_PARTS)
    confirmed, told = asked_anew(scope, inventories, names_in(canaries_in(allowed, settings)))
    require_confirmed(scope, confirmed, told)
    return confirmed, inventories.confirmed(allowed), told


def load_settings(
    request: SweepRequest, environment: Mapping[str, str]
) -> tuple[ConfigFile | None, Settings]:
    """The configuration and the settings with the command line's overrides. Raises RefusedError."""
    looked_for = request.config is not None or not request.by_program
    path = find_config(request.config, environment) if looked_for else None
    if path is None and request.scope_file is None:
        remedy = "run `mongosweep init` to write one, or name an allow-list with --scope FILE"
        raise RefusedError(f"no {FILE_NAME} here; {remedy}")
    config = read_config(path) if path is not None else None
    settings = config.settings if config else Settings()
    asked = {
        "ports": _ports(request.ports) or None,
        "rate": request.rate,
        "engine": request.engine,
        "depth": request.depth,
        "loop": request.loop,
        "workers": request.workers,
        "vantage": request.vantage,
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


def narrow_scope(
    scope: Scope, source: str, targets: tuple[str, ...], ports: tuple[int, ...]
) -> tuple[Scope, tuple[str, ...]]:
    """The part of the scope that TARGETs and --port name, and what to tell of a list on standard input.

    Raises RefusedError for a TARGET or port outside, and for a list of which nothing is inside.
    """
    if not targets and not ports:
        return scope, ()
    given = tuple(text for text in targets if text != LIST)
    notices: tuple[str, ...] = ()
    try:
        narrowed = narrow(scope, given, ports or None)
    except OutOfScope as error:
        outside = f"{error.target} is outside the scope of {source}: {error.reason}"
        raise RefusedError(f"{outside}; allow it there first, or leave it out") from None
    except GrammarError as error:
        file = next((text for text in given if os.path.isfile(text)), "")  # noqa: PTH113 - text may be no path
        if file:
            raise RefusedError(
                f"TARGET {file} is a file; write - and pipe it in, as in: - < {file}"
            ) from None
        raise RefusedError(f"TARGET {error}") from None
    if len(given) < len(targets):
        from scanner.setup.stdin_targets import narrow_by_list, standard_input

        narrowed, notices = narrow_by_list(narrow(scope, (), ports or None), source, standard_input(), given)
    require_targets(narrowed, source)
    return narrowed, notices


def _narrow_to_part(scope: Scope, source: str, sites: tuple[str, ...], owners: tuple[str, ...]) -> Scope:
    """The part of a scope that --site and --owner name. Raises RefusedError for a name that no allow entry
    has, and when nothing is left."""
    for option, names in (("site", sites), ("owner", owners)):
        for name in names:
            if reason := unknown_name(scope, option, name):
                raise RefusedError(f"--{option}: in {source} {reason}")
    part = part_of(scope, sites, owners)
    if not part:
        asked = " ".join(
            [*(f"--site {site!r}" for site in sites), *(f"--owner {owner!r}" for owner in owners)]
        )
        raise RefusedError(
            f"{asked}: no address that is asked belongs there; `mongosweep plan` shows whose they are"
        )
    return part


def unknown_name(scope: Scope, key: str, name: str) -> str:
    """Why no address can be meant by the site or owner (`key`) of that name, with what to write; "" for one
    that an allow entry has."""
    known = sorted({getattr(entry, key) for entry in scope.entries} - {""})
    if name in known:
        return ""
    if not known:
        return f"no [[allow]] entry has {key} = ...; write one there"
    return f"no [[allow]] entry has {key} = {name!r}; {did_you_mean(name, known)}"


def check_schedules(scope: Scope, config: ConfigFile) -> None:
    """Refuse a [[schedule]] of a site or an owner that no allow entry has. Raises RefusedError."""
    for number, schedule in enumerate(config.settings.schedule):
        for key, names in (("site", schedule.sites), ("owner", schedule.owners)):
            for at, name in enumerate(names):
                if reason := unknown_name(scope, key, name):
                    place = config.place(("schedule", number, key + "s", at))
                    raise RefusedError(f"{place}: [[schedule]] {schedule.name!r} {key}s: {reason}")


def _forgotten_list() -> tuple[str, ...]:
    """Refuse `sweep < list.txt`: without `-` the list would be ignored and the whole scope asked.

    Only a file that nobody has read from is told apart from the input of a script that runs us; of a pipe in
    which something waits it is said.
    """
    try:
        status = os.fstat(0)
        if stat.S_ISFIFO(status.st_mode):
            waiting = fcntl.ioctl(0, termios.FIONREAD, b"\0\0\0\0")
            return (_PIPED,) if any(waiting) else ()
        position = os.lseek(0, 0, os.SEEK_CUR)
    except OSError:  # a terminal, or nothing at all
        return ()
    if stat.S_ISREG(status.st_mode) and status.st_size and position == 0:
        raise RefusedError(
            "standard input is a file, and no TARGET is -, so it would not be read; "
            "write - to ask what it lists, or < /dev/null to ask the whole scope"
        )
    return ()


def reload_scope(
    request: SweepRequest,
    now: float,
    inventories: Inventories,
    *,
    names: bool,
    learned: Learned | None = None,
) -> Scope:
    """The whole scope as the files describe it now, for narrowing a running sweep; it may be empty. Only with
    `names` may it have to wait for a resolver. What was `learned` when the sweep began holds on, and no
    command is run: the newest answers count."""
    config, settings = load_settings(request, os.environ)
    scope, _ = full_scope(
        request.scope_file,
        config,
        settings,
        now,
        allow_empty=True,
        names=names,
        candidates=False,
        confirmed=False,
    )
    return inventories.confirmed(scope if learned is None else scope.with_learned(learned))


def _ports(asked: tuple[PortChoice, ...]) -> tuple[PortChoice, ...]:
    """What was asked for, each once. Raises RefusedError for more than one scope has."""
    try:
        check_number(asked)
    except GrammarError as error:
        raise RefusedError(f"--port: {error}") from None
    return tuple(dict.fromkeys(asked))


def canaries_in(scope: Scope, settings: Settings) -> Scope:
    """The canaries of the configuration, as a part of its scope."""
    return scope.restrict((parse_span(canary.address), canary.port) for canary in settings.canary)


def check_canaries(scope: Scope, config: ConfigFile | None, settings: Settings) -> None:
    """Refuse a canary that is outside the scope. Raises RefusedError."""
    for number, canary in enumerate(settings.canary):
        try:
            scope.target(canary.address, canary.port)
        except OutOfScope as error:
            place = config.place(("canary", number, "address")) if config else "the configuration"
            outside = f"{place}: [[canary]] {error.target} is outside the scope: {error.reason}"
            raise RefusedError(f"{outside}; allow it, or remove the canary") from None
