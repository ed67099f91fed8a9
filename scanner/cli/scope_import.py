"""`mongosweep scope import`: an allow-list from what an organisation already has."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from scanner.cli.options import Moment, config_option, json_option

if TYPE_CHECKING:
    from targets.proposal import Addresses

EPILOG = "Exit codes: 0 written, or nothing has changed; 2 refused, and nothing was written."


@click.command("import", epilog=EPILOG)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@config_option
@click.option(
    "-o",
    "--to",
    metavar="FILE",
    help="The allow-list to write. Default: the first TOML file of [scope] files, else scope.toml beside the"
    " configuration.",
)
@click.option("--dry-run", "--diff", is_flag=True, help="Show what would change, and write nothing.")
@click.option(
    "--accept-growth", is_flag=True, help="Write it though it grows by more than [scope] max_growth."
)
@click.option("--accept-loss", is_flag=True, help="Write it though it loses more than that.")
@click.option(
    "--owner", default="", metavar="NAME", help="Whose addresses are where the source does not say."
)
@click.option("--contact", default="", metavar="TEXT", help="Whom to call where the source does not say.")
@click.option("--site", default="", metavar="NAME", help="Where they are where the source does not say.")
@click.option(
    "--authorised-by", default="", metavar="TEXT", help="Who authorised it, for what is not private space."
)
@click.option("--expires", type=Moment("begin"), metavar="DATE", help="Until when, for what is not private.")
@click.option(
    "--inventory", default="", metavar="NAME", help="The [[inventory]] that must list each address."
)
@click.option(
    "--addresses",
    type=click.Choice(["needed", "all", "none"]),
    default="needed",
    show_default=True,
    help="Which single addresses become entries: those that no prefix of their owner holds, all, or none.",
)
@click.option("--lab", is_flag=True, help='Take loopback, too, as kind = "lab": to try it on this machine.')
@json_option
def command(
    sources: tuple[str, ...],
    config: str | None,
    to: str | None,
    dry_run: bool,
    accept_growth: bool,
    accept_loss: bool,
    owner: str,
    contact: str,
    site: str,
    authorised_by: str,
    expires: str | None,
    inventory: str,
    addresses: Addresses,
    lab: bool,
    as_json: bool,
) -> None:
    """Write an allow-list from SOURCEs, to be reviewed, and say what differs from the last import.

    A SOURCE is a file of any known format (docs/sources.md), `-` for standard input, or `netbox` for the
    NetBox of the configuration. Prefixes and ranges become entries with owner, contact, site and labels;
    public space waits at the end of the file for who authorises it. The file counts once [scope] files names
    it.

    What a person wrote into the file stays: authorised_by, expires, ports and inventory of an entry whose
    prefix and owner stay, and every [[deny]]. An import that would let the scope grow or shrink by more than
    [scope] max_growth is refused, and so is one that brings nothing.
    """
    import os
    from datetime import datetime

    from scanner.cli.ending import say
    from scanner.cli.scope_import_text import import_json, import_lines
    from scanner.clock import SystemClock
    from scanner.errors import RefusedError
    from scanner.setup.clock_check import require_clock, witnesses
    from scanner.setup.config_file import find_config, read_config
    from scanner.setup.scope_import import ImportRequest, import_scope
    from scanner.setup.settings import Settings
    from targets.proposal import ImportRules

    if bool(authorised_by) != bool(expires):
        raise click.UsageError("--authorised-by and --expires belong together; give both")
    now = require_clock(SystemClock(), witnesses(config, None))
    end = datetime.fromisoformat(expires).timestamp() if expires else math.inf
    if end <= now:
        raise click.UsageError(f"--expires {expires} is over; give a later day")
    rules = ImportRules(
        owner=checked("owner", owner),
        contact=checked("contact", contact),
        site=checked("site", site),
        inventory=checked("inventory", inventory),
        authorised_by=checked("authorised-by", authorised_by),
        expires=end,
        lab=lab,
        addresses=addresses,
    )
    path = find_config(config, os.environ)
    found = read_config(path) if path is not None else None
    settings = found.settings if found is not None else Settings()
    if inventory and inventory not in {each.name for each in settings.inventory}:
        say(f"note: no [[inventory]] has the name {inventory!r}; write one before the file counts")
    request = ImportRequest(
        sources=sources,
        rules=rules,
        to=to,
        accept_growth=accept_growth,
        accept_loss=accept_loss,
        dry_run=dry_run,
    )
    imported = import_scope(request, found, settings, now, say)
    config_path = found.path if found is not None else ""
    click.echo(import_json(imported) if as_json else "\n".join(import_lines(imported, config_path)))
    if imported.refusal:
        raise RefusedError(imported.refusal)


def checked(option: str, text: str) -> str:
    """Text for an allow-list. Raises a usage error for what it may not hold."""
    if not text.isprintable() or len(text) > 200:
        raise click.UsageError(
            f"--{option} is longer than 200 characters or holds control characters; give a short text"
        )
    return text
