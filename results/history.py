"""What one look tells of the time before it, in sentences for people, of the record's codes and values."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from results.text import human_count, visible

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from results.past import Past
    from results.record import Collection, Exposure, LastWrite, Server

YOUNG: Final = timedelta(minutes=10)  # counters that began so lately prove nothing by their silence
_NAME: Final = 60


def of_exposure(exposure: Exposure) -> list[str]:
    """What happened, the gravest first, then what was counted. Names are escaped."""
    counted = [_COUNTED[write.method](write) for write in exposure.activity if write.method in _COUNTED]
    if exposure.last_write is not None and exposure.last_write.method in _COUNTED:
        counted.insert(0, _COUNTED[exposure.last_write.method](exposure.last_write))
    return [sentence(event) for event in exposure.past] + counted


def sentence(event: Past) -> str:
    """One event. A code that this version does not know stands for itself."""
    where = visible(event.where, 2 * _NAME)
    moment = f"{_when(event.at)}{_after(event.after_start_seconds)}"
    within = _within(event)
    match event.code:
        case "note-left":
            return f"{where} looks like a note and was made on {moment}"
        case "restored":
            every = f"all {human_count(event.collections)} collections of {where}"
            return f"{every} were made on {moment}{within}, as by a restore"
        case "made-after-start":
            if event.collections == 1:
                return f"{where} was made on {moment}"
            return f"{human_count(event.collections)} collections of {where} were made on {moment}{within}"
    return f"{event.code}: {where} on {moment}"


def of_collection(collection: Collection, server: Server | None) -> str:
    """The history of one collection in one sentence; "" where its server told nothing of it."""
    name = visible(collection.name, _NAME)
    started = server.started_at if server is not None else None
    since, read = collection.counted_since or started, _read_at(server)
    parts = []
    if collection.made_at is not None:
        after = None if started is None else int((collection.made_at - started).total_seconds())
        parts.append(f"{name} was made on {_when(collection.made_at)}{_after(after)}")
    if collection.write_operations is not None and since is not None:
        number = human_count(collection.write_operations) if collection.write_operations else "no"
        text = f"{number} write {_operations(collection.write_operations)} counted since "
        text += "then" if parts else f"{_when(since)}"
        if not collection.write_operations and read is not None and read - since < YOUNG:
            text += f", which proves nothing: it began {_span(read - since)} before the look"
        elif not collection.write_operations and server is not None and server.set_name:
            text += ", what it copied from another member of its set left out"
        parts.append(text if parts else f"{name}: {text}")
    used = [index for index in collection.indexes if index.operations]
    for index in sorted(used, key=lambda index: -(index.operations or 0))[:3]:
        text = f"index {visible(index.name, _NAME)} served {human_count(index.operations)}"
        text += f" {_operations(index.operations)}"
        parts.append(text if parts else f"{name}: {text}")
    return "; ".join(parts)


def _written(write: LastWrite) -> str:
    number = human_count(write.operations)
    return f"{_where(write)}: {number} write {_operations(write.operations)} since {_when(write.at)}"


def _used(write: LastWrite) -> str:
    where, _, index = write.where.rpartition(".$")
    served = f"{human_count(write.operations)} {_operations(write.operations)}"
    name = visible(index, _NAME)
    return f"index {name} of {visible(where, 2 * _NAME)} served {served} since {_when(write.at)}"


_COUNTED: Final[dict[str, Callable[[LastWrite], str]]] = {
    "write_operations": _written,
    "index_use": _used,
}


def _read_at(server: Server | None) -> datetime | None:
    return server.counters.read_at if server is not None and server.counters is not None else None


def _where(write: LastWrite) -> str:
    return visible(write.where, 2 * _NAME)


def _operations(number: int | None) -> str:
    return "operation" if number == 1 else "operations"


def _when(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def _after(seconds: int | None) -> str:
    return "" if seconds is None else f", {_span(timedelta(seconds=seconds))} after the server started"


def _within(event: Past) -> str:
    if event.until is None or event.collections == 1:
        return ""
    return f", within {_span(event.until - event.at)}"


def _span(length: timedelta) -> str:
    """A length of time in its largest whole unit, rounded down; what is less than one second is one."""
    seconds = max(1, int(length.total_seconds()))
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if seconds >= 2 * size or size == 1:
            number = seconds // size
            return f"{number:,} {unit}{'' if number == 1 else 's'}"
    raise AssertionError("the last unit takes every length")
