"""What the recorder writes at once of servers that are known by their first answer, against the long way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from results.verdict import Verdict
from scanner.engine.conversation import Conversation
from scanner.engine.failure import FirstFailure
from scanner.engine.observe import RunContext
from scanner.engine.recorder import Recorder
from scanner.engine.response_cache import ResponseCache
from scanner.mongo.facts import Depth, Limits
from scanner.mongo.first_answers import FirstAnswers
from tests.support.opening import answer, build, listing, member, teach
from tests.support.sweeps import scope_of
from tests.support.walk import StillClock

SCOPE = scope_of(27017, "127.91.6.0/24")
TARGETS = [SCOPE.pick(index) for index in range(40)]
LOGIN = {"ok": 0.0, "errmsg": "command listDatabases requires authentication", "code": 13}


class Lines:
    """A journal that remembers."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def append_many(self, lines: list[bytes]) -> None:
        self.lines += lines


def recorder(journal: Lines, **more: Any) -> Recorder:
    options: dict[str, Any] = {"everything": False, "opinions": None, "found": [].append} | more
    return Recorder(
        journal,  # type: ignore[arg-type]  # as far as it is wanted here
        RunContext("run", SCOPE, "internet"),
        StillClock(),
        ResponseCache(),
        failure=FirstFailure(),
        wants_found=lambda: False,
        **options,
    )


def of_a_kind(third: dict[str, Any], number: int) -> Conversation:
    """One whose kind is known, and of which no more is wanted."""
    known = FirstAnswers(Limits(), Depth.VERDICT)
    teach(known, answer(member(), build(), third))
    talk = Conversation(0.0, 0.0)
    talk.own = known.read(answer(member(setName=f"set{number}"), build(), third), loopback=False)
    assert talk.own is not None
    return talk


def test_a_watched_server_of_a_kind_takes_back_what_its_silence_was_called() -> None:
    """Else the line of the silence, written once more for its masked prefix, would be the last word."""
    journal = Lines()
    made = recorder(journal, watched=frozenset(TARGETS[:2]))
    for target in TARGETS[2:]:
        made.middleboxes.note(target, "said nothing")
    for target in TARGETS[:2]:
        made.record_silence(target, Verdict.FILTERED, "")
    settled: list[Any] = []
    rest = made.record_cached([(TARGETS[0], 7, of_a_kind(LOGIN, 1))], lambda *what: settled.append(what))
    made.flush()
    asyncio.run(made.finish(0.0))
    assert rest == []
    assert settled == [([7], {"auth_required": 1})]
    said = [(line.split(b'"ip":"')[1].split(b'"')[0], b"masked-prefix" in line) for line in journal.lines]
    first, second = (target.ip.encode() for target in TARGETS[:2])
    assert said == [(first, False), (second, False), (first, False), (second, True)]


@pytest.mark.parametrize("doubting", [False, True])
@pytest.mark.parametrize(("third", "is_open"), [(listing("shop"), True), (LOGIN, False)])
def test_whose_second_opinion_is_wanted_is_not_written_at_once(
    third: dict[str, Any], is_open: bool, doubting: bool
) -> None:
    made = recorder(Lines(), opinions=object(), doubting=doubting)
    batch: Any = [(TARGETS[0], 7, of_a_kind(third, 1))]
    rest = made.record_cached(batch, lambda *_: None)
    assert rest == (batch if is_open or doubting else [])
