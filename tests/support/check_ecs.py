"""A strict checker of ECS documents: each leaf a field of ECS 9.4.0, of its type, or below `mongosweep`."""

from __future__ import annotations

import json
import re
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELDS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "schemas" / "ecs-9.4.0.json").read_text(encoding="utf-8")
)
OURS = "mongosweep"
# Those that Elastic Security cannot do without (its field reference).
ALWAYS = ("@timestamp", "ecs.version", "event.kind", "event.category", "event.type")
_KEY = re.compile(r"[a-z][a-z0-9_]*")
_LABEL = re.compile(r"[A-Za-z0-9_-]+")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
_TEXT = {"keyword", "constant_keyword", "wildcard", "match_only_text"}


def problems(document: dict[str, Any]) -> list[str]:
    """What is wrong with a document; empty when nothing is."""
    found = [f"{name} is missing" for name in ALWAYS if _get(document, name) is None]
    for name, value in _leaves(document):
        found += _leaf(name, value)
    found += [f"{key!r} is no word" for key in keys_of(document.get(OURS)) if not _KEY.fullmatch(key)]
    return found + _categories(document)


def keys_of(value: Any) -> Iterator[str]:
    """All keys of all objects in it."""
    if isinstance(value, dict):
        for key, held in value.items():
            yield key
            yield from keys_of(held)
    elif isinstance(value, list):
        for held in value:
            yield from keys_of(held)


def _get(document: Any, name: str) -> Any:
    for part in name.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def _leaves(value: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, held in value.items():
        name = f"{above}{key}"
        if isinstance(held, dict) and name != "labels":
            if not held:
                yield name, held
            yield from _leaves(held, f"{name}.")
        else:
            yield name, held


def _leaf(name: str, value: Any) -> list[str]:
    if name == "labels":
        return _labels(value)
    if name.startswith(f"{OURS}."):
        return _own(name, value)
    field = FIELDS.get(name)
    if field is None:
        return [f"{name} is no field of ECS"]
    if field.get("beta"):
        return [f"{name} is a beta field"]
    if field.get("array", False) != isinstance(value, list):
        return [f"{name} is {'no' if field.get('array') else 'an'} array"]
    values = value if isinstance(value, list) else [value]
    found = [] if values else [f"{name} is empty"]
    allowed = field.get("allowed") or field.get("expected")
    for each in values:
        if each == "" and isinstance(value, list):
            continue  # an empty name is a name
        found += [f"{name}: {trouble}" for trouble in _value(field["type"], each)]
        if allowed and each not in allowed:
            found.append(f"{name}: {each!r} is not one of {list(allowed)}")
    return found


def _labels(value: Any) -> list[str]:
    if not isinstance(value, dict):
        return ["labels is no object"]
    found = [f"labels: {key!r} is no flat key" for key in value if not _LABEL.fullmatch(key)]
    return found + [f"labels.{key} is no text" for key, text in value.items() if not isinstance(text, str)]


def _own(name: str, value: Any) -> list[str]:
    """Below our own object: leaves of one type, or lists of text."""
    found = []
    if value is None or value == "" or value == {} or value == []:
        found.append(f"{name} is empty")
    if isinstance(value, list) and not all(isinstance(each, str) for each in value):
        found.append(f"{name} is a list of something else than text")
    return found


def _value(kind: str, value: Any) -> list[str]:
    if kind in _TEXT:
        return [] if isinstance(value, str) and value else [f"{value!r} is no text"]
    if kind == "long":
        good = type(value) is int and -(2**63) <= value < 2**63
        return [] if good else [f"{value!r} is no long"]
    if kind in ("float", "scaled_float"):
        return [] if type(value) in (int, float) else [f"{value!r} is no float"]
    if kind == "boolean":
        return [] if isinstance(value, bool) else [f"{value!r} is no boolean"]
    try:
        if kind == "ip":
            ip_address(value)
            return ["an address with a zone"] if "%" in value else []
        if kind == "date":
            datetime.fromisoformat(value)
            return [] if _DATE.fullmatch(value) else [f"{value!r} is no date in UTC"]
    except (ValueError, TypeError):
        return [f"{value!r} is no {kind}"]
    return [f"a field of the type {kind}, which this checker does not know"]


def _categories(document: dict[str, Any]) -> list[str]:
    """Each `event.type` must go with each `event.category`."""
    expected = FIELDS["event.category"]["allowed"]
    categories, types = _get(document, "event.category"), _get(document, "event.type")
    if not isinstance(categories, list) or not isinstance(types, list):
        return []
    return [
        f"event.type {kind!r} does not go with event.category {category!r}"
        for category in categories
        for kind in types
        if kind not in expected.get(category, ())
    ]
