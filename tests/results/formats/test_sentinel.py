"""Rows for Microsoft Sentinel: declared columns and their types, and nothing where nothing is known."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from results.formats.format import UnfitError
from results.formats.sentinel import COLUMNS, document
from results.verdict import Verdict
from tests.support.told import AT, SENDER, change, ordinary, run_event, seen_open


def row(event: Any) -> dict[str, Any]:
    """The row of an event."""
    told: dict[str, Any] = json.loads(document(event, SENDER))
    return told


def test_a_change_has_all_that_a_query_asks_for() -> None:
    told = row(change(dated="2026-11-24T08:00:00.000Z", ransom_names=["READ_ME"]))
    assert told["TimeGenerated"] == AT
    assert (told["EventSchema"], told["Kind"], told["State"]) == ("mongosweep.change/1", "opened", "new")
    assert (told["DstIpAddr"], told["DstPortNumber"], told["DstHostname"]) == (
        "10.1.2.3",
        27017,
        "db7.example.net",
    )
    assert (told["OwnerName"], told["OwnerContact"]) == ("team X", "team-x@example.com")
    assert (told["DatabaseCount"], told["SizeBytes"]) == (3, 60_000_425_984)
    assert (told["Databases"], told["RansomNames"]) == (["crm", "billing"], ["READ_ME"])
    assert told["ChangedAt"] == "2026-11-24T08:00:00.000Z"
    assert "ServersOpen" not in told


def test_swept_and_nothing_open_is_a_row() -> None:
    told = row(run_event(scope="c0ffee"))
    assert (told["Kind"], told["State"], told["ServersOpen"]) == ("ended", "complete", 0)
    assert told["Coverage"]["planned"] == 256
    assert (told["Purpose"], row(run_event(purpose="verify"))["Purpose"]) == ("sweep", "verify")
    assert not [name for name in told if name.startswith("Dst")]
    assert (told["Purpose"], told["Scope"], "Shard" in told) == ("sweep", "c0ffee", False)


def test_a_round_of_verify_and_a_shard_are_no_whole_sweep() -> None:
    told = row(run_event(purpose="verify", shard="1/2"))
    assert (told["Purpose"], told["Shard"]) == ("verify", "1/2")


def test_an_observation_has_its_time_and_is_open_only_where_it_was() -> None:
    told = row(seen_open())
    assert told["TimeGenerated"] == told["FirstSeenOpen"] == told["LastSeenOpen"] == seen_open().observed_at
    closed = row(msgspec.structs.replace(seen_open(), verdict=Verdict.AUTH_REQUIRED))
    assert not {"FirstSeenOpen", "LastSeenOpen"} & closed.keys()


def test_every_event_fits_the_columns() -> None:
    kinds: dict[str, Any] = {"string": str, "datetime": str, "long": int, "dynamic": (list, dict)}
    for event in ordinary():
        for name, value in row(event).items():
            assert isinstance(value, kinds[COLUMNS[name]]), name
            assert value not in ("", None, [], {})


def test_what_is_no_time_is_left_out_or_refused() -> None:
    assert "NewestWrite" not in row(change(newest_write="yesterday"))
    with pytest.raises(UnfitError):
        document(change(at="yesterday"), SENDER)
