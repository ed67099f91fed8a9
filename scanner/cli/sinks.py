"""`mongosweep sinks`: how each sink stands, for people, for programs and as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scanner.cli.options import config_option, json_option, output_option, textfile_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.sinks.status import SinkStatus


@click.command("sinks")
@config_option
@output_option
@json_option
@click.option("--metrics", is_flag=True, help="Prometheus text on stdout.")
@textfile_option
def command(
    config: str | None, output: str, as_json: bool, metrics: bool, metrics_textfile: str | None
) -> None:
    """Say of each [[sink]] what waits for it and since when, what it took, what was set aside, and what
    failed last. It asks no receiver: `mongosweep doctor --sinks` does.
    """
    import os
    from pathlib import Path

    from results.files import not_listed
    from results.sinks.status import status
    from scanner.setup.sink_request import config_with_sinks

    if as_json and metrics:
        raise click.UsageError("--json and --metrics both take standard output; write one of them")
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
    elif as_json:
        import json

        click.echo(json.dumps([each._asdict() for each in found], indent=1))
    elif metrics_textfile is None:
        from scanner.clock import SystemClock, timestamp

        click.echo("\n".join(_lines(found, timestamp(SystemClock.wall()))))


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


def _lines(found: Sequence[SinkStatus], now: str) -> list[str]:
    from results.durations import between
    from results.text import at_least, minute, visible

    rows = [("SINK", "KIND", "WAITING", "OLDEST", "DELIVERED", "SET ASIDE", "LAST DELIVERED")]
    rows += [
        (
            each.name,
            each.kind,
            f"{each.backlog:,}",
            at_least(between(each.oldest_at, now)) if each.oldest_at else "-",
            f"{each.delivered:,}",
            f"{each.set_aside:,}",
            minute(each.last_delivered_at) if each.last_delivered_at else "never",
        )
        for each in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number:
            each = found[number - 1]
            if each.stopped or each.problem:
                lines.append(f"  STOPPED: {visible(each.problem or each.stopped, 500)}")
            elif each.last_failure:
                lines.append(
                    f"  last failure {minute(each.last_failure_at)}: {visible(each.last_failure, 500)}"
                )
    return lines
