"""The whole stage between two namespaces: frames that a real kernel takes, and nothing out of scope."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
import time
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scanner.network.syn.messages import line
from scanner.network.syn.stage import NoRawSockets, StageTrouble, SynStage
from tests.network.syn.running import job, run
from tests.support import netns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.netns import Namespace

pytestmark = pytest.mark.timeout(60)

LIVE = "ip daddr & 0.0.0.7 == 0.0.0.1"  # one address in eight
CLOSED = "ip daddr & 0.0.0.7 == 0.0.0.2"


def mixed(corp: Namespace) -> None:
    """In corp one address in eight listens, one in eight is closed, the others drop what comes."""
    corp.nft(
        "table ip mix {\nchain arriving {\ntype filter hook prerouting priority -300\n"
        f"tcp dport 27017 {LIVE} accept\ntcp dport 27017 {CLOSED} accept\ntcp dport 27017 drop\n}}\n"
        "chain leaving {\ntype filter hook input priority 0\n"
        f"tcp dport 27017 {CLOSED} reject with tcp reset\n}}\n}}\n"
    )


@contextlib.contextmanager
def listening(corp: Namespace, family: socket.AddressFamily = socket.AF_INET) -> Iterator[socket.socket]:
    """A listener on every address of corp, with room for all half-open connections."""
    corp.sysctl("net.core.somaxconn", 65535)
    corp.sysctl("net.ipv4.tcp_max_syn_backlog", 131072)
    with corp.entered():
        listener = socket.create_server(("", 27017), family=family, backlog=65535)
    with listener:
        yield listener


def acquainted(scan: Namespace, corp: Namespace, *more: str) -> None:
    """Both kernels know the other's MAC: no connect is needed to learn it, no answer is lost meanwhile."""
    for here, there, extra in ((scan, corp, more), (corp, scan, ())):
        link = json.loads(there.run(["ip", "-j", "link", "show", there.device]).stdout)[0]
        for address in (there.address, there.address_v6, *extra):
            here.run(["ip", "neighbour", "replace", address, "lladdr", link["address"], "dev", here.device])


def half_open(corp: Namespace) -> int:
    """Connections in SYN-RECV."""
    with corp.entered():
        tables = [Path("/proc/thread-self/net", name).read_text() for name in ("tcp", "tcp6")]
    return sum(line.split()[3] == "03" for table in tables for line in table.splitlines()[1:])


def kernel_counter(space: Namespace, group: str, name: str) -> int:
    """One number of /proc/net/snmp."""
    with space.entered():
        lines = Path("/proc/thread-self/net/snmp").read_text().splitlines()
    keys, values = (line.split()[1:] for line in lines if line.startswith(f"{group}:"))
    return int(values[keys.index(name)])


@netns.required
class TestASweep:
    def test_65536_targets_each_once_and_none_elsewhere(self) -> None:
        with netns.pair(local=["10.76.0.0/14"], routed=["10.76.0.0/14"]) as (scan, corp):
            acquainted(scan, corp)
            corp.count_syns(inside="10.77.0.0/16")
            mixed(corp)
            with listening(corp):
                outcome = run(scan, job("10.77.0.0/16", attempts=1, rate=60_000, report_refused=True, wait=1))

            assert corp.counters() == {"inside": 65_536, "elsewhere": 0, "other_port": 0}
            assert kernel_counter(corp, "Tcp", "InCsumErrors") == 0
            assert kernel_counter(corp, "Ip", "InHdrErrors") == 0
            assert kernel_counter(scan, "Tcp", "OutRsts") == 0, "the kernel must not answer for the stage"
            assert half_open(corp) == 0
        stats = outcome.stats
        assert sorted(outcome.live) == list(range(1, 65_536, 8))
        assert sorted(outcome.refused) == list(range(2, 65_536, 8))
        assert (stats.targets, stats.sent, stats.live, stats.refused) == (65_536, 65_536, 8_192, 8_192)
        assert (stats.silent, stats.dropped, stats.ended) == (49_152, 0, "complete")

    def test_every_target_is_counted_by_the_kernel_exactly_once(self) -> None:
        """A set in the other kernel refuses each address that has been seen before."""
        with netns.pair(local=["10.77.0.0/16"]) as (scan, corp):
            acquainted(scan, corp)
            corp.nft(
                "table netdev once {\nset seen { type ipv4_addr; size 8192; flags dynamic; }\n"
                "counter first { }\ncounter again { }\n"
                f"chain c {{\ntype filter hook ingress device {corp.device} priority -500\n"
                "ip daddr @seen tcp dport 27017 counter name again\n"
                "tcp dport 27017 add @seen { ip daddr } counter name first drop\n}\n}\n"
            )
            run(scan, job("10.77.16.0/20", attempts=1, wait=0.1))

            assert corp.counters() == {"first": 4_096, "again": 0}

    def test_ipv6_and_several_ports(self) -> None:
        prefix = "fd78:0:0:1::ffff:0/120"
        with netns.pair(local=["fd78::/32"]) as (scan, corp):
            acquainted(scan, corp)
            corp.count_syns(inside=prefix, ports=(27017, 27018))
            with listening(corp, socket.AF_INET6):
                outcome = run(scan, job(prefix, ports=(27017, 27018), report_refused=True, attempts=2))

            assert corp.counters() == {"inside": 512, "elsewhere": 0, "other_port": 0}
            assert half_open(corp) == 0
        assert sorted(outcome.live) == list(range(0, 512, 2))
        assert sorted(outcome.refused) == list(range(1, 512, 2))
        assert outcome.stats.sent_by_round == [512, 0]

    def test_what_was_lost_is_asked_again(self) -> None:
        with netns.pair(local=["10.77.0.0/16"]) as (scan, corp):
            corp.nft(
                "table netdev loss {\ncounter lost { }\n"
                f"chain c {{\ntype filter hook ingress device {corp.device} priority -500\n"
                "tcp dport 27017 numgen inc mod 5 == 0 counter name lost drop\n}\n}\n"
            )
            with listening(corp):
                outcome = run(scan, job("10.77.0.0/21", attempts=9, wait=0.1))

            assert corp.counters()["lost"] > 400
        rounds = outcome.stats.sent_by_round
        assert sorted(outcome.live) == list(range(2_048))
        assert rounds[0] == 2_048
        assert 300 < rounds[1] < 500
        assert rounds[-1] <= 2

    def test_a_scope_of_several_routes(self) -> None:
        """Two families and two gateways; what is on the link itself is left to the connect engine."""
        with netns.pair(local=["10.77.0.0/16", "fd78::/64"]) as (scan, corp):
            corp.run(["ip", "address", "add", "198.18.0.6/30", "dev", corp.device])
            scan.run(["ip", "address", "add", "198.18.0.5/30", "dev", scan.device])
            scan.run(["ip", "route", "add", "10.77.8.0/24", "via", "198.18.0.6"])
            acquainted(scan, corp, "198.18.0.6")
            corp.count_syns(four="10.77.0.0/16", six="fd78::/64")
            prefixes = ("10.77.7.128/25", "10.77.8.0/23", "198.18.0.0/30", "fd78::40/122")
            with listening(corp), listening6(corp):
                outcome = run(scan, job(*prefixes, attempts=1))

            assert corp.counters() == {"four": 640, "six": 64, "elsewhere": 0, "other_port": 0}
        assert sorted(outcome.live) == [*range(640), *range(644, 708)]
        assert outcome.direct == [(640, 4)]
        assert sorted(outcome.lanes) == sorted(
            ["scan0 from 198.18.0.1", "scan0 from 198.18.0.5", "scan0 from fd77::1"]
        )

    def test_the_next_hop_is_resolved_by_the_kernel_and_only_targets_get_packets(self) -> None:
        with netns.pair(local=["10.77.0.0/24"]) as (scan, corp):
            scan.run(["ip", "neighbour", "flush", "all"])
            corp.nft(
                "table netdev every {\ncounter target { }\ncounter other_ip { }\n"
                f"chain c {{\ntype filter hook ingress device {corp.device} priority -500\n"
                "ip daddr 10.77.0.0/24 counter name target return\n"
                "meta protocol ip counter name other_ip\n}\n}\n"
            )
            outcome = run(scan, job("10.77.0.0/24", attempts=1))

            assert corp.counters()["other_ip"] == 0
            assert corp.counters()["target"] >= 257
        assert outcome.stats.refused == 256


@contextlib.contextmanager
def listening6(corp: Namespace) -> Iterator[None]:
    with listening(corp, socket.AF_INET6):
        yield


@netns.required
class TestTheProcess:
    def test_it_has_no_privilege_left_before_its_first_frame(self) -> None:
        seen: dict[str, str] = {}
        limits: list[str] = []

        def look(stage: SynStage) -> None:
            status = Path(f"/proc/{stage.pid}/status").read_text()
            seen.update((line.partition(":\t")[0], line.partition(":\t")[2]) for line in status.splitlines())
            limits.extend(Path(f"/proc/{stage.pid}/limits").read_text().splitlines())

        with netns.pair(local=["10.77.0.0/24"]) as (scan, corp):
            acquainted(scan, corp)
            corp.count_syns(inside="10.77.0.0/24")
            outcome = run(scan, job("10.77.0.0/24", attempts=1), look)
            assert corp.counters()["inside"] == 256

        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(seen[name], 16) == 0, name
        assert set(seen["Uid"].split()) == set(seen["Gid"].split()) == {"65534"}
        assert seen["Groups"].split() == []
        assert seen["NoNewPrivs"] == "1"
        assert seen["Threads"] == "1"
        assert next(line for line in limits if line.startswith("Max open files")).split()[3] == "0"
        assert outcome.stats.refused == 256

    def test_without_the_capability_it_says_how_to_grant_it(self) -> None:
        def bare() -> None:
            from scanner.network.syn import privilege

            privilege.renounce_net_raw()  # in this thread, and in what it starts
            assert not privilege.has_net_raw()
            import asyncio

            asyncio.run(SynStage(job("10.77.0.0/24")).start())

        with netns.pair(local=["10.77.0.0/24"]) as (scan, corp):
            acquainted(scan, corp)
            corp.count_syns(inside="10.77.0.0/24")
            with pytest.raises(NoRawSockets, match=r"AmbientCapabilities=CAP_NET_RAW(?s:.)*setpriv"):
                scan.call(bare)
            assert corp.counters() == {"inside": 0, "elsewhere": 0, "other_port": 0}

    def test_a_rule_of_the_machine_that_prohibits_the_scope_stops_it(self) -> None:
        with netns.pair(local=["10.77.0.0/16"]) as (scan, corp):
            acquainted(scan, corp)
            corp.count_syns(inside="10.77.0.0/16")
            scan.run(["ip", "route", "add", "prohibit", "10.77.9.0/24"])
            with pytest.raises(StageTrouble, match=r"prohibits 10\.77\.9\.0") as caught:
                run(scan, job("10.77.8.0/22"))

            assert caught.value.what == "fence"
            assert corp.counters()["inside"] == 0

    def test_an_egress_filter_at_the_device_ends_it(self) -> None:
        with netns.pair(local=["10.77.0.0/24"]) as (scan, corp):
            acquainted(scan, corp)
            corp.count_syns(inside="10.77.0.0/24")
            scan.nft(
                "table netdev fence {\nchain out {\n"
                f"type filter hook egress device {scan.device} priority 0\ntcp dport 27017 drop\n}}\n}}\n"
            )
            with pytest.raises(StageTrouble, match="egress filter") as caught:
                run(scan, job("10.77.0.0/24"))

            assert caught.value.what == "refused"
            assert corp.counters()["inside"] == 0

    def test_stop_means_stop(self) -> None:
        with netns.pair(local=["10.77.0.0/16"]) as (scan, corp):
            acquainted(scan, corp)
            corp.count_syns(inside="10.77.0.0/16")

            def soon(stage: SynStage) -> None:
                import asyncio

                asyncio.get_running_loop().call_later(0.4, stage.stop)

            outcome = run(scan, job("10.77.0.0/16", rate=2_000), soon)
            counted = corp.counters()["inside"]
            time.sleep(0.2)

            assert corp.counters()["inside"] == counted == outcome.stats.sent < 10_000
        assert outcome.stats.ended == "stopped"

    def test_a_dead_parent_stops_it(self) -> None:
        with netns.pair(local=["10.77.0.0/16"]) as (scan, corp):
            acquainted(scan, corp)
            corp.count_syns(inside="10.77.0.0/16")
            process = scan.popen(
                [os.sys.executable, "-I", "-m", "scanner.network.syn.process"],  # type: ignore[attr-defined]  # os imports it
                stdin=-1,
                stdout=-1,
            )
            assert process.stdin is not None
            process.stdin.write(line(job("10.77.0.0/16", rate=500)))
            process.stdin.close()
            with contextlib.closing(process.stdout):  # type: ignore[type-var]  # a pipe was asked for
                assert process.wait(timeout=10) == 0
            assert corp.counters()["inside"] < 1_000

    def test_an_expired_scope_stops_it(self) -> None:
        with netns.pair(local=["10.77.0.0/16"]) as (scan, corp):
            acquainted(scan, corp)
            corp.count_syns(inside="10.77.0.0/16")
            outcome = run(scan, job("10.77.0.0/16", rate=1_000, until=1e9))  # in 2001, by any clock

            assert corp.counters()["inside"] == outcome.stats.sent == 0
        assert outcome.stats.ended == "scope expired"


@netns.required
class TestForgedAnswers:
    def test_replies_without_the_cookie_are_not_believed(self) -> None:
        """Corp learns our ports from a real SYN, then answers for hosts that never spoke. Once it answers for
        the one that was asked: with the right number the same frame is believed, and closed by an RST."""
        with netns.pair(local=["10.77.0.0/16"]) as (scan, corp):
            corp.nft(
                "table ip quiet {\ncounter resets { }\nchain c {\ntype filter hook prerouting priority -300\n"
                "tcp dport 27017 tcp flags & rst == rst counter name resets\ntcp dport 27017 drop\n}\n}\n"
            )
            acquainted(scan, corp)
            honest: list[int] = []
            with corp.entered():
                tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
                tap.settimeout(10)
                tap.bind((corp.device, 0x0800))

            def forge() -> None:
                syn = tap.recv(200)
                while syn[47] != 2 or syn[36:38] != struct.pack(">H", 27017):
                    syn = tap.recv(200)
                for host in range(500):
                    tap.send(forged(syn, bytes([10, 77, 200, host % 250]), guess=host * 7919))
                tap.send(forged(syn, syn[30:34], guess=(int.from_bytes(syn[38:42], "big") + 1) % 2**32))
                honest.append(int.from_bytes(syn[30:34], "big") - int(IPv4Address("10.77.0.0")))

            with tap:
                forger = threading.Thread(target=forge)
                forger.start()
                outcome = run(scan, job("10.77.0.0/16", rate=50_000, attempts=1, wait=1))
                forger.join()
            assert corp.counters()["resets"] == 1

        assert outcome.live == honest
        assert outcome.stats.refused == 0


def forged(syn: bytes, source: bytes, guess: int) -> bytes:
    """A SYN-ACK in the name of another host, with everything right but the number acknowledged."""
    from tests.network.syn.independent import checksum, tcp_checksum

    tcp = syn[36:38] + syn[34:36] + struct.pack(">IIBBHHH", 1, guess, 0x50, 0x12, 1000, 0, 0)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 40, 0, 0x4000, 64, 6, 0) + source + syn[26:30]
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    tcp = tcp[:16] + struct.pack(">H", tcp_checksum(ip + tcp)) + tcp[18:]
    return syn[6:12] + syn[0:6] + b"\x08\x00" + ip + tcp
