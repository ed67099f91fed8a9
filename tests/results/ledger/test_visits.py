"""What the ledger keeps of an observation: from the lines of a journal to a visit."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
import pytest

from results.ledger.contents import Body, pack_body, unsqueeze
from results.ledger.visits import Group, Grouping, answers_as_a_server, is_better, visit_of
from results.lines import from_line, to_lines
from results.record import Collection, Database, Reason
from results.summary import unique
from results.verdict import Verdict
from tests.results.examples import database, observation, open_server

if TYPE_CHECKING:
    from results.record import Observation


def groups(lines: list[bytes], *, end: bool = True) -> list[Group]:
    """The groups of lines of one segment."""
    grouping, found, offset = Grouping(), list[Group](), 0
    for line in lines:
        found += grouping.add(1, offset, line, from_line(line))
        offset += len(line)
    return found + list(grouping.end() if end else ())


def many(count: int = 400) -> Observation:
    """One database whose collections take several lines."""
    collections = [Collection(name=f"collection-{nth}-{'x' * 60}", documents=nth) for nth in range(count)]
    held = Database(name="large", size_bytes=1, collections=collections, collections_known=True)
    return open_server("192.0.2.7", held, database("small"))


def test_an_observation_and_its_databases_are_one_group() -> None:
    first, second, third = open_server("192.0.2.7"), observation("192.0.2.8"), many()
    lines = [*to_lines(first), *to_lines(second), *to_lines(third)]
    assert len(lines) > 6
    found = groups(lines)
    assert [group.observation.target.ip for group in found] == ["192.0.2.7", "192.0.2.8", "192.0.2.7"]
    assert all(group.whole for group in found)
    assert b"".join(lines)[found[2].offset :].startswith(found[2].line)


def test_what_is_not_whole_waits() -> None:
    lines = to_lines(many())
    for cut in range(1, len(lines)):
        assert groups(lines[:cut], end=False) == []
    assert len(groups(lines, end=False)) == 1


def test_lines_without_their_observation_are_passed_over() -> None:
    lines = [*to_lines(many())[1:], *to_lines(observation("192.0.2.8"))]
    assert [group.observation.target.ip for group in groups(lines)] == ["192.0.2.8"]


def test_a_visit_knows_what_was_seen() -> None:
    seen = many()
    (group,) = groups(to_lines(seen))
    visit = visit_of(group, "internet")
    assert (visit.event_id, visit.finding_id, visit.run_id) == (seen.event_id, seen.finding_id, seen.run_id)
    assert visit.place == ("paris", "192.0.2.7", 27017)
    assert visit.vantage == "internet"
    assert visit.line_sha256 == hashlib.sha256(to_lines(seen)[0]).hexdigest()
    assert visit.structure is not None
    assert [len(names) for names in visit.structure.databases.values()] == [400, 2]
    assert visit.structure.named == ["large", "small"]
    assert visit.figures is not None
    assert len(visit.figures.collections) == 402


def test_lists_of_which_lines_are_missing_prove_nothing() -> None:
    lines = to_lines(many())
    for cut in range(1, len(lines)):
        (group,) = groups(lines[:cut])
        structure = visit_of(group).structure
        assert structure is not None
        assert structure.named == []
        assert not structure.whole


def test_a_total_is_of_all_only_where_each_database_told_its_documents() -> None:
    untold = Database(name="large", size_bytes=1)
    for held, counted in (((database("a"), database("b")), True), ((database("a"), untold), False)):
        (group,) = groups(to_lines(open_server("192.0.2.7", *held)))
        figures = visit_of(group).figures
        assert figures is not None
        assert figures.counted is counted


def test_what_is_not_open_has_no_structure() -> None:
    (group,) = groups(to_lines(observation("192.0.2.7")))
    visit = visit_of(group)
    assert (visit.structure, visit.figures) == (None, None)
    assert visit.server is not None
    assert visit.server.version == "7.0.5"


@pytest.mark.parametrize("verdict", Verdict)
def test_who_answers_as_a_server_does(verdict: Verdict) -> None:
    expected = not verdict.is_connection_outcome and verdict is not Verdict.UNKNOWN
    seen = observation("192.0.2.7", verdict=verdict)
    assert answers_as_a_server(visit_of(groups(to_lines(seen))[0])) is expected
    masked = msgspec.structs.replace(seen, evidence=[Reason(code="masked-prefix")])
    assert not answers_as_a_server(visit_of(groups(to_lines(masked))[0]))


@pytest.mark.parametrize("seed", range(20))
def test_of_lines_with_one_event_the_same_counts_as_in_a_summary(seed: int) -> None:
    import random

    chance = random.Random(seed)
    verdicts = chance.choices(list(Verdict), k=6)
    seen = [
        observation("192.0.2.7", verdict=verdict, truncated=[str(nth)])
        for nth, verdict in enumerate(verdicts)
    ]
    (kept,) = unique(seen)
    order = list(enumerate(seen))
    chance.shuffle(order)
    best: tuple[tuple[bool, int, int], Observation] | None = None
    for offset, item in order:
        position = (item.verdict.is_open, 1, offset)
        if best is None or is_better(position, best[0]):
            best = position, item
    assert best is not None
    assert best[1] is kept


def test_a_content_of_an_older_ledger_has_no_score() -> None:
    """It lacks the last field, and reads as before."""
    (group,) = groups(to_lines(open_server(score=84)))
    scored = visit_of(group)
    assert scored.score == 84
    whole = msgspec.msgpack.decode(unsqueeze(pack_body(scored)))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(whole), type=Body).score == 84
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(whole[:-1]), type=Body).score is None
