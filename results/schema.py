"""The committed copy of the JSON Schema: `python -m results.schema FILE` writes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from results.record import json_schema


def text() -> str:
    """The schema as it is committed: two spaces, sorted as generated, one newline at the end."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=True) + "\n"


def main(arguments: list[str]) -> int:
    """Write the schema to the one path given, or to standard output."""
    if arguments:
        Path(arguments[0]).write_text(text(), encoding="ascii")
    else:
        sys.stdout.write(text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
