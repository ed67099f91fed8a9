"""A file of a format in pieces: the same wherever the input is cut, and a bad line is named by its number."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.formats import cef, csv_rows, native, shadowserver
from results.formats.format import Format
from results.formats.writing import LONGEST_LINE, Converter, Writer, written
from results.lines import json_line, to_lines
from tests.results.examples import database, open_server
from tests.support.told import SENDER, change, ordinary, run_event

LINES = [json_line(event) for event in ordinary()]
BAD = [b"{", b'{"schema":"mongosweep.change/2"}', b"\xff\xfe", b"[" * 5000, b"null", b'{"schema":7}', b"\0"]

ARRAY = Format(
    name="array",
    about="a JSON array, as a format of one document would be",
    media_type="application/json",
    document=lambda event, _: json_line(event)[:-1],
    head=lambda _: b"[",
    between=b",",
    tail=b"]\n",
)


def convert(data: bytes, form: Format, *, cuts: list[int] | None = None) -> tuple[bytes, list[int]]:
    """What becomes of the data, cut there, and the numbers of bad lines."""
    bad: list[int] = []
    converter = Converter(form, SENDER, lambda number, _: bad.append(number))
    out = []
    edges = [0, *sorted(cuts or []), len(data)]
    for begin, end in itertools.pairwise(edges):
        converter.feed(data[begin:end])
        out.append(converter.output())
    converter.end()
    assert converter.bad_lines == len(bad)
    return b"".join(out) + converter.output(), bad


@settings(max_examples=60)
@given(st.lists(st.sampled_from([*LINES, *(line + b"\n" for line in BAD), b"\n", b" \r\n"])), st.data())
def test_it_is_the_same_wherever_it_is_cut(lines: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(lines)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=8))
    at_once, numbers = convert(whole, cef.FORMAT)
    assert convert(whole, cef.FORMAT, cuts=cuts) == (at_once, numbers)
    assert numbers == [at for at, line in enumerate(lines, start=1) if line.rstrip(b"\n") in BAD]
    assert at_once.count(b"\n") == at_once.count(b"CEF:0|") == sum(line in LINES for line in lines)


def test_a_last_line_needs_no_newline() -> None:
    assert convert(LINES[0][:-1], cef.FORMAT) == convert(LINES[0], cef.FORMAT)


def test_a_line_that_is_too_long_is_passed_over_in_bounded_memory() -> None:
    bad: list[tuple[int, str]] = []
    converter = Converter(cef.FORMAT, SENDER, lambda number, reason: bad.append((number, reason)))
    converter.feed(LINES[0])
    for _ in range(100):
        converter.feed(b"x" * 65536)
        assert len(converter._rest) <= LONGEST_LINE + 65536
    converter.feed(b"x\n" + LINES[0])
    converter.end()
    assert [number for number, _ in bad] == [2]
    assert "longer than" in bad[0][1]
    assert converter.output().count(b"\n") == 2


def test_what_is_wrong_is_said_in_one_visible_line() -> None:
    reasons: list[str] = []
    converter = Converter(cef.FORMAT, SENDER, lambda _, reason: reasons.append(reason))
    converter.feed(b'{"schema":"\\u001b[2J\\u202e\\n"}\n' + b'{"schema":"' + b"a" * 9000 + b'"}\n')
    assert len(reasons) == 2
    assert all(reason.isprintable() and len(reason) <= 300 for reason in reasons)


def test_lines_of_databases_go_through_as_they_are_and_else_not_at_all() -> None:
    lines = to_lines(open_server("127.0.0.1", *(database(f"d{number}") for number in range(30))))
    assert len(lines) > 1
    journal = b"".join(lines)
    assert convert(journal, native.FORMAT) == (journal, [])
    assert convert(journal, cef.FORMAT)[0].count(b"\n") == 1


def test_native_keeps_what_this_version_does_not_know_and_hides_what_a_terminal_obeys() -> None:
    line = LINES[0].replace(b"{", '{"newer":"\x7f\x9b\u202e",'.encode(), 1)
    told, bad = convert(line, native.FORMAT)
    assert not bad
    assert told.isascii()
    assert b"\x7f" not in told
    assert json.loads(told)["newer"] == "\x7f\x9b\u202e"


def test_what_a_format_has_no_place_for_is_counted() -> None:
    converter = Converter(shadowserver.FORMAT, SENDER, lambda *_: None)
    converter.feed(json_line(run_event()) + json_line(change()))
    converter.end()
    assert converter.left_out == 1
    assert converter.output().count(b"\n") == 2


def test_an_event_that_cannot_be_told_is_a_bad_line() -> None:
    told, bad = convert(LINES[0] + json_line(change(last_seen_open="", at="")), shadowserver.FORMAT)
    assert bad == [2]
    assert told.count(b"\n") == 2


@pytest.mark.parametrize("events", [[], ordinary()[:1], ordinary()])
def test_a_file_of_one_document_is_whole(events: list[object]) -> None:
    data = b"".join(json_line(event) for event in events)
    assert len(json.loads(convert(data, ARRAY)[0])) == len(events)


def test_a_file_of_lines_has_no_empty_one() -> None:
    assert convert(b"", cef.FORMAT) == (b"", [])
    assert convert(b"", csv_rows.FORMAT)[0] == csv_rows.FORMAT.head(SENDER)
    assert b"".join(written(ordinary(), csv_rows.FORMAT, SENDER)).count(b"\r\n") == 6


def test_a_line_ends_at_once_and_not_with_the_next() -> None:
    assert Writer(cef.FORMAT).add(b"CEF:0|") == b"CEF:0|\n"
    writer = Writer(ARRAY)
    assert (writer.add(b"1"), writer.add(b"2"), writer.end()) == (b"1", b",2", b"]\n")
