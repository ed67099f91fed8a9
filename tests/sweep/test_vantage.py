"""Where a sweep looks from stands in its manifest and in every line, whoever wrote it, and stays."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from results.files import StorageRefusedError
from results.reading import read_run
from results.run import load_manifest
from results.verdict import Severity, Verdict
from scanner.lab.thread import LabThread
from scanner.setup.settings import CanarySettings, Settings
from tests.support.sweeps import FAST, estate, found, scope_of, sweep


def seen_from(vantage: str, **more: object) -> Settings:
    """Settings with this vantage."""
    return Settings(sweep=msgspec.structs.replace(FAST, rate=200, vantage=vantage), **more)  # type: ignore[arg-type]  # keyword arguments by name


@pytest.mark.parametrize("workers", [1, 2])
def test_every_line_says_where_it_was_seen_from(tmp_path: Path, port: int, workers: int) -> None:
    """Written at length, from a template (for those that answer alike), by a worker, and of silence."""
    locked, magazine = (next(iter(estate({name}).values())) for name in ("auth_7_1", "magazine"))
    places = {(f"127.91.0.{number}", port): locked for number in range(1, 9)}
    places[("127.91.0.9", port)] = magazine
    with LabThread(places):
        scope = scope_of(port, "127.91.0.0/28")
        inside, _ = sweep(scope, tmp_path, seen_from("office"), workers=workers, everything=True)
        outside, _ = sweep(scope, tmp_path, seen_from("internet"), workers=workers)
        nowhere, _ = sweep(scope, tmp_path, seen_from(""), workers=workers)
    for summary, vantage, count in ((inside, "office", 16), (outside, "internet", 9), (nowhere, "", 9)):
        lines = found(summary.run_dir)
        assert {line.vantage for line in lines.values()} == {vantage}
        assert len(lines) == count
        assert load_manifest(Path(summary.run_dir))[0].vantage == vantage
        severe = lines["127.91.0.9"]
        assert severe.severity is Severity.CRITICAL  # it was ransomed, wherever it is seen from
        codes = [reason.code for reason in severe.severity_reasons]
        assert ("open-to-the-internet" in codes) == (vantage == "internet")
    assert b"vantage" not in (Path(nowhere.run_dir) / "manifest.json").read_bytes()


def test_a_resumed_run_keeps_its_vantage(tmp_path: Path, port: int) -> None:
    """Unless another is named: lines of one run are seen from one place."""
    canary = CanarySettings(address="127.91.0.6", port=port, expect=Verdict.AUTH_REQUIRED)
    scope = scope_of(port, "127.91.0.0/29")
    first, _ = sweep(scope, tmp_path, seen_from("internet", canary=(canary,)), everything=True)
    assert first.state == "degraded"
    with pytest.raises(StorageRefusedError, match="vantage was 'internet', is 'office'"):
        sweep(
            scope,
            tmp_path,
            seen_from("office", canary=(canary,)),
            resume=first.run_id,
            everything=True,
        )
    again, _ = sweep(scope, tmp_path, seen_from("", canary=(canary,)), resume=first.run_id, everything=True)
    lines = list(read_run(Path(again.run_dir)))
    assert lines
    assert {line.vantage for line in lines} == {"internet"}
    assert load_manifest(Path(again.run_dir))[0].vantage == "internet"
