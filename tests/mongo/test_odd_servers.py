"""Proxies that refuse to be told who asks, traps that answer in another form, and what only resembles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bson
import pytest
from bson import ObjectId

from results.verdict import Severity, Verdict
from tests.mongo.answering import BUILD, HELLO, LISTED, NOW, PART, Doc, ask, cursor, failure, honest
from tests.support.reasons import written
from tests.support.replay import Message, reply_to

if TYPE_CHECKING:
    from tests.support.scripted import Said, Script

TWICE = failure(186, "The client metadata document may only be sent in the first isMaster")
LOGIN = failure(13, "Authentication required")


def without(name: str, refusal: Doc) -> dict[str, Script]:
    """A server that answers `name` by OP_QUERY only when it is not told who asks."""

    def handshake(asked: Message) -> Said:
        if "client" in asked.documents[0]:
            return refusal
        return HELLO | {"maxWireVersion": 9} if asked.command == name else failure(59)

    build = BUILD | {"version": "4.4.6"}
    return honest(isMaster=handshake, hello=handshake, buildInfo=build)


@pytest.mark.parametrize("name", ["isMaster", "hello"])
@pytest.mark.parametrize(
    "refusal",
    [
        TWICE,
        failure(183, "Missing required field"),
        failure(185),
        failure(40415, "BSON field 'isMaster.client' is an unknown field."),
        failure(1, "unknown field client"),
        failure(2, "unexpected metadata"),
        {"ok": 0.0, "errmsg": "client metadata not supported"},
    ],
)
def test_a_proxy_that_refuses_to_be_told_who_asks(name: str, refusal: Doc) -> None:
    seen = ask(without(name, refusal))
    assert (seen.verdict, seen.server.max_wire_version, seen.server.product) == (Verdict.OPEN, 9, "mongodb")
    assert [found.name for found in seen.database.collections] == ["shelves"]
    assert seen.exposure.documents == 70
    commands = seen.peer.commands()
    assert commands.count("isMaster by OP_QUERY") == 2
    assert sum("hello" in command for command in commands) <= 2


def test_a_proxy_that_refuses_every_handshake_is_read_by_its_version() -> None:
    seen = ask(honest(isMaster=TWICE, hello=TWICE, buildInfo=BUILD | {"version": "4.4.6"}))
    assert (seen.verdict, seen.server.max_wire_version) == (Verdict.OPEN, None)
    assert [found.name for found in seen.database.collections] == ["shelves"]
    assert "find by OP_QUERY" not in seen.peer.commands()


def in_the_other_form(script: dict[str, Script]) -> dict[str, Script]:
    """The same server, with OP_MSG in answer to everything."""

    def answer(asked: Message) -> Said:
        said = script.get(asked.command, LOGIN)
        said = said(asked) if callable(said) else said
        assert isinstance(said, dict)
        return reply_to(asked._replace(opcode=2013), bson.encode(said))

    return {"*": answer}


@pytest.mark.parametrize(
    ("script", "verdict"),
    [
        ({"isMaster": HELLO, "buildInfo": LOGIN, "listDatabases": LOGIN}, Verdict.AUTH_REQUIRED),
        ({"isMaster": HELLO, "buildInfo": LOGIN, "listDatabases": LISTED}, Verdict.OPEN),
        (honest(), Verdict.OPEN),
        (
            honest(listDatabases={"ok": 1.0}, listCollections={"ok": 1.0}, dbStats={"ok": 1.0}),
            Verdict.UNKNOWN,
        ),
    ],
)
def test_op_msg_in_answer_to_op_query_is_a_traps(script: dict[str, Script], verdict: Verdict) -> None:
    seen = ask(in_the_other_form(script))
    assert seen.verdict is verdict
    assert seen.server.product == "unknown"
    assert seen.server.honeypot_suspected
    assert any("OP_QUERY is answered by OP_MSG" in line for line in seen.server.product_evidence)
    assert seen.server.vulnerabilities is None
    assert seen.severity is Severity.LOW


@pytest.mark.parametrize(
    ("invented", "trap"),
    [
        ({"_id": 1, "name": "Ada", "card": "4111"}, True),
        ({"email": "a@example.com"}, True),
        ({"_id": ObjectId("65f000000000000000000000")}, False),
        (PART | {"ns": "library.shelves", "host": "h:27017"}, False),
    ],
)
def test_aggregates_that_are_answered_with_something_else(invented: Doc, trap: bool) -> None:
    """Documents are a trap's answer; statistics, to any aggregate, only one that does not look closely."""
    seen = ask(honest(aggregate=cursor(invented)))
    assert (seen.server.product == "unknown", seen.server.honeypot_suspected) == (trap, trap)
    assert "Ada" not in repr(seen.exposure)
    assert "4111" not in repr(seen.exposure)


BARE = {key: value for key, value in HELLO.items() if key != "helloOk"}


@pytest.mark.parametrize(
    ("hello", "build", "product"),
    [
        (HELLO, BUILD, "mongodb"),
        (HELLO, BUILD | {"gitVersion": "bf00d"}, "mongodb"),
        (HELLO, BUILD | {"gitVersion": "nogitversion"}, "mongodb"),
        (BARE, BUILD, "mongodb"),
        (BARE, BUILD | {"gitVersion": "tinymongo-1.3"}, "unknown"),
        (BARE, BUILD | {"gitVersion": ""}, "unknown"),
        (HELLO, BUILD | {"gitVersion": "tinymongo", "versionArray": [3, 2, 1, 0]}, "unknown"),
        (BARE | {"localTime": 1795881791}, BUILD, "unknown"),
        (BARE | {"localTime": "2026-11-24T12:00:00"}, BUILD, "unknown"),
        (HELLO | {"localTime": "noon", "version": "7.0.2"}, BUILD, "unknown"),
    ],
)
def test_what_is_not_shown_to_be_mongodb_has_no_advisory(hello: Doc, build: Doc, product: str) -> None:
    seen = ask(honest(isMaster=hello, buildInfo=build | {"version": "7.0.1"}))
    assert seen.server.product == product
    assert bool(seen.server.vulnerabilities) == (product == "mongodb")
    assert (seen.server.end_of_life is None) == (product != "mongodb")


def test_a_small_imitation_is_counted_all_the_same() -> None:
    seen = ask(
        honest(
            isMaster=BARE,
            buildInfo={"version": "7.0.0", "gitVersion": "tinymongo", "sysInfo": "tinymongo", "ok": 1.0},
            listDatabases={"databases": [{"name": "library", "sizeOnDisk": 0, "empty": False}], "ok": 1.0},
            dbStats=failure(59),
            aggregate=failure(2, "unsupported pipeline stage: $collStats"),
            collStats=failure(59),
        )
    )
    assert (seen.server.product, seen.server.vulnerabilities) == ("unknown", None)
    assert (seen.exposure.documents, seen.exposure.total_size_bytes) == (70, None)


def test_what_a_server_says_of_itself_and_its_set_is_kept() -> None:
    members = [f"m{number}.example:27017" for number in range(90)]
    hello = HELLO | {
        "setName": "rs0",
        "$clusterTime": {},
        "hosts": [*members, 7],
        "passives": ["p.example:27017"],
        "arbiters": ["a.example:27017", None],
        "me": "m1.example:27017",
        "primary": "m" * 9000,
        "compression": ["snappy", "zstd"],
    }
    build = BUILD | {
        "modules": ["enterprise"],
        "allocator": "tcmalloc",
        "javascriptEngine": "mozjs",
        "openssl": {"running": "OpenSSL 3.0.2", "compiled": "OpenSSL 3.0.2"},
        "bits": 64,
        "debug": False,
        "maxBsonObjectSize": 16777216,
        "storageEngines": ["devnull", "wiredTiger"],
    }
    server = ask(honest(isMaster=hello, buildInfo=build)).server
    assert server.hosts == members[:64]
    assert (server.passives, server.arbiters) == (["p.example:27017"], ["a.example:27017"])
    assert (server.me, len(server.primary)) == ("m1.example:27017", 262)
    assert server.compressors == ["snappy", "zstd"]
    assert server.build is not None
    assert (server.build.git_version, server.build.openssl) == (BUILD["gitVersion"], "OpenSSL 3.0.2")
    assert (server.build.allocator, server.build.javascript_engine) == ("tcmalloc", "mozjs")
    assert (server.build.bits, server.build.debug, server.build.max_bson_object_size) == (64, False, 16777216)
    assert (server.modules, server.build.storage_engines) == (["enterprise"], ["devnull", "wiredTiger"])
    liar = BUILD | {"bits": -1, "debug": "no", "openssl": 3, "OpenSSLVersion": "x", "storageEngines": "all"}
    told = ask(honest(buildInfo=liar)).server.build
    assert told is not None
    assert (told.bits, told.debug, told.openssl, told.storage_engines) == (None, False, "x", [])


def test_shards_index_sizes_validators_and_buckets_are_kept() -> None:
    names = [
        {"name": "shelves", "type": "collection", "options": {"validator": {"$jsonSchema": {"secret": 1}}}},
        {"name": "plain", "type": "collection", "options": {}},
        *({"name": f"covers.{part}", "type": "collection"} for part in ("files", "chunks")),
        {"name": "lonely.files", "type": "collection"},
    ]
    listed = {
        "name": "library",
        "sizeOnDisk": 81920,
        "empty": False,
        "shards": {"a": 40960, "b": 40960, "c": -1},
    }
    parts = [PART | {"shard": "a"}, PART | {"shard": "b"}]
    seen = ask(
        honest(
            listDatabases={"databases": [listed], "ok": 1.0},
            listCollections=cursor(*names),
            aggregate=lambda asked: cursor(*(parts if "$collStats" in str(asked.documents) else [])),
        )
    )
    assert seen.database.shards == {"a": 40960, "b": 40960}
    assert seen.database.index_bytes == 40960
    assert seen.database.gridfs == ["covers"]
    found = {collection.name: collection for collection in seen.database.collections}
    assert [found[name].validator for name in ("shelves", "plain", "covers.files")] == [True, False, None]
    assert (found["shelves"].shards, found["shelves"].index_bytes) == (["a", "b"], 81920)
    assert "secret" not in repr(seen.exposure)


def ids(*seconds: int) -> Script:
    """Answers of a collection whose ids begin with these times, by the bounds and the order asked for."""

    def answer(asked: Message) -> Said:
        pipeline = asked.documents[0]["pipeline"]
        if "$collStats" in pipeline[0]:
            return cursor(PART | {"count": len(seconds)})
        if "$indexStats" in pipeline[0]:
            return cursor()
        low, high = (
            int.from_bytes(pipeline[0]["$match"]["_id"][key].binary[:4], "big") for key in ("$gte", "$lt")
        )
        held = sorted(time for time in seconds if low <= time < high)
        if not held:
            return cursor()
        end = held[0] if pipeline[1]["$sort"]["_id"] == 1 else held[-1]
        return cursor({"t": bson.datetime_ms.DatetimeMS(end * 1000)})

    return answer


YEAR = 365 * 86400
LATELY = int(NOW.timestamp()) - 3600


@pytest.mark.parametrize(
    ("seconds", "dated"),
    [
        ([LATELY - day * 86400 for day in range(200)], True),
        ([LATELY], True),
        ([LATELY, LATELY - 17 * YEAR], True),
        ([number * 2**32 // 200 for number in range(200)], False),
        ([1 * YEAR, LATELY - 86400], False),
        ([LATELY, LATELY + 30 * YEAR, LATELY - 40 * 86400], False),
        ([*range(LATELY - 500, LATELY), 0], False),
    ],
)
def test_ids_that_no_clock_made_are_no_date(seconds: list[int], dated: bool) -> None:
    seen = ask(honest(aggregate=ids(*seconds)))
    (shelves,) = seen.database.collections
    assert (shelves.last_write is not None) == dated
    assert ("do not come from a clock" in written(shelves.notes)) == (not dated)
    assert (seen.exposure.last_write is not None) == dated


def test_the_other_end_untold_leaves_the_date_and_says_so() -> None:
    answers = ids(LATELY)

    def answer(asked: Message) -> Said:
        assert callable(answers)
        pipeline = asked.documents[0]["pipeline"]
        oldest = "$sort" in str(pipeline) and pipeline[1]["$sort"]["_id"] == 1
        return failure(211) if oldest else answers(asked)

    (shelves,) = ask(honest(aggregate=answer)).database.collections
    assert shelves.last_write is not None
    assert "not told: oldest ids" in written(shelves.notes)
