"""Two answers are alike exactly when they differ in times, counters and ids alone."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.mongo.commands import client_metadata
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Layer, Limits, Next
from scanner.mongo.fingerprint import MAX_BYTES, fingerprint, shaped
from tests.support.replay import Replay

CLIENT = client_metadata("Example", "soc@example.com", "0")


def opening() -> tuple[Dialogue, bytes]:
    dialogue = Dialogue(client=CLIENT, depth=Depth.VERDICT, limits=Limits(), loopback=False)
    return dialogue, dialogue.connected(Layer.PLAIN)


def first_answer(version: str, scenario: str) -> bytes:
    return Replay(version, scenario).answer(opening()[1]).reply


def put(data: bytes, name: bytes, value: bytes) -> bytes:
    at = data.index(name) + len(name)
    return data[:at] + value + data[at + len(value) :]


def test_times_and_counters_do_not_tell_servers_apart() -> None:
    data = first_answer("4.0.3", "auth_user")
    other = put(data, b"localTime\x00", struct.pack("<q", 1_700_000_000_123))
    other = other[:4] + b"\x77\x66\x55\x44" + other[8:]
    one, two = fingerprint(data), fingerprint(other)
    assert one is not None
    assert two is not None
    assert one.key == two.key
    assert two.local_time == 1_700_000_000_123
    assert one.local_time != two.local_time


@pytest.mark.parametrize("scenario", ["auth_user", "open_data", "open_empty", "rs_single"])
def test_the_shape_of_another_answer_leads_to_the_same_fingerprint_or_to_none(scenario: str) -> None:
    """Every byte is flipped: with the first answer's shape the key is the first one's exactly when it is so
    without."""
    data = first_answer("7.1.0" if scenario != "rs_single" else "4.0.3", scenario)
    first = fingerprint(data)
    assert first is not None
    for at in range(len(data)):
        flipped = data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]
        short, long = shaped(flipped, first.shape), fingerprint(flipped)
        if short is not None and short.key == first.key:
            assert short == long
        else:
            assert long is None or long.key != first.key


@pytest.mark.parametrize("scenario", ["auth_user", "open_data", "open_empty", "rs_single"])
def test_one_changed_byte_elsewhere_is_another_answer(scenario: str) -> None:
    """Every byte outside the blanked values counts: flipping it gives another fingerprint or none."""
    data = first_answer("7.1.0" if scenario != "rs_single" else "4.0.3", scenario)
    alike = fingerprint(data)
    assert alike is not None
    same = set()
    for at in range(len(data)):
        flipped = data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]
        other = fingerprint(flipped)
        if other is not None and other.key == alike.key:
            same.add(at)
    assert same == blanked_in(data)


def blanked_in(data: bytes) -> set[int]:
    """Where a flipped lowest bit may make no difference: three request ids, and three values if they are
    there. (A flip that makes the time absurd gives no fingerprint: in the two highest bytes of it.)"""
    places, at = set(), 0
    while at < len(data):
        places |= set(range(at + 4, at + 8))
        at += int.from_bytes(data[at : at + 4], "little")
    for name, width in ((b"localTime\x00", 6), (b"connectionId\x00", 4), (b"processId\x00", 12)):
        if name in data:
            value = data.index(name) + len(name)
            places |= set(range(value, value + width))
    return places


@pytest.mark.parametrize(
    ("one", "two"), [("auth_user", "open_empty"), ("open_empty", "open_data"), ("auth_user", "open_data")]
)
def test_open_and_locked_servers_are_never_alike(one: str, two: str) -> None:
    first, second = fingerprint(first_answer("7.1.0", one)), fingerprint(first_answer("7.1.0", two))
    assert first is not None
    assert second is not None
    assert first.key != second.key


def test_a_time_that_is_none_is_looked_at_closely() -> None:
    data = first_answer("4.0.3", "auth_user")
    for odd in (-1, 10**18):
        assert fingerprint(put(data, b"localTime\x00", struct.pack("<q", odd))) is None


@given(st.binary(max_size=400))
def test_anything_at_all_has_a_fingerprint_or_none(data: bytes) -> None:
    alike = fingerprint(data)
    assert alike is None or alike.shape.around.size == len(data)
    assert alike is None or alike == shaped(data, alike.shape)


def test_half_an_answer_and_a_long_one_are_like_nothing() -> None:
    data = first_answer("4.0.3", "auth_user")
    assert fingerprint(data[:-1]) is None
    assert fingerprint(data + data) is None
    assert fingerprint(data + bytes(MAX_BYTES)) is None


def test_servers_that_are_alike_are_judged_alike() -> None:
    """The whole point: with other times and counters, the long way comes to the same verdict."""
    data = first_answer("7.1.0", "auth_user")
    other = put(data, b"connectionId\x00", b"\x01\x02\x03\x04")
    verdicts = []
    for answer in (data, other):
        dialogue, _ = opening()
        dialogue.received(answer)
        assert dialogue.next is Next.DONE
        documents = [dialogue.facts.hello, dialogue.facts.build_info, dialogue.facts.list_databases]
        verdicts.append(
            [reply.document and {**reply.document, "connectionId": 0} for reply in documents if reply]
        )
    assert verdicts[0] == verdicts[1]
