"""What can happen to a connection, in words that the network and the protocol core share.

The two never import each other; what one sees and the other judges is told in these. A connection that was
never accepted is told as one of the connection outcomes of `results.verdict.Verdict`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Token = int  # names a target while it is asked: a position of the order or an index of the scope; below 0
# a canary or a witness, which are asked beside them
LOST_AFTER = 0.9  # seconds after which an answer was to a second SYN: kernels repeat the first after one
_WITNESSES = -(1 << 62)  # tokens of witnesses lie below it


def is_canary(token: Token) -> bool:
    """Whether the token names a canary or a witness: its answer is a proof, and no outcome of the sweep."""
    return token < 0


def witness(token: Token) -> Token:
    """The token under which a target that has answered is asked once more, only for whether it accepts; and
    back."""
    return _WITNESSES - 1 - token


def is_witness(token: Token) -> bool:
    """Whether the token was made by `witness`."""
    return token < _WITNESSES


class Ending(StrEnum):
    """How a connection came to its end, seen from our side, after it had been established."""

    CLOSED = "closed"
    RESET = "reset"
    TIMEOUT = "timeout"
    TLS_FAILED = "tls_failed"
    TOO_MUCH = "too_much"


class LocalFault(StrEnum):
    """Trouble on this machine. Never a target's outcome: the target goes back to the queue."""

    DESCRIPTORS = "descriptors"  # EMFILE, ENFILE
    PORTS = "ports"  # EADDRNOTAVAIL, EADDRINUSE
    MEMORY = "memory"  # ENOBUFS, ENOMEM
    FORBIDDEN = "forbidden"  # EACCES, EPERM: a fence outside the process, or a scope bug
    NETWORK = "network"  # ENETUNREACH, ENETDOWN without a word from a router
    OTHER = "other"


class Refusal(StrEnum):
    """What refused a connection, where that is known; each is a code of the record's evidence."""

    RESET = "reset"
    ICMP = "icmp-refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSession:
    """What the TLS layer saw, as plain data."""

    established: bool
    version: str = ""
    cipher: str = ""
    cipher_bits: int | None = None
    certificate_der: bytes = b""
    certificate_requested: bool = False
    legacy: bool = False
    alert: str = ""  # name of the alert or error that ended it, as the TLS library says it
