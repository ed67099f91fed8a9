"""Servers that try to hurt their client: each one a case of its own, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scanner.lab.hostile import claims, cursors, documents, framing, greetings, handshakes, streams

if TYPE_CHECKING:
    from scanner.lab.personality import Personality


def personalities() -> list[Personality]:
    """All hostile servers, fresh, in a fixed order."""
    parts = (framing, documents, claims, greetings, cursors, streams, handshakes)
    return [each for part in parts for each in part.personalities()]
