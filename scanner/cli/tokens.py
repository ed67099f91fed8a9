"""`mongosweep tokens`: what programs show to read the API and the metrics."""

from __future__ import annotations

import click

from scanner.cli.group import Group
from scanner.cli.listing import Column, Listed, Listing, for_programs, listing_options
from scanner.cli.options import Age, output_option

_ROLES = ("metrics", "view", "acknowledge", "operate")


@click.group("tokens", cls=Group)
def command() -> None:
    """Make tokens for programs, list and revoke them. A token is shown once: only its hash is kept."""


@command.command("add")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(_ROLES),
    default="view",
    show_default=True,
    help="metrics: read /metrics alone. view: read everything. acknowledge: acknowledge, "
    "accept and note, too. operate: start, stop and pause, too.",
)
@click.option(
    "--expires", type=Age(), metavar="AGE", default="90d", show_default=True, help="How long it is good for."
)
@output_option
def add(name: str, role: str, expires: int, output: str) -> None:
    """Make a token called NAME and write it to standard output, this once."""
    from scanner.cli.users import opened, write_down
    from scanner.clock import SystemClock, timestamp
    from scanner.service.admission.roles import role_of

    with opened(output) as access:
        secret = access.add_token(name, role_of(role), expires)
        write_down(output, f"token {name} made, role {role}")
    click.echo(secret)
    until = timestamp(SystemClock.wall() + expires)[:10]
    click.echo(f"good until {until}; keep it now: it is not shown again", err=True)


@command.command("list")
@listing_options()
@output_option
def list_(listed: Listed, output: str) -> None:
    """List all tokens: their roles, until when they are good, and when they were used last."""
    from scanner.cli.users import opened
    from scanner.clock import SystemClock, timestamp

    with opened(output) as access:
        rows = [
            {
                "name": each.name,
                "role": each.role.word,
                "made_at": timestamp(each.made_at),
                "expires_at": timestamp(each.expires_at),
                "used_at": timestamp(each.used_at) if each.used_at else "",
            }
            for each in access.tokens()
        ]
    now = timestamp(SystemClock.wall())
    listed.write(
        Listing(
            rows=rows,
            columns=[
                Column("name"),
                Column("role"),
                *for_programs("made_at"),
                Column(
                    "expires_at",
                    None,
                    lambda row: row["expires_at"][:10] + (" (expired)" if row["expires_at"] <= now else ""),
                    "good until",
                ),
                Column("used_at", None, lambda row: row["used_at"][:10] or "never", "last used"),
            ],
            title="Tokens",
            empty="",
        )
    )
    if not rows:
        click.echo("none yet; `mongosweep tokens add NAME` makes one", err=True)


@command.command("revoke")
@click.argument("name")
@output_option
def revoke(name: str, output: str) -> None:
    """Make the token called NAME worth nothing, from the next request on."""
    from scanner.cli.users import opened, write_down

    with opened(output) as access:
        access.revoke_token(name)
        write_down(output, f"token {name} revoked")
    click.echo(f"{name} is revoked", err=True)
