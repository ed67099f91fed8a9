"""Compiles with mypyc what each server passes through, for `make native` and for a wheel.

What is compiled is the source as it stands, and never where it is edited: an extension beside a file hides
what is written there later. See docs/decisions/0030-compiled-core.md.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("scanner", "targets", "results", "mongosweep")
BESIDE: Final = (
    "tests",
    "bench",
    "docs",
    "deploy",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "Makefile",
)
"""What else stands in build/compiled, so that tests can be run there."""

ROOM: Final = "scanner/mongo"  # each file of it
FILES: Final = (
    "results/ids.py",
    "results/lines.py",
    "scanner/engine/accounts.py",
    "scanner/engine/congestion.py",
    "scanner/engine/conversation.py",
    "scanner/engine/engine.py",
    "scanner/engine/launch_queue.py",
    "scanner/engine/later.py",
    "scanner/engine/memory.py",
    "scanner/engine/observe.py",
    "scanner/engine/plan_limit.py",
    "scanner/engine/pace.py",
    "scanner/engine/probe.py",
    "scanner/engine/recorder.py",
    "scanner/engine/retries.py",
    "scanner/engine/written.py",
    "scanner/network/connect/deadlines.py",
    "scanner/network/connect/epoll.py",
    "scanner/network/connect/slot.py",
)
LEFT_OUT: Final = {
    "scanner/mongo/__init__.py": "holds nothing",
    "scanner/mongo/bundle.py": "its classes are msgspec's, which makes them itself",
    "scanner/mongo/tables.py": "is asked once a table, and finds its data beside its own file",
    "scanner/mongo/weights.py": "its class is msgspec's, which makes it itself",
}
MARK: Final = ".compiled-copy"  # stands in a copy, which may be replaced
LIBRARY: Final = "scanner.core"
"""Where the code of all of them is; each module is a few lines that begin its part of it."""
CHECKS: Final = ("--config-file=", "--strict", "--follow-imports=silent", "--ignore-missing-imports")
"""The types were judged by `make types`; here, what is not installed for a build must not stop it."""
FLAGS: Final = ("-O1", "-g0", "-w")
"""Measured: -O2, or all in one file of C, takes longer and gains nothing."""


class CompileError(Exception):
    """Nothing was compiled; the text says why, and what to do."""


def sources(root: Path) -> list[str]:
    """The files that are compiled, relative to a folder with the packages."""
    room = [path.relative_to(root).as_posix() for path in (root / ROOM).glob("*.py")]
    return sorted({*room, *FILES} - LEFT_OUT.keys())


def compiler() -> list[str]:
    """The C compiler's command. Raises `CompileError` where there is none, or no header of Python's."""
    asked = (os.environ.get("CC"), sysconfig.get_config_var("CC"), "cc", "gcc")
    commands = [shlex.split(text) for text in asked if text]
    found = next((command for command in commands if shutil.which(command[0])), None)
    if found is None:
        raise CompileError(
            "no C compiler is here: install one (Debian package gcc), or build without MONGOSWEEP_COMPILE"
        )
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    if not header.exists():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise CompileError(
            f"{header} is missing: install Python's headers (Debian package python{version}-dev), "
            "or build without MONGOSWEEP_COMPILE"
        )
    return found


def _run(command: list[str | Path], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise CompileError(f"{Path(command[0]).name} ended with {done.returncode}:\n{said}")


def compile_in(folder: Path, below: str = "") -> list[Path]:
    """Compile the modules in a folder that holds the packages, or holds them below one package.

    It returns what was made: the library, and beside each module its extension. Raises `CompileError`."""
    command = compiler()
    room = Path(below)
    files = [(room / name).as_posix() for name in sources(folder / room)]
    work = folder / ".c"
    library = f"{below}.{LIBRARY}" if below else LIBRARY
    try:
        _run([sys.executable, "-P", __file__, "--write-c", work, library, *files], folder)
        return _build(command, folder, work, library)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_c(work: Path, library: str, files: list[str]) -> None:
    """Write C for all files, one for each, and a shim for each; in a process of its own, for mypyc exits."""
    try:
        from mypyc.build import generate_c_extension_shim, include_dir, mypyc_build
        from mypyc.common import RUNTIME_C_FILES
        from mypyc.options import CompilerOptions
    except ImportError as error:
        sys.exit(f"{error}; install what compiles: pip install 'mypy[mypyc]'")
    options = CompilerOptions(
        multi_file=True, include_runtime_files=False, target_dir=str(work / "library"), group_name=library
    )
    ((group, _),), *_ = mypyc_build([*CHECKS, *files], options)
    for name in RUNTIME_C_FILES:
        shutil.copyfile(Path(include_dir(), name), work / "library" / name)
    for source in group:
        last = source.module.rpartition(".")[2]
        generate_c_extension_shim(source.module, last, str(work / "shims"), library)


def _build(command: list[str], folder: Path, work: Path, library: str) -> list[Path]:
    """Compile the C files, as many at a time as there are processors, and link them."""
    suffix = str(sysconfig.get_config_var("EXT_SUFFIX"))
    link = [*command, *shlex.split(sysconfig.get_config_var("LDSHARED"))[1:]]
    parts = sorted((work / "library").rglob("*.c"), key=lambda path: -path.stat().st_size)
    made = [folder / f"{library.replace('.', '/')}__mypyc{suffix}"]
    shims = sorted((work / "shims").rglob("*.c"))
    made += [folder / shim.relative_to(work / "shims").with_suffix(suffix) for shim in shims]
    from mypyc.build import include_dir

    words = [
        *command,
        *shlex.split(sysconfig.get_config_var("CCSHARED") or ""),
        "-DNDEBUG",
        "-fwrapv",
        *FLAGS,
    ]
    headers = sorted({path.parent for path in (work / "library").rglob("*.h")})
    words += [f"-I{place}" for place in (sysconfig.get_paths()["include"], include_dir(), *headers)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        each = [[*words, "-c", part, "-o", part.with_suffix(".o")] for part in (*parts, *shims)]
        list(pool.map(_run, each, [folder] * len(each)))
        objects = [part.with_suffix(".o") for part in parts]
        each = [[*link, *objects, "-o", made[0]]]
        each += [
            [*link, shim.with_suffix(".o"), "-o", place] for shim, place in zip(shims, made[1:], strict=True)
        ]
        list(pool.map(_run, each, [folder] * len(each)))
    return made


def copy(root: Path, folder: Path) -> None:
    """A copy of the checkout without what was compiled in it. It replaces an earlier one. Raises
    `CompileError` where something else is there."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise CompileError(f"{folder} holds something else: name a folder that is empty or not there")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).touch()
    unwanted = shutil.ignore_patterns("__pycache__", "*.so")
    for name in (*PACKAGES, *BESIDE):
        if (root / name).is_dir():
            shutil.copytree(root / name, folder / name, ignore=unwanted)
        elif (root / name).exists():
            shutil.copyfile(root / name, folder / name)


def stale(root: Path, folder: Path) -> bool:
    """Whether the copy is missing, or of another source than what stands in the checkout now."""
    files = (path for name in PACKAGES for path in (root / name).rglob("*.py"))
    copies = ((path, folder / path.relative_to(root)) for path in files)
    return not all(one.exists() and one.read_bytes() == path.read_bytes() for path, one in copies)


def main() -> int:
    """The exit code."""
    if sys.argv[1:2] == ["--write-c"]:
        write_c(Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
        return 0
    parser = argparse.ArgumentParser(prog="make native", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the copy of the checkout is made")
    parser.add_argument(
        "--below", default="", metavar="PACKAGE", help="compile what a wheel holds below PACKAGE there"
    )
    options = parser.parse_args()
    folder: Path = options.folder
    try:
        compiler()
        if not options.below:
            copy(ROOT, folder)
        made = compile_in(folder.resolve(), options.below)
    except CompileError as error:
        if (folder / MARK).exists():
            shutil.rmtree(folder, ignore_errors=True)  # half of it would pass for the whole
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{folder}: {len(made) - 1} modules compiled; PYTHONPATH={folder} runs them\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
