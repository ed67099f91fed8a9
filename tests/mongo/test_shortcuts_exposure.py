"""Shortcuts on the way from names and counts to what lies open, held against the long way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.past import Index
from results.record import Collection, Database, Hint, LastWrite, Reason
from results.verdict import Severity
from scanner.mongo import activity, hints
from scanner.mongo.access import access, access_by_all
from scanner.mongo.activity import NEWEST_ID, ServerClock
from scanner.mongo.exposure import of_list, of_names
from scanner.mongo.facts import Facts, Limits, Reply
from scanner.mongo.inventory import LOOKED_AT, in_order, tells
from scanner.mongo.listing import SYSTEM_DATABASES
from scanner.mongo.ransom import judge, judge_suspects
from scanner.mongo.severity import Ground, summed
from scanner.mongo.weights import DEFAULT, MOST
from tests.mongo.odd_servers import NOW, changed, odd_servers

LEVELS = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFO)
FORGED = LastWrite(at=datetime(1999, 1, 1, tzinfo=UTC), method=NEWEST_ID, cautions=["implausible"])

WORDS = (
    *("admin", "local", "config", "system.views", "users", "patients", "credit_cards", "shop", "Passwörter"),
    *("READ_ME_TO_RECOVER_YOUR_DATA", "README", "WARNING", "meow", "a\x7fb", "user\udcffs", "z" * LOOKED_AT),
)
words = st.sampled_from(WORDS)
names = words | st.builds("{}_{}".format, words, words) | st.text(max_size=5)

collections = st.builds(
    Collection,
    name=names,
    documents=st.none() | st.integers(0, 3),
    indexes=st.lists(st.builds(Index, name=st.just("i"), fields=st.lists(names, max_size=2)), max_size=2),
)
databases = st.builds(
    Database,
    name=names,
    system=st.booleans(),
    empty=st.sampled_from([None, True, False]),
    documents=st.none() | st.integers(0, 3),
    size_bytes=st.none() | st.integers(0, 2**20),
    collections=st.lists(collections, max_size=4),
    collections_known=st.booleans(),
)


def a_reason(ground: Ground) -> Reason:
    return Reason(code=ground.code, detail=ground.detail, points=ground.points)


grounds = st.builds(
    Ground,
    st.integers(0, 60),
    st.sampled_from("abc"),
    least=st.sampled_from([DEFAULT.least(level) for level in LEVELS]),
)


@given(st.builds(Ground, st.integers(0, 60), st.sampled_from(["verdict", "no-data"])), st.lists(grounds))
def test_a_score_is_summed_and_lifted_ground_by_ground_from_the_gravest(
    base: Ground, others: list[Ground]
) -> None:
    total = base.points + sum(ground.points for ground in others)
    told = []
    for level in LEVELS:
        for ground in others:
            if ground.least == DEFAULT.least(level):
                lacking = max(0, ground.least - total)
                told.append(ground._replace(points=ground.points + lacking))
                total += lacking
    last = base.code == "verdict"
    ordered = sorted([*told, *([] if last else [base])], key=lambda ground: -ground.points)
    ordered += [base] if last and (base.points or not told) else []
    found = summed(base, others, DEFAULT)
    assert found.reasons == [a_reason(ground) for ground in ordered]
    assert found.score == min(MOST, total)
    assert found.severity is next(level for level in LEVELS if found.score >= DEFAULT.least(level))


@given(odd_servers)
def test_access_is_that_of_all_replies(facts: Facts) -> None:
    assert access(facts) == access_by_all(facts)


@given(odd_servers, st.none() | st.timedeltas(timedelta(days=-99999), timedelta(days=2)))
def test_without_ids_the_set_alone_says_when_it_was_written_to(facts: Facts, ago: timedelta | None) -> None:
    if facts.hello is not None and facts.hello.document is not None and ago is not None:
        facts.hello.document["lastWrite"] = {"lastWriteDate": NOW + ago}
    answer, others = activity.best([], facts)
    assert activity.best([FORGED], facts) == (answer, [*others, FORGED])


@given(st.lists(st.timedeltas(timedelta(days=-9999), timedelta(days=2))))
def test_of_ids_the_newest_of_each_label_is_told(ages: list[timedelta]) -> None:
    there = ServerClock(NOW, 0.0)
    writes = [LastWrite(at=NOW + age, method=NEWEST_ID, where=str(place)) for place, age in enumerate(ages)]
    told: dict[str, LastWrite] = {}
    for write in sorted(writes, key=lambda write: write.at, reverse=True):
        told.setdefault(there.label(write.at), write)
    answer, others = activity.best(writes, changed([lambda facts: setattr(facts, "hello", None)]), there)
    assert answer == told.get("")
    assert others == [told[label] for label in ("future", "implausible") if label in told]


@given(st.lists(names | st.text("pass", min_size=LOOKED_AT, max_size=2 * LOOKED_AT)))
def test_names_stand_in_their_order(every: list[str]) -> None:
    def own(name: str) -> bool:
        return name in SYSTEM_DATABASES or name.startswith("system.")

    assert in_order(every) == sorted(every, key=lambda name: (own(name), not tells(name), name))


@given(st.lists(names, max_size=12))
def test_a_list_of_names_lays_open_what_a_list_does(every: list[str]) -> None:
    entries = [{"name": name} for name in every]
    listing = Reply(command="listDatabases", document={"databases": entries, "ok": 1.0}, by="OP_MSG")
    facts, there = changed([]), ServerClock(NOW, 0.0)
    facts.list_databases = listing
    writes = activity.of_set(NOW, there, arbiter=False)
    found = of_names(every, writes, there)
    if len(set(every)) < len(every):
        assert found is None
    elif every:
        assert found == of_list(facts, Limits())


def every_hint(found: list[Database], kept: int, looked_at: int) -> tuple[list[Hint], bool]:
    """What `hints.find` says, by a list of all names."""
    told: list[Hint] = []
    seen = 0
    for database in (database for database in found if not database.system):
        held = [each for each in database.collections if each.documents != 0]
        within = [each.name for each in held if not each.name.startswith("system.")]
        named = [(f"{database.name}.{name}", name) for name in within]
        if not (database.empty or database.documents == 0):
            named.insert(0, (database.name, database.name))
        for shown, name in named:
            seen += 1
            if seen > looked_at:
                return told, True
            for hint in hints.match(name):
                if len(told) == kept:
                    return told, True
                told.append(Hint(name=shown, word=hint.word, category=hint.category, language=hint.language))
        of_fields: dict[tuple[str, str], Hint] = {}
        for each in held:
            for field in (field for index in each.indexes for field in index.fields if field != "_id"):
                for hint in hints.match(field):
                    at = partial(Hint, name=f"{database.name}.{each.name}", field=field, word=hint.word)
                    of_fields.setdefault(
                        (f"{database.name}.{each.name}", hint.word),
                        at(category=hint.category, language=hint.language),
                    )
        more = list(of_fields.values())
        told += more[: kept - len(told)]
        if len(told) >= kept and more:
            return told, True
    return told, False


@given(st.lists(databases, max_size=5), st.integers(1, 6), st.integers(0, 8))
def test_hints_are_those_of_all_names(found: list[Database], kept: int, looked_at: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hints, "HINTS_KEPT", kept)
        patch.setattr(hints, "NAMES_LOOKED_AT", looked_at)
        assert hints.find(found) == every_hint(found, kept, looked_at)


@given(st.lists(databases, max_size=5), st.booleans())
def test_notes_are_those_of_a_close_look(found: list[Database], complete: bool) -> None:
    users = [database for database in found if not database.system]
    assert judge(found, complete=complete) == judge_suspects(users, "", complete=complete)
