"""Bringing real servers: left alone when they are there, and a clear word where a tool is missing."""

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


def test_without_a_tool_it_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it would bring is left out, and that is no failure."""
    monkeypatch.setattr(bring, "SWEPT", (bring.bring_ferretdb,))
    monkeypatch.setattr(bring, "CHECKERS", (bring.bring_axe,))
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert bring.main() == 0
    said = capsys.readouterr().err
    for name in ("go", "mvn", "apt-get", "npm"):
        assert f"`{name}` is not on the PATH" in said


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
    """Of what is swept: the command, and the end of what it said. A receiver is named, and left out."""

    def fails() -> None:
        bring.run("sh", "-c", "echo no room >&2; exit 3")

    monkeypatch.setattr(bring, "CHECKERS", ())
    for swept, receivers in (((fails,), ()), ((), (fails,))):
        monkeypatch.setattr(bring, "SWEPT", swept)
        monkeypatch.setattr(bring, "RECEIVERS", receivers)
        assert bring.main() == len(swept)
        assert "no room" in capsys.readouterr().err


def test_a_jar_that_is_not_the_locked_one_is_refused(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is compiled against it, let alone started."""
    elsewhere.mkdir()

    def brings_something_else(*command: object, cwd: Path) -> None:
        assert "copy-dependencies" in str(command), "compiled"
        (cwd / "jars").mkdir()
        (cwd / "jars" / "opensearch-2.19.6.jar").write_bytes(b"another")

    monkeypatch.setattr("shutil.which", str)
    monkeypatch.setattr(bring, "run", brings_something_else)
    with pytest.raises(bring.NotBroughtError, match=r"not those of .*jars\.lock"):
        bring.bring_opensearch()


def test_a_changed_pin_is_noticed(tmp_path: Path) -> None:
    """The digest follows the content of the files."""
    file = tmp_path / "lock"
    file.write_text("one")
    before = bring.digest(file, "3.11")
    file.write_text("two")
    assert bring.digest(file, "3.11") != before
