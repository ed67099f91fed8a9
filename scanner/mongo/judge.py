"""From facts to a verdict with its evidence: a table of rules, the first that matches wins.

The order is the argument. What contradicts itself is settled first, then what the privileged question
(listDatabases) answered, then what its absence means, and last what a connection without any MongoDB shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from results.record import Reason
from results.verdict import Verdict
from scanner.contact import Ending
from scanner.mongo.answers import (
    ATLAS_ERROR,
    ErrorKind,
    Outcome,
    databases,
    describe,
    error_code,
    error_kind,
    is_handshake,
    names_in,
    outcome_of,
    succeeded,
    undecided,
)
from scanner.mongo.banners import recognise
from scanner.mongo.console import Console
from scanner.mongo.console import recognise as recognise_console
from scanner.mongo.facts import Attempt, Facts, Layer, Reply
from scanner.mongo.notes import notes, notes_by_table
from scanner.mongo.values import count

if TYPE_CHECKING:
    from collections.abc import Callable

_CERTIFICATE_WORDS = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "HANDSHAKE_FAILURE")


class Judgement(NamedTuple):
    """The verdict, and every reason for it, the deciding one first."""

    verdict: Verdict
    evidence: list[Reason]


class Rule(NamedTuple):
    """One row: its code in evidence, when it applies, what it decides, and what of this server led to it."""

    name: str
    applies: Callable[[Facts], bool]
    verdict: Verdict
    detail: Callable[[Facts], str]


def judge(facts: Facts) -> Judgement:
    """The verdict of the first rule that applies, with its evidence and whatever qualifies it.

    A success with a list of databases goes past all rules before the two that speak of one: they want an
    error, an `ok` that is none, or a success without a list.
    """
    reply = facts.list_databases
    if databases(reply) and reply is not None and not reply.truncated_list:
        rule = _HOLDS_NO_DATA if _holds_no_data(facts) else _LISTS
        return Judgement(
            rule.verdict, [Reason(code=rule.name, detail=_say_listed(facts)), *notes(facts, rule.verdict)]
        )
    return judge_by_table(facts)


def judge_by_table(facts: Facts) -> Judgement:
    """What `judge` says, by every rule."""
    rule = next(rule for rule in RULES if rule.applies(facts))
    return Judgement(
        rule.verdict,
        [Reason(code=rule.name, detail=rule.detail(facts)), *notes_by_table(facts, rule.verdict)],
    )


# What the privileged question was answered.


def _listed(facts: Facts) -> bool:
    return bool(databases(facts.list_databases)) or bool(databases(facts.confirm_list))


def _list_is(kind: ErrorKind) -> Callable[[Facts], bool]:
    return lambda facts: error_kind(facts.list_databases) is kind


def _contradicts(facts: Facts) -> bool:
    reply = facts.list_databases
    document = reply.document if reply else None
    return document is not None and outcome_of(reply) is not Outcome.SUCCESS and "databases" in document


def _odd_ok(facts: Facts) -> bool:
    return outcome_of(facts.list_databases) is Outcome.NEITHER


def _success_without_list(facts: Facts) -> bool:
    return succeeded(facts.list_databases) and databases(facts.list_databases) is None


def _same_for_everything(facts: Facts) -> bool:
    reply = facts.list_databases
    return _success_without_list(facts) and reply is not None and is_handshake(reply)


def _truncated(facts: Facts) -> bool:
    return facts.list_databases is not None and facts.list_databases.truncated_list


def _empty(facts: Facts) -> bool:
    return databases(facts.list_databases) == []


def _behind_the_gate(facts: Facts) -> bool:
    return error_kind(facts.list_databases) in (ErrorKind.GATE_PASSED, ErrorKind.NO_DATA)


def _refusal(facts: Facts) -> Reply | None:
    """The confirmation that was refused for want of a login. Atlas refuses an argument with 8000: no sign."""
    for reply in (facts.confirm_list, facts.confirm_privilege, facts.confirm_counts):
        if error_kind(reply) is ErrorKind.AUTH and reply and error_code(reply.document or {}) != ATLAS_ERROR:
            return reply
    return None


def _privilege_refused(facts: Facts) -> bool:
    return _refusal(facts) is not None and (_empty(facts) or _behind_the_gate(facts))


def _unconfirmed_on_loopback(facts: Facts) -> bool:
    """The localhost exception lets a local client as far as these errors, on a locked member too."""
    unanswered = facts.confirm_privilege is None or facts.confirm_privilege.document is None
    return facts.loopback and unanswered and _behind_the_gate(facts)


def _empty_but_privileged(facts: Facts) -> bool:
    passed = error_kind(facts.confirm_privilege) in (ErrorKind.GATE_PASSED, ErrorKind.NO_DATA)
    return _empty(facts) and (succeeded(facts.confirm_privilege) or passed)


def _proofs(facts: Facts) -> list[str]:
    """Which of the two other questions of admin were answered, where one is proof: an empty batch or zeros
    alone are what a look-alike says to anything."""
    names = names_in(facts.confirm_privilege)
    stats = facts.confirm_counts
    held = (stats.document or {}) if stats is not None and succeeded(stats) else {}
    objects, collections = count(held.get("objects")), count(held.get("collections"))
    found = ["listCollections"] if names is not None else []
    found += ["dbStats"] if objects is not None else []
    return found if names or objects or collections or len(found) > 1 else []


def _told_otherwise(facts: Facts) -> bool:
    return undecided(facts.list_databases) and bool(_proofs(facts))


def _refused_otherwise(facts: Facts) -> bool:
    return undecided(facts.list_databases) and _refusal(facts) is not None


def _holds_no_data(facts: Facts) -> bool:
    document = (facts.hello.document if facts.hello else None) or {}
    return document.get("arbiterOnly") is True or document.get("isreplicaset") is True


# What a conversation without a usable answer looks like.


def _heard_mongodb(facts: Facts) -> bool:
    return facts.hello is not None or facts.list_databases is not None


def _foreign(facts: Facts) -> str:
    """Another protocol's name: recognised at once, or by all the bytes that ever came."""
    if b"native driver port" in facts.console_page:
        return ""  # a MongoDB's own words to a browser, when it was too slow for the first question
    for attempt in facts.attempts:
        if attempt.replies:
            continue
        name = attempt.speaks or (
            recognise(attempt.first_bytes[:16], whole=True) if attempt.first_bytes else ""
        )
        if name and name != "TLS":
            return f"{name}, inside TLS" if attempt.layer is Layer.TLS else name
    return ""


def wants_client_certificate(attempt: Attempt) -> bool:
    """True when a TLS attempt ended as it does for want of a client certificate.

    4.0 and 7.1 complete the handshake and then close without a byte or an alert; TLS 1.3 servers may send
    the alert at the first read. A CertificateRequest alone proves nothing: optional certificates send it too.
    """
    session = attempt.tls
    if attempt.layer is not Layer.TLS or session is None or not session.certificate_requested:
        return False
    if attempt.bytes_received or attempt.ending not in (Ending.CLOSED, Ending.RESET, Ending.TLS_FAILED):
        return False
    alert = session.alert.upper().replace(" ", "_")
    return session.established or any(word in alert for word in _CERTIFICATE_WORDS)


def _certificate_wanted(facts: Facts) -> bool:
    return any(wants_client_certificate(attempt) for attempt in facts.attempts)


def _console_is(wanted: Console, *, loopback: bool | None = None) -> Callable[[Facts], bool]:
    return lambda facts: (
        recognise_console(facts.console_page) is wanted and loopback in (None, facts.loopback)
    )


def _flawed(word: str) -> Callable[[Facts], bool]:
    return lambda facts: any(attempt.protocol_error.startswith(word) for attempt in facts.attempts)


def _any_bytes(facts: Facts) -> bool:
    return any(attempt.bytes_received for attempt in facts.attempts)


def _timed_out(facts: Facts) -> bool:
    return any(attempt.ending is Ending.TIMEOUT for attempt in facts.attempts)


# Details.


def _say_list(facts: Facts) -> str:
    return describe(facts.list_databases)


def _say_listed(facts: Facts) -> str:
    reply, entries = facts.list_databases, databases(facts.list_databases)
    if not entries:
        reply, entries = facts.confirm_list, databases(facts.confirm_list) or []
    count = max(len(entries), reply.listed if reply else 0)
    by = reply.by if reply else ""
    return f"listDatabases by {by}: {count} database{'' if count == 1 else 's'}"


def _say_privilege(facts: Facts) -> str:
    return describe(_refusal(facts))


def _say_attempts(facts: Facts) -> str:
    return "; ".join(_say_attempt(attempt) for attempt in facts.attempts) or "no connection"


def _say_attempt(attempt: Attempt) -> str:
    said = f"{attempt.layer}: {attempt.replies} replies"
    # How many bytes had come when we hung up ourselves depends on how the network cut them.
    if attempt.protocol_error:
        said += f", {attempt.protocol_error}"
    elif attempt.ending:
        said += f", {attempt.bytes_received} bytes"
    if attempt.ending:
        said += f", {attempt.ending}"
    if attempt.tls and attempt.tls.alert:
        said += f" ({attempt.tls.alert[:80]})"
    return said


def _no_detail(_: Facts) -> str:
    """The code says it all."""
    return ""


_HOLDS_NO_DATA = Rule(
    "no-data-member", lambda f: _listed(f) and _holds_no_data(f), Verdict.OPEN_NO_DATA, _say_listed
)
_LISTS = Rule("databases-listed", _listed, Verdict.OPEN, _say_listed)
RULES: tuple[Rule, ...] = (
    Rule("contradiction", _contradicts, Verdict.UNKNOWN, _no_detail),
    Rule("untrusted-ok", _odd_ok, Verdict.UNKNOWN, _say_list),
    Rule(
        "honeypot-suspected",
        _same_for_everything,
        Verdict.UNKNOWN,
        _no_detail,
    ),
    Rule(
        "answered-otherwise",
        _told_otherwise,
        Verdict.OPEN,
        lambda f: f"{' and '.join(_proofs(f))}; {_say_list(f)}",
    ),
    Rule(
        "refused-otherwise",
        _refused_otherwise,
        Verdict.AUTH_REQUIRED,
        lambda f: f"{describe(_refusal(f))}; {_say_list(f)}",
    ),
    Rule(
        "answer-without-list",
        _success_without_list,
        Verdict.UNKNOWN,
        _no_detail,
    ),
    Rule(
        "list-truncated",
        _truncated,
        Verdict.OPEN,
        _no_detail,
    ),
    _HOLDS_NO_DATA,
    _LISTS,
    Rule("localhost-exception", _privilege_refused, Verdict.AUTH_REQUIRED, _say_privilege),
    Rule(
        "empty-but-privileged",
        _empty_but_privileged,
        Verdict.OPEN_NO_DATA,
        lambda f: describe(f.confirm_privilege),
    ),
    Rule(
        "empty-list",
        _empty,
        Verdict.UNKNOWN,
        lambda f: describe(f.confirm_privilege),
    ),
    Rule("auth-required", _list_is(ErrorKind.AUTH), Verdict.AUTH_REQUIRED, _say_list),
    Rule(
        "unconfirmed-on-loopback",
        _unconfirmed_on_loopback,
        Verdict.UNKNOWN,
        _say_list,
    ),
    Rule("not-readable-state", _list_is(ErrorKind.NO_DATA), Verdict.OPEN_NO_DATA, _say_list),
    Rule("not-primary", _list_is(ErrorKind.GATE_PASSED), Verdict.OPEN, _say_list),
    Rule("too-slow", _list_is(ErrorKind.TOO_SLOW), Verdict.OPEN, _say_list),
    Rule("access-control-off", _list_is(ErrorKind.AUTH_IS_OFF), Verdict.OPEN, _say_list),
    Rule("in-transition", _list_is(ErrorKind.TRANSIENT), Verdict.UNKNOWN, _say_list),
    Rule("op-query-refused", _list_is(ErrorKind.QUERY_REFUSED), Verdict.UNKNOWN, _say_list),
    Rule("api-version-required", _list_is(ErrorKind.API_VERSION), Verdict.UNKNOWN, _say_list),
    Rule("wrong-database", _list_is(ErrorKind.WRONG_DATABASE), Verdict.UNKNOWN, _say_list),
    Rule("unknown-command", _list_is(ErrorKind.UNKNOWN_COMMAND), Verdict.UNKNOWN, _say_list),
    Rule("other-error", _list_is(ErrorKind.OTHER), Verdict.UNKNOWN, _say_list),
    Rule(
        "no-usable-answer", _heard_mongodb, Verdict.UNKNOWN, lambda f: f"{_say_list(f)}; {_say_attempts(f)}"
    ),
    Rule(
        "client-certificate",
        _certificate_wanted,
        Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED,
        _no_detail,
    ),
    Rule(
        "http-console-on-loopback",
        _console_is(Console.SHOWN, loopback=True),
        Verdict.UNKNOWN,
        _no_detail,
    ),
    Rule(
        "http-console",
        _console_is(Console.SHOWN),
        Verdict.OPEN_NO_DATA,
        _no_detail,
    ),
    Rule(
        "http-console-login",
        _console_is(Console.LOCKED),
        Verdict.AUTH_REQUIRED,
        _no_detail,
    ),
    Rule("other-protocol", lambda f: bool(_foreign(f)), Verdict.NOT_MONGODB, _foreign),
    Rule("echo", _flawed("echo of the request"), Verdict.NOT_MONGODB, _no_detail),
    Rule("not-a-mongodb-header", _flawed("not a MongoDB header"), Verdict.NOT_MONGODB, _say_attempts),
    Rule(
        "protocol-broken", lambda f: any(a.protocol_error for a in f.attempts), Verdict.UNKNOWN, _say_attempts
    ),
    Rule("reply-cut-short", _any_bytes, Verdict.UNKNOWN, _say_attempts),
    Rule("silent", _timed_out, Verdict.UNKNOWN, _say_attempts),
    Rule("closed-without-reply", lambda f: bool(f.attempts), Verdict.UNKNOWN, _say_attempts),
    Rule("not-asked", lambda _: True, Verdict.UNKNOWN, _no_detail),
)
