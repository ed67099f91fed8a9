"""Brings the real programs that tests talk to into `.servers/`, each from its registry and by its lock.

SecantusDB and FerretDB are swept; OpenSearch, VictoriaLogs and Kafka receive events; Microsoft's parser reads
KQL; others check what is in `deploy/`, and the page.

Needs nothing but the standard library, because it runs before anything is installed. Safe to repeat: what is
there already, made from the same locked input, is left alone.
"""

from __future__ import annotations

import hashlib
import os
import re
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


SYSLOG_NG_PACKAGES = ("syslog-ng-core", "libivykis0", "libjson-c5", "libnet1", "libpcre3", "libwrap0")
VICTORIALOGS_COMMAND = "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs"


class NotBroughtError(Exception):
    """A server could not be brought; the message says why and what would help."""


class NoToolError(NotBroughtError):
    """What would bring it is not installed here: its tests are skipped, and say so."""


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


def tool(name: str, product: str, what: str) -> str:
    """Where the tool is that brings a product. Raises `NoToolError`."""
    found = shutil.which(name)
    if found is None:
        raise NoToolError(f"{product} is brought by {what}: install it (`{name}` is not on the PATH)")
    return found


def is_there(product: str, program: Path, stamp: Path, wanted: str) -> bool:
    """Whether the product was made from this very input; says so."""
    there = program.exists() and stamp.is_file() and stamp.read_text() == wanted
    say(f"{product} is there" if there else f"bringing {product}")
    return there


def bring_secantusdb() -> None:
    """A virtual environment of its own, so that the server's dependencies never meet ours."""
    bring_environment("SecantusDB", "secantus", "secantusd-py")


def bring_environment(product: str, name: str, program: str) -> None:
    """What pip brings by the lock of this name."""
    lock, home = HERE / f"{name}.lock", SERVERS / name
    stamp = home / "made-from"
    wanted = digest(lock, sys.version)
    if is_there(product, home / "bin" / program, stamp, wanted):
        return
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, with_pip=True)
    run(home / "bin" / "python", "-m", "pip", "install", "-q", "--require-hashes", "-r", lock)
    stamp.write_text(wanted)


def bring_ferretdb() -> None:
    """Built from the module that `go.mod` pins and `go.sum` verifies."""
    binary = SERVERS / "ferretdb"
    stamp = SERVERS / "ferretdb.made-from"
    wanted = digest(HERE / "go.mod", HERE / "go.sum", Path(__file__))
    if is_there("FerretDB", binary, stamp, wanted):
        return
    go = tool("go", "FerretDB", "Go 1.24 or newer")
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


def bring_victorialogs() -> None:
    """It takes what Splunk, Elasticsearch and syslog take. Built from what `go.mod` pins."""
    lock, binary, stamp = (
        HERE / "victorialogs",
        SERVERS / "victoria-logs",
        SERVERS / "victoria-logs.made-from",
    )
    wanted = digest(lock / "go.mod", lock / "go.sum", Path(__file__))
    if is_there("VictoriaLogs", binary, stamp, wanted):
        return
    go = tool("go", "VictoriaLogs", "Go 1.26.5 or newer")
    with tempfile.TemporaryDirectory(dir=SERVERS) as scratch:
        for name in ("go.mod", "go.sum"):
            shutil.copy(lock / name, scratch)
        found = re.search(r"go1\.(\d+)(?:\.(\d+))?", run(go, "version", cwd=Path("/")))
        if found is None or (int(found[1]), int(found[2] or 0)) < (26, 5):
            raise NoToolError("VictoriaLogs is built from source: install Go 1.26.5 or newer")
        built = Path(scratch) / "victoria-logs"
        run(go, "build", "-buildvcs=false", "-trimpath", "-o", built, VICTORIALOGS_COMMAND, cwd=Path(scratch))
        run(built, "-version")
        built.replace(binary)
    stamp.write_text(wanted)


def bring_opensearch() -> None:
    """Its jars, as `pom.xml` names and `jars.lock` digests them, and the one class that starts it."""
    source, home = HERE / "opensearch", SERVERS / "opensearch"
    stamp = home / "made-from"
    wanted = digest(*(source / name for name in ("pom.xml", "jars.lock", "Receiver.java")), Path(__file__))
    if is_there("OpenSearch", home / "Receiver.class", stamp, wanted):
        return
    compiler = tool("javac", "OpenSearch", "a JDK, 17 or newer")
    jars = bring_jars("OpenSearch", source, home)
    run(compiler, "-cp", f"{jars}/*", "-d", home, source / "Receiver.java")
    stamp.write_text(wanted)


def bring_kafka() -> None:
    """The broker's jars, as `pom.xml` names and `jars.lock` digests them; it starts itself."""
    source, home = HERE / "kafka", SERVERS / "kafka"
    stamp = home / "made-from"
    wanted = digest(source / "pom.xml", source / "jars.lock", Path(__file__))
    if not is_there("Kafka", home / "jars", stamp, wanted):
        bring_jars("Kafka", source, home)
        stamp.write_text(wanted)


def bring_jars(product: str, source: Path, home: Path) -> Path:
    """What Maven brings for `pom.xml`, each file of which is the one that `jars.lock` knows."""
    maven = tool("mvn", product, "Maven")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    shutil.copy(source / "pom.xml", home)
    jars = home / "jars"
    run(maven, "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={jars}", cwd=home)
    if (came := jar_digests(jars)) != (source / "jars.lock").read_text():
        raise NotBroughtError(
            f"the jars of {product} are not those of {source / 'jars.lock'}; they are\n{came}"
        )
    return jars


def jar_digests(folder: Path) -> str:
    """A line for each jar, as `sha256sum` writes it."""
    return "".join(
        f"{hashlib.sha256(jar.read_bytes()).hexdigest()}  {jar.name}\n"
        for jar in sorted(folder.glob("*.jar"))
    )


def bring_syslog_ng() -> None:
    """It cannot be installed beside rsyslog; so it is unpacked, with its libraries."""
    unpack("syslog-ng", "usr/sbin/syslog-ng", SYSLOG_NG_PACKAGES)


def bring_promtool() -> None:
    """One program of Debian's prometheus, whose server nobody needs here."""
    unpack("promtool", "usr/bin/promtool", ("prometheus",))


def unpack(product: str, program: str, packages: tuple[str, ...]) -> None:
    """Debian's packages into a folder of the product's name: nothing is installed, and nothing started."""
    home = SERVERS / product
    stamp = home / "made-from"
    wanted = digest(Path(__file__))
    if is_there(product, home / program, stamp, wanted):
        return
    apt = tool("apt-get", product, "Debian's apt-get")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    with tempfile.TemporaryDirectory(dir=SERVERS) as scratch:
        run(apt, "-qq", "download", *packages, cwd=Path(scratch))
        for package in Path(scratch).glob("*.deb"):
            run("dpkg-deb", "-x", package, home)
    stamp.write_text(wanted)


def bring_kusto() -> None:
    """The parser of KQL that Microsoft publishes on npm."""
    bring_node_modules("the parser of KQL", "kusto")


def bring_node_modules(product: str, name: str) -> None:
    """What npm brings by the hashes in the `package-lock.json` of this folder."""
    source, home = HERE / name, SERVERS / name
    stamp = home / "made-from"
    wanted = digest(source / "package-lock.json")
    if is_there(product, home / "node_modules", stamp, wanted):
        return
    npm = tool("npm", product, "Node.js")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    for each in ("package.json", "package-lock.json"):
        shutil.copy(source / each, home)
    run(npm, "ci", "--silent", "--ignore-scripts", cwd=home)
    stamp.write_text(wanted)


def bring_deploy_checkers() -> None:
    """What reads Kubernetes' manifests by its own schemas, and what reads a Dockerfile."""
    bring_environment("checkers of deploy/", "deploy", "kubernetes-validate")


def bring_axe() -> None:
    """The accessibility checker that tests of the page run in the browser, by `package-lock.json`."""
    bring_node_modules("axe-core", "axe")


SWEPT = (bring_secantusdb, bring_ferretdb)
RECEIVERS = (
    bring_victorialogs,
    bring_opensearch,
    bring_kafka,
    bring_syslog_ng,
    bring_promtool,
    bring_kusto,
)
CHECKERS = (bring_deploy_checkers, bring_axe)


def main() -> int:
    """Bring what can be; exit 0 when missing tools are all that is wrong, 1 when a server to be swept could
    not be installed. A receiver that could not be is named, and its tests are skipped."""
    SERVERS.mkdir(exist_ok=True)
    failed = 0
    for bring in (*SWEPT, *RECEIVERS, *CHECKERS):
        try:
            bring()
        except NoToolError as why:
            say(str(why))
        except NotBroughtError as why:
            say(str(why))
            failed |= bring in SWEPT
    mongods = os.environ.get("MONGOSWEEP_MONGOD_DIR", "")
    say(
        f"mongod and mongos are looked for in {mongods}"
        if mongods
        else "MONGOSWEEP_MONGOD_DIR is not set: no mongod"
    )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
