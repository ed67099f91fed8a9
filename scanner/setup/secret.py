"""Secrets and certificates, checked before anything is sent: from the environment, or from files that nobody
else may read. No message holds a secret."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from results.certificates import unfit_certificates, unfit_own_certificate
from results.webhook_signature import key_of
from scanner.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_SECRET = 4096  # bytes
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def secret(environment: Mapping[str, str], variable: str, file: str) -> str:
    """A secret from its variable, or else the first line of its file, which only its owner reads; "" for
    none.

    Raises RefusedError; no message holds the secret.
    """
    if value := environment.get(variable):
        return _printable(value, variable)
    if not file:
        return ""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise RefusedError(f"{file} cannot be read: {error.strerror}; or set {variable}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise RefusedError(f"{file} is no plain file; write the secret into one, or set {variable}")
        if status.st_mode & 0o077:
            raise RefusedError(f"{file} can be read by others; run: chmod 600 {file}")
        text = os.read(descriptor, _MOST_SECRET)
    finally:
        os.close(descriptor)
    line = text.decode("utf-8", "replace").partition("\n")[0].strip("\r")
    if len(text) == _MOST_SECRET and b"\n" not in text:
        raise RefusedError(f"the first line of {file} is too long for a secret; write the secret alone there")
    if not line:
        raise RefusedError(f"{file} is empty; its first line is the secret")
    return _printable(line, file)


def _printable(value: str, where: str) -> str:
    """What is sent in a header must not end it."""
    if _CONTROLS.search(value):
        raise RefusedError(
            f"the secret in {where} holds a line end or another control character; write it anew"
        )
    return value


def require_signing_key(key: str, name: str) -> None:
    """Refuse a key of Standard Webhooks whose base64 is none."""
    try:
        key_of(key)
    except ValueError:
        raise RefusedError(
            f"{name} begins with whsec_ and is no base64 from there; copy it once more, as a whole"
        ) from None


def require_certificates(file: str, name: str) -> None:
    """Refuse a file of certificates to trust that cannot be used."""
    if file and (reason := unfit_certificates(file)):
        raise RefusedError(f"{name} = {file!r} cannot be used: {reason}; name a file of PEM certificates")


def require_own_certificate(certificate: str, key: str, name: str) -> None:
    """Refuse a certificate of ours where it, or its private key, cannot be used."""
    if certificate and (reason := unfit_own_certificate(certificate, key)):
        remedy = "name a PEM file with it, and one with its private key, without a password"
        raise RefusedError(f"{name} = {certificate!r} cannot be used: {reason}; {remedy}")
