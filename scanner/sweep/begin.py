"""How a run begins: a new run directory with its manifest, or an old one taken up where it stopped."""

from __future__ import annotations

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from results.covered import encode, load_covered
from results.files import CorruptError, StorageRefusedError, read_newest_valid
from results.manifest import (
    Authorisation,
    Manifest,
    Planned,
    ScopeInUse,
    ScopeSignature,
    Start,
    TableInUse,
    Who,
)
from results.run import RunDirectory, load_manifest
from scanner import __version__
from scanner.clock import timestamp
from scanner.engine.order import Order, shared_seed
from scanner.mongo.tables import FILES, digest_in_use, table
from scanner.setup.optout import opted_out_addresses
from scanner.sweep.beside import why_not
from scanner.sweep.checkpoint import Checkpoint, PreviousStage, decode, load_marks
from scanner.sweep.evidence import contradiction
from scanner.sweep.withdrawal import rows_of
from targets.grammar import Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.files import FileSystem
    from scanner.clock import Clock
    from scanner.setup.settings import Settings, SweepOptions
    from targets.entries import Deny
    from targets.scope import Scope

T = TypeVar("T")

MAX_SCOPE_ENTRIES = 100_000


@dataclass(frozen=True, slots=True)
class Beginning:
    """A run directory that is ours, its seed, and where a resumed run goes on."""

    directory: RunDirectory
    seed: int
    settings_digest: str
    checkpoint: Checkpoint | None
    stage_before: PreviousStage | None = None  # where the SYN stage of an earlier start was, with its marks


def begin(settings: Settings, scope: Scope, options: SweepOptions, clock: Clock, fs: FileSystem) -> Beginning:
    """Make a new run, or take up `options.resume`. Raises what `results.run` raises; nothing is sent here."""
    if options.resume is not None:
        return _resume(options.resume, settings, scope, options, clock, fs)
    seed = seed_of(scope, options)
    run_id = options.run_id or new_run_id(clock)
    manifest = make_manifest(run_id, seed, settings, scope, options, clock)
    manifest.covered, covered = encode(rows_of(scope))
    beside = why_not(scope.ranges(), options.purpose, settings.sweep)
    directory = RunDirectory.create(options.output, run_id, manifest, fs, covered=covered, why_not=beside)
    return Beginning(directory, seed, _digest(manifest), None)


def scope_of_run(scope: Scope, options: SweepOptions) -> Scope:
    """What a run sets out to ask: `scope`, or for one that is taken up what it set out to ask at first, as
    inventories may list less or more by now. What they list no longer is held back by the guard. Raises what
    `results.run` raises."""
    before = options.inventories.unconfirmed if options.inventories is not None else None
    if options.resume is None or before is None:
        return scope
    path = directory_of(options.resume, options)
    covered = load_covered(path, load_manifest(path)[0])
    if covered is None:
        return scope
    return before.restrict(
        (Span(row.version, row.first, row.last), port) for row in covered.rows() for port in row.ports
    )


def new_run_id(clock: Clock) -> str:
    """A name for a run that begins now."""
    return f"{datetime.fromtimestamp(clock.wall(), UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def directory_of(run_id: str, options: SweepOptions) -> Path:
    """Where the run is that `--resume` names: by its name in the output directory, or by a path."""
    named = Path(run_id)
    return named if named.is_dir() and len(named.parts) > 1 else options.output / named.name


def seed_of(scope: Scope, options: SweepOptions) -> int:
    """The one that was asked for, or chance. Parts of one sweep are parts of the same order, wherever they
    run, so theirs follows from the scope."""
    if options.seed is not None:
        return options.seed
    return secrets.randbits(63) if options.shard[1] == 1 else shared_seed(scope.digest)


def _resume(
    run_id: str,
    settings: Settings,
    scope: Scope,
    options: SweepOptions,
    clock: Clock,
    fs: FileSystem,
) -> Beginning:
    path = directory_of(run_id, options)
    old, _ = load_manifest(path)
    seed = options.seed if options.seed is not None else old.seed
    expect = make_manifest(old.run_id, seed, settings, scope, options, clock)
    expect.vantage = settings.sweep.vantage or old.vantage
    start = start_now(clock)
    beside = why_not(scope.ranges(), options.purpose, settings.sweep)
    directory = RunDirectory.open(path, start, fs, expect=expect, why_not=beside)
    try:
        number, shards = options.shard
        order = Order(len(scope), seed, number - 1, shards)
        checkpoint = _believable(directory, _digest(expect), scope, order)
    except BaseException:
        directory.close()
        raise
    before = None
    if checkpoint is not None and checkpoint.stage is not None:
        before = PreviousStage(checkpoint.stage, load_marks(path, checkpoint))
    return Beginning(directory, seed, _digest(expect), checkpoint, before)


def _believable(directory: RunDirectory, digest: str, scope: Scope, order: Order) -> Checkpoint | None:
    """The newest checkpoint that the run wrote and whose evidence is all there; one that is passed over is
    told. None means: from the start, which is only rude."""

    def parse(data: bytes) -> Checkpoint:
        found = decode(data)
        if found.run_id != directory.run_id or found.scope_digest != scope.digest:
            raise ValueError("a checkpoint of another run")
        if found.settings_digest != digest:
            raise ValueError("a checkpoint of other settings")
        if found.journal is not None and not found.journal.holds(directory.path):
            raise ValueError("it is ahead of the journal")
        if not directory.vouches_for(data):
            raise ValueError("it is not what this run wrote")
        if problem := contradiction(found, directory.path, order):
            raise ValueError(problem)
        load_marks(directory.path, found)
        return found

    return newest_checkpoint(directory, parse)


def newest_checkpoint(directory: RunDirectory, parse: Callable[[bytes], T]) -> T | None:
    """The newest checkpoint for which `parse` raises no ValueError; None where there is none. What is passed
    over is told."""
    log = logging.getLogger(__name__)

    def passed_over(reason: str) -> None:
        log.warning("%s; the checkpoint before it holds, and what came after it is asked again", reason)

    try:
        return read_newest_valid(directory.checkpoint_path, parse, passed_over)
    except CorruptError as error:
        log.warning("%s; every target is asked again", error)
        return None


def make_manifest(
    run_id: str,
    seed: int,
    settings: Settings,
    scope: Scope,
    options: SweepOptions,
    clock: Clock,
) -> Manifest:
    """Who runs what, when, under which authorisation, over which scope and with which settings."""
    start = start_now(clock)
    number, shards = options.shard
    return Manifest(
        run_id=run_id,
        created_at=start.at,
        tool_version=__version__,
        who=start.who,
        authorisations=[
            Authorisation(
                entry=entry.text,
                owner=entry.owner,
                authorised_by=entry.authorised_by,
                expires="" if entry.expires == float("inf") else timestamp(entry.expires),
            )
            for entry in scope.entries
        ],
        scope=ScopeInUse(digest=scope.digest, entries=_entries(scope)),
        signatures=[
            ScopeSignature(file=each.file, signer=each.signer, key=each.key) for each in options.signatures
        ],
        configuration=_what_matters(settings, options),
        seed=seed,
        shard="{}/{}".format(*options.shard),
        purpose=options.purpose,
        vantage=settings.sweep.vantage,
        planned=Planned(
            targets=Order(len(scope), seed, number - 1, shards).count(),
            addresses=scope.address_count,
            excluded=sum(item.addresses for item in scope.excluded),
            opted_out=opted_out_addresses(scope),
            ports=list(scope.ports),
        ),
        starts=[start],
    )


def start_now(clock: Clock) -> Start:
    """This process, with the tables that are in use."""
    tables = [TableInUse(name=name, as_of=table(name)["as_of"], sha256=digest_in_use(name)) for name in FILES]
    return Start(at=timestamp(clock.wall()), who=Who.current(), tool_version=__version__, tables=tables)


def _entries(scope: Scope) -> list[str]:
    lines = [f"allow {entry.text} {entry.owner}".rstrip() for entry in scope.entries]
    lines += [f"{_word(deny)} {deny.text} {deny.reason}".rstrip() for deny in scope.denies]
    if len(lines) > MAX_SCOPE_ENTRIES:
        raise StorageRefusedError(
            "the scope",
            f"{len(lines)} entries are more than a manifest keeps ({MAX_SCOPE_ENTRIES})",
            "merge neighbouring entries, or sweep in parts",
        )
    return lines


def _word(deny: Deny) -> str:
    return "optout" if deny.opt_out else "inventory" if deny.inventory else "deny"


def _what_matters(settings: Settings, options: SweepOptions) -> dict[str, Any]:
    """The settings that change what is asked or found. The pace may change between two starts of a run."""
    sweep = settings.sweep
    found: dict[str, Any] = {
        "organisation": msgspec.to_builtins(settings.organisation),
        "engine": options.engine,
        "depth": options.depth,
        "confirm": options.confirm,
        "all": options.everything,
        "connect_timeout": sweep.connect_timeout,
        "reply_timeout": sweep.reply_timeout,
        "host_timeout": sweep.host_timeout,
        "limits": msgspec.to_builtins(settings.limits),
        "canaries": msgspec.to_builtins(settings.canary),
        "blackouts": msgspec.to_builtins(settings.blackout),
        "audit": msgspec.to_builtins(settings.audit),
    }
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found))  # as it comes back from the file
    return plain


def _digest(manifest: Manifest) -> str:
    return hashlib.sha256(msgspec.json.encode(manifest.configuration, order="sorted")).hexdigest()
