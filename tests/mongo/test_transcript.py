"""The hash chain of what was asked and answered: whoever has the bytes comes to the same."""

from __future__ import annotations

import struct
from hashlib import sha256

import pytest

from scanner.mongo.commands import client_metadata
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Layer, Limits, Next
from scanner.mongo.metadata import MetadataPlan
from scanner.mongo.transcript import KEPT, Transcript
from tests.support.replay import Replay


def talk(
    replay: Replay, transcript: Transcript | None, piece: int
) -> tuple[Dialogue, list[bytes], list[bytes]]:
    """A whole conversation; returns it with every message of both sides."""
    dialogue = Dialogue(
        client=client_metadata("Example", "soc@example.com", "1.0"),
        depth=Depth.COLLECTIONS,
        limits=Limits(),
        loopback=False,
        plan_factory=MetadataPlan,
        transcript=transcript,
    )
    asked, answered = [], []
    while dialogue.next is not Next.DONE:
        replay.connect()
        to_send = dialogue.connected(Layer.PLAIN)
        while dialogue.next is Next.WAIT:
            asked += messages(to_send)
            reply = replay.answer(to_send).reply
            answered += messages(reply)
            to_send = b""
            for at in range(0, len(reply), piece):
                to_send += dialogue.received(reply[at : at + piece])
    return dialogue, asked, answered


def messages(data: bytes) -> list[bytes]:
    found = []
    while data:
        (length,) = struct.unpack_from("<i", data)
        found.append(data[:length])
        data = data[length:]
    return found


@pytest.mark.parametrize("piece", [1, 1 << 20])
def test_an_independent_reader_comes_to_the_same_hashes(piece: int) -> None:
    transcript = Transcript()
    _, asked, answered = talk(Replay("4.0.3", "open_data"), transcript, piece)
    by_id = {struct.unpack_from("<i", message, 4)[0]: message for message in asked}
    head = sha256(b"mongosweep.transcript/1").digest()
    found = []
    for reply in answered:
        request = by_id[struct.unpack_from("<i", reply, 8)[0]]
        digests = sha256(request), sha256(reply)
        head = sha256(head + b"".join(digest.digest() for digest in digests)).digest()
        found.append(tuple(digest.hexdigest() for digest in digests))
    kept = [(each.request_sha256, each.reply_sha256) for each in transcript.exchanges]
    assert kept == found[:KEPT]
    assert len(found) > KEPT
    assert [each.command for each in transcript.exchanges][:3] == ["isMaster", "buildInfo", "listDatabases"]
    assert (transcript.count, transcript.head) == (len(found), head.hex())


def test_what_is_learned_is_the_same_with_and_without() -> None:
    plain, *_ = talk(Replay("4.0.3", "open_data"), None, 1 << 20)
    kept, *_ = talk(Replay("4.0.3", "open_data"), Transcript(), 1 << 20)
    assert plain.plan is not None
    assert kept.plan is not None
    assert kept.plan.exposure() == plain.plan.exposure()
