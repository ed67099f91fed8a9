"""Our own link: which one it is, and when it is in trouble."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from scanner.network.uplink import Uplink, spread, unrouted
from targets.entries import Entry
from targets.scope import Scope
from tests.support import netns

if TYPE_CHECKING:
    from tests.support.netns import Namespace

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="links are watched on Linux")


def scope(*texts: str) -> Scope:
    """A scope of estate entries; loopback ones are the lab's."""
    return Scope([Entry.of(text, kind="lab" if text.startswith("127.") else "estate") for text in texts])


def test_loopback_needs_no_link() -> None:
    uplink = Uplink(spread(scope("127.0.0.0/24")))
    assert uplink.devices == []
    assert uplink.trouble() == ""
    uplink.close()
    assert uplink.drops() == 0


def test_loopback_has_a_route() -> None:
    assert unrouted(scope("127.0.0.0/24", "127.9.0.0/30")) == []


@netns.required
class TestInANamespace:
    def test_entries_without_a_route_are_named_as_they_were_written(self) -> None:
        written = ("10.77.0.0/24", "10.78.0.0/16", "10.79.0.4-10.79.0.9", "198.18.0.2", "fd79::/120")
        with netns.pair(local=["10.77.0.0/24"]) as (scan, _):
            assert scan.call(unrouted, scope(*written)) == [written[1], written[2], written[4]]
            scan.run(["ip", "route", "add", "default", "via", netns.CORP_V4])
            assert scan.call(unrouted, scope(*written)) == [written[4]]

    def troubles(self, scan: Namespace, prefix: str, *steps: list[str]) -> list[str]:
        """What is said at first and after each command."""

        def watch() -> list[str]:
            uplink = Uplink(spread(scope(prefix)))
            said = [",".join(uplink.devices), uplink.trouble()]
            for step in steps:
                before = uplink.trouble()
                scan.run(step)
                for _ in range(100):  # the kernel tells of a carrier within a second
                    if uplink.trouble() != before:
                        break
                    time.sleep(0.05)
                said.append(uplink.trouble())
            uplink.close()
            return said

        return scan.call(watch)

    def test_it_notices_a_link_that_falls_and_stands_again(self) -> None:
        with netns.pair(local=["10.77.0.0/16"]) as (scan, corp):
            down = ["ip", "link", "set", scan.device, "down"]
            up = ["ip", "link", "set", scan.device, "up"]
            said = self.troubles(scan, "10.77.0.0/24", down, up)
            assert said == [scan.device, "", f"the link {scan.device} of this machine is down", ""]
            corp.run(["ip", "link", "set", corp.device, "down"])
            assert self.troubles(scan, "10.77.0.0/24")[0] == ""  # no carrier from the start: not watched

    @pytest.mark.parametrize(
        ("prefix", "address", "length"),
        [("10.77.0.0/24", netns.SCAN_V4, 30), ("fd78::/120", netns.SCAN_V6, 126)],
    )
    def test_it_notices_an_address_that_is_gone(self, prefix: str, address: str, length: int) -> None:
        with netns.pair(local=["10.77.0.0/16", "fd78::/32"]) as (scan, _):
            gone = ["ip", "addr", "del", f"{address}/{length}", "dev", scan.device]
            said = self.troubles(scan, prefix, gone)
            assert said[:2] == [scan.device, ""]
            assert said[2] == f"this machine lost its address {address} on {scan.device}"
