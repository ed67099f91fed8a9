"""`mongosweep forward`: send what is new to each sink, once or for as long as it is let."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import click

from results.text import visible
from scanner.cli.options import config_option, log_option, output_option

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from results.sinks.forward import SinkPlan, SinkReport, Tell
    from scanner.setup.settings import Settings

_log = logging.getLogger(__name__)
_EPILOG = """Exit codes, as everywhere:

\b
  0  every sink has everything that there was for it
  2  refused: bad usage or configuration; nothing was sent
  3  something waits, was set aside, or a sink is stopped
  4  our own files cannot be read or written
  5  another forward sends to every sink
"""


@click.command("forward", epilog=_EPILOG)
@config_option
@output_option
@click.option("--follow", is_flag=True, help="Go on with what comes, until SIGTERM or Ctrl-C.")
@click.option(
    "--sink", "names", metavar="NAME", multiple=True, help="To this sink alone; may be given several times."
)
@click.option("--every", is_flag=True, help="Every observation too, and not run events and changes alone.")
@click.option(
    "--restart",
    metavar="NAME",
    multiple=True,
    help="Send this sink everything once more, under the same ids.",
)
@click.option(
    "--from-now", metavar="NAME", multiple=True, help="Send this sink nothing of what is there now."
)
@click.option(
    "--patience",
    type=click.FloatRange(0, 86_400),
    metavar="SECONDS",
    help="How long to try a receiver that is not there. Default: [forward] patience.",
)
@log_option
@click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but what goes wrong.")
@click.option("--while-stdin", is_flag=True, hidden=True, help="End when standard input does.")
def command(
    config: str | None,
    output: str,
    follow: bool,
    names: tuple[str, ...],
    every: bool,
    restart: tuple[str, ...],
    from_now: tuple[str, ...],
    patience: float | None,
    log_level: str,
    quiet: bool,
    while_stdin: bool,
) -> int:
    """Send each [[sink]] of the configuration what it has not got yet: when runs started and ended, and what
    changed. Each sink remembers for itself what it was sent; one that is down holds up nobody.

    What a receiver did not confirm is sent again, under the same id. An event that it will never take is set
    aside with its reason, in OUTPUT/sinks/NAME/set-aside.jsonl.
    """
    import asyncio
    import os
    from pathlib import Path

    from results.sinks.forward import begin_again, pass_over
    from scanner.cli.ending import say
    from scanner.cli.log import configure
    from scanner.cli.streams import patient_stderr
    from scanner.setup.sink_request import chosen, config_with_sinks, plans_of

    found = config_with_sinks(config, os.environ)
    settings, folder = found.settings, Path(output)
    for option, asked in (("--restart", restart), ("--from-now", from_now)):
        chosen(settings, asked, option)
    if both := set(restart) & set(from_now):
        raise click.UsageError(
            f"--restart and --from-now contradict each other for {', '.join(sorted(both))}"
        )
    plans = plans_of(found, chosen(settings, names, "--sink"), os.environ, folder, every=every)
    if not while_stdin:
        _require_runs(folder)
    for name in restart:
        begin_again(folder, name)
    if from_now:  # what is there is what runs and the ledger say now
        _bringing_up(folder, settings)()
    for name in from_now:
        sends_all = every or any(sink.every for sink in settings.sink if sink.called == name)
        pass_over(folder, name, every=sends_all)
    if while_stdin:
        os.nice(10)  # beside a sweep, which comes first
    with patient_stderr(), contextlib.closing(configure(log_level)):
        reports = asyncio.run(
            _forward(
                folder,
                plans,
                settings,
                follow=follow,
                patience=settings.forward.patience if patience is None else patience,
                quiet=quiet,
                while_stdin=while_stdin,
            )
        )
        for report in reports:
            if not (quiet and report.all_delivered):
                say(report_line(report))
    return exit_code(reports)


async def _forward(
    folder: Path,
    plans: Sequence[SinkPlan],
    settings: Settings,
    *,
    follow: bool,
    patience: float,
    quiet: bool,
    while_stdin: bool,
) -> list[SinkReport]:
    import asyncio

    from results.sinks.forward import forward
    from scanner.cli.forward_view import shown_while

    stop = asyncio.Event()
    _end_on_signals(stop)
    if while_stdin:
        _end_with_stdin(stop)
        while not await asyncio.to_thread(
            folder.is_dir
        ):  # the first sweep of all is about to make it, or is refused
            if stop.is_set():
                return []
            await asyncio.sleep(0.1)
    names = [plan.sink.name for plan in plans]
    async with shown_while(folder, names, quiet=quiet) as say:
        try:
            return await forward(
                folder,
                plans,
                follow=follow,
                stop=stop,
                bring_up=_bringing_up(folder, settings),
                patience=patience,
                progress=_telling(say, follow=follow, beside=while_stdin),
            )
        finally:
            for plan in plans:
                with contextlib.suppress(Exception):
                    await plan.sink.close()


def _require_runs(folder: Path) -> None:
    """Raises `NotARunError` for a directory that is not there, and for one of something else."""
    import os

    from results.events.log import EVENTS_FILE
    from results.files import not_listed
    from scanner.cli.ledger_view import refuse_without_runs

    if not folder.is_dir():
        raise not_listed(folder)
    if not os.path.lexists(folder / EVENTS_FILE):
        refuse_without_runs(folder)


def _bringing_up(folder: Path, settings: Settings) -> Callable[[], None]:
    """What makes the log of events as full as it can be, each time it is called."""
    from results.events.log import EVENTS_FILE
    from results.events.publish import bring_up
    from results.files import ResultsError
    from results.ledger.intake import catch_up
    from scanner.setup.sink_request import remind_every

    def bring() -> None:
        with contextlib.suppress(ResultsError):  # it shows again below
            catch_up(folder)  # also of runs that go on: what they found is told before they end
        organisation = settings.organisation.name
        told = bring_up(folder, remind_every=remind_every(settings), organisation=organisation)
        if told.problem:
            raise ResultsError(folder / EVENTS_FILE, f"not all that changed stands in it: {told.problem}")

    return bring


def _end_on_signals(stop: asyncio.Event) -> None:
    """The first SIGTERM or Ctrl-C lets it end in order, the second at once."""
    import asyncio
    import signal

    loop = asyncio.get_running_loop()

    def end() -> None:
        stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)


def _end_with_stdin(stop: asyncio.Event) -> None:
    """End when whoever started us closes our standard input, or is gone."""
    import asyncio
    import os
    import threading

    loop = asyncio.get_running_loop()

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, name="stdin", daemon=True).start()


def _telling(say: Callable[[str], None], *, follow: bool, beside: bool) -> Callable[[Tell], None]:
    """Says what happens meanwhile; of one pass what the last lines do not say, and beside a sweep nothing."""

    def tell(told: Tell) -> None:
        _log.info("sink %s: %s: %s", told.sink or "-", told.kind, visible(told.text, 500))
        if beside or (told.kind in ("stopped", "problem") and not follow):
            return
        text = "takes events again" if told.kind == "recovered" else visible(told.text, 500)
        kind = {"stopped": "stopped: ", "set-aside": "set aside: "}.get(told.kind, "")
        say(f"{told.sink}: {kind}{text}" if told.sink else text)

    return tell


def report_line(report: SinkReport) -> str:
    """What was done for one sink, in one line."""
    parts = [f"{report.delivered:,} sent"]
    if report.waiting or report.ended == "waiting":
        parts.append(f"{report.waiting:,} waiting")
    if report.set_aside:
        parts.append(f"{report.set_aside:,} set aside")
    if report.passed_over:
        parts.append(f"{report.passed_over:,} passed over")
    line = f"{report.name} ({report.kind} {visible(report.place, 200)}): {', '.join(parts)}"
    if report.ended not in ("delivered", "waiting"):
        line += f"; {report.ended}"
    return f"{line}: {visible(report.problem, 500)}" if report.problem else line


def exit_code(reports: Sequence[SinkReport]) -> int:
    """How the command ends."""
    from scanner.errors import ExitCode

    if reports and all(report.ended == "busy" for report in reports):
        return ExitCode.BUSY
    for report in reports:
        if report.error is not None and report.ended == "failed":
            return report.error.exit_code
    return ExitCode.CLEAN if all(report.all_delivered for report in reports) else ExitCode.INCOMPLETE
