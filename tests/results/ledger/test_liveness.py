"""Whether a server was written to between two looks, and when nothing can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.ledger.derive import derive
from results.ledger.visit import Figures, Names, Structure
from results.verdict import Verdict
from tests.support.visits import Diary, at, holding, uuid

if TYPE_CHECKING:
    from results.ledger.tracked import Liveness

SEEN = 1 / 48  # of a day: when in its run a place is seen


def last(diary: Diary) -> Liveness:
    (exposure,) = derive(diary.by_place(), diary.runs).exposures
    assert exposure.liveness is not None
    return exposure.liveness


def test_a_look_that_asks_for_no_figures_hides_no_writing() -> None:
    diary = Diary().run(0).open().run(7).sees(Verdict.OPEN).run(14).open(**holding(documents=1500))
    for _ in range(2):
        found = last(diary)
        assert (found.after, found.until, found.written) == (at(SEEN), at(14 + SEEN), True)
        diary.run(21).sees(Verdict.OPEN)


def test_a_database_that_is_gone_was_written_to() -> None:
    less = holding()
    more = holding()
    more["structure"] = Structure(
        {**more["structure"].databases, "old": [Names("things", uuid("things"))]},
        True,
        [*more["structure"].named, "old"],
    )
    found = last(Diary().run(0).open(**more).run(7).open(**less))
    assert (found.written, found.methods) == (True, ["collections-made"])
    found = last(Diary().run(0).open(**less).run(7).open(**holding(wiped=True)))
    assert (found.written, found.methods) == (True, ["document-counts", "collections-made"])


def test_totals_tell_where_no_collections_were_asked() -> None:
    names = {**holding(), "figures": Figures({}, {}), "structure": Structure({"magazine": []}, True, [])}
    assert last(Diary().run(0).open(**names).run(7).open(**names)).written is False
    found = last(Diary().run(0).open(**names).run(7).open(**{**names, "documents": 3001}))
    assert (found.written, found.methods) == (True, ["document-counts"])
