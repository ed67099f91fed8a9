"""Politeness as the other end counts it: rates in every window, pauses, half-open connects, state tables."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.netns.arrivals import Timestamps, most_in
from tests.netns.oracle import Program, active_opens, estate, until
from tests.support import netns

if TYPE_CHECKING:
    from tests.support.netns import Namespace

pytestmark = pytest.mark.timeout(110)

SWEEP = """
[sweep]
rate = 400
per_prefix_rate = 20
connect_timeout = 0.5
half_open_limit = {half_open}
"""


@netns.required
class TestCaps:
    @pytest.mark.exhaustive
    @pytest.mark.fault(
        "F51", "a sweep that is paused and resumed; arrival times of SYNs as the kernel has them"
    )
    def test_no_window_holds_more_than_the_caps_allow_also_after_a_pause(self, tmp_path: Path) -> None:
        with estate() as (scan, corp), Timestamps(corp) as syns:
            program = Program(scan, tmp_path)
            program.configure(
                '[[allow]]\ncidr = "10.77.0.0/20"\nowner = "x"\n' + SWEEP.format(half_open=4096)
            )
            with program.running() as process:
                until(lambda: len(syns.seen) > 300)
                process.send_signal(signal.SIGUSR2)
                until(lambda: "paused by SIGUSR2" in program.said)
                time.sleep(0.6)  # for what was under way
                paused = len(syns.seen)
                time.sleep(1.5)
                assert len(syns.seen) == paused
                process.send_signal(signal.SIGUSR2)
                until(lambda: len(syns.seen) > paused + 600)
                process.send_signal(signal.SIGSTOP)
                time.sleep(2.5)
                process.send_signal(signal.SIGCONT)
                until(lambda: len(syns.seen) > paused + 1500)
        times = [moment for moment, _ in syns.seen]
        # The bucket's burst is a tenth of a second's rate; 15 % for the kernel's and the loop's own jitter.
        assert most_in(times, 1.0) <= (400 + 40) * 1.15
        assert most_in(times, 0.25) <= (100 + 40) * 1.3
        for prefix in {address >> 8 for _, address in syns.seen}:
            own = [moment for moment, address in syns.seen if address >> 8 == prefix]
            assert most_in(own, 1.0) <= (20 + 3) * 1.2

    def test_half_open_connections_are_bounded(self, tmp_path: Path) -> None:
        """Nobody answers, so each connect would hold an entry in every state table on the way."""
        with estate() as (scan, corp):
            corp.nft("table inet quiet {\nchain c {\ntype filter hook prerouting priority 0\ndrop\n}\n}\n")
            program = Program(scan, tmp_path)
            program.configure(
                '[[allow]]\ncidr = "10.77.0.0/22"\nowner = "x"\n'
                + SWEEP.format(half_open=40).replace("20\n", "9000\n", 1)
            )
            most = 0
            with program.running() as process:
                while process.poll() is None and active_opens(scan) < 250:
                    most = max(most, half_open(scan))
                    time.sleep(0.02)
        assert 30 <= most <= 50  # the kernel's list is no snapshot: a socket in use again may be in it twice

    @pytest.mark.exhaustive
    @pytest.mark.fault("F50", "a state table on the way with room for 100 connections (nft ct count)")
    def test_a_full_state_table_is_told_or_does_no_harm(self, tmp_path: Path) -> None:
        with estate() as (scan, corp):
            corp.nft(
                "table inet full {\nset of { type ipv4_addr; size 16; flags dynamic; }\n"
                "counter turned_away { }\nchain c {\ntype filter hook prerouting priority 0\n"
                "tcp dport 27017 ct state new add @of { ip saddr ct count over 100 }"
                " counter name turned_away drop\n}\nchain d {\ntype filter hook output priority -300\n"
                "ip saddr 10.77.0.0/23 tcp sport 27017 drop\n}\n}\n"
            )  # half of the targets are silent, and their half-open connects fill the table
            program = Program(scan, tmp_path)
            program.configure(
                '[[allow]]\ncidr = "10.77.0.0/22"\nowner = "x"\n'
                + SWEEP.format(half_open=4096).replace("20\n", "9000\n", 1)
            )
            program.run()
            assert corp.counters()["turned_away"] > 0
        manifest = program.manifest
        assert manifest["outcomes"]["refused"] >= 511 or manifest["state"] == "degraded", manifest


def half_open(scan: Namespace) -> int:
    """Connections of the scanner in SYN-SENT."""
    with scan.entered():
        rows = Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
    return sum(row.split()[3] == "02" for row in rows)
