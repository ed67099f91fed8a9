"""`mongosweep schedule`: when the next sweeps start. It starts none."""

from __future__ import annotations

import click

from scanner.cli.listing import Listed, listing_options
from scanner.cli.options import config_option, output_option


@click.command("schedule")
@config_option
@output_option
@click.option(
    "--count",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    metavar="N",
    help="How many starts of each schedule.",
)
@listing_options()
def command(config: str | None, output: str, count: int, listed: Listed) -> None:
    """List the next starts of each [[schedule]], in its own time zone and in UTC, with the jitter in them.

    Says which start will have to wait for the end of a blackout, and which schedules are due in the same
    minute. Where `mongosweep serve` runs on DIR, also what is paused, and what waits and why; it needs not.
    """
    from pathlib import Path

    from scanner.cli.schedule_text import outlook_listing
    from scanner.clock import SystemClock, timestamp
    from scanner.service.forecast import outlook
    from scanner.service.page_link import SILENT
    from scanner.service.planner import Planner
    from scanner.service.store import StoreReader
    from scanner.setup.clock_check import require_clock, witnesses
    from scanner.setup.request import SweepRequest, load

    now = require_clock(SystemClock(), witnesses(config, None))
    loaded = load(SweepRequest(config=config), now)
    reader = StoreReader(Path(output))
    status = reader.status()
    reader.close()
    if status is not None and status.beat_at < timestamp(now - SILENT):
        status = None
    found = outlook(Planner(loaded.settings, loaded.scope), now, count, status)
    source = loaded.config.path if loaded.config else "the configuration"
    listed.write(outlook_listing(found, source, output))
