"""HTML and SVG written so that no text can become markup: what is no `Markup` is made visible and escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from results.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

_VOID = frozenset({"br", "col", "hr", "input", "meta"})


class Markup(str):
    """Text that is markup already. Only `tag` and `joined` make it, of parts that went through `text`."""

    __slots__ = ()

    def __html__(self) -> str:
        """Itself, for a template that asks before it escapes."""
        return str(self)


class Visible(str):
    """Text whose hidden characters were made visible already: it is only escaped."""

    __slots__ = ()


def text(value: str) -> Markup:
    """Any text as markup that shows it and does nothing, in an element or in a quoted attribute."""
    if isinstance(value, Markup):
        return value
    return Markup(escape(value if isinstance(value, Visible) else visible(value)))


def joined(children: Iterable[object]) -> Markup:
    """Children one after the other: markup, text, numbers, or lists of these; None is passed over."""
    return Markup("".join(_pieces(children)))


def _pieces(children: Iterable[object]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            yield text(child)
        elif isinstance(child, int | float):
            yield number(child)
        else:
            assert isinstance(child, list | tuple), f"no child of an element: {type(child)}"
            yield from _pieces(child)


def tag(name_: str, /, *children: object, **attributes: object) -> Markup:
    """One element. In the names of attributes `_` stands for `-`, and one at the end for nothing (`class_`).

    An attribute that is None or False is left out; True is written without a value.
    """
    opening = name_
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        written = key.rstrip("_").replace("_", "-")
        if value is True:
            opening += f" {written}"
        else:
            shown = text(value) if isinstance(value, str) else number(value)
            opening += f' {written}="{shown}"'
    if name_ in _VOID:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{''.join(_pieces(children))}</{name_}>")


def number(value: object) -> str:
    """A number as short as two decimals allow, so that the same figures always give the same bytes."""
    if isinstance(value, int):
        return str(value)
    assert isinstance(value, float), f"no number: {type(value)}"
    return f"{value:.2f}".rstrip("0").rstrip(".")
