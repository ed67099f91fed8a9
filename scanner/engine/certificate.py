"""What a server's certificate says of itself, from its DER bytes. Nothing is verified, nothing may fail."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from results.record import Certificate

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

MAX_NAMES = 64  # a certificate with a million names is somebody's joke
MAX_TEXT = 256


def read_certificate(der: bytes, now: datetime) -> Certificate | None:
    """Subject, issuer, names, validity, key and hash of a certificate; only its SHA-256 when it is broken.

    `now` is an aware UTC time for `expired`. None for no bytes at all.
    """
    if not der:
        return None
    fingerprint = hashlib.sha256(der).hexdigest()
    from cryptography import x509 as library

    try:
        parsed = library.load_der_x509_certificate(der)
        subject, issuer = parsed.subject.rfc4514_string(), parsed.issuer.rfc4514_string()
        key_type, key_bits = _key(parsed)
        hash_algorithm = parsed.signature_hash_algorithm
        return Certificate(
            subject=subject[:MAX_TEXT],
            issuer=issuer[:MAX_TEXT],
            names=_names(parsed),
            not_before=parsed.not_valid_before_utc,
            not_after=parsed.not_valid_after_utc,
            expired=parsed.not_valid_after_utc < now,
            self_signed=parsed.subject == parsed.issuer,
            key_type=key_type,
            key_bits=key_bits,
            signature_hash=hash_algorithm.name if hash_algorithm is not None else "",
            sha256=fingerprint,
        )
    except Exception:  # noqa: BLE001 - a hostile certificate may raise anything; its hash is still a fact
        return Certificate(sha256=fingerprint)


def _names(parsed: x509.Certificate) -> list[str]:
    from cryptography import x509 as library

    try:
        extension = parsed.extensions.get_extension_for_class(library.SubjectAlternativeName)
    except (library.ExtensionNotFound, ValueError):
        return []
    found = []
    for name in list(extension.value)[:MAX_NAMES]:
        value = getattr(name, "value", "")
        found.append(str(value)[:MAX_TEXT])
    return found


def _key(parsed: x509.Certificate) -> tuple[str, int | None]:
    key = parsed.public_key()
    size = getattr(key, "key_size", None)
    kind = type(key).__name__.lower().removeprefix("_").removesuffix("publickey")
    return kind, size if isinstance(size, int) else None
