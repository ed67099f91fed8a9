"""The fuzz targets by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.fuzz import alike, edges, frames, lists, metadata, openings, shapes, sizes, structured, talk

if TYPE_CHECKING:
    from collections.abc import Callable

TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "frames": frames.run,
    "dialogue": talk.run,
    "plan": metadata.run,
    "structured": structured.run,
    "edges": edges.run,
    "lists": lists.run,
    "shapes": shapes.run,
    "openings": openings.run,
    "alike": alike.run,
    "sizes": sizes.run,
}
