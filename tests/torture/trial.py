"""One run through its deaths to its end, and what is asked of its directory after each."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from results.audit import audit
from results.files import ResultsError
from results.reading import read_records
from tests.torture.verify import Report, verify

if TYPE_CHECKING:
    from tests.torture.verify import Truth

KEPT = 20  # violations that are told; more of the same kind teach nothing


@dataclass
class Tally:
    """What one kind of death came to. Shared by threads; `add` and `examine` lock."""

    name: str
    deaths: int = 0
    resumes: int = 0
    lost: int = 0
    torn: int = 0
    duplicates: int = 0
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0
    notes: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *, deaths: int = 0, resumes: int = 0, note: str = "") -> None:
        """Count."""
        with self.lock:
            self.deaths += deaths
            self.resumes += resumes
            if note:
                self.notes[note] += 1

    def blame(self, text: str) -> None:
        """One violation."""
        with self.lock:
            self.violations.append(f"{self.name}: {text}")

    @property
    def sound(self) -> bool:
        """Nothing lost, nothing violated."""
        return not self.violations and not self.lost

    def examine(self, run: Path, truth: Truth, label: str, *, ended: bool = False) -> Report:
        """Let the independent reader look at a run, and our own readers beside it."""
        report = verify(run, truth, ended=ended)
        problems = list(report.violations)
        if (run / "manifest.json").exists():
            problems += _our_own_readers(run, report)
        if problems or report.lost:
            kept = run.parent.parent / f"kept-{label.replace(' ', '-')}-{run.name}"
            shutil.copytree(run, kept, dirs_exist_ok=True)
        with self.lock:
            self.violations += [f"{self.name}, {label}: {text}" for text in problems]
            if ended:
                self.lost += report.lost
                self.torn += report.torn
                self.duplicates += report.duplicates
        return report


def _our_own_readers(run: Path, report: Report) -> list[str]:
    """Our readers must take exactly the whole lines, warn of the rest, and find nothing edited."""
    try:
        ours = [msgspec.json.encode(line) + b"\n" for line in read_records(run, lambda _: None)]
        edited = [f"the audit calls {finding.file} edited: {finding.detail}" for finding in audit(run).edited]
    except ResultsError as error:
        if not report.lines and not list(run.glob("observations-*")):
            return []  # nothing was observed yet
        return [f"our reader refuses it: {error}"]
    if ours != report.lines:
        edited.append(f"our reader takes {len(ours)} lines where {len(report.lines)} are whole")
    return edited


def in_memory() -> str | None:
    """A directory that costs no disk; None where there is none, which means the usual one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def run_in(output: Path) -> Path | None:
    """The one run of an output directory; one without a manifest never started and is taken away."""
    if not output.is_dir():
        return None
    runs = [entry for entry in output.iterdir() if entry.is_dir() and not entry.is_symlink()]
    begun = [entry for entry in runs if (entry / "manifest.json").exists()]
    for entry in runs:
        if entry not in begun:
            assert not list(entry.glob("observations-*")), f"{entry} has segments and no manifest"
            shutil.rmtree(entry)
    assert len(begun) <= 1, begun
    return begun[0] if begun else None


def lanes(count: int, work: list[int], task: object) -> None:
    """Do `task(number)` for every number, `count` at a time; the first exception is raised at the end."""
    assert callable(task)
    waiting = list(reversed(work))
    failures: list[BaseException] = []

    def lane() -> None:
        while waiting and not failures:
            try:
                number = waiting.pop()
            except IndexError:
                return
            try:
                task(number)
            except BaseException as error:  # noqa: BLE001 - raised again below, on the caller's thread
                failures.append(error)

    threads = [threading.Thread(target=lane) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
