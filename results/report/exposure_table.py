"""The table of exposures: its rows as data, the gravest of them as HTML, and the data for `report.js`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from results.durations import instant
from results.ledger.words import reach_words
from results.report.figures import STRIP, Mark, Stretch, strip
from results.report.markup import Markup, Visible, tag
from results.report.statistics import owner_name
from results.report.words import CHANGE_WORDS, STATE_WORDS, open_for
from results.text import address, human_bytes, human_count, plural, visible
from results.verdict import Severity

if TYPE_CHECKING:
    from results.ledger.tracked import Change, TrackedExposure
    from results.report.content import Content

MOST_STATIC = 500
"""So many rows stand in the page itself, for readers without script; `report.js` shows all of them."""

MOST_EVENTS = 20
"""The newest changes of one exposure in this table; its dossier has all."""

MOST_NAMES = 3
HEADS = ("severity", "state", "where", "owner", "holds", "size", "open for", "timeline")


class Row(NamedTuple):
    """One exposure as the table shows it; every text is visible already.

    `events` are (place on the strip, kind, day); `stretches` as on a strip.
    """

    exposure_id: str
    state: str
    address: str
    names: str
    owner: str
    severity: Severity
    holds: str
    open_seconds: int
    open_for: str
    bytes: int
    size: str
    pressing: str
    stretches: list[Stretch]
    events: list[tuple[int, str, str]]
    earlier: int

    def data(self, texts: dict[str, int]) -> list[object]:
        """The row for `report.js`, by place: keep in step with its `F`. What many rows say alike (state,
        owner, kind of change, day) is the number of a text of `texts`, which grows."""

        def number(text: str) -> int:
            return texts.setdefault(text, len(texts))

        return [
            self.exposure_id,
            number(self.state),
            self.address,
            self.names,
            number(self.owner),
            self.severity.number,
            self.holds,
            self.open_seconds,
            number(self.open_for),
            self.bytes,
            self.size,
            number(self.pressing),
            [[each.begin, each.end, int(each.kind == "open")] for each in self.stretches],
            [[at, number(kind), number(day)] for at, kind, day in self.events],
            self.earlier,
        ]


class Axis(NamedTuple):
    """From when to when the strips go, in seconds since 1970."""

    begin: float
    end: float

    def place(self, time: str) -> int:
        """Where a time is on a strip."""
        share = (instant(time).timestamp() - self.begin) / max(self.end - self.begin, 1)
        return round(STRIP * min(1.0, max(0.0, share)))


def axis(content: Content) -> Axis:
    """All strips of a report have the same: from the first exposure that was seen to now."""
    times = [spell.first_seen_open for each in content.exposures for spell in each.spells]
    times += [each.first_seen_open for each in content.exposures]
    end = instant(content.now).timestamp()
    begin = min((instant(time).timestamp() for time in times), default=end - 86400)
    return Axis(begin, max(end, begin + 86400))


def row(exposure: TrackedExposure, changes: list[Change], content: Content, line: Axis) -> Row:
    """One exposure's row."""
    place = exposure.place
    shown = changes[-MOST_EVENTS:]
    return Row(
        exposure_id=exposure.exposure_id,
        state=STATE_WORDS[exposure.state],
        address=address(place.ip, place.port),
        names=_few(exposure.hostnames, 2),
        owner=visible(" / ".join(part for part in (owner_name(exposure), exposure.owner.site) if part), 80),
        severity=exposure.severity,
        holds=_holds(exposure),
        open_seconds=exposure.open_at_least_seconds or 0,
        open_for=open_for(exposure),
        bytes=-1 if exposure.bytes is None else exposure.bytes,
        size=human_bytes(exposure.bytes),
        pressing=pressing(exposure),
        stretches=stretches(exposure, content.now, line),
        events=[
            (line.place(change.dated or change.at), change.kind, (change.dated or change.at)[:10])
            for change in shown
        ],
        earlier=len(changes) - len(shown),
    )


def stretches(exposure: TrackedExposure, now: str, line: Axis) -> list[Stretch]:
    """When it was open, and around that when it may have been."""
    found = []
    for spell in exposure.spells:
        begin, seen = line.place(spell.first_seen_open), line.place(spell.last_seen_open)
        end = line.place(spell.closed_before or now)
        if spell.opened_after and (before := line.place(spell.opened_after)) < begin:
            found.append(Stretch(before, begin, "maybe"))
        found.append(Stretch(begin, seen, "open"))
        if end > seen:
            found.append(Stretch(seen, end, "maybe"))
    return found


def pressing(exposure: TrackedExposure) -> str:
    """What makes it pressing: past its deadline, from where it is open, wiped, held to ransom; in words, ""
    for nothing."""
    counts = (
        (exposure.wiped_count, "wiped"),
        (exposure.ransomed_count, "held to ransom"),
        (exposure.restored_count, "restored"),
        (exposure.reopened_count, "reopened"),
    )
    late = ["overdue"] if exposure.overdue else []
    if exposure.is_open and (reach := reach_words(exposure)):
        late.append({"internet": "open from the internet"}.get(exposure.reach, f"open from {reach}"))
    return ", ".join(late + [f"{word} {count:,}x" for count, word in counts if count])


def _holds(exposure: TrackedExposure) -> str:
    names = _few(exposure.databases, MOST_NAMES, exposure.database_count)
    counts = f"{human_count(exposure.documents)} documents" if exposure.documents is not None else ""
    return "; ".join(part for part in (names, counts) if part) or "not told"


def _few(names: list[str], most: int, count: int | None = None) -> str:
    shown = ", ".join(visible(name, 40) for name in names[:most])
    more = max(count or 0, len(names)) - min(len(names), most)
    if more > 0:
        shown = f"{shown} and {more:,} more" if shown else f"{more:,}"
    return shown


def cells(one: Row) -> Markup:
    """A row as HTML; `report.js` makes the very same of its data."""
    life: list[object] = [
        strip(one.stretches, [Mark(at, kind) for at, kind, _ in one.events]),
    ]
    if one.events:
        entries: list[object] = [tag("li", f"{day} {CHANGE_WORDS[kind]}") for _, kind, day in one.events]
        if one.earlier:
            entries.insert(0, tag("li", f"{one.earlier:,} earlier ones"))
        life.append(
            tag(
                "details", tag("summary", plural(len(one.events) + one.earlier, "change")), tag("ol", entries)
            )
        )
    return tag(
        "tr",
        _cell(0, tag("span", one.severity.value, class_=f"severity {one.severity.value}")),
        _cell(1, tag("span", Visible(one.state), tag("br") if one.pressing else None, Visible(one.pressing))),
        tag(
            "th",
            tag(
                "span",
                tag("span", Visible(one.address), class_="mono"),
                tag("br") if one.names else None,
                tag("bdi", Visible(one.names)) if one.names else None,
                tag("br"),
                tag("span", Visible(one.exposure_id), class_="soft mono"),
            ),
            scope="row",
            role="rowheader",
            data_label=HEADS[2],
        ),
        _cell(3, tag("bdi", Visible(one.owner))),
        _cell(4, tag("bdi", Visible(one.holds))),
        _cell(5, Visible(one.size), "number"),
        _cell(6, Visible(one.open_for)),
        _cell(7, tag("div", life), "life"),
        role="row",
    )


def _cell(column: int, child: object, name: str | None = None) -> Markup:
    return tag("td", child, role="cell", data_label=HEADS[column], class_=name)


def table(rows: list[Row]) -> Markup:
    """The table with its gravest rows, and what is not in it without script."""
    head = [
        tag("th", head, scope="col", role="columnheader", class_="number" if head == "size" else None)
        for head in HEADS
    ]
    more = len(rows) - MOST_STATIC
    return tag(
        "div",
        tag(
            "table",
            tag(
                "caption",
                "Gravest first. A strip goes from the first exposure ever seen to now: full where it "
                "was seen open, pale where it may have been, a dot for each change.",
            ),
            tag("colgroup", [tag("col", class_=f"c{place}") for place in range(len(HEADS))]),
            tag("thead", tag("tr", head, role="row"), role="rowgroup"),
            tag("tbody", [cells(each) for each in rows[:MOST_STATIC]], role="rowgroup", id="rows"),
            class_="exposures cards",
            role="table",
            id="exposures",
        ),
        tag(
            "p",
            f"And {more:,} more, none of them graver: this browser runs no script, which would show them; "
            "the same report as CSV has all."
            if more > 0
            else plural(len(rows), "exposure") + ".",
            id="more",
            role="status",
        ),
    )


def script_data(rows: list[Row]) -> Markup:
    """All rows as JSON that no HTML parser takes for anything else."""
    texts: dict[str, int] = {}
    shown = [each.data(texts) for each in rows]
    data = {
        "heads": HEADS,
        "severities": ["", *(severity.value for severity in reversed(Severity))],
        "kinds": CHANGE_WORDS,
        "static": MOST_STATIC,
        "texts": list(texts),
        "rows": shown,
    }
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return tag("script", Markup(written), type="application/json", id="data")
