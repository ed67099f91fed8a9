"""The options that several commands share, so that each is spelled and explained once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from scanner.setup.choices import DEPTHS, ENGINES, FAIL_ON, MAX_RATE, MAX_WORKERS, VANTAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem

F = TypeVar("F", bound="Callable[..., Any]")


class Shard(click.ParamType[tuple[int, int]]):
    """`i/n`: part i of n, counted from 1."""

    name = "i/n"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """The two numbers, or a usage error that says what to write."""
        if isinstance(value, tuple):
            return value
        index, slash, count = str(value).partition("/")
        numbers = index.isascii() and index.isdigit() and count.isascii() and count.isdigit()
        if not slash or not numbers or len(count) > 6:
            self.fail(f"{value!r} is not i/n; write two whole numbers, such as 1/3", param, ctx)
        if not 1 <= int(index) <= int(count):
            self.fail(f"{value!r} does not exist; write a part from 1/{count} to {count}/{count}", param, ctx)
        return int(index), int(count)


class Ports(click.ParamType["tuple[int | str, ...]"]):
    """Ports: `27017`, `27017,27018`, `27017-27020`, or `mongodb`."""

    name = "ports"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int | str, ...]:
        """The numbers and the word as they were written, or a usage error that says what to write."""
        from targets.grammar import GrammarError
        from targets.ports import read_ports

        if isinstance(value, tuple):
            return value
        try:
            return read_ports(str(value))
        except GrammarError as error:
            self.fail(str(error), param, ctx)


class Rate(click.FloatRange):
    """A number of connections a second. click's own range lets `nan` pass, which compares with nothing."""

    name = "rate"

    def __init__(self) -> None:
        super().__init__(0, MAX_RATE, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, or a usage error."""
        rate = float(super().convert(value, param, ctx))
        if rate != rate:
            self.fail(f"{value!r} is not a number; write one above 0, such as 1000", param, ctx)
        return rate


class Workers(click.ParamType["int | str"]):
    """`auto`, or how many."""

    name = "n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """The number or the word, or a usage error."""
        text = str(value)
        if text == "auto":
            return text
        if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MAX_WORKERS):
            self.fail(f"{text!r} is not auto or a whole number from 1 to {MAX_WORKERS}", param, ctx)
        return int(text)


class Age(click.ParamType[int]):
    """A length of time such as `36h`, `7d` or `2w`, as seconds."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The seconds, or a usage error that says what to write."""
        from results.durations import seconds_of

        try:
            return seconds_of(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class FailOn(click.ParamType["tuple[str, ...]"]):
    """Kinds of findings with commas between them, or `never`."""

    name = "kinds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The kinds, none for `never`, or a usage error that says what to write."""
        if isinstance(value, tuple):
            return value
        kinds = tuple(dict.fromkeys(each.strip() for each in str(value).split(",")))
        for kind in kinds:
            if kind not in FAIL_ON:
                known = ", ".join(FAIL_ON)
                self.fail(f"{kind!r} is none; write some of {known}, with commas between them", param, ctx)
        if "never" in kinds and len(kinds) > 1:
            self.fail("never goes with no other", param, ctx)
        return () if kinds == ("never",) else kinds

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Kinds that begin so, after those that stand there."""
        from click.shell_completion import CompletionItem

        before, comma, begun = incomplete.rpartition(",")
        return [CompletionItem(f"{before}{comma}{kind}") for kind in FAIL_ON if kind.startswith(begun)]


class FormatName(click.ParamType[str]):
    """A format of events, or one of a command's own forms. `but`: formats that the command has not."""

    name = "format"

    def __init__(self, *own: str, but: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self._own = own
        self._but = but

    @property
    def names(self) -> list[str]:
        """All that can be written."""
        from results.formats.registry import FORMATS

        return [*self._own, *(name for name in FORMATS if name not in {*self._own, *self._but})]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name, or a usage error that says which was meant."""
        from results.formats.registry import UnknownFormatError, known

        try:
            return known(str(value), self.names)
        except UnknownFormatError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names that begin so."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in self.names if name.startswith(incomplete)]


class Moment(click.ParamType[str]):
    """A day, at its beginning or its end in UTC, or a moment with its zone; as a record writes times."""

    name = "date"

    def __init__(self, edge: Literal["begin", "end"]) -> None:
        super().__init__()
        self._edge = edge

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The moment, or a usage error that says what to write."""
        from results.durations import as_text, end_of, instant

        text = str(value)
        try:
            if self._edge == "end":
                return end_of(text)
            return as_text(instant(text if "T" in text else text + "T00:00:00+00:00"))
        except ValueError:
            self.fail(f"{text!r} is no date; write 2026-03-01, or 2026-03-01T09:00:00Z", param, ctx)


class Vantage(click.ParamType[str]):
    """A word, as the setting `vantage` takes it."""

    name = "word"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word, or a usage error."""
        text = str(value)
        if not re.fullmatch(VANTAGE, text):
            self.fail(
                f"{text!r} is not a word of up to 32 small letters, digits and dashes; write one, such as"
                " internet or office",
                param,
                ctx,
            )
        return text


def option(*names: str, **settings: Any) -> Callable[[F], F]:
    """`click.option` with the environment variable shown in the help."""
    return click.option(*names, show_envvar="envvar" in settings, **settings)


config_option = option(
    "-c",
    "--config",
    metavar="FILE",
    envvar="MONGOSWEEP_CONFIG",
    help="The configuration. Default: mongosweep.toml here, in ~/.config/mongosweep or in /etc/mongosweep.",
)
scope_option = option(
    "--scope",
    "scope_file",
    metavar="FILE",
    envvar="MONGOSWEEP_SCOPE",
    help="An allow-list (TOML, CSV or plain text) instead of the configuration's.",
)
output_option = option(
    "-o",
    "--output",
    metavar="DIR",
    envvar="MONGOSWEEP_OUTPUT",
    default="runs",
    show_default=True,
    help="Where run directories are.",
)
vantage_option = option(
    "--vantage",
    type=Vantage(),
    metavar="WORD",
    envvar="MONGOSWEEP_VANTAGE",
    help="Where it looks from, such as internet or office.",
)
seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), metavar="N", help="Seed of the order."
)


def log_option_at(level: str) -> Callable[[F], F]:
    """`--log`, for a command that says so much where nothing else was asked for."""
    return option(
        "--log",
        "log_level",
        type=click.Choice(["error", "warning", "info", "debug"]),
        default=level,
        envvar="MONGOSWEEP_LOG",
        show_default=True,
        help="How much of the log goes to stderr.",
    )


log_option = log_option_at("warning")
json_option = click.option("--json", "as_json", is_flag=True, help="JSON on stdout, for programs.")
textfile_option = click.option(
    "--metrics-textfile",
    metavar="FILE",
    help="Write metrics to this file, replaced as a whole, for node_exporter's textfile collector.",
)


def pace_options(function: F) -> F:
    """What `plan` and `sweep` have in common: which part is asked, how fast and how deep."""
    for decorate in reversed(
        (
            config_option,
            scope_option,
            option(
                "--site",
                "sites",
                multiple=True,
                metavar="NAME",
                help="Only the addresses of allow entries of this site; may be given several times.",
            ),
            option(
                "--owner",
                "owners",
                multiple=True,
                metavar="NAME",
                help="Only those of allow entries of this owner; may be given several times.",
            ),
            option(
                "--port",
                "--ports",
                "ports",
                type=Ports(),
                multiple=True,
                metavar="PORTS",
                help="Ask these instead of the configuration's: 27017,27018, or 27017-27020, or mongodb, the"
                " usual ones; may be given several times.",
            ),
            option(
                "--ports-from",
                "ports_from",
                multiple=True,
                metavar="FILE",
                help="Ask the open ports that another scanner found, too: its output, of which only what is"
                " in the scope counts; may be given several times.",
            ),
            option(
                "--rate",
                type=Rate(),
                metavar="N",
                envvar="MONGOSWEEP_RATE",
                help="New connections a second.",
            ),
            option(
                "--engine",
                type=click.Choice(ENGINES),
                envvar="MONGOSWEEP_ENGINE",
                help="Full connects, or raw SYNs first.",
            ),
            option(
                "--depth",
                type=click.Choice(DEPTHS),
                envvar="MONGOSWEEP_DEPTH",
                help="How much is asked of an open server.",
            ),
            option("--shard", type=Shard(), default="1/1", help="Sweep part i of n; the parts are disjoint."),
        )
    ):
        function = decorate(function)
    return function
