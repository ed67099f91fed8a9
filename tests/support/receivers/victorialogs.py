"""A real VictoriaLogs on loopback. It takes what Splunk's HTTP Event Collector takes, `_bulk`, and syslog.

It knows no token, no index and no acknowledgement; what came is read by queries.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, NamedTuple

from tests.support.ports import free_port
from tests.support.receivers.installed import brought
from tests.support.receivers.running import answers, running, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class VictoriaLogs(NamedTuple):
    """`url` of its HTTP over TLS, and its port of syslog over TLS, framed by octet counting; `trust` is for
    whoever asks it."""

    url: str
    syslog: int
    trust: ssl.SSLContext

    def rows(self, query: str, expected: int) -> list[dict[str, str]]:
        """The rows of a query, once there are as many: what came shows a second later."""
        return list(until(lambda: self._rows(query, expected), f"{expected} rows of {query}"))

    def _rows(self, query: str, expected: int) -> list[dict[str, str]]:
        told = urllib.request.Request(
            f"{self.url}/select/logsql/query", urllib.parse.urlencode({"query": query}).encode()
        )
        with urllib.request.urlopen(told, timeout=30, context=self.trust) as answer:
            rows = [json.loads(line) for line in answer.read().splitlines()]
        return rows if len(rows) >= expected else []


@contextlib.contextmanager
def victoria_logs(home: Path, certificate: Path, ca_file: Path) -> Iterator[VictoriaLogs]:
    """VictoriaLogs with this certificate, whose key is in the same file."""
    program = brought("victoria-logs", "Go")
    port, syslog = free_port(), free_port()
    words = [
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-storageDataPath={home / 'data'}",
        f"-syslog.listenAddr.tcp=127.0.0.1:{syslog}",
        *(f"-{part}tls=true" for part in ("", "syslog.")),
        *(f"-{part}tls{file}File={certificate}" for part in ("", "syslog.") for file in ("Cert", "Key")),
        "-retentionPeriod=100y",
        "-futureRetention=100y",
    ]
    trust = ssl.create_default_context(cafile=str(ca_file))
    with running([program, *words], home) as process:
        until(lambda: answers(f"https://127.0.0.1:{port}/health", trust), "VictoriaLogs", process)
        yield VictoriaLogs(f"https://127.0.0.1:{port}", syslog, trust)
