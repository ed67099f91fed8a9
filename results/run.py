"""A run directory: made for a new run, taken up again for a resumed one, and closed with how it ended.

    DIR/lock                            held while a run begins, so that two which must not meet do not
    DIR/RUN_ID/lock                     held by the process that works on this run; tells living from dead
    DIR/RUN_ID/manifest.json            who, when, what, how it ended
    DIR/RUN_ID/covered.json             exactly the targets that it set out to ask
    DIR/RUN_ID/observations-0001.jsonl  the journal, one segment a start
    DIR/RUN_ID/chain.json               the hash chain over manifest and segments
    DIR/RUN_ID/checkpoint.json          how far the sweep came
    DIR/RUN_ID/progress.json            the same for whoever looks while it goes on

Who begins a run says beside which others it may go on; a run that says nothing is alone in its directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from typing import TYPE_CHECKING, Any

import msgspec

from results import manifest as manifests
from results.files import (
    MOST_BYTES,
    REAL,
    AlreadyCompleteError,
    CorruptError,
    FileSystem,
    NotARunError,
    StorageError,
    StorageRefusedError,
    read_newest_valid,
    write_durably,
)
from results.going_on import note_of, require_room
from results.journal import ROTATE_BYTES, JournalWriter
from results.lock import Lock
from results.manifest import COVERED_FILE, MANIFEST_FILE, Manifest, Start
from results.place import make_directory, prove_writable, refusing
from results.reading import TornTail, log_warning
from results.seals import checked_chain, is_as_sealed, new_chain, seal_crashed, seal_end
from results.summary import AccountingError, Loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from results.chain import ChainFile
    from results.going_on import WhyNot
    from results.manifest import State
    from results.summary import Coverage

CHECKPOINT_FILE = "checkpoint.json"
RESERVE_FILE = "reserve"
NEED_BYTES = 1 << 20
_BEGINNING = 40  # looks, two seconds: another run writes down what it covers, durably
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class RunDirectory:
    """One run on disk, locked for this process. Use it as a context manager, or call `close`."""

    def __init__(self, path: Path, manifest: Manifest, chain: ChainFile, lock: Lock, fs: FileSystem) -> None:
        self.path = path
        self.manifest = manifest
        self._chain = chain
        self._lock = lock
        self._fs = fs
        self._journal: JournalWriter | None = None

    @classmethod
    def create(
        cls,
        output: Path,
        run_id: str,
        manifest: Manifest,
        fs: FileSystem = REAL,
        *,
        covered: bytes = b"",
        need_bytes: int = NEED_BYTES,
        why_not: WhyNot | None = None,
    ) -> RunDirectory:
        """Make `output/run_id` with its manifest, durably, before anything is sent; `covered` is the content
        of the file that the manifest vouches for. `why_not` is asked of each run that goes on there.

        Proves first that the place takes a write and an fsync and has `need_bytes` free. Raises
        `StorageRefusedError` (with place and remedy) or `DirectoryBusyError`; nothing is left behind then
        but `output` itself.
        """
        if not _RUN_ID.fullmatch(run_id) or run_id != manifest.run_id:
            raise StorageRefusedError(
                run_id, "not a name for a run", "use up to 64 letters, digits, dots, dashes or underscores"
            )
        path = output / run_id
        with refusing(output), contextlib.ExitStack() as undo:
            make_directory(fs, output)
            beginning = undo.enter_context(_beginning(output, run_id, why_not))
            prove_writable(fs, output, need_bytes + len(covered))
            fs.mkdir(path)
            undo.callback(_remove_empty_run, path)
            fs.fsync_dir(output)
            lock = Lock.acquire(path, note_of(run_id))
            undo.callback(lock.release)
            data = manifests.encode(manifest)
            _require_size(path, data)
            if covered:
                write_durably(fs, path / COVERED_FILE, covered, keep_previous=False)
            write_durably(fs, path / MANIFEST_FILE, data, keep_previous=False)
            chain = new_chain(path, run_id, data, fs)
            run = cls(path, manifest, chain, lock, fs)
            run._set_reserve(len(data))
            undo.pop_all()
            beginning.leave(note_of(run_id))
            beginning.release()
        return run

    @classmethod
    def open(
        cls,
        path: Path,
        start: Start,
        fs: FileSystem = REAL,
        *,
        warn: Callable[[TornTail], None] = log_warning,
        expect: Manifest | None = None,
        need_bytes: int = NEED_BYTES,
        why_not: WhyNot | None = None,
    ) -> RunDirectory:
        """Take up a run again: lock it, check every segment, seal those that a crash left, note the start.

        With `expect`, the manifest that a new run would have now, it refuses when scope, configuration, seed
        or shard differ and says what does. Raises `NotARunError`, `DirectoryBusyError`,
        `StorageRefusedError`, `AlreadyCompleteError`, and `CorruptError` when evidence is damaged.
        """
        with refusing(path), contextlib.ExitStack() as undo:
            load_manifest(path)
            beginning = undo.enter_context(_beginning(path.parent, path.name, why_not))
            lock = Lock.acquire(path, note_of(path.name))
            undo.callback(lock.release)
            prove_writable(fs, path, need_bytes)
            manifest, data = load_manifest(path)
            _require_unchanged(path, manifest, expect)
            for leftover in path.glob("*.tmp"):
                fs.unlink(leftover)
            chain = checked_chain(path, manifest, data, fs)
            if manifest.state == "complete":
                seal_end(path, chain, manifest)
                raise AlreadyCompleteError(path, "this run is complete", "start a new one without --resume")
            seal_crashed(path, chain, fs, warn)
            run = cls(path, manifest, chain, lock, fs)
            run._set_reserve(len(manifests.encode(manifest)))
            run.update(state="running", starts=[*manifest.starts, start], ended_at="", chain_head="")
            undo.pop_all()
            beginning.leave(note_of(path.name))
            beginning.release()
        return run

    @property
    def run_id(self) -> str:
        """The name of the run, and of its directory."""
        return self.manifest.run_id

    @property
    def checkpoint_path(self) -> Path:
        """Where the sweep keeps its progress."""
        return self.path / CHECKPOINT_FILE

    @property
    def chain_head(self) -> str:
        """The last hash of the chain; worth keeping where nobody who can edit the run can write."""
        return self._chain.chain.head

    def write_checkpoint(self, data: bytes) -> None:
        """Replace the checkpoint durably, after the chain says that it will be this one. Raises
        `StorageError`."""
        self._chain.note_checkpoint(data)
        write_durably(self._fs, self.checkpoint_path, data)

    def vouches_for(self, data: bytes) -> bool:
        """Whether these bytes are one of the last checkpoints that the run wrote."""
        noted = self._chain.chain.checkpoints
        return noted is None or hashlib.sha256(data).hexdigest() in noted

    def journal(self, rotate_bytes: int = ROTATE_BYTES) -> JournalWriter:
        """The journal of this start, on a segment of its own. Raises `StorageError`."""
        if self._journal is None:
            self._journal = JournalWriter(self.path, self._fs, self._chain, rotate_bytes=rotate_bytes)
        return self._journal

    def update(self, **changes: Any) -> None:
        """Change fields of the manifest, durably. Raises `StorageError`; `ValueError` for a fixed field."""
        if fixed := changes.keys() - manifests.MUTABLE:
            raise ValueError(f"a run's manifest keeps {', '.join(sorted(fixed))}")
        changed = msgspec.structs.replace(self.manifest, **changes)
        write_durably(self._fs, self.path / MANIFEST_FILE, manifests.encode(changed), keep_previous=False)
        self.manifest = changed

    def check_in_place(self) -> None:
        """Raise `StorageError` when the lock or the open segment was removed or replaced under this run."""
        if not self._lock.still_held():
            raise StorageError(self._lock.path, "the lock file was removed or replaced during the run")
        if self._journal is not None:
            self._journal.check_in_place()

    def finish(
        self,
        state: State,
        *,
        ended_at: str,
        coverage: Coverage,
        outcomes: dict[str, int],
        reasons: list[str],
        loss: Loss | None = None,
    ) -> None:
        """Seal the journal, write how the run ended, and seal that. Raises `StorageError`.

        `complete` is refused with `AccountingError` when the coverage does not prove it.
        """
        coverage.check()
        if state == "complete" and not coverage.is_whole:
            raise AccountingError(f"{coverage.not_reached} targets were not reached")
        if self._journal is not None:
            self._journal.close()
            self._journal.require_sound()
        self._require_seals()
        self._drop_reserve()
        self.update(
            state=state,
            reasons=reasons,
            coverage=coverage,
            loss=loss,
            outcomes=outcomes,
            ended_at=ended_at,
            chain_head=self.chain_head,
        )
        seal_end(self.path, self._chain, self.manifest)

    def _require_seals(self) -> None:
        """Nothing may be said of the run when a sealed segment was changed or taken away since."""
        for name, seal in self._chain.chain.segments().items():
            segment = self.path / name
            try:
                if not is_as_sealed(segment, seal):
                    raise StorageError(segment, "somebody changed it after it was sealed")
            except CorruptError as error:
                raise StorageError(segment, error.reason) from error

    def fail(self, reasons: list[str], *, ended_at: str) -> bool:
        """After a `StorageError`: try once to say so in the manifest, in the space that was reserved.

        Returns False when the disk takes not even that; the manifest then still says `running`, and with its
        lock free the run counts as aborted.
        """
        self._drop_reserve()
        try:
            self.update(state="failed", reasons=reasons, ended_at=ended_at)
        except StorageError:
            return False
        return True

    def fail_for(self, error: StorageError, *, ended_at: str) -> None:
        """The same for the error that stopped the run; from then on it names this directory."""
        self.fail([str(error)], ended_at=ended_at)
        error.run_dir = str(self.path)

    def close(self) -> None:
        """Close the journal and let go of the lock. Safe to repeat. Raises `StorageError`."""
        try:
            if self._journal is not None:
                self._journal.close()
        finally:
            self._lock.release()

    def __enter__(self) -> RunDirectory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _set_reserve(self, manifest_bytes: int) -> None:
        """Keep room for the last manifest and chain, which a full disk would refuse otherwise."""
        path = self.path / RESERVE_FILE
        with contextlib.suppress(FileNotFoundError):
            self._fs.unlink(path)
        descriptor = self._fs.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
        try:
            self._fs.allocate(descriptor, 2 * manifest_bytes + 64 * 1024)
        finally:
            self._fs.close(descriptor)

    def _drop_reserve(self) -> None:
        with contextlib.suppress(OSError):
            self._fs.unlink(self.path / RESERVE_FILE)


def load_manifest(path: Path) -> tuple[Manifest, bytes]:
    """The manifest of a run directory, and its bytes.

    Raises `NotARunError` when there is none, and `CorruptError` when none is readable.
    """
    found = read_newest_valid(path / MANIFEST_FILE, lambda data: (manifests.parse(data), data))
    if found is None:
        raise NotARunError(path, "no run here", "`mongosweep runs` lists the runs")
    return found


def _require_unchanged(path: Path, manifest: Manifest, expect: Manifest | None) -> None:
    if expect is not None and (changed := manifests.differences(manifest, expect)):
        raise StorageRefusedError(
            path,
            "cannot resume: " + "; ".join(changed),
            "undo the change, or start a new run without --resume",
        )


def _require_size(path: Path, data: bytes) -> None:
    most = MOST_BYTES[MANIFEST_FILE]
    if len(data) > most:
        raise StorageRefusedError(
            path / MANIFEST_FILE,
            f"it would have {len(data):,} bytes, more than {most:,}",
            "merge neighbouring entries of the scope, or sweep in parts",
        )


def _remove_empty_run(path: Path) -> None:
    """Undo a directory in which no run ever started."""
    with contextlib.suppress(OSError):
        for entry in path.iterdir():
            entry.unlink()
        path.rmdir()


@contextlib.contextmanager
def _beginning(output: Path, run_id: str, why_not: WhyNot | None) -> Iterator[Lock]:
    """Hold the lock of the output directory, once it is known that this run may begin beside the others."""
    lock = Lock.acquire(output, tries=_BEGINNING, by="run that begins")
    try:
        require_room(output, run_id, why_not)
        yield lock
    finally:
        lock.release()
