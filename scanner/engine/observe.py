"""From facts to the record: what a conversation learned becomes one `Observation`. Nothing is asked here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from results.ids import event_id, finding_id
from results.line_template import LineTemplate
from results.record import Endpoint, Observation, Owner, Reason, Timing, Tls
from results.verdict import MEANING, Verdict
from scanner.clock import timestamp
from scanner.contact import Ending, Refusal
from scanner.engine import response_cache
from scanner.engine.certificate import read_certificate
from scanner.engine.written import Written, said
from scanner.mongo import by_kind, console
from scanner.mongo.activity import clock_of, process_start, start_of
from scanner.mongo.exposure import of_list
from scanner.mongo.facts import Layer, Limits
from scanner.mongo.identity import identify
from scanner.mongo.judge import judge
from scanner.mongo.opening import OPENING_MESSAGES
from scanner.mongo.severity import assess
from scanner.mongo.weights import DEFAULT, Weights
from scanner.mongo.wire import Opcode
from targets.scope import Scope  # noqa: TC001 - a compiler reads the types of a class's fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from results.record import Exposure, Server
    from scanner.contact import TlsSession
    from scanner.engine.conversation import Answered, Conversation
    from scanner.engine.response_cache import CachedResponse
    from scanner.mongo.dialogue import Dialogue
    from scanner.mongo.facts import Facts, Own
    from scanner.mongo.transcript import Transcript
    from targets.entries import Entry
    from targets.scope import Target


_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class RunContext:
    """What is the same for all observations of one run."""

    run_id: str
    scope: Scope
    vantage: str = ""
    weights: Weights = DEFAULT


def _timing(talk: Conversation, messages: int, bytes_sent: int, bytes_received: int) -> Timing:
    return Timing(
        connect_ms=int(talk.connect_seconds * 1e6 + 0.5) / 1000,  # to the microsecond
        total_ms=int((talk.closed_at - talk.opened_at) * 1e6 + 0.5) / 1000,
        connections=talk.connections,
        messages=messages,
        bytes_sent=bytes_sent,
        bytes_received=bytes_received,
    )


@lru_cache(1024)
def owner_by(entry: Entry) -> Owner:
    """Whose an address is, by its allow entry, as records say it."""
    return Owner(
        owner=entry.owner,
        contact=entry.contact,
        site=entry.site,
        allow=entry.text,
        labels=dict(entry.labels),
    )


def observe(context: RunContext, target: Target, talk: Conversation, wall: float) -> Observation:
    """The record of a target that accepted a connection. `wall` is the time of the observation."""
    now = datetime.fromtimestamp(wall, UTC)
    if talk.own is not None:
        return _observe_own(context, target, talk, talk.own, wall, now)
    dialogue = talk.dialogue
    facts = dialogue.facts
    facts.observed_at = now
    verdict, evidence, server = _judged(facts, now)
    return _observation(
        context,
        target,
        wall,
        now,
        verdict,
        evidence,
        server,
        _exposure(dialogue) if verdict.is_open else None,
        _timing(talk, dialogue.messages_sent, dialogue.bytes_sent, dialogue.bytes_received),
        tls_of(facts, now),
        dialogue.transcript,
    )


def _judged(facts: Facts, now: datetime) -> tuple[Verdict, list[Reason], Server | None]:
    own = by_kind.own_of(facts)
    if own is not None:
        verdict, evidence, like = by_kind.judged(own, now)
        there = clock_of(own.local_time, now)
        started = process_start(facts, there)
        return verdict, evidence, by_kind.server_of(like, own, there, started, facts.counters)
    verdict, evidence = judge(facts)
    speaks = verdict not in (Verdict.NOT_MONGODB, Verdict.UNKNOWN) or facts.hello is not None
    speaks = speaks or console.recognise(facts.console_page) is not None
    return verdict, evidence, identify(facts, is_open=verdict.is_open) if speaks else None


def _observe_own(
    context: RunContext, target: Target, talk: Conversation, own: Own, wall: float, now: datetime
) -> Observation:
    """The same of one whose kind is known, and who was asked the opening alone, or for sizes besides."""
    verdict, evidence, like = by_kind.judged(own, now)
    there = clock_of(own.local_time, now)
    sizes, exposure = talk.sizes, None
    if sizes is not None:
        exposure = by_kind.exposure_with(sizes, own, there)
        messages, sent, received = sizes.messages, sizes.bytes_sent, sizes.bytes_received
    else:
        exposure = by_kind.exposure_of(own, now, there, _LIMITS) if verdict.is_open else None
        messages = sent = received = 0
    return _observation(
        context,
        target,
        wall,
        now,
        verdict,
        evidence,
        by_kind.server_of(like, own, there, start_of(own.process, there)),
        exposure,
        _timing(talk, OPENING_MESSAGES + messages, talk.opening_bytes + sent, len(own.data) + received),
    )


def _observation(
    context: RunContext,
    target: Target,
    wall: float,
    now: datetime,
    verdict: Verdict,
    evidence: list[Reason],
    server: Server | None,
    exposure: Exposure | None,
    timing: Timing,
    tls: Tls | None = None,
    kept: Transcript | None = None,
) -> Observation:
    severity, reasons, score = assess(
        verdict, server, exposure, context.vantage, now=now, weights=context.weights
    )
    _, address, port = target
    entry, packed = context.scope.owner_of(address, target.version), target.packed
    return Observation(
        event_id=event_id(context.run_id, packed, port),
        finding_id=finding_id(entry.site, packed, port),
        run_id=context.run_id,
        observed_at=timestamp(wall),
        vantage=context.vantage,
        verdict=verdict,
        severity=severity,
        severity_number=severity.number,
        severity_reasons=reasons,
        score=score,
        target=_endpoint(context.scope, target, entry, tls),
        owner=owner_by(entry),
        evidence=evidence,
        server=server,
        exposure=exposure,
        transcript=kept.exchanges if kept is not None else [],
        transcript_count=kept.count if kept is not None else None,
        transcript_sha256=kept.head if kept is not None else "",
        timing=timing,
    )


def lines_of_cached(context: RunContext, batch: Iterable[Answered], wall: float) -> list[bytes | None]:
    """The line of what `observe_cached` makes, for each of them; None where there is no template for it, as
    for a host that has names of its own."""
    run_id, entry_of, named = context.run_id, context.scope.owner_of, context.scope.names
    observed_at = timestamp(wall).encode()
    lines: list[bytes | None] = []
    for target, _, talk in batch:
        cached, fingerprint = talk.cached, talk.fingerprint
        assert cached is not None
        assert fingerprint is not None
        version, address, port = target
        if named and (version, address) in named:
            lines.append(None)
            continue
        entry = entry_of(address, version)
        place = id(entry), port
        template = cached.templates.get(place)
        if template is None:
            template = _template_of(context, target, talk, cached, wall, place)
            if template is None:
                lines.append(None)
                continue
        local_time, started = fingerprint.local_time, None
        if cached.tells_start:
            started = response_cache.start_of(cached.server, fingerprint)
        lines.append(
            template.render(
                event_id(run_id, target.packed, port).encode(),
                finding_id(entry.site, target.packed, port).encode(),
                observed_at,
                target.ip.encode(),
                started,
                None if local_time is None else local_time / 1000 - wall,
                int(talk.connect_seconds * 1e6 + 0.5) / 1000,
                int((talk.closed_at - talk.opened_at) * 1e6 + 0.5) / 1000,
            )
        )
    return lines


def _template_of(
    context: RunContext,
    target: Target,
    talk: Conversation,
    cached: CachedResponse,
    wall: float,
    place: tuple[int, int],
) -> LineTemplate | None:
    if place not in cached.templates:
        if len(cached.templates) >= cached.most_templates:
            return None
        cached.templates[place] = LineTemplate.of(observe_cached(context, target, talk, cached, wall))
    return cached.templates[place]


def observe_cached(
    context: RunContext, target: Target, talk: Conversation, cached: CachedResponse, wall: float
) -> Observation:
    """The record of a target that answered just as another one did before: only what is its own is new."""
    assert talk.fingerprint is not None
    seen, entry = cached.observation, context.scope.owner_of(target.address, target.version)
    return Observation(
        event_id=event_id(context.run_id, target.packed, target.port),
        finding_id=finding_id(entry.site, target.packed, target.port),
        run_id=context.run_id,
        observed_at=timestamp(wall),
        vantage=context.vantage,
        verdict=seen.verdict,
        severity=seen.severity,
        severity_number=seen.severity_number,
        severity_reasons=seen.severity_reasons,
        score=seen.score,
        target=_endpoint(context.scope, target, entry, None),
        owner=owner_by(entry),
        evidence=seen.evidence,
        server=response_cache.server_of(cached.server, talk.fingerprint, wall),
        exposure=seen.exposure,
        timing=_timing(talk, seen.timing.messages, seen.timing.bytes_sent, seen.timing.bytes_received),
    )


def written_as(talk: Conversation, seen: Observation) -> Written:
    """What this observation of a conversation means for the journal and the accounts."""
    late = False
    if not talk.is_known and seen.verdict is Verdict.UNKNOWN:
        facts = talk.dialogue.facts  # a status page is silent to all but HTTP, and was not late with that
        late = any(attempt.ending is Ending.TIMEOUT for attempt in facts.attempts)
        late = late and console.recognise(facts.console_page) is None
    return Written(seen.verdict, said(seen), late, _spoken(talk), seen)


def _spoken(talk: Conversation) -> tuple[bool, bool]:
    """Whether the server spoke inside TLS, and by OP_MSG alone: on the last connection on which it did."""
    if talk.is_known:
        return False, False  # all that it said was in the clear, after the usual opening
    facts = talk.dialogue.facts
    layers = [attempt.layer for attempt in facts.attempts if attempt.replies]
    by_message = facts.hello is not None and facts.hello.by == Opcode.OP_MSG
    return bool(layers) and layers[-1] is Layer.TLS, by_message


def _exposure(dialogue: Dialogue) -> Exposure:
    """What the metadata plan gathered; without one, the names that the verdict itself rests on."""
    plan = dialogue.plan
    return of_list(dialogue.facts, _LIMITS) if plan is None else plan.exposure()


def silence(context: RunContext, target: Target, verdict: Verdict, detail: str, wall: float) -> Observation:
    """The record of a target that accepted no connection; written when every outcome is wanted, or this
    one's. `detail`: a `Refusal` becomes a code of its own."""
    evidence = [Reason(code=verdict.value, detail=detail)]
    if isinstance(detail, Refusal):
        evidence = [Reason(code=verdict.value), Reason(code=detail.value)]
    severity, entry = MEANING[verdict].severity, context.scope.owner_of(target.address, target.version)
    return Observation(
        event_id=event_id(context.run_id, target.packed, target.port),
        finding_id=finding_id(entry.site, target.packed, target.port),
        run_id=context.run_id,
        observed_at=timestamp(wall),
        vantage=context.vantage,
        verdict=verdict,
        severity=severity,
        severity_number=severity.number,
        target=_endpoint(context.scope, target, entry, None),
        owner=owner_by(entry),
        evidence=evidence,
    )


def _endpoint(scope: Scope, target: Target, entry: Entry, tls: Tls | None) -> Endpoint:
    """The address with its names: of its entry in the allow-list, of a list of targets, of the server's
    certificate."""
    names: list[str] = []
    if entry.hostnames or scope.names:
        names += scope.hostnames_of(target.address, target.version)
    if tls is not None and tls.certificate is not None:
        names += [name for name in tls.certificate.names if name not in names]
    return Endpoint(ip=target.ip, port=target.port, hostnames=names, tls=tls)


def tls_of(facts: Facts, now: datetime) -> Tls | None:
    """The TLS session that says most: the established one, else the last one that failed."""
    sessions = [attempt.tls for attempt in facts.attempts if attempt.tls is not None]
    if not sessions:
        return None
    best = next((s for s in reversed(sessions) if s.established), sessions[-1])
    return _tls(best, now)


def _tls(session: TlsSession, now: datetime) -> Tls:
    return Tls(
        version=session.version,
        cipher=session.cipher,
        cipher_bits=session.cipher_bits,
        legacy=session.legacy,
        certificate_requested=session.certificate_requested,
        certificate=read_certificate(session.certificate_der, now),
        error=session.alert,
    )
