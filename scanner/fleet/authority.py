"""Who is who in a fleet: certificates of its own authority, each with a role, a site and a name.

A folder of certificates holds `ca.pem` (the authority, and no other), `own.pem` and `own.key`. All that is
refused of it is refused here, before a connection is tried. `issuing` makes such folders.
"""

from __future__ import annotations

import os
import re
import shlex
import ssl
import stat
from typing import TYPE_CHECKING, Literal, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from results.files import UnfitFileError, explain
from results.text import visible
from scanner.clock import timestamp
from scanner.errors import RefusedError
from scanner.setup.fleet_settings import WORD

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

Role = Literal["coordinator", "scheduler", "worker"]
ROLES: tuple[Role, ...] = ("coordinator", "scheduler", "worker")
CA_FILE = "ca.pem"
CA_KEY_FILE = "ca.key"
OWN_FILE = "own.pem"
KEY_FILE = "own.key"
SOON = 14 * 86400  # seconds before its end from which on a certificate is worth a notice
_MOST_BYTES = 64 << 10  # of a file of certificates
ANY = "*"  # at the end of a worker's name: every name that begins so
_URI = re.compile(rf"mongosweep:(?P<role>{'|'.join(ROLES)})/(?P<site>(?:{WORD})?)/(?P<name>{WORD}\*?)")


class Identity(NamedTuple):
    """Whom a certificate names. `site` is "" for all but workers; `not_after` in seconds since 1970 (UTC).

    The name of a worker may end in `*`: workers that an autoscaler starts share one certificate, and each
    calls itself something that begins so.
    """

    role: Role
    site: str
    name: str
    not_after: float

    def __str__(self) -> str:
        name = f" {self.name}" if self.name != self.role else ""
        return self.role + name + (f" of site {self.site}" if self.site else "")

    def covers(self, name: str) -> bool:
        """Whether whoever shows this certificate may call itself so."""
        if not self.name.endswith(ANY):
            return name == self.name
        return name.startswith(self.name[:-1]) and re.fullmatch(WORD, name) is not None


class Own(NamedTuple):
    """The files that this process shows itself with, read and found good."""

    ca: Path
    certificate: Path
    key: Path
    identity: Identity


def uri_of(role: Role, site: str, name: str) -> str:
    """The name of a certificate, as its subject alternative name has it."""
    return f"mongosweep:{role}/{site}/{name}"


def identity_of(peercert: dict[str, object]) -> Identity | None:
    """Whom the other end of a TLS connection is; None for a certificate that names nobody of a fleet.

    `peercert` is what `ssl.SSLSocket.getpeercert()` gives of a certificate that was verified against the
    fleet's own authority; this looks at names only.
    """
    names = peercert.get("subjectAltName")
    ends = peercert.get("notAfter")
    if not isinstance(names, tuple) or not isinstance(ends, str):
        return None
    try:
        uris = [value for kind, value in names if kind == "URI"]
        not_after = float(ssl.cert_time_to_seconds(ends))
    except ValueError:
        return None
    return _identity(uris, not_after)


def _identity(uris: Sequence[str], not_after: float) -> Identity | None:
    found = _URI.fullmatch(uris[0]) if len(uris) == 1 else None
    if found is None:
        return None
    role, site, name = found["role"], found["site"], found["name"]
    if (role == "worker") != bool(site) or (name.endswith(ANY) and role != "worker"):
        return None
    return Identity(next(each for each in ROLES if each == role), site, name, not_after)


def ends_soon(identity: Identity, now: float) -> str:
    """A notice for who looks at a certificate that ends within 14 days; "" before that."""
    left = identity.not_after - now
    if left > SOON:
        return ""
    day = timestamp(identity.not_after)[:10]
    when = f"ends on {day}" if left > 0 else f"ended on {day}"
    return (
        f"the certificate of {identity} {when}; renew it where the fleet's authority is "
        f"(`{_renewing(identity)}`) and copy {OWN_FILE}"
    )


def _renewing(identity: Identity) -> str:
    """What to type for it where the authority is."""
    name = f" --name {shlex.quote(identity.name)}" if identity.role == "worker" else ""
    return f"mongosweep fleet issue DIR {identity.role}{name}"


def read_own(folder: Path, role: Role, now: float, site: str = "") -> Own:
    """The certificate of this machine, when it is one of `role` (and of `site`, where one is named).

    `now`: seconds since 1970. Raises RefusedError, one line with place and remedy, for files that are
    missing, unfit or no PEM, for a certificate of another authority, role or site, one that is not valid now,
    and for a key that does not fit or that others can read.
    """
    ca_file, own_file, key_file = (folder / name for name in (CA_FILE, OWN_FILE, KEY_FILE))
    if (folder / CA_KEY_FILE).exists() and not own_file.exists():
        inner = folder / ("workers/NAME" if role == "worker" else role)
        raise RefusedError(f"{folder} is the folder of a fleet's authority; name the one in it: {inner}")
    ca = certificate_in(ca_file)
    own = certificate_in(own_file)
    key = public_key_in(key_file)
    require_authority(ca, ca_file, now)
    if not issued_by(own, ca):
        raise RefusedError(
            f"{own_file} was not issued by the authority in {ca_file}; copy both from the same fleet's folder"
        )
    identity = identity_in(own, own_file)
    _require_valid(own, own_file, now, f"renew it (`{_renewing(identity)}`) and copy it")
    if identity.role != role:
        raise RefusedError(
            f"{own_file} is a certificate for {identity}, and this needs one for a {role}; name the folder "
            f"with the {role}'s (--certificates DIR, or [fleet] certificates)"
        )
    if site and identity.site != site:
        raise RefusedError(
            f"{own_file} is the certificate of {identity}, and not of site {visible(site, 80)}; copy the "
            f"folder that was issued for that site, or write --site {identity.site}"
        )
    if not same_key(key, own.public_key()):
        raise RefusedError(
            f"{key_file} does not fit {own_file}; copy both from the same folder of `mongosweep fleet issue`"
        )
    return Own(ca_file, own_file, key_file, identity)


def called(own: Own, name: str) -> Own:
    """The same, for a worker that calls itself by this name; "" is the one in its certificate.

    Raises RefusedError for a name that the certificate does not cover, and for none where it covers many.
    """
    identity = own.identity
    if not name and identity.name.endswith(ANY):
        raise RefusedError(
            f"{own.certificate} is for all workers whose names begin with {identity.name[:-1]}; write --name "
            "with the name of this one"
        )
    if not identity.covers(name or identity.name):
        raise RefusedError(
            f"--name {visible(name, 80)}: {own.certificate} is the certificate of {identity}; leave it out, "
            "or use a certificate of that name"
        )
    return own._replace(identity=identity._replace(name=name or identity.name))


def identity_in(certificate: x509.Certificate, file: Path) -> Identity:
    """Whom a certificate names. Raises RefusedError where it names nobody of a fleet."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (x509.ExtensionNotFound, ValueError):
        uris = []
    identity = _identity(uris, certificate.not_valid_after_utc.timestamp())
    if identity is None:
        raise RefusedError(
            f"{file} names no role of a fleet; use a certificate of `mongosweep fleet init` or `fleet issue`"
        )
    return identity


def require_authority(ca: x509.Certificate, file: Path, now: float) -> None:
    """Refuse a certificate that is no authority's, or not valid now (seconds since 1970)."""
    try:
        is_one = ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        is_one = False
    if not is_one:
        raise RefusedError(f"{file} is no certificate authority; copy {CA_FILE} from the fleet's folder")
    _require_valid(ca, file, now, "make a new authority with `mongosweep fleet init` in another folder")


def _require_valid(certificate: x509.Certificate, file: Path, now: float, remedy: str) -> None:
    begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    if now < begins:
        raise RefusedError(
            f"{file} is valid only from {timestamp(begins)} on, and it is {timestamp(now)} here; "
            "set this machine's clock"
        )
    if now >= ends:
        raise RefusedError(f"{file} ended on {timestamp(ends)}, and it is {timestamp(now)} here; {remedy}")


def issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    """Whether the authority signed it."""
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def same_key(one: PublicKeyTypes, other: PublicKeyTypes) -> bool:
    """Whether two public keys are the same."""
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return one.public_bytes(*form) == other.public_bytes(*form)


def certificate_in(file: Path) -> x509.Certificate:
    """The one certificate in a PEM file. Raises RefusedError.

    More than one is refused: whoever holds a certificate of any authority in `ca.pem` is let in, so a bundle
    of public ones would let everybody in.
    """
    data = _read(file)
    try:
        found = x509.load_pem_x509_certificates(data)
        found[0].not_valid_after_utc, found[0].public_key(), found[0].extensions  # parsed only when asked
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise RefusedError(
            f"{file} holds no certificate that can be read; copy it again from the fleet's folder"
        ) from None
    if len(found) > 1:
        raise RefusedError(f"{file} holds {len(found)} certificates; leave only the fleet's own one there")
    return found[0]


def public_key_in(file: Path) -> PublicKeyTypes:
    """The public half of the private key in a PEM file that nobody else may read. Raises RefusedError."""
    return private_key_in(file).public_key()


def private_key_in(file: Path) -> PrivateKeyTypes:
    """The private key in a PEM file that nobody else may read. Raises RefusedError."""
    data = _read(file, private=True)
    try:
        return serialization.load_pem_private_key(data, None)
    except TypeError:
        reason = "its private key has a password, and nobody is asked for one"
    except (ValueError, UnsupportedAlgorithm):
        reason = "it holds no private key that can be read"
    raise RefusedError(f"{file} cannot be used: {reason}; copy it again from the fleet's folder")


def _read(file: Path, *, private: bool = False) -> bytes:
    """A small plain file; a link is followed, since Kubernetes mounts secrets as links."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(descriptor, "rb") as opened:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UnfitFileError("it is no plain file")
            if private:
                _require_private(file, status)
            data = opened.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise RefusedError(
            f"{file} is missing; copy it from the folder that `mongosweep fleet init` or `fleet issue` made"
        ) from None
    except OSError as error:
        raise RefusedError(
            f"{file} cannot be read: {explain(error)}; it must be a plain file that this user may read"
        ) from None
    if len(data) > _MOST_BYTES:
        raise RefusedError(
            f"{file} has more than {_MOST_BYTES >> 10} KiB; copy it again from the fleet's folder"
        )
    return data


def _require_private(file: Path, status: os.stat_result) -> None:
    """Refuse a key that others can read.

    Root may own it and let a group read it, as PostgreSQL has it for its own key ("Secure TCP/IP Connections
    with SSL"): that is how Kubernetes mounts a secret for a pod with an fsGroup.
    """
    others = 0o037 if status.st_uid == 0 and os.geteuid() != 0 else 0o077
    if status.st_mode & others:
        raise RefusedError(f"{file} can be read by others; run: chmod 600 {file}")
