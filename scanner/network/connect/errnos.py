"""What an errno of connect means: a fact about the target, or trouble on this machine. Nothing is guessed.

The table follows what the kernel was seen to return: an ICMP answer of a router and a missing local route
share the same numbers (EHOSTUNREACH, ENETUNREACH), so for those two the socket's error queue decides.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

from results.verdict import Verdict
from scanner.contact import LocalFault

_TARGET = {
    errno.ECONNREFUSED: Verdict.REFUSED,
    errno.ETIMEDOUT: Verdict.FILTERED,
    errno.ENOPROTOOPT: Verdict.UNREACHABLE,  # ICMP protocol unreachable
    errno.EPROTO: Verdict.UNREACHABLE,
    errno.EMSGSIZE: Verdict.UNREACHABLE,
}
_LOCAL = {
    errno.EMFILE: LocalFault.DESCRIPTORS,
    errno.ENFILE: LocalFault.DESCRIPTORS,
    errno.EADDRNOTAVAIL: LocalFault.PORTS,
    errno.EADDRINUSE: LocalFault.PORTS,
    errno.ENOBUFS: LocalFault.MEMORY,
    errno.ENOMEM: LocalFault.MEMORY,
    errno.EACCES: LocalFault.FORBIDDEN,
    errno.EPERM: LocalFault.FORBIDDEN,
    errno.ENETDOWN: LocalFault.NETWORK,
    errno.ENODEV: LocalFault.NETWORK,
    errno.EHOSTDOWN: LocalFault.NETWORK,
    errno.EAFNOSUPPORT: LocalFault.NETWORK,
}
AMBIGUOUS = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH})
ASK_THE_QUEUE = AMBIGUOUS | {errno.EACCES}  # a fence of ours, or a router that prohibits (ICMPv6)

SOL_IP_RECVERR = (socket.IPPROTO_IP, 11)  # IP_RECVERR, <linux/in.h>
SOL_IPV6_RECVERR = (socket.IPPROTO_IPV6, 25)  # IPV6_RECVERR, <linux/in6.h>
MSG_ERRQUEUE = 0x2000
_EXTENDED_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err, <linux/errqueue.h>
_ORIGIN_ICMP, _ORIGIN_ICMP6 = 2, 3


def classify(number: int) -> Verdict | LocalFault:
    """The meaning of an unambiguous errno; an unknown one is ours, never the target's."""
    return _TARGET.get(number) or _LOCAL.get(number) or LocalFault.OTHER


def classify_unreachable(sock: socket.socket, number: int, waited: float) -> tuple[Verdict | LocalFault, str]:
    """Decide the errnos of ASK_THE_QUEUE by the error queue: a router's word is there, with its address.

    An empty queue is our own routing table, except after seconds of waiting: then nobody on the link
    answered the address resolution, which is a fact about the target.
    """
    name = errno.errorcode[number]
    word = drain(sock)
    if word:
        return Verdict.UNREACHABLE, f"{name}: {word}"
    if number == errno.EACCES:
        return LocalFault.FORBIDDEN, describe(number)
    if number == errno.EHOSTUNREACH and waited > 0.5:
        return Verdict.UNREACHABLE, f"{name}: nobody on the link has this address"
    return LocalFault.NETWORK, f"{name}: no route on this machine"


def drain(sock: socket.socket) -> str:
    """Empty the socket's error queue; the last ICMP message in it, in words, or nothing."""
    said = ""
    while True:
        try:
            _, ancillary, _, _ = sock.recvmsg(512, 512, MSG_ERRQUEUE)
        except OSError:
            return said
        for level, kind, data in ancillary:
            if (level, kind) not in (SOL_IP_RECVERR, SOL_IPV6_RECVERR) or len(data) < _EXTENDED_ERROR.size:
                continue
            _, origin, icmp_type, code, _, _, _ = _EXTENDED_ERROR.unpack_from(data)
            if origin in (_ORIGIN_ICMP, _ORIGIN_ICMP6):
                said = f"ICMP type {icmp_type} code {code}"


def describe(number: int) -> str:
    """`ECONNREFUSED: Connection refused`."""
    return f"{errno.errorcode.get(number, number)}: {os.strerror(number)}"
