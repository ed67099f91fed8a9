"""A strict checker of OCSF events, by the schema's own files at 1.8.0; no profile is in use.

Held are: required attributes, attributes that the class or object does not have, deprecated ones, types and
their ranges and patterns, arrays, enumerations and the words beside them, constraints, and a class's numbers.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

SCHEMA: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "schemas" / "ocsf-1.8.0.json").read_text(encoding="utf-8")
)
EVENTS, OBJECTS, ATTRIBUTES, TYPES = (SCHEMA[name] for name in ("events", "objects", "attributes", "types"))
CLASSES = {
    SCHEMA["categories"][EVENTS[event["extends"]]["category"]]["uid"] * 1000 + event["uid"]: event
    for event in EVENTS.values()
    if "uid" in event
}
_OTHER = 99


def problems(document: dict[str, Any]) -> list[str]:
    """What is wrong with an event; empty when nothing is."""
    event = CLASSES.get(document.get("class_uid", -1))
    if event is None:
        return [f"no class {document.get('class_uid')!r} is known here"]
    found = _object(document, event["name"], "events", "")
    if found:
        return found
    uid, activity = document["class_uid"], document["activity_id"]
    if document["type_uid"] != uid * 100 + activity:
        found.append("type_uid is not made of class and activity")
    word = _attributes(event["name"], "events")["activity_id"]["enum"].get(str(activity), "")
    if document.get("type_name", f"{event['caption']}: {word}") != f"{event['caption']}: {word}":
        found.append("type_name is not made of the words of class and activity")
    return found


@cache
def _attributes(name: str, kind: str) -> dict[str, dict[str, Any]]:
    """All attributes of a class or object, with what the dictionary and those that it extends say of them."""
    of = SCHEMA[kind][name]
    above = of.get("extends")
    found = dict(_attributes(above, kind)) if above else {}
    for attribute, said in of["attributes"].items():
        if attribute == "$include":
            continue
        known = found.get(attribute, ATTRIBUTES.get(attribute, {}))
        enum = {**known.get("enum", {}), **said.get("enum", {})}
        found[attribute] = {**known, **said, **({"enum": enum} if enum else {})}
    if "uid" in of and kind == "events":
        category = SCHEMA["categories"][EVENTS[above]["category"]]
        own = {"category_uid": category, "class_uid": {**of, "uid": category["uid"] * 1000 + of["uid"]}}
        for attribute, told in own.items():
            found[attribute] = {**found[attribute], "enum": {str(told["uid"]): told["caption"]}}
    return found


def _constraints(name: str) -> dict[str, list[str]]:
    of = OBJECTS[name]
    return of.get("constraints") or (_constraints(of["extends"]) if of.get("extends") else {})


def _object(value: Any, name: str, kind: str, at: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{at or 'the document'} is no object"]
    known = _attributes(name, kind)
    found = []
    for attribute, said in known.items():
        if said.get("requirement") == "required" and attribute not in value and not said.get("profile"):
            found.append(f"{at}{attribute} is missing")
    for attribute, held in value.items():
        where = f"{at}{attribute}"
        told = known.get(attribute)
        if told is None:
            found.append(f"{where} is unknown")
        elif told.get("profile"):
            found.append(f"{where} belongs to a profile that is not in use")
        elif "@deprecated" in told:
            found.append(f"{where} is deprecated")
        else:
            found += _attribute(held, told, where)
            found += _sibling(value, attribute, told, where)
    if kind == "objects":
        for rule, names in _constraints(name).items():
            there = sum(each in value for each in names)
            if (rule == "just_one" and there != 1) or (rule == "at_least_one" and not there):
                found.append(f"{at}: {rule} of {names}")
    return found


def _attribute(value: Any, told: dict[str, Any], at: str) -> list[str]:
    if told.get("is_array", False) != isinstance(value, list):
        return [f"{at} is {'no' if told.get('is_array') else 'an'} array"]
    if isinstance(value, list):
        found = [] if value else [f"{at} is empty"]
        for number, each in enumerate(value):
            found += _one(each, told, f"{at}[{number}]")
        return found
    return _one(value, told, at)


def _one(value: Any, told: dict[str, Any], at: str) -> list[str]:
    kind = told["type"]
    if kind == "object":  # anything goes in an object of no other name
        return [] if isinstance(value, dict) else [f"{at} is no object"]
    if kind not in TYPES:
        if kind not in OBJECTS:
            return [f"{at}: the object {kind!r} is not among those vendored"]
        return _object(value, kind, "objects", f"{at}.")
    found = [f"{at}: {trouble}" for trouble in _scalar(value, kind)]
    if value == "" and not at.endswith(".value"):
        found.append(f"{at} is empty")
    if not found and "enum" in told and str(value) not in _enum(told, at):
        found.append(f"{at}: {value!r} is not in the enumeration")
    return found


def _enum(told: dict[str, Any], at: str) -> dict[str, str]:
    """Observables have the types of the dictionary, and objects, for their types."""
    if not re.fullmatch(r"observables\[\d+\]\.type_id", at):
        enum: dict[str, str] = told["enum"]
        return enum
    named = [*TYPES.values(), *OBJECTS.values()]
    return {**told["enum"]} | {str(of["observable"]): of["caption"] for of in named if "observable" in of}


def _sibling(value: dict[str, Any], attribute: str, told: dict[str, Any], at: str) -> list[str]:
    """The word beside a number is that of the enumeration; that of 99 is the source's own, and there."""
    sibling, enum = told.get("sibling"), told.get("enum")
    if not sibling or not enum or attribute not in value:
        return []
    number, word = value[attribute], value.get(sibling)
    if number == _OTHER:
        return [] if word else [f"{at} is 99, and {sibling} says nothing"]
    caption = _enum(told, at).get(str(number))
    return [] if word in (None, caption) else [f"{at}: {sibling} is {word!r} and not {caption!r}"]


def _scalar(value: Any, kind: str) -> list[str]:
    of = TYPES[kind]
    if kind == "json_t":
        return []
    base = of.get("type", kind)
    if base == "boolean_t":
        return [] if isinstance(value, bool) else [f"{value!r} is no boolean"]
    if base in ("integer_t", "long_t"):
        low, high = of.get("range", (-(2**63), 2**63 - 1))
        good = type(value) is int and low <= value <= high
        return [] if good else [f"{value!r} is no {kind}"]
    if base == "float_t":
        return [] if type(value) in (int, float) else [f"{value!r} is no float"]
    if not isinstance(value, str):
        return [f"{value!r} is no text"]
    if len(value) > of.get("max_len", len(value)):
        return [f"{value!r} is too long"]
    return [] if re.search(of.get("regex", ""), value) else [f"{value!r} is no {kind}"]
