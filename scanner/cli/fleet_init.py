"""`mongosweep fleet init`: the certificate authority of a fleet, and the first certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scanner.cli.fleet_issue import days_option, tell

if TYPE_CHECKING:
    from scanner.fleet.authority import Role


@click.command("init")
@click.argument("folder", metavar="DIR")
@click.option(
    "--site",
    "sites",
    multiple=True,
    metavar="SITE[:WORKER]",
    help="A site, and a worker there, for whom a certificate is made, too; may be repeated. A worker without "
    "a name is SITE-1.",
)
@days_option
def command(folder: str, sites: tuple[str, ...], days: int) -> None:
    """Make the certificate authority of a fleet in DIR, with certificates for its coordinator and scheduler.

    Whoever reaches a scheduler of Dask runs code on its workers, so nobody connects without a certificate of
    this authority. DIR stays here; a folder in it goes to each machine. Safe to repeat: what is there stays
    as it is, and `mongosweep fleet issue` renews it.
    """
    from pathlib import Path

    from scanner.clock import SystemClock
    from scanner.fleet.issuing import held, issue, make_authority, present

    authority = Path(folder)
    wanted = _wanted(sites)
    now = SystemClock.wall()
    made = make_authority(authority, now)
    with held(authority):
        there = {each.identity[:3] for each in present(authority)}
        missing = [each for each in wanted if each not in there]
        done = [issue(authority, role, name, now, site=site, days=days) for role, site, name in missing]
    what = "made the authority of a fleet in" if made else "there is an authority already in"
    click.echo(
        f"{what} {folder}; ca.key stays there: whoever has it can join the fleet in any role", err=True
    )
    tell(done)
    if kept := len(wanted) - len(missing):
        click.echo(
            f"{kept} certificate{'s' if kept > 1 else ''} left as before; `mongosweep fleet issue {folder} "
            "--renew` renews all",
            err=True,
        )


def _wanted(sites: tuple[str, ...]) -> list[tuple[Role, str, str]]:
    """Who is to have a certificate: role, site, name. Raises RefusedError for words that are none."""
    from scanner.errors import RefusedError
    from scanner.fleet.issuing import require_word

    wanted: list[tuple[Role, str, str]] = [("coordinator", "", "coordinator"), ("scheduler", "", "scheduler")]
    taken: set[str] = set()
    for text in sites:
        site, colon, name = text.partition(":")
        require_word("site", site)
        name = name if colon else f"{site}-1"
        require_word("name", name.removesuffix("*"))
        if name in taken:
            raise RefusedError(
                f"--site {text}: two workers of one name cannot work together; write SITE:NAME with another"
            )
        taken.add(name)
        wanted.append(("worker", site, name))
    return wanted
