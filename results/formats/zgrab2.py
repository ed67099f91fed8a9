"""The envelope of ZGrab2, for pipelines that read its JSON lines: one line a host, with module `mongodb`.

Fields are those of github.com/zmap/zgrab2: `processing.go` (Grab), `module.go` (ScanResponse), `status.go`,
and `modules/mongodb/scanner.go` (Result). Only what is known stands there, where ZGrab2 writes a zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from results.formats.fields import fields_of
from results.formats.format import Format
from results.formats.json_text import as_json, time_of
from results.formats.weakness import check_address, is_weak, moment
from results.record import Observation
from results.verdict import Verdict

if TYPE_CHECKING:
    from results.events.event import Event
    from results.formats.fields import Fields, Sender
    from results.record import Exposure, Server

# ZGrab2 calls it a success when the protocol was spoken: the list of databases is there, or is not.
_STATUSES: Final = {
    Verdict.OPEN: "success",
    Verdict.OPEN_NO_DATA: "success",
    Verdict.AUTH_REQUIRED: "success",
    Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED: "handshake-error",
    Verdict.NOT_MONGODB: "protocol-error",
    Verdict.UNKNOWN: "unknown-error",
    Verdict.REFUSED: "connection-refused",
    Verdict.FILTERED: "connection-timeout",
    Verdict.UNREACHABLE: "connection-timeout",
}
_WRITABLE: Final = {"mongos": True, "primary": True} | dict.fromkeys(
    ("secondary", "hidden", "arbiter", "recovering", "uninitiated"), False
)


_MAX_INT32: Final = 2**31 - 1


def document(event: Event, sender: Sender) -> bytes | None:
    """One line; None of a run, and of an exposure that is closed or out of reach.

    Raises `UnfitError` for an event without a time, or a server without an address.
    """
    fields = fields_of(event, sender)
    if fields.run is not None:
        return None
    moment(fields)
    if isinstance(event, Observation):
        at, status, result = fields.at, _STATUSES[event.verdict], _of_observation(event)
    elif is_weak(fields) and fields.kind != "unreachable":
        # What it holds is of the last look that saw it open, so that look's time is the line's.
        at, status, result = time_of(fields.last_seen) or fields.at, "success", _of_exposure(fields)
    else:
        return None
    check_address(fields)
    answer: dict[str, Any] = {"status": status, "protocol": "mongodb", "port": fields.port}
    if result:
        answer["result"] = result
    answer["timestamp"] = at
    if status != "success":
        answer["error"] = ", ".join(fields.reasons) or fields.verdict
    told: dict[str, Any] = {"ip": fields.ip}
    if isinstance(event, Observation) and (domain := _domain(event)):
        told["domain"] = domain
    return as_json({**told, "data": {"mongodb": answer}})


def _domain(seen: Observation) -> str:
    """The name under which it was asked for. One that the server's certificate claims is none."""
    tls = seen.target.tls
    claimed = tls.certificate.names if tls is not None and tls.certificate is not None else []
    names = seen.target.hostnames
    return names[0] if names and names[0] not in claimed else ""


def _of_observation(seen: Observation) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if seen.server is not None:
        told = {"is_master": _is_master(seen.server), "build_info": _build_info(seen.server)}
    if seen.verdict.is_open:
        told["database_info"] = _database_info(seen.exposure)
        return {name: held for name, held in told.items() if held or name == "database_info"}
    return {name: held for name, held in told.items() if held}


def _is_master(server: Server) -> dict[str, Any]:
    build = server.build
    return _known(
        is_master=_WRITABLE.get(server.topology),
        max_wire_version=_int32(server.max_wire_version),
        min_wire_version=_int32(server.min_wire_version),
        max_bson_object_size=_int32(build.max_bson_object_size) if build is not None else None,
    )


def _build_info(server: Server) -> dict[str, Any]:
    if (build := server.build) is None:
        return _known(version=server.version or None)
    return _known(
        version=server.version or None,
        git_version=build.git_version or None,
        allocator=build.allocator or None,
        debug=build.debug or None,
        bits=_int32(build.bits),
        max_bson_object_size=_int32(build.max_bson_object_size),
        javascript_engine=build.javascript_engine or None,
        storage_engines=build.storage_engines or None,
    )


def _database_info(exposure: Exposure | None) -> dict[str, Any]:
    """What lists of databases say. The sum stands there only where all databases do, with their sizes."""
    if exposure is None:
        return {}
    databases = exposure.databases
    sizes = [each.size_bytes for each in databases]
    told: dict[str, Any] = {}
    if databases:
        told["databases"] = [
            _known(name=each.name, size_on_disk=each.size_bytes, empty=each.empty) for each in databases
        ]
        if len(databases) == exposure.database_count and None not in sizes:
            told["total_size"] = sum(size for size in sizes if size is not None)
    return told


def _of_exposure(fields: Fields) -> dict[str, Any]:
    """What a change or an exposure holds: names of databases without their sizes, and a version."""
    told: dict[str, Any] = {}
    if (writable := _WRITABLE.get(fields.topology)) is not None:
        told["is_master"] = {"is_master": writable}
    if fields.server_version:
        told["build_info"] = {"version": fields.server_version}
    databases = [{"name": name} for name in fields.databases]
    told["database_info"] = {"databases": databases} if databases else {}
    return told


def _int32(number: int | None) -> int | None:
    return number if number is not None and 0 <= number <= _MAX_INT32 else None


def _known(**told: Any) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}


FORMAT: Final = Format(
    "zgrab2", "ZGrab2's JSON, one line a server, module mongodb", "application/x-ndjson", document
)
