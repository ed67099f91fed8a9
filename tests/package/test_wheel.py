"""What is in the wheel, and that two builds of the same checkout are the same file."""

from __future__ import annotations

import re
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import scanner
from tests.support.installed_wheel import build_wheel

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_nothing_but_one_package_is_at_the_top(names: set[str]) -> None:
    version = scanner.__version__
    top = {name.partition("/")[0] for name in names}
    allowed = {"mongosweep", f"mongosweep-{version}.dist-info", f"mongosweep-{version}.data"}
    assert {"mongosweep", f"mongosweep-{version}.dist-info"} <= top <= allowed


def test_every_file_of_the_program_is_in_it(names: set[str]) -> None:
    """Code, and the data beside it: texts, templates, dated tables."""
    for room in ("mongosweep", "results", "scanner", "targets"):
        for path in (ROOT / room).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                name = path.relative_to(ROOT).as_posix()
                assert (name if room == "mongosweep" else f"mongosweep/{name}") in names
    assert not [name for name in names if name.endswith(".pyc") or "__pycache__" in name or "/tests/" in name]


def test_every_file_is_as_in_the_checkout_but_for_its_imports(wheel: Path) -> None:
    """Line by line. An import that was forgotten would end in somebody else's package."""
    forgotten = re.compile(rb"^\s*(?:from|import) (?:results|scanner|targets)(?:\.| import|$)", re.MULTILINE)
    with zipfile.ZipFile(wheel) as archive:
        files = [name for name in archive.namelist() if name.endswith(".py")]
        assert len(files) > 600
        for name in files:
            new, inner = archive.read(name), Path(*Path(name).parts[1:])
            before = ROOT / (inner if inner.parts[0] in ("results", "scanner", "targets") else name)
            lines = zip(before.read_bytes().splitlines(), new.splitlines(), strict=True)
            changed = [now.strip() for was, now in lines if was != now]
            assert all(line.startswith((b"from mongosweep", b"import mongosweep")) for line in changed), name
            assert not forgotten.search(new), name


def test_it_is_typed_and_brings_its_pages(names: set[str]) -> None:
    assert "mongosweep/py.typed" in names
    for path in (ROOT / "docs").rglob("*.md"):
        assert f"mongosweep/{path.relative_to(ROOT).as_posix()}" in names
    assert "mongosweep/docs/siem/rsyslog/receive.conf" in names, "a page tells people to copy it"
    for path in (ROOT / "docs" / "man").glob("*.1"):
        assert f"mongosweep-{scanner.__version__}.data/data/share/man/man1/{path.name}" in names
    for path in (ROOT / "docs" / "pictures").iterdir():
        assert f"mongosweep/docs/pictures/{path.name}" in names
    assert not [
        name for name in names if name.startswith("mongosweep/docs/") and name.endswith((".py", ".html"))
    ]


def test_what_it_says_of_itself(wheel: Path) -> None:
    """For an index, which shows the README: name, licence and versions of Python are there."""
    with zipfile.ZipFile(wheel) as archive:
        (place,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        said = message_from_string(archive.read(place).decode())
        entry = archive.read(place.replace("METADATA", "entry_points.txt")).decode()
    assert (said["Name"], said["Version"]) == ("mongosweep", scanner.__version__)
    assert said["License-Expression"] == "Apache-2.0"
    assert said["Requires-Python"] == ">=3.11"
    assert said["Description-Content-Type"] == "text/markdown"
    assert entry.splitlines() == ["[console_scripts]", "mongosweep = mongosweep.__main__:main"]


def test_two_builds_are_the_same_to_the_byte(wheel: Path, tmp_path: Path) -> None:
    assert build_wheel(tmp_path).read_bytes() == wheel.read_bytes()
