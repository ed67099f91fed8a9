"""How a visit is written into the ledger and read back: the parts that are kept once, whoever shows them, are
packed here."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from msgspec import Struct

from results.ledger.visit import Figures, Server, Structure, Visit
from results.record import LastWrite, Owner, Reason
from results.verdict import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.ledger.visit import PlaceKey

T = TypeVar("T")
_PLAIN, _ZLIB = b"p", b"z"
_SHORT: Final = 200  # bytes below which compressing gains nothing
_encode: Final = msgspec.msgpack.Encoder().encode


class Body(Struct, frozen=True, array_like=True):
    """What a visit says besides where it stands, what names it, and its structure and figures: a visit's
    fields of these names. The same from run to run for most places, and from place to place for many."""

    verdict: Verdict
    evidence: list[str]
    severity: Severity
    severity_reasons: list[Reason]
    owner: Owner
    hostnames: list[str]
    server: Server | None
    honeypot: bool
    database_count: int | None
    collection_count: int | None
    documents: int | None
    bytes: int | None
    hints: list[str]
    ransom_level: str
    ransom_names: list[str]
    ransom_wiped: bool | None
    last_write: LastWrite | None
    score: int | None = None  # of older ledgers it is missing


_FIELDS: Final = Body.__struct_fields__
_decode_body: Final = msgspec.msgpack.Decoder(Body).decode
_decode_structure: Final = msgspec.msgpack.Decoder(Structure).decode
_decode_figures: Final = msgspec.msgpack.Decoder(Figures).decode


def pack(value: Any) -> bytes:
    """A value as a content's bytes."""
    return squeeze(_encode(value))


def pack_body(visit: Visit) -> bytes:
    """The body of a visit, packed."""
    return squeeze(_encode([getattr(visit, name) for name in _FIELDS]))


def squeeze(data: bytes) -> bytes:
    """Bytes made shorter where that is possible, with a letter in front that says how."""
    if len(data) > _SHORT:
        packed = zlib.compress(data, 1)
        if len(packed) < len(data):
            return _ZLIB + packed
    return _PLAIN + data


class ContentError(Exception):
    """What the ledger gave back is not what was put in."""


def unsqueeze(stored: bytes) -> bytes:
    """The bytes again. Raises `ContentError`."""
    if stored[:1] == _PLAIN:
        return stored[1:]
    try:
        return zlib.decompress(stored[1:])
    except zlib.error as error:
        raise ContentError(f"a content does not read: {error}") from error


def unpack(stored: bytes, decode: Callable[[bytes], T]) -> T:
    """A value from a content's bytes. Raises `ContentError`."""
    data = unsqueeze(stored)
    try:
        return decode(data)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ContentError(f"a content does not read: {error}") from error


def digest(stored: bytes) -> bytes:
    """The name of a content: the same for the same bytes."""
    return hashlib.blake2b(stored, digest_size=16).digest()


class Opened:
    """Contents by their number, each read and unpacked once. One for each group of places, so that it stays
    small."""

    def __init__(self, load: Callable[[int], bytes]) -> None:
        self._load = load
        self._bodies: dict[int, Body] = {}
        self._structures: dict[int, Structure] = {}

    def visit(
        self,
        *,
        names: tuple[str, str, str],
        at: str,
        place: PlaceKey,
        vantage: str,
        position: tuple[int, int, bytes],
        contents: tuple[int, int | None, int | None],
    ) -> Visit:
        """A visit from its columns: `names` are event, finding and run, `position` segment, offset and digest
        of its line, `contents` body, structure and figures."""
        body_number, structure_number, figures_number = contents
        body = self._bodies.get(body_number)
        if body is None:
            body = self._bodies[body_number] = unpack(self._load(body_number), _decode_body)
        structure = None
        if structure_number is not None:
            structure = self._structures.get(structure_number)
            if structure is None:
                structure = self._structures[structure_number] = unpack(
                    self._load(structure_number), _decode_structure
                )
        figures = None
        if figures_number is not None:  # seldom the same twice
            figures = unpack(self._load(figures_number), _decode_figures)
        segment, offset, line_sha256 = position
        return Visit(
            event_id=names[0],
            finding_id=names[1],
            run_id=names[2],
            at=at,
            place=place,
            vantage=vantage,
            structure=structure,
            figures=figures,
            segment=segment,
            offset=offset,
            line_sha256=line_sha256.hex(),
            verdict=body.verdict,
            evidence=body.evidence,
            severity=body.severity,
            severity_reasons=body.severity_reasons,
            owner=body.owner,
            hostnames=body.hostnames,
            server=body.server,
            honeypot=body.honeypot,
            database_count=body.database_count,
            collection_count=body.collection_count,
            documents=body.documents,
            bytes=body.bytes,
            hints=body.hints,
            ransom_level=body.ransom_level,
            ransom_names=body.ransom_names,
            ransom_wiped=body.ransom_wiped,
            last_write=body.last_write,
            score=body.score,
        )
