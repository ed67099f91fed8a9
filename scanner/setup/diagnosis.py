"""`doctor`'s work put together: the machine's checks, the scope's state, and the fences."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from scanner.clock import SystemClock
from scanner.errors import ExitCode, MongosweepError, RefusedError
from scanner.setup.doctor import Check, Machine, examine, platform_check
from scanner.setup.firewall import fence
from scanner.setup.request import SweepRequest, load
from scanner.setup.settings import SweepSettings
from targets.errors import ScopeError

if TYPE_CHECKING:
    from scanner.setup.request import LoadedRequest


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks; the exit code is 2 when one of them would make a sweep refuse to start."""

    checks: list[Check]

    @property
    def exit_code(self) -> int:
        """0 or 2."""
        failed = any(check.level == "failure" for check in self.checks)
        return ExitCode.REFUSED if failed else ExitCode.CLEAN

    def lines(self) -> list[str]:
        """A line for each check, and one below it with the remedy."""
        width = max(len(check.name) for check in self.checks)
        lines = []
        for check in self.checks:
            lines.append(f"{check.level:<8} {check.name:<{width}}  {check.found}")
            if check.remedy:
                lines.append(f"{'':<8} {'':<{width}}  -> {check.remedy}")
        return lines

    def json(self) -> str:
        """The checks as a JSON array."""
        return msgspec.json.format(msgspec.json.encode(self.checks), indent=2).decode()


def diagnose(config: str | None, scope_file: str | None, output: str) -> Diagnosis:
    """Examine this machine for the settings found, or for the defaults when there are none."""
    sweep = SweepSettings()
    try:
        loaded = load(SweepRequest(config=config, scope_file=scope_file), SystemClock.wall())
        sweep = loaded.settings.sweep
        scope = _scope_check(loaded)
    except (MongosweepError, ScopeError) as error:
        scope = Check("scope", "failure", str(error).partition("; ")[0], str(error).partition("; ")[2])
    checks = examine(Machine(clock=SystemClock()), sweep, Path(output))
    return Diagnosis([platform_check(), *checks, scope])


def _scope_check(loaded: LoadedRequest) -> Check:
    count = f"{loaded.scope.address_count:,} addresses, deny takes away "
    count += f"{sum(item.addresses for item in loaded.scope.excluded):,}"
    return Check("scope", "ok", f"{count}; `doctor --fence iproute` prints a fence outside the process")


def fence_text(kind: str, config: str | None, scope_file: str | None, user: str | None) -> str:
    """The text of a fence for the whole scope."""
    scope = load(SweepRequest(config=config, scope_file=scope_file), SystemClock.wall()).scope
    return fence(kind, scope, _uid(user))


def _uid(user: str | None) -> int:
    if user is None:
        uid = os.geteuid()
    elif user.isascii() and user.isdigit():
        uid = int(user)
    else:
        try:
            uid = pwd.getpwnam(user).pw_uid
        except KeyError:
            raise RefusedError(f"there is no account {user!r}; write the one that runs sweeps") from None
    if uid == 0:
        raise RefusedError(
            "a fence around root would cut off the whole machine; name the account of sweeps with --user"
        )
    return uid
