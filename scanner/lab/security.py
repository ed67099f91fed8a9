"""TLS for the lab: self-signed certificates made at start, and what a server demands of its clients."""

from __future__ import annotations

import datetime
import functools
import ipaddress
import os
import ssl
import tempfile
import warnings
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


class Demand(StrEnum):
    """What plain clients meet on the port (net.tls.mode of a mongod)."""

    ALLOW = "allow"  # plain and TLS are served alike; allowTLS and preferTLS look the same to clients
    REQUIRE = "require"  # a plain message is answered by a close without a byte


class ClientCertificate(StrEnum):
    """What TLS clients must show (CAFile and allowConnectionsWithoutCertificates of a mongod)."""

    IGNORED = "ignored"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, kw_only=True)
class CertificateSpec:
    """How to make the server's certificate. `valid_days` below zero: it has expired that long ago."""

    common_name: str = "db.example.com"
    names: tuple[str, ...] = ("db.example.com",)
    organisation: str = "Example"
    valid_days: int = 365
    rsa_bits: int = 0  # 0: an elliptic curve key
    pem: str = ""  # key and certificate as they are, instead of new ones; for what no library makes any more


@dataclass(frozen=True, kw_only=True)
class Security:
    """The TLS side of a personality."""

    demand: Demand = Demand.REQUIRE
    client_certificate: ClientCertificate = ClientCertificate.IGNORED
    certificate: CertificateSpec = CertificateSpec()
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED
    tickets: int = 2  # session tickets after a handshake of TLS 1.3

    def context(self) -> ssl.SSLContext:
        """A server context; certificates live in memory, and for a moment in a private folder."""
        return _context(self)


def make_certificate(wanted: CertificateSpec) -> tuple[bytes, bytes]:
    """Private key and self-signed certificate, both PEM."""
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if wanted.rsa_bits:
        key = rsa.generate_private_key(public_exponent=65537, key_size=wanted.rsa_bits)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, wanted.organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, wanted.common_name),
        ]
    )
    now = datetime.datetime.now(datetime.UTC)
    begin = now - datetime.timedelta(days=1) + datetime.timedelta(days=min(wanted.valid_days, 0) - 365)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(now + datetime.timedelta(days=wanted.valid_days))
        .add_extension(x509.SubjectAlternativeName([_name(each) for each in wanted.names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return (
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        certificate.public_bytes(pem),
    )


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


@functools.cache
def client_identity() -> tuple[bytes, bytes]:
    """Key and certificate (PEM) of the one client that servers with `REQUIRED` trust; also their CA."""
    return make_certificate(CertificateSpec(common_name="lab client", names=("client.example.com",)))


@functools.cache
def _context(wanted: Security) -> ssl.SSLContext:
    made = wanted.certificate.pem.encode() or b"".join(make_certificate(wanted.certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = wanted.tickets
    weak = wanted.certificate.rsa_bits or wanted.certificate.pem or wanted.minimum < ssl.TLSVersion.TLSv1_2
    if weak:
        context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        # Python warns of TLS 1.0 and 1.1; a server that offers nothing better is what is simulated here.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = wanted.minimum
        context.maximum_version = wanted.maximum
    with tempfile.TemporaryDirectory(prefix="mongosweep-lab-") as folder:
        path = Path(folder) / "server.pem"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(made)
        context.load_cert_chain(path)
    if wanted.client_certificate is not ClientCertificate.IGNORED:
        # The handshake itself always succeeds: a mongod looks at the certificate only afterwards.
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=client_identity()[1].decode())
    return context
