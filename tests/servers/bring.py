"""Brings the real servers that tests talk to into `.servers/`: SecantusDB from PyPI, FerretDB from Go source.

Needs nothing but the standard library, because it runs before anything is installed. Safe to repeat: what is
there already, made from the same locked input, is left alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
SERVERS = HERE.parent.parent / ".servers"
FERRETDB_MODULE = "github.com/FerretDB/FerretDB"
FERRETDB_COMMAND = f"{FERRETDB_MODULE}/cmd/ferretdb"


class NotBroughtError(Exception):
    """A server could not be brought; the message says why and what would help."""


def say(text: str) -> None:
    """Progress goes to stderr, as everywhere in this project."""
    sys.stderr.write(f"servers: {text}\n")


def digest(*parts: Path | str) -> str:
    """One digest of files (by content) and strings, to know whether a product is still current."""
    seen = hashlib.sha256()
    for part in parts:
        seen.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        seen.update(b"\0")
    return seen.hexdigest()


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command and return its stdout; its stderr is shown only when it fails."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotBroughtError(
            f"`{command[0]} {command[1]} ...` failed:\n{(done.stderr or done.stdout)[-2000:].strip()}"
        )
    return done.stdout


def bring_secantusdb() -> None:
    """A virtual environment of its own, so that the server's dependencies never meet ours."""
    lock = HERE / "secantus.lock"
    home = SERVERS / "secantus"
    stamp = home / "made-from"
    wanted = digest(lock, sys.version)
    if stamp.is_file() and stamp.read_text() == wanted and (home / "bin" / "secantusd-py").exists():
        say("SecantusDB is there")
        return
    say("installing SecantusDB")
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, with_pip=True)
    run(home / "bin" / "python", "-m", "pip", "install", "-q", "--require-hashes", "-r", lock)
    stamp.write_text(wanted)


def bring_ferretdb() -> None:
    """Built from the module that `go.mod` pins and `go.sum` verifies."""
    binary = SERVERS / "ferretdb"
    stamp = SERVERS / "ferretdb.made-from"
    wanted = digest(HERE / "go.mod", HERE / "go.sum", Path(__file__))
    if binary.exists() and stamp.is_file() and stamp.read_text() == wanted:
        say("FerretDB is there")
        return
    go = shutil.which("go")
    if go is None:
        raise NotBroughtError(
            "FerretDB is built from source: install Go 1.24 or newer (`go` is not on the PATH)"
        )
    say("building FerretDB (about a minute the first time)")
    with tempfile.TemporaryDirectory(dir=SERVERS) as scratch:
        build_ferretdb(go, Path(scratch), binary)
    stamp.write_text(wanted)


def build_ferretdb(go: str, scratch: Path, binary: Path) -> None:
    """Build from a copy of the verified module that carries the `version.txt` which published source lacks.

    Without that file the program stops at its first line (FerretDB build/version/version.go), and the module
    cache can be neither written nor overlaid.
    """
    for name in ("go.mod", "go.sum"):
        shutil.copy(HERE / name, scratch / name)
    run(go, "mod", "download", FERRETDB_MODULE, cwd=scratch)
    listed = run(go, "list", "-m", "-f", "{{.Version}} {{.Dir}}", FERRETDB_MODULE, cwd=scratch)
    version, _, source = listed.strip().partition(" ")
    copy = scratch / "ferretdb-source"
    shutil.copytree(source, copy)
    for folder, _, _ in os.walk(copy):
        Path(folder).chmod(0o755)
    (copy / "build" / "version" / "version.txt").write_text(f"{version}\n")
    run(go, "mod", "edit", f"-replace={FERRETDB_MODULE}={copy}", cwd=scratch)
    built = scratch / "ferretdb"
    run(go, "build", "-buildvcs=false", "-trimpath", "-o", built, FERRETDB_COMMAND, cwd=scratch)
    run(built, "--version")
    built.replace(binary)


def main() -> int:
    """Bring what can be brought; exit 0 when a missing Go is all that is wrong, 1 when an install failed."""
    SERVERS.mkdir(exist_ok=True)
    failed = 0
    for bring in (bring_secantusdb, bring_ferretdb):
        try:
            bring()
        except NotBroughtError as why:
            say(str(why))
            failed |= bring is not bring_ferretdb or shutil.which("go") is not None
    mongods = os.environ.get("MONGOSWEEP_MONGOD_DIR", "")
    say(
        f"mongod and mongos are looked for in {mongods}"
        if mongods
        else "MONGOSWEEP_MONGOD_DIR is not set: no mongod"
    )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
