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
        *("collStats", "aggregate", "count", "find", "serverStatus", "top"),
    }
)
PRIVILEGED: Final = frozenset({"listDatabases", "listCollections", "find"})
OF_ADMIN: Final = frozenset({"listCollections", "find", "dbStats"})  # what decides where no list came
STAGES: Final = frozenset({"$indexStats", "$collStats", "$project", "$match", "$sort", "$limit"})
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
    """The request, the bytes of its answer, and the document in them where there is one."""

    asked: Message
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
        of_indexes = stages == ["$indexStats"]
        must(of_indexes or stages[0] == "$collStats" or stages[-1] == "$project", "documents would come back")


def check_open(judgement: Judgement, conversations: list[Conversation]) -> None:
    """Open is said only where an answer's bytes show it: to listDatabases, or to what decides without it."""
    if judgement.verdict not in (Verdict.OPEN, Verdict.OPEN_NO_DATA):
        return
    answers = _answers(conversations, PRIVILEGED)
    if judgement.verdict is Verdict.OPEN_NO_DATA:
        must(answers, "open_no_data without any answer to a question that needs a privilege")
        return
    rule = judgement.evidence[0].code
    if rule == "answered-otherwise":
        must(_tells_of_admin(_answers(conversations, OF_ADMIN)), "open by", rule, "without proof")
        return
    must(any(_shows_open(rule, answer) for answer in answers), "open by", rule, "without proof")


def _shows_open(rule: str, answer: Answer) -> bool:
    if rule == "list-truncated":
        return _begins_a_list(answer.raw)
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


def _tells_of_admin(answers: list[Answer]) -> bool:
    """A collection is named or something counted. No names, or zeros, prove nothing; both together do."""
    names = [len(found) for answer in answers if (found := _names(answer)) is not None]
    counts = [told for answer in answers if (told := _counts(answer))]
    return any(names) or any(map(any, counts)) or bool(names and counts)


def _names(answer: Answer) -> list[str] | None:
    """The collections that an answer names, by a cursor or by the documents of an OP_REPLY."""
    if answer.asked.command == "dbStats":
        return None
    if answer.asked.opcode == 2004 and answer.asked.command == "find":
        batch: object = _documents(answer)
    else:
        cursor = (answer.document or {}).get("cursor") if _ran(answer) else None
        batch = cursor.get("firstBatch", cursor.get("nextBatch")) if isinstance(cursor, dict) else None
    if not isinstance(batch, list):
        return None
    return [
        entry["name"] for entry in batch if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    ]


def _counts(answer: Answer) -> list[float]:
    """The numbers of objects and collections that an answer to dbStats gives."""
    if answer.asked.command != "dbStats" or not _ran(answer) or answer.document is None:
        return []
    told = [answer.document.get(key) for key in ("objects", "collections")]
    return [count for count in told if isinstance(count, int | float) and count is not True and count >= 0]


def _ran(answer: Answer) -> bool:
    """Whether the command is said to have run."""
    return answer.document is not None and "$err" not in answer.document and answer.document.get("ok") == 1


def _documents(answer: Answer) -> list[dict[str, Any]] | None:
    """All documents of an OP_REPLY that is no failure."""
    if answer.raw[16] & 2 or len(answer.raw) != int.from_bytes(answer.raw[:4], "little"):
        return None
    try:
        return bson.decode_all(answer.raw[36:], OPTIONS)
    except (BSONError, ValueError, TypeError, KeyError, OverflowError, RecursionError, struct.error):
        return None


def _begins_a_list(raw: bytes) -> bool:
    """The first element is `databases`, an array with room for one document that has a name."""
    at = raw.find(b"\x04databases\x00", 21, 60)
    return at >= 0 and int.from_bytes(raw[at + 11 : at + 15], "little", signed=True) >= ONE_NAME


def _answers(talks: list[Conversation], commands: frozenset[str]) -> list[Answer]:
    """Every answer to these commands, whole or cut off."""
    return [answer for talk in talks for answer in _answers_of(talk, commands)]


def _answers_of(talk: Conversation, commands: frozenset[str]) -> list[Answer]:
    wanted = {m.request_id: m for m in talk.requests if m.command in commands}
    found: list[Answer] = []
    data = bytes(talk.stream)
    while len(data) >= 16:
        length, _, response_to, opcode = struct.unpack_from("<iiii", data)
        if length < 16:
            break
        raw, data = data[:length], data[length:]
        asked = wanted.get(response_to)
        if asked is not None and opcode in _opcodes(asked):
            found.append(Answer(asked, raw, _document(raw, opcode) if len(raw) == length else None))
    return found


def _opcodes(asked: Message) -> tuple[int, ...]:
    """How it may be answered. Traps answer a command by OP_QUERY with OP_MSG, and drivers take it."""
    if asked.opcode == 2013:
        return (2013,)
    return (1, 2013) if asked.namespace.endswith(".$cmd") else (1,)


def _document(raw: bytes, opcode: int) -> dict[str, Any] | None:
    try:
        document = bson.decode(raw[21 if opcode == 2013 else 36 :], OPTIONS)
    except (BSONError, ValueError, TypeError, KeyError, OverflowError, RecursionError, struct.error):
        return None
    if opcode == 1 and raw[16] & 2:
        document.setdefault("$err", "")
    return document
