"""The reply to the author of a report, as text: how each row stands, since when, and what is not known.

It goes to an outsider. Of a row it says nothing but what the report named, its answer and the ledger's dates:
no owner, no name that a server gave, no id, and not why something was not asked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from results.confirm.answer import ANSWERS, OPEN
from results.notify.marked import Bullets, Heading, Name, Paragraph, Text, plain
from results.notify.texts import length, moment, texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from results.confirm.answer import Answer, Known, ReportAnswer, RowAnswer
    from results.notify.marked import Block, Value
    from results.notify.texts import Texts

FOLDER = Path(__file__).parent / "texts"
AT_MOST = 400  # rows of one answer; the others are counted


def reply(
    rows: Sequence[RowAnswer], whole: ReportAnswer, language: str, *, name: str = "", contact: str = ""
) -> str:
    """The letter, of at most 78 columns. `name` and `contact` are the organisation's."""
    say = texts(language, FOLDER)
    blocks: list[Block] = [Heading(1, say("reply.title")), Paragraph(_thanks(whole, say))]
    for answer in ANSWERS:
        if count := whole.answers.get(answer, 0):
            blocks += _group(answer, [row for row in rows if row.answer == answer], count, say)
    if whole.run_id and whole.state != "complete":
        blocks.append(Paragraph(say("reply.incomplete")))
    if unread := whole.unusable + whole.too_wide:
        blocks.append(Paragraph(say("reply.unreadable", count=unread)))
    if whole.rows > whole.count(["not-ours"]):
        blocks.append(Paragraph(say("reply.unknown")))
    if name and contact:
        blocks.append(Paragraph(say("reply.signature", name=Name(name), contact=Name(contact))))
    elif name or contact:
        blocks.append(Paragraph(Text("{name}", {"name": Name(name or contact)})))
    return plain(blocks)


def _thanks(whole: ReportAnswer, say: Texts) -> Text:
    if whole.rows == whole.count(["not-ours"]):
        return say("reply.thanks_foreign")
    if not whole.run_id:
        return say("reply.thanks_later")
    return say("reply.thanks", at=moment(whole.at))


def _group(answer: Answer, rows: Sequence[RowAnswer], count: int, say: Texts) -> Iterator[Block]:
    """The rows of one answer, each once; `count` has those that are not given, and each as often as named."""
    not_given = count - sum(row.times for row in rows)
    yield Heading(2, say(f"group.{answer}", count=len(rows) + not_given))
    items = [_row(row, say) for row in rows[:AT_MOST]]
    more = len(rows[AT_MOST:]) + not_given
    if more:
        items.append(say("reply.and_more", count=more))
    yield Bullets(items)


def _row(row: RowAnswer, say: Texts) -> Text:
    """Everything that is said of a row, as one text."""
    said = [say(f"row.{row.answer}", place=Name(row.named))]
    alike = [place for place in row.places if place.answer == row.answer]
    if len(row.places) > 1:
        said.append(say("row.part", part=len(alike), whole=len(row.places)))
    if row.times > 1 and row.answer != "not-ours":
        said.append(say("row.times", times=row.times))
    if row.answer != "not-ours":
        known = [place.exposure for place in alike if place.exposure is not None]
        at = min((place.at for place in alike), default="")
        said += _facts(row, min(known, key=lambda each: each.first_seen_open, default=None), at, say)
    values: dict[str, Value] = {}
    for text in said:
        values |= text.values
    return Text(" ".join(text.template for text in said), values)


def _facts(row: RowAnswer, known: Known | None, at: str, say: Texts) -> Iterator[Text]:
    """The ledger's dates, and the reporter's. `at`: when it was asked."""
    reported = moment(row.reported_first)
    if known is None:
        if row.answer in ("asks-for-a-login", "another-service", "closed-now"):
            yield say("fact.never")
        if row.reported_first:
            yield say("fact.later", reported=reported)
        return
    yield _since(row.answer, known, at, say)
    if known.reported_ahead_seconds is not None:
        yield say("fact.ahead", reported=reported, ahead=length(known.reported_ahead_seconds, say))
    elif row.reported_first:
        yield say("fact.later", reported=reported)
    if row.answer in OPEN:
        if known.acknowledged_at:
            yield say("fact.taken", taken=moment(known.acknowledged_at))
        elif known.warned_at:
            yield say("fact.told", told=moment(known.warned_at))


def _since(answer: Answer, known: Known, at: str, say: Texts) -> Text:
    first: Value = moment(known.first_seen_open)
    if known.state == "closed":
        return say("fact.closed", first=first, closed=moment(known.closed_before))
    if answer not in OPEN:
        return say("fact.last", first=first, last=moment(known.last_seen_open))
    if known.opened_after:
        return say("fact.first_bound", first=first, bound=moment(known.opened_after))
    if known.first_seen_open >= at:
        return say("fact.new")
    return say("fact.first", first=first)
