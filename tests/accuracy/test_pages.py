"""The pages on verdicts, cost and accuracy are those that the code makes, and say what they promise."""

from __future__ import annotations

from tests.accuracy.accuracy import ACCURACY, SECTIONS
from tests.accuracy.cost import COST, QUESTIONS, VERSIONS, cost_page, examined, held_part
from tests.accuracy.pages import VERDICTS, verdicts_page
from tests.support.kinds import ROOT


def text_of(page: str) -> str:
    """A page as it is committed."""
    return (ROOT / page).read_text(encoding="utf-8")


def test_verdicts() -> None:
    """Make it anew with `make accuracy`."""
    assert text_of(VERDICTS) == verdicts_page()


def test_cost() -> None:
    """Make it anew with `make accuracy`."""
    assert held_part(text_of(COST)) == held_part(cost_page(""))


def test_no_question_examines_a_document() -> None:
    counted = {
        (name, version): found
        for name, is_asked in QUESTIONS
        for version in VERSIONS
        if (found := examined(version, is_asked)) is not None
    }
    assert len(counted) >= 9
    assert {documents for _, documents in counted.values()} == {0}
    assert max(keys for keys, _ in counted.values()) <= 2


def test_accuracy_has_its_sections() -> None:
    page = text_of(ACCURACY)
    assert [title for title in SECTIONS if f"\n## {title}\n" not in page] == []
