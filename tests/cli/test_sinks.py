"""`sinks` and `doctor --sinks`: how sinks stand, and whether they take a test event."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from scanner.cli import main
from scanner.setup.sink_settings import secret_variable
from tests.support.collecting import FIRST, SECRET, SPLUNK, configure, kinds
from tests.support.receivers.hec import TOKEN, HecReceiver

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_how_sinks_stand(
    folder: Path,
    hec: HecReceiver,
    port: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For people, for programs, and as metrics, without any secret."""
    monkeypatch.setenv(secret_variable("down"), TOKEN)
    down = SPLUNK.format(url=f"http://127.0.0.1:{port}").replace("soc", "down")
    configure(folder, SPLUNK.format(url=hec.origin) + down, patience=0.2)
    assert main(["forward", "-q"]) == 3
    for name in (SECRET, secret_variable("down")):
        monkeypatch.delenv(name)
    capsys.readouterr()
    assert main(["sinks"]) == 0
    head, good, bad, why = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["SINK", "KIND", "WAITING", "OLDEST"]
    assert good.split()[:5] == ["soc", "splunk", "0", "-", "4"]
    assert bad.split()[:3] == ["down", "splunk", "4"]
    assert bad.split()[4] == "days"  # of the oldest
    assert max(map(len, (head, good, bad))) <= 80
    assert bad.endswith("never")
    assert "no connection" in why
    assert main(["sinks", "--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["backlog"], row["delivered"]) for row in rows] == [
        ("soc", 0, 4),
        ("down", 4, 0),
    ]
    assert main(["sinks", "--metrics", "--metrics-textfile", "sinks.prom"]) == 0
    text = capsys.readouterr().out
    found = samples(text)
    assert found["mongosweep_sink_queue_events", "down"] == 4
    assert found["mongosweep_sink_events_total", "delivered", "soc"] == 4
    assert found["mongosweep_sink_oldest_event_age_seconds", "down"] > 0
    written = samples((folder / "sinks.prom").read_text(encoding="utf-8"))
    assert written.keys() == found.keys()
    assert main(["sinks", "--metrics-textfile", "no/sinks.prom"]) == 2
    assert "--metrics-textfile no/sinks.prom cannot be written: No such file" in capsys.readouterr().err


def test_another_users_files_are_told_as_such(folder: Path, hec: HecReceiver) -> None:
    """And not as damaged ones, for which everything would be sent again."""
    assert main(["forward", "-q"]) == 0
    kept = folder / "runs" / "sinks" / "soc"
    for path in kept.iterdir():
        path.chmod(0)
    for command, place in (("sinks", "state.json"), ("forward", "lock")):
        code, said = as_a_plain_user(command)
        assert code == 4
        assert f"runs/sinks/soc/{place}: permission denied" in said
        assert "--restart" not in said
    (folder / "runs").chmod(0)
    code, said = as_a_plain_user("forward")
    assert (code, "permission denied" in said) == (4, True)
    (folder / "runs").chmod(0o700)
    assert kinds(hec) == FIRST


def as_a_plain_user(command: str) -> tuple[int, str]:
    """Its exit code and stderr, without root's right to read and write everything."""
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*drop, sys.executable, "-m", "scanner", command], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def test_a_test_event_is_marked_and_moves_nothing(
    folder: Path, hec: HecReceiver, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--sinks"]) == 0
    _, row = capsys.readouterr().out.splitlines()
    assert row.split() == ["taken", "soc", "splunk", hec.origin, "Success"]
    (taken,) = hec.taken
    event = taken["event"]
    assert (event["kind"], event["state"], event["run_id"], event["severity"]) == (
        "test",
        "test",
        "test",
        "info",
    )
    assert event["event_id"].startswith("test_")
    assert sorted(path.name for path in (folder / "runs").iterdir()) == ["run-1"]
    hec.fail("503")
    assert main(["doctor", "--sinks", "--json"]) == 3
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["name"], told["result"]) == ("soc", "failed")
    assert "503" in told["said"]
    assert main(["forward", "-q"]) == 0
    assert kinds(hec) == ["test", *FIRST]
