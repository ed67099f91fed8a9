"""Any list: streams of every kind, and bytes of no kind."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.entries import Entry
from targets.errors import ScopeError
from targets.planning import narrow_by_claims
from targets.scope import Scope
from targets.sources.read import read_claims

if TYPE_CHECKING:
    from pathlib import Path


def test_a_stream_that_is_buffered_already() -> None:
    stream = io.BufferedReader(io.BytesIO(b"10.0.0.1\n"))
    assert [claim.provenance for claim in read_claims(stream, "stdin", print)] == ["stdin:1"]


def test_a_stream_that_comes_by_single_bytes() -> None:
    """What is told by the beginning does not depend on how a pipe was written to."""

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1)

    for text in (
        b"port,saddr\n27017,10.1.2.3\n",
        b'[\n{"ip": "10.1.2.3", "port": 27017}]',
        b"10.1.2.3:27017",
    ):
        assert [claim.port for claim in read_claims(Slow(text), "in", print)] == [27017]


def test_a_stream_that_fails() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(ScopeError, match="in: cannot be read: Input/output error; name a list that can be"):
        list(read_claims(Broken(), "in", print))


BEGINNINGS = (b"", b"<nmaprun>", b"[{", b"ip,port\n", b"#masscan\n", b"Host: ", b"\xff\xfe", b"<?xml ")


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=200))
def test_any_bytes_are_claims_or_a_refusal(beginning: bytes, raw: bytes) -> None:
    with contextlib.suppress(ScopeError):
        assert all(c.provenance for c in read_claims(io.BytesIO(beginning + raw), "in", lambda text: None))


def test_a_long_list_through_a_fifo_costs_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    fifo = tmp_path / "list"
    os.mkfifo(fifo)
    lines = 100_000

    def write() -> None:
        with fifo.open("w") as file:
            for i in range(lines):
                file.write(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}:27017\n")

    writer = threading.Thread(target=write)
    writer.start()
    tracemalloc.start()
    with fifo.open("rb") as stream:
        found = narrow_by_claims(Scope([Entry.of("10.0.0.0/8")]), read_claims(stream, "in", print))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    writer.join()
    assert len(found.scope) == found.inside == lines
    assert peak < 4_000_000
