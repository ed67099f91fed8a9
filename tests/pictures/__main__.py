"""Makes docs/pictures: `make pictures`. The lab is swept as in docs/tour.md, on a terminal of 100 columns;
the report and the page of that sweep are opened in a browser.

Where Linux allows it, all of it happens in a network namespace of its own, in which the lab has its port and
nobody outside can be asked. Times, ids and spans differ from run to run: a picture that differs in nothing
else stays as it is.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scanner.cli.demo import lab
from scanner.cli.demo_story import LENGTH, play
from scanner.program import PROGRAM, environment
from tests.pictures import recording, screenshot
from tests.support import browser as browsers
from tests.support import terminal
from tests.support.page_process import running_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.browser import Page

COLUMNS, ROWS = 100, 44
WIDTH, HEIGHT = 1200, 860
_BUSY, _ATTEMPTS = "the program stood still", 3
_STORY = datetime(2026, 1, 5, 9, tzinfo=UTC)
_APART = ("unshare", "--map-root-user", "--net")
_REDRAWN = re.compile(r"\r\x1b\[2K(?:\x1b\[1A\x1b\[2K)+")
DIFFERS = (
    (r"\d{8}T\d{6}Z-[0-9a-f]{8}", "RUN"),
    (r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?(?:\.\d+)?(?:Z| UTC)?", "TIME"),
    (r"\b[0-9a-f]{16,64}\b", "DIGEST"),
    (r"\b\d+(?:\.\d+)? (?:ms|s|min|seconds?|minutes?|days?)\b", "SPAN"),
    (r"\b\d+ to SPAN\b", "SPAN"),
    (r"\bbyte [\d,]+", "PLACE"),
    (r"127\.0\.0\.1:\d+", "PAGE"),
)
"""What differs between two recordings of the same, and what stands for it in a comparison."""


class Recorded(NamedTuple):
    """A command on a terminal; of a long output the first and last lines. `live`: as it stood while the
    command worked, and not when it had ended."""

    title: str
    command: str
    head: int = 60
    tail: int = 0
    live: bool = False


RECORDED = {
    "plan.svg": Recorded("What would be asked", "mongosweep plan -c lab.toml"),
    "sweep-live.svg": Recorded("A sweep goes on", "mongosweep sweep -c lab.toml --confirm", live=True),
    "sweep.svg": Recorded("A sweep has ended", "mongosweep sweep -c lab.toml --confirm", head=30, tail=15),
    "show.svg": Recorded("One exposure", "mongosweep show -c lab.toml 127.77.0.1:27017"),
}
"""Recordings by the name of the file, in the order in which they are made."""
OPENED = {
    "report.png": "mongosweep report -c lab.toml",
    "page.png": "mongosweep serve -c lab.toml",
    "story.png": "mongosweep report --exposure mx_9fb005d848f1 --out dossier.html",
}
"""Screenshots by the name of the file: the command that makes what is seen."""


def main(folder: Path) -> None:
    """Write every picture that shows something new."""
    with tempfile.TemporaryDirectory(prefix="mongosweep-pictures-") as place:
        home = Path(place)
        with lab(home / "lab.toml", home / "lab.log", ["--no-real"]):
            at = _record(home, folder)
            _open(at, folder)


def _record(home: Path, folder: Path) -> Path:
    """Record all, and say in which folder: where this machine was too busy, another one was begun."""
    for attempt in range(_ATTEMPTS):
        at = home / f"{attempt}"
        at.mkdir()
        shutil.copyfile(home / "lab.toml", at / "lab.toml")
        commands = dict.fromkeys(made.command for made in RECORDED.values())
        seen = {command: _watch(command, at).raw for command in commands}
        if not any(_BUSY in raw for raw in seen.values()):
            break
    for name, made in RECORDED.items():
        raw = _while_it_worked(seen[made.command]) if made.live else seen[made.command]
        lines = "\n".join(terminal.painted(raw, COLUMNS, ROWS)).rstrip().splitlines()
        lines = recording.cut(lines, made.head, made.tail) if made.tail else lines
        # Which servers stand in a live view at one moment is chance.
        words = recording.as_svg(made.title, made.command, lines[:3] if made.live else lines, COLUMNS, "")
        mark = _mark(recording.words(words))
        if recording.told_by(folder / name).get("metadata") != mark:
            svg = recording.as_svg(made.title, made.command, lines, COLUMNS, mark)
            (folder / name).write_text(svg, encoding="utf-8")
            sys.stderr.write(f"wrote {folder / name}\n")
    return at


def _watch(command: str, home: Path) -> terminal.Seen:
    """Run a command by a shell in which it is this checkout's program."""
    folder = home / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / "mongosweep"
    program.write_text(f'#!/bin/sh\nexec {" ".join(PROGRAM)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "PYTHONPATH") if name in os.environ}
    ours = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(home), "TERM": "xterm-256color"}
    return terminal.watch(
        command, cwd=home, env=environment({**kept, **ours}), columns=COLUMNS, rows=ROWS, seconds=300
    )


def _while_it_worked(raw: str) -> str:
    """Everything up to where the live view stood for the last time before it was drawn anew in the last
    third."""
    drawn = [found.start() for found in _REDRAWN.finditer(raw)]
    return raw[: drawn[len(drawn) * 2 // 3]]


def _open(home: Path, folder: Path) -> None:
    if not (browsers.BROWSER and browsers.DRIVER):
        sys.stderr.write("no chromium and chromium-driver here: the screenshots stay as they are\n")
        return
    report, dossier = home / "report.html", home / "dossier.html"
    _report(home, "-c", "lab.toml", "--out", str(report))
    _story(home / "story", dossier)
    profile = home / "browser"
    profile.mkdir()
    with (
        running_page(home / "runs", home / "lab.toml") as process,
        browsers.browser(profile, process.url.removeprefix("http://")) as page,
    ):
        page.sign_in(process.url, *process.cookie())
        _shoot(page, folder / "report.png", lambda: page.open(report, width=WIDTH, height=HEIGHT))
        address = f"{process.url}/exposures"
        _shoot(page, folder / "page.png", lambda: page.open(address, width=WIDTH, height=HEIGHT))
        _shoot(page, folder / "story.png", lambda: page.open(dossier, width=WIDTH, height=HEIGHT))


def _report(folder: Path, *options: str) -> None:
    made = [*PROGRAM, "report", *options]
    subprocess.run(made, cwd=folder, env=environment(), check=True, stderr=subprocess.DEVNULL)


def _story(folder: Path, dossier: Path) -> None:
    """The dossier of the server of which `make demo` tells, on days that are always the same."""
    folder.mkdir()
    exposure_id = ""
    for _, exposures in play(_STORY, folder):
        exposure_id = exposures[0].exposure_id if exposures else exposure_id
    now = f"{_STORY + LENGTH + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    _report(folder, "-o", ".", "--exposure", exposure_id, "--now", now, "--out", str(dossier))


def _shoot(page: Page, path: Path, load: Callable[[], None]) -> None:
    load()
    # Which of those that are equally grave comes first may differ.
    mark = _mark("\n".join(sorted(screenshot.shown(page).splitlines())))
    if screenshot.told_by(path).get("Comment") == mark:
        return
    page.picture(path, height=HEIGHT)
    told = {"Description": OPENED[path.name], "Comment": mark}
    path.write_bytes(screenshot.with_texts(path.read_bytes(), told))
    sys.stderr.write(f"wrote {path}\n")


def _mark(text: str) -> str:
    """What two pictures have in common that show the same at different times."""
    for pattern, instead in DIFFERS:
        text = re.sub(pattern, instead, text)
    return hashlib.sha256(text.encode()).hexdigest()


def _apart(arguments: list[str]) -> None:
    """Go on in a network namespace of our own, if one can be made: this does not return then."""
    if not (shutil.which("ip") and shutil.which(_APART[0])):
        return
    if subprocess.run([*_APART, "true"], capture_output=True, check=False).returncode == 0:
        script = 'ip link set lo up && exec "$0" "$@"'
        ours = [sys.executable, "-m", "tests.pictures", "--here", *arguments]
        os.execvp(_APART[0], [*_APART, "sh", "-c", script, *ours])


if __name__ == "__main__":
    if sys.argv[1] != "--here":
        _apart(sys.argv[1:])
    target = Path(sys.argv[-1]).resolve()
    target.mkdir(exist_ok=True)
    main(target)
