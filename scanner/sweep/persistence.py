"""Keeps a run durable: the journal's fsync each second, checkpoints that cover only what is written, its end.

While a sweep turns, this happens on one thread of its own, so that a slow disk never slows a probe. The order
is always the same: evidence first, then the SYN stage's marks, then the checkpoint that rests on both.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from results.progress import remove_progress, write_progress
from results.summary import Coverage
from scanner.sweep.checkpoint import PendingCheckpoint, forget_others, with_marks
from scanner.sweep.judgement import judge_run, lasting_faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.files import FileSystem
    from results.journal import JournalWriter
    from results.manifest import State
    from results.progress import Progress
    from results.run import RunDirectory
    from results.summary import Loss
    from scanner.engine.accounts import Accounts
    from scanner.engine.failure import FirstFailure
    from scanner.sweep.checkpoint import Checkpoint
    from scanner.sweep.judgement import RunFacts
    from scanner.sweep.syn_feeder import SynFeeder

_log = logging.getLogger(__name__)
SYNC_INTERVAL = 1.0  # seconds between two fsyncs of the journal
CHECKPOINT_EVERY = 5  # fsyncs


class Persistence:
    """Writes one run's checkpoints. `take` makes one of this moment, with the number that it is given.

    `loss` says what may have been missed, and `withdrawn` which ranges are not asked any more.
    `found` is the checkpoint that an earlier start left, `resumed` the same if the run goes on from it.
    """

    def __init__(
        self,
        directory: RunDirectory,
        journal: JournalWriter,
        fs: FileSystem,
        *,
        stage: SynFeeder | None,
        take: Callable[[int], Checkpoint],
        loss: Callable[[], Loss | None],
        withdrawn: Callable[[], list[str]],
        failure: FirstFailure,
        found: Checkpoint | None,
        resumed: Checkpoint | None,
    ) -> None:
        self._directory = directory
        self._journal = journal
        self._fs = fs
        self._stage = stage
        self._take = take
        self._loss = loss
        self._withdrawn = withdrawn
        self._failure = failure
        # Numbers go on, and marks stay, after a checkpoint that is there, though the run may begin anew.
        self._sequence = found.sequence if found is not None else 0
        self._on_disk = found  # the last checkpoint there
        self._durable = resumed  # the same, if the run goes on from it
        self._writing: Future[None] | None = None  # the last job given to the disk's thread
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="disk")
        # The thread is there from the beginning: to start one where memory has run out waits for ever.
        self._disk.submit(lambda: None)

    def checkpoint(self) -> Checkpoint:
        """The run as it stands. Taken on the loop, before the fsync that covers all it counts."""
        self._sequence += 1
        return self._take(self._sequence)

    async def keep(self) -> None:
        """Fsync the journal every second, and write a checkpoint every few times. Any failure is final."""
        rounds = 0
        while True:
            await asyncio.sleep(SYNC_INTERVAL)
            rounds += 1
            due = self._due(rounds % CHECKPOINT_EVERY == 0)
            self._writing = self._disk.submit(self.write, *due)
            try:
                await asyncio.wrap_future(self._writing)
            except Exception as error:  # noqa: BLE001 - reported as the sweep's own failure
                self._failure.report(error)
                return

    async def note_progress(self, progress: Progress) -> None:
        """Write down how far the run is, for whoever looks, when the disk's thread comes to it."""
        writing = self._disk.submit(write_progress, self._directory.path, progress)
        await asyncio.wrap_future(writing)

    async def settle(self) -> None:
        """Let the disk finish: whoever closes the accounts must be alone with the files, and know how the
        last write ended."""
        await asyncio.get_running_loop().run_in_executor(self._disk, lambda: None)
        if self._writing is not None and not self._writing.cancelled():
            error = self._writing.exception()
            if error is not None:
                self._failure.report(error)

    def close(self) -> None:
        """End the disk's thread."""
        self._disk.shutdown()

    def _due(self, regular: bool) -> PendingCheckpoint | tuple[None, None]:
        """The checkpoint to write now, with the marks of the SYN stage. While that runs, it sets the pace."""
        if self._stage is not None and not self._stage.over:
            return self._stage.due() or (None, None)
        return self._present() if regular else (None, None)

    def _present(self) -> PendingCheckpoint:
        checkpoint = self.checkpoint()
        return (
            self._stage.final(checkpoint) if self._stage is not None else PendingCheckpoint(checkpoint, None)
        )

    def write(self, checkpoint: Checkpoint | None, marks: bytes | None = None) -> None:
        """Make everything durable that is in the journal now, then `checkpoint`, if there is one to write.
        Raises StorageError."""
        self._journal.sync()
        self._directory.check_in_place()
        self._note_withdrawn()
        if checkpoint is None:
            return
        written = checkpoint.after_evidence(self._journal.position)
        if marks is not None:
            written = with_marks(self._fs, self._directory.path, written, marks)
        self._directory.write_checkpoint(written.encode())
        done, flying = sum(written.outcomes.values()), len(written.in_flight)
        _log.debug("checkpoint %d: %d outcomes, %d targets in flight", written.sequence, done, flying)
        before, self._on_disk, self._durable = self._on_disk, written, written
        forget_others(self._fs, self._directory.path, (before, written))

    def _note_withdrawn(self) -> None:
        """Before a checkpoint counts targets as excluded, the manifest says which those may be."""
        withdrawn = self._withdrawn()
        if withdrawn != self._directory.manifest.withdrawn:
            self._directory.update(withdrawn=withdrawn)

    def write_last(self, spoiled: list[str]) -> None:
        """The last checkpoint of a run that is not complete; `spoiled` is what no resume can mend. Where the
        SYN stage broke off, the one before holds still, but that must stand in it."""
        if self._stage is None or self._stage.over:
            self.write(*self._present())
            return
        last = self._stage.due() or (
            PendingCheckpoint(self._durable, None) if self._durable is not None else None
        )
        if last is not None:
            self.write(msgspec.structs.replace(last.checkpoint, spoiled=spoiled), last.marks)

    def seal(self, facts: RunFacts, accounts: Accounts, ended_at: str) -> tuple[State, list[str]]:
        """Judge the run and write its end, after the last checkpoint where one is needed. Returns the state
        and the reasons for it. Raises StorageError."""
        state, reasons = judge_run(facts)
        if state != "complete":  # even when all is reached: a resume must not forget why it was degraded
            self.write_last(lasting_faults(facts.lasting))
        self._note_withdrawn()
        self._directory.finish(
            state,
            ended_at=ended_at,
            coverage=Coverage(
                planned=accounts.planned,
                outcomes=accounts.done,
                excluded=accounts.excluded,
                not_reached=facts.not_reached,
                link_edges=accounts.edges,
            ),
            loss=self._loss(),
            outcomes=accounts.by_name,
            reasons=reasons,
        )
        remove_progress(self._directory.path)
        if state == "complete":
            forget_others(self._fs, self._directory.path, ())  # nobody goes on from here
        return state, reasons
