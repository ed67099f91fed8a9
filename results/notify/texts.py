"""The texts of messages by language, from the files of a folder such as `texts/`, with `{places}` to be
filled; and the times and lengths that go there."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from results.notify.marked import Ours, Text

if TYPE_CHECKING:
    from results.notify.marked import Value

FOLDER = Path(__file__).parent / "texts"  # those of messages to owners
_DAY, _HOUR = 86_400, 3_600


class Texts:
    """One language."""

    def __init__(self, language: str, folder: Path = FOLDER) -> None:
        self.language = language
        self.table: dict[str, dict[str, str]] = tomllib.loads(
            (folder / f"{language}.toml").read_text(encoding="utf-8")
        )

    def __call__(self, key: str, **values: Value) -> Text:
        """The text `section.name`, with what goes into its places."""
        section, _, name = key.partition(".")
        return Text(self.table[section][name], values)

    def word(self, key: str, default: str = "") -> str:
        """A text without places; `default` where this language has none of that name."""
        section, _, name = key.partition(".")
        return self.table[section].get(name, default)

    def is_one(self, count: int) -> bool:
        """Whether a thing of that number is said in the singular, by `words.singular`: in French zero is,
        too (CLDR's plural rules)."""
        return str(count) in self.table["words"]["singular"].split()


@cache
def texts(language: str, folder: Path = FOLDER) -> Texts:
    """The texts of a language; raises `KeyError` for one that there is none of."""
    if language not in languages(folder):
        raise KeyError(language)
    return Texts(language, folder)


@cache
def languages(folder: Path = FOLDER) -> tuple[str, ...]:
    """The languages that there are texts in."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def length(seconds: int, say: Texts) -> Value:
    """A length of time in whole units, rounded down, in the words of `[words]`."""
    for size, unit in ((_DAY, "days"), (_HOUR, "hours"), (60, "minutes")):
        if seconds >= 2 * size or unit == "minutes":
            count = seconds // size
            word = "minute" if unit == "minutes" and say.is_one(count) else unit
            return Ours(say.word(f"words.{word}").replace("{count}", str(count)))
    raise AssertionError("minutes take every length")


def moment(at: str) -> Value:
    """A time for people: to the minute, in UTC."""
    return Ours(f"{at[:10]} {at[11:16]} UTC") if len(at) >= 16 else Ours("?")
