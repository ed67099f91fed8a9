"""What an exposure still needs to be called closed, told of its last look."""

from __future__ import annotations

import msgspec
import pytest

from results.ledger.derive import derive
from results.ledger.proof import Round, missing
from results.ledger.tracked import AtVantage, Look, Place, TrackedExposure
from results.record import Owner
from results.verdict import Severity, Verdict
from tests.support.visits import Diary

FULL = Round("complete", (), "", 1)
OPEN = TrackedExposure(
    exposure_id="mx_0",
    finding_id="mf_0",
    state="unreachable",
    severity=Severity.HIGH,
    severity_number=4,
    place=Place(ip="192.0.2.7", port=27017),
    owner=Owner(),
    first_seen_open="2026-03-01T04:00:00.000Z",
    last_seen_open="2026-03-01T04:00:00.000Z",
    last_look="2026-03-02T04:00:00.000Z",
    last_run_id="r",
    last_event_id="e",
)


def look(verdict: Verdict, minute: int = 30, *codes: str, state: str = "complete") -> Look:
    at = f"2026-03-02T04:{minute:02}:00.000Z"
    evidence = [verdict.value, *codes]
    return Look(at=at, run_id=f"r{minute}", run_state=state, verdict=verdict, evidence=evidence)


REFUSED, SILENT = look(Verdict.REFUSED), look(Verdict.FILTERED)


@pytest.mark.parametrize(
    ("seen", "round_", "expected"),
    [
        (None, FULL, ["not-asked"]),
        (look(Verdict.OPEN), FULL, ["answers-without-a-password"]),
        (REFUSED, FULL, ["seen-once"]),
        (REFUSED, FULL._replace(near=0), ["nothing-near-answered"]),
        (look(Verdict.NOT_MONGODB), FULL, ["seen-once"]),
        (SILENT, FULL, ["silence-proves-nothing"]),
        (look(Verdict.UNREACHABLE), FULL, ["silence-proves-nothing"]),
        (look(Verdict.UNKNOWN), FULL, ["answer-proves-nothing"]),
        (look(Verdict.REFUSED, 30, "icmp-refused"), FULL, ["icmp-refused"]),
        (look(Verdict.REFUSED, 30, "masked-prefix"), FULL, ["masked-prefix"]),
        (look(Verdict.AUTH_REQUIRED, 30, "driver-says-open"), FULL, ["driver-says-open"]),
        (look(Verdict.AUTH_REQUIRED), FULL._replace(state="degraded"), ["run-not-complete"]),
        (REFUSED, FULL._replace(state="interrupted", near=0), ["run-not-complete", "nothing-near-answered"]),
    ],
)  # fmt: skip
def test_what_lacks_by_the_last_answer(seen: Look | None, round_: Round, expected: list[str]) -> None:
    needs, not_before = missing(OPEN, seen, round_, [])
    assert [reason.code for reason in needs] == expected
    assert bool(not_before) == ("seen-once" in expected)


@pytest.mark.parametrize(
    ("earlier", "not_before"),
    [
        ([], "04:40"),
        ([look(Verdict.REFUSED, 25)], "04:35"),
        ([look(Verdict.REFUSED, 22), look(Verdict.REFUSED, 27)], "04:32"),
        ([look(Verdict.REFUSED, 22), look(Verdict.FILTERED, 27)], "04:32"),
        ([look(Verdict.REFUSED, 22), look(Verdict.OPEN, 27)], "04:40"),
        ([look(Verdict.REFUSED, 22, "icmp-refused")], "04:40"),
        ([look(Verdict.REFUSED, 25, state="degraded")], "04:40"),
        ([look(Verdict.REFUSED, 5)], "04:40"),  # it did not count, or this one would have been the proof
    ],
    ids=["first", "one", "two", "silence between", "open between", "icmp", "degraded", "long ago"],
)
def test_the_moment_from_which_a_look_can_be_the_proof(earlier: list[Look], not_before: str) -> None:
    _, at = missing(OPEN, REFUSED, FULL, earlier)
    assert at == f"2026-03-02T{not_before}:00.000Z"


def test_a_login_that_only_our_reader_was_asked_for_closes_nothing() -> None:
    """The official driver was given the list: as long as one of both readers says open, it counts as open."""
    diary = (
        Diary()
        .run(0)
        .open()
        .run(1)
        .sees(Verdict.AUTH_REQUIRED, evidence=["auth-required", "driver-says-open"])
    )
    (exposure,) = derive(diary.by_place(), diary.runs).exposures
    assert exposure.state == "unreachable"
    diary.run(2).sees(Verdict.AUTH_REQUIRED)
    (exposure,) = derive(diary.by_place(), diary.runs).exposures
    assert exposure.state == "closed"


def test_nothing_lacks_of_one_that_is_closed() -> None:
    assert missing(msgspec.structs.replace(OPEN, state="closed"), REFUSED, FULL, []) == ([], "")


def test_one_that_was_open_from_elsewhere_needs_a_look_from_there() -> None:
    seen = [AtVantage(vantage="internet", state="open"), AtVantage(vantage="", state="unreachable")]
    exposure = msgspec.structs.replace(OPEN, vantages=seen)
    needs, _ = missing(exposure, REFUSED, FULL._replace(vantage="office"), [])
    assert [reason.code for reason in needs] == ["seen-once", "open-from-elsewhere"]
    assert "internet" in needs[-1].detail


def test_a_look_from_where_it_was_never_seen_open_closes_none_of_those_that_named_nothing() -> None:
    unnamed = AtVantage(vantage="", state="open")
    never = AtVantage(vantage="office", state="not_open")
    exposure = msgspec.structs.replace(OPEN, vantages=[unnamed, never])
    needs, _ = missing(exposure, REFUSED, FULL._replace(vantage="office"), [])
    assert "(none named)" in needs[-1].detail
    seen = AtVantage(vantage="office", state="unreachable", last_seen_open=OPEN.last_seen_open)
    exposure = msgspec.structs.replace(OPEN, vantages=[unnamed, seen])
    needs, _ = missing(exposure, REFUSED, FULL._replace(vantage="office"), [])
    assert [reason.code for reason in needs] == ["seen-once"]
