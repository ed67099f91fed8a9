"""`mongosweep fleet issue`: certificates for who joins a fleet, and their renewal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scanner.fleet.authority import Role
    from scanner.fleet.issuing import Issued

days_option = click.option(
    "--days",
    type=click.IntRange(1, 5 * 365),
    metavar="N",
    default=90,
    show_default=True,
    help="For how long a certificate is valid.",
)


@click.command("issue")
@click.argument("folder", metavar="DIR")
@click.argument("role", type=click.Choice(["worker", "scheduler", "coordinator"]), required=False)
@click.option("--site", default="", metavar="NAME", help="The site of a new worker.")
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="A worker's name; may be repeated. No two workers of a fleet have the same. Those that an "
    "autoscaler starts share a certificate whose name ends in *, and have names that begin so.",
)
@days_option
@click.option("--new-key", is_flag=True, help="Replace the private key, too. Without it the key stays.")
@click.option("--renew", is_flag=True, help="Renew all certificates that DIR has; with ROLE all of a role.")
def command(
    folder: str, role: str | None, site: str, names: tuple[str, ...], days: int, new_key: bool, renew: bool
) -> None:
    """Issue a certificate by the authority in DIR, which `mongosweep fleet init` made, or renew it.

    A renewal keeps the private key: only own.pem is to be copied again.
    """
    from pathlib import Path

    from scanner.clock import SystemClock
    from scanner.fleet.issuing import held, issue

    authority = Path(folder)
    with held(authority):
        wanted = _renewed(authority, role, site, names) if renew else _named(role, site, names)
        done = [
            issue(authority, role_, name, SystemClock.wall(), site=site_, days=days, new_key=new_key)
            for role_, site_, name in wanted
        ]
    tell(done)


def tell(done: Sequence[Issued]) -> None:
    """Say what was made, until when it is valid, and where it is to be copied."""
    import shlex

    from scanner.clock import timestamp

    for each in done:
        files = "*" if each.new_key else "own.pem"
        source = f"{shlex.quote(str(each.folder))}/{files}"
        click.echo(f"{each.identity}: valid until {timestamp(each.identity.not_after)[:10]}", err=True)
        click.echo(f"  scp -p {source} {_PLACE[each.identity.role]}", err=True)
    if any(each.new_key for each in done):
        click.echo(
            'there, the files belong to the user who runs mongosweep, and [fleet] certificates = "/etc/'
            'mongosweep/fleet" names their folder (for the scheduler: --certificates /etc/mongosweep/'
            "scheduler); own.key goes over nothing but ssh",
            err=True,
        )


_PLACE = {  # a folder of its own for the scheduler, since it often shares a machine with the coordinator
    "coordinator": "COORDINATOR:/etc/mongosweep/fleet/",
    "scheduler": "SCHEDULER:/etc/mongosweep/scheduler/",
    "worker": "WORKER:/etc/mongosweep/fleet/",
}


def _named(role: str | None, site: str, names: Sequence[str]) -> list[tuple[Role, str, str]]:
    from scanner.fleet.authority import ROLES

    if role is None:
        raise click.UsageError("say for whom: worker, scheduler or coordinator; or write --renew for all")
    if role == "worker" and not names:
        raise click.UsageError("say which worker: --name paris-1")
    found = next(each for each in ROLES if each == role)
    return [(found, site, name) for name in names or (role,)]


def _renewed(
    authority: Path, role: str | None, site: str, names: Sequence[str]
) -> list[tuple[Role, str, str]]:
    from scanner.errors import RefusedError
    from scanner.fleet.issuing import present

    if names:
        raise click.UsageError("--renew and --name cannot both be; leave --renew out")
    found = [each.identity for each in present(authority)]
    chosen = [each for each in found if role in (None, each.role) and site in ("", each.site)]
    if not chosen:
        raise RefusedError(f"{authority} has no such certificate to renew; issue one first")
    return [(each.role, each.site, each.name) for each in chosen]
