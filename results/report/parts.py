"""Parts that several pages are built of: a section, the head of a table, and what stands at a page's end."""

from __future__ import annotations

from results.report.markup import Markup, joined, tag


def section(name: str, heading: str, *children: object, whole: bool = False) -> Markup:
    """A part of a page under its heading; with `whole` paper does not break in it."""
    return tag(
        "section",
        tag("h2", heading, id=name),
        *children,
        aria_labelledby=name,
        class_="keep" if whole else None,
    )


def table_head(*columns: tuple[str, str]) -> Markup:
    """The head of a table: names of columns, each with its class."""
    return tag(
        "thead",
        tag(
            "tr",
            [
                tag("th", name, scope="col", class_=kind or None) if name else tag("td", class_=kind or None)
                for name, kind in columns
            ],
        ),
    )


def foot(redacted: str) -> Markup:
    """What every page says of itself at its end."""
    replaced = {
        "": "",
        "names": "Names of owners, people, sites, hosts, sets, databases and collections",
        "all": "Names, addresses and ids",
    }[redacted]
    hashed = f"{replaced} are replaced by keyed hashes: one key gives the same name the same hash everywhere."
    return joined(
        [
            tag(
                "p",
                "Names came from servers and are shown with hidden characters escaped. Every time is UTC.",
            ),
            tag("p", hashed) if redacted else None,
            tag(
                "p",
                "Made by mongosweep, which reads metadata only: names, sizes, counts, times; never a "
                "document.",
            ),
        ]
    )
