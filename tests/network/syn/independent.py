"""Slow, scalar, obvious versions of what scanner.network.syn does by columns; written from the
definitions."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

_MASK = (1 << 64) - 1


def checksum(data: bytes) -> int:
    """RFC 1071, byte pair by byte pair, folding after each."""
    total = 0
    for high, low in zip(data[::2], data[1::2], strict=True):
        total += high * 256 + low
        if total > 0xFFFF:
            total -= 0xFFFF
    return total ^ 0xFFFF


def tcp_checksum(packet: bytes) -> int:
    """What the TCP checksum of an IP packet ought to be; 0 when the one inside it is right."""
    if packet[0] >> 4 == 4:
        segment = packet[20:]
        pseudo = packet[12:20] + struct.pack(">BBH", 0, 6, len(segment))
    else:
        segment = packet[40:]
        pseudo = packet[8:40] + struct.pack(">IHBB", len(segment), 0, 0, 6)
    return checksum(pseudo + segment)


def siphash24(key: bytes, message: bytes) -> int:
    """SipHash-2-4 as its paper writes it."""
    k0, k1 = struct.unpack("<QQ", key)
    v: list[int] = [
        0x736F6D6570736575 ^ k0,
        0x646F72616E646F6D ^ k1,
        0x6C7967656E657261 ^ k0,
        0x7465646279746573 ^ k1,
    ]

    def rotate(value: int, bits: int) -> int:
        return (value << bits | value >> (64 - bits)) & _MASK

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0] = (v[0] + v[1]) & _MASK
            v[1] = rotate(v[1], 13) ^ v[0]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[3]) & _MASK
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & _MASK
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & _MASK
            v[1] = rotate(v[1], 17) ^ v[2]
            v[2] = rotate(v[2], 32)

    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def cookie(
    key: bytes, address: IPv4Address | IPv6Address, port: int, base: int, spread: int
) -> tuple[int, int]:
    """(sequence number, source port)."""
    number = int(address)
    if address.version == 4:
        message = struct.pack("<IH", number, port)
    else:
        message = struct.pack("<QQH", number >> 64, number & _MASK, port)
    digest = siphash24(key, message)
    return digest & 0xFFFFFFFF, base + (digest >> 32) % spread
