"""What a run shows that the one before it did not: by the ledger, else by two runs, and never a guess."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from results.ledger.database import LEDGER_FILE
from results.ledger.intake import catch_up
from results.report.news import News, news_of
from tests.results.examples import database
from tests.support.two_runs import NEW_RUN, OLD_AT, OLD_RUN, TwoRuns, new, old, shut

if TYPE_CHECKING:
    from pathlib import Path

SHOP = database("shop", documents=1000, size=10_000)
OPENED, STAYED, CAME_BACK = new("192.0.2.4"), new("192.0.2.1", SHOP), new("192.0.2.2", SHOP)


def two_weeks(output: Path) -> None:
    """One stays, one comes, one goes, and one had asked for a login."""
    TwoRuns(output).write(
        [old("192.0.2.1", SHOP), shut(old("192.0.2.2")), old("192.0.2.3")],
        [STAYED, CAME_BACK, shut(new("192.0.2.3")), OPENED],
    )


@pytest.mark.parametrize("ledger", ["taken in", "none", "damaged"])
def test_what_is_new_by_the_ledger_or_by_the_run_before(tmp_path: Path, ledger: str) -> None:
    two_weeks(tmp_path)
    if ledger == "taken in":
        catch_up(tmp_path)
    if ledger == "damaged":
        (tmp_path / LEDGER_FILE).write_bytes(b"no database")
    kinds = {OPENED.finding_id: ("opened",), CAME_BACK.finding_id: ("opened",)}
    assert news_of(tmp_path / NEW_RUN) == News(OLD_AT, kinds)
    assert news_of(tmp_path / OLD_RUN) is None, "there was no run before it"


def test_a_file_of_observations_alone_has_no_run_before_it(tmp_path: Path) -> None:
    two_weeks(tmp_path)
    (segment,) = (tmp_path / NEW_RUN).glob("observations-*.jsonl")
    assert news_of(segment) is None
    assert news_of(tmp_path / "nowhere") is None


def test_nothing_new_is_an_answer_of_its_own(tmp_path: Path) -> None:
    TwoRuns(tmp_path).write([old("192.0.2.1", SHOP)], [STAYED])
    assert news_of(tmp_path / NEW_RUN) == News(OLD_AT, {})
