"""File systems for tests: one that fails, one that skips, one that dies, and one that loses power.

They wrap the real one or each other, and speak the protocol of `results.files.FileSystem`.
"""

from __future__ import annotations

import functools
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, NoReturn, ParamSpec, TypeVar

from results.files import FILE_MODE, REAL, FileSystem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from random import Random


_P = ParamSpec("_P")
_R = TypeVar("_R")
SECTOR = 512  # bytes; what a medium writes as a whole


class DiedError(BaseException):
    """The process ended in the middle of a call. No `except Exception` may catch it."""


class Call(NamedTuple):
    """One call to the file layer, and the name of the file that it was about."""

    method: str
    path: Path


class Wrapping:
    """Passes every call on, and keeps the list of them; the base of the fakes below."""

    def __init__(self, inner: FileSystem = REAL) -> None:
        self.inner = inner
        self.calls: list[Call] = []
        self._paths: dict[int, Path] = {}

    def before(self, call: Call) -> bool:
        """Called before each call; False skips it, an exception takes its place."""
        return True

    def after(self, call: Call) -> None:
        """Called after each call that was carried out."""

    def _do(self, method: str, path: Path, action: Callable[[], object]) -> None:
        call = Call(method, path)
        self.calls.append(call)
        if self.before(call):
            action()
            self.after(call)

    def open(self, path: Path, flags: int, mode: int = FILE_MODE) -> int:
        call = Call("open", path)
        self.calls.append(call)
        self.before(call)
        descriptor = self.inner.open(path, flags, mode)
        self._paths[descriptor] = path
        self.after(call)
        return descriptor

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        call = Call("write", self._paths[descriptor])
        self.calls.append(call)
        self.before(call)
        written = self.inner.write(descriptor, data)
        self.after(call)
        return written

    def fsync(self, descriptor: int) -> None:
        self._do("fsync", self._paths[descriptor], lambda: self.inner.fsync(descriptor))

    def fdatasync(self, descriptor: int) -> None:
        self._do("fdatasync", self._paths[descriptor], lambda: self.inner.fdatasync(descriptor))

    def close(self, descriptor: int) -> None:
        # Closing is not a fault point: a dead process closes everything, and so must a test.
        self.inner.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._do("rename", target, lambda: self.inner.rename(source, target))

    def link(self, source: Path, target: Path) -> None:
        self._do("link", target, lambda: self.inner.link(source, target))

    def unlink(self, path: Path) -> None:
        self._do("unlink", path, lambda: self.inner.unlink(path))

    def mkdir(self, path: Path) -> None:
        self._do("mkdir", path, lambda: self.inner.mkdir(path))

    def fsync_dir(self, path: Path) -> None:
        self._do("fsync_dir", path, lambda: self.inner.fsync_dir(path))

    def statvfs(self, path: Path) -> os.statvfs_result:
        return self.inner.statvfs(path)

    def allocate(self, descriptor: int, size: int) -> None:
        self._do("allocate", self._paths[descriptor], lambda: self.inner.allocate(descriptor, size))


class FailingFileSystem(Wrapping):
    """Raises `OSError(number)` at the n-th call (from 1) of `method` on a file whose name contains `name`."""

    def __init__(
        self, method: str, number: int, *, name: str = "", nth: int = 1, inner: FileSystem = REAL
    ) -> None:
        super().__init__(inner)
        self._method, self._number, self._name, self._nth = method, number, name, nth
        self.raised = 0

    def before(self, call: Call) -> bool:
        if call.method == self._method and self._name in call.path.name:
            self._nth -= 1
            if self._nth == 0:
                self.raised += 1
                raise OSError(self._number, os.strerror(self._number), str(call.path))
        return True


class SkippingFileSystem(Wrapping):
    """A broken program: leaves out the calls of some methods (`fdatasync`) and claims that they worked."""

    def __init__(self, methods: Iterable[str], inner: FileSystem = REAL) -> None:
        super().__init__(inner)
        self._methods = frozenset(methods)

    def before(self, call: Call) -> bool:
        return call.method not in self._methods


def raise_died() -> NoReturn:
    """The death used inside a test process; a harness with a process of its own sends SIGKILL instead."""
    raise DiedError


class DyingFileSystem(Wrapping):
    """Ends the process at call `at` (from 1): before it, after it, or in a write, halfway through it."""

    def __init__(
        self,
        at: int,
        inner: FileSystem = REAL,
        *,
        after: bool = False,
        die: Callable[[], NoReturn] = raise_died,
    ) -> None:
        super().__init__(inner)
        self._at, self._after, self._die = at, after, die
        self.dead = False

    def _end(self) -> NoReturn:
        self.dead = True
        self._die()

    def before(self, call: Call) -> bool:
        if self.dead or (len(self.calls) >= self._at and not self._after):
            self._end()
        return True

    def after(self, call: Call) -> None:
        if len(self.calls) >= self._at:
            self._end()

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        if len(self.calls) + 1 == self._at and not self._after and not self.dead:
            self.inner.write(descriptor, bytes(data)[: len(data) // 2])
        return super().write(descriptor, data)


@dataclass(eq=False)
class _Inode:
    """One file: what the program wrote, and how much of it an fsync has made safe."""

    content: bytearray = field(default_factory=bytearray)
    durable: int = 0


@dataclass(eq=False)
class _Directory:
    """One directory: names as the program sees them, names on the medium, and the steps between the two."""

    names: dict[str, _Inode | _Directory] = field(default_factory=dict)
    durable: dict[str, _Inode | _Directory] = field(default_factory=dict)
    pending: list[tuple[str, str, _Inode | _Directory | None]] = field(default_factory=list)


def _whole(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Both layers change in one step, whatever another thread does, and whenever it ends the process."""

    @functools.wraps(method)
    def locked(*arguments: _P.args, **named: _P.kwargs) -> _R:
        model = arguments[0]
        assert isinstance(model, PowerLossFileSystem)
        with model.lock:
            return method(*arguments, **named)

    return locked


class PowerLossFileSystem:
    """A model with a volatile and a durable layer, beside the real files that the program sees.

    `lose_power` writes to another directory what the medium may hold: content after the last fsync of a file
    is gone, cut at any byte, zeros, or has holes where sectors never came; every create, rename, link and
    unlink after the last fsync of its directory has happened or has not, each by itself. `keep_power` is the
    other death: the process ends, and what it wrote stays in the volatile layer.
    """

    def __init__(self, root: Path, inner: FileSystem = REAL) -> None:
        self._root = root
        self._inner = inner
        self.lock = threading.RLock()
        self.tree = _Directory()
        self._open: dict[int, _Inode] = {}

    def adopt(self) -> None:
        """Take what stands under the root now as durable: the state after an earlier loss of power."""
        self.tree = self._adopted(self._root)

    def _adopted(self, path: Path) -> _Directory:
        directory = _Directory()
        for entry in path.iterdir():
            if entry.is_dir():
                directory.names[entry.name] = self._adopted(entry)
            else:
                content = bytearray(entry.read_bytes())
                directory.names[entry.name] = _Inode(content, len(content))
        directory.durable = dict(directory.names)
        return directory

    def _at(self, path: Path) -> _Directory:
        directory = self.tree
        for part in path.relative_to(self._root).parts:
            child = directory.names[part]
            assert isinstance(child, _Directory)
            directory = child
        return directory

    def _step(self, kind: str, path: Path, node: _Inode | _Directory | None) -> None:
        directory = self._at(path.parent)
        directory.pending.append((kind, path.name, node))
        if node is None:
            directory.names.pop(path.name)
        else:
            directory.names[path.name] = node

    @_whole
    def open(self, path: Path, flags: int, mode: int = FILE_MODE) -> int:
        descriptor = self._inner.open(path, flags, mode)
        names = self._at(path.parent).names
        if path.name not in names:
            self._step("create", path, _Inode())
        node = names[path.name]
        assert isinstance(node, _Inode)
        self._open[descriptor] = node
        return descriptor

    @_whole
    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        written = self._inner.write(descriptor, data)
        self._open[descriptor].content += data[:written]
        return written

    @_whole
    def fsync(self, descriptor: int) -> None:
        node = self._open[descriptor]
        node.durable = len(node.content)

    fdatasync = fsync

    @_whole
    def close(self, descriptor: int) -> None:
        self._inner.close(descriptor)
        del self._open[descriptor]

    @_whole
    def rename(self, source: Path, target: Path) -> None:
        self._inner.rename(source, target)
        directory = self._at(source.parent)
        node = directory.names.pop(source.name)
        # One step: a rename is atomic, so the two names change together or not at all.
        directory.pending.append((f"rename {source.name}", target.name, node))
        directory.names[target.name] = node

    @_whole
    def link(self, source: Path, target: Path) -> None:
        self._inner.link(source, target)
        self._step("link", target, self._at(source.parent).names[source.name])

    @_whole
    def unlink(self, path: Path) -> None:
        self._inner.unlink(path)
        self._step("unlink", path, None)

    @_whole
    def mkdir(self, path: Path) -> None:
        self._inner.mkdir(path)
        self._step("mkdir", path, _Directory())

    @_whole
    def fsync_dir(self, path: Path) -> None:
        if not path.is_relative_to(self._root):
            return  # what is above the root is durable, and not of this model
        directory = self._at(path)
        directory.durable = dict(directory.names)
        directory.pending.clear()

    def statvfs(self, path: Path) -> os.statvfs_result:
        return self._inner.statvfs(path)

    @_whole
    def allocate(self, descriptor: int, size: int) -> None:
        self._inner.allocate(descriptor, size)
        self._open[descriptor].content.extend(bytes(size))

    @_whole
    def keep_power(self, survivors: Path) -> None:
        """Write what the next process sees after this one was killed; the model goes on from there."""
        self.close_all()
        self._root = survivors
        survivors.mkdir()
        _write_out(self.tree, survivors)

    def close_all(self) -> None:
        """Close what a dead process left open."""
        for descriptor in list(self._open):
            self.close(descriptor)

    @_whole
    def lose_power(self, survivors: Path, random: Random) -> None:
        """Write what is left to the new directory `survivors`; `random` decides what was lucky."""
        survivors.mkdir()
        _write_out(self.tree, survivors, random)


def _write_out(directory: _Directory, path: Path, random: Random | None = None) -> None:
    """Write one directory as it is seen, or with `random` as the medium may hold it."""
    names = dict(directory.names) if random is None else _surviving_names(directory, random)
    for name, node in names.items():
        if isinstance(node, _Directory):
            (path / name).mkdir()
            _write_out(node, path / name, random)
        else:
            content = bytes(node.content) if random is None else _surviving(node, random)
            (path / name).write_bytes(content)


def _surviving_names(directory: _Directory, random: Random) -> dict[str, _Inode | _Directory]:
    names = dict(directory.durable)
    for kind, name, node in directory.pending:
        if random.random() < 0.5:
            continue
        if node is None:
            names.pop(name, None)
            continue
        if kind.startswith("rename "):
            names.pop(kind.removeprefix("rename "), None)
        names[name] = node
    return names


def _surviving(node: _Inode, random: Random) -> bytes:
    safe, loose = bytes(node.content[: node.durable]), bytes(node.content[node.durable :])
    fate = random.randrange(4)
    if fate == 0:
        return safe
    if fate == 3:
        return _with_holes(safe + loose, len(safe), random)
    kept = loose[: random.randint(0, len(loose))]
    return safe + kept if fate == 1 else safe + kept + bytes(len(loose) - len(kept))


def _with_holes(content: bytes, safe: int, random: Random) -> bytes:
    """Sectors that were not all written before come or do not, each by itself; the length is the file's."""
    held = bytearray(content)
    for begin in range(safe - safe % SECTOR, len(content), SECTOR):
        if random.random() < 0.5:
            end = min(begin + SECTOR, len(content))
            begin = max(begin, safe)
            held[begin:end] = bytes(end - begin)
    return bytes(held)
