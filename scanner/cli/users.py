"""`mongosweep users`: who may sign in to the page, and what they may do there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from scanner.cli.group import Group
from scanner.cli.listing import Column, Listed, Listing, listing_options
from scanner.cli.options import output_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.service.admission.access import Access

_ROLES = ("view", "acknowledge", "operate")
_name = click.argument("name")
_role = click.option(
    "--role",
    type=click.Choice(_ROLES),
    default="view",
    show_default=True,
    help="view: read everything. acknowledge: acknowledge, accept and note, too. operate: start, stop and "
    "pause, too.",
)
_password_file = click.option(
    "--password-file",
    metavar="FILE",
    help="The password is the first line of FILE, which only you may read; - is standard input. Default: it "
    "is asked for.",
)


@click.group("users", cls=Group)
def command() -> None:
    """Say who may sign in to the page of `mongosweep serve`. Each change holds from the next request on."""


@command.command("add")
@_name
@_role
@_password_file
@click.option("--no-password", is_flag=True, help="For somebody whom only a reverse proxy brings in.")
@output_option
def add(name: str, role: str, password_file: str | None, no_password: bool, output: str) -> None:
    """Add NAME. The password is asked for; it never stands on a command line."""
    from scanner.service.admission.roles import role_of

    if no_password and password_file is not None:
        raise click.UsageError("--no-password and --password-file cannot both be; leave one out")
    password = "" if no_password else _password(password_file)
    with opened(output) as access:
        access.add_user(name, role_of(role), password)
        write_down(output, f"user {name} added, role {role}")
    click.echo(f"{name} may {role}", err=True)


@command.command("list")
@listing_options()
@output_option
def list_(listed: Listed, output: str) -> None:
    """List all users with their roles."""
    with opened(output) as access:
        users = access.users()
    listed.write(
        Listing(
            rows=users,
            columns=[
                Column("name"),
                Column("role", lambda each: each.role.word),
                Column("has_password", title="password"),
            ],
            title="Users",
            empty="",
            as_object=lambda each: {
                "name": each.name,
                "role": each.role.word,
                "has_password": each.has_password,
            },
        )
    )
    if not users:
        click.echo("nobody yet; `mongosweep users add NAME --role operate` adds the first one", err=True)


@command.command("remove")
@_name
@output_option
def remove(name: str, output: str) -> None:
    """Take NAME away, with all sessions."""
    with opened(output) as access:
        access.remove_user(name)
        write_down(output, f"user {name} removed")
    click.echo(f"{name} is removed", err=True)


@command.command("password")
@_name
@_password_file
@output_option
def password(name: str, password_file: str | None, output: str) -> None:
    """Give NAME another password; ends all sessions."""
    with opened(output) as access:
        access.set_password(name, _password(password_file))
        write_down(output, f"user {name} has another password")
    click.echo(f"{name} has another password", err=True)


@command.command("role")
@_name
@click.argument("role", type=click.Choice(_ROLES))
@output_option
def role(name: str, role: str, output: str) -> None:
    """Give NAME another ROLE."""
    from scanner.service.admission.roles import role_of

    with opened(output) as access:
        access.set_role(name, role_of(role))
        write_down(output, f"user {name} has role {role}")
    click.echo(f"{name} may {role}", err=True)


@contextmanager
def opened(output: str) -> Iterator[Access]:
    """The file of an output directory. Raises `AccessError`."""
    from pathlib import Path

    from scanner.clock import SystemClock
    from scanner.service.admission.access import Access

    access = Access(Path(output), SystemClock())
    try:
        yield access
    finally:
        access.close()


def write_down(output: str, detail: str) -> None:
    """Note a change, by the user of this machine who made it."""
    import getpass
    import os
    from pathlib import Path

    from results.ledger.actions import Actions
    from scanner.clock import SystemClock, timestamp

    try:
        by = getpass.getuser()
    except (KeyError, OSError):
        by = f"uid {os.getuid()}"
    at = timestamp(SystemClock.wall())
    Actions.open(Path(output)).append("access-changed", at=at, by=f"{by} (command line)", detail=detail)


def _password(file: str | None) -> str:
    """From the terminal, without echo; or from a file, or the first line of standard input."""
    import sys

    from scanner.errors import RefusedError
    from scanner.setup.secret import secret

    if file == "-":
        line = sys.stdin.buffer.readline(4097)
        return _decoded(line.rstrip(b"\r\n"))
    if file is not None:
        return secret({}, "", file)
    if not sys.stdin.isatty():
        raise RefusedError(
            "a password is asked for on a terminal, and this is none; write --password-file FILE, or - and "
            "pipe it in"
        )
    from scanner.cli.streams import readable

    return str(
        readable(lambda: click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    )


def _decoded(line: bytes) -> str:
    from scanner.errors import RefusedError

    try:
        return line.decode()
    except UnicodeDecodeError:
        raise RefusedError("the password on standard input is no UTF-8; write it so") from None
