"""The exceptions of the public interface: where something is wrong, what, and what to do about it.

Each room below has errors of its own; `public` makes these of them. Anything else that is raised is a bug.
"""

from __future__ import annotations

import re
from typing import NoReturn

from results.files import ResultsError
from scanner.errors import ExitCode
from scanner.errors import MongosweepError as OwnError
from targets.errors import ScopeError, one_line
from targets.grammar import GrammarError
from targets.scope import OutOfScope

# `path:line: `, an option or a parameter, or a table of the configuration in front of what is wrong there.
_PLACE = re.compile(r"(?P<where>(?:[^:]+?:\d+|-{0,2}[a-z_-]+|\[{1,2}[a-z]+\]{1,2}(?: [a-z_]+)?)): ")

_PARAMETERS = {"--port": "ports", "--site": "sites", "--owner": "owners"}  # by another name than the option


class MongosweepError(Exception):
    """What ends a sweep. Its text is one line: `where: what; remedy`.

    `where`: a file, a file with its line, or a parameter; "" where there is no place. `remedy`: what to write
    or do instead; it may name an option of the command line, whose parameter here has the same name.
    `exit_code`: that of the command line for the same.
    """

    exit_code: int = ExitCode.BUG

    def __init__(self, where: str, what: str, remedy: str) -> None:
        self.where, self.what, self.remedy = one_line(where), one_line(what), one_line(remedy)
        super().__init__(self.where, self.what, self.remedy)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}" + (f"; {self.remedy}" if self.remedy else "")


class RefusedError(MongosweepError):
    """A bad parameter, configuration, scope or place for results. Nothing was sent."""

    exit_code = ExitCode.REFUSED


class StorageError(MongosweepError):
    """Writing failed, or what is stored is damaged. What had been found is kept; the run can be resumed."""

    exit_code = ExitCode.STORAGE


class BusyError(MongosweepError):
    """Another run has what this one needs. Nothing was sent."""

    exit_code = ExitCode.BUSY


_BY_CODE: dict[int, type[MongosweepError]] = {
    each.exit_code: each for each in (RefusedError, StorageError, BusyError)
}


def raise_public(error: BaseException) -> NoReturn:
    """Raise the public exception for one of ours, and what is none of ours, or a bug, as it is."""
    known = public(error)
    if known is None or known is error:
        raise error
    raise known from error


def public(error: BaseException) -> MongosweepError | None:
    """The public exception for one of ours; None for what is none of ours, or a bug."""
    if isinstance(error, MongosweepError):
        return error
    if isinstance(error, ScopeError):
        place = error.path if error.line is None else f"{error.path}:{error.line}"
        return RefusedError(place, error.reason, error.remedy)
    if isinstance(error, GrammarError):
        return RefusedError("", error.reason, error.remedy)
    if isinstance(error, OutOfScope):
        return RefusedError("", *_what_and_remedy(str(error)))
    if isinstance(error, ResultsError):
        kind = _BY_CODE.get(error.exit_code, StorageError)
        return kind(error.place, error.reason, error.remedy)
    if isinstance(error, OwnError) and error.exit_code in _BY_CODE:
        text = str(error)
        found = _PLACE.match(text)
        where, rest = (found["where"], text[found.end() :]) if found is not None else ("", text)
        return _BY_CODE[error.exit_code](_PARAMETERS.get(where, where), *_what_and_remedy(rest))
    return None


def _what_and_remedy(text: str) -> tuple[str, str]:
    """The parts of a text that is `what; remedy`."""
    what, _, remedy = text.rpartition("; ")
    return (what, remedy) if what else (text, "")
