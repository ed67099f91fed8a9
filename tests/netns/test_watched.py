"""Of each watched place there is a line that says what came of it, and what said so, with both engines."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from results.reading import read_run
from results.summary import unique
from tests.netns.oracle import Program, estate, serving
from tests.support import netns

if TYPE_CHECKING:
    from pathlib import Path

LOCKED, CLOSED, REJECTED, SILENT, UNREACHABLE, UNWATCHED = (f"10.77.0.{n}" for n in (5, 9, 10, 11, 12, 13))
WATCHED = (LOCKED, CLOSED, REJECTED, SILENT, UNREACHABLE, "10.77.9.9")
SETTINGS = """
[[allow]]
cidr = "10.77.0.0/25"
owner = "x"
[sweep]
rate = 4000
per_prefix_rate = 4000
connect_timeout = 1.5
reply_timeout = 2.0
"""


@dataclass
class Watching(Program):
    """A sweep that watches."""

    def command(self, *arguments: str) -> list[str]:
        """See `Program.command`."""
        words = super().command(*arguments)
        assert words[:3] == [sys.executable, "-m", "scanner"]
        return [*words[:2], "tests.netns.watching", *words[3:]]


@netns.required
@pytest.mark.exhaustive
@pytest.mark.timeout(60)
@pytest.mark.parametrize("engine", ["connect", "syn"])
def test_a_watched_place_has_a_line_whatever_came_of_it(tmp_path: Path, engine: str) -> None:
    """The many that refuse beside them are there as in `test_link`: with them, ICMP messages that are read
    only at the second SYN prove no loss. The stage hears no ICMP: the rounds at the end do."""
    with estate() as (scan, corp), serving(corp, f"{LOCKED}=auth_7_1"):
        corp.nft(
            "table inet weather {\nchain c {\ntype filter hook input priority 0\n"
            f"ip daddr {REJECTED} tcp dport 27017 reject with icmp type port-unreachable\n"
            f"ip daddr {SILENT} tcp dport 27017 drop\n"
            f"ip daddr {UNREACHABLE} tcp dport 27017 reject with icmp type host-unreachable\n}}\n}}\n"
        )
        program = Watching(scan, tmp_path)
        program.configure(SETTINGS)
        done = program.run("--engine", engine, WATCHED=",".join(WATCHED))
    assert done.returncode == 0, done.stderr
    lines = {line.target.ip: line for line in unique(read_run(program.run_dir))}
    seen = {ip: (line.verdict.value, [reason.code for reason in line.evidence]) for ip, line in lines.items()}
    assert seen.pop(LOCKED)[0] == "auth_required"
    assert seen == {
        CLOSED: ("refused", ["refused", "reset"]),
        REJECTED: ("refused", ["refused", "icmp-refused"]),
        SILENT: ("filtered", ["filtered"]),
        UNREACHABLE: ("unreachable", ["unreachable"]),
    }
