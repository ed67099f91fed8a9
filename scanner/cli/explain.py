"""`mongosweep explain`: what a code in a record means."""

from __future__ import annotations

import click

from scanner.cli.options import json_option


@click.command("explain")
@click.argument("code", nargs=-1)
@json_option
def command(code: tuple[str, ...], as_json: bool) -> None:
    """Say what each CODE means: a verdict, a code of evidence, severity, notes or cautions, the state of an
    exposure, what happened to it, the method that found a time, or the id of an advisory. Without a CODE:
    list them all.

    \b
    Examples:
      mongosweep explain databases-listed unreachable
      mongosweep explain newest_object_id CVE-2025-14847
    """
    from difflib import get_close_matches

    from results.text import indented, visible
    from scanner.cli.explain_text import every_meaning, explained, known_codes, listing, meanings

    found = []
    for wanted in code:
        means = meanings(wanted)
        if not means:
            close = get_close_matches(wanted.casefold(), known_codes(), n=3, cutoff=0.5)
            guess = f"did you mean {' or '.join(close)}?" if close else "`mongosweep explain` lists them all"
            raise click.UsageError(f"there is no code '{visible(wanted, 80)}'; {guess}")
        found += means
    if as_json:
        rows = found if code else every_meaning()
        click.echo(indented(rows))
    elif code:
        click.echo("\n\n".join("\n".join(explained(meaning)) for meaning in found))
    else:
        click.echo("\n".join(listing()))
