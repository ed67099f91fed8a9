"""From the parameters of `sweep` to what a sweep needs: checked by the rules of the files, loaded as by the
command line, and nothing taken from the environment or from standard input."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from mongosweep.errors import RefusedError
from mongosweep.log import log
from scanner.clock import SystemClock
from scanner.setup.clock_check import require_clock, witnesses
from scanner.setup.request import LIST, SweepRequest, load
from scanner.setup.settings import SweepSettings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import UnionType

    from scanner.setup.request import LoadedRequest

Name = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for, as it was given; `sweep` says what each means."""

    targets: str | Iterable[str] | None = None
    scope: Name | None = None
    config: Name | None = None
    output: Name | None = None
    ports: int | str | Iterable[int | str] | None = None
    sites: str | Iterable[str] | None = None
    owners: str | Iterable[str] | None = None
    rate: float | None = None
    depth: str | None = None
    vantage: str | None = None
    workers: int | str | None = None
    confirm: bool = False
    everything: bool = False
    seed: int | None = None
    resume: str | None = None
    stop_after: float | None = None
    ledger: bool = True


def loaded(asked: Asked, request: SweepRequest, output: Path) -> LoadedRequest:
    """Everything read and checked; names are resolved and inventories asked. `output`: where the run goes.

    Raises `RefusedError`, and what `scanner.setup.request.load` raises.
    """
    seen = witnesses(request.config or request.scope_file, request.scope_file, str(output), asked.resume)
    found = load(request, require_clock(SystemClock(), seen))
    if found.options.engine == "syn":
        raise RefusedError(
            "engine",
            'the configuration says engine = "syn", which gives rights of the whole process away',
            'write engine = "connect", or run `mongosweep sweep`',
        )
    for notice in found.notices:
        log.warning("%s", notice)
    options = replace(
        found.options,
        output=output,
        loop="asyncio",  # libuv would take the signal by which this process learns of its children's end
        confirm=asked.confirm,
        everything=asked.everything,
        seed=asked.seed,
        resume=asked.resume,
        stop_after=asked.stop_after,
        events=asked.ledger and asked.output is not None,
    )
    return replace(found, options=options)


def requested(asked: Asked) -> SweepRequest:
    """What was asked for as a command line would say it; nothing is read. Raises `RefusedError`."""
    _check(asked)
    if asked.scope is None and asked.config is None:
        raise RefusedError(
            "scope",
            "nothing says what may be asked",
            "name an allow-list (scope) or a configuration (config)",
        )
    targets = _texts("targets", asked.targets)
    if LIST in targets:
        raise RefusedError("targets", "standard input belongs to the program", "give the targets themselves")
    given = {
        "ports": _several("ports", asked.ports, int | str),
        "rate": asked.rate,
        "depth": asked.depth,
        "vantage": asked.vantage,
        "workers": asked.workers,
    }
    valid = {key: _valid(key, value) for key, value in given.items() if value not in (None, ())}
    return SweepRequest(
        targets=targets,
        config=os.fspath(asked.config) if asked.config is not None else None,
        scope_file=os.fspath(asked.scope) if asked.scope is not None else None,
        sites=_texts("sites", asked.sites),
        owners=_texts("owners", asked.owners),
        by_program=True,
        **valid,
    )


def require_path(name: str, value: object) -> None:
    """Raises `RefusedError` for what names no file: an empty text is none, never the working folder."""
    path = value.__fspath__() if isinstance(value, os.PathLike) else value
    if not isinstance(path, str) or not path or "\0" in path:
        raise RefusedError(name, f"{value!r} is no path", "give a text or a pathlib.Path")


def _check(asked: Asked) -> None:
    for name in ("scope", "config", "output"):
        if (path := getattr(asked, name)) is not None:
            require_path(name, path)
    for name in ("confirm", "everything", "ledger"):  # "no" would be as good as True
        if not isinstance(value := getattr(asked, name), bool):
            raise RefusedError(name, f"{value!r} is refused", "give True or False")
    if asked.seed is not None and not (_is_number(asked.seed, int) and 0 <= asked.seed < 2**63):
        raise RefusedError("seed", f"{asked.seed!r} is no seed", "give a whole number from 0 to 2**63 - 1")
    stop = asked.stop_after
    if stop is not None and not (_is_number(stop, int | float) and stop > 0):
        raise RefusedError("stop_after", f"{stop!r} is no time", "give seconds, more than 0")
    if asked.resume is not None:
        if not isinstance(asked.resume, str) or not asked.resume or "\0" in asked.resume:
            raise RefusedError("resume", f"{asked.resume!r} is no run", "give the name of its directory")
        if asked.output is None:
            raise RefusedError(
                "resume", "a run is resumed where it is", "give its directory's parent as output"
            )


def _is_number(value: object, kind: type | UnionType) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _several(name: str, given: Any, alone: type | UnionType) -> tuple[Any, ...]:
    """What was given, or each of several; () where nothing was. A list in which nothing stands is refused: it
    was to narrow the scope, and would leave all of it."""
    if given is None:
        return ()
    if isinstance(given, alone):
        return (given,)
    try:
        each = iter(given)
    except TypeError:
        raise RefusedError(name, f"{given!r} is refused", "give one, or a list of them") from None
    if not (several := tuple(each)):
        raise RefusedError(
            name, "an empty list names nothing", "leave it out where all of the scope is meant"
        )
    return several


def _texts(name: str, given: str | Iterable[str] | None) -> tuple[str, ...]:
    texts = _several(name, given, str)
    for text in texts:
        if not isinstance(text, str):
            raise RefusedError(name, f"{text!r} is no text", "give texts, as they stand on the command line")
    return texts


def _valid(key: str, value: Any) -> Any:
    """A value by the rules of the same key in the configuration's [sweep]."""
    kind = get_type_hints(SweepSettings, include_extras=True)[key]
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        metas = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
        allowed = next((meta.description for meta in metas if meta.description), "")
        raise RefusedError(key, f"{value!r} is refused", f"give {allowed.partition('; ')[0]}") from None
