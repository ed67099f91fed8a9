"""The settings in force as people read them, table by table. None holds a secret; what may is cut."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec

from scanner.setup.settings import Settings
from scanner.setup.sink_settings import secret_variable

if TYPE_CHECKING:
    from scanner.setup.config_file import ConfigFile

_ELSEWHERE: Final = frozenset({"allow", "deny"})  # the page of the scope has them
_SECRET: Final = re.compile(r"secret|password|token|credential")
NOT_SHOWN: Final = "set, and not shown"


class SettingRow(NamedTuple):
    """One key. `line`: where it is written, 0 where the default is in force."""

    key: str
    value: str
    line: int
    about: str


class SettingTable(NamedTuple):
    """One table of the file. `header` as it stands there, such as `[[sink]]`; `called`: its own name, where
    it is one of several; `note` is a sentence beside it."""

    header: str
    called: str
    note: str
    rows: list[SettingRow]

    @property
    def changed(self) -> list[SettingRow]:
        """Those that the file sets."""
        return [row for row in self.rows if row.line]


def settings_view(config: ConfigFile | None) -> list[SettingTable]:
    """Every table, in the order of the manual; one of which there may be several only where there is one."""
    settings = config.settings if config is not None else Settings()
    found = []
    for field in msgspec.structs.fields(Settings):
        name = field.encode_name
        value = getattr(settings, field.name)
        if name in _ELSEWHERE:
            continue
        if isinstance(value, tuple):
            found += [_table(config, (name, number), each) for number, each in enumerate(value)]
        else:
            found.append(_table(config, (name,), value))
    return found


def _table(config: ConfigFile | None, place: tuple[str | int, ...], table: msgspec.Struct) -> SettingTable:
    hints = get_type_hints(type(table), include_extras=True)
    tag = table.__struct_config__.tag
    rows = [] if tag is None else [SettingRow("kind", str(tag), _line(config, (*place, "kind"), True), "")]
    for field in msgspec.structs.fields(table):
        value = getattr(table, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        rows.append(
            SettingRow(
                key=field.encode_name,
                value=_shown(field.encode_name, value),
                line=_line(config, (*place, field.encode_name), value != default),
                about=_about(hints[field.name]),
            )
        )
    name = str(place[0])
    many = len(place) > 1
    called = next(
        (str(getattr(table, key)) for key in ("called", "name", "owner") if getattr(table, key, "")), ""
    )
    return SettingTable(
        header=f"[[{name}]]" if many else f"[{name}]",
        called=called if many else "",
        note=_note(name, called, table),
        rows=rows,
    )


def _line(config: ConfigFile | None, place: tuple[str | int, ...], changed: bool) -> int:
    """Where a key is written, or at least its table where it has another value than the default; 0 where it
    is not."""
    if config is None:
        return 0
    return config.lines.exact(place) or (config.lines.line(place) if changed else 0)


def _note(name: str, called: str, table: msgspec.Struct) -> str:
    """Where its secret comes from, which is never shown."""
    variable = {"smtp": "MONGOSWEEP_SMTP_PASSWORD", "webhook": "MONGOSWEEP_WEBHOOK_SECRET"}.get(name)
    if name == "sink" and hasattr(table, "secret_file"):
        variable = secret_variable(called)
    return f"Its secret comes from {variable}, or else from a file; it is shown nowhere." if variable else ""


def _shown(key: str, value: Any) -> str:
    if _SECRET.search(key) and not key.endswith("_file"):
        return NOT_SHOWN if value else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(_shown(key, each) for each in value)
    if isinstance(value, str):
        return without_path(value)
    return "" if value is None else value.isoformat() if isinstance(value, date) else str(value)


def without_path(value: str) -> str:
    """An address without a login, a path and a query: some receivers take them for a secret."""
    if "://" not in value:
        return value
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    except ValueError:
        return NOT_SHOWN
    host = f"[{host}]" if ":" in host else host
    cut = parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None
    return f"{parts.scheme}://{host}{port}{'/...' if cut else ''}"


def _about(kind: Any) -> str:
    if get_origin(kind) is not Annotated:
        return ""
    return next(
        (meta.description or "" for meta in reversed(get_args(kind)[1:]) if isinstance(meta, msgspec.Meta)),
        "",
    )
