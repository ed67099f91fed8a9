"""The texts of messages by language, from the files in `texts/`, with `{places}` to be filled."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from results.notify.marked import Text

if TYPE_CHECKING:
    from results.notify.marked import Value

_FOLDER = Path(__file__).parent / "texts"


class Texts:
    """One language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.table: dict[str, dict[str, str]] = tomllib.loads(
            (_FOLDER / f"{language}.toml").read_text(encoding="utf-8")
        )

    def __call__(self, key: str, **values: Value) -> Text:
        """The text `section.name`, with what goes into its places."""
        section, _, name = key.partition(".")
        return Text(self.table[section][name], values)

    def word(self, key: str, default: str = "") -> str:
        """A text without places; `default` where this language has none of that name."""
        section, _, name = key.partition(".")
        return self.table[section].get(name, default)


@cache
def texts(language: str) -> Texts:
    """The texts of a language; raises `KeyError` for one that there is none of."""
    if language not in languages():
        raise KeyError(language)
    return Texts(language)


@cache
def languages() -> tuple[str, ...]:
    """The languages that there are texts in."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))
