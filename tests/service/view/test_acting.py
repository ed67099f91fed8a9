"""What people write down from afar: as the command line takes it, and what is wrong said field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from results.ledger.actions import Actions
from results.ledger.tracked import Acceptance
from scanner.service.view.acting import LONGEST_TEXT, Checked, NotTakenError, check, write_down
from tests.support.exposures import NOW, exposure

if TYPE_CHECKING:
    from pathlib import Path

    from results.ledger.tracked import TrackedExposure

ACCEPTED = exposure(acceptance=Acceptance(by="a person", at=NOW, until="2026-09-01T00:00:00.000Z"))
CLOSED = exposure(state="closed", closed_before="2026-03-08T09:00:00.000Z", closed_how="asks-for-a-login")


@pytest.mark.parametrize(
    ("deed", "given", "taken"),
    [
        ("acknowledge", {}, Checked("acknowledged", "")),
        ("acknowledge", {"text": " at it "}, Checked("acknowledged", "at it")),
        (
            "accept",
            {"text": "moves in May", "until": "2026-05-31"},
            Checked("accepted", "moves in May", until="2026-06-01T00:00:00.000Z"),
        ),
        ("note", {"text": "backup is whole"}, Checked("noted", "backup is whole")),
        (
            "note",
            {"text": "a customer wrote", "since": "2026-03-01T10:00:00+01:00"},
            Checked("aware", "a customer wrote", since="2026-03-01T09:00:00.000Z"),
        ),
    ],
)
def test_what_is_taken(deed: Any, given: dict[str, str], taken: Checked) -> None:
    assert check(deed, exposure(), NOW, **given) == taken


@pytest.mark.parametrize(
    ("deed", "one", "given", "field", "said"),
    [
        ("accept", exposure(), {"until": "2026-05-31"}, "text", "why it may stay open"),
        ("accept", exposure(), {"text": "x"}, "until", "such as 2026-12-31"),
        ("accept", exposure(), {"text": "x", "until": "soon"}, "until", "soon is no day; write one such as"),
        ("accept", exposure(), {"text": "x", "until": "\x1b[2J"}, "until", "\\x1b[2J is no day"),
        ("accept", exposure(), {"text": "x", "until": "2026-03-07"}, "until", "over already"),
        ("accept", exposure(), {"text": "x", "until": "2028-01-01"}, "until", "over a year ahead"),
        ("accept", exposure(), {"text": "x", "until": "9999-12-31"}, "until", "is no day"),
        ("accept", CLOSED, {"text": "x", "until": "2026-05-31"}, "", "proved closed on 2026-03-08"),
        ("acknowledge", CLOSED, {}, "", "Write a note"),
        ("withdraw", exposure(), {}, "", "not accepted"),
        ("note", exposure(), {"text": " \n "}, "text", "The note is empty"),
        ("note", exposure(), {"text": "x" * (LONGEST_TEXT + 1)}, "text", "4,000 at most"),
        ("note", exposure(), {"text": "x", "since": "yesterday"}, "since", "such as 2026-03-01T09:00:00Z"),
        ("note", exposure(), {"text": "x", "since": "2026-03-09"}, "since", "still to come"),
    ],
)
def test_what_is_not_taken_says_which_field_and_what_to_write(
    deed: Any, one: TrackedExposure, given: dict[str, str], field: str, said: str
) -> None:
    with pytest.raises(NotTakenError) as refused:
        check(deed, one, NOW, **given)
    assert refused.value.field == field
    assert said in str(refused.value)


def test_it_is_written_with_the_name_of_who_did_it(tmp_path: Path) -> None:
    actions = Actions.open(tmp_path, write=True)
    write_down(actions, ACCEPTED, check("withdraw", ACCEPTED, NOW, text="it moved"), "web on-call", NOW)
    (written,) = Actions.open(tmp_path).proven
    assert (written.kind, written.by, written.detail, written.exposure_ids, written.at) == (
        "acceptance-withdrawn",
        "web on-call",
        "it moved",
        [ACCEPTED.exposure_id],
        NOW,
    )
