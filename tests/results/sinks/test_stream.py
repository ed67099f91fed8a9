"""The end of a connection as an acknowledgement: receivers of ours that close in every wrong moment."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from results.sinks.sink import StoppedError, UnavailableError
from results.sinks.stream import Receiver, Sending
from tests.support.receivers.tls import Certificates

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

DATA = b"".join(b"%09d\n" % number for number in range(30_000))  # more than a socket's buffers hold at first


class Closing:
    """A receiver on loopback, a thread, that handles each connection by `handle` and keeps what it read."""

    def __init__(
        self, handle: Callable[[Closing, socket.socket], None], tls: ssl.SSLContext | None, room: int = 0
    ) -> None:
        self.read: list[bytes] = []
        self._handle, self._tls = handle, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        if room:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Closing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            with contextlib.suppress(OSError), connection:
                if self._tls is None:
                    self._handle(self, connection)
                else:
                    with self._tls.wrap_socket(connection, server_side=True) as secured:
                        self._handle(self, secured)

    def take(self, connection: socket.socket, most: int) -> None:
        """Read so many bytes, or to the end."""
        held = b""
        while len(held) < most and (data := connection.recv(min(4096, most - len(held)))):
            held += data
        self.read.append(held)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The certificates of these tests."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["tcp", "tls"])
def tls(request: pytest.FixtureRequest, certificates: Certificates) -> ssl.SSLContext | None:
    """The receiver's side of TLS, or none."""
    return certificates.right() if request.param == "tls" else None


def to(receiver: Closing, certificates: Certificates | None, timeout: float = 10.0) -> Receiver:
    return Receiver(
        host="127.0.0.1",
        port=receiver.port,
        tls=certificates is not None,
        ca_file=str(certificates.ca_file) if certificates else "",
        timeout=timeout,
    )


def whole(closing: Closing, connection: socket.socket) -> None:
    closing.take(connection, len(DATA) + 1)


@pytest.mark.both_loops
async def test_what_was_read_to_its_end_is_taken(
    tls: ssl.SSLContext | None, certificates: Certificates
) -> None:
    with Closing(whole, tls) as receiver:
        await Sending(to(receiver, certificates if tls else None)).run(DATA)
    assert receiver.read == [DATA]


async def test_a_receiver_that_dies_at_any_byte_took_nothing_that_it_did_not_read(
    tls: ssl.SSLContext | None, certificates: Certificates
) -> None:
    chance = random.Random(14)

    def dies(closing: Closing, connection: socket.socket) -> None:
        rest = chance.choice([0, 0, 1, 10, len(DATA) // 2, len(DATA) - 1, len(DATA)])
        closing.take(connection, len(DATA) - rest)

    taken = 0
    with Closing(dies, tls) as receiver:
        for number in range(100):
            with contextlib.suppress(UnavailableError):
                await Sending(to(receiver, certificates if tls else None)).run(DATA)
                taken += 1
                assert receiver.read[-1] == DATA, number
    assert taken < 60


@pytest.mark.both_loops
async def test_a_receiver_that_closes_at_once_took_nothing(
    tls: ssl.SSLContext | None, certificates: Certificates
) -> None:
    with Closing(lambda closing, connection: None, tls) as receiver:
        for _ in range(100):
            with pytest.raises(UnavailableError):
                await Sending(to(receiver, certificates if tls else None)).run(b"x" * 100)


async def test_an_end_that_comes_before_ours_answers_nothing() -> None:
    data = b"x" * (8 << 20)  # more than both kernels hold: it is being written when the end comes
    read = 0

    def ends(closing: Closing, connection: socket.socket) -> None:
        nonlocal read
        connection.shutdown(socket.SHUT_WR)
        while more := len(connection.recv(1 << 20)):
            read += more

    with Closing(ends, None) as receiver, pytest.raises(UnavailableError, match="connection reset"):
        await Sending(to(receiver, None)).run(data)
    assert read > len(data) // 2


async def test_an_end_while_bytes_are_on_their_way_took_nothing() -> None:
    def ends(closing: Closing, connection: socket.socket) -> None:
        time.sleep(0.2)  # by now our end is on its way, behind more than it has room for
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.2)

    with (
        Closing(ends, None, room=4096) as receiver,
        pytest.raises(UnavailableError, match="connection reset"),
    ):
        await Sending(to(receiver, None)).run(b"x" * 100_000)


async def test_a_receiver_that_leaves_out_close_notify_is_believed(certificates: Certificates) -> None:
    def bare(closing: Closing, connection: socket.socket) -> None:
        whole(closing, connection)
        socket.socket(fileno=connection.detach()).close()  # the kernel's end, without a word of TLS

    with Closing(bare, certificates.right()) as receiver:
        await Sending(to(receiver, certificates)).run(DATA)
    assert receiver.read == [DATA]


async def test_a_receiver_that_leaves_tls_took_nothing(certificates: Certificates) -> None:
    """As rsyslog's ossl driver does, whose file and connection have one number: it wrote the events to us."""

    def mixed(closing: Closing, connection: socket.socket) -> None:
        whole(closing, connection)
        with socket.socket(fileno=connection.detach()) as bare:
            bare.sendall(b'{"schema":"mongosweep.change/1"}\n' * 100)

    with (
        Closing(mixed, certificates.right()) as receiver,
        pytest.raises(UnavailableError, match=r"no TLS any more.*take its gtls driver"),
    ):
        await Sending(to(receiver, certificates)).run(DATA)


@pytest.mark.both_loops
async def test_a_receiver_that_asks_for_a_certificate_that_we_do_not_have(certificates: Certificates) -> None:
    with Closing(whole, certificates.wants_ours()) as receiver:
        for _ in range(20):
            with pytest.raises(StoppedError, match=r"refuses our certificate .none is configured"):
                await Sending(to(receiver, certificates)).run(DATA)
    assert not any(receiver.read)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 100])
async def test_a_receiver_that_speaks_no_tls_stops_the_sink(
    answer: bytes, certificates: Certificates
) -> None:
    def says(closing: Closing, connection: socket.socket) -> None:
        connection.sendall(answer)
        closing.take(connection, 10_000)

    with (
        Closing(says, None) as receiver,
        pytest.raises(StoppedError, match=r"no TLS is agreed on.*must speak TLS 1.2"),
    ):
        await Sending(to(receiver, certificates)).run(DATA)


async def test_tls_that_is_too_old_stops_the_sink(certificates: Certificates) -> None:
    with (
        Closing(whole, certificates.old()) as receiver,
        pytest.raises(StoppedError, match="no TLS is agreed on"),
    ):
        await Sending(to(receiver, certificates)).run(DATA)


async def test_a_name_that_does_not_resolve_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(UnavailableError, match="siem:6514: name or service not known while connecting"):
        await Sending(Receiver(host="siem", port=6514, tls=False)).run(DATA)
