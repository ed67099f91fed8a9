"""One exposure's dossier as headings and sentences: what every face says of it, told once and in one way.

Pure, and without layout: a terminal, a page and a message each show the same sections. Names in the sentences
came from servers and files and are made visible here; a page escapes its own markup besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from results.ledger import passages
from results.ledger.timeline import Event, timeline
from results.ledger.words import SEEN_ONCE, how, names_in, place_words, reach_words, span, times
from results.text import address, human_bytes, minute, plural, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from results.ledger.tracked import Action, Change, Look, TrackedExposure

Key = Literal[
    "state",
    "place",
    "time",
    "holds",
    "incidents",
    "liveness",
    "vantages",
    "people",
    "breach",
    "closure",
    "looks",
    "next",
]


class Section(Struct, frozen=True):
    """A heading and sentences, each of which stands for itself. Never empty."""

    key: Key
    heading: str
    sentences: list[str]


class Dossier(Struct, frozen=True, kw_only=True):
    """One exposure. `headline` is the sentence to read if only one is read; `events` are in time order."""

    exposure_id: str
    headline: str
    sections: list[Section]
    events: list[Event]


def dossier(
    exposure: TrackedExposure,
    changes: Iterable[Change] = (),
    looks: Iterable[Look] = (),
    actions: Iterable[Action] = (),
) -> Dossier:
    """Everything that is known of one exposure. `exposure` with what is laid over it when it is read."""
    looks = list(looks)
    told: tuple[tuple[Key, str, list[str]], ...] = (
        ("state", "Where it stands", [*passages.state(exposure), *passages.severity(exposure)]),
        ("place", "Whose it is and where", _place(exposure)),
        ("time", "Since when", _time(exposure)),
        ("holds", "What lies open", _holds(exposure)),
        ("incidents", "Wipes, ransoms and restores", passages.incidents(exposure)),
        ("liveness", "Whether it is written to", passages.liveness(exposure)),
        ("vantages", "Seen from", passages.vantages(exposure)),
        ("people", "Who was told, and what they said", passages.people(exposure)),
        ("breach", "The 72 hours", passages.breach(exposure)),
        ("closure", "How closure was proved", passages.closure(exposure)),
        ("looks", "Looks", _looks(exposure, looks)),
        ("next", "What to do next", passages.next_steps(exposure)),
    )
    return Dossier(
        exposure_id=exposure.exposure_id,
        headline=headline(exposure),
        sections=[Section(*each) for each in told if each[2]],
        events=timeline(exposure, changes, actions),
    )


def headline(exposure: TrackedExposure) -> str:
    """The one sentence: what it is, where, whose, and for how long."""
    where, owner = place_words(exposure.place), exposure.owner.owner
    whose = f" ({visible(owner, 60)})" if owner else ""
    if exposure.state == "closed":
        return f"{where}{whose} is closed since {minute(exposure.closed_before)} at the latest."
    once = exposure.open_at_least_seconds == 0 and exposure.open_at_most_seconds is None
    lasted = SEEN_ONCE if once else open_for(exposure)
    if exposure.state == "unreachable":
        seen = minute(exposure.last_seen_open)
        return f"{where}{whose} does not show itself; it was open at {seen}, and nothing proves it closed."
    to = {"internet": " to the internet", "one_vantage": f" to {reach_words(exposure)}"}.get(
        exposure.reach, ""
    )
    return f"{where}{whose} is open{to} without a password{f', {lasted}' if lasted else ''}."


def open_for(exposure: TrackedExposure) -> str:
    """How long the present spell has lasted, with both bounds: `for at least 31 days, at most 38 days`."""
    return span(exposure.open_at_least_seconds, exposure.open_at_most_seconds)


def _place(exposure: TrackedExposure) -> list[str]:
    owner = exposure.owner
    said = [f"It stands at {place_words(exposure.place)}."]
    if exposure.hostnames:
        said.append(f"It is called {names_in(exposure.hostnames)}.")
    if owner.owner or owner.contact:
        contact = f", reached by {visible(owner.contact, 100)}" if owner.contact else ""
        said.append(f"The address belongs to {visible(owner.owner or '(no owner)', 100)}{contact}.")
    else:
        said.append("The allow-list names no owner for the address.")
    earlier = [place for place in exposure.places if place != exposure.place]
    said += [
        f"It stood at {place_words(place)} from {minute(place.first_seen)} to {minute(place.last_seen)}."
        for place in earlier
        if (place.ip, place.port, place.site) != (exposure.place.ip, exposure.place.port, exposure.place.site)
    ]
    if exposure.product or exposure.version:
        named = " ".join(visible(part, 60) for part in (exposure.product, exposure.version) if part)
        topology = f", {visible(exposure.topology, 40)}" if exposure.topology else ""
        member = f" of the set {visible(exposure.set_name, 60)}" if exposure.set_name else ""
        said.append(f"It answered as {named}{topology}{member}.")
    if exposure.related:
        said.append(f"The same data were seen at other places: {names_in(exposure.related)}.")
    if exposure.former_ids:
        said.append(f"It was known before as {names_in(exposure.former_ids)}.")
    return said


def _time(exposure: TrackedExposure) -> list[str]:
    said = []
    if lasted := open_for(exposure):
        verb = "It was open" if exposure.state == "closed" else "It has been open"
        said.append(f"{verb} {lasted}.")
    said.append(
        f"A run saw it open first at {minute(exposure.first_seen_open)},"
        f" and last at {minute(exposure.last_seen_open)}."
    )
    if exposure.opened_after:
        why = f": {how(exposure.opened_after_how)}" if exposure.opened_after_how else ""
        said.append(
            f"At {minute(exposure.opened_after)}, the last look before that, it was not seen open{why}."
        )
    else:
        said.append(
            "Nobody looked before that, so there is no upper bound: it may have been open for much longer."
        )
    if exposure.reopened_count:
        said.append(f"It was opened again {times(exposure.reopened_count)} after it had been proved closed.")
        said += [
            f"An earlier spell was seen open from {minute(spell.first_seen_open)} to"
            f" {minute(spell.last_seen_open)}; it was proved closed at {minute(spell.closed_before)}."
            for spell in exposure.spells
            if spell.first_seen_open != exposure.first_seen_open and spell.closed_before
        ]
    if exposure.due_at and exposure.state != "closed":
        late = ", which has passed" if exposure.overdue else ""
        said.append(f"By its severity it is to be closed by {minute(exposure.due_at)}{late}.")
    return said


def _holds(exposure: TrackedExposure) -> list[str]:
    told = [
        plural(count, noun)
        for count, noun in (
            (exposure.database_count, "database"),
            (exposure.collection_count, "collection"),
            (exposure.documents, "document"),
        )
        if count is not None
    ]
    if exposure.bytes is not None:
        told.append(human_bytes(exposure.bytes))
    if not told:
        return ["What it holds was not told."]
    verb = "holds" if exposure.state != "closed" else "held when it was last seen open"
    said = [f"It {verb} {', '.join(told)}."]
    if exposure.databases:
        said.append(f"Its databases: {names_in(exposure.databases, exposure.database_count)}.")
    if exposure.hints:
        said.append(f"Names in it hint at personal or secret data: {names_in(exposure.hints)}.")
    if exposure.ransom_names:
        said.append(f"Names in it are those of an extortionist's note: {names_in(exposure.ransom_names)}.")
    return said


def _looks(exposure: TrackedExposure, looks: list[Look]) -> list[str]:
    said = [f"{plural(exposure.looks, 'look')} in all; the last at {minute(exposure.last_look)}."]
    if exposure.covered_by_last_run is False:
        said.append("The last run did not cover this place: that it did not report it says nothing.")
    said += [
        f"{minute(look.at)}: {look.verdict.value} at {address(look.ip or exposure.place.ip, look.port)}"
        f"{_held(look)}, in run {visible(look.run_id, 80)}{_run_state(look)}."
        for look in looks[-MOST_LOOKS:]
    ]
    if len(looks) > MOST_LOOKS:
        said.insert(-MOST_LOOKS, f"The {MOST_LOOKS} latest of them:")
    return said


MOST_LOOKS = 20


def _held(look: Look) -> str:
    held = [plural(look.documents, "document")] if look.documents is not None else []
    held += [human_bytes(look.bytes)] if look.bytes is not None else []
    return f" with {', '.join(held)}" if held else ""


def _run_state(look: Look) -> str:
    whole = look.run_state in ("", "complete")
    return "" if whole else f", which was {visible(look.run_state, 20)}"
