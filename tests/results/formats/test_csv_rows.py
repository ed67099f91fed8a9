"""CSV: a row an event, and no cell of it is a formula."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from results.formats.csv_cells import csv_cell
from results.formats.csv_rows import COLUMNS, FORMAT
from results.verdict import Verdict
from tests.support.told import SENDER, change, ordinary, run_event, seen_open

if TYPE_CHECKING:
    from results.events.event import Event


def rows(*events: Event) -> list[dict[str, str]]:
    documents = [FORMAT.document(event, SENDER) or b"" for event in events]
    text = FORMAT.head(SENDER) + FORMAT.between.join(documents) + FORMAT.tail
    return list(csv.DictReader(io.StringIO(text.decode(), newline="")))


def test_every_event_is_a_row_of_every_column() -> None:
    read = rows(*ordinary())
    assert [each["kind"] for each in read] == ["opened", "closed", "ended", "observation", "exposure"]
    assert all(list(each) == list(COLUMNS) and None not in each.values() for each in read)
    opened, _, ended, *_ = read
    assert (opened["ip"], opened["port"], opened["owner"], opened["contact"]) == (
        *("10.1.2.3", "27017", "team X", "team-x@example.com"),
    )
    assert (opened["databases"], opened["database_names"], opened["bytes"]) == (
        *("3", "crm,billing", "60000425984"),
    )
    assert (ended["state"], ended["open"], ended["planned"], ended["ip"]) == ("complete", "0", "256", "")


def test_what_was_not_open_was_not_seen_open() -> None:
    (told,) = rows(seen_open(verdict=Verdict.AUTH_REQUIRED, exposure=None))
    assert (told["verdict"], told["first_seen_open"], told["last_seen_open"]) == ("auth_required", "", "")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        *((sign + "1", "'" + sign + "1") for sign in "=+-@\t\r\n＝＋－＠"),
        *((before + "=1", "'" + before + "=1") for before in (" ", '"', "'", " '\"", "\u3000", "''")),
        *(("a" + between + "=1", "a" + between + "'=1") for between in ",;"),
        *((plain, plain) for plain in ("a", "1-1", "a=1", "'", "''a", "e-mail@example.com", "", " ")),
    ],
)
def test_what_would_begin_a_formula_is_text(text: str, cell: str) -> None:
    assert csv_cell(text) == cell


def test_no_name_is_a_formula() -> None:
    (told,) = rows(change(databases=["=1+1", "@x"], owner=change().snapshot.owner))
    assert told["database_names"] == "'=1+1,'@x"


def test_a_run_of_nothing_says_so() -> None:
    (told,) = rows(run_event())
    assert told["message"].endswith("ended: complete, nothing is open among 256 targets")
