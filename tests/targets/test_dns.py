"""Names of addresses and addresses of names, from a resolver on loopback and a hosts file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from targets.dns import AT_ONCE, open_dns
from tests.support.dns import resolving

if TYPE_CHECKING:
    from pathlib import Path

TABLE = {
    ("7.0.20.10.in-addr.arpa.", "PTR"): ["DB7.example.net.", "cache.example.net."],
    ("8.0.20.10.in-addr.arpa.", "PTR"): ["not\\032a\\032name."],
    (f"7.{'0.' * 29}d.f.ip6.arpa.", "PTR"): ["six.example.net."],
    ("db7.example.net.", "A"): ["10.20.0.7"],
    ("db7.example.net.", "AAAA"): ["fd00::7"],
    ("only-four.example.net.", "A"): ["10.20.0.9"],
}


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    """A hosts file of one line."""
    path = tmp_path / "hosts"
    path.write_text("10.9.9.9 db7.local only-here\n", encoding="utf-8")
    return path


async def test_names_of_addresses(hosts: Path) -> None:
    async with resolving(TABLE) as resolver, open_dns([resolver.address], hosts=hosts) as dns:
        found = await dns.names(["10.20.0.7", "10.20.0.8", "10.20.0.99", "fd00::7", "10.20.0.7"])
    assert found["10.20.0.7"].found == ("cache.example.net", "db7.example.net")
    assert found["10.20.0.8"] == ((), "")  # what it says is no name
    assert found["10.20.0.99"] == ((), "")
    assert found["fd00::7"].found == ("six.example.net",)
    assert resolver.asked["7.0.20.10.in-addr.arpa.", "PTR"] == 1


async def test_addresses_of_names(hosts: Path) -> None:
    names = ["db7.example.net", "only-four.example.net", "gone.example.net", "bad name", "db7.local"]
    async with resolving(TABLE) as resolver, open_dns([resolver.address], hosts=hosts) as dns:
        found = await dns.addresses(names)
    assert found["db7.example.net"].found == ("10.20.0.7", "fd00::7")
    assert found["only-four.example.net"] == (("10.20.0.9",), "")
    assert found["gone.example.net"] == ((), "")
    assert found["bad name"].fault == "it is no host name"
    assert found["db7.local"].found == ("10.9.9.9",)  # the hosts file, as everywhere
    assert not any("local" in name for name, _ in resolver.asked)


async def test_a_name_of_one_label_is_asked_of_no_resolver(hosts: Path) -> None:
    async with resolving(TABLE) as resolver, open_dns([resolver.address], hosts=hosts) as dns:
        found = await dns.addresses(["mongo1", "only-here"])
    assert found["only-here"].found == ("10.9.9.9",)
    assert not found["mongo1"].found
    assert "one label" in found["mongo1"].fault
    assert not resolver.asked


async def test_no_search_list_makes_another_name_of_one(hosts: Path) -> None:
    async with resolving(TABLE) as resolver, open_dns([resolver.address], hosts=hosts) as dns:
        await dns.addresses(["gone.example"])
    assert {name for name, _ in resolver.asked} == {"gone.example."}


async def test_a_resolver_that_is_silent_is_told_and_costs_no_other(
    hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("targets.dns.TIMEOUT", 0.2)
    silent = frozenset({"slow.example.net."})
    async with (
        resolving(TABLE, silent=silent) as resolver,
        open_dns([resolver.address], hosts=hosts) as dns,
    ):
        found = await dns.addresses(["slow.example.net", "db7.example.net"])
    assert found["db7.example.net"].found
    assert not found["slow.example.net"].found
    assert found["slow.example.net"].fault


async def test_many_are_asked_a_few_at_a_time(hosts: Path) -> None:
    names = [f"n{number}.example.net" for number in range(10 * AT_ONCE)]
    table = {(f"{name}.", "A"): ["10.0.0.1"] for name in names}
    async with resolving(table) as resolver, open_dns([resolver.address], hosts=hosts) as dns:
        found = await dns.addresses(names)
    assert all(answer.found == ("10.0.0.1",) for answer in found.values())


async def test_a_resolver_that_never_answers_is_given_up(
    hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("targets.dns.TIMEOUT", 0.05)
    names = [f"n{number}.example.net" for number in range(50 * AT_ONCE)]
    silent = frozenset(f"{name}." for name in names)
    async with resolving({}, silent=silent) as resolver, open_dns([resolver.address], hosts=hosts) as dns:
        found = await dns.addresses(names)
    assert all(answer.fault for answer in found.values())
    assert len(resolver.asked) < 5 * AT_ONCE
