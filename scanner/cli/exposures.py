"""`mongosweep exposures`: what is open, since when, and whose it is, over all runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from scanner.cli.listing import FORMS, Listed, Writer, in_one_piece, in_pieces, json_text, listing_options
from scanner.cli.options import Age, FormatName, config_option, option, output_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from results.ledger.tracked import TrackedExposure

STATES = ("new", "open", "changed", "reopened", "unreachable", "accepted", "closed")
REACHES = ("internet", "all_vantages", "differs", "one_vantage", "unknown")
SEVERITIES = ("critical", "high", "medium", "low", "info")


@click.command("exposures")
@config_option
@output_option
@click.option(
    "--state",
    "states",
    type=click.Choice(STATES),
    multiple=True,
    help="Only these; may be given several times.",
)
@click.option(
    "--owner",
    "owners",
    metavar="TEXT",
    multiple=True,
    help="Only owners whose name holds this; may be given several times. '' is no owner.",
)
@click.option("--severity", type=click.Choice(SEVERITIES), help="Only what is at least as grave.")
@click.option("--older-than", type=Age(), metavar="AGE", help="Only what was open for as long, such as 7d.")
@click.option("--vantage", metavar="WORD", help="Only what is open, or may be, from there.")
@click.option(
    "--reach",
    "reaches",
    type=click.Choice(REACHES),
    multiple=True,
    help="Only what is open from there, by its vantages; may be given several times.",
)
@click.option("--overdue", is_flag=True, help="Only what should be closed by now.")
@listing_options(
    kind=FormatName(*FORMS, but=frozenset({"native"})),
    only="table, jsonl, json, csv or md, or what `convert --to` writes: ",
)
@option(
    "--fail-on",
    type=click.Choice(["open", "never"]),
    default="open",
    show_default=True,
    help="Whether one that is shown and not proved closed makes the exit code 1.",
)
def command(
    config: str | None,
    output: str,
    states: tuple[str, ...],
    owners: tuple[str, ...],
    severity: str | None,
    older_than: int | None,
    vantage: str | None,
    reaches: tuple[str, ...],
    overdue: bool,
    listed: Listed,
    fail_on: str,
) -> int:
    """List the exposures that runs of an output directory found, the gravest first, from first sight to proof
    of closure. Silence closes none: what does not answer any more is `unreachable`.
    """
    from results.ledger.choose import Choice, by_gravity
    from results.verdict import Severity
    from scanner.cli.ledger_view import no_doubt, opened

    choice = Choice(
        states=frozenset(states),
        owners=owners,
        severity=Severity(severity) if severity else None,
        older_than=older_than,
        vantage=vantage,
        reaches=frozenset(reaches),
        overdue=overdue,
    )
    with opened(output, config) as view:
        shown = by_gravity(exposure for exposure in view.exposures if choice.takes(exposure))
        listed.write_by(_writers(shown, len(view.exposures)))
        doubt = no_doubt(view.ledger)
        if fail_on == "never":
            return 0
        return 1 if any(exposure.is_open for exposure in shown) else doubt


def _writers(shown: list[TrackedExposure], known: int) -> Mapping[str, Writer]:
    from results.formats.registry import FORMATS
    from results.report import exposures

    own = {
        "table": lambda stream: exposures.print_exposures(shown, stream, known=known),
        "jsonl": in_pieces(lambda: exposures.exposures_jsonl(shown)),
        "json": in_one_piece(lambda: json_text(shown, indent=2) + "\n"),
        "csv": in_one_piece(lambda: exposures.exposures_csv(shown)),
        "md": in_one_piece(lambda: exposures.exposures_markdown(shown, known)),
    }
    return {name: in_pieces(partial(_converted, shown, name)) for name in FORMATS} | own


def _converted(shown: list[TrackedExposure], form: str) -> Iterator[str]:
    import platform

    from results.formats.fields import Sender
    from results.formats.format import UnfitError
    from results.formats.registry import format_named
    from results.formats.writing import written
    from scanner import __version__
    from scanner.errors import RefusedError

    try:
        for piece in written(shown, format_named(form), Sender(version=__version__, host=platform.node())):
            yield piece.decode()
    except UnfitError as error:
        raise RefusedError(f"--format {form}: {error}; --format jsonl has every exposure") from error
