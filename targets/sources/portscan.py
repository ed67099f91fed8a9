"""Output of masscan, naabu and zmap: JSON lines, masscan's list, CSV with a header.

Field names: masscan src/out-json.c and src/out-text.c, naabu pkg/runner/output.go, zmap's output modules.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

import msgspec

from targets.claims import Claim
from targets.errors import ScopeError
from targets.grammar import GrammarError, parse_address, parse_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_FINISHED = re.compile(r"\{\s*finished\s*:\s*1\s*\}\Z")  # old masscan ends with this, which is no JSON
_ADDRESS_KEYS = ("ip", "saddr")
_PORT_KEYS = ("port", "sport")


def read_json_lines(
    lines: Iterable[tuple[int, str, bool]], name: str, warn: Callable[[str], None]
) -> Iterator[Claim]:
    """One object a line; masscan's array brackets and commas are skipped, a torn last line with a warning."""
    for number, line, whole in lines:
        text = line.strip(",").strip()
        if text in ("", "[", "]") or _FINISHED.match(text):
            continue
        text = text.removeprefix("[").removesuffix("]").strip().strip(",") if text[0] == "[" else text
        try:
            record = msgspec.json.decode(text.encode())
        except (msgspec.DecodeError, RecursionError):
            if not whole:
                warn(f"{name}:{number}: the last line is torn; what comes before it is used")
                return
            raise ScopeError(
                name, number, "not valid JSON", "write one object a line, as scanners do"
            ) from None
        yield from _claims(record, name, number)


def _claims(record: Any, name: str, number: int) -> Iterator[Claim]:
    if not isinstance(record, dict):
        raise ScopeError(name, number, "is not an object", "write one object a line, as scanners do")
    if record.get("success") in (0, False) or str(record.get("protocol", "tcp")).lower() != "tcp":
        return
    address = next((record[key] for key in _ADDRESS_KEYS if key in record), None)
    if address is None:
        raise ScopeError(name, number, "has neither ip nor saddr", "name output of masscan, naabu or zmap")
    if isinstance(record.get("ports"), list):
        for item in record["ports"]:
            details = item if isinstance(item, dict) else {"port": item}
            if details.get("status", "open") == "open" and details.get("proto", "tcp") == "tcp":
                yield _claim(address, details.get("port"), name, number)
        return
    port = next((record[key] for key in _PORT_KEYS if key in record), None)
    if isinstance(port, dict):  # naabu before 2.1 nested it, with capital letters
        port = next((port[key] for key in ("Port", "port") if key in port), None)
    yield _claim(address, port, name, number)


def _claim(address: object, port: object, name: str, number: int) -> Claim:
    try:
        span = parse_address(address)  # type: ignore[arg-type]  # it refuses what is not text
        return Claim(span, None if port in (None, "") else parse_port(str(port)), f"{name}:{number}")
    except GrammarError as error:
        raise ScopeError(name, number, error.reason, error.remedy) from None


def read_masscan_list(lines: Iterable[tuple[int, str, bool]], name: str) -> Iterator[Claim]:
    """masscan `-oL`: `open tcp 27017 10.1.2.3 1795490538`; banners and comments are passed over."""
    for number, line, _ in lines:
        words = line.split()
        if line.startswith("#") or words[0] == "banner":
            continue
        if len(words) < 4 or words[0] not in ("open", "closed"):
            raise ScopeError(name, number, f"{line[:40]!r} is no line of masscan -oL", "correct this line")
        if words[0] == "open" and words[1] == "tcp":
            yield _claim(words[3], words[2], name, number)


def read_csv(lines: Iterable[tuple[int, str, bool]], name: str) -> Iterator[Claim]:
    """CSV of zmap or naabu: a header with `saddr` or `ip`, and perhaps `sport` or `port`."""
    header: list[str] = []
    for number, line, _ in lines:
        cells = [cell.strip() for cell in next(csv.reader([line]))]
        if not header:
            header = [cell.lower() for cell in cells]
            continue
        if len(cells) != len(header):
            reason = f"{len(cells)} cells under {len(header)} columns"
            raise ScopeError(name, number, reason, "write one cell for each column")
        record: dict[str, object] = dict(zip(header, cells, strict=True))
        if record.get("success") in ("0", "false"):
            continue
        yield from _claims(
            {**record, "success": True, "protocol": record.get("protocol") or "tcp"}, name, number
        )
