"""Cookies: what makes the stage stateless. An answer proves by its numbers which SYN it belongs to. Pure
numpy.

The sequence number and the source port of a SYN are a keyed hash of its destination, so nothing is stored
per target, and an answer is believed only when it repeats them. The hash is SipHash-2-4 (Aumasson and
Bernstein, 2012) under a random key of 128 bits per run: a host that sees its own cookie learns nothing of
another host's, so it cannot answer in the other's name. It costs about 50 ns a target; three rounds of
multiply and shift cost a third of that, but whoever sees a few of their outputs can compute the rest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]

KEY_BYTES = 16
_INITIAL = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


class Addresses(NamedTuple):
    """Addresses as columns. IPv4: `high` is None and `low` holds 32 bits; IPv6: the two halves."""

    low: U64
    high: U64 | None = None

    def where(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> Addresses:
        """The same columns, of the chosen rows alone."""
        return Addresses(self.low[chosen], None if self.high is None else self.high[chosen])


def _rotate(word: U64, bits: int, spare: U64) -> None:
    np.left_shift(word, bits, out=spare)
    np.right_shift(word, 64 - bits, out=word)
    np.bitwise_or(word, spare, out=word)


def _rounds(count: int, v0: U64, v1: U64, v2: U64, v3: U64, spare: U64) -> None:
    for _ in range(count):
        v0 += v1
        _rotate(v1, 13, spare)
        v1 ^= v0
        _rotate(v0, 32, spare)
        v2 += v3
        _rotate(v3, 16, spare)
        v3 ^= v2
        v0 += v3
        _rotate(v3, 21, spare)
        v3 ^= v0
        v2 += v1
        _rotate(v1, 17, spare)
        v1 ^= v2
        _rotate(v2, 32, spare)


def siphash24(key: bytes, blocks: list[U64]) -> U64:
    """SipHash-2-4 of many messages at once.

    `key`: 16 bytes. `blocks`: the 64-bit little-endian words of the padded messages, one column a word; the
    last one carries the length in its top byte, as the definition asks.
    """
    k0, k1 = (int.from_bytes(key[i : i + 8], "little") for i in (0, 8))
    shape = blocks[0].shape
    v0, v1, v2, v3 = (
        np.full(shape, word ^ part, dtype=np.uint64)
        for word, part in zip(_INITIAL, (k0, k1, k0, k1), strict=True)
    )
    spare = np.empty(shape, dtype=np.uint64)
    for block in blocks:
        v3 ^= block
        _rounds(2, v0, v1, v2, v3, spare)
        v0 ^= block
    v2 ^= np.uint64(0xFF)
    _rounds(4, v0, v1, v2, v3, spare)
    v0 ^= v1
    v2 ^= v3
    v0 ^= v2
    return v0


class Cookies:
    """Makes and checks the two numbers. `spread` source ports from `base_port` on, a power of two."""

    def __init__(self, key: bytes, base_port: int, spread: int) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the key has {len(key)} bytes; {KEY_BYTES} are needed")
        if spread < 1 or spread & (spread - 1) or base_port < 1 or base_port + spread > 65536:
            raise ValueError(f"{spread} ports from {base_port} on: a power of two that ends below 65536")
        self._key = key
        self._base = base_port
        self._mask = spread - 1

    def make(self, to: Addresses, port: U16) -> tuple[U32, U16]:
        """Sequence numbers and source ports for SYNs to (address, port)."""
        where: U64 = port.astype(np.uint64)
        if to.high is None:
            digest = siphash24(self._key, [to.low | (where << np.uint64(32)) | np.uint64(6 << 56)])
        else:
            digest = siphash24(self._key, [to.high, to.low, where | np.uint64(18 << 56)])
        sequence = digest.astype(np.uint32)
        source = (((digest >> np.uint64(32)) & np.uint64(self._mask)) + np.uint64(self._base)).astype(
            np.uint16
        )
        return sequence, source

    def valid(self, by: Addresses, port: U16, our_port: U16, acknowledged: U32) -> npt.NDArray[np.bool_]:
        """Which answers acknowledge exactly the SYN that we sent to the address and port they come from."""
        sequence, source = self.make(by, port)
        good: npt.NDArray[np.bool_] = (acknowledged == sequence + np.uint32(1)) & (our_port == source)
        return good
