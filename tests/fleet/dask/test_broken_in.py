"""A coordinator, a worker or a scheduler that was broken into: its certificate is good, and it has nobody run
anything. Each attack would make a file; none is ever there, and the fleet goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import time
from typing import TYPE_CHECKING, Any

import cloudpickle
import msgspec
import pytest

from scanner.fleet.dask.settings import configure, security

configure("coordinator")  # before the imports below, which read its settings

from dask._expr import LLGExpr  # noqa: E402
from dask._task_spec import Task  # noqa: E402
from distributed import Client  # noqa: E402
from distributed.comm.core import CommClosedError, connect  # noqa: E402
from distributed.protocol import to_serialize  # noqa: E402
from distributed.protocol.serialize import ToPickle  # noqa: E402

from scanner.fleet.dask.task import describe, shard_task  # noqa: E402
from scanner.fleet.messages import Description  # noqa: E402
from tests.support.attacks import (  # noqa: E402
    PATIENCE,
    Plugin,
    Runs,
    SchedulerOnly,
    asked,
    graph,
    of_value,
    script,
    typed,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tests.support.fleet_commands import Commands

pytestmark = [pytest.mark.xdist_group("dask"), pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture
async def client(fleet: Commands) -> AsyncIterator[Client]:
    own = fleet.own("coordinator")
    client = await Client(
        fleet.address, security=security(own), asynchronous=True, direct_to_workers=False, timeout=PATIENCE
    )
    yield client
    await client.close(timeout=2)


async def described(client: Client) -> Description:
    """What the worker of paris says of itself, by a task."""
    future = client.submit(
        describe, key=f"describe-{time.monotonic_ns()}", resources={"site:paris": 1}, pure=False
    )
    return msgspec.json.decode(await asyncio.wait_for(future, PATIENCE), type=Description)


async def worker_address(client: Client) -> str:
    (address,) = (await client.scheduler.identity())["workers"]
    assert isinstance(address, str)
    return address


ATTACKS: dict[str, Callable[[Client, Path], Awaitable[object]]] = {
    "run on workers": lambda client, made: client.run(of_value(made)),
    "run a coroutine on workers": lambda client, made: client.run(asyncio.to_thread, made.touch),
    "run on the scheduler": lambda client, made: client.run_on_scheduler(of_value(made)),
    "submit a command": lambda client, made: client.submit(os.system, f"touch {made}", pure=False).result(),
    "submit a function by value": lambda client, made: client.submit(of_value(made), pure=False).result(),
    "submit eval": lambda client, made: client.submit(eval, f"open({str(made)!r}, 'w')", pure=False).result(),
    "submit a pickle": lambda client, made: client.submit(shard_task, Runs(made), pure=False).result(),
    "submit an actor": lambda client, made: client.submit(of_value(made), actor=True, pure=False).result(),
    "map": lambda client, made: client.gather(client.map(of_value(made), [1, 2], pure=False)),
    "scatter": lambda client, made: client.scatter(Runs(made), hash=False),
    "a file": lambda client, made: client.upload_file(str(script(made))),
    "a plugin for workers": lambda client, made: client.register_plugin(Plugin(made), name="makes"),
    "a plugin for the scheduler": lambda client, made: client.register_plugin(
        SchedulerOnly(made), name="makes"
    ),
    "another resource": lambda client, made: client.scheduler.set_resources(
        worker="x", resources={"site:other": 1}
    ),
    "a function of the scheduler": lambda client, made: client.scheduler.run_function(
        function=cloudpickle.dumps(of_value(made)), args=b"", kwargs=b""
    ),
    "a feed": lambda client, made: client.scheduler.feed(
        function=cloudpickle.dumps(of_value(made)), setup=None, teardown=None, interval="1s"
    ),
    "a message to all workers": lambda client, made: client.scheduler.broadcast(
        msg={"op": "run", "function": cloudpickle.dumps(of_value(made))}
    ),
    "a restart": lambda client, made: client.restart(timeout=2),
    "a dump to a file": lambda client, made: client.scheduler.dump_cluster_state_to_url(
        url=str(made), exclude=(), format="yaml"
    ),
    "an end": lambda client, made: client.scheduler.terminate(),
    "a crafted graph": lambda client, made: graph(client, pickle.dumps(Runs(made))),
    "a crafted graph by value": lambda client, made: graph(client, of_value(made)),
    "a graph with a crafted task": lambda client, made: graph(
        client, LLGExpr({"k": Task("k", os.system, f"touch {made}")})
    ),
    "a graph with a crafted value": lambda client, made: graph(
        client, LLGExpr({"k": Task("k", shard_task, Runs(made))})
    ),
    "crafted annotations": lambda client, made: graph(
        client, LLGExpr({"k": Task("k", describe)}), annotations=ToPickle(Runs(made))
    ),
    "crafted code": lambda client, made: graph(
        client, LLGExpr({"k": Task("k", describe)}), code=ToPickle((Runs(made),))
    ),
    "a crafted value in a message": lambda client, made: graph(
        client, LLGExpr({"k": Task("k", describe)}), stimulus_id=to_serialize(Runs(made))
    ),
    "a crafted type of Dask's": lambda client, made: graph(client, b"", expr_ser=typed(made, "dask")),
    "a crafted type of CUDA's": lambda client, made: graph(client, b"", expr_ser=typed(made, "cuda")),
    "a crafted type, nested": lambda client, made: client.scheduler.echo(data=to_serialize([Runs(made)])),
    "a crafted enumeration": lambda client, made: client.scheduler.echo(
        data={"__Enum__": True, "__module__": "distributed.worker", "__name__": "os", "name": "system"}
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_coordinator_has_nobody_run_anything(client: Client, attack: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    try:
        said = await asyncio.wait_for(ATTACKS[attack](client, made), PATIENCE)
    except Exception as error:  # noqa: BLE001 - refused in one way or another
        said = error
    assert not made.exists(), said


async def test_the_fleet_goes_on_after_all_that(fleet: Commands, client: Client) -> None:
    """Also: its worker was never lost, since what is harmful does not get past the scheduler."""
    found = await described(client)
    assert (found.name, found.site, found.problem) == ("paris-1", "paris", "")
    assert fleet.log("paris-1").count("is there, at") == 1
    assert "Traceback" not in fleet.log("scheduler") + fleet.log("paris-1")


def test_nobody_prints_on_a_coordinators_terminal() -> None:
    """Dask's client would print and warn what a scheduler says, as it comes (`distributed.print`)."""
    assert Client._default_event_handlers == {}


async def test_a_coordinator_cannot_reach_a_worker(fleet: Commands, client: Client) -> None:
    address = await worker_address(client)
    with pytest.raises(OSError):
        await asked(address, fleet.own("coordinator"), "client", op="identity")


async def test_a_worker_cannot_reach_another_one(fleet: Commands, client: Client) -> None:
    address = await worker_address(client)
    with pytest.raises(OSError):
        await asked(address, fleet.own("worker", "paris-2", "paris"), "worker", op="identity")


AT_WORKER: dict[str, Callable[[Path], dict[str, Any]]] = {
    "run": lambda made: {"op": "run", "function": cloudpickle.dumps(of_value(made)), "wait": True},
    "run a coroutine": lambda made: {"op": "run_coroutine", "function": cloudpickle.dumps(of_value(made))},
    "a plugin": lambda made: {"op": "plugin-add", "plugin": pickle.dumps(Plugin(made)), "name": "makes"},
    "a file": lambda made: {"op": "upload_file", "filename": "x.py", "data": script(made).read_bytes()},
    "data": lambda made: {"op": "update_data", "data": {"k": to_serialize(Runs(made))}},
    "an actor": lambda made: {"op": "actor_execute", "actor": "k", "function": "touch", "args": ()},
    "a benchmark": lambda made: {"op": "benchmark_disk"},
    "to fetch": lambda made: {"op": "gather", "who_has": {"k": ["tls://127.0.0.1:1"]}},
    "a stream": lambda made: {"op": "connection_stream", "reply": False},
    "a crafted value": lambda made: {"op": "echo", "data": to_serialize(Runs(made))},
    "a crafted pickle": lambda made: {"op": "echo", "data": ToPickle(Runs(made))},
}


@pytest.mark.parametrize("attack", AT_WORKER)
async def test_not_even_a_scheduler_has_a_worker_run_anything(
    fleet: Commands, client: Client, attack: str, tmp_path: Path
) -> None:
    """A scheduler that was broken into: its certificate reaches workers, and they are on their own."""
    made = tmp_path / "made"
    address = await worker_address(client)
    try:
        said = await asked(address, fleet.own("scheduler"), "scheduler", **AT_WORKER[attack](made))
    except Exception as error:  # noqa: BLE001 - refused in one way or another
        said = error
    assert said is None or isinstance(said, Exception), said
    assert not made.exists()


AS_WORKER: dict[str, Callable[[Path], dict[str, Any]]] = {
    "a client": lambda made: {"op": "register-client", "client": "c", "reply": True, "versions": {}},
    "who is there": lambda made: {"op": "identity"},
    "a result of others": lambda made: {"op": "gather", "keys": ["k"]},
    "how it stands": lambda made: {"op": "fleet_status"},
    "a graph": lambda made: {"op": "update-graph"},
    "an end of others": lambda made: {"op": "unregister", "address": "x"},
    "a crafted pickle": lambda made: {"op": "echo", "data": ToPickle(Runs(made))},
}


@pytest.mark.parametrize("attack", AS_WORKER)
async def test_a_workers_certificate_is_good_for_a_worker_only(
    fleet: Commands, attack: str, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    own = fleet.own("worker", "paris-2", "paris")
    with pytest.raises((OSError, TypeError)):  # PermissionError is an OSError, as a lost connection is
        await asked(fleet.address, own, "worker", **AS_WORKER[attack](made))
    assert not made.exists()


def registering(**changed: Any) -> dict[str, Any]:
    """What a worker says of itself when it registers (`distributed.worker.Worker`)."""
    said: dict[str, Any] = {
        "op": "register-worker", "reply": False, "address": "tls://127.0.0.1:9", "status": "running",
        "nthreads": 1, "name": "paris-2", "now": time.time(), "resources": {"site:paris": 1},
        "memory_limit": 1, "local_directory": "", "services": {}, "nanny": None, "pid": 1, "versions": {},
        "metrics": {}, "extra": {}, "stimulus_id": "s", "server_id": "Worker-1",
    }  # fmt: skip
    return {**said, **changed}


UNLIKE: dict[str, dict[str, Any]] = {
    "the name of another one": {"name": "paris-1"},
    "a name that nobody has": {"name": "paris-3"},
    "another site": {"resources": {"site:london": 1}},
    "a site more": {"resources": {"site:paris": 1, "site:london": 1}},
    "more at once": {"resources": {"site:paris": 2}},
    "threads": {"nthreads": 2},
    "a nanny": {"nanny": "tls://127.0.0.1:9"},
}


@pytest.mark.parametrize("what", UNLIKE)
async def test_a_worker_is_who_its_certificate_says(fleet: Commands, client: Client, what: str) -> None:
    own = fleet.own("worker", "paris-2", "paris")
    comm = await connect(fleet.address, timeout=PATIENCE, **security(own).get_connection_args("worker"))
    await comm.write(registering(**UNLIKE[what]))
    answer = await asyncio.wait_for(comm.read(), PATIENCE)
    comm.abort()
    assert answer["status"] == "error"
    assert answer["message"].startswith("it ")
    assert [each["name"] for each in (await client.scheduler.identity())["workers"].values()] == ["paris-1"]
    assert "refused worker paris-2 of site paris" in fleet.log("scheduler")


METRICS = {
    "bandwidth": {"total": 1.0, "workers": {}, "types": {}}, "digests_total_since_heartbeat": {}, "memory": 1,
    "spilled_bytes": {"memory": 0, "disk": 0}, "task_counts": {},
}  # fmt: skip
TOLD: dict[str, Callable[[Path], Any]] = {
    "an event that Dask prints": lambda made: [{"op": "log-event", "topic": "print", "msg": {"args": ["x"]}}],
    "the same by itself": lambda made: {"op": "log-event", "topic": "print", "msg": {"args": ["x"]}},
    "an event that Dask unpickles": lambda made: [
        {"op": "log-event", "topic": "warn", "msg": {"category": pickle.dumps(Runs(made)), "message": b""}}
    ],
    "a message in another name": lambda made: [
        {"op": "release-worker-data", "worker": "paris-1", "key": "k", "stimulus_id": "s"}
    ],
    "the same by itself, too": lambda made: {"op": "keep-alive", "worker": "paris-1"},
    "a graph": lambda made: [{"op": "update-graph", "client": "c", "keys": {"k"}}],
    "who is to have what": lambda made: {"op": "client-desires-keys", "client": "c", "keys": ["k"]},
    "a crafted pickle": lambda made: [
        {"op": "log-event", "topic": "mongosweep-x", "msg": ToPickle(Runs(made))}
    ],
}


@pytest.mark.parametrize("what", TOLD)
async def test_a_worker_tells_of_itself_only(fleet: Commands, what: str, tmp_path: Path) -> None:
    """One that is registered, and says something else then: its connection ends."""
    made, own = tmp_path / "made", fleet.own("worker", "paris-2", "paris")
    comm = await connect(fleet.address, timeout=PATIENCE, **security(own).get_connection_args("worker"))
    await comm.write(registering(metrics=METRICS))
    assert (await asyncio.wait_for(comm.read(), PATIENCE))["status"] == "OK"
    await comm.write(TOLD[what](made))
    with contextlib.suppress(CommClosedError):
        while True:
            await asyncio.wait_for(comm.read(), PATIENCE)
    assert comm.closed()
    assert not made.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"address": "paris-1"},
        {"address": "tls://127.0.0.1:9", "resources": {"site:london": 1}},
        {"address": "tls://127.0.0.1:9", "extensions": {"x": 1}},
        {"address": None},
    ],
    ids=["of another one", "with more resources", "with extensions", "of nobody"],
)
async def test_a_heartbeat_is_the_workers_own(fleet: Commands, changed: dict[str, Any]) -> None:
    own = fleet.own("worker", "paris-2", "paris")
    with pytest.raises(PermissionError, match="a heartbeat"):
        await asked(fleet.address, own, "worker", op="heartbeat_worker", now=0.0, metrics=METRICS, **changed)
