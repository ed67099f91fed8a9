"""The connector for Linux: an epoll set of its own inside the event loop, and sockets that live for ever.

Theory of operation. What a probe costs is the life of a kernel object, not the interpreter. So sockets are
made once, registered once (edge-triggered), and never closed between targets:

* refused: a second `connect` to the same target collects the error and leaves the socket unconnected;
* answered, silent or timed out: `connect` with AF_UNSPEC resets it (a RST when established, nothing in
  SYN_SENT) and gives the port back.

One reader callback of the loop serves up to 512 sockets a turn. A target that is silent is one slot and an
entry in the deadline wheel; no task, future or timer belongs to it. Edges left over from a socket's last life
are re-polled by the kernel: in SYN_SENT the mask is empty, and a parked socket is in phase IDLE.
"""

from __future__ import annotations

import errno
import select
from collections import deque
from socket import inet_ntoa
from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.contact import LOST_AFTER, Ending, LocalFault, Token
from scanner.network.connect import errnos
from scanner.network.connect.base import (
    BEHIND_SECONDS,
    NARROWED,
    READ_SIZE,
    TICK,
    TURN_SECONDS,
    Deadline,
    Prober,
    Timeouts,
    WorkClock,
)
from scanner.network.connect.deadlines import Wheel
from scanner.network.connect.handshake import connect_seconds, refused_by, refused_seconds
from scanner.network.connect.slot import CONNECTING, CUT, IDLE, LENT, OPEN, Slot, talks_to_itself
from targets.scope import OutOfScope, Target

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable, Collection, Iterable

EVENTS_PER_TURN = 512
GROWTH_INTERVAL = 5.0  # seconds after a lack of descriptors until some more sockets are tried

_EINPROGRESS, _ECONNREFUSED = errno.EINPROGRESS, errno.ECONNREFUSED
_CONNECT, _REPLY, _HOST = Deadline.CONNECT, Deadline.REPLY, Deadline.HOST  # looking at a member is dear
_WRITABLE = select.EPOLLOUT
_EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLET | select.EPOLLRDHUP
_BROKEN = select.EPOLLERR | select.EPOLLHUP
_ENDING = select.EPOLLRDHUP | _BROKEN
_READABLE = select.EPOLLIN | _ENDING


class EpollConnector:
    """Implements `Connector` on Linux. `permits(target)` is the scope, asked before every connect."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        prober: Prober,
        permits: Callable[[Target], bool],
        timeouts: Timeouts,
        capacity: int,
        after_turn: Callable[[], None] | None = None,
        watched: Collection[Target] = (),
    ) -> None:
        self._watched = watched
        self.capacity = self._wanted = capacity
        self._grow_at = 0.0  # when a capacity that was cut by a fault may grow again
        self._loop = loop
        self._prober = prober
        self._permits = permits
        self.timeouts = timeouts
        self._after_turn = after_turn or (lambda: None)
        self._slots: dict[int, Slot] = {}
        self._idle: dict[int, list[Slot]] = {4: [], 6: []}
        self._again: list[tuple[Slot, float]] = []
        self._cut: deque[Slot] = deque()  # whose end is not told yet
        self._due: set[Callable[[], None]] = set()  # what `_soon` was asked for
        self.half_open = 0
        self.suspensions = 0
        self.waited = 0.0
        self._epoll = select.epoll()
        now = loop.time()
        self._wheel = Wheel(now)
        self._work = WorkClock(now)
        self._left = False  # whether this turn put some back
        self._share = EVENTS_PER_TURN  # events that the next turn takes
        self._caught_up = now  # when a turn last served all that waited
        self._closed = False
        loop.add_reader(self._epoll.fileno(), self._ready)
        self._timer = loop.call_later(TICK, self._tick)

    # --- slots ---------------------------------------------------------------------------------

    @property
    def free(self) -> int:
        """See `Connector.free`."""
        return self.capacity - len(self._slots) + len(self._idle[4]) + len(self._idle[6])

    @property
    def busy(self) -> int:
        """Slots that belong to a target now."""
        return len(self._slots) - len(self._idle[4]) - len(self._idle[6])

    @property
    def behind(self) -> bool:
        """See `Connector.behind`."""
        return self._loop.time() - self._caught_up > BEHIND_SECONDS

    @property
    def late_seconds(self) -> float:
        """See `Connector.late_seconds`."""
        return self._work.late_seconds

    def _slot(self, version: int) -> Slot | None:
        """An idle slot of the family, or a new one; at capacity one of the other family is traded in."""
        idle = self._idle[version]
        if idle:
            return idle.pop()
        other = self._idle[10 - version]
        if len(self._slots) >= self.capacity and other:
            traded = other.pop()
            del self._slots[traded.fd]
            traded.sock.close()
        return self._new_slot(version)

    def _new_slot(self, version: int, adopted: socket.socket | None = None) -> Slot:
        slot = Slot(version, self.start, self.arm_reply, self.park, self.hold, self.go_on, adopted)
        try:
            self._epoll.register(slot.fd, _EDGES)
        except OSError:  # ENOMEM, or ENOSPC: the limit of fs.epoll.max_user_watches
            slot.sock.close()
            raise
        self._slots[slot.fd] = slot
        return slot

    def lend(self, slot: Slot) -> None:
        """Let another process go on with an open connection: nothing is read here, and no deadline passes,
        until it is taken back."""
        self._epoll.unregister(slot.fd)
        slot.phase = LENT
        slot.talk = None
        slot.deadline = slot.host_deadline = 0.0

    def take_back(self, slot: Slot) -> None:
        """The other process is done with it, or has ended: reset what stands of it, and park the slot."""
        if self._closed:
            return
        slot.disconnect()
        try:
            self._epoll.register(slot.fd, _EDGES)
        except OSError:  # as in _new_slot; this machine has one socket less
            del self._slots[slot.fd]
            slot.sock.close()
            return
        self.park(slot)

    def adopt(
        self,
        sock: socket.socket,
        target: Target,
        token: Token,
        opened_at: float,
        connect_seconds: float,
        host_deadline: float,
    ) -> Slot:
        """Go on with a connection that another process has lent. Raises OSError."""
        slot = self._new_slot(target.version, sock)
        slot.phase = OPEN
        slot.target, slot.token, slot.sockaddr = target, token, target.sockaddr
        slot.opened_at, slot.connect_seconds, slot.host_deadline = opened_at, connect_seconds, host_deadline
        slot.connected_at = self._loop.time()
        self._arm(slot, slot.connected_at)
        return slot

    def park(self, slot: Slot) -> None:
        """Give a slot back; the caller has seen to its socket."""
        if slot.phase == CONNECTING:
            self.half_open -= 1
        slot.phase = IDLE
        slot.kind = _CONNECT
        slot.talk = None
        slot.patient = False
        slot.out = b""
        slot.deadline = slot.host_deadline = slot.held_at = slot.cut_at = 0.0
        slot.retries = 0
        if slot.adopted:
            self._epoll.unregister(slot.fd)  # closing would not: whoever lent it holds the same socket
            del self._slots[slot.fd]
            slot.sock.close()
        else:
            self._idle[slot.version].append(slot)

    # --- connecting ----------------------------------------------------------------------------

    def connect(self, target: Target, token: Token) -> None:
        """See `Connector.connect`. The caller has seen `free`."""
        if not self._permits(target):
            raise OutOfScope(str(target), "the scope refused it")
        slot = self._slot_for(target, token)
        if slot is not None:
            slot.target = target
            slot.sockaddr = target.sockaddr
            slot.token = token
            slot.opened_at = self._loop.time()
            self.start(slot)

    def _slot_for(self, target: Target, token: Token) -> Slot | None:
        """A slot for this target; None when no socket could be made, which has been reported."""
        try:
            return self._slot(target.version)
        except OSError as error:
            self._shrink()
            fault = errnos.classify(error.errno or 0)
            kind = fault if isinstance(fault, LocalFault) else LocalFault.OTHER
            self._prober.fault(target, token, kind, errnos.describe(error.errno or 0), None)
            return None

    def connect_many(
        self, batch: Iterable[tuple[Token, Target]], permits: Callable[[Target], bool]
    ) -> list[Token]:
        """See `Connector.connect_many`: `connect` for each, written for speed."""
        now = self._loop.time()
        deadline = now + self.timeouts.connect
        tick, idle = self._wheel.tick_of(deadline), self._idle[4]
        outside: list[Token] = []
        begun = 0
        sockaddr: tuple[str, int] | tuple[str, int, int, int]
        try:
            for token, target in batch:
                version, address, port = target
                if version == 4 and idle:
                    slot = idle.pop()
                    sockaddr = slot.sockaddr = inet_ntoa(address.to_bytes(4)), port
                elif (found := self._slot_for(target, token)) is not None:
                    slot = found
                    sockaddr = slot.sockaddr = target.sockaddr
                else:
                    continue
                if not permits(target):
                    outside.append(token)
                    self.park(slot)
                    continue
                slot.target = target
                slot.token = token
                slot.opened_at = now
                number = slot.connect_ex(sockaddr)
                if number == _EINPROGRESS:
                    begun += 1
                    slot.phase = CONNECTING
                    slot.deadline = deadline
                    if slot.wheel_tick == -1 or tick < slot.wheel_tick:
                        self._wheel.set(slot, deadline)
                else:
                    self._begun(slot, number)
        finally:
            self.half_open += begun
        return outside

    def start(self, slot: Slot) -> None:
        """Issue the connect of a slot whose socket is unconnected. The scope is asked again: a reopening
        may come seconds after the first look, when an entry has expired or been denied."""
        if slot.talk is not None and not self._permits(slot.target):
            self._report(slot, LocalFault.FORBIDDEN, NARROWED)
            return
        self._begun(slot, slot.connect_ex(slot.sockaddr))

    def _begun(self, slot: Slot, number: int) -> None:
        """What the kernel said to a connect."""
        if number == errno.EINPROGRESS or number == 0:
            if slot.phase != CONNECTING:
                self.half_open += 1
            slot.phase = CONNECTING
            slot.retries = 0
            slot.kind = _CONNECT
            slot.out = b""
            deadline = self._loop.time() + self.timeouts.connect
            if slot.host_deadline and slot.host_deadline < deadline:
                deadline = slot.host_deadline
            self._wheel.set(slot, deadline)
        elif slot.phase != CONNECTING and number in (errno.EISCONN, errno.EALREADY) and slot.retries == 0:
            slot.retries = 1
            slot.disconnect()
            self.start(slot)
        else:
            self._connect_failed(slot, number)

    def _connect_failed(self, slot: Slot, number: int) -> None:
        if number in errnos.ASK_THE_QUEUE:
            waited = self._loop.time() - slot.opened_at
            meaning, detail = errnos.classify_unreachable(slot.sock, number, waited)
        else:
            meaning, detail = errnos.classify(number), errnos.describe(number)
        slot.disconnect()
        self._report(slot, meaning, detail)

    def _report(self, slot: Slot, meaning: Verdict | LocalFault, detail: str) -> None:
        target, token, talk = slot.target, slot.token, slot.talk
        self.waited = self._loop.time() - slot.opened_at
        self.park(slot)
        if isinstance(meaning, Verdict):
            self._prober.failed(target, token, meaning, detail, talk)
        else:
            self._prober.fault(target, token, meaning, detail, talk)

    # --- events --------------------------------------------------------------------------------

    def _ready(self) -> int:  # noqa: C901 - one loop: a call per event costs more
        """Serve what has happened, up to a turn's share. Returns how many sockets that were."""
        share, slot_of, time = self._share, self._slots.get, self._loop.time
        now = time()
        watched = self._watched
        if self._work.is_late(now):
            self._notice_stop(now)
        events = self._epoll.poll(0, share)
        served = len(events)
        refused: list[tuple[Token, Target, float]] = []
        try:
            for fd, event in events:
                slot = slot_of(fd)
                if slot is None:
                    continue
                phase = slot.phase
                try:
                    if phase == OPEN:
                        if slot.out and event & _WRITABLE:
                            self._flush(slot)
                        if event & _READABLE and not slot.held_at:
                            self._read(slot, event)
                    elif phase == CONNECTING:
                        if event & _BROKEN:
                            waited = now - slot.opened_at
                            if waited > LOST_AFTER:
                                waited = refused_seconds(slot.sock, waited)
                            if watched and slot.target in watched and slot.talk is None:
                                self._collect_watched(slot, event, waited)
                                continue
                            # A second connect to the same target returns the pending error and frees the
                            # socket.
                            number = slot.connect_ex(slot.sockaddr)
                            if number == _ECONNREFUSED and slot.talk is None:
                                refused.append((slot.token, slot.target, waited))
                                slot.phase = IDLE
                                slot.deadline = 0.0
                                self._idle[slot.version].append(slot)
                            else:
                                self._collected(slot, event, number)
                        elif event & _WRITABLE:
                            self._established(slot, event, now)
                except Exception as error:  # noqa: BLE001 - one probe's bug is reported, the others go on
                    self._broke(slot, error)
                if phase == OPEN and time() - now > TURN_SECONDS:
                    served = events.index((fd, event)) + 1
                    self._put_back(events[served:])
                    break
        finally:
            if refused:
                self.half_open -= len(refused)
                self._prober.refused(refused)
        self._turn_over(served, share, now)
        return served

    def _turn_over(self, served: int, share: int, began: float) -> None:
        now = self._loop.time()
        if now - began > TURN_SECONDS:
            self._share = max(1, int(served * TURN_SECONDS / (now - began)))
        elif share < EVENTS_PER_TURN:
            self._share = min(EVENTS_PER_TURN, 2 * share)
        if served < share and not self._left:  # else the set stays readable, and the loop comes back
            self._caught_up = now
        self._left = False
        self._after_turn()

    def _put_back(self, events: list[tuple[int, int]]) -> None:
        """Those before took longer than was foreseen. An edge comes again when it is asked for anew, if it
        holds still: a socket may be another target's by then."""
        for fd, _ in events:
            if fd in self._slots:
                self._epoll.modify(fd, _EDGES)
                self._left = True

    def _soon(self, do: Callable[[], None]) -> None:
        """Once after the next events, however often it is asked for: timers wait for all that is due."""
        if do not in self._due:
            self._due.add(do)
            self._loop.call_soon(self._do, do)

    def _do(self, do: Callable[[], None]) -> None:
        self._due.discard(do)
        if not self._closed:
            do()

    def _broke(self, slot: Slot, error: Exception) -> None:
        """Our own code raised: take the slot back. Once parked, its target has an outcome and the bug is not
        of one probe alone, so that the whole sweep must end."""
        if slot.phase == IDLE:
            raise error
        target, token, talk = slot.target, slot.token, slot.talk
        slot.disconnect()
        self.park(slot)
        self._prober.broke(target, token, error, talk)

    def _collect_watched(self, slot: Slot, event: int, waited: float) -> None:
        """The pending error of a watched target: a refusal is told by itself, with what refused it."""
        by = refused_by(slot.sock)
        number = slot.connect_ex(slot.sockaddr)
        if number != _ECONNREFUSED or by is None:
            self._collected(slot, event, number)
            return
        target, token = slot.target, slot.token
        self.waited = waited
        self.park(slot)
        self._prober.failed(target, token, Verdict.REFUSED, by, None)

    def _collected(self, slot: Slot, event: int, number: int) -> None:
        """What the second connect to the same target returned: the pending error, and the socket is free."""
        if number in (0, errno.EISCONN):
            self._established(slot, event, self._loop.time())
        elif number in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED):
            # In SYN_SENT a reset is ECONNREFUSED; this one came after the handshake: accepted, then broken.
            self._established(slot, 0, self._loop.time())
            if slot.phase == OPEN:
                self._over(slot, Ending.RESET)
        elif number in (errno.EINPROGRESS, errno.EALREADY):
            # No error was pending: an ICMP message for the socket's last life lay in its error queue.
            errnos.drain(slot.sock)
        else:
            self._connect_failed(slot, number)

    def _established(self, slot: Slot, event: int, now: float) -> None:
        self.half_open -= 1
        slot.phase = OPEN
        slot.connected_at = now
        if slot.talk is None:
            slot.connect_seconds = connect_seconds(slot.sock, now - slot.opened_at)
            slot.host_deadline = now + self.timeouts.host
            if slot.target.is_loopback and talks_to_itself(slot.sock):
                self._retire(slot, Verdict.REFUSED, "connected to itself")
                return
        self._arm(slot, now)
        self._prober.connected(slot)
        if event & select.EPOLLIN and slot.phase == OPEN:
            self._read(slot, event)

    def _retire(self, slot: Slot, meaning: Verdict | LocalFault, detail: str) -> None:
        slot.disconnect()
        self._report(slot, meaning, detail)

    def _flush(self, slot: Slot) -> None:
        data, slot.out = slot.out, b""
        slot.send(data)

    def _read(self, slot: Slot, event: int) -> None:
        if not slot.patient and self._loop.time() > slot.host_deadline:
            slot.kind = _HOST
            self._over(slot, Ending.TIMEOUT)
            return
        try:
            data = slot.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            self._over(slot, Ending.RESET)
            return
        if not data:
            self._over(slot, Ending.CLOSED)
            return
        if len(data) == READ_SIZE or event & _ENDING:
            # An edge does not come twice: what was left, and the end that came with it, are read next.
            self._read_later(slot)
        self._prober.received(slot, data)

    def _read_later(self, slot: Slot) -> None:
        self._again.append((slot, slot.connected_at))
        self._soon(self._read_more)

    def _read_more(self) -> None:
        """Sockets that filled their share of the last turn: edges do not come twice."""
        slots, self._again = self._again, []
        now = self._loop.time()
        if self._work.is_late(now):
            self._notice_stop(now)
        for place, (slot, connected_at) in enumerate(slots):
            if self._loop.time() - now > TURN_SECONDS:
                self._again += slots[place:]
                self._soon(self._read_more)
                break
            if slot.phase == OPEN and slot.connected_at == connected_at and not slot.held_at:
                try:
                    self._read(slot, _ENDING)
                except Exception as error:  # noqa: BLE001 - as in _ready
                    self._broke(slot, error)
        self._after_turn()

    def _over(self, slot: Slot, ending: Ending) -> None:
        """Tell the prober; unless it reopens, the slot is free."""
        self._prober.ended(slot, ending)
        if slot.phase in (OPEN, CUT):
            slot.disconnect()
            self.park(slot)

    # --- time: deadlines, and what is done to all slots at once -----------------------------------

    def arm_reply(self, slot: Slot) -> None:
        """Start the reply clock; the host's own deadline is never passed."""
        self._arm(slot, self._loop.time())

    def _arm(self, slot: Slot, now: float) -> None:
        deadline = now + self.timeouts.reply
        if deadline < slot.host_deadline:
            slot.kind = _REPLY
        else:
            deadline, slot.kind = slot.host_deadline, _HOST
        self._wheel.set(slot, deadline)

    def hold(self, slot: Slot) -> None:
        """See `Link.hold`: what the peer goes on to send fills the kernel's buffer, and then waits there."""
        slot.held_at = slot.held_at or self._loop.time()
        if not slot.patient:
            slot.kind = _HOST
            self._wheel.set(slot, slot.host_deadline)

    def go_on(self, slot: Slot) -> None:
        """See `Link.go_on`."""
        if slot.held_at:
            now = self._loop.time()
            away, slot.held_at = now - slot.held_at, 0.0
            if slot.patient:
                slot.host_deadline += away
                self._wheel.set(slot, slot.deadline + away)
            else:
                self._arm(slot, now)
            self._read_later(slot)  # the edge that told of it may have come and gone

    def _notice_stop(self, now: float) -> None:
        """Deadlines do not run while the process is stopped, and those of replies not while it is late."""
        stopped, late = self._work.look(now)
        if stopped:
            self.suspensions += 1
            self._caught_up += stopped
            self.extend(stopped)
        if late:
            for slot in self._slots.values():
                if slot.held_at:
                    continue  # its clocks stand still as it is, or only the host's own runs
                if slot.phase == OPEN and (slot.patient or slot.kind is _REPLY):
                    slot.deadline += late
                    if slot.patient:
                        slot.host_deadline += late
                    if slot.deadline >= slot.host_deadline:
                        slot.deadline, slot.kind = slot.host_deadline, _HOST

    def _tick(self) -> None:
        if self._closed:
            return
        now = self._loop.time()
        self._timer = self._loop.call_later(TICK, self._tick)
        self._notice_stop(now)
        self._prober.ticked(max(self._work.lag(), now - self._caught_up - TICK))
        # Data before timers: what has arrived counts, however late we look. One event of each slot is enough.
        left = len(self._slots) or 1  # without any, nothing waits: a turn must see that
        while left > 0 and self._loop.time() - now <= TURN_SECONDS and (served := self._ready()):
            left -= served
        all_seen = left <= 0 or self._loop.time() - now <= TURN_SECONDS
        for slot in self._wheel.expired(now):
            try:
                if slot.held_at and slot.patient:
                    pass  # `go_on` gives it a deadline again
                elif slot.phase == OPEN and slot.kind is _HOST:
                    self._cut_off(slot, now)
                elif not all_seen and self._loop.time() - now > 2 * TURN_SECONDS:
                    self._wheel.set(slot, slot.deadline)  # in the next tick
                elif all_seen or not self._last_look(slot):
                    self._expire(slot)
            except Exception as error:  # noqa: BLE001 - as in _ready
                self._broke(slot, error)
        self._tell_cut()
        self._grow(now)
        self._after_turn()

    def _shrink(self) -> None:
        """No socket can be made: what there is must do for a while."""
        self.capacity = max(1, len(self._slots))
        self._grow_at = self._loop.time() + GROWTH_INTERVAL

    def _grow(self, now: float) -> None:
        """Descriptors that were lacking may have come back."""
        if self.capacity < self._wanted and now >= self._grow_at:
            self._grow_at = now + GROWTH_INTERVAL
            self.capacity = min(self._wanted, self.capacity + max(1, self._wanted // 8))

    def _cut_off(self, slot: Slot, now: float) -> None:
        """A host's time is over. When many are at once, all are reset before one is written down."""
        slot.disconnect()
        slot.phase = CUT
        slot.deadline = 0.0
        slot.cut_at = now
        self._cut.append(slot)

    def _tell_cut(self) -> None:
        """Tell of connections that were reset, for a turn's time; the rest after the next events."""
        began = self._loop.time()
        while self._cut and not self._closed:
            if self._loop.time() - began > TURN_SECONDS:
                self._soon(self._tell_cut)
                return
            slot = self._cut.popleft()
            if slot.phase == CUT:
                try:
                    self._over(slot, Ending.TIMEOUT)
                except Exception as error:  # noqa: BLE001 - as in _ready
                    self._broke(slot, error)

    def _last_look(self, slot: Slot) -> bool:
        """Before one slot expires, where not all events were served: whether something had come for it."""
        if slot.phase == CONNECTING:
            number = slot.connect_ex(slot.sockaddr)
            if number in (errno.EALREADY, errno.EINPROGRESS):
                return False
            self._collected(slot, 0, number)
            return True
        deadline, connected_at = slot.deadline, slot.connected_at
        self._read(slot, _ENDING)
        return slot.phase != OPEN or slot.deadline != deadline or slot.connected_at != connected_at

    def extend(self, seconds: float) -> None:
        """See `Connector.extend`."""
        for slot in self._slots.values():
            if slot.phase not in (IDLE, LENT):
                slot.deadline += seconds
                if slot.held_at:
                    slot.held_at += seconds
                if slot.host_deadline:
                    slot.host_deadline += seconds

    def ask_again(self, detail: str, *, talking: bool = False) -> None:
        """See `Connector.ask_again`. A dialogue whose reopening waits begins again, too."""
        for slot in list(self._slots.values()):
            if slot.phase == CONNECTING or (talking and slot.phase not in (IDLE, LENT)):
                self._retire(slot, LocalFault.NETWORK, detail)

    def drop_forbidden(self) -> None:
        """See `Connector.drop_forbidden`."""
        for slot in list(self._slots.values()):
            if slot.phase not in (IDLE, LENT) and not self._permits(slot.target):
                self._retire(slot, LocalFault.FORBIDDEN, NARROWED)

    def _expire(self, slot: Slot) -> None:
        if slot.phase == CONNECTING:
            self._retire(slot, Verdict.FILTERED, "")
        elif slot.phase == OPEN:
            self._over(slot, Ending.TIMEOUT)

    def close(self) -> None:
        """See `Connector.close`."""
        if self._closed:
            return
        self._closed = True
        self._timer.cancel()
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        for slot in self._slots.values():
            slot.disconnect()
            slot.sock.close()
        self._slots.clear()
        self._wheel.clear()
