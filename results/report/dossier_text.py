"""A dossier on a terminal: its headline, its sections, and what happened as a dated list."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from results.report.printing import Printer

if TYPE_CHECKING:
    from results.ledger.dossier import Dossier

_TIMELINE = "What happened"
_BEFORE_TIMELINE = ("state", "place", "time", "holds")


def print_dossier(
    dossier: Dossier, file: IO[str], *, width: int | None = None, colour: bool | None = None
) -> None:
    """Print it to `file`, `width` columns wide (default: the terminal's)."""
    out = Printer(file, width=width, colour=colour)
    out.paragraph(f"{dossier.exposure_id}: {dossier.headline}", indent=0, style="bold")
    for section in dossier.sections:
        if section.key in _BEFORE_TIMELINE:
            _section(out, section.heading, section.sentences)
    _section(out, _TIMELINE, [f"{event.when}: {event.sentence}" for event in dossier.events])
    for section in dossier.sections:
        if section.key not in _BEFORE_TIMELINE:
            _section(out, section.heading, section.sentences)


def _section(out: Printer, heading: str, sentences: list[str]) -> None:
    if not sentences:
        return
    out.line("")
    out.line(heading, "bold")
    for sentence in sentences:
        out.paragraph(sentence[0].upper() + sentence[1:])
