"""Formats that are lines of text: whatever a name is, each event is one line of the same fields, in which the
name stands visibly and can be had back. Read by other code than wrote it (tests/support/text_formats.py)."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.formats.facts import LONGEST, line
from results.formats.registry import format_named
from results.text import visible
from tests.results.injections import INJECTIONS
from tests.support.text_formats import cell_had_back, had_back, read_cef, read_leef, read_syslog
from tests.support.told import SENDER, hostile, ordinary

if TYPE_CHECKING:
    from results.events.event import Event

TEXT_FORMATS = ("cef", "cef-src", "leef", "rfc5424", "shadowserver", "csv")
NASTY = (
    *INJECTIONS,
    *("|", "=", "]", "\\", '"', "^", "'", ",", ";", " ", "\t", "\x7f", "…", "\ufeff", "-", "a\\", "\\\\|"),
    *("x dst=6.6.6.6", "x\ndst=6.6.6.6", "a^dst=6.6.6.6", "a|9|", '"] [evil@1 x="y', '","', "\\x0a", "=1,=2"),
    *("＝1", "@a;=1", "'=1", "''=1", "a,-b", "\u2066\u2069", "\U0001f600" * 200, "e\u0301\u0301\u0301"),
    *("\udfff\ud800", "\ud83d\ude00", "é" * 300, "]" * 300, "=" * 300, "中" * 300, "<106>1 - - - - - -"),
)
texts = st.one_of(
    st.sampled_from(NASTY), st.text(min_size=1), st.text("\\|=]\"^,;'@+-\r\n\t\0 x…", min_size=1)
)


def fields_in(name: str, document: bytes) -> dict[str, str]:
    """Field by field, what the independent reader of this format finds in a document."""
    text = document.decode()
    assert len(text.splitlines()) == 1
    if name.startswith("cef"):
        header = read_cef(text)
        return header._asdict() | header.extension | {"extension": ""}
    if name == "leef":
        read = read_leef(text)
        return read._asdict() | read.attributes | {"attributes": ""}
    if name == "rfc5424":
        message = read_syslog(document)
        (element,) = message.elements.values()
        return {
            "header": " ".join([message.timestamp, message.app_name, message.procid, message.msgid]),
            "hostname": message.hostname,
            "said": message.said,
            **element,
        }
    rows = csv.reader(io.StringIO(f"{format_named(name).head(SENDER).decode()}{text}\r\n", newline=""))
    columns, cells = rows
    assert len(columns) == len(cells)
    return dict(zip(columns, cells, strict=True))


def documents(name: str, events: list[Event]) -> list[bytes]:
    made = (format_named(name).document(event, SENDER) for event in events)
    return [document for document in made if document is not None]


def check(name: str, text: str) -> None:
    """Every event of this text is one line of the fields that it has with an ordinary one."""
    plain = hostile("x:" if ":" in text else "x")
    for document, beside in zip(documents(name, hostile(text)), documents(name, plain), strict=True):
        told = fields_in(name, document)
        assert told.keys() - {"truncated"} == fields_in(name, beside).keys()
        for key, value in told.items():  # readers that look one character back are not fooled
            assert key == "hostname" or ("\\\\" not in value and not value.endswith("\\")), key
        shown = document.decode().replace("\ufeff", "", 1).replace("\\", "")
        assert visible(shown) == shown
        assert len(document) < 32_768


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_no_nasty_text_makes_a_field_or_a_line(name: str) -> None:
    for text in (*NASTY, "\0\udc80=|\n" * 200_000):
        check(name, text)


@pytest.mark.parametrize("name", TEXT_FORMATS)
@settings(max_examples=30)
@given(text=texts)
def test_no_text_makes_a_field_or_a_line(name: str, text: str) -> None:
    check(name, text)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("cef", "dhost"),
        ("cef-src", "shost"),
        ("leef", "identHostName"),
        ("rfc5424", "owner"),
        ("shadowserver", "hostname"),
        ("csv", "owner"),
    ],
)
@settings(max_examples=50)
@given(text=texts)
def test_a_name_can_be_had_back(name: str, key: str, text: str) -> None:
    if len(visible(text)) > 60:  # all of them together are still one message of syslog
        text = text[:5]
    cell = fields_in(name, documents(name, hostile(text)[:1])[0])[key]
    assert (cell_had_back if name in ("csv", "shadowserver") else had_back)(cell) == text


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("cef", "cs3"),
        ("leef", "databaseNames"),
        ("rfc5424", "databaseNames"),
        ("shadowserver", "visible_databases"),
        ("csv", "database_names"),
    ],
)
@settings(max_examples=50)
@given(text=texts)
def test_a_list_has_the_names_that_were_given(name: str, key: str, text: str) -> None:
    if len(visible(text)) > 50:
        text = text[:5]
    cell = fields_in(name, documents(name, hostile(text)[:1])[0])[key]
    listed = cell.split(",")
    back = cell_had_back if name in ("csv", "shadowserver") else had_back
    if text != "…":
        assert [back(each) for each in listed] == [text, "b", text]
    assert len(listed) == 3


def test_a_longer_text_ends_in_an_ellipsis() -> None:
    assert line("n" * LONGEST) == "n" * LONGEST
    assert line("n" * (LONGEST + 1)) == "n" * (LONGEST - 1) + "…"


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_the_same_event_is_the_same_document(name: str) -> None:
    assert documents(name, ordinary()) == documents(name, ordinary())
