"""What formats made of JSON share: one line of printable ASCII, and times and addresses that are such."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from results.lines import json_line

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_SURROGATE = re.compile("[\ud800-\udfff]")


def as_json(document: dict[str, Any]) -> bytes:
    r"""The document on one line of printable ASCII, without a newline: `json.loads` gives every text back.

    A lone surrogate, which no JSON reader need take, becomes the six characters `\udXXX`.
    """
    try:
        return json_line(document)[:-1]
    except UnicodeEncodeError:
        return json_line(_without_surrogates(document))[:-1]


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", value)
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(held) for held in value]
    return value


@lru_cache(maxsize=8192)
def milliseconds(text: str) -> int | None:
    """A record's time (RFC 3339 in UTC with milliseconds) since 1970; None of what is none, or lies before
    then."""
    if _TIME.fullmatch(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    since = round(moment.timestamp() * 1000)
    return since if since >= 0 else None


def time_of(text: str) -> str:
    """The text where it is a time as records write it, else ""."""
    return text if text and milliseconds(text) is not None else ""


@lru_cache(maxsize=8192)
def is_address(text: str) -> bool:
    """Whether it is an IP address, without a zone."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text
