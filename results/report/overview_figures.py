"""The sections of a report that are figures: open now by owner, exposures over time, time to close."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.report import figures, statistics
from results.report.markup import Markup, joined, tag
from results.report.parts import section, table_head
from results.text import at_least, at_most, human_bytes
from results.verdict import Severity

if TYPE_CHECKING:
    from results.report.content import Content
    from results.report.statistics import OverTime

MOST_OWNERS = 15


def owners_section(content: Content) -> Markup:
    owners = statistics.by_owner(content.exposures)
    if not owners:
        return section("owners", "Open now, by owner", tag("p", "Nothing that the ledger knows is open."))
    sized = any(each.bytes for each in owners)
    most = max(each.bytes if sized else each.open for each in owners)
    present = [severity for severity in Severity if any(severity in each.by_severity for each in owners)]
    body = []
    for each in owners[:MOST_OWNERS]:
        parts = [
            (severity, float(each.by_severity[severity][1 if sized else 0]))
            for severity in Severity
            if severity in each.by_severity
        ]
        body.append(
            tag(
                "tr",
                tag("th", tag("bdi", each.owner), scope="row"),
                tag("td", figures.bar(parts, float(most)), class_="wide"),
                tag(
                    "td", human_bytes(each.bytes) if each.unsized < each.open else "not told", class_="number"
                ),
                tag("td", f"{each.open:,}", class_="number"),
                tag("td", f"{each.overdue:,}" if each.overdue else "-", class_="number"),
                tag("td", f"{each.documents:,}", class_="number less"),
                tag("td", tag("bdi", each.contact or "-"), class_="less"),
            )
        )
    rest = owners[MOST_OWNERS:]
    if rest:
        body.append(
            tag(
                "tr",
                tag("th", f"{len(rest):,} more owners", scope="row"),
                tag("td"),
                tag("td", human_bytes(sum(each.bytes for each in rest)), class_="number"),
                tag("td", f"{sum(each.open for each in rest):,}", class_="number"),
                tag("td", f"{sum(each.overdue for each in rest):,}", class_="number"),
                tag("td", f"{sum(each.documents for each in rest):,}", class_="number less"),
                tag("td", class_="less"),
            )
        )
    unsized = sum(each.unsized for each in owners)
    return section(
        "owners",
        "Open now, by owner",
        tag(
            "ul",
            [tag("li", tag("i", class_=f"k-{each.value}"), each.value) for each in present],
            class_="legend",
        ),
        tag(
            "table",
            tag(
                "caption",
                f"A bar is {'bytes on disk' if sized else 'exposures'}, by severity."
                + (f" {unsized:,} servers did not tell their size." if unsized else ""),
            ),
            table_head(
                ("owner", ""),
                ("", "wide"),
                ("bytes", "number"),
                ("open", "number"),
                ("overdue", "number"),
                ("documents", "number less"),
                ("contact", "less"),
            ),
            tag("tbody", body),
        ),
    )


def history_section(content: Content) -> Markup:
    history = statistics.over_time(content.exposures, content.now)
    if not history.periods:
        return joined([])
    legend = [("k-area", "open at its end"), ("k-opened", "opened"), ("k-closed", "proved closed")]
    return section(
        "history",
        "Exposures over time",
        tag("ul", [tag("li", tag("i", class_=name), words) for name, words in legend], class_="legend"),
        figures.over_time(history),
        tag("details", tag("summary", f"The same in figures, by {history.unit}"), _periods(history)),
        tag(
            "p",
            "An exposure counts as open from the first look that saw it open until the proof that it "
            "is closed. "
            "What is unreachable is not proved closed."
            + (
                f" {content.left_out:,} that closed more than {at_least(content.retained_seconds or 0)} "
                "ago are left out."
                if content.left_out
                else ""
            ),
            class_="small soft",
        ),
    )


def _periods(history: OverTime) -> Markup:
    return tag(
        "table",
        table_head(
            (f"{history.unit} from", ""),
            ("opened", "number"),
            ("closed", "number"),
            ("open at its end", "number"),
        ),
        tag(
            "tbody",
            [
                tag(
                    "tr",
                    tag("th", each.label, scope="row"),
                    tag("td", f"{each.opened:,}", class_="number"),
                    tag("td", f"{each.closed:,}", class_="number"),
                    tag("td", f"{each.open:,}", class_="number"),
                )
                for each in history.periods
            ],
        ),
        class_="small",
    )


def closing_section(content: Content) -> Markup:
    whole = statistics.overall_time_to_close(content.exposures)
    if whole is None:
        return section(
            "closing",
            "Time to close",
            tag("p", "Nothing was proved closed yet, so there is no time to tell."),
        )
    owners = statistics.time_to_close(content.exposures)
    most = float(max(each.longest for each in owners))
    body = []
    for each in owners[:MOST_OWNERS]:
        enough = each.mean is not None and each.median is not None
        body.append(
            tag(
                "tr",
                tag("th", tag("bdi", each.owner), scope="row"),
                tag(
                    "td",
                    figures.span_bar(each.shortest, each.median, each.mean, each.longest, most),
                    class_="wide",
                ),
                tag("td", at_least(each.median or 0) if enough else "too few", class_="number"),
                tag("td", at_least(each.mean or 0) if enough else "too few", class_="number"),
                tag("td", f"{each.closed:,}", class_="number"),
                tag(
                    "td",
                    f"{at_least(each.shortest)} to {at_least(each.longest)}"
                    if each.closed > 1
                    else at_least(each.longest),
                    class_="less",
                ),
            )
        )
    rest = owners[MOST_OWNERS:]
    overall = (
        f"Over all owners: half were closed within {at_most(whole.median)}, {at_least(whole.mean or 0)} "
        "in the mean, "
        f"of {whole.closed:,} stretches of being open."
        if whole.median is not None
        else f"Only {whole.closed:,} stretches of being open have ended: too few for a mean."
    )
    return section(
        "closing",
        "Time to close",
        tag("p", overall),
        tag(
            "table",
            tag(
                "caption",
                "A line goes from the shortest to the longest; the tick is the median, the ring the mean.",
            ),
            table_head(
                ("owner", ""),
                ("", "wide"),
                ("median", "number"),
                ("mean", "number"),
                ("closed", "number"),
                ("range", "less"),
            ),
            tag("tbody", body),
        ),
        tag(
            "p",
            f"And {len(rest):,} more owners, with {sum(each.closed for each in rest):,} closed.",
            class_="small",
        )
        if rest
        else None,
        tag(
            "p",
            "From the first look that saw it open to the proof that it is closed; both are looks, so "
            "the truth may be "
            f"longer at the beginning and shorter at the end. Fewer than {statistics.ENOUGH} are too "
            "few for a mean.",
            class_="small soft",
        ),
    )
