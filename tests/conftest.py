"""What every test runs under: no traffic off this machine, both event loops on request, real servers."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.support import netns, real
from tests.support.fault_table import FaultTable
from tests.support.ports import free_port
from tests.support.printed import PrintedTables

if TYPE_CHECKING:
    from pathlib import Path

# A slow machine is no failure: what takes too long is caught by the timeout of each test.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_configure(config: pytest.Config) -> None:
    """Register what this file offers."""
    config.addinivalue_line("markers", "both_loops: runs once on asyncio's own loop and once on uvloop")
    config.addinivalue_line("markers", "fault(case, how): proves a case of tests/faults/cases.txt")
    config.pluginmanager.register(FaultTable(), "fault table")
    config.pluginmanager.register(PrintedTables(), "printed tables")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is collected stays to the end: neither now nor at any test is it looked through for garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """asyncio's own loop, which has a debug mode; with the marker `both_loops` also uvloop."""
    factories: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    if item.get_closest_marker("both_loops"):
        import uvloop

        factories["uvloop"] = uvloop.new_event_loop
    return factories


class TrafficLeftLoopbackError(AssertionError):
    """A test tried to reach an address that is not this machine's loopback."""


def on_loopback(host: object) -> bool:
    """Whether `host` is a literal loopback address; names are not, except the one that always is."""
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host)).is_loopback
    except ValueError:
        return False


def _socket_guard(event: str, arguments: tuple[Any, ...]) -> None:
    """Stops traffic before a packet exists; a thread inside a namespace of the test's own may talk there.

    An audit hook sees every Python socket, also those that the driver or a library makes.
    """
    if not event.startswith("socket.") or netns.inside():
        return
    if event == "socket.getaddrinfo" and not _is_literal_or_local(arguments[0]):
        raise TrafficLeftLoopbackError(f"a test looks up {arguments[0]!r}")
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if isinstance(address, tuple) and isinstance(address[0], str) and arguments[0].family in _INTERNET:
            host = address[0].partition("%")[0]
            if not on_loopback(host):
                raise TrafficLeftLoopbackError(f"a test talks to {host}")


def _is_literal_or_local(host: object) -> bool:
    if on_loopback(host):
        return True
    try:
        ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host))
    except ValueError:
        return False
    return True


_INTERNET = frozenset({2, 10})  # AF_INET and AF_INET6, as Linux numbers them
sys.addaudithook(_socket_guard)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `real_server` runs against every kind of server, unless it names its own kinds."""
    if "real_server" in metafunc.fixturenames and not any(
        "real_server" in str(mark.args[0]) for mark in metafunc.definition.iter_markers("parametrize")
    ):
        metafunc.parametrize("real_server", real.kinds(), indirect=True, ids=str, scope="session")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A long text is no name of a row, and may differ from worker to worker: it has ports and times in it."""
    return argname if isinstance(val, str | bytes) and len(val) > 80 else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Of `--numprocesses=auto`: five for two processors, because many a test waits for a deadline to pass."""
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return 5 * (ours or 1) // 2


@pytest.hookimpl(tryfirst=True)  # before a group becomes a part of a test's name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever takes a real server carries the marker `servers`, so that it can be chosen or left out.

    In a parallel run the tests of one server are one group, so that one worker starts it. The slow begin
    first, so that no worker is left alone with one at the end; the order of all others stays.
    """
    for item in items:
        if {"real_server", "real_servers"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)
            callspec = getattr(item, "callspec", None)
            kind = callspec.params.get("real_server", "") if callspec is not None else ""
            item.add_marker(pytest.mark.xdist_group(f"server {kind}"))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


class RealServers:
    """Starts each kind of server at its first use and keeps it until the tests are over."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._certificates: real.Certificates | None = None
        self._running: dict[real.Kind, real.RealServer] = {}

    @property
    def certificates(self) -> real.Certificates:
        """The authority of the tests and what it issued; made at the first use."""
        if self._certificates is None:
            self._certificates = real.Certificates(self._home / "certificates")
        return self._certificates

    def get(self, kind: real.Kind) -> real.RealServer:
        """The running server of this kind. Skips with the reason, or fails where servers are required."""
        if kind.missing:
            if os.environ.get(real.REQUIRE) == "1":
                pytest.fail(f"{kind.missing} ({real.REQUIRE} is set)", pytrace=False)
            pytest.skip(kind.missing)
        if kind not in self._running:
            home = self._home / f"{len(self._running)}-{kind}"
            self._running[kind] = real.start(kind, home, self.certificates)
        return self._running[kind]

    def stop(self) -> None:
        """End them all: ask everyone first, so that their farewells overlap."""
        for server in self._running.values():
            server.ask_to_stop()
        for server in self._running.values():
            server.stop()


@pytest.fixture(scope="session")
def real_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServers]:
    """All real servers of this session, by kind: `real_servers.get(real.kinds(real.State.OPEN)[0])`."""
    servers = RealServers(tmp_path_factory.mktemp("servers"))
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def real_server(request: pytest.FixtureRequest, real_servers: RealServers) -> real.RealServer:
    """One real server. Narrow it with
    `@pytest.mark.parametrize("real_server", real.kinds(real.State.OPEN), indirect=True, ids=str)`."""
    return real_servers.get(request.param)


@pytest.fixture
def port() -> int:
    """A port of loopback that nobody listens on."""
    return free_port()
