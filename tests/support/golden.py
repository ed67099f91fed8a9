"""Lists of other programs beside the claims that they make: `tests/targets/sources/golden`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from targets.grammar import format_span
from targets.sources.read import read_claims

if TYPE_CHECKING:
    from targets.claims import Claim

GOLDEN = Path(__file__).parents[1] / "targets" / "sources" / "golden"


def shown(claim: Claim) -> str:
    """Everything that a claim says, in one line."""
    said = claim.said
    owner = f"{said.owner} by {said.owner_by}" if said.owner else ""
    labels = ",".join(f"{key}={value}" for key, value in said.labels)
    parts = (
        f"{format_span(claim.span)} {claim.port or '*'} {said.kind}",
        *(owner, said.contact, said.site, said.vrf, said.status),
        *(claim.provenance, ",".join(claim.names), labels),
    )
    return " | ".join(parts)


def golden_lines(name: str) -> list[str]:
    """The claims of a golden file as text, under its format. Nothing of it may be told as unusable."""
    warnings: list[str] = []
    with (GOLDEN / name).open("rb") as stream:
        reading = read_claims(stream, name, warnings.append)
        lines = [shown(claim) for claim in reading]
    assert not warnings
    return [str(reading.format), *lines]


def expected_lines(name: str) -> list[str]:
    """What stands beside a golden file."""
    return (GOLDEN / f"{name}.claims").read_text(encoding="utf-8").splitlines()
