"""Small worlds of addresses for property tests, and the targets of a scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from tests.targets.universe import spans

if TYPE_CHECKING:
    from targets.scope import Scope

many = st.lists(spans(), max_size=7)


def places(scope: Scope) -> list[tuple[int, int, int]]:
    picked = (scope.pick(index) for index in range(len(scope)))
    return [(target.version, target.address, target.port) for target in picked]
