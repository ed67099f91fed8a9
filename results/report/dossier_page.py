"""The page of one exposure: its story, what the data-protection officer needs, and the evidence to check it
by."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from results.durations import instant
from results.ledger import dossier as dossiers
from results.ledger.words import how
from results.report.exposure_table import Axis, pressing, stretches
from results.report.fact_sheet import fact_sheet
from results.report.figures import Mark, strip
from results.report.markup import Markup, Visible, joined, tag, text
from results.report.page import page
from results.report.parts import foot, section, table_head
from results.report.words import STATE_WORDS, open_for
from results.text import address, human_bytes, human_count, minute, plural

if TYPE_CHECKING:
    from results.ledger.dossier import Section
    from results.ledger.timeline import Event
    from results.ledger.tracked import Look, TrackedExposure
    from results.report.content import Dossier

_STORY = (
    *("opened", "changed", "wiped", "ransomed", "restored", "moved", "unreachable", "closed", "reopened"),
    "reach_changed",
)
_FIRST = ("state", "time", "holds", "incidents")
"""Sections that stand first; the looks have a table of their own, and the 72 hours a sheet."""

_ELSEWHERE = ("looks", "breach")
MOST_LOOKS = 1000


def dossier_page(content: Dossier) -> str:
    """The dossier as one HTML document."""
    exposure = content.exposure
    where = address(exposure.place.ip, exposure.place.port)
    heading = [
        tag("h1", Visible(where)),
        tag("p", Visible(dossiers.headline(exposure))),
        tag(
            "p",
            tag("span", exposure.exposure_id, class_="mono"),
            f", as of {minute(content.now)}",
            class_="soft",
        ),
    ]
    warnings = [tag("p", warning, class_="notice") for warning in content.warnings]
    body = [warnings, tiles(exposure), dossier_body(content)]
    return page(f"{where}: dossier of an exposure", heading, body, foot(content.redacted))


def dossier_body(content: Dossier) -> Markup:
    """Everything below the figures at the top: the story, what each face of it says, and the evidence."""
    told = dossiers.dossier(content.exposure, content.changes, content.looks, content.actions)
    by_key = {each.key: each for each in told.sections}
    order = [key for key in _FIRST if key in by_key]
    order += [key for key in by_key if key not in (*_FIRST, *_ELSEWHERE)]
    return joined(
        [
            _story(content, told.events),
            tag("div", [_section(by_key[key]) for key in order], class_="sheets"),
            fact_sheet(content),
            _looks(content),
            _chain(content),
        ]
    )


def tiles(exposure: TrackedExposure) -> Markup:
    """The few figures at the top."""
    hits = pressing(exposure)
    entries = [
        (
            exposure.severity.value,
            "severity",
            {"critical": "bad", "high": "mid"}.get(exposure.severity.value),
        ),
        (
            STATE_WORDS[exposure.state],
            "where it stands",
            "good" if not exposure.is_open else "mid",
        ),
        (open_for(exposure), "was open" if not exposure.is_open else "open for", None),
        (human_bytes(exposure.bytes), f"{human_count(exposure.documents)} documents", None),
    ]
    tiles = [tag("li", tag("b", figure), words, class_=name) for figure, words, name in entries]
    return joined([tag("ul", tiles, class_="tiles words"), tag("p", hits, class_="soft") if hits else None])


def _story(content: Dossier, events: list[Event]) -> Markup:
    exposure = content.exposure
    times = [spell.opened_after or spell.first_seen_open for spell in exposure.spells]
    last = content.now if exposure.is_open else exposure.closed_before or content.now
    end = instant(last).timestamp()
    begin = min([instant(time).timestamp() for time in times] or [end - 86400])
    line = Axis(begin, max(end, begin + 86400))
    marks = [Mark(line.place(event.at), event.kind if event.kind in _STORY else "person") for event in events]
    entries = [
        tag(
            "li",
            tag("span", Visible(event.when), class_="soft small"),
            tag("br"),
            tag("span", Visible(event.sentence), class_="name"),
            class_=f"e-{event.kind if event.kind in _STORY else 'person'}",
        )
        for event in events
    ]
    first = minute(min(times)) if times else ""
    return section(
        "story",
        "Timeline",
        strip(stretches(exposure, last, line), marks),
        tag("p", tag("span", first), tag("span", minute(last)), class_="ends soft small"),
        tag(
            "ul",
            [
                tag("li", tag("i", class_=name), words)
                for name, words in (
                    ("k-high", "seen open"),
                    ("k-maybe", "may have been open"),
                    ("k-critical round", "wiped or held to ransom"),
                    ("k-medium round", "restored or changed"),
                    ("k-closed round", "proved closed"),
                )
            ],
            class_="legend",
        ),
        tag("ol", entries, class_="story") if entries else tag("p", "Nothing is dated yet."),
    )


def _section(told: Section) -> Markup:
    return section(
        f"about-{told.key}",
        told.heading,
        tag(
            "ul",
            [tag("li", _sentence(each, told), class_="name") for each in told.sentences],
            class_="plain",
        ),
    )


def _sentence(sentence: str, told: Section) -> list[Markup]:
    """What to do next names commands between backticks; elsewhere a backtick may be a server's own."""
    pieces = sentence.split("`") if told.key == "next" else [sentence]
    return [tag("code", Visible(each)) if at % 2 else text(Visible(each)) for at, each in enumerate(pieces)]


def _looks(content: Dossier) -> Markup:
    looks = content.looks[-MOST_LOOKS:]
    several = len({(look.ip, look.port) for look in looks}) > 1
    vantages = any(look.vantage for look in looks)
    body = [
        tag(
            "tr",
            tag("th", minute(look.at), scope="row", class_="time"),
            tag("td", look.verdict.value.replace("_", " ")),
            tag("td", Visible("; ".join(how(code) for code in look.evidence)), class_="name"),
            tag("td", human_count(look.documents) if look.documents is not None else "-", class_="number"),
            tag("td", human_bytes(look.bytes) if look.bytes is not None else "-", class_="number"),
            tag("td", minute(look.newest_write) if look.newest_write else "-", class_="less time"),
            tag("td", look.vantage or "-", class_="less") if vantages else None,
            tag("td", Visible(address(look.ip, look.port)), class_="less mono time") if several else None,
        )
        for look in looks
    ]
    columns = [
        ("look", ""),
        ("verdict", ""),
        ("evidence", ""),
        ("documents", "number"),
        ("bytes", "number"),
        ("newest time", "less"),
        *([("from", "less")] if vantages else []),
    ]
    left = len(content.looks) - len(looks)
    return section(
        "looks",
        "Looks and their evidence",
        tag(
            "div",
            tag(
                "table",
                tag(
                    "caption",
                    plural(content.exposure.looks, "look")
                    + (f", the last {len(looks):,} of them." if left else "."),
                ),
                table_head(*columns, *([("where", "less")] if several else [])),
                tag("tbody", body),
                class_="small",
            ),
            class_="scroll",
            tabindex=0,
            role="region",
            aria_label="Looks",
        ),
    )


def _chain(content: Dossier) -> Markup:
    looks = [look for look in content.looks[-MOST_LOOKS:] if look.line_sha256]
    if content.redacted == "all":
        return section(
            "chain",
            "How to check this",
            tag("p", "Left out: ids and hashes of lines stand for addresses that are redacted here."),
        )
    if not looks:
        return section(
            "chain", "How to check this", tag("p", "The ledger keeps no hash of a line of this exposure.")
        )
    return section(
        "chain",
        "How to check this",
        tag(
            "p",
            "Each look is one line of a run's journal, whose files a chain of hashes seals. The hash "
            "of a line "
            "shows that this is the line; the head of the run's chain shows that nobody edited the run "
            "since it ended.",
        ),
        tag("pre", [tag("code", line) for line in _commands(looks[-1], content)], tabindex=0),
        tag(
            "p",
            "The first command must print the hash of the line, the second that nothing was edited, "
            "with the head of "
            "the chain as it was noted elsewhere when the run ended (a run prints it at its end). "
            "Which questions "
            "were asked, and that no document can be among them, stands in docs/record.md; what a code "
            "in the "
            "evidence proves is told by `mongosweep explain`.",
        ),
        tag(
            "table",
            tag("caption", "Of each look: where its line stands, and the hashes."),
            table_head(("look", ""), ("where its line stands", ""), ("hashes", "")),
            tag("tbody", [_link(look, content) for look in looks]),
            class_="small cards chain",
        ),
    )


def segment_file(look: Look) -> str:
    """The journal's file in which a look stands."""
    return f"observations-{look.segment:04d}.jsonl"


def _commands(look: Look, content: Dossier) -> list[str]:
    """What a shell is asked to check one look; a folder's name may hold anything."""
    run = content.runs.get(look.run_id)
    folder = run.folder if run and run.folder else look.run_id
    head = f" --head {run.head}" if run and run.head else ""
    return [
        f"tail -c +{look.offset + 1} {shlex.quote(f'{folder}/{segment_file(look)}')} | head -n 1 | sha256sum",
        f"mongosweep audit {shlex.quote(folder)}{head}",
    ]


def _link(look: Look, content: Dossier) -> Markup:
    run = content.runs.get(look.run_id)
    gone = "not known here" if run is None else "not told" if run.ended else "the run has not ended"
    where = (
        ("run", look.run_id),
        ("file", f"{segment_file(look)}, byte {look.offset:,}"),
        ("event", look.event_id),
    )
    hashes = (
        ("sha256 of the line", look.line_sha256),
        ("head of the run's chain", run.head if run and run.head else gone),
    )
    return tag(
        "tr",
        tag("th", tag("span", minute(look.at)), scope="row", class_="time", data_label="look"),
        tag("td", tag("div", _lines(where)), data_label="where"),
        tag("td", tag("div", _lines(hashes)), data_label="hashes"),
    )


def _lines(facts: tuple[tuple[str, str], ...]) -> list[Markup]:
    return [tag("div", f"{name}: ", tag("code", value)) for name, value in facts]
