"""Which real servers the tests know, in which states, and the command line that starts each."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent.parent
SERVERS = ROOT / ".servers"
MONGOD_DIR = "MONGOSWEEP_MONGOD_DIR"
USER, PASSWORD = "tester", "a-password-of-the-tests"


class State(StrEnum):
    """How a server is set up; what each product can do of it is in `STATES`."""

    OPEN = "open"
    EMPTY = "empty"
    REPLICA_SET = "replica_set"
    AUTH = "auth"
    LOCALHOST_EXCEPTION = "localhost_exception"  # authorisation on, and no user made yet
    TLS = "tls"
    TLS_ALLOWED = "tls_allowed"  # the same port serves clients in the clear as well
    CLIENT_CERTIFICATE = "client_certificate"


OPEN_STATES = frozenset({State.OPEN, State.EMPTY, State.REPLICA_SET, State.TLS, State.TLS_ALLOWED})
STATES: Mapping[str, tuple[State, ...]] = {
    "secantusdb": tuple(state for state in State if state is not State.TLS_ALLOWED),
    "ferretdb": (State.OPEN, State.EMPTY, State.AUTH, State.TLS, State.CLIENT_CERTIFICATE),
    "mongod": tuple(State),
    "mongos": (State.OPEN,),
}


@dataclass(frozen=True)
class Kind:
    """One server that a test can ask for: a product, the program that is it, and a state."""

    product: str
    state: State
    program: Path
    label: str

    def __str__(self) -> str:
        return f"{self.label}-{self.state}"

    @property
    def missing(self) -> str:
        """Why this kind cannot be started here; empty when it can."""
        if self.program.exists():
            return ""
        return f"no {self.label} at {self.program.relative_to(ROOT)}: `make servers` brings it"


class Certificates:
    """One authority of the tests, a server's certificate for loopback, and a client's; all as PEM files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        made = trustme.CA()
        self.authority = folder / "authority.pem"
        self.server_chain = folder / "server.crt"
        self.server_key = folder / "server.key"
        self.server = folder / "server.pem"
        self.client = folder / "client.pem"
        made.cert_pem.write_to_path(str(self.authority))
        server = made.issue_cert("127.0.0.1", "localhost")
        server.cert_chain_pems[0].write_to_path(str(self.server_chain))
        server.private_key_pem.write_to_path(str(self.server_key))
        server.private_key_and_cert_chain_pem.write_to_path(str(self.server))
        made.issue_cert("client@example.com").private_key_and_cert_chain_pem.write_to_path(str(self.client))


def found_mongods() -> list[tuple[str, str, Path]]:
    """(product, label, program) of every mongod and mongos below `$MONGOSWEEP_MONGOD_DIR`."""
    folder = os.environ.get(MONGOD_DIR, "")
    if not folder:
        return []
    programs = sorted(
        path
        for name in ("mongod", "mongos")
        for pattern in (name, f"{name}-*", f"*/{name}", f"*/bin/{name}")
        for path in Path(folder).glob(pattern)
        if path.is_file() and os.access(path, os.X_OK)
    )
    if not programs:
        raise FileNotFoundError(f"${MONGOD_DIR} is {folder!r}, and no mongod or mongos is there")
    return [(path.name[:6], f"{path.name[:6]}-{version_of(path)}", path) for path in programs]


def version_of(program: Path) -> str:
    """What `mongod --version` says: "db version v4.0.3" or "mongos version v4.0.3"."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)
    found = re.search(r"version v?([0-9][0-9A-Za-z.\-]*)", told.stdout)
    return found[1] if found else "of-unknown-version"


def kinds(*states: State, product: str | None = None) -> list[Kind]:
    """Every kind of server that the tests know here, narrowed to `states` and `product` where given."""
    programs = [
        ("secantusdb", "secantusdb", SERVERS / "secantus" / "bin" / "secantusd-py"),
        ("ferretdb", "ferretdb", SERVERS / "ferretdb"),
        *found_mongods(),
    ]
    return [
        Kind(name, state, program, label)
        for name, label, program in programs
        for state in STATES[name]
        if (not states or state in states) and product in (None, name)
    ]


def secantusdb(kind: Kind, port: int, certificates: Certificates, *, auth: bool) -> list[str | Path]:
    """SecantusDB's command line. Without `--standalone` it says that it is a set of one."""
    command: list[str | Path] = [
        *(kind.program, "--host", "127.0.0.1", "--port", str(port)),
        *("--storage-path", "data", "--cache-size", "64M", "--log-level", "WARNING"),
    ]
    if kind.state is not State.REPLICA_SET:
        command.append("--standalone")
    if auth:
        command.append("--auth")
    if kind.state in (State.TLS, State.CLIENT_CERTIFICATE):
        command += ["--tls-cert-file", certificates.server_chain, "--tls-key-file", certificates.server_key]
    if kind.state is State.CLIENT_CERTIFICATE:
        command += ["--tls-ca-file", certificates.authority, "--tls-require-client-cert"]
    return command


def ferretdb(kind: Kind, port: int, certificates: Certificates, home: Path) -> list[str | Path]:
    """FerretDB's command line: SQLite, no telemetry, no debug listener, a user only where one is wanted."""
    (home / "data").mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{port}"
    inside_tls = kind.state in (State.TLS, State.CLIENT_CERTIFICATE)
    command: list[str | Path] = [
        *(kind.program, "--handler=sqlite", "--sqlite-url=file:data/", "--state-dir=."),
        *("--telemetry=disable", "--debug-addr=-", "--log-level=WARN"),
        f"--listen-addr={'' if inside_tls else address}",
    ]
    if inside_tls:
        command += [
            *(f"--listen-tls={address}", f"--listen-tls-cert-file={certificates.server_chain}"),
            f"--listen-tls-key-file={certificates.server_key}",
        ]
    if kind.state is State.CLIENT_CERTIFICATE:
        command.append(f"--listen-tls-ca-file={certificates.authority}")
    if kind.state is State.AUTH:
        command += [
            *("--test-enable-new-auth", "--setup-database=admin"),
            *(f"--setup-username={USER}", f"--setup-password={PASSWORD}"),
        ]
    return command


def mongod(kind: Kind, port: int, certificates: Certificates, home: Path) -> list[str | Path]:
    """mongod's command line; before 4.2 the options for TLS are spelled `ssl`."""
    (home / "data").mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [
        *(kind.program, "--bind_ip", "127.0.0.1", "--port", str(port)),
        *("--dbpath", "data", "--nounixsocket"),
    ]
    if kind.state is State.REPLICA_SET:
        command += ["--replSet", "tests"]
    if kind.state in (State.AUTH, State.LOCALHOST_EXCEPTION):
        command.append("--auth")
    if kind.state in (State.TLS, State.TLS_ALLOWED, State.CLIENT_CERTIFICATE):
        old = tuple(int(part) for part in re.findall(r"\d+", kind.label)[:2]) < (4, 2)
        mode, key, authority, lenient = (
            ("--sslMode", "--sslPEMKeyFile", "--sslCAFile", "--sslAllowConnectionsWithoutCertificates")
            if old
            else (
                *("--tlsMode", "--tlsCertificateKeyFile", "--tlsCAFile"),
                "--tlsAllowConnectionsWithoutCertificates",
            )
        )
        demand = "allow" if kind.state is State.TLS_ALLOWED else "require"
        command += [mode, f"{demand}{'SSL' if old else 'TLS'}", key, certificates.server]
        command += [authority, certificates.authority]
        if kind.state is not State.CLIENT_CERTIFICATE:
            command.append(lenient)
    return command
