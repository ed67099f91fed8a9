"""The fake receivers as processes of their own: what they took is in their file before anybody is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from results.formats.sentinel import FORMAT
from results.sinks.elastic import ElasticOptions, ElasticSink
from results.sinks.http import Endpoint, HttpClient
from results.sinks.sentinel import SentinelOptions, SentinelSink
from results.sinks.sink import UnavailableError
from results.sinks.splunk import SplunkOptions, SplunkSink
from results.sinks.webhook import WebhookOptions, WebhookSink
from tests.support.receivers import bulk, hec, hook, ingestion
from tests.support.receivers.sent import NATIVE, SENDER, change_event, items_of
from tests.support.receivers.tls import Certificates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results.sinks.sink import Sink

ROOT = Path(__file__).resolve().parents[3]
KINDS = ("hec", "bulk", "hook", "ingestion")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The URL of each kind; Splunk's speaks TLS and acknowledges."""
    Certificates(tmp_path)
    started = {}
    for kind in KINDS:
        command = [sys.executable, "-m", f"tests.support.receivers.{kind}", "--fail", "taken close"]
        command += ["--into", str(tmp_path / f"{kind}.jsonl")]
        if kind == "hec":
            command += ["--acknowledge", "--certificate", str(tmp_path / "server.pem")]
        started[kind] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        ready = {kind: process.stdout.readline() for kind, process in started.items() if process.stdout}
        yield {kind: line.split()[1] for kind, line in ready.items()}
    finally:
        for process in started.values():
            process.terminate()
            process.communicate(timeout=30)


def _sink(kind: str, url: str, ca_file: Path) -> Sink:
    endpoint = Endpoint(url=url, insecure=True, ca_file=str(ca_file), timeout=10.0)
    if kind == "hec":
        return SplunkSink("s", SplunkOptions(endpoint=endpoint, token=hec.TOKEN), NATIVE, SENDER)
    if kind == "bulk":
        return ElasticSink("s", ElasticOptions(endpoint=endpoint, api_key=bulk.API_KEY), NATIVE, SENDER)
    if kind == "hook":
        return WebhookSink("s", WebhookOptions(endpoint=endpoint, secret=hook.SECRET), NATIVE, SENDER)
    options = SentinelOptions(
        endpoint=endpoint,
        tenant=ingestion.TENANT,
        client_id=ingestion.CLIENT,
        client_secret=ingestion.SECRET,
        rule_id=ingestion.RULE,
        authority=url,
    )
    return SentinelSink("s", options, FORMAT, SENDER)


async def test_each_takes_events_and_is_told_how_to_misbehave(
    running: dict[str, str], tmp_path: Path
) -> None:
    for kind, url in running.items():
        sink = _sink(kind, url, tmp_path / "ca.pem")
        items = items_of(sink, [change_event(1)])
        with pytest.raises(UnavailableError):
            await sink.send(items)
        assert len((tmp_path / f"{kind}.jsonl").read_text().splitlines()) == 1, kind
        answer = await sink.send(items)
        assert (answer.refused, answer.again) == ({}, frozenset()), kind
        await sink.close()
        lines = (tmp_path / f"{kind}.jsonl").read_text().splitlines()
        assert len(lines) == (1 if kind in ("bulk", "hook") else 2)  # those know an id that came before
        client = HttpClient(Endpoint(url=url, insecure=True, ca_file=str(tmp_path / "ca.pem")))
        asked = json.dumps({"faults": ["503"]}).encode()
        control = urlsplit(url)._replace(path="/control").geturl()
        told = await client.post(control, asked, {"Content-Type": "application/json"})
        assert json.loads(told.body)["taken"] == len(lines)
        await client.close()
        sink = _sink(kind, url, tmp_path / "ca.pem")
        with pytest.raises(UnavailableError, match="503"):
            await sink.send(items)
        await sink.close()
