"""What a list says, claim by claim, in the form that golden files keep."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from targets.errors import ScopeError
from targets.grammar import format_span
from targets.sources.read import read_claims

if TYPE_CHECKING:
    from targets.claims import Claim


def claimed(raw: bytes, name: str) -> dict[str, Any]:
    """The format of a list, its claims without what they do not say, its warnings, and its refusal."""
    warnings: list[str] = []
    reading = read_claims(io.BytesIO(raw), name, warnings.append)
    claims: list[dict[str, Any]] = []
    refusal = ""
    try:
        claims += map(_claim, reading)
    except ScopeError as error:
        refusal = str(error)
    told: dict[str, Any] = {"format": str(reading.format), "claims": claims}
    told |= {"warnings": warnings} if warnings else {}
    return told | ({"refusal": refusal} if refusal else {})


def endpoints(told: dict[str, Any]) -> list[tuple[str, int | None]]:
    """The addresses and ports of what `claimed` gives."""
    return [(claim["address"], claim["port"]) for claim in told["claims"]]


def _claim(claim: Claim) -> dict[str, Any]:
    said = {key: value for key, value in claim.said._asdict().items() if value}
    return {
        "address": format_span(claim.span),
        "port": claim.port,
        "place": claim.provenance,
        **({"names": list(claim.names)} if claim.names else {}),
        **{key: dict(value) if key == "labels" else value for key, value in said.items() if key != "kind"},
    }
