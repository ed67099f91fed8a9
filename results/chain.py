"""The hash chain over a run: its manifest, then every segment of its journal, then how it ended.

It stands beside the segments, in `chain.json`, so that a segment holds observations and nothing else. Each
link is the SHA-256 of the link before it and of what it covers. Whoever edits a file must rebuild every later
link; the last one, the head, is worth keeping elsewhere (it is printed when a run ends), for then even that
shows.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from results.files import CorruptError, FileSystem, open_to_read, read_newest_valid, write_durably

if TYPE_CHECKING:
    from pathlib import Path

CHAIN_FILE = "chain.json"
CHAIN_SCHEMA = "mongosweep.chain/1"


class ChainLink(Struct, frozen=True, kw_only=True):
    """One file as it was when it was sealed.

    `crashed`: the process that wrote the segment ended without sealing it, and the next start did; then
    `torn_bytes` at its end are a line that was cut off. A `manifest` link covers the file as a run's end left
    it. `lines` counts whole lines; `bytes` and `sha256` are of the whole file.
    """

    kind: Literal["segment", "manifest"]
    name: str
    lines: int
    bytes: int
    sha256: str
    ended: Literal["sealed", "crashed"] = "sealed"
    torn_bytes: int = 0
    hash: str = ""

    def digest_after(self, previous: str) -> str:
        """The hash that this link must carry when it follows `previous`."""
        parts = [
            previous,
            self.kind,
            self.name,
            self.lines,
            self.bytes,
            self.sha256,
            self.ended,
            self.torn_bytes,
        ]
        return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


class Chain(Struct, kw_only=True):
    """The whole of `chain.json`. `genesis` covers the parts of the manifest that never change.

    `checkpoints` are the SHA-256 of the last checkpoints, noted before they were written, so that no other
    is believed; None in runs of versions that noted none.
    """

    schema: str = CHAIN_SCHEMA
    run_id: str
    genesis: str
    links: list[ChainLink] = []
    checkpoints: list[str] | None = None

    @property
    def head(self) -> str:
        """The last hash: it depends on every byte that the chain covers."""
        return self.links[-1].hash if self.links else self.genesis

    def segments(self) -> dict[str, ChainLink]:
        """The sealed segments by name."""
        return {link.name: link for link in self.links if link.kind == "segment"}

    def broken_at(self) -> int | None:
        """Position of the first link whose hash does not follow from the one before; None when all do."""
        previous = self.genesis
        for position, link in enumerate(self.links):
            if link.hash != link.digest_after(previous):
                return position
            previous = link.hash
        return None


class Content(NamedTuple):
    """What a segment holds, counted byte by byte."""

    lines: int
    bytes: int
    torn_bytes: int
    sha256: str


def genesis(identity: dict[str, Any]) -> str:
    """The chain's first hash, from the manifest's unchanging fields in canonical JSON."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def content_of(path: Path, *, first_bytes: int | None = None, kind: str = "segment") -> Content:
    """Read a file through, or its first bytes only, and say what is in it. Memory does not grow with it.
    Raises as `open_to_read` does."""
    digest = hashlib.sha256()
    lines = size = torn = 0
    with open_to_read(path, kind) as file:
        while block := file.read(1 << 20 if first_bytes is None else min(1 << 20, first_bytes - size)):
            digest.update(block)
            lines += block.count(b"\n")
            size += len(block)
            last = block.rfind(b"\n")
            torn = torn + len(block) if last < 0 else len(block) - last - 1
    return Content(lines, size, torn, digest.hexdigest())


def sha256_of(path: Path, *, kind: str = "segment") -> str:
    """The digest of a whole file; quicker than `content_of`, which counts lines. Raises as that does."""
    digest = hashlib.sha256()
    with open_to_read(path, kind) as file:
        while block := file.read(1 << 18):
            digest.update(block)
    return digest.hexdigest()


# Made here, before there are threads: msgspec 0.22.0 crashes where two meet a type for the first time.
_decode = msgspec.json.Decoder(Chain).decode


class ChainFile:
    """`chain.json` of one run, open for growing. The caller holds the run's lock."""

    def __init__(self, directory: Path, chain: Chain, fs: FileSystem) -> None:
        self._path = directory / CHAIN_FILE
        self._fs = fs
        self.chain = chain

    def save(self) -> None:
        """Write the file durably. Raises `StorageError`."""
        data = msgspec.json.format(msgspec.json.encode(self.chain), indent=1) + b"\n"
        write_durably(self._fs, self._path, data, keep_previous=False)

    def note_checkpoint(self, data: bytes) -> None:
        """Say durably that these bytes are about to become the checkpoint. Raises `StorageError`."""
        self.chain.checkpoints = [*(self.chain.checkpoints or ())[-2:], hashlib.sha256(data).hexdigest()]
        self.save()

    def add(self, link: ChainLink) -> ChainLink:
        """Append one link, give it its hash, and write the file durably. Raises `StorageError`."""
        hashed = msgspec.structs.replace(link, hash=link.digest_after(self.chain.head))
        self.chain.links.append(hashed)
        self.save()
        return hashed


def load_chain(directory: Path) -> Chain | None:
    """Read `chain.json`; None when there is none. Raises `CorruptError` when it is unreadable or broken."""

    def parse(data: bytes) -> Chain:
        try:
            return _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(str(error)) from error

    chain = read_newest_valid(directory / CHAIN_FILE, parse)
    if chain is not None and (position := chain.broken_at()) is not None:
        name = chain.links[position].name
        raise CorruptError(
            directory / CHAIN_FILE, f"the link of {name} does not follow from the one before it"
        )
    return chain
