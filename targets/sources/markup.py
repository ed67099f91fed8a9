"""The text of an HTML mail: tags removed, a line for each block, cells of a table divided by tabs.

Not by html.parser: in Python 3.11 it takes minutes for 100 KB of torn tags, and a mail may be hostile.
"""

from __future__ import annotations

import html
import re
from typing import Final

_LINES: Final = frozenset(
    {"article", "blockquote", "br", "dd", "div", "dl", "dt", "footer", "h1", "h2", "h3", "h4", "header", "hr"}
    | {"li", "ol", "p", "pre", "section", "table", "tr", "ul"}
)
_CELLS: Final = frozenset({"td", "th"})
_UNSEEN: Final = frozenset({"head", "script", "style", "template", "title"})
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]{0,31})?")
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_AROUND = re.compile(r" *\n *")


def text_of(markup: str) -> str:
    """What a reader of the mail sees, in lines. Never fails, and takes time as its length: what is no HTML is
    text, and behind a comment or an element without an end nothing is seen."""
    parts: list[str] = []
    at = 0
    first = True  # no cell of the row has been seen
    while True:
        begin = markup.find("<", at)
        parts.append(_BLANKS.sub(" ", html.unescape(markup[at:begin] if begin >= 0 else markup[at:])))
        if begin < 0:
            break
        found = _TAG.match(markup, begin)
        tag = (found[2] or "").lower() if found else ""
        if not tag and markup[begin + 1 : begin + 2] not in ("!", "?", "/"):
            parts.append("<")
            at = begin + 1
            continue
        close = "-->" if markup.startswith("<!--", begin) else ">"
        end = markup.find(close, begin + 1)
        if end < 0:
            break
        at = end + len(close)
        opens = found is not None and not found[1]
        if tag in _UNSEEN and opens:
            seen = re.compile(rf"</{tag}\s*>", re.IGNORECASE).search(markup, at)
            if seen is None:
                break
            at = seen.end()
        elif tag in _LINES:
            parts.append("\n")
            first = first or tag == "tr"
        elif tag in _CELLS and opens:
            parts.append("" if first else "\t")
            first = False
    return _AROUND.sub("\n", "".join(parts))
