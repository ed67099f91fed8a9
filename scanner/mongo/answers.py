"""What a reply document says: success, an error's meaning, a list of databases. A table, first match wins.

Numbers beat names, names beat text, and text counts only where neither stands: the same order as in the
drivers' specification (server discovery and monitoring, "not writable primary and node is recovering").
"""

from __future__ import annotations

import math
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Final

from scanner.mongo.values import count

if TYPE_CHECKING:
    from scanner.mongo.facts import Document, Reply

ERROR_TEXT_KEPT: Final = 512
_ABOUT_CLIENT: Final = frozenset({183, 184, 185, 186})  # missing field, name too long, too large, sent twice
ATLAS_ERROR: Final = 8000


class Outcome(Enum):
    """What the `ok` of a reply is worth."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEITHER = "neither"  # no ok, or an ok that no MongoDB would send


class ErrorKind(StrEnum):
    """What an error proves about access. `GATE_PASSED` and `NO_DATA` come from behind the access check."""

    AUTH = "needs authentication"
    GATE_PASSED = "gate passed, not the primary"
    NO_DATA = "gate passed, no readable data"
    TOO_SLOW = "gate passed, ran out of time"
    AUTH_IS_OFF = "access control is off"
    WRONG_DATABASE = "asked on the wrong database"
    TRANSIENT = "in transition"
    QUERY_REFUSED = "OP_QUERY refused"
    API_VERSION = "API version demanded"
    UNKNOWN_COMMAND = "unknown command"
    OTHER = "other error"


# Errors that come from before the gate as well as from behind it.
_UNDECIDED: Final = frozenset(
    {ErrorKind.OTHER, ErrorKind.TRANSIENT, ErrorKind.TOO_SLOW, ErrorKind.UNKNOWN_COMMAND}
)
_BY_CODE: Final[dict[int, ErrorKind]] = {
    13: ErrorKind.AUTH,
    18: ErrorKind.AUTH,
    391: ErrorKind.AUTH,  # ReauthenticationRequired
    ATLAS_ERROR: ErrorKind.AUTH,
    16550: ErrorKind.AUTH,  # 2.4, "not authorized for query"
    10057: ErrorKind.AUTH,  # 2.2, "unauthorized db"
    10107: ErrorKind.GATE_PASSED,
    13435: ErrorKind.GATE_PASSED,
    10058: ErrorKind.GATE_PASSED,
    13436: ErrorKind.NO_DATA,
    50: ErrorKind.TOO_SLOW,
    6: ErrorKind.TRANSIENT,
    7: ErrorKind.TRANSIENT,
    89: ErrorKind.TRANSIENT,
    91: ErrorKind.TRANSIENT,
    189: ErrorKind.TRANSIENT,
    433: ErrorKind.TRANSIENT,
    449: ErrorKind.TRANSIENT,
    11600: ErrorKind.TRANSIENT,
    11602: ErrorKind.TRANSIENT,
    352: ErrorKind.QUERY_REFUSED,
    5739101: ErrorKind.QUERY_REFUSED,
    322: ErrorKind.API_VERSION,
    498870: ErrorKind.API_VERSION,
    59: ErrorKind.UNKNOWN_COMMAND,
}
_BY_NAME: Final[dict[str, ErrorKind]] = {
    "Unauthorized": ErrorKind.AUTH,
    "AuthenticationFailed": ErrorKind.AUTH,
    "ReauthenticationRequired": ErrorKind.AUTH,
    "AtlasError": ErrorKind.AUTH,
    "NotMaster": ErrorKind.GATE_PASSED,
    "NotWritablePrimary": ErrorKind.GATE_PASSED,
    "NotMasterNoSlaveOk": ErrorKind.GATE_PASSED,
    "NotPrimaryNoSecondaryOk": ErrorKind.GATE_PASSED,
    "NotMasterOrSecondary": ErrorKind.NO_DATA,
    "NotPrimaryOrSecondary": ErrorKind.NO_DATA,
    "MaxTimeMSExpired": ErrorKind.TOO_SLOW,
    "UnsupportedOpQueryCommand": ErrorKind.QUERY_REFUSED,
    "CommandNotFound": ErrorKind.UNKNOWN_COMMAND,
    "ShutdownInProgress": ErrorKind.TRANSIENT,
    "InterruptedAtShutdown": ErrorKind.TRANSIENT,
    "InterruptedDueToReplStateChange": ErrorKind.TRANSIENT,
    "PrimarySteppedDown": ErrorKind.TRANSIENT,
}
# Texts that carry code 13 and say nothing, or the opposite, about a login: asked before the code.
_TRAPS: Final[tuple[tuple[str, ErrorKind], ...]] = (
    ("may only be run against the admin database", ErrorKind.WRONG_DATABASE),
    ("must run from localhost when running db without auth", ErrorKind.AUTH_IS_OFF),
)
_BY_TEXT: Final[tuple[tuple[str, ErrorKind], ...]] = (
    ("access denied; use admin db", ErrorKind.WRONG_DATABASE),
    ("need to login", ErrorKind.AUTH),
    ("requires authentication", ErrorKind.AUTH),
    ("not authorized", ErrorKind.AUTH),
    ("unauthorized", ErrorKind.AUTH),
    ("authorization failure", ErrorKind.AUTH),
    ("authentication failed", ErrorKind.AUTH),
    ("prior to authentication", ErrorKind.AUTH),
    ("not master or secondary", ErrorKind.NO_DATA),
    ("node is recovering", ErrorKind.NO_DATA),
    ("node is not in primary or recovering state", ErrorKind.NO_DATA),
    ("not master", ErrorKind.GATE_PASSED),
    ("not primary", ErrorKind.GATE_PASSED),
    ("no such cmd", ErrorKind.UNKNOWN_COMMAND),
    ("no such command", ErrorKind.UNKNOWN_COMMAND),
)


def outcome(document: Document) -> Outcome:
    """Success is a number 1 or true, whatever its type; failure 0 or false, or a legacy `$err`."""
    if "$err" in document:
        return Outcome.FAILURE
    ok = document.get("ok")
    if isinstance(ok, bool | int | float):
        if ok == 1:
            return Outcome.SUCCESS
        if ok == 0:
            return Outcome.FAILURE
    return Outcome.NEITHER


def outcome_of(reply: Reply | None) -> Outcome | None:
    """What a reply's document says, looked at once; None without one."""
    if reply is None or reply.document is None:
        return None
    found: Outcome | None = reply.outcome
    if found is None:
        found = reply.outcome = outcome(reply.document)
    return found


def succeeded(reply: Reply | None) -> bool:
    """True when there is a reply and it says that the command ran."""
    return outcome_of(reply) is Outcome.SUCCESS


def failed(reply: Reply | None) -> bool:
    """True when there is a reply and it says that the command did not run."""
    return outcome_of(reply) is Outcome.FAILURE


def error_code(document: Document) -> int | None:
    """The numeric code, whichever number type carries it."""
    code = document.get("code")
    if isinstance(code, bool) or not isinstance(code, int | float):
        return None
    if isinstance(code, float) and (not math.isfinite(code) or code != int(code)):
        return None
    return int(code)


def error_text(document: Document) -> str:
    """The error's own words, at most `ERROR_TEXT_KEPT` characters."""
    for key in ("errmsg", "$err", "err"):
        text = document.get(key)
        if isinstance(text, str):
            return _printable_unicode(text[:ERROR_TEXT_KEPT])
    return ""


def _printable_unicode(text: str) -> str:
    """Without the lone surrogates that stand for bytes outside UTF-8: no JSON can hold them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def error_kind(reply: Reply | None) -> ErrorKind | None:
    """What the error in a reply proves, or None when the reply is missing or no error."""
    if reply is None or reply.document is None or not failed(reply):
        return None
    document = reply.document
    text = error_text(document).lower()
    for words, kind in _TRAPS:
        if words in text:
            return kind
    code, name = error_code(document), document.get("codeName")
    if code is not None:
        return _BY_CODE.get(code) or _not_before_login(code, text) or ErrorKind.OTHER
    if isinstance(name, str) and name:
        return _BY_NAME.get(name, ErrorKind.OTHER)
    return next((kind for words, kind in _BY_TEXT if words in text), ErrorKind.OTHER)


def _not_before_login(code: int, text: str) -> ErrorKind | None:
    """115 means "unknown command" unless it says that a login must come first (Cosmos DB)."""
    if code != 115:
        return None
    return ErrorKind.AUTH if "prior to authentication" in text else ErrorKind.UNKNOWN_COMMAND


def describe(reply: Reply | None) -> str:
    """One line for evidence: the error's code, name and words, or why there is no document."""
    if reply is None:
        return "no reply"
    if reply.document is None:
        return f"{reply.command}: {reply.error or 'no document'}"
    document = reply.document
    if not failed(reply):
        return f"{reply.command} by {reply.by}: ok {_short(document.get('ok'))}"
    code = error_code(document)
    name = document.get("codeName")
    named = _printable_unicode(name[:ERROR_TEXT_KEPT]) if isinstance(name, str) else ""
    label = " ".join(part for part in (str(code or ""), named) if part)
    text = error_text(document)
    return f"{reply.command} by {reply.by}: {label + ': ' if label else ''}{text or 'an error without words'}"


def _short(value: object) -> str:
    return ascii(value)[:40]


def databases(reply: Reply | None) -> list[Document] | None:
    """The listed databases, or None when the reply is no success or lists anything else."""
    if reply is None:
        return None
    if reply.entries is None:
        if reply.document is None or not succeeded(reply):
            return None
        listed = reply.document.get("databases")
        reply.entries = listed if isinstance(listed, list) and _are_named(listed) else False
    return None if reply.entries is False else reply.entries


def _are_named(entries: list[Any]) -> bool:
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            return False
    return True


def total_size(reply: Reply | None) -> int | None:
    """`totalSize` of listDatabases: bytes of all databases, the server's own among them."""
    return count((reply.document or {}).get("totalSize")) if reply is not None else None


def first_batch(document: Document) -> list[Any] | None:
    """A cursor's first or next batch; None where the reply holds none, and so tells nothing."""
    cursor = document.get("cursor")
    if not isinstance(cursor, dict):
        return None
    for key in ("firstBatch", "nextBatch"):
        if isinstance(cursor.get(key), list):
            batch: list[Any] = cursor[key]
            return batch
    return None


def names_in(reply: Reply | None) -> int | None:
    """How many names a listCollections reply gives; None when it is no success or holds no batch."""
    if not succeeded(reply):
        return None
    assert reply is not None
    batch = first_batch(reply.document or {})
    if batch is None:
        return None
    return sum(1 for entry in batch if isinstance(entry, dict) and isinstance(entry.get("name"), str))


def undecided(reply: Reply | None) -> bool:
    """True when listDatabases failed, and for a reason that says nothing about access either way.

    An error without sense, and an ok without a list, come from no MongoDB: nothing is built on them.
    """
    if error_kind(reply) not in _UNDECIDED or reply is None or reply.document is None:
        return False
    number = error_code(reply.document)
    if number is None:
        return bool(error_text(reply.document)) or isinstance(reply.document.get("codeName"), str)
    return 0 < number < 2**31


def refuses_client(reply: Reply | None) -> bool:
    """True for a handshake that was refused for its `client` document, as pooling proxies do (186)."""
    if not failed(reply):
        return False
    assert reply is not None
    document = reply.document or {}
    if error_code(document) in _ABOUT_CLIENT:
        return True
    return error_kind(reply) is ErrorKind.OTHER and "client" in error_text(document).lower()


def wire_version(document: Document, key: str) -> int | None:
    """`minWireVersion` or `maxWireVersion`; None when absent (2.4 and older) or no whole number from 0 up."""
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return int(value)


def is_handshake(reply: Reply | None) -> bool:
    """True for a reply that only a hello or isMaster gets."""
    if not succeeded(reply):
        return False
    assert reply is not None
    assert reply.document is not None
    document = reply.document
    return "maxWireVersion" in document or "ismaster" in document or "isWritablePrimary" in document
