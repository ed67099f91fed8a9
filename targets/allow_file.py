"""The allow-list that an import writes, to be reviewed like code, and how the last one is read back.

The same entries give the same bytes: no date stands in it, and everything is sorted by address.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from targets.errors import ScopeError
from targets.files import MAX_BYTES, decode, read_bytes
from targets.grammar import format_span
from targets.load import toml_rows
from targets.policy import check_deny, is_swept_whole
from targets.ranges import Ranges
from targets.tables import read_allow, read_deny

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from targets.entries import Deny, Entry
    from targets.proposal import LeftOut, Proposal, Proposed, Why

HEAD: Final = "# mongosweep allow-list, written by `mongosweep scope import`.\n"
_ABOUT: Final = """\
# The next import writes it anew. What a person adds to an entry (authorised_by, expires, ports, inventory)
# stays where its cidr and owner stay, and every [[deny]] stays. Entries of your own belong in a file of their
# own.
#
"""
MOST_UNAUTHORISED: Final = 10_000  # blocks to be completed by hand; the others are counted
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")

HEADINGS: Final[dict[Why, str]] = {
    "owners": "with several owners",
    "refused": "that may not be probed",
    "loopback": "on loopback",
    "container": "that only contain others",
    "vrf": "in other VRFs",
    "status": "of other statuses",
}
"""What was left out, by reason, in the order in which it is told."""


class Before(NamedTuple):
    """An allow-list that an import wrote, as it stands: entries (expired ones too) and denies."""

    entries: tuple[Entry, ...] = ()
    denies: tuple[Deny, ...] = ()
    text: str = ""


def read_before(path: Path, now: float) -> Before:
    """What the last import wrote to `path`, with what people added to it. Raises ScopeError for a file of
    something else, which is not to be written over, and for one that says what cannot be kept."""
    text = decode(read_bytes(path), str(path))
    if not text.startswith(HEAD):
        raise ScopeError(
            str(path), 1, "was not written by an import, and is left as it is", "name another file with --to"
        )
    entries: list[Entry] = []
    denies: list[Deny] = []
    for row in toml_rows(text, str(path)):
        if row.kind == "deny":
            denies += read_deny(row)
            continue
        found, names = read_allow(row)
        if names:
            row.refuse(
                "cidr", f"{names[0].name!r} is a host name, and no import writes one", "write it elsewhere"
            )
        entries += found
    check_deny(denies, now)
    return Before(tuple(entries), tuple(denies), text)


def allow_text(proposal: Proposal, sources: Sequence[str], denies: Sequence[Deny] = ()) -> str:
    """The file for a proposal; `sources`: what it is from, one clause each. Raises ScopeError where it would
    be larger than an allow-list may be."""
    pieces = [HEAD, _ABOUT]
    pieces += [f"# from {_comment(source)}\n" for source in sources]
    pieces.append(f"# {summary(proposal)}\n")
    for grouped, group in groupby(proposal.entries, key=_grouping):
        for block in [list(group)] if grouped is not None else [[each] for each in group]:
            pieces += _allow(block)
    for deny in denies:
        pieces += _deny(deny)
    pieces += _unauthorised(proposal.unauthorised)
    for why, heading in HEADINGS.items():
        if why in proposal.left:
            pieces += _left(heading, *proposal.left[why])
    text = "".join(pieces)
    if len(text.encode()) > MAX_BYTES:
        raise ScopeError(
            sources[0] if sources else "the import",
            None,
            f"makes an allow-list of more than {MAX_BYTES:,} bytes",
            "import the prefixes instead of single addresses, or import in parts",
        )
    return text


def summary(proposal: Proposal) -> str:
    """How much it allows, in one clause."""
    entries = [each.entry for each in proposal.entries]
    addresses = Ranges.of(entry.span for entry in entries if is_swept_whole(entry.span)).size
    wide = sum(not is_swept_whole(entry.span) for entry in entries)
    owners = len({entry.owner for entry in entries} - {""})
    left = len(proposal.unauthorised) + sum(count for count, _ in proposal.left.values())
    return (
        f"allows {_count(addresses, 'address', 'addresses')} "
        f"in {_count(len(entries), 'entry', 'entries')} of {_count(owners, 'owner', 'owners')}"
        + (f", {wide:,} of them IPv6 of which only known addresses are asked" if wide else "")
        + (f"; {left:,} left out, told at the end" if left else "")
    )


def _count(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"


def _grouping(proposed: Proposed) -> tuple[object, ...] | None:
    """What single addresses in a row must have in common to stand in one block; None for a prefix."""
    return (proposed.entry.terms, proposed.voice.owner_by) if proposed.single else None


def _allow(block: Sequence[Proposed]) -> Iterator[str]:
    entry = block[0].entry
    if len(block) == 1:
        yield f"\n# {_comment(_whence(block[0]))}\n[[allow]]\ncidr = {_text(entry.text)}\n"
    else:
        yield "\n[[allow]]\ncidr = [\n"
        for each in block:
            yield f"  {_text(each.entry.text)},  # {_comment(_whence(each))}\n"
        yield "]\n"
    yield from _keys(entry)


def _keys(entry: Entry) -> Iterator[str]:
    for key in ("owner", "contact", "site"):
        if value := getattr(entry, key):
            yield f"{key} = {_text(value)}\n"
    if entry.labels:
        pairs = ", ".join(
            f"{key if _BARE.match(key) else _text(key)} = {_text(value)}" for key, value in entry.labels
        )
        yield f"labels = {{ {pairs} }}\n"
    if entry.authorised_by:
        yield f"authorised_by = {_text(entry.authorised_by)}\n"
    if entry.expires < math.inf:
        yield f"expires = {_moment(entry.expires)}\n"
    if entry.kind == "lab":
        yield 'kind = "lab"\n'
    if entry.ports is not None:
        yield f"ports = {list(entry.ports)}\n"
    if entry.inventory:
        yield f"inventory = {_text(entry.inventory)}\n"


def _deny(deny: Deny) -> Iterator[str]:
    yield f"\n[[deny]]\ncidr = {_text(deny.text)}\n"
    if deny.reason:
        yield f"reason = {_text(deny.reason)}\n"
    if deny.expires < math.inf:
        yield f"expires = {_moment(deny.expires)}\n"


def _unauthorised(many: Sequence[Proposed]) -> Iterator[str]:
    if not many:
        return
    yield (
        "\n# --- not allowed: not proven ours by being private ---\n"
        "# Fill in authorised_by and expires, such as 2027-01-01, and take the # away: that stays.\n"
    )
    for proposed in many[:MOST_UNAUTHORISED]:
        entry = proposed.entry
        yield f"\n# {_comment(_whence(proposed))}\n# [[allow]]\n# cidr = {_text(entry.text)}\n"
        for line in _keys(entry):
            if not line.startswith(("authorised_by", "expires")):
                yield f"# {line}"
        yield '# authorised_by = ""\n# expires = ""\n'
    if len(many) > MOST_UNAUTHORISED:
        yield f"# and {len(many) - MOST_UNAUTHORISED:,} more\n"


def _left(heading: str, count: int, items: Sequence[LeftOut]) -> Iterator[str]:
    yield f"\n# --- left out: {count:,} {heading} ---\n"
    for item in items:
        yield f"# {_comment(left_line(item))}\n"
    if count > len(items):
        yield f"# and {count - len(items):,} more\n"


def left_line(left: LeftOut) -> str:
    """What was left out and why, as one clause. Holds texts of the source."""
    remedy = f"; {left.remedy}" if left.remedy else ""
    return f"{format_span(left.span)} ({left.provenance}): {left.reason}{remedy}"


def _whence(proposed: Proposed) -> str:
    voice = proposed.voice
    more = f" and {voice.claims - 1:,} more" if voice.claims > 1 else ""
    return voice.provenance + more + (f", owner by {voice.owner_by}" if voice.owner_by else "")


def _moment(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    if seconds % 86400 == 0:
        return moment.date().isoformat()
    return moment.replace(tzinfo=None).isoformat() + "Z"


def _text(value: str) -> str:
    """Printable text as a basic string of TOML, whose escapes are then those of JSON."""
    return json.dumps(value, ensure_ascii=False)


def _comment(text: str) -> str:
    """Text that a comment of TOML may hold: one line, nothing that a terminal would take for a command."""
    return "".join(character if character.isprintable() else "?" for character in text)
