"""Events in which every field is filled, made from their types: all that a rule or a table may name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import msgspec
from msgspec import inspect as types

from results.events.event import ChangeEvent, RunEvent, RunKind
from results.ledger.tracked import ChangeKind
from results.record import Observation
from results.verdict import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MOMENT = "2026-11-24T09:15:02.123Z"
_TEXTS: Mapping[str, str] = {"ip": "10.20.1.17", "allow": "10.20.0.0/16", "at": _MOMENT, "after": _MOMENT}
_COUNTS: Mapping[str, dict[str, int]] = {
    "outcomes": {verdict.value: 2 for verdict in Verdict},
    "changes": dict.fromkeys((*get_args(ChangeKind), "reminder"), 1),
}
E = TypeVar("E", RunEvent, ChangeEvent, Observation)
CHANGE_KINDS: tuple[str, ...] = (*get_args(ChangeKind), "reminder")
RUN_KINDS: tuple[str, ...] = get_args(RunKind)


def change(kind: str, **more: Any) -> ChangeEvent:
    """A change of this kind, with everything."""
    return _event(ChangeEvent, kind, more)


def run(kind: str, **more: Any) -> RunEvent:
    """What happened to a run, with everything."""
    return _event(RunEvent, kind, more)


def observation(**more: Any) -> Observation:
    """What a sink that wants every observation is sent, with everything."""
    return _event(Observation, "observation", more)


def full_events() -> list[RunEvent | ChangeEvent]:
    """One of each kind of those in the log, each with an id of its own."""
    return [*map(run, RUN_KINDS), *map(change, CHANGE_KINDS)]


def paths(value: Any, before: str = "") -> Iterator[str]:
    """The names of all leaves of a document, with dots between; a list's are those of what it holds."""
    if isinstance(value, dict):
        for name, held in value.items():
            yield from paths(held, f"{before}.{name}" if before else name)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for held in value:
            yield from paths(held, before)
    else:
        yield before


def _event(of: type[E], kind: str, more: dict[str, Any]) -> E:
    made = _filled(types.type_info(of), "") | {"kind": kind, "event_id": f"me_{kind}"}
    if kind in ("started", "resumed"):
        made["state"] = "running"
    elif kind == "ended":
        made["state"] = "complete"
    severity = Severity.INFO if of is RunEvent else Severity.HIGH
    made |= {"severity": severity.value, "severity_number": severity.number}
    return msgspec.convert(made | more, of)


def _filled(kind: types.Type, name: str) -> Any:
    match kind:
        case types.StructType(fields=fields):
            held = {field.encode_name: _filled(field.type, field.encode_name) for field in fields}
            return held | ({kind.tag_field: kind.tag} if kind.tag_field else {})
        case types.UnionType(types=several):
            return _filled(next(each for each in several if not isinstance(each, types.NoneType)), name)
        case types.Metadata(type=inner):
            return _filled(inner, name)
        case types.ListType(item_type=item):
            return [_filled(item, name)]
        case types.DictType(value_type=held):
            return _COUNTS.get(name) or {"team": _filled(held, "team")}
        case types.EnumType(cls=cls):
            return Verdict.OPEN.value if cls is Verdict else next(iter(cls)).value
        case types.LiteralType(values=values):
            return values[0]
        case types.StrType(pattern=str(pattern)):
            return _MOMENT if re.match(pattern, _MOMENT) else "0" * 64  # times and digests have one
        case types.IntType() if name == "port":
            return 27017
        case _:
            return _PLAIN.get(type(kind)) or _text(name)


_PLAIN: Mapping[type, Any] = {
    types.BoolType: True,
    types.IntType: 3,
    types.FloatType: 0.5,
    types.DateTimeType: _MOMENT,
}


def _text(name: str) -> str:
    moment = name.endswith("_at") or name.startswith(("first_seen", "last_seen", "dated", "closed_before"))
    if name == "newest_write" or (moment and not name.endswith("_how")):
        return _MOMENT
    return _TEXTS.get(name, f"a {name}")
