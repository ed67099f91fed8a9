"""Long lists of databases: what is kept of them, and that nothing is kept that is no list."""

from __future__ import annotations

import tracemalloc
from typing import Any

import bson
import pytest

from scanner.mongo.answers import databases
from scanner.mongo.bson_check import BsonError
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Layer, Limits, Next, Reply
from scanner.mongo.listing import read_listing
from scanner.mongo.metadata import MetadataPlan
from tests.mongo.talks import BUILD, CLIENT, HELLO
from tests.support.scripted import Scripted

LEGAL = 133_000  # names of eight letters; more do not fit into the reply's cap


def encoded(names: list[str], **more: Any) -> bytes:
    return bson.encode({"databases": [{"name": name} for name in names], "ok": 1.0, **more})


def kept(data: bytes, most: int) -> list[str]:
    return [entry["name"] for entry in read_listing(data, most).document["databases"]]


def test_a_long_list_keeps_its_first_names_whatever_their_order() -> None:
    names = [f"d{number:06}" for number in range(30_000)]
    shuffled = names[1::2] + names[-2::-2] + ["admin", "local"]
    found = read_listing(encoded(shuffled, totalSize=7), 5000)
    assert found.listed == len(shuffled)
    assert [entry["name"] for entry in found.document["databases"]] == names[:5000]
    assert found.document["ok"] == 1.0
    assert found.document["totalSize"] == 7


def test_the_servers_own_databases_give_way_to_others() -> None:
    """Their names come first by the alphabet, and last in the order in which names are kept."""
    own = ["admin", "config", "local", *(f"system.{number:05}" for number in range(4000))]
    assert (
        kept(encoded(own + [f"z{number}" for number in range(4000)]), 100)
        == sorted(f"z{number}" for number in range(4000))[:100]
    )


def test_a_list_that_has_room_is_whole() -> None:
    names = [f"d{number:06}" for number in range(9000)]
    found = read_listing(encoded(names), 10_000)
    assert found.listed == 0
    assert [entry["name"] for entry in found.document["databases"]] == names


@pytest.mark.parametrize("odd", [7, "shop", {"sizeOnDisk": 1.0}, {"name": 7}, None, []])
@pytest.mark.parametrize("place", [0, 4321, 9000])
def test_one_odd_entry_of_a_long_list_makes_it_none(odd: object, place: int) -> None:
    entries: list[object] = [{"name": f"d{number:06}"} for number in range(9000)]
    entries.insert(place, odd)
    found = read_listing(bson.encode({"databases": entries, "ok": 1.0}), 5000)
    assert databases(Reply(command="listDatabases", document=found.document)) is None


def test_a_list_that_stands_twice_is_refused() -> None:
    array = bson.encode({"databases": [{"name": f"d{number:06}"} for number in range(9000)]})[4:-1]
    twice = 2 * array + bson.encode({"ok": 1.0})[4:]
    with pytest.raises(BsonError, match="databases stands twice"):
        read_listing((4 + len(twice)).to_bytes(4, "little") + twice, 100)


def test_a_legal_list_takes_little_memory_while_it_is_read_and_afterwards() -> None:
    data = encoded([f"d{number:06}" for number in range(LEGAL)])
    tracemalloc.start()
    found = read_listing(data, 10_000)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.listed == LEGAL
    assert held < found.weight < 2 * held
    assert peak < 16 * 1024 * 1024  # all at once would take fifty


def test_what_a_conversation_says_that_it_holds_is_what_it_holds() -> None:
    names = [{"name": f"d{number:06}"} for number in range(LEGAL)]
    server = Scripted(
        {"isMaster": HELLO, "buildInfo": BUILD, "listDatabases": {"databases": names, "ok": 1.0}}
    )
    dialogue = Dialogue(
        client=CLIENT,
        depth=Depth.COLLECTIONS,
        limits=Limits(),
        loopback=False,
        plan_factory=MetadataPlan,
    )
    server.connect()
    reply = server.answer(dialogue.connected(Layer.PLAIN)).reply
    tracemalloc.start()
    for at in range(0, len(reply), 65536):
        assert dialogue.next is Next.WAIT
        dialogue.received(reply[at : at + 65536])
        if dialogue.coming:
            assert dialogue.coming + at + 65536 == len(reply)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert dialogue.plan is not None
    assert dialogue.plan.exposure().database_count == LEGAL
    assert held < dialogue.held < 2 * held
