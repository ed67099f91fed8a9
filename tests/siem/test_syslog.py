"""The configurations of rsyslog and syslog-ng, run by both: what arrives is what was sent, line by line."""

from __future__ import annotations

import contextlib
import subprocess
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from results.formats.facts import ROOM, facts_of
from results.formats.fields import Sender, fields_of
from results.formats.registry import format_named
from results.sinks.file import FileOptions, FileSink
from results.sinks.sink import Item
from results.sinks.syslog import SyslogOptions, SyslogSink
from tests.support.full_events import change, full_events
from tests.support.kinds import SERVERS
from tests.support.ports import free_port
from tests.support.real import finish, launch
from tests.support.receivers import rsyslog
from tests.support.receivers.installed import brought, installed
from tests.support.receivers.running import until
from tests.support.receivers.tls import Certificates
from tests.support.receivers.victorialogs import victoria_logs
from tests.support.siem import adapted, lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results.sinks.sink import Sink

SENDER = Sender(version="1.0", host="probe-1", organisation="Example")
HOSTILE = ["a\r\nb", "<13>1 - - - - -", 'x]y"z\\', "\u202egnp.exe", "\x1b[2J", "%msg%", "$MSG", "\U0001f600"]
EVENTS = [
    *full_events(),
    change("opened", event_id="me_hostile", names=HOSTILE),
    change("opened", event_id="me_large", names=["a name of two hundred letters".ljust(200, "s")] * 60),
]
LINES = [msgspec.json.encode(event) for event in EVENTS]
LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")
PROGRAMS = ("rsyslog", "syslog-ng")


def command(program: str, configuration: Path) -> tuple[list[str | Path], dict[str, str]]:
    """How it is started in the foreground, and what it needs of the environment."""
    if program == "rsyslog":
        rsyslog.needed()
        return [
            installed("rsyslogd", "rsyslog"),
            "-n",
            "-f",
            configuration,
            "-i",
            configuration.with_suffix(".pid"),
        ], {}
    home = SERVERS / "syslog-ng"
    place = brought("syslog-ng/usr/sbin/syslog-ng", "Debian's apt-get")
    libraries = ":".join(str(home / path) for path in ("usr/lib/syslog-ng", *LIBRARIES))
    words = [
        f"--{name}={configuration.with_suffix(f'.{name}')}" for name in ("pidfile", "control", "persist-file")
    ]
    modules = f"--module-path={home / 'usr/lib/syslog-ng/3.38'}"
    return [place, "-F", "--no-caps", modules, "-f", configuration, *words], {"LD_LIBRARY_PATH": libraries}


@contextlib.contextmanager
def started(program: str, home: Path, text: str) -> Iterator[subprocess.Popen[bytes]]:
    """It runs with this configuration, which it has called valid before."""
    home.mkdir()
    configuration = home / "page.conf"
    configuration.write_text(text)
    words, more = command(program, configuration)
    check = ["-N1", "-f", configuration] if program == "rsyslog" else [*words[2:], "--syntax-only"]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in more.items():
            patch.setenv(name, value)
        told = subprocess.run([words[0], *check], cwd=home, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stderr
        process = launch(words, home)
    try:
        yield process
    finally:
        finish(process)


def listens(port: int) -> bool:
    """By the kernel's own table: a connection to try it would be one that the receiver tells of."""
    with Path("/proc/net/tcp").open() as table:
        rows = [row.split() for row in table.readlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


@contextlib.contextmanager
def receiver(program: str, home: Path, keys: Certificates, port: int) -> Iterator[Path]:
    """Its page's receive.conf; yields the file that it writes."""
    taken = home / "received.jsonl"
    changes = {
        "/etc/ssl/mongosweep/server.pem": str(keys.server_file),
        "/etc/ssl/mongosweep/server.key": str(keys.server_file),
        "/var/log/mongosweep/received.jsonl": str(taken),
        "6514": str(port),
    }
    if program == "rsyslog":
        changes |= {
            "/etc/ssl/mongosweep/ca.pem": str(keys.ca_file),
            'port="6514"': 'address="127.0.0.1" port="6514"',
        }
        changes["6514"] = changes.pop("6514")
    else:
        changes["0.0.0.0"] = "127.0.0.1"
    with started(program, home, adapted(f"{program}/receive.conf", changes)) as process:
        until(lambda: listens(port), program, process)
        yield taken


@pytest.fixture
def keys(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


async def deliver(sink: Sink) -> None:
    """All events, in two sendings."""
    items = [
        Item(event.event_id, event.at, sink.render(event, line) or b"")
        for event, line in zip(EVENTS, LINES, strict=True)
    ]
    try:
        for part in (items[:3], items[3:]):
            answer = await sink.send(part)
            assert not answer.refused
            assert not answer.again
    finally:
        await sink.close()


def check_equal(taken: Path) -> None:
    """Each event once, and equal."""
    told = lines_of(taken, len(EVENTS))
    assert sorted(each["event_id"] for each in told) == sorted(event.event_id for event in EVENTS)
    by_id = {each["event_id"]: each for each in told}
    for line in LINES:
        event = msgspec.json.decode(line)
        assert by_id[event["event_id"]] == event


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_receiver_has_what_our_syslog_sink_sends(
    program: str, tmp_path: Path, keys: Certificates
) -> None:
    """Over TLS, with format = "native": a line an event."""
    port = free_port()
    with receiver(program, tmp_path / "receiver", keys, port) as taken:
        options = SyslogOptions(host="127.0.0.1", port=port, ca_file=str(keys.ca_file), max_bytes=65_536)
        await deliver(SyslogSink("soc", options, format_named("native"), SENDER))
        check_equal(taken)


async def test_structured_data_is_read_by_a_parser_of_another_hand(
    tmp_path: Path, keys: Certificates
) -> None:
    """VictoriaLogs, over TLS: each fact under its name, as it was, whatever a server's name holds."""
    with victoria_logs(tmp_path / "logs", keys.server_file, keys.ca_file) as logs:
        options = SyslogOptions(host="127.0.0.1", port=logs.syslog, ca_file=str(keys.ca_file), bom=False)
        await deliver(SyslogSink("soc", options, format_named("rfc5424"), SENDER))
        rows = logs.rows("*", len(EVENTS))
    assert len(rows) == len(EVENTS)
    element = "mongosweep@32473."
    by_id = {row[f"{element}id"]: row for row in rows}
    for event in EVENTS:
        row, fields = by_id[event.event_id], fields_of(event, SENDER)
        told = {name.removeprefix(element): text for name, text in row.items() if name.startswith(element)}
        assert told == facts_of(fields, ROOM)
        assert (row["app_name"], row["msg_id"]) == ("mongosweep", event.kind)
        assert row["_msg"] == fields.message
        assert datetime.fromisoformat(row["_time"]) == datetime.fromisoformat(event.at)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_shipper_sends_on_what_our_file_sink_writes(
    program: str, tmp_path: Path, keys: Certificates
) -> None:
    """From the file to another syslog over TLS, which writes it down again: both files of its page."""
    findings, port = tmp_path / "findings.jsonl", free_port()
    sink = FileSink("file", FileOptions(path=findings), format_named("native"), SENDER)
    changes = {
        "/etc/ssl/mongosweep/ca.pem": str(keys.ca_file),
        "/var/log/mongosweep/findings.jsonl": str(findings),
        "syslog.example.com": "localhost",
        "6514": str(port),
    }
    with receiver(program, tmp_path / "receiver", keys, port) as taken:
        text = adapted(f"{program}/read.conf", changes)
        if program == "rsyslog":
            text = f'global(workDirectory="{tmp_path}")\n{text}'
        with started(program, tmp_path / "shipper", text):
            await deliver(sink)
            check_equal(taken)
