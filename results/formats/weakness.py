"""What is claimed of a server, for every format that has words for a weakness: what, of whom, and since when.

The weakness is always the same: MongoDB answers questions that need a privilege without a password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from results.formats.format import UnfitError
from results.formats.json_text import is_address, milliseconds
from results.verdict import MEANING, Verdict

if TYPE_CHECKING:
    from results.formats.fields import Fields

CWE: Final = "CWE-306"
CWE_NAME: Final = "Missing Authentication for Critical Function"
CWE_URL: Final = "https://cwe.mitre.org/data/definitions/306.html"
TITLE: Final = "MongoDB answers without a password"
DESCRIPTION: Final = MEANING[Verdict.OPEN].sentence
REMEDY: Final = MEANING[Verdict.OPEN].next_step
REFERENCE: Final = "https://www.mongodb.com/docs/manual/administration/security-checklist/"

_MONGODB: Final = frozenset({Verdict.OPEN, Verdict.OPEN_NO_DATA, Verdict.AUTH_REQUIRED})
_DATASETS: Final = {"exposure": "exposure", "observation": "observation"} | dict.fromkeys(
    ("started", "resumed", "degraded", "ended", "test"), "run"
)


def dataset(kind: str) -> str:
    """Which of our kinds of line it was made from: `mongosweep.run`, `.change`, `.exposure`, …"""
    return f"mongosweep.{_DATASETS.get(kind, 'change')}"


def is_weak(fields: Fields) -> bool:
    """Whether the weakness is held to be there: seen, or seen and not proved to be gone since."""
    if fields.kind == "observation":
        return fields.verdict in (Verdict.OPEN, Verdict.OPEN_NO_DATA)
    return not is_closed(fields)


def is_closed(fields: Fields) -> bool:
    """Whether it says that an exposure is closed, which the ledger does only on proof."""
    return fields.kind == "closed" or (fields.kind == "exposure" and fields.state == "closed")


def speaks_mongodb(fields: Fields) -> bool:
    """Whether MongoDB's protocol was spoken there."""
    if fields.kind != "observation":
        return True
    return bool(fields.product) or fields.verdict in _MONGODB


def moment(fields: Fields) -> int:
    """When it was, in milliseconds since 1970. Raises `UnfitError` where it says no time."""
    at = milliseconds(fields.at)
    if at is None:
        raise UnfitError(f"its time {fields.at[:40]!a} is none, such as 2026-03-01T08:30:00.250Z")
    return at


def check_address(fields: Fields) -> None:
    """Raise `UnfitError` unless it names an IP address."""
    if not is_address(fields.ip):
        raise UnfitError(f"its address {fields.ip[:40]!a} is no IP address")
