"""A sweep of the machine's own subnet: its first and last address keep no run from being complete."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from scanner.network.link_edges import edges, link_prefixes
from targets.grammar import format_address
from tests.cli.programs import ROOT
from tests.netns.oracle import Program, serving
from tests.support import netns
from tests.support.lines import observed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.netns import Namespace

pytestmark = pytest.mark.timeout(100)

OURS = ["10.77.4.2/31", "10.77.4.4/30", "10.77.4.8/30", "10.77.4.12/31", "10.77.4.14/32"]  # of 10.77.4.0/28
SECOND = ["10.77.5.9/32", "10.77.5.10/31", "10.77.5.12/31", "10.77.5.14/32"]  # of 10.77.5.8/29
ROUTED = "10.78.0.0/28"
SCOPE = """
[[allow]]
cidr = "10.77.4.0/28"
owner = "a"
[[allow]]
cidr = "10.77.5.8/29"
owner = "b"
[[allow]]
cidr = "10.78.0.0/28"
owner = "c"
[sweep]
rate = 400
per_prefix_rate = 400
connect_timeout = 1.3
"""


@contextmanager
def subnet() -> Iterator[tuple[Namespace, Namespace]]:
    """scan has an address in 10.77.4.0/28, a second one in 10.77.5.8/29, and a route to 10.78.0.0/28; all
    other addresses are corp's."""
    with netns.pair(local=[*OURS, *SECOND, ROUTED], routed=[ROUTED]) as (scan, corp):
        for address in ("10.77.4.1/28", "10.77.5.10/29"):
            scan.run(["ip", "address", "add", address, "dev", scan.device])
        corp.run(["ip", "route", "delete", "local", "10.77.5.10/31", "dev", "lo"])
        corp.answer_for("10.77.5.11")
        for address in ("10.77.4.1", "10.77.5.10"):
            corp.run(["ip", "route", "add", address, "dev", corp.device])
        yield scan, corp


@netns.required
@pytest.mark.parametrize("engine", ["connect", pytest.param("syn", marks=pytest.mark.exhaustive)])
def test_the_own_subnet_is_complete_and_every_server_of_it_is_found(tmp_path: Path, engine: str) -> None:
    """Those behind a gateway are asked to the last address: there they may be anybody's."""
    servers = ["10.77.4.9", "10.77.4.14", "10.77.5.11", "10.78.0.0", "10.78.0.15"]
    with subnet() as (scan, corp), serving(corp, *(f"{ip}=empty" for ip in servers)):
        program = Program(scan, tmp_path)
        program.configure(SCOPE)
        done = program.run("--engine", engine, "--json")
        plan = scan.run(
            [sys.executable, "-m", "scanner", "plan", "-c", str(tmp_path / "mongosweep.toml")], cwd=ROOT
        ).stdout
    assert done.returncode == 1, done.stderr
    found = [document["target"]["ip"] for document in observed(done.stdout.splitlines())]
    assert sorted(found) == sorted(servers)
    manifest = program.manifest
    assert manifest["state"] == "complete"
    expected = {"planned": 40, "outcomes": 36, "excluded": 4, "not_reached": 0, "link_edges": 4}
    assert expected.items() <= manifest["coverage"].items()
    assert sum(manifest["outcomes"].values()) == 36
    assert any(reason.startswith("4 of the targets, network and broadcast") for reason in manifest["reasons"])
    assert "4 of the targets, network and broadcast" in done.stderr
    for edge in ("10.77.4.0", "10.77.4.15", "10.77.5.8", "10.77.5.15"):
        assert edge in plan
    assert "the broadcast address of 10.77.5.8/29 on scan0" in plan
    assert "10.78.0.15" not in plan


@netns.required
def test_links_are_read_from_the_kernel_as_they_are() -> None:
    """Secondary addresses, several links, a /31; none of a link that is down."""
    with netns.pair() as (scan, _):
        for device in ("two0", "down0"):
            scan.run(["ip", "link", "add", device, "type", "veth", "peer", "name", f"{device}far"])
        for address in ("10.77.6.1/24", "10.77.6.2/24", "10.77.7.1/31"):
            scan.run(["ip", "address", "add", address, "dev", "two0"])
        scan.run(["ip", "address", "add", "10.77.8.1/24", "dev", "down0"])
        scan.run(["ip", "link", "set", "two0", "up"])
        found = scan.call(lambda: edges(link_prefixes()))
    texts = [format_address(4, address) for address in sorted(found)]
    assert texts == ["10.77.6.0", "10.77.6.255", "127.255.255.255", "198.18.0.0", "198.18.0.3"]
    assert "the network address of 10.77.6.0/24 on two0" in found.values()
    assert "the broadcast address of 198.18.0.0/30 on scan0" in found.values()


@netns.required
@pytest.mark.exhaustive
def test_a_missing_route_is_named_at_once_and_silence_on_the_link_slows_nothing(tmp_path: Path) -> None:
    """Nobody answers the address resolution for most of a /26, as in any subnet that is not full."""
    with netns.pair() as (scan, corp):
        scan.run(["ip", "address", "add", "10.77.4.1/26", "dev", scan.device])
        corp.run(["ip", "address", "add", "10.77.4.2/26", "dev", corp.device])
        program = Program(scan, tmp_path)
        program.configure(
            '[[allow]]\ncidr = "10.77.4.0/26"\nowner = "a"\n[[allow]]\ncidr = "10.79.0.0/30"\nowner = "b"\n'
            "[sweep]\nrate = 200\nper_prefix_rate = 200\n"
        )
        done = program.run()
    assert done.returncode == 3
    first, second, *_ = done.stderr.splitlines()
    assert "no route on this machine to 10.79.0.0/30" in first + second
    manifest = program.manifest
    assert manifest["state"] == "degraded"
    assert manifest["outcomes"]["unreachable"] == 60
    (cause,) = (reason for reason in manifest["reasons"] if "not reached" in reason)
    assert cause.startswith(
        "4 targets were not reached: this machine could not ask them (network: ENETUNREACH"
    )
    assert "no route on this machine to 10.79.0.0/30" in cause
    assert not any("halved" in reason for reason in manifest["reasons"])
