"""Which runs can be compared, and what of two cannot: their scopes, vantages, and how they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.diff.difference import RunSide, Scopes
from results.runs import organisation_of
from results.text import plural, visible

if TYPE_CHECKING:
    from results.covered import RunCoverage
    from results.manifest import Manifest


def side_of(path: str, state: str, manifest: Manifest) -> RunSide:
    """A run as its manifest tells of it. `state` as `results.runs` judges it."""
    return RunSide(
        run_id=manifest.run_id,
        path=path,
        state=state,
        created_at=manifest.created_at,
        ended_at=manifest.ended_at,
        vantage=manifest.vantage,
        organisation=organisation_of(manifest),
        depth=str(manifest.configuration.get("depth", "")),
        shard=manifest.shard,
    )


def is_like(old: RunSide, new: RunSide) -> bool:
    """Whether an earlier run is one of the same people, looking from the same place, and ended."""
    return (
        old.run_id != new.run_id
        and old.created_at <= new.created_at
        and old.organisation == new.organisation
        and old.vantage == new.vantage
        and old.state not in ("running", "unreadable")
    )


def overlap(old: RunCoverage | None, new: RunCoverage | None) -> bool:
    """Whether two runs have targets in common, or may have where one of them does not tell."""
    return old is None or new is None or old.covered.compare(new.covered).both > 0


def compare_scopes(
    old: RunSide, old_coverage: RunCoverage | None, new: RunSide, new_coverage: RunCoverage | None
) -> Scopes:
    """What two runs have in common, and what about them makes a comparison say less."""
    cautions = []
    for name, side, coverage in (("old", old, old_coverage), ("new", new, new_coverage)):
        if side.state != "complete":
            cautions.append(
                f"the {name} run is {visible(side.state, 20)}: what it has no line of, it may not have asked"
            )
        if coverage is None:
            cautions.append(f"the {name} run does not tell what it covered")
        elif not coverage.certain and side.state == "complete":
            cautions.append(f"the {name} run may not have asked all that it covered")
        if coverage is not None and (count := coverage.withdrawn.targets):
            taken_out = plural(count, "target was", "targets were")
            cautions.append(f"{taken_out} taken out of the {name} run while it went on")
        if side.shard != "1/1":
            cautions.append(f"the {name} run is part {visible(side.shard, 20)} of a sweep")
    cautions += _unlike(old, new)
    if old_coverage is None or new_coverage is None:
        return Scopes(cautions=cautions)
    compared = old_coverage.covered.compare(new_coverage.covered)
    return Scopes(
        both=compared.both,
        only_old=compared.only_self.targets,
        only_new=compared.only_other.targets,
        only_old_examples=list(compared.only_self.examples),
        only_new_examples=list(compared.only_other.examples),
        cautions=cautions,
    )


def _unlike(old: RunSide, new: RunSide) -> list[str]:
    said = []
    for name, before, after, so in (
        (
            "look from different places",
            old.vantage,
            new.vantage,
            "a firewall between may be all that differs",
        ),
        ("are of different organisations", old.organisation, new.organisation, "places may be others"),
        ("asked differently deep", old.depth, new.depth, "what only one of them asked is not compared"),
    ):
        if before != after:
            words = " and ".join(visible(each, 60) or "not told" for each in (before, after))
            said.append(f"the runs {name} ({words}): {so}")
    return said


def scope_lines(scopes: Scopes) -> list[str]:
    """The scopes in a few plain lines, cautions last."""
    lines = []
    if scopes.both is not None:
        lines.append(f"{plural(scopes.both, 'target')} in both")
        for count, examples, which, so in (
            (scopes.only_old, scopes.only_old_examples, "old", "nothing is said of them now"),
            (scopes.only_new, scopes.only_new_examples, "new", "what is open there may have been for long"),
        ):
            if count:
                shown = ", ".join(examples) + (", ..." if len(examples) > 4 else "")
                lines.append(f"{plural(count, 'target')} in the {which} run alone ({shown}): {so}")
    return lines + scopes.cautions
