"""Answers for the terminal: a row for each row of the report, what is open first; counts; whom to call."""

from __future__ import annotations

from collections import Counter
from typing import IO, TYPE_CHECKING, NamedTuple

from results.codes import sentence
from results.confirm.answer import ANSWERS, OPEN
from results.record import Reason
from results.report.printing import COLOURS, Printer, in_columns
from results.report.rows import whom_to_call
from results.report.table import print_calls
from results.text import address, at_least, cells_of, cut, minute, plural, visible
from results.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from results.confirm.answer import Answer, Known, PlaceAnswer, ReportAnswer, RowAnswer
    from results.record import Observation

WORDS: dict[Answer, str] = {
    "confirmed-open": "open",
    "open-no-data": "open, no data",
    "unknown": "unknown",
    "not-reachable": "not reachable",
    "not-asked": "not asked",
    "asks-for-a-login": "wants a login",
    "another-service": "not MongoDB",
    "closed-now": "closed now",
    "not-ours": "not ours",
}
FOREIGN_SHOWN = 10  # rows that are not ours
_LEAST_OWNER, _MOST_OWNER = 8, 32
_NAME = 60
_SPEAKS = OPEN | {"asks-for-a-login", "another-service", "unknown"}
"""Answers of something that is there: of a row with several places, each such place has a line."""


class Cells(NamedTuple):
    """One line of the table, whose head has the names of its fields; every cell is safe to print."""

    address: str
    answer: str
    since: str
    owner: str
    exposure: str


class Shown(NamedTuple):
    """A line, its answer, and what stands in lines below it."""

    answer: Answer
    cells: Cells
    below: list[str]


def print_answers(
    rows: Sequence[RowAnswer],
    whole: ReportAnswer,
    open_lines: Sequence[Observation],
    file: IO[str],
    *,
    width: int | None = None,
    colour: bool | None = None,
    limit: int = 500,
) -> None:
    """Print them in the order given, at most `limit` and FOREIGN_SHOWN of others' addresses, then the counts,
    and whom to call for what is open.

    `width` is in columns, the terminal's by default; colour follows it and NO_COLOR unless `colour` is given.
    """
    out = Printer(file, width=width, colour=colour)
    ours = [row for row in rows if row.answer != "not-ours"]
    foreign = [row for row in rows if row.answer == "not-ours"]
    shown = [*ours[:limit], *foreign[:FOREIGN_SHOWN]]
    lines = [line for row in shown for line in lines_of(row)]
    _print(out, lines)
    hidden = len(ours) - len(ours[:limit])
    if hidden:
        out.line(f"and {hidden:,} more of ours; --json has them all")
    others = whole.count(["not-ours"]) - sum(row.times for row in foreign[:FOREIGN_SHOWN])
    if others:
        out.line(f"and {others:,} more that are not ours")
    if lines:
        out.line("")
    for number, text in enumerate(totals_lines(whole)):
        out.line(text, "" if number else "bold")
    print_calls(out, whom_to_call(open_lines))


def totals_lines(whole: ReportAnswer) -> list[str]:
    """What the report was, how its rows were answered, and how the run went, in a few lines."""
    name = visible(whole.report, _NAME)
    said = ", ".join(f"{whole.answers[each]:,} {WORDS[each]}" for each in ANSWERS if each in whole.answers)
    lines = [f"{plural(whole.rows, 'row')} of {name} ({whole.format}): {said}"]
    if whole.open_places:
        servers = plural(whole.open_places, "server")
        lines.append(f"open without a password: {servers}; `mongosweep show EXPOSURE` says what to do")
    unread = []
    if whole.unusable:
        unread.append(f"{plural(whole.unusable, 'line or record', 'lines or records')} could not be read")
    if whole.too_wide:
        unread.append(f"{plural(whole.too_wide, 'row')} named too many addresses")
    if unread:
        lines.append("; ".join(unread))
    if whole.rows == whole.count(["not-ours"]):
        lines.append("nothing in it is ours by the scope, so nothing was asked")
    elif not whole.run_id:
        lines.append("nothing of it may be asked now, so nothing was")
    elif whole.state != "complete":
        why = "; ".join(whole.reasons) or "nobody knows why"
        lines.append(f"the run {whole.run_id} is {whole.state}: {visible(why, 400)}")
    return lines


def lines_of(row: RowAnswer) -> Iterator[Shown]:
    """The lines of one row: one, or where it has several places one for each that says something."""
    if len(row.places) <= 1:
        place = row.places[0] if row.places else None
        yield Shown(row.answer, _cells(row.named, row.answer, place), list(_below(row, place, of_row=True)))
        return
    speaking = [place for place in row.places if place.answer in _SPEAKS]
    for number, place in enumerate(speaking):
        below = list(_below(row, place, of_row=number == 0))
        yield Shown(place.answer, _cells(address(place.ip, place.port), place.answer, place), below)
    silent = Counter(place.answer for place in row.places if place.answer not in _SPEAKS)
    said = ", ".join(f"{silent[each]:,} {WORDS[each]}" for each in ANSWERS if silent[each])
    if not speaking:
        below = [f"its {len(row.places):,} places: {said}", *_below(row, None, of_row=True)]
        yield Shown(row.answer, _cells(row.named, row.answer, None), below)
    elif silent:
        last = min((each for each in ANSWERS if silent[each]), key=ANSWERS.index)
        yield Shown(last, _cells(row.named, last, None), [f"its other places: {said}"])


def _cells(named: str, answer: Answer, place: PlaceAnswer | None) -> Cells:
    known = place.exposure if place is not None else None
    return Cells(
        address=visible(named, 100),
        answer=WORDS[answer],
        since=_since(answer, known)[:10] or "-",
        owner=visible(place.owner.owner, _NAME) or "-" if place is not None else "-",
        exposure=visible(known.exposure_id, 40) if known is not None else "-",
    )


def _since(answer: Answer, known: Known | None) -> str:
    """Since when it is so, by the ledger: the first sight of an open one, the proof of a closed one."""
    if known is None:
        return ""
    if answer in OPEN or known.state != "closed":
        return known.first_seen_open
    return known.closed_before


def _below(row: RowAnswer, place: PlaceAnswer | None, *, of_row: bool) -> Iterator[str]:
    """What has no column. `of_row`: with what is said of the row as a whole."""
    if of_row and row.times > 1:
        yield f"named {row.times:,} times: {visible(', '.join(row.lines[:3]), 200)}"
    if of_row and len(row.places) > 1:
        yield f"named as {visible(row.named, 100)}"
    if of_row and row.addresses_outside and row.places:
        yield f"{plural(row.addresses_outside, 'address', 'addresses')} of it outside the scope"
    if of_row and row.reported_finding:
        yield f"they say: {visible(row.reported_finding, 200)}"
    if of_row and row.reported_first:
        yield _reported(row, place.exposure if place is not None else None)
    if of_row:
        yield from map(_sentence, row.reasons)
    if place is None:
        return
    yield from map(_sentence, place.reasons)
    if place.answer == "unknown" and place.verdict is not None:
        yield from (_sentence(reason) for reason in _evidence(place))
    if place.agrees is False:
        yield f"MongoDB's official driver DISAGREES ({visible(place.driver, _NAME)})"
    if place.exposure is not None:
        yield from _of_the_ledger(place.answer, place.exposure)


def _evidence(place: PlaceAnswer) -> list[Reason]:
    told = {reason.code for reason in place.reasons}
    return [Reason(code=code) for code in place.evidence if code not in told]


def _reported(row: RowAnswer, known: Known | None) -> str:
    said = f"reported for {minute(row.reported_first)}"
    if known is None:
        return said
    if known.reported_ahead_seconds is None:
        return f"{said}; we first saw it open at {minute(known.first_seen_open)}"
    said += f", {at_least(known.reported_ahead_seconds)} before we first saw it open"
    if known.looked_between:
        how = _sentence_of(known.looked_between_how)
        said += f" (in between, at {minute(known.looked_between)}: {how})"
    return said


def _of_the_ledger(answer: Answer, known: Known) -> Iterator[str]:
    if known.state == "closed":
        yield f"proved closed by {minute(known.closed_before)}: {_sentence_of(known.closed_how)}"
    elif answer not in OPEN:
        said = f"in the ledger {known.state}, last seen open at {minute(known.last_seen_open)}"
        needs = "; ".join(map(_sentence, known.needs[:2]))
        yield f"{said}; to be closed: {needs}" if needs else said
    elif known.state == "reopened":
        yield "it was proved closed before, and is open again"
    if known.accepted_until:
        yield f"accepted by {visible(known.accepted_by, _NAME)} until {minute(known.accepted_until)}"
    elif known.acknowledged_at:
        by = visible(known.acknowledged_by, _NAME)
        yield f"acknowledged at {minute(known.acknowledged_at)}" + (f" by {by}" if by else "")


def _sentence(reason: Reason) -> str:
    if reason.code == "not-asked":
        return visible(reason.detail, 300)
    return visible(sentence(reason), 300)


def _sentence_of(code: str) -> str:
    return _sentence(Reason(code=code))


def _print(out: Printer, lines: Sequence[Shown]) -> None:
    """As a table; where not even a short owner fits beside the rest, as blocks of lines."""
    if not lines:
        return
    widths = {
        name: max(cells_of(name), *(cells_of(getattr(line.cells, name)) for line in lines))
        for name in Cells._fields
    }
    beside = sum(width for name, width in widths.items() if name != "owner") + 2 * (len(widths) - 1)
    widths["owner"] = min(widths["owner"], _MOST_OWNER, max(out.width - beside, _LEAST_OWNER))
    if beside + widths["owner"] > out.width:
        for line in lines:
            out.line(f"{line.cells.answer}  {line.cells.address}", _style(line.answer))
            known = [text for text in line.cells[2:] if text != "-"]
            for text in [*([", ".join(known)] if known else []), *line.below]:
                out.paragraph(text)
        return
    names = Cells._fields
    out.line(in_columns(names, list(names), widths, ()), "bold")
    for line in lines:
        texts = [cut(getattr(line.cells, name), widths[name]) for name in names]
        out.line(in_columns(names, texts, widths, ()), _style(line.answer))
        whole = [f"owner: {line.cells.owner}"] if cells_of(line.cells.owner) > widths["owner"] else []
        for text in [*whole, *line.below]:
            out.paragraph(text)


def _style(answer: Answer) -> str:
    return COLOURS[Severity.HIGH] if answer in OPEN else "dim" if answer == "not-ours" else ""
