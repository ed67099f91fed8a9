"""A page as a browser shows it, as PNG that says what was run to see it and what stood there."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.browser import Page

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SHOWN = """
const rules = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules].map((rule) => rule.cssText));
return document.body.innerText + rules.join("\\n");
"""


def shown(page: Page) -> str:
    """The words of a page, and the rules by which they are laid out."""
    return str(page.run(_SHOWN))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, data) of each chunk (PNG, third edition, section 5.3: length, kind, data, CRC)."""
    at = len(_SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def with_texts(png: bytes, texts: Mapping[str, str]) -> bytes:
    """The same picture with these texts behind its head, as tEXt chunks; ASCII."""
    made = _SIGNATURE
    for number, (kind, data) in enumerate(_chunks(png)):
        parts = [(kind, data)]
        if number == 0:
            parts += [(b"tEXt", f"{name}\0{text}".encode("ascii")) for name, text in texts.items()]
        for name, held in parts:
            made += struct.pack(">I", len(held)) + name + held + struct.pack(">I", zlib.crc32(name + held))
    return made


def told_by(path: Path) -> dict[str, str]:
    """The texts that a picture bears; none of a file that is not there."""
    if not path.exists():
        return {}
    told = (
        data.decode("ascii").partition("\0") for kind, data in _chunks(path.read_bytes()) if kind == b"tEXt"
    )
    return {name: text for name, _, text in told}
