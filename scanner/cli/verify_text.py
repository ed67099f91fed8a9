"""What `verify` says of each exposure, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from results.codes import sentence
from results.ledger.proof import standing
from results.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results.ledger.proof import Verified
    from scanner.sweep.verify import Verification

_ENDED = {
    "kept out": "what is left may not be asked by the scope as it is now",
    "time over": "the time is over before everything was proved closed",
    "interrupted": "interrupted; what was found is kept",
}


def json_lines(verification: Verification) -> Iterator[str]:
    """One line for each exposure."""
    for told in verification.found:
        yield msgspec.json.encode(told).decode()


def text_lines(verification: Verification) -> Iterator[str]:
    """A paragraph for each exposure, what is not closed first, and how it stands in all."""
    for told in verification.found:
        yield from _lines(told)
    if verification.trouble:
        yield f"the last run is {visible('; '.join(verification.trouble))}: it proves nothing"
    if verification.ended in _ENDED:
        yield _ENDED[verification.ended]
    yield f"{standing(verification.found)}"


def _lines(told: Verified) -> Iterator[str]:
    ip, port = told.place.ip, told.place.port
    place = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
    yield visible("  ".join(filter(None, (told.exposure_id, place, told.owner.owner, told.owner.contact))))
    yield f"    was {told.before}, is {told.state}{_how(told)}"
    for reason in told.needs:
        yield f"    {visible(sentence(reason))}"
    if told.not_before:
        yield f"    the next look that can prove it: {told.not_before}"


def _how(told: Verified) -> str:
    if told.verdict is None:
        return ""
    said = f": {told.verdict.value} at {told.at}"
    if told.driver:
        agrees = {True: "agrees", False: "DISAGREES", None: "has no opinion"}[told.agrees]
        said += f"; the official driver {agrees} ({visible(told.driver)})"
    return said
