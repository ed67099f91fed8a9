"""What servers tell of others: members, primaries, own names, certificates, shards; hostile ones bounded."""

from __future__ import annotations

import msgspec
import pytest

from results.leads import MOST, Lead, gather, leads_of
from results.record import Certificate, Endpoint, Server, Tls
from tests.results.examples import database, exposure, observation, open_server

PLACE = ("10.20.0.7", 27017)


def member(**told: object) -> Server:
    """A member of a set."""
    return Server(product="mongodb", set_name="rs0", **told)  # type: ignore[arg-type]  # as they are


def test_the_members_of_a_set() -> None:
    server = member(
        hosts=["db7.example.net:27017", "10.20.0.8:27018", "[fd00::9]:27017"],
        passives=["db8"],
        arbiters=["arbiter.example.net:30000"],
        primary="10.20.0.8:27018",
        me="10.20.0.7:27017",
    )
    assert list(leads_of(observation("10.20.0.7", server=server))) == [
        Lead("db7.example.net", 27017, "member", PLACE),
        Lead("10.20.0.8", 27018, "member", PLACE),
        Lead("fd00::9", 27017, "member", PLACE),
        Lead("db8", 0, "member", PLACE),
        Lead("arbiter.example.net", 30000, "member", PLACE),
        Lead("10.20.0.8", 27018, "primary", PLACE),
    ]


def test_names_in_a_certificate_and_shards() -> None:
    certificate = Certificate(names=["db7.example.net", "*.example.net"])
    target = Endpoint(ip="10.20.0.7", port=27017, tls=Tls(certificate=certificate))
    one = msgspec.structs.replace(database("shop"), shards={"rs1": 5})
    other = msgspec.structs.replace(database("shop2"), shards={"rs1": 4, "rs0": 1})
    seen = open_server("10.20.0.7", target=target, exposure=exposure(one, other))
    assert [(lead.name, lead.kind) for lead in leads_of(seen)] == [
        ("db7.example.net", "certificate"),
        ("*.example.net", "certificate"),
        ("rs0", "shard"),
        ("rs1", "shard"),
    ]


@pytest.mark.parametrize(
    ("text", "name", "port"),
    [
        ("db:99999", "db", 0),
        ("db:0", "db", 0),
        ("db:x", "db:x", 0),
        ("fd00::9", "fd00::9", 0),
        ("[fd00::9]", "fd00::9", 0),
        ("db:27017", "db", 27017),
        (":27017", "", 0),
    ],
)
def test_endpoints_as_servers_write_them(text: str, name: str, port: int) -> None:
    found = list(leads_of(observation("10.20.0.7", server=member(hosts=[text]))))
    assert [(lead.name, lead.port) for lead in found] == ([(name, port)] if name else [])


def test_a_server_that_names_any_number() -> None:
    seen = [
        observation(f"10.20.{n}.7", server=member(hosts=[f"h{n}-{i}.example.net" for i in range(500)]))
        for n in range(30)
    ]
    found, more = gather(seen)
    assert len(found) == MOST
    assert more


def test_the_same_lead_of_many_is_one() -> None:
    seen = [observation(f"10.20.0.{n}", server=member(hosts=["DB.example.net:27017"])) for n in range(3)]
    found, more = gather(seen)
    assert list(found) == [("db.example.net", 27017)]
    assert [lead.told_by[0] for lead in found["db.example.net", 27017]] == [
        "10.20.0.0",
        "10.20.0.1",
        "10.20.0.2",
    ]
    assert not more
