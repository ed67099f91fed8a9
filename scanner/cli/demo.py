"""`make demo`: start the lab, sweep it as a user would, show where the results are, and stop the lab.

The lab and the sweep are processes of their own, started by the same commands that a user types, so that the
demonstration shows the real thing. Whatever happens, both are stopped by their ids and waited for.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from results.reading import read_run
from results.run import load_manifest
from results.runs import list_runs
from scanner.cli.listing_table import plain_lines
from scanner.cli.streams import terminal_width
from scanner.errors import ExitCode
from scanner.program import PROGRAM, environment
from scanner.setup.request import SweepRequest, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LAB_SECONDS = 40.0
STOP_SECONDS = 10.0
LAB_IS_UP = "running until Ctrl-C"
LAB_CHOSE = "is taken on this machine"


class DemoError(Exception):
    """The demonstration cannot go on; the text says why."""


def say(text: str) -> None:
    """What the demonstration itself has to tell goes to stderr."""
    for line in plain_lines([f"demo: {text}"], terminal_width(sys.stderr)):
        sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration. 0 when the sweep did its work, whether or not something is open."""
    parser = argparse.ArgumentParser(prog="make demo", description=main.__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs"), help="where run directories go")
    parser.add_argument("--lab", nargs=argparse.REMAINDER, default=[], help="options for `mongosweep lab`")
    parser.add_argument("--no-story", action="store_true", help="leave out the story of one server")
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop_by_signal)
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="mongosweep-demo-") as folder:
            scope = Path(folder) / "lab.toml"
            with lab(scope, Path(folder) / "lab.log", asked.lab):
                code, run = sweep(scope, asked.output)
        if code == ExitCode.OPEN and run is not None and not asked.no_story:
            tell_story(run.parent)
    except DemoError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; the lab is stopped")
        return 130
    return conclude(code, run, time.monotonic() - started)


def _stop_by_signal(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


@contextlib.contextmanager
def lab(scope: Path, log: Path, more: Sequence[str]) -> Iterator[None]:
    """The lab as long as the block runs: ready when entered, gone when left."""
    command = [*PROGRAM, "lab", "--write-scope", str(scope), *more]
    say("starting simulated servers on 127.0.0.0/8: mongosweep lab")
    with log.open("wb") as output:
        # A session of its own: Ctrl-C reaches the sweep alone, and the lab stays until that has ended.
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(),
            start_new_session=True,
        )
    try:
        _wait_until_up(process, log)
        for line in log.read_text(errors="replace").splitlines():
            if LAB_CHOSE in line:
                say(line)
        yield
    finally:
        stop(process)


def _environment() -> dict[str, str]:
    """The commands run this checkout's code, wherever the demonstration was started."""
    return environment() | {"PYTHONUNBUFFERED": "1"}


def _wait_until_up(process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + LAB_SECONDS
    while LAB_IS_UP not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > until:
            said = log.read_text(errors="replace").strip().splitlines()[-3:]
            raise DemoError("the lab did not start: " + (" ".join(said) or "it said nothing"))
        time.sleep(0.05)


def sweep(scope: Path, output: Path) -> tuple[int, Path | None]:
    """Sweep the lab: the exit code, and the run if it came to a result.

    One run at a time writes into a folder. Where another is at work, this one's goes into a folder within.
    """
    for folder in (output, *(output / f"demo-{number}" for number in range(2, 10))):
        code = _sweep_into(folder, scope)
        if code != ExitCode.BUSY:
            break
        say(f"another run is writing into {folder}; this demonstration takes the next folder")
    if code not in (ExitCode.CLEAN, ExitCode.OPEN, ExitCode.INCOMPLETE):
        return code, None
    run = run_of(scope, folder)
    if run is not None and not sys.stdout.isatty():
        from results.reading import read_run
        from results.report.news import news_of
        from results.report.table import print_table

        os.environ.setdefault("COLUMNS", "160")  # no terminal tells its width here
        print_table(read_run(run), sys.stdout, news=news_of(run))
    return code, run


def _sweep_into(output: Path, scope: Path) -> int:
    """One sweep with the user's own terminal, and its exit code; a Ctrl-C is for the sweep."""
    command = [*PROGRAM, "sweep", "--config", str(scope), "--output", str(output), "--confirm"]
    say(f"$ mongosweep sweep --config lab.toml --output {output} --confirm")
    watched = sys.stdout.isatty()
    # Where nobody watches, stdout would carry JSONL; the table is printed afterwards instead.
    process = subprocess.Popen(  # noqa: S603 - our own command line
        command, stdout=None if watched else subprocess.DEVNULL, env=_environment()
    )
    try:
        while True:
            try:
                code = process.wait()
                break
            except KeyboardInterrupt:
                continue
    finally:
        stop(process)
    return code


def stop(process: subprocess.Popen[bytes]) -> None:
    """End one process by its id, politely first, and take its status."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run_of(scope: Path, output: Path) -> Path | None:
    """The newest run of this scope, if there is one.

    Not the newest of all: another demonstration may write into the same folder at the same time. Its lab
    stands on another port or address, and the digest of a scope tells these apart.
    """
    digest = load(SweepRequest(config=str(scope)), time.time()).scope.digest
    runs = [
        Path(each.path)
        for each in list_runs(output)
        if each.state != "unreadable" and load_manifest(Path(each.path))[0].scope.digest == digest
    ]
    return runs[-1] if runs else None


def tell_story(output: Path) -> None:
    """Play the story of one server over months, then show its dossier and where its page is.

    It has a folder of its own, because its runs lie in the past.
    """
    from scanner.cli.demo_story import LENGTH, play

    now = datetime.now(UTC).replace(microsecond=0)
    folder = output / f"story-{now:%Y%m%dT%H%M%SZ}"
    folder.mkdir()
    say("and now the story of one server over months, one sweep a chapter, with a clock that runs ahead:")
    exposure_id = ""
    for chapter, exposures in play(now - LENGTH, folder):
        state = exposures[0].state if exposures else "nothing open"
        say(f"  {chapter.at:%Y-%m-%d}  {chapter.title:<40} {state}")
        exposure_id = exposures[0].exposure_id if exposures else exposure_id
    for command in (["show", exposure_id], ["report", "--out", str(folder / "report.html")]):
        say(f"$ mongosweep {' '.join(command)} --output {folder}")
        process = subprocess.Popen([*PROGRAM, *command, "--output", str(folder)], env=_environment())  # noqa: S603 - our own command line
        try:
            code = process.wait()
        finally:
            stop(process)
        if code not in (ExitCode.CLEAN, ExitCode.OPEN):
            raise DemoError(f"`mongosweep {command[0]}` ended with exit code {code}")


def conclude(code: int, run: Path | None, seconds: float) -> int:
    """Say where the results are, and turn the sweep's exit code into the demonstration's."""
    if code == ExitCode.OPEN and run is not None:
        lines = sum(1 for _ in read_run(run))  # checks each line against the types that make the JSON Schema
        say(f"done in {seconds:.0f} s; {lines} servers answered, one line each, as `mongosweep schema` says:")
        for path in sorted(run.glob("observations-*.jsonl")):
            say(f"  {path}")
        say("the sweep itself ended with exit code 1, because something is open; that is what it is for")
        return 0
    if code == ExitCode.CLEAN:
        say("the sweep found nothing open, although the lab holds open servers: please report this")
        return 1
    say(f"the sweep ended with exit code {code}; `mongosweep sweep --help` says what that means")
    return code


if __name__ == "__main__":
    sys.exit(main())
