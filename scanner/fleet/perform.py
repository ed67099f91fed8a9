"""What a worker does with a shard: sweeps what its own files allow of it, and says what came of it.

    description -> allowed.py -> a run in the spool, by scanner/sweep/sweep.py -> messages

A run that an earlier attempt left is gone on with, or answered from when it had ended.
"""

from __future__ import annotations

import logging
import platform
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import msgspec
from msgspec import Struct

from results.files import CorruptError, NotARunError, ResultsError
from results.manifest import differences
from results.run import load_manifest
from results.text import visible
from scanner import __version__
from scanner.clock import timestamp
from scanner.errors import ExitCode
from scanner.fleet.allowed import ShardRefusedError, allow
from scanner.fleet.describing import describe_worker
from scanner.fleet.messages import Began, Ended, MessageError, Refused, Told, decode_shard
from scanner.fleet.shard_process import DESCRIBE
from scanner.fleet.spool import Entry, clean
from scanner.fleet.telling import Teller, measure
from scanner.mongo.tables import digest_of_all
from scanner.sweep.begin import make_manifest, scope_of_run
from scanner.sweep.sweep import run

if TYPE_CHECKING:
    from typing import Literal

    from results.manifest import Manifest
    from scanner.clock import Clock
    from scanner.fleet.allowed import Allowed, Ours
    from scanner.fleet.lease import Lease
    from scanner.fleet.messages import RefusalCode, Shard
    from scanner.fleet.telling import Output, Said
    from scanner.setup.settings import SweepOptions
    from scanner.sweep.progress import RunSummary

_CODES: dict[RefusalCode, ExitCode] = {
    "busy": ExitCode.BUSY,
    "storage": ExitCode.STORAGE,
    "bug": ExitCode.BUG,
}
_log = logging.getLogger(__name__)


def perform(description: bytes, ours: Ours, lease: Lease, output: Output, clock: Clock) -> ExitCode:
    """Sweep the shard that is described, and say everything on `output`. Returns the exit code. Who writes
    `shard_process.DESCRIBE` is told who we are.

    Once something may have been sent, raises what kept it from its end: StorageError, CorruptError, a bug.
    No end is told then, and the next attempt goes on with the run in the spool.
    """
    if description.strip() == DESCRIBE.strip():
        output.say(describe_worker(ours, clock))
        return ExitCode.CLEAN
    try:
        shard = decode_shard(description)
    except MessageError as error:
        head = _head(description)
        return _refuse(ShardRefusedError("format", str(error)), head, ours.name, output)
    attempt = _Attempt(shard, ours, lease, output, clock)
    try:
        return attempt.perform()
    except Exception as error:
        if attempt.begun:
            attempt.give_up(error)
            raise
        refusal = ShardRefusedError.of(error)
        code = _refuse(refusal, _Head(shard.run_id, shard.name, shard.attempt), ours.name, output)
        if refusal.code == "bug":
            raise
        return code


class _Head(Struct, frozen=True):
    """Which attempt somebody meant, as far as that can be read."""

    run_id: str = ""
    name: str = ""
    attempt: int = 0


def _head(description: bytes) -> _Head:
    try:
        return msgspec.json.decode(description, type=_Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Head()


def _refuse(refusal: ShardRefusedError, head: _Head, worker: str, output: Output) -> ExitCode:
    _log.warning("shard %s is refused (%s): %s", head.name, refusal.code, refusal)
    output.say(
        Refused(
            run_id=head.run_id,
            name=head.name,
            attempt=head.attempt,
            code=refusal.code,
            why=str(refusal),
            worker=worker,
        )
    )
    return _CODES.get(refusal.code, ExitCode.REFUSED)


class _Attempt:
    """One attempt at one shard."""

    def __init__(self, shard: Shard, ours: Ours, lease: Lease, output: Output, clock: Clock) -> None:
        self._shard = shard
        self._ours = ours
        self._lease = lease
        self._output = output
        self._clock = clock
        self._notices: list[str] = []
        self._teller: Teller | None = None

    @property
    def begun(self) -> bool:
        """Whether something may have been sent."""
        return self._teller is not None and self._teller.begun

    def perform(self) -> ExitCode:
        """Sweep it, or answer from what is there. Raises ShardRefusedError and what a sweep raises."""
        allowed = allow(self._shard, self._ours, self._clock)
        self._notices += allowed.notices
        with Entry.take(self._ours.spool, self._shard) as entry:
            clean(self._ours.spool, self._clock.wall())
            manifest = entry.manifest(self._shard)
            ended = self._answer(allowed, entry, manifest) or self._sweep(allowed, entry, manifest)
        self._output.say(ended)
        return ExitCode.CLEAN if ended.state == "complete" else ExitCode.INCOMPLETE

    def give_up(self, error: Exception) -> None:
        """Tell what is still to be told of an attempt that has no end."""
        if self._teller is not None:
            with suppress(Exception):
                self._teller.finish()
        shard, text = self._shard, visible(f"the attempt failed: {error}", 500)
        self._output.say(Told(run_id=shard.run_id, name=shard.name, attempt=shard.attempt, text=text))

    # --- from what is there ----------------------------------------------------------------------------

    def _answer(self, allowed: Allowed, entry: Entry, manifest: Manifest | None) -> Ended | None:
        """Tell a run that has ended once more, without sending anything; None where there is none."""
        if manifest is None or manifest.state not in ("complete", "degraded"):
            return None
        kept = entry.ended()
        try:
            measured = measure(entry.run)
        except CorruptError as error:
            self._notices.append(f"what an earlier attempt found is damaged, and is asked again: {error}")
            return None
        if kept is None:  # the process ended between the two
            kept = self._ended(allowed, manifest, None, measured)
        if (kept.lines, kept.digest) != measured:
            self._notices.append("what an earlier attempt found was changed since, and is asked again")
            return None
        teller = self._tell(allowed, entry, resumed=True)
        teller.started(None)
        teller.finish()
        return msgspec.structs.replace(kept, attempt=self._shard.attempt)

    def _sweep(self, allowed: Allowed, entry: Entry, manifest: Manifest | None) -> Ended:
        """Go on with what is there, or begin anew."""
        run_id = self._shard.run_id
        options = replace(allowed.options, output=entry.path, run_id=run_id, wanted=self._lease)
        goes_on = replace(options, resume=run_id)
        if manifest is not None and self._is_the_same(manifest, allowed, goes_on):
            try:
                return self._run(allowed, entry, goes_on)
            except (CorruptError, NotARunError) as error:
                if self.begun:
                    raise
                self._notices.append(f"what an earlier attempt left is damaged, and is asked again: {error}")
        entry.begin_anew(self._shard)
        return self._run(allowed, entry, options)

    def _is_the_same(self, manifest: Manifest, allowed: Allowed, options: SweepOptions) -> bool:
        """Whether our files and the shard are as they were when that run began."""
        if manifest.state in ("complete", "degraded"):
            return False  # it was not believed
        try:
            scope = scope_of_run(allowed.scope, options)
        except ResultsError:
            return False
        arguments = manifest.run_id, self._shard.seed, allowed.settings, scope, options, self._clock
        found = differences(manifest, make_manifest(*arguments))
        if found:
            self._notices.append(f"all of it is asked again: {'; '.join(found)}")
        return not found

    # --- the sweep -------------------------------------------------------------------------------------

    def _run(self, allowed: Allowed, entry: Entry, options: SweepOptions) -> Ended:
        teller = self._tell(allowed, entry, resumed=options.resume is not None)
        summary = run(allowed.settings, allowed.scope, options, teller, clock=self._clock)
        said = teller.finish()
        ended = self._ended(allowed, load_manifest(entry.run)[0], summary, said)
        if ended.state != "interrupted":
            try:
                entry.keep(ended)
            except ResultsError as error:  # then the manifest alone says it
                _log.warning("what came of shard %s is not kept: %s", self._shard.name, error)
        return ended

    def _tell(self, allowed: Allowed, entry: Entry, *, resumed: bool) -> Teller:
        shard = self._shard
        began = Began(
            run_id=shard.run_id,
            name=shard.name,
            attempt=shard.attempt,
            worker=self._ours.name,
            host=platform.node(),
            site=self._ours.site or shard.site,
            vantage=allowed.settings.sweep.vantage,
            version=__version__,
            at=timestamp(self._clock.wall()),
            targets=len(allowed.scope),
            refused=allowed.refused,
            examples=allowed.examples,
            scope_sha256=allowed.scope_sha256,
            tables_sha256=digest_of_all(allowed.options.tables or {}),
            resumed=resumed,
        )
        self._teller = Teller(self._output, shard, entry.run, began, self._lease.stop)
        for notice in self._notices:
            self._teller.notice(notice)
        return self._teller

    def _ended(self, allowed: Allowed, manifest: Manifest, summary: RunSummary | None, said: Said) -> Ended:
        """How a run ended. Without a summary, of one whose process ended just afterwards: what may have been
        missed is then the bound that the manifest has."""
        coverage, loss = manifest.coverage, manifest.loss
        assert coverage is not None  # it has ended
        unheard = loss.missed_at_most if loss is not None else None
        return Ended(
            run_id=self._shard.run_id,
            name=self._shard.name,
            attempt=self._shard.attempt,
            state=cast("Literal['complete', 'degraded', 'interrupted']", manifest.state),
            reasons=manifest.reasons,
            planned=self._shard.targets,
            outcomes=manifest.outcomes,
            excluded=coverage.excluded,
            link_edges=coverage.link_edges,
            unlisted=summary.unlisted if summary is not None else 0,
            not_reached=coverage.not_reached,
            refused=self._shard.targets - coverage.planned,
            examples=allowed.examples,
            withdrawn=manifest.withdrawn,
            loss=loss,
            blind=summary.blind if summary is not None else (0, 0),
            unheard=summary.unheard if summary is not None else unheard,
            lines=said.lines,
            digest=said.digest,
            seconds=round(summary.elapsed, 3) if summary is not None else 0.0,
            chain_head=manifest.chain_head,
            agreed=summary.agreed if summary is not None else None,
        )
