"""The traps that real servers set, each with a test of its own, over real sockets and on recorded bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bson
import pytest

from results.verdict import Verdict
from scanner.contact import Ending
from scanner.lab.hostile.base import base_profile
from scanner.lab.others import Changed
from scanner.lab.personality import Personality
from scanner.lab.server import LabServer
from scanner.mongo.answers import databases
from scanner.mongo.facts import Layer
from tests.accuracy.asking import HASTY, ask, ask_in_memory
from tests.accuracy.playing import MemoryTls, recorded, recorded_mode
from tests.accuracy.proofs import trap
from tests.support.recordings import load
from tests.support.replay import Replay

if TYPE_CHECKING:
    from typing import Any

    from scanner.lab.wire import ClientMessage, Document
    from scanner.mongo.facts import Facts
    from tests.accuracy.asking import Asked

VERSIONS = ("2.6.0-rc1", "4.0.3", "7.1.0")


async def asked_of(server: Personality, **options: Any) -> Asked:
    """One server on a socket, one conversation."""
    async with LabServer(server, "127.97.0.1", 0) as running:
        return await ask((running.host, running.port), **options)


async def replayed(version: str, scenario: str, node: str = "", **options: Any) -> tuple[Asked, Replay]:
    """One recorded server on a socket, and what it was asked."""
    replay = Replay(version, scenario, node)
    return await asked_of(recorded(replay), **options), replay


def facts(asked: Asked) -> Facts:
    """What the conversation learned."""
    assert asked.talk is not None
    return asked.talk.dialogue.facts


@trap("an empty list is `ok: 1` too: 4.0 gives it through the localhost exception, even to"
      " `authorizedDatabases: false`")  # fmt: skip
async def test_an_empty_list_is_never_open() -> None:
    asked, _ = await replayed("4.0.3", "auth_no_user", "from_127.0.0.1", local=False)
    assert databases(facts(asked).list_databases) == []
    assert databases(facts(asked).confirm_list) == []
    assert asked.record.verdict is Verdict.AUTH_REQUIRED

    def empty(request: ClientMessage, document: Document) -> Document:
        return {"databases": [], "ok": 1.0} if request.command == "listDatabases" else document

    def empty_and_mute(request: ClientMessage, document: Document) -> Document:
        if request.command == "listCollections":
            return {"ok": 0.0, "errmsg": "no such command", "code": 59}
        return empty(request, document)

    for change in (empty, empty_and_mute):
        record = (await asked_of(_changed(change), local=False)).record
        assert record.verdict is not Verdict.OPEN, record.evidence


def _changed(change: Any) -> Personality:
    talk = Changed(base_profile(), change).talk
    return Personality(name="changed", description="", verdict=Verdict.UNKNOWN, talk=talk)


@trap("352 refuses OP_QUERY in the same words on open and on locked servers")
async def test_352_says_nothing_about_access() -> None:
    words = {scenario: _errors("7.1.0", scenario, 352) for scenario in ("open_data", "auth_user")}
    assert words["open_data"] == words["auth_user"] == {"Unsupported OP_QUERY command: listDatabases"}

    def refuses(request: ClientMessage, document: Document) -> Document:
        if request.command == "listDatabases":
            text = "Unsupported OP_QUERY command: listDatabases. The client driver may require an upgrade."
            return {"ok": 0.0, "errmsg": text, "code": 352, "codeName": "UnsupportedOpQueryCommand"}
        return document

    record = (await asked_of(_changed(refuses))).record
    assert (record.verdict, record.evidence[0].code) == (Verdict.UNKNOWN, "op-query-refused")
    assert (await replayed("7.1.0", "open_data"))[0].record.verdict is Verdict.OPEN
    assert (await replayed("7.1.0", "auth_user"))[0].record.verdict is Verdict.AUTH_REQUIRED


def _errors(version: str, scenario: str, code: int) -> set[str]:
    """The words of all recorded errors with this code, up to the first full stop."""
    found = set()
    for step in load(version, scenario):
        if step.family == "query" and len(step.reply) > 36:
            document = bson.decode(step.reply[36:])
            if document.get("code") == code and "listDatabases" in document["errmsg"]:
                found.add(document["errmsg"].partition(".")[0])
    return found


@trap("an arbiter or an uninitiated member lists `local` on 4.0, and says 13436 on 7.1")
@pytest.mark.parametrize(
    ("version", "scenario", "node", "local", "verdict"),
    [
        ("4.0.3", "rs_members", "arbiter", True, Verdict.OPEN_NO_DATA),
        ("7.1.0", "rs_members", "arbiter", False, Verdict.OPEN_NO_DATA),
        ("4.0.3", "rs_uninitiated", "", True, Verdict.OPEN_NO_DATA),
        ("4.0.3", "rs_uninitiated_auth", "from_127.0.0.1", True, Verdict.AUTH_REQUIRED),
        ("7.1.0", "rs_uninitiated_auth", "from_127.0.0.1", True, Verdict.AUTH_REQUIRED),
        ("2.6.0-rc1", "rs_members_auth", "arbiter_as_remote", False, Verdict.AUTH_REQUIRED),
    ],
)
async def test_members_without_data(
    version: str, scenario: str, node: str, local: bool, verdict: Verdict
) -> None:
    asked, _ = await replayed(version, scenario, node, local=local)
    assert asked.record.verdict is verdict
    assert asked.record.server is not None
    assert asked.record.server.topology in ("arbiter", "uninitiated")


@trap("2.6 answers nothing at all to OP_MSG, not even a close")
async def test_silence_to_op_msg_costs_no_waiting() -> None:
    """Nothing is waited for that an old server never sends: no deadline passes, no connection is lost."""
    asked, replay = await replayed("2.6.0-rc1", "open_data")
    assert [attempt.ending for attempt in facts(asked).attempts] == [None]
    assert {message.opcode for message in replay.seen} == {2004, 2013}
    after_the_first_write = replay.seen[3:]
    assert after_the_first_write
    assert {message.opcode for message in after_the_first_write} == {2004}


@trap("a full server (`maxConns`) closes without a byte, as one that requires TLS does")
@pytest.mark.parametrize("version", ["4.0.3", "7.1.0"])
async def test_a_full_server_is_not_one_that_requires_tls(version: str) -> None:
    full, _ = await replayed(version, "max_conns", "sixth")
    requires = await asked_of(recorded_mode(version, "requireSSL/nocafile"))
    first = [facts(asked).attempts[0] for asked in (full, requires)]
    assert all(a.layer is Layer.PLAIN and not a.bytes_received for a in first)
    assert all(a.ending in (Ending.CLOSED, Ending.RESET) for a in first)
    assert (full.record.verdict, full.record.evidence[0].code) == (Verdict.UNKNOWN, "closed-without-reply")
    assert full.record.target.tls is None or not full.record.target.tls.version
    assert requires.record.verdict is Verdict.OPEN
    assert [e.code for e in requires.record.evidence] == ["databases-listed", "tls-only"]


@trap("a missing client certificate shows as a finished handshake and a bare end of stream, in every version"
      " of TLS")  # fmt: skip
@pytest.mark.parametrize("version", ["4.0.3", "7.1.0"])
@pytest.mark.parametrize("highest", ["tls1.2", "tls1.3"])
async def test_a_missing_client_certificate_is_no_alert(version: str, highest: str) -> None:
    asked = await ask_in_memory(MemoryTls(version, "requireSSL/ca_required", highest))
    last = facts(asked).attempts[-1]
    assert last.tls is not None
    assert last.tls.established
    assert last.tls.certificate_requested
    assert last.bytes_received == 0
    assert asked.record.verdict is Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED
    optional = await ask_in_memory(MemoryTls(version, "requireSSL/ca_optional", highest))
    assert facts(optional).attempts[-1].tls is not None
    assert optional.record.target.tls is not None
    assert optional.record.target.tls.certificate_requested
    assert optional.record.verdict is Verdict.OPEN


@trap("`Command … requires authentication` is MongoDB's own wording: no sign of a look-alike")
@pytest.mark.parametrize("version", VERSIONS)
async def test_words_of_a_refusal_are_no_look_alike(version: str) -> None:
    asked, _ = await replayed(version, "auth_user")
    assert asked.record.verdict is Verdict.AUTH_REQUIRED
    assert asked.record.server is not None
    assert (asked.record.server.product, asked.record.server.product_evidence) == ("mongodb", [])
    if version == "7.1.0":
        assert "Command listDatabases requires authentication" in asked.record.evidence[0].detail


@trap("on 2.6 a question about a missing database makes it appear in the list")
@pytest.mark.parametrize("version", VERSIONS)
async def test_only_listed_databases_are_asked(version: str) -> None:
    asked, replay = await replayed(version, "open_data")
    assert asked.record.exposure is not None
    listed = {database.name for database in asked.record.exposure.databases}
    namespaces = {message.namespace.partition(".")[0] for message in replay.seen}
    assert len(namespaces) > 3
    assert namespaces <= listed | {"admin"}


@trap("a newest-`_id` question on a view examines every document")
@pytest.mark.parametrize("version", ["4.0.3", "7.1.0"])
async def test_a_view_is_listed_and_never_asked(version: str) -> None:
    asked, replay = await replayed(version, "open_data")
    assert asked.record.exposure is not None
    views = [
        (database.name, collection.name)
        for database in asked.record.exposure.databases
        for collection in database.collections
        if collection.type == "view"
    ]
    assert ("lecteurs", "v_readers") in views
    assert not [message for message in replay.seen if "v_readers" in str(message.documents)]


@trap("from loopback, the localhost exception of 2.6 shows everything")
async def test_an_old_server_seen_from_loopback_may_be_the_exception() -> None:
    local, _ = await replayed("2.6.0-rc1", "auth_no_user", "from_127.0.0.1")
    remote, _ = await replayed("2.6.0-rc1", "auth_no_user", "as_remote", local=False)
    assert local.record.verdict is Verdict.OPEN
    assert "localhost-exception-possible" in [e.code for e in local.record.evidence]
    assert remote.record.verdict is Verdict.AUTH_REQUIRED


@trap("buildInfo wants a login from 8.1 on, and on open servers it may be refused as well")
async def test_buildinfo_decides_nothing() -> None:
    def locked_build(request: ClientMessage, document: Document) -> Document:
        if request.command == "buildInfo":
            text = "Command buildInfo requires authentication"
            return {"ok": 0.0, "errmsg": text, "code": 13, "codeName": "Unauthorized"}
        return document

    record = (await asked_of(_changed(locked_build))).record
    assert record.verdict is Verdict.OPEN
    assert record.server is not None
    assert record.server.version_source == "maxWireVersion"


@trap("a question on the wrong database is answered with code 13, on open servers too")
async def test_the_verdict_is_asked_of_admin_alone() -> None:
    for version in VERSIONS:
        _, replay = await replayed(version, "open_data")
        lists = [message for message in replay.seen if message.command == "listDatabases"]
        assert lists
        assert {message.namespace for message in lists} == {"admin.$cmd"}


@trap("with preferTLS and allowTLS a plain client is served though TLS clients must show a certificate")
@pytest.mark.parametrize("mode", ["preferSSL/ca_required", "allowSSL/ca_required"])
async def test_plain_comes_first(mode: str) -> None:
    for version in ("4.0.3", "7.1.0"):
        record = (await asked_of(recorded_mode(version, mode))).record
        assert (record.verdict, record.timing.connections, record.target.tls) == (Verdict.OPEN, 1, None)


@trap("silence is no refusal and no sign of anything")
async def test_silence_is_unknown() -> None:
    async def mute(channel: Any) -> None:
        while await channel.recv():
            pass

    mute_server = Personality(name="mute", description="", verdict=Verdict.UNKNOWN, talk=mute)
    record = (await asked_of(mute_server, timeouts=HASTY)).record
    assert (record.verdict, record.evidence[0].code) == (Verdict.UNKNOWN, "silent")
