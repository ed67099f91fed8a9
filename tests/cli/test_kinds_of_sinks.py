"""Each kind of `[[sink]]`, from its lines in a configuration to what its receiver gets."""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING, NamedTuple

import pytest

from scanner.cli import main
from scanner.setup.config_file import read_config
from scanner.setup.sink_request import plans_of
from scanner.setup.sink_settings import secret_variable
from tests.cli.programs import ROOT
from tests.support.ledgers import RunOnDisk
from tests.support.receivers import bulk, hec, hook, ingestion
from tests.support.receivers.beside import beside

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.receivers.serving import Receiver

SENTINEL = (
    f'kind = "sentinel"\ntenant = "{ingestion.TENANT}"\nclient_id = "{ingestion.CLIENT}"\n'
    f'rule_id = "{ingestion.RULE}"\nauthority = "{{url}}"\n'
)


class Kind(NamedTuple):
    """A receiver, the lines that lead to it, and the secret."""

    receiver: type[Receiver]
    lines: str
    secret: str


KINDS = {
    "splunk": Kind(hec.HecReceiver, 'kind = "splunk"\nindex = "security"\n', hec.TOKEN),
    "splunk in OCSF": Kind(hec.HecReceiver, 'kind = "splunk"\nformat = "ocsf"\n', hec.TOKEN),
    "elastic": Kind(bulk.BulkReceiver, 'kind = "elastic"\n', bulk.API_KEY),
    "elastic with a login": Kind(
        bulk.BulkReceiver, f'kind = "elastic"\nuser = "{bulk.LOGIN[0]}"\n', bulk.LOGIN[1]
    ),
    "sentinel": Kind(ingestion.IngestionReceiver, SENTINEL, ingestion.SECRET),
    "webhook": Kind(hook.HookReceiver, 'kind = "webhook"\n', hook.SECRET),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a run that ended."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in list(os.environ):
        if name.startswith("MONGOSWEEP_"):
            monkeypatch.delenv(name)
    RunOnDisk(tmp_path / "runs", "run-1", "2026-03-01T04:00:00.000Z").begin().end()
    return tmp_path


def configure(here: Path, lines: str) -> None:
    (here / "mongosweep.toml").write_text(f'[[sink]]\nname = "soc"\n{lines}', encoding="utf-8")


@pytest.mark.parametrize("kind", list(KINDS.values()), ids=list(KINDS))
def test_over_http(
    here: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A test event and a run arrive; a wrong secret stops it; the right one is shown nowhere."""
    receiver = kind.receiver()
    with beside(receiver):
        configure(here, kind.lines.replace("{url}", receiver.origin) + f'url = "{receiver.url}"\n')
        monkeypatch.setenv(secret_variable("soc"), "not-the-" + "secret")
        assert main(["forward"]) == 3
        assert "2 waiting; stopped: " in capsys.readouterr().err
        monkeypatch.setenv(secret_variable("soc"), kind.secret)
        assert main(["doctor", "--sinks"]) == 0
        assert main(["forward"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[1].split()[:2] == ["taken", "soc"]
    assert told.err.endswith(": 2 sent\n")
    assert receiver.count == 3
    files = [path for path in here.rglob("*") if path.is_file()]
    assert kind.secret not in told.out + told.err
    assert not any(kind.secret.encode() in path.read_bytes() for path in files)


def test_syslog(here: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(30)
        port = receiver.getsockname()[1]
        configure(
            here, f'kind = "syslog"\nhost = "127.0.0.1"\nport = {port}\ntransport = "udp"\nformat = "cef"\n'
        )
        assert main(["forward", "-q"]) == 0
        taken = [receiver.recv(65536) for _ in range(2)]
    assert all(re.match(rb"<\d+>1 2026-03-01T0\d:00:00.000Z .*CEF:0\|mongosweep\|", each) for each in taken)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:6514", "syslog.example.com:6514", "tcp://127.0.0.1", "[::1]:6514"]
)
def test_a_port_is_no_part_of_a_host(here: Path, host: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Else it would be looked up as a name, which is not there."""
    configure(here, f'kind = "syslog"\nhost = "{host}"\n')
    assert main(["sinks"]) == 2
    assert "write its name or address, without its port, such as host =" in capsys.readouterr().err


def test_journald(here: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(here / "socket"))
        receiver.settimeout(30)
        configure(here, f'kind = "journald"\nsocket = "{here / "socket"}"\n')
        assert main(["forward", "-q"]) == 0
        taken = [receiver.recv(65536) for _ in range(2)]
    assert all(b"MESSAGE" in each for each in taken)


def test_file(here: Path) -> None:
    configure(here, f'kind = "file"\npath = "{here / "findings.cef"}"\nformat = "cef"\nmode = "0644"\n')
    assert main(["forward", "-q"]) == 0
    assert [line[:6] for line in (here / "findings.cef").read_bytes().splitlines()] == [b"CEF:0|"] * 2
    assert (here / "findings.cef").stat().st_mode & 0o777 == 0o644


def test_what_the_page_shows_is_taken(tmp_path: Path) -> None:
    """Every sink of docs/sinks.md can be made from its lines there and a secret."""
    page = (ROOT / "docs" / "sinks.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "mongosweep.toml"
    path.write_text(re.sub(r"^group = .*\n", "", text, flags=re.MULTILINE), encoding="utf-8")
    config = read_config(path)
    secrets = {secret_variable(sink.called): "a-secret" for sink in config.settings.sink}
    plans = plans_of(config, config.settings.sink, secrets, tmp_path)
    kinds = ["splunk", "elastic", "sentinel", "webhook", "syslog", "kafka", "journald", "file"]
    assert [plan.sink.kind for plan in plans] == kinds
    assert "a-secret" not in "".join(repr(plan) + plan.sink.place for plan in plans)
