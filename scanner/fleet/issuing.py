"""The authority of a fleet, where it is made: its key, and the folders of certificates that are copied away.

FOLDER/ca.key, ca.pem                  the authority; its key never leaves this place
FOLDER/coordinator, scheduler          a folder for each of these
FOLDER/workers/NAME                    and for each worker
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from results.files import REAL, DirectoryBusyError, explain, write_durably
from results.text import visible
from scanner.errors import RefusedError
from scanner.fleet.authority import (
    ANY,
    CA_FILE,
    CA_KEY_FILE,
    KEY_FILE,
    OWN_FILE,
    Identity,
    Role,
    certificate_in,
    identity_in,
    issued_by,
    private_key_in,
    require_authority,
    same_key,
    uri_of,
)
from scanner.setup.fleet_settings import WORD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

CA_DAYS = 5 * 365
LEAF_DAYS = 90
_DAY = 86400.0
_BACKDATED = _DAY  # a machine whose clock is behind is told so by us, not by a handshake that fails
_LEFT_OVER = {CA_KEY_FILE + ".tmp", CA_FILE + ".tmp"}  # by a crash of `make_authority`


class Issued(NamedTuple):
    """What was done for one folder of certificates."""

    folder: Path
    identity: Identity
    new_key: bool  # False: only `own.pem` is another one


def folder_of(authority: Path, role: Role, name: str) -> Path:
    """Where the certificate of somebody lies."""
    name = name.replace(ANY, "+")  # no name has one, and no shell takes it for anything
    return authority / "workers" / name if role == "worker" else authority / role


@contextlib.contextmanager
def held(authority: Path) -> Iterator[None]:
    """Keep others from writing into an authority's folder. Raises RefusedError, DirectoryBusyError."""
    with _locked(authority):
        if not (authority / CA_KEY_FILE).exists():
            raise RefusedError(
                f"{authority} holds no authority of a fleet ({CA_KEY_FILE} is missing); name the folder that "
                "`mongosweep fleet init` made"
            )
        yield


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder itself is locked: a file for it would litter a folder that is none of ours."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise RefusedError(f"{folder} cannot be used: {explain(error)}; name a fleet's folder") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise DirectoryBusyError(folder, "another command works there", "wait for it to end") from None
    except OSError as error:
        raise RefusedError(
            f"{error.filename or folder} cannot be used: {explain(error)}; name a folder of this user's"
        ) from None
    finally:
        os.close(descriptor)


def make_authority(folder: Path, now: float) -> bool:
    """Make a folder with an authority; False when it has one already, which stays as it is.

    `now`: seconds since 1970. Raises RefusedError for a folder that holds something else, StorageError.
    """
    _make_folder(folder)
    key_file, ca_file = folder / CA_KEY_FILE, folder / CA_FILE
    with _locked(folder):
        if not key_file.exists():
            _require_empty(folder)
            folder.chmod(0o700)
        elif ca_file.exists():
            require_authority(certificate_in(ca_file), ca_file, now)
            return False
        # A key without a certificate is what a crash of this very step leaves.
        key = _signing_key(key_file) if key_file.exists() else _new_key(key_file)
        write_durably(REAL, ca_file, _pem(_authority_certificate(key, now)), keep_previous=False, mode=0o644)
        return True


def _require_empty(folder: Path) -> None:
    """Refuse a folder that somebody else uses, and one whose authority lost its key."""
    found = sorted(each.name for each in folder.iterdir() if each.name not in _LEFT_OVER)
    if CA_FILE in found:
        raise RefusedError(
            f"{folder / CA_KEY_FILE} is missing; put it back, or name a folder that is new or empty"
        )
    if found:
        raise RefusedError(
            f"{folder} holds {visible(found[0], 80)} and no authority; name a folder that is new or empty"
        )


def issue(
    authority: Path,
    role: Role,
    name: str,
    now: float,
    *,
    site: str = "",
    days: int = LEAF_DAYS,
    new_key: bool = False,
) -> Issued:
    """Make somebody's folder of certificates, or renew the certificate in it.

    Its private key stays as it is unless `new_key`; a folder from which the key was moved away is renewed,
    too. `site` may be left out where the folder says it. The certificate ends no later than its authority.
    The caller has the authority `held`. Raises RefusedError for names that are none, for a folder that
    belongs to somebody else, and for an authority that is unfit or over; StorageError.
    """
    require_word("name", name.removesuffix(ANY) if role == "worker" else name)
    own_file = folder_of(authority, role, name) / OWN_FILE
    if role == "worker" and not site:
        if not own_file.exists():
            raise RefusedError(f"worker {name} is new; write --site with the name of its site")
        site = identity_in(certificate_in(own_file), own_file).site
    if site and role != "worker":
        raise RefusedError(f"a {role} has no site; leave --site out")
    if site:
        require_word("site", site)
    ca_file = authority / CA_FILE
    ca = certificate_in(ca_file)
    require_authority(ca, ca_file, now)
    signing = _signing_key(authority / CA_KEY_FILE)
    if not same_key(signing.public_key(), ca.public_key()):
        raise RefusedError(f"{authority / CA_KEY_FILE} does not fit {ca_file}; restore both from one backup")
    folder = folder_of(authority, role, name)
    _make_folder(folder.parent)
    _make_folder(folder)
    wanted = Identity(role, site, name, min(now + days * _DAY, ca.not_valid_after_utc.timestamp()))
    public = None if new_key else _present_key(folder, ca, wanted)
    made = public is None
    if public is None:
        public = _new_key(folder / KEY_FILE).public_key()
    certificate = _leaf_certificate(signing, ca, public, wanted, now)
    write_durably(REAL, folder / CA_FILE, _pem(ca), keep_previous=False, mode=0o644)
    write_durably(REAL, folder / OWN_FILE, _pem(certificate), keep_previous=False, mode=0o644)
    return Issued(folder, wanted, made)


def present(authority: Path) -> list[Issued]:
    """Everybody who has a folder there, in the order of roles and names. Raises RefusedError for one that
    cannot be read."""
    files = [authority / "coordinator" / OWN_FILE, authority / "scheduler" / OWN_FILE]
    files += sorted((authority / "workers").glob(f"*/{OWN_FILE}"))
    return [
        Issued(file.parent, identity_in(certificate_in(file), file), False) for file in files if file.exists()
    ]


def require_word(what: str, word: str) -> None:
    """Refuse a word that cannot be a `what` ("name", "site") in a certificate."""
    if not re.fullmatch(WORD, word):
        raise RefusedError(
            f"{visible(word, 80)!r} is no {what} of a fleet; write up to 63 letters, digits, dots, hyphens "
            "and underscores, the first a letter or digit (a worker's name may end in *)"
        )


def _present_key(folder: Path, ca: x509.Certificate, wanted: Identity) -> PublicKeyTypes | None:
    """The public key that the folder has; None for a new folder."""
    key_file, own_file = folder / KEY_FILE, folder / OWN_FILE
    public = private_key_in(key_file).public_key() if key_file.exists() else None
    if not own_file.exists():
        return public
    own = certificate_in(own_file)
    whose = identity_in(own, own_file)
    if whose[:3] != wanted[:3]:
        raise RefusedError(
            f"{folder} is of {whose}, and two of one name cannot work together; choose another name, or "
            "remove that folder"
        )
    if not issued_by(own, ca):
        raise RefusedError(f"{own_file} is of another authority; remove {folder} and issue it again")
    if public is not None and not same_key(public, own.public_key()):
        raise RefusedError(f"{key_file} does not fit {own_file}; write --new-key to make both anew")
    return own.public_key()


def _make_folder(folder: Path) -> None:
    """A folder for its owner alone; one that is there is left as it is."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError as error:
        if folder.parent.is_dir():  # so says a file system that takes no folders, such as /proc
            raise RefusedError(f"{folder} cannot be made: {explain(error)}; name another folder") from None
        raise RefusedError(f"{folder.parent} is missing; make it first, or name another folder") from None
    except FileExistsError:
        raise RefusedError(f"{folder} is no folder; name another one") from None
    except OSError as error:
        raise RefusedError(f"{folder} cannot be made: {explain(error)}; name another folder") from None


def _new_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_durably(REAL, file, pem, keep_previous=False)
    return key


def _signing_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = private_key_in(file)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise RefusedError(f"{file} is no key of an authority that `mongosweep fleet init` made")
    return key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _authority_certificate(key: ec.EllipticCurvePrivateKey, now: float) -> x509.Certificate:
    # A word of its own in the name: two authorities of one name and another key would confuse OpenSSL.
    word = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:12]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"mongosweep fleet {word}")])
    return (
        _builder(name, name, key.public_key(), now, now + CA_DAYS * _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _leaf_certificate(
    signing: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    public: PublicKeyTypes,
    whom: Identity,
    now: float,
) -> x509.Certificate:
    subject = [
        x509.NameAttribute(NameOID.COMMON_NAME, whom.name),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, whom.role),
    ]
    if whom.site:
        subject.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, whom.site))
    # Only who listens may show itself as a server: a coordinator's certificate passes for no scheduler's.
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if whom.role != "coordinator":
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    uri = x509.UniformResourceIdentifier(uri_of(whom.role, whom.site, whom.name))
    key_of_ca = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _builder(x509.Name(subject), ca.subject, public, now, whom.not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_of_ca), critical=False
        )
        .sign(signing, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public: PublicKeyTypes, now: float, ends: float
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)  # type: ignore[arg-type]  # every key that a certificate of ours held
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(now - _BACKDATED, UTC))
        .not_valid_after(datetime.fromtimestamp(ends, UTC))
        # As above: the stubs know more kinds of keys than certificates have.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)  # type: ignore[arg-type]
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
