"""Every recorded server on a real socket, asked by the real connector: whole, byte by byte, cut in TLS."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from results.verdict import Verdict
from scanner.lab.server import LabServer
from scanner.mongo.facts import Depth
from tests.accuracy.asking import ask_all, ask_in_memory
from tests.accuracy.playing import MemoryTls, recorded, recorded_mode
from tests.accuracy.recorded_truth import truth_of
from tests.mongo.recorded_verdicts import EXPECTED, TLS_EXPECTED
from tests.support.ports import free_port
from tests.support.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from results.record import Database, Observation
    from scanner.lab.personality import Personality

PLAIN = sorted(EXPECTED)
MODES = [(version, mode) for version in ("4.0.3", "7.1.0") for mode in sorted(TLS_EXPECTED)]
TOPOLOGY = {"other": "recovering"}
CONFIG_SERVERS = ("mongos_open", "mongos_auth")
INSIDE = "tls1.3/without_cert"
MAY_WANT_CERTIFICATE = {Verdict.UNKNOWN, Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED}


async def swept(
    servers: Mapping[tuple[str, ...], Personality], depth: Depth = Depth.COLLECTIONS
) -> dict[tuple[str, ...], Observation]:
    """All servers on addresses of their own, asked at once."""
    port = free_port()
    places = {(f"127.94.{n // 250}.{n % 250 + 1}", port): name for n, name in enumerate(servers)}
    async with contextlib.AsyncExitStack() as stack:
        for place, name in places.items():
            await stack.enter_async_context(LabServer(servers[name], *place))
        answers = await ask_all(places, depth=depth)
    return {name: answers[place].record for place, name in places.items()}


def is_the_recorded_one(seen: Observation, case: tuple[str, str, str]) -> None:
    """Verdict, rule, version and role of a recording without TLS."""
    version, scenario, node = case
    verdict, rule, role = EXPECTED[case]
    assert (seen.verdict, seen.evidence[0].code) == (verdict, rule), case
    if verdict is Verdict.UNKNOWN:
        return
    assert seen.server is not None
    assert seen.server.product == "mongodb"
    assert seen.server.product_evidence == [], case
    assert seen.server.version.startswith(version)
    assert seen.server.version_source == "buildInfo"
    if scenario in CONFIG_SERVERS and node == "config":
        role = "config_server"
    assert seen.server.topology == TOPOLOGY.get(role, role), case


def holds_the_recorded_data(seen: Observation, version: str, scenario: str, node: str) -> None:
    """Every name, size and count that the recording tells of is the one in the record."""
    truth = truth_of(version, scenario, node)
    assert seen.exposure is not None
    databases = {database.name: database for database in seen.exposure.databases}
    assert set(databases) in truth.listed
    for name, database in databases.items():
        sizes = truth.databases[name]
        untold = database.size_bytes is None and seen.exposure.truncated  # the recording has no such answer
        assert untold or database.size_bytes in sizes or not sizes, (name, database.size_bytes, sizes)
    for name, names in truth.collections.items():
        if name in databases and databases[name].collections_known:
            assert {found.name for found in databases[name].collections} in names, name
    counts = {(d.name, c.name): c.documents for d in databases.values() for c in d.collections}
    for where, count in truth.documents.items():
        assert counts.get(where) in (None, count), where
    for name, objects in truth.objects.items():
        assert name not in databases or databases[name].documents in (None, *objects), name


async def test_whole() -> None:
    """Verdict, version, role, names, sizes and counts of every recorded server and node."""
    seen = await swept({case: recorded(Replay(*case)) for case in PLAIN})
    for case in PLAIN:
        is_the_recorded_one(seen[case], case)
        if EXPECTED[case][0] is Verdict.OPEN:
            holds_the_recorded_data(seen[case], *case)
    data = [case for case in PLAIN if case[1] == "open_data"]
    assert len(data) == 3
    for case in data:
        truth = truth_of(*case)
        assert len(truth.databases) >= 6
        assert truth.documents["lecteurs", "readers"] == 2000
        assert truth.objects["lecteurs"]


async def test_byte_by_byte() -> None:
    """However the network cuts them, the same bytes prove the same."""
    whole = await swept({case: recorded(Replay(*case)) for case in PLAIN}, Depth.VERDICT)
    seen = await swept({case: recorded(Replay(*case), bytewise=True) for case in PLAIN}, Depth.VERDICT)
    for case in PLAIN:
        is_the_recorded_one(seen[case], case)
        assert seen[case].evidence == whole[case].evidence, case
        assert _databases(seen[case]) == _databases(whole[case]), case


def _databases(seen: Observation) -> list[Database]:
    return seen.exposure.databases if seen.exposure is not None else []


async def test_metadata_byte_by_byte() -> None:
    cases = [case for case in PLAIN if case[1] == "open_data" or case[2] == "router"]
    seen = await swept({case: recorded(Replay(*case), bytewise=True) for case in cases})
    for case in cases:
        is_the_recorded_one(seen[case], case)
        if EXPECTED[case][0] is Verdict.OPEN:
            holds_the_recorded_data(seen[case], *case)


@pytest.mark.parametrize(
    "bytewise",
    [
        pytest.param(False, id="whole"),
        pytest.param(True, id="byte_by_byte", marks=pytest.mark.exhaustive),
    ],
)
async def test_tls(bytewise: bool) -> None:
    """Real handshakes as the recordings had them, and what the record tells of the session."""
    depth = Depth.VERDICT if bytewise else Depth.COLLECTIONS
    seen = await swept({case: recorded_mode(*case, bytewise=bytewise) for case in MODES}, depth)
    for version, mode in MODES:
        record = seen[version, mode]
        verdict, connections = TLS_EXPECTED[mode]
        assert (record.verdict, record.timing.connections) == (verdict, connections), (version, mode)
        assert (record.target.tls is not None) == (connections == 2)
        if record.target.tls is not None:
            assert record.target.tls.version == "TLSv1.3"
            assert not record.target.tls.legacy
            assert record.target.tls.certificate_requested == ("ca_" in mode)
            assert record.target.tls.certificate is not None
            assert record.target.tls.certificate.names == ["mongo-a.example"]
            assert record.target.tls.certificate.key_bits == 2048
        if verdict is not Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED:
            assert record.server is not None
            assert record.server.version.startswith(version)
        if verdict is Verdict.OPEN and not bytewise:
            holds_the_recorded_data(
                record, version, "tls", f"{mode}/{'plain' if connections == 1 else INSIDE}"
            )


@pytest.mark.parametrize("highest", ["tls1.2", "tls1.3"])
@pytest.mark.parametrize(
    "mode", ["requireSSL/ca_required", "requireSSL/ca_optional", "requireSSL/nocafile_auth"]
)
async def test_tls_cut_anywhere_is_never_a_wrong_open(mode: str, highest: str) -> None:
    """Each connection ends after so many bytes of the server: in the handshake, in a record, between two.

    A handshake that asked for a certificate, and an end right after it, is what a server does that requires
    one; so this may be said of a connection that was cut there.
    """
    peer = MemoryTls("7.1.0", mode, highest)
    whole = await ask_in_memory(peer)
    assert whole.record.verdict is TLS_EXPECTED[mode][0]
    assert whole.record.target.tls is not None
    assert whole.record.target.tls.version == {"tls1.2": "TLSv1.2", "tls1.3": "TLSv1.3"}[highest]
    end = peer.longest
    assert end > 800
    allowed = {whole.record.verdict, Verdict.UNKNOWN}
    if "ca_" in mode:
        allowed |= MAY_WANT_CERTIFICATE
    for cut in sorted({*range(12), *range(0, end, 41), *range(end - 8, end + 1)}):
        seen = await ask_in_memory(MemoryTls("7.1.0", mode, highest, cut))
        assert seen.record.verdict in allowed, cut
