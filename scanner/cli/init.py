"""`mongosweep init`: a configuration to start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scanner.setup.config_file import FILE_NAME

if TYPE_CHECKING:
    from scanner.setup.config_file import ConfigFile

_WIDEST = 40  # columns of a command that leave room for what it is for, on a terminal of 80


@click.command("init")
@click.argument("file", default=FILE_NAME, required=False)
@click.option("--yes", "--no-input", "unasked", is_flag=True, help="Ask nothing, as without a terminal.")
def command(file: str, unasked: bool) -> None:
    """Write a commented FILE (mongosweep.toml). An existing file is left as it is.

    On a terminal it asks whose network it is, which ranges, who is told, and where findings go; it names the
    networks that this machine is in, and enables none. Ctrl-C leaves nothing. Elsewhere the scope is empty.
    """
    import sys
    from pathlib import Path

    from scanner.setup.template import require_new, write_template

    path = Path(file)
    if unasked or not (sys.stdin.isatty() and sys.stderr.isatty()):
        write_template(path)
        _say_next(file, None)
        return
    require_new(path)
    from results.text import visible
    from scanner.cli.init_questions import Interview
    from scanner.cli.streams import readable
    from scanner.clock import SystemClock
    from scanner.setup.first_file import checked

    now = SystemClock.wall()
    text = Interview(now).text()
    config = checked(text, now, file)
    readable(lambda: click.confirm(f"Write {visible(file)}", default=True, abort=True, err=True))
    write_template(path, text)
    _say_next(file, config)


def _say_next(file: str, config: ConfigFile | None) -> None:
    """What to run now, with the file where it is not found by itself."""
    import shlex

    from results.text import visible
    from scanner.setup.sink_settings import secret_variable

    name = visible(file)
    use = "" if file == FILE_NAME else f" -c {shlex.quote(name)}"
    settings = config.settings if config is not None else None
    click.echo(f"wrote {name}", err=True)
    if settings is None or not settings.allow:
        click.echo(
            "put your ranges into it as [[allow]] entries, or let `mongosweep scope import` take them from"
            " what you have; then:",
            err=True,
        )
    steps = [("plan", "what a sweep would do; it sends nothing"), ("doctor", "what this machine allows")]
    if settings is not None and settings.sink:
        sink = settings.sink[0]
        if hasattr(sink, "secret_file"):
            variable = secret_variable(sink.called)
            click.echo(f"the secret of {sink.kind}, if it wants one, goes into {variable}; then:", err=True)
        steps.append(("doctor --sinks", f"a test event to {sink.kind}"))
    steps.append(("sweep", "the sweep"))
    if settings is not None and settings.schedule:
        steps.append(("serve", "sweeps by [[schedule]]"))
    lines = [f"  mongosweep {words}{use}" for words, _ in steps]
    width = max(map(len, lines))
    for line, (_, what) in zip(lines, steps, strict=True):
        beside = f"{line:<{width}}  # {what}"
        click.echo(beside if width < _WIDEST else line, err=True)
