"""What TLS servers show of themselves, through real handshakes: nothing is verified, everything is told."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from results.verdict import Verdict
from scanner.engine.certificate import read_certificate
from scanner.lab.estate import find
from scanner.lab.hostile.base import base_profile
from scanner.lab.hostile.weak import PEM
from scanner.lab.mongod import Mongod
from scanner.lab.personality import Personality
from scanner.lab.security import CertificateSpec, ClientCertificate, Security
from scanner.lab.server import LabServer
from tests.accuracy.asking import ask

if TYPE_CHECKING:
    from results.record import Observation, Tls

TLS_1_0, TLS_1_1, TLS_1_2 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2


async def seen(server: Personality | Security) -> Observation:
    """The record of one TLS server."""
    if isinstance(server, Security):
        talk = Mongod(base_profile()).talk
        server = Personality(name="tls", description="", verdict=Verdict.OPEN, talk=talk, security=server)
    async with LabServer(server, "127.97.1.1", 0) as running:
        record = (await ask((running.host, running.port))).record
    assert running.record.failures == []
    return record


def session(record: Observation) -> Tls:
    """The TLS part; it is there."""
    assert record.target.tls is not None
    return record.target.tls


async def test_subject_names_issuer_and_validity() -> None:
    names = ("db-01.example.com", "*.db.example.com", "192.0.2.7")
    record = await seen(Security(certificate=CertificateSpec(common_name="db-01.example.com", names=names)))
    certificate = session(record).certificate
    assert certificate is not None
    assert certificate.subject == certificate.issuer == "CN=db-01.example.com,O=Example"
    assert certificate.names == list(names)
    assert certificate.self_signed
    assert not certificate.expired
    assert (certificate.key_type, certificate.key_bits, certificate.signature_hash) == ("ec", 256, "sha256")
    assert certificate.not_after is not None
    assert timedelta(days=364) < certificate.not_after - datetime.now(UTC) < timedelta(days=366)
    assert len(certificate.sha256) == 64
    assert record.target.hostnames == list(names)  # they help to name the owner
    assert (session(record).version, session(record).cipher_bits) == ("TLSv1.3", 256)
    assert session(record).cipher
    assert record.verdict is Verdict.OPEN


async def test_expired_and_short() -> None:
    certificate = session(await seen(find("tls_expired"))).certificate
    assert certificate is not None
    assert certificate.expired
    assert (certificate.key_type, certificate.key_bits) == ("rsa", 1024)


async def test_rsa_of_512_bits_and_sha_1() -> None:
    """Too short a key for TLS 1.3, which is offered first."""
    record = await seen(find("tls_weak"))
    certificate = session(record).certificate
    assert record.verdict is Verdict.OPEN
    assert certificate is not None
    assert (certificate.key_bits, certificate.signature_hash) == (512, "sha1")
    assert (session(record).version, session(record).legacy) == ("TLSv1.2", True)


@pytest.mark.parametrize(
    ("lowest", "highest", "version", "legacy"),
    [
        (TLS_1_0, TLS_1_0, "TLSv1", True),
        (TLS_1_0, TLS_1_1, "TLSv1.1", True),
        (TLS_1_0, TLS_1_2, "TLSv1.2", False),
        (TLS_1_2, TLS_1_2, "TLSv1.2", False),
    ],
)
async def test_old_versions_are_found_and_told(
    lowest: ssl.TLSVersion, highest: ssl.TLSVersion, version: str, legacy: bool
) -> None:
    record = await seen(Security(minimum=lowest, maximum=highest))
    assert record.verdict is Verdict.OPEN
    assert (session(record).version, session(record).legacy) == (version, legacy)
    assert record.timing.connections == (3 if legacy else 2)


@pytest.mark.parametrize("highest", [TLS_1_1, TLS_1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_certificate_that_is_wanted_is_told_in_every_version(highest: ssl.TLSVersion) -> None:
    wanted = Security(client_certificate=ClientCertificate.REQUIRED, minimum=TLS_1_0, maximum=highest)
    record = await seen(wanted)
    assert record.verdict is Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED
    assert session(record).certificate_requested
    assert session(record).certificate is not None


async def test_names_made_for_terminals_stay_what_they_are() -> None:
    """They are kept; whoever shows them escapes them."""
    certificate = session(await seen(find("tls_odd_names"))).certificate
    assert certificate is not None
    assert certificate.subject == "CN=\u202eevil\x1b[31m\\<script\\>,O==1\\+1"  # escaped by RFC 4514 alone
    assert certificate.names == ["*.example.com", "127.0.0.1"]


async def test_thousands_of_names_are_cut_and_too_many_end_the_handshake() -> None:
    many = await seen(find("tls_many_names"))
    assert many.verdict is Verdict.OPEN
    certificate = session(many).certificate
    assert certificate is not None
    assert len(certificate.names) == 64
    too_many = await seen(find("tls_20000_names"))
    assert too_many.verdict is Verdict.UNKNOWN
    assert session(too_many).error == "EXCESSIVE_MESSAGE_SIZE"
    assert "EXCESSIVE_MESSAGE_SIZE" in too_many.evidence[0].detail


async def test_a_long_certificate_is_read_and_hashed_whole() -> None:
    """Longer than 64 KiB, shorter than what the TLS library refuses."""
    names = tuple(f"db-{number:04}.shard.example.com" for number in range(2800))
    security = Security(certificate=CertificateSpec(common_name="db.example.com", names=names))
    server = Personality(
        name="tls", description="", verdict=Verdict.OPEN, talk=Mongod(base_profile()).talk, security=security
    )
    async with LabServer(server, "127.97.1.1", 0) as running:
        certificate = session((await ask((running.host, running.port))).record).certificate
        pem = await asyncio.to_thread(ssl.get_server_certificate, (running.host, running.port))
    der = ssl.PEM_cert_to_DER_cert(pem)
    assert 64 * 1024 < len(der) < 100 * 1024
    assert certificate is not None
    assert certificate.sha256 == hashlib.sha256(der).hexdigest()
    assert certificate.subject == "CN=db.example.com,O=Example"
    assert certificate.names == list(names[: len(certificate.names)])


async def test_plain_conversations_have_no_session() -> None:
    assert (await seen(find("tls_prefer"))).target.tls is None


@pytest.mark.parametrize("der", [b"", b"\x30", b"\x30\x82\xff\xff" + bytes(100), b"no certificate at all"])
def test_what_is_no_certificate_keeps_its_hash(der: bytes) -> None:
    found = read_certificate(der, datetime.now(UTC))
    if not der:
        assert found is None
        return
    assert found is not None
    assert len(found.sha256) == 64
    assert found.subject == ""


def test_a_broken_certificate_never_raises() -> None:
    whole = ssl.PEM_cert_to_DER_cert(PEM[PEM.index("-----BEGIN CERTIFICATE") :])
    for at in range(0, len(whole), 3):
        for change in (1, 0x80):
            damaged = whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1 :]
            assert read_certificate(damaged, datetime.now(UTC)) is not None
        assert read_certificate(whole[:at], datetime.now(UTC)) is not None or at == 0
