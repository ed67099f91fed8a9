"""Every recorded server, asked by the dialogue: verdict, version and role; whole, byte by byte, and cut."""

from __future__ import annotations

from functools import cache

import pytest

from results.verdict import Verdict
from scanner.mongo.commands import client_metadata
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Limits
from scanner.mongo.judge import Judgement, judge
from tests.mongo.recorded_verdicts import EXPECTED, OPEN, TLS_EXPECTED, UNKNOWN
from tests.support.converse import converse, recorded_tls
from tests.support.recordings import nodes, scenarios
from tests.support.replay import Replay
from tests.support.thinned import SOME_OR_REST, part

CLIENT = client_metadata("Example", "soc@example.com", "0.1")

EXPECTED |= {
    (v, "max_conns", "sixth"): (UNKNOWN, "closed-without-reply", "") for v in ("2.6.0-rc1", "4.0.3", "7.1.0")
}
ELSEWHERE = ("tls", "history")  # have tests of their own
NOT_SERVERS = ("create_user", "after_user_new_connection", "after_one_left")  # steps without a handshake
CASES = sorted(EXPECTED)
NAMES = ["-".join(case) for case in CASES]


def make(*, loopback: bool = False) -> Dialogue:
    return Dialogue(client=CLIENT, depth=Depth.VERDICT, limits=Limits(), loopback=loopback)


@cache
def peer(version: str, scenario: str, node: str) -> Replay:
    """Made once: a replay has no memory of earlier connections."""
    return Replay(version, scenario, node)


def ask(case: tuple[str, str, str], *, chunk: int = 0, cut: int | None = None) -> tuple[Dialogue, Judgement]:
    _, _, node = case
    dialogue = make(loopback="from_127" in node or node == "arbiter")
    converse(dialogue, peer(*case), chunk=chunk, cut=cut)
    return dialogue, judge(dialogue.facts)


def role(dialogue: Dialogue) -> str:
    document = (dialogue.facts.hello.document if dialogue.facts.hello else None) or {}
    if not document:
        return ""
    if document.get("msg") == "isdbgrid":
        return "mongos"
    if document.get("isreplicaset"):
        return "uninitiated"
    if "setName" not in document:
        return "standalone"
    for name, key in (("primary", "ismaster"), ("secondary", "secondary"), ("arbiter", "arbiterOnly")):
        if document.get(key):
            return name
    return "other"


def test_every_recording_has_an_expectation() -> None:
    recorded = {
        (version, scenario, node)
        for version, scenario in scenarios()
        if scenario not in ELSEWHERE
        for node in nodes(version, scenario)
        if not node.startswith(NOT_SERVERS)
    }
    assert recorded == set(EXPECTED)
    modes = {"/".join(node.split("/")[:2]) for v in ("4.0.3", "7.1.0") for node in nodes(v, "tls")}
    assert modes == set(TLS_EXPECTED)
    assert len(scenarios()) == 33


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_verdict_version_and_role(case: tuple[str, str, str]) -> None:
    verdict, rule, expected_role = EXPECTED[case]
    dialogue, judgement = ask(case)
    assert (judgement.verdict, judgement.evidence[0].code, role(dialogue)) == (verdict, rule, expected_role)
    if verdict is not UNKNOWN:
        assert dialogue.facts.build_info is not None
        build = dialogue.facts.build_info.document or {}
        assert build["version"].startswith(case[0])
        assert len(dialogue.facts.attempts) == 1
        assert dialogue.messages_sent <= 5


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_one_byte_at_a_time_is_the_same(case: tuple[str, str, str]) -> None:
    whole, judgement = ask(case)
    bytewise, again = ask(case, chunk=1)
    assert again == judgement
    for slot in ("hello", "build_info", "list_databases", "confirm_list", "confirm_privilege"):
        assert getattr(bytewise.facts, slot) == getattr(whole.facts, slot)


# One server for each version and deciding rule is cut at every single offset, the others at every fourth.
EVERY_OFFSET = {(case[0], EXPECTED[case][1]): case for case in reversed(CASES)}


@pytest.mark.parametrize("some", SOME_OR_REST)
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_cut_at_every_offset_is_never_a_wrong_open(case: tuple[str, str, str], some: bool) -> None:
    """Each connection closes after so many bytes. What the whole replies prove may come out, or unknown."""
    dialogue, judgement = ask(case)
    end = dialogue.bytes_received
    step = 1 if case in EVERY_OFFSET.values() else 4
    cuts = sorted({*range(0, end, step), *range(60), *range(max(0, end - 100), end + 1)})
    for cut in part(cuts, 11, some=some, edge=20):
        _, cut_short = ask(case, cut=cut)
        assert cut_short.verdict in (judgement.verdict, UNKNOWN), cut


@pytest.mark.parametrize("version", ["4.0.3", "7.1.0"])
@pytest.mark.parametrize("mode", sorted(TLS_EXPECTED))
def test_tls(version: str, mode: str) -> None:
    verdict, connections = TLS_EXPECTED[mode]
    results = []
    for chunk in (0, 1):
        dialogue = make()
        converse(
            dialogue,
            Replay(version, "tls", f"{mode}/plain"),
            recorded_tls(version, mode),
            legacy_tls=recorded_tls(version, mode, legacy=True),
            chunk=chunk,
        )
        results.append(judge(dialogue.facts))
        assert len(dialogue.facts.attempts) == connections
    assert results[0] == results[1]
    assert results[0].verdict is verdict
    said_tls = any(evidence.code == "tls-only" for evidence in results[0].evidence)
    assert said_tls == (connections == 2 and verdict is not Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED)


@pytest.mark.parametrize("version", ["4.0.3", "7.1.0"])
def test_tls_with_optional_certificates_is_not_taken_for_required_ones(version: str) -> None:
    side = recorded_tls(version, "requireSSL/ca_optional")
    assert side.session.certificate_requested
    dialogue = make()
    converse(dialogue, Replay(version, "tls", "requireSSL/ca_optional/plain"), side)
    assert judge(dialogue.facts).verdict is OPEN
