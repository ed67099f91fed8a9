"""The sheet for the data-protection officer: facts alone, each with how it is known, and what nobody
knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.durations import instant
from results.ledger.actions import TOLD
from results.ledger.words import how, lost_in, names_in, place_words, times
from results.report.markup import Markup, Visible, tag
from results.text import at_least, human_bytes, human_count, minute, plural, visible

if TYPE_CHECKING:
    from results.ledger.tracked import TrackedExposure
    from results.report.content import Dossier


MOST_TOLD = 6


def fact_sheet(content: Dossier) -> Markup:
    """The sheet as a section of a dossier."""
    rows = facts(content)
    return tag(
        "section",
        tag("h2", "Facts for the data-protection officer", id="facts"),
        tag(
            "p",
            "Whether personal data were open, and whether that is a breach to be notified under "
            "article 33 of the "
            "GDPR, is for the data-protection officer to say. mongosweep saw names, counts and sizes, "
            "never a document.",
            class_="small soft",
        ),
        tag(
            "dl",
            [
                [tag("dt", name), tag("dd", [tag("div", Visible(each)) for each in values])]
                for name, values in rows
            ],
            class_="facts",
        ),
        aria_labelledby="facts",
        class_="keep",
    )


def facts(content: Dossier) -> list[tuple[str, list[str]]]:
    """What each fact is about, and its sentences, with names made visible."""
    exposure = content.exposure
    owner = " / ".join(visible(part, 80) for part in (exposure.owner.owner, exposure.owner.site) if part)
    return [
        ("What", [f"A MongoDB server that answered without a password, at {place_words(exposure.place)}."]),
        ("Responsible, by the allow-list", [owner or "Nobody is named."]),
        ("Since when", _since(exposure)),
        ("Until when", _until(exposure)),
        ("How much", _much(exposure)),
        ("Names that hint at personal data", _hints(exposure)),
        ("Signs of access by others", _access(exposure)),
        ("The 72 hours", _clock(content)),
        ("Who was told", _told(content)),
        ("Not known", _unknown(exposure)),
    ]


def _since(exposure: TrackedExposure) -> list[str]:
    said = [f"Seen open first at {minute(exposure.first_seen_open)}."]
    if exposure.opened_after:
        why = f" ({how(exposure.opened_after_how)})" if exposure.opened_after_how else ""
        said.append(f"Not seen open at {minute(exposure.opened_after)}{why}: it was opened between the two.")
    else:
        said.append("Nobody looked before: it may have been open for any time before that.")
    earlier = [
        spell
        for spell in exposure.spells
        if spell.closed_before and spell.first_seen_open != exposure.first_seen_open
    ]
    if earlier:
        said.append(
            f"It had been open before that {times(len(earlier))}, first seen at "
            f"{minute(earlier[0].first_seen_open)}."
        )
    return said


def _until(exposure: TrackedExposure) -> list[str]:
    said = [f"Seen open last at {minute(exposure.last_seen_open)}."]
    if exposure.closed_before:
        why = f" ({how(exposure.closed_how)})" if exposure.closed_how else ""
        said.append(f"Proved closed at {minute(exposure.closed_before)}{why}.")
    else:
        said.append("Nothing proves that it was closed.")
    return said


def _much(exposure: TrackedExposure) -> list[str]:
    amount = (
        f"{human_count(exposure.documents)} documents in {human_count(exposure.collection_count)} collections"
        f" of {human_count(exposure.database_count)} databases, {human_bytes(exposure.bytes)}"
    )
    said = [
        f"{amount}, at the last look that saw it open.",
        "A document may be about one person, many, or none.",
    ]
    if exposure.databases:
        said.append(f"Databases: {names_in(exposure.databases, exposure.database_count)}.")
    return said


def _hints(exposure: TrackedExposure) -> list[str]:
    hints = exposure.breach.hints if exposure.breach and exposure.breach.hints else exposure.hints
    if hints:
        return [
            f"{names_in(hints)}.",
            "Words in names of databases, collections or fields; no value was read.",
        ]
    return ["None of the names that were seen. Names prove nothing about what is in a document."]


def _access(exposure: TrackedExposure) -> list[str]:
    said = []
    if exposure.wiped_count or exposure.ransomed_count:
        said.append(
            f"Data vanished {times(exposure.wiped_count) if exposure.wiped_count else 'at no look'}, "
            "and an extortionist's note "
            f"{'was left ' + times(exposure.ransomed_count) if exposure.ransomed_count else 'was not seen'}"
            f", between {minute(exposure.first_hit)} and {minute(exposure.last_hit)}: somebody else had "
            "access."
        )
        if lost := lost_in(exposure.lost, summed=True):
            said.append(f"Lost in all: {lost}.")
    elif exposure.ransom_names:
        said.append(f"Names of an extortionist's note: {names_in(exposure.ransom_names)}.")
    else:
        said.append(
            "None was seen from outside. Whoever only reads leaves no sign that can be seen from outside."
        )
    said.append("The server's own log tells which addresses connected: keep it.")
    return said


def _clock(content: Dossier) -> list[str]:
    clock = content.exposure.breach
    if clock is None:
        return ["No clock is kept: nothing lay open, or it is not known when the organisation became aware."]
    left = int((instant(clock.ends) - instant(content.now)).total_seconds())
    state = f"{at_least(left)} are left" if left > 0 else f"that is {at_least(-left)} ago"
    return [
        f"They began at {minute(clock.began)}: {how(clock.why)}.",
        f"They end at {minute(clock.ends)}; on {minute(content.now)} {state}.",
        "They count only if the data are personal, from when the organisation became aware of the breach.",
    ]


def _told(content: Dossier) -> list[str]:
    told = [
        f"{names_in(action.to) or 'Somebody'}, at {minute(action.at)}."
        for action in content.actions
        if action.kind in TOLD
    ]
    if not told:
        return ["Nobody, as far as is written down."]
    if len(told) > MOST_TOLD:
        told = [told[0], f"{len(told) - 2:,} times in between.", told[-1]]
    said = content.exposure
    if said.acknowledged_at:
        by = f" by {visible(said.acknowledged_by, 100)}" if said.acknowledged_by else ""
        told.append(f"Acknowledged{by} at {minute(said.acknowledged_at)}.")
    return told


def _unknown(exposure: TrackedExposure) -> list[str]:
    said = [
        "Whether, when and by whom documents were read or copied.",
        "What stands in the documents, and about whom.",
    ]
    if not exposure.opened_after:
        said.append("Since when it was open before the first look.")
    if exposure.is_open and exposure.state == "unreachable":
        said.append("Whether it is still open: the last looks got no answer.")
    if exposure.documents is None or exposure.bytes is None:
        said.append("How much there is in all: the server did not tell.")
    if exposure.looks:
        said.append(
            f"What happened between looks ({plural(exposure.looks, 'look')} in all) and left no trace."
        )
    return said
