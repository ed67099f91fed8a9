"""Servers of a known kind at depth `databases`: what is asked and read without a dialogue, and with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from bson import Int64
from hypothesis import given
from hypothesis import strategies as st

from results.lines import from_line
from scanner.contact import Ending, LocalFault
from scanner.engine.memory import MemoryBudget
from scanner.engine.plan_limit import UNHURRIED
from scanner.engine.probe import Probe
from scanner.mongo.facts import Depth, Limits
from scanner.mongo.sizes_by_kind import MOST, ask
from tests.support.by_kind import (
    SCOPE,
    Kept,
    Link,
    conversation,
    dialogue,
    entry,
    first_of,
    list_of,
    replies,
    stats,
    taught,
    usual,
)
from tests.support.opening import of_set

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAMES: Final = ("shop", "customers", "admin", "crm_2024", "README_TO_RECOVER", "local", "logs-eu")


def both(
    names: Sequence[str],
    sizes: dict[str, Any],
    counts: dict[str, dict[str, Any]],
    bend: Callable[[bytes], list[bytes]] = lambda data: [data],
    *,
    ending: Ending | None = None,
    limits: Limits | None = None,
) -> Kept:
    """The conversation with this server by its kind, which has to be what it is without."""
    first = first_of(*names)

    def then(written: bytes) -> list[bytes]:
        return bend(replies(written, sizes, counts))

    by_kind, kept = conversation(taught(first, limits=limits), first, then, ending=ending, limits=limits)
    in_full, expected = conversation(None, first, then, ending=ending, limits=limits)
    assert by_kind == in_full
    assert kept.lines == expected.lines
    assert expected.lines
    return kept


def test_the_usual_server_needs_no_dialogue() -> None:
    names = ["shop", "customers", "admin", "local"]
    both(names, *usual(names))  # which teaches the shapes
    assert both(names, *usual(names)).without_dialogue


def test_an_empty_database_needs_none() -> None:
    names = ["shop", "fresh"]
    sizes = list_of([entry("shop"), entry("fresh", Int64(8192), empty=True)], **of_set())
    counts = {"shop": stats(**of_set()), "fresh": stats(Int64(0), **of_set())}
    both(names, sizes, counts)
    assert both(names, sizes, counts).without_dialogue


@pytest.mark.parametrize("size", [Int64(40_960), Int64(0), Int64(1), Int64(-1), 4096.0, float("nan")])
@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("documents", [Int64(12), Int64(0), Int64(-1), 12.0])
@pytest.mark.parametrize("more", [{}, {"indexSize": -1.0}, {"storageSize": 0.0, "totalSize": 0.0}])
def test_what_a_database_may_say(size: object, empty: bool, documents: object, more: dict[str, Any]) -> None:
    sizes = list_of([entry("crm"), entry("shop", size, empty=empty)], **of_set())
    counts = {"crm": stats(**of_set()), "shop": stats(documents) | more | of_set()}
    both(["shop", "crm"], sizes, counts)
    both(["shop", "crm"], sizes, counts)  # its shape is known now


def test_sums_that_are_no_count_any_more() -> None:
    names, most = ["shop", "crm"], Int64(2**63 - 1)
    sizes = list_of([entry(name, most) for name in names], most, **of_set())
    counts = {name: stats(most) | of_set() for name in names}
    both(names, sizes, counts)
    for line in both(names, sizes, counts).lines:
        from_line(line)


@pytest.mark.parametrize(
    "listed", [["shop"], ["shop", "crm", "shop"], ["shop", "shop"], ["shop", "crm", "x"]]
)
def test_a_list_with_other_databases(listed: list[str]) -> None:
    names = ["shop", "crm"]
    both(names, *usual(names))
    entries = [entry(name, Int64(4096 * place)) for place, name in enumerate(listed, 1)]
    both(names, list_of(entries, **of_set()), usual(names)[1])
    entries[0] = entry(listed[0], Int64(0), empty=True)
    both(names, list_of(entries, **of_set()), usual(names)[1])


def test_replies_that_end_between_two_of_them() -> None:
    names = ["shop", "crm", "hr"]
    both(names, *usual(names))
    for whole in range(1, 4):

        def first_ones(data: bytes, whole: int = whole) -> list[bytes]:
            at = 0
            for _ in range(whole):
                at += int.from_bytes(data[at : at + 4], "little")
            return [data[:at], data[at:]]

        assert not both(names, *usual(names), first_ones).without_dialogue


@pytest.mark.parametrize("names", [["shop", "shop"], ["a b"], ["é"], [f"d{n}" for n in range(MOST + 1)], []])
def test_names_out_of_the_ordinary_are_for_the_dialogue(names: list[str]) -> None:
    first = first_of(*(names or ["x"]))
    known = taught(first)
    own = known.read(first, loopback=False)
    assert own is None or not names or ask(own, Limits()) is None
    assert not both(names or ["x"], list_of([]), {name: stats() for name in names or ["x"]}).without_dialogue


def test_at_other_depths_nothing_is_asked_so() -> None:
    first = first_of("shop")
    for depth in (Depth.VERDICT, Depth.COLLECTIONS):
        known = taught(first, depth)
        own = known.read(first, loopback=False)
        assert own is not None
        assert known.ask_sizes(own) is None


@pytest.mark.parametrize("ending", [Ending.CLOSED, Ending.RESET, Ending.TIMEOUT])
@pytest.mark.parametrize("pieces", [0, 1, 2])
def test_how_the_connection_ends(ending: Ending, pieces: int) -> None:
    names = ["shop", "crm"]
    sizes, counts = usual(names)
    kept = both(names, sizes, counts, lambda data: [data[:200], data[200:260]][:pieces], ending=ending)
    assert not kept.without_dialogue


def test_who_has_to_wait_for_room_is_asked_later_and_holds_nothing_in_the_end() -> None:
    names = ["shop", "crm"]
    both(names, *usual(names))
    first, budget, kept = first_of(*names), MemoryBudget(), Kept()
    probe = Probe(
        kept,  # type: ignore[arg-type]
        dialogue(Depth.DATABASES, Limits()),
        lambda: 1.0,
        memory=budget,
        first_answers=taught(first),
    )
    links: list[Any] = [Link(SCOPE.pick(0)) for _ in range(UNHURRIED + 3)]
    for link in links:
        probe.connected(link)
        probe.received(link, first)
    *asked, later, hung_up, faulty = links
    assert {len(link.written) for link in asked} == {2}
    assert {len(link.written) for link in (later, hung_up, faulty)} == {1}
    probe.ended(hung_up, Ending.CLOSED)
    assert (hung_up.closed, kept.faults) == (True, ["a server had to wait until there was room"])
    probe.fault(faulty.target, faulty.token, LocalFault.OTHER, "no room", faulty.talk)
    reply = replies(asked[0].written[1], *usual(names))
    probe.received(asked[0], reply)
    assert later.written == asked[0].written
    for link in (*asked[1:], later):
        probe.received(link, reply)
        assert link.closed
        assert kept.without_dialogue
    assert budget.held == 0
    assert not budget.full


def test_who_sends_too_much_is_cut_off_alike() -> None:
    names = ["shop"]
    first = first_of(*names)
    limits = Limits(host_bytes=len(first) + 100)
    both(names, *usual(names), limits=limits)


NUMBERS = st.one_of(
    st.integers(-3, 3).map(Int64),
    st.integers(0, 2**63 - 1).map(Int64),
    st.integers(-(2**31), 2**31 - 1),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from((True, False, None, "12", 0.0, 4096.0)),
)
SELDOM = st.sampled_from((False, False, False, False, True))
FIELDS = st.dictionaries(
    st.sampled_from(
        ("objects", "indexSize", "totalSize", "storageSize", "fileSize", "numExtents", "nsSizeMB")
    ),
    NUMBERS,
    max_size=3,
)


@given(data=st.data())
def test_whatever_a_server_says_both_ways_say_the_same(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
    listed = data.draw(st.permutations(names))
    entries = [
        entry(
            name,
            data.draw(NUMBERS) if data.draw(SELDOM) else Int64(40_960),
            empty=data.draw(st.sampled_from((True, None))) if data.draw(SELDOM) else False,
        )
        for name in listed
    ]
    more = data.draw(st.sampled_from(("", "", "drop", "other", "twice")))
    if more == "drop":
        entries = entries[1:]
    elif more:
        entries.append(entry("other" if more == "other" else names[0]))
    counts = {name: stats(**of_set()) | (data.draw(FIELDS) if data.draw(SELDOM) else {}) for name in names}
    at = data.draw(st.integers(0, 3000))
    bent = data.draw(st.sampled_from(("", "", "", "byte", "cut", "end")))

    def bend(reply: bytes) -> list[bytes]:
        place = at % len(reply)
        if bent == "byte":
            return [reply[:place] + bytes([reply[place] ^ (1 << at % 8)]) + reply[place + 1 :]]
        if bent == "cut":
            return [reply[:place], reply[place:]]
        return [reply[:place]] if bent == "end" else [reply]

    both(names, *usual(names))  # the shapes of the usual answers are known
    both(names, list_of(entries, **of_set()), counts, bend)
