"""The small corpus of the repository: one file for each target, one input in base64 on each line.

`python -m tests.fuzz.corpus FOLDER` makes it anew from a folder that `--corpus` kept: for each target the
smallest inputs that together reach all that the kept ones reach.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.fuzz.registry import TARGETS

HERE: Final = Path(__file__).resolve().parent
FOLDER: Final = HERE / "corpus"
LONGEST: Final = 700  # bytes of one input


def read(target: str) -> list[bytes]:
    """The inputs of one target; none where there is no file."""
    path = FOLDER / f"{target}.txt"
    return [base64.b64decode(line) for line in path.read_text().splitlines()] if path.is_file() else []


def unpack(target: str, folder: Path) -> None:
    """Write each input to a file of its own, as libFuzzer reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(read(target)):
        (folder / f"{number:05}").write_bytes(data)


def pack(target: str, folder: Path) -> int:
    """Make the file of one target from the inputs in `folder`, the shortest first; returns how many."""
    inputs = sorted({path.read_bytes() for path in folder.iterdir()}, key=lambda data: (len(data), data))
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{target}.txt").write_text("".join(base64.b64encode(data).decode() + "\n" for data in inputs))
    return len(inputs)


def minimise(target: str, kept: Path) -> int:
    """Replace the file of one target by what reaches as much as `kept` does; returns how many inputs."""
    with tempfile.TemporaryDirectory(prefix="mongosweep-fuzz-") as scratch:
        merged, old = Path(scratch) / "merged", Path(scratch) / "old"
        merged.mkdir()
        unpack(target, old)
        command = [sys.executable, "-m", "tests.fuzz.one", target, str(Path(scratch) / "statistics")]
        command += ["-merge=1", f"-max_len={LONGEST}", str(merged), str(old), str(kept)]
        subprocess.run(command, cwd=HERE.parents[1], check=True, stdin=subprocess.DEVNULL)
        return pack(target, merged)


if __name__ == "__main__":
    for name in TARGETS:
        if (Path(sys.argv[1]) / name).is_dir():
            minimise(name, Path(sys.argv[1]).resolve() / name)
