"""The rules of the house that a machine can check: arrows, purity, size, words, and what lies at the top."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("house rules")  # one worker reads every file, and once

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("targets", "results", "scanner", "mongosweep")
MAX_LINES = 400
LONG = {"scanner/network/connect/epoll.py"}  # one object with one idea, written for speed

TOP = {
    *ROOMS,
    *("tests", "docs", "bench", "deploy", ".ci", ".github"),
    *("pyproject.toml", "Makefile", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
    *("requirements.lock", "requirements-dev.lock", ".gitignore"),
}

# Rooms that take bytes, numbers and times as arguments, and touch no part of the world.
PURE = (
    "scanner/mongo/",
    "scanner/engine/order.py",
    "scanner/engine/pace.py",
    "scanner/network/syn/packets.py",
    "scanner/network/syn/cookie.py",
    "targets/scope.py",
    "targets/ranges.py",
    "targets/grammar.py",
    "targets/entries.py",
    "targets/special.py",
    "results/verdict.py",
    "results/record.py",
    "results/diff/difference.py",
    "results/diff/places.py",
    "results/diff/dated.py",
    "results/diff/scopes.py",
    *(
        f"results/ledger/{name}.py"
        for name in (
            *("compare", "derive", "exposed", "identity", "incidents", "liveness", "states", "stays"),
            *("choose", "dossier", "overlay", "passages", "timeline", "visits", "words"),
        )
    ),
)
WORLD = {
    *("asyncio", "socket", "ssl", "select", "selectors", "threading", "subprocess"),
    *("time", "random", "secrets", "logging", "uvloop", "motor", "pymongo", "aiohttp"),
}

# Written in pieces, so that this file passes its own test.
MACHINE = [
    re.compile(pattern)
    for pattern in (
        r"(?<![\w.])/" + r"(?:work|root|opt/wheels)/",
        r"(?<![\w.])/" + r"tmp/",
        r"pypi" + r"\.org",
        r"pythonhosted" + r"\.org",
        r"proxy\.golang" + r"\.org",
        r"registry\.npmjs" + r"\.org",
        r"(?i)--(?:extra-)?index" + r"-url",
        r"(?i)--find" + r"-links",
        r"(?i)\bbrief\." + r"md\b",
    )
]
SPEAKS_OF_OPTIONS = {"Makefile"}  # `make lock` tells the resolver to leave those addresses out


@cache
def tracked() -> tuple[str, ...]:
    """The files of the repository, relative to its root."""
    if not (ROOT / ".git").exists():
        pytest.skip("the files of the project are known only in a git checkout")
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True
    ).stdout
    return tuple(name for name in listed.split("\0") if name and (ROOT / name).is_file())


def python_files() -> list[str]:
    """All tracked Python files."""
    return [name for name in tracked() if name.endswith(".py")]


def test_arrows_point_one_way() -> None:
    """scanner -> targets, scanner -> results, and a protocol core that touches nothing."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_touch_nothing_of_the_world(room: str) -> None:
    """No clock, no chance, no socket, no log; also not inside a function."""
    files = [name for name in python_files() if name == room or (room[-1] == "/" and name.startswith(room))]
    assert files, f"{room} is not there"
    touched = {
        (name, module)
        for name in files
        for module in imported_modules(ROOT / name)
        if module.partition(".")[0] in WORLD
    }
    assert not touched


def test_no_loop_opens_a_connection_above_the_network() -> None:
    """asyncio is everywhere in scanner/, and can connect without a socket module in sight."""
    opens = {
        "open_connection",
        "create_connection",
        "create_datagram_endpoint",
        "sock_connect",
        "sock_sendto",
    }
    rooms = tuple(f"scanner/{room}/" for room in ("cli", "sweep", "engine", "setup", "mongo"))
    found = {
        (name, node.attr)
        for name in python_files()
        if name.startswith(rooms)
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in opens
    }
    assert not found


@cache
def imported_modules(path: Path) -> tuple[str, ...]:
    """Every module that a file imports, at the top or later."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append(node.module or "")
    return tuple(found)


def test_no_file_stands_outside_a_room() -> None:
    """Every file of scanner/ is in a room, but for what all rooms share."""
    loose = {name for name in python_files() if re.fullmatch(r"scanner/[^/]+", name)}
    shared = {"scanner/clock.py", "scanner/contact.py", "scanner/errors.py", "scanner/program.py"}
    assert loose == {"scanner/__init__.py", "scanner/__main__.py", *shared}


def test_tests_mirror_the_rooms() -> None:
    """Each room and each folder of network/ has a folder of tests; what is deeper may share its parent's."""
    rooms = {str(Path(name).parent) for name in python_files() if name.startswith("scanner/")} - {"scanner"}
    rooms = {room for room in rooms if room.count("/") == 1 or room.startswith("scanner/network/")}
    folders = {str(Path(name).parent) for name in python_files()}
    assert {room for room in rooms if room.replace("scanner/", "tests/", 1) not in folders} == set()


def test_no_test_takes_anything_from_another_test() -> None:
    """What several tests need stands beside them or in tests/support, where somebody looks for it."""
    taken = {
        (name, module)
        for name in python_files()
        for module in imported_modules(ROOT / name)
        if module.startswith("tests.") and module.rpartition(".")[2].startswith("test_")
    }
    assert not taken


def test_motor_lives_in_one_file() -> None:
    """The driver is imported by the second opinion and by the process that it runs in."""
    users = {
        name
        for name in python_files()
        if name.startswith(ROOMS)
        and any(m.partition(".")[0] == "motor" for m in imported_modules(ROOT / name))
    }
    assert users == {"scanner/network/driver/driver.py", "scanner/network/driver/worker.py"}


def test_files_are_short() -> None:
    """A file that needs more than 400 lines has more than one idea."""
    long = {
        name: lines
        for name in set(python_files()) - LONG
        if (lines := len((ROOT / name).read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert not long


def test_files_say_what_belongs_in_them() -> None:
    """Each Python file opens with a docstring; an empty marker of a package needs none."""
    silent = [
        name
        for name in python_files()
        if (text := (ROOT / name).read_text(encoding="utf-8")).strip()
        and not ast.get_docstring(ast.parse(text))
    ]
    assert not silent


def test_nothing_names_the_machine_it_was_made_on() -> None:
    """No path of a machine, no address of a package index, no talk of how the work was organised."""
    found = []
    for name in tracked():
        data = (ROOT / name).read_bytes()
        if b"\0" in data or name.endswith(".xz"):
            continue
        text = data.decode("utf-8", "replace")
        found += [
            (name, match[0])
            for pattern in MACHINE
            for match in [pattern.search(text)]
            if match and not (name in SPEAKS_OF_OPTIONS and match[0].startswith("--"))
        ]
    assert not found


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "requirements-dev.lock", "tests/servers/secantus.lock"]
)
def test_locks_hold_names_versions_and_hashes_only(lock: str) -> None:
    """Each requirement is exact and hashed, and no line is anything else."""
    line_forms = re.compile(
        r"[A-Za-z0-9._-]+(\[[a-z,-]+\])?==\S+( ; .+?)? \\|\s+--hash=sha256:[0-9a-f]{64}( \\)?|\s*#.*|"
    )
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line_forms.fullmatch(line)] == []
    assert "://" not in "\n".join(lines)


def test_the_top_of_the_house() -> None:
    """What lies in the first folder is what the architecture names."""
    assert {name.partition("/")[0] for name in tracked()} <= TOP


def test_each_verb_of_the_makefile_is_explained() -> None:
    """`make help` shows every verb that the Makefile declares, with a line about it."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    shown = subprocess.run(
        ["make", "-s", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True
    )
    declared = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert declared is not None
    explained = set(re.findall(r"^  make ([a-z-]+) +\S", shown.stdout, re.MULTILINE))
    assert explained == set(declared[1].split())


def test_exhaustive_rows_stand_where_the_makefile_looks_for_them() -> None:
    """Its `ROWS` are test files that have the marker's word in them, or take it from this one file."""
    others = [path for path in (ROOT / "tests").rglob("*.py") if not path.name.startswith("test_")]
    marked = [str(path.relative_to(ROOT)) for path in others if "mark.exhaustive" in path.read_text("utf-8")]
    assert marked == ["tests/support/thinned.py"]


def test_what_tests_are_skipped_without_is_installed_where_every_change_is_checked() -> None:
    """A test that is skipped everywhere proves nothing."""
    wanted: set[str] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        wanted |= set(re.findall(r'skipif\((?:not )?shutil\.which\("([\w-]+)"\)', text))
    brought = set(re.findall(r"\[([\w-]+)\]=", (ROOT / ".ci" / "run").read_text(encoding="utf-8")))
    assert {"jq", "groff"} <= wanted
    assert wanted - brought <= {"bash", "systemd-analyze"}, "these come with a package that is named anyway"
