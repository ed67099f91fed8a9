"""Real SecantusDB servers beside the simulated ones: a real database on an address of the estate."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from results.verdict import Verdict
from scanner.lab.data import object_id
from scanner.lab.estate import Estate, LabError, Place, team
from scanner.lab.personality import Group

if TYPE_CHECKING:
    from types import TracebackType


START_SECONDS = 30.0
STOP_SECONDS = 10.0
USER, PASSWORD = "lab", "lab-only-on-loopback"


def installed() -> bool:
    """Whether the `lab` extra (SecantusDB) is there."""
    return importlib.util.find_spec("secantus") is not None


@dataclass
class Secantus:
    """One SecantusDB process. `auth`: it is given a user and then started again with a login required."""

    ip: str
    port: int
    auth: bool = False
    documents: int = 250
    _process: asyncio.subprocess.Process | None = None
    _folder: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)

    async def start(self) -> None:
        """Start, fill with a little data, and lock when asked to. Raises `LabError`."""
        self._folder = tempfile.TemporaryDirectory(prefix="mongosweep-secantus-")
        try:
            await self._launch()
            await asyncio.to_thread(self._seed)
            if self.auth:
                await self._terminate()
                await self._launch("--auth")
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the process (by its own id) and remove its files; nothing in them is worth a farewell."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    async def __aenter__(self) -> Secantus:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None else None

    async def _launch(self, *more: str) -> None:
        assert self._folder is not None
        folder = Path(self._folder.name)
        config = folder / "secantusd.toml"  # an empty one, so that no file of the user's is picked up
        config.touch()
        program = [sys.executable, "-m", "secantus", "--config", str(config)]
        place = ["--host", self.ip, "--port", str(self.port), "--storage-path", str(folder / "data")]
        options = ["--standalone", "--log-level", "ERROR", "--cache-size", "64M", *more]
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                f"{__package__}.adopt",
                str(os.getpid()),
                *program,
                *place,
                *options,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[__package__.count(".") + 1],
            )
        finally:
            os.close(log)
        await self._wait_until_it_answers(folder / "log")

    async def _wait_until_it_answers(self, log: Path) -> None:
        assert self._process is not None
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if self._process.returncode is not None:
                break
            try:
                _, writer = await asyncio.open_connection(self.ip, self.port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            await writer.wait_closed()
            return
        raise LabError(
            f"SecantusDB did not start on {self.ip} port {self.port}: {_last_line(log)}; "
            "leave it out with --no-real"
        )

    def _seed(self) -> None:
        """Runs in a thread: the asyncio driver may leave a socket behind when it is closed early."""
        newest = datetime.now(UTC) - timedelta(hours=2)
        ids = [object_id(newest - timedelta(minutes=age)) for age in range(self.documents)]
        options: dict[str, Any] = {"directConnection": True, "serverSelectionTimeoutMS": 10_000}
        client: MongoClient[dict[str, Any]]
        try:
            with MongoClient(self.ip, self.port, **options) as client:
                client["newsroom"]["readers"].insert_many([{"_id": each, "city": "Lyon"} for each in ids])
                client["newsroom"]["drafts"].insert_one({"_id": "draft-1", "title": "nothing"})
                if self.auth:
                    role = {"role": "root", "db": "admin"}
                    client["admin"].command("createUser", USER, pwd=PASSWORD, roles=[role])
        except PyMongoError as error:
            raise LabError(f"SecantusDB on {self.ip} could not be filled: {error}") from error

    async def _terminate(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()

    def place(self) -> Place:
        """What a sweep must find here. Sizes and the newest id are for the driver to say."""
        owner, contact, site = team(self.ip)
        verdict = Verdict.AUTH_REQUIRED if self.auth else Verdict.OPEN
        return Place(
            ip=self.ip,
            port=self.port,
            personality="secantus_auth" if self.auth else "secantus",
            description="a real SecantusDB, login required" if self.auth else "a real SecantusDB, open",
            group=Group.REAL,
            verdict=verdict,
            acceptable=frozenset({verdict}),
            product="secantusdb",
            version="",
            topology="standalone",
            databases=() if self.auth else ("newsroom",),
            total_size=None,
            documents=None if self.auth else self.documents + 1,
            newest=None,
            ransom=(),
            tls=False,
            owner=owner,
            contact=contact,
            site=site,
        )


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def join(estate: Estate) -> list[Secantus]:
    """An open and a locked SecantusDB on the estate's next addresses; the caller starts and stops them."""
    servers = [Secantus(estate.address(Group.REAL), estate.port, auth=auth) for auth in (False, True)]
    for each in servers:
        estate.add_real(each.place())
    return servers
