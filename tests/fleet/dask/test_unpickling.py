"""What a process of a fleet takes out of a pickle, and that it runs nothing that is in one."""

from __future__ import annotations

import builtins
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
import pytest
from dask._expr import HLGExpr, LLGExpr
from dask._task_spec import Alias, Task, TaskRef
from distributed.scheduler import KilledWorker, NoValidWorkerError

from scanner.fleet.dask.task import describe, shard_task
from scanner.fleet.dask.unpickling import NotAllowedError, loader

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.fleet.authority import Role

pytestmark = pytest.mark.xdist_group("dask")
ROLES: list[Role] = ["coordinator", "scheduler", "worker"]
MAKES = Path("made-by-a-pickle")


class Calls:
    """Pickles as a call, which is done when it is loaded."""

    def __init__(self, function: Any, *arguments: object, state: object = None) -> None:
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.reduced


def touch(name: str) -> None:
    Path(name).touch()


def named(module: str, name: str) -> bytes:
    """A pickle of a name, whether there is one or not."""
    words = b"".join(b"\x8c" + bytes([len(each)]) + each.encode() for each in (module, name))
    return b"\x80\x04" + words + b"\x93."


def nested(function: Any) -> Any:
    return Task("outer", shard_task, Task("inner", function, b""))


HARMFUL: dict[str, Callable[[], bytes]] = {
    "a command": lambda: pickle.dumps(Calls(os.system, f"touch {MAKES}")),
    "eval": lambda: pickle.dumps(Calls(eval, f"open({str(MAKES)!r}, 'w')")),
    "exec": lambda: pickle.dumps(Calls(exec, f"open({str(MAKES)!r}, 'w')")),
    "a module": lambda: pickle.dumps(Calls(__import__, "this")),
    "getattr": lambda: pickle.dumps(Calls(getattr, 1, "real")),
    "a file": lambda: pickle.dumps(Calls(open, str(MAKES), "w")),
    "a function by value": lambda: cloudpickle.dumps(lambda: touch(str(MAKES))),
    "a function that is called, by value": lambda: cloudpickle.dumps(Calls(lambda: Path(str(MAKES)).touch())),
    "a process": lambda: pickle.dumps(Calls(subprocess.Popen, ["touch", str(MAKES)])),
    "a command in text": lambda: f"cposix\nsystem\n(S'touch {MAKES}'\ntR.".encode(),
    "a command by instance": lambda: f"(S'touch {MAKES}'\niposix\nsystem\n.".encode(),
    "a name with dots": lambda: named("scanner.fleet.dask.task", "asyncio.run"),
    "a task of another function": lambda: pickle.dumps(Task("k", os.system, f"touch {MAKES}")),
    "a task within": lambda: pickle.dumps(nested(os.system)),
    "a pickle within": lambda: pickle.dumps(Calls(pickle.loads, pickle.dumps(Calls(os.system, "true")))),
    "an exit": lambda: pickle.dumps(Calls(SystemExit, 0)),
    "a generic alias": lambda: pickle.dumps(Alias("a", "b")),
    "another graph": lambda: pickle.dumps(HLGExpr({"k": Task("k", os.system, f"touch {MAKES}")})),
    "a graph of another function": lambda: pickle.dumps(LLGExpr({"k": Task("k", os.system, "true")})),
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("what", HARMFUL)
def test_nothing_in_a_pickle_is_run(what: str, role: Role) -> None:
    data = HARMFUL[what]()
    with pytest.raises(NotAllowedError):
        loader(role)(data)
    assert not MAKES.exists()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("call", [Calls(shard_task, b"{}"), Calls(describe)], ids=["shard_task", "describe"])
def test_not_even_our_own_functions_are_called_while_a_pickle_is_read(call: Calls, role: Role) -> None:
    with pytest.raises(TypeError):
        loader(role)(pickle.dumps(call))


UNLIKE: dict[str, Task] = {
    "two values": Task("k", shard_task, b"", b""),
    "no value": Task("k", shard_task),
    "a text": Task("k", shard_task, "{}"),
    "a name": Task("k", shard_task, description=b""),
    "a value of another task": Task("k", shard_task, TaskRef("other")),
    "a key that is no text": Task(("k", 1), shard_task, b""),
    "a worker": Task("k", describe, b""),
}


@pytest.mark.parametrize("role", ["scheduler", "worker"])
@pytest.mark.parametrize("what", UNLIKE)
def test_our_functions_are_given_nothing_else_than_they_take(what: str, role: Role) -> None:
    with pytest.raises(NotAllowedError):
        loader(role)(pickle.dumps(UNLIKE[what]))


def test_a_task_and_a_graph_arrive_as_they_were_sent() -> None:
    one, two = Task("k", shard_task, b"{}"), Task("d", describe)
    for role in ("scheduler", "worker"):
        found = loader(role)(pickle.dumps(one))
        assert (type(found), found.key, found.func, found.args, found.kwargs) == (
            Task, "k", shard_task, (b"{}",), {},
        )  # fmt: skip
    graph = loader("scheduler")(pickle.dumps(LLGExpr({"k": one, "d": two})))
    assert type(graph) is LLGExpr
    assert {key: each.func for key, each in graph.operand("dsk").items()} == {"k": shard_task, "d": describe}


def test_a_graph_is_nothing_that_a_worker_takes() -> None:
    with pytest.raises(NotAllowedError):
        loader("worker")(pickle.dumps(LLGExpr({"k": Task("k", shard_task, b"")})))


def test_a_graph_says_the_keys_of_its_tasks() -> None:
    with pytest.raises(NotAllowedError, match="other keys"):
        loader("scheduler")(pickle.dumps(LLGExpr({"k": Task("other", shard_task, b"")})))


def test_a_coordinator_is_told_how_a_task_failed() -> None:
    loads = loader("coordinator")
    found = loads(pickle.dumps(ValueError("no room")))
    assert (type(found), found.args) == (ValueError, ("no room",))
    found = loads(pickle.dumps(NoValidWorkerError("k", set(), set(), {"site:paris": 1}, 600)))
    assert (type(found), found.task) == (NoValidWorkerError, "k")


def test_a_coordinator_is_told_which_worker_died_last() -> None:
    from distributed.core import Status
    from distributed.scheduler import WorkerState

    worker = WorkerState(
        address="tls://127.0.0.1:1", status=Status.closed, pid=1, name="paris-1", nthreads=1, memory_limit=0,
        local_directory="", nanny=None, server_id="", services={}, versions={}, extra={}, scheduler=None,
    )  # fmt: skip
    found = loader("coordinator")(pickle.dumps(KilledWorker("k", worker, 2)))
    assert type(found) is KilledWorker
    assert (found.task, found.last_worker.address, found.last_worker.name) == (
        "k", "tls://127.0.0.1:1", "paris-1",
    )  # fmt: skip
    assert "tls://127.0.0.1:1" in str(found)


def test_an_exception_with_a_traceback_comes_without_it() -> None:
    """As Dask sends it: `tblib` makes pickles of tracebacks, and frames of code when they are loaded."""
    import tblib.pickling_support

    try:
        raise ZeroDivisionError("by nought")
    except ZeroDivisionError as error:
        tblib.pickling_support.install(error)
        data, traceback = pickle.dumps(error), pickle.dumps(error.__traceback__)
    found = loader("coordinator")(data)
    assert (type(found), found.args, found.__traceback__) == (ZeroDivisionError, ("by nought",), None)
    assert loader("coordinator")(traceback) is None


@pytest.mark.parametrize(
    "name", ["SystemExit", "KeyboardInterrupt", "BaseException", "eval", "type", "object"]
)
def test_a_coordinator_takes_nothing_that_would_end_it(name: str) -> None:
    with pytest.raises(NotAllowedError):
        loader("coordinator")(pickle.dumps(getattr(builtins, name)))


def test_no_module_of_dask_unpickles_in_its_own_way() -> None:
    """In a process of its own, since it cannot be undone. `distributed.shuffle` and `scheduler` use Python's
    `pickle` beside the one place that all else goes through."""
    code = """
import pickle, sys
from scanner.fleet.dask.settings import configure
configure("worker")
import distributed.shuffle, distributed.scheduler, distributed.client, distributed.protocol.pickle
crafted = pickle.dumps(print)
ways = [module for name, module in sys.modules.items() if name.partition(".")[0] == "distributed"]
left = [m.__name__ for m in ways if any(each is pickle or each in (pickle.loads, pickle.load) for each in
        vars(m).values() if callable(each) or each is pickle)]
print(sorted(left))
for module in ways:
    loads = getattr(vars(module).get("pickle"), "loads", None) or vars(module).get("loads")
    if loads is None or module.__name__ in ("distributed.protocol", "distributed.protocol.core"):
        continue
    try:
        loads(crafted)
        print("loaded by", module.__name__)
    except TypeError:
        pass
"""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
