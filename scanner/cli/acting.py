"""What `acknowledge`, `accept` and `note` share: one exposure, one person, one action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scanner.cli.options import option

if TYPE_CHECKING:
    from results.ledger.actions import ActionKind
    from results.ledger.tracked import TrackedExposure
    from results.ledger.view import View

by_option = option("--by", metavar="NAME", required=True, help="Who does this: a person's name.")


def write_down(view: View, kind: ActionKind, exposure: TrackedExposure, by: str, **more: Any) -> None:
    """Add one action, durably. Raises `CorruptError` while the chain of actions is broken."""
    from scanner.clock import SystemClock, timestamp

    if not by.strip():
        raise click.UsageError("--by is empty; write a person's name")
    view.actions.refuse_if_broken()
    view.actions.append(kind, [exposure.exposure_id], at=timestamp(SystemClock.wall()), by=by, **more)


def place(exposure: TrackedExposure) -> str:
    """The exposure for a sentence."""
    from results.text import address, visible

    return visible(f"{exposure.exposure_id} ({address(exposure.place.ip, exposure.place.port)})", 200)


def moment(text: str, name: str) -> str:
    """A time that a person wrote. Raises a usage error."""
    from results.durations import as_text, instant

    try:
        if len(text) == 10:
            text += "T00:00:00Z"
        return as_text(instant(text))
    except (ValueError, OverflowError):
        raise click.UsageError(
            f"{name} {text!r} is no time; write one such as 2026-03-01T09:00:00Z"
        ) from None
