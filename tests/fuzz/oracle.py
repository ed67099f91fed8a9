"""What must hold whatever a server sends: closed lists written down a second time, and proofs in the bytes.

Nothing here uses the wire reader, the BSON walker or the encoder under test: frames and documents are read by
`tests.support.replay` and by PyMongo's `bson`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

from results.verdict import Verdict
from tests.support.replay import Message, parse, split

if TYPE_CHECKING:
    from scanner.mongo.judge import Judgement

VERDICTS: Final = frozenset(
    {
        Verdict.OPEN,
        Verdict.OPEN_NO_DATA,
        Verdict.AUTH_REQUIRED,
        Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED,
        Verdict.NOT_MONGODB,
        Verdict.UNKNOWN,
    }
)
COMMANDS: Final = frozenset(
    {
        *("isMaster", "hello", "buildInfo", "listDatabases", "listCollections", "getMore", "dbStats"),
        *("collStats", "aggregate", "count", "find"),
    }
)
PRIVILEGED: Final = frozenset({"listDatabases", "listCollections", "find", "dbStats"})
STAGES: Final = frozenset({"$collStats", "$project", "$match", "$sort", "$limit"})
LARGEST_REQUEST: Final = 2048
# Errors that come only from behind the access check: what else may be called open.
BEHIND_THE_GATE: Final = frozenset({10107, 13435, 10058, 50})
BEHIND_BY_NAME: Final = frozenset(
    {
        *("NotMaster", "NotWritablePrimary", "NotMasterNoSlaveOk", "NotPrimaryNoSecondaryOk"),
        "MaxTimeMSExpired",
    }
)
ONE_NAME: Final = 24  # bytes of an array that holds {"name": ""}
BEHIND_BY_TEXT: Final = ("not master", "not primary", "must run from localhost when running db without auth")
OPTIONS: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    unicode_decode_error_handler="replace", datetime_conversion=DatetimeConversion.DATETIME_AUTO
)


class BrokenPromiseError(AssertionError):
    """Something that must hold for every input does not."""


def must(holds: object, *what: object) -> None:
    """An assert that `python -O` keeps."""
    if not holds:
        raise BrokenPromiseError(" ".join(map(str, what)))


class Answer(NamedTuple):
    """The bytes of one answer, and its document where there is one."""

    raw: bytes
    document: dict[str, Any] | None


@dataclass
class Conversation:
    """What went over one connection: the requests as a server reads them, and every byte that came back."""

    requests: list[Message] = field(default_factory=list)
    stream: bytearray = field(default_factory=bytearray)


def check_requests(out: bytes) -> list[Message]:
    """Read what the client wrote; each must be whole, small, and on the list."""
    requests = []
    taken = 0
    for raw in split(out):
        taken += len(raw)
        must(len(raw) <= LARGEST_REQUEST, "a request of", len(raw), "bytes")
        message = parse(raw)
        if message is None:
            raise BrokenPromiseError(f"a request that no server reads: {raw.hex()}")
        _check_request(message)
        requests.append(message)
    must(taken == len(out), "half a request was written")
    return requests


def _check_request(message: Message) -> None:
    command, document = message.command, message.documents[0]
    must(command in COMMANDS, "a command that is not on the list:", command)
    if message.opcode == 2004 and not message.namespace.endswith(".$cmd"):
        must(len(message.documents) == 2, "a legacy find without a field selector")
        selector = message.documents[1]
        names = message.namespace.endswith(".system.namespaces")
        must(selector == ({"name": 1} if names else {"_id": 1}), "a legacy find of", selector)
    elif command == "find":
        must(document["projection"] == {"_id": 1}, "a find of", document["projection"])
        must(document["limit"] == 1 and document["singleBatch"] is True, "a find of many")
    elif command == "aggregate":
        stages = [next(iter(stage)) for stage in document["pipeline"]]
        must(set(stages) <= STAGES, "stages", stages)
        must(stages[0] == "$collStats" or stages[-1] == "$project", "documents would come back")


def check_open(judgement: Judgement, conversations: list[Conversation]) -> None:
    """Open is said only where the bytes of some answer to listDatabases show it."""
    if judgement.verdict not in (Verdict.OPEN, Verdict.OPEN_NO_DATA):
        return
    answers = [answer for talk in conversations for answer in _answers(talk)]
    if judgement.verdict is Verdict.OPEN_NO_DATA:
        must(answers, "open_no_data without any answer to a question that needs a privilege")
        return
    rule = judgement.evidence[0].code
    must(any(_shows_open(rule, answer) for answer in answers), "open by", rule, "without proof")


def _shows_open(rule: str, answer: Answer) -> bool:
    if rule == "list-truncated":
        return _begins_a_list(answer.raw)
    if rule == "answered-otherwise":
        return _names_or_counts(answer)
    document = answer.document
    if document is None:
        return False
    if rule == "databases-listed":
        listed = document.get("databases")
        return (
            document.get("ok") in (1, True)
            and "$err" not in document
            and isinstance(listed, list)
            and bool(listed)
            and all(isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in listed)
        )
    text = " ".join(str(document.get(key, "")) for key in ("errmsg", "$err", "err")).lower()
    refused = "$err" in document or document.get("ok") in (0, False)
    code, name = document.get("code"), document.get("codeName")
    return refused and (
        (isinstance(code, int | float) and code in BEHIND_THE_GATE)
        or (type(name) is str and name in BEHIND_BY_NAME)
        or any(words in text for words in BEHIND_BY_TEXT)
    )


def _names_or_counts(answer: Answer) -> bool:
    """Collections of `admin` are named, or its objects are counted, and the answer is no error."""
    document = answer.document
    if document is None:  # OP_REPLY: the names of a find stand in documents one behind the other
        return int.from_bytes(answer.raw[12:16], "little") == 1 and b"\x02name\x00" in answer.raw[36:]
    if "$err" in document or document.get("ok", 1) not in (1, True):
        return False
    cursor = document.get("cursor")
    batch = cursor.get("firstBatch") if isinstance(cursor, dict) else None
    return isinstance(batch, list) or isinstance(document.get("objects"), int | float) or "name" in document


def _begins_a_list(raw: bytes) -> bool:
    """The first element is `databases`, an array with room for one document that has a name."""
    at = raw.find(b"\x04databases\x00", 21, 60)
    return at >= 0 and int.from_bytes(raw[at + 11 : at + 15], "little", signed=True) >= ONE_NAME


def _answers(talk: Conversation) -> list[Answer]:
    """Every answer to listDatabases or a confirmation, whole or cut off."""
    wanted = {m.request_id: m for m in talk.requests if m.command in PRIVILEGED}
    found: list[Answer] = []
    data = bytes(talk.stream)
    while len(data) >= 16:
        length, _, response_to, opcode = struct.unpack_from("<iiii", data)
        if length < 16:
            break
        raw, data = data[:length], data[length:]
        asked = wanted.get(response_to)
        if asked is not None and opcode == (2013 if asked.opcode == 2013 else 1):
            found.append(Answer(raw, _document(raw, opcode) if len(raw) == length else None))
    return found


def _document(raw: bytes, opcode: int) -> dict[str, Any] | None:
    try:
        document = bson.decode(raw[21 if opcode == 2013 else 36 :], OPTIONS)
    except (BSONError, ValueError, TypeError, KeyError, OverflowError, RecursionError, struct.error):
        return None
    if opcode == 1 and raw[16] & 2:
        document.setdefault("$err", "")
    return document
