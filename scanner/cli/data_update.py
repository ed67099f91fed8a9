"""`mongosweep data update`: newer tables from a file or an https address, with a signature."""

from __future__ import annotations

import click

from scanner.cli.options import config_option


@click.command("update")
@click.argument("source", metavar="FILE|URL")
@click.option(
    "--key",
    metavar="KEY",
    help="Who signed: a public key of minisign (RW…), or a file with one of ssh-keygen.",
)
@click.option("--signers", metavar="FILE", help="Who may sign: allowed signers, as [scope] signers has them.")
@click.option("--accept-older", is_flag=True, help="Use it though a table in it is older than that in use.")
@config_option
def command(
    source: str, key: str | None, signers: str | None, accept_older: bool, config: str | None
) -> None:
    """Take newer tables from a bundle, once its signature is good, and use them from now on.

    The signature stands beside it: FILE.sig of ssh-keygen, or FILE.minisig of minisign. Without --key and
    --signers, [data] signers of the configuration says who may sign. A URL is https alone. A sweep that goes
    on keeps the tables with which it began.
    """
    import os

    from results.text import visible
    from scanner.cli.data import summary
    from scanner.clock import SystemClock
    from scanner.errors import RefusedError
    from scanner.mongo.tables import use
    from scanner.setup.config_file import find_config, read_config
    from scanner.setup.data_tables import directory_of, install, installed
    from scanner.setup.data_update import fetched, require_newer, signers_for

    now = SystemClock.wall()
    path = find_config(config, os.environ)
    read = read_config(path) if path is not None else None
    directory = directory_of(read, os.environ)
    found = fetched(source, signers_for(read, now, key=key, signers=signers), now)
    before = None
    try:
        before = installed(directory)
    except RefusedError as error:  # it is replaced
        click.echo(visible(str(error), 500), err=True)
    use(before.tables() if before is not None else {})
    if before is not None and before.sha256 == found.sha256:
        click.echo(f"these tables are there already; {summary()}", err=True)
        return
    found = require_newer(found, accept_older=accept_older)
    where = install(directory, found)
    use(found.tables())
    click.echo(
        f"signed by {visible(found.signer)} ({visible(found.key)}); written to {visible(str(where))}",
        err=True,
    )
    click.echo(summary(), err=True)
