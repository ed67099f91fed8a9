"""AF_PACKET rings (TPACKET_V2): frames go out and answers come in through memory shared with the kernel.

Constants and layout: linux/if_packet.h and Documentation/networking/packet_mmap.rst. A transmit slot holds
a virtio_net_hdr at +32 and the frame behind it; a receive slot of an Ethernet device holds the Ethernet
header at +66, so that the IP header at +80 is aligned. The status word of a slot says whose it is. numpy has
no memory barriers: the system calls between filling, sending and looking again are the barriers here, and
one thread does it all.
"""

from __future__ import annotations

import errno
import mmap
import socket
import struct
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from scanner.network.syn import bpf
from scanner.network.syn.cookie import U16, U32, Addresses
from scanner.network.syn.packets import SLOT

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

SOL_PACKET = 263
_RX_RING, _STATISTICS, _VERSION, _TX_RING, _LOSS, _VNET_HEADER = 5, 6, 10, 13, 14, 15
_QDISC_BYPASS, _IGNORE_OUTGOING = 20, 23
_V2 = 1
_BLOCK = 65536
_FREE, _SEND_REQUEST = 0, 1
_OURS = 1
_VIRTIO = struct.Struct("<BBHHHH")  # struct virtio_net_hdr: flags, gso_type, hdr_len, and three that are 0
_VIRTIO_AT = 32
TRANSMIT_START = _VIRTIO_AT + _VIRTIO.size
_IP_AT = 80
_PATIENCE = 2.0  # seconds in which the kernel must take a frame before we call it refused


class FramesRefused(Exception):  # noqa: N818 — the name says what happened
    """The kernel does not take our frames: a filter at the device, or the device is down."""


def _open(option: int, slots: int, size: int) -> tuple[socket.socket, npt.NDArray[np.uint8]]:
    """A packet socket with one ring: (socket, array of shape (slots, size)). Protocol 0 receives nothing
    yet."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    try:
        sock.setsockopt(SOL_PACKET, _VERSION, _V2)
        # A frame that the kernel finds malformed is dropped, instead of blocking the ring for good.
        sock.setsockopt(SOL_PACKET, _LOSS, 1)
        if option == _TX_RING:
            sock.setsockopt(SOL_PACKET, _VNET_HEADER, 1)
        total = slots * size
        sock.setsockopt(SOL_PACKET, option, struct.pack("IIII", _BLOCK, total // _BLOCK, size, slots))
        memory = mmap.mmap(sock.fileno(), total, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    except BaseException:
        sock.close()
        raise
    return sock, np.frombuffer(memory, dtype=np.uint8).reshape(slots, size)


class TransmitRing:
    """Slots that are filled, marked and sent in batches, always forward. Needs CAP_NET_RAW to open, not to
    use."""

    def __init__(self, interface: int, length: int, slots: int = 8192) -> None:
        self._socket, self.slots = _open(_TX_RING, slots, SLOT)
        try:
            self._socket.setsockopt(SOL_PACKET, _QDISC_BYPASS, 1)
            self._socket.bind((socket.if_indextoname(interface), 0))
        except BaseException:
            self._socket.close()
            raise
        words = self.slots.view(np.uint32)
        self._status = words[:, 0]
        words[:, 1] = _VIRTIO.size + length
        # hdr_len says how much of a frame is copied. The rest would be lent to the device page by page,
        # and a veth device copies that after all, into a page of its own.
        virtio = np.frombuffer(_VIRTIO.pack(0, 0, length, 0, 0, 0), dtype=np.uint8)
        self.slots[:, _VIRTIO_AT:TRANSMIT_START] = virtio
        self._next = 0
        self.congestion = 0  # how often the device had no room

    def place(self, wanted: int) -> slice:
        """The next free slots, at most `wanted` and never around the end. The caller fills and sends them."""
        end = min(self._next + wanted, len(self.slots))
        place = slice(self._next, end)
        deadline = time.monotonic() + _PATIENCE
        while self._status[place].any():
            self._flush()
            if time.monotonic() > deadline:
                raise FramesRefused("the device has not sent our frames for two seconds")
            time.sleep(0.0002)
        return place

    def send(self, place: slice) -> None:
        """Mark the slots and let the kernel send them."""
        self._status[place] = _SEND_REQUEST
        self._next = 0 if place.stop == len(self.slots) else place.stop
        deadline = time.monotonic() + _PATIENCE
        left = place.stop - place.start
        while not self._flush():
            # Not congestion for ever: a filter at the device's egress looks the same (ENOBUFS).
            remaining = int((self._status[place] == _SEND_REQUEST).sum())
            if remaining < left:
                left, deadline = remaining, time.monotonic() + _PATIENCE
            elif time.monotonic() > deadline:
                raise FramesRefused(
                    "the kernel drops every frame (ENOBUFS): an egress filter at the device forbids them, "
                    "or its queue is stuck"
                )
            self.congestion += 1
            time.sleep(0.001)

    def _flush(self) -> bool:
        try:
            self._socket.send(b"")
        except OSError as error:
            if error.errno in (errno.ENOBUFS, errno.EAGAIN):
                return False
            raise FramesRefused(f"the device does not send: {error.strerror}") from error
        return True

    def close(self) -> None:
        """Give up the sending power."""
        self._socket.close()


class Answers(NamedTuple):
    """Segments that came in, as columns."""

    by: Addresses
    port: U16  # theirs
    our_port: U16
    acknowledged: U32
    flags: npt.NDArray[np.uint8]


class ReceiveRing:
    """Answers to one of our addresses, filtered in the kernel; read in runs, without a system call."""

    def __init__(
        self,
        interface: int,
        source: IPv4Address | IPv6Address,
        base_port: int,
        spread: int,
        slots: int = 65536,
    ) -> None:
        self._six = source.version == 6
        size = 256 if self._six else SLOT
        self._socket, ring = _open(_RX_RING, slots, size)
        try:
            snap = 14 + (40 if self._six else 20) + 20
            bpf.attach(self._socket, bpf.answers(source, base_port, spread, snap))
            self._socket.setsockopt(SOL_PACKET, _IGNORE_OUTGOING, 1)
            ethertype = 0x86DD if self._six else 0x0800
            self._socket.bind((socket.if_indextoname(interface), ethertype))
        except BaseException:
            self._socket.close()
            raise
        words = ring.view(np.uint32)
        tcp = _IP_AT + (40 if self._six else 20)
        self._status = words[:, 0]
        source_at = (_IP_AT + 8) // 4 if self._six else (_IP_AT + 12) // 4
        self._by = words[:, source_at : source_at + (4 if self._six else 1)]
        self._ports = words[:, tcp // 4]
        self._ack = words[:, tcp // 4 + 2]
        self._flags = ring[:, tcp + 13]
        self._next = 0
        self.dropped = 0  # by the kernel, because the ring was full

    def fileno(self) -> int:
        """Readable when an answer waits."""
        return self._socket.fileno()

    def take(self, most: int = 8192) -> Answers | None:
        """The answers that have arrived, up to `most` or the end of the ring; None when there are none."""
        status = self._status
        at = self._next
        if not int(status[at]) & _OURS:
            return None
        window = status[at : at + most] & np.uint32(_OURS)
        # The first slot is ours, so 0 means that no slot of the window is the kernel's.
        place = slice(at, at + (int(window.argmin()) or len(window)))
        ports = np.ascontiguousarray(self._ports[place]).view(">u2").reshape(-1, 2)
        answers = Answers(
            self._addresses(place),
            ports[:, 0].astype(np.uint16),
            ports[:, 1].astype(np.uint16),
            np.ascontiguousarray(self._ack[place]).view(">u4").astype(np.uint32),
            self._flags[place].copy(),
        )
        status[place] = _FREE
        self._next = 0 if place.stop == len(status) else place.stop
        return answers

    def _addresses(self, place: slice) -> Addresses:
        raw = np.ascontiguousarray(self._by[place])
        if not self._six:
            return Addresses(raw.view(">u4").ravel().astype(np.uint64))
        both = raw.view(">u8")
        return Addresses(both[:, 1].astype(np.uint64), both[:, 0].astype(np.uint64))

    def count_drops(self) -> int:
        """Ask the kernel how many answers found the ring full so far."""
        _, dropped = struct.unpack("II", self._socket.getsockopt(SOL_PACKET, _STATISTICS, 8))
        self.dropped += dropped
        return self.dropped

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
