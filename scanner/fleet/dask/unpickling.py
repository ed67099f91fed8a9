"""What a process of a fleet takes out of pickles: calls of two functions of ours, and what tells of failure.

Dask sends tasks and exceptions as pickles, and who has a pickle loaded runs what he likes: the scheduler and
the workers of plain Dask do whatever a client says. Here a name in a pickle is looked up in a table of the
process's role, and most names stand for something inert while it is read; what was meant is made afterwards,
from values that were looked at. So neither a coordinator nor a worker that was broken into has anybody run
anything else. Whatever else could run code (handlers) is taken away in `scheduler` and `worker`.
"""

from __future__ import annotations

import builtins
import collections
import importlib
import io
import pickle
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scanner.fleet.authority import Role

TASK_MODULE = f"{__package__}.task"
_CHECKOUT = TASK_MODULE.removeprefix("mongosweep.")
TASK_MODULES = (_CHECKOUT, f"mongosweep.{_CHECKOUT}")  # as the others of a fleet name it: a checkout, a wheel
FUNCTIONS = {"shard_task": 1, "describe": 0}  # of that module: all that can be asked for, by number of bytes
_PLAIN = (type(None), bool, int, float, str, bytes, tuple, list, dict, set, frozenset)


class NotAllowedError(TypeError):
    """A pickle with a name in it that this process has no use for, or in a shape that it does not expect.

    A TypeError, because Dask does without a traceback that raises one (`distributed.core.clean_exception`).
    """


class _Name:
    """A name of the table while a pickle is read: it cannot be called, and nothing can be set on it."""

    __slots__ = ()


class _TaskForm:
    """A task as it was sent. Methods, so that a pickle cannot set attributes of the class itself."""

    __slots__ = ("state",)

    def __setstate__(self, state: object) -> None:
        self.state = state


class _ExpressionForm:
    """The arguments of a call that would make an expression (`dask._expr.Expr._reconstruct`)."""

    __slots__ = ("arguments",)

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def __setstate__(self, state: object) -> None:
        raise NotAllowedError("an expression has no state")


class _Something:
    """Whatever belongs to an exception and is of no use here: it takes anything, and keeps nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class _WorkerForm(_Something):
    """The worker of a `KilledWorker`: of its state, its address and name."""

    address = name = ""

    def __setstate__(self, state: object) -> None:
        slots = state[1] if isinstance(state, tuple) and len(state) == 2 else None
        if isinstance(slots, dict):
            self.address, self.name = str(slots.get("address", ""))[:200], str(slots.get("name", ""))[:200]

    def __repr__(self) -> str:
        return f"<worker {self.name!r} at {self.address!r}>"


class _ExceptionForm(_Something):
    """What `tblib.pickling_support` calls to make an exception: made here, without traceback and cause."""

    def __new__(cls, kind: object, given: object, *more: object) -> Any:
        arguments = given.get("args", ()) if isinstance(given, dict) else given
        if not isinstance(kind, type) or not issubclass(kind, Exception) or not isinstance(arguments, tuple):
            raise NotAllowedError("an exception of a kind that is not expected")
        try:
            return kind(*arguments)
        except TypeError:
            return Exception(*arguments)


class _NoTraceback(_Something):
    """What `tblib.pickling_support` calls to make a traceback: None."""

    def __new__(cls, *_: object) -> Any:
        return None


_EXPRESSION = _Name()
_NAMES: dict[tuple[str, str], object] = {
    (module, name): _Name() for module in TASK_MODULES for name in FUNCTIONS
}
_FUNCTION_OF = {stands: name for (_, name), stands in _NAMES.items()}
_WORKER: dict[tuple[str, str], object] = {("dask._task_spec", "Task"): _TaskForm, **_NAMES}
_SCHEDULER: dict[tuple[str, str], object] = {
    ("dask._expr", "Expr._reconstruct"): _ExpressionForm,
    ("dask._expr", "LLGExpr"): _EXPRESSION,
    **_WORKER,
}
_COORDINATOR: dict[tuple[str, str], object] = {
    ("builtins", "bytes"): bytes,  # the type of each result, in its header
    ("builtins", "int"): int,
    ("collections", "deque"): collections.deque,
    ("collections", "defaultdict"): collections.defaultdict,
    ("distributed.core", "Status"): _Something,
    ("distributed.scheduler", "WorkerState"): _WorkerForm,
}
_FAILURES: dict[tuple[str, str], object] = {  # every role's: who sends one looks whether it can be loaded
    ("tblib", "Code"): _Something,
    ("tblib", "Frame"): _Something,
    ("tblib", "Traceback"): _Something,
    ("tblib.pickling_support", "unpickle_exception"): _ExceptionForm,
    ("tblib.pickling_support", "unpickle_exception_with_attrs"): _ExceptionForm,
    ("tblib.pickling_support", "unpickle_traceback"): _NoTraceback,
}
_TABLES: dict[Role, dict[tuple[str, str], object]] = {
    "coordinator": {**_COORDINATOR, **_FAILURES},
    "scheduler": {**_SCHEDULER, **_FAILURES},
    "worker": {**_WORKER, **_FAILURES},
}
_EXCEPTIONS = (  # that somebody is told of, beside those of Python
    (__name__, "NotAllowedError"),
    ("distributed.comm.core", "CommClosedError"),
    ("distributed.scheduler", "KilledWorker"),
    ("distributed.scheduler", "NoValidWorkerError"),
    ("distributed.scheduler", "NoWorkerError"),
)


class _Unpickler(pickle.Unpickler):
    """Python's own, with a table for the world."""

    def __init__(self, data: bytes, table: dict[tuple[str, str], object], buffers: Iterable[Any]) -> None:
        super().__init__(io.BytesIO(data), buffers=buffers)
        self._table = table

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        found = self._table.get((module_name, global_name)) or _exception(module_name, global_name)
        if found is None:
            raise NotAllowedError(f"{module_name}.{global_name} is not taken out of a pickle here"[:300])
        return found


def loader(role: Role) -> Callable[..., Any]:
    """`pickle.loads` for a process of this role. What it returns raises NotAllowedError, and what
    `pickle.loads` raises for bytes that are no pickle."""
    table = _TABLES[role]

    def loads(data: Any, /, *, buffers: Iterable[Any] = ()) -> Any:
        found = _Unpickler(bytes(data), table, buffers).load()
        return found if role == "coordinator" else _made(found)

    return loads


def install(role: Role) -> None:
    """Have Dask unpickle as `loader` of the role does, everywhere in this process, from now on.

    Dask's own modules know `pickle` under that name: those that take apart what the network brings
    (`distributed.protocol.pickle`, over which nearly all goes) and some that should not
    (`distributed.client`, `distributed.scheduler`, `distributed.shuffle`).
    """
    import distributed

    importlib.import_module("distributed.protocol.pickle")
    importlib.import_module("distributed.worker")
    ours = _Pickle(**{**vars(pickle), "loads": loader(role), "load": _nothing, "Unpickler": _nothing})
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == distributed.__name__ and _is_pickle(vars(module).get("pickle")):
            vars(module)["pickle"] = ours


class _Pickle(SimpleNamespace):
    """What stands for the module `pickle` in Dask's modules."""


def _is_pickle(found: object) -> bool:
    return found is pickle or isinstance(found, _Pickle)


def _nothing(*_: object, **__: object) -> None:
    raise NotAllowedError("nothing is unpickled here")


def _exception(module: str, name: str) -> object:
    if (module, name) in _EXCEPTIONS:
        return getattr(importlib.import_module(module), name)
    found = getattr(builtins, name, None) if module == "builtins" else None
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _made(found: object) -> object:
    """What a pickle meant, of what it was read as. Raises NotAllowedError."""
    if isinstance(found, _TaskForm):
        return _task(found)
    if isinstance(found, _ExpressionForm):
        return _expression(found)
    if isinstance(found, _Name) and found in _FUNCTION_OF:
        return _function(found)
    if type(found) in _PLAIN or isinstance(found, Exception):
        return found
    raise NotAllowedError("a pickle of nothing that is expected")


def _function(name: _Name) -> Any:
    return getattr(importlib.import_module(TASK_MODULE), _FUNCTION_OF[name])


def _task(form: _TaskForm) -> object:
    """The task of a form, when it is one of ours: a call with as many bytes as the function takes."""
    from dask._task_spec import Task

    slots, state = Task.get_all_slots(), getattr(form, "state", None)
    if not isinstance(state, tuple) or len(state) != len(slots):
        raise NotAllowedError("a task in an unknown shape; all of a fleet need the same version of Dask")
    said = dict(zip(slots, state, strict=True))
    key, function, arguments = said["key"], said["func"], said["args"]
    if type(key) is not str or not isinstance(function, _Name) or function not in _FUNCTION_OF:
        raise NotAllowedError("a task that calls none of our functions")
    wanted = (bytes,) * FUNCTIONS[_FUNCTION_OF[function]]
    if type(arguments) is not tuple or tuple(map(type, arguments)) != wanted or said["kwargs"] != {}:
        raise NotAllowedError(f"a call of {_FUNCTION_OF[function]} with other arguments than it has")
    return Task(key, _function(function), *arguments)


def _expression(form: _ExpressionForm) -> object:
    """The graph of a form: tasks of ours, each by itself."""
    from dask._expr import LLGExpr

    if len(form.arguments) != 4 or form.arguments[0] is not _EXPRESSION or form.arguments[3] != {}:
        raise NotAllowedError("a graph in an unknown shape; all of a fleet need the same version of Dask")
    tasks = form.arguments[1]
    if type(tasks) is not dict or not all(isinstance(each, _TaskForm) for each in tasks.values()):
        raise NotAllowedError("a graph of something else than tasks")
    made = {key: _task(each) for key, each in tasks.items()}
    if any(key != task.key for key, task in made.items()):  # type: ignore[attr-defined] # untyped
        raise NotAllowedError("a graph whose tasks have other keys than it says")
    return LLGExpr(made)
