"""What a code of a record means, for people: the text of `explain`. The tables are made elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from results.codes import KINDS, WORDS, codes, methods, words
from results.verdict import MEANING
from scanner.cli.listing import Column, Listing, text_writer
from scanner.cli.listing_table import Cells, table_text
from scanner.cli.score_text import score_lines
from scanner.cli.streams import terminal_width
from scanner.mongo.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Meaning = dict[str, Any]
VERDICT, METHOD, ADVISORY = "a verdict", "how a time was found", "an advisory"  # kinds, beside `KINDS`


def meanings(code: str) -> list[Meaning]:
    """Everything that a code stands for, as what a program wants; nothing when it is not known.

    Case, and whether words are joined by `-` or `_`, make no difference.
    """
    wanted = _folded(code)
    return [meaning for meaning in _all() if _folded(meaning["code"]) == wanted]


def every_meaning() -> list[Meaning]:
    """All of them, sorted by code."""
    return sorted(_all(), key=lambda meaning: str(meaning["code"]))


def known_codes() -> list[str]:
    """Every code once, sorted."""
    return sorted({meaning["code"] for meaning in _all()})


def _folded(code: str) -> str:
    return code.strip().casefold().replace("_", "-")


def _all() -> Iterator[Meaning]:
    for verdict, meaning in MEANING.items():
        yield {"code": verdict.value, "kind": VERDICT, "means": meaning.sentence, "more": meaning.next_step}
    for name, held in codes().items():
        for one in held:
            yield {"code": name, "kind": one.kind, "means": one.clause, "more": one.more}
    for name, one in words():
        yield {"code": name, "kind": one.kind, "means": one.clause, "more": one.more}
    for name, method in methods().items():
        yield {
            "code": name,
            "kind": METHOD,
            "proves": method.proves,
            "does_not_prove": method.does_not_prove,
        }
    yield from _advisories()


def _advisories() -> Iterator[Meaning]:
    merged: dict[str, Meaning] = {}
    for row in table("advisories")["advisory"]:
        one = merged.setdefault(
            row["id"],
            {
                "code": row["id"],
                "kind": ADVISORY,
                "means": row["summary"],
                "cvss": row.get("cvss"),
                "known_exploited": row.get("known_exploited", False),
                "affected": [],
                "possibly_affected": [],
                "conditions": [],
            },
        )
        sure = row.get("certainty") != "possible"
        one["affected" if sure else "possibly_affected"] += [_range(pair) for pair in row.get("ranges", ())]
        one["possibly_affected"] += [_range(pair) for pair in row.get("possible", ())]
        if row.get("condition") and row["condition"] not in one["conditions"]:
            one["conditions"].append(row["condition"])
    yield from merged.values()


def _range(pair: list[str]) -> str:
    return f"{pair[0]} to before {pair[1]}"


def explained(meaning: Meaning) -> list[str]:
    """One meaning as lines of text, without a limit of width."""
    lines = [f"{meaning['code']}  ({meaning['kind']})"]
    if "proves" in meaning:
        return [*lines, f"  Proves: {meaning['proves']}", f"  Does not prove: {meaning['does_not_prove']}"]
    lines.append(f"  {_sentence(meaning['means'])}")
    if "points" in meaning or "weights" in meaning:
        lines += score_lines(meaning)
    if meaning["kind"] != ADVISORY:
        return [*lines, f"  {meaning['more']}"]
    if meaning["known_exploited"]:
        lines.append("  Known to be exploited.")
    if meaning["cvss"] is not None:
        lines.append(f"  CVSS {meaning['cvss']}")
    for title, key in (("Affected", "affected"), ("Possibly affected", "possibly_affected")):
        if meaning[key]:
            lines.append(f"  {title}: {'; '.join(meaning[key])}")
    lines += [f"  Only with: {condition}" for condition in meaning["conditions"]]
    lines.append("  A version in range is no proof: distributions repair old versions without a new number.")
    return lines


def _sentence(clause: str) -> str:
    return clause[:1].upper() + clause[1:] + ("" if clause.endswith(".") else ".")


def meanings_listing(found: Sequence[Meaning] | None) -> Listing[Meaning]:
    """Some meanings, each in full; or, with None, all of them, one a line by what they are."""
    return Listing(
        rows=every_meaning() if found is None else found,
        columns=[
            Column("code"),
            Column("kind"),
            Column("means", lambda row: row.get("means"), lambda row: row.get("means") or row["proves"]),
            Column("more", lambda row: row.get("more"), title=""),
            Column("score", lambda row: row.get("score"), title=""),
            Column("points", _points, title=""),
            Column("proves", lambda row: row.get("proves"), title=""),
            Column("does_not_prove", lambda row: row.get("does_not_prove"), title=""),
            Column("cvss", lambda row: _text(row.get("cvss")), title=""),
            Column("known_exploited", lambda row: row.get("known_exploited"), title=""),
            Column("affected", lambda row: "; ".join(row.get("affected", ())), title=""),
            Column("possibly_affected", lambda row: "; ".join(row.get("possibly_affected", ())), title=""),
            Column("conditions", lambda row: "; ".join(row.get("conditions", ())), title=""),
        ],
        title="Codes",
        own={"table": _print_all if found is None else text_writer(_in_full(found))},
    )


def _points(row: Meaning) -> str:
    told = row.get("weights") or {each["code"]: each["points"] for each in row.get("points", ())}
    return "; ".join(f"{name} {points}" for name, points in told.items())


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _in_full(found: Sequence[Meaning]) -> Iterator[str]:
    for number, meaning in enumerate(found):
        yield from [""] if number else []
        yield from explained(meaning)


def _print_all(stream: TextIO) -> None:
    """All codes by what they are."""
    kinds: dict[str, list[Cells]] = {}
    for meaning in _all():
        means = meaning.get("means") or meaning["proves"]
        kinds.setdefault(meaning["kind"], []).append(Cells(["", meaning["code"], means], []))
    columns: list[Column[Meaning]] = [Column("", title=""), Column("code"), Column("means", folds=True)]
    for number, kind in enumerate((VERDICT, *KINDS.values(), *WORDS.values(), METHOD, ADVISORY)):
        stream.write("\n" * bool(number) + f"{_sentence(kind)[:-1]}:\n")
        for line in list(table_text(columns, kinds[kind], terminal_width(stream)))[1:]:
            stream.write(line + "\n")
