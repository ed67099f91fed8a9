"""What to ask next, and what to do when a connection is lost: the two tables that the dialogue looks up.

`QUESTIONS`: whenever nothing is awaited, every row whose condition holds is asked, each at most once.
`REOPENINGS`: when a connection has ended, the first row that holds says which connection comes next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from scanner.contact import Ending
from scanner.mongo.answers import (
    ATLAS_ERROR,
    ErrorKind,
    databases,
    error_code,
    error_kind,
    is_handshake,
    succeeded,
    undecided,
)
from scanner.mongo.commands import (
    Request,
    build_info,
    db_stats,
    hello,
    is_master,
    legacy_namespaces,
    list_collections,
    list_databases,
)
from scanner.mongo.facts import Attempt, Document, Facts, Layer, Limits, Next
from scanner.mongo.wire import Flaw, Opcode

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.record import Exposure
    from scanner.mongo.facts import Reply

FIRST_WINDOW = 64  # metadata commands in flight before the first is answered
FIRST_WIRE_WITH_MSG = 6  # 3.6
FIRST_WIRE_WITH_LIST_COLLECTIONS = 3  # 3.0
COMMAND_NOT_SUPPORTED = 115
_IS_MASTER_WITHOUT_CLIENT = "isMaster without client"
_TLS_WORDS = ("PROTOCOL", "HANDSHAKE_FAILURE", "INSUFFICIENT_SECURITY", "KEY_TOO_SMALL", "MD_TOO_WEAK")
_LEGACY_WORDS = (*_TLS_WORDS, "NO_SHARED_CIPHER", "LEGACY", "UNSAFE", "CA_MD_TOO_WEAK", "ILLEGAL_PARAMETER")


class Opening(NamedTuple):
    """How the next connection begins: with the first write, by OP_MSG alone, or where the last stopped."""

    name: str


FIRST_WRITE = Opening("isMaster by OP_QUERY, buildInfo and listDatabases by OP_MSG, in one write")
MSG_ONLY = Opening("hello by OP_MSG")
CONSOLE = Opening("a page by HTTP")
RESUME = Opening("handshake, then what was not answered")


@dataclass(slots=True)
class DialogueState:
    """The dialogue's memory: what was learned, what was tried, and how to put the next question."""

    client: Document | None  # who asks; None once a server has refused to be told
    limits: Limits
    facts: Facts
    console: bool = False  # the port is that of an HTTP console
    layer: Layer = Layer.PLAIN
    legacy_tls: bool = False
    opcode: Opcode | None = None  # decided by the handshake
    opening: Opening = FIRST_WRITE
    asked: set[str] = field(default_factory=set)
    heard: bool = False  # a whole MongoDB reply came
    resumed: bool = False
    tried_tls: bool = False
    tried_msg_only: bool = False
    tried_console: bool = False
    planning: bool = False  # the verdict is in, the metadata plan runs
    window: int = FIRST_WINDOW  # metadata commands in flight; each answer allows one more

    @property
    def room(self) -> int:
        """How many metadata commands may be in flight now."""
        return min(self.window, self.limits.window)

    @property
    def mongos(self) -> bool:
        """True when the handshake says that a router answers."""
        document = self.facts.hello.document if self.facts.hello else None
        return bool(document) and (document or {}).get("msg") == "isdbgrid"

    @property
    def time_limits(self) -> bool:
        """Whether the server knows maxTimeMS: 2.6 and later."""
        return self.opcode is not Opcode.OP_QUERY or (self.facts.max_wire_version or 0) > 0


class Plan(Protocol):
    """What asks for metadata once the verdict is open, as far as the dialogue needs it."""

    @property
    def held(self) -> int:
        """Bytes of memory that it takes."""

    def next_requests(self, room: int) -> list[Request]:
        """The next questions, at most `room`; none when nothing is left to ask."""

    def answered(self, request: Request, reply: Reply) -> None:
        """One answer, or the reason why there is none."""

    def exposure(self) -> Exposure:
        """What is known by now."""


class Question(NamedTuple):
    """One row: its name (asked once), where the reply goes, when and what it asks, and by which opcode."""

    name: str
    slot: str
    when: Callable[[DialogueState], bool]
    request: Callable[[DialogueState], Request]
    opcode: Opcode | None = None  # None: the one that the handshake decided


def _list_kind(state: DialogueState) -> ErrorKind | None:
    return error_kind(state.facts.list_databases)


def _empty_list(state: DialogueState) -> bool:
    return databases(state.facts.list_databases) == []


def _hello_missing(state: DialogueState) -> bool:
    return not is_handshake(state.facts.hello)


def _client_refused(state: DialogueState) -> bool:
    return _hello_missing(state) and state.client is None


def _refused_without_client(state: DialogueState) -> bool:
    return _client_refused(state) and _IS_MASTER_WITHOUT_CLIENT in state.asked


def _hello_refused(state: DialogueState) -> bool:
    """Unknown, or refused with 115 as by Cosmos DB, which does answer isMaster: no verdict either way."""
    refused = error_kind(state.facts.hello) is ErrorKind.UNKNOWN_COMMAND
    document = (state.facts.hello.document if state.facts.hello else None) or {}
    return "hello" in state.asked and (refused or error_code(document) == COMMAND_NOT_SUPPORTED)


def _hello_wants_version(state: DialogueState) -> bool:
    return "hello" in state.asked and error_kind(state.facts.hello) is ErrorKind.API_VERSION


def _needs_privilege_check(state: DialogueState) -> bool:
    """After an empty list, or an error from behind the gate: both come through the localhost exception too.

    It is not only for loopback: a proxy on the server's own host makes everybody local.
    """
    if _empty_list(state):
        return state.facts.confirm_list is not None and (
            databases(state.facts.confirm_list) == []
            or error_kind(state.facts.confirm_list) not in (None, ErrorKind.AUTH)
            or error_code(state.facts.confirm_list.document or {}) == ATLAS_ERROR
        )
    retried = _list_kind(state) is not ErrorKind.GATE_PASSED or "listDatabases once more" in state.asked
    return retried and _list_kind(state) in (ErrorKind.GATE_PASSED, ErrorKind.NO_DATA)


def _privilege_request(state: DialogueState) -> Request:
    return _names_of("admin" if state.mongos else "local", state)  # a mongos has no `local`


def _names_of(database: str, state: DialogueState) -> Request:
    wire = state.facts.max_wire_version or 0
    if state.opcode is Opcode.OP_QUERY and wire < FIRST_WIRE_WITH_LIST_COLLECTIONS:
        return legacy_namespaces(database)
    # Not `authorized`: that would filter by privilege instead of asking for it.
    return list_collections(database, authorized=False)


def _list(_: DialogueState) -> Request:
    return list_databases()


def _list_undecided(state: DialogueState) -> bool:
    return undecided(state.facts.list_databases)


QUESTIONS: tuple[Question, ...] = (
    Question(
        "hello",
        "hello",
        lambda s: _hello_missing(s) and s.client is not None,
        lambda s: hello(s.client),
        Opcode.OP_MSG,
    ),
    Question(_IS_MASTER_WITHOUT_CLIENT, "hello", _client_refused, lambda _: is_master(None), Opcode.OP_QUERY),
    Question("hello without client", "hello", _refused_without_client, lambda _: hello(None), Opcode.OP_MSG),
    Question("isMaster by OP_MSG", "hello", _hello_refused, lambda s: is_master(s.client), Opcode.OP_MSG),
    Question(
        "hello with apiVersion", "hello", _hello_wants_version, lambda s: hello(s.client), Opcode.OP_MSG
    ),
    Question("listDatabases", "list_databases", lambda s: s.facts.list_databases is None, _list),
    Question(
        "listDatabases by OP_MSG",
        "list_databases",
        lambda s: _list_kind(s) is ErrorKind.QUERY_REFUSED,
        _list,
        Opcode.OP_MSG,
    ),
    Question(
        "listDatabases with apiVersion",
        "list_databases",
        lambda s: _list_kind(s) is ErrorKind.API_VERSION,
        _list,
        Opcode.OP_MSG,
    ),
    # A member that is changing its state may answer the next time.
    Question(
        "listDatabases once more", "list_databases", lambda s: _list_kind(s) is ErrorKind.GATE_PASSED, _list
    ),
    Question("buildInfo", "build_info", lambda s: s.facts.build_info is None, lambda _: build_info()),
    Question(
        "buildInfo with apiVersion",
        "build_info",
        lambda s: error_kind(s.facts.build_info) is ErrorKind.API_VERSION,
        lambda _: build_info(),
        Opcode.OP_MSG,
    ),
    Question(
        "listDatabases with authorizedDatabases false",
        "confirm_list",
        _empty_list,
        lambda _: list_databases(authorized_databases=False),
    ),
    Question(
        "a question that needs a privilege", "confirm_privilege", _needs_privilege_check, _privilege_request
    ),
    # listDatabases was answered, and nothing was said about access: two others that need a privilege decide.
    Question(
        "listCollections of admin", "confirm_privilege", _list_undecided, lambda s: _names_of("admin", s)
    ),
    Question("dbStats of admin", "confirm_counts", _list_undecided, lambda _: db_stats("admin")),
    # An argument that it does not know may be all that failed.
    Question(
        "listDatabases without arguments",
        "list_databases",
        lambda s: _list_kind(s) is ErrorKind.OTHER,
        lambda _: list_databases(name_only=False),
    ),
)


def settled(state: DialogueState) -> bool:
    """True when the opening's three answers say all that the table could ask for: most of them do."""
    facts = state.facts
    return (
        not state.asked
        and is_handshake(facts.hello)
        and succeeded(facts.build_info)
        and bool(databases(facts.list_databases))
    )


class Lost(NamedTuple):
    """A connection that is over, the flaw that made us give it up, and whether a reply was owed."""

    attempt: Attempt
    flaw: Flaw | None
    owed: bool


class Reopening(NamedTuple):
    """One row: when it applies, what connection it wants, and how the dialogue begins there.

    `same_server`: the server was heard, or began to speak; such a row is taken once in a dialogue.
    """

    when: Callable[[DialogueState, Lost], bool]
    next: Callable[[DialogueState], Next]
    opening: Opening
    same_server: bool = False


def same_layer(state: DialogueState) -> Next:
    """The kind of connection that stood before."""
    if state.layer is Layer.PLAIN:
        return Next.OPEN_PLAIN
    return Next.OPEN_TLS_LEGACY if state.legacy_tls else Next.OPEN_TLS


def _hung_up(lost: Lost) -> bool:
    return lost.attempt.ending in (Ending.CLOSED, Ending.RESET)


def _speaks_tls(attempt: Attempt, words: tuple[str, ...] = _TLS_WORDS) -> bool:
    """True when a failed TLS attempt failed as TLS does, and not as something else on the port does."""
    if attempt.tls is None:
        return False
    alert = attempt.tls.alert.upper().replace(" ", "_")
    return any(word in alert for word in words) and "WRONG_VERSION_NUMBER" not in alert


def _cut_in_metadata(state: DialogueState, lost: Lost) -> bool:
    return state.planning and not state.resumed and (_hung_up(lost) or lost.flaw is not None)


def _cut_in_dialogue(state: DialogueState, lost: Lost) -> bool:
    return state.heard and lost.owed and not state.planning and not state.resumed and _hung_up(lost)


def _cut_in_first_reply(state: DialogueState, lost: Lost) -> bool:
    return not state.heard and not state.resumed and _hung_up(lost) and lost.attempt.bytes_received > 0


def _maybe_console(state: DialogueState, lost: Lost) -> bool:
    """An HTTP console waits in silence for the end of what is no HTTP."""
    untried = state.console and not state.tried_console and not state.heard
    silent = lost.attempt.ending is Ending.TIMEOUT and not lost.attempt.bytes_received
    return untried and silent and state.layer is Layer.PLAIN


def _maybe_tls(state: DialogueState, lost: Lost) -> bool:
    if state.heard or state.tried_tls or state.layer is not Layer.PLAIN:
        return False
    return lost.flaw is Flaw.TLS_ALERT or (lost.flaw is None and lost.attempt.bytes_received == 0)


def _maybe_old_tls(state: DialogueState, lost: Lost) -> bool:
    if state.heard or state.layer is not Layer.TLS or state.legacy_tls:
        return False
    session = lost.attempt.tls
    failed = lost.attempt.ending is Ending.TLS_FAILED and not (session and session.established)
    return failed and _speaks_tls(lost.attempt, _LEGACY_WORDS)


def _maybe_msg_only(state: DialogueState, lost: Lost) -> bool:
    """A server that hangs up on OP_QUERY, or skips it: it gets one connection without it."""
    if state.heard or state.tried_msg_only:
        return False
    if lost.flaw is Flaw.OUT_OF_ORDER:
        return True
    if lost.attempt.layer is Layer.TLS and lost.attempt.tls and lost.attempt.tls.established:
        return (
            _hung_up(lost) and not lost.attempt.tls.certificate_requested and not lost.attempt.bytes_received
        )
    plain = [a for a in state.facts.attempts if a.layer is Layer.PLAIN]
    closed = any(a.ending in (Ending.CLOSED, Ending.RESET) and not a.bytes_received for a in plain)
    failed = lost.attempt.layer is Layer.PLAIN or not _speaks_tls(lost.attempt)
    return closed and failed and lost.flaw is None and lost.attempt.bytes_received == 0


def _next_for_msg_only(state: DialogueState) -> Next:
    established = any(a.layer is Layer.TLS and a.tls and a.tls.established for a in state.facts.attempts)
    return same_layer(state) if established else Next.OPEN_PLAIN


REOPENINGS: tuple[Reopening, ...] = (
    Reopening(_cut_in_metadata, same_layer, RESUME, same_server=True),
    Reopening(_cut_in_dialogue, same_layer, RESUME, same_server=True),
    Reopening(_cut_in_first_reply, same_layer, FIRST_WRITE, same_server=True),
    Reopening(_maybe_console, lambda _: Next.OPEN_PLAIN, CONSOLE),
    Reopening(_maybe_tls, lambda _: Next.OPEN_TLS, FIRST_WRITE),
    Reopening(_maybe_old_tls, lambda _: Next.OPEN_TLS_LEGACY, FIRST_WRITE),
    Reopening(_maybe_msg_only, _next_for_msg_only, MSG_ONLY),
)
