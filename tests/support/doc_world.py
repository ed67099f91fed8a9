"""What the command lines of the pages are run in: a folder that has all that they name, servers on loopback,
and the names, addresses and paths of the pages as they are there.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from results.audit import audit
from results.runs import list_runs
from scanner.cli import main
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from tests.support.doc_commands import is_ours, stages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from tests.support.doc_commands import Stage

OPEN, OTHER, NOTED, LOCKED = "127.77.1.17", "127.77.1.18", "127.77.0.1", "127.77.1.23"
CONFIGURATION = """\
[organisation]
name = "Example"
contact = "soc@example.com"

[[allow]]
cidr = ["127.77.0.0/29", "127.77.1.0/24", "127.77.7.9"]
owner = "web platform"
contact = "web-oncall@example.com"
site = "paris"
kind = "lab"

[[schedule]]
name = "nightly"
cron = "0 2 * * *"

[[sink]]
kind = "file"
path = "{folder}/findings.jsonl"

[sweep]
ports = [{port}]
rate = 20000
per_prefix_rate = 20000
reply_timeout = 1.0
"""
NMAP = """\
<?xml version="1.0"?><nmaprun scanner="nmap"><host><status state="up"/>
<address addr="127.77.1.17" addrtype="ipv4"/><ports><port protocol="tcp" portid="{port}"><state state="open"/>
</port></ports></host></nmaprun>
"""
REPORT = "ip,port\n{open},{port}\n{locked},{port}\n"
SHADOWSERVER = (
    '"timestamp","severity","ip","protocol","port","hostname","tag","version"\n'
    '"2026-03-04 03:59:00","critical","{open}","tcp","{port}","","mongodb","4.0.3"\n'
)
PREFIXES = "cidr,owner,contact,site\n10.99.0.0/24,shop,shop@example.com,lyon\n"
PASSWORD = "correct horse battery staple"


class Ran(NamedTuple):
    """How a line ended: the program's exit code, what it wrote, and what `jq` behind its pipe made of it."""

    code: int
    out: str
    err: str
    piped: str | None = None


class World:
    """One folder in which lines are run, in this process, one after the other."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        texts = {
            "mongosweep.toml": CONFIGURATION,
            "lab.toml": CONFIGURATION,
            "open.xml": NMAP,
            "report.csv": REPORT,
            "shadowserver.csv": SHADOWSERVER,
            "prefixes.csv": PREFIXES,
            "copied-from-a-message.txt": "An open MongoDB was seen at {open}:{port}.\n",
        }
        here = {"port": str(port), "folder": str(folder), "open": OPEN, "locked": LOCKED}
        for name, text in texts.items():
            for key, value in here.items():
                text = text.replace("{" + key + "}", value)
            (folder / name).write_text(text, encoding="utf-8")
        (folder / "report.json").write_text(f'{{"ip": "{OPEN}", "port": {port}}}\n', encoding="utf-8")
        (folder / "password").write_text(PASSWORD + "\n", encoding="utf-8")
        (folder / "password").chmod(0o600)
        self.exposure = ""

    def prepare(self, capture: pytest.CaptureFixture[str]) -> None:
        """Two sweeps, with an exposure at `OPEN`."""
        for words in ("sweep -q", "sweep -q"):
            assert main(words.split()) == 1
        capture.readouterr()
        assert main(["exposures", "--format", "jsonl"]) == 1
        told = map(json.loads, capture.readouterr().out.splitlines())
        (self.exposure,) = (each["exposure_id"] for each in told if each["place"]["ip"] == OPEN)

    def here(self, text: str) -> str:
        """A line with what stands here for what it names."""
        runs = [run.run_id for run in list_runs(self.folder / "runs")]
        day = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}"
        head = audit(self.folder / "runs" / runs[-1]).head
        for pattern, instead in (
            (r"\b10\.20\.", "127.77."),
            (r"\b192\.0\.2\.7\b", OPEN),
            (r":27017\b", f":{self.port}"),
            (r"\bmx_[0-9a-f]{12}\b|(?<= )ID\b", self.exposure),
            (r"\b\d{8}T\d{6}Z-[0-9a-f]{8}\b|\bRUN_ID\b|\bNEW\b|(?<=/)RUN\b", runs[-1]),
            (r"\bOLD\b", runs[0]),
            (r"\bHASH\b|\"\$HEAD\"", head),
            (r"(?<=--user )mongosweep\b", "4321"),
            (r"(--restart|--from-now) \w+", r"\1 file"),
            (r"(?<=--until )\S+", day),
            (r"/(?:var|etc|opt)/[\w/]*/(?=runs\b|mongosweep\.(?:toml|prom)\b)", ""),
            (r"\S*/bin/mongosweep\b", "mongosweep"),
        ):
            text = re.sub(pattern, instead, text)
        return text

    def run(self, text: str, capture: pytest.CaptureFixture[str]) -> Ran:
        """Run the program of a line, with what a pipe brings to it and what `jq` makes of its output."""
        parts = stages(self.here(text))
        if parts[0].words[0] == "jq":
            return Ran(0, "", "", self._jq(parts[0].words))
        at = next(number for number, part in enumerate(parts) if is_ours(part))
        mine = parts[at]
        self._undo(mine)
        capture.readouterr()
        with self._input(mine, parts[at - 1] if mine.fed else None), self._place(mine):
            code = main(mine.words[1:])
        out, err = capture.readouterr()
        after = parts[at + 1] if at + 1 < len(parts) and parts[at + 1].fed else None
        if after is None or after.words[0] != "jq":
            return Ran(code, out, err)
        return Ran(code, out, err, self._jq(after.words, out))

    def _jq(self, words: list[str], fed: str = "") -> str | None:
        """What a recipe prints of what it is fed, or of the files that it names; None where it fails."""
        done = subprocess.run(words, cwd=self.folder, input=fed, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else None

    def _undo(self, mine: Stage) -> None:
        """Where a line begins anew: what it takes away is there, and what it makes is not."""
        if mine.words[1:2] == ["users"]:
            for name in ("soc", "web-oncall"):
                main(["users", "add", name, "--role", "operate", "--password-file", "password"])
        if mine.words[1:2] == ["tokens"] and len(mine.words) > 3:
            undo = "add" if mine.words[2] == "revoke" else "revoke"
            main(["tokens", undo, mine.words[3], *(["--role", "metrics"] if undo == "add" else [])])
        if "--withdraw" in mine.words:
            until = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}"
            main(["accept", mine.words[2], "--by", "soc", "--until", until, "--reason", "a test bed"])
        if mine.words[1:3] == ["scope", "import"]:
            (self.folder / "scope.toml").unlink(missing_ok=True)

    @contextmanager
    def _place(self, mine: Stage) -> Iterator[None]:
        """The folder; for `init` an empty one, because it overwrites nothing."""
        if mine.words[1:2] == ["init"]:
            with tempfile.TemporaryDirectory(dir=self.folder) as empty, contextlib.chdir(empty):
                yield
        else:
            yield

    @contextmanager
    def _input(self, mine: Stage, before: Stage | None) -> Iterator[None]:
        """Standard input as the line has it: a file, what `echo` says, what a scanner says, or nothing."""
        if before is not None:
            said = " ".join(before.words[1:]) + "\n"
            if before.words[0] != "echo":
                named = self.folder / before.words[-1]
                said = (named if named.is_file() else self.folder / "open.xml").read_text(encoding="utf-8")
            ours, theirs = os.pipe()
            writer = threading.Thread(target=_write, args=(theirs, said.encode()))
            writer.start()
        else:
            ours = os.open(self.folder / mine.reads if mine.reads else os.devnull, os.O_RDONLY)
        old, kept = sys.stdin, os.dup(0)
        os.dup2(ours, 0)
        try:
            with os.fdopen(ours, encoding="utf-8") as sys.stdin:
                yield
        finally:
            sys.stdin = old
            os.dup2(kept, 0)
            os.close(kept)
            if before is not None:
                writer.join()


def _write(descriptor: int, data: bytes) -> None:
    """Write into a pipe, as far as its reader wants it."""
    with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


@contextmanager
def servers(port: int) -> Iterator[None]:
    """Three that are open, one of them with an extortionist's note, and one that asks for a login."""
    standing = {OPEN: "open_8_0", OTHER: "open_3_6", NOTED: "magazine", LOCKED: "auth_7_1"}
    with LabThread({(ip, port): find(name) for ip, name in standing.items()}):
        yield
