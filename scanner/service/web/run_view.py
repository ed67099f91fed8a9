"""The run that goes on, for people: its figures in words, its map as a picture, its newest findings. The page
is drawn with these, and what is sent to it later is made of the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from results.durations import between
from results.report.markup import Markup, tag
from results.text import address, human_count, visible
from scanner.service.view.fill import LEVELS
from scanner.service.web.words import percent

if TYPE_CHECKING:
    from scanner.service.view.live import Found, LiveRun

SILENT: Final = 10.0  # seconds without a word from a run, after which that is said
PERMILLE: Final = 1000
_UNITS: Final = 64  # the map is so many units wide or high
_LONG: Final = 300  # characters of a reason


class FoundWords(NamedTuple):
    """One finding: every text is visible already."""

    place: str
    severity: str
    verdict: str
    owner: str
    at: str


def figures(run: LiveRun, now: str) -> dict[str, str]:
    """What a page shows of a run, by the name of the place where it stands. `permille` of the targets asked
    is for the bar."""
    progress = run.progress
    if progress is None:
        blank = dict.fromkeys(("done", "answered", "open", "rate", "elapsed", "remaining"), "-")
        note = "It has begun, and proves first that it finds its own server."
        return {**blank, "share": "0.0 %", "permille": "0", "asked": "0", "note": note, "tone": ""}
    share = min(1.0, progress.asked / progress.planned) if progress.planned else 1.0
    note, tone = _note(run, now)
    return {
        "share": percent(share),
        "permille": str(int(share * PERMILLE)),
        "asked": human_count(progress.asked),
        "done": human_count(progress.done),
        "answered": human_count(progress.answered),
        "open": human_count(max(progress.open, run.found_count)),  # the journal is newer than the progress
        "rate": f"{human_count(int(progress.rate))}/s",
        "elapsed": span(progress.elapsed),
        "remaining": "-" if progress.remaining is None else span(progress.remaining),
        "note": note,
        "tone": tone,
    }


def _note(run: LiveRun, now: str) -> tuple[str, str]:
    """Why it goes slower than it may, or not at all; and how bad that is: "", "slow" or "still"."""
    progress = run.progress
    assert progress is not None
    quiet = between(progress.at, now) if progress.at < now else 0.0
    if quiet > SILENT:
        return (
            f"It has said nothing for {span(quiet)}: its disk is slow, or its process stands still.",
            "still",
        )
    if progress.paused_by:
        return f"Paused: {visible(progress.paused_by, _LONG)}", "still"
    if progress.slowed_by:
        return f"Slower: {visible(progress.slowed_by, _LONG)}", "slow"
    return "", ""


def span(seconds: float) -> str:
    """A length of time that is watched while it passes: `4 s`, `12 min 5 s`, `3 h 20 min`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def found_words(found: Found) -> FoundWords:
    """A finding as it is shown."""
    return FoundWords(
        place=visible(address(found.ip, found.port), 80),
        severity=visible(found.severity, 20),
        verdict=visible(found.verdict.replace("_", " "), 40),
        owner=visible(found.owner, 60) or "(no owner)",
        at=visible(found.observed_at[11:19], 20),
    )


# --- the map ----------------------------------------------------------------------------------------------


def dots(run: LiveRun) -> list[tuple[float, float, str]]:
    """Where something is open, as the middle of its cell on the map, with the worst severity there."""
    if run.fill is None:
        return []
    found = []
    for cell, severity in sorted(run.gravest.items()):
        x, y, *_ = run.fill.plan.area(cell, 1)
        found.append((x + 0.5, y + 0.5, visible(severity, 20)))
    return found


def picture(run: LiveRun) -> Markup | None:
    """The map: one path for each level, so that it is small; what a script needs to draw the levels anew is
    in `data-cells` and `data-levels`. None where the run has no IPv4 addresses, or nobody can tell them."""
    fill = run.fill
    if fill is None or not fill.cells:
        return None
    places = [fill.plan.area(cell, 1)[:2] for cell in fill.cells]
    width = max(block.box.x + block.box.width for block in fill.plan.blocks)
    height = max(block.box.y + block.box.height for block in fill.plan.blocks)
    paths: list[list[str]] = [[] for _ in range(LEVELS + 1)]
    for (x, y), level in zip(places, run.levels, strict=True):
        paths[level].append(f"M{x} {y}h1v1h-1z")
    outlines = "".join(
        f"M{box.x} {box.y}h{box.width}v{box.height}h-{box.width}z"
        for box in (block.box for block in fill.plan.blocks)
    )
    radius = max(0.42, 0.55 * max(width, height) / _UNITS)
    return tag(
        "svg",
        tag("title", "Map of the run", id="fill-title"),
        tag("desc", _described(run), id="fill-desc"),
        [tag("path", d="".join(path), class_=f"f{level}") for level, path in enumerate(paths)],
        tag("path", d=outlines, class_="f-range"),
        tag(
            "g",
            [tag("circle", cx=x, cy=y, r=radius, class_=f"s-{severity}") for x, y, severity in dots(run)],
            class_="f-dots",
        ),
        viewBox=f"-0.2 -0.2 {width + 0.4} {height + 0.4}",
        role="img",
        aria_labelledby="fill-title fill-desc",
        class_="fill",
        data_cells=" ".join(f"{x},{y}" for x, y in places),
        data_levels=level_text(run.levels),
        data_radius=radius,
    )


def level_text(levels: bytes) -> str:
    """The levels of all cells, a digit each."""
    return "".join(map(str, levels))


def _described(run: LiveRun) -> str:
    assert run.fill is not None
    size = 1 << run.fill.plan.shift
    return (
        f"{len(run.fill.plan.blocks):,} IPv4 ranges along Hilbert's curve, a cell for {size:,} "
        f"address{'es' if size > 1 else ''}; the more of a cell was asked, the darker it is. "
        "The table of ranges says the same in figures."
    )
