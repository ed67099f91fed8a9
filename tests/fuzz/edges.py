"""Fuzz target `edges`: everything else that reads bytes of others: TLS, the journal, the allow-list."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

from results.files import CorruptError, NotARunError
from results.reading import read_segment
from scanner.network.connect.tls import TlsError, TlsLayer
from targets.errors import ScopeError
from targets.grammar import GrammarError, parse_endpoint, parse_port
from targets.load import load_scope
from tests.fuzz.oracle import must
from tests.fuzz.source import Source

SUFFIXES: Final = (".txt", ".csv", ".toml")
MAX_TARGETS: Final = 2**16
_FOLDER: Final = Path(tempfile.mkdtemp(prefix="mongosweep-fuzz-"))


def run(data: bytes) -> None:
    """One input: its first byte says who reads the rest."""
    source = Source(data)
    match source.below(4):
        case 0:
            _tls(source)
        case 1:
            _segment(source.rest())
        case 2:
            _grammar(source.rest().decode("utf-8", "surrogateescape"))
        case _:
            _allow_list(SUFFIXES[source.below(3)], source.rest())


def _tls(source: Source) -> None:
    layer = TlsLayer(legacy=bool(source.byte() & 1))
    try:
        must(layer.start()[:1] == b"\x16", "a hello that is no handshake record")
        while source.left:
            plain, _ = layer.feed(source.piece(1 + source.byte()))
            must(not plain or layer.established, "plain text before the handshake is over")
    except TlsError as error:
        must(str(error), "an error without a name")
    finally:
        must(not layer.established, "a session without keys")
        must(layer.session("x").alert == "x", "another alert")
        layer.forget()


def _written(name: str, data: bytes) -> Path:
    path = _FOLDER / f"{os.getpid()}{name}"
    path.write_bytes(data)
    return path


def _segment(data: bytes) -> None:
    torn: list[int] = []
    try:
        found = list(read_segment(_written(".jsonl", data), lambda tail: torn.append(tail.length)))
    except (CorruptError, NotARunError) as error:
        must(str(error), "an error without words")
        return
    must(len(found) == data[: len(data) - sum(torn)].count(b"\n"), "a line was lost")


def _grammar(text: str) -> None:
    for parse in (parse_endpoint, parse_port):
        try:
            parse(text)
        except GrammarError as error:
            must(str(error), "an error without words")


def _allow_list(suffix: str, data: bytes) -> None:
    try:
        scope = load_scope(_written(suffix, data), now=0.0, max_targets=MAX_TARGETS)
    except ScopeError as error:
        must(str(error), "an error without words")
        return
    for position in {0, len(scope) // 2, len(scope) - 1} if len(scope) else ():
        target = scope.pick(position)
        must(scope.owner_of(target.address, target.version).text, "a target that nobody allowed")
