"""Who may open a raw socket while a sweep with the SYN stage runs: nobody, once the stage has its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from scanner.network.syn.privilege import CAP_NET_RAW
from tests.netns.oracle import Program, estate, watch
from tests.support import netns

pytestmark = pytest.mark.timeout(60)

SCOPE = """
[[allow]]
cidr = "10.77.0.0/22"
owner = "a"
[sweep]
rate = 300
"""
NET_RAW = 1 << CAP_NET_RAW


def capabilities(status: Path) -> dict[str, int]:
    """CapInh, CapPrm, CapEff, CapBnd and CapAmb of a thread."""
    lines = (line.split() for line in status.read_text().splitlines() if line.startswith("Cap"))
    return {name.rstrip(":"): int(value, 16) for name, value in lines}


@netns.required
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_sweep_as_root_keeps_no_raw_sockets_for_itself(tmp_path: Path, loop: str) -> None:
    with estate() as (scan, corp):
        program = Program(scan, tmp_path)
        program.configure(SCOPE)
        watch(scan, corp, "10.77.0.0/22")
        with program.running("--engine", "syn", "--loop", loop) as process:
            program.started("left_inside", 100)
            place = Path(f"/proc/{process.pid}/task")
            main = capabilities(place / str(process.pid) / "status")
            assert main["CapEff"], "it runs as root, with everything else"
            assert not any(value & NET_RAW for value in main.values())
            threads = [capabilities(task / "status") for task in place.iterdir()]
            assert not any(seen["CapEff"] & NET_RAW for seen in threads)
            children = (place / str(process.pid) / "children").read_text().split()
            assert children, "the stage runs"
            for child in children:
                assert capabilities(Path(f"/proc/{child}/status"))["CapEff"] == 0
