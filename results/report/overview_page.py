"""The page of a whole report: what is open now, how it got there, where, and every exposure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.report import statistics
from results.report.exposure_table import axis, row, script_data, table
from results.report.markup import Markup, joined, tag
from results.report.overview_figures import closing_section, history_section, owners_section
from results.report.page import page
from results.report.parts import foot, section, table_head
from results.report.scope_map import scope_map
from results.report.words import STATE_WORDS
from results.text import human_bytes, minute, plural
from results.verdict import Severity

if TYPE_CHECKING:
    from results.report.content import Content
    from results.report.exposure_table import Row
    from results.report.statistics import Headline

MOST_RUNS = 12


def overview(content: Content) -> str:
    """The report as one HTML document."""
    line = axis(content)
    rows = [row(each, content.changes.get(each.exposure_id, []), content, line) for each in content.exposures]
    head = statistics.headline(content.exposures)
    title = "Exposures" + (f" of {content.organisation}" if content.organisation else "")
    body = [
        [tag("p", warning, class_="notice") for warning in content.warnings],
        _tiles(head),
        owners_section(content),
        history_section(content),
        closing_section(content),
        _map(content),
        _exposures(rows),
        _runs(content),
    ]
    heading = [tag("h1", title), tag("p", _state_of(content, head), class_="soft")]
    return page(title, heading, body, foot(content.redacted), script_data(rows))


def _state_of(content: Content, head: Headline) -> Markup:
    last = content.runs[-1] if content.runs else None
    seen = (
        f"{plural(len(content.runs), 'run')}, the last of which began {minute(last.began)}"
        f" and is {last.state}."
        if last
        else "No run is in the ledger."
    )
    nothing = (
        " Nothing that the ledger knows is open; what no run covered, it cannot know."
        if not head.open
        else ""
    )
    return joined([f"As of {minute(content.now)}. {seen}{nothing}"])


def _tiles(head: Headline) -> Markup:
    grave = head.by_severity[Severity.CRITICAL]
    entries = [
        (head.open, f"{head.open:,}", "open, or not proved closed", "mid" if head.open else "good"),
        (grave, f"{grave:,}", "of them critical", "bad"),
        (head.to_the_internet, f"{head.to_the_internet:,}", "open from the internet", "bad"),
        (head.overdue, f"{head.overdue:,}", "past their deadline", "bad"),
        (head.unreachable, f"{head.unreachable:,}", "of the open unreachable now", None),
        (head.accepted, f"{head.accepted:,}", "accepted by somebody, for a time", None),
        (head.bytes, human_bytes(head.bytes), f"lie open, {head.documents:,} documents", None),
        (head.hit, f"{head.hit:,}", "ever wiped or held to ransom", "bad"),
        (head.proved_closed, f"{head.proved_closed:,}", "proved closed", "good"),
    ]
    shown = [entries[0], *(entry for entry in entries[1:] if entry[0])]
    return tag(
        "ul",
        [tag("li", tag("b", figure), words, class_=name) for _, figure, words, name in shown],
        class_="tiles",
    )


def _map(content: Content) -> Markup:
    if content.redacted == "all":
        return section("map", "Map of the scope", tag("p", "Left out: a map would show addresses."))
    picture = scope_map(content.asked, content.exposures)
    told = picture or tag(
        "p", "No run says which addresses it set out to ask: those of older versions do not."
    )
    asked = content.asked
    notes = []
    if asked.uncertain:
        notes.append(
            f"Of the last look, {_listed(asked.uncertain)} did not ask all that it set out to ask, or "
            "did not say."
        )
    if asked.untold and picture:
        notes.append(
            f"{len(asked.untold):,} runs of older versions do not say what they asked, and are not on "
            "the map."
        )
    return section(
        "map",
        "Map of the scope",
        tag("p", f"The last look: {_listed(asked.runs)}." if asked.runs else None),
        [tag("p", note, class_="notice") for note in notes],
        told,
    )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4:,} more" if len(names) > 4 else shown


def _exposures(rows: list[Row]) -> Markup:
    states = dict.fromkeys(words.partition(",")[0] for words in STATE_WORDS.values())
    tools = tag(
        "div",
        tag("label", "Search ", tag("input", type="search", id="words", size=22)),
        tag(
            "label",
            "State ",
            tag(
                "select",
                tag("option", "all", value=""),
                [tag("option", each) for each in states],
                id="only-state",
            ),
        ),
        tag(
            "label",
            "Severity ",
            tag(
                "select",
                tag("option", "all", value=""),
                [tag("option", each.value) for each in Severity],
                id="only-severity",
            ),
        ),
        class_="tools",
        id="tools",
        hidden=True,
    )
    pages = tag(
        "div",
        tag("button", "Back", type="button", id="back"),
        tag("span", id="page"),
        tag("button", "Next", type="button", id="next"),
        class_="pages",
        hidden=True,
    )
    return section("all", "Every exposure", tools, table(rows), pages)


def _runs(content: Content) -> Markup:
    shown = content.runs[-MOST_RUNS:][::-1]
    body = [
        tag(
            "tr",
            tag("th", each.run_id, scope="row", class_="mono"),
            tag("td", minute(each.began)),
            tag("td", minute(each.ended), class_="less"),
            tag("td", each.state),
            tag("td", each.vantage or "-", class_="less"),
            tag("td", f"{each.planned:,}", class_="number"),
        )
        for each in shown
    ]
    more = len(content.runs) - len(shown)
    return section(
        "runs",
        "Runs",
        tag(
            "table",
            tag(
                "caption",
                "The newest first" + (f"; {more:,} older ones are not listed." if more > 0 else "."),
            ),
            table_head(
                ("run", ""),
                ("began", ""),
                ("ended", "less"),
                ("state", ""),
                ("from", "less"),
                ("targets", "number"),
            ),
            tag("tbody", body),
            class_="small",
        ),
        tag(
            "p",
            "An exposure is closed only on proof: the server demands a password now, or its port "
            "refuses while the "
            "host or its neighbours live, seen twice. Silence is no proof, and only the silence of a "
            "complete run "
            "that covered a place says anything at all.",
            class_="small soft",
        ),
    )
