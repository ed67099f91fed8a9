"""The hosts that a person names for `--ssh`: how they are written, the command line of ssh that reaches one,
and what it means when that fails."""

from __future__ import annotations

import ipaddress
import re
import shlex
from typing import TYPE_CHECKING, Final, NamedTuple

from results.text import visible
from scanner.errors import RefusedError
from scanner.setup.fleet_settings import SITE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MOST_HOSTS: Final = 1_000
COMMAND: Final = ("mongosweep", "fleet", "shard")  # there, unless authorized_keys force another
_FORMS: Final = "write HOST, SITE=HOST or SITE=USER@HOST:PORT, with commas in between"
_SITE = re.compile(SITE)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")  # of a host, or of a `Host` of the user's ssh config
_PORT = re.compile(r"[1-9][0-9]{0,4}")

# ssh(1), ssh_config(5). A connection that died is noticed after ServerAliveInterval * ServerAliveCountMax =
# 15 s, within the lease of a shard. A shared connection (ControlMaster) is not used, also where the user's
# configuration wants one: it would have its own idea of when it is dead, and one session of a minute or so
# gains nothing by it. Whether a host key is believed is left to the user's configuration.
_OPTIONS: Final = (
    "BatchMode=yes",
    "ConnectTimeout=10",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "ControlMaster=no",
    "ControlPath=none",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "EscapeChar=none",
    "LogLevel=ERROR",
)

# What ssh of OpenSSH writes on stderr (sshconnect.c, sshconnect2.c, readconf.c), and what to do about it.
_MEANINGS: Final = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is another one than is known here; find out why, then put the new one into known_hosts",
    ),
    (
        "Host key verification failed",
        "its host key is not known here; compare it, and put it into known_hosts (`ssh {host}` by hand asks)",
    ),
    (
        "Permission denied",
        "it refuses our key ({said}); it must know one that an agent holds or that needs no passphrase",
    ),
    ("Could not resolve hostname", "its name cannot be resolved ({said})"),
    ("Connection refused", "nothing listens there ({said})"),
    ("No route to host", "there is no way to it ({said})"),
    ("Network is unreachable", "there is no way to it ({said})"),
    ("Connection timed out", "it cannot be reached ({said})"),
    ("Operation timed out", "it cannot be reached ({said})"),
    ("Bad configuration option", "ssh refuses its configuration ({said})"),
    ("Bad owner or permissions", "ssh refuses its configuration ({said})"),
)
_NOT_FOUND: Final = (
    "mongosweep was not found there ({said}); install it for all users, or give its path in the forced "
    "command of authorized_keys"
)
_CUT: Final = ("timeout, server", "closed by remote", "connection reset", "broken pipe", "connection closed")


class Host(NamedTuple):
    """One host as it was named: `label` is that text without its site. `port` 0 and `user` "" leave it to
    ssh; a host without `site` does the shards of every site."""

    label: str
    name: str
    site: str = ""
    user: str = ""
    port: int = 0


class Meaning(NamedTuple):
    """Why ssh ended, as a clause; whether nothing can have been begun at the other end; whether it was
    mongosweep that failed `there`, and not the way to it."""

    why: str
    nothing_began: bool
    there: bool = False


def parse_hosts(text: str) -> tuple[Host, ...]:
    """Hosts of `--ssh`: `a`, `paris=a,london=user@b:2222`, `[2001:db8::1]:22`. Raises RefusedError."""
    entries = text.split(",")
    if len(entries) > MOST_HOSTS:
        raise RefusedError(f"--ssh names {len(entries):,} hosts; at most {MOST_HOSTS:,} can be used")
    hosts: list[Host] = []
    places: dict[tuple[str, str, int], int] = {}
    for number, entry in enumerate(entries, 1):
        try:
            host = _host(entry.strip(" "))
        except ValueError as error:
            place = f"--ssh, entry {number} ({visible(entry.strip(' '), 60)!r})" if entry.strip(" ") else (
                f"--ssh, entry {number}"
            )  # fmt: skip
            raise RefusedError(f"{place}: {error}") from None
        first = places.setdefault((host.user, host.name.lower(), host.port), number)
        if first != number:
            raise RefusedError(
                f"--ssh, entry {number}: {host.label} is named twice (entry {first}); write it "
                "once, and without a site when it is to do the shards of every site"
            )
        hosts.append(host)
    return tuple(hosts)


def _host(entry: str) -> Host:
    if not entry:
        raise ValueError(f"it is empty; {_FORMS}")
    site, sign, label = entry.rpartition("=")
    if sign and not _SITE.fullmatch(site):
        raise ValueError(f"{visible(site, 40)!r} is no name of a site; {_FORMS}")
    user, sign, rest = label.rpartition("@")
    if sign and not _USER.fullmatch(user):
        raise ValueError(f"{visible(user, 40)!r} is no name of a user; {_FORMS}")
    name, port = _name_and_port(rest)
    return Host(label, name, site, user, port)


def _name_and_port(text: str) -> tuple[str, int]:
    if text.startswith("["):
        name, bracket, rest = text[1:].partition("]")
        try:
            ipaddress.IPv6Address(name)
        except ValueError:
            name = "%"
        if not bracket or "%" in name or (rest and not rest.startswith(":")):
            raise ValueError(f"{visible(text, 60)!r} is no IPv6 address; write it as [2001:db8::1]:22")
        port, sign = rest[1:], rest[:1]
    else:
        name, sign, port = text.partition(":")
        if ":" in port:
            raise ValueError("an IPv6 address needs brackets; write it as [2001:db8::1]:22")
        if not _NAME.fullmatch(name):
            raise ValueError(f"{visible(name, 60)!r} is no name of a host; {_FORMS}")
    if sign and not (_PORT.fullmatch(port) and int(port) < 65536):
        raise ValueError(f"{visible(port, 20)!r} is no port; write a number from 1 to 65535")
    return name, int(port or 0)


def command_line(host: Host, site: str, ssh: Sequence[str], command: Sequence[str]) -> list[str]:
    """The argv that runs a shard process on a host, for a site ("" where none is meant)."""
    argv = [*ssh, "-T"]
    for option in _OPTIONS:
        argv += ("-o", option)
    if host.port:
        argv += ("-p", str(host.port))
    if host.user:
        argv += ("-l", host.user)
    remote = (*command, "--site", site) if site else command
    return [*argv, "--", host.name, shlex.join(remote)]


def meaning_of(code: int, stderr: Iterable[str], host: Host) -> Meaning:
    """What it means that ssh ended with this code after these lines, which need not be fit for a terminal.

    ssh ends with the code of the command at the other end, with 255 for an error of its own (ssh(1), EXIT
    STATUS), and negative here when a signal ended it; a shell says 127 for a command that it cannot find.
    """
    lines = [line for line in (visible(line.strip(), 300) for line in stderr) if line]
    said = lines[-1] if lines else "nothing was said"
    if code == 255:
        for fragment, text in _MEANINGS:
            for line in lines:
                if fragment in line:
                    return Meaning(text.format(host=host.label, said=line), nothing_began=True)
        if not lines:
            return Meaning("the connection was cut", nothing_began=False)
        if any(fragment in said.lower() for fragment in _CUT):
            return Meaning(f"the connection was cut ({said})", nothing_began=False)
        return Meaning(f"ssh failed ({said})", nothing_began=False)
    if code in (126, 127) or any(_lacks(lines)):
        return Meaning(_NOT_FOUND.format(said=said), nothing_began=True)
    if code < 0:
        return Meaning(f"ssh was ended by signal {-code}", nothing_began=False)
    return Meaning(f"mongosweep ended there with code {code} ({said})", nothing_began=False, there=True)


def _lacks(lines: Iterable[str]) -> Iterator[bool]:
    for line in lines:
        yield "No module named" in line or "No such command 'fleet'" in line
