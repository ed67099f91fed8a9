"""The page `compare`: what changed from one run to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from results.report.differences import details, head_lines, kind_words
from scanner.service.view.runs import before, find
from scanner.service.web.context import READER, RUNS
from scanner.service.web.pages.paging import page_of
from scanner.service.web.render import render
from scanner.service.web.visitor import Role, needs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.service.view.runs import RunLine

MOST_CHOICES = 200
SIZE = 60


@needs(Role.VIEW)
async def page(request: web.Request) -> web.StreamResponse:
    """Two runs compared; without a choice the newest and the one before."""
    snapshot = await request.app[READER].current()
    runs = await request.app[RUNS].current(snapshot.runs)
    choices = [run for run in runs if run.can_compare]
    old, new, problem = _chosen(choices, runs, request.query.get("old", ""), request.query.get("new", ""))
    values: dict[str, Any] = {
        "choices": choices[:MOST_CHOICES],
        "old": old,
        "new": new,
        "problem": problem,
        "at": snapshot.at,
    }
    if old is None or new is None or problem:
        status = 400 if problem and choices else 200
        return render(request, "compare.html", status=status, comparison=None, waiting=False, **values)
    if (old.began, old.run_id) > (new.began, new.run_id):
        values["old"], values["new"] = old, new = new, old
    comparison = await request.app[RUNS].compare(old, new, snapshot.runs, snapshot.exposures)
    if comparison is None:
        answer = render(request, "compare.html", comparison=None, waiting=True, **values)
        answer.headers["Refresh"] = "1"  # both journals are being read: the same page, a second later
        return answer
    asked = request.query.get("kind", "")
    kind = asked if comparison.counts.get(asked) else ""  # type: ignore[call-overload]  # any text may come
    shown = [each for each in comparison.differences if not kind or kind in each.kinds]
    return render(
        request,
        "compare.html",
        comparison=comparison,
        waiting=False,
        lines=head_lines(comparison)[2:],
        kind=kind,
        rows=page_of(shown, request, SIZE),
        details=details,
        kind_words=kind_words,
        known=snapshot.by_id,
        **values,
    )


def _chosen(
    choices: Sequence[RunLine], runs: Sequence[RunLine], old_id: str, new_id: str
) -> tuple[RunLine | None, RunLine | None, str]:
    """The two runs, and why they cannot be compared, as a sentence; "" for nothing."""
    for run_id in (old_id, new_id):
        if run_id and find(choices, run_id) is None:
            known = find(runs, run_id)
            if known is None:
                return None, None, "One of the two runs is not known here; choose another."
            why = "its directory was pruned" if not known.here else "it is no sweep, or it has not ended"
            return None, None, f"{known.run_id} cannot be compared: {why}. Choose another."
    new = find(choices, new_id) or (choices[0] if choices else None)
    old = find(choices, old_id) or (before(choices, new) if new else None)
    if new is not None and old is not None and old.run_id == new.run_id:
        return old, new, "That is the same run twice; choose two."
    return old, new, ""


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [web.get("/compare", page)]
