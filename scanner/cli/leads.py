"""`mongosweep leads`: what findings lead to, and whose it would be."""

from __future__ import annotations

import click

from scanner.cli.listing import Listed, listing_options
from scanner.cli.options import config_option, output_option, scope_option


@click.command("leads")
@click.argument("run", default="last", metavar="[RUN]")
@config_option
@scope_option
@output_option
@click.option("--no-dns", is_flag=True, help="Ask no resolver; only the hosts file is read.")
@listing_options(json_means="jsonl")
def command(
    run: str, config: str | None, scope_file: str | None, output: str, no_dns: bool, listed: Listed
) -> None:
    """List the names and addresses that servers of RUN (the last one) told: members of replica sets, names in
    certificates, names of shards, and the names of what is open.

    Each with whose it would be by the scope, and whether it was asked. Nobody is asked because of a lead:
    what the scope holds is asked by a sweep, what it does not hold by nobody. Resolvers are asked for names;
    no target is.
    """
    import os

    from results.covered import load_coverage
    from results.reading import read_run
    from results.run import load_manifest
    from results.summary import unique
    from scanner.cli.leads_text import leads_listing
    from scanner.cli.run_text import existing_run
    from scanner.clock import SystemClock
    from scanner.setup.leads import find_leads
    from scanner.setup.request import SweepRequest, load_settings
    from scanner.setup.scope_request import full_scope

    path = existing_run(run, output)
    request = SweepRequest(config=config, scope_file=scope_file)
    found, settings = load_settings(request, os.environ)
    scope = full_scope(scope_file, found, settings, SystemClock().wall(), allow_empty=True)[0]
    manifest, _ = load_manifest(path)
    leads = find_leads(
        unique(read_run(path)),
        scope,
        load_coverage(path, manifest),
        dns=not no_dns,
        servers=settings.dns.servers,
    )
    listed.write(leads_listing(leads))
    if leads.faults:
        click.echo(f"{leads.faults:,} names could not be looked up: the resolver gave no answer", err=True)
