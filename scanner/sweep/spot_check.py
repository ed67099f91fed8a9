"""A spot check: one run over a few places of the scope, each asked everything, by our own reader and by
MongoDB's official driver, with a line of each whatever it answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from scanner.sweep.sweep import run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from scanner.clock import Clock
    from scanner.setup.request import LoadedRequest
    from scanner.setup.settings import Purpose
    from scanner.sweep.progress import RunSummary, Screen
    from targets.learned import Learned
    from targets.scope import Scope, Target


def spot_check(
    loaded: LoadedRequest,
    scope: Scope,
    targets: Iterable[Target],
    purpose: Purpose,
    *,
    output: Path,
    screen: Screen,
    clock: Clock,
    learned: Learned | None = None,
    stop_after: float | None = None,
) -> RunSummary:
    """Run over `scope`, a part of that which was loaded and which holds exactly these targets.

    `learned`: ports at which the scope is asked besides its own, also after a reload; `stop_after`: seconds.
    Raises what a sweep raises. The ledger takes the run in when it is told to.
    """
    sweep = msgspec.structs.replace(loaded.settings.sweep, engine="connect")
    reload = loaded.options.reload_scope
    if reload is not None and learned is not None:
        read_again, known = reload, learned
        reload = lambda now, names: read_again(now, names).with_learned(known)  # noqa: E731 - one expression
    options = replace(
        loaded.options,
        output=output,
        engine="connect",
        workers=1,
        confirm=True,
        purpose=purpose,
        events=True,
        watched=frozenset((target.ip, target.port) for target in targets),
        reload_scope=reload,
        stop_after=stop_after,
    )
    settings = msgspec.structs.replace(loaded.settings, sweep=sweep)
    return run(settings, scope, options, screen, clock=clock)
