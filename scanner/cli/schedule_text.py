"""The next starts of schedules, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from results.text import minute, plural, visible
from scanner.cli.listing import Column, Listing, text_writer

if TYPE_CHECKING:
    from scanner.service.forecast import Clash, ComingStart, Forecast, Outlook

_NONE = """\
{source} has no [[schedule]]; write one there, such as:

  [[schedule]]
  name = "nightly"
  cron = "0 2 * * *"
  zone = "Europe/Paris\""""


class _Start(NamedTuple):
    forecast: Forecast
    start: ComingStart


def outlook_listing(outlook: Outlook, source: str, output: str) -> Listing[_Start]:
    """A row for each start; people get them under their schedules. `source`: the configuration."""
    return Listing(
        rows=[_Start(forecast, start) for forecast in outlook.schedules for start in forecast.starts],
        columns=[
            Column("schedule", lambda row: row.forecast.name),
            Column("local", lambda row: row.start.local),
            Column("start_at", lambda row: row.start.start_at),
            Column("due_at", lambda row: row.start.due_at),
            Column("waits_until", lambda row: row.start.waits_until),
            Column("sites", lambda row: ", ".join(row.forecast.sites)),
            Column("owners", lambda row: ", ".join(row.forecast.owners)),
            Column("addresses", lambda row: row.forecast.addresses, right=True),
            Column("paused_by", lambda row: row.forecast.paused_by, title=""),
            Column("waits_for", lambda row: row.forecast.waits_for, title=""),
        ],
        title="Next starts",
        foot=[_clash(clash) for clash in outlook.clashes],
        empty=f"{source} has no [[schedule]]",
        as_object=lambda row: {"schedule": row.forecast.name, **msgspec.to_builtins(row.start)},
        document=lambda: outlook,
        own={"table": text_writer(outlook_lines(outlook, source, output))},
    )


def outlook_lines(outlook: Outlook, source: str, output: str) -> list[str]:
    """The same as lines for a terminal, without their end-of-line characters. `source`: the configuration."""
    if not outlook.schedules:
        return _NONE.format(source=visible(source)).splitlines()
    lines: list[str] = []
    for forecast in outlook.schedules:
        lines += [_head(forecast), *map(_line, forecast.starts)]
        if not forecast.starts:
            lines.append("  never")
        if forecast.paused_by:
            lines.append(
                f"  paused by {visible(forecast.paused_by, 80)}: it does not start until it is resumed"
            )
        if forecast.waits_for:
            lines.append(f"  it is due, and waits: {visible(forecast.waits_for)}")
        lines.append("")
    lines += map(_clash, outlook.clashes)
    if outlook.service_at:
        lines.append(f"the service on {visible(output)} said so at {minute(outlook.service_at)}")
    else:
        lines.append(f"no service runs on {visible(output)}: nothing starts until `mongosweep serve` does")
    return lines


def _head(forecast: Forecast) -> str:
    parts = [f"site {visible(site)}" for site in forecast.sites]
    parts += [f"owner {visible(owner)}" for owner in forecast.owners]
    later = f", up to {forecast.jitter} later" if forecast.jitter else ""
    addresses = plural(forecast.addresses, "address", "addresses")
    when = f"{visible(forecast.cron)} {forecast.zone}{later}"
    return f"{forecast.name}: {when}; {', '.join(parts) or 'the whole scope'}, {addresses}"


def _line(start: ComingStart) -> str:
    utc = minute(start.start_at)
    text = f"  {start.local}" + ("" if start.local.endswith(utc) else f", {utc}")
    if start.waits_until == "never":
        return text + "  (never: all of it is always in a blackout)"
    return text + (
        f"  (waits for its blackout to end, {minute(start.waits_until)})" if start.waits_until else ""
    )


def _clash(clash: Clash) -> str:
    names = f"{', '.join(clash.names[:-1])} and {clash.names[-1]}"
    asked = plural(clash.addresses, "address is", "addresses are")
    twice = f"; {asked} asked by more than one of them, but never at once" if clash.addresses else ""
    return f"note: {names} are due in the same minute, first on {clash.local}{twice}"
