"""The committed copy of the JSON Schema of an event: `python -m results.events.schema FILE` writes it."""

from __future__ import annotations

import sys

from results.events.event import json_schema
from results.schema import as_text, write


def text() -> str:
    """The schema of a line of the log of events as it is committed."""
    return as_text(json_schema())


def main(arguments: list[str]) -> int:
    """Write it."""
    return write(text(), arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
