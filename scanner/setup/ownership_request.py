"""From a loaded configuration to what registries say of its public prefixes, for `scope prove` and `plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scanner.setup.ownership_file import OwnershipFile
from scanner.setup.prefix_holders import (
    Evidence,
    PrefixProof,
    proof_line,
    prove_scope,
    public_prefixes,
    require_handles,
)
from scanner.setup.rdap_bootstrap import Bootstrap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scanner.setup.request import LoadedRequest
    from targets.delegated import Delegation
    from targets.grammar import Span

FEW = 10  # prefixes that are asked for without a word: it takes seconds
MAX_AGE = 7 * 86_400.0  # seconds that an answer counts where nothing else was asked for


def ask_registries(
    loaded: LoadedRequest,
    output: Path,
    now: Callable[[], float],
    notice: Callable[[str], None],
    *,
    max_age: float = MAX_AGE,
    delegations: Sequence[Delegation] | None = None,
    known: Sequence[Span] = (),
) -> list[PrefixProof]:
    """What is known of each prefix once those were asked that [ownership] names; `output` keeps the answers.

    With `delegations` nobody needs to be named. Raises RefusedError, ScopeError, and the errors of results.
    """
    ownership = loaded.settings.ownership
    offline = delegations is not None and not (ownership.rdap or ownership.bootstrap)
    servers = None
    public = len(public_prefixes(loaded.scope))
    if public and not offline:
        require_handles(ownership)
        if public > FEW:
            notice(f"asking about {public:,} public prefixes, one question a second to each registry")
        base = Path(loaded.config.path).parent if loaded.config is not None else Path()
        servers = Bootstrap(ownership, base, output, now(), notice)
    evidence = Evidence(
        kept=OwnershipFile(output), max_age=max_age, delegations=delegations or (), known=known
    )
    return prove_scope(loaded.scope, ownership, evidence, now, servers)


def known_by_now(loaded: LoadedRequest, output: Path, now: float) -> str:
    """How far the public prefixes are proven by answers that are kept; "" where no handles of ours are named,
    or nothing is public. Nobody is asked."""
    ownership = loaded.settings.ownership
    if not ownership.handles:
        return ""
    return proof_line(loaded.scope, ownership, Evidence(kept=OwnershipFile(output), max_age=MAX_AGE), now)
