"""`mongosweep fleet status`: who works at which site, and who cannot be given work and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scanner.cli.fleet_scheduler import certificates_option
from scanner.cli.listing import Column, Listed, Listing, for_programs, listing_options, text_writer
from scanner.cli.options import config_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.fleet.dask.standing import FleetStanding, Standing
    from scanner.setup.config_file import ConfigFile

_MOST_NAMED = 20  # sites
_SOON = 14.0  # days until a certificate ends that are worth a word


@click.command("status")
@click.argument("scheduler", metavar="[tls://HOST:PORT]", required=False)
@config_option
@certificates_option
@listing_options()
def command(scheduler: str | None, config: str | None, certificates: str | None, listed: Listed) -> None:
    """Say who works at which site, and who cannot be given work and why.

    The scheduler is [fleet] scheduler, or named; this needs the coordinator's certificate. Exit code 0, or 2
    where no scheduler can be asked.
    """
    import asyncio

    from scanner.cli.ending import say
    from scanner.clock import SystemClock
    from scanner.fleet.authority import ends_soon, read_own
    from scanner.fleet.dask.settings import address_of, configure
    from scanner.setup.fleet_request import certificates_of, config_of_fleet, scheduler_of

    found = config_of_fleet(config)
    address = address_of(scheduler_of(scheduler, found))
    now = SystemClock.wall()
    own = read_own(certificates_of(certificates, found), "coordinator", now)
    if notice := ends_soon(own.identity, now):
        say(notice)
    digest, sites = _scope(found)
    configure("coordinator")
    from scanner.fleet.dask.noise import quiet
    from scanner.fleet.dask.standing import standing

    with quiet(lambda _: None):
        stands = asyncio.run(standing(address, own, digest, sites))
    listed.write(_listing(stands))


def _scope(config: ConfigFile | None) -> tuple[str, frozenset[str]]:
    """The digest of this machine's copy of the scope, and its sites; "" and none where it has none."""
    if config is None:
        return "", frozenset()
    from scanner.clock import SystemClock
    from scanner.setup.scope_request import full_scope

    scope, _ = full_scope(
        None, config, config.settings, SystemClock.wall(), allow_empty=True, candidates=False, confirmed=False
    )
    if not scope:
        return "", frozenset()
    segments = (segment for version in (4, 6) for segment in scope.segments(version))
    sites = {segment.entry.site or config.settings.fleet.default_site for segment in segments}
    return scope.digest, frozenset(sites - {""})


def _listing(stands: FleetStanding) -> Listing[Standing]:
    return Listing(
        rows=stands.workers,
        columns=[
            Column("site"),
            Column("name", title="worker"),
            Column("host"),
            *for_programs("address"),
            Column("busy"),
            Column("unfit", title="given no work"),
            Column("version"),
            *for_programs("python", "scope_sha256", "scope_differs"),
            Column("clock_skew", lambda each: _rounded(each.clock_skew), title=""),
            Column("heard", lambda each: _rounded(each.heard), title=""),
            Column("certificate_days", lambda each: int(each.certificate_days), right=True),
        ],
        title=f"Workers of {stands.scheduler}",
        foot=[f"no worker at {', '.join(stands.without)}"] if stands.without else [],
        empty="nobody works for it",
        document=lambda: stands,
        own={"table": text_writer(_lines(stands))},
    )


def _rounded(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:.1f}"


def _lines(stands: FleetStanding) -> Iterator[str]:
    workers = _number(len(stands.workers), "worker")
    sites = _number(len({each.site for each in stands.workers}), "site")
    coordinators = _number(stands.coordinators, "coordinator")
    yield f"scheduler {stands.scheduler}, version {stands.version}: {workers} at {sites}, {coordinators}"
    if stands.certificate_days < _SOON:
        yield f"  its certificate ends in {stands.certificate_days:.0f} days"
    if not stands.workers:
        yield "nobody works for it; start `mongosweep fleet worker` at each site"
    site = None
    for worker in stands.workers:
        if worker.site != site:
            site = worker.site
            yield f"site {site or '(none)'}"
        yield f"  {_line(worker)}"
    if stands.without:
        names = ", ".join(stands.without[:_MOST_NAMED])
        more = f" and {len(stands.without) - _MOST_NAMED:,} more" if len(stands.without) > _MOST_NAMED else ""
        yield f"no worker at {names}{more}, which the scope here has"
    for refusal in stands.refused:
        yield f"refused {refusal.at} {refusal.who}: {refusal.why}"


def _number(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _line(worker: Standing) -> str:
    state = f"given no work: {worker.unfit}" if worker.unfit else "busy" if worker.busy else "idle"
    notes = [f"{worker.name} ({worker.host})", state]
    if worker.version and worker.version not in worker.unfit:
        notes.append(f"version {worker.version}")
    if worker.clock_skew is not None and abs(worker.clock_skew) >= 1:
        notes.append(f"clock {worker.clock_skew:+,.0f} s")
    if worker.scope_differs:
        notes.append(f"its scope differs ({worker.scope_sha256[:12] or 'unknown'})")
    if worker.certificate_days < _SOON:
        notes.append(f"certificate ends in {worker.certificate_days:.0f} days")
    return ", ".join(notes)
