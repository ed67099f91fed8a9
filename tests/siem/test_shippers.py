"""The configurations of Vector and Fluent Bit. Neither can be brought by a package of a registry: both are
parsed, and Fluent Bit runs where it is."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import tomllib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml

from results.formats.fields import Sender
from results.formats.registry import format_named
from results.sinks.file import FileOptions, FileSink
from results.sinks.http import Endpoint
from results.sinks.sink import Item, StoppedError
from results.sinks.splunk import SplunkOptions, SplunkSink
from tests.support.full_events import change, full_events, paths
from tests.support.ports import free_port
from tests.support.receivers.running import running, until
from tests.support.siem import SIEM, adapted, lines_of

if TYPE_CHECKING:
    from results.sinks.sink import Sink

FOLDER = "MONGOSWEEP_RECEIVERS_DIR"
TOKEN = "11111111-2222-3333-4444-555555555555"
SENDER = Sender(version="1.0", host="probe-1", organisation="Example")
HOSTILE = ["a\r\nb", '"}{"forged":"', "\u202egnp.exe", "\x1b[2J", "$TAG", "\U0001f600", "\\u0041"]
EVENTS = [*full_events(), change("opened", event_id="me_hostile", names=HOSTILE)]
LINES = [msgspec.json.encode(event) for event in EVENTS]


def names_sent() -> set[str]:
    return {path for event in EVENTS for path in paths(msgspec.to_builtins(event))}


def sent_by(sink: Sink) -> list[Item]:
    return [
        Item(event.event_id, event.at, sink.render(event, line) or b"")
        for event, line in zip(EVENTS, LINES, strict=True)
    ]


@pytest.fixture
def fluent_bit() -> Path:
    """Where it is: on the PATH, or in the folder that the environment names."""
    found = shutil.which("fluent-bit", path=os.environ.get(FOLDER) or None)
    if found is None:
        pytest.skip(f"needs fluent-bit on the PATH, or in the folder that {FOLDER} names")
    return Path(found)


def test_vector_names_fields_that_come_and_parts_that_exist() -> None:
    """TOML, whose parts lead from one to the next."""
    told = tomllib.loads((SIEM / "vector" / "vector.toml").read_text())
    parts: dict[str, Any] = {**told["sources"], **told["transforms"], **told["sinks"]}
    for part in parts.values():
        assert set(part.get("inputs", ())) <= parts.keys()
    assert set(told["transforms"]["mongosweep_once"]["fields"]["match"]) <= names_sent()
    assert set(re.findall(r"\(\.(\w+)", told["transforms"]["mongosweep_event"]["source"])) <= names_sent() | {
        "message"
    }


def test_fluent_bit_names_fields_that_come_and_parts_that_exist() -> None:
    """YAML, whose parts lead from one to the next."""
    told = yaml.safe_load((SIEM / "fluent-bit" / "fluent-bit.yaml").read_text())
    parsers = {each["name"]: each for each in told["parsers"]}
    tags = {each["tag"] for each in told["pipeline"]["inputs"]}
    assert {each["parser"] for each in told["pipeline"]["inputs"]} == parsers.keys()
    assert {each["match"] for each in told["pipeline"]["outputs"]} == tags
    assert {each["time_key"] for each in parsers.values()} <= names_sent()


async def test_fluent_bit_reads_what_our_file_sink_writes(tmp_path: Path, fluent_bit: Path) -> None:
    """Each event once and equal, with its own time."""
    findings = tmp_path / "findings.jsonl"
    sink = FileSink("file", FileOptions(path=findings), format_named("native"), SENDER)
    await sink.send(sent_by(sink))
    await sink.close()
    configuration = tmp_path / "fluent-bit.yaml"
    changes = {"/var/log/mongosweep/findings.jsonl": findings, "/var/lib/fluent-bit": tmp_path}
    text = adapted("fluent-bit/fluent-bit.yaml", {word: str(path) for word, path in changes.items()})
    configuration.write_text(text)
    _check(fluent_bit, configuration)
    with running([fluent_bit, "-c", configuration], tmp_path / "home") as process:
        rows = until(lambda: _printed(tmp_path / "home" / "log"), "the events", process)
    for row, line in zip(rows, LINES, strict=True):
        event = json.loads(line)
        assert row == event | {"timestamp": row["timestamp"]}
        assert datetime.fromisoformat(row["timestamp"]) == datetime.fromisoformat(event["at"])


async def test_our_splunk_sink_delivers_to_a_real_fluent_bit(tmp_path: Path, fluent_bit: Path) -> None:
    """Its input `splunk`: with the token packed by gzip it takes all, with another it stops the sink."""
    port, taken = free_port(), tmp_path / "taken.jsonl"
    configuration = tmp_path / "fluent-bit.yaml"
    configuration.write_text(
        json.dumps(
            {
                "service": {"flush": 0.2},
                "pipeline": {
                    "inputs": [
                        {
                            "name": "splunk",
                            "listen": "127.0.0.1",
                            "port": port,
                            "splunk_token": TOKEN,
                            "buffer_max_size": "4M",
                        }
                    ],
                    "outputs": [
                        {
                            "name": "file",
                            "match": "*",
                            "path": str(tmp_path),
                            "file": taken.name,
                            "format": "plain",
                        }
                    ],
                },
            }
        )
    )
    with running([fluent_bit, "-c", configuration], tmp_path / "home") as process:
        until(lambda: _is_open(port), "fluent-bit", process)
        for token in ("another", TOKEN):
            endpoint = Endpoint(url=f"http://127.0.0.1:{port}", insecure=True)
            options = SplunkOptions(endpoint=endpoint, token=token)
            sink = SplunkSink("soc", options, format_named("native"), SENDER)
            try:
                if token == TOKEN:
                    answer = await sink.send(sent_by(sink))
                    assert not answer.refused
                    assert not answer.again
                else:
                    with pytest.raises(StoppedError):
                        await sink.send(sent_by(sink))
            finally:
                await sink.close()
        rows = lines_of(taken, len(LINES))
    assert [row["event"] for row in rows] == [json.loads(line) for line in LINES]


def _check(program: Path, configuration: Path) -> None:
    subprocess.run([program, "--dry-run", "-c", configuration], check=True, capture_output=True)


def _is_open(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def _printed(log: Path) -> list[Any]:
    """What its output `stdout` printed, once it is all."""
    rows = [json.loads(line) for line in log.read_bytes().splitlines() if line.startswith(b"{")]
    return rows if len(rows) >= len(LINES) else []
