"""Certificates for receivers, made for the test, and servers that present them wrongly. One of these servers
says by an alert why it does not go on, which asyncio's do not."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Certificates:
    """An authority, in `ca_file`, and a client's certificate with its key of it, in `client`."""

    def __init__(self, home: Path) -> None:
        self._authority = trustme.CA()
        self.ca_file = home / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))
        self.client = home / "client.pem"
        issued = self._authority.issue_cert("sender@example.com")
        issued.private_key_and_cert_chain_pem.write_to_path(str(self.client))
        self.server_file = home / "server.pem"
        self._issue().private_key_and_cert_chain_pem.write_to_path(str(self.server_file))

    def right(self) -> ssl.SSLContext:
        """A server on loopback."""
        return self._context(self._issue())

    def of_another_name(self) -> ssl.SSLContext:
        """A server of another name."""
        return self._context(self._authority.issue_cert("elsewhere.example.com"))

    def expired(self) -> ssl.SSLContext:
        """A server whose certificate is out of date."""
        return self._context(self._issue(_LONG_AGO))

    def wants_ours(self) -> ssl.SSLContext:
        """A server that speaks to clients with a certificate of this authority only."""
        context = self.right()
        context.verify_mode = ssl.CERT_REQUIRED
        self._authority.configure_trust(context)
        return context

    def old(self) -> ssl.SSLContext:
        """A server that stopped at TLS 1.1."""
        context = self.right()
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        return context

    def written(self, name: str, *, expired: bool = False) -> Path:
        """A certificate for this name with its key, in one file, for a receiver that is a program."""
        issued = self._authority.issue_cert(name, not_after=_LONG_AGO if expired else None)
        path = self.ca_file.with_name(f"{name}{'-expired' if expired else ''}.pem")
        issued.private_key_and_cert_chain_pem.write_to_path(str(path))
        return path

    def _issue(self, expiry: datetime | None = None) -> trustme.LeafCert:
        return self._authority.issue_cert("127.0.0.1", "localhost", not_after=expiry)

    @staticmethod
    def _context(issued: trustme.LeafCert) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(context)
        return context


@contextlib.contextmanager
def alerting(context: ssl.SSLContext) -> Iterator[str]:
    """Where OpenSSL itself answers: whom it refuses, hears the alert and then the end of the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()
        thread = threading.Thread(target=_accept, args=(listening, context, over), daemon=True)
        thread.start()
        address = listening.getsockname()
        yield f"https://127.0.0.1:{address[1]}"
        over.set()
        socket.create_connection(address).close()
        thread.join(30)


def _accept(listening: socket.socket, context: ssl.SSLContext, over: threading.Event) -> None:
    while not over.is_set():
        connection, _ = listening.accept()
        with contextlib.suppress(OSError), connection:
            connection.settimeout(10)
            # The handshake in memory, so that the connection is there to be closed with care.
            arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(arrived, leaving, server_side=True)
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    connection.sendall(leaving.read())
                    if not (data := connection.recv(65536)):
                        break
                    arrived.write(data)
                except ssl.SSLError:
                    connection.sendall(leaving.read())
                    break
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
