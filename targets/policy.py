"""What an allow-list must not say: expired, special, unauthorised, too wide or contradictory entries."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from targets.errors import ScopeError
from targets.grammar import Span, format_address, format_span
from targets.ranges import Ranges, subtract
from targets.special import TABLE, Policy, embedded_ipv4, holds_isatap, overlaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from targets.entries import Deny, Entry
    from targets.ranges import Interval

MAX_IPV6_PREFIX = 2**20  # addresses: a /108. Wider space is found by inventory, never by trying.

# Space that needs no proof: nobody else's servers can be there.
_PRIVATE = Ranges.of(row.span for row in TABLE if row.policy in (Policy.PRIVATE, Policy.LAB))
_NATURAL = {version: _PRIVATE.intervals(version) for version in (4, 6)}


def check_allow(entries: Sequence[Entry], now: float, max_targets: int, *, wide: bool = False) -> list[Entry]:
    """The entries without exact repetitions, or ScopeError at the first one that may not stand.

    `now` is seconds since the epoch; `max_targets` is the number of addresses, each asked on every port.
    `wide`: IPv6 prefixes that are too wide to sweep may stand, because only candidates are asked there.
    """
    for entry in entries:
        check_entry(entry, now, max_targets, wide=wide)
    kept = _without_duplicates(entries)
    _check_crossings(kept)
    _check_total(kept, max_targets)
    return kept


def check_entry(entry: Entry, now: float, max_targets: int, *, wide: bool = False) -> None:
    """Refuse one entry that may not stand whatever the others say; see `check_allow`. Raises ScopeError."""
    _check_expiry(entry, now)
    _check_special(entry)
    _check_authorisation(entry)
    if wide and not is_swept_whole(entry.span):
        return
    _check_width(entry, max_targets)
    isatap = holds_isatap(entry.span)
    if isatap is not None:
        _refuse_embedded(entry, "ISATAP", isatap & 0xFFFFFFFF)


def beyond_private(span: Span) -> list[Interval]:
    """The parts of `span` that are not proven ours by being private: they need authorised_by and expires."""
    return subtract([(span.first, span.last)], _NATURAL[span.version])


def is_swept_whole(span: Span) -> bool:
    """Whether every address of `span` may be tried: not so in IPv6 prefixes wider than a /108."""
    return span.version == 4 or span.size <= MAX_IPV6_PREFIX


def check_deny(denies: Sequence[Deny], now: float) -> None:
    """Refuse a deny that has expired, or that would not do what its text seems to say."""
    for deny in denies:
        if deny.expires <= now:
            _refuse(
                deny,
                f"the deny of {deny.text} expired on {day_of(deny.expires)}",
                "write a later date, or remove the entry if the addresses may be probed again",
            )
        first, last = (_carried(deny.span.version, edge) for edge in (deny.span.first, deny.span.last))
        if first is not None and last is not None and first[0] == last[0]:
            low, high = sorted((first[1], last[1]))
            _refuse(
                deny,
                f"{deny.text} is the {first[0]} form of IPv4 addresses, which are probed as IPv4",
                f"write {format_span(Span(4, low, high))}",
            )


def _refuse(entry: Entry | Deny, reason: str, remedy: str) -> NoReturn:
    raise ScopeError(entry.source, entry.line, reason, remedy)


def day_of(moment: float) -> str:
    """A time in seconds since 1970, as refusals and findings write it."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _carried(version: int, address: int) -> tuple[str, int] | None:
    return embedded_ipv4(address) if version == 6 else None


def _check_expiry(entry: Entry, now: float) -> None:
    if entry.expires <= now:
        _refuse(
            entry,
            f"the entry {entry.text} expired on {day_of(entry.expires)}",
            "write a later expires once it is authorised again, or remove the entry",
        )


def _check_special(entry: Entry) -> None:
    span = entry.span
    if span.first == 0 and span.size == 2 ** (32 if span.version == 4 else 128):
        _refuse(entry, f"{entry.text} is the whole Internet", "write the prefixes that are yours")
    rows = overlaps(span)
    if entry.kind == "lab":
        if not any(row.policy is Policy.LAB and _inside(span, row.span) for row in rows):
            _refuse(
                entry,
                f'kind = "lab" is for loopback alone, and {entry.text} is not inside 127.0.0.0/8 or ::1',
                'remove kind = "lab", or write a loopback address',
            )
        return
    for row in rows:
        if row.policy in (Policy.PRIVATE, Policy.AUTHORISE):
            continue
        held = format_span(row.span)
        if not _inside(span, row.span):
            _refuse(
                entry,
                f"{entry.text} holds {held}, {row.name} ({row.source}), which is never probed",
                "write ranges that leave it out",
            )
        if row.policy is Policy.LAB:
            _refuse(
                entry,
                f"{entry.text} is loopback ({row.source})",
                'write kind = "lab" if servers on this machine are meant',
            )
        carried = _carried(span.version, span.first)
        if carried is not None:
            _refuse_embedded(entry, *carried)
        _refuse(
            entry,
            f"{entry.text} is {row.name} space ({row.source}), which is never probed",
            "remove the entry",
        )


def _refuse_embedded(entry: Entry, form: str, address: int) -> NoReturn:
    plain = format_address(4, address)
    what = f"is the {form} form of {plain}" if entry.span.size == 1 else f"holds {form} forms, as of {plain}"
    _refuse(entry, f"{entry.text} {what}", f"write the IPv4 address itself ({plain}) if it is yours")


def _inside(span: Span, outer: Span) -> bool:
    return span.version == outer.version and outer.first <= span.first and span.last <= outer.last


def _check_authorisation(entry: Entry) -> None:
    beyond = beyond_private(entry.span)
    if not beyond or (entry.authorised_by and entry.expires < math.inf):
        return
    missing = [
        text
        for text, absent in (
            ('authorised_by = "CHG-1234"', not entry.authorised_by),
            ("expires = 2027-01-01", entry.expires == math.inf),
        )
        if absent
    ]
    shared = [
        row
        for row in overlaps(Span(entry.span.version, *beyond[0]))
        if row.policy is Policy.AUTHORISE and _inside(entry.span, row.span)
    ]
    kind = f"{shared[0].name} space ({shared[0].source})" if shared else "public address space"
    _refuse(entry, f"{entry.text} is {kind} without authorisation", f"write {' and '.join(missing)}")


def _check_width(entry: Entry, max_targets: int) -> None:
    if not is_swept_whole(entry.span):
        _refuse(
            entry,
            f"{entry.text} has 2**{entry.span.size.bit_length() - 1} addresses, too many to sweep",
            "write prefixes up to /108, or name lists of the addresses in use in [ipv6] candidates",
        )
    if entry.span.size > max_targets:
        _refuse(
            entry,
            f"{entry.text} has {entry.span.size:,} addresses, more than max_targets = {max_targets:,}",
            f"write narrower prefixes, or max_targets = {entry.span.size}",
        )


def _without_duplicates(entries: Sequence[Entry]) -> list[Entry]:
    seen: dict[Span, Entry] = {}
    for entry in entries:
        before = seen.setdefault(entry.span, entry)
        if before is entry:
            continue
        if before.terms != entry.terms:
            _refuse(
                entry,
                f"{entry.text} is allowed on {_where(before, entry)} already, "
                f"with {_difference(before, entry)}",
                "write one entry for it, or a narrower range for one of the two",
            )
        names = (*before.hostnames, *(name for name in entry.hostnames if name not in before.hostnames))
        if names != before.hostnames:
            seen[entry.span] = replace(before, hostnames=names)
    return list(seen.values())


def _check_crossings(entries: Sequence[Entry]) -> None:
    """Ranges that cross leave no most specific entry, so they may only cross when it makes no difference."""
    stack: list[Entry] = []
    for entry in sorted(entries, key=lambda entry: (entry.span.version, entry.span.first, -entry.span.last)):
        version, first, last = entry.span
        stack = [open_ for open_ in stack if open_.span.version == version and open_.span.last >= first]
        for before in stack:
            if before.span.last < last and before.terms != entry.terms:
                earlier, later = sorted((before, entry), key=lambda entry: entry.line or 0)
                _refuse(
                    later,
                    f"{later.text} crosses {earlier.text} of {_where(earlier, later)}, "
                    f"with {_difference(earlier, later)}",
                    "write ranges that do not overlap, or one inside the other",
                )
        stack.append(entry)


def _check_total(entries: Sequence[Entry], max_targets: int) -> None:
    swept = [entry for entry in entries if is_swept_whole(entry.span)]
    total = Ranges.of(entry.span for entry in swept).size
    if total > max_targets:
        _refuse(
            max(swept, key=lambda entry: entry.span.size),
            f"the scope has {total:,} addresses, more than max_targets = {max_targets:,} "
            "(this entry is the largest)",
            f"write narrower prefixes, or max_targets = {total}",
        )


def _where(entry: Entry, seen_from: Entry) -> str:
    line = f"line {entry.line}" if entry.line is not None else "another entry"
    return line if entry.source == seen_from.source else f"{entry.source}, {line}"


_TERMS = ("owner", "contact", "site", "labels", "authorised_by", "expires", "kind", "ports", "inventory")


def _difference(before: Entry, entry: Entry) -> str:
    """Which key tells two entries apart, and what the earlier one says."""
    for name, ours, theirs in zip(_TERMS, before.terms, entry.terms, strict=True):
        if ours != theirs:
            if name == "owner":
                return f"owner {ours!r}" if ours else "no owner"
            return f"other {name}"
    raise AssertionError("entries with equal terms do not differ")
