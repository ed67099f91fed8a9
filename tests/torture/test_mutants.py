"""The torture proves itself: each broken sweep is caught, by the very check that passes for the sound one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.torture import story
from tests.torture.mutants import MUTANTS, applied, broken

if TYPE_CHECKING:
    from pathlib import Path

ENOUGH = 3000  # deaths at most; a mutant is caught at once, or by the rare death that shows it


def test_the_sound_sweep_passes(place: Path) -> None:
    tally = story.torture(place, 200)
    assert tally.sound, tally.violations
    assert tally.deaths >= 200
    assert tally.resumes > 50
    assert tally.torn > 0
    assert tally.duplicates > 0


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [mutant.name for mutant in MUTANTS])
def test_a_mutant_is_caught(place: Path, name: str) -> None:
    with applied(name):
        tally = story.torture(place, ENOUGH)
    assert not tally.sound, f"{name} survived {tally.deaths} deaths"


def test_the_sound_sweep_is_sound_again_after_the_mutants(place: Path) -> None:
    for mutant in MUTANTS:
        with applied(mutant.name):
            pass
    assert story.torture(place, 20).sound


def test_a_mutant_that_changes_nothing_is_refused() -> None:
    with pytest.raises(AssertionError, match="does not hold"):
        broken(type(MUTANTS[0])("stale", MUTANTS[0].where, (("no such text", "pass"),)))
