"""The bytes between a task and its coordinator: read whole or not at all, whatever a worker sends."""

from __future__ import annotations

import contextlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.fleet.dask import frames
from scanner.fleet.dask.frames import (
    Sender,
    frame_of_failure,
    frame_of_message,
    frame_of_sender,
    read,
)
from scanner.fleet.messages import MessageError, Told, encode

SENDER = Sender(worker="paris-1", name="000001", attempt=2, begun="c0ffee")
TOLD = Told(run_id="r", name="000001", attempt=2, text="a word")
WHOLE = frame_of_sender(SENDER) + 2 * frame_of_message(encode(TOLD)) + frame_of_failure("it stopped")


def test_what_was_written_is_read() -> None:
    spoken = read(WHOLE)
    assert (spoken.sender, list(spoken.messages), spoken.failure, spoken.lost) == (
        SENDER,
        [TOLD, TOLD],
        "it stopped",
        False,
    )
    assert read(frame_of_sender(SENDER) + frame_of_failure("gone", lost=True))[2:] == ("gone", True)
    assert read(frame_of_sender(SENDER))[2:] == ("", False)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "NoneType instead of bytes"),
        ("text", "str instead of bytes"),
        (b"", "does not begin with who speaks"),
        (frame_of_message(encode(TOLD)), "does not begin with who speaks"),
        (b"S\0\0\0\x02{}", "header"),
        (b"S\xff\xff\xff\xff", "cut off"),
        (b"S\0\0", "cut off"),
        (frame_of_sender(SENDER) + b"F\0\0\0\1x", "cut off|header"),
    ],
)
def test_what_is_no_such_sequence_is_an_error(data: object, why: str) -> None:
    with pytest.raises(MessageError, match=why):
        read(data)


def test_a_few_bytes_cannot_become_a_gigabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MOST_BYTES", 1000)
    packed = zlib.compress(bytes(1001))
    spoken = read(frame_of_sender(SENDER) + b"M" + len(packed).to_bytes(4, "big") + packed)
    with pytest.raises(MessageError, match="longer than one may be"):
        next(spoken.messages)


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_byte_that_was_altered_is_an_error_or_another_word(at: int, by: int) -> None:
    altered = WHOLE[:at] + bytes([WHOLE[at] ^ by]) + WHOLE[at + 1 :]
    with contextlib.suppress(MessageError):
        assert all(isinstance(message, Told) for message in read(altered).messages)


@given(st.integers(1, len(WHOLE) - 1))
def test_what_is_torn_is_an_error_or_ends_with_a_whole_message(length: int) -> None:
    with contextlib.suppress(MessageError):
        spoken = read(WHOLE[:length])
        assert (spoken.sender, spoken.failure) == (SENDER, "")
        assert list(spoken.messages) in ([], [TOLD], [TOLD, TOLD])
