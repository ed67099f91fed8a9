"""The fences outside the process: their text, and, in a namespace, what the kernel makes of them."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from scanner.errors import RefusedError
from scanner.setup.firewall import KINDS, fence, fence_text
from targets.entries import Deny, Entry
from targets.planning import prefixes_of
from targets.scope import Scope
from tests.support import netns

if TYPE_CHECKING:
    from pathlib import Path

USER = 65534
SCOPE = Scope(
    [Entry.of("10.77.0.0/16"), Entry.of("fd78::/120")], [Deny.of("10.77.3.0/24", "medical devices")]
)
EMPTY = Scope()

# Run as the fenced account: connects to each address and prints the errno of each.
CONNECT = """
import socket, sys
for address in sys.argv[2:]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(float(sys.argv[1]))
        print(client.connect_ex((address, 27017)))
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_fence_names_every_prefix_and_the_scope_that_it_was_made_of(kind: str) -> None:
    text = fence(kind, SCOPE, USER)
    assert all(prefix in text for prefix in prefixes_of(SCOPE.ranges()))
    assert "10.77.3.0/24" not in text
    assert SCOPE.digest in text
    assert str(USER) in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_fence_of_an_empty_scope_lets_nothing_pass(kind: str) -> None:
    text = fence(kind, EMPTY, USER)
    assert "elements" not in text
    assert " throw " not in text.replace("`throw`", "")
    assert text.count("IPAddressAllow=") <= 1


def test_root_is_not_fenced(tmp_path: Path) -> None:
    scope = tmp_path / "scope.txt"
    scope.write_text("10.77.0.0/16\n", encoding="utf-8")
    with pytest.raises(RefusedError, match="--user"):
        fence_text("iproute", None, str(scope), "0")
    with pytest.raises(RefusedError, match="no account"):
        fence_text("iproute", None, str(scope), "nobody-of-that-name")
    assert "uidrange 1234-1234" in fence_text("iproute", None, str(scope), "1234")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "mongosweep.service"
    unit.write_text(fence("systemd", SCOPE, USER) + "ExecStart=/bin/true\n", encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert "mongosweep.service" not in done.stderr, done.stderr


@netns.required
class TestInANamespace:
    def connect(self, scan: netns.Namespace, *addresses: str, timeout: float = 10) -> list[int]:
        """What connect() says to the fenced account, address by address; EAGAIN after `timeout` seconds."""
        account = ["setpriv", f"--reuid={USER}", "--clear-groups"]
        done = scan.run([*account, sys.executable, "-IS", "-c", CONNECT, str(timeout), *addresses])
        return [int(line) for line in done.stdout.split()]

    def test_the_routing_fence_refuses_at_once_whatever_is_outside(self, tmp_path: Path) -> None:
        script = tmp_path / "fence.sh"
        script.write_text(fence("iproute", SCOPE, USER), encoding="utf-8")
        with netns.pair(local=["10.77.0.0/16", "10.78.0.0/16", "fd78::/64"]) as (scan, corp):
            corp.count_syns(inside="10.77.0.0/16", inside6="fd78::/120")
            outside = ["10.77.3.1", "10.78.0.1", "fd78::1:1"]
            assert set(self.connect(scan, *outside)) == {errno.ECONNREFUSED}, "they can be reached unfenced"
            unfenced = corp.counters()
            for _ in range(2):  # it can be installed again
                scan.run(["sh", str(script)])
            assert self.connect(scan, *outside) == [errno.EACCES] * 3
            assert corp.counters() == unfenced
            assert self.connect(scan, "10.77.4.1", "fd78::9") == [errno.ECONNREFUSED] * 2

    def test_the_nftables_fence_drops_and_counts(self, tmp_path: Path) -> None:
        rules = tmp_path / "fence.nft"
        rules.write_text(fence("nftables", SCOPE, USER), encoding="utf-8")
        with netns.pair(local=["10.77.0.0/16", "10.78.0.0/16", "fd78::/64"]) as (scan, corp):
            corp.count_syns(inside="10.77.0.0/16", inside6="fd78::/120")
            for _ in range(2):
                scan.run(["nft", "-f", str(rules)])
            assert self.connect(scan, "10.77.4.1", "fd78::9") == [errno.ECONNREFUSED] * 2
            before = corp.counters()
            assert self.connect(scan, "10.78.0.1", "10.77.3.1", timeout=0.5) == [errno.EAGAIN] * 2
            assert corp.counters() == before
            listed = scan.run(["nft", "list", "counter", "inet", "mongosweep", "outside"]).stdout
            assert "packets 0" not in listed
