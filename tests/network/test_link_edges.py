"""Which addresses of our own links no host can have, and that they are never asked."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import pytest

from results.run import load_manifest
from scanner.clock import SystemClock
from scanner.network.guard import ScopeGuard
from scanner.network.link_edges import LinkPrefix, edges, edges_of, link_prefixes
from targets.entries import Deny, Entry
from targets.grammar import format_address, parse_span
from targets.scope import Scope
from tests.support.sweeps import sweep

if TYPE_CHECKING:
    from pathlib import Path

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's links are read by netlink")


def link(
    text: str, device: str = "eth0", *, broadcast: str = "0.0.0.0", loopback: bool = False
) -> LinkPrefix:
    """A link with an address `a.b.c.d/n`."""
    address, _, length = text.partition("/")
    number = parse_span(address).first
    return LinkPrefix(device, number, number, int(length), parse_broadcast(broadcast), loopback)


def parse_broadcast(text: str) -> int:
    return int.from_bytes(socket.inet_aton(text), "big")


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ([], []),
        ([link("10.77.0.1/24")], ["10.77.0.0", "10.77.0.255"]),
        ([link("10.77.0.1/24", broadcast="10.77.0.255")], ["10.77.0.0", "10.77.0.255"]),
        ([link("10.77.0.1/24", broadcast="10.77.0.127")], ["10.77.0.0", "10.77.0.127", "10.77.0.255"]),
        ([link("10.77.0.1/24", broadcast="255.255.255.255")], ["10.77.0.0", "10.77.0.255"]),
        ([link("10.77.0.1/30")], ["10.77.0.0", "10.77.0.3"]),
        ([link("10.77.0.1/31")], []),
        ([link("10.77.0.1/32")], []),
        ([link("10.77.9.1/16")], ["10.77.0.0", "10.77.255.255"]),
        (
            [link("10.77.0.1/24"), link("10.77.1.1/25"), link("192.168.3.9/29", "eth1")],
            ["10.77.0.0", "10.77.0.255", "10.77.1.0", "10.77.1.127", "192.168.3.8", "192.168.3.15"],
        ),
        ([link("10.77.0.1/24"), link("10.77.0.255/32")], ["10.77.0.0"]),
        ([link("10.77.0.0/24")], ["10.77.0.255"]),
        ([link("127.0.0.1/8", "lo", loopback=True)], ["127.255.255.255"]),
    ],
)
def test_the_ends_of_a_prefix_are_its_edges(links: list[LinkPrefix], expected: list[str]) -> None:
    """Never of a /31 or /32, and never an address that is our own."""
    found = edges(links)
    assert [format_address(4, address) for address in sorted(found)] == expected
    assert all(" address of " in reason for reason in found.values())


def test_they_are_named_with_their_prefix_and_link() -> None:
    assert set(edges([link("10.77.0.1/24", "eth7")]).values()) == {
        "the network address of 10.77.0.0/24 on eth7",
        "the broadcast address of 10.77.0.0/24 on eth7",
    }


@linux
def test_loopback_is_among_our_links_and_only_its_last_address_is_an_edge() -> None:
    """Most tests live there."""
    (lo,) = [each for each in link_prefixes() if each.loopback]
    assert (lo.device, lo.length) == ("lo", 8)
    held = Scope([Entry.of("127.0.0.0/8", kind="lab")])
    assert [deny.text for deny in edges_of(held)] == ["127.255.255.255"]
    assert edges_of(Scope([Entry.of("127.91.0.0/16", kind="lab")])) == ()


def test_the_guard_lets_no_edge_through_and_knows_it() -> None:
    scope = Scope([Entry.of("10.77.0.0/24")])
    guard = ScopeGuard(scope, SystemClock(), edges=[Deny.of("10.77.0.255", reason="the broadcast address")])
    edge, other = scope.target("10.77.0.255", 27017), scope.target("10.77.0.254", 27017)
    assert (guard.permits(edge), guard.is_edge(edge)) == (False, True)
    assert (guard.permits(other), guard.is_edge(other)) == (True, False)
    assert not guard.filter()(edge)
    assert guard.narrow(scope) == 0
    assert guard.narrowed == 0


@linux
def test_a_sweep_to_the_end_of_loopback_is_complete_and_says_what_it_left_out(
    tmp_path: Path, port: int
) -> None:
    scope = Scope([Entry.of("127.255.255.240/28", kind="lab", owner="web platform")], ports=[port])
    summary, _ = sweep(scope, tmp_path)
    assert (summary.state, summary.exit_code) == ("complete", 0)
    assert summary.outcomes == {"refused": 15}
    assert summary.excluded == 1
    assert any(
        reason.startswith("1 of the targets, network and broadcast addresses") for reason in summary.reasons
    )
    manifest, _ = load_manifest(tmp_path / summary.run_id)
    assert manifest.coverage is not None
    assert (manifest.coverage.planned, manifest.coverage.excluded, manifest.coverage.link_edges) == (16, 1, 1)
