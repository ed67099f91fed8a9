"""Bringing real servers: left alone when they are there, and a clear word where Go is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers import bring

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The servers' folder of this test."""
    monkeypatch.setattr(bring, "SERVERS", tmp_path / "servers")
    return tmp_path / "servers"


def test_without_go_it_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """FerretDB is left out, and that is no failure."""
    monkeypatch.setattr(bring, "bring_secantusdb", lambda: None)
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert bring.main() == 0
    assert "install Go" in capsys.readouterr().err


def test_what_is_there_is_left_alone(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Made from the same pinned input: nothing is run."""
    elsewhere.mkdir()
    (elsewhere / "ferretdb").write_text("a binary")
    wanted = bring.digest(bring.HERE / "go.mod", bring.HERE / "go.sum", bring.HERE / "bring.py")
    (elsewhere / "ferretdb.made-from").write_text(wanted)
    monkeypatch.setattr(bring, "run", pytest.fail)
    bring.bring_ferretdb()
    assert "FerretDB is there" in capsys.readouterr().err


def test_a_failed_install_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command, and the end of what it said."""

    def fails() -> None:
        bring.run("sh", "-c", "echo no room >&2; exit 3")

    monkeypatch.setattr(bring, "bring_secantusdb", fails)
    monkeypatch.setattr(bring, "bring_ferretdb", lambda: None)
    assert bring.main() == 1
    assert "no room" in capsys.readouterr().err


def test_a_changed_pin_is_noticed(tmp_path: Path) -> None:
    """The digest follows the content of the files."""
    file = tmp_path / "lock"
    file.write_text("one")
    before = bring.digest(file, "3.11")
    file.write_text("two")
    assert bring.digest(file, "3.11") != before
