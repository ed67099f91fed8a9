"""The values that a shell completes: found by reading files alone, quickly, and never an error."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scanner.setup.config_file import ConfigFile
    from targets.tables import TableRow

    Values = Callable[[click.Context], Iterator[tuple[str, str]]]  # each value, and what is said of it

MOST = 500  # values of one kind; nobody reads more


class _Wrapped(click.ParamType[Any]):
    """A type that converts as another one does."""

    def __init__(self, inner: click.ParamType[Any]) -> None:
        super().__init__()
        self.name = inner.name
        self._inner = inner

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As the other type does it."""
        return self._inner.convert(value, param, ctx)


class Completed(_Wrapped):
    """It completes some values of its own."""

    def __init__(self, inner: click.ParamType[Any], values: Values) -> None:
        super().__init__(inner)
        self._values = values

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Values that begin so. What cannot be read has none: a shell is no place for an error."""
        try:
            found = (pair for pair in self._values(ctx) if pair[0].startswith(incomplete))
            return [
                CompletionItem(value, help=said or None)
                for value, said in islice(found, MOST)
                if value.isprintable() and said.isprintable()
            ]
        except Exception:  # noqa: BLE001
            return []


class File(_Wrapped):
    """It leaves the value to the shell: a file, or a folder (`kind` as click's `CompletionItem` has it)."""

    def __init__(self, inner: click.ParamType[Any], kind: str) -> None:
        super().__init__(inner)
        self._kind = kind

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """What the shell itself knows."""
        return [CompletionItem(incomplete, type=self._kind)]


def attach(command: click.Command) -> None:
    """Let the parameters of a command complete what their names mean, by `BY_NAME` and `BY_METAVAR`. It is
    called where a shell asks, and not where a command is run."""
    for parameter in command.params:
        if isinstance(parameter.type, click.Choice | _Wrapped):
            continue
        values = next((BY_NAME[name] for name in parameter.opts if name in BY_NAME), None)
        kind = BY_METAVAR.get((parameter.metavar or "").strip("[]."))
        if values is not None:
            parameter.type = Completed(parameter.type, values)
        elif kind is not None:
            parameter.type = File(parameter.type, kind)


def _output(ctx: click.Context) -> Path:
    return Path(ctx.params.get("output") or os.environ.get("MONGOSWEEP_OUTPUT") or "runs")


def runs(ctx: click.Context) -> Iterator[tuple[str, str]]:
    """Those of the output directory, the newest first, and `last`."""
    from results.manifest import MANIFEST_FILE

    names = sorted((entry.name for entry in os.scandir(_output(ctx)) if entry.is_dir()), reverse=True)
    yield "last", "the newest that has ended"
    for name in names:
        if os.path.lexists(_output(ctx) / name / MANIFEST_FILE):
            yield name, ""


def exposures(ctx: click.Context) -> Iterator[tuple[str, str]]:
    """Those that the ledger holds, as it is: no run is taken in."""
    from results.ledger.store import Ledger
    from results.text import address

    with Ledger.open(_output(ctx)) as ledger:
        for each in ledger.exposures(beside_last_sweep=False):
            yield each.exposure_id, f"{each.state} {address(each.place.ip, each.place.port)}"


def _runs_and_exposures(ctx: click.Context) -> Iterator[tuple[str, str]]:
    """What `show` takes; a directory without one of them has the other."""
    for kind in (runs, exposures):
        try:
            yield from kind(ctx)
        except Exception:  # noqa: BLE001, S112
            continue


def _config(ctx: click.Context) -> ConfigFile | None:
    from scanner.setup.config_file import find_config, read_config

    asked = ctx.params.get("config") or os.environ.get("MONGOSWEEP_CONFIG")
    path = find_config(asked, os.environ)
    return None if path is None else read_config(path)


def _allow_rows(ctx: click.Context) -> Iterator[TableRow]:
    """The allow entries of the scope as they are written: nothing is resolved, no inventory is asked."""
    from scanner.setup.scope_request import scope_files
    from targets.load import file_rows, table_rows

    scope_file = ctx.params.get("scope_file") or os.environ.get("MONGOSWEEP_SCOPE")
    if scope_file:
        yield from file_rows(Path(scope_file), allow_empty=True)
        return
    config = _config(ctx)
    if config is not None:
        yield from table_rows(config.settings.allow, source=config.path)
        for path in scope_files(config):
            yield from file_rows(path, allow_empty=True)


def _named_by_entries(key: str) -> Values:
    def values(ctx: click.Context) -> Iterator[tuple[str, str]]:
        found = {str(row.values.get(key) or "") for row in _allow_rows(ctx) if row.kind == "allow"}
        return ((name, "") for name in sorted(found - {""}))

    return values


def _codes(_: click.Context) -> Iterator[tuple[str, str]]:
    from scanner.cli.explain_text import known_codes

    return ((code, "") for code in known_codes())


def _sinks(ctx: click.Context) -> Iterator[tuple[str, str]]:
    config = _config(ctx)
    for sink in config.settings.sink if config is not None else ():
        yield sink.called, ""


# What a parameter is called in any command -> its values.
BY_NAME: dict[str, Values] = {
    **dict.fromkeys(("run", "old", "new", "--resume"), runs),
    **dict.fromkeys(("exposure", "exposures", "--exposure"), exposures),
    "what": _runs_and_exposures,
    "--owner": _named_by_entries("owner"),
    **dict.fromkeys(("--site", "--from"), _named_by_entries("site")),
    "code": _codes,
    **dict.fromkeys(("--sink", "--restart", "--from-now"), _sinks),
}
BY_METAVAR = {"FILE": "file", "PATH": "file", "SOURCE": "file", "REPORT": "file", "DIR": "dir"}
