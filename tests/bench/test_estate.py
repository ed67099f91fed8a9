"""The servers that the bench sweeps: different where they are to differ, and true to what they are asked."""

from __future__ import annotations

import shutil
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from bson import ObjectId
from pymongo import MongoClient

from bench.dialogue import REQUESTS, complete
from bench.replies import packed
from scanner.mongo.fingerprint import fingerprint
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

BENCH = Path(__file__).resolve().parents[2] / "bench"
IDS = {"_id": {"$gte": ObjectId(b"\x00" * 12), "$lt": ObjectId(b"\xff" * 12)}}
FUTURE = {"_id": {"$gte": ObjectId(b"\xf0" * 12), "$lt": ObjectId(b"\xff" * 12)}}


class Estates(NamedTuple):
    """The ports of servers that differ, of servers that are alike, and of large ones."""

    different: int
    alike: int
    large: int


@pytest.fixture(scope="module")
def estates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estates]:
    """The responder, built and running on loopback."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler `cc`")
    home = tmp_path_factory.mktemp("responder")
    (home / "replies").write_bytes(packed())
    binary = str(home / "responder")
    warnings = ["-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", "-O1", *warnings, "-o", binary, *map(str, sorted(BENCH.glob("*.c")))], check=True)
    ports = Estates(*(free_port() for _ in Estates._fields))
    kinds = (
        f"{ports.different}:4:3:different",
        f"{ports.alike}:4:3:alike",
        f"{ports.large}:20:20:different",
    )
    command = [binary, str(free_port()), str(home / "replies"), *kinds]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield ports
        process.terminate()


def first_answer(address: str, port: int) -> bytes:
    """All that comes back for the first write of our dialogue."""
    data = b""
    with socket.create_connection((address, port), 10) as connection:
        connection.sendall(REQUESTS)
        while not complete(data):
            data += connection.recv(65536)
    return data


def keys(port: int) -> set[object]:
    """The fingerprints of 300 servers."""
    found = [fingerprint(first_answer(f"127.0.{n // 250}.{n % 250 + 1}", port)) for n in range(300)]
    return {seen.key for seen in found if seen is not None}


def test_no_two_servers_look_alike_where_every_one_differs(estates: Estates) -> None:
    assert len(keys(estates.different)) == 300


def test_servers_that_are_alike_are_told_apart_by_ids_and_times_alone(estates: Estates) -> None:
    assert len(keys(estates.alike)) == 1


@pytest.mark.parametrize("kind", Estates._fields)
def test_a_server_is_true_to_itself(estates: Estates, kind: str) -> None:
    """Names, counts and ids by one question agree with those by another."""
    port = getattr(estates, kind)
    databases, collections = (20, 20) if kind == "large" else (4, 3)
    for address in ("127.0.0.1", "127.0.3.77"):
        with MongoClient[Any](address, port, directConnection=True, serverMonitoringMode="poll") as client:
            listed = client.admin.command("listDatabases")["databases"]
            assert len({entry["name"] for entry in listed}) == databases
            for entry in listed:
                database = client[entry["name"]]
                told = database.command("dbStats", scale=1)
                names = database.list_collection_names()
                assert len(set(names)) == told["collections"] == collections
                assert told["totalSize"] == entry["sizeOnDisk"]
                assert told["objects"] == sum(checked(database[name]) for name in names)
            counted = client.admin.command("serverStatus")
            assert set(counted["metrics"]["document"]) == {"deleted", "inserted", "returned", "updated"}
            with pytest.raises(Exception, match="no such command"):
                client.admin.command("top")


def checked(collection: Any) -> int:
    """The collection's documents, as every question about them says."""
    wanted: dict[str, Any] = {"count": {}, "storageStats": {}, "latencyStats": {}}
    told = next(collection.aggregate([{"$collStats": wanted}]))
    count = int(told["count"])
    assert told["latencyStats"]["writes"]["ops"] == count // 7
    indexes = list(collection.aggregate([{"$indexStats": {}}]))
    assert [index["name"] for index in indexes] in (["_id_"], ["_id_", "email_1"])
    assert all(index["key"] == index["spec"]["key"] for index in indexes)
    assert collection.estimated_document_count() == count
    assert collection.database.command("collStats", collection.name)["count"] == count
    newest, oldest = (
        [found["_id"].generation_time for found in collection.find(IDS, {"_id": 1}).sort("_id", way).limit(1)]
        for way in (-1, 1)
    )
    assert len(newest) == len(oldest) == min(count, 1)
    if count:
        assert oldest[0] < newest[0] <= datetime.now(UTC)
    assert list(collection.find(FUTURE, {"_id": 1}).sort("_id", 1).limit(1)) == []
    dated = [
        {"$match": IDS},
        {"$sort": {"_id": -1}},
        {"$limit": 1},
        {"$project": {"_id": 0, "t": {"$toDate": "$_id"}}},
    ]
    dates = [found["t"].replace(tzinfo=UTC) for found in collection.aggregate(dated)]
    assert all(abs((a - b).total_seconds()) < 60 for a, b in zip(dates, newest, strict=True))
    return count
