"""The independent second opinion: MongoDB's official driver asks the same question, far from our own code.

Motor is used in this file only (`worker.py` loads it early), and runs only in the processes of `worker.py`,
because a driver trusts the server that it talks to: it reads up to 48 MB per reply and waits as long as bytes
keep coming.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec
from msgspec import Struct

from scanner.program import module, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from targets.scope import Target

Saw = Literal[
    "open",  # a list with names
    "empty_list",  # ok, and nothing in it: proves nothing by itself
    "auth_required",
    "not_ready",  # the member answers, but not as one that can be read (arbiter, recovering)
    "command_failed",
    "unsupported",  # the driver speaks to no server that old
    "garbled",
    "no_answer",
    "too_much",  # the worker's memory or time limit ended it
    "not_asked",  # the scope said no, or our side of it failed
]

UNAUTHORISED = frozenset({13, 18, 8000})
NOT_READY = frozenset({91, 189, 10107, 11600, 11602, 13435, 13436})
API_VERSION_REQUIRED = (
    498870  # "The apiVersion parameter is required ...": said where requireApiVersion is set
)
OLDEST_WIRE = (
    9  # MongoDB 4.4, the oldest that the driver speaks to (pymongo.common.MIN_SUPPORTED_WIRE_VERSION)
)
NAMES_KEPT = 10_000
NAME_LENGTH = 256
LINE_LIMIT = 16 * 1024 * 1024
"""Bytes of one answer of a worker: NAMES_KEPT names of NAME_LENGTH characters, escaped."""
QUESTIONS_PER_WORKER = 100
"""After so many servers a worker is replaced, so that nothing they left in it adds up."""
START_SECONDS = 20.0
LOOK_AGAIN = 0.25
"""Seconds between two looks at whether a target may be asked by now."""


class DriverQuestion(Struct, frozen=True):
    """What a worker is asked: one address, in the clear or inside TLS. `timeout` is seconds for each wait.
    `by_message`: the server hangs up on the old form of the handshake, with which the driver would begin."""

    ip: str
    port: int
    tls: bool
    timeout: float
    app_name: str
    by_message: bool = False

    @property
    def seconds(self) -> float:
        """The whole time that one question may take: selecting the server and one command, with a margin."""
        return 2 * self.timeout + 1.0


class DriverOpinion(Struct, frozen=True):
    """What the driver saw. `databases` holds names as the driver decoded them; `ms` is wall time."""

    verdict: Saw
    databases: list[str] = []
    error: str = ""
    ms: float = 0.0
    truncated: bool = False


async def ask(question: DriverQuestion) -> DriverOpinion:
    """Put the question with Motor. Called inside a worker; `listDatabases` with `nameOnly` is all it says.

    The driver itself adds its handshake and, when it closes, `endSessions`. `directConnection` keeps it from
    following the hosts that a replica set advertises.
    """
    from pymongo.server_api import ServerApi

    by_message: dict[str, Any] = {"server_api": ServerApi("1")}  # its handshake is OP_MSG, and no OP_QUERY
    if question.by_message:
        opinion, _ = await _ask_once(question, by_message)
        return opinion
    opinion, code = await _ask_once(question, {})
    if code == API_VERSION_REQUIRED:
        opinion, _ = await _ask_once(question, by_message)
    return opinion


async def _ask_once(question: DriverQuestion, more: dict[str, Any]) -> tuple[DriverOpinion, int | None]:
    """One client, one command; the opinion, and the server's error code where it gave one."""
    from bson.codec_options import CodecOptions
    from motor.motor_asyncio import AsyncIOMotorClient

    milliseconds = max(1, int(question.timeout * 1000))
    started = time.monotonic()
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
        host=f"[{question.ip}]" if ":" in question.ip else question.ip,  # else its last part is a port
        port=question.port,
        directConnection=True,
        appname=question.app_name,
        serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds,
        socketTimeoutMS=milliseconds,
        heartbeatFrequencyMS=3_600_000,
        serverMonitoringMode="poll",
        maxPoolSize=1,
        retryReads=False,
        retryWrites=False,
        **(_TLS_UNVERIFIED if question.tls else {}),
        **more,
    )
    code = None
    replace_bad_utf8: CodecOptions[dict[str, Any]] = CodecOptions(unicode_decode_error_handler="replace")
    try:
        reply = await client.admin.command("listDatabases", nameOnly=True, codec_options=replace_bad_utf8)
        opinion = from_reply(reply)
    except Exception as error:  # noqa: BLE001 - whatever the driver raises is an opinion about the server
        opinion = from_error(error)
        code = getattr(error, "code", None)
    finally:
        client.close()
    return msgspec.structs.replace(opinion, ms=round((time.monotonic() - started) * 1000, 1)), code


_TLS_UNVERIFIED: dict[str, Any] = {"tls": True, "tlsAllowInvalidCertificates": True}


def from_reply(reply: dict[str, Any]) -> DriverOpinion:
    """What a successful `listDatabases` says; a reply of another shape is garbled, never open."""
    rows = reply.get("databases")
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and isinstance(row.get("name"), str) for row in rows
    ):
        return DriverOpinion("garbled", error="ok, but without a list of databases")
    names = [row["name"][:NAME_LENGTH] for row in rows[:NAMES_KEPT]]
    return DriverOpinion("open" if names else "empty_list", names, truncated=len(rows) > NAMES_KEPT)


_CHATTER = re.compile(r", full error:|, Timeout: | \(configured timeouts")
"""Where the driver's messages go on to quote the reply or its own state."""


def from_error(error: Exception) -> DriverOpinion:
    """What a failure of the driver says of the server, by error class and code."""
    from bson.errors import BSONError
    from pymongo import errors

    text = f"{type(error).__name__}: {_CHATTER.split(str(error), maxsplit=1)[0]}"[:300]
    saw: Saw = "no_answer"
    match error:
        case errors.OperationFailure(code=code) if code in UNAUTHORISED:
            saw = "auth_required"
        case errors.NotPrimaryError():
            saw = "not_ready"
        case errors.OperationFailure(code=code):
            saw = "not_ready" if code in NOT_READY else "command_failed"
        case errors.ConfigurationError():  # "Server at ... reports wire version 6, but ... requires at least"
            saw = "unsupported"
        case errors.ProtocolError() | BSONError():
            saw = "garbled"
        case errors.PyMongoError() | OSError():
            saw = "no_answer"
        case MemoryError() | RuntimeError():  # RuntimeError: "can't start new thread" under the limit
            saw = "too_much"
        case _:
            saw = "garbled"
    return DriverOpinion(saw, error=text)


class _Worker:
    """One worker process and the pipe to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.left = QUESTIONS_PER_WORKER

    @classmethod
    async def start(cls) -> Self:
        """Start a process and wait until it has its limits and the driver, so that asking is quick."""
        process = await asyncio.create_subprocess_exec(
            *module(f"{__package__}.worker"),
            env=without_secrets() | {"MALLOC_ARENA_MAX": "2"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=LINE_LIMIT,
            start_new_session=True,  # a Ctrl-C at the terminal is for us; the worker ends when its pipe does
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(START_SECONDS):
                if await worker._line() != b"ready\n":
                    raise ConnectionError("the driver's worker did not start")
        except BaseException:
            await worker.stop()
            raise
        return worker

    async def _line(self) -> bytes:
        assert self.process.stdout is not None
        return await self.process.stdout.readline()

    async def answer(self, question: DriverQuestion) -> DriverOpinion:
        """Send one question and wait for its answer. Raises TimeoutError, ValueError or OSError."""
        assert self.process.stdin is not None
        self.left -= 1
        self.process.stdin.write(msgspec.json.encode(question) + b"\n")
        async with asyncio.timeout(question.seconds + 2.0):  # the worker's own timer fires first
            await self.process.stdin.drain()
            return msgspec.json.decode(await self._line(), type=DriverOpinion)

    async def stop(self, *, grace: float = 0.05) -> None:
        """End the process, by its input's end where `grace` seconds allow it, and take its status.

        The status of one that has ended by itself is asyncio's to collect; a kill would collect it first, and
        asyncio says so on stderr.
        """
        assert self.process.stdin is not None
        self.process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), grace)
        if not has_ended(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        await self.process.wait()


def has_ended(pid: int) -> bool:
    """Whether a child has ended, also when its status was not collected yet; it is left to be collected."""
    if not hasattr(os, "waitid"):  # macOS
        return False
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


class SecondOpinion:
    """A few worker processes that put the question; use it as an async context manager.

    `permits` is the scope as it stands, asked immediately before each question. At most `workers` servers
    are asked at a time, and each only while `may_ask(target)`: a pause or a blackout window holds here, too.
    """

    def __init__(
        self,
        permits: Callable[[Target], bool],
        *,
        app_name: str = "mongosweep",
        timeout: float = 2.0,
        workers: int = 2,
        may_ask: Callable[[Target], bool] = lambda target: True,
    ) -> None:
        self._permits = permits
        self._app_name = app_name[:128]  # the driver refuses longer ones
        self._timeout = timeout
        self._may_ask = may_ask
        self._slots = asyncio.Semaphore(workers)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop every worker, also one that is in the middle of a question."""
        for worker in list(self._all):
            await self._drop(worker, grace=1.0 if worker in self._idle else 0.05)

    async def ask(self, target: Target, *, tls: bool, by_message: bool = False) -> DriverOpinion:
        """The driver's opinion of one target. Never raises for what the target or a worker does."""
        question = DriverQuestion(target.ip, target.port, tls, self._timeout, self._app_name, by_message)
        while True:
            # Outside of the slots, which another target may need.
            while not self._may_ask(target):  # noqa: ASYNC110 - pauses and windows set no event
                await asyncio.sleep(LOOK_AGAIN)
            async with self._slots:
                if self._may_ask(target):
                    return await self._put(question, target)

    async def _put(self, question: DriverQuestion, target: Target) -> DriverOpinion:
        try:
            worker = await self._worker()
        except (OSError, TimeoutError) as error:
            return DriverOpinion("not_asked", error=f"no worker for the official driver: {error}")
        if not self._permits(target):  # the last guard, with nothing left in between
            self._idle.append(worker)
            return DriverOpinion("not_asked", error=f"{target} is outside the scope")
        started = time.monotonic()
        try:
            opinion = await worker.answer(question)
        except (TimeoutError, ValueError, OSError) as error:
            await self._drop(worker)
            return DriverOpinion(
                "too_much",
                error=f"the driver's worker was stopped at its limit ({type(error).__name__})",
                ms=round((time.monotonic() - started) * 1000, 1),
            )
        except BaseException:
            await self._drop(worker)
            raise
        if opinion.verdict == "too_much" or worker.left <= 0:
            await self._drop(worker)
        else:
            self._idle.append(worker)
        return opinion

    async def _worker(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.process.returncode is None:
                return worker
            await self._drop(worker)
        worker = await _Worker.start()
        self._all.add(worker)
        return worker

    async def _drop(self, worker: _Worker, *, grace: float = 0.05) -> None:
        self._all.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        await worker.stop(grace=grace)
