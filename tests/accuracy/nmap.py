"""nmap's `mongodb-info` and `mongodb-databases` on loopback, and what their output settles for its reader."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from results.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.accuracy.asking import Place

SCRIPTS = "+mongodb-info,+mongodb-databases"
HOST_SECONDS = 60
_LOGIN = (
    "code = 13\n",
    "unauthorized",
    "requires authentication",
    "not authorized",
    "prior to authentication",
)


@dataclass(frozen=True)
class Told:
    """What nmap printed of a server: in a few words, the verdict that settles it (None: none), a version."""

    words: str = "nothing"
    settles: Verdict | None = None
    version: str = ""


def installed() -> str:
    """The version of nmap, or ""."""
    if shutil.which("nmap") is None:
        return ""
    told = subprocess.run(["nmap", "--version"], capture_output=True, text=True, check=True).stdout
    return told.split()[2]


def scan(places: Iterable[Place]) -> dict[Place, Told]:
    """Ask each place, all addresses of one port in one run. Raises `ValueError` off loopback."""
    by_port: dict[int, list[str]] = {}
    for ip, port in places:
        if not ip_address(ip).is_loopback:
            raise ValueError(f"{ip} is not loopback: nothing else is asked")
        by_port.setdefault(port, []).append(ip)
    found: dict[Place, Told] = {}
    for port, ips in by_port.items():
        command = ["nmap", "-sT", "-Pn", "-n", "-p", str(port), "--host-timeout", f"{HOST_SECONDS}s"]
        done = subprocess.run(
            [*command, "--script", SCRIPTS, "-oX", "-", *ips], capture_output=True, text=True, check=True
        )
        found |= {(ip, port): Told() for ip in ips}
        found |= {(ip, port): told for ip, told in _read(done.stdout).items()}
    return found


def _read(xml: str) -> dict[str, Told]:
    found = {}
    for host in ElementTree.fromstring(xml).iter("host"):
        address = host.find("address")
        assert address is not None
        outputs = {s.get("id", ""): s.get("output", "") for s in host.iter("script")}
        found[address.get("addr", "")] = told(outputs)
    return found


def told(outputs: dict[str, str]) -> Told:
    """From what both scripts printed. A refusal of OP_QUERY (352) is the same on open and locked servers."""
    listed = outputs.get("mongodb-databases", "")
    version = re.search(r"\n +version = (\S+)", outputs.get("mongodb-info", ""))
    number = version[1] if version else ""
    if not listed or listed.startswith("ERROR"):
        return Told(version=number)
    if "\n  databases\n" in listed:
        if " name = " in listed:
            return Told("a list of databases", Verdict.OPEN, number)
        return Told("ok 1 and an empty list", None, number)
    if "Unsupported OP_QUERY" in listed or "code = 352" in listed:
        return Told("352: OP_QUERY is refused", None, number)
    if any(words in listed for words in _LOGIN):
        return Told("a login is required", Verdict.AUTH_REQUIRED, number)
    code = re.search(r"\n  code = (\d+)", listed)
    if code:
        return Told(f"error {code[1]}", None, number)
    return Told(
        "bytes that it cannot read" if "converting from bson" in listed else "another document", None, number
    )
