"""Host names in an allow-list: resolved once, and only to addresses that are allowed as addresses."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from targets.errors import ScopeError
from targets.names import leave_out, system_resolver
from tests.support.tables import scope_from_tables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from targets.scope import Scope

WEB = {"cidr": "10.20.0.0/16", "owner": "web", "contact": "web@example.com", "ports": [27018]}


class FakeResolver:
    """Gives its answers one after the other, as a name server that moves a name would."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, name: str) -> list[str]:
        self.asked.append(name)
        return self.answers.pop(0)


class FailedResolver:
    """Never has an answer."""

    def __call__(self, name: str) -> list[str]:
        raise OSError("no such host")


def load(*tables: Mapping[str, object], resolver: object) -> Scope:
    return scope_from_tables(tables, source="a.toml", now=0.0, resolver=resolver)


def test_a_name_adds_a_label_not_an_address() -> None:
    resolver = FakeResolver(["10.20.0.7", "10.20.0.8"], ["10.99.0.1"])
    scope = load(WEB, {"cidr": "DB.example.com.", "owner": "payments"}, resolver=resolver)
    assert resolver.asked == ["DB.example.com."]
    assert scope.digest == load(WEB, resolver=None).digest
    entry = scope.owner_of(0x0A140007)
    assert (entry.owner, entry.contact, entry.hostnames) == (
        "payments",
        "web@example.com",
        ("db.example.com",),
    )
    assert entry.ports == (27018,)
    assert scope.owner_of(0x0A140009).hostnames == ()


def test_names_that_are_left_out_take_nothing_away() -> None:
    """A reload narrows a sweep by this before the names are known: their own ports are still asked."""
    other = {"cidr": "db.example.com", "ports": [27117]}
    scope = load(WEB, other, resolver=FakeResolver(["10.20.0.7"]))
    assert scope.owner_of(0x0A140007).ports == (27117,)
    assert scope.intersect(load(WEB, other, resolver=leave_out)).digest == scope.digest
    assert load(WEB, resolver=leave_out).digest == load(WEB, resolver=None).digest


def test_the_earlier_expiry_of_name_and_address_holds() -> None:
    early = {**WEB, "expires": "2027-01-01"}
    for first, second in (
        (early, {"cidr": "db.example.com"}),
        (WEB, {"cidr": "db.example.com", "expires": "2027-01-01"}),
    ):
        scope = load(first, second, resolver=FakeResolver(["10.20.0.7"]))
        assert scope.owner_of(0x0A140007).expires == 1798761600.0


def test_two_names_of_one_address() -> None:
    resolver = FakeResolver(["10.20.0.7"], ["10.20.0.7"], ["10.20.0.7"])
    scope = load(WEB, {"cidr": ["a.example.com", "b.example.com", "a.example.com"]}, resolver=resolver)
    assert scope.owner_of(0x0A140007).hostnames == ("a.example.com", "b.example.com")


def test_a_name_may_belong_to_an_address_that_is_denied() -> None:
    scope = scope_from_tables(
        [WEB, {"cidr": "db.example.com"}],
        [{"cidr": "10.20.0.7"}],
        source="a.toml",
        now=0.0,
        resolver=FakeResolver(["10.20.0.7"]),
    )
    assert scope.explain(4, 0x0A140007) == "denied by 10.20.0.7"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            ["10.20.0.7", "10.21.0.7"],
            "resolves to 10.21.0.7, which no entry allows; write an entry for it, as in ",
        ),
        (
            ["64:ff9b::a14:7"],
            "resolves to 64:ff9b::a14:7, which no entry allows; write an entry for it, as in ",
        ),
        (
            ["fe80::1%eth0"],
            "resolves to no address: 'fe80::1%eth0' has a zone; write its addresses",
        ),
        (
            [],
            "resolves to 0 addresses, not to 1…16; write the addresses that are meant",
        ),
        (
            [f"10.20.0.{n}" for n in range(17)],
            "resolves to 17 addresses, not to 1…16; write the addresses that are meant",
        ),
    ],
)
def test_a_name_that_resolves_outside(answer: list[str], message: str) -> None:
    with pytest.raises(ScopeError) as caught:
        load(WEB, {"cidr": "db.example.com"}, resolver=FakeResolver(answer))
    assert str(caught.value).startswith(f"a.toml: 'db.example.com' {message}")


def test_a_name_that_does_not_resolve() -> None:
    with pytest.raises(ScopeError) as caught:
        load(WEB, {"cidr": "db.example.com"}, resolver=FailedResolver())
    assert (
        str(caught.value)
        == "a.toml: 'db.example.com' does not resolve: no such host; write its addresses, or remove it"
    )


def test_the_system_resolver_takes_names_as_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def getaddrinfo(name: str, *_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        asked.append(name)
        return [(2, 1, 6, "", (ip, 0)) for ip in ("10.20.0.7", "10.20.0.7", "10.20.0.8")]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert system_resolver()("db.example.com") == ["10.20.0.7", "10.20.0.8"]
    assert asked == ["db.example.com."]


def test_the_hosts_file_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dot that makes a name complete hides that file from the system's resolver."""
    asked = []

    def getaddrinfo(name: str, *_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        asked.append(name)
        return [(2, 1, 6, "", ("10.20.0.9", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    hosts = tmp_path / "hosts"
    hosts.write_text(
        "# 10.20.0.1 db\n10.20.0.7\tDB db.lan # ours\nfd00::7 db\n10.20.0.8 db2 db.lan.example.com\nbroken\n",
        encoding="utf-8",
    )
    resolve = system_resolver(hosts=hosts)
    assert resolve("db") == ["10.20.0.7", "fd00::7"]
    assert resolve("db.LAN.") == ["10.20.0.7"]
    assert not asked
    assert resolve("lan") == ["10.20.0.9"]
    assert system_resolver(hosts=tmp_path / "none")("db") == ["10.20.0.9"]
    assert asked == ["lan.", "db."]
    assert load(WEB, {"cidr": "db.lan"}, resolver=resolve).owner_of(0x0A140007).hostnames == ("db.lan",)


def test_the_system_resolver_fails_as_the_system_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(name: str, *_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(OSError, match="Name or service not known"):
        system_resolver()("db.example.com")


def test_the_system_resolver_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def getaddrinfo(name: str, *_: object, **__: object) -> list[object]:
        release.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        system_resolver(0.05)("db.example.com")
    release.set()
