"""Frames: every field where the RFCs put it, and both checksums as an independent sum has them."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.network.syn.cookie import Addresses
from scanner.network.syn.packets import RST, SLOT, SYN, EgressPath, Frames
from tests.network.syn import independent
from tests.network.syn.columns import columns

U16, U32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
FOUR = EgressPath(b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02", IPv4Address("198.18.0.1"))
SIX = EgressPath(b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02", IPv6Address("fd77::1"), mtu=9000)


def one(path: EgressPath, flags: int, to: Addresses, our_port: int, port: int, sequence: int) -> bytes:
    """The bytes of one frame, made in the second of three slots."""
    slots = np.full((3, SLOT), 0xEE, dtype=np.uint8)
    frames = Frames(slots, 32, path, flags)
    ours, theirs = np.array([our_port], dtype=np.uint16), np.array([port], dtype=np.uint16)
    frames.fill(slice(1, 2), to, ours, theirs, np.array([sequence], dtype=np.uint32))
    assert (slots[:, :32] == 0xEE).all(), "the header of a slot is the ring's"
    assert (slots[:, 32 + frames.length :] == 0xEE).all()
    return slots[1, 32 : 32 + frames.length].tobytes()


@given(st.ip_addresses(v=4), U16, U16, U32, st.sampled_from([SYN, RST]))
def test_an_ipv4_frame(to: IPv4Address, our_port: int, port: int, sequence: int, flags: int) -> None:
    frame = one(FOUR, flags, columns(to), our_port, port, sequence)

    assert frame[:14] == FOUR.next_mac + FOUR.our_mac + b"\x08\x00"
    ip = frame[14:]
    assert ip[0] == 0x45
    assert struct.unpack(">H", ip[2:4])[0] == len(ip)
    assert ip[9] == 6
    assert independent.checksum(ip[:20]) == 0
    assert (ip[12:16], ip[16:20]) == (FOUR.source.packed, to.packed)
    assert independent.tcp_checksum(ip) == 0
    assert struct.unpack(">HHIIBB", ip[20:34]) == (our_port, port, sequence, 0, (len(ip) - 20) << 2, flags)


@given(st.ip_addresses(v=6), U16, U16, U32, st.sampled_from([SYN, RST]))
def test_an_ipv6_frame(to: IPv6Address, our_port: int, port: int, sequence: int, flags: int) -> None:
    frame = one(SIX, flags, columns(to), our_port, port, sequence)

    assert frame[12:14] == b"\x86\xdd"
    ip = frame[14:]
    assert ip[:4] == b"\x60\0\0\0"
    assert struct.unpack(">HBB", ip[4:8]) == (len(ip) - 40, 6, 64)
    assert (ip[8:24], ip[24:40]) == (SIX.source.packed, to.packed)
    assert independent.tcp_checksum(ip) == 0
    assert struct.unpack(">HHIIBB", ip[40:54]) == (our_port, port, sequence, 0, (len(ip) - 40) << 2, flags)


@pytest.mark.parametrize(("path", "mss"), [(FOUR, 1460), (SIX, 8940)])
def test_only_a_syn_offers_a_segment_size(path: EgressPath, mss: int) -> None:
    to = columns(IPv4Address("10.0.0.1") if path is FOUR else IPv6Address("fd00::1"))

    assert one(path, SYN, to, 1, 2, 3)[-4:] == struct.pack(">BBH", 2, 4, mss)
    assert len(one(path, RST, to, 1, 2, 3)) == 14 + (40 if path is FOUR else 60)


@pytest.mark.parametrize("path", [FOUR, SIX])
def test_the_destination_is_read_back_from_the_frame_itself(path: EgressPath) -> None:
    slots = np.zeros((4, SLOT), dtype=np.uint8)
    frames = Frames(slots, 32, path, SYN)
    numbers = [10 << 24 | 5, 10 << 24 | 6] if path is FOUR else [0xFD << 120 | 5, 0xFD << 120 | 1 << 70]
    low = np.array([n & (2**64 - 1) for n in numbers], dtype=np.uint64)
    to = Addresses(low, None if path is FOUR else np.array([n >> 64 for n in numbers], dtype=np.uint64))
    zeros = np.zeros(2, dtype=np.uint16)
    frames.fill(slice(1, 3), to, zeros, zeros, np.zeros(2, dtype=np.uint32))

    seen = frames.destinations(slice(1, 3))
    high = [0, 0] if seen.high is None else seen.high.tolist()
    assert [h << 64 | n for h, n in zip(high, seen.low.tolist(), strict=True)] == numbers

    last_byte = 32 + 14 + (19 if path is FOUR else 39)
    slots[2, last_byte] ^= 0xFF  # a bug, or a stray write: the scope filter must see it
    assert frames.destinations(slice(1, 3)).low.tolist()[1] == numbers[1] % 2**64 ^ 0xFF


def test_a_frame_longer_than_its_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Frames(np.zeros((1, 64), dtype=np.uint8), 32, FOUR, SYN)
