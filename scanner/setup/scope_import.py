"""An import: sources are read, an allow-list is proposed, compared with the last one, and written whole."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from results.files import REAL, DirectoryBusyError, FileSystem, StorageError, storage_error, write_durably
from results.text import plural, visible
from scanner.errors import RefusedError
from scanner.setup.ipv6 import may_be_wide
from scanner.setup.list_files import list_argument
from scanner.setup.scope_request import scope_files
from scanner.setup.secret import require_certificates, secret
from targets.allow_diff import difference
from targets.allow_file import Before, allow_text, left_line, read_before
from targets.errors import ScopeError
from targets.gathered import Gathered
from targets.grammar import format_span
from targets.load import file_rows, scope_of, table_rows, toml_rows
from targets.names import leave_out
from targets.ports import numbers
from targets.proposal import propose
from targets.sources.read import read_claims

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scanner.setup.config_file import ConfigFile
    from scanner.setup.settings import Settings
    from targets.allow_diff import Difference
    from targets.proposal import ImportRules, Proposal
    from targets.sources.reading import Reading

NETBOX = "netbox"  # a SOURCE that stands for the [netbox] of the configuration
DEFAULT_NAME = "scope.toml"
TOKEN = "MONGOSWEEP_NETBOX_TOKEN"  # noqa: S105 - the name of a variable
_TELL_EVERY = 5.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What was asked for. `to` is None where nothing was said."""

    sources: tuple[str, ...]
    rules: ImportRules
    to: str | None = None
    accept_growth: bool = False
    accept_loss: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """How an import ended. `refusal` says why nothing was written, "" where nothing stood in the way."""

    path: Path
    sources: tuple[str, ...]  # each with its format and how much it named
    proposal: Proposal
    difference: Difference
    first: bool  # there was no allow-list of an import before
    written: bool
    refusal: str
    in_force: bool  # [scope] files names the file
    signing: bool  # [scope] signers is set, so that the file counts once it is signed


class SourcesRead(NamedTuple):
    """What sources say, what each was as a clause, and whether a part of one could not be read."""

    gathered: Gathered
    clauses: tuple[str, ...]
    damaged: bool


def read_sources(
    names: Sequence[str],
    settings: Settings,
    environment: Mapping[str, str],
    tell: Callable[[str], None],
) -> SourcesRead:
    """Everything that the sources say. `tell` gets lines for people.

    Raises RefusedError and ScopeError for a source that cannot be read, or that names nothing.
    """
    gathered = Gathered(settings.scope.vrfs, settings.netbox.statuses)
    clauses, damaged = [], []

    def warn(text: str) -> None:
        damaged.append(text)
        tell(visible(text, 500))

    for name in names:
        before = gathered.claims
        if name == NETBOX:
            shown = f"NetBox {settings.netbox.url}"
            reading = _netbox(settings, environment, tell)
            _take(reading, gathered, shown, tell)
        else:
            shown = "standard input" if name == "-" else name
            with list_argument(name) as stream:
                reading = read_claims(stream, shown, warn)
                _take(reading, gathered, shown, tell)
        if reading.unusable:
            damaged.append(name)
        count = gathered.claims - before
        if not count:
            raise RefusedError(f"{visible(shown, 300)} names no address; name another list")
        form = f" ({reading.format})" if reading.format and name != NETBOX else ""
        named = plural(count, "prefix, range or address", "prefixes, ranges and addresses")
        clauses.append(f"{shown}{form}: {named}")
        tell(f"read {visible(clauses[-1], 400)}")
    return SourcesRead(gathered, tuple(clauses), bool(damaged))


def _take(reading: Reading, gathered: Gathered, name: str, tell: Callable[[str], None]) -> None:
    due = time.monotonic() + _TELL_EVERY
    by_status = False
    for number, claim in enumerate(reading):
        if not number:
            by_status = reading.format is not None and reading.format.name.startswith("NetBox")
        gathered.add(claim, by_status=by_status)
        if not number % 1024 and time.monotonic() > due:
            tell(f"{visible(name, 300)}: {number:,} so far")
            due = time.monotonic() + _TELL_EVERY


def _netbox(settings: Settings, environment: Mapping[str, str], tell: Callable[[str], None]) -> Reading:
    from targets.netbox_api import read_netbox  # an import that files can do without

    netbox = settings.netbox
    if not netbox.url:
        raise RefusedError(
            "netbox: nothing says where it is; "
            'write url = "https://netbox.example.com" in [netbox], or name a file'
        )
    token = secret(environment, TOKEN, netbox.token_file)
    if not token:
        raise RefusedError(f"netbox: there is no token; set {TOKEN}, or write token_file in [netbox]")
    require_certificates(netbox.ca_file, "[netbox] ca_file")
    return read_netbox(
        netbox.url,
        token,
        ca_file=netbox.ca_file,
        contact_role=netbox.contact_role,
        owner_field=netbox.owner_field,
        contact_field=netbox.contact_field,
        statuses=netbox.statuses,
        vrfs=settings.scope.vrfs,
        warn=lambda text: tell(visible(text, 500)),
    )


def target_of(to: str | None, config: ConfigFile | None) -> Path:
    """The file that an import writes: as asked, else the first TOML file of [scope] files, else `scope.toml`
    beside the configuration. Raises RefusedError."""
    if to is None:
        named = [path for path in scope_files(config) if path.suffix == ".toml"] if config is not None else []
        beside = Path(config.path).parent if config is not None else Path()
        path = named[0] if named else beside / DEFAULT_NAME
    else:
        path = Path(to)
    if path.suffix != ".toml":
        raise RefusedError(
            f"--to {visible(str(path), 300)} would not be read as TOML; name a file that ends in .toml"
        )
    if config is not None and path.resolve() == Path(config.path).resolve():
        raise RefusedError(
            f"--to {path} is the configuration; name a file of its own, such as {DEFAULT_NAME}"
        )
    return Path(os.path.realpath(path))


def import_scope(
    request: ImportRequest,
    config: ConfigFile | None,
    settings: Settings,
    now: float,
    tell: Callable[[str], None],
    *,
    environment: Mapping[str, str] = os.environ,
    fs: FileSystem = REAL,
) -> Imported:
    """Read, propose, compare, and write unless something stands in the way. `now`: wall time in seconds.

    What is written has been loaded before, alone and as a part of the whole scope where it is one. Raises
    RefusedError, ScopeError, and StorageError; the allow-list is then as it was.
    """
    path = target_of(request.to, config)
    before = read_before(path, now) if path.exists() else Before()
    read = read_sources(request.sources, settings, environment, tell)
    rules = request.rules._replace(wide=config is not None and may_be_wide(settings))
    proposal = propose(read.gathered, rules, before.entries, now, settings.sweep.max_targets)
    if not proposal.entries:
        raise RefusedError(_nothing(proposal))
    text = allow_text(proposal, read.clauses, before.denies)
    in_force = config is not None and path in [Path(os.path.realpath(each)) for each in scope_files(config)]
    _require_loads(text, path, config if in_force else None, settings, now)
    change = difference(before.entries, [each.entry for each in proposal.entries])
    refusal = _refusal(request, change, settings.scope.max_growth, damaged=read.damaged)
    written = not refusal and not request.dry_run and text != before.text
    if written:
        _replace(fs, path, before.text, text)
    return Imported(
        path=path,
        sources=read.clauses,
        proposal=proposal,
        difference=change,
        first=not before.text,
        written=written,
        refusal=refusal,
        in_force=in_force,
        signing=bool(settings.scope.signers),
    )


def _nothing(proposal: Proposal) -> str:
    reasons = []
    if proposal.unauthorised:
        count, entry = len(proposal.unauthorised), proposal.unauthorised[0].entry
        reasons.append(
            f"{count:,} not proven ours by being private, such as {entry.text}: "
            "give --authorised-by and --expires"
        )
    reasons += [left_line(items[0]) for _, items in proposal.left.values()][:3]
    why = f" ({visible('; '.join(reasons), 800)})" if reasons else ""
    return (
        f"nothing that was read may become an entry{why}; nothing was written: an empty scope proves nothing"
    )


def _require_loads(text: str, path: Path, config: ConfigFile | None, settings: Settings, now: float) -> None:
    """Load what is about to be written, and the scope that it becomes a part of. Raises RefusedError."""
    rows = list(toml_rows(text, str(path)))
    try:
        if config is not None:
            rows += table_rows(settings.allow, settings.deny, source=config.path, line_of=config.lines.line)
            for other in scope_files(config):
                if Path(os.path.realpath(other)) != path:
                    rows += file_rows(other, allow_empty=True)
        scope_of(
            rows,
            source=str(path),
            ports=numbers(settings.sweep.ports),
            now=now,
            max_targets=settings.sweep.max_targets,
            resolver=leave_out,
            allow_empty=True,
            wide=True,
        )
    except ScopeError as error:
        raise RefusedError(f"nothing was written: with it the scope would be refused. {error}") from None


def _refusal(request: ImportRequest, change: Difference, most: float, *, damaged: bool) -> str:
    if damaged and change.gone and not request.accept_loss:
        return (
            f"a part of what was read could not be used, and the allow-list would lose"
            f" {plural(change.gone, 'address', 'addresses')}; nothing was written, import a list that is"
            " whole, or give --accept-loss if that is right"
        )
    for what, share, accepted, option, verb in (
        ("added", change.growth, request.accept_growth, "--accept-growth", "grow by"),
        ("gone", change.loss, request.accept_loss, "--accept-loss", "lose"),
    ):
        if share > most and not accepted:
            rows = change.of("added" if what == "added" else "gone")
            largest = ", ".join(
                f"{format_span(row.span)} ({row.span.size:,}, {row.owner or row.before or 'no owner'})"
                for row in rows[:3]
            )
            count = change.added if what == "added" else change.gone
            return (
                f"the allow-list would {verb} {plural(count, 'address', 'addresses')}"
                f"{', and has' if what == 'added' else ' of its'} {change.before:,}"
                f" ({share:.0%}, and [scope] max_growth is {most:.0%}): {visible(largest, 400)};"
                f" nothing was written, give {option} if that is right"
            )
    return ""


def _replace(fs: FileSystem, path: Path, old: str, new: str) -> None:
    """Put the new text in the place of the old one, unless somebody else has changed it meanwhile."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise storage_error(path.parent, error) from None
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DirectoryBusyError(
                path, "another import writes there", "wait for it, and import again"
            ) from None
        try:
            mode, held = path.stat().st_mode & 0o775, path.read_text(encoding="utf-8-sig", errors="replace")
        except FileNotFoundError:
            mode, held = 0o644, ""
        if held != old:
            raise RefusedError(
                f"{path} was changed while the sources were read; nothing was written, import again"
            )
        try:
            write_durably(fs, path, new.encode(), keep_previous=False, mode=mode)
        except StorageError as error:
            remedy = "the allow-list is as it was; make room, or name another place with --to"
            raise StorageError(path, error.reason, remedy) from error
    finally:
        with contextlib.suppress(OSError):
            os.close(folder)
