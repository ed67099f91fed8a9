"""The part of our own scope that somebody else asks us to sweep: by our own files, by nothing of theirs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scanner.setup.data_tables import newer_tables
from scanner.setup.inventory import Inventories, asked_anew, names_in
from scanner.setup.request import LoadedRequest, canaries_in, check_canaries, load_settings, reload_scope
from scanner.setup.scope_request import full_scope
from scanner.setup.settings import SweepOptions
from targets.grammar import Span

if TYPE_CHECKING:
    from results.covered import Covered
    from scanner.setup.request import SweepRequest
    from targets.signatures import Signature


def load_part(request: SweepRequest, covered: Covered, now: float) -> LoadedRequest:
    """Read and check everything of ours, and keep of our scope the targets in `covered`; maybe none.

    What `scanner.setup.request.load` takes away is taken away here, too. An address of a wide IPv6 prefix is
    kept when it is named: whoever names it has had candidates. `options.whole_scope` is what all of our files
    allow. `now` is wall time in seconds. Raises RefusedError and ScopeError.
    """
    config, settings = load_settings(request, os.environ)
    signatures: list[Signature] = []
    allowed, _ = full_scope(
        request.scope_file,
        config,
        settings,
        now,
        allow_empty=True,
        candidates=False,
        confirmed=False,
        signed=signatures.append,
    )
    check_canaries(allowed, config, settings)
    part = allowed.restrict(
        (Span(row.version, row.first, row.last), port) for row in covered.rows() for port in row.ports
    )
    inventories = Inventories(settings.inventory)
    part, told = asked_anew(part, inventories, names_in(canaries_in(allowed, settings)))
    whole = inventories.confirmed(allowed)
    check_canaries(whole, config, settings)
    options = SweepOptions(
        engine="connect",
        loop=settings.sweep.loop,
        workers=settings.sweep.workers,
        whole_scope=whole,
        signatures=tuple(signatures),
        tables=newer_tables(config, os.environ),
        inventories=inventories if inventories.asked else None,
        reload_scope=lambda at, names: reload_scope(request, at, inventories, names=names),
    )
    return LoadedRequest(settings=settings, scope=part, options=options, config=config, notices=told)
