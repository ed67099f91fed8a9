"""A first answer read by its kind says what the general way says of the same bytes, or is left to that."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import bson
import pytest
from bson import Int64, ObjectId
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from results.past import Counters
from scanner.mongo import first_answers
from scanner.mongo.facts import Depth, Limits
from scanner.mongo.first_answers import MAX_BYTES, FirstAnswers, facts_of
from tests.support.opening import (
    NOON,
    answer,
    build,
    by_kind,
    dialogue,
    difference,
    in_full,
    lines,
    lines_by_kind,
    listing,
    member,
    of_set,
    recorded,
    teach,
)

ASCII = st.text(st.characters(max_codepoint=127, exclude_characters="\0"), max_size=40)
HOSTS = st.lists(ASCII | st.text("abcx-.0123456789:", max_size=299), min_size=3, max_size=3)
KNOWN_NAMES = ["admin", "config", "local", "system.x", "customers", "READ_ME_TO_RECOVER_YOUR_DATA", "a" * 257]
NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1) | st.sampled_from(KNOWN_NAMES),
    min_size=1,
    max_size=6,
)
DATES = st.integers(-(2**40), 2**43).map(DatetimeMS)


def taught(*answers: bytes, loopback: bool = False) -> FirstAnswers:
    known = FirstAnswers(Limits(), Depth.VERDICT)
    for data in answers:
        teach(known, data, loopback=loopback)
    return known


def usual(**own: Any) -> bytes:
    return answer(member(**own), build(**of_set()), listing("admin", "shop", **of_set()))


@pytest.mark.parametrize("data", recorded())
def test_a_real_answer_is_read_by_its_own_kind_as_in_full(data: bytes) -> None:
    assert difference(taught(data), data) == ""
    assert difference(taught(data, loopback=True), data, loopback=True) == ""


def test_most_kinds_of_real_answers_to_op_msg_are_known_again() -> None:
    known = [taught(data).read(data, loopback=False) is not None for data in recorded()]
    assert sum(known) >= 10


@given(
    hosts=HOSTS,
    name=ASCII | st.text("abc-_9", max_size=200),
    me=ASCII,
    now=DATES,
    written=DATES,
    started=st.binary(min_size=12, max_size=12).map(ObjectId),
    number=st.integers(0, 2**31 - 1),
    names=NAMES,
    version=st.sampled_from(["7.0.5", "7.0.16", "6.0.19"]),
    timed=st.booleans(),
)
def test_another_server_of_the_kind_is_read_as_in_full(
    hosts: list[str],
    name: str,
    me: str,
    now: DatetimeMS,
    written: DatetimeMS,
    started: ObjectId,
    number: int,
    names: list[str],
    version: str,
    timed: bool,
) -> None:
    known = taught(usual())
    own = member(
        hosts=hosts,
        setName=name,
        me=me,
        primary=hosts[0],
        localTime=now,
        topologyVersion={"processId": started, "counter": Int64(number)},
        lastWrite=member()["lastWrite"] | {"lastWriteDate": written, "majorityWriteDate": now},
        setVersion=number,
        connectionId=number,
        electionId=started,
        **of_set(number),
    )
    tail = of_set(number) if timed else {}
    data = answer(own, build(version, **tail), listing(*names, **tail))
    assert difference(known, data) == ""
    dated = 0 <= int(now) < 4 * 10**12 and 0 <= int(written) < 4 * 10**12
    if version == "7.0.5" and dated and max(map(len, names)) <= 60:
        assert known.read(data, loopback=False) is not None


@pytest.mark.parametrize(
    "own",
    [
        {"localTime": DatetimeMS(2**62)},
        {"localTime": 1.0},
        {"setName": "secantus"},
        {"setName": "globaldb"},
        {"setName": 7},
        {"setName": "caf\u00e9"},
        {"setName": "a" * 400},
        {"me": "x.documents.azure.com:10255"},
        {"hosts": ["x.docdb.amazonaws.com:27017"] * 3},
        {"hosts": ["a:1", "b:1"]},
        {"hosts": ["a:1", "b:1", 3]},
        {"maxWireVersion": 13},
        {"maxMessageSizeBytes": 64 * 1024 * 1024},
        {"ismaster": False},
        {"secondary": True},
        {"ok": 0.0},
        {"hidden": True},
        {"iscryptd": True},
    ],
)
def test_what_is_odd_of_a_handshake_goes_the_general_way(own: dict[str, Any]) -> None:
    known = taught(usual())
    assert known.read(usual(**own), loopback=False) is None
    teach(known, usual(**own))
    assert difference(known, usual(**own)) == ""


@pytest.mark.parametrize(
    "third",
    [
        listing(),
        listing("admin", "shop", totalSize=9),
        listing("admin", "shop", ok=0.0),
        listing("admin", "shop", errmsg="not now"),
        {"databases": [{"name": "shop", "empty": False}], "ok": 1.0},
        {"databases": [{"name": 3}], "ok": 1.0},
        {"databases": {}, "ok": 1.0},
        {"ok": 1.0, "databases": [{"name": "shop"}]},
        {"ok": 0.0, "code": 13, "codeName": "Unauthorized", "errmsg": "command requires authentication"},
        {"ok": 0.0, "code": 13436, "errmsg": "not master or secondary"},
    ],
)
def test_what_else_a_list_says_goes_the_general_way(third: dict[str, Any]) -> None:
    data = answer(member(), build(**of_set()), third)
    assert taught(usual()).read(data, loopback=False) is None
    assert difference(taught(usual(), data), data) == ""


@pytest.mark.parametrize(
    "third",
    [
        listing("shop", "shop", "admin"),
        {"databases": [{"name": "shop", "sizeOnDisk": 8192, "empty": False}], "totalSize": 8192, "ok": 1.0},
    ],
)
@pytest.mark.parametrize("ahead", [0, 5, 7200, 200_000])
def test_a_list_that_is_looked_at_closer_is_judged_by_the_same_clocks(
    third: dict[str, Any], ahead: int
) -> None:
    now = DatetimeMS(1_795_521_600_250 + 1000 * ahead)
    written = member()["lastWrite"] | {"lastWriteDate": now}
    data = answer(member(localTime=now, lastWrite=written), build(), third)
    known = taught(answer(member(), build(), third))
    assert known.read(data, loopback=False) is not None
    assert difference(known, data) == ""


@pytest.mark.parametrize("flag", [{"arbiterOnly": True}, {"isreplicaset": True}, {"hidden": True}])
def test_members_that_hold_no_data_are_of_kinds_of_their_own(flag: dict[str, Any]) -> None:
    known = taught(usual(), usual(**flag))
    data = usual(**flag, setName="other", localTime=DatetimeMS(1_795_600_000_000))
    assert known.read(data, loopback=False) is not None
    assert difference(known, data) == ""


@pytest.mark.parametrize("third", [listing("shop"), {"ok": 0.0, "errmsg": "not authorized", "code": 13}])
@pytest.mark.parametrize("reply", range(3))
def test_a_document_without_its_end_is_of_no_kind(reply: int, third: dict[str, Any]) -> None:
    data = answer(member(), build(), third)
    ends = list(
        accumulate(
            36 - 15 * (part > 0) + len(bson.encode(each))
            for part, each in enumerate((member(), build(), third))
        )
    )
    known = taught(data)
    assert known.read(data, loopback=False) is not None
    bent = data[: ends[reply] - 1] + b"\x08" + data[ends[reply] :]
    assert known.read(bent, loopback=False) is None


def test_a_truth_value_that_nobody_reads_is_one_all_the_same() -> None:
    topology = {"processId": ObjectId("6745a1b2c3d4e5f607182930"), "counter": True}
    data = usual(topologyVersion=topology)
    known = taught(data)
    assert known.read(data.replace(b"\x08counter\0\1", b"\x08counter\0\0"), loopback=False) is not None
    assert known.read(data.replace(b"\x08counter\0\1", b"\x08counter\0\2"), loopback=False) is None


def test_servers_that_want_a_login_have_their_kinds_too() -> None:
    refused = {"ok": 0.0, "errmsg": "command listDatabases requires authentication", "code": 13}
    known = taught(answer(member(), build(), refused))
    other = answer(member(setName="other", me="m:1"), build(**of_set()), refused | of_set(77))
    own = known.read(other, loopback=False)
    assert own is not None
    assert b'"verdict":"auth_required"' in lines_by_kind(own)[0]
    assert difference(known, other) == ""


@pytest.mark.parametrize("started", [NOON - 432_000.25, NOON + 86_400.0, None])
def test_what_a_server_counts_stands_beside_what_its_kind_says(started: float | None) -> None:
    """The start of its process, too, where it tells one that can be right."""
    own = taught(usual()).read(data := usual(setName="other", me="m:1"), loopback=False)
    assert own is not None
    talks = [in_full(data), by_kind(own)]
    for talk in talks:
        assert talk is not None
        talk.facts.counters = Counters(insert_operations=31, other_connections=2)
        talk.facts.process_started = None if started is None else datetime.fromtimestamp(started, UTC)
    full, short = [lines(talk) for talk in talks if talk is not None]
    assert full == short
    assert b'"insert_operations":31' in short[0]
    assert (b'"started_at":"2026-11-19T11:59:59.75' in short[0]) == (started is not None and started < NOON)


def test_who_looks_from_the_internet_finds_what_is_open_graver() -> None:
    own = taught(usual()).read(usual(), loopback=False)
    assert own is not None
    inside, outside = lines_by_kind(own)
    assert b"open-to-the-internet" not in inside
    assert b'"vantage":"internet"' in outside
    assert b"open-to-the-internet" in outside


def test_each_side_of_loopback_has_its_own_kinds() -> None:
    assert taught(usual()).read(usual(), loopback=True) is None


@pytest.mark.parametrize("seed", range(4))
def test_bent_answers_are_read_as_in_full_or_not_at_all(seed: int) -> None:
    chance = random.Random(seed)
    whole = [usual(), *recorded()]
    data = whole[chance.randrange(len(whole))] if seed else usual()
    known = taught(data)
    for _ in range(400):
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                bent = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
            case 1:
                bent = data[:at] + data[at + chance.randrange(9) :]
            case 2:
                bent = data[:at] + chance.randbytes(chance.randrange(1, 5)) + data[at:]
            case _:
                bent = data[:at]
        assert difference(known, bent) == ""


def test_part_of_an_answer_and_more_than_one_are_left_to_the_dialogue() -> None:
    known = taught(usual())
    for data in (b"", usual()[:-1], usual() + b"\0", usual() + usual(), bytes(300), bytes(MAX_BYTES + 1)):
        assert known.read(data, loopback=False) is None


def test_an_answer_over_a_limit_is_left_to_the_dialogue() -> None:
    small = FirstAnswers(Limits(verdict_reply_bytes=100), Depth.VERDICT)
    teach(small, usual())
    assert small.read(usual(), loopback=False) is None


@pytest.mark.interpreted("replaces a constant that a compiler puts where it is used")
def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_answers, "KINDS_KEPT", 3)
    monkeypatch.setattr(first_answers, "FORMS_KEPT", 2)
    monkeypatch.setattr(first_answers, "LESSONS", 5)
    known = FirstAnswers(Limits(), Depth.VERDICT)
    for number in range(9):
        teach(known, usual(maxWriteBatchSize=number))
        teach(known, usual(**{f"field{number}": number}))
    assert known.sizes() == (2, 3)
    assert known.read(usual(field8=8), loopback=False) is None  # its form was one too many


@pytest.mark.interpreted("replaces a constant that a compiler puts where it is used")
def test_the_memory_of_kinds_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_answers, "KINDS_BYTES", len(usual()) * 2)
    known = taught(*[usual(maxWriteBatchSize=number) for number in range(9)])
    assert known.sizes() == (1, 2)
    assert known.read(usual(maxWriteBatchSize=8), loopback=False) is not None


@pytest.mark.interpreted("replaces a constant that a compiler puts where it is used")
def test_what_the_first_server_of_a_kind_says_later_is_not_its_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_answers, "KINDS_BYTES", len(usual()) * 2)
    known = FirstAnswers(Limits(), Depth.DATABASES)
    for number in range(9):
        data = usual(maxWriteBatchSize=number)
        first, _ = dialogue(depth=Depth.DATABASES)
        first.received(data)
        known.learn(data, first.facts)
        first.facts.attempts[0].bytes_received += 10**6  # the answers about its databases
        first.facts.list_databases = None
        own = known.read(data, loopback=False)
        assert own is not None
        assert facts_of(own).attempts[0].bytes_received == len(data)
    assert known.sizes() == (1, 2)
