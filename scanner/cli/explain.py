"""`mongosweep explain`: what a code in a record means."""

from __future__ import annotations

import click

from scanner.cli.listing import Listed, listing_options
from scanner.cli.options import config_option, output_option


@click.command("explain")
@click.argument("code", nargs=-1)
@config_option
@output_option
@listing_options()
def command(code: tuple[str, ...], config: str | None, output: str, listed: Listed) -> None:
    """Say what each CODE means: a verdict, a code of evidence, severity, notes or cautions, the state of an
    exposure, what happened to it, the method that found a time, or the id of an advisory. Without a CODE:
    list them all.

    A CODE may also be an exposure's id or an address: of these the points are shown that add up to the score,
    and of `severity`, or one such as `critical`, what each ground weighs.
    """
    import os
    from difflib import get_close_matches

    from results.text import visible
    from results.verdict import Severity
    from scanner.cli.explain_text import known_codes, meanings, meanings_listing
    from scanner.cli.score_text import may_be_finding, scores, weights_in_force
    from scanner.errors import RefusedError
    from scanner.setup.data_tables import use_newest
    from targets.errors import ScopeError

    try:
        use_newest(config, os.environ)
    except (RefusedError, ScopeError) as error:  # what a code means does not depend on it
        click.echo(f"of built-in tables alone: {visible(str(error), 500)}", err=True)
    found = []
    for wanted in code:
        means = meanings(wanted)
        if wanted.strip().casefold() in {"severity", "score", *Severity}:
            means.append(weights_in_force(config))
        if not means and may_be_finding(wanted):
            means = scores(wanted, output, config)
        if not means:
            close = get_close_matches(wanted.casefold(), known_codes(), n=3, cutoff=0.5)
            guess = f"did you mean {' or '.join(close)}?" if close else "`mongosweep explain` lists them all"
            raise click.UsageError(f"there is no code '{visible(wanted, 80)}'; {guess}")
        found += means
    listed.write(meanings_listing(found if code else None))
