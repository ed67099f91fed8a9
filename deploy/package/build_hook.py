"""What the wheel holds: one package `mongosweep`, with the packages of the checkout below it.

A wheel that brought packages called `scanner`, `targets` and `results` would overwrite other people's. So the
build moves them below `mongosweep` and rewrites their import statements, and nothing else: each stays on its
line, so that a traceback shows what is in the repository. See docs/decisions/0027-one-package.md. With
MONGOSWEEP_COMPILE=1 in the environment the core is compiled besides, and the wheel is for one platform.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME: Final = "mongosweep"
MOVED: Final = ("results", "scanner", "targets")
"""Packages at the top of the checkout that are installed below `NAME`."""
DOCS: Final = frozenset({".md", ".svg", ".png", ".json"})
"""Endings of what is shipped of docs/: pages, their pictures, and the schemas that they lead to. Of docs/siem
everything is: people copy it to the machine of their SIEM."""


COMPILE: Final = "MONGOSWEEP_COMPILE"


class ImportFormError(Exception):
    """An import in a form that cannot be moved below another package without another meaning."""


class NotCompiledError(Exception):
    """The core was to be compiled, and could not be."""


def _of_ours(name: str | None) -> bool:
    return name is not None and name.partition(".")[0] in MOVED


def _insertions(tree: ast.AST, lines: list[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """(line from 0, column in bytes, what is inserted there) for each import of a moved package.

    `from scanner.x import y` and `import scanner.x as y` get the outer package in front of the name; of
    `import scanner` comes `from mongosweep import scanner`, which binds the same name.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and _of_ours(node.module):
            head, at, added = f"from {node.module} ", len("from "), f"{NAME}."
        elif isinstance(node, ast.Import) and any(_of_ours(alias.name) for alias in node.names):
            alias, bare = node.names[0], "." not in node.names[0].name
            if len(node.names) > 1 or not (bare or alias.asname):
                raise ImportFormError(f"line {node.lineno}: write `from … import …` for this import")
            head = f"import {alias.name}"
            at, added = (0, f"from {NAME} ") if bare else (len("import "), f"{NAME}.")
        else:
            continue
        if not lines[node.lineno - 1].startswith(head.encode(), node.col_offset):
            raise ImportFormError(f"line {node.lineno}: write `{head.strip()}` on one line, with one space")
        yield node.lineno - 1, node.col_offset + at, added.encode()


def moved(source: bytes) -> bytes:
    """The source with each absolute import of a moved package going through `NAME`, line by line as it was.

    Raises `ImportFormError` for a form that cannot be moved, and `SyntaxError` for what is no Python.
    """
    lines = source.splitlines(keepends=True)
    for row, column, added in sorted(_insertions(ast.parse(source), lines), reverse=True):
        lines[row] = lines[row][:column] + added + lines[row][column:]
    return b"".join(lines)


def lay_out(root: Path, folder: Path) -> None:
    """Write what the wheel holds below `NAME` into `folder`. Raises `ImportFormError` that names the file."""
    for package in (NAME, *MOVED):
        for path in sorted((root / package).rglob("*")):
            parts = path.relative_to(root).parts
            if path.is_dir() or "__pycache__" in parts or path.name.startswith("."):
                continue
            place = folder.joinpath(*(parts[1:] if package == NAME else parts))
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix != ".py":
                shutil.copyfile(path, place)
                continue
            try:
                place.write_bytes(moved(path.read_bytes()))
            except ImportFormError as error:
                raise ImportFormError(f"{path.relative_to(root)}, {error}") from None
    for path in sorted((root / "docs").rglob("*")):
        if path.is_file() and (path.suffix in DOCS or root / "docs" / "siem" in path.parents):
            place = folder / path.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def compile_core(folder: Path) -> None:
    """Compile the core of what is laid out in `folder` below `NAME`. Raises `NotCompiledError`, which says
    what to do."""
    program = Path(__file__).with_name("compile.py")
    words = [sys.executable, "-P", str(program), "--below", NAME, str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotCompiledError(f"{COMPILE} is set: {done.stderr.strip().removeprefix('error: ')}")


class OnePackageHook(BuildHookInterface[Any]):
    """Hands the moved tree to hatchling. An editable install has the checkout on its path."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What a build needs besides hatchling: the compiler, and whose types it reads."""
        if os.environ.get(COMPILE) != "1":
            return []
        return ["mypy[mypyc]>=2.4", *self.metadata.core.dependencies]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Lay the tree out in a folder that lives as long as the hook."""
        if version == "editable":
            return
        root = Path(self.root)
        self._folder = tempfile.TemporaryDirectory(prefix="mongosweep-wheel-")
        tree = Path(self._folder.name, NAME)
        lay_out(root, tree)
        if os.environ.get(COMPILE) == "1":
            compile_core(tree.parent)
            build_data |= {"pure_python": False, "infer_tag": True}
        build_data["force_include"][str(tree)] = NAME
        manuals = sorted((root / "docs" / "man").glob("*.1"))
        build_data["shared_data"].update({str(page): f"share/man/man1/{page.name}" for page in manuals})

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the folder."""
        if version != "editable":
            self._folder.cleanup()
