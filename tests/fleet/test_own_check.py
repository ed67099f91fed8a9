"""What `mongosweep doctor` says of this machine's part in a fleet."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from scanner.cli import main
from scanner.fleet.issuing import issue, make_authority

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86400.0
CONFIG = """
[organisation]
name = "Example"

[[allow]]
cidr = "127.77.1.0/30"
owner = "tests"
kind = "lab"

[fleet]
certificates = "ca/workers/paris-1"
"""


@pytest.mark.parametrize(
    ("days", "scheduler", "level", "found", "remedy"),
    [
        (90, "tls://hub:8786", "ok", "certificate of worker paris-1 of site paris, until ", ""),
        (20, "", "warning", "certificate of worker paris-1 of site paris, until ", "fleet issue DIR worker"),
        (5, "", "warning", "own.pem ended on ", "fleet issue DIR worker --name paris-1"),
        (90, "tcp://hub:8786", "warning", "only tls:// is taken", "write tls://hub:8786"),
        (0, "", "warning", "own.pem is missing", "copy it from the folder"),
    ],
)
def test_a_certificate_is_looked_at(
    days: int,
    scheduler: str,
    level: str,
    found: str,
    remedy: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    began = time.time() - 10 * DAY
    make_authority(tmp_path / "ca", began)
    if days:
        issue(tmp_path / "ca", "worker", "paris-1", began, site="paris", days=days)
    (tmp_path / "mongosweep.toml").write_text(f'{CONFIG}scheduler = "{scheduler}"\n')
    main(["doctor", "--json"])
    (check,) = [each for each in json.loads(capsys.readouterr().out) if each["name"] == "fleet"]
    assert check["level"] == level
    assert found in check["found"]
    assert remedy in check["remedy"]
    (tmp_path / "mongosweep.toml").write_text(CONFIG.partition("[fleet]")[0])
    main(["doctor", "--json"])
    assert "fleet" not in [each["name"] for each in json.loads(capsys.readouterr().out)]
