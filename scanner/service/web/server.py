"""The page process: from a configuration and an output directory to an application that listens."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from msgspec import Struct

from results.files import ResultsError
from scanner.clock import SystemClock
from scanner.errors import MongosweepError, RefusedError
from scanner.service.page_link import ServiceLink
from scanner.service.view.reader import Reader
from scanner.service.web.app import application
from scanner.service.web.certificate import Certificate
from scanner.service.web.connections import CONNECTIONS, Connections, most_connections
from scanner.service.web.context import Context
from scanner.setup.config_file import ConfigFile, find_config
from scanner.setup.listen import Listen, host_and_port, parse_listen, unprotected
from scanner.setup.request import SweepRequest, load_settings
from scanner.setup.scope_request import full_scope
from scanner.setup.settings import Settings
from targets.errors import ScopeError
from targets.grammar import GrammarError
from targets.scope import OutOfScope, Scope

if TYPE_CHECKING:
    from collections.abc import Callable


LIMITS: Final[dict[str, Any]] = {
    "keepalive_timeout": 15.0,  # seconds for the head of a request, the first one too
    "lingering_time": 0.2,  # seconds that a body is read that nobody wants, so that its sender sees why
    "max_line_size": 8190,
    "max_field_size": 8190,
    "max_headers": 64,
    "auto_decompress": False,
    "handler_cancellation": True,
    "shutdown_timeout": 2.0,
}
_BACKLOG: Final = 256
_LOOK_EVERY, _READ_EVERY = 5.0, 300.0  # seconds
_log = logging.getLogger(__name__)


class Options(Struct, frozen=True, kw_only=True):
    """What the process was started with. `listen` overrides the configuration; `fd` is the socket to the
    service, -1 where there is none."""

    output: Path
    config: str | None = None
    listen: str = ""
    fd: int = -1


class Loaded(Struct, frozen=True, kw_only=True):
    """What the files say."""

    config: ConfigFile | None
    settings: Settings
    scope: Scope | None


def load(options: Options) -> Loaded:
    """Read the configuration and its scope; names in it are not looked up, and no inventory is asked. Raises
    `RefusedError` and the errors of `targets`."""
    if find_config(options.config, os.environ) is None:
        return Loaded(config=None, settings=Settings(), scope=None)
    request = SweepRequest(config=options.config)
    config, settings = load_settings(request, os.environ)
    scope, _ = full_scope(
        request.scope_file, config, settings, time.time(), allow_empty=True, names=False, confirmed=False
    )
    return Loaded(config=config, settings=settings, scope=scope)


def where_to_listen(options: Options, settings: Settings) -> Listen:
    """The address and port. Raises `RefusedError` where passwords would go over a network in clear."""
    try:
        listen = parse_listen(options.listen or settings.service.listen)
    except ValueError as error:
        raise RefusedError(f"--listen {error}") from None
    if refusal := unprotected(listen, settings.service):
        raise RefusedError(refusal)
    return listen


async def serve(options: Options, ready: Callable[[str], None]) -> None:
    """Answer until SIGTERM or SIGINT, or until the service ends; `ready` gets the address once it listens.
    SIGHUP, or a change of the files, has the configuration and the certificate read again."""
    loaded = load(options)
    certificate = Certificate(loaded.settings.service)
    with contextlib.closing(_bound(where_to_listen(options, loaded.settings))) as listener:
        give_up_privileges()
        context = Context(
            output=options.output, config=loaded.config, scope=loaded.scope, clock=SystemClock()
        )
        service = ServiceLink(options.output)
        if options.fd >= 0:
            await service.connect(options.fd)
        reader = Reader(options.output, loaded.settings.deadlines.in_force())
        app = application(context, reader, service)
        app[CONNECTIONS] = Connections(certificate.context, most_connections())
        runner = web.AppRunner(app, access_log=None, **LIMITS)
        await runner.setup()
        assert runner.server is not None
        listener.listen(_BACKLOG)
        tasks = [
            asyncio.create_task(app[CONNECTIONS].serve(listener, runner.server)),
            asyncio.create_task(_keep_fresh(options, context, certificate, reader)),
            asyncio.create_task(_settle(reader)),
        ]
        scheme = "http" if certificate.context() is None else "https"
        ready(f"{scheme}://{host_and_port(*listener.getsockname()[:2])}")
        try:
            await _told_to_end(service.gone)
        finally:
            for task in tasks:
                task.cancel()
            await runner.cleanup()
            await service.close()


def give_up_privileges() -> None:
    """What serves strangers needs none: no capability, no core file, nothing in the environment that is a
    secret, and no look into its memory by others of the same user. Raises `StillPrivileged`."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name in list(os.environ):
        if name.startswith("MONGOSWEEP_") and name != "MONGOSWEEP_CONFIG":
            del os.environ[name]
    if sys.platform == "linux":
        from scanner.network.syn.privilege import drop_capabilities, hide_memory

        drop_capabilities()
        hide_memory()


async def _settle(reader: Reader) -> None:
    """Once everything is read, what is there stays: let the collector of garbage pass over it, which would
    hold up every page for as long as it looks through years of actions."""
    with contextlib.suppress(MongosweepError, ResultsError):
        await reader.current()
        gc.collect()
        gc.freeze()


async def _keep_fresh(options: Options, context: Context, certificate: Certificate, reader: Reader) -> None:
    """Read the files again at SIGHUP, when one of them changes, and now and then for what expires. What
    cannot be read changes nothing, and is said once."""
    again = asyncio.Event()
    with contextlib.suppress(ValueError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, again.set)
    known, said, read_at = _fingerprint(options, context), "", time.monotonic()
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY):
                await again.wait()
        found = _fingerprint(options, context)
        if not again.is_set() and found == known and time.monotonic() - read_at < _READ_EVERY:
            continue
        again.clear()
        known, read_at = found, time.monotonic()
        try:
            loaded = await asyncio.to_thread(load, options)
        except (MongosweepError, ResultsError, ScopeError, OutOfScope, GrammarError) as error:
            if str(error) != said:
                said = str(error)
                _log.warning("the configuration is read again in vain, and the old one stays: %s", said)
            continue
        said = ""
        context.config, context.scope = loaded.config, loaded.scope
        reader.use(loaded.settings.deadlines.in_force())
        certificate.refresh(loaded.settings.service)


def _fingerprint(options: Options, context: Context) -> tuple[object, ...]:
    """Of the files that were read: another one where one of them changed."""
    service = context.config.settings.service if context.config is not None else None
    names = [context.config.path if context.config is not None else options.config or ""]
    names += [service.certificate, service.key] if service is not None else []
    found: list[object] = []
    for name in names:
        try:
            status = os.stat(name) if name else None  # noqa: PTH116 - "" is none
        except OSError:
            status = None
        found.append(status and (status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(found)


def _bound(listen: Listen) -> socket.socket:
    family = socket.AF_INET6 if listen.address.version == 6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(listen.address), listen.port))
    except OSError as error:
        listener.close()
        reason = f"{listen} cannot be listened on: {error.strerror}"
        raise RefusedError(f"{reason}; write another [service] listen") from None
    return listener


async def _told_to_end(told: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await told.wait()
