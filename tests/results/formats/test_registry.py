"""Formats by name: each is what its name says, and an unknown one is refused in words that help."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from results.events.event import parse
from results.formats.fields import Sender
from results.formats.registry import FORMATS, UnknownFormatError, format_named
from results.lines import json_line
from tests.results.examples import observation

SENDER = Sender(version="1.0", host="probe-1")


def there(name: str) -> bool:
    """Whether the format's file is in the room."""
    return importlib.util.find_spec(f"results.formats.{FORMATS[name].partition('.')[0]}") is not None


@pytest.mark.parametrize("name", [name for name in FORMATS if there(name)])
def test_a_format_bears_its_name(name: str) -> None:
    made = format_named(name)
    assert made.name == name
    assert made.about
    assert "/" in made.media_type


def test_a_mistyped_name_is_told_what_was_meant() -> None:
    with pytest.raises(UnknownFormatError, match=r"'rfc5242'; did you mean rfc5424\?"):
        format_named("rfc5242")


def test_a_strange_name_is_told_which_there_are() -> None:
    with pytest.raises(UnknownFormatError, match="write one of native, ecs, "):
        format_named("\x1b[2J")


def test_no_format_is_imported_before_it_is_asked_for() -> None:
    code = "import sys, results.formats.registry; print([m for m in sys.modules if 'results.formats.' in m])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "native" not in told


def test_native_is_the_line_itself() -> None:
    event = observation(ip="127.0.0.9")
    line = format_named("native").document(event, SENDER)
    assert line is not None
    assert line + b"\n" == json_line(event)
    assert parse(line) == event
