"""The page of all settings, made from their types.

`python -m scanner.setup.manual docs/settings.md` writes it.
"""

from __future__ import annotations

import inspect
import json
import sys
from datetime import date
from pathlib import Path
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
        struct, many = _struct_of(field.type)
        if struct is not None:
            parts.append(_section(field.encode_name, struct, many=many))
    return "\n".join(parts)


def _struct_of(kind: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    """The table's type, and whether it may be written several times."""
    many = get_origin(kind) is tuple
    kind = get_args(kind)[0] if many else kind
    is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    return (kind if is_struct else None), many


def _section(name: str, struct: type[msgspec.Struct], *, many: bool) -> str:
    about = " ".join((inspect.getdoc(struct) or "").split())
    lines = [
        f"## `{f'[[{name}]]' if many else f'[{name}]'}`",
        "",
        about,
        "",
        "| key | what | default |",
        "|---|---|---|",
    ]
    hints = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
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
