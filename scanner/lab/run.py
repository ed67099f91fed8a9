"""The lab in the foreground: start the estate, say what stands where, run until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

from scanner.lab import real, status_page
from scanner.lab.estate import DEFAULT_BASE, DEFAULT_PORT, Estate, LabError, TakenError
from scanner.lab.personality import Group
from scanner.lab.server import LabServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from pathlib import Path
    from typing import TextIO

    Ready = Callable[[Estate], Awaitable[None] | None]

PARENT_CHECK_SECONDS = 1.0
PORTS = range(DEFAULT_PORT, DEFAULT_PORT + 100)  # tried in turn; below those that the kernel gives to clients
IS_TAKEN = "is taken on this machine"  # `make demo` looks for it and passes it on
OLD = "old_2_6"  # beside which a status page stands
DEFAULT_GROUPS = (Group.MAIN, Group.OTHER)


def run_lab(
    *,
    base: str = DEFAULT_BASE,
    port: int | None = None,
    groups: Iterable[Group] = DEFAULT_GROUPS,
    secantus: bool | None = None,
    scope_path: Path | None = None,
    ready: Ready | None = None,
    output: TextIO | None = None,
    follow_parent: bool = True,
) -> None:
    """Run the lab until SIGINT or SIGTERM, or until the process that started it is gone.

    `port`: None takes MongoDB's, or the next that is free on all addresses where something else holds that.
    `secantus`: True starts real SecantusDB servers too (`LabError` when they are not installed), None where
    they are installed. `scope_path`: where the scope file goes, written before `ready` is called with the
    running estate. The table of what stands where goes to `output` (stderr by default). Raises `LabError`.
    """
    if secantus and not real.installed():
        raise LabError("SecantusDB is not installed; install the extra with: pip install 'mongosweep[lab]'")
    with_real = real.installed() if secantus is None else secantus
    chosen = tuple(groups)

    def on(each: int) -> Estate:
        return Estate(base=base, port=each, groups=chosen)

    ports = PORTS if port is None else [port]
    factory = _loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(
            _run(on, ports, with_real, scope_path, ready, output or sys.stderr, follow_parent=follow_parent)
        )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run(
    on: Callable[[int], Estate],
    ports: Sequence[int],
    with_real: bool,
    scope_path: Path | None,
    ready: Ready | None,
    output: TextIO,
    *,
    follow_parent: bool,
) -> None:
    parent = os.getppid()  # before anything takes time, or its end could be missed
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    watch = asyncio.create_task(_watch_parent(parent, stop)) if follow_parent else None
    async with contextlib.AsyncExitStack() as stack:
        estate = await _start(on, ports)
        stack.push_async_exit(estate)
        servers = real.join(estate) if with_real else []
        for each in servers:
            stack.push_async_callback(each.stop)
        await asyncio.gather(*(each.start() for each in servers))
        page = await _status_page(estate, stack)
        if scope_path is not None:
            _write_scope(estate, scope_path)
        if estate.port != ports[0]:
            output.write(f"port {ports[0]} {IS_TAKEN}; the servers stand on port {estate.port}\n")
        output.write(table(estate, scope_path, page, _width(output)))
        output.flush()
        if ready is not None:
            called = ready(estate)
            if called is not None:
                await called
        await stop.wait()
    if watch is not None:
        watch.cancel()


async def _start(on: Callable[[int], Estate], ports: Sequence[int]) -> Estate:
    """The estate, running, on the first port that is free on every address of its servers.

    Only the attempt itself can tell: what was free a moment ago may be another lab's by now.
    """
    for port in ports[:-1]:
        with contextlib.suppress(TakenError):
            return await on(port).start()
    return await on(ports[-1]).start()


async def _status_page(estate: Estate, stack: contextlib.AsyncExitStack) -> str:
    """Start the status page of the estate's 2.6 on its port; a line about it, "" where it cannot stand."""
    if estate.port != DEFAULT_PORT or not any(
        each.personality.name == OLD for each in estate.servers.values()
    ):
        return ""  # the page stands 1000 above the server, and a sweep knows one at 28017
    server = LabServer(status_page.personality(), estate.at(OLD).ip, status_page.PORT)
    try:
        await stack.enter_async_context(server)
    except OSError:
        return f"port {status_page.PORT} {IS_TAKEN}: no status page"
    return f"and at {server.host}:{server.port} the status page of its 2.6: sweep with --ports mongodb"


def _write_scope(estate: Estate, path: Path) -> None:
    try:
        estate.write_scope(path)
    except OSError as error:
        raise LabError(f"{path}: cannot be written ({error.strerror}); choose another file") from error


async def _watch_parent(parent: int, stop: asyncio.Event) -> None:
    while os.getppid() == parent:  # noqa: ASYNC110 - the kernel has no event for this
        await asyncio.sleep(PARENT_CHECK_SECONDS)
    stop.set()


def _width(output: TextIO) -> int | None:
    """The columns of the terminal that this is, if it is one."""
    with contextlib.suppress(OSError, ValueError):
        return os.get_terminal_size(output.fileno()).columns or None
    return None


def table(estate: Estate, scope_path: Path | None = None, page: str = "", width: int | None = None) -> str:
    """What stands where, one line a server, as plain text. Where a terminal of `width` columns has no room
    for that, what a server is stands below it."""
    places = estate.truth()
    name_width = max(len(each.personality) for each in places)
    verdict_width = max(len(each.verdict.value) for each in places)
    address_width = max(len(each.ip) for each in places) + 6
    before = address_width + name_width + verdict_width + 6
    below = width is not None and before + max(len(each.description) for each in places) > width
    lines = [
        f"{'address':<{address_width}}  {'server':<{name_width}}  "
        + ("verdict" if below else f"{'verdict':<{verdict_width}}  what it is")
    ]
    for each in places:
        address = f"{each.ip}:{each.port}"
        line = f"{address:<{address_width}}  {each.personality:<{name_width}}  "
        if below:
            lines += [line + each.verdict.value, f"  {each.description}"]
        else:
            lines.append(f"{line}{each.verdict.value:<{verdict_width}}  {each.description}")
    lines.append(f"{len(places)} servers, all on loopback; off limits: {estate.denied_network()}")
    if page:
        lines.append(page)
    if scope_path is not None:
        lines.append(f"scope file: {scope_path}   try: mongosweep sweep -c {scope_path}")
    lines.append("running until Ctrl-C")
    return "\n".join(lines) + "\n"
