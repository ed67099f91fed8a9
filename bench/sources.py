"""Speed of reading lists, which `python -m bench.sources [--lines N] [--only FORMAT]` writes to SOURCES.md.

A made-up list of each format is piped into a process that narrows a scope by it. A line is a host with one
open port (nmap's XML has eight lines for one), each another of 10.0.0.0/8, in order.
Measured: CPU seconds and peak memory of the process that reads.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from bench.report import load, machine

ROOT = Path(__file__).parent.parent
GOAL_SECONDS = 10.0  # for a million lines
GOAL_MB = 60.0
READ = (
    "import sys\n"
    "from targets.entries import Entry\n"
    "from targets.planning import narrow_by_claims\n"
    "from targets.scope import Scope\n"
    "from targets.sources.read import read_claims\n"
    "reading = read_claims(sys.stdin.buffer, 'list', print)\n"
    "found = narrow_by_claims(Scope([Entry.of('10.0.0.0/8')]), reading)\n"
    "print(found.inside, len(found.scope), reading.unusable, reading.format, sep='|')"
)
WRITE = "from bench.sources import write; import sys; write(sys.argv[1], int(sys.argv[2]))"


class Made(NamedTuple):
    """A list of a format: what stands before, of each host, and after it."""

    begin: str
    line: str  # with IP for the address
    end: str = ""


_XML = (  # as nmap writes a host: on eight lines
    '<host starttime="1795490538" endtime="1795490538"><status state="up" reason="syn-ack" reason_ttl="0"/>\n'
    '<address addr="IP" addrtype="ipv4"/>\n<hostnames>\n</hostnames>\n'
    '<ports><port protocol="tcp" portid="27017"><state state="open" reason="syn-ack" reason_ttl="0"/>'
    '<service name="mongod" method="table" conf="3"/></port>\n</ports>\n'
    '<times srtt="187" rttvar="3758" to="100000"/>\n</host>\n'
)
_MASSCAN_XML = (
    '<host endtime="1795490538"><address addr="IP" addrtype="ipv4"/><ports><port protocol="tcp" '
    'portid="27017"><state state="open" reason="syn-ack" reason_ttl="64"/></port></ports></host>\r\n'
)
_PORT = '{"port": 27017, "proto": "tcp", "status": "open", "reason": "syn-ack", "ttl": 64}'
FORMATS = {
    "plain": Made("", "IP:27017\n"),
    "nmap XML": Made('<?xml version="1.0"?><nmaprun scanner="nmap" version="7.93">\n', _XML, "</nmaprun>\n"),
    "masscan XML": Made('<?xml version="1.0"?><nmaprun scanner="masscan">\n', _MASSCAN_XML, "</nmaprun>\n"),
    "nmap grep": Made("# Nmap 7.93 scan initiated x\n", "Host: IP ()\tPorts: 27017/open/tcp//mongod///\n"),
    "masscan JSON": Made(
        "[\n", f'{{ "ip": "IP", "timestamp": "1795490538", "ports": [ {_PORT} ] }},\n', "]\n"
    ),
    "masscan JSON lines": Made(
        "",
        '{"ip":"IP","timestamp":"1795490538","port":27017,"proto":"tcp","rec_type":"status",'
        '"data":{"status":"open","reason":"syn-ack","ttl":64}}\n',
    ),
    "masscan list": Made("#masscan\n", "open tcp 27017 IP 1795490538\n", "# end\n"),
    "masscan output": Made("", "Discovered open port 27017/tcp on IP                        \n"),
    "naabu JSON": Made(
        "",
        '{"ip":"IP","timestamp":"2026-02-01T13:24:26.123456Z","port":27017,"protocol":"tcp","tls":false}\n',
    ),
    "naabu CSV": Made(
        "host,ip,port,protocol,tls,cdn,cdn-name,timestamp\n",
        ",IP,27017,tcp,false,false,,2026-02-01 13:24:26 +0000 UTC\n",
    ),
    "zmap JSON": Made("", '{ "saddr": "IP", "sport": 27017, "classification": "synack", "success": 1 }\n'),
    "zmap CSV": Made("saddr,sport,classification,success\n", "IP,27017,synack,1\n"),
    "httpx JSON": Made(
        "",
        '{"timestamp":"2026-02-01T13:24:26Z","port":"27017","url":"http://IP:27017","input":"IP:27017",'
        '"scheme":"http","host":"IP","status_code":200,"failed":false}\n',
    ),
    "httpx URLs": Made("", "http://IP:27017 [200]\n"),
    "RustScan": Made("", "IP -> [27017]\n"),
    "ours": Made(
        "",
        '{"schema":"mongosweep.observation/1","observed_at":"2026-11-24T09:12:44Z","verdict":"open",'
        '"target":{"ip":"IP","port":27017,"hostnames":[]}}\n',
    ),
    "JSON": Made("", '{"address": "IP", "port": 27017, "state": "open"}\n'),
    "CSV": Made("address;port;note\n", 'IP;27017;"web; a"\n'),
}


class Row(NamedTuple):
    """What one list cost."""

    told: str
    seconds: float
    megabytes: float


def hosts(name: str, lines: int) -> int:
    """How many hosts are on so many lines of a format."""
    return lines // max(1, FORMATS[name].line.count("\n"))


def write(name: str, lines: int) -> None:
    """The list of a format, on standard output."""
    made = FORMATS[name]
    lines = hosts(name, lines)
    sys.stdout.write(made.begin)
    for start in range(0, lines, 1000):
        numbers = range(start, min(start + 1000, lines))
        sys.stdout.write(
            "".join(made.line.replace("IP", f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}") for i in numbers)
        )
    sys.stdout.write(made.end)


def measure(name: str, lines: int) -> Row:
    """One list through a pipe. Raises RuntimeError where not all of it was read."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE, name, str(lines)], stdout=subprocess.PIPE, cwd=ROOT
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", READ], stdin=writer.stdout, stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert reader.stdout is not None
    told = reader.stdout.read().strip()
    _, status, usage = os.wait4(reader.pid, 0)
    reader.returncode = os.waitstatus_to_exitcode(status)
    writer.wait()
    found = hosts(name, lines)
    if not told.startswith(f"{found}|{found}|0|"):
        raise RuntimeError(f"{name}: read {told!r} of {lines:,} lines")
    return Row(told.split("|")[3], usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> int:
    """Measure and write; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.sources", description="Speed of reading lists.")
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--only", action="append", choices=list(FORMATS))
    parser.add_argument("--no-write", action="store_true", help="leave SOURCES.md as it is")
    options = parser.parse_args()
    before = os.getloadavg()
    goals = f"goals: {GOAL_SECONDS:.0f} s for a million, {GOAL_MB:.0f} MB for any number"
    text = [
        "# Reading lists\n",
        f"`python -m bench.sources`: {options.lines:,} lines a format, piped in to narrow a scope.",
        f"CPU of the process that reads, its start included; {goals}.\n",
        f"{machine()}; {load(before)}\n",
        "| list | told as | CPU s | peak RSS MB | |",
        "|---|---|--:|--:|---|",
    ]
    missed = False
    for name in options.only or FORMATS:
        row = measure(name, options.lines)
        good = row.seconds <= GOAL_SECONDS * options.lines / 1e6 and row.megabytes <= GOAL_MB
        missed = missed or not good
        word = "reached" if good else "**falls short**"
        text.append(f"| {name} | {row.told} | {row.seconds:.1f} | {row.megabytes:.0f} | {word} |")
        print(text[-1], file=sys.stderr)
    if not options.no_write:
        Path(__file__).with_name("SOURCES.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
