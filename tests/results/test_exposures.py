"""The list of exposures: everything at any width, and nothing that a name could do in a table or a file."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata

import msgspec
import pytest

from results.formats.csv_cells import csv_cell
from results.ledger.tracked import Acceptance, AtVantage, Place, TrackedExposure
from results.record import Owner, Reason
from results.report.cells import markdown_cell
from results.report.exposures import (
    exposure_row,
    exposures_csv,
    exposures_jsonl,
    exposures_markdown,
    print_exposures,
    totals_lines,
)
from results.verdict import Severity
from tests.results.injections import INJECTIONS
from tests.support.exposures import FIRST_SEEN, LAST_SEEN, closed, exposure, exposure_id

DAY = 86_400
ESTATE = [
    exposure(
        wiped_count=12,
        ransomed_count=13,
        open_at_least_seconds=31 * DAY,
        open_at_most_seconds=38 * DAY,
        due_at=FIRST_SEEN,
        overdue=True,
        severity_reasons=[Reason(code="verdict"), Reason(code="ransom-note", detail="GIVE_BACK")],
    ),
    exposure("10.20.1.18", state="unreachable", bytes=5, documents=1, open_at_least_seconds=90),
    exposure(
        "2001:db8::17",
        27018,
        state="accepted",
        severity=Severity.LOW,
        bytes=None,
        documents=None,
        acceptance=Acceptance(by="Bo", at=FIRST_SEEN, until=LAST_SEEN),
    ),
    closed("10.20.1.19", open_at_least_seconds=DAY * 5, open_at_most_seconds=DAY * 5),
]


def shown(*exposures: TrackedExposure, width: int = 160, **how: object) -> str:
    """The table as text."""
    out = io.StringIO()
    print_exposures(list(exposures), out, width=width, **how)  # type: ignore[arg-type]  # keyword arguments by name
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 160, 250])
def test_everything_stands_there_at_any_width(width: int) -> None:
    lines = shown(*ESTATE, width=width).splitlines()
    assert all(len(line) <= width for line in lines)
    text = " ".join(" ".join(lines).split())
    for needed in (
        *(each.exposure_id for each in ESTATE),
        *("10.20.1.17:27017", "[2001:db8::17]:27018", "31-38 days", "1+ minute", "5 days", "64.4 GB"),
        *("overdue since 2026-03-01 08:30 UTC", "accepted by Bo until 2026-03-08 08:30 UTC", "web platform"),
        *("13", "unreachable", "GIVE_BACK", "4 exposures: 1 open, 1 unreachable, 1 accepted, 1 closed"),
    ):
        assert needed in text, needed
    assert "overdue: 1, the first since 2026-03-01 08:30 UTC: web platform 1" in text


def test_a_row_says_what_is_known_and_a_question_mark_where_nothing_is() -> None:
    bare = exposure(bytes=None, owner=Owner(), open_at_least_seconds=None)
    assert exposure_row(bare)[1:] == (*("open", exposure_id(), "10.20.1.17:27017", "?", "?", "0", "-", "-"),)


def test_totals_count_as_open_whatever_is_not_proved_closed() -> None:
    assert totals_lines([]) == ["no exposures"]
    assert totals_lines([], 31) == ["none of 31 exposures is such a one"]
    unknown = totals_lines([exposure(bytes=None, documents=None)])
    assert unknown == ["1 exposure: 1 open", "unknown size, unknown documents in what is not proved closed"]
    _, held, *_ = totals_lines(ESTATE)
    assert held == "64.4 GB, 693,001 documents in what is not proved closed"
    assert totals_lines([closed()]) == ["1 exposure: 1 closed"]


def test_a_long_list_is_cut_and_says_so() -> None:
    text = shown(*[exposure(f"10.0.0.{n}") for n in range(5)], limit=2)
    assert "and 3 more; --format jsonl has them all" in text
    assert "5 exposures: 5 open" in text


def test_a_line_of_json_reads_back_as_it_was() -> None:
    lines = list(exposures_jsonl(ESTATE))
    assert all(line.endswith("\n") and line.isascii() for line in lines)
    assert [msgspec.json.decode(line, type=TrackedExposure) for line in lines] == ESTATE
    first = json.loads(lines[0])
    assert first["schema"] == "mongosweep.exposure/1"
    assert {
        "exposure_id",
        "state",
        "place",
        "owner",
        "first_seen_open",
        "opened_after",
        "wiped_count",
    } <= set(first)


def everything(name: str) -> TrackedExposure:
    """One text in each cell that takes one from outside."""
    return exposure(
        exposure_id="mx_1",
        hostnames=[name],
        owner=Owner(owner=name, contact=name, site=name),
        place=Place(ip="10.20.1.17", port=27017, site=name),
        product=name,
        version=name,
        topology=name,
        hints=[name],
        vantages=[AtVantage(vantage=name, state="open", asked_at=LAST_SEEN, asked_how=name)],
        reach="one_vantage",
        open_from=[name],
        not_open_from=[name],
        severity_reasons=[Reason(code=name, detail=name)],
        acknowledged_by=name,
        state="accepted",
        acceptance=Acceptance(by=name, at=FIRST_SEEN, until=LAST_SEEN),
        overdue=True,
        due_at=FIRST_SEEN,
    )


FORMULAS = (
    *(
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        "\n=1",
        "＝1",
        "＋1",
        "－1",
        "＠a",
        "x;=1",
        "x; +1",
    ),
    "=cmd|'/c calc'!A0",
)


@pytest.mark.parametrize("name", FORMULAS)
def test_no_cell_is_a_formula_for_any_separator(name: str) -> None:
    for comma_or_semicolon in (",", ";"):
        text = exposures_csv([everything(name)])
        rows = list(csv.reader(io.StringIO(text), delimiter=comma_or_semicolon))
        for cell in (cell for row in rows for cell in row):
            assert not re.match(r"\s*[=+\-@＝＋－＠]", cell), cell
    assert csv_cell("10.20.1.17") == "10.20.1.17"
    assert csv_cell("a-b=c@d") == "a-b=c@d"


def test_a_number_in_a_file_stays_a_number_and_what_is_not_known_is_empty() -> None:
    rows = list(csv.DictReader(io.StringIO(exposures_csv(ESTATE))))
    assert [row["bytes"] for row in rows] == ["64424509440", "5", "", "64424509440"]
    assert rows[0]["overdue"] == "yes"
    assert (rows[2]["accepted_by"], rows[2]["accepted_until"]) == ("Bo", LAST_SEEN)
    assert rows[3]["closed_how"] == "asks-for-a-login"
    assert len(rows) == 4


@pytest.mark.parametrize("name", INJECTIONS, ids=range(len(INJECTIONS)))
def test_hostile_names_do_nothing_in_any_format(name: str) -> None:
    hostile = everything(name)
    texts = [shown(hostile, width=width) for width in (40, 80, 200)]
    for text in (*texts, exposures_csv([hostile]).replace("\r\n", "\n"), exposures_markdown([hostile])):
        for character in text.replace("\n", ""):
            assert unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    assert all(len(text.splitlines()) < 40 for text in texts)
    assert len(list(csv.reader(io.StringIO(exposures_csv([hostile]))))) == 2
    if "\ud800" not in name:  # the record mends it before it comes here
        (line,) = exposures_jsonl([hostile])
        assert line.isascii()
        assert line.count("\n") == 1


@pytest.mark.parametrize(
    "name",
    [
        "a|b",
        "`a`",
        "**a**",
        "<script>alert(1)</script>",
        "[a](http://b)",
        "![a](b)",
        "www.a.b",
        "https://a",
        "a\\|b",
    ],
)
def test_a_name_is_text_in_markdown(name: str) -> None:
    told = markdown_cell(name)
    assert re.sub(r"\\(.)", r"\1", told) == name
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`*<>\[\]]", told)
    assert not re.search(r"(?<!\\)(://|(?<=www)\.)", told)
    table = exposures_markdown([exposure(owner=Owner(owner=name))])
    assert len({len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table.splitlines()[:3]}) == 1
