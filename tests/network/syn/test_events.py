"""What the parent makes of the stage's messages: events in their order, and trouble where they are broken."""

from __future__ import annotations

import asyncio
import zlib

import msgspec
import pytest

from scanner.network.syn.messages import HEADER, MOST_PAYLOAD, Kind, Stats, Trouble, frame
from scanner.network.syn.stage import (
    Event,
    LiveTargets,
    NoRawSockets,
    RefusedTargets,
    SnapshotBegun,
    SnapshotWhole,
    StageTrouble,
    SynStage,
)
from tests.network.syn.scripted import indices, saying, snapshot, stage_reading

STATS = frame(Kind.STATS, msgspec.json.encode(Stats(targets=3)))
DONE = frame(Kind.DONE, msgspec.json.encode(Stats(targets=9, ended="complete")))
SCRIPT = (
    indices(Kind.LIVE, 4, 2)
    + indices(Kind.REFUSED, 7)
    + snapshot(2, position=5)
    + indices(Kind.LIVE, 8)
    + frame(Kind.MARKS, b"first ")
    + STATS
    + frame(Kind.MARKS, b"second")
    + DONE
)


def heard(script: bytes) -> tuple[list[Event], Stats]:
    """All events of a stage that says this, and its statistics."""

    async def listen() -> tuple[list[Event], Stats]:
        stage = saying(script)
        return [event async for event in stage.events()], stage.stats

    return asyncio.run(listen())


def test_events_come_in_the_order_of_the_messages() -> None:
    events, stats = heard(SCRIPT)

    assert [type(event) for event in events] == [
        LiveTargets,
        RefusedTargets,
        SnapshotBegun,
        LiveTargets,
        SnapshotWhole,
    ]
    assert [list(e.indices) for e in events if isinstance(e, LiveTargets)] == [[4, 2], [8]]
    whole = events[-1]
    assert isinstance(whole, SnapshotWhole)
    assert whole.progress.position == 5
    assert zlib.decompress(whole.marks) == b"first second"
    assert (stats.targets, stats.ended) == (9, "complete")


def test_a_snapshot_without_marks_is_whole_at_once() -> None:
    events, _ = heard(snapshot(0) + DONE)

    assert [type(event) for event in events] == [SnapshotBegun, SnapshotWhole]


def test_marks_of_no_snapshot_are_nothing() -> None:
    assert heard(frame(Kind.MARKS, b"stray") + DONE)[0] == []


def test_nothing_else_runs_between_a_message_and_its_event() -> None:
    """The loop is busy, and the messages come in crumbs."""

    async def listen() -> list[type[Event]]:
        loop, turns, seen, left = asyncio.get_running_loop(), 0, [], bytearray(SCRIPT)
        stdout = asyncio.StreamReader()
        stage = stage_reading(stdout)

        def turn() -> None:
            nonlocal turns
            turns += 1
            stdout.feed_data(bytes(left[:3]))
            del left[:3]
            if left:
                loop.call_soon(turn)
            else:
                stdout.feed_eof()

        read_at = 0

        async def message(stage: SynStage = stage) -> tuple[Kind, bytes]:
            nonlocal read_at
            found = await SynStage._message(stage)
            read_at = turns
            return found

        stage._message = message  # type: ignore[method-assign]  # to count turns
        loop.call_soon(turn)
        async for event in stage.events():
            assert turns == read_at > 0
            seen.append(type(event))
            await asyncio.sleep(0)
        return seen

    assert len(asyncio.run(listen())) == 5


def test_a_stage_that_breaks_off_is_trouble_wherever_it_does() -> None:
    for cut in range(len(SCRIPT)):
        with pytest.raises(StageTrouble, match="without a last word"):
            heard(SCRIPT[:cut])


def test_a_message_that_is_too_long_is_not_read() -> None:
    with pytest.raises(StageTrouble, match=rf"a message of {MOST_PAYLOAD + 1} bytes"):
        heard(HEADER.pack(Kind.MARKS.value, MOST_PAYLOAD + 1))


@pytest.mark.parametrize(
    "message",
    [
        frame(Kind.SNAPSHOT, b"{}"),
        frame(Kind.STATS, b"[]"),
        frame(Kind.TROUBLE, b"{"),
        frame(Kind.LIVE, b"1234567"),
        HEADER.pack(b"?", 0),
    ],
)
def test_what_is_no_message_of_ours_is_a_bug(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        heard(message + DONE)


def test_the_stage_says_why_it_ends() -> None:
    def trouble(what: str) -> bytes:
        return frame(Kind.TROUBLE, msgspec.json.encode(Trouble(what=what, text="the reason")))

    with pytest.raises(StageTrouble, match="the reason") as caught:
        heard(trouble("refused"))
    assert caught.value.what == "refused"
    with pytest.raises(NoRawSockets, match="the reason"):
        heard(trouble("no raw sockets"))
