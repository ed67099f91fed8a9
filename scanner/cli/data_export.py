"""`mongosweep data export`: all dated tables as one file."""

from __future__ import annotations

import click

from scanner.cli.options import config_option
from scanner.cli.outfile import OutFile, opened


@click.command("export")
@click.argument("folder", required=False)
@click.option(
    "--out", type=OutFile(), metavar="FILE", default="-", show_default=True, help="The file; - is stdout."
)
@config_option
def command(folder: str | None, out: str, config: str | None) -> None:
    """Write the tables in use as one bundle. Tables of FOLDER take their place: advisories.toml,
    versions.toml, ransom_names.toml and telling_names.toml, or some of them.

    Every row is checked. Sign the bundle before you give it away: `mongosweep data update` takes no other.
    """
    import os
    from pathlib import Path

    from scanner.setup.data_tables import export, use_newest

    use_newest(config, os.environ)
    raw = export(Path(folder) if folder is not None else None)
    with opened(out) as file:
        file.write(raw.decode())
    if out != "-":
        click.echo(f"sign it: ssh-keygen -Y sign -n mongosweep-data -f KEY {out}", err=True)
