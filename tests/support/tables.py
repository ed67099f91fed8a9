"""The scope of [[allow]] and [[deny]] tables that a test writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from targets.load import scope_of, table_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from targets.scope import Scope


def scope_from_tables(
    allow: Sequence[Mapping[str, Any]],
    deny: Sequence[Mapping[str, Any]] = (),
    *,
    source: str,
    line_of: Callable[[tuple[str | int, ...]], int | None] = lambda place: None,
    **how: Any,
) -> Scope:
    """What `scope_of` makes of them; `how` are its arguments."""
    return scope_of(table_rows(allow, deny, source=source, line_of=line_of), source=source, **how)
