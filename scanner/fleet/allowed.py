"""What of a shard is done here: its claims are checked, and our own files decide.

Nothing of a shard is believed. It names targets and how deep to ask them. Who may be asked, how fast and when
not is in the worker's own configuration and scope, which are read again for each shard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from results.covered import EXAMPLES, Covered, parse_row
from results.files import DirectoryBusyError, ResultsError
from results.text import visible
from scanner import __version__
from scanner.clock import timestamp
from scanner.errors import MongosweepError, RefusedError
from scanner.fleet.carrier import MOST_SKEW
from scanner.setup.clock_check import require_clock, witnesses
from scanner.setup.doctor import require_descriptors
from scanner.setup.part_request import load_part
from scanner.setup.request import SweepRequest
from scanner.setup.settings import SweepSettings
from scanner.sweep.withdrawal import rows_of
from targets.errors import ScopeError
from targets.grammar import GrammarError
from targets.scope import OutOfScope

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.clock import Clock
    from scanner.fleet.messages import RefusalCode, Shard
    from scanner.setup.settings import Settings, SweepOptions
    from targets.scope import Scope

AHEAD = MOST_SKEW  # seconds that the coordinator's clock may be ahead of ours
BEHIND = 3600.0  # and behind it; the carrier looks closer, when a worker comes
MOST_TARGETS = 1 << 26  # of one shard


class Ours(NamedTuple):
    """Who we are and where our own files are; None: where a sweep looks for them. A worker without a site
    asks for every one."""

    site: str
    name: str
    spool: Path
    config: str | None = None
    scope_file: str | None = None


class ShardRefusedError(Exception):
    """The shard is not swept, and nothing was sent for it. The text says what to do."""

    def __init__(self, code: RefusalCode, why: str) -> None:
        super().__init__(visible(why, 1000))
        self.code: RefusalCode = code

    @classmethod
    def of(cls, error: Exception) -> ShardRefusedError:
        """What any error before the first packet comes to."""
        code: RefusalCode = "bug"
        if isinstance(error, cls):
            return error
        if isinstance(error, DirectoryBusyError):
            code = "busy"
        elif isinstance(error, ResultsError | OSError):
            code = "storage"
        elif isinstance(error, MongosweepError | ScopeError | OutOfScope | GrammarError):
            code = "settings"
        return cls(code, f"internal error: {type(error).__name__}: {error}" if code == "bug" else str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What of a shard our own files allow: `scope` is never empty. `refused` of its targets are not in our
    scope; `examples` are ranges of them, each with the reason. `scope_sha256` is that of our whole scope."""

    settings: Settings
    scope: Scope
    options: SweepOptions
    refused: int
    examples: list[str]
    scope_sha256: str
    notices: tuple[str, ...]


def allow(shard: Shard, ours: Ours, clock: Clock) -> Allowed:
    """Hold a shard against our own files. Raises ShardRefusedError."""
    if shard.version != __version__:
        raise ShardRefusedError(
            "version",
            f"the coordinator is mongosweep {shard.version}, this worker {__version__}; install the same"
            " version on both",
        )
    if ours.site and shard.site != ours.site:
        raise ShardRefusedError(
            "site",
            f"the shard is for site {shard.site!r}, and this worker is at {ours.site!r}; start the worker of"
            " that site there",
        )
    covered = _covered(shard)
    now = _now(shard, ours, clock)
    try:
        require_descriptors()
        loaded = load_part(SweepRequest(config=ours.config, scope_file=ours.scope_file), covered, now)
    except (MongosweepError, ScopeError, OutOfScope, GrammarError, OSError) as error:
        raise ShardRefusedError("settings", str(error)) from error
    settings = _settings(shard, loaded.settings)
    whole = loaded.options.whole_scope
    assert whole is not None
    refused, examples = shard.targets - len(loaded.scope), list[str]()
    if refused:
        examples = _examples(covered, loaded.scope, whole, now)
    if not loaded.scope:
        raise ShardRefusedError(
            "scope",
            f"nothing of it is in this worker's own scope: {'; '.join(examples)}; allow it there first",
        )
    options = replace(
        loaded.options,
        depth=shard.depth,
        confirm=shard.confirm,
        everything=shard.everything,
        watched=_watched(shard, covered),
        seed=shard.seed,
    )
    return Allowed(
        settings=settings,
        scope=loaded.scope,
        options=options,
        refused=refused,
        examples=examples,
        scope_sha256=whole.digest,
        notices=loaded.notices,
    )


def _covered(shard: Shard) -> Covered:
    """The targets that the rows name. Raises ShardRefusedError for rows that cannot be right."""
    if shard.targets > MOST_TARGETS:
        raise ShardRefusedError(
            "format", f"it has {shard.targets:,} targets, and a shard at most {MOST_TARGETS:,}"
        )
    if not 0 <= shard.seed < 1 << 63:
        raise ShardRefusedError("format", f"its seed {shard.seed} is none that a sweep has")
    try:
        covered = Covered(map(parse_row, shard.rows))
    except ValueError as error:
        raise ShardRefusedError("format", f"its rows are none: {error}") from error
    if covered.targets != shard.targets:
        raise ShardRefusedError(
            "format", f"its rows have {covered.targets:,} targets, and it says {shard.targets:,}"
        )
    return covered


def _watched(shard: Shard, covered: Covered) -> frozenset[tuple[str, int]]:
    try:
        return frozenset(each for each in shard.watched if covered.contains(*each))
    except ValueError as error:
        raise ShardRefusedError("format", f"it watches what is no address: {error}") from error


def _now(shard: Shard, ours: Ours, clock: Clock) -> float:
    """Wall time in seconds, where our clock and the coordinator's agree well enough."""
    try:
        sent_at = datetime.fromisoformat(shard.sent_at)
        if sent_at.tzinfo is None:
            raise ValueError("no time zone")
        sent = sent_at.timestamp()
    except (ValueError, OverflowError) as error:
        raise ShardRefusedError("format", f"sent_at {shard.sent_at!r} is no time: {error}") from error
    try:
        now = require_clock(clock, witnesses(ours.config, ours.scope_file, str(ours.spool)))
    except RefusedError as error:
        raise ShardRefusedError("clock", str(error)) from error
    if not now - BEHIND <= sent <= now + AHEAD:
        side = "ahead of" if sent > now else "behind"
        raise ShardRefusedError(
            "clock",
            f"the coordinator's clock said {timestamp(sent)}, ours says {timestamp(now)}: it is"
            f" {abs(sent - now):,.0f} s {side} ours; set both (NTP)",
        )
    return now


def _settings(shard: Shard, own: Settings) -> Settings:
    """Ours, with what a shard may say. Raises ShardRefusedError."""
    sweep = own.sweep
    if sweep.vantage and sweep.vantage != shard.vantage:
        raise ShardRefusedError(
            "vantage",
            f"the run's vantage is {shard.vantage!r}, and this worker looks from {sweep.vantage!r}; name that"
            " in the sweep with --vantage, or take [sweep] vantage out of the worker's configuration",
        )
    wanted = msgspec.to_builtins(sweep) | {
        "engine": "connect",
        "depth": shard.depth,
        "connect_timeout": shard.connect_timeout,
        "reply_timeout": shard.reply_timeout,
        "host_timeout": shard.host_timeout,
        "rate": min(shard.rate, sweep.rate),
        "vantage": shard.vantage,
    }
    try:
        return msgspec.structs.replace(own, sweep=msgspec.convert(wanted, SweepSettings))
    except msgspec.ValidationError as error:  # a value that no configuration could have
        raise ShardRefusedError("format", f"its settings are none: {error}") from error


def _examples(covered: Covered, scope: Scope, whole: Scope, now: float) -> list[str]:
    """Ranges that are not in our scope, each with the reason of its first target."""
    outside = covered.minus(Covered(rows_of(scope)))
    return [
        f"{row}: {whole.explain(row.version, row.first, row.ports[0], now) or 'not in the scope'}"
        for row in islice(outside, EXAMPLES)
    ]
