"""Answers for the terminal and for other programs."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from results.confirm.plain import answers_csv, answers_jsonl, answers_markdown
from results.confirm.table import FOREIGN_SHOWN, print_answers, totals_lines
from tests.results.examples import open_server
from tests.support.answered import OWNER, every_row, known, place, row, whole

if TYPE_CHECKING:
    from results.confirm.answer import RowAnswer


def table(given: list[RowAnswer], width: int = 80, **changes: Any) -> str:
    """What a terminal of this width shows."""
    out = io.StringIO()
    print_answers(given, whole(given, **changes), [open_server("10.20.1.1", owner=OWNER)], out, width=width)
    return out.getvalue()


def test_at_80_columns_it_is_a_table_with_what_is_open_first_and_whom_to_call_last() -> None:
    shown = table(every_row(), unusable=3, too_wide=1)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    assert re.fullmatch(r"address +answer +since +owner +exposure", lines[0])
    first = r"10\.20\.1\.1:27017 +open +2026-03-07 +web platform.* +mx_2f6c0a91b3de"
    assert re.fullmatch(first, lines[1])
    assert "  reported for 2026-03-04 03:59 UTC, 3 days before we first saw it open" in lines
    assert "  named 3 times: report.csv:2" in lines
    assert re.search(r"^10\.20\.1\.7:27017 +wants a login +2026-03-09 ", shown, re.MULTILINE)
    assert "proved closed by 2026-03-09 12:00 UTC: " in shown
    assert "  denied by 10.20.1.6 (medical devices)" in lines
    folded = " ".join(shown.split())
    assert "12 rows of report.csv (Shadowserver CSV): 4 open, 1 open, no data, 1 unknown," in folded
    assert "3 lines or records could not be read; 1 row named too many addresses" in lines
    assert lines[-1].startswith("web platform / paris  web-oncall@example.com")


@pytest.mark.parametrize("width", [20, 40, 60, 200])
def test_on_any_terminal_nothing_is_lost(width: int) -> None:
    shown = "".join(table(every_row(), width).split())
    for said in (
        "10.20.1.1:27017",
        "mx_2f6c0a91b3de",
        "webplatform/paris",
        "192.0.2.7:27017",
        "medicaldevices",
    ):
        assert said in shown


def test_of_a_row_of_many_places_those_that_speak_have_a_line_and_the_others_are_counted() -> None:
    places = [place("confirmed-open", "10.20.1.5", exposure=known())]
    places += [place("closed-now", f"10.20.1.{number}") for number in range(6, 16)]
    shown = table([row("confirmed-open", "10.20.1.0/28", places=places, addresses_outside=5)])
    assert re.search(r"^10\.20\.1\.5:27017 +open", shown, re.MULTILINE)
    assert "its other places: 10 closed now" in shown
    assert "5 addresses of it outside the scope" in shown
    silent = table([row("closed-now", "10.20.1.0/28", places=places[1:])])
    assert "its 10 places: 10 closed now" in silent


def test_rows_of_others_are_few_and_counted() -> None:
    rows = [row("not-ours", f"192.0.2.{number}") for number in range(30)]
    shown = table(rows, run_id="", state="", answers={"not-ours": 5030}, rows=5030)
    assert shown.count("192.0.2.") == FOREIGN_SHOWN
    assert "and 5,020 more that are not ours" in shown
    assert "nothing in it is ours by the scope, so nothing was asked" in shown


def test_a_run_that_is_not_complete_says_why() -> None:
    rows = [row("closed-now")]
    lines = totals_lines(whole(rows, state="degraded", reasons=["a canary was silent"]))
    assert lines[-1] == "the run 20260310T093000Z-0a1b2c3d is degraded: a canary was silent"


def test_what_people_did_is_told() -> None:
    taken = known(accepted_by="web platform", accepted_until="2026-04-01T00:00:00.000Z", state="accepted")
    at_it = known(acknowledged_by="on-call", acknowledged_at="2026-03-08T10:00:00.000Z")
    shown = table([row("confirmed-open", "10.20.1.1", taken), row("confirmed-open", "10.20.1.2", at_it)])
    assert "accepted by web platform until 2026-04-01 00:00 UTC" in shown
    assert "acknowledged at 2026-03-08 10:00 UTC by on-call" in shown


def test_a_look_of_ours_between_their_date_and_our_first_sight_is_told() -> None:
    between = known(
        reported_ahead_seconds=3 * 86_400,
        looked_between="2026-03-05T04:00:00.000Z",
        looked_between_how="refused",
    )
    one = row("confirmed-open", exposure=between, reported_first="2026-03-04T04:00:00.000Z")
    assert "(in between, at 2026-03-05 04:00 UTC:" in " ".join(table([one]).split())


def test_hostile_text_does_nothing_anywhere() -> None:
    nasty = "\x1b[31m=cmd|'/c calc'!A0\u202e"
    one = row("confirmed-open", nasty, lines=[nasty], times=2)
    for text in (table([one], report=nasty), answers_csv([one]), answers_markdown([one], whole([one]))):
        assert "\x1b" not in text
        assert "\u202e" not in text
    cells = [cell for line in csv.reader(io.StringIO(answers_csv([one]))) for cell in line]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_json_has_a_line_for_each_row_and_one_for_the_whole() -> None:
    rows = every_row()
    *told, last = map(json.loads, answers_jsonl(rows, whole(rows)))
    assert [each["named"] for each in told] == [each.named for each in rows]
    assert {each["schema"] for each in told} == {"mongosweep.confirmed/1"}
    assert (last["schema"], last["rows"]) == ("mongosweep.confirmation/1", 12)
    assert sum(last["answers"].values()) == 12


def test_csv_has_a_line_for_each_place() -> None:
    places = [place("confirmed-open", "10.20.1.5", exposure=known()), place("closed-now", "10.20.1.6")]
    rows = [row("confirmed-open", "10.20.1.0/28", places=places), row("not-ours", "192.0.2.7")]
    told = list(csv.DictReader(io.StringIO(answers_csv(rows))))
    assert [(each["ip"], each["answer"], each["exposure_id"]) for each in told] == [
        ("10.20.1.5", "confirmed-open", "mx_2f6c0a91b3de"),
        ("10.20.1.6", "closed-now", ""),
        ("", "not-ours", ""),
    ]
    assert all(None not in each and None not in each.values() for each in told)


def test_what_is_open_is_counted_with_what_to_do() -> None:
    said = "open without a password: 2 servers; `mongosweep show EXPOSURE` says what to do"
    assert said in totals_lines(whole(every_row(), open_places=2))
