"""`mongosweep sinks`: how each sink stands, for people, for programs and as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scanner.cli.listing import Column, Listed, Listing, for_programs, listing_options
from scanner.cli.options import config_option, output_option, textfile_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from results.sinks.status import SinkStatus


@click.command("sinks")
@config_option
@output_option
@listing_options()
@click.option("--metrics", is_flag=True, help="Prometheus text on stdout.")
@textfile_option
def command(
    config: str | None, output: str, listed: Listed, metrics: bool, metrics_textfile: str | None
) -> None:
    """Say of each [[sink]] what waits for it and since when, what it took, what was set aside, and what
    failed last. It asks no receiver: `mongosweep doctor --sinks` does.
    """
    import os
    from pathlib import Path

    from results.files import not_listed
    from results.sinks.status import status
    from scanner.setup.sink_request import config_with_sinks

    if metrics and listed.form != "table" and listed.takes_stdout:
        raise click.UsageError(
            f"--metrics and --format {listed.form} both take standard output; write one of them, or --out"
        )
    settings = config_with_sinks(config, os.environ).settings
    folder = Path(output)
    if not folder.is_dir():
        raise not_listed(folder)
    kinds = {sink.called: sink for sink in settings.sink}
    found = [
        each._replace(kind=each.kind or kinds[each.name].kind, every=kinds[each.name].every or each.every)
        for each in status(folder, list(kinds))
    ]
    if metrics_textfile is not None:
        _write_metrics(metrics_textfile, found)
    if metrics:
        from results.sinks.metrics import metrics_text
        from scanner.clock import SystemClock

        click.echo(metrics_text(found, SystemClock.wall()).decode(), nl=False)
    elsewhere = metrics or metrics_textfile is not None
    if not elsewhere or listed.form != "table" or listed.out is not None:
        from scanner.clock import SystemClock, timestamp

        listed.write(_listing(found, timestamp(SystemClock.wall())))


def _write_metrics(path: str, found: Sequence[SinkStatus]) -> None:
    """Raises `RefusedError` where the file cannot be written."""
    from results.sinks.metrics import write_metrics
    from scanner.clock import SystemClock
    from scanner.errors import RefusedError

    try:
        write_metrics(path, found, SystemClock.wall())
    except OSError as error:
        reason = f"--metrics-textfile {path} cannot be written: {error.strerror or error}"
        raise RefusedError(
            f"{reason}; name a file in a directory that is there, such as ./sinks.prom"
        ) from None


def _listing(found: Sequence[SinkStatus], now: str) -> Listing[SinkStatus]:
    from results.durations import between
    from results.text import at_least, minute

    return Listing(
        rows=found,
        columns=[
            Column("name", title="sink"),
            Column("kind"),
            Column("backlog", title="waiting", right=True),
            Column(
                "oldest_at",
                None,
                lambda each: at_least(between(each.oldest_at, now)) if each.oldest_at else "-",
                "oldest",
            ),
            Column("delivered", right=True),
            Column("set_aside", right=True),
            Column(
                "last_delivered_at",
                None,
                lambda each: minute(each.last_delivered_at) if each.last_delivered_at else "never",
                "last delivered",
            ),
            *for_programs("place", "every", "forwarding", "backlog_bytes", "passed_over", "attempts_failed"),
            *for_programs("last_failure", "last_failure_at", "stopped", "problem"),
        ],
        title="Sinks",
        below=_trouble,
        as_object=lambda each: each._asdict(),
    )


def _trouble(each: SinkStatus) -> Iterator[str]:
    from results.text import minute

    if each.stopped or each.problem:
        yield f"STOPPED: {each.problem or each.stopped}"
    elif each.last_failure:
        yield f"last failure {minute(each.last_failure_at)}: {each.last_failure}"
