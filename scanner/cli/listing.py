"""What a command lists: rows with columns, the five forms in which they go out, and the options `--format`
and `--out` of every command that lists something.

@command(...)
@listing_options()
def command(..., listed: Listed) -> None:
    listed.write(Listing(rows=..., columns=...))
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TextIO, TypeVar, cast

import click

from scanner.cli.outfile import OutFile, form_named_by, opened

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any]")
Writer = Callable[[TextIO], None]
Value = str | int | bool | None

_MOST: Final = 1000  # characters of a cell or line for people; JSON and CSV have all
FORMS: Final = ("table", "jsonl", "json", "csv", "md")


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column. `name`: its head in CSV. `value`: for programs, text in full, a number as one, None for
    nothing; by default the row's field of that name. Cells for people are `shown`, or else the value; their
    head, in capitals over the table, is `title`, or else the name; with title "" it is for programs alone.
    `right`: numbers. `widest`: characters of a cell in the table, whose whole then stands below its row.
    `folds`: the last column, whose text goes on in further lines.
    """

    name: str
    value: Callable[[T], Value] | None = None
    shown: Callable[[T], str] | None = None
    title: str | None = None
    right: bool = False
    widest: int | None = None
    folds: bool = False

    @property
    def head(self) -> str:
        """What people read above it; "" for a column of programs."""
        return self.name.replace("_", " ") if self.title is None else self.title

    def cell(self, row: T) -> str | int | None:
        """The cell for programs."""
        value: Value = self.value(row) if self.value is not None else _field(row, self.name)
        return value if not isinstance(value, bool) else "yes" if value else "no"

    def text(self, row: T) -> str:
        """The cell for people, not yet made visible."""
        if self.shown is not None:
            return self.shown(row)
        value = self.cell(row)
        if isinstance(value, int):
            return f"{value:,}"
        return value or "-"


def for_programs(*names: str) -> list[Column[Any]]:
    """Columns of fields that only CSV has."""
    return [Column(name, title="") for name in names]


def _field(row: object, name: str) -> Value:
    value = row[name] if isinstance(row, dict) else getattr(row, name)
    return cast("Value", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[T]):
    """Rows and how they are shown; all text in them may come from elsewhere, and is made visible here.

    `title`: what it is, above a Markdown table. `above`, `foot`: lines for people around all rows; `below`:
    those of a row. `empty`: said where there are no rows, "" for nothing. `as_object` makes what
    JSON has of a row, and `document` all that `--format json` has, by default the objects of all rows.
    `own`: forms that are written in another way.
    """

    rows: Sequence[T]
    columns: Sequence[Column[T]]
    title: str = ""
    above: Sequence[str] = ()
    below: Callable[[T], Iterable[str]] = lambda _: ()
    foot: Sequence[str] = ()
    empty: str = "nothing here"
    as_object: Callable[[T], object] = lambda row: row
    document: Callable[[], object] | None = None
    own: Mapping[str, Writer] = field(default_factory=dict)

    def writers(self) -> dict[str, Writer]:
        """How each form is written to a stream."""
        made: dict[str, Writer] = {
            "table": self._table,
            "jsonl": self._jsonl,
            "json": self._json,
            "csv": self._csv,
            "md": self._markdown,
        }
        return made | dict(self.own)

    def _nothing(self) -> list[str]:
        return [_safe(self.empty)] if self.empty else []

    def _table(self, stream: TextIO) -> None:
        from scanner.cli.listing_table import Cells, plain_lines, table_text
        from scanner.cli.streams import terminal_width

        width = terminal_width(stream)
        columns = [column for column in self.columns if column.head]
        cells = [
            Cells([_safe(column.text(row)) for column in columns], [_safe(line) for line in self.below(row)])
            for row in self.rows
        ]
        lines = [*plain_lines(map(_safe, self.above), width)]
        lines += table_text(columns, cells, width) if cells else plain_lines(self._nothing(), width)
        lines += plain_lines(map(_safe, self.foot), width)
        for line in lines:
            stream.write(line + "\n")

    def _jsonl(self, stream: TextIO) -> None:
        for row in self.rows:
            stream.write(json_text(self.as_object(row)) + "\n")

    def _json(self, stream: TextIO) -> None:
        whole = self.document() if self.document is not None else [self.as_object(row) for row in self.rows]
        stream.write(json_text(whole, indent=2) + "\n")

    def _csv(self, stream: TextIO) -> None:
        from results.report.cells import csv_text

        rows = ([column.cell(row) for column in self.columns] for row in self.rows)
        stream.write(csv_text([column.name for column in self.columns], rows))

    def _markdown(self, stream: TextIO) -> None:
        from results.report.cells import markdown_cell, markdown_table

        columns = [column for column in self.columns if column.head]
        right = [place for place, column in enumerate(columns) if column.right]
        below = [[_safe(line) for line in self.below(row)] for row in self.rows]
        more = ["more"] if any(below) else []
        rows = [
            [*(_safe(column.text(row)) for column in columns), *(["; ".join(lines) or "-"] if more else [])]
            for row, lines in zip(self.rows, below, strict=True)
        ]
        if self.title:
            stream.write(f"## {markdown_cell(_safe(self.title))}\n\n")
        for line in self.above:
            stream.write(f"{markdown_cell(_safe(line))}  \n")
        if self.above:
            stream.write("\n")
        if rows:
            stream.write(markdown_table([*(column.head for column in columns), *more], rows, right))
        foot = [*([] if rows else self._nothing()), *filter(None, self.foot)]
        if rows and foot:
            stream.write("\n")
        for line in foot:
            stream.write(f"{markdown_cell(_safe(line))}  \n")


@dataclass(frozen=True, slots=True)
class Listed:
    """What was asked for: a form, and where it goes."""

    form: str
    out: str | None

    def write(self, listing: Listing[Any], *, patient: bool = False) -> None:
        """Write the listing. `patient` as of `outfile.opened`. Raises `StorageError` where the file cannot be
        written."""
        self.write_by(listing.writers(), patient=patient)

    def write_by(self, writers: Mapping[str, Writer], *, patient: bool = False) -> None:
        """The same for what is no `Listing`: `writers` has each form that the command takes."""
        with opened(self.out, patient=patient) as stream:
            writers[self.form](stream)

    @property
    def takes_stdout(self) -> bool:
        """Whether it goes to standard output."""
        return self.out is None or self.out == "-"


def listing_options(
    *more: str,
    json_means: Literal["json", "jsonl"] = "json",
    kind: click.ParamType[str] | None = None,
    only: str = "How it is listed: ",
) -> Callable[[F], F]:
    """`--format`, `--out`, and `--json` for short; the command gets them as `listed: Listed`.

    `more`: words that `--format` takes besides `FORMS`; `kind`: another type of it, which takes those, too;
    `only`: what its help begins with. Raises a usage error where `--json` and another form are written.
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapped(*arguments: Any, form: str | None, out: str | None, as_json: bool, **named: Any) -> Any:
            if as_json and form not in (None, json_means):
                raise click.UsageError(f"--json and --format {form} are two forms; write one of them")
            named_by = None if as_json or form else form_named_by(out, FORMS)
            listed = Listed(json_means if as_json else form or named_by or "table", out)
            return function(*arguments, listed=listed, **named)

        options = (
            click.option(
                "--format",
                "form",
                type=kind or click.Choice([*FORMS, *more]),
                metavar="FORMAT" if kind is not None else None,
                help=f"{only}for people, for programs (a line each, or as a whole), for a spreadsheet, for a"
                " ticket. Default: what the ending of --out says, else table.",
            ),
            click.option(
                "--out",
                type=OutFile(),
                metavar="FILE",
                help="The file that it goes into, as a whole; - is standard output, the default.",
            ),
            click.option("--json", "as_json", is_flag=True, help=f"Short for --format {json_means}."),
        )
        for add in reversed(options):
            wrapped = add(wrapped)
        return cast(F, wrapped)

    return decorate


def in_one_piece(make: Callable[[], str]) -> Writer:
    """A form whose text is made as a whole, when it is asked for."""

    def write(stream: TextIO) -> None:
        stream.write(make())

    return write


def in_pieces(make: Callable[[], Iterable[str]]) -> Writer:
    """A form whose text comes in pieces, each with its line ends."""

    def write(stream: TextIO) -> None:
        for piece in make():
            stream.write(piece)

    return write


def text_writer(lines: Iterable[str]) -> Writer:
    """Lines that are safe to print, folded where the terminal ends."""

    def write(stream: TextIO) -> None:
        from scanner.cli.listing_table import plain_lines
        from scanner.cli.streams import terminal_width

        for line in plain_lines(lines, terminal_width(stream)):
            stream.write(line + "\n")

    return write


def json_text(value: object, *, indent: int | None = None) -> str:
    """A value as JSON, on one line or on several; ASCII, so that no hidden character is in it as itself."""
    import msgspec

    from results.lines import printable

    data = msgspec.json.encode(value)
    if indent is not None:
        data = msgspec.json.format(data, indent=indent)
    return printable(data).decode()


def _safe(text: str) -> str:
    from results.text import visible

    return visible(text, _MOST)
