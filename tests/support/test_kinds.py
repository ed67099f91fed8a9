"""Finding a mongod and a mongos, and the words that each version wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import kinds
from tests.support.kinds import Certificates, Kind, State

if TYPE_CHECKING:
    from pathlib import Path


def pretend(path: Path, version: str) -> Path:
    """A program that only knows its version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{version}'\n")
    path.chmod(0o755)
    return path


def test_finds_what_the_variable_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions side by side, flat or as they are unpacked."""
    pretend(tmp_path / "mongod", "db version v7.0.14")
    pretend(tmp_path / "mongodb-4.0" / "bin" / "mongod", "db version v4.0.3")
    pretend(tmp_path / "mongodb-4.0" / "bin" / "mongos", "mongos version v4.0.3")
    monkeypatch.setenv(kinds.MONGOD_DIR, str(tmp_path))
    labels = {label for _, label, _ in kinds.found_mongods()}
    assert labels == {"mongod-7.0.14", "mongod-4.0.3", "mongos-4.0.3"}
    assert {kind.state for kind in kinds.kinds(product="mongos")} == {State.OPEN}


def test_a_folder_without_any_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that names nothing would silently test nothing."""
    monkeypatch.setenv(kinds.MONGOD_DIR, str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no mongod or mongos"):
        kinds.found_mongods()


def test_without_the_variable_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other products are still there."""
    monkeypatch.delenv(kinds.MONGOD_DIR, raising=False)
    assert {kind.product for kind in kinds.kinds()} == {"secantusdb", "ferretdb"}


@pytest.mark.parametrize(
    ("version", "mode"), [("4.0.3", "--sslMode requireSSL"), ("7.1.0", "--tlsMode requireTLS")]
)
def test_tls_is_spelled_by_version(version: str, mode: str, tmp_path: Path) -> None:
    """Before 4.2 the options say `ssl`."""
    kind = Kind("mongod", State.TLS, tmp_path / "mongod", f"mongod-{version}")
    command = kinds.mongod(kind, 27017, Certificates(tmp_path / "pem"), tmp_path)
    assert mode in " ".join(map(str, command))
    assert any("AllowConnectionsWithoutCertificates" in str(word) for word in command)
