"""One notice as a letter: subject, plain text, Markdown, and the same as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from results.codes import sentence
from results.notify.marked import (
    Bullets,
    Heading,
    Name,
    Names,
    Ours,
    Paragraph,
    Text,
    markdown,
    one_line,
    plain,
)
from results.notify.remedy import Situation, checks, replies, situation, steps
from results.notify.texts import length, moment, texts
from results.record import STATUS_PAGE, Reason
from results.text import human_bytes, human_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.ledger.tracked import TrackedExposure
    from results.notify.marked import Block, Value
    from results.notify.rules import Notice
    from results.notify.texts import Texts

IN_FULL = 40  # exposures of a letter with everything that is known; the others are a line each
AT_MOST = 400
NAMED = 12  # names of databases of one exposure
CHECKED = 5  # exposures for which the commands that check are written out
_VANTAGES = frozenset({"internet", "office"})  # have words in `texts/`
# The names, the size and the newest write stand there by themselves.
_TOLD_ELSEWHERE = frozenset({"verdict", "telling-names", "much-data", "written-lately"})


class Letter(Struct, frozen=True, kw_only=True):
    """What is sent. `at` is when it was written; `earlier` are the ids of messages that it follows."""

    message_id: str
    kind: str
    at: str
    to: tuple[str, ...]
    subject: str
    plain: str
    markdown: str
    language: str
    earlier: tuple[str, ...]
    data: dict[str, Any]


def compose(notice: Notice, at: str) -> Letter:
    """The letter of a notice, written at `at`."""
    say = texts(notice.language)
    owner, named = (notice.owner or Ours(say.word(f"{part}.unowned")) for part in ("opening", "subject"))
    key: str = "closed" if notice.kind == "closure-told" else notice.kind
    count = len(notice.exposures)
    subject = f"subject.{key}"
    if notice.kind != "closure-told" and all(one.topology == STATUS_PAGE for one in notice.exposures):
        subject = "subject.page" if key == "warned" else "subject.page_again"
        key = "page"  # which is no open database
    opening = f"opening.{key}_one" if count == 1 else f"opening.{key}"
    blocks: list[Block] = [
        Heading(1, say(subject, count=count, owner=named)),
        Paragraph(say(opening, count=count, owner=owner, warned=moment(notice.first_told))),
    ]
    if notice.kind == "closure-told":
        blocks += _closed(notice.exposures, say)
    else:
        blocks += _open(notice, say)
    return Letter(
        message_id=notice.message_id,
        kind=notice.kind,
        at=at,
        to=notice.to,
        subject=one_line(say(subject, count=count, owner=named), 150),
        plain=plain(blocks),
        markdown=markdown(blocks),
        language=notice.language,
        earlier=notice.earlier,
        data={
            "owner": notice.owner,
            "to": list(notice.to),
            "reminds": list(notice.reminds),
            "exposures": [msgspec.to_builtins(exposure) for exposure in notice.exposures[:AT_MOST]],
            "exposure_count": count,
        },
    )


def _open(notice: Notice, say: Texts) -> list[Block]:
    reminded = [one for one in notice.exposures if one.exposure_id in notice.reminds]
    new = [one for one in notice.exposures if one.exposure_id not in notice.reminds]
    blocks: list[Block] = []
    for key, some in (("part.new", new), ("part.reminder", reminded)):
        if some:
            blocks.append(Heading(2, say(key, count=len(some))))
            blocks += _exposures(some, say)
    ways: dict[Situation, list[TrackedExposure]] = {}
    for one in notice.exposures[:AT_MOST]:
        ways.setdefault(situation(one), []).append(one)
    ports: set[int] = set()  # what shuts a port is told once
    for way, some in ways.items():
        places = _list([_place(one) for one in some], say, 6)
        blocks.append(Heading(2, say("part.how_to_close", places=places)))
        blocks += steps(way, say, firewall=way.port not in ports)
        ports.add(way.port)
    blocks.append(Heading(2, say("part.check")))
    blocks += checks(notice.exposures[:CHECKED], say)
    blocks.append(Heading(2, say("part.reply")))
    blocks += replies(notice.exposures[0], say)
    return [*blocks, Paragraph(say("opening.read_only"))]


def _exposures(some: Sequence[TrackedExposure], say: Texts) -> list[Block]:
    blocks: list[Block] = []
    for one in some[:IN_FULL]:
        blocks += [Paragraph(_headline(one, say)), Bullets(_facts(one, say))]
    if some[IN_FULL:]:
        blocks.append(Bullets([_headline(one, say) for one in some[IN_FULL:AT_MOST]]))
    if some[AT_MOST:]:
        blocks.append(Paragraph(say("fact.and_more", count=len(some) - AT_MOST)))
    return blocks


def _headline(one: TrackedExposure, say: Texts) -> Text:
    return say(
        "fact.place",
        place=Name(_place(one)),
        severity=Ours(say.word(f"severity.{one.severity.value}")),
        product=Name(_product(one, say)),
    )


def _facts(one: TrackedExposure, say: Texts) -> list[Text]:
    """Everything that its owner wants to know, the most pressing first."""
    facts = [_since(one, say), *([] if one.topology == STATUS_PAGE else [_holds(one, say)])]
    if one.state != "unreachable":
        facts += _reach(one, say)
    else:
        facts.append(say("fact.unreachable", last=moment(one.last_seen_open)))
    facts += [
        say("fact.reason", reason=_reason(reason.code, sentence(reason), say))
        for reason in [each for each in one.severity_reasons if each.code not in _TOLD_ELSEWHERE][:6]
    ]
    if one.hints:
        facts.append(say("fact.hints", names=_list(one.hints, say)))
    if one.ransom_names:
        facts.append(say("fact.ransom", names=_list(one.ransom_names, say)))
    if hits := max(one.ransomed_count, one.wiped_count):
        key = "fact.hit_one" if hits == 1 else "fact.hit"
        facts.append(say(key, count=hits, first=moment(one.first_hit), last=moment(one.last_hit)))
    if one.newest_write:
        facts.append(say("fact.newest", at=moment(one.newest_write)))
    facts.append(_how(one, say))
    if one.due_at:
        facts.append(say("fact.overdue" if one.overdue else "fact.due", due=moment(one.due_at)))
    if one.breach is not None:
        facts.append(say("fact.breach", began=moment(one.breach.began), ends=moment(one.breach.ends)))
    if one.hostnames:
        facts.append(say("fact.hosts", names=_list(one.hostnames, say)))
    return [*facts, say("fact.id", id=Name(one.exposure_id))]


def _since(one: TrackedExposure, say: Texts) -> Text:
    values: dict[str, Value] = {
        "first": moment(one.first_seen_open),
        "last": moment(one.last_seen_open),
        "least": length(one.open_at_least_seconds or 0, say),
    }
    if one.open_at_most_seconds is None:
        once = one.first_seen_open == one.last_seen_open
        return say("fact.since_once", first=values["first"]) if once else say("fact.since", **values)
    known = say.word(f"how_before.{one.opened_after_how}")
    how = Ours(known) if known else sentence(Reason(code=one.opened_after_how))
    most = length(one.open_at_most_seconds, say)
    return say("fact.since_most", most=most, after=moment(one.opened_after), how=how, **values)


def _reach(one: TrackedExposure, say: Texts) -> list[Text]:
    """From where it is open, where vantages were compared."""
    if one.reach == "internet":
        return [say("fact.reach_internet", since=moment(one.reach_since))]
    if not (one.open_from and one.not_open_from):
        return []
    seeing, shut = (
        ", ".join(say.word(f"words.{name}") if name in _VANTAGES else name for name in names)
        for names in (one.open_from, one.not_open_from)
    )
    return [say("fact.reach", vantages=seeing, others=shut)]


def _holds(one: TrackedExposure, say: Texts) -> Text:
    known = [_counted(one.database_count, "database", say), _counted(one.documents, "document", say)]
    if one.bytes is not None:
        number, unit = human_bytes(one.bytes).split(" ")
        unit = unit.replace("B", say.word("words.byte"))
        known.append(f"{number.replace('.', say.word('words.decimal'))} {unit}")
    size = Ours(", ".join(filter(None, known)) or "?")
    if not one.databases:
        return say("fact.holds_unnamed", size=size)
    return say("fact.holds", size=size, names=_list(one.databases, say))


def _counted(count: int | None, noun: str, say: Texts) -> str:
    """`1 database`, `2,000 documents`; "" where the figure is not known."""
    if count is None:
        return ""
    shown = human_count(count).replace(",", say.word("words.thousands"))
    return say.word(f"words.{noun if say.is_one(count) else noun + 's'}").replace("{count}", shown)


def _how(one: TrackedExposure, say: Texts) -> Text:
    seen = next((vantage.vantage for vantage in one.vantages if vantage.state == "open"), "")
    known = say.word(f"words.{seen}") if seen in _VANTAGES else ""
    vantage = Name(seen) if seen and not known else Ours(known or say.word("words.somewhere"))
    key = "fact.how_page" if one.topology == STATUS_PAGE else "fact.how"
    return say(key, vantage=vantage, last=moment(one.last_seen_open), run=Name(one.last_run_id))


def _closed(some: Sequence[TrackedExposure], say: Texts) -> list[Block]:
    items = [
        say(
            "fact.closed_at",
            place=Name(_place(one)),
            at=moment(one.closed_before),
            how=_how_closed(one.closed_how, say),
            first=moment(one.first_seen_open),
        )
        for one in some[:AT_MOST]
    ]
    return [Heading(2, say("part.closed", count=len(some))), Bullets(items)]


def _how_closed(code: str, say: Texts) -> Value:
    known = say.word(f"closed_how.{code}")
    return Ours(known) if known else sentence(Reason(code=code))


def _reason(code: str, otherwise: str, say: Texts) -> Value:
    known = say.word(f"reason.{code}")
    return Ours(known) if known else otherwise


def _place(one: TrackedExposure) -> str:
    ip, port = one.place.ip, one.place.port
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _product(one: TrackedExposure, say: Texts) -> str:
    product = "MongoDB" if one.product in ("mongodb", "") else one.product
    version = one.version or say.word("words.version_unknown")
    role = situation(one).role
    member = f" {one.set_name}" if role == "set" and one.set_name else ""
    return f"{product} {version}, {say.word(f'words.{role}')}{member}"


def _list(names: Sequence[str], say: Texts, most: int = NAMED) -> Value:
    """Names side by side; each is foreign."""
    rest = len(names) - most
    more = " " + say.word("fact.and_more").replace("{count}", str(rest)) if rest > 0 else ""
    return Names(tuple(names[:most]), more)
