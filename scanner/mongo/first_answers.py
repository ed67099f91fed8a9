"""First answers read by their kind: the three replies to the opening, without a walk and a decoder.

Theory of operation. Most servers answer the opening as others of their version and role do, but for values
of their own: clocks, counters, and names. An answer that was read the general way teaches its kind: the form
of its handshake (a pattern of all its bytes, in which values of a fixed width and the names of the set are
left open), what the values are that count, the bytes of buildInfo, and what the third reply says. A later
answer of the kind has the same elements at every level, and each ends where the other one's does: lengths
around texts are held against the texts, and a list of databases is written anew from its names and must be
equal byte for byte. So it is as well formed, and says the same but for its own values.

What is read of it are the server's own values alone. The facts that `facts_of` makes of them are those of the
general way, but for values that nobody reads (`UNREAD`): they are those of the first server of the kind. What
fits no kind goes the general way, and so does what makes one look closer: a clock that is none, a host name
that is no ASCII, a word that gives another product away.

What is kept is bounded, and a form costs a lesson, so that a server with a new one in each answer costs
little more than one without.
"""

from __future__ import annotations

import re
from operator import itemgetter
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from bson import ObjectId

from results.verdict import Verdict
from scanner.mongo.answers import ErrorKind, Outcome, databases, error_kind, is_handshake, succeeded
from scanner.mongo.bson_check import ELEMENT_BYTES, elements
from scanner.mongo.commands import Command, reply_caps
from scanner.mongo.facts import Attempt, Depth, Facts, Kind, Layer, Own, Reply
from scanner.mongo.handshake_form import LISTS, LONGEST, Form, Maker, NoFormError
from scanner.mongo.judge import judge
from scanner.mongo.name_lists import OF_SET, OF_SET_BYTES, read_databases
from scanner.mongo.questions import FIRST_WIRE_WITH_MSG
from scanner.mongo.sizes_by_kind import ask
from scanner.mongo.values import after_epoch
from scanner.mongo.wire import OP_MSG, OP_REPLY

if TYPE_CHECKING:
    from datetime import datetime

    from scanner.mongo.facts import Document, Limits
    from scanner.mongo.handshake_form import List
    from scanner.mongo.sizes_by_kind import SizesAsked

MAX_BYTES: Final = 8192  # a longer first answer is read in full every time
FORMS_KEPT: Final = 16
KINDS_KEPT: Final = 1024
KINDS_BYTES: Final = 2 * 1024 * 1024  # of the answers that taught them; in memory each takes 16 times as much
LESSONS: Final = 64  # forms that may be learned; answers that are read by one give some back
ANSWERS_A_LESSON: Final = 64
FIRST_BYTES_KEPT: Final = 64  # as the dialogue keeps them

_LATEST: Final = 4_102_444_800_000  # the year 2100, in milliseconds
_QUERY_HEAD: Final = Struct("<iiiiiqiii").unpack_from  # an OP_REPLY up to its document's length
_MSG_HEAD: Final = Struct("<iiiiIBi").unpack_from  # an OP_MSG likewise
_LENGTH: Final = Struct("<i")
_DATE: Final = Struct("<q")
_TEXT_LENGTHS: Final = [_LENGTH.pack(size + 1) for size in range(LONGEST)]

_TELLING: Final = re.compile(rb"\.azure\.|\.amazonaws\.|secantus|globaldb").search
_OWN_FIELDS: Final = ("setName", "me", "primary", "localTime", *LISTS)  # at the top, as they stand in `Own`
_OWN_PLACES: Final = (1, 2, 3, 4, 7, 8, 9)
_OF_SET_NAMES: Final = frozenset({"$clusterTime", "operationTime"})


class FirstAnswers:
    """The forms and kinds that are known by now, of all servers."""

    def __init__(self, limits: Limits, depth: Depth) -> None:
        caps = reply_caps(limits)
        self._caps = caps[Command.IS_MASTER], caps[Command.BUILD_INFO], caps[Command.LIST_DATABASES]
        self._most = min(MAX_BYTES, limits.host_bytes)
        self._depth = depth
        self._limits = limits
        self._lessons = float(LESSONS)
        self._made = 0
        self._bytes = 0
        self._forms: list[Form] = []
        self._known: dict[tuple[Any, ...], Kind] = {}

    def read(self, data: bytes, *, loopback: bool) -> Own | None:
        """What `data`, all that came, says if it is the whole answer to the opening and of a known kind."""
        places = self._frames(data)
        if places is None:
            return None
        hello, hello_end, build, build_end, listing, end = places
        for form in self._forms:
            match = form.match(data, hello, hello_end)
            if match is not None:
                break
        else:
            return None
        groups = match.groups()
        names = read_databases(data, listing, end)
        third = b"" if names else _without_time(data, listing, end)
        kind = self._known.get(
            (loopback, form.number, form.said(groups), _without_time(data, build, build_end), third)
        )
        own = None if kind is None else _own(kind, form, groups, names, data)
        if own is not None and self._lessons < LESSONS:
            self._lessons += 1 / ANSWERS_A_LESSON
        return own

    def ask_sizes(self, own: Own) -> SizesAsked | None:
        """What else is wanted of such a server at depth `databases`; None at any other depth, and where a
        dialogue is to ask."""
        return ask(own, self._limits) if self._depth is Depth.DATABASES else None

    def learn(self, data: bytes, facts: Facts) -> None:
        """Keep the kind of an answer that was read the general way, and after which no more had to be asked
        for the verdict."""
        loopback = facts.loopback
        places = self._frames(data)
        if places is None or not _is_plain(facts, len(data)):
            return
        hello, hello_end, build, build_end, listing, end = places
        form = self._form_of(data, hello, hello_end)
        if form is None or not _ends_at_time(data, build, build_end) or not _ends_at_time(data, listing, end):
            return
        match = form.match(data, hello, hello_end)
        if match is None:
            return
        third = b"" if read_databases(data, listing, end) else _without_time(data, listing, end)
        key = loopback, form.number, form.said(match.groups()), _without_time(data, build, build_end), third
        if key in self._known or (not third and not databases(facts.list_databases)):
            return
        verdict = judge(facts).verdict
        goes_on = self._depth is not Depth.VERDICT and verdict is Verdict.OPEN
        self._known[key] = Kind(_beginning(facts), len(data), verdict, goes_on=goes_on)
        again = self.read(data, loopback=loopback)
        if again is None or not _are_the_same(facts_of(again), facts):
            del self._known[key]
            return
        self._bytes += len(data)
        while len(self._known) > KINDS_KEPT or self._bytes > KINDS_BYTES:
            self._bytes -= self._known.pop(next(iter(self._known))).size

    def sizes(self) -> tuple[int, int]:
        """How many forms and kinds are kept."""
        return len(self._forms), len(self._known)

    def _form_of(self, data: bytes, begin: int, end: int) -> Form | None:
        """The form of this handshake, a new one if need be."""
        for form in self._forms:
            if form.match(data, begin, end) is not None:
                return form
        if self._lessons < 1:
            return None
        self._lessons -= 1
        try:
            form = Maker().form(self._made, data[begin:end])
        except NoFormError:
            return None
        self._made += 1
        self._forms.insert(0, form)
        del self._forms[FORMS_KEPT:]
        return form

    def _frames(self, data: bytes) -> tuple[int, int, int, int, int, int] | None:
        """Where the documents of three replies begin and end that are the whole of `data`, and of which each
        is in its turn, and nothing is out of the ordinary."""
        size = len(data)
        if not 200 <= size <= self._most:
            return None
        most = self._caps
        length, _, answers, opcode, flags, cursor, start, number, document = _QUERY_HEAD(data)
        if not (
            40 < length <= size - 100
            and (length <= most[0] and answers == 1 and opcode == OP_REPLY and not flags & 3)
            and (cursor == start == 0 and number == 1 and document == length - 36)
        ):
            return None
        first = length
        length, _, answers, opcode, flags, section, document = _MSG_HEAD(data, first)
        second = first + length
        if not (
            (25 < length <= most[1] and second <= size - 26 and document == length - 21)
            and (answers == 2 and opcode == OP_MSG and not flags & 0xFFFF and section == 0)
        ):
            return None
        length, _, answers, opcode, flags, section, document = _MSG_HEAD(data, second)
        if not (
            (25 < length <= most[2] and second + length == size and document == length - 21)
            and (answers == 3 and opcode == OP_MSG and not flags & 0xFFFF and section == 0)
        ):
            return None
        if data[first - 1] or data[second - 1] or data[size - 1]:  # each document ends there
            return None
        return 36, first, first + 21, second, second + 21, size


def _beginning(facts: Facts) -> Facts:
    """The same without what its conversation may add."""
    return Facts(
        hello=facts.hello,
        build_info=facts.build_info,
        list_databases=facts.list_databases,
        max_wire_version=facts.max_wire_version,
        min_wire_version=facts.min_wire_version,
        loopback=facts.loopback,
    )


def _without_time(data: bytes, begin: int, end: int) -> bytes:
    """The elements of a document without what members of a set add to each reply."""
    cut = end - 1 - OF_SET_BYTES
    return data[begin + 4 : cut if cut > begin + 4 and OF_SET(data, cut, end) else end - 1]


def _ends_at_time(data: bytes, begin: int, end: int) -> bool:
    """Whether what `_without_time` takes away are whole elements of this document, which was checked."""
    cut = len(_without_time(data, begin, end)) + 4
    return cut == end - begin - 1 or any(at == cut for _, _, at, _, _ in elements(data[begin:end]))


def _own(
    kind: Kind, form: Form, groups: tuple[bytes, ...], names: list[str] | None, data: bytes
) -> Own | None:
    """This server's own values; None where a length is wrong, or one of them needs a closer look."""
    texts = []
    for length, place in form.texts:
        text = groups[place]
        if groups[length] != _TEXT_LENGTHS[len(text)]:
            return None
        texts.append(text)
    if texts and _TELLING(b"\0".join(texts)) is not None:
        return None
    set_name, me, primary, local_time, last_write, process = form.own((*groups, None))
    hosts, passives, arbiters = form.lists
    try:
        return Own(
            kind,
            None if set_name is None else set_name.decode("ascii"),
            None if me is None else me.decode("ascii"),
            None if primary is None else primary.decode("ascii"),
            None if local_time is None else _moment(local_time),
            None if last_write is None else _moment(last_write),
            process,
            None if hosts is None else _texts(groups, hosts),
            None if passives is None else _texts(groups, passives),
            None if arbiters is None else _texts(groups, arbiters),
            names,
            data,
        )
    except ValueError:
        return None


def _texts(groups: tuple[bytes, ...], found: List) -> list[str]:
    length, bare, places = found
    texts = [groups[place].decode("ascii") for place in places]
    if groups[length] != _LENGTH.pack(bare + sum(map(len, texts))):
        raise ValueError
    return texts


def _moment(value: bytes) -> datetime | None:
    (milliseconds,) = _DATE.unpack(value)
    if not 0 <= milliseconds <= _LATEST:
        raise ValueError
    return after_epoch(milliseconds)


def facts_of(own: Own) -> Facts:
    """All that the answer says, as the general way has it."""
    like, names, data = own.kind.like, own.names, own.data
    third = like.list_databases
    assert like.hello is not None
    if names is not None:
        entries = [{"name": name} for name in names]
        third = Reply(
            command=Command.LIST_DATABASES,
            document={"databases": entries, "ok": 1.0},
            by="OP_MSG",
            weight=len(data) + ELEMENT_BYTES * (8 + 3 * len(names)),
            outcome=Outcome.SUCCESS,
            entries=entries,
        )
    return Facts(
        attempts=[
            Attempt(
                layer=Layer.PLAIN, first_bytes=data[:FIRST_BYTES_KEPT], bytes_received=len(data), replies=3
            )
        ],
        hello=Reply(
            command=like.hello.command,
            document=_hello(own, like.hello.document or {}),
            by="OP_REPLY",
            weight=like.hello.weight,
            outcome=Outcome.SUCCESS,
        ),
        build_info=like.build_info,
        list_databases=third,
        max_wire_version=like.max_wire_version,
        min_wire_version=like.min_wire_version,
        loopback=like.loopback,
        own=own,
    )


def _hello(own: Own, like: Document) -> Document:
    document = like.copy()
    for name, value in zip(_OWN_FIELDS, itemgetter(*_OWN_PLACES)(own), strict=True):
        if value is not None:
            document[name] = value
    if own.last_write is not None:
        document["lastWrite"] = {**like["lastWrite"], "lastWriteDate": own.last_write}
    if own.process is not None:
        document["topologyVersion"] = {**like["topologyVersion"], "processId": ObjectId(own.process)}
    return document


def _is_plain(facts: Facts, size: int) -> bool:
    """Whether three answers on one plain connection say it all: a handshake, a build, and a list of databases
    or that a login is wanted."""
    hello, build, listing = facts.hello, facts.build_info, facts.list_databases
    if hello is None or build is None or listing is None or len(facts.attempts) != 1:
        return False
    attempt = facts.attempts[0]
    return (
        (attempt.layer is Layer.PLAIN and attempt.replies == 3 and attempt.bytes_received == size)
        and (is_handshake(hello) and hello.by == "OP_REPLY" and succeeded(build))
        and (bool(databases(listing)) or error_kind(listing) is ErrorKind.AUTH)
        and not (facts.api_version_required or facts.answers_out_of_kind or facts.answered or facts.refused)
        and (facts.max_wire_version or 0) >= FIRST_WIRE_WITH_MSG
    )


def _are_the_same(read: Facts, full: Facts) -> bool:
    """Whether the facts of a kind's first answer, read by it, are those of the general way."""
    pairs = (
        (read.hello, full.hello),
        (read.build_info, full.build_info),
        (read.list_databases, full.list_databases),
    )
    for one, other in pairs:
        if one is None or other is None or _document(one) != _document(other):
            return False
        if (one.command, one.by, one.in_kind) != (other.command, other.by, other.in_kind):
            return False
    return read.attempts == full.attempts


def _document(reply: Reply) -> Document:
    if reply.command == Command.IS_MASTER:
        return reply.document or {}
    return {key: value for key, value in (reply.document or {}).items() if key not in _OF_SET_NAMES}
