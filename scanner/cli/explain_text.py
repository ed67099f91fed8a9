"""What a code of a record means, for people: the text of `explain`. The tables are made elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from results.codes import KINDS, WORDS, codes, methods, words
from results.verdict import MEANING
from scanner.mongo.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def listing() -> list[str]:
    """All codes by what they are, one a line."""
    kinds: dict[str, dict[str, str]] = {}
    for meaning in _all():
        kinds.setdefault(meaning["kind"], {})[meaning["code"]] = meaning.get("means") or meaning["proves"]
    order = [VERDICT, *KINDS.values(), *WORDS.values(), METHOD, ADVISORY]
    lines: list[str] = []
    for kind in order:
        held = kinds[kind]
        width = max(map(len, held))
        lines += ["", f"{_sentence(kind)[:-1]}:", *(f"  {code:{width}}  {held[code]}" for code in held)]
    return lines[1:]
