"""`mongosweep convert`: a filter from our own JSONL to a receiver's language."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING, cast

import click

from scanner import __version__
from scanner.cli.options import FormatName
from scanner.errors import ExitCode, RefusedError

if TYPE_CHECKING:
    from io import BufferedReader

CHUNK = 64 * 1024  # bytes read at once; less where less has come, so that nothing waits for more
LINES_NAMED = 20  # bad lines that are named one by one


@click.command("convert")
@click.option(
    "--to",
    "name",
    type=FormatName(),
    required=True,
    metavar="FORMAT",
    help="What to write; see the list above.",
)
@click.option("--keep-going", is_flag=True, help="Name lines that cannot be converted, and pass over them.")
def command(name: str, keep_going: bool) -> int:
    """Read events, observations or exposures as JSONL on stdin and write them in another format on stdout, as
    they come.

    FORMAT is native, ecs, ocsf, sentinel, cef, cef-src, leef, rfc5424, shadowserver, zgrab2, sarif or csv.
    Whole journals can be read, and `events.jsonl`: what a format has no place for is left out. A line that is
    none of ours ends it with exit code 2.
    """
    from results.formats.fields import Sender
    from results.formats.registry import format_named
    from results.formats.writing import Converter
    from scanner.cli.ending import say

    def bad(number: int, reason: str) -> None:
        if not keep_going:
            raise RefusedError(
                f"standard input, line {number:,}: {reason}; correct it, or pass over it with --keep-going"
            )
        if converter.bad_lines <= LINES_NAMED:
            say(f"standard input, line {number:,}: {reason}; passed over")

    sender = Sender(version=__version__, host=platform.node())
    converter = Converter(format_named(name), sender, bad)
    try:
        while data := _read():
            converter.feed(data)
            _write(converter.output())
        converter.end()
    finally:
        _write(converter.output())
    if converter.bad_lines > LINES_NAMED:
        say(f"{converter.bad_lines:,} lines were passed over in all")
    if converter.left_out:
        say(f"left out: {converter.left_out:,} of what has no place in {name}")
    return ExitCode.INCOMPLETE if converter.bad_lines else ExitCode.CLEAN


def _read() -> bytes:
    """What has come on stdin, at least a byte; nothing at its end."""
    try:
        return _stdin().read1(CHUNK)
    except OSError as error:  # a directory, a terminal that is gone
        raise RefusedError(f"standard input: {error.strerror or error}; give it a file or a pipe") from error


def _stdin() -> BufferedReader:
    return cast("BufferedReader", sys.stdin.buffer)


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
