"""`mongosweep fleet shard`: what a worker, or ssh, starts for each shard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scanner.cli.options import config_option, log_option, scope_option
from scanner.errors import exit_code_table

if TYPE_CHECKING:
    from scanner.fleet.lease import Lease

_EPILOG = "Exit codes:\n\n\b\n" + exit_code_table()


@click.command("shard", epilog=_EPILOG)
@config_option
@scope_option
@click.option(
    "--site", default="", metavar="NAME", help="The site at which this worker is. Default: every one."
)
@click.option("--name", metavar="NAME", help="What this worker is called. Default: the host's name.")
@click.option(
    "--spool",
    default="spool",
    show_default=True,
    metavar="DIR",
    help="Where it keeps its own runs, for a day at most.",
)
@click.option(
    "--lease",
    type=click.FloatRange(1, 3600),
    metavar="SECONDS",
    help="Seconds without a word on stdin after which it sends nothing more and ends. Default: 20.",
)
@log_option
def command(
    config: str | None,
    scope_file: str | None,
    site: str,
    name: str | None,
    spool: str,
    lease: float | None,
    log_level: str,
) -> int:
    """Sweep one shard that is described on stdin, and say what comes of it on stdout.

    For `mongosweep fleet worker`, and for a forced command of ssh; nobody types it. The first line of stdin
    describes the shard, in JSON, or is `describe`, which asks who this worker is. Each line after that says
    that it is wanted still; `stop`, and the end of stdin, stop the sweep. What is asked is what this worker's
    own configuration and scope allow of it. stdout gets messages, a JSON object a line, and stderr the log.
    """
    from scanner.errors import RefusedError
    from scanner.fleet.lease import Lease, process_began
    from scanner.fleet.messages import MessageError
    from scanner.fleet.shard_process import LEASE

    words = Lease(0, lease or LEASE, began=process_began())
    try:
        description = words.description()
    except MessageError as error:
        raise RefusedError(f"{error}; `mongosweep fleet worker` and --ssh start this command") from None
    words.start()  # before the imports below, which take longer than all above
    return _perform(description, words, site, name, spool, config, scope_file, log_level)


def _perform(
    description: bytes,
    words: Lease,
    site: str,
    name: str | None,
    spool: str,
    config: str | None,
    scope_file: str | None,
    log_level: str,
) -> int:
    import os
    import platform
    import sys
    from contextlib import closing
    from pathlib import Path

    from scanner.cli.log import configure
    from scanner.cli.streams import patient_stderr
    from scanner.clock import SystemClock
    from scanner.fleet.allowed import Ours
    from scanner.fleet.perform import perform
    from scanner.fleet.telling import Output

    # Whatever else writes to stdout, a library or a child, must not come between messages.
    sys.stdout.flush()
    out = os.dup(1)
    os.dup2(2, 1)
    ours = Ours(site, name or platform.node(), Path(spool), config, scope_file)
    with patient_stderr(), closing(configure(log_level)):
        return perform(description, ours, words, Output(out, words.stop), SystemClock())
