"""`mongosweep fleet worker`: asks what the coordinator wants of its site, within its own scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scanner.cli.fleet_scheduler import Listening, certificates_option
from scanner.cli.options import config_option, log_option_at, option

if TYPE_CHECKING:
    from scanner.setup.listen import Listen


@click.command("worker")
@click.argument("scheduler", metavar="[tls://HOST:PORT]", required=False)
@config_option
@certificates_option
@click.option("--site", metavar="NAME", help="The site that its certificate must name.")
@click.option(
    "--name",
    metavar="NAME",
    help="What it is called. Default: the name in its certificate; needed where that ends in *.",
)
@option(
    "--spool",
    metavar="DIR",
    envvar="MONGOSWEEP_SPOOL",
    default="spool",
    show_default=True,
    help="Where it keeps what it found until the coordinator has it; no other worker may use it.",
)
@click.option(
    "--listen",
    type=Listening(),
    metavar="ADDRESS:PORT",
    help="Where the scheduler fetches results. Default: any free port of the address that leads there.",
)
@click.option(
    "--contact",
    metavar="tls://HOST:PORT",
    help="What the scheduler connects to for that, when it is another address (NAT).",
)
@log_option_at("info")
def command(
    scheduler: str | None,
    config: str | None,
    certificates: str | None,
    site: str | None,
    name: str | None,
    spool: str,
    listen: Listen | None,
    contact: str | None,
    log_level: str,
) -> None:
    """Run a worker of one site until a signal ends it. The scheduler is named, or [fleet] scheduler.

    It asks what the coordinator wants of its site, one shard at a time, and nothing outside its own
    configuration: scope, rate, opt-outs and blackouts are its own. When the scheduler is gone it waits for
    it. Its name and site are those of its certificate. SIGHUP has it look at its scope again.
    """
    import os
    from contextlib import closing
    from pathlib import Path

    from scanner.cli.ending import say
    from scanner.cli.log import configure as configure_log
    from scanner.clock import SystemClock
    from scanner.errors import RefusedError
    from scanner.fleet.authority import called, ends_soon, read_own
    from scanner.fleet.dask.settings import address_of, configure
    from scanner.program import PROGRAM
    from scanner.setup.config_file import find_config
    from scanner.setup.fleet_request import certificates_of, config_of_fleet, scheduler_of
    from scanner.setup.listen import not_own
    from scanner.setup.request import SweepRequest, load

    found = config_of_fleet(config)
    address = address_of(scheduler_of(scheduler, found))
    contact = address_of(contact) if contact else ""
    now = SystemClock.wall()
    own = called(read_own(certificates_of(certificates, found), "worker", now, site or ""), name or "")
    identity = own.identity
    if notice := ends_soon(identity, now):
        say(notice)
    loaded = load(SweepRequest(config=config, sites=(identity.site,)), now)
    path = find_config(config, os.environ)
    if path is None:
        raise RefusedError("a worker needs a configuration of its own; write -c FILE")
    folder = Path(spool).absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise RefusedError(f"--spool {spool} is no folder that this user may write to; write one that is")
    configure("worker")
    from scanner.fleet.dask import task
    from scanner.fleet.dask.worker import Setting, require_free, run_worker

    if listen is not None:
        try:
            require_free(listen)
        except OSError as error:
            raise RefusedError(not_own(f"--listen {listen}", error)) from None
    words = ["fleet", "shard", "-c", str(path.absolute()), "--site", identity.site, "--name", identity.name]
    process = [*PROGRAM, *words, "--spool", str(folder)]
    whole, reload = loaded.options.whole_scope, loaded.options.reload_scope
    assert whole is not None
    assert reload is not None
    task.SITE_PROCESS = task.SiteProcess(process, identity.site, identity.name, scope_sha256=whole.digest)
    setting = Setting(
        own, address, folder, digest=lambda: reload(SystemClock.wall(), True).digest,
        listen=str(listen or ""), contact=contact,
    )  # fmt: skip
    with closing(configure_log(log_level)):
        run_worker(setting)
