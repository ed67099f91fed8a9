"""Frames as columns: Ethernet, IPv4 or IPv6, TCP SYN with MSS (or RST). Pure numpy; nothing here sends.

Every byte that is the same for all targets is written into every slot once. A batch then writes the columns
that differ: destination, ports, sequence number and checksums. Layout: RFC 791, RFC 8200, RFC 9293; the
checksum is the one's-complement sum of RFC 1071, so its constant part is summed once and the columns are
added to it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scanner.network.syn.cookie import U16, U32, Addresses

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

SYN, RST = 0x02, 0x04
SLOT = 128  # bytes of one frame slot, in rings and in tests
ETHERNET = 14
TTL = 64
WINDOW = 64240  # what Linux itself offers in a SYN

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class EgressPath:
    """How frames leave: two MACs and our own address. The same for all targets behind one next hop."""

    our_mac: bytes
    next_mac: bytes
    source: IPv4Address | IPv6Address
    mtu: int = 1500

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.source.version


def words_sum(data: bytes) -> int:
    """The plain sum of the big-endian 16-bit words of `data` (of even length), not folded."""
    return sum(struct.unpack(f">{len(data) // 2}H", data))


def fold(total: U32) -> U16:
    """The one's-complement checksum from a sum of up to 65,536 words."""
    total = (total & np.uint32(0xFFFF)) + (total >> np.uint32(16))
    total = (total & np.uint32(0xFFFF)) + (total >> np.uint32(16))
    return (~total).astype(np.uint16)


def template(path: EgressPath, flags: int) -> bytes:
    """One frame with zeros for all that differs from target to target."""
    ip_header = 20 if path.version == 4 else 40
    options = struct.pack(">BBH", 2, 4, path.mtu - ip_header - 20) if flags & SYN else b""
    window = WINDOW if flags & SYN else 0
    tcp = struct.pack(">HHIIBBHHH", 0, 0, 0, 0, (20 + len(options)) // 4 << 4, flags, window, 0, 0) + options
    if path.version == 4:
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, TTL, 6, 0)
        ethertype = b"\x08\x00"
        addresses = path.source.packed + bytes(4)
    else:
        ip = struct.pack(">IHBB", 0x60000000, len(tcp), 6, TTL)
        ethertype = b"\x86\xdd"
        addresses = path.source.packed + bytes(16)
    return path.next_mac + path.our_mac + ethertype + ip + addresses + tcp


class Frames:
    """The slots of one path and one kind of packet, as columns over a buffer that is a ring or plain memory.

    `slots`: uint8 array of shape (n, SLOT), written in place. `start`: where the Ethernet header begins in
    a slot."""

    def __init__(self, slots: Bytes, start: int, path: EgressPath, flags: int) -> None:
        frame = template(path, flags)
        self.length = len(frame)
        self.version = path.version
        if start + self.length > slots.shape[1]:
            raise ValueError(
                f"a frame of {self.length} bytes does not fit into {slots.shape[1]} after {start}"
            )
        slots[:, start : start + self.length] = np.frombuffer(frame, dtype=np.uint8)
        half = slots.view(np.uint16)
        ip, tcp = (start + ETHERNET) // 2, (start + ETHERNET + (20 if self.version == 4 else 40)) // 2
        width = 2 if self.version == 4 else 8
        self._to = half[:, tcp - width : tcp]
        self._ip_sum = half[:, ip + 5].view(">u2") if self.version == 4 else None
        self._ports = half[:, tcp : tcp + 2]
        self._sequence = half[:, tcp + 2 : tcp + 4]
        self._tcp_sum = half[:, tcp + 8].view(">u2")
        segment = frame[ETHERNET + (20 if self.version == 4 else 40) :]
        # The pseudo-header: both addresses, the protocol, the length of the segment.
        self._tcp_constant = words_sum(segment) + words_sum(path.source.packed) + 6 + len(segment)
        self._ip_constant = words_sum(frame[ETHERNET : ETHERNET + 20]) if self.version == 4 else 0

    def fill(self, place: slice, to: Addresses, our_port: U16, port: U16, sequence: U32) -> None:
        """Write one batch into the slots of `place`: columns as long as the slice."""
        address_sum = _address_sum(to)
        if self._ip_sum is not None:
            self._ip_sum[place] = fold(address_sum + np.uint32(self._ip_constant))
            self._to[place] = _raw(to.low.astype(">u4"), 2)
        else:
            assert to.high is not None
            both = np.empty((len(to.low), 2), dtype=">u8")
            both[:, 0], both[:, 1] = to.high, to.low
            self._to[place] = _raw(both, 8)
        total = address_sum + np.uint32(self._tcp_constant)
        total += our_port
        total += port
        total += sequence >> np.uint32(16)
        total += sequence & np.uint32(0xFFFF)
        self._tcp_sum[place] = fold(total)
        ports = np.empty((len(our_port), 2), dtype=">u2")
        ports[:, 0], ports[:, 1] = our_port, port
        self._ports[place] = _raw(ports, 2)
        self._sequence[place] = _raw(sequence.astype(">u4"), 2)

    def destinations(self, place: slice) -> Addresses:
        """The destinations as they now stand in the frames: what the scope filter is asked about."""
        raw = np.ascontiguousarray(self._to[place])
        if self.version == 4:
            return Addresses(raw.view(">u4").ravel().astype(np.uint64))
        both = raw.view(">u8")
        return Addresses(both[:, 1].astype(np.uint64), both[:, 0].astype(np.uint64))


def _address_sum(to: Addresses) -> U32:
    low = to.low
    mask, shift = np.uint64(0xFFFF), np.uint64(16)
    total = (low & mask) + ((low >> shift) & mask)
    if to.high is not None:
        for half in (low >> np.uint64(32), to.high, to.high >> np.uint64(32)):
            total += (half & mask) + ((half >> shift) & mask)
    return total.astype(np.uint32)


def _raw(column: npt.NDArray[np.generic], words: int) -> U16:
    """The bytes of a big-endian column as native 16-bit words, `words` a row: copied as they are."""
    return column.view(np.uint16).reshape(-1, words)
