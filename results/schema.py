"""The committed copy of the JSON Schema of a line: `python -m results.schema FILE` writes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from results.record import json_schema

if TYPE_CHECKING:
    from collections.abc import Mapping


def text() -> str:
    """The schema of a journal's line as it is committed."""
    return as_text(json_schema())


def as_text(schema: Mapping[str, Any]) -> str:
    """A schema as it is committed: two spaces, sorted as generated, one newline at the end."""
    return json.dumps(schema, indent=2, ensure_ascii=True) + "\n"


def write(schema: str, arguments: list[str]) -> int:
    """Write a schema to the one path given, or to standard output."""
    if arguments:
        Path(arguments[0]).write_text(schema, encoding="ascii")
    else:
        sys.stdout.write(schema)
    return 0


def main(arguments: list[str]) -> int:
    """Write that of a journal's line."""
    return write(text(), arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
