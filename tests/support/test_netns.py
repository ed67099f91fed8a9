"""The namespace helper itself: traffic stays inside, and its counters count."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.support import netns


@netns.required
class TestPair:
    @pytest.mark.parametrize(("prefix", "address"), [("10.77.0.0/16", "10.77.3.4"), ("fd78::/64", "fd78::9")])
    def test_corp_answers_for_every_address_of_its_prefix(self, prefix: str, address: str) -> None:
        family = socket.AF_INET6 if ":" in prefix else socket.AF_INET
        with netns.pair(local=[prefix]) as (scan, corp):
            corp.count_syns(inside=prefix)
            with corp.entered():
                listener = socket.create_server(("", 27017), family=family)

            def ask() -> str:
                with socket.create_connection((address, 27017), timeout=5) as client:
                    return str(client.getpeername()[0])

            with listener:
                threading.Thread(target=lambda: listener.accept()[0].close()).start()
                assert scan.call(ask) == address

            assert corp.counters() == {"inside": 1, "elsewhere": 0, "other_port": 0}

    def test_a_packet_elsewhere_is_counted(self) -> None:
        with netns.pair(local=["10.77.0.0/16", "10.78.0.0/16"]) as (scan, corp):
            corp.count_syns(inside="10.77.0.0/16")

            def stray() -> None:
                with socket.socket() as client:
                    client.connect_ex(("10.78.0.1", 27018))

            scan.call(stray)

            assert corp.counters() == {"inside": 0, "elsewhere": 1, "other_port": 1}

    def test_the_trouble_of_a_function_inside_reaches_the_caller(self) -> None:
        def fail() -> None:
            raise ValueError("inside")

        with netns.pair() as (scan, _corp), pytest.raises(ValueError, match="inside"):
            scan.call(fail)

    def test_a_key_of_the_kernel_is_set_inside_only(self) -> None:
        with netns.pair() as (scan, corp):
            scan.sysctl("net.ipv4.tcp_syncookies", 0)

            assert scan.run(["sysctl", "-n", "net.ipv4.tcp_syncookies"]).stdout.strip() == "0"
            assert corp.run(["sysctl", "-n", "net.ipv4.tcp_syncookies"]).stdout.strip() == "1"
