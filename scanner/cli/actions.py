"""`mongosweep actions`: what people did and who was told, and whether the file of it is what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TextIO

import click

from scanner.cli.listing import Column, Listed, Listing, listing_options
from scanner.cli.options import output_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.ledger.action import ActionRecord
    from results.ledger.actions import Actions

MOST = 200  # the newest are shown


@click.command("actions")
@output_option
@click.option("--vouch", metavar="NAME", help="Stand for a file whose chain is broken, as it is.")
@listing_options()
def command(output: str, vouch: str | None, listed: Listed) -> int:
    """List what people did and who was told, and check the chain of the file.

    Exit code 4 when a line was edited, taken out or put in: what stands from there on is marked `?` and
    counts for nothing. Put the file back as it was; or look at it, and let --vouch NAME write down that NAME
    stands for it as it is. The break stays visible for ever.
    """
    from pathlib import Path

    from results.files import not_listed
    from results.ledger.actions import Actions
    from results.text import visible
    from scanner.cli.ending import say
    from scanner.clock import SystemClock, timestamp
    from scanner.errors import ExitCode

    if not Path(output).is_dir():
        raise not_listed(Path(output))
    actions = Actions.open(Path(output))
    if vouch is not None:
        if not vouch.strip():
            raise click.UsageError("--vouch is empty; write a person's name")
        actions.vouch(vouch, timestamp(SystemClock.wall()))
    broken = actions.broken
    unproven = len(actions.unproven)
    listed.write(_listing(actions))
    if broken is None:
        return ExitCode.CLEAN
    where = f"{actions.path}: {visible(str(broken), 300)}"
    if broken.unproven:
        say(f"{where}; {unproven} actions from there on prove nothing")
        return ExitCode.STORAGE
    say(f"{where}; {visible(broken.vouched_by, 80)} stands for it as it is")
    return ExitCode.CLEAN


class _Row(NamedTuple):
    record: ActionRecord
    proven: bool


def _listing(actions: Actions) -> Listing[_Row]:
    """The table has the newest, each in a few lines, however narrow the terminal; all else has all."""
    import msgspec

    records = actions.all()
    rows = [_Row(record, number < len(actions.proven)) for number, record in enumerate(records)]

    def print_newest(stream: TextIO) -> None:
        _print(rows, stream)

    return Listing(
        rows=rows,
        columns=[
            Column("at", lambda row: row.record.at, lambda row: _second(row.record.at)),
            Column("kind", lambda row: row.record.kind, title="what"),
            Column("stage", lambda row: row.record.stage),
            Column("by", lambda row: row.record.by),
            Column("until", lambda row: row.record.until),
            Column("exposure_ids", lambda row: " ".join(row.record.exposure_ids), title="exposures"),
            Column("to", lambda row: " ".join(row.record.to)),
            Column("proven", lambda row: row.proven),
            Column("since", lambda row: row.record.since, title=""),
            Column("message_id", lambda row: row.record.message_id, title=""),
            Column("transport", lambda row: row.record.transport, title=""),
            Column("detail", lambda row: row.record.detail),
        ],
        title="Actions",
        empty="no actions here",
        as_object=lambda row: {**msgspec.to_builtins(row.record), "proven": row.proven},
        own={"table": print_newest},
    )


def _print(rows: Sequence[_Row], stream: TextIO) -> None:
    from results.report.printing import Printer
    from results.text import minute, visible

    if not rows:
        stream.write("no actions here\n")
        return
    out = Printer(stream)
    hidden = len(rows) - MOST
    if hidden > 0:
        out.line(f"{hidden:,} earlier ones; --format jsonl has them all")
    for record, proven in rows[-MOST:]:
        mark = " " if proven else "?"
        what = record.kind + (f" ({record.stage})" if record.stage else "")
        until = f" until {minute(record.until)}" if record.until else ""
        out.line(f"{mark} {_second(record.at)}  {what}{until}, by {visible(record.by, 80)}")
        for more in (record.message_id, ", ".join(record.exposure_ids), record.detail):
            if more:
                out.paragraph(visible(more, 1000), indent=4)


def _second(at: str) -> str:
    return f"{at[:19].replace('T', ' ')} UTC"
