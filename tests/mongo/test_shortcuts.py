"""Shortcuts for ordinary servers say what the tables say, of servers with any odd fields too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from bson import Int64
from hypothesis import given
from hypothesis import strategies as st

from results.verdict import Verdict
from scanner.mongo.exposure import of_list
from scanner.mongo.facts import Depth, Facts, Limits
from scanner.mongo.identity import identify
from scanner.mongo.judge import RULES, judge, judge_by_table
from scanner.mongo.lookalikes import MONGODB, recognise, recognise_by_rules
from scanner.mongo.metadata import MetadataPlan
from scanner.mongo.notes import notes, notes_by_table
from tests.mongo.odd_servers import NOW, ODD, a, changed, odd_servers, ordinary

if TYPE_CHECKING:
    from collections.abc import Callable


def test_nothing_is_said_against_an_ordinary_server() -> None:
    facts = ordinary()
    assert recognise(facts) == recognise_by_rules(facts)
    assert (recognise(facts).name, recognise(facts).evidence) == (MONGODB, [])
    assert judge(facts) == judge_by_table(facts)
    assert judge(facts).verdict is Verdict.OPEN
    assert len(judge(facts).evidence) == 1


@pytest.mark.parametrize(("change", "sign"), ODD, ids=range(len(ODD)))
def test_a_glance_misses_no_sign(change: Callable[[Facts], None], sign: str) -> None:
    recognise(ordinary())
    facts = changed([change])
    found = recognise(facts)
    assert found == recognise_by_rules(facts)
    assert any(sign in evidence for evidence in found.evidence) if sign else True


@given(odd_servers)
def test_products_are_those_of_all_rules(facts: Facts) -> None:
    assert recognise(facts) == recognise_by_rules(facts)


@given(odd_servers)
def test_verdicts_are_those_of_the_table(facts: Facts) -> None:
    assert judge(facts) == judge_by_table(facts)
    for rule in RULES:
        assert notes(facts, rule.verdict) == notes_by_table(facts, rule.verdict)


entries = st.fixed_dictionaries(
    {
        "name": st.sampled_from(
            ["admin", "local", "users", "shop", "READ_ME_TO_RECOVER", "shop\udcff", "a" * 300]
        )
    },
    optional={
        "sizeOnDisk": st.sampled_from([0, 1, 4096, Int64(1 << 62), 8192.0, -1, float("nan"), True, "x"]),
        "empty": st.sampled_from([False, True, 0, None]),
        "shards": st.sampled_from([{}, {"a": 5}, {"a": "x"}, []]),
    },
)


@given(odd_servers, st.lists(entries, max_size=6), st.integers(0, 4), st.sampled_from([None, 2, 21]))
def test_a_mere_list_lays_open_what_a_plan_without_questions_says(
    facts: Facts, found: list[dict[str, Any]], kept: int, wire: int | None
) -> None:
    if facts.list_databases is not None and facts.list_databases.document is not None:
        facts.list_databases.document["databases"] = found
    facts.max_wire_version = wire
    limits = replace(Limits(), databases_kept=kept)
    assert of_list(facts, limits) == MetadataPlan(facts, limits, Depth.VERDICT).exposure()


@pytest.mark.parametrize(
    ("key", "one", "other"), [("debug", True, 1), ("bits", 64, 64.0), ("modules", ["x"], ["y"])]
)
def test_what_a_build_says_is_not_told_of_another(key: str, one: object, other: object) -> None:
    first, second = changed([a("build_info", key, one)]), changed([a("build_info", key, other)])
    for facts in (first, second, first):
        facts.observed_at = NOW
    alone = identify(changed([a("build_info", key, other), a("build_info", "sysInfo", key)]), is_open=True)
    identify(first, is_open=True)
    assert identify(second, is_open=True).build == alone.build
    assert identify(second, is_open=True).modules == alone.modules
