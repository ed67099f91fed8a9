"""The candidates of IPv6 prefixes that are too wide to sweep, read from the lists of [ipv6] candidates."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scanner.errors import RefusedError
from scanner.setup.list_files import list_of_setting
from targets.candidates import WIDEST_CLAIM, Candidates, only, wide_space
from targets.claims import Claim
from targets.grammar import Span
from targets.policy import is_swept_whole
from targets.sources.read import read_claims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scanner.setup.config_file import ConfigFile
    from scanner.setup.settings import Settings
    from targets.candidates import Considered
    from targets.scope import Scope
    from targets.sources.reading import Reading


def may_be_wide(settings: Settings) -> bool:
    """Whether the configuration says which addresses to ask in prefixes that are too wide to sweep."""
    return bool(settings.ipv6.candidates or settings.ipv6.low)


def only_candidates(
    scope: Scope,
    config: ConfigFile,
    settings: Settings,
    *,
    named: bool = False,
    allow_empty: bool = False,
    warn: Callable[[str], None] = lambda text: None,
) -> tuple[Scope, tuple[Considered, ...]]:
    """The scope with nothing but candidates of what is too wide to sweep, and what was considered for that.

    `named`: the scope has been narrowed to what somebody names, so small parts of wide prefixes in it are
    candidates, too. `warn` gets a line for what cannot be used. Raises RefusedError and ScopeError.
    """
    if all(is_swept_whole(Span(6, segment.first, segment.last)) for segment in scope.segments(6)):
        return scope, ()
    found = Candidates(wide_space(scope.entries))
    for number, name in enumerate(settings.ipv6.candidates):
        path = Path(config.path).parent / name
        with list_of_setting(str(path), config.place(("ipv6", "candidates", number))) as stream:
            reading = read_claims(stream, str(path), warn)
            found.add(str(path), partial(_format_of, reading), reading)
    if named:
        found.add("TARGET", lambda: "", _small_parts(scope))
    found.add_lowest(settings.ipv6.low)
    asked = only(scope, found.spans())
    if asked.address_count > settings.sweep.max_targets:
        raise RefusedError(
            f"{config.place(('ipv6',))}: with the candidates of IPv6 the scope has {asked.address_count:,}"
            f" addresses, more than max_targets = {settings.sweep.max_targets:,}; write a smaller low, or"
            " lists of the addresses in use"
        )
    if scope and not asked and not allow_empty:
        raise RefusedError(
            f"{config.place(('ipv6',))}: no candidate lies in the scope, and its prefixes are too wide to"
            " sweep; name lists of addresses that are in use there"
        )
    return asked, tuple(found.considered)


def _format_of(reading: Reading) -> str:
    return str(reading.format or "")


def _small_parts(scope: Scope) -> Iterator[Claim]:
    for segment in scope.segments(6):
        if segment.last - segment.first < WIDEST_CLAIM:
            yield Claim(Span(6, segment.first, segment.last), None, "TARGET")
