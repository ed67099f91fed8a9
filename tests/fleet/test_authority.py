"""Certificates of a fleet: who is recognised, and all that is refused."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from scanner.fleet.authority import Identity, Own, called, ends_soon, identity_of, read_own
from scanner.fleet.issuing import issue, present
from tests.support.fleet_certificates import DAY, NOW, fleet, refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_each_role_reads_its_own(made: Path) -> None:
    worker = read_own(made / "workers" / "paris-1", "worker", NOW, "paris")
    assert worker.identity == Identity("worker", "paris", "paris-1", NOW + 90 * DAY)
    assert str(worker.identity) == "worker paris-1 of site paris"
    assert read_own(made / "scheduler", "scheduler", NOW).identity[:3] == ("scheduler", "", "scheduler")
    assert str(read_own(made / "coordinator", "coordinator", NOW).identity) == "coordinator"
    assert [str(each.identity) for each in present(made)] == [
        "coordinator",
        "scheduler",
        "worker london-1 of site london",
        "worker paris-1 of site paris",
    ]


def test_workers_that_an_autoscaler_starts_share_a_certificate(made: Path) -> None:
    done = issue(made, "worker", "pods-*", NOW, site="paris")
    assert done.folder == made / "workers" / "pods-+"
    shared = read_own(done.folder, "worker", NOW, "paris").identity
    assert str(shared) == "worker pods-* of site paris"
    names = ("pods-1", "pods-a.b", "pods", "pod-1", "pods-1\n", "pods-*", "pods-/")
    assert [name for name in names if shared.covers(name)] == ["pods-1", "pods-a.b"]
    alone = read_own(made / "workers" / "paris-1", "worker", NOW).identity
    assert [name for name in ("paris-1", "paris-11", "paris-") if alone.covers(name)] == ["paris-1"]
    pods, one = (read_own(made / "workers" / name, "worker", NOW) for name in ("pods-+", "paris-1"))
    assert (called(pods, "pods-7").identity.name, called(one, "").identity.name) == ("pods-7", "paris-1")
    assert "write --name with the name of this one" in refused(lambda: called(pods, ""))
    for own, name in ((pods, "paris-1"), (one, "pods-7")):
        assert "use a certificate of that name" in refused(partial(called, own, name))
    assert "--name 'pods-*'" in ends_soon(shared, NOW + 80 * DAY)
    assert "is no name" in refused(lambda: issue(made, "scheduler", "a*", NOW))


# What `read_own` refuses. Each row makes something wrong in the folder of worker paris-1.


def spoil(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)


def another_ca(folder: Path, other: Path) -> None:
    spoil(folder, "ca.pem", (other / "ca.pem").read_bytes())


def another_key(folder: Path, other: Path) -> None:
    spoil(folder, "own.key", (other / "scheduler" / "own.key").read_bytes())


def key_with_a_password(folder: Path, _: Path) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"x"),
    )
    spoil(folder, "own.key", pem)


def bundle(folder: Path, other: Path) -> None:
    spoil(folder, "ca.pem", (folder / "ca.pem").read_bytes() + (other / "ca.pem").read_bytes())


def no_authority(folder: Path, _: Path) -> None:
    spoil(folder, "ca.pem", (folder / "own.pem").read_bytes())


def certificate_of_a_web_server(folder: Path, _: Path) -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("worker.example.com")
    spoil(folder, "ca.pem", authority.cert_pem.bytes())
    spoil(folder, "own.pem", leaf.cert_chain_pems[0].bytes())
    spoil(folder, "own.key", leaf.private_key_pem.bytes())


def torn(folder: Path, _: Path) -> None:
    spoil(folder, "own.pem", (folder / "own.pem").read_bytes()[:300])


def altered(folder: Path, _: Path) -> None:
    """One byte of the signature is another one."""
    own = x509.load_pem_x509_certificate((folder / "own.pem").read_bytes())
    der = bytearray(own.public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    text = x509.load_der_x509_certificate(bytes(der)).public_bytes(serialization.Encoding.PEM)
    spoil(folder, "own.pem", text)


def fifo(folder: Path, _: Path) -> None:
    (folder / "own.key").unlink()
    os.mkfifo(folder / "own.key", 0o600)


def folder_for_file(folder: Path, _: Path) -> None:
    (folder / "own.key").unlink()
    (folder / "own.key").mkdir()


BAD: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "no ca.pem": (lambda f, _: (f / "ca.pem").unlink(), "ca.pem is missing; copy it"),
    "no own.pem": (lambda f, _: (f / "own.pem").unlink(), "own.pem is missing; copy it"),
    "no own.key": (lambda f, _: (f / "own.key").unlink(), "own.key is missing; copy it"),
    "another ca": (another_ca, "own.pem was not issued by the authority in"),
    "another key": (another_key, "own.key does not fit"),
    "read by all": (
        lambda f, _: (f / "own.key").chmod(0o604),
        "own.key can be read by others; run: chmod 600",
    ),
    "read by group": (lambda f, _: (f / "own.key").chmod(0o640), "own.key can be read by others"),
    "key with a password": (key_with_a_password, "its private key has a password"),
    "key that is none": (lambda f, _: spoil(f, "own.key", b"key"), "it holds no private key"),
    "key in own.pem's place": (
        lambda f, _: spoil(f, "own.pem", (f / "own.key").read_bytes()),
        "own.pem holds no certificate",
    ),
    "empty": (lambda f, _: spoil(f, "own.pem", b""), "own.pem holds no certificate"),
    "bytes": (lambda f, _: spoil(f, "ca.pem", bytes(range(256))), "ca.pem holds no certificate"),
    "giant": (lambda f, _: spoil(f, "ca.pem", b"x" * 100_000), "ca.pem has more than 64 KiB"),
    "torn": (torn, "own.pem holds no certificate"),
    "altered": (altered, "was not issued by"),
    "bundle": (bundle, "ca.pem holds 2 certificates"),
    "no authority": (no_authority, "ca.pem is no certificate authority"),
    "web server": (certificate_of_a_web_server, "own.pem names no role of a fleet"),
    "fifo": (fifo, "own.key cannot be read: it is no plain file"),
    "folder": (folder_for_file, "own.key cannot be read"),
}


@pytest.mark.parametrize("what", BAD)
def test_refused(what: str, made: Path, other: Path) -> None:
    spoils, expected = BAD[what]
    folder = made / "workers" / "paris-1"
    spoils(folder, other)
    said = refused(lambda: read_own(folder, "worker", NOW, "paris"))
    assert expected in said
    assert said.startswith(str(folder))


def test_refused_at_another_time_or_for_another_role(made: Path) -> None:
    folder = made / "workers" / "paris-1"
    assert read_own(folder, "worker", NOW - DAY + 1)
    early = refused(lambda: read_own(folder, "worker", NOW - 2 * DAY))
    assert "valid only from" in early
    assert "set this machine's clock" in early
    late = refused(lambda: read_own(folder, "worker", NOW + 90 * DAY))
    assert "own.pem ended on 2026-12-20T14:13:20.000Z" in late
    assert "(`mongosweep fleet issue DIR worker --name paris-1`)" in late
    assert "for worker paris-1 of site paris, and this needs one for a scheduler" in refused(
        lambda: read_own(folder, "scheduler", NOW)
    )
    assert f"name the one in it: {made / 'workers/NAME'}" in refused(lambda: read_own(made, "worker", NOW))
    assert f"name the one in it: {made / 'scheduler'}" in refused(lambda: read_own(made, "scheduler", NOW))
    assert "and not of site london" in refused(lambda: read_own(folder, "worker", NOW, "london"))


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to another user")
def test_a_secret_that_kubernetes_mounts_is_a_key_for_this_user_alone(made: Path) -> None:
    """Root's, and read by the pod's group: good for the pod's user, not for root, who needs no group."""
    key = made / "workers" / "paris-1" / "own.key"
    key.chmod(0o440)
    assert "chmod 600" in refused(lambda: read_own(key.parent, "worker", NOW))
    for folder in (key.parent, *list(key.parents)[1:]):
        if folder.stat().st_uid == 0 and stat.S_IMODE(folder.stat().st_mode) == 0o700:
            folder.chmod(0o711)
    os.chown(key, 0, 65532)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(65532)
            os.setuid(65532)
            code = 0 if read_own(key.parent, "worker", NOW) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_who_ends_soon_is_told_with_the_remedy(made: Path) -> None:
    worker = read_own(made / "workers" / "paris-1", "worker", NOW).identity
    assert ends_soon(worker, NOW + 75 * DAY) == ""
    assert ends_soon(worker, NOW + 76 * DAY) == (
        "the certificate of worker paris-1 of site paris ends on 2026-12-20; renew it where the fleet's "
        "authority is (`mongosweep fleet issue DIR worker --name paris-1`) and copy own.pem"
    )
    assert " ended on 2026-12-20" in ends_soon(worker, NOW + 91 * DAY)


def peers(server: Own, client: Own) -> tuple[Identity | None, Identity | None]:
    """Whom the server and the client of a real handshake see, with all that OpenSSL can be strict about."""
    contexts = []
    for own, purpose in ((server, ssl.Purpose.CLIENT_AUTH), (client, ssl.Purpose.SERVER_AUTH)):
        context = ssl.create_default_context(purpose, cafile=own.ca)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_cert_chain(own.certificate, own.key)
        contexts.append(context)
    here, there = socket.socketpair()
    seen: list[Identity | None] = []

    def serve() -> None:
        with here:
            try:
                with contexts[0].wrap_socket(here, server_side=True) as link:
                    seen.append(identity_of(dict(link.getpeercert() or {})))
                    link.sendall(b"y")
            except (ssl.SSLError, OSError):
                seen.append(None)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with there, contexts[1].wrap_socket(there) as link:
            client_sees = identity_of(dict(link.getpeercert() or {}))
            if link.recv(1) != b"y":  # since TLS 1.3 a client hears only now that it is refused
                client_sees = None
    except (ssl.SSLError, OSError):
        client_sees = None
    finally:
        thread.join()
    return seen[0], client_sees


@pytest.fixture
def today(tmp_path: Path) -> Path:
    """OpenSSL looks at the machine's clock."""
    return fleet(tmp_path / "today", time.time())


def owns(folder: Path) -> tuple[Own, Own, Own]:
    now = time.time()
    return (
        read_own(folder / "coordinator", "coordinator", now),
        read_own(folder / "scheduler", "scheduler", now),
        read_own(folder / "workers" / "paris-1", "worker", now),
    )


def test_both_ends_of_a_connection_are_recognised(today: Path, tmp_path: Path) -> None:
    coordinator, scheduler, worker = owns(today)
    for server, client in ((scheduler, coordinator), (scheduler, worker), (worker, scheduler)):
        server_sees, client_sees = peers(server, client)
        assert server_sees is not None
        assert client_sees is not None
        assert server_sees[:3] == client.identity[:3]
        assert client_sees[:3] == server.identity[:3]
        assert abs(client_sees.not_after - server.identity.not_after) < 1
    _, _, stranger = owns(fleet(tmp_path / "other", time.time()))
    assert peers(scheduler, stranger) == (None, None)
    assert peers(stranger, coordinator)[1] is None


def test_a_coordinators_certificate_passes_for_no_scheduler(today: Path) -> None:
    """It has no leave to be a server, so OpenSSL itself refuses it."""
    coordinator, _, worker = owns(today)
    assert peers(coordinator, worker) == (None, None)


NAMES: dict[str, dict[str, object]] = {
    "nothing": {},
    "a host": {"subjectAltName": (("DNS", "worker.example.com"),), "notAfter": "Jan  5 09:34:43 2027 GMT"},
    "two": {
        "subjectAltName": (("URI", "mongosweep:worker/a/b"), ("URI", "mongosweep:scheduler//s")),
        "notAfter": "Jan  5 09:34:43 2027 GMT",
    },
    "no end": {"subjectAltName": (("URI", "mongosweep:worker/a/b"),)},
    "no date": {"subjectAltName": (("URI", "mongosweep:worker/a/b"),), "notAfter": "soon"},
    **{
        uri: {"subjectAltName": (("URI", uri),), "notAfter": "Jan  5 09:34:43 2027 GMT"}
        for uri in (
            "mongosweep:worker//b",
            "mongosweep:scheduler/a/b",
            "mongosweep:root//b",
            "mongosweep:scheduler//b*",
            "mongosweep:worker/a/*",
            "mongosweep:worker/a/b*c",
            "mongosweep:worker/a*/b",
            "mongosweep:worker/a/b/c",
            "mongosweep:worker/a/b\n",
            "mongosweep:worker/../b",
            "MONGOSWEEP:worker/a/b",
            "spiffe:worker/a/b",
        )
    },
}


@pytest.mark.parametrize("what", NAMES)
def test_names_that_are_nobodys(what: str) -> None:
    assert identity_of(NAMES[what]) is None


def test_names_that_are_somebodys() -> None:
    names = (("DNS", "worker.example.com"), ("URI", "mongosweep:worker/a/b"))
    assert identity_of({"subjectAltName": names, "notAfter": "Jan  5 09:34:43 2027 GMT"}) == Identity(
        "worker", "a", "b", 1_799_141_683.0
    )
