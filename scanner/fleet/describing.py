"""Who a worker is: what it says of itself before it is given a shard, by its own files as they are now."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from results.covered import Covered
from results.text import visible
from scanner import __version__
from scanner.errors import MongosweepError
from scanner.fleet.messages import Description
from scanner.setup.clock_check import require_clock, witnesses
from scanner.setup.doctor import require_descriptors
from scanner.setup.part_request import load_part
from scanner.setup.request import SweepRequest
from targets.errors import ScopeError
from targets.grammar import GrammarError
from targets.scope import OutOfScope

if TYPE_CHECKING:
    from scanner.clock import Clock
    from scanner.fleet.allowed import Ours


def describe_worker(ours: Ours, clock: Clock) -> Description:
    """What this worker says of itself; a `problem` is what would refuse every shard."""
    digest = problem = ""
    try:
        now = require_clock(clock, witnesses(ours.config, ours.scope_file, str(ours.spool)))
        require_descriptors()
        request = SweepRequest(config=ours.config, scope_file=ours.scope_file)
        whole = load_part(request, Covered([]), now).options.whole_scope
        assert whole is not None
        digest = whole.digest
        if not whole:
            problem = "its own scope allows nothing now; allow there what it is to ask"
    except (MongosweepError, ScopeError, OutOfScope, GrammarError, OSError) as error:
        problem = " ".join(str(error).split())
    return Description(
        name=visible(ours.name, 200),
        site=ours.site,
        host=visible(platform.node(), 300),
        version=__version__,
        python=platform.python_version(),
        clock=clock.wall(),
        scope_sha256=digest,
        problem=visible(problem, 1000),
    )
