"""Makes what is released, for `make dist`: sdist, wheel, SBOM and checksums, and checks each of them.

The wheel is built from the sdist, and both a second time: a release whose bytes nobody else can get is none.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[2]
LOCK: Final = ROOT / "requirements.lock"
SUMS: Final = "SHA256SUMS"


class DistError(Exception):
    """Nothing is released; the text says why."""


def run(*words: str | Path, epoch: str) -> None:
    """Run a tool that is installed beside this interpreter. Raises `DistError` with what it said."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
    command = [sys.executable, "-P", "-m", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DistError(f"{words[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def time_of_source() -> str:
    """Seconds since 1970 that stand in archives: SOURCE_DATE_EPOCH, or when the commit was made."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return given
    words = ["git", "log", "-1", "--format=%ct"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DistError("this is no git checkout; say in SOURCE_DATE_EPOCH when the source was made")
    return done.stdout.strip()


def complete(bom: dict[str, Any], version: str) -> dict[str, Any]:
    """A bill of materials with what the lock alone does not say: our version, and what we use ourselves."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *(line for name in sorted(extras) for line in extras[name])]
    direct = {canonicalize_name(Requirement(line).name) for line in asked}
    ours = bom["metadata"]["component"]
    ours |= {"version": version, "purl": f"pkg:pypi/{project['name']}@{version}"}
    for component in bom["components"]:
        component.pop("description", None)  # the line of the lock once more, with its hashes
    uses = [each["bom-ref"] for each in bom["components"] if canonicalize_name(each["name"]) in direct]
    others = [each for each in bom["dependencies"] if each["ref"] != ours["bom-ref"]]
    return bom | {"dependencies": [{"ref": ours["bom-ref"], "dependsOn": sorted(uses)}, *others]}


def sums_of(folder: Path) -> str:
    """The lines of a file for `sha256sum --check`."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != SUMS)
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def make(folder: Path) -> None:
    """Fill an empty folder. Raises `DistError`."""
    epoch = time_of_source()
    run("build", "--no-isolation", "--outdir", folder, ".", epoch=epoch)
    with tempfile.TemporaryDirectory() as again:
        run("build", "--no-isolation", "--outdir", again, ".", epoch=epoch)
        if sums_of(folder) != sums_of(Path(again)):
            raise DistError("a second build has other bytes than the first; was a file changed meanwhile?")
    archives = sorted(folder.iterdir())
    (wheel,) = (path for path in archives if path.suffix == ".whl")
    run("twine", "check", "--strict", *archives, epoch=epoch)
    run("check_wheel_contents", wheel, epoch=epoch)
    version = wheel.name.split("-")[1]
    place = folder / f"mongosweep-{version}.cdx.json"
    words = ("cyclonedx_py", "requirements", "--output-reproducible", "--of", "JSON", "-o", place)
    run(*words, "--pyproject", "pyproject.toml", LOCK, epoch=epoch)
    bom = complete(json.loads(place.read_text(encoding="utf-8")), version)
    place.write_text(json.dumps(bom, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (folder / SUMS).write_text(sums_of(folder), encoding="utf-8")


def main() -> int:
    """Replace the folder as a whole, or leave it as it was. The exit code."""
    parser = argparse.ArgumentParser(prog="make dist", description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".dist-") as beside:
        made = Path(beside) / "dist"
        made.mkdir()
        try:
            make(made)
        except DistError as error:
            sys.stderr.write(f"error: {error}\n")
            return 1
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    sys.stdout.write((folder / SUMS).read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
