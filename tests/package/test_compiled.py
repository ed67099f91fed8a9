"""The compiled core says what the interpreted one says: the same tests of the protocol pass against it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.deploy_programs import load
from tests.support.installed_wheel import ROOT, build_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COMPILE = load("package/compile.py")
pytestmark = [
    pytest.mark.xdist_group("compiled"),  # one worker compiles, and does so once
    pytest.mark.slow,
    pytest.mark.timeout(1200),
]

# What ran the tests says at its end where their modules came from.
RUN = """
import importlib, sys, pytest
code = pytest.main(sys.argv[2:])
for name in sys.argv[1].split(","):
    print("came from", importlib.import_module(name).__file__, name)
sys.exit(code)
"""


def modules(root: Path) -> list[str]:
    return [name.removesuffix(".py").replace("/", ".") for name in COMPILE.sources(root)]


def need_compiler() -> None:
    try:
        COMPILE.compiler()
    except COMPILE.CompileError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_compiler()
    folder = tmp_path_factory.mktemp("compiled") / "copy"
    COMPILE.copy(ROOT, folder)
    COMPILE.compile_in(folder)
    return folder


def python(folder: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    environment = {**kept, "PYTHONPATH": str(folder)}
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=900
    )


@pytest.mark.exhaustive
@pytest.mark.long
def test_tests_of_the_protocol_pass_against_the_compiled_core(compiled: Path) -> None:
    """Recorded servers, cut ones, hostile bytes, and what a fuzzer found once."""
    wanted = modules(compiled)
    chosen = ["-m", "not exhaustive and not interpreted and not servers", "tests/mongo", "tests/fuzz"]
    chosen += [f"tests/engine/test_{name}.py" for name in ("memory", "plan_limit", "plan_turns", "recorder")]
    done = python(compiled, ["-c", RUN, ",".join(wanted), "-q", "-p", "no:cacheprovider", *chosen])
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    origins = [line.split() for line in done.stdout.splitlines() if line.startswith("came from")]
    assert [name for *_, name in origins] == wanted
    for _, _, origin, name in origins:
        assert origin.startswith(str(compiled)), name
        assert origin.endswith(".so"), name


@pytest.mark.exhaustive
@pytest.mark.long
def test_the_doctor_says_that_it_is_compiled(compiled: Path) -> None:
    done = python(compiled, ["-m", "scanner", "doctor", "--json"])
    core = next(check for check in json.loads(done.stdout) if check["name"] == "core")
    assert core == {"name": "core", "level": "ok", "found": "compiled", "remedy": ""}


@pytest.mark.exhaustive
@pytest.mark.long
def test_a_copy_of_another_source_is_told_from_this_one(compiled: Path) -> None:
    assert not COMPILE.stale(ROOT, compiled)
    file = compiled / "scanner" / "clock.py"
    before = file.read_bytes()
    file.write_bytes(before + b"\n")
    assert COMPILE.stale(ROOT, compiled)
    file.write_bytes(before)
    assert COMPILE.stale(ROOT, compiled / "elsewhere")


@pytest.mark.exhaustive
@pytest.mark.long
def test_a_wheel_with_a_compiled_core_is_for_one_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_compiler()
    monkeypatch.setenv("MONGOSWEEP_COMPILE", "1")
    wheel = build_wheel(tmp_path)
    assert not wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    parts = {name.partition(".")[0] for name in names if name.endswith(".so")}
    assert parts == {f"mongosweep/{name.removesuffix('.py')}" for name in COMPILE.sources(ROOT)} | {
        "mongosweep/scanner/core__mypyc"
    }
    assert {f"{part}.py" for part in parts} - set(names) == {"mongosweep/scanner/core__mypyc.py"}


def test_what_is_left_out_is_there_and_has_its_reason() -> None:
    chosen = COMPILE.sources(ROOT)
    for name in (*COMPILE.FILES, *COMPILE.LEFT_OUT):
        assert (ROOT / name).is_file(), name
    assert set(COMPILE.FILES) <= set(chosen)
    assert not set(COMPILE.LEFT_OUT) & set(chosen)
    assert not list((ROOT / "scanner").rglob("*.so")), (
        "an extension beside a file hides what is written there"
    )


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("keep me")
    with pytest.raises(COMPILE.CompileError, match="holds something else"):
        COMPILE.copy(ROOT, tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "keep me"


def test_no_compiler_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(COMPILE.shutil, "which", lambda _: None)
    with pytest.raises(COMPILE.CompileError, match=r"gcc\), or build without MONGOSWEEP_COMPILE"):
        COMPILE.compiler()
