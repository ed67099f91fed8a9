"""Drives a dialogue against a peer without a network: any chunking, any cut, TLS as the recordings saw it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from scanner.contact import Ending, TlsSession
from scanner.mongo.facts import Layer, Next
from tests.support.recordings import load
from tests.support.replay import Answer, Replay

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.mongo.dialogue import Dialogue

MAX_ROUNDS = 5000


class Peer(Protocol):
    """A server without a socket."""

    def connect(self) -> Answer:
        """A new connection stands."""

    def answer(self, request: bytes) -> Answer:
        """Bytes came."""


@dataclass
class TlsPeer:
    """What stands behind TLS: the session as the client sees it, and the peer inside, if it gets that far."""

    session: TlsSession
    peer: Peer | None = None


class Refusing:
    """A TLS side that ends the handshake with a bare close."""

    session = TlsSession(established=False, alert="UNEXPECTED_EOF_WHILE_READING")
    peer: Peer | None = None


def converse(
    dialogue: Dialogue,
    plain: Peer,
    tls: TlsPeer | None = None,
    *,
    legacy_tls: TlsPeer | None = None,
    chunk: int = 0,
    cut: int | None = None,
) -> None:
    """Run the dialogue to its end. `chunk`: bytes a piece (0: whole). `cut`: each connection closes there."""
    wanted = Next.OPEN_PLAIN
    for _ in range(20):
        if wanted is Next.OPEN_PLAIN:
            _run(dialogue, plain, partial(dialogue.connected, Layer.PLAIN), chunk, cut)
        else:
            side = (legacy_tls if wanted is Next.OPEN_TLS_LEGACY else tls) or Refusing()
            if side.peer is None:
                dialogue.ended(Ending.TLS_FAILED, side.session)
            else:
                _run(dialogue, side.peer, partial(dialogue.connected, Layer.TLS, side.session), chunk, cut)
        wanted = dialogue.next
        if wanted is Next.DONE:
            return
        assert wanted is not Next.WAIT
    raise AssertionError("the dialogue opens connections without end")


def _run(dialogue: Dialogue, peer: Peer, begin: Callable[[], bytes], chunk: int, cut: int | None) -> None:
    first = peer.connect()
    out = begin()
    if first.closed:
        dialogue.ended(Ending.CLOSED)
        return
    room = cut
    for _ in range(MAX_ROUNDS):
        answer = peer.answer(out) if out else Answer(b"", closed=False)
        reply, closed = answer
        if room is not None:
            reply, closed = reply[:room], closed or len(reply) >= room
            room -= len(reply)
        out = _feed(dialogue, reply, chunk)
        if dialogue.next is not Next.WAIT:
            return
        if closed or not out:
            dialogue.ended(Ending.CLOSED if closed else Ending.TIMEOUT)
            return
    raise AssertionError("the dialogue asks without end")


def _feed(dialogue: Dialogue, data: bytes, chunk: int) -> bytes:
    size = chunk or len(data) or 1
    return b"".join(dialogue.received(data[i : i + size]) for i in range(0, len(data), size))


def recorded_tls(version: str, node: str, *, legacy: bool = False) -> TlsPeer:
    """The TLS side of a `tls` recording at `node` (mode/setting), for a client without a certificate."""
    versions = ("tls1.1", "tls1.0") if legacy else ("tls1.3", "tls1.2")
    rows = [step for step in load(version, "tls") if step.node.startswith(f"{node}/tls")]
    best: TlsPeer | None = None
    for tls in versions:
        step = next((s for s in rows if s.node == f"{node}/{tls}/without_cert" and s.family == "query"), None)
        if step is None:
            continue
        done = step.tls.get("handshake") == "ok"
        session = TlsSession(
            established=done,
            version=str(step.tls.get("version", "")),
            cipher=str(step.tls.get("cipher", "")),
            certificate_requested=bool(step.tls.get("certificate_requested")),
            legacy=legacy,
            alert="" if done else str(step.tls.get("handshake", "")),
        )
        if done:
            return TlsPeer(session, Replay(version, "tls", step.node))
        best = best or TlsPeer(session)
    return best or TlsPeer(Refusing.session)
