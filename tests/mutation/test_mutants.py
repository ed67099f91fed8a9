"""The mutation check itself: every error can be applied, and it tells a caught one from a survivor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.mutation.__main__ import ROOT, main, mutate, table, try_all
from tests.mutation.mutants import MUTANTS, Mutant

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_still_has_its_place(mutant: Mutant) -> None:
    """A mutant whose text has moved on would prove nothing."""
    text = (ROOT / mutant.path).read_text(encoding="utf-8")
    assert mutate(text, mutant) != text
    assert all((ROOT / test).is_file() for test in mutant.tests)


def test_names_are_told_apart() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 12


def test_a_text_that_is_not_there_or_there_twice_is_trouble() -> None:
    for old in ("no such text", "from __future__"):
        with pytest.raises(ValueError, match="stands there"):
            mutate("from __future__ from __future__", Mutant("x", "wire", old, ""))


def test_one_is_caught_and_one_survives(tmp_path: Path) -> None:
    caught = next(mutant for mutant in MUTANTS if mutant.module == "names")
    harmless = Mutant("no change of behaviour", "names", "def check_database(", "def check_database(\n    ")
    first, second = try_all([caught, harmless], 1, tmp_path)
    assert "test_commands.py::test_unsafe" in first.by
    assert (second.by, second.trouble) == ("", "")
    assert "**nothing**" in table([first, second])


def test_the_copy_must_pass_before_anything_is_learned(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.mutation.__main__.check_copy", lambda tree, mutants: "it is broken")
    assert main(["--jobs", "1"]) == 2
    assert capsys.readouterr().err == "it is broken\n"
