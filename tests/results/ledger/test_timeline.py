"""What happened stands in one line of time, dated by looks or by the server's own word, each thing once."""

from __future__ import annotations

import pytest

from results.ledger.timeline import timeline
from results.ledger.tracked import Action, Change, Grown, Lost, Place
from results.record import Reason
from tests.support.exposures import FIRST_SEEN, LAST_SEEN, change, exposure, later

BETWEEN = "between 2026-03-01 08:30 UTC and 2026-03-08 08:30 UTC"


@pytest.mark.parametrize(
    ("seen", "when", "what"),
    [
        (change("opened", after=""), "at an unknown time before 2026-03-08 08:30 UTC", "It was opened."),
        (
            change(
                "wiped", lost=Lost(database_count=1, documents=9), reasons=[Reason(code="databases-gone")]
            ),
            BETWEEN,
            "It was wiped: lost were 1 database, 9 documents; databases are gone.",
        ),
        (
            change(
                "ransomed", names=["READ_ME"], dated="2026-03-05T13:57:11.123Z", dated_how="collection-made"
            ),
            "at 2026-03-05 13:57:11 UTC (the server's own time of the making of a collection)",
            "An extortionist's note was left: READ_ME.",
        ),
        (
            change(
                "moved", place=Place(ip="10.20.1.99", port=27018), reasons=[Reason(code="collection-uuids")]
            ),
            BETWEEN,
            "It moved from 10.20.1.99:27018: collections of the same UUID.",
        ),
        (
            change("changed", grown=Grown(documents=-5, bytes=-100, databases=1)),
            BETWEEN,
            "It changed: 5 documents fewer, 1 database more, 100 B less.",
        ),
        (change("unreachable"), BETWEEN, "It no longer answered, which proves nothing."),
        (
            change("closed", reasons=[Reason(code="asks-for-a-login")]),
            BETWEEN,
            "It was closed: it asks for a login now.",
        ),
        (change("opened", reasons=[Reason(code="refused")]), BETWEEN, "It was opened: the port refused."),
    ],
    ids=range(8),
)
def test_what_happened_is_dated_by_bounds_or_by_the_servers_word(seen: Change, when: str, what: str) -> None:
    (event,) = timeline(exposure(), [seen], [])
    assert (event.when, event.sentence) == (when, what)


def test_what_one_look_shows_stands_together() -> None:
    shown = {"observation_id": "e2", "dated_how": "collection-made"}
    seen = [
        change("ransomed", **shown, dated=later(FIRST_SEEN, days=1)),
        change("wiped", observation_id="e2"),
        change("restored", **shown, dated=later(FIRST_SEEN, days=3)),
        change("changed", observation_id="e1", at=later(FIRST_SEEN, days=2)),
    ]
    events = timeline(exposure(), seen, [])
    assert [event.kind for event in events] == ["wiped", "ransomed", "changed", "restored"]


def test_what_nothing_dates_stands_after_the_look_that_it_came_after() -> None:
    """Also where a note seen with it is dated, by the server's word, before that look."""
    shown = {"observation_id": "e3", "after": later(FIRST_SEEN, days=2), "at": later(FIRST_SEEN, days=3)}
    seen = [
        change("ransomed", **shown, dated=later(FIRST_SEEN, days=1), dated_how="collection-made"),
        change("wiped", **shown),
        change("changed", observation_id="e2", at=later(FIRST_SEEN, days=2)),
        change("opened", observation_id="e3", after="", at=later(FIRST_SEEN, days=3)),
    ]
    events = timeline(exposure(), seen, [])
    assert [event.kind for event in events] == ["opened", "ransomed", "wiped", "changed"]


def test_what_names_say_is_not_said_twice() -> None:
    reasons = [Reason(code="databases-gone", detail="all 1"), Reason(code="note-left", detail="READ_ME")]
    lost = Lost(databases=["shop"], database_count=1)
    (event,) = timeline(exposure(), [change("wiped", names=["shop"], lost=lost, reasons=reasons)], [])
    assert event.sentence == "It was wiped: lost were 1 database (shop); databases are gone."
    (event,) = timeline(exposure(), [change("opened", reasons=[Reason(code="open")])], [])
    assert event.sentence == "It was opened."


def test_what_people_did_stands_in_the_same_line_of_time() -> None:
    did = [
        Action(at=later(FIRST_SEEN, days=2), kind="warned", by="mongosweep", to=["web@example.com"]),
        Action(at=LAST_SEEN, kind="accepted", by="Bo", until=later(LAST_SEEN, days=1), detail="a test"),
        Action(at=later(FIRST_SEEN, days=1), kind="new-kind"),
    ]
    seen = [change("closed"), change("opened", at=FIRST_SEEN, after="")]
    events = timeline(exposure(), seen, did)
    assert [event.kind for event in events] == ["opened", "new-kind", "warned", "closed", "accepted"]
    assert events[2].sentence == "web@example.com was told by mongosweep."
    assert events[4].sentence == "The risk was accepted by Bo, until 2026-03-09 08:30 UTC: a test."
