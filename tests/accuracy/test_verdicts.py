"""Every verdict, asked over real sockets of a server set up so; from these rows docs/verdicts.md is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from results.codes import codes
from results.verdict import Verdict
from scanner.lab.server import LabServer
from scanner.mongo.console import PORT as CONSOLE_PORT
from scanner.mongo.judge import RULES
from tests.accuracy.asking import HASTY, PATIENT, ask
from tests.accuracy.proofs import PROOFS, proves
from tests.accuracy.states import states
from tests.accuracy.surroundings import surroundings
from tests.support.ports import free_address

if TYPE_CHECKING:
    from tests.accuracy.situation import Situation

SITUATIONS = [*states(), *surroundings()]
SILENT = ("silent", "http-console")


@proves([situation.proof for situation in SITUATIONS])
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: s.proof.state.replace(" ", "_"))
async def test_verdict(situation: Situation) -> None:
    proof = situation.proof
    timeouts = HASTY if proof.rule.startswith(SILENT) else PATIENT
    port = CONSOLE_PORT if situation.console else 0  # a console is known by its port
    async with LabServer(situation.server, free_address("127.96", port), port) as server:
        asked = await ask((server.host, server.port), timeouts=timeouts, local=situation.local)
    assert server.record.failures == []
    record = asked.record
    assert (record.verdict, record.evidence[0].code) == (proof.verdict, proof.rule), record.evidence
    assert record.evidence[0].code in codes()
    if situation.topology:
        assert record.server is not None
        assert record.server.topology == situation.topology
        assert record.server.version.startswith(situation.version)


def test_every_verdict_of_a_conversation_is_proven() -> None:
    """Rules that no whole server here brings about are proven document by document, on the same page."""
    assert {proof.verdict for proof in PROOFS} == {v for v in Verdict if not v.is_connection_outcome}
    assert {proof.rule for proof in PROOFS} <= {rule.name for rule in RULES}
    assert len({proof.state for proof in PROOFS}) == len(PROOFS)
