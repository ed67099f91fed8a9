"""How each host of an ssh carrier stands, what was given to it, and what is made of how that went."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from results.text import at_least, visible
from scanner import __version__
from scanner.fleet.carrier import MOST_SKEW
from scanner.fleet.messages import MessageError
from scanner.fleet.shard_process import LEASE, STOPPING, ShardProcessError
from scanner.fleet.ssh_hosts import meaning_of
from scanner.setup.fleet_settings import SITE

if TYPE_CHECKING:
    from scanner.fleet.messages import Description, Shard
    from scanner.fleet.ssh_hosts import Host

_SITE: Final = re.compile(SITE)
_PRINTS: Final = (
    "something there prints before mongosweep does ({error}); have start-up files of the shell print nothing "
    "when it is not interactive"
)


class Times(NamedTuple):
    """Seconds. `greeting`: for one handshake. `first_word`: until a process must have said something;
    `quiet`: from then on without a word, after which its attempt is given up, as Dask's `worker-ttl`.
    `again`: between two handshakes with a host that cannot be used, at first and at most; a host that failed
    `failures` times in a row is such a one, and is left alone for `unfit`. `lease`: for which a process whose
    connection was cut may go on."""

    greeting: float = 40.0
    first_word: float = 180.0
    quiet: float = 60.0
    again: tuple[float, float] = (5.0, 300.0)
    failures: int = 3
    unfit: float = 60.0
    lease: float = LEASE


class Failure(NamedTuple):
    """Why an attempt failed, and at whom (`Failed.worker`); whether the process at the other end may not know
    yet that it was given up."""

    worker: str
    why: str
    may_go_on: bool


class Attempt:
    """A shard that was given."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.withdrawn = False
        self.heard = False
        self.over = False  # by its own word
        self.ended = asyncio.Event()  # its process is gone
        self.why = ""  # the host is to be left alone for a while
        self.limit: asyncio.Timeout | None = None  # of the process, while there is one

    def is_of(self, name: str, attempt: int) -> bool:
        return (self.shard.name, self.shard.attempt) == (name, attempt)

    def patience(self, times: Times) -> float:
        """Seconds in which the next word is to come."""
        if self.over or self.withdrawn:
            return STOPPING
        return times.quiet if self.heard else times.first_word

    def within(self, times: Times) -> None:
        """Give the process up unless something is heard in time."""
        if self.limit is not None and not self.limit.expired():
            self.limit.reschedule(asyncio.get_running_loop().time() + self.patience(times))

    def without_limit(self) -> None:
        """Let it take its time: it is we who do not listen."""
        if self.limit is not None and not self.limit.expired():
            self.limit.reschedule(None)


class HostState:
    """One host, and how it stands."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.unfit = "it was not reached yet"
        self.site = host.site  # "": every one
        self.described: Description | None = None
        self.skew: float | None = None
        self.attempt: Attempt | None = None
        self.failures = 0  # in a row
        self.greeted = asyncio.Event()
        self.wake = asyncio.Event()
        self.resting = True  # it waits, or is asked who it is

    def serves(self, site: str) -> bool:
        return not self.unfit and self.site in ("", site)

    @property
    def free(self) -> bool:
        return self.attempt is None and not self.resting

    def greet(self, described: Description, sent: float) -> str:
        """Take in who a host says it is, asked at `sent` by our clock (seconds); why it cannot be used, ""
        when it can."""
        self.described = described
        self.skew = min(0.0, described.clock - sent) or max(0.0, described.clock - time.time())
        site = visible(described.site, 70)
        if described.version != __version__:
            return (
                f"it has version {visible(described.version, 40)} of mongosweep, and here is {__version__}; "
                "install the same one"
            )
        if abs(self.skew) > MOST_SKEW:
            how = "ahead" if self.skew > 0 else "behind"
            return f"its clock is {at_least(round(abs(self.skew)))} {how}; let both follow one time server"
        if described.site and not _SITE.fullmatch(described.site):
            return f"its site, {site!r}, is no name of a site"
        if self.host.site and described.site not in ("", self.host.site):
            named = f"--ssh has it in {self.host.site}; write {site}={self.host.label}"
            return f"it is of site {site}, and {named}"
        if described.problem:
            return visible(described.problem, 500)
        self.site = self.host.site or described.site
        return ""

    def unanswered(self, error: Exception, seconds: float) -> str:
        """Why a host cannot be used that did not say who it is, asked for so long."""
        if isinstance(error, TimeoutError):
            return f"it did not answer within {seconds:g} seconds"
        if isinstance(error, MessageError):
            return _PRINTS.format(error=error)
        if isinstance(error, ShardProcessError):
            return meaning_of(error.code, error.said.splitlines(), self.host).why
        return _not_started(error)

    def failure(self, attempt: Attempt, error: Exception, times: Times) -> Failure:
        """What to make of it that an attempt had no end of its own."""
        label = self.host.label
        if isinstance(error, MessageError):
            return Failure(label, str(error), may_go_on=True)
        if isinstance(error, TimeoutError):
            if attempt.withdrawn:
                return Failure("", "it was withdrawn", may_go_on=True)
            seconds = attempt.patience(times)
            return Failure(label, f"nothing was heard of it for {seconds:g} s", may_go_on=True)
        if isinstance(error, ShardProcessError):
            meaning = meaning_of(error.code, error.said.splitlines(), self.host)
            if meaning.there:
                return Failure(label, meaning.why, may_go_on=False)
            may_go_on = attempt.heard or not meaning.nothing_began
            return Failure("", f"{label}: {meaning.why}", may_go_on)
        return Failure("", f"{label}: {_not_started(error)}", may_go_on=False)


def _not_started(error: Exception) -> str:
    return f"ssh cannot be started ({visible(str(error), 200)})"
