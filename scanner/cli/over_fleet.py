"""What `sweep` does where its work is given away: `--fleet`, `--ssh` and `--from`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from scanner.cli.options import option

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from scanner.fleet.carrier import Carrier
    from scanner.setup.request import LoadedRequest
    from scanner.setup.settings import SweepOptions
    from scanner.sweep.progress import RunSummary, Screen

    F = TypeVar("F", bound="Callable[..., Any]")


def fleet_options(function: F) -> F:
    """The options of a sweep that several machines do."""
    for decorate in reversed(
        (
            option(
                "--fleet",
                metavar="URL",
                envvar="MONGOSWEEP_FLEET",
                help="Have the workers of a fleet sweep, a site each: its scheduler, as tls://HOST:PORT.",
            ),
            option(
                "--ssh",
                metavar="HOSTS",
                envvar="MONGOSWEEP_SSH",
                help="Have these hosts sweep, over ssh: HOST,HOST or SITE=HOST,SITE=HOST.",
            ),
            click.option(
                "--from",
                "from_site",
                metavar="SITE",
                help="With --fleet or --ssh: have the workers of this site ask everything.",
            ),
        )
    ):
        function = decorate(function)
    return function


class Way(NamedTuple):
    """Who sweeps: this machine, or those that `--fleet` or `--ssh` name."""

    fleet: str = ""
    ssh: str = ""
    from_site: str = ""

    @property
    def is_here(self) -> bool:
        """Whether this machine does it itself."""
        return not (self.fleet or self.ssh)


def way_of(fleet: str | None, ssh: str | None, from_site: str | None) -> Way:
    """What the options say. Raises UsageError where they contradict each other, and RefusedError for an
    address or a list of hosts that is none."""
    if fleet and ssh:
        raise click.UsageError("--fleet and --ssh are two ways to the same; give one of them")
    # An unset variable of a shell must not have this machine ask what is asked by the sites.
    for name, value, what in (
        ("--fleet", fleet, "the address of a scheduler"),
        ("--ssh", ssh, "the names of hosts"),
        ("--from", from_site, "the name of a site"),
    ):
        if value == "":
            raise click.UsageError(f"{name} needs {what}")
    if from_site is not None:
        _require_site(from_site)
    way = Way(fleet or "", ssh or "", from_site or "")
    if way.from_site and way.is_here:
        raise click.UsageError("--from names a site of a fleet; give --fleet or --ssh, too")
    if way.fleet:
        from scanner.fleet.dask.settings import address_of

        address_of(way.fleet)
    if way.ssh:
        from scanner.fleet.ssh_hosts import parse_hosts

        parse_hosts(way.ssh)
    return way


def _require_site(name: str) -> None:
    import re

    from results.text import visible
    from scanner.setup.fleet_settings import SITE

    if not re.fullmatch(SITE, name):
        allowed = "letters, digits, dots, hyphens and underscores"
        raise click.UsageError(f"--from {visible(name, 70)!r} is no name of a site, which has {allowed}")


def require_machine(way: Way, engine: str) -> None:
    """What this machine needs, where it sweeps itself. Raises RefusedError."""
    if way.is_here:
        from scanner.setup.doctor import require_descriptors, require_engine

        require_descriptors()
        require_engine(engine)


def sweep(way: Way, loaded: LoadedRequest, options: SweepOptions, screen: Screen) -> RunSummary:
    """Have it done. Raises RefusedError where a fleet cannot do it or nobody can be reached."""
    if way.is_here:
        from scanner.sweep.sweep import run

        return run(loaded.settings, loaded.scope, options, screen)
    from scanner.fleet.coordinator import run_fleet
    from scanner.fleet.parts import require_possible

    require_possible(loaded.scope, options, learned=loaded.learned is not None)
    carrier = _over_ssh(way.ssh) if way.ssh else _over_dask(loaded, way.fleet, screen)
    return run_fleet(loaded.settings, loaded.scope, options, screen, carrier, from_site=way.from_site)


def _over_ssh(hosts: str) -> Carrier:
    from scanner.fleet.ssh import SshCarrier
    from scanner.fleet.ssh_hosts import parse_hosts

    return SshCarrier(parse_hosts(hosts))


def _over_dask(loaded: LoadedRequest, address: str, screen: Screen) -> Carrier:
    from scanner.clock import SystemClock
    from scanner.fleet.authority import ends_soon, read_own
    from scanner.fleet.dask.settings import configure
    from scanner.setup.fleet_request import certificates_of

    now = SystemClock.wall()
    own = read_own(certificates_of(None, loaded.config), "coordinator", now)
    if told := ends_soon(own.identity, now):
        screen.notice(told)
    configure("coordinator")
    from scanner.fleet.dask.carrier import DaskCarrier

    return DaskCarrier(address, own)
