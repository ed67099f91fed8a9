"""The formats by name. One is imported when it is asked for, and not before."""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from results.formats.format import Format

if TYPE_CHECKING:
    from collections.abc import Collection

FORMATS: Final[dict[str, str]] = {
    "native": "native.FORMAT",
    "ecs": "ecs.FORMAT",
    "ocsf": "ocsf.FORMAT",
    "cef": "cef.FORMAT",
    "cef-src": "cef.FORMAT_SRC",
    "leef": "leef.FORMAT",
    "rfc5424": "rfc5424.FORMAT",
    "shadowserver": "shadowserver.FORMAT",
    "zgrab2": "zgrab2.FORMAT",
    "sarif": "sarif.FORMAT",
    "csv": "csv_rows.FORMAT",
    "sentinel": "sentinel.FORMAT",
}
"""Name -> file and name of the format in this room."""


_MEANT: Final = {
    "json": "native",
    "jsonl": "native",
    "native": "jsonl",
    "syslog": "rfc5424",
    "elastic": "ecs",
    "zgrab": "zgrab2",
}
"""What people call a format that has another name, there."""


class UnknownFormatError(ValueError):
    """A name that is no format's; says which was meant, or which there are."""


def known(name: str, names: Collection[str] = FORMATS) -> str:
    """The name, when it is one of `names`; nothing is imported. Raises `UnknownFormatError`."""
    if name in names:
        return name
    word = name.lower()
    meant = [_MEANT[word]] if _MEANT.get(word) in names else get_close_matches(word, names, n=1)
    remedy = f"did you mean {meant[0]}?" if meant else f"write one of {', '.join(names)}"
    raise UnknownFormatError(f"there is no format {name!r}; {remedy}")


def format_named(name: str) -> Format:
    """The format of that name. Raises `UnknownFormatError`."""
    known(name)
    module, _, attribute = FORMATS[name].partition(".")
    made = getattr(importlib.import_module(f"{__package__}.{module}"), attribute)
    assert isinstance(made, Format)
    return made
