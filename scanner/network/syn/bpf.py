"""Classic BPF programs: what the kernel lets through to the receive ring, and what it hides from its own
TCP."""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

SO_ATTACH_FILTER = 26
SO_LOCK_FILTER = 44

# Opcodes of linux/bpf_common.h: loads at an absolute offset, comparisons with a constant, and the verdict.
_LOAD32, _LOAD16, _LOAD8 = 0x20, 0x28, 0x30
_AND, _EQUAL, _GREATER, _AT_LEAST, _ANY_BIT, _RETURN = 0x54, 0x15, 0x25, 0x35, 0x45, 0x06
_SYN_ACK, _RST = 0x12, 0x04


class Test(NamedTuple):
    """Load `width` bytes at `offset` (and mask them); go on when `operator value` is `wanted`, else drop."""

    offset: int
    width: int
    operator: int
    value: int
    wanted: bool = True
    mask: int = 0


Instruction = tuple[int, int, int, int]  # opcode, jump if true, jump if false, constant
DROP_ALL: list[Instruction] = [(_RETURN, 0, 0, 0)]


def answers(source: IPv4Address | IPv6Address, base_port: int, spread: int, snap: int) -> list[Instruction]:
    """Let SYN-ACKs and RSTs to our address and ports through, `snap` bytes of each; nothing else.

    Offsets count from the Ethernet header. IPv4 packets with options or in fragments, and IPv6 packets with
    extension headers, are no answers to a SYN of ours.
    """
    packed = source.packed
    if source.version == 4:
        tests = [Test(12, 2, _EQUAL, 0x0800), Test(14, 1, _EQUAL, 0x45), Test(23, 1, _EQUAL, 6)]
        tests += [Test(20, 2, _ANY_BIT, 0x1FFF, wanted=False)]
        address, tcp = 30, 34
    else:
        tests = [Test(12, 2, _EQUAL, 0x86DD), Test(20, 1, _EQUAL, 6)]
        address, tcp = 38, 54
    for part in range(0, len(packed), 4):
        tests.append(Test(address + part, 4, _EQUAL, int.from_bytes(packed[part : part + 4], "big")))
    tests.append(Test(tcp + 2, 2, _AT_LEAST, base_port))
    tests.append(Test(tcp + 2, 2, _GREATER, base_port + spread - 1, wanted=False))
    return _assemble(tests, tcp + 13, snap)


def _assemble(tests: list[Test], flags_at: int, snap: int) -> list[Instruction]:
    loads = {1: _LOAD8, 2: _LOAD16, 4: _LOAD32}
    code: list[Instruction] = []
    length = 2 * len(tests) + 6  # with the flags' four instructions and both verdicts
    for test in tests:
        code.append((loads[test.width], 0, 0, test.offset))
        drop = length - 1 - (len(code) + 1)
        code.append((test.operator, *((0, drop) if test.wanted else (drop, 0)), test.value))
    code.append((_LOAD8, 0, 0, flags_at))
    code.append((_ANY_BIT, 2, 0, _RST))
    code.append((_AND, 0, 0, _SYN_ACK))
    code.append((_EQUAL, 0, 1, _SYN_ACK))
    code.append((_RETURN, 0, 0, snap))
    code.append((_RETURN, 0, 0, 0))
    return code


def attach(sock: socket.socket, program: list[Instruction]) -> None:
    """Attach a program for good: after SO_LOCK_FILTER not even root can take it off this socket."""
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    description = struct.pack("@HP", len(program), ctypes.addressof(buffer))  # struct sock_fprog
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, description)
    sock.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 1)
