"""Our own link fails, canaries fall silent, routers answer: what is a fact about a target, what is ours."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.netns.oracle import PORT, Program, active_opens, estate, serving, until
from tests.support import netns

if TYPE_CHECKING:
    from tests.support.netns import Namespace

pytestmark = pytest.mark.timeout(110)

SWEEP = """
[sweep]
rate = {rate}
per_prefix_rate = 100000
connect_timeout = {connect}
reply_timeout = 0.4
"""
WIDE = '[[allow]]\ncidr = "10.77.0.0/22"\nowner = "x"\n'


def routes(scan: Namespace) -> None:
    """What goes with a link and its address."""
    scan.run(["ip", "route", "replace", "10.77.0.0/16", "via", netns.CORP_V4])
    scan.run(["ip", "route", "replace", "default", "via", netns.CORP_V4])


@netns.required
class TestOurOwnLink:
    @pytest.mark.exhaustive
    @pytest.mark.fault("F45", "ip link set down, 5 s, on the scanner's side")
    def test_while_our_end_is_down_nobody_is_called_silent(self, tmp_path: Path) -> None:
        """Every address refuses, so each `filtered` would be a lie. Nothing is answered for a second before
        the link goes, so that many connects wait when it does."""
        with estate() as (scan, corp):
            program = Program(scan, tmp_path)
            program.configure(WIDE + SWEEP.format(rate=150, connect=1.5))
            with program.running() as process:
                until(lambda: active_opens(scan) > 200)
                corp.nft("table inet mute {\nchain c {\ntype filter hook prerouting priority 0\ndrop\n}\n}\n")
                time.sleep(0.7)
                scan.run(["ip", "link", "set", scan.device, "down"])
                corp.run(["nft", "delete", "table", "inet", "mute"])
                time.sleep(5)
                scan.run(["ip", "link", "set", scan.device, "up"])
                routes(scan)
                process.wait(timeout=60)
        manifest, said = program.manifest, program.said
        assert f"paused: the link {scan.device} of this machine is down" in said
        assert "what nobody had answered is asked again" in said
        assert manifest["state"] == "complete", (manifest, said)
        assert manifest["outcomes"] == {"refused": 1024}
        assert any("is down for" in reason for reason in manifest["reasons"])

    @pytest.mark.fault("F45", "ip link set down at the far end, for good")
    def test_when_the_far_end_stays_down_the_run_is_not_clean(self, tmp_path: Path) -> None:
        """The carrier goes with the far end of a cable."""
        with estate() as (scan, corp), serving(corp, "10.77.0.9=auth_7_1"):
            program = Program(scan, tmp_path)
            canary = '[[canary]]\naddress = "10.77.0.9"\n'
            program.configure(WIDE + canary + SWEEP.format(rate=200, connect=0.5))
            with program.running() as process:
                until(lambda: active_opens(scan) > 200)
                corp.run(["ip", "link", "set", corp.device, "down"])
                time.sleep(1.5)
                before = active_opens(scan)
                time.sleep(1.5)
                assert active_opens(scan) == before
                process.terminate()
                assert process.wait(timeout=30) == 3
        assert program.manifest["state"] == "interrupted"
        assert program.manifest["outcomes"].get("filtered", 0) == 0

    @pytest.mark.exhaustive
    @pytest.mark.fault("F47", "ip addr del, and its return")
    def test_a_lost_address_is_no_fact_about_targets(self, tmp_path: Path) -> None:
        with estate() as (scan, _):
            program = Program(scan, tmp_path)
            program.configure(WIDE + SWEEP.format(rate=200, connect=1.0))
            with program.running() as process:
                until(lambda: active_opens(scan) > 200)
                scan.run(["ip", "addr", "del", f"{netns.SCAN_V4}/30", "dev", scan.device])
                time.sleep(2.5)
                scan.run(["ip", "addr", "add", f"{netns.SCAN_V4}/30", "dev", scan.device])
                routes(scan)
                process.wait(timeout=60)
        assert "lost its address 198.18.0.1" in program.said
        assert program.manifest["outcomes"] == {"refused": 1024}
        assert program.manifest["state"] == "complete"

    @pytest.mark.fault("F46", "nft drops what the canary says, from the middle of the sweep on")
    def test_a_canary_that_falls_silent_degrades_the_run(self, tmp_path: Path) -> None:
        with estate() as (scan, corp), serving(corp, "10.77.0.9=auth_7_1"):
            program = Program(scan, tmp_path)
            canary = '[[canary]]\naddress = "10.77.0.9"\n'
            program.configure(WIDE + canary + SWEEP.format(rate=4000, connect=0.6))
            with program.running() as process:
                until(lambda: active_opens(scan) > 100)
                corp.nft(
                    "table inet mute {\nchain c {\ntype filter hook prerouting priority 0\n"
                    "ip daddr 10.77.0.9 drop\n}\n}\n"
                )
                assert process.wait(timeout=60) == 3
        assert program.manifest["state"] == "degraded"
        assert any("canary 10.77.0.9:27017 (at the end)" in reason for reason in program.manifest["reasons"])


REJECTS = {
    "tcp reset": "refused",
    "icmp type net-unreachable": "unreachable",
    "icmp type host-unreachable": "unreachable",
    "icmp type prot-unreachable": "unreachable",
    "icmp type port-unreachable": "refused",
    "icmp type net-prohibited": "unreachable",
    "icmp type host-prohibited": "unreachable",
    "icmp type admin-prohibited": "unreachable",
}
REJECTS6 = {
    "tcp reset": "refused",
    "icmpv6 type no-route": "unreachable",
    "icmpv6 type admin-prohibited": "unreachable",
    "icmpv6 type addr-unreachable": "unreachable",
    "icmpv6 type port-unreachable": "refused",
}


@netns.required
class TestWhatRoutersSay:
    @pytest.mark.fault("F48", "nft reject with each type, IPv4 and IPv6, and drop")
    def test_each_reject_has_its_outcome_at_once(self, tmp_path: Path) -> None:
        """One sweep over an address for each; two rounds ask all of them again, and none is asked for longer.

        On a veth pair the answer comes back while `connect` still holds its socket, so that the kernel only
        notes it; the repeated SYN, a second later, ends the connect. That looks like a lost packet, so many
        neighbours stand beside them that refuse at once: with them these few prove no loss.
        """
        places = {f"10.77.1.{n}": (how, says) for n, (how, says) in enumerate(REJECTS.items(), 1)}
        places |= {f"fd78::1:{n}": (how, says) for n, (how, says) in enumerate(REJECTS6.items(), 1)}
        rules = "".join(
            f"{'ip6' if ':' in ip else 'ip'} daddr {ip} tcp dport {PORT} reject with {how}\n"
            for ip, (how, _) in places.items()
        )
        with estate() as (scan, corp):
            corp.sysctl("net.ipv6.icmp.ratelimit", 0)
            corp.nft(
                f"table inet says {{\nchain c {{\ntype filter hook input priority 0\n{rules}"
                f"ip daddr 10.77.1.15 tcp dport {PORT} drop\n}}\n}}\n"
            )
            corp.count_syns(v4="10.77.1.0/28", v6="fd78::1:0/125")
            program = Program(scan, tmp_path)
            program.configure(
                '[[allow]]\ncidr = ["10.77.1.1-10.77.1.8", "10.77.1.15", "fd78::1:1-fd78::1:5",'
                ' "10.77.1.128/25", "fd78::1:80/121"]\n'
                'owner = "x"\n' + SWEEP.format(rate=4000, connect=1.5)
            )
            done = program.run("--all")
            assert done.returncode == 0, done.stderr
            syns = corp.counters()
            witnesses = 2 * 2 * 3  # three of each prefix in each round
            assert syns["v4"] + syns["v6"] <= 3 * (2 * 13 + 3) + 2 * witnesses
        seen = {line["target"]["ip"]: line["verdict"] for line in program.lines}
        neighbours = [seen.pop(ip) for ip in list(seen) if ip not in places and ip != "10.77.1.15"]
        assert neighbours == ["refused"] * 256
        assert seen.pop("10.77.1.15") == "filtered"
        assert seen == {ip: says for ip, (_, says) in places.items()}

    @pytest.mark.fault("F54", "addresses of our own link that nobody has")
    def test_nobody_on_the_link_is_a_fact_about_the_target(self, tmp_path: Path) -> None:
        with estate() as (scan, corp):
            scan.run(["ip", "addr", "add", "10.79.0.1/24", "dev", scan.device])
            scan.sysctl(f"net.ipv4.neigh.{scan.device}.retrans_time_ms", 200)  # of address resolution
            program = Program(scan, tmp_path)
            nobody = '[[allow]]\ncidr = "10.79.0.100-10.79.0.120"\nowner = "x"\n'
            pace = SWEEP.format(rate=500, connect=5)
            program.configure(nobody + pace)
            alone = program.run("--all")
            assert program.manifest["outcomes"] == {"unreachable": 21}
            assert all("EHOSTUNREACH" in str(line["evidence"]) for line in program.lines)
            shutil.rmtree(tmp_path / "runs")
            corp.run(["ip", "addr", "add", "10.79.0.99/24", "dev", corp.device])
            program.configure(nobody + '[[allow]]\ncidr = "10.79.0.99"\nowner = "x"\n' + pace)
            done = program.run("--all")
        assert alone.returncode == 3, "nobody says that the link leads anywhere"
        assert "nobody beyond this machine answered (0 were silent, 21 unreachable)" in alone.stderr
        assert done.returncode == 0, done.stderr
        assert program.manifest["outcomes"] == {"unreachable": 21, "refused": 1}

    @pytest.mark.fault("F53", "nft drops every FIN")
    @pytest.mark.fault("F62", "servers with a window of zero; nft drops every FIN")
    def test_no_socket_is_left_in_the_kernel(self, tmp_path: Path) -> None:
        places = [f"10.77.0.{n}={name}" for n, name in enumerate(("mute", "fin_at_0", "zero_window"), 1)]
        with estate() as (scan, corp), serving(corp, *places):
            corp.nft(
                "table inet lopsided {\nchain c {\ntype filter hook output priority 0\n"
                "tcp flags & fin == fin drop\n}\n}\n"
            )
            program = Program(scan, tmp_path)
            program.configure(
                '[[allow]]\ncidr = "10.77.0.0/29"\nowner = "x"\n' + SWEEP.format(rate=500, connect=0.8)
            )
            assert program.run().returncode == 3
            with scan.entered():
                left = Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
                stat = Path("/proc/thread-self/net/sockstat").read_text()
        assert left == []
        assert "TCP: inuse 0 " in stat
        assert program.manifest["coverage"]["outcomes"] == 8
        assert program.manifest["reasons"] == [
            "3 servers accepted and did not answer in time: they are unknown"
        ]
