"""`mongosweep serve`: sweep by schedule, and show what is found, for as long as it is let."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scanner.cli.options import config_option, log_option_at, output_option

if TYPE_CHECKING:
    from pathlib import Path

_EPILOG = """Exit codes, as everywhere:

\b
  0  it was told to end, and did
  2  refused: bad usage or configuration, or the page cannot listen there
  4  its own files cannot be read or written
  5  another service has the directory
"""


@click.command("serve", epilog=_EPILOG)
@config_option
@output_option
@log_option_at("info")
def command(config: str | None, output: str, log_level: str) -> int:
    """Sweep when each [[schedule]] says so, ask open exposures again in between, send and tell what changed,
    and show all of it on a page, at [service] listen.

    Each sweep is a process of its own, the command that a person would type. One that was interrupted, also
    by the end of this service or of the machine, goes on where it was when the service is back.

    SIGTERM and Ctrl-C end it in order, SIGHUP has it read the configuration again.
    """
    import asyncio
    import os
    from contextlib import closing
    from pathlib import Path

    from scanner.cli.ending import say
    from scanner.cli.ledger_view import refuse_without_runs
    from scanner.cli.log import configure
    from scanner.clock import SystemClock, timestamp
    from scanner.service.store import Store
    from scanner.service.supervisor import Supervisor, config_path, give_up_raw_sockets, hold, read_plans
    from scanner.service.systemd import Notifier

    clock, folder = SystemClock(), Path(output).absolute()
    refuse_without_runs(folder)
    plans = read_plans(config_path(config), clock.wall())
    give_up_raw_sockets(plans.config.settings.sweep.engine)
    lock = hold(folder)
    try:
        _say_how_to_sign_in(folder, output)
        if plans.planner.is_idle:
            say('no address may be asked; write [[allow]] with cidr = "10.20.0.0/16" and whose it is')
        if not plans.config.settings.schedule:
            say(
                'no sweep starts by itself; write a [[schedule]] with name = "nightly" and cron = "0 2 * * *"'
            )
        store = Store.open(folder, timestamp(clock.wall()))

        async def serve() -> int:
            return await Supervisor(plans, store, folder, clock, Notifier(os.environ)).run()

        with closing(configure(log_level)):
            return asyncio.run(serve())
    finally:
        lock.release()


def _say_how_to_sign_in(folder: Path, output: str) -> None:
    """Where there is no user yet: a code on a terminal, which only who sits there sees; else a command."""
    import shlex
    import sys
    from contextlib import closing

    from scanner.cli.ending import say
    from scanner.clock import SystemClock
    from scanner.service.admission.access import Access

    with closing(Access(folder, SystemClock())) as access:
        if access.users():
            return
        if sys.stderr.isatty():
            code = access.first_use_code()
            say(f"nobody can sign in yet: open the page, and enter the one-time code {code}")
        else:
            words = f"mongosweep users add NAME --role operate -o {shlex.quote(output)}"
            say(f"nobody can sign in yet; write: {words}")
