"""`mongosweep fleet`: the machines that sweep together, a site each."""

from __future__ import annotations

import click

from scanner.cli.group import LazyGroup

TABLE = {
    "init": "Make the certificate authority of a fleet, and the certificate of its coordinator.",
    "issue": "Issue the certificate of a scheduler, or of a worker of one site.",
    "scheduler": "Run the scheduler, to which the coordinator and all workers connect.",
    "worker": "Run a worker: it asks what the coordinator wants of its site, within its own scope.",
    "status": "Say who works at which site, and who cannot be given work and why.",
    "shard": "Sweep one shard that is described on stdin, and say what comes of it on stdout.",
}


@click.group("fleet", cls=LazyGroup, table=TABLE, prefix=f"{__package__}.fleet_")
def command() -> None:
    """Sweep from several machines, one or more at each site, as one run.

    `mongosweep sweep --fleet tls://…` gives the work away over Dask, `mongosweep sweep --ssh …` without it.
    """
