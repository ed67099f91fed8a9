"""A real OpenSearch on loopback: what `_bulk` is sent to, and what templates and pipelines are put into."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support.ports import free_port
from tests.support.receivers.installed import brought, installed
from tests.support.receivers.running import answers, ask, running, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class OpenSearch(NamedTuple):
    """A node without security: `url` has no slash at its end."""

    url: str

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        """One request; `path` begins with a slash."""
        return ask(self.url + path, method, body)


@contextlib.contextmanager
def opensearch(home: Path) -> Iterator[OpenSearch]:
    """OpenSearch 2.19, with the processors of ingest pipelines."""
    place = brought("opensearch/Receiver.class", "Maven and a JDK").parent
    java = installed("java", "default-jre-headless")
    port, between = free_port(), free_port()
    (home / "config").mkdir(parents=True)
    words = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{place}:{place}/jars/*"]
    with running([java, *words, "Receiver", home, str(port), str(between)], home, stdin=True) as process:
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(url), "OpenSearch", process)
        yield OpenSearch(url)
