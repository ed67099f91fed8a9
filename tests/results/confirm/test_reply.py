"""The reply to the author of a report: what it says, in each language, and what it never says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from results.confirm.answer import ANSWERS
from results.confirm.reply import FOLDER, reply
from results.notify.texts import languages, texts
from scanner.setup.choices import LANGUAGES
from tests.support.answered import every_row, known, place, row, whole
from tests.support.languages import problems

GOLDEN = Path(__file__).parent / "replies"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_whole_reply_is_as_it_was_read_and_approved(language: str) -> None:
    """Where the words change on purpose, write the new text into the file and read it again."""
    rows = every_row()
    text = reply(rows, whole(rows, unusable=2), language, name="Example", contact="soc@example.com")
    assert text == (GOLDEN / f"{language}.txt").read_text(encoding="utf-8")


def test_every_language_has_the_same_texts_with_the_same_places() -> None:
    assert languages(FOLDER) == tuple(sorted(LANGUAGES))
    assert [found for language in LANGUAGES for found in problems(language, FOLDER)] == []
    for language in LANGUAGES:
        table = texts(language, FOLDER).table
        assert set(ANSWERS) == table["group"].keys() == table["row"].keys() - {"part", "times"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_tells_an_outsider_nothing_of_the_inside(language: str) -> None:
    rows = every_row()
    text = reply(rows, whole(rows), language)
    for inside in (
        "web platform",
        "web-oncall",
        "paris",
        "mx_",
        "10.20.0.0/16",
        "medical",
        "report.csv",
        "lecteurs",
    ):
        assert inside not in text
    assert not re.search(r"\{\w+\}", text)
    assert max(map(len, text.splitlines())) <= 78


def test_of_a_row_of_many_places_it_names_the_row_alone() -> None:
    places = [place("confirmed-open", "10.20.1.5"), place("closed-now", "10.20.1.6")]
    one = row("confirmed-open", places=places)
    text = reply([one], whole([one]), "en")
    assert "This holds for 1 of the 2 addresses" in " ".join(text.split())
    assert "10.20.1.5" not in text


def test_where_nothing_is_theirs_or_nothing_was_asked_it_says_so() -> None:
    foreign = [row("not-ours", "192.0.2.7")]
    assert "Nothing that it names is among the networks" in reply(foreign, whole(foreign, run_id=""), "en")
    later = [row("not-asked")]
    assert "We have asked nothing of it so far" in reply(later, whole(later, run_id=""), "en")


def test_a_run_that_is_not_complete_is_said_to_be_none() -> None:
    rows = [row("closed-now")]
    assert "not complete" in reply(rows, whole(rows, state="degraded"), "en")


def test_a_long_report_gets_a_reply_of_bounded_length() -> None:
    rows = [row("not-ours", f"192.0.2.{number % 250}") for number in range(900)]
    text = reply(rows, whole(rows), "en")
    assert "- Further rows: 500\n" in text


def test_nothing_in_a_row_can_do_anything() -> None:
    rows = [row("confirmed-open", "10.20.1.1\x1b[31m\n\nBcc: eve@example.com", known())]
    text = reply(rows, whole(rows), "en", name="Ex\x07ample")
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", text)
    assert "\nBcc" not in text
