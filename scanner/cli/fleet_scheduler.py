"""`mongosweep fleet scheduler`: the process to which the coordinator and all workers connect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scanner.cli.options import config_option, log_option_at, option

if TYPE_CHECKING:
    from scanner.fleet.dask.demand import Autoscaled
    from scanner.setup.listen import Listen


class Listening(click.ParamType["Listen"]):
    """`ADDRESS:PORT` of this machine."""

    name = "address:port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Listen:
        """The address and port, or a usage error that says what to write."""
        from scanner.setup.listen import Listen, parse_listen

        if isinstance(value, Listen):
            return value
        try:
            return parse_listen(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Autoscaling(click.ParamType["Autoscaled"]):
    """`SITE=ADDRESS:PORT`."""

    name = "site=address:port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Autoscaled:
        """The site, and where it is asked, or a usage error that says what to write."""
        from scanner.fleet.dask.demand import Autoscaled, autoscaled

        if isinstance(value, Autoscaled):
            return value
        try:
            return autoscaled(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


certificates_option = option(
    "--certificates",
    metavar="DIR",
    envvar="MONGOSWEEP_FLEET_CERTIFICATES",
    help="The folder with this machine's certificate. Default: [fleet] certificates.",
)


@click.command("scheduler")
@config_option
@certificates_option
@click.option(
    "--listen",
    type=Listening(),
    metavar="ADDRESS:PORT",
    default="0.0.0.0:8786",
    show_default=True,
    help="Where it listens; port 0 is any that is free.",
)
@click.option(
    "--autoscale",
    type=Autoscaling(),
    metavar="SITE=ADDRESS:PORT",
    help="Answer an autoscaler (DaskAutoscaler of Kubernetes) there, in HTTP and without a certificate: how "
    "many workers SITE could use, and which are idle.",
)
@log_option_at("info")
def command(
    config: str | None,
    certificates: str | None,
    listen: Listen,
    autoscale: Autoscaled | None,
    log_level: str,
) -> None:
    """Run the scheduler of a fleet until a signal ends it: it gives the coordinator's shards to workers.

    Whom its fleet's authority has not given a certificate cannot connect; a certificate says who may do
    what. It keeps nothing on the disk: when it starts again, workers and coordinator come back by themselves.
    Its first line on stderr says where it listens.
    """
    from contextlib import closing

    from scanner.cli.ending import say
    from scanner.cli.log import configure as configure_log
    from scanner.clock import SystemClock
    from scanner.errors import RefusedError
    from scanner.fleet.authority import ends_soon, read_own
    from scanner.fleet.dask.settings import configure
    from scanner.setup.fleet_request import certificates_of, config_of_fleet
    from scanner.setup.listen import not_own

    now = SystemClock.wall()
    own = read_own(certificates_of(certificates, config_of_fleet(config)), "scheduler", now)
    if notice := ends_soon(own.identity, now):
        say(notice)
    configure("scheduler")
    from scanner.fleet.dask.scheduler import run_scheduler

    with closing(configure_log(log_level)):
        try:
            run_scheduler(own, listen, lambda address: say(f"the scheduler listens at {address}"), autoscale)
        except OSError as error:
            where = f"--listen {listen}" + (f", --autoscale {autoscale.listen}" if autoscale else "")
            raise RefusedError(not_own(where, error)) from None
