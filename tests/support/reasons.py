"""What the codes of a record come to for a person, for tests that look for words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.codes import codes, sentence
from results.record import Vulnerabilities

if TYPE_CHECKING:
    from collections.abc import Iterable

    from results.record import Reason


def written(reasons: Iterable[Reason]) -> str:
    """The sentences, joined. Each code has one."""
    held = list(reasons)
    assert {reason.code for reason in held} <= codes().keys()
    return "; ".join(map(sentence, held))


def by_certainty(found: Vulnerabilities | None) -> dict[str, str]:
    """Of each advisory, how certain it is."""
    held = found or Vulnerabilities()
    kinds = ("version_in_range", "possible", "check_vendor")
    return {name: kind for kind in kinds for name in getattr(held, kind)}
