"""The page of all settings, made from their types.

`python -m scanner.setup.manual docs/settings.md` writes it.
"""

from __future__ import annotations

import inspect
import json
import sys
from datetime import date
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from scanner.setup.settings import Settings

_HEAD = """\
# Settings

Everything that `mongosweep.toml` can hold. This page is made from the types in `scanner/setup/settings.py`.
An unknown key, or a value outside its range, is refused with the file, the line and what to write instead.

`[[allow]]` and `[[deny]]` say which addresses may be probed and whose they are; [usage](usage.md) shows them.
"""


def settings_page() -> str:
    """The page as Markdown: a section for each table, a row for each key."""
    parts = [_HEAD]
    for field in msgspec.structs.fields(Settings):
        structs, many = _structs_of(field.type)
        if len(structs) == 1:
            parts.append(_section(field.encode_name, structs[0], many=many))
        elif structs:
            parts += _sections_by_kind(field.encode_name, structs)
    return "\n".join(parts)


def _structs_of(kind: Any) -> tuple[list[type[msgspec.Struct]], bool]:
    """The table's type, or one for each of its kinds; and whether it may be written several times."""
    many = get_origin(kind) is tuple
    kind = get_args(kind)[0] if many else kind
    kinds = get_args(kind) if get_origin(kind) is UnionType else (kind,)
    return [each for each in kinds if isinstance(each, type) and issubclass(each, msgspec.Struct)], many


def _sections_by_kind(name: str, structs: list[type[msgspec.Struct]]) -> list[str]:
    """What all kinds of a table have, and then what each has besides."""
    shared = next(above for above in structs[0].__mro__ if all(issubclass(each, above) for each in structs))
    told = frozenset(field.name for field in msgspec.structs.fields(shared))
    parts = [_table(f"`[[{name}]]`", shared)]
    return parts + [
        _table(f'`[[{name}]] kind = "{each.__struct_config__.tag}"`', each, told) for each in structs
    ]


def _section(name: str, struct: type[msgspec.Struct], *, many: bool) -> str:
    return _table(f"`{f'[[{name}]]' if many else f'[{name}]'}`", struct)


def _table(header: str, struct: type[msgspec.Struct], told: frozenset[str] = frozenset()) -> str:
    """A header, what the type says of itself, and a row for each key that is not told elsewhere."""
    about = " ".join((inspect.getdoc(struct) or "").split())
    lines = [f"## {header}", "", about, "", "| key | what | default |", "|---|---|---|"]
    hints = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        if field.name in told:
            continue
        default = "required" if field.required else f"`{_shown(field.default)}`"
        what = _what(hints[field.name], default)
        lines.append(f"| `{field.encode_name}` | {what} | {default} |")
    return "\n".join(lines) + "\n"


def _what(kind: Any, default: str) -> str:
    metas = [meta for meta in get_args(kind)[1:] if isinstance(meta, msgspec.Meta)]
    assert get_origin(kind) is Annotated
    assert metas
    example = f"`{_shown(metas[-1].examples[0])}`" if metas[-1].examples else default
    return f"{metas[-1].description}" + (f", such as {example}" if example != default else "")


def _shown(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, date) else json.dumps(value, ensure_ascii=False)


def main(arguments: list[str]) -> int:
    """Write the page to the one path given, or to standard output."""
    if arguments:
        Path(arguments[0]).write_text(settings_page(), encoding="utf-8")
    else:
        sys.stdout.write(settings_page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
