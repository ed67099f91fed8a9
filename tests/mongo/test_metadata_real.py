"""The metadata plan on real servers: names, counts and newest ids agree with what PyMongo reads there."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from scanner.contact import Ending
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Layer, Limits, Next
from scanner.mongo.identity import identify
from scanner.mongo.metadata import MetadataPlan
from tests.support import real

if TYPE_CHECKING:
    from results.record import Exposure

PLAIN_AND_OPEN = (real.State.OPEN, real.State.REPLICA_SET)
SYSTEM = ("admin", "config", "local")
CLIENT = {
    "application": {"name": "mongosweep"},
    "driver": {"name": "mongosweep", "version": "0"},
    "os": {"type": "Linux"},
}


def ask(server: real.RealServer) -> tuple[Dialogue, Exposure]:
    """One whole conversation over a blocking socket."""
    dialogue = Dialogue(
        client=CLIENT, depth=Depth.COLLECTIONS, limits=Limits(), loopback=True, plan_factory=MetadataPlan
    )
    dialogue.facts.observed_at = datetime.now(UTC)
    while dialogue.next is not Next.DONE:
        with socket.create_connection((server.host, server.port), timeout=10) as connection:
            connection.sendall(dialogue.connected(Layer.PLAIN))
            while dialogue.next is Next.WAIT:
                data = connection.recv(65536)
                if not data:
                    dialogue.ended(Ending.CLOSED)
                    break
                connection.sendall(dialogue.received(data))
        assert dialogue.next in (Next.DONE, Next.OPEN_PLAIN)
    assert isinstance(dialogue.plan, MetadataPlan)
    return dialogue, dialogue.plan.exposure()


@pytest.mark.parametrize("real_server", real.kinds(*PLAIN_AND_OPEN), indirect=True, ids=str)
def test_a_real_server_holds_what_the_record_says(real_server: real.RealServer) -> None:
    dialogue, exposure = ask(real_server)
    truth = real_server.truth()
    server = identify(dialogue.facts, is_open=True)
    assert server.version == truth.version
    assert server.product == {"mongos": "mongodb", "mongod": "mongodb"}.get(
        real_server.kind.product, real_server.kind.product
    )
    assert {database.name for database in exposure.databases} == set(truth.databases)
    found = {
        (database.name, collection.name): collection
        for database in exposure.databases
        if not database.system
        for collection in database.collections
        if collection.type == "collection" and not collection.name.startswith("system.")
    }
    users = {
        where: number
        for where, number in truth.documents.items()
        if where[0] not in ("admin", "config", "local")
    }
    assert {where: collection.documents for where, collection in found.items()} == users
    newest = {where: collection.last_write.at for where, collection in found.items() if collection.last_write}
    assert newest == {where: at for where, at in truth.newest.items() if where in users}
    assert exposure.truncated == []
    assert exposure.last_write is not None
    assert exposure.last_write.at == max(newest.values())
