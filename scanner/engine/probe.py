"""One target's life: the only place where the network and the dialogue meet.

A connector tells what happened on a link; a dialogue says what to write and when to open another connection.
Neither knows the other. A target that never accepts a connection passes through without an object of its own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from results.verdict import Verdict
from scanner.contact import Ending, LocalFault, is_canary, is_witness
from scanner.engine.conversation import Conversation
from scanner.engine.later import Later
from scanner.engine.memory import Coming, MemoryBudget
from scanner.mongo.dialogue import BASE_BYTES
from scanner.mongo.facts import Layer, Next
from scanner.mongo.first_answers import facts_of
from scanner.mongo.listing import plan_size
from scanner.network.connect.base import Deadline
from scanner.network.connect.tls import TlsError, TlsLayer

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.contact import Token
    from scanner.engine.outcomes import Hands, Outcomes
    from scanner.engine.response_cache import ResponseCache
    from scanner.mongo.dialogue import Dialogue
    from scanner.mongo.facts import Own
    from scanner.mongo.first_answers import FirstAnswers
    from scanner.mongo.sizes_by_kind import SizesAsked
    from scanner.network.connect.base import Link
    from targets.scope import Target

GROWTH = 16  # bytes of memory that a byte of an answer may become
SIZES_BYTES = 16 * 1024  # of memory that sizes of a few databases take, and the questions about them
TLS_BYTES = 64 * 1024  # of memory that a TLS session takes: the library's records and buffers
_WAIT, _DONE = Next.WAIT, Next.DONE  # each look at a member of an enumeration costs as much as a call
_LAYERS = {Next.OPEN_PLAIN: (False, False), Next.OPEN_TLS: (True, False), Next.OPEN_TLS_LEGACY: (True, True)}


class Probe:
    """Implements `Prober`: carries bytes between links and dialogues until each dialogue is done."""

    def __init__(
        self,
        outcomes: Outcomes,
        begin: Callable[[Target], Dialogue],
        now: Callable[[], float],
        cache: ResponseCache | None = None,
        memory: MemoryBudget | None = None,
        hands: Hands | None = None,
        first_answers: FirstAnswers | None = None,
    ) -> None:
        self._outcomes = outcomes
        self._make_dialogue = begin
        self._cache = cache
        self._opening = b""  # the first write, the same to every target
        self._now = now
        self._memory = memory or MemoryBudget()
        self._hands = hands
        self._first_answers = first_answers

    def connected(self, link: Link) -> None:
        """See `Prober.connected`."""
        talk: Conversation | None = link.talk
        if talk is None:
            if is_witness(link.token):
                token = link.token
                link.close()
                self._outcomes.on_witness(token)
                return
            link.patient = True
            link.talk = Conversation(link.opened_at, link.connect_seconds)
            link.send(self._opening or self._open(link.target))
            return
        talk.connections += 1
        use_tls, legacy = talk.want_tls
        if not use_tls:
            link.send(talk.dialogue.connected(Layer.PLAIN))
            return
        talk.tls = TlsLayer(legacy)
        try:
            link.send(talk.tls.start())
        except TlsError as error:
            self._tls_failed(link, talk, error)

    def _open(self, target: Target) -> bytes:
        self._opening = self._make_dialogue(target).connected(Layer.PLAIN)
        return self._opening

    def _begin(self, target: Target, talk: Conversation) -> None:
        """Make the dialogue that the opening stands for, or what was asked after it."""
        if talk.sizes_asked is not None:
            self._take_up(target, talk, talk.sizes_asked)
            return
        talk.dialogue = self._make_dialogue(target)
        talk.dialogue.waits_with_plan = True
        talk.begun = True
        if talk.dialogue.connected(Layer.PLAIN) != self._opening:
            raise RuntimeError("the opening depends on the target: it must not have been sent to this one")

    def _take_up(self, target: Target, talk: Conversation, asked: SizesAsked) -> None:
        """Make the dialogue of a server that was asked for sizes without one."""
        self._begin_known(target, talk, asked.own)
        if asked.sent and talk.dialogue.begin_plan() != asked.request:
            raise RuntimeError("the dialogue asks otherwise than was asked without it")
        talk.sizes_asked = None

    def _begin_known(self, target: Target, talk: Conversation, own: Own) -> None:
        talk.begun = True
        talk.dialogue = self._make_dialogue(target)
        talk.dialogue.opened(facts_of(own))

    def received(self, link: Link, data: bytes) -> None:
        """See `Prober.received`."""
        talk: Conversation = link.talk
        if talk.begun:
            talk.fingerprint = None
            self._go_on(link, talk, data)
            return
        if talk.sizes_asked is not None:
            self._read_sizes(link, talk, talk.sizes_asked, data)
            return
        target, token = link.target, link.token
        worth = self._hands is not None and self._hands.worth(data)
        own = None
        if not worth and not is_canary(token):  # our own canaries are there to prove the long way
            own = self._look_up(target, talk, data)
            if talk.is_known:  # it holds no memory
                link.close()
                talk.closed_at = self._now()
                self._outcomes.on_answer(target, token, talk)
                return
        # One that is over with its first answer costs less here, and others may be like it.
        if (worth or (own is None and talk.fingerprint is None)) and self._hands_over(link, talk, data):
            return
        # Servers all answer at once, and decoded answers are large: those that are not may wait as bytes.
        size = GROWTH * len(data)
        if self._memory.held + size > self._memory.limit // 2:
            begin = partial(self._first_answer, link, talk, data, own)
            self._when_room(link, talk, len(data), size, Coming.FIRST, begin)
        else:
            self._first_answer(link, talk, data, own)

    def _look_up(self, target: Target, talk: Conversation, data: bytes) -> Own | None:
        """A first answer whose kind is known, unless what came of the same answer before is. `talk` has it
        where it is all that is wanted."""
        loopback, cache, kinds = target.is_loopback, self._cache, self._first_answers
        if cache is not None:
            talk.fingerprint, talk.cached = cache.find(loopback, data)
            if talk.cached is not None:
                return None
        own = None if kinds is None else kinds.read(data, loopback=loopback)
        if own is not None and not own.kind.goes_on:
            talk.own, talk.opening_bytes = own, len(self._opening)
        elif own is None and cache is not None:
            talk.fingerprint, talk.cached = cache.find_in_full(loopback, data)
        return own

    def _hands_over(self, link: Link, talk: Conversation, data: bytes, ending: Ending | None = None) -> bool:
        """Whether a worker takes this conversation. The sweep's own canaries stay."""
        if self._hands is None or is_canary(link.token):
            return False
        return self._hands.take(link, talk, data, ending)

    def adopt(self, link: Link, data: bytes, ending: Ending | None) -> None:
        """In a worker: go on where another process has sent the opening, and `data` came or it ended."""
        if not self._opening:
            self._open(link.target)
        link.patient = True
        link.talk = Conversation(link.opened_at, link.connect_seconds)
        if ending is None:
            self.received(link, data)
        else:
            self.ended(link, ending)

    def _first_answer(self, link: Link, talk: Conversation, data: bytes, own: Own | None) -> None:
        """Go on with what came first, which is `own` if its kind is known."""
        if own is None:
            self._begin(link.target, talk)
            self._go_on(link, talk, data)
            return
        talk.waited = False
        asked = None if self._first_answers is None else self._first_answers.ask_sizes(own)
        if asked is not None:
            talk.sizes_asked = asked
            start = partial(self._ask_sizes, link, talk, asked)
            self._when_room(link, talk, BASE_BYTES, SIZES_BYTES, Coming.PLAN, start)
            return
        self._begin_known(link.target, talk, own)
        self._next(link, talk)

    def _ask_sizes(self, link: Link, talk: Conversation, asked: SizesAsked) -> None:
        """There is room for what is asked at depth `databases`."""
        asked.sent, talk.waited, link.patient = True, False, False
        link.send(asked.request)
        link.restart_reply_clock()

    def _read_sizes(self, link: Link, talk: Conversation, asked: SizesAsked, data: bytes) -> None:
        talk.sizes = asked.read(data)
        if talk.sizes is None:
            self._take_up(link.target, talk, asked)
            self._go_on(link, talk, data)
            return
        talk.own, talk.opening_bytes = asked.own, len(self._opening)
        target, token = link.target, link.token
        link.close()
        self._finish(target, token, talk)

    def _go_on(self, link: Link, talk: Conversation, data: bytes) -> None:
        talk.waited = False
        if talk.tls is not None:
            self._received_tls(link, talk, talk.tls, data)
            return
        attempt = talk.dialogue.facts.attempts[-1]
        heard = attempt.replies
        answer = talk.dialogue.received(data)
        if answer:
            link.send(answer)
        if answer or attempt.replies > heard:  # a whole reply earns the next wait, bytes do not
            link.restart_reply_clock()
        if not (heard or answer or self._first_answers is None):  # it said all, or nothing yet
            self._first_answers.learn(data, talk.dialogue.facts)
        self._next(link, talk)

    def _next(self, link: Link, talk: Conversation) -> None:
        """Do what the dialogue wants, or wait for more."""
        if talk.dialogue.next is not _WAIT:
            self._advance(link, talk)
        else:
            self._weigh(link, talk)

    def _weigh(self, link: Link, talk: Conversation) -> None:
        """Count what this conversation holds; it may have to wait. The sweep's own canaries never do."""
        dialogue = talk.dialogue
        if dialogue.plan_waits:
            start = partial(self._begin_plan, link, talk)
            self._when_room(link, talk, dialogue.held, plan_size(dialogue.facts), Coming.PLAN, start)
            return
        held = dialogue.held if talk.tls is None else dialogue.held + TLS_BYTES
        # No verdict may come of our being late; metadata is cut at its time, and says so.
        link.patient = dialogue.plan is None
        self._memory.note(talk, link, held, dialogue.coming, exempt=is_canary(link.token))

    def _when_room(
        self, link: Link, talk: Conversation, held: int, size: int, kind: Coming, do: Callable[[], None]
    ) -> None:
        """Do it now, or when there is room for the memory that it will take."""
        exempt = is_canary(link.token)
        if self._memory.note(talk, Later(link, do, self.broke), held, size, kind=kind, exempt=exempt):
            do()

    def _begin_plan(self, link: Link, talk: Conversation) -> None:
        """The verdict is open, and there is room for what else may be learned."""
        request = talk.dialogue.begin_plan()
        try:
            wire = request if talk.tls is None else self._encrypted(talk.tls, request)
        except TlsError as error:
            self._tls_failed(link, talk, error)
            return
        if wire:
            link.send(wire)
        link.restart_reply_clock()
        self._next(link, talk)

    def _received_tls(self, link: Link, talk: Conversation, tls: TlsLayer, data: bytes) -> None:
        was_established, heard = tls.established, talk.dialogue.facts.attempts[-1].replies
        try:
            plain, wire = tls.feed(data)
            if tls.established and not was_established:
                wire += self._encrypted(tls, talk.dialogue.connected(Layer.TLS, tls.session()))
                heard = -1  # the questions have only now been asked
            answer = talk.dialogue.received(plain) if plain else b""
            if answer:
                wire += self._encrypted(tls, answer)
        except TlsError as error:
            self._tls_failed(link, talk, error)
            return
        if wire:
            link.send(wire)
        if answer or talk.dialogue.facts.attempts[-1].replies > heard:
            link.restart_reply_clock()
        if not tls.established:
            return  # a handshake may come in many pieces, and the dialogue has not begun on this connection
        if tls.eof and talk.dialogue.next is _WAIT:
            self.ended(link, Ending.CLOSED)
        else:
            self._next(link, talk)

    @staticmethod
    def _encrypted(tls: TlsLayer, data: bytes) -> bytes:
        return tls.encrypt(data) if data else b""

    def _tls_failed(self, link: Link, talk: Conversation, error: TlsError) -> None:
        assert talk.tls is not None
        session = talk.tls.session(str(error))
        talk.dialogue.ended(Ending.TLS_FAILED, session)
        self._advance(link, talk)

    def ended(self, link: Link, ending: Ending) -> None:
        """See `Prober.ended`."""
        talk: Conversation | None = link.talk
        if talk is None:
            return
        talk.fingerprint = None  # how it ended counts, too
        if not talk.begun:
            waits = talk.waited or link.kind is Deadline.HOST or talk.sizes_asked is not None
            if not waits and self._hands_over(link, talk, b"", ending):
                return
            self._begin(link.target, talk)
        if talk.waited and talk.dialogue.plan is None:
            # We kept it waiting before it had said all: what it did meanwhile is no answer.
            target, token = link.target, link.token
            link.close()
            self.fault(target, token, LocalFault.OTHER, "a server had to wait until there was room", talk)
            return
        if ending is Ending.TIMEOUT and link.kind is Deadline.HOST:
            talk.cut_at = link.cut_at
            talk.dialogue.abort(ending)
        else:
            talk.dialogue.ended(ending, talk.tls.session() if talk.tls is not None else None)
        self._advance(link, talk)

    def _advance(self, link: Link, talk: Conversation) -> None:
        """Do what the dialogue wants next."""
        wanted = talk.dialogue.next
        if wanted is _WAIT:
            return
        if talk.tls is not None:
            talk.tls.forget()
            talk.tls = None
        if wanted is _DONE:
            target, token = link.target, link.token
            link.close()
            self._finish(target, token, talk)
        else:
            talk.want_tls = _LAYERS[wanted]
            link.reopen()

    def _finish(self, target: Target, token: Token, talk: Conversation) -> None:
        talk.closed_at = talk.cut_at or self._now()
        try:
            self._outcomes.on_answer(target, token, talk)
        finally:
            self._memory.forget(talk)

    def failed(self, target: Target, token: Token, outcome: Verdict, detail: str, talk: Any) -> None:
        """See `Prober.failed`. A connection that could not be opened again ends the dialogue with what it
        has: the target did accept one before."""
        if talk is None:
            self._outcomes.on_no_connection(target, token, outcome, detail)
            return
        if not talk.begun:
            self._begin(target, talk)
        talk.fell_silent = outcome is Verdict.FILTERED
        talk.dialogue.abort(Ending.RESET if outcome is Verdict.REFUSED else Ending.TIMEOUT)
        self._finish(target, token, talk)

    def refused(self, batch: list[tuple[Token, Target, float]]) -> None:
        """See `Prober.refused`."""
        self._outcomes.on_refused(batch)

    def fault(self, target: Target, token: Token, fault: LocalFault, detail: str, talk: Any) -> None:
        """See `Prober.fault`. The target is asked again from the start, so half a dialogue is dropped."""
        self._drop(talk)
        self._outcomes.on_local_fault(target, token, fault, detail)

    def _drop(self, talk: Conversation | None) -> None:
        if talk is None:
            return
        if talk.tls is not None:
            talk.tls.forget()
            talk.tls = None
        self._memory.forget(talk)

    def broke(self, target: Target, token: Token, error: Exception, talk: Any) -> None:
        """See `Prober.broke`. Memory that cannot be had is no bug; what alone is too much is given up."""
        if isinstance(error, MemoryError):
            self._memory.shrink()
            self.fault(target, token, LocalFault.OTHER, "out of memory", talk)
            return
        self._drop(talk)
        self._outcomes.on_bug(target, token, error)

    def ticked(self, lag: float) -> None:
        """See `Prober.ticked`."""
        self._memory.look(lag)
