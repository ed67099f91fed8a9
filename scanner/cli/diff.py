"""`mongosweep diff`: what changed between two runs, or between two dates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

import click

from scanner.cli.listing import Listed, Writer, in_one_piece, in_pieces, listing_options
from scanner.cli.options import Moment, config_option, option, output_option

if TYPE_CHECKING:
    from results.diff.difference import Comparison
    from results.diff.runs import Run


@click.command("diff")
@click.argument("old", required=False, metavar="[OLD]")
@click.argument("new", required=False, metavar="[NEW]")
@config_option
@output_option
@click.option("--from", "since", type=Moment("begin"), metavar="DATE", help="By the ledger, from this day.")
@click.option("--to", "until", type=Moment("end"), metavar="DATE", help="By the ledger, up to this day.")
@click.option("--all", "everything", is_flag=True, help="List what is unchanged, too.")
@listing_options("text", only="How it is listed (text is the old word for table): ")
@option(
    "--fail-on",
    type=click.Choice(["new", "worse", "never"]),
    default="never",
    show_default=True,
    help="Whether something opened, or anything worse than before, makes the exit code 1.",
)
def command(
    old: str | None,
    new: str | None,
    config: str | None,
    output: str,
    since: str | None,
    until: str | None,
    everything: bool,
    listed: Listed,
    fail_on: Literal["new", "worse", "never"],
) -> int:
    """Compare run NEW with run OLD: names in the output directory, `last`, or paths. Without NEW, the newest
    run that has ended; without OLD, or with `last` alone, the last one before of the same organisation and
    vantage with targets in common.

    With --from or --to, what the ledger knows between two dates. What was refused once, or fell silent, is
    `unreachable` and not closed; what the new run did not ask is `no longer covered`.

    Exit code 1 by --fail-on; 3 where nothing made it 1 and the new run does not cover what the old one did.
    """
    if since or until:
        if old or new:
            raise click.UsageError("--from and --to compare dates; leave out OLD and NEW")
        comparison = _between(output, config, since, until, everything=everything)
    else:
        comparison = _of_runs(output, config, *_pick(old, new, output), everything=everything)
    listed.write_by(_writers(comparison))
    return _exit_code(comparison, fail_on)


def _pick(old: str | None, new: str | None, output: str) -> tuple[Run, Run]:
    from results.diff.pick import last_comparable, load_run, newest
    from scanner.cli.ending import say
    from scanner.cli.run_text import LAST, existing_run

    folder = Path(output)
    if new is None and old in LAST:
        old = None
    second = load_run(existing_run(new, output)) if new else newest(folder)
    first = load_run(existing_run(old, output)) if old else last_comparable(second, folder)
    if first.side.run_id == second.side.run_id:
        raise click.UsageError(f"{first.side.run_id} is the same run twice; name two")
    if first.side.created_at > second.side.created_at > "":
        say(f"note: {first.side.run_id} began after {second.side.run_id}; they are compared in that order")
        return second, first
    return first, second


def _of_runs(output: str, config: str | None, old: Run, new: Run, *, everything: bool) -> Comparison:
    from results.diff.dated import with_ledger
    from results.diff.runs import diff_runs
    from results.files import ResultsError
    from scanner.cli.ending import say
    from scanner.cli.ledger_view import opened

    comparison = diff_runs(old, new, unchanged=everything)
    inside = {Path(run.side.path).resolve().parent for run in (old, new)} == {Path(output).resolve()}
    if not inside:
        return comparison
    try:
        with opened(output, config) as view:
            return with_ledger(comparison, view.exposures, view.ledger.changes(after=old.side.created_at))
    except ResultsError as error:  # two runs say enough without it
        say(f"note: compared without the ledger: {error}")
        return comparison


def _between(
    output: str, config: str | None, since: str | None, until: str | None, *, everything: bool
) -> Comparison:
    from results.diff.dated import between
    from scanner.cli.ledger_view import no_doubt, opened
    from scanner.clock import SystemClock, timestamp

    end = min(until or "9", timestamp(SystemClock.wall()))
    if since and since >= end:
        raise click.UsageError(f"--from {since} does not lie before --to {end}")
    with opened(output, config) as view:
        changes = view.ledger.changes(after=since or "")
        comparison = between(view.exposures, changes, since or "", end, unchanged=everything)
        comparison.whole = no_doubt(view.ledger) == 0
        return comparison


def _writers(comparison: Comparison) -> dict[str, Writer]:
    from results.report import differences

    def table(stream: TextIO) -> None:
        differences.print_comparison(comparison, stream)

    return {
        "table": table,
        "text": table,
        "jsonl": in_pieces(lambda: differences.comparison_jsonl(comparison)),
        "json": in_one_piece(lambda: differences.comparison_json(comparison)),
        "csv": in_one_piece(lambda: differences.comparison_csv(comparison)),
        "md": in_one_piece(lambda: differences.comparison_markdown(comparison)),
    }


def _exit_code(comparison: Comparison, fail_on: Literal["new", "worse", "never"]) -> int:
    from results.diff.difference import NEW, WORSE
    from scanner.errors import ExitCode

    if fail_on == "never":
        return ExitCode.CLEAN
    if comparison.has_any_of(NEW if fail_on == "new" else WORSE, graver=fail_on == "worse"):
        return ExitCode.OPEN
    return ExitCode.CLEAN if comparison.whole else ExitCode.INCOMPLETE
