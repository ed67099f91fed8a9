"""Last-write evidence: what each method says, what it does not, and clocks that lie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from bson import ObjectId
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from results.codes import methods
from scanner.mongo import activity
from scanner.mongo.facts import Facts, Reply
from scanner.mongo.values import clean_name, count, moment, time_of
from tests.mongo.model import object_id

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SET = {
    "ismaster": True,
    "setName": "rs0",
    "lastWrite": {"lastWriteDate": NOW - timedelta(seconds=4)},
    "localTime": NOW,
    "ok": 1.0,
}


def facts(hello: dict[str, Any], observed_at: datetime | None = NOW) -> Facts:
    return Facts(hello=Reply(command="isMaster", document={"ok": 1.0} | hello), observed_at=observed_at)


def test_a_members_last_operation_is_not_called_a_users_write() -> None:
    (write,) = activity.from_hello(facts(SET))
    assert write.at == NOW - timedelta(seconds=4)
    assert write.method == "replica_set_last_operation"
    assert write.cautions == []
    assert "no-op" in methods()[write.method].does_not_prove
    best, others = activity.best([], facts(SET))
    assert best == write
    assert others == []


def test_nothing_is_ever_called_inactive() -> None:
    old = activity.newest_id(NOW - timedelta(days=2000), "a.b", activity.clock(facts(SET)))
    for write in (old, *activity.from_hello(facts(SET))):
        assert "inactive" not in " ".join(methods()[write.method]).lower()
    assert "no newer one was seen" in methods()[old.method].proves
    assert "restored" in methods()[old.method].does_not_prove


def test_the_newest_id_stands_before_the_sets_no_ops_and_both_are_shown() -> None:
    there = activity.clock(facts(SET))
    older = activity.newest_id(NOW - timedelta(days=9), "a.b", there)
    newer = activity.newest_id(NOW - timedelta(days=3), "a.c", there)
    best, others = activity.best([older, newer], facts(SET))
    assert best == newer
    assert [write.method for write in others] == ["replica_set_last_operation"]


def test_doubtful_ids_are_shown_once_of_a_kind_and_never_chosen() -> None:
    there = activity.clock(facts({}))
    future = [activity.newest_id(NOW + timedelta(hours=hours), "a.b", there) for hours in (2, 20)]
    made_up = activity.newest_id(datetime(1970, 1, 1, tzinfo=UTC), "a.c", there)
    best, others = activity.best([*future, made_up], facts({}))
    assert best is None
    assert others == [future[1], made_up]
    assert future[0].cautions == ["future"]
    assert made_up.cautions == ["implausible"]


def test_an_hours_grace_before_the_future_begins() -> None:
    there = activity.clock(facts({"localTime": NOW}))
    assert there.label(NOW + timedelta(minutes=59)) == ""
    assert there.label(NOW + timedelta(minutes=61)) == "future"
    assert activity.ServerClock(None, None).label(NOW) == ""


def test_the_servers_clock_counts_unless_it_is_days_off() -> None:
    ahead = activity.clock(facts({"localTime": NOW + timedelta(hours=3)}))
    assert ahead.now == NOW + timedelta(hours=3)
    assert ahead.skew_seconds == 10_800
    lying = activity.clock(facts({"localTime": NOW + timedelta(days=900)}))
    assert lying.now == NOW
    assert lying.skew_seconds == 900 * 86_400
    assert activity.clock(facts({"localTime": NOW}, None)) == activity.ServerClock(NOW, None)
    assert activity.clock(facts({"localTime": "noon"}, None)) == activity.ServerClock(None, None)
    assert activity.clock(facts({"localTime": datetime(1990, 1, 1, tzinfo=UTC)}, None)).now is None


def test_a_skewed_clock_and_an_arbiter_are_mentioned() -> None:
    (write,) = activity.from_hello(
        facts(SET | {"localTime": NOW - timedelta(minutes=5), "arbiterOnly": True})
    )
    assert write.cautions == ["clock-skew", "arbiter"]
    (future,) = activity.from_hello(
        facts(SET | {"lastWrite": {"lastWriteDate": datetime(2106, 1, 1, tzinfo=UTC)}})
    )
    assert future.cautions == ["future"]
    assert activity.best([], facts(SET | {"lastWrite": {"lastWriteDate": future.at}}))[0] is None


def test_the_process_start_comes_from_the_topology_version() -> None:
    started = facts({"topologyVersion": {"processId": ObjectId("694180681cd5f2fb5cedced8")}})
    assert activity.process_start(started) == datetime(2025, 12, 16, 15, 53, 12, tzinfo=UTC)
    assert [write.method for write in activity.from_hello(started)] == ["process_start"]
    assert activity.best([], started)[0] is None
    zero = facts({"topologyVersion": {"processId": ObjectId("0" * 24)}})
    assert activity.process_start(zero) is None
    assert activity.process_start(facts({"topologyVersion": 3})) is None


def test_the_bound_for_ids_is_a_day_ahead_and_always_a_valid_time() -> None:
    assert activity.newest_id_bound(facts({"localTime": NOW})) == int((NOW + timedelta(days=1)).timestamp())
    assert activity.newest_id_bound(Facts()) == 2**32 - 1
    assert activity.newest_id_bound(facts({}, datetime(2300, 1, 1, tzinfo=UTC))) == 2**32 - 1


def test_only_the_time_of_an_id_is_kept() -> None:
    assert time_of(object_id(NOW)) == NOW
    assert time_of("6b0567be7265636f726407cf") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        (5.0, 5),
        (49152.9, 49152),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (-1, None),
        (-0.5, 0),
        (float("nan"), None),
        (float("inf"), None),
        (1e308, None),
        (True, None),
        ("5", None),
        (None, None),
    ],
)
def test_counts(value: object, expected: int | None) -> None:
    assert count(value) == expected


def test_moments() -> None:
    assert moment(DatetimeMS(0)) == datetime(1970, 1, 1, tzinfo=UTC)
    assert moment(DatetimeMS(10**18)) is None
    assert moment(datetime(2026, 1, 1)) == datetime(2026, 1, 1, tzinfo=UTC)  # noqa: DTZ001 - naive on purpose
    assert moment("2026") is None
    assert moment(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))) is None


@given(st.text(alphabet=st.characters(codec=None), max_size=400))
def test_names_always_become_text_that_can_be_written(name: str) -> None:
    shown, raw = clean_name(name, 256)
    shown.encode("utf-8")
    assert len(shown) <= 256
    assert raw == bytes.fromhex(raw).hex()


def test_a_name_that_is_no_text() -> None:
    assert clean_name(7, 10) == ("", "")
    assert clean_name("plain", 10) == ("plain", "")
    assert clean_name("tab\t", 10) == ("tab\t", b"tab\t".hex())


def test_a_clock_at_the_end_of_time_bounds_ids_all_the_same() -> None:
    """A server's clock may say the last day that there is."""
    far = Facts()
    far.observed_at = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert activity.newest_id_bound(far) == activity.LAST_OBJECT_ID
