"""A dossier says what is known and no more: both bounds, every method, and silence never taken for an end."""

from __future__ import annotations

import re
import unicodedata

import pytest

from results.ledger.dossier import Dossier, dossier, headline
from results.ledger.tracked import (
    Acceptance,
    Action,
    AtVantage,
    Breach,
    Grown,
    Liveness,
    Look,
    Lost,
    Place,
    Spell,
    TrackedExposure,
)
from results.record import Owner, Reason
from results.verdict import Verdict
from tests.results.injections import INJECTIONS
from tests.support.exposures import FIRST_SEEN, LAST_SEEN, change, closed, exposure, later

DAY = 86_400


def section(made: Dossier, key: str) -> str:
    """The sentences of one section; "" where there is none."""
    return " ".join(sentence for each in made.sections if each.key == key for sentence in each.sentences)


@pytest.mark.parametrize(
    ("least", "most", "says"),
    [
        (31 * DAY + 4000, 38 * DAY, "for at least 31 days, at most 38 days"),
        (31 * DAY, 38 * DAY - 4000, "for at least 31 days, at most 38 days"),
        (2 * DAY - 1, 2 * DAY + 1, "for at least 47 hours, at most 3 days"),
        (31 * DAY, None, "for at least 31 days"),
        (59, 61, "for at least 59 seconds, at most 2 minutes"),
        (0, 3600, "for at most 1 hour"),
        (None, None, ""),
    ],
)
def test_a_span_is_never_longer_than_proved_nor_shorter_than_possible(
    least: int | None, most: int | None, says: str
) -> None:
    made = dossier(exposure(open_at_least_seconds=least, open_at_most_seconds=most))
    assert (f"It has been open {says}." in section(made, "time")) == bool(says)
    assert made.headline.endswith(f", {says}." if says else "without a password.")


def test_what_was_seen_open_once_has_no_length() -> None:
    made = dossier(exposure(open_at_least_seconds=0, open_at_most_seconds=None))
    assert made.headline.endswith(" is open without a password, seen once.")
    assert "seconds" not in section(made, "time")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("answered-not-open", "it answered and was not open"),
        ("refused", "the port refused"),
        ("not-found", "a complete run asked there and heard of no open server"),
    ],
)
def test_the_lower_end_says_what_the_look_before_was(code: str, says: str) -> None:
    said = section(dossier(exposure(opened_after_how=code)), "time")
    assert f"At 2026-02-22 08:30 UTC, the last look before that, it was not seen open: {says}." in said


def test_without_a_look_before_there_is_no_upper_bound_and_it_says_so() -> None:
    said = section(
        dossier(exposure(opened_after="", opened_after_how="", open_at_least_seconds=9 * DAY)), "time"
    )
    assert "Nobody looked before that, so there is no upper bound" in said
    assert "at most" not in said


@pytest.mark.parametrize("state", ["new", "open", "changed", "reopened", "unreachable", "accepted"])
def test_nothing_but_proof_is_called_closed(state: str) -> None:
    made = dossier(exposure(state=state))
    assert section(made, "closure") == ""
    assert "closed" not in made.headline.replace("nothing proves it closed", "")
    assert "verify" in section(made, "next")


def test_silence_is_told_as_silence() -> None:
    made = dossier(exposure(state="unreachable"))
    assert made.headline == (
        "10.20.1.17:27017 at the site paris (web platform) does not show itself; it was open at"
        " 2026-03-08 08:30 UTC, and nothing proves it closed."
    )
    assert "That is no proof that it was closed." in section(made, "state")
    assert "do not take silence for an end" in section(made, "next")


def test_closure_names_its_proof_and_its_bounds() -> None:
    made = dossier(closed(closed_how="refused-twice"))
    assert made.headline.endswith("is closed since 2026-03-15 08:30 UTC at the latest.")
    assert section(made, "closure") == (
        "The proof is of 2026-03-15 08:30 UTC: the port refused twice, some time apart, while something"
        " beside"
        " it answered. It was still open at 2026-03-08 08:30 UTC, so it was closed between 2026-03-08"
        " 08:30 UTC"
        " and 2026-03-15 08:30 UTC."
    )
    assert "verify" not in section(made, "next")


def test_spells_before_the_present_one_are_told_with_their_proof() -> None:
    earlier = Spell(
        first_seen_open="2026-01-04T08:00:00.000Z",
        last_seen_open="2026-01-11T08:00:00.000Z",
        closed_before="2026-01-18T08:00:00.000Z",
        closed_how="asks-for-a-login",
    )
    again = exposure(state="reopened", reopened_count=1)
    said = section(
        dossier(exposure(state="reopened", reopened_count=1, spells=[earlier, *again.spells])), "time"
    )
    assert "It was opened again once after it had been proved closed." in said
    assert "seen open from 2026-01-04 08:00 UTC to 2026-01-11 08:00 UTC" in said


def test_incidents_are_counted_with_bounds_and_with_what_was_lost() -> None:
    hit = exposure(
        wiped_count=13,
        ransomed_count=13,
        restored_count=12,
        first_hit="2026-01-04T08:00:00.000Z",
        last_hit="2026-03-01T08:00:00.000Z",
        lost=Lost(
            databases=["lecteurs"], database_count=2, collection_count=7, documents=693_000, bytes=60 * 10**9
        ),
    )
    assert section(dossier(hit), "incidents") == (
        "It was wiped 13 times, held to ransom 13 times and restored 12 times, between 2026-01-04 08:00"
        " UTC and"
        " 2026-03-01 08:00 UTC. Counted is what looks show: what happened twice between two looks is seen"
        " once."
        " Lost in all: 2 databases (lecteurs), 7 collections, 693,000 documents, 60.0 GB."
    )
    assert section(dossier(exposure()), "incidents") == ""


BETWEEN = "between 2026-03-01 08:30 UTC and 2026-03-08 08:30 UTC"


@pytest.mark.parametrize(
    ("written", "methods", "grown", "says"),
    [
        (
            True,
            ["newer-id"],
            Grown(documents=1204, bytes=3_100_000, inserted=1204),
            (
                f"It was written to {BETWEEN}: 1,204 documents more, 3.1 MB more, 1,204 documents inserted by"
                " the server's own counters. That is known by this: the newest ids of its collections."
            ),
        ),
        (
            False,
            ["document-counts"],
            None,
            (
                f"There is no sign of a write {BETWEEN}. That is all that these can tell:"
                " the counts of documents."
            ),
        ),
        (None, [], None, f"Nothing that was asked can tell whether it was written to {BETWEEN}."),
    ],
    ids=["yes", "no", "not told"],
)
def test_liveness_says_by_which_methods_and_never_inactive(
    written: bool | None, methods: list[str], grown: Grown | None, says: str
) -> None:
    life = Liveness(after=FIRST_SEEN, until=LAST_SEEN, written=written, methods=methods, grown=grown)
    said = section(dossier(exposure(liveness=life)), "liveness")
    assert said.startswith(says)
    assert "inactive" not in said


def test_vantages_are_told_apart_and_left_out_where_no_run_named_one() -> None:
    seen = [
        AtVantage(vantage="internet", state="closed", closed_at=LAST_SEEN, closed_how="refused-twice"),
        AtVantage(vantage="office", state="open", last_seen_open=LAST_SEEN, last_look=LAST_SEEN),
    ]
    said = section(dossier(exposure(vantages=seen)), "vantages")
    assert said.startswith("From internet: closed since 2026-03-08 08:30 UTC (the port refused twice")
    assert "From office: open, last seen open at 2026-03-08 08:30 UTC" in said
    assert section(dossier(exposure()), "vantages") == ""


def test_people_deadline_and_the_72_hours() -> None:
    told = exposure(
        state="accepted",
        warned_at=FIRST_SEEN,
        last_warned_at=LAST_SEEN,
        acknowledged_at=LAST_SEEN,
        acknowledged_by="Ann",
        acceptance=Acceptance(by="Bo", at=LAST_SEEN, until=later(LAST_SEEN, days=30), reason="a test system"),
        breach=Breach(
            began=FIRST_SEEN, ends=later(FIRST_SEEN, hours=72), why="first-seen-open", hints=["email"]
        ),
        due_at=later(FIRST_SEEN, days=3),
        overdue=True,
    )
    made = dossier(told)
    assert section(made, "people") == (
        "The owner was told first at 2026-03-01 08:30 UTC, and last at 2026-03-08 08:30 UTC. It was"
        " acknowledged by"
        " Ann at 2026-03-08 08:30 UTC. Bo accepted the risk at 2026-03-08 08:30 UTC, until 2026-04-07"
        " 08:30 UTC:"
        " a test system."
    )
    assert section(made, "breach") == (
        "If the data are personal, the 72 hours of GDPR article 33 began at 2026-03-01 08:30 UTC (a run"
        " wrote down"
        " that it is open) and end at 2026-03-04 08:30 UTC. These names speak for personal data: email."
        " Whether it"
        " is a breach of personal data is for the data-protection officer to say."
    )
    assert "to be closed by 2026-03-04 08:30 UTC, which has passed" in section(made, "time")
    assert section(dossier(exposure()), "people") == "Nobody was told yet, as far as is written down."


def test_looks_are_told_with_the_run_and_whether_it_was_whole() -> None:
    looks = [
        Look(
            at=later(FIRST_SEEN, days=day),
            run_id=f"r{day}",
            run_state="degraded",
            verdict=Verdict.OPEN,
            documents=5,
            ip="10.20.1.17",
        )
        for day in range(25)
    ]
    said = section(dossier(exposure(looks=25), looks=looks), "looks")
    assert said.startswith("25 looks in all; the last at 2026-03-08 08:30 UTC. The 20 latest of them:")
    assert (
        "2026-03-25 08:30 UTC: open at 10.20.1.17:27017 with 5 documents, in run r24, which was degraded."
        in said
    )
    assert "run r4," not in said
    assert "proves nothing" not in said
    uncovered = section(dossier(exposure(covered_by_last_run=False)), "looks")
    assert "The last run did not cover this place" in uncovered


def everything(name: str) -> TrackedExposure:
    """An exposure with one text in every place that takes one from outside."""
    return exposure(
        hostnames=[name],
        owner=Owner(owner=name, contact=name, site=name),
        place=Place(ip="10.20.1.17", port=27017, site=name),
        product=name,
        version=name,
        topology=name,
        set_name=name,
        databases=[name],
        hints=[name],
        ransom_names=[name],
        severity_reasons=[Reason(code=name, detail=name)],
        cautions=[Reason(code=name, detail=name)],
        lost=Lost(databases=[name]),
        wiped_count=1,
        acknowledged_at=LAST_SEEN,
        acknowledged_by=name,
        acceptance=Acceptance(by=name, at=LAST_SEEN, until=LAST_SEEN, reason=name),
        breach=Breach(began=FIRST_SEEN, ends=LAST_SEEN, why=name, hints=[name]),
        vantages=[AtVantage(vantage=name, state="open"), AtVantage(state="closed", closed_how=name)],
        reach="one_vantage",
        open_from=[name],
        not_open_from=[name],
        liveness=Liveness(after=FIRST_SEEN, until=LAST_SEEN, written=True, methods=[name]),
        newest_write_method=name,
        opened_after_how=name,
        related=[name],
        former_ids=[name],
    )


@pytest.mark.parametrize("name", INJECTIONS, ids=range(len(INJECTIONS)))
def test_hostile_names_are_made_visible_in_every_sentence(name: str) -> None:
    hostile = everything(name)
    seen = [
        change(
            "wiped", names=[name], reasons=[Reason(code=name, detail=name)], dated=LAST_SEEN, dated_how=name
        ),
        change("moved", place=Place(ip=name[:9], port=1, site=name), vantage=name),
    ]
    did = [
        Action(at=LAST_SEEN, kind=kind, by=name, to=[name], detail=name, until=name)
        for kind in ("warned", "accepted", name)
    ]
    look = Look(at=LAST_SEEN, run_id=name, run_state=name, verdict=Verdict.OPEN, ip=name[:9])
    made = dossier(hostile, seen, [look], did)
    said = [made.headline, headline(hostile)]
    said += [sentence for each in made.sections for sentence in each.sentences]
    said += [text for event in made.events for text in (event.when, event.sentence)]
    for text in said:
        assert len(text) < 2000
        assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")]


def test_every_sentence_is_one() -> None:
    made = dossier(everything("x"), [change("wiped")], [Look(at=LAST_SEEN, run_id="r", verdict=Verdict.OPEN)])
    for each in made.sections:
        assert each.sentences, each.key
        assert all(re.search(r"[.:]$", sentence) for sentence in each.sentences), each
