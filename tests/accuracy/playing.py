"""Recorded servers on real sockets: the recorded bytes, whole or one at a time, plain and inside TLS."""

from __future__ import annotations

import asyncio
import functools
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.contact import Ending
from scanner.lab.channel import ServerConnection, TlsChannel
from scanner.lab.personality import Personality
from scanner.lab.security import CertificateSpec, ClientCertificate, Security
from tests.support.recordings import load
from tests.support.replay import Replay
from tests.support.servers import play

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.recordings import Step

    Talk = Callable[[ServerConnection], Awaitable[None]]

_VERSIONS = {
    "tls1.0": ssl.TLSVersion.TLSv1,
    "tls1.1": ssl.TLSVersion.TLSv1_1,
    "tls1.2": ssl.TLSVersion.TLSv1_2,
    "tls1.3": ssl.TLSVersion.TLSv1_3,
}
_NAMES = {"TLSv1": "tls1.0", "TLSv1.1": "tls1.1", "TLSv1.2": "tls1.2", "TLSv1.3": "tls1.3"}
WHOLE = 0


class Bytewise(ServerConnection):
    """A channel whose every byte leaves alone; inside TLS these are the bytes of the records."""

    @classmethod
    def over(cls, channel: ServerConnection) -> Bytewise:
        """The same connection, with the bytes that were read ahead."""
        made = cls(channel.sock, channel.number)
        made.note = channel.note
        made._held = channel._held
        return made

    async def send(self, data: bytes) -> None:
        for byte in data:
            await super().send(bytes([byte]))
            await asyncio.sleep(0)  # the client's reader runs before the next byte leaves


def _named(name: str, talk: Talk) -> Personality:
    return Personality(name=name, description="a recording, played back", verdict=Verdict.UNKNOWN, talk=talk)


def recorded(replay: Replay, *, bytewise: bool = False) -> Personality:
    """A recorded server in the clear."""

    async def talk(channel: ServerConnection) -> None:
        await play(Bytewise.over(channel) if bytewise else channel, replay)

    return _named(f"{replay.version}/{replay.scenario}/{replay.node}", talk)


@dataclass
class RecordedTls:
    """The TLS side of one recorded mode: which versions it took, and what stood inside, by version.

    A version that the recording refused is refused here by the TLS library itself, alert and all; where the
    real server hung up without a byte, so does this one.
    """

    version: str
    mode: str

    def __post_init__(self) -> None:
        self._first: dict[str, Step] = {}
        for step in load(self.version, "tls"):
            for name in _VERSIONS:
                if step.node == f"{self.mode}/{name}/without_cert" and step.family == "query":
                    self._first.setdefault(name, step)
        self.taken = [name for name, step in self._first.items() if step.tls.get("handshake") == "ok"]
        self.hangs_up = [name for name, step in self._first.items() if not step.tls.get("bytes_in", 1)]
        asked = any(step.tls.get("certificate_requested") for step in self._first.values())
        self.context = Security(
            client_certificate=ClientCertificate.OPTIONAL if asked else ClientCertificate.IGNORED,
            certificate=CertificateSpec(
                common_name="mongo-a.example", names=("mongo-a.example",), rsa_bits=2048
            ),
            minimum=min(_VERSIONS[name] for name in self.taken),
            maximum=max(_VERSIONS[name] for name in self.taken),
        ).context()

    async def talk(self, channel: ServerConnection) -> None:
        """The handshake, then what the recording says of the version that was agreed."""
        hello = await channel.peek(11)
        if self._offers_only(hello, channel) in self.hangs_up:
            return
        secured = TlsChannel(channel, self.context)
        await secured.handshake()
        agreed = _NAMES[secured._tls.version() or ""]
        await play(secured, Replay(self.version, "tls", f"{self.mode}/{agreed}/without_cert"))

    @staticmethod
    def _offers_only(hello: bytes, channel: ServerConnection) -> str:
        """The highest version that a ClientHello without the extension `supported_versions` offers."""
        held = bytes(channel._held)
        if b"\x00\x2b\x00" in held[40:]:
            return "tls1.3"
        return {3: "tls1.2", 2: "tls1.1", 1: "tls1.0"}.get(hello[10] if len(hello) > 10 else 0, "")


def recorded_mode(version: str, mode: str, *, bytewise: bool = False) -> Personality:
    """A recorded server with TLS on its port: as in MongoDB, the first bytes decide which side answers."""
    plain = Replay(version, "tls", f"{mode}/plain")
    secure = RecordedTls(version, mode)

    async def talk(channel: ServerConnection) -> None:
        begin = await channel.peek(16)
        chosen = Bytewise.over(channel) if bytewise else channel
        if begin[8:12] in (bytes(4), b"\xff" * 4):
            await play(chosen, plain)
        elif len(begin) == 16:
            await secure.talk(chosen)

    return _named(f"{version}/tls/{mode}", talk)


class MemoryTls:
    """The TLS side of a recorded mode for the in-memory connector. Each connection ends after `cut` bytes."""

    def __init__(self, version: str, mode: str, highest: str, cut: int | None = None) -> None:
        self.cut = cut
        self.longest = 0
        self.plain = Replay(version, "tls", f"{mode}/plain")
        self.inside = Replay(version, "tls", f"{mode}/{highest}/without_cert")
        self.context = _tls_context(version, mode, highest)

    def another(self) -> MemoryConnection:
        """The server's side of one more connection."""
        return MemoryConnection(self)


@functools.cache
def _tls_context(version: str, mode: str, highest: str) -> ssl.SSLContext:
    asked = any(
        step.tls.get("certificate_requested")
        for step in load(version, "tls")
        if step.node == f"{mode}/{highest}/without_cert"
    )
    return Security(
        client_certificate=ClientCertificate.OPTIONAL if asked else ClientCertificate.IGNORED,
        maximum=_VERSIONS[highest],
    ).context()


class MemoryConnection:
    """One connection: plain or TLS by its first bytes, as MongoDB decides it."""

    def __init__(self, server: MemoryTls) -> None:
        self._server = server
        self._sent = 0
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = server.context.wrap_bio(self._in, self._out, server_side=True)
        self._handshaken = False
        self._secure: bool | None = None

    def opened(self) -> list[bytes | Ending]:
        """Nothing: MongoDB never speaks first."""
        return []

    def received(self, data: bytes) -> list[bytes | Ending]:
        """What leaves for `data`, up to the cut."""
        if self._secure is None:
            self._secure = data[8:12] not in (bytes(4), b"\xff" * 4)
        reply, closed = self._inside(data) if self._secure else self._server.plain.answer(data)
        room = len(reply) if self._server.cut is None else max(0, self._server.cut - self._sent)
        self._sent += len(reply)
        self._server.longest = max(self._server.longest, self._sent)
        events: list[bytes | Ending] = [reply[:room]] if reply[:room] else []
        return [*events, Ending.CLOSED] if closed or room < len(reply) else events

    def _inside(self, data: bytes) -> tuple[bytes, bool]:
        self._in.write(data)
        closed = False
        try:
            if not self._handshaken:
                self._tls.do_handshake()
                self._handshaken = True
            while plain := self._tls.read(65536):
                answer = self._server.inside.answer(plain)
                if answer.reply:
                    self._tls.write(answer.reply)
                closed = closed or answer.closed
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            closed = True
        return self._out.read(), closed
