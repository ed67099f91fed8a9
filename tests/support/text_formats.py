"""Readers of CEF, LEEF and RFC 5424, written from the standards and apart from the writers: strict, so that
what they read, a receiver reads."""

from __future__ import annotations

import re
from typing import NamedTuple

_CEF = re.compile(r"CEF:0" + r"\|((?:[^|\\]|\\[|\\])*)" * 6 + r"\|(.*)")
_KEY = re.compile(r"(?:^|(?<= ))([A-Za-z0-9_.\-]+)=")


_BREAKS = {"n": "\n", "r": "\r"}


class Cef(NamedTuple):
    """One CEF line, unescaped."""

    vendor: str
    product: str
    version: str
    class_id: str
    name: str
    severity: str
    extension: dict[str, str]

    def labelled(self, label: str) -> str:
        """The value of the custom field with this label."""
        (key,) = [key for key, text in self.extension.items() if key.endswith("Label") and text == label]
        return self.extension[key.removesuffix("Label")]


def read_cef(line: str) -> Cef:
    """Raises `ValueError` for what is not one line of CEF, or has a key twice."""
    if len(line.splitlines()) != 1 or not (whole := _CEF.fullmatch(line)):
        raise ValueError(line)
    vendor, product, version, class_id, name, severity, rest = whole.groups()
    header = [re.sub(r"\\([|\\])", r"\1", field) for field in (vendor, product, version, class_id, name)]
    return Cef(header[0], header[1], header[2], header[3], header[4], severity, _extension(rest))


def _extension(text: str) -> dict[str, str]:
    """Pairs; a key is what stands before an equals sign that no backslash escapes."""
    starts = [found for found in _KEY.finditer(text) if not _escaped(text, found.end() - 1)]
    read: dict[str, str] = {}
    for number, found in enumerate(starts):
        end = starts[number + 1].start() - 1 if number + 1 < len(starts) else len(text)
        raw = text[found.end() : end]
        if re.search(r"(?<!\\)(?:\\\\)*\\(?![\\=nr])", raw) or re.search(r"(?<!\\)(?:\\\\)*=", raw):
            raise ValueError(f"badly escaped: {raw!r}")
        if found[1] in read:
            raise ValueError(f"twice: {found[1]}")
        read[found[1]] = re.sub(r"\\(.)", lambda each: _BREAKS.get(each[1], each[1]), raw)
    return read


def _escaped(text: str, place: int) -> bool:
    """Whether an odd number of backslashes stands before this place."""
    before = text[:place]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


class Leef(NamedTuple):
    """One LEEF 2.0 line."""

    vendor: str
    product: str
    version: str
    event_id: str
    attributes: dict[str, str]


def read_leef(line: str) -> Leef:
    """Raises `ValueError` for what is not one line of LEEF 2.0, or has a key twice."""
    head, *fields = line.split("|", 6)
    if head != "LEEF:2.0" or len(fields) != 6 or len(line.splitlines()) != 1:
        raise ValueError(line)
    vendor, product, version, event_id, delimiter, rest = fields
    if re.fullmatch("x[0-9A-Fa-f]{2}", delimiter):
        delimiter = chr(int(delimiter[1:], 16))
    if len(delimiter) != 1 or "\t" in rest:
        raise ValueError(line)
    read: dict[str, str] = {}
    for pair in rest.split(delimiter):
        key, equals, text = pair.partition("=")
        if not equals or not re.fullmatch("[A-Za-z0-9]+", key) or key in read:
            raise ValueError(f"no attribute: {pair!r}")
        read[key] = text
    return Leef(vendor, product, version, event_id, read)


class Syslog(NamedTuple):
    """One message of RFC 5424; "" is the nil value. `said` is MSG without its byte-order mark."""

    priority: int
    timestamp: str
    hostname: str
    app_name: str
    procid: str
    msgid: str
    elements: dict[str, dict[str, str]]
    said: str
    marked: bool


_NAME = r"[!#-<>-\\^-~]{1,32}"
_HEADER = re.compile(
    rb"<(0|[1-9][0-9]{0,2})>1"
    rb" (-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d))"
    rb" ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) "
)
_PARAM = re.compile(rf' ({_NAME})="((?:[^"\\\]]|\\["\\\]])*)"')


def read_syslog(message: bytes) -> Syslog:
    """Raises `ValueError` for what RFC 5424, 6 does not allow, and for a parameter that is there twice."""
    if not (header := _HEADER.match(message)):
        raise ValueError(message)
    text = message[header.end() :].decode()  # strict: no sequence is cut
    elements: dict[str, dict[str, str]] = {}
    if text.startswith("- ") or text == "-":
        text = text[1:]
    else:
        while text.startswith("["):
            text = _element(text, elements)
        if not elements:
            raise ValueError(message)
    if text and not text.startswith(" "):
        raise ValueError(message)
    nil = [part.decode().replace("-", "") if part == b"-" else part.decode() for part in header.groups()[1:]]
    said = text[1:]
    timestamp, hostname, app_name, procid, msgid = nil
    return Syslog(
        priority=int(header[1]),
        timestamp=timestamp,
        hostname=hostname,
        app_name=app_name,
        procid=procid,
        msgid=msgid,
        elements=elements,
        said=said.removeprefix("\ufeff"),
        marked=said.startswith("\ufeff"),
    )


def _element(text: str, elements: dict[str, dict[str, str]]) -> str:
    """Read one element of structured data; what is left of the text."""
    name = re.match(rf"\[({_NAME})", text)
    if not name:
        raise ValueError(text)
    read: dict[str, str] = elements.setdefault(name[1], {})
    at = name.end()
    while pair := _PARAM.match(text, at):
        if pair[1] in read:
            raise ValueError(f"twice: {pair[1]}")
        read[pair[1]] = re.sub(r'\\(["\\\]])', r"\1", pair[2])
        at = pair.end()
    if text[at : at + 1] != "]":
        raise ValueError(text[at:])
    return text[at + 1 :]


def had_back(text: str) -> str:
    r"""A text from how it was made visible: `\xNN`, `\uNNNN`, `\UNNNNNNNN`, and a doubled backslash."""

    def one(found: re.Match[str]) -> str:
        return "\\" if found[0] == "\\\\" else chr(int(found[1] or found[2] or found[3], 16))

    return re.sub(r"\\\\|\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|\\U([0-9a-f]{8})", one, text)


def cell_had_back(cell: str) -> str:
    """A text from its cell of a CSV file: without the marks against formulas, and had back."""
    return had_back(re.sub(r"(^|[;,])'(?=[\s'\"]*[=+\-@\uff1d\uff0b\uff0d\uff20])", r"\1", cell))


def names_in(text: str) -> list[str]:
    """The names of a list, as they were."""
    return [had_back(each) for each in text.split(",")] if text else []
