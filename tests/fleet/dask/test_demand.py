"""Workers by need: Dask's operator for Kubernetes, simulated, with a real scheduler and real workers."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from scanner.fleet.carrier import Heard
from scanner.fleet.dask.carrier import DaskCarrier, Pace
from scanner.fleet.dask.demand import autoscaled
from scanner.fleet.messages import Ended
from tests.support.dask_processes import Fleet, a_shard

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.xdist_group("dask")
PODS = "mongosweep-default-worker-"  # as the operator calls those of a cluster that is called mongosweep
PATIENCE = 60.0


class Operator:
    """What `dask_kubernetes/operator/controller/controller.py` does for a DaskAutoscaler, now and then."""

    def __init__(self, fleet: Fleet, most: int) -> None:
        self.fleet, self.least, self.most = fleet, 0, most
        self.pods: dict[str, subprocess.Popen[bytes]] = {}
        fleet.own("worker", f"{PODS}*", "paris")
        self.certificates = fleet.folder / "ca" / "workers" / f"{PODS}+"
        found = re.search(r"told at (http://\S+) ", fleet.log("scheduler"))
        assert found is not None
        self.url = f"{found[1]}/api/v1"
        self._started = 0

    def wanted(self) -> int:
        with urllib.request.urlopen(f"{self.url}/adaptive_target", timeout=10) as answer:
            return int(json.load(answer)["workers"])

    def may_go(self, number: int) -> list[str]:
        asked = urllib.request.Request(f"{self.url}/retire_workers", json.dumps({"n": number}).encode())
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return [each["name"] for each in json.load(answer).values()]

    def look(self) -> None:
        """Start or end pods; no more than a quarter of them, and at least one, are ended at a time."""
        now = len(self.pods)
        wanted = min(self.most, max(self.least, self.wanted()))
        if now:
            wanted = max(now - max(1, now // 4), wanted)
        for _ in range(wanted - now):
            self._started += 1
            name = f"{PODS}{self._started:010x}"
            self.pods[name] = self.fleet.start_worker("paris", name, f"--certificates={self.certificates}")
        if wanted < now:
            for name in self.may_go(now - wanted):
                pod = self.pods.pop(name)
                pod.send_signal(signal.SIGTERM)
                pod.wait(PATIENCE)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path_factory.mktemp("fleet"))
    try:
        fleet.start_scheduler("--autoscale=paris=127.0.0.1:0")
        yield fleet
    finally:
        fleet.close()


async def test_workers_come_while_shards_wait_and_go_when_none_do(fleet: Fleet) -> None:
    """From nobody to two and back, with every shard done once and none of a worker that went."""
    operator = Operator(fleet, most=2)
    ended: list[str] = []
    carrier = DaskCarrier(fleet.address, fleet.own("coordinator"), pace=Pace(look=0.3))

    async def until(enough: Callable[[], object]) -> None:
        """Let the operator look, and take in what is heard."""
        async with asyncio.timeout(PATIENCE):
            while not enough():
                await asyncio.to_thread(operator.look)
                try:
                    event = await asyncio.wait_for(carrier.next(), 0.3)
                except TimeoutError:
                    continue
                if isinstance(event, Heard) and isinstance(event.message, Ended):
                    ended.append(event.message.name)

    async with carrier:
        await asyncio.to_thread(operator.look)
        assert (operator.wanted(), operator.pods) == (0, {})
        assert carrier.capacity("paris") == 0
        carrier.capacity("london")  # another site's demand is not ours
        await until(lambda: carrier.capacity("paris") == 2)
        assert len(operator.pods) == 1
        shards = [a_shard(f"slow-need-{number}", "paris") for number in range(4)]
        for shard in shards[:2]:
            carrier.give(shard)
        await until(lambda: carrier.capacity("paris") == 4)
        for shard in shards[2:]:
            carrier.give(shard)
        await until(lambda: len({note.worker for note in fleet.notes() if note.what == "began"}) == 2)
        assert operator.wanted() == 4
        assert len(operator.pods) == 2
        assert operator.may_go(5) == []
        for shard in shards[:2]:
            fleet.go(shard.name)
        await until(lambda: len(ended) == 2)
        assert operator.wanted() == 2
        for shard in shards[2:]:
            fleet.go(shard.name)
        await until(lambda: not operator.pods and len(ended) == 4)
    assert sorted(ended) == [shard.name for shard in shards]
    began = [note.name for note in fleet.notes() if note.what == "began"]
    assert sorted(began) == sorted(ended)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/v1/adaptive_target", None, 200),
        ("POST", "/api/v1/retire_workers", b'{"n": 1}', 200),
        ("POST", "/api/v1/retire_workers", b'{"n": -1}', 200),
        ("POST", "/api/v1/retire_workers", b'{"workers": ["a"]}', 400),
        ("POST", "/api/v1/retire_workers", b"[", 400),
        ("POST", "/api/v1/retire_workers", b'{"n": 1' + b" " * 5000 + b"}", 400),
        ("GET", "/api/v1/retire_workers", None, 405),
        ("POST", "/api/v1/adaptive_target", b"{}", 405),
        ("GET", "/api/v1/get_workers", None, 404),
        ("GET", "/health", None, 404),
        ("GET", "/info/main/workers.html", None, 404),
        ("GET", "/json/identity.json", None, 404),
    ],
)
def test_nothing_else_is_answered_there(
    fleet: Fleet, method: str, path: str, body: bytes | None, status: int
) -> None:
    url = Operator(fleet, most=0).url.removesuffix("/api/v1")
    asked = urllib.request.Request(url + path, body, method=method)
    if status == 200:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert json.load(answer) in ({"workers": 0}, {})
        return
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(asked, timeout=10)
    assert caught.value.code == status
    caught.value.close()


@pytest.mark.parametrize(
    "text", ["", "paris", "=127.0.0.1:1", "a b=127.0.0.1:1", "paris=hub:1", "paris=127.0.0.1"]
)
def test_where_it_is_asked_is_written_out(text: str) -> None:
    with pytest.raises(ValueError, match=r"as in paris=|write one such as"):
        autoscaled(text)
