"""The vocabulary that every room shares: what can be said of a target, how grave it is, what to do next.

A verdict is a claim about one (address, port). Its meaning never changes; a new case gets a new member.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """The one final classification of a target in a run."""

    OPEN = "open"
    OPEN_NO_DATA = "open_no_data"
    AUTH_REQUIRED = "auth_required"
    TLS_CLIENT_CERTIFICATE_REQUIRED = "tls_client_certificate_required"
    NOT_MONGODB = "not_mongodb"
    UNKNOWN = "unknown"
    # Connection outcomes: counted, and written as lines only when everything is asked for.
    REFUSED = "refused"
    FILTERED = "filtered"
    UNREACHABLE = "unreachable"

    @property
    def is_open(self) -> bool:
        """True when the server answered a privileged question without a password."""
        return self is Verdict.OPEN or self is Verdict.OPEN_NO_DATA

    @property
    def is_connection_outcome(self) -> bool:
        """True when no conversation took place: the target is a count, not a line."""
        return self in (Verdict.REFUSED, Verdict.FILTERED, Verdict.UNREACHABLE)


INTERNET = "internet"
"""The one vantage that changes a severity: everybody is there."""


class Severity(StrEnum):
    """How urgently somebody should act; the order of the members is the order of urgency."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the gravest; for sorting."""
        return _RANK[self]

    @property
    def number(self) -> int:
        """5 for the gravest to 1, as OCSF's `severity_id`; for comparing in a SIEM."""
        return len(Severity) - _RANK[self]


_RANK = {severity: position for position, severity in enumerate(Severity)}


class Meaning(NamedTuple):
    """What a verdict says to its reader, and what the reader should do."""

    sentence: str
    severity: Severity
    next_step: str


MEANING: dict[Verdict, Meaning] = {
    Verdict.OPEN: Meaning(
        "The server lists its databases to anyone, without a password.",
        Severity.HIGH,
        "Close the port or switch on access control today, then find out who has been there.",
    ),
    Verdict.OPEN_NO_DATA: Meaning(
        "The access check was passed without a password, but nothing is readable there now.",
        Severity.LOW,
        "Switch on access control (a key file or x.509 for members of a set) before data arrives.",
    ),
    Verdict.AUTH_REQUIRED: Meaning(
        "The server asks for a login before it lists its databases.",
        Severity.INFO,
        "Nothing to do for access control; look at version and network exposure.",
    ),
    Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED: Meaning(
        "The server wants a client certificate before it talks at all.",
        Severity.INFO,
        "Nothing to do for access control; look at the certificate's expiry.",
    ),
    Verdict.NOT_MONGODB: Meaning(
        "Something else answers on this port.",
        Severity.INFO,
        "Nothing to do here; the evidence says what it looks like.",
    ),
    Verdict.UNKNOWN: Meaning(
        "The answers prove neither an open nor a closed server.",
        Severity.LOW,
        "Read the evidence and look at the host by hand.",
    ),
    Verdict.REFUSED: Meaning(
        "The host answered that nothing listens on the port.", Severity.INFO, "Nothing to do."
    ),
    Verdict.FILTERED: Meaning(
        "No answer came within the time allowed.",
        Severity.INFO,
        "Nothing to do; a firewall or no host at all.",
    ),
    Verdict.UNREACHABLE: Meaning(
        "A router on the way said that the host cannot be reached.", Severity.INFO, "Nothing to do."
    ),
}
