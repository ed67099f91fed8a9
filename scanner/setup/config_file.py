"""Reads mongosweep.toml into `Settings`; every refusal names the file, the line and what to write."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from results.verdict import Verdict
from scanner.errors import RefusedError
from scanner.mongo.weights import weight_problems
from scanner.setup.notify_settings import notify_problems
from scanner.setup.service_settings import service_problems
from scanner.setup.settings import LimitSettings, Settings, Table
from scanner.setup.sink_settings import secret_variable, sink_problems
from targets.errors import did_you_mean
from targets.files import decode, read_bytes
from targets.ports import MOST, numbers
from targets.toml_lines import Path as Place
from targets.toml_lines import TomlLines, syntax_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE_NAME = "mongosweep.toml"


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration as it was read."""

    path: str
    settings: Settings
    lines: TomlLines

    def place(self, place: Place) -> str:
        """`file:line` of a setting."""
        return f"{self.path}:{self.lines.line(place)}"


def find_config(asked: str | None, environment: Mapping[str, str]) -> Path | None:
    """The configuration to use: as asked, else the first one of the usual places; None if there is none.

    A file that was merely found must belong to this user or to root, so that nobody can slip one in.
    """
    if asked:
        return Path(asked)
    home = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "/")) / ".config")
    for folder in (Path(), Path(home) / "mongosweep", Path("/etc/mongosweep")):
        path = folder / FILE_NAME
        try:
            owner = path.stat().st_uid
        except OSError:
            continue
        if owner not in (0, os.geteuid()):
            raise RefusedError(
                f"{path} was found here but belongs to another user (uid {owner}); "
                f"write -c {path} to use it all the same"
            )
        return path
    return None


def read_config(path: Path) -> ConfigFile:
    """Read and check one configuration file. Raises RefusedError or ScopeError with place and remedy."""
    if _is_missing(path):
        remedy = "name the right file, or let `mongosweep init` write one to start from"
        raise RefusedError(f"{path} does not exist; {remedy}")
    text = decode(read_bytes(path), str(path))
    if not text.strip():
        raise RefusedError(f"{path} is empty; `mongosweep init` writes one to start from")
    return parse_config(text, str(path))


def parse_config(text: str, path: str) -> ConfigFile:
    """The configuration that a text is; `path` is what errors call it. Raises RefusedError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RefusedError(_syntax(path, text, str(error))) from None
    except RecursionError:
        raise RefusedError(f"{path} is nested too deeply to be a configuration; flatten it") from None
    lines = TomlLines(text)
    try:
        settings = msgspec.convert(document, Settings)
    except msgspec.ValidationError as error:
        raise RefusedError(_explain(path, lines, document, str(error))) from None
    for place, reason in cross_checks(settings):
        raise RefusedError(f"{path}:{lines.line(place)}: {reason}")
    return ConfigFile(path, settings, lines)


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False  # it is there, or nobody can tell: reading it will say why not
    return False


def _syntax(path: str, text: str, message: str) -> str:
    reason, at = syntax_error(message)
    line = at or text.count("\n") + 1
    remedy = f"correct this line: {text.split(chr(10))[line - 1].strip()[:60]!r}"
    return f"{path}:{line}: not valid TOML: {reason[:1].lower()}{reason[1:]}; {remedy}"


_AT = re.compile(r"^(?P<reason>.*?)(?: - at `\$(?P<path>.*)`)?\Z", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[\.\.\.\]")
_LOGIN = re.compile(r"//[^/]*@")  # it is not shown: a password may stand in it
_SECRET = r"(?i)secret|token|password|key"  # noqa: S105 - names of keys


def _explain(path: str, lines: TomlLines, document: Table, message: str) -> str:
    """msgspec's message in words that name the place and the remedy."""
    match = _AT.match(message)
    assert match is not None
    place: Place = tuple(
        int(step[2]) if step[2] else step[1]
        for step in _STEP.finditer(match["path"] or "")
        if step[1] or step[2]
    )
    reason = match["reason"]
    unknown = re.match(r"Object contains unknown field `(.*)`", reason)
    if unknown:
        return _unknown_key(path, lines, document, place, unknown[1])
    missing = re.match(r"Object missing required field `(.*)`", reason)
    if missing:
        hint = _hint(document, (*place, missing[1]))
        return f"{path}:{lines.line(place)}: {_table(place)} has no {missing[1]}; write {hint}"
    value = _lookup(document, place)
    shown = "a table" if isinstance(value, dict) else _LOGIN.sub("//...@", _toml(value))
    at = f"{path}:{lines.line(place)}: {_name(place)} = {shown}"
    if reason.startswith("Invalid value") and (kinds := _kinds_at(place[:-1])):
        return f"{at} is unknown; {did_you_mean(str(value), list(kinds))}"
    return f"{at} is refused; write {_hint(document, place)}"


def _unknown_key(path: str, lines: TomlLines, document: Table, place: Place, key: str) -> str:
    table = _lookup(document, place)
    kind = _kinds_at(place).get(table["kind"]) if _kinds_at(place) else None
    where = f" in {_table(place)}" if place else ""
    known = sorted(_fields(document, place))
    if kind is not None:
        where += f' of kind "{table["kind"]}"'
        if "secret_file" in known and re.search(_SECRET, key):
            variable = secret_variable(str(table.get("name") or table["kind"]))
            remedy = f"a secret does not stand here; set {variable}, or name a secret_file"
            return f"{path}:{lines.line((*place, key))}: unknown key {key!r}{where}; {remedy}"
    return f"{path}:{lines.line((*place, key))}: unknown key {key!r}{where}; {did_you_mean(key, known)}"


def _kinds_at(place: Place) -> dict[str, type[msgspec.Struct]]:
    """The types of a table whose keys depend on its `kind`; none of other places."""
    if len(place) != 2:
        return {}
    many = _fields_of(Settings).get(str(place[0]))
    union = get_args(many)[0] if get_origin(many) is tuple else None
    return {each.__struct_config__.tag: each for each in get_args(union) if get_origin(union) is UnionType}


def _type_at(document: Table, place: Place) -> Any:
    """The type that `Settings` declares for a place; None where it declares none."""
    current: Any = Settings
    for number, step in enumerate(place):
        while get_origin(current) is Annotated:
            current = get_args(current)[0]
        if isinstance(step, int):
            current = get_args(current)[0] if get_origin(current) is tuple else None
            if kinds := _kinds_at(place[: number + 1]):
                table = _lookup(document, place[: number + 1])
                current = kinds.get(str(table.get("kind"))) if isinstance(table, dict) else None
        elif isinstance(current, type) and issubclass(current, msgspec.Struct):
            current = _fields_of(current).get(step)
        else:
            return None
    return current


def _fields_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    hints = get_type_hints(struct, include_extras=True)
    return {f.encode_name: hints[f.name] for f in msgspec.structs.fields(struct)}


def _fields(document: Table, place: Place) -> dict[str, Any]:
    kind = _type_at(document, place)
    return _fields_of(kind) if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else {}


def _hint(document: Table, place: Place) -> str:
    """What may be written at a place, with an example."""
    key = [step for step in place if isinstance(step, str)][-1]
    if key == "kind" and (kinds := _kinds_at(place[:-1])):
        return f'one of {", ".join(kinds)}, such as kind = "{next(iter(kinds))}"'
    while place and isinstance(place[-1], int):
        place = place[:-1]
    kind = _type_at(document, place)
    for meta in get_args(kind)[1:] if get_origin(kind) is Annotated else ():
        if isinstance(meta, msgspec.Meta) and meta.examples:
            return f"{meta.description}, such as {key} = {_toml(meta.examples[0])}"
    many = get_origin(kind) is tuple
    return f"one [[{key}]] header for each table" if many else f"[{key}] on a line of its own, then its keys"


def _name(place: Place) -> str:
    """`[sweep] ports[1]`, `[[canary]] address`: a place as its reader thinks of it."""
    if len(place) < 2:
        return str(place[0]) if place else "the file"
    keys = place[1:]
    many = isinstance(keys[0], int)
    keys = keys[1:] if many else keys
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in keys).lstrip(".")
    return f"[[{place[0]}]] {text}".rstrip() if many else f"[{place[0]}] {text}"


def _table(place: Place) -> str:
    if not place:
        return "the file"
    return f"[[{place[0]}]]" if len(place) > 1 else f"[{place[0]}]"


def _lookup(document: Any, place: Place) -> Any:
    for step in place:
        document = document[step]
    return document


def _toml(value: Any) -> str:
    """A value as TOML writes it, cut to a readable length."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = value if len(value) <= 60 else value[:57] + "..."
        return '"' + text.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value[:8]) + (", ...]" if len(value) > 8 else "]")
    return str(value)[:60]


def cross_checks(settings: Settings) -> Iterator[tuple[Place, str]]:
    """What one field alone cannot tell: (place, reason with remedy) for each contradiction."""
    sweep = settings.sweep
    if sweep.host_timeout < sweep.connect_timeout:
        reason = (
            f"host_timeout = {sweep.host_timeout:g} ends before connect_timeout = {sweep.connect_timeout:g}"
        )
        yield ("sweep", "host_timeout"), f"[sweep] {reason}; write a longer one, such as host_timeout = 20"
    if len(set(sweep.ports)) != len(sweep.ports):
        yield ("sweep", "ports"), "[sweep] ports names a port twice; write each port once"
    if len(numbers(sweep.ports)) > MOST:
        yield ("sweep", "ports"), f"[sweep] ports are {len(numbers(sweep.ports))}; write at most {MOST}"
    for number, canary in enumerate(settings.canary):
        if canary.expect.is_connection_outcome or canary.expect is Verdict.UNKNOWN:
            reason = f'[[canary]] expect = "{canary.expect}" is not an answer, so its silence would not show'
            yield ("canary", number, "expect"), f'{reason}; write a verdict such as "auth_required" or "open"'
    if settings.scope.signers and settings.allow:
        reason = "[[allow]] here is signed by nobody, and [scope] signers asks for signatures"
        yield ("allow", 0), f"{reason}; move it to a file, name that in [scope] files, and sign it"
    yield from weight_problems(settings.severity)
    yield from notify_problems(settings.notify, settings.smtp, settings.webhook, settings.recipient)
    yield from sink_problems(settings.sink)
    yield from service_problems(settings.service, settings.schedule, settings.fleet)
    if settings.blackout:
        from scanner.setup.blackout import problems  # needs the time zones: only when there is one

        yield from problems(settings.blackout, sweep.host_timeout)


def mongo_limits(limits: LimitSettings) -> dict[str, int]:
    """The limits as keyword arguments of `scanner.mongo.facts.Limits`."""
    return {name: getattr(limits, name) for name in limits.__struct_fields__}
