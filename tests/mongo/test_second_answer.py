"""listDatabases failed for another reason than access, or told nothing: two other questions decide."""

from __future__ import annotations

import pytest

from results.verdict import Severity, Verdict
from tests.mongo.answering import LISTED, STATS, Doc, ask, cursor, failure, honest
from tests.support.scripted import SILENT, Script

OTHER_REASONS = [
    1,
    2,
    6,
    7,
    8,
    9,
    50,
    59,
    72,
    89,
    91,
    115,
    133,
    189,
    202,
    211,
    262,
    11600,
    11602,
    13388,
    40415,
]
LOGIN = failure(13, "command requires authentication")
NAMES = cursor({"name": "system.version", "type": "collection"})
EMPTY = cursor()
ZEROS: Doc = {"objects": 0, "collections": 0, "ok": 1.0}
OK: Doc = {"ok": 1.0}


@pytest.mark.parametrize("code", OTHER_REASONS)
@pytest.mark.parametrize(
    ("names", "stats", "verdict"),
    [(NAMES, STATS, Verdict.OPEN), (LOGIN, LOGIN, Verdict.AUTH_REQUIRED)],
    ids=["answered", "refused"],
)
def test_an_error_inside_the_server_is_no_refusal(
    code: int, names: Doc, stats: Doc, verdict: Verdict
) -> None:
    seen = ask(
        honest(listDatabases=failure(code, "integer out of range"), listCollections=names, dbStats=stats)
    )
    assert seen.verdict is verdict
    if verdict is Verdict.OPEN:
        assert seen.rule == "answered-otherwise"
        assert (seen.exposure.access, seen.exposure.databases) == ("full", [])
        assert any("integer out of range" in line for line in seen.exposure.truncated)
        assert seen.severity is Severity.HIGH
        assert "dbStats" in seen.reasons[0].detail


@pytest.mark.parametrize(
    ("names", "stats", "verdict"),
    [
        (NAMES, OK, Verdict.OPEN),
        (EMPTY, STATS, Verdict.OPEN),
        (EMPTY, ZEROS, Verdict.OPEN),
        (NAMES, LOGIN, Verdict.OPEN),
        (LOGIN, STATS, Verdict.OPEN),
        (EMPTY, OK, Verdict.UNKNOWN),
        (OK, ZEROS, Verdict.UNKNOWN),
        (OK, OK, Verdict.UNKNOWN),
        (EMPTY, LOGIN, Verdict.AUTH_REQUIRED),
        (LOGIN, ZEROS, Verdict.AUTH_REQUIRED),
        (failure(59), LOGIN, Verdict.AUTH_REQUIRED),
        (failure(133), failure(8000, "(AtlasError) no"), Verdict.UNKNOWN),
        (failure(1), failure(1), Verdict.UNKNOWN),
        (SILENT, SILENT, Verdict.UNKNOWN),
    ],
)
@pytest.mark.parametrize("listing", [failure(1), failure(91), {"ok": 0, "errmsg": "integer out of range"}])
def test_what_the_two_other_answers_prove(
    listing: Doc, names: Script, stats: Script, verdict: Verdict
) -> None:
    seen = ask(honest(listDatabases=listing, listCollections=names, dbStats=stats))
    assert seen.verdict is verdict
    if LOGIN in (names, stats) and verdict is Verdict.OPEN:
        assert seen.exposure.access == "partial"


def test_a_server_out_of_time_is_open_by_its_own_word_unless_it_refuses_the_rest() -> None:
    slow = failure(50, "operation exceeded time limit")
    assert ask(honest(listDatabases=slow, listCollections=slow, dbStats=slow)).rule == "too-slow"
    locked = ask(honest(listDatabases=slow, listCollections=LOGIN, dbStats=LOGIN))
    assert locked.rule == "refused-otherwise"


@pytest.mark.parametrize("listing", [{"ok": 0}, failure(2**62), failure(-1), OK, {"databases": {}, "ok": 1}])
def test_answers_without_sense_are_built_on_by_nobody(listing: Doc) -> None:
    seen = ask(honest(listDatabases=listing))
    assert seen.verdict is Verdict.UNKNOWN
    assert "dbStats by OP_MSG" not in seen.peer.commands()


def test_an_argument_that_is_not_known_is_left_out() -> None:
    def listing(asked: object) -> Doc:
        return failure(40415, "unknown field nameOnly") if "nameOnly" in str(asked) else LISTED

    seen = ask(honest(listDatabases=listing))
    assert seen.rule == "databases-listed"
    assert [database.name for database in seen.exposure.databases] == ["library"]


def test_a_settled_server_is_asked_nothing_more() -> None:
    for script in (honest(listDatabases=LOGIN), honest(listDatabases=failure(13435, "not master"))):
        commands = ask(script).peer.commands()
        assert "dbStats by OP_MSG" not in commands[:5]
    assert len(ask(honest(listDatabases=LOGIN)).peer.commands()) == 3


def test_extra_questions_are_bounded() -> None:
    seen = ask(honest(listDatabases=failure(1), listCollections=failure(1), dbStats=failure(1)))
    assert len(seen.peer.commands()) == 6
