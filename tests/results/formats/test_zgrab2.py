"""ZGrab2's envelope: what is known stands where its module `mongodb` writes it, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from results.formats.zgrab2 import document
from results.record import Build, Certificate, Database, Endpoint, Server, Tls
from results.verdict import Verdict
from tests.results.examples import exposure as lies_open
from tests.results.examples import observation, open_server
from tests.support.exposures import closed, exposure
from tests.support.told import SENDER, change, run_event

if TYPE_CHECKING:
    from results.events.event import Event


def told(event: Event) -> dict[str, Any]:
    """The line."""
    line = document(event, SENDER)
    assert line is not None
    made: dict[str, Any] = json.loads(line)
    return made


def test_an_open_server() -> None:
    build = Build(git_version="f2e3", bits=64, max_bson_object_size=2**24, storage_engines=["wiredTiger"])
    server = Server(product="mongodb", version="7.0.14", topology="primary", max_wire_version=21, build=build)
    held = lies_open(Database(name="crm", size_bytes=5), Database(name="local", size_bytes=7, system=True))
    made = told(open_server("10.1.2.3", server=server, exposure=held))
    assert made == {
        "ip": "10.1.2.3",
        "data": {
            "mongodb": {
                "status": "success",
                "protocol": "mongodb",
                "port": 27017,
                "result": {
                    "is_master": {"is_master": True, "max_wire_version": 21, "max_bson_object_size": 2**24},
                    "build_info": {
                        "version": "7.0.14",
                        "git_version": "f2e3",
                        "bits": 64,
                        "max_bson_object_size": 2**24,
                        "storage_engines": ["wiredTiger"],
                    },
                    "database_info": {
                        "databases": [
                            {"name": "crm", "size_on_disk": 5},
                            {"name": "local", "size_on_disk": 7},
                        ],
                        "total_size": 12,
                    },
                },
                "timestamp": "2026-03-01T08:30:00.250Z",
            }
        },
    }


def test_the_sum_is_told_only_of_all_databases() -> None:
    few = replace(lies_open(Database(name="crm", size_bytes=5)), database_count=9)
    info = told(open_server(exposure=few))["data"]["mongodb"]["result"]["database_info"]
    assert info == {"databases": [{"name": "crm", "size_on_disk": 5}]}
    unknown = lies_open(Database(name="crm"))
    info = told(open_server(exposure=unknown))["data"]["mongodb"]["result"]["database_info"]
    assert info == {"databases": [{"name": "crm"}]}


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_list_of_databases_is_there_where_the_server_is_open_and_nowhere_else(verdict: Verdict) -> None:
    answer = told(observation(verdict=verdict))["data"]["mongodb"]
    assert ("database_info" in answer["result"]) == verdict.is_open
    speaks = verdict in (Verdict.OPEN, Verdict.OPEN_NO_DATA, Verdict.AUTH_REQUIRED)
    assert (answer["status"] == "success") == speaks
    assert ("error" in answer) != speaks


def test_outcomes_of_connections() -> None:
    told_ = {v: told(observation(verdict=v, server=None))["data"]["mongodb"] for v in Verdict}
    assert told_[Verdict.REFUSED]["status"] == "connection-refused"
    assert told_[Verdict.FILTERED]["status"] == "connection-timeout"
    assert "result" not in told_[Verdict.REFUSED]


def test_a_domain_is_a_name_that_was_asked_for_and_none_that_a_certificate_claims() -> None:
    tls = Tls(certificate=Certificate(names=["evil.example.net"]))
    asked = Endpoint(ip="10.1.2.3", port=27017, hostnames=["db7.example.net", "evil.example.net"], tls=tls)
    assert told(observation(target=asked))["domain"] == "db7.example.net"
    claimed = replace(asked, hostnames=["evil.example.net"])
    assert "domain" not in told(observation(target=claimed))


def test_a_change_and_an_exposure_are_the_look_that_saw_it_open() -> None:
    stands = exposure()
    answer = told(stands)["data"]["mongodb"]
    assert answer["timestamp"] == stands.last_seen_open
    assert answer["result"]["database_info"] == {"databases": [{"name": each} for each in stands.databases]}
    assert told(change())["data"]["mongodb"]["result"]["build_info"] == {"version": "7.0.14"}


def test_there_is_no_line_of_a_run_nor_of_what_is_closed_or_out_of_reach() -> None:
    for event in (run_event(), closed(), change(kind="closed"), change(kind="unreachable")):
        assert document(event, SENDER) is None
