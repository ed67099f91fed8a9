"""Who holds the public prefixes of a scope: the work of `scope prove` and `plan --ownership`.

Registries are asked by RDAP what is not known yet, or not any more; what they answer is kept. Their answers
prove, or they do not; what could not be asked is never called either.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from scanner.errors import RefusedError
from scanner.setup.ownership_file import Answer, OwnershipFile, answer_of
from targets.delegated import known_holders, same_holder
from targets.grammar import Span, format_span
from targets.ownership import find_proof, public_parts, why_unprovable
from targets.rdap import Holding, NoRegistrationError, Rdap, RdapError, open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
    from typing import Any

    from scanner.setup.scope_settings import Ownership
    from targets.delegated import Delegation
    from targets.rdap_servers import RdapServers
    from targets.scope import Scope

MOST_QUESTIONS = 500  # of one run; what is left is asked by the next one, which knows the answers of this
MOST_SILENCES = 3  # in a row, after which a server is not waited for any more

Result = Literal["proven", "same_holder", "not_proven", "not_asked", "unprovable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixProof:
    """What is known of one prefix of the allow-list, or of its public part.

    `not_asked`: nobody answered, so nothing is said of whose it is. `same_holder`: weaker than `proven`.
    `asked_at` is when the oldest of `answers` came.
    """

    prefix: str
    result: Result
    detail: str
    authorised_by: tuple[str, ...] = ()
    asked_at: str = ""
    answers: tuple[Answer, ...] = ()

    def __str__(self) -> str:
        word = {"proven": "proven", "unprovable": "cannot be proven"}.get(self.result, "NOT PROVEN")
        return f"{word}: {self.prefix}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is at hand for a proof: the answers that are kept, how long they count (seconds), and the records
    of delegated statistics with the prefixes that are known to be ours."""

    kept: OwnershipFile
    max_age: float
    delegations: Sequence[Delegation] = ()
    known: Sequence[Span] = ()


def public_prefixes(scope: Scope) -> dict[Span, tuple[str, ...]]:
    """The public parts of the allow entries of which something is asked, each with who authorised it."""
    found: dict[Span, list[str]] = {}
    left = scope.ranges()
    for entry in scope.entries:
        for part in public_parts(entry.span) if left.within(entry.span) else ():
            words = found.setdefault(part, [])
            if entry.authorised_by and entry.authorised_by not in words:
                words.append(entry.authorised_by)
    return {span: tuple(words) for span, words in found.items()}


def unprovable_prefixes(scope: Scope) -> Iterator[PrefixProof]:
    """The allow entries that no registry can say anything of."""
    left = scope.ranges()
    for span in dict.fromkeys(entry.span for entry in scope.entries):
        if left.within(span) and not public_parts(span):
            yield PrefixProof(prefix=format_span(span), result="unprovable", detail=why_unprovable(span))


def require_handles(ownership: Ownership) -> None:
    """Raises RefusedError where nothing says whom to ask, or which handles are ours."""
    if not (ownership.rdap or ownership.bootstrap) or not ownership.handles:
        raise RefusedError(
            'nothing says whom to ask; write rdap = "https://…" or bootstrap = ["ipv4.json", "ipv6.json"], '
            'and handles = ["…"] in [ownership]'
        )


def prove_scope(
    scope: Scope,
    ownership: Ownership,
    evidence: Evidence,
    now: Callable[[], float],
    servers: Callable[[Rdap], Coroutine[Any, Any, RdapServers]] | None,
) -> list[PrefixProof]:
    """What is known of each prefix, in the order of the allow-list; asks what it needs of `servers`, or with
    None nobody. `now` is wall time in seconds. Raises RefusedError, StorageRefusedError and OSError."""
    prefixes = public_prefixes(scope)
    if servers is None:
        found = asyncio.run(_all_from_kept(prefixes, ownership, evidence, now()))
    else:
        found = asyncio.run(_ask_all(prefixes, ownership, evidence, now, servers))
    if evidence.delegations:
        found = _with_same_holder(list(prefixes), found, evidence)
    return [*found, *unprovable_prefixes(scope)]


async def _ask_all(
    prefixes: Mapping[Span, tuple[str, ...]],
    ownership: Ownership,
    evidence: Evidence,
    now: Callable[[], float],
    servers: Callable[[Rdap], Coroutine[Any, Any, RdapServers]],
) -> list[PrefixProof]:
    async with open_session() as session:
        known = await servers(Rdap(session))
        rdap = Rdap(session, allowed_hosts=known.hosts.union(ownership.hosts))
        asking = _Asking(rdap, known, evidence, now)
        return [await asking.prove(span, words, ownership.handles) for span, words in prefixes.items()]


@dataclass(slots=True)
class _Asking:
    """One run's questions."""

    rdap: Rdap
    servers: RdapServers
    evidence: Evidence
    now: Callable[[], float]
    asked: int = 0
    silences: Counter[str] = field(default_factory=Counter)

    async def prove(
        self, span: Span, authorised_by: tuple[str, ...], handles: tuple[str, ...]
    ) -> PrefixProof:
        try:
            return await _judged(span, authorised_by, handles, self._ask)
        except NoRegistrationError as error:
            return _not_proven(span, authorised_by, "not_proven", str(error))
        except RdapError as error:
            return await self._not_asked(span, authorised_by, handles, str(error))

    async def _not_asked(
        self, span: Span, authorised_by: tuple[str, ...], handles: tuple[str, ...], reason: str
    ) -> PrefixProof:
        """With what an older answer said, which does not count any more."""
        old = await _judged_by_kept(span, authorised_by, handles, self.evidence.kept)
        if old is not None and old.result == "proven":
            reason = f"was proven on {old.asked_at[:10]}, and could not be asked again: {reason}"
        return _not_proven(span, authorised_by, "not_asked", reason)

    async def _ask(self, question: Span) -> tuple[Holding, Answer]:
        kept = self.evidence.kept.newest(question)
        if kept is not None and kept.age(self.now()) <= self.evidence.max_age:
            return kept.holding(), kept
        server = self.servers.of(question)
        if self.asked >= MOST_QUESTIONS:
            raise RdapError(f"this run asked {MOST_QUESTIONS} questions; run it again for what is left")
        host = str(server.origin())
        if self.silences[host] >= MOST_SILENCES:
            raise RdapError(f"{host} is not asked any more: it did not answer {MOST_SILENCES} times in a row")
        self.asked += 1
        try:
            holding = await self.rdap.holding(server, question, kept.etag if kept is not None else "")
        except NoRegistrationError:
            self.silences[host] = 0
            raise
        except RdapError:
            self.silences[host] += 1
            raise
        self.silences[host] = 0
        if holding is None:
            assert kept is not None
            holding = kept.holding()
        answer = answer_of(question, holding, self.now())
        self.evidence.kept.add(answer)
        return holding, answer


async def _judged(
    span: Span,
    authorised_by: tuple[str, ...],
    handles: tuple[str, ...],
    ask: Callable[[Span], Coroutine[Any, Any, tuple[Holding, Answer]]],
) -> PrefixProof:
    """The judgement of answers, each of which `ask` gives with its line. Raises RdapError."""
    answers: dict[Holding, Answer] = {}

    async def holding(question: Span) -> Holding:
        found, answer = await ask(question)
        answers[found] = answer
        return found

    proof = await find_proof(span, holding, handles)
    used = tuple(answers[each] for each in proof.holdings)
    if not proof.proven:
        return _not_proven(span, authorised_by, "not_proven", proof.detail, used)
    return PrefixProof(
        prefix=format_span(span),
        result="proven",
        detail=proof.detail,
        authorised_by=authorised_by,
        asked_at=min(answer.asked_at for answer in used),
        answers=used,
    )


def _not_proven(
    span: Span,
    authorised_by: tuple[str, ...],
    result: Literal["not_proven", "not_asked"],
    reason: str,
    answers: tuple[Answer, ...] = (),
) -> PrefixProof:
    """It may be asked all the same, on somebody's word, which is told."""
    word = f"; it rests on authorised_by = {', '.join(authorised_by)}" if authorised_by else ""
    return PrefixProof(
        prefix=format_span(span),
        result=result,
        detail=reason + word,
        authorised_by=authorised_by,
        asked_at=min((answer.asked_at for answer in answers), default=""),
        answers=answers,
    )


async def _judged_by_kept(
    span: Span, authorised_by: tuple[str, ...], handles: tuple[str, ...], kept: OwnershipFile
) -> PrefixProof | None:
    """As the answers say that are kept, however old; None where one is missing."""

    async def ask(question: Span) -> tuple[Holding, Answer]:
        answer = kept.newest(question)
        if answer is None:
            raise RdapError("nobody was asked yet")
        return answer.holding(), answer

    try:
        return await _judged(span, authorised_by, handles, ask)
    except RdapError:
        return None


async def _all_from_kept(
    prefixes: Mapping[Span, tuple[str, ...]], ownership: Ownership, evidence: Evidence, now: float
) -> list[PrefixProof]:
    """Without asking anybody."""
    proofs = []
    for span, authorised_by in prefixes.items():
        found = await _judged_by_kept(span, authorised_by, ownership.handles, evidence.kept)
        if found is None:
            found = _not_proven(span, authorised_by, "not_asked", "no registry was asked")
        elif found.result == "proven" and _oldest(found, now) > evidence.max_age:
            reason = f"was proven on {found.asked_at[:10]}"
            found = _not_proven(span, authorised_by, "not_asked", reason)
        proofs.append(found)
    return proofs


def _oldest(proof: PrefixProof, now: float) -> float:
    """The age of the oldest answer that a proof rests on, in seconds."""
    return max((answer.age(now) for answer in proof.answers), default=0.0)


def _with_same_holder(
    spans: Sequence[Span], found: Sequence[PrefixProof], evidence: Evidence
) -> list[PrefixProof]:
    """Those that are not proven, by the prefixes that are: a holder's addresses have one opaque-id."""
    known = [*evidence.known]
    known += [span for span, proof in zip(spans, found, strict=True) if proof.result == "proven"]
    ours = known_holders(known, evidence.delegations)
    better = []
    for span, proof in zip(spans, found, strict=True):
        sentence = same_holder(span, ours, evidence.delegations) if proof.result != "proven" else ""
        if sentence:
            proof = PrefixProof(
                prefix=proof.prefix,
                result="same_holder",
                detail=f"{sentence}; no registrant is proven: {proof.detail}",
                authorised_by=proof.authorised_by,
                asked_at=proof.asked_at,
                answers=proof.answers,
            )
        better.append(proof)
    return better


def proof_line(scope: Scope, ownership: Ownership, evidence: Evidence, now: float) -> str:
    """One sentence on how far the public prefixes are proven by what is kept; "" where nobody asks for it."""
    if not ownership.handles:
        return ""
    found = asyncio.run(_all_from_kept(public_prefixes(scope), ownership, evidence, now))
    if not found:
        return ""
    proven = [proof for proof in found if proof.result == "proven"]
    oldest = max((_oldest(proof, now) for proof in proven), default=0.0)
    age = f", by answers up to {oldest / 86_400:.0f} days old" if proven else ""
    left = "" if len(proven) == len(found) else "; `mongosweep scope prove` asks the registries"
    return f"{len(proven):,} of {len(found):,} public prefixes are proven ours{age}{left}"
