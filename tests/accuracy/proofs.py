"""What proves a verdict: rows that tests declare with `@proves`, and from which docs/verdicts.md is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from results.verdict import Verdict

    Test = TypeVar("Test", bound=Callable[..., Any])


@dataclass(frozen=True)
class Proof:
    """One row. `state`: how the server is set up; `rule`: the deciding rule in the evidence; `wire`: what on
    the wire the rule rests on; `seen`: on which server the test saw it."""

    state: str
    verdict: Verdict
    rule: str
    wire: str
    seen: str
    test: str = ""


PROOFS: list[Proof] = []
"""All rows of all test modules that have been imported."""

TRAPS: list[tuple[str, str]] = []
"""(what misleads, the test that is not misled)."""


def proves(rows: Sequence[Proof]) -> Callable[[Test], Test]:
    """Declare that the test asserts verdict and rule of each row."""

    def declare(test: Test) -> Test:
        name = _name(test)
        PROOFS.extend(Proof(r.state, r.verdict, r.rule, r.wire, r.seen, name) for r in rows)
        return test

    return declare


def trap(what: str) -> Callable[[Test], Test]:
    """Declare that the test sets a trap that real servers set, and asserts that nobody falls into it."""

    def declare(test: Test) -> Test:
        TRAPS.append((what, _name(test)))
        return test

    return declare


def _name(test: Any) -> str:
    return f"{test.__module__.replace('.', '/')}.py::{test.__name__}"
