"""A run's files and its hash chain: compared when a run is taken up, sealed when one ended or died."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from results import manifest as manifests
from results.chain import Chain, ChainFile, ChainLink, content_of, load_chain, sha256_of
from results.files import CorruptError, FileSystem, explain
from results.manifest import MANIFEST_FILE, Manifest
from results.reading import TornTail, read_segment, segments_in
from results.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def new_chain(path: Path, run_id: str, manifest: bytes, fs: FileSystem) -> ChainFile:
    """The chain of a run that has no segment yet, written durably. `manifest` is the file's content."""
    chain = Chain(run_id=run_id, genesis=manifests.genesis_of(manifest), checkpoints=[])
    file = ChainFile(path, chain, fs)
    file.save()
    return file


def checked_chain(path: Path, manifest: Manifest, data: bytes, fs: FileSystem) -> ChainFile:
    """The chain of a run that is taken up again. Raises `CorruptError` when the manifest's beginning, or any
    sealed segment, is missing or is not what it was."""
    chain = load_chain(path)
    segments = segments_in(path)
    if chain is None:
        if segments:
            raise CorruptError(path, "the hash chain is missing")
        # It died between manifest and chain. No segment may begin before the chain is on the medium.
        return new_chain(path, manifest.run_id, data, fs)
    if chain.genesis != manifests.genesis_of(data):
        raise CorruptError(
            path / MANIFEST_FILE, "it is not the one that the run began with", "`mongosweep audit` says more"
        )
    if gone := chain.segments().keys() - {segment.name for segment in segments}:
        raise CorruptError(path / min(gone), "this sealed segment is missing", "`mongosweep audit` says more")
    for segment in segments:
        seal = chain.segments().get(segment.name)
        if seal is not None and not is_as_sealed(segment, seal):
            raise CorruptError(segment, "its content is not what was sealed", "`mongosweep audit` says more")
    return ChainFile(path, chain, fs)


def is_as_sealed(segment: Path, seal: ChainLink) -> bool:
    """Looks at the size first: a file of another size need not be read, however large it is."""
    try:
        same_size = segment.stat(follow_symlinks=False).st_size == seal.bytes
        return same_size and sha256_of(segment) == seal.sha256
    except OSError as error:
        raise CorruptError(segment, explain(error), "`mongosweep audit` says more") from error


def seal_end(path: Path, chain: ChainFile, manifest: Manifest) -> None:
    """Cover the manifest's end by the chain, unless that is done; a crash may have come in between."""
    if chain.chain.head != manifest.chain_head:
        return
    content = content_of(path / MANIFEST_FILE, kind=MANIFEST_FILE)
    chain.add(
        ChainLink(
            kind="manifest",
            name=MANIFEST_FILE,
            lines=content.lines,
            bytes=content.bytes,
            sha256=content.sha256,
        )
    )


def seal_crashed(path: Path, chain: ChainFile, fs: FileSystem, warn: Callable[[TornTail], None]) -> None:
    """Seal what a process left that ended without a word. Raises `CorruptError` for damage in it."""
    sealed = chain.chain.segments()
    unsealed = [segment for segment in segments_in(path) if segment.name not in sealed]
    lines_of = {segment: _whole_lines(segment, chain.chain.run_id) for segment in unsealed}
    _make_durable(path, unsealed, fs)
    for segment, (lines, torn) in lines_of.items():
        for tail in torn:
            warn(tail)
        content = content_of(segment)
        chain.add(
            ChainLink(
                kind="segment",
                name=segment.name,
                lines=lines,
                bytes=content.bytes,
                sha256=content.sha256,
                ended="crashed",
                torn_bytes=sum(tail.length for tail in torn),
            )
        )


def _whole_lines(segment: Path, run_id: str) -> tuple[int, list[TornTail]]:
    """How many lines a segment without a seal holds, and its torn tail. Raises `CorruptError` for damage, and
    for lines of another run."""
    torn: list[TornTail] = []
    lines = 0
    for lines, observation in enumerate(read_segment(segment, torn.append), start=1):
        if observation.run_id != run_id:
            raise CorruptError(segment, f"line {lines} is of another run ({visible(observation.run_id)})")
    return lines, torn


def _make_durable(path: Path, segments: list[Path], fs: FileSystem) -> None:
    """What a killed process left may be in memory only; a seal over it must not outlive it."""
    if not segments:
        return
    for segment in segments:
        descriptor = fs.open(segment, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            fs.fsync(descriptor)
        finally:
            fs.close(descriptor)
    fs.fsync_dir(path)
