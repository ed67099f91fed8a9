"""What a conversation can learn of a server, and the words in which its driver is told what to do.

The bottom of the protocol core: it imports nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from results.past import Counters
    from results.verdict import Verdict
    from scanner.contact import Ending, TlsSession

Document = dict[str, Any]


class Layer(StrEnum):
    """On what the conversation stands."""

    PLAIN = "plain"
    TLS = "tls"


class Next(Enum):
    """What the driver of a dialogue must do now."""

    WAIT = "wait for bytes"
    OPEN_PLAIN = "close this connection and open a plain one to the same target"
    OPEN_TLS = "close this connection and open a TLS one to the same target"
    OPEN_TLS_LEGACY = "the same with TLS 1.0 and 1.1 allowed"
    DONE = "close the connection; the facts are in"


class Depth(StrEnum):
    """How much is asked once a server is known to be open."""

    VERDICT = "verdict"
    DATABASES = "databases"
    COLLECTIONS = "collections"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps on what one server can make us read, keep and ask. Each is a defence, none extends itself."""

    verdict_reply_bytes: int = 64 * 1024  # before anything looked like MongoDB
    names_reply_bytes: int = 5 * 1024 * 1024  # a list of names: 2.x fills 4 MiB before it stops
    stats_reply_bytes: int = 256 * 1024  # statistics of one database or collection
    host_bytes: int = 64 * 1024 * 1024  # everything one host may send in all its connections
    databases_kept: int = 10_000
    databases_asked: int = 1_000
    collections_kept: int = 50_000
    collections_asked: int = 500  # for statistics: more would take a server far away over a second
    newest_asked: int = 100  # for the ends of their ids, which take two or three questions each
    indexes_asked: int = 100  # for the use of their indexes, of the same ones
    namespaces_counted: int = 2_000  # the answer to `top` has 330 bytes and a name for each
    cursor_rounds: int = 300
    name_length: int = 256
    connections: int = 5
    window: int = 256  # metadata commands in flight on one connection; a server answers them in order


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One connection of the dialogue: how it stood, what came, how it ended."""

    layer: Layer
    first_bytes: bytes = b""  # at most 64, for evidence
    bytes_received: int = 0
    replies: int = 0
    ending: Ending | None = None
    tls: TlsSession | None = None
    protocol_error: str = ""
    speaks: str = ""  # another protocol's name, when its first bytes gave it away


@dataclass(slots=True, kw_only=True)
class Reply:
    """A command's answer, decoded; `error` says why there is none (a wire or BSON error, or an ending)."""

    command: str
    document: Document | None = None
    by: str = ""  # "OP_REPLY" or "OP_MSG"
    in_kind: bool = True  # False: by OP_MSG, and asked by OP_QUERY
    error: str = ""
    truncated_list: bool = False  # over the cap, but provably a listDatabases answer with a list
    weight: int = 0  # bytes of memory that the document takes at most
    listed: int = 0  # how many databases a list named of which `document` holds the first; 0: all of them
    outcome: Any = None  # kept by `answers.outcome_of`, which is asked many times of one reply
    entries: Any = None  # kept by `answers.databases`
    said: Any = None  # kept by `builds.ByBuild`


@dataclass(slots=True, kw_only=True)
class Facts:
    """All that the dialogue learned, in the order in which judge, identity and activity want it."""

    attempts: list[Attempt] = field(default_factory=list)
    hello: Reply | None = None
    build_info: Reply | None = None
    list_databases: Reply | None = None
    confirm_list: Reply | None = None  # listDatabases with authorizedDatabases: false
    confirm_privilege: Reply | None = None  # listCollections on a system database
    confirm_counts: Reply | None = None  # dbStats of admin
    answered: set[str] = field(default_factory=set)  # questions of the metadata that were answered
    refused: set[str] = field(default_factory=set)  # and those that were refused for want of a login
    inventions: set[str] = field(default_factory=set)  # answers that no MongoDB gives, in words for evidence
    answers_out_of_kind: bool = False  # OP_QUERY was answered by OP_MSG
    max_wire_version: int | None = None
    min_wire_version: int | None = None
    api_version_required: bool = False
    console_page: bytes = b""  # the beginning of what an HTTP console answered
    counters: Counters | None = None
    process_started: datetime | None = None  # by its uptime and its own clock
    metadata_cut: str = ""  # why the metadata plan ended before it was through
    loopback: bool = False  # the client is on loopback, where the localhost exception applies
    observed_at: datetime | None = None  # wall clock given by the driver, for judging ages
    own: Own | None = None  # where the first answer was read by its kind

    @property
    def weight(self) -> int:
        """Bytes of memory that the replies take at most."""
        replies = (
            self.hello,
            self.build_info,
            self.list_databases,
            self.confirm_list,
            self.confirm_privilege,
            self.confirm_counts,
        )
        return sum([reply.weight for reply in replies if reply is not None])


class Kind:
    """What servers have in common whose first answers differ in values of their own alone; see
    `first_answers`. `like`: what the first of them said, in `size` bytes. `goes_on`: more is asked of each
    than the opening. `judged`: what follows for all of them, kept by `by_kind`."""

    __slots__ = ("goes_on", "judged", "like", "size", "verdict")

    def __init__(self, like: Facts, size: int, verdict: Verdict, *, goes_on: bool) -> None:
        self.like = like
        self.size = size
        self.verdict = verdict
        self.goes_on = goes_on
        self.judged: dict[Any, Any] = {}


class Own(NamedTuple):
    """A first answer of a known kind: the values of this server's own that are read, None where the kind
    does not tell any, and the bytes that came."""

    kind: Kind
    set_name: str | None
    me: str | None
    primary: str | None
    local_time: datetime | None
    last_write: datetime | None  # of its set
    process: bytes | None  # an ObjectId, made when the process started
    hosts: list[str] | None
    passives: list[str] | None
    arbiters: list[str] | None
    names: list[str] | None  # of its databases
    data: bytes
