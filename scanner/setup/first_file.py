"""A first mongosweep.toml, of what somebody said about the estate: the template with these answers in it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from results.text import visible
from scanner.setup.config_file import parse_config
from scanner.setup.request import check_schedules
from scanner.setup.scope_request import full_scope
from scanner.setup.template import TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scanner.setup.config_file import ConfigFile
    from scanner.setup.own_networks import OwnNetwork

SCHEDULES = {"nightly": "0 2 * * *", "weekly": "0 2 * * 6"}
_SCOPE_ENDS = "\n# --- or take the scope from what you already have"
_SINKS_END = "\n[data]\n"


@dataclass(frozen=True, slots=True)
class Range:
    """A range that is ours. Public space needs `authorised_by`, and `expires`, a day (YYYY-MM-DD)."""

    cidr: str
    authorised_by: str = ""
    expires: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What was said; "" and nothing where nothing was. `owner`, `owner_contact` and `site` are of all ranges,
    `sink` are the keys of a [[sink]], its kind among them."""

    name: str = ""
    contact: str = ""
    ranges: tuple[Range, ...] = ()
    owner: str = ""
    owner_contact: str = ""
    site: str = ""
    sink: dict[str, Any] = field(default_factory=dict)
    language: str = ""
    cron: str = ""
    zone: str = "UTC"


def first_file(answers: Answers, networks: Sequence[OwnNetwork] = ()) -> str:
    """The file. `networks` of this machine stand in it as comments."""
    text = TEMPLATE
    for said, pattern, key in (
        (answers.name, r'^name = ""$', "name"),
        (answers.contact, r'^contact = ""  .*$', "contact"),
        (answers.language, r'^language = "en"', "language"),
    ):
        text = _put(text, pattern, f"{key} = {_toml(said)}") if said else text
    scope = [_allow(answers, each) for each in answers.ranges]
    allowed = {each.cidr for each in answers.ranges}
    scope += _proposals([each for each in networks if each.cidr not in allowed])
    text = _before(text, _SCOPE_ENDS, scope)
    if answers.sink:
        text = _before(text, _SINKS_END, ["\n[[sink]]\n" + _keys(answers.sink)])
    if answers.cron:
        keys = {"name": "all", "cron": answers.cron, "zone": answers.zone}
        text += "\n[[schedule]]\n" + _keys(keys)
    return text


def checked(text: str, now: float, path: str = "") -> ConfigFile:
    """The file as every command reads it, with its scope. `now` is wall time in seconds. Raises RefusedError
    and ScopeError, as they do; a scope that is empty is none of it."""
    config = parse_config(text, path)
    scope, _ = full_scope(
        None, config, config.settings, now, allow_empty=True, names=False, candidates=False, confirmed=False
    )
    check_schedules(scope, config)
    return config


def _allow(answers: Answers, each: Range) -> str:
    keys = {
        "cidr": each.cidr,
        "owner": answers.owner,
        "contact": answers.owner_contact,
        "site": answers.site,
        "authorised_by": each.authorised_by,
    }
    text = "\n[[allow]]\n" + _keys({key: value for key, value in keys.items() if value})
    return text + (f"expires = {_day(each.expires)}\n" if each.expires else "")


def _day(text: str) -> str:
    """As TOML writes a day; what is none is written as text, which the parser refuses."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return _toml(text)


def _proposals(networks: Sequence[OwnNetwork]) -> list[str]:
    if not networks:
        return []
    lines = [
        "",
        "# This machine is in these networks. Nothing of them is asked as long as the # stand here. What is",
        "# yours may be: take them away from an entry, and say whose it is.",
    ]
    for each in networks:
        beside = f"on {visible(each.device, 20)}" + (f"; {each.needs}" if each.needs else "")
        lines += ["#", f"# {beside}", "# [[allow]]", f"# cidr = {_toml(each.cidr)}", '# owner = ""']
        if "authorised_by" in each.needs:
            lines += ['# authorised_by = ""', "# expires = "]
    return ["\n".join(lines) + "\n"]


def _keys(keys: dict[str, Any]) -> str:
    return "".join(f"{key} = {_toml(value)}\n" for key, value in keys.items())


def _toml(value: object) -> str:
    """A text or a list of them; JSON's escapes are TOML's, but for DEL, which TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _put(text: str, pattern: str, line: str) -> str:
    """Write a line of the template anew."""
    found, count = re.subn(pattern, lambda _: line, text, count=2, flags=re.MULTILINE)
    assert count == 1, pattern
    return found


def _before(text: str, mark: str, parts: Iterable[str]) -> str:
    assert text.count(mark) == 1, mark
    return text.replace(mark, "".join(parts) + mark)
