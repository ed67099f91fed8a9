"""`--ports-from` and `[sweep] ports_from`: lists of open ports, read and told, as what a scope learns."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from results.durations import instant
from results.text import plural, visible
from scanner.setup.list_files import list_of_option, list_of_setting
from targets.grammar import format_address, format_span
from targets.learning import EXAMPLES, MOST_OF_ADDRESS, Learner
from targets.sources.read import read_claims

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scanner.setup.config_file import ConfigFile
    from scanner.setup.settings import Settings
    from targets.learned import Learned
    from targets.learning import Listed
    from targets.scope import Scope

OLD: Final = 30 * 86400.0  # seconds; an older list is told


class Taught(NamedTuple):
    """What lists of open ports taught, and what their user should know, one line each."""

    learned: Learned
    notices: tuple[str, ...]


def learn_ports(
    asked: Sequence[str],
    config: ConfigFile | None,
    settings: Settings,
    scope: Scope,
    source: str,
    now: float,
    only: Sequence[int] | None = None,
) -> Taught | None:
    """Read the lists of `--ports-from` (`asked`), or else those of the configuration; None without any.

    `scope` is whole, `only` the ports that `--port` leaves of it, and `now` wall time in seconds. Raises
    RefusedError, and ScopeError for what is no list.
    """
    files = [(name, partial(list_of_option, name, "--ports-from")) for name in asked]
    if not files and config is not None:
        for number, each in enumerate(settings.sweep.ports_from):
            name, place = str(Path(config.path).parent / each), config.place(("sweep", "ports_from", number))
            files.append((name, partial(list_of_setting, name, place)))
    if not files:
        return None
    learner, notices = Learner(scope, only), list[str]()
    for name, opened in files:
        with opened() as stream:
            reading = read_claims(stream, name, notices.append)
            listed = learner.take(reading, name)
            made_by = f" ({visible(str(reading.format), 60)})" if reading.format is not None else ""
        notices += _of_list(f"{visible(name, 200)}{made_by}", listed, source, now)
    learned = learner.learned()
    return Taught(learned, (*notices, *_of_all(learned)))


def _of_list(name: str, listed: Listed, source: str, now: float) -> Iterator[str]:
    if not listed.claims:
        yield f"{name} names no open TCP port; nothing is learned from it"
        return
    inside = listed.claims - listed.outside
    if inside and inside == listed.without_port:
        yield f"{name} names hosts and no open port of one; nothing is learned from it"
    if listed.ruled:
        yield (
            f"{name}: {plural(listed.ruled, 'open port')} at entries whose `ports` do not name "
            f"{'it' if listed.ruled == 1 else 'them'}, not asked"
        )
    if listed.outside:
        yield (
            f"{name}: {listed.outside:,} of {listed.claims:,} outside the scope of {visible(source, 200)}, "
            "not asked:"
        )
        for claim, why in listed.examples:
            port = f" port {claim.port}" if claim.port is not None else ""
            yield visible(f"  {format_span(claim.span)}{port} ({claim.provenance}): {why}", 300)
        if listed.outside > EXAMPLES:
            yield f"  and {listed.outside - EXAMPLES:,} more"
    age = now - instant(listed.newest).timestamp() if listed.newest else 0.0
    if age > OLD:
        yield (
            f"{name} is {age / 86400:.0f} days old by its own times; where else MongoDB listens now, "
            "only a new one tells"
        )


def _of_all(learned: Learned) -> Iterator[str]:
    if learned.crowded:
        some = ", ".join(format_address(*place) for place in learned.crowded[:EXAMPLES])
        more = f" and {len(learned.crowded) - EXAMPLES:,} more" if len(learned.crowded) > EXAMPLES else ""
        yield (
            f"more than {MOST_OF_ADDRESS} open ports at one address are the word of a middlebox or a trap; "
            f"of {some}{more} only the usual ports of MongoDB are asked"
        )
