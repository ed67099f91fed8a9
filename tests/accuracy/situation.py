"""A server set up in one way, with the row of the page that it proves: the makers of such rows."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from results.verdict import Verdict
from scanner.lab import estate
from scanner.lab.personality import Group, Personality
from tests.accuracy.playing import recorded, recorded_mode
from tests.accuracy.proofs import Proof
from tests.support.replay import Replay

LIST = "listDatabases: ok 1 and a list"
REFUSED = "listDatabases: code 13, and nothing from behind the gate"


@dataclass(frozen=True)
class Situation:
    """A row of the page, and the server that stands for it. Role and version: what the record must say.

    `local` False: the question comes from another host, as far as our own code can tell.
    """

    proof: Proof
    server: Personality
    topology: str = ""
    version: str = ""
    console: bool = False
    local: bool = True


def recorded_server(
    state: str, verdict: Verdict, rule: str, wire: str, case: str, topology: str = "", *, local: bool = True
) -> Situation:
    """A recorded server; `case` is version/scenario/node."""
    version, scenario, *node = case.split("/", 2)
    server = recorded(Replay(version, scenario, node[0] if node else ""))
    proof = Proof(state, verdict, rule, wire, f"recording of {version}")
    return Situation(proof, server, topology, version if topology else "", local=local)


def tls_server(state: str, verdict: Verdict, rule: str, wire: str, version: str, mode: str) -> Situation:
    """One mode of a `tls` recording."""
    known = version if verdict is not Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED else ""
    proof = Proof(state, verdict, rule, wire, f"recording of {version}")
    return Situation(proof, recorded_mode(version, mode), "standalone" if known else "", known)


def lab_server(
    state: str, verdict: Verdict, rule: str, wire: str, name: str, topology: str = ""
) -> Situation:
    """A server of the lab, by its name."""
    server = _estate()[name]
    proof = Proof(state, verdict, rule, wire, "simulated server")
    return Situation(proof, server, topology, server.truth.version)


@functools.cache
def _estate() -> dict[str, Personality]:
    return {each.name: each for each in estate.catalogue(Group)}


def made_server(state: str, verdict: Verdict, rule: str, wire: str, talk: Any, **more: Any) -> Situation:
    """A server with this talk, and TLS where `security` is given; `more` goes into the situation."""
    security = more.pop("security", None)
    server = Personality(name=state, description=state, verdict=verdict, talk=talk, security=security)
    return Situation(Proof(state, verdict, rule, wire, "simulated server"), server, **more)
