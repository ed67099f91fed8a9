"""The dialogue with one server, without a socket: bytes in, bytes and the next step out.

Theory of operation. The first write carries three requests: isMaster by OP_QUERY, which every version
answers, and buildInfo and listDatabases by OP_MSG. Servers from 3.6 on answer all three in order; older ones
are silent about OP_MSG, so those two are forgotten as soon as the handshake shows an older wire version, and
asked again by OP_QUERY. After each reply the table of questions says what is still to be asked; after each
lost connection the table of reopenings says whether another one is worth it. When the verdict is open, a plan
may ask for metadata, several questions in flight; nothing that happens there changes the verdict.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from results.verdict import Verdict
from scanner.contact import Ending, TlsSession
from scanner.mongo import console as http_console
from scanner.mongo.channel import Channel
from scanner.mongo.commands import Request, hello
from scanner.mongo.facts import Attempt, Depth, Document, Facts, Layer, Limits, Next, Reply
from scanner.mongo.judge import judge
from scanner.mongo.listing import cut_batch, cut_listings
from scanner.mongo.opening import first_write, handshake_again, learn
from scanner.mongo.questions import (
    CONSOLE,
    FIRST_WRITE,
    MSG_ONLY,
    QUESTIONS,
    REOPENINGS,
    DialogueState,
    Lost,
    settled,
)
from scanner.mongo.transcript import channel_for
from scanner.mongo.wire import Flaw, Opcode, WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scanner.mongo.channel import Flight
    from scanner.mongo.questions import Plan
    from scanner.mongo.transcript import Transcript

FIRST_BYTES_KEPT: Final = 64
BASE_BYTES: Final = 4096  # of memory that a conversation takes in which nothing was said yet
_PLAN: Final = "plan"
_HANDSHAKE: Final = "handshake"  # after a reconnect: answered, and of no further use


class Dialogue:
    """One target's conversation over all its connections. Obey `next` after each call.

    `client` is the metadata document that the server logs, `loopback` says that we ask from the server's own
    host, `plan_factory(facts, limits, depth)` makes the metadata plan when the verdict is open. `console`:
    the port is that of the old HTTP console, so one page is asked for if nothing else is answered.
    `transcript`: what is asked and answered is kept there, as hashes.
    """

    __slots__ = (
        "_bytes_sent",
        "_channel",
        "_depth",
        "_make_plan",
        "_messages_sent",
        "_open",
        "_plan",
        "_state",
        "_told",
        "_unanswered",
        "facts",
        "next",
        "plan_waits",
        "transcript",
        "waits_with_plan",
    )

    def __init__(
        self,
        *,
        client: Document,
        depth: Depth,
        limits: Limits,
        loopback: bool,
        plan_factory: Callable[[Facts, Limits, Depth], Plan] | None = None,
        console: bool = False,
        transcript: Transcript | None = None,
    ) -> None:
        self.facts = Facts(loopback=loopback)
        self.next = Next.WAIT
        self._messages_sent = 0  # on earlier connections
        self._bytes_sent = 0
        self._depth = depth
        self._make_plan = plan_factory
        self._plan: Plan | None = None
        self._told: Callable[[Request, Sequence[Any]], None] | None = None  # the plan's
        self._state = DialogueState(client, limits, self.facts, console)
        self.transcript = transcript
        self._channel = Channel(limits)
        self._unanswered: deque[Request] = deque()
        self._open = False
        self.waits_with_plan = False  # set by a driver that calls `begin_plan` when it has room
        self.plan_waits = False  # for that call; nothing is in flight meanwhile

    @property
    def messages_sent(self) -> int:
        """Requests written on all connections."""
        return self._messages_sent + self._channel.messages_sent

    @property
    def bytes_sent(self) -> int:
        """Bytes written on all connections."""
        return self._bytes_sent + self._channel.bytes_sent

    @property
    def bytes_received(self) -> int:
        """Bytes that this server sent on all its connections."""
        return sum([attempt.bytes_received for attempt in self.facts.attempts])

    @property
    def held(self) -> int:
        """Bytes of memory that this conversation takes: kept answers, the inventory, what is on the way."""
        return BASE_BYTES + self.facts.weight + self._channel.held + (self._plan.held if self._plan else 0)

    @property
    def coming(self) -> int:
        """Bytes that the reply at hand will still bring, by its own word and never more than its cap."""
        return self._channel.coming

    @property
    def plan(self) -> Plan | None:
        """The metadata plan, once the verdict was open and more was wanted."""
        return self._plan

    def connected(self, layer: Layer, tls: TlsSession | None = None) -> bytes:
        """A new connection stands. Returns the bytes to write on it now."""
        self._begin(layer, tls)
        state = self._state
        if state.opening is FIRST_WRITE:
            last_id, wanted = self._channel.last_id, self.facts.api_version_required
            for slot, request, by, message in first_write(state.client, last_id, api_version=wanted):
                self._channel.put(request, slot, by, "", message)
        elif state.opening is CONSOLE:
            return self._ask_console()
        elif state.opening is MSG_ONLY:
            state.opcode = Opcode.OP_MSG
            state.asked.add("hello")
            self._ask("hello", hello(state.client), Opcode.OP_MSG, "hello")
        else:
            self._resume()
        return self._channel.take_output()

    def opened(self, facts: Facts) -> None:
        """The first write went out elsewhere on a plain connection, and its answer is all that the verdict
        needs: `facts`, read by their kind. What else is wanted of the server waits for `begin_plan`."""
        state = self._state
        facts.observed_at = self.facts.observed_at
        self.facts = state.facts = facts
        state.opcode, state.heard = Opcode.OP_MSG, True
        self._channel.begun([opener.message for opener in first_write(state.client, 0, api_version=False)])
        self._open = self.plan_waits = self._wants_plan()
        self.next = Next.WAIT if self.plan_waits else Next.DONE

    def received(self, data: bytes) -> bytes:
        """Bytes came. Returns the bytes to write next, which may be none."""
        if self.next is not Next.WAIT or not self._open or not data:
            return b""
        attempt = self.facts.attempts[-1]
        attempt.bytes_received += len(data)
        attempt.first_bytes += data[: max(0, FIRST_BYTES_KEPT - len(attempt.first_bytes))]
        if self.bytes_received > self._state.limits.host_bytes:
            self._lose(Ending.TOO_MUCH)
            return b""
        if self._state.opening is CONSOLE:
            self._read_console(data)
            return b""
        self._channel.feed(data)
        try:
            self._read_replies(attempt)
        except WireError as error:
            attempt.protocol_error = f"{error.flaw.value}: {error.detail}"
            if error.flaw is Flaw.OTHER_PROTOCOL:
                attempt.speaks = error.detail
            self._lose(None, error.flaw)
        return self._channel.take_output() if self._open else b""

    def ended(self, ending: Ending, tls: TlsSession | None = None) -> None:
        """The connection is over, or never came to stand (a TLS handshake that failed)."""
        if self.next is Next.DONE:
            return
        if not self._open:
            layer = Layer.TLS if self.next in (Next.OPEN_TLS, Next.OPEN_TLS_LEGACY) else Layer.PLAIN
            self._begin(layer, tls)
        elif tls is not None:
            self.facts.attempts[-1].tls = tls
        self._lose(ending)

    def abort(self, ending: Ending) -> None:
        """The host's time is over: what is known now is judged."""
        if self.next is Next.DONE:
            return
        if self._open:
            self.facts.attempts[-1].ending = ending
        self._give_up(ending.value)

    # Connections.

    def _begin(self, layer: Layer, tls: TlsSession | None) -> None:
        state = self._state
        state.layer = layer
        if layer is Layer.TLS:
            state.tried_tls = True
            state.legacy_tls = self.next is Next.OPEN_TLS_LEGACY or bool(tls and tls.legacy)
        if state.opening is MSG_ONLY:
            state.tried_msg_only = True
        self.facts.attempts.append(Attempt(layer=layer, tls=tls))
        self._messages_sent += self._channel.messages_sent
        self._bytes_sent += self._channel.bytes_sent
        self._channel = channel_for(self.transcript, state.limits, self._channel.last_id)
        self._open = True
        self.next = Next.WAIT

    def _lose(self, ending: Ending | None, flaw: Flaw | None = None, *, offender: bool = True) -> None:
        """The connection is of no more use: say what comes next."""
        attempt = self.facts.attempts[-1]
        attempt.ending = ending
        self._open = False
        state, lost = self._state, Lost(attempt, flaw, self._channel.owes)
        reason = attempt.protocol_error or (ending.value if ending else "")
        self._return_flights(reason, offender=offender and flaw is not None)
        if len(self.facts.attempts) < state.limits.connections:
            for row in REOPENINGS:
                if row.when(state, lost):
                    state.resumed = state.resumed or row.same_server
                    state.opening = row.opening
                    self.next = row.next(state)
                    return
        self._give_up(reason)

    def _return_flights(self, reason: str, *, offender: bool) -> None:
        """Plan requests in flight wait for the next connection; the one whose reply was no good does not."""
        for flight in self._channel.flights:
            self._state.asked.discard(flight.question)
            if flight.slot == _PLAN and self._plan is not None:
                if offender:
                    self._plan.answered(flight.request, Reply(command=flight.request.command, error=reason))
                else:
                    self._unanswered.append(flight.request)
            offender = False
        self._channel.flights.clear()

    def _give_up(self, reason: str) -> None:
        """No further connection. What the plan still waits for is answered with the reason."""
        if self._plan is not None or self._wants_plan():
            self.facts.metadata_cut = reason
        self._return_flights(reason, offender=False)
        while self._plan is not None and self._unanswered:
            request = self._unanswered.popleft()
            self._plan.answered(request, Reply(command=request.command, error=reason))
        self._finish()

    def _finish(self) -> None:
        self.next = Next.DONE
        self._open = False

    def _resume(self) -> None:
        """Handshake first, by the opcode that worked; then what is still unanswered."""
        state = self._state
        self._ask(_HANDSHAKE, *handshake_again(state))
        if state.planning:
            self._fill()
        else:
            self._ask_questions()

    # The status page.

    def _ask_console(self) -> bytes:
        self._state.tried_console = True
        self._messages_sent += 1
        self._bytes_sent += len(http_console.REQUEST)
        return http_console.REQUEST

    def _read_console(self, data: bytes) -> None:
        """Keep the page's head; hang up as soon as it is there."""
        page = (self.facts.console_page + data)[: http_console.KEPT]
        end = http_console.head_end(page)
        self.facts.console_page = page[:end] if end else page
        if end or len(page) == http_console.KEPT:
            self._finish()

    # Requests.

    def _ask(self, slot: str, request: Request, by: Opcode, question: str = "") -> None:
        """Put one request in flight. Raises `RefusedRequest` when it must not leave."""
        self._channel.ask(
            request,
            slot,
            by,
            question,
            time_limit=by is Opcode.OP_MSG or self._state.time_limits,
            api_version=self.facts.api_version_required,
        )

    def _ask_questions(self) -> None:
        """Every question whose time has come, each once."""
        state = self._state
        for row in QUESTIONS:
            if row.name not in state.asked and row.when(state):
                state.asked.add(row.name)
                self._ask(row.slot, row.request(state), row.opcode or state.opcode or Opcode.OP_MSG, row.name)

    def _fill(self) -> None:
        """Keep the window full of the plan's requests; when there are no more, the dialogue is over. It is
        small at first and grows by each answer, so that who is slow gets few at a time."""
        assert self._plan is not None
        state, channel = self._state, self._channel
        form, version = state.opcode or Opcode.OP_MSG, self.facts.api_version_required
        while (room := state.room - len(channel.flights)) > 0:
            requests = self._next_of_plan(room)
            if not requests:
                break
            for request, refusal in channel.ask_all(
                requests, _PLAN, form, time_limit=state.time_limits, api_version=version
            ):
                self._plan.answered(request, Reply(command=request.command, error=f"not asked: {refusal}"))
        if not channel.owes:
            self._finish()

    def _next_of_plan(self, room: int) -> list[Request]:
        assert self._plan is not None
        if self._unanswered:
            return [self._unanswered.popleft() for _ in range(min(room, len(self._unanswered)))]
        return self._plan.next_requests(room)

    # Replies.

    def _read_replies(self, attempt: Attempt) -> None:
        """Take every reply that has come whole. What the plan asks next is looked up once for all of them."""
        channel, before, planned = self._channel, attempt.replies, self._plan is not None
        while self.next is Next.WAIT:
            if self._told is not None:
                attempt.replies += channel.read_known(self._told)
            landed = channel.next_reply()
            if landed is None:
                break
            attempt.replies += 1
            self._state.heard = True
            flight, reply, late = landed
            self._deliver(flight, reply, late=late)
        if planned and attempt.replies > before:
            self._state.window += attempt.replies - before
            if self.next is Next.WAIT:
                self._fill()

    def _deliver(self, flight: Flight, reply: Reply, *, late: bool) -> None:
        if flight.slot == _PLAN:
            assert self._plan is not None
            self._plan.answered(flight.request, reply)
        elif flight.slot != _HANDSHAKE and not (late and getattr(self.facts, flight.slot) is not None):
            cut_batch(reply)
            setattr(self.facts, flight.slot, reply)
            if learn(self._state, flight.slot, reply):
                self._channel.forget(Opcode.OP_MSG)
        if reply.truncated_list:
            # Proven by its beginning; the rest is still coming, so this connection cannot be used any more.
            self.facts.attempts[-1].protocol_error = "too large: a list of databases over the cap"
            self._lose(None, Flaw.TOO_LARGE, offender=False)
        elif self._plan is None and not self._channel.owes:
            self._go_on()

    def _go_on(self) -> None:
        """Nothing is awaited: the next questions, else the plan, else the end."""
        if not settled(self._state):
            self._ask_questions()
            if self._channel.owes:
                return
        if self._wants_plan():
            self.plan_waits = self.waits_with_plan
            if not self.plan_waits:
                self._begin_plan()
        else:
            self._finish()

    def begin_plan(self) -> bytes:
        """Ask for the metadata. Returns the bytes to write."""
        self._begin_plan()
        return self._channel.take_output()

    def _begin_plan(self) -> None:
        assert self._make_plan is not None
        self.plan_waits = False
        self._plan = self._make_plan(self.facts, self._state.limits, self._depth)
        self._told = getattr(self._plan, "told", None)  # without it, a plan reads whole documents only
        cut_listings(self.facts)  # their names are in the plan's inventory now
        self._state.planning = True
        self._fill()

    def _wants_plan(self) -> bool:
        wanted = self._plan is None and self._make_plan is not None and self._depth is not Depth.VERDICT
        return wanted and judge(self.facts).verdict is Verdict.OPEN
