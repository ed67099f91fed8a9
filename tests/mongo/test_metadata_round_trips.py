"""How often the metadata of a large server makes us wait: round trips are counted, not seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Layer, Limits, Next
from scanner.mongo.metadata import MetadataPlan
from tests.mongo.talks import BUILD, CLIENT, HELLO
from tests.support.scripted import Script, Scripted

if TYPE_CHECKING:
    from tests.support.replay import Message

DATABASES = 1000
ROUND_TRIP = 0.05  # seconds; the promise is a second for the whole server
MOST = 15  # round trips, the connect included: what is left of the second is for working it out

NAMES = [{"name": f"tenant_{number:04}"} for number in range(DATABASES)]


def listed(message: Message) -> dict[str, Any]:
    if message.documents[0].get("nameOnly"):
        return {"databases": NAMES, "ok": 1.0}
    sized = [{**entry, "sizeOnDisk": 8192, "empty": False} for entry in NAMES]
    return {"databases": sized, "totalSize": 8192 * DATABASES, "ok": 1.0}


def collections(message: Message) -> dict[str, Any]:
    batch = [{"name": name, "type": "collection"} for name in ("users", "orders")]
    namespace = f"{message.documents[0]['$db']}.$cmd.listCollections"
    return {"cursor": {"id": 0, "ns": namespace, "firstBatch": batch}, "ok": 1.0}


def large() -> Scripted:
    script: dict[str, Script] = {
        "isMaster": HELLO,
        "buildInfo": BUILD,
        "listDatabases": listed,
        "dbStats": {"collections": 2, "objects": 10, "dataSize": 4096, "storageSize": 8192, "ok": 1.0},
        "listCollections": collections,
        "collStats": {"count": 5, "size": 2048, "storageSize": 4096, "ok": 1.0},
        "aggregate": {"cursor": {"id": 0, "ns": "x.y", "firstBatch": []}, "ok": 1.0},
        "find": {"cursor": {"id": 0, "ns": "x.y", "firstBatch": []}, "ok": 1.0},
    }
    return Scripted(script)


@pytest.mark.parametrize("depth", [Depth.DATABASES, Depth.COLLECTIONS])
def test_a_thousand_databases_far_away_take_few_round_trips(depth: Depth) -> None:
    dialogue = Dialogue(
        client=CLIENT, depth=depth, limits=Limits(), loopback=False, plan_factory=MetadataPlan
    )
    server = large()
    server.connect()
    round_trips = 1
    request = dialogue.connected(Layer.PLAIN)
    while dialogue.next is Next.WAIT:
        round_trips += 1
        assert round_trips <= MOST
        request = dialogue.received(server.answer(request).reply)
    assert dialogue.next is Next.DONE
    assert server.connections == 1
    assert round_trips * ROUND_TRIP < 1.0
    plan = dialogue.plan
    assert isinstance(plan, MetadataPlan)
    exposure = plan.exposure()
    assert exposure.database_count == DATABASES
    assert sum(database.documents is not None for database in exposure.databases) == DATABASES
    if depth is Depth.COLLECTIONS:
        assert sum(database.collections_known for database in exposure.databases) == DATABASES
    else:
        assert not any("not asked" in gap for gap in exposure.truncated)
