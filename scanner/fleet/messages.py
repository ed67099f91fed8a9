"""What a coordinator asks a site to do (`Shard`), and everything that a site says of it, as lines of JSON.

A shard names its targets and nothing else that could be sent: a worker holds them against its own copy of
the scope. Its answers carry lines of the journal as they stand, under the coordinator's run id. Every way to
a site (Dask, ssh) carries these same bytes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from results.summary import Loss
from scanner.setup.choices import DepthName

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = "mongosweep.shard/1"
MOST_BYTES = 64 << 20  # of one message; a longer one is none of ours
BATCH_BYTES = 256 << 10  # lines that go into one message, about
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z"  # of a shard: also the name of a folder
_COUNT = Annotated[int, Meta(ge=0, le=1 << 40)]
_SECONDS = Annotated[float, Meta(ge=0, le=1e9)]

RefusalCode = Literal[
    "format", "version", "site", "vantage", "scope", "settings", "clock", "busy", "storage", "bug"
]


class MessageError(ValueError):
    """Bytes that are no message; says why."""


class Shard(Struct, frozen=True, kw_only=True):
    """A part of a run that one worker asks in one go.

    `name` is the same for each attempt, and names targets `first` to `last` - 1 of the site's part in index
    order. `rows` are exactly these targets, as `results.covered.Row` writes ranges; there are `targets` of
    them. Timeouts are seconds. `sent_at`: the coordinator's clock (RFC 3339, UTC) when it was given away.
    `version` is mongosweep's own.
    """

    format: str = FORMAT
    run_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
    site: Annotated[str, Meta(max_length=200)]
    name: Annotated[str, Meta(pattern=NAME)]
    first: _COUNT
    last: _COUNT
    attempt: Annotated[int, Meta(ge=1)]
    targets: Annotated[int, Meta(ge=1)]
    rows: list[str]
    seed: int
    version: str
    sent_at: str
    vantage: str = ""
    depth: DepthName = "collections"
    everything: bool = False
    confirm: bool = False
    connect_timeout: Annotated[float, Meta(gt=0)]
    reply_timeout: Annotated[float, Meta(gt=0)]
    host_timeout: Annotated[float, Meta(gt=0)]
    rate: Annotated[float, Meta(gt=0)]  # connects a second, at most; the worker's own settings may be lower
    watched: list[tuple[str, int]] = []  # targets of which a line is wanted, whatever they answer


class Began(Struct, frozen=True, kw_only=True, tag="began"):
    """The shard is about to be asked: by whom, and what of it is in the worker's own scope.

    `at`: the worker's clock. `targets` are asked; `refused` are outside its copy of the scope, `examples` of
    them as ranges with the reason. `scope_sha256`: its copy of the whole scope. `resumed`: an earlier attempt
    on this machine is gone on with.
    """

    run_id: str
    name: str
    attempt: int
    worker: str
    host: str
    site: str
    vantage: str
    version: str
    at: str
    targets: _COUNT
    refused: _COUNT = 0
    examples: list[str] = []
    scope_sha256: str = ""
    tables_sha256: str = ""  # of the dated tables by which it judges
    resumed: bool = False


class Lines(Struct, frozen=True, kw_only=True, tag="lines"):
    """Lines of the journal, without their newlines, in the order of writing; `number` counts from 1."""

    run_id: str
    name: str
    attempt: int
    number: Annotated[int, Meta(ge=1)]
    lines: list[Raw]


class Going(Struct, frozen=True, kw_only=True, tag="going"):
    """How far it is; counts are of targets, `rate` of new connections a second."""

    run_id: str
    name: str
    attempt: int
    asked: _COUNT
    done: _COUNT
    answered: _COUNT = 0
    open: _COUNT = 0
    in_flight: _COUNT = 0
    rate: Annotated[float, Meta(ge=0, le=1e9)] = 0.0
    slowed_by: str = ""
    paused_by: str = ""


class Told(Struct, frozen=True, kw_only=True, tag="told"):
    """Something that a person should know now, in one line."""

    run_id: str
    name: str
    attempt: int
    text: str


class Ended(Struct, frozen=True, kw_only=True, tag="ended"):
    """The worker's own run over the shard is sealed: its state, its accounts, and what its lines were.

    Of the shard's targets, planned = outcomes + excluded + not reached + refused. `refused` are outside the
    worker's copy of the scope. `state` and `reasons` are as in a manifest. `loss` is the manifest's, and
    `unheard` how many servers were probably missed (a number of servers, far below 1 in a good network; None
    where nobody can say). `blind`: how many targets were silent, and unreachable, while nobody at all beyond
    the worker's machine answered; that alone leaves a shard complete, and is judged over the site. `lines` is
    how many lines the batches of this attempt brought, whose `digest` is that of `digest_of`: every line of
    the worker's journal, those of earlier starts first, each as often as it stands there (a target that was
    asked again after a crash has lines of both askings). `seconds` of work. `chain_head`: the last hash over
    the worker's own files.
    """

    run_id: str
    name: str
    attempt: int
    state: Literal["complete", "degraded", "interrupted"]
    reasons: list[str]
    planned: _COUNT
    outcomes: dict[str, _COUNT]
    excluded: _COUNT = 0
    link_edges: _COUNT = 0
    unlisted: _COUNT = 0
    not_reached: _COUNT = 0
    refused: _COUNT = 0
    examples: list[str] = []
    withdrawn: list[str] = []  # ranges that left the worker's scope meanwhile, as in a manifest
    loss: Loss | None = None
    blind: tuple[_COUNT, _COUNT] = (0, 0)
    unheard: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    lines: _COUNT = 0
    digest: str = ""
    seconds: _SECONDS = 0.0
    chain_head: str = ""
    agreed: tuple[_COUNT, _COUNT, _COUNT] | None = None  # with `confirm`, as in a run's summary


class Refused(Struct, frozen=True, kw_only=True, tag="refused"):
    """The worker does not ask it: nothing was sent. `why` says what to do about it."""

    run_id: str
    name: str
    attempt: int
    code: RefusalCode
    why: str
    worker: str = ""


Message = Began | Lines | Going | Told | Ended | Refused
"""What a site says."""


class Description(Struct, frozen=True, kw_only=True):
    """What a worker says of itself before it is given anything.

    `site` is its own, "" for one that asks for every site. `version` is mongosweep's, `python` the
    interpreter's, `dask` that of `distributed` where Dask carries it. `clock`: its own, seconds since
    1970-01-01 UTC. `scope_sha256`: its copy of the whole scope. `problem`: why it could do no shard now; ""
    when it can.
    """

    name: Annotated[str, Meta(max_length=200)] = ""
    site: Annotated[str, Meta(max_length=200)] = ""
    host: Annotated[str, Meta(max_length=300)] = ""
    version: Annotated[str, Meta(max_length=100)]
    python: Annotated[str, Meta(max_length=100)] = ""
    dask: Annotated[str, Meta(max_length=100)] = ""
    clock: float
    scope_sha256: Annotated[str, Meta(max_length=64)] = ""
    problem: Annotated[str, Meta(max_length=2000)] = ""


_shards: msgspec.json.Decoder[Shard] = msgspec.json.Decoder(Shard)
_messages: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
_descriptions: msgspec.json.Decoder[Description] = msgspec.json.Decoder(Description)
_encode = msgspec.json.Encoder().encode


def encode(said: Shard | Message | Description) -> bytes:
    """One line of JSON with its newline."""
    return _encode(said) + b"\n"


def decode_shard(data: bytes) -> Shard:
    """What a coordinator asks. Raises MessageError."""
    try:
        shard = _shards.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"no description of a shard: {error}") from error
    if shard.format != FORMAT:
        raise MessageError(f"written as {shard.format}, this version reads {FORMAT}")
    return shard


def decode(data: bytes) -> Message:
    """What a site says. Raises MessageError."""
    if len(data) > MOST_BYTES:
        raise MessageError(f"{len(data):,} bytes are more than a message has")
    try:
        return _messages.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"no message: {error}") from error


def decode_description(data: bytes) -> Description:
    """What a worker says of itself. Raises MessageError."""
    try:
        return _descriptions.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"no description of a worker: {error}") from error


def digest_of(lines: Iterable[bytes]) -> str:
    """A digest of lines (without newlines) that does not depend on their order: 32 hex digits.

    The sum, modulo 2^128, of the first half of each line's SHA-256. It proves that nothing was lost or torn
    on the way, not who wrote it.
    """
    return f"{sum(map(line_hash, lines)) % (1 << 128):032x}"


def line_hash(line: bytes) -> int:
    """One line's part of `digest_of`."""
    return int.from_bytes(hashlib.sha256(line).digest()[:16], "big")
