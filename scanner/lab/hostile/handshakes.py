"""TLS that misbehaves: garbage, stalls, odd certificates, other protocols inside."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.lab.channel import TlsChannel
from scanner.lab.hostile.base import LIST, NEVER_OPEN, base_profile, hostile, striking
from scanner.lab.hostile.streams import dripping_list
from scanner.lab.hostile.weak import PEM
from scanner.lab.mongod import Mongod
from scanner.lab.others import banner, silent
from scanner.lab.security import CertificateSpec, Security

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scanner.lab.channel import ServerConnection
    from scanner.lab.personality import Personality

_ALERT = b"\x15\x03\x03\x00\x02\x02\x28"  # fatal, handshake_failure
_RECORD = b"\x16\x03\x03"


def personalities() -> list[Personality]:
    """All cases of this file. In the clear each of them closes without a byte, as requireTLS does."""
    return [*_broken(), *_certificates(), *_inside()]


def after_client_hello(answer: bytes, *, hold: bool = False) -> Callable[[ServerConnection], Awaitable[None]]:
    """Close on plain messages; to a ClientHello say `answer`, and keep the connection with `hold`."""

    async def talk(channel: ServerConnection) -> None:
        if not (await channel.peek(1)).startswith(b"\x16"):
            return
        await channel.recv()
        if answer:
            await channel.send(answer)
        if hold:
            await silent(channel)

    return talk


def _broken() -> list[Personality]:
    huge = _RECORD + (16_384).to_bytes(2, "big") + b"\x02\xff\xff\xff" + bytes(16_380)
    cases = {
        "tls_garbage": (
            "garbage instead of a ServerHello",
            after_client_hello(_RECORD + b"\x00\x40" + b"\xa5" * 64),
        ),
        "tls_alert": ("an alert instead of a ServerHello", after_client_hello(_ALERT)),
        "tls_stall": ("accepts the ClientHello and says nothing", after_client_hello(b"", hold=True)),
        "tls_half": (
            "half a ServerHello, then nothing",
            after_client_hello(_RECORD + b"\x00\x7a\x02", hold=True),
        ),
        "tls_huge_message": ("a handshake message of 16 MiB", after_client_hello(huge * 8, hold=True)),
        "tls_plain_answer": (
            "HTTP to a ClientHello",
            after_client_hello(b"HTTP/1.0 400 Bad Request\r\n\r\n"),
        ),
    }
    return [hostile(name, text, talk, also=NEVER_OPEN) for name, (text, talk) in cases.items()]


def _certificates() -> list[Personality]:
    too_many = tuple(f"host-{number:05d}.db.example.com" for number in range(20_000))
    many = too_many[:2_000]
    odd = CertificateSpec(
        common_name="\u202eevil\x1b[31m<script>", names=("*.example.com", "127.0.0.1"), organisation="=1+1"
    )
    return [
        hostile(
            "tls_many_names",
            "a certificate of 2,000 names",
            Mongod(base_profile()).talk,
            Verdict.OPEN,
            security=Security(certificate=CertificateSpec(names=many)),
        ),
        hostile(
            "tls_20000_names",
            "a certificate of 20,000 names, larger than a client takes",
            Mongod(base_profile()).talk,
            security=Security(certificate=CertificateSpec(names=too_many)),
        ),
        hostile(
            "tls_weak",
            "a certificate with an RSA key of 512 bits, signed with SHA-1",
            Mongod(base_profile()).talk,
            Verdict.OPEN,
            security=Security(certificate=CertificateSpec(pem=PEM)),
        ),
        hostile(
            "tls_tickets",
            "20,000 session tickets after the handshake",
            Mongod(base_profile()).talk,
            Verdict.OPEN,
            frozenset({Verdict.UNKNOWN}),
            security=Security(tickets=20_000),
        ),
        hostile(
            "tls_odd_names",
            "a certificate with names made for terminals",
            Mongod(base_profile()).talk,
            Verdict.OPEN,
            security=Security(certificate=odd),
        ),
        hostile(
            "tls_legacy",
            "TLS 1.1 at most",
            Mongod(base_profile()).talk,
            Verdict.OPEN,
            frozenset({Verdict.UNKNOWN}),
            security=Security(minimum=ssl.TLSVersion.TLSv1, maximum=ssl.TLSVersion.TLSv1_1),
        ),
    ]


async def _one_byte_records(channel: ServerConnection) -> None:
    """A list inside TLS, one byte a record, one record a second."""
    await striking(dripping_list(1.0), LIST)(channel)


async def _endless_inside(channel: ServerConnection) -> None:
    await channel.recv()
    while True:
        await channel.send(b"\x00" * 65_536)


async def _close_after_handshake(channel: ServerConnection) -> None:
    """A finished handshake and a bare FIN, without having asked for a certificate."""
    assert isinstance(channel, TlsChannel)
    await asyncio.sleep(0)


def _inside() -> list[Personality]:
    secure = Security()
    http = banner(b"", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    return [
        hostile("tls_http_inside", "HTTP inside TLS", http, Verdict.NOT_MONGODB, security=secure),
        hostile("tls_silent_inside", "silence inside TLS", silent, security=secure),
        hostile("tls_drip", "one byte a second inside TLS", _one_byte_records, security=secure),
        hostile(
            "tls_endless", "zeros without end inside TLS", _endless_inside, also=NEVER_OPEN, security=secure
        ),
        hostile("tls_close", "closes right after the handshake", _close_after_handshake, security=secure),
    ]
