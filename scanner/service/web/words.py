"""What templates call to put a value into words: sizes, times, places, states, names from servers.

Whatever a template puts in goes through `shown` at the end, which makes hidden characters visible; a filter
that did so already says so with its type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup as SafeMarkup

from results.durations import between
from results.ledger.words import how, names_in
from results.manifest import PURPOSES
from results.report.markup import Markup, Visible
from results.report.statistics import owner_name
from results.report.words import CHANGE_WORDS, STATE_WORDS
from results.report.words import open_for as lasted
from results.text import address, at_least, human_bytes, human_count, minute, plural, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.ledger.tracked import TrackedExposure


class AsTyped(str):
    """What a person typed, to be given back in a field of a form: escaped, and otherwise the same."""

    __slots__ = ()


def shown(value: object) -> object:
    """What stands in a page for a value: text with its hidden characters made visible, "-" for null."""
    if value is None:
        return "-"
    if not isinstance(value, str) or isinstance(value, SafeMarkup | Markup | Visible | AsTyped):
        return value
    return visible(value)


def moment(time: str) -> Markup | str:
    """A time to the minute, "-" for "", as an element that tells machines the whole of it."""
    if not time:
        return "-"
    return _time_element(time, minute(time))


def day(time: str) -> Markup | str:
    """The day of a time in UTC, "-" for ""."""
    return _time_element(time, visible(time[:10])) if time else "-"


def ago(time: str, now: str) -> Markup | str:
    """How long ago: `3 days ago`, `in 2 hours`, `now`; "-" for ""."""
    if not time:
        return "-"
    if time > now:
        text = f"in {at_least(between(now, time))}"
    else:
        seconds = between(time, now)
        text = f"{at_least(seconds)} ago" if seconds else "now"
    return _time_element(time, text)


def _time_element(time: str, text: str) -> Markup:
    from results.report.markup import tag

    return tag("time", Visible(text), datetime=time, title=minute(time), class_="time")


def long(seconds: float | None) -> str:
    """A length of time, rounded down: `3 days`; "-" for null."""
    return "-" if seconds is None else at_least(int(seconds))


def bytes_(size: int | None) -> str:
    """A size: `60.0 GB`; "-" where none is known."""
    return "-" if size is None else human_bytes(size)


def count(number: int | None) -> str:
    """A count with its thousands separated; "-" where none is known."""
    return "-" if number is None else human_count(number)


def percent(part: float, digits: int = 1) -> str:
    """A share of 1: `99.9 %`. What is not all is never shown as all, nor what is something as nothing."""
    least = 10.0**-digits
    figure = 100 * part
    if 0 < figure < least:
        return f"< {least:.{digits}f} %"
    if 100 - least < figure < 100:
        return f"> {100 - least:.{digits}f} %"
    return f"{figure:.{digits}f} %"


def place(exposure: TrackedExposure) -> Visible:
    """An exposure's address and port."""
    return Visible(address(exposure.place.ip, exposure.place.port))


def owner(exposure: TrackedExposure) -> Visible:
    """Whose it is, or the word for nobody."""
    return name(owner_name(exposure))


def open_for(exposure: TrackedExposure) -> str:
    """How long the present spell has lasted, by its bounds: `31 to 38 days`."""
    return lasted(exposure)


def holds(exposure: TrackedExposure) -> Visible:
    """The names of a few of its databases, and how many documents: `readers, shop; 693,000 documents`."""
    names = names_in(exposure.databases[:3], exposure.database_count)
    documents = plural(exposure.documents, "document") if exposure.documents is not None else ""
    return Visible("; ".join(part for part in (names, documents) if part) or "not told")


def state(code: str) -> str:
    """A state in words: `unreachable, not proved closed`."""
    return STATE_WORDS.get(code, code)


def change(code: str) -> str:
    """A kind of change in words: `held to ransom`."""
    return CHANGE_WORDS.get(code, code)


def clause(code: str) -> Visible:
    """The code of a bound, a proof, a method or of evidence as a clause."""
    return Visible(how(code))


def name(text: str, most: int = 60) -> Visible:
    """A name from a server or a file, made visible and cut; "-" for ""."""
    return Visible(visible(text, most) or "-")


def as_typed(text: str) -> AsTyped:
    """Any text as it was typed, or as a form sends it; what no page can be written with becomes a "?"."""
    return AsTyped(text.encode("utf-8", "replace").decode())


def purpose(purpose: str) -> str:
    """What a run was made for, in a word."""
    return PURPOSES.get(purpose, purpose)


FILTERS: dict[str, Callable[..., object]] = {
    "moment": moment,
    "day": day,
    "ago": ago,
    "long": long,
    "bytes": bytes_,
    "count": count,
    "plural": plural,
    "percent": percent,
    "place": place,
    "open_for": open_for,
    "holds": holds,
    "owner": owner,
    "state": state,
    "purpose": purpose,
    "change": change,
    "clause": clause,
    "name": name,
    "visible_already": Visible,
    "as_typed": as_typed,
}
"""What templates may call, by name."""
