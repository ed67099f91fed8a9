"""Recorded outcomes for simulations: what one real sweep wrote of simulated servers, said of any other place.

The servers are the lab's on loopback, asked at the default depth. Addresses, ids and owners are filled in.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from results.ids import event_id, finding_id
from scanner.lab.fleet import Fleet

PREFIX = "127.93.0.0/25"
MIX = {
    "auth_7_1": 50.0, "auth_4_0": 15.0, "open_8_0": 6.0, "open_3_6": 4.0, "empty": 4.0, "magazine": 1.0,
    "http": 12.0, "ssh": 8.0,
}  # fmt: skip
SEED = 7
PORT = 27017
_MARKS = re.compile(rb"EVENT_ID|FINDING_ID|RUN_ID|ADDRESS|OWNER")


class Server(NamedTuple):
    """All lines of one server, as pieces between which a place's own words go; and what was found."""

    verdict: str
    pieces: tuple[tuple[bytes, ...], ...]
    words: tuple[tuple[str, ...], ...]

    def lines(self, run_id: str, site: str, owner: bytes, address: int) -> list[bytes]:
        """What a sweep would write of such a server at an IPv4 address of a site, without newlines."""
        packed = b"\0" * 10 + b"\xff\xff" + address.to_bytes(4, "big")
        parts = address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255
        said = {
            "EVENT_ID": event_id(run_id, packed, PORT).encode(),
            "FINDING_ID": finding_id(site, packed, PORT).encode(),
            "RUN_ID": run_id.encode(),
            "ADDRESS": b'"ip":"%d.%d.%d.%d","port":%d' % (*parts, PORT),
            "OWNER": owner,
        }
        made = []
        for pieces, words in zip(self.pieces, self.words, strict=True):
            line = [pieces[0]]
            for word, piece in zip(words, pieces[1:], strict=True):
                line += (said[word], piece)
            made.append(b"".join(line))
        return made


def owner_of(site: str, allow: str) -> bytes:
    """The owner of such lines, in their JSON."""
    return json.dumps({"owner": "web platform", "site": site, "allow": allow}, separators=(",", ":")).encode()


def record() -> list[Server]:
    """Sweep the lab, and take its lines apart. Takes some seconds."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_sweep(Path(folder)))
        segments = sorted(Path(folder).glob("runs/*/observations-*.jsonl"))
        lines = [line for segment in segments for line in segment.read_bytes().splitlines()]
    servers: list[Server] = []
    for line in lines:
        if verdict := json.loads(line).get("verdict"):
            servers.append(Server(verdict, (), ()))
        marked = _marked(line)
        pieces = tuple(_MARKS.split(marked))
        words = tuple(mark.decode() for mark in _MARKS.findall(marked))
        servers[-1] = Server(servers[-1].verdict, (*servers[-1].pieces, pieces), (*servers[-1].words, words))
    return servers


def _marked(line: bytes) -> bytes:
    """A line with marks in place of what belongs to its place and run."""
    said = json.loads(line)
    target = said["target"]
    for old, mark in (
        (said["event_id"], b"EVENT_ID"),
        (said["finding_id"], b"FINDING_ID"),
        (said["run_id"], b"RUN_ID"),
        (f'"ip":"{target["ip"]}","port":{target["port"]}', b"ADDRESS"),
        (json.dumps(said["owner"], separators=(",", ":")) if "owner" in said else "", b"OWNER"),
    ):
        if old:
            line = line.replace(old.encode(), mark)
    return line


async def _sweep(folder: Path) -> None:
    async with Fleet(PREFIX, 0, MIX, SEED) as servers:
        (folder / "mongosweep.toml").write_text(
            f'[[allow]]\ncidr = "{PREFIX}"\nowner = "web platform"\nkind = "lab"\nsite = "lab"\n'
            f"[sweep]\nports = [{servers.port}]\nper_prefix_rate = 5000.0\n"
        )
        command = ["-P", "-m", "scanner", "sweep", "-q", "-c", "mongosweep.toml", "-o", "runs"]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            cwd=folder,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await process.communicate()
        if process.returncode != 1:  # something is open there
            raise RuntimeError(f"the sweep of the lab ended with {process.returncode}: {errors.decode()}")
