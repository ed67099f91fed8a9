"""Real servers on loopback: which there are, how each is started and stopped, and what PyMongo reads from it.

What PyMongo reads (`RealServer.truth`) is what our own reader is held against, so nothing here uses our code.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pymongo
from bson import ObjectId
from pymongo.errors import PyMongoError

from tests.support.kinds import (
    PASSWORD,
    USER,
    Certificates,
    Kind,
    State,
    ferretdb,
    kinds,
    mongod,
    secantusdb,
)
from tests.support.ports import free_port
from tests.support.seed import grant, seed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

__all__ = ["Certificates", "Kind", "RealServer", "State", "Truth", "free_port", "kinds", "start"]
REQUIRE = "MONGOSWEEP_REQUIRE_SERVERS"
START_SECONDS = 60.0


@dataclass(frozen=True)
class Truth:
    """What PyMongo reads: sizes in bytes by database, documents and newest `_id` time by (db, collection)."""

    databases: dict[str, int]
    documents: dict[tuple[str, str], int]
    newest: dict[tuple[str, str], datetime]
    version: str


@dataclass
class RealServer:
    """A running server, and the way in for a test that checks our reader against it."""

    kind: Kind
    port: int
    process: subprocess.Popen[bytes]
    home: Path
    certificates: Certificates
    others: list[subprocess.Popen[bytes]] = field(default_factory=list)
    host: str = "127.0.0.1"

    @property
    def tls(self) -> bool:
        """Whether it talks inside TLS only."""
        return self.kind.state in (State.TLS, State.CLIENT_CERTIFICATE)

    @contextlib.contextmanager
    def client(self, *, login: bool = True) -> Iterator[pymongo.MongoClient[dict[str, Any]]]:
        """PyMongo, with everything that this server wants: certificate, user and password."""
        options: dict[str, Any] = {}
        if self.tls:
            options |= {
                "tls": True,
                "tlsCAFile": str(self.certificates.authority),
                "tlsCertificateKeyFile": str(self.certificates.client),
            }
        if login and self.kind.state is State.AUTH:
            options |= {"username": USER, "password": PASSWORD, "authSource": "admin"}
        with pymongo.MongoClient[dict[str, Any]](
            self.host, self.port, directConnection=True, serverSelectionTimeoutMS=5000, **options
        ) as client:
            yield client

    def truth(self) -> Truth:
        """Read everything by the official driver: slow and thorough, one question after another."""
        documents: dict[tuple[str, str], int] = {}
        newest: dict[tuple[str, str], datetime] = {}
        with self.client() as client:
            rows = client.admin.command("listDatabases")["databases"]
            for name in (row["name"] for row in rows):
                for entry in client[name].list_collections():
                    where = (name, entry["name"])
                    if entry.get("type", "collection") == "view" or entry["name"].startswith("system."):
                        continue
                    documents[where] = client[name].command("count", entry["name"])["n"]
                    last = client[name][entry["name"]].find_one(sort=[("_id", -1)], projection=["_id"])
                    if last is not None and isinstance(last.get("_id"), ObjectId):
                        newest[where] = last["_id"].generation_time
            version = client.admin.command("buildInfo")["version"]
        return Truth({row["name"]: int(row["sizeOnDisk"]) for row in rows}, documents, newest, version)

    def ask_to_stop(self) -> None:
        """Begin the end of every process of this server, without waiting."""
        for process in (self.process, *self.others):
            process.terminate()

    def stop(self) -> None:
        """End every process of this server, and wait until it has ended."""
        self.ask_to_stop()
        for process in (self.process, *self.others):
            finish(process)


def launch(command: list[str | Path], home: Path, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start a server in its home; it dies with us whatever happens to us (Linux)."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "log").open("ab") as log:
        return subprocess.Popen(
            [str(word) for word in command],
            cwd=home,
            stdin=stdin,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )


def _die_with_parent() -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def finish(process: subprocess.Popen[bytes], seconds: float = 15.0) -> None:
    """End one process by its id: politely, then not."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start(kind: Kind, home: Path, certificates: Certificates) -> RealServer:
    """Start one server, wait until it answers, give it its data, and lock it where its state says so."""
    port = free_port()
    home.mkdir(parents=True, exist_ok=True)
    others: list[subprocess.Popen[bytes]] = []
    match kind.product:
        case "secantusdb":
            # Users are made while it is open; then it starts again with access control.
            command = secantusdb(kind, port, certificates, auth=kind.state is State.LOCALHOST_EXCEPTION)
        case "ferretdb":
            command = ferretdb(kind, port, certificates, home)
        case "mongod":
            command = mongod(kind, port, certificates, home)
        case _:
            command = _mongos(kind, port, home, others)
    server = RealServer(kind, port, launch(command, home), home, certificates, others)
    try:
        wait_until_it_answers(server)
        _fill(server)
        if kind.product == "secantusdb" and kind.state is State.AUTH:
            finish(server.process)
            server.process = launch(secantusdb(kind, port, certificates, auth=True), home)
            wait_until_it_answers(server)
    except BaseException:
        server.stop()
        raise
    return server


def _fill(server: RealServer) -> None:
    state = server.kind.state
    if server.kind.product == "mongod" and state is State.REPLICA_SET:
        _initiate(server.port, "tests")
    if state is State.AUTH and server.kind.product != "ferretdb":  # FerretDB makes its first user itself
        with server.client(login=False) as client:
            grant(client, USER, PASSWORD)
    login = not (state is State.AUTH and server.kind.product == "secantusdb")  # not locked yet
    if state not in (State.EMPTY, State.LOCALHOST_EXCEPTION):
        with server.client(login=login) as client:
            seed(client, server.kind.product)


def _initiate(port: int, name: str, **more: object) -> None:
    """Make a set of one, and wait until it can be written to."""
    members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
    with pymongo.MongoClient[dict[str, Any]]("127.0.0.1", port, directConnection=True) as client:
        client.admin.command("replSetInitiate", {"_id": name, "members": members, **more})
        until = time.monotonic() + START_SECONDS
        while not client.admin.command("isMaster").get("ismaster"):
            if time.monotonic() > until:
                raise TimeoutError(f"the set {name} on port {port} has no primary")
            time.sleep(0.1)


def _mongos(kind: Kind, port: int, home: Path, others: list[subprocess.Popen[bytes]]) -> list[str | Path]:
    """A router over one config server and one shard, both the mongod that lies beside it."""
    program = kind.program.with_name(kind.program.name.replace("mongos", "mongod"))
    ports = {}
    for role in ("configsvr", "shardsvr"):
        ports[role] = free_port()
        (home / role / "data").mkdir(parents=True, exist_ok=True)
        words: list[str | Path] = [
            program,
            f"--{role}",
            "--replSet",
            role,
            "--bind_ip",
            "127.0.0.1",
            "--dbpath",
            "data",
        ]
        others.append(launch([*words, "--port", str(ports[role]), "--nounixsocket"], home / role))
        _answers("127.0.0.1", ports[role], others[-1])
        _initiate(ports[role], role, **({"configsvr": True} if role == "configsvr" else {}))
    (home / "shard").write_text(f"shardsvr/127.0.0.1:{ports['shardsvr']}")
    configdb = f"configsvr/127.0.0.1:{ports['configsvr']}"
    return [kind.program, "--configdb", configdb, "--bind_ip", "127.0.0.1", "--port", str(port)]


def wait_until_it_answers(server: RealServer) -> None:
    """Ask `isMaster` until it is answered; a server that ended says so with the end of its log."""
    until = time.monotonic() + START_SECONDS
    while True:
        if server.process.poll() is not None or time.monotonic() > until:
            tail = (server.home / "log").read_text(errors="replace")[-1500:]
            raise RuntimeError(f"{server.kind} did not start (status {server.process.poll()}):\n{tail}")
        try:
            with server.client(login=False) as client:
                client.admin.command("isMaster")
            break
        except PyMongoError:
            time.sleep(0.05)
    if server.kind.product == "mongos":
        with server.client() as client:
            client.admin.command("addShard", (server.home / "shard").read_text())


def _answers(host: str, port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on {host}:{port}")
