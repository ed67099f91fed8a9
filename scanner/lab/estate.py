"""Which personality stands on which address, whose it is, and the scope file that says so."""

from __future__ import annotations

import errno
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from scanner.lab import honest, hostile, others
from scanner.lab.personality import Group, Personality
from scanner.lab.server import LabServer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from results.verdict import Verdict

DEFAULT_BASE = "127.77.0.0"
DEFAULT_PORT = 27017
_BLOCK = {Group.MAIN: 0, Group.OTHER: 256, Group.HOSTILE: 512, Group.REAL: 1024}
_OFF_LIMITS = 1536  # one open server on an address that the scope denies
_QUIET = 1792  # a /24 that is in scope and where nothing listens

TEAMS = (
    ("web platform", "web-oncall@example.com", "paris"),
    ("reader services", "readers@example.com", "paris"),
    ("data platform", "data-oncall@example.com", "dublin"),
    ("archive", "archive@example.com", "lyon"),
    ("mobile apps", "mobile@example.com", "dublin"),
)


class LabError(Exception):
    """The lab cannot be set up as asked; the text says what to do instead."""


class TakenError(LabError):
    """Something else listens where a server of the estate should."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One server of the estate: where it stands, what it is, and what must be found."""

    ip: str
    port: int
    personality: str
    description: str
    group: Group
    verdict: Verdict
    acceptable: frozenset[Verdict]
    product: str
    version: str
    topology: str
    databases: tuple[str, ...]
    total_size: int | None
    documents: int | None
    newest: datetime | None
    ransom: tuple[str, ...]
    tls: bool
    owner: str
    contact: str
    site: str


def catalogue(groups: Iterable[Group] = (Group.MAIN, Group.OTHER)) -> list[Personality]:
    """Fresh personalities of the given groups, in a fixed order. Dates in them count from now."""
    makers = {
        Group.MAIN: honest.personalities,
        Group.OTHER: others.personalities,
        Group.HOSTILE: _hostile,
    }
    wanted = set(groups)
    return [each for group, make in makers.items() if group in wanted for each in make()]


def _hostile() -> list[Personality]:
    return [*hostile.personalities(), *others.mute()]


def find(name: str) -> Personality:
    """A fresh personality by its name. Raises `LabError` for a name that is not there."""
    for each in catalogue(Group):
        if each.name == name:
            return each
    raise LabError(f"no personality is called {name!r}; `mongosweep lab --list` shows them all")


class Estate:
    """Simulated servers on neighbouring loopback addresses. One group, one block of addresses."""

    def __init__(
        self,
        *,
        base: str = DEFAULT_BASE,
        port: int = DEFAULT_PORT,
        groups: Iterable[Group] = (Group.MAIN, Group.OTHER),
        personalities: Iterable[Personality] | None = None,
    ) -> None:
        self.base = _checked(base)
        self.port = port
        chosen = catalogue(groups) if personalities is None else list(personalities)
        self.servers: dict[str, LabServer] = {}
        self._next = dict(_BLOCK)
        self._real: list[Place] = []
        for each in chosen:
            self.servers[self.address(each.group)] = LabServer(each, "", port)
        for ip, server in self.servers.items():
            server.host = ip
        denied = next((each for each in honest.personalities() if each.name == "empty"), None)
        assert denied is not None
        self.off_limits = LabServer(denied, str(self.base + _OFF_LIMITS + 1), port)

    def address(self, group: Group) -> str:
        """The next free address in the block of `group`."""
        self._next[group] += 1
        return str(self.base + self._next[group])

    def add_real(self, place: Place) -> None:
        """Note a server that is run by somebody else on one of our addresses."""
        self._real.append(place)

    async def start(self) -> Self:
        """Start all servers; on the first failure everything is stopped again."""
        try:
            for server in self._all():
                await server.start()
        except OSError as error:
            await self.stop()
            kind = TakenError if error.errno == errno.EADDRINUSE else LabError
            raise kind(
                f"{server.host} port {server.port}: {error.strerror or error}; "
                "choose another with --port or --base"
            ) from error
        return self

    async def stop(self) -> None:
        """Stop all servers; no socket and no task stays behind."""
        for server in self._all():
            await server.stop()

    def _all(self) -> list[LabServer]:
        return [*self.servers.values(), self.off_limits]

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def truth(self) -> list[Place]:
        """What stands where, simulated and real; the server off limits is not among them."""
        return [self._place(ip, server) for ip, server in self.servers.items()] + self._real

    def at(self, name: str) -> Place:
        """The place of the personality of that name."""
        return next(each for each in self.truth() if each.personality == name)

    def server(self, name: str) -> LabServer:
        """The running server of the personality of that name, for its record."""
        return next(each for each in self.servers.values() if each.personality.name == name)

    def _place(self, ip: str, server: LabServer) -> Place:
        personality = server.personality
        owner, contact, site = team(ip)
        truth = personality.truth
        return Place(
            ip=ip,
            port=server.port,
            personality=personality.name,
            description=personality.description,
            group=personality.group,
            verdict=personality.verdict,
            acceptable=personality.acceptable,
            product=truth.product,
            version=truth.version,
            topology=truth.topology,
            databases=truth.databases,
            total_size=truth.total_size,
            documents=truth.documents,
            newest=truth.newest,
            ransom=truth.ransom,
            tls=truth.tls,
            owner=owner,
            contact=contact,
            site=site,
        )

    def write_scope(self, path: Path, *, rate: int = 1000, quiet: bool = True) -> None:
        """Write a `mongosweep.toml` that allows this estate and nothing else.

        With `quiet`, a /24 where nothing listens is allowed too, as real scopes are mostly empty.
        """
        path.write_text(scope_text(self, rate=rate, quiet=quiet), encoding="utf-8")

    def quiet_network(self) -> str:
        """The /24 in scope where nothing listens."""
        return f"{self.base + _QUIET}/24"

    def denied_network(self) -> str:
        """The addresses that the scope denies."""
        return f"{self.base + _OFF_LIMITS}/30"


def team(ip: str) -> tuple[str, str, str]:
    """Owner, contact and site of an address: fictional, and the same each time."""
    return TEAMS[int(ipaddress.ip_address(ip)) % len(TEAMS)]


def scope_text(estate: Estate, *, rate: int, quiet: bool) -> str:
    """The scope file of an estate."""
    lines = [
        "# Written by `mongosweep lab`: the simulated estate on this machine's loopback, nothing else.",
        "[organisation]",
        'name = "Example"',
        'contact = "soc@example.com"',
        "",
        "[sweep]",
        f"ports = [{estate.port}]",
        f"rate = {rate}",
        f"per_prefix_rate = {rate}  # loopback bears it; real networks keep the gentle default",
        "",
        "[[deny]]",
        f'cidr = "{estate.denied_network()}"',
        'reason = "medical devices: an open server stands here, and no sweep may ask it"',
    ]
    for place in estate.truth():
        lines += _entry(f"{place.ip}/32", place.owner, place.contact, place.site)
    lines += _entry(estate.denied_network(), "medical devices", "devices@example.com", "lyon")
    if quiet:
        lines += _entry(estate.quiet_network(), "office network", "office-it@example.com", "lyon")
    return "\n".join(lines) + "\n"


def _entry(cidr: str, owner: str, contact: str, site: str) -> list[str]:
    return [
        "",
        "[[allow]]",
        f'cidr = "{cidr}"',
        'kind = "lab"',
        f'owner = "{owner}"',
        f'contact = "{contact}"',
        f'site = "{site}"',
    ]


def _checked(base: str) -> ipaddress.IPv4Address:
    try:
        address = ipaddress.IPv4Address(base)
    except ValueError:
        raise LabError(
            f"--base {base}: no IPv4 address; write one in 127.0.0.0/8, as {DEFAULT_BASE}"
        ) from None
    if not (address.is_loopback and (address + 4096).is_loopback):
        raise LabError(f"--base {base}: the lab stands on loopback only; write one as {DEFAULT_BASE}")
    return address
