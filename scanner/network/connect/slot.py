"""One recycled socket and whom it is asking now: the slot, and the two system calls that recycle it."""

from __future__ import annotations

import ctypes
import socket
from functools import partial
from typing import TYPE_CHECKING, Any

from scanner.network.connect import errnos
from scanner.network.connect.base import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.contact import Token
    from targets.scope import Target

# CUT: reset, because the host's time was over; not yet told. LENT: another process goes on with it.
IDLE, CONNECTING, OPEN, CUT, LENT = 0, 1, 2, 3, 4
RECEIVE_BUFFER = 131072  # bounds what the kernel holds for one hostile peer

_libc_connect = ctypes.PyDLL(None).connect  # it never waits with this address, so it need not yield the lock
_UNSPEC = ctypes.c_char_p(bytes(16))  # struct sockaddr with sa_family AF_UNSPEC
_LENGTH = ctypes.c_uint(16)


def disconnector(fd: int) -> Callable[[], int]:
    """A call that resets a TCP socket to unconnected (connect(2): "connectionless … or TCP … AF_UNSPEC").

    Its arguments are made once: they would cost a fifth of the call.
    """
    return partial(_libc_connect, ctypes.c_int(fd), _UNSPEC, _LENGTH)


def talks_to_itself(sock: socket.socket) -> bool:
    """TCP's simultaneous open with itself: nobody listens there (RFC 9293 section 3.5)."""
    try:
        return bool(sock.getsockname() == sock.getpeername())
    except OSError:  # ENOTCONN: the peer was there, and has reset the connection since
        return False


def new_socket(version: int) -> socket.socket:
    """A non-blocking socket with everything set that is set once. Raises OSError (EMFILE, …)."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # The bare ACK of the handshake waits for the first write, which follows at once and carries it: one
    # packet less for every server (tcp_rcv_synsent_state_process in net/ipv4/tcp_input.c: "Save one ACK").
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    if version == 4:
        sock.setsockopt(*errnos.SOL_IP_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(*errnos.SOL_IPV6_RECVERR, 1)
    return sock


class Slot:
    """One socket and whom it is asking now. Implements `Link`.

    What it cannot do alone its connector does: `start` a connect on a socket that is unconnected, `arm` the
    reply clock, `park` a slot that is free again, `hold` it and let it `go_on`.
    """

    __slots__ = (
        "_arm",
        "_go_on",
        "_hold",
        "_park",
        "_start",
        "adopted",
        "connect_ex",
        "connect_seconds",
        "connected_at",
        "cut_at",
        "deadline",
        "disconnect",
        "fd",
        "held_at",
        "host_deadline",
        "kind",
        "opened_at",
        "out",
        "patient",
        "phase",
        "recv",
        "retries",
        "sock",
        "sockaddr",
        "talk",
        "target",
        "token",
        "version",
        "wheel_tick",
    )

    def __init__(
        self,
        version: int,
        start: Callable[[Slot], None],
        arm: Callable[[Slot], None],
        park: Callable[[Slot], None],
        hold: Callable[[Slot], None],
        go_on: Callable[[Slot], None],
        adopted: socket.socket | None = None,
    ) -> None:
        """`adopted`: a connection that another process has opened and lent; its slot ends with it."""
        self._start, self._arm, self._park = start, arm, park
        self._hold, self._go_on = hold, go_on
        self.version = version
        self.adopted = adopted is not None
        self.sock = adopted or new_socket(version)
        self.connect_ex = self.sock.connect_ex
        self.recv = self.sock.recv
        self.fd = self.sock.fileno()
        self.disconnect = disconnector(self.fd)
        self.phase = IDLE
        self.target: Target = None  # type: ignore[assignment]  # set before any use, by connect
        self.sockaddr: tuple[str, int] | tuple[str, int, int, int] = ("", 0)
        self.token: Token = 0
        self.talk: Any = None
        self.out = b""
        self.opened_at = self.connected_at = self.connect_seconds = self.cut_at = 0.0
        self.deadline = self.host_deadline = 0.0
        self.patient = False
        self.held_at = 0.0  # since when nothing is read; 0.0 = it is
        self.wheel_tick = -1
        self.kind = Deadline.CONNECT
        self.retries = 0

    def send(self, data: bytes) -> None:
        """See `Link.send`."""
        if self.out:
            self.out += data
            return
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the event that tells of the break follows
        if sent < len(data):
            self.out = data[sent:]

    def reopen(self) -> None:
        """See `Link.reopen`."""
        self.disconnect()
        self._start(self)

    def restart_reply_clock(self) -> None:
        """See `Link.restart_reply_clock`."""
        self._arm(self)

    def hold(self) -> None:
        """See `Link.hold`."""
        self._hold(self)

    def go_on(self) -> None:
        """See `Link.go_on`."""
        self._go_on(self)

    def close(self) -> None:
        """See `Link.close`."""
        if self.phase != IDLE:
            self.disconnect()
            self._park(self)
