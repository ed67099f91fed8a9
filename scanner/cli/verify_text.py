"""What `verify` says of each exposure, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.codes import sentence
from results.ledger.proof import standing
from results.text import address, visible
from scanner.cli.listing import Column, Listing, for_programs, text_writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results.ledger.proof import Verified
    from scanner.sweep.verify import Verification

_ENDED = {
    "kept out": "what is left may not be asked by the scope as it is now",
    "time over": "the time is over before everything was proved closed",
    "interrupted": "interrupted; what was found is kept",
}


def verified_listing(verification: Verification) -> Listing[Verified]:
    """A row for each exposure, what is not closed first, and how it stands in all."""
    return Listing(
        rows=verification.found,
        columns=[
            Column("exposure_id", title="exposure"),
            Column("ip", lambda told: told.place.ip, _place, "address"),
            Column("port", lambda told: told.place.port, title=""),
            Column("before", title="was"),
            Column("state", title="is"),
            Column("verdict", lambda told: told.verdict.value if told.verdict is not None else ""),
            Column("at"),
            Column("agrees", title=""),
            *for_programs("driver", "asked", "run_id", "event_id", "closed_how", "not_before"),
            Column("owner", lambda told: told.owner.owner),
            Column("contact", lambda told: told.owner.contact),
            Column("needs", lambda told: "; ".join(map(sentence, told.needs)), title="still needs"),
        ],
        title="Asked again",
        foot=list(_foot(verification)),
        empty="",
        own={"table": text_writer(text_lines(verification))},
    )


def text_lines(verification: Verification) -> Iterator[str]:
    """A paragraph for each exposure, what is not closed first, and how it stands in all."""
    for told in verification.found:
        yield from _lines(told)
    yield from _foot(verification)


def _foot(verification: Verification) -> Iterator[str]:
    if verification.trouble:
        yield f"the last run is {visible('; '.join(verification.trouble))}: it proves nothing"
    if verification.ended in _ENDED:
        yield _ENDED[verification.ended]
    yield f"{standing(verification.found)}"


def _place(told: Verified) -> str:
    return address(told.place.ip, told.place.port)


def _lines(told: Verified) -> Iterator[str]:
    yield visible(
        "  ".join(filter(None, (told.exposure_id, _place(told), told.owner.owner, told.owner.contact)))
    )
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
